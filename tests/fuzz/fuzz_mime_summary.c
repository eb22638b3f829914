/*
 * Summaries from an enemy: refused, or sound enough to be written and read again, with the same
 * result.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_summary.h"

static void check_parts(const struct mime_message *m)
{
	MUST(m->n_parts >= 1 && m->n_parts <= LIMIT_MIME_PARTS && m->parts[0].envelope);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct mime_part *p = &m->parts[i];

		MUST(i == 0 ? p->parent == 0 : p->parent < i);
		MUST(p->header_offset <= p->body_offset);
		MUST(p->body_offset + p->body_size <= m->size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct mime_message m, again;
	struct buf one, two;

	buf_init(&one, LIMIT_SUMMARY);
	buf_init(&two, LIMIT_SUMMARY);
	if (mime_summary_read(a, str_of(data, size), &m) == MIME_SUMMARY_OK) {
		check_parts(&m);
		mime_summary_put(&one, &m, LIMIT_SUMMARY);
		MUST(mime_summary_read(a, buf_view(&one), &again) == MIME_SUMMARY_OK);
		mime_summary_put(&two, &again, LIMIT_SUMMARY);
		MUST(str_eq(buf_view(&one), buf_view(&two)));
	}
	MUST(arena_used(a) <= 300 * size + 4 * MIB);
	buf_fini(&one);
	buf_fini(&two);
	arena_free(&a);
	return 0;
}
