/*
 * message/delivery-status. Every value passes queue_text_clean(), so that none can end its field;
 * what continues on the next line begins with a blank, so that none can be a boundary. Only words of
 * people are folded: a program that unfolds an address [RFC 5322 2.2.3] must find no blank in it.
 */
#include "queue/queue_dsn_part.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/utf8.h"
#include "mime/mime_date.h"
#include "queue/queue_text.h"

#define FOLD_WIDTH 76

bool queue_dsn_is_utf8(struct str s)
{
	return str_has_8bit(s) && utf8_is_valid(s);
}

/* "name: type value"; nothing when the value is empty. type: "dns; " or "". max: of the value, which is one line. */
static void put_field(
    struct buf *b, struct str name, struct str type, struct str value, size_t max, bool utf8)
{
	struct buf clean;

	buf_init(&clean, max);
	queue_text_clean(&clean, value, max, utf8);
	if (clean.n) {
		buf_str(b, name);
		buf_lit(b, ": ");
		buf_str(b, type);
		buf_str(b, buf_view(&clean));
		buf_lit(b, "\r\n");
	}
	buf_fini(&clean);
}

static void put_diagnostic(struct buf *b, struct str type, struct str reply, bool utf8)
{
	static const struct str name = STR_INIT("Diagnostic-Code: ");
	struct buf clean;

	buf_init(&clean, LIMIT_QUEUE_REPLY);
	queue_text_clean(&clean, reply, LIMIT_QUEUE_REPLY, utf8);
	if (clean.n) {
		buf_str(b, name);
		buf_str(b, type);
		queue_text_wrap(b, buf_view(&clean), STR("\r\n "), FOLD_WIDTH, name.n + type.n);
		buf_lit(b, "\r\n");
	}
	buf_fini(&clean);
}

static void put_date(struct buf *b, struct str name, int64_t ms)
{
	if (ms == 0 || ms < MIME_DATE_MIN || ms > MIME_DATE_MAX) /* no date: a row is damaged */
		return;
	buf_str(b, name);
	buf_lit(b, ": ");
	mime_date_put(b, ms);
	buf_lit(b, "\r\n");
}

/* As the sender said it [RFC 4865 5.1.2]. */
static void put_release(struct buf *b, const struct queue_dsn *d)
{
	if (d->released == 0)
		return;
	buf_lit(b, "Future-Release-Request: ");
	if (d->hold_for && d->released > d->arrival) {
		buf_lit(b, "for;");
		buf_i64(b, (d->released - d->arrival) / SECOND_MS);
	} else {
		buf_lit(b, "until;");
		clock_put_iso(b, d->released);
	}
	buf_lit(b, "\r\n");
}

/* "type;address" with a type that is an atom, as RFC 3464 2.1.2 wants it? */
static bool is_typed(struct str s)
{
	size_t n = str_find(s, ';');

	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	return n > 0 && n + 1 < s.n;
}

/* [RFC 3464 2.3.4]; a failure after too long is 4.4.7 whatever came last. */
static struct queue_status status_of(const struct queue_dsn_recipient *r)
{
	static const uint8_t classes[QUEUE_DSN_ACTIONS] = {
	    [QUEUE_DSN_FAILED] = 5,
	    [QUEUE_DSN_DELAYED] = 4,
	    [QUEUE_DSN_DELIVERED] = 2,
	    [QUEUE_DSN_RELAYED] = 2,
	    [QUEUE_DSN_EXPANDED] = 2,
	};

	if (r->late) /* [RFC 2852 4.1.3] */
		return (struct queue_status){classes[r->action], 4, 7};
	if (r->action == QUEUE_DSN_FAILED && r->expired)
		return (struct queue_status){4, 4, 7};
	if (r->status.class == 0)
		return (struct queue_status){classes[r->action], 0, 0};
	return r->status;
}

static void put_status(struct buf *b, const struct queue_dsn_recipient *r)
{
	buf_lit(b, "Action: ");
	buf_c(b, queue_dsn_action_name(r->action));
	buf_lit(b, "\r\nStatus: ");
	queue_result_put_status(b, status_of(r));
	buf_lit(b, "\r\n");
}

/* An address in the place of a name is a literal [RFC 3464 2.3.5, RFC 5321 4.1.3]. */
static void put_remote(struct buf *b, struct str mta, bool utf8)
{
	struct buf literal;
	struct ip ip;

	buf_init(&literal, LIMIT_SMTP_DOMAIN);
	if (ip_parse(mta, &ip)) {
		buf_c(&literal, ip_is_v4(&ip) ? "[" : "[IPv6:");
		ip_put(&literal, &ip);
		buf_byte(&literal, ']');
		mta = buf_view(&literal);
	}
	put_field(b, STR("Remote-MTA"), STR("dns; "), mta, LIMIT_SMTP_DOMAIN, utf8);
	buf_fini(&literal);
}

static void put_recipient(struct buf *b, const struct queue_dsn_recipient *r, bool utf8)
{
	bool replied = queue_result_is_reply(r->reply);

	if (is_typed(r->original))
		put_field(
		    b, STR("Original-Recipient"), STR(""), r->original, LIMIT_SMTP_PARAM, utf8);
	put_field(b, STR("Final-Recipient"),
	    queue_dsn_is_utf8(r->address) ? STR("utf-8; ") : STR("rfc822; "), r->address,
	    QUEUE_DSN_ADDRESS, utf8);
	put_status(b, r);
	if (replied) /* who said nothing has reported nothing [RFC 3464 2.3.5] */
		put_remote(b, r->remote_mta, utf8);
	put_diagnostic(b, replied ? STR("smtp; ") : STR("x-godwit; "), r->reply, utf8);
	put_date(b, STR("Last-Attempt-Date"), r->last_attempt);
	if (r->action == QUEUE_DSN_DELAYED)
		put_date(b, STR("Will-Retry-Until"), r->end);
}

void queue_dsn_fields(struct buf *b, const struct queue_dsn *d, bool utf8)
{
	put_field(b, STR("Original-Envelope-Id"), STR(""), d->envid, LIMIT_SMTP_PARAM, utf8);
	put_field(b, STR("Reporting-MTA"), STR("dns; "), d->reporting_mta, LIMIT_SMTP_DOMAIN, utf8);
	put_date(b, STR("Arrival-Date"), d->arrival);
	put_date(b, STR("Deliver-By-Date"), d->deliver_by); /* [RFC 2852 5] */
	put_release(b, d);
	for (size_t i = 0; i < d->n; i++) {
		buf_lit(b, "\r\n");
		put_recipient(b, &d->recipients[i], utf8);
	}
}
