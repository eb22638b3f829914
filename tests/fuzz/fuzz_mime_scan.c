/*
 * Messages. Octet 0 says in which pieces the rest is fed: the result is that of feeding it whole,
 * the summary's reader, which trusts nothing, accepts it, and the work is linear.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_scan.h"
#include "mime/mime_summary.h"

static void summarise(struct buf *b, struct str message, size_t piece)
{
	struct mime_scan *s = mime_scan_new();

	for (size_t at = 0; at < message.n; at += piece)
		mime_scan_feed(s, str_sub(message, at, piece));
	mime_summary_put(b, mime_scan_finish(s), LIMIT_SUMMARY);
	MUST(mime_scan_steps(s) <= 40 * message.n + 1024);
	mime_scan_free(&s);
}

static void check_tree(const struct mime_message *m, size_t size)
{
	MUST(m->size == size && m->n_parts >= 1);
	MUST(m->parts[0].body_offset + m->parts[0].body_size == size);
	for (size_t i = 1; i < m->n_parts; i++)
		MUST(m->parts[m->parts[i].parent].kind != MIME_PART_LEAF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str message = str_of(data + 1, size ? size - 1 : 0);
	struct arena *a = arena_new();
	struct mime_message m;
	struct buf whole, pieces;

	buf_init(&whole, LIMIT_SUMMARY);
	buf_init(&pieces, LIMIT_SUMMARY);
	if (size > 0) {
		summarise(&whole, message, message.n + 1);
		summarise(&pieces, message, data[0] % 61 + 1);
		MUST(str_eq(buf_view(&whole), buf_view(&pieces)));
		MUST(mime_summary_read(a, buf_view(&whole), &m) == MIME_SUMMARY_OK);
		check_tree(&m, message.n);
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	arena_free(&a);
	return 0;
}
