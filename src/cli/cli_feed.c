/* Frames on their way up, and what the store says to them. */
#include "cli/cli_feed.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "mime/mime_mbox.h"
#include "mime/mime_summary.h"
#include "proc/admin_call.h"

#define QUEUE_MAX (64 * MIB)
#define DATA_MAX  (16 * KIB)

void cli_feed_init(struct cli_feed *f, const char *doing, bool (*pump)(void *ctx), void *ctx)
{
	*f = (struct cli_feed){.doing = doing, .pump = pump, .ctx = ctx};
	buf_init(&f->up, QUEUE_MAX);
	cli_progress_init(&f->progress);
}

void cli_feed_fini(struct cli_feed *f)
{
	mime_scan_free(&f->scan);
	buf_fini(&f->up);
}

void cli_feed_begin(struct cli_feed *f, const struct admin_feed_begin *m)
{
	admin_feed_begin_put(&f->up, m);
	f->scan = mime_scan_new();
	f->size = 0;
}

void cli_feed_bytes(struct cli_feed *f, struct str bytes)
{
	f->size += (int64_t)bytes.n;
	if (f->size > (int64_t)LIMIT_MESSAGE_SIZE)
		return; /* it is dropped at its end */
	mime_scan_feed(f->scan, bytes);
	while (bytes.n > 0) {
		struct str part = str_sub(bytes, 0, DATA_MAX);

		admin_feed_data_put(&f->up, part);
		bytes = str_from(bytes, part.n);
	}
}

void cli_feed_drop(struct cli_feed *f)
{
	mime_scan_free(&f->scan);
	admin_feed_drop_put(&f->up);
}

static int64_t own_date(const struct mime_message *m)
{
	const struct mime_envelope *e = m->n_parts ? m->parts[0].envelope : NULL;

	return e && e->has_date ? e->date.ms : clock_now();
}

const char *cli_feed_end(
    struct cli_feed *f, int64_t received, struct str keywords, struct str summary)
{
	const struct mime_message *m = mime_scan_finish(f->scan);
	struct admin_feed_end end = {.received = received, .keywords = keywords};
	struct buf b;

	if (f->size == 0 || f->size > (int64_t)LIMIT_MESSAGE_SIZE) {
		cli_feed_drop(f);
		return f->size == 0 ? "it is empty"
				    : "it is larger than the 2 GiB that a message may have";
	}
	if (received == MIME_MBOX_NO_DATE)
		end.received = own_date(m);
	buf_init(&b, LIMIT_SUMMARY);
	if (summary.n == 0)
		mime_summary_put(&b, m, LIMIT_SUMMARY);
	end.summary = summary.n ? summary : buf_view(&b);
	admin_feed_end_put(&f->up, &end);
	buf_fini(&b);
	mime_scan_free(&f->scan);
	return NULL;
}

/* ---- the call ---- */

static size_t pull(void *ctx, uint8_t *p, size_t n, bool *last_r)
{
	struct cli_feed *f = ctx;
	bool more = true;
	struct str part;

	while (f->up.n - f->sent < n && more) {
		buf_drop(&f->up, f->sent);
		f->sent = 0;
		more = f->pump(f->ctx);
	}
	part = str_sub(str_from(buf_view(&f->up), f->sent), 0, n);
	if (part.n)
		memcpy(p, part.p, part.n);
	f->sent += part.n;
	f->bytes += (int64_t)part.n;
	*last_r = !more && f->sent == f->up.n;
	return part.n;
}

static bool on_record(void *ctx, struct str record)
{
	struct cli_feed *f = ctx;
	struct cur c = cur_of(record);
	struct admin_field field;

	while (admin_field_next(&c, &field) > 0) {
		if (!str_eq(field.name, STR("result")))
			continue;
		f->taken += str_eq(field.text, STR("taken"));
		f->there += str_eq(field.text, STR("there"));
		f->deleted += str_eq(field.text, STR("deleted"));
	}
	cli_progress_show(&f->progress, f->doing, f->taken + f->there + f->deleted, f->bytes);
	return true;
}

bool cli_feed_was_begun(int code, int64_t answers)
{
	if (code == EX_USAGE || code == EX_NOUSER || code == EX_NOINPUT)
		return false;
	return code != EX_TEMPFAIL || answers > 0;
}

int cli_feed_call(struct cli_feed *f, const char *dir, const struct admin_request *request)
{
	struct buf text;
	struct admin_call call = {.dir = dir,
	    .request = request,
	    .record = on_record,
	    .feed = pull,
	    .ctx = f,
	    .apart = true,
	    .text = &text};
	int code;

	buf_init(&text, LIMIT_IPC_PAYLOAD);
	code = admin_call(&call);
	cli_progress_clear(&f->progress);
	if (code != EX_OK && code != f->quiet)
		(void)cli_fail(code, "%s", buf_cstr(&text));
	buf_fini(&text);
	return code;
}
