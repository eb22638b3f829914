/*
 * The text of a report: recipients by what became of them, each with the reason and what can be
 * done. What other servers said stands on lines that begin with ">", and nowhere else.
 */
#include "queue/queue_dsn_part.h"

#include "queue/queue_reason.h"
#include "queue/queue_text.h"

#define WIDTH    76
#define SENTENCE ((size_t)8 * KIB) /* octets of one paragraph; each text that is put in is cut */

struct writer {
	struct buf *out;
	const struct queue_dsn *d;
	struct buf paragraph; /* what is being said */
	struct buf when;
};

static void say(struct writer *w, enum queue_phrase phrase, const struct str *args, size_t n)
{
	if (w->paragraph.n)
		queue_phrase_join(&w->paragraph, w->d->lang);
	queue_phrase_put(&w->paragraph, w->d->lang, phrase, args, n);
}

/* Writes what was said as lines behind the indent, and begins anew. */
static void flush(struct writer *w, struct str indent)
{
	struct buf eol;

	buf_init(&eol, KIB);
	buf_byte(&eol, '\n');
	buf_str(&eol, indent);
	if (w->paragraph.n) {
		buf_str(w->out, indent);
		queue_text_wrap(w->out, buf_view(&w->paragraph), buf_view(&eol), WIDTH, indent.n);
		buf_byte(w->out, '\n');
	}
	buf_clear(&w->paragraph);
	buf_fini(&eol);
}

static struct str when(struct writer *w, int64_t ms)
{
	buf_clear(&w->when);
	queue_phrase_put_time(&w->when, w->d->lang, ms, 0, &w->d->zone);
	return buf_view(&w->when);
}

/* ---- one recipient ---- */

/* A report that could not be placed at once is of a later date. */
static int64_t tried_until(const struct queue_dsn *d, const struct queue_dsn_recipient *r)
{
	int64_t until = r->end > r->last_attempt ? r->end : r->last_attempt;

	return r->end && until < d->date ? until : d->date;
}

static void say_expired(struct writer *w, const struct queue_dsn_recipient *r)
{
	int64_t since = r->since ? r->since : w->d->arrival;
	struct buf span;

	buf_init(&span, KIB);
	queue_phrase_put_span(&span, w->d->lang, tried_until(w->d, r) - since);
	if (r->last_attempt)
		say(w, QUEUE_PHRASE_EXPIRED, QUEUE_ARGS(buf_view(&span), when(w, r->last_attempt)));
	else
		say(w, QUEUE_PHRASE_EXPIRED_UNTRIED, QUEUE_ARGS(buf_view(&span)));
	buf_fini(&span);
}

/* Who wrote to an alias may not know where it leads. That is no secret: the fields tell it as well. */
static void say_forwarded(struct writer *w, const struct queue_dsn_recipient *r, struct str address)
{
	struct buf alias;

	if (r->forwarder.n == 0)
		return;
	buf_init(&alias, QUEUE_DSN_ADDRESS);
	queue_text_clean(&alias, r->forwarder, QUEUE_DSN_ADDRESS, true);
	say(w, QUEUE_PHRASE_FORWARDED, QUEUE_ARGS(buf_view(&alias), address));
	buf_fini(&alias);
}

/* Of one who was never tried there may be more to say than that he had no turn. */
static enum queue_phrase why_of(
    const struct queue_dsn_recipient *r, const struct queue_reason *reason)
{
	if (reason->why != QUEUE_PHRASE_WHY_UNTRIED)
		return reason->why;
	return r->under_way ? QUEUE_PHRASE_WHY_SLOW : reason->why;
}

/* The postmaster is not the sender: what would be said of his domain, address or rights is not. */
static enum queue_phrase why_failed(const struct writer *w, enum queue_phrase why)
{
	if (!w->d->postmaster)
		return why;
	switch (why) {
	case QUEUE_PHRASE_WHY_SENDER_ADDRESS:
	case QUEUE_PHRASE_WHY_UNPROVEN:
	case QUEUE_PHRASE_WHY_RESTRICTED:
		return QUEUE_PHRASE_WHY_POLICY;
	case QUEUE_PHRASE_WHY_LOCAL:
		return QUEUE_PHRASE_WHY_LOCAL_HERE;
	default:
		return why;
	}
}

