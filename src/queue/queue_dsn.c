/*
 * A report as a message: multipart/report of text, fields and original [RFC 6522 3]. The boundary
 * occurs in none of them: the text is encoded if need be, lines of the fields begin otherwise, and
 * for the original another boundary is chosen until it does not occur.
 */
#include "queue/queue_dsn.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"
#include "mime/mime_build.h"
#include "queue/queue_dsn_part.h"
#include "queue/queue_text.h"

const char *queue_dsn_action_name(enum queue_dsn_action action)
{
	static const char *const names[QUEUE_DSN_ACTIONS] = {
	    [QUEUE_DSN_FAILED] = "failed",
	    [QUEUE_DSN_DELAYED] = "delayed",
	    [QUEUE_DSN_DELIVERED] = "delivered",
	    [QUEUE_DSN_RELAYED] = "relayed",
	    [QUEUE_DSN_EXPANDED] = "expanded",
	};

	MUST(action < QUEUE_DSN_ACTIONS);
	return names[action];
}

/* ---- the original ---- */

struct original {
	struct str bytes; /* what is returned */
	bool full;
	bool eightbit;
	bool utf8; /* its header has UTF-8 */
};

/* The header, with the end of its last line. */
static struct str header_of(struct str message)
{
	size_t n = str_find_str(message, STR("\r\n\r\n"));

	if (str_has_prefix(message, STR("\r\n")))
		return str_sub(message, 0, 0);
	return str_sub(message, 0, n + 2);
}

/* Whole lines of at most max octets; one line that is longer is cut. */
static struct str cut_lines(struct str s, size_t max)
{
	struct str head = str_sub(s, 0, max);
	size_t n = str_rfind(head, '\n');

	if (head.n == s.n)
		return s;
	return n < head.n ? str_sub(head, 0, n + 1) : head;
}

static bool anything_failed(const struct queue_dsn *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->recipients[i].action == QUEUE_DSN_FAILED)
			return true;
	return false;
}

static struct original original_of(const struct queue_dsn *d)
{
	struct str header = header_of(d->original);
	struct original o = {.bytes = cut_lines(header, LIMIT_DSN_HEADER)};

	if (d->want_full && d->complete && d->original.n <= LIMIT_DSN_ORIGINAL &&
	    anything_failed(d)) {
		o.bytes = d->original;
		o.full = true;
	}
	o.eightbit = str_has_8bit(o.bytes);
	o.utf8 = queue_dsn_is_utf8(header);
	return o;
}

static void put_original(struct buf *b, const struct original *o)
{
	static const struct str types[2][2] = {
	    {STR_INIT("text/rfc822-headers"), STR_INIT("message/global-headers")},
	    {STR_INIT("message/rfc822"), STR_INIT("message/global")},
	};

	buf_lit(b, "Content-Type: ");
	buf_str(b, types[o->full][o->utf8]);
	buf_str(
	    b, o->eightbit ? STR("\r\nContent-Transfer-Encoding: 8bit\r\n\r\n") : STR("\r\n\r\n"));
	buf_str(b, o->bytes);
	if (!str_has_suffix_i(o->bytes, STR("\r\n")))
		buf_lit(b, "\r\n");
}

/* ---- the frame ---- */

static void make_boundary(struct buf *boundary, const struct queue_dsn *d, struct str original)
{
	struct hash_key key = {0, 0};

	do {
		uint64_t hash = hash_bytes(&key, d->message_id);

		buf_clear(boundary);
		buf_lit(boundary, MIME_BUILD_BOUNDARY);
		buf_hex(boundary, str_of(&hash, sizeof hash));
		key.k0++;
	} while (str_find_str(original, buf_view(boundary)) < original.n);
}

static enum queue_phrase subject_of(const struct queue_dsn *d)
{
	enum queue_dsn_action worst = QUEUE_DSN_EXPANDED;

	if (d->postmaster)
		return d->untold.n  ? QUEUE_PHRASE_SUBJECT_UNTOLD
		       : d->sent_on ? QUEUE_PHRASE_SUBJECT_NO_SENDER
				    : QUEUE_PHRASE_SUBJECT_DOUBLE;
	for (size_t i = 0; i < d->n; i++)
		if (d->recipients[i].action < worst)
			worst = d->recipients[i].action;
	return (enum queue_phrase)((int)QUEUE_PHRASE_SUBJECT_FAILED + (int)worst);
}

