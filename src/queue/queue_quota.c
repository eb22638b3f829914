/* The text says of both limits what is used of them, where they are nearly reached. */
#include "queue/queue_quota.h"

#include "base/arena.h"
#include "base/limits.h"
#include "mime/mime_build.h"
#include "queue/queue_text.h"

#define WIDTH 76

/* "3.4 MB", in powers of 1024 as the configuration has them, rounded down. */
static struct str put_size(struct buf *b, int64_t octets)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	int64_t tenths = octets / 1024 * 10 + octets % 1024 * 10 / 1024;
	size_t unit = 0;

	for (; tenths >= 10240 && unit + 1 < sizeof units / sizeof *units; unit++)
		tenths /= 1024;
	buf_clear(b);
	buf_i64(b, tenths / 10);
	buf_byte(b, '.');
	buf_i64(b, tenths % 10);
	buf_byte(b, ' ');
	buf_c(b, units[unit]);
	return buf_view(b);
}

static struct str put_number(struct buf *b, int64_t n)
{
	buf_clear(b);
	buf_i64(b, n);
	return buf_view(b);
}

static bool is_near(int64_t used, int64_t max)
{
	return used >= max - max / 10;
}

/* The words for a mailbox and for a domain. */
struct words {
	enum queue_phrase subject, bytes, messages, next, advice;
};

static const struct words *words_of(const struct queue_quota *q)
{
	static const struct words mailbox = {QUEUE_PHRASE_QUOTA_SUBJECT, QUEUE_PHRASE_QUOTA_BYTES,
	    QUEUE_PHRASE_QUOTA_MESSAGES, QUEUE_PHRASE_QUOTA_NEXT, QUEUE_PHRASE_QUOTA_ADVICE};
	static const struct words domain = {QUEUE_PHRASE_QUOTA_DOMAIN_SUBJECT,
	    QUEUE_PHRASE_QUOTA_DOMAIN_BYTES, QUEUE_PHRASE_QUOTA_DOMAIN_MESSAGES,
	    QUEUE_PHRASE_QUOTA_DOMAIN_NEXT, QUEUE_PHRASE_QUOTA_DOMAIN_ADVICE};

	return q->of_domain ? &domain : &mailbox;
}

static void put_usage(struct buf *text, const struct queue_quota *q)
{
	struct str name = q->of_domain ? queue_text_domain(q->address) : q->address;
	const struct words *w = words_of(q);
	struct buf used, max;

	buf_init(&used, 64);
	buf_init(&max, 64);
	if (is_near(q->used_bytes, q->max_bytes)) {
		queue_phrase_put(text, q->lang, w->bytes,
		    QUEUE_ARGS(name, put_size(&used, q->used_bytes), put_size(&max, q->max_bytes)));
		queue_phrase_join(text, q->lang);
	}
	if (is_near(q->used_messages, q->max_messages)) {
		queue_phrase_put(text, q->lang, w->messages,
		    QUEUE_ARGS(name, put_number(&used, q->used_messages),
			put_number(&max, q->max_messages)));
		queue_phrase_join(text, q->lang);
	}
	buf_fini(&used);
	buf_fini(&max);
}

static void put_text(struct buf *b, const struct queue_quota *q)
{
	struct buf text, lines;

	buf_init(&text, 16 * KIB);
	buf_init(&lines, 32 * KIB);
	put_usage(&text, q);
	buf_str(&text, queue_phrase_text(q->lang, words_of(q)->next));
	queue_phrase_join(&text, q->lang);
	buf_str(&text, queue_phrase_text(q->lang, words_of(q)->advice));
	queue_text_wrap(&lines, buf_view(&text), STR("\n"), WIDTH, 0);
	buf_byte(&lines, '\n');
	mime_build_text(b, buf_view(&lines));
	buf_fini(&text);
	buf_fini(&lines);
}

void queue_quota_put(struct buf *b, const struct queue_quota *q)
{
	struct arena *a = arena_new();
	struct mime_address from = {
	    .kind = MIME_ADDRESS_MAILBOX, .local = STR("postmaster"), .domain = q->hostname};
	struct mime_build_message m = {.from = {.v = &from, .n = 1},
	    .subject = queue_phrase_text(q->lang, words_of(q)->subject),
	    .message_id = q->message_id,
	    .date = q->date};
	struct buf name;

	buf_init(&name, KIB);
	queue_phrase_put(&name, q->lang, QUEUE_PHRASE_FROM_NAME, QUEUE_ARGS(q->hostname));
	from.name = buf_view(&name);
	mime_address_parse(a, q->address, 1, &m.to);
	mime_build_header(b, &m);
	buf_lit(b, "Auto-Submitted: auto-generated\r\n");
	put_text(b, q);
	buf_fini(&name);
	arena_free(&a);
}