static void say_failed(struct writer *w, const struct queue_dsn_recipient *r,
    const struct queue_reason *reason, const struct str *args, size_t n)
{
	say(w, why_failed(w, why_of(r, reason)), args, n);
	if (r->late)
		say(w, QUEUE_PHRASE_LATE, QUEUE_ARGS(when(w, w->d->deliver_by)));
	if (r->expired)
		say_expired(w, r);
	if (!w->d->postmaster)
		say(w, reason->advice, args, n);
}

static void say_delayed(struct writer *w, const struct queue_dsn_recipient *r,
    const struct queue_reason *reason, const struct str *args, size_t n)
{
	say(w, why_of(r, reason), args, n);
	if (w->d->deliver_by)
		say(w, QUEUE_PHRASE_LATE_DELAYED, QUEUE_ARGS(when(w, w->d->deliver_by)));
	if (r->end)
		say(w,
		    r->silent ? QUEUE_PHRASE_KEEPS_TRYING_SILENT : QUEUE_PHRASE_KEEPS_TRYING_UNTIL,
		    QUEUE_ARGS(when(w, r->end)));
	else
		say(w, QUEUE_PHRASE_KEEPS_TRYING, NULL, 0);
}

/* The other server's own words. */
static void quote(struct writer *w, const struct queue_dsn_recipient *r)
{
	struct buf name;

	if (!queue_result_is_reply(r->reply))
		return;
	buf_init(&name, LIMIT_SMTP_DOMAIN);
	queue_text_clean(&name, r->remote_mta, LIMIT_SMTP_DOMAIN, true);
	if (name.n)
		say(w, QUEUE_PHRASE_WORDS_OF, QUEUE_ARGS(buf_view(&name)));
	else
		say(w, QUEUE_PHRASE_WORDS, NULL, 0);
	flush(w, STR("    "));
	queue_text_clean(&w->paragraph, r->reply, LIMIT_QUEUE_REPLY, true);
	flush(w, STR("    > "));
	buf_fini(&name);
}

/* What the reason's sentences put in: it is told of the server that was tried, which may not be his own. */
struct names {
	struct buf address, route, server, server_first;
	struct str args[5];
};

static void names_init(
    struct names *n, enum queue_lang lang, const struct queue_dsn_recipient *r, bool routed)
{
	struct str host, domain;

	buf_init(&n->address, QUEUE_DSN_ADDRESS);
	buf_init(&n->route, LIMIT_SMTP_DOMAIN);
	buf_init(&n->server, SENTENCE);
	buf_init(&n->server_first, SENTENCE);
	queue_text_clean(&n->address, r->address, QUEUE_DSN_ADDRESS, true);
	queue_text_clean(&n->route, r->route, LIMIT_SMTP_DOMAIN, true);
	domain = queue_text_domain(buf_view(&n->address));
	host = routed ? buf_view(&n->route) : domain;
	queue_phrase_put(&n->server, lang, routed ? QUEUE_PHRASE_ROUTE : QUEUE_PHRASE_SERVER,
	    QUEUE_ARGS(host, domain));
	queue_phrase_put(&n->server_first, lang,
	    routed ? QUEUE_PHRASE_ROUTE_FIRST : QUEUE_PHRASE_SERVER_FIRST,
	    QUEUE_ARGS(host, domain));
	n->args[0] = buf_view(&n->address);
	n->args[1] = domain;
	n->args[2] = buf_view(&n->server);
	n->args[3] = buf_view(&n->server_first);
	n->args[4] = host;
}

static void names_fini(struct names *n)
{
	buf_fini(&n->address);
	buf_fini(&n->route);
	buf_fini(&n->server);
	buf_fini(&n->server_first);
}

static struct queue_reason reason_of(const struct queue_dsn_recipient *r)
{
	return r->route.n ? queue_reason_of_route(r->problem, r->status, r->reply)
			  : queue_reason_of(r->problem, r->status, r->reply);
}

