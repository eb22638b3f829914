/*
 * The stages by one table. A stage looks at one recipient and either decides his item, refuses him, or
 * leaves the item as it is; a refusal ends the pipeline for him. Nothing here may make a plan that
 * plan_encode() would not take: what comes from elsewhere goes through line_of() or is_valid.
 */
#include "plan/accept.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

enum verdict {
	CONTINUE,
	REFUSED
};

#define REFUSAL(code, class, subject, detail, text)                                                \
	{                                                                                          \
		code, class, subject, detail, STR_INIT(text)                                       \
	}

static const struct plan_reject no_relay = REFUSAL(550, 5, 7, 1,
    "this server does not relay for you: log in first, or use the mail server of that domain");
static const struct plan_reject too_large = REFUSAL(
    552, 5, 3, 4, "the message is larger than this server takes");
static const struct plan_reject bare_line_end = REFUSAL(
    550, 5, 6, 0, "The message has a bare CR or LF, end each line with CRLF [RFC 5321 2.3.8]");
static const struct plan_reject too_many_hops = REFUSAL(
    554, 5, 4, 6, "more than 100 Received fields: the message goes in circles");
static const struct plan_reject delivered_before = REFUSAL(
    554, 5, 4, 6, "the message was delivered to this address before: forwarding loop");

static const struct plan_reject only_reports = REFUSAL(550, 5, 7, 1,
    "this address only takes reports about a message that was forwarded: write to its sender's own");

/* Code 0: accepted. */
static const struct plan_reject class_refusals[ACCEPT_CLASSES] = {
    [ACCEPT_LOCAL] = {0},
    [ACCEPT_REDIRECT] = {0},
    [ACCEPT_RELAY] = {0},
    [ACCEPT_RETURN] = {0},
    [ACCEPT_FORGED] = REFUSAL(550, 5, 1, 1,
	"this return address (SRS) was not made by this server, or was changed on its way"),
    [ACCEPT_EXPIRED] = REFUSAL(550, 5, 1, 1,
	"this return address (SRS) is no longer valid: its message was forwarded too long ago"),
    [ACCEPT_UNKNOWN] = REFUSAL(550, 5, 1, 1, "there is no such user here"),
    [ACCEPT_DISABLED] = REFUSAL(550, 5, 2, 1, "this mailbox is disabled"),
    [ACCEPT_SEND_ONLY] = REFUSAL(550, 5, 2, 1, "this address sends mail but takes none"),
    [ACCEPT_OVER_QUOTA] = REFUSAL(452, 4, 2, 2, "this mailbox is full, try again later"),
    [ACCEPT_TOO_LARGE] = REFUSAL(
	552, 5, 2, 3, "the message is larger than all that this mailbox may hold"),
    [ACCEPT_NO_ROOM] = REFUSAL(452, 4, 3, 1, "the server is short of room, try again later"),
    [ACCEPT_CLOSED] = REFUSAL(451, 4, 3, 0,
	"the server's disk failed: it takes no mail until it is restarted, try again later"),
    [ACCEPT_TROUBLE] = REFUSAL(451, 4, 3, 0, "temporary trouble, try again later"),
    [ACCEPT_BACKUP] = {0},
    [ACCEPT_UNVERIFIED] = REFUSAL(450, 4, 1, 1,
	"the server of that domain has not said yet whether it knows this recipient, try again later"),
    [ACCEPT_REFUSED] = REFUSAL(550, 5, 1, 1, "the server of that domain refuses this recipient"),
    [ACCEPT_UNROUTED] = REFUSAL(450, 4, 4, 6,
	"there is no server that mail for that domain could be passed on to, try again later"),
    [ACCEPT_NO_POSTMASTER] = REFUSAL(451, 4, 3, 5,
	"this server has no account yet: its administrator must add one (godwit account add), try again later"),
};

bool accept_is_elsewhere(enum accept_class class)
{
	return class == ACCEPT_RELAY || class == ACCEPT_BACKUP || class == ACCEPT_UNVERIFIED ||
	       class == ACCEPT_REFUSED || class == ACCEPT_UNROUTED;
}

const struct plan_reject *accept_refusal(enum accept_class class, bool may_relay, bool report)
{
	MUST(class < ACCEPT_CLASSES);
	if (class == ACCEPT_RELAY && !may_relay)
		return &no_relay;
	if (class == ACCEPT_RETURN && !report)
		return &only_reports;
	return class_refusals[class].code ? &class_refusals[class] : NULL;
}

static enum verdict refuse(struct plan_item *item, const struct plan_reject *why)
{
	item->action = PLAN_REJECT;
	item->u.reject = *why;
	return REFUSED;
}

/* A text that a reply can carry: cut between characters, controls and malformed octets made "?". */
static struct str line_of(struct arena *a, struct str text)
{
	uint8_t *copy = arena_alloc(a, PLAN_TEXT_MAX);
	size_t n = 0;

	for (size_t at = 0; at < text.n;) {
		struct str rest = str_from(text, at);
		size_t len = utf8_char(rest);
		bool plain = len > 0 && !str_has_cntrl(str_sub(rest, 0, len));

		if (n + (plain ? len : 1) > PLAN_TEXT_MAX)
			break;
		if (plain)
			memcpy(copy + n, rest.p, len);
		else
			copy[n] = '?';
		n += plain ? len : 1;
		at += len ? len : 1;
	}
	return str_of(copy, n);
}