static void put_header(struct buf *b, const struct queue_dsn *d, struct str boundary)
{
	struct arena *a = arena_new();
	struct mime_address from = {
	    .kind = MIME_ADDRESS_MAILBOX, .local = STR("postmaster"), .domain = d->reporting_mta};
	struct mime_build_message m = {.from = {.v = &from, .n = 1},
	    .subject = queue_phrase_text(d->lang, subject_of(d)),
	    .message_id = d->message_id,
	    .in_reply_to = d->original_id,
	    .date = d->date};
	struct buf name;

	buf_init(&name, KIB);
	queue_phrase_put(&name, d->lang, QUEUE_PHRASE_FROM_NAME, QUEUE_ARGS(d->reporting_mta));
	from.name = buf_view(&name);
	mime_address_parse(a, d->sender, 1, &m.to);
	mime_build_header(b, &m);
	buf_lit(b, "Auto-Submitted: auto-replied\r\n"
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	buf_str(b, boundary);
	buf_lit(b, "\"\r\n");
	buf_fini(&name);
	arena_free(&a);
}

/* The line end before a delimiter is its own [RFC 2046 5.1.1]. */
static void put_delimiter(struct buf *b, struct str boundary, bool last)
{
	buf_lit(b, "\r\n--");
	buf_str(b, boundary);
	buf_str(b, last ? STR("--\r\n") : STR("\r\n"));
}

static void put_fields(struct buf *b, const struct queue_dsn *d, bool utf8)
{
	buf_str(b, utf8 ? STR("Content-Type: message/global-delivery-status\r\n"
			      "Content-Transfer-Encoding: 8bit\r\n\r\n")
			: STR("Content-Type: message/delivery-status\r\n\r\n"));
	queue_dsn_fields(b, d, utf8);
}

/* Is an address internationalised? Then programs get the fields of RFC 6533. */
static bool has_utf8_address(const struct queue_dsn *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (queue_dsn_is_utf8(d->recipients[i].address) ||
		    queue_dsn_is_utf8(d->recipients[i].original))
			return true;
	return false;
}

static void put_text(struct buf *b, const struct queue_dsn *d, bool full)
{
	struct buf text;

	buf_init(&text, LIMIT_DSN);
	queue_dsn_text(&text, d, full);
	mime_build_text(b, buf_view(&text));
	buf_fini(&text);
}

static void put_all(
    struct buf *b, const struct queue_dsn *d, const struct original *o, bool utf8, bool eightbit)
{
	struct buf boundary;

	buf_init(&boundary, KIB);
	make_boundary(&boundary, d, o->bytes);
	put_header(b, d, buf_view(&boundary));
	if (eightbit)
		buf_lit(b, "Content-Transfer-Encoding: 8bit\r\n");
	put_delimiter(b, buf_view(&boundary), false);
	put_text(b, d, o->full);
	put_delimiter(b, buf_view(&boundary), false);
	put_fields(b, d, utf8);
	put_delimiter(b, buf_view(&boundary), false);
	put_original(b, o);
	put_delimiter(b, buf_view(&boundary), true);
	buf_fini(&boundary);
}

enum queue_dsn_status queue_dsn_put(
    struct buf *b, const struct queue_dsn *d, struct queue_dsn_facts *facts_r)
{
	size_t before = b->n;
	struct original o;
	bool utf8;

	if (d->sender.n == 0)
		return QUEUE_DSN_NO_SENDER;
	if (d->n == 0 || d->n > LIMIT_DSN_RECIPIENTS)
		return QUEUE_DSN_BAD_COUNT;
	o = original_of(d);
	utf8 = has_utf8_address(d);
	put_all(b, d, &o, utf8, utf8 || o.eightbit);
	if (b->overflow) {
		b->n = before;
		b->overflow = false;
		return QUEUE_DSN_TOO_LARGE;
	}
	facts_r->eightbit = utf8 || o.eightbit;
	facts_r->utf8 = str_has_8bit(d->sender);
	return QUEUE_DSN_OK;
}