static void put_recipient(struct writer *w, const struct queue_dsn_recipient *r)
{
	struct queue_reason reason = reason_of(r);
	struct names names;

	names_init(&names, w->d->lang, r, r->route.n && !reason.of_domain);
	buf_str(&w->paragraph, names.args[0]);
	flush(w, STR(""));
	say_forwarded(w, r, names.args[0]);
	if (r->action == QUEUE_DSN_FAILED)
		say_failed(w, r, &reason, names.args, 5);
	if (r->action == QUEUE_DSN_DELAYED)
		say_delayed(w, r, &reason, names.args, 5);
	if (r->action == QUEUE_DSN_RELAYED && w->d->deliver_by)
		say(w,
		    r->last_attempt > w->d->deliver_by ? QUEUE_PHRASE_LATE_RELAYED_BEHIND
						       : QUEUE_PHRASE_LATE_RELAYED,
		    QUEUE_ARGS(when(w, w->d->deliver_by)));
	flush(w, STR("    "));
	if (r->action == QUEUE_DSN_FAILED || r->action == QUEUE_DSN_DELAYED)
		quote(w, r);
	buf_byte(w->out, '\n');
	names_fini(&names);
}

/* ---- the whole ---- */

static bool has_action(const struct queue_dsn *d, enum queue_dsn_action action)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->recipients[i].action == action)
			return true;
	return false;
}

/* Where a time was set it is told of all that is passed on, to servers that will report too. */
static enum queue_phrase opening(const struct queue_dsn *d, enum queue_dsn_action action)
{
	if (d->untold.n)
		return QUEUE_PHRASE_OPENING_UNTOLD;
	if (d->postmaster)
		return d->sent_on ? QUEUE_PHRASE_OPENING_NO_SENDER : QUEUE_PHRASE_OPENING_DOUBLE;
	if (action == QUEUE_DSN_RELAYED && d->deliver_by)
		return QUEUE_PHRASE_OPENING_PASSED_ON;
	return (enum queue_phrase)((int)QUEUE_PHRASE_OPENING_FAILED + (int)action);
}

static void put_group(struct writer *w, enum queue_dsn_action action)
{
	struct buf sender;

	if (!has_action(w->d, action))
		return;
	buf_init(&sender, LIMIT_ADDRESS);
	queue_text_clean(&sender, w->d->untold, LIMIT_ADDRESS, true);
	say(w, opening(w->d, action), QUEUE_ARGS(when(w, w->d->arrival), buf_view(&sender)));
	buf_fini(&sender);
	flush(w, STR(""));
	buf_byte(w->out, '\n');
	for (size_t i = 0; i < w->d->n; i++)
		if (w->d->recipients[i].action == action)
			put_recipient(w, &w->d->recipients[i]);
}

static void say_greeting(struct writer *w)
{
	struct buf name;

	buf_init(&name, LIMIT_SMTP_DOMAIN);
	queue_text_clean(&name, w->d->reporting_mta, LIMIT_SMTP_DOMAIN, true);
	say(w, QUEUE_PHRASE_GREETING, QUEUE_ARGS(buf_view(&name)));
	buf_fini(&name);
}

/* Whose the message is: the postmaster's are only our own reports. */
static enum queue_phrase original(const struct queue_dsn *d, bool full)
{
	if (d->untold.n || d->sent_on)
		return QUEUE_PHRASE_MESSAGE_HEADER;
	if (d->postmaster)
		return full ? QUEUE_PHRASE_DOUBLE_FULL : QUEUE_PHRASE_DOUBLE_HEADER;
	return full ? QUEUE_PHRASE_ORIGINAL_FULL : QUEUE_PHRASE_ORIGINAL_HEADER;
}

static void say_original(struct writer *w, bool full)
{
	struct buf id;

	buf_init(&id, LIMIT_MIME_LINE);
	queue_text_clean(&id, w->d->original_id, LIMIT_MIME_LINE / 2, true);
	say(w, original(w->d, full), NULL, 0);
	if (id.n)
		say(w, QUEUE_PHRASE_MESSAGE_ID, QUEUE_ARGS(buf_view(&id)));
	buf_fini(&id);
}

void queue_dsn_text(struct buf *b, const struct queue_dsn *d, bool full)
{
	struct writer w = {.out = b, .d = d};

	buf_init(&w.paragraph, SENTENCE);
	buf_init(&w.when, KIB);
	say_greeting(&w);
	for (int action = 0; action < QUEUE_DSN_ACTIONS; action++)
		put_group(&w, (enum queue_dsn_action)action);
	say_original(&w, full);
	flush(&w, STR(""));
	buf_fini(&w.paragraph);
	buf_fini(&w.when);
}