static enum verdict stage_connection(const struct accept_input *in,
    const struct accept_recipient *r, struct plan_item *item, struct arena *a)
{
	struct plan_reject why = {.code = 451, .class = 4, .subject = 7, .detail = 0};

	if (in->refusal.n == 0)
		return CONTINUE;
	why.text = line_of(a, in->refusal);
	return refuse(item, &why);
}

static enum verdict stage_envelope(const struct accept_input *in, const struct accept_recipient *r,
    struct plan_item *item, struct arena *a)
{
	const struct plan_reject *why = accept_refusal(
	    r->class, in->trusted || in->authenticated, in->reverse_path.n == 0);

	if (why)
		return refuse(item, why);
	if (r->class == ACCEPT_RELAY || r->class == ACCEPT_BACKUP)
		item->action = PLAN_RELAY;
	if (r->class == ACCEPT_REDIRECT || r->class == ACCEPT_RETURN) {
		item->action = PLAN_REDIRECT;
		item->u.address = r->target;
	}
	if (!plan_item_is_valid(item))
		return refuse(item, &class_refusals[ACCEPT_TROUBLE]);
	return CONTINUE;
}

/* Loops end here: by the count of hops [RFC 5321 6.3], by the mark of an earlier delivery. */
static enum verdict stage_data(const struct accept_input *in, const struct accept_recipient *r,
    struct plan_item *item, struct arena *a)
{
	if (in->size_limit && in->size > in->size_limit)
		return refuse(item, &too_large);
	if (in->bare)
		return refuse(item, &bare_line_end);
	if (in->received_fields > LIMIT_RECEIVED_FIELDS)
		return refuse(item, &too_many_hops);
	if (r->delivered)
		return refuse(item, &delivered_before);
	return CONTINUE;
}

static const struct {
	const char *name;
	enum verdict (*run)(const struct accept_input *in, const struct accept_recipient *r,
	    struct plan_item *item, struct arena *a);
} stages[] = {
    {"connection", stage_connection},
    {"envelope", stage_envelope},
    {"data", stage_data},
};

#define STAGES (sizeof stages / sizeof stages[0])

/* Runs the stages for one recipient; gives the stage that refused him, STAGES when none did. */
static size_t run_stages(const struct accept_input *in, const struct accept_recipient *r,
    struct plan_item *item, struct arena *a)
{
	for (size_t i = 0; i < STAGES; i++)
		if (stages[i].run(in, r, item, a) == REFUSED)
			return i;
	return STAGES;
}

struct plan accept_run(const struct accept_input *in, struct arena *a)
{
	struct plan p = plan_new(a, in->n);

	for (size_t i = 0; i < in->n; i++)
		run_stages(in, &in->recipients[i], &p.items[i], a);
	return p;
}

/* Text of a peer inside a sentence. */
static void put_safe(struct buf *out, struct str text, struct arena *a)
{
	if (text.n == 0)
		buf_lit(out, "nothing");
	buf_str(out, line_of(a, text));
}

static void tell_facts(struct buf *out, const struct accept_input *in, struct arena *a)
{
	buf_lit(out, "The client ");
	ip_put(out, &in->peer);
	buf_lit(out, " calls itself ");
	put_safe(out, in->helo, a);
	buf_c(out, in->authenticated ? ", is logged in and may relay.\n"
		   : in->trusted     ? ", is trusted and may relay.\n"
				     : " and may not relay.\n");
	buf_lit(out, "The sender is <");
	buf_str(out, line_of(a, in->reverse_path));
	buf_lit(out, ">.\nThe message has ");
	buf_u64(out, in->size);
	buf_lit(out, " octets and ");
	buf_u64(out, in->received_fields);
	buf_lit(out, " Received fields.\n");
}

static void tell_return(struct buf *out, const struct accept_recipient *r, struct arena *a)
{
	if (r->class != ACCEPT_RETURN)
		return;
	put_safe(out, r->address, a);
	buf_lit(out, " is the way back to ");
	put_safe(out, r->target, a);
	buf_lit(out, ", whose message was sent on; it takes reports only, whose sender is <>.\n");
}

void accept_explain(struct buf *out, const struct accept_input *in)
{
	struct arena *a = arena_new();
	size_t refused[STAGES + 1] = {0};

	tell_facts(out, in, a);
	for (size_t i = 0; i < in->n; i++) {
		struct plan_item item = {0};

		arena_reset(a, false);
		tell_return(out, &in->recipients[i], a);
		refused[run_stages(in, &in->recipients[i], &item, a)]++;
	}
	for (size_t i = 0; i < STAGES; i++) {
		buf_lit(out, "Stage ");
		buf_c(out, stages[i].name);
		buf_lit(out, " refuses ");
		buf_u64(out, refused[i]);
		buf_lit(out, " of ");
		buf_u64(out, in->n);
		buf_lit(out, " recipients.\n");
	}
	arena_free(&a);
}
