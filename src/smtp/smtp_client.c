/*
 * The client session's life: lines to replies, replies to the function of the state, effects,
 * failures, times. Invariants:
 * - At most one effect is pending; a failure meanwhile waits for its done(), but for READY, which
 *   it replaces.
 * - `lost` is set once; then the message under way is reported, CLOSED follows, nothing else.
 * - Time runs from the last complete reply, progress in sending, or done(); a server that drips
 *   octets gains nothing. A message has its own time beside that, up to its end: who answers or takes
 *   octets just before each time is over gains nothing either.
 */
#include "smtp/smtp_client_priv.h"

#include "base/clock.h"

#define MAGIC UINT64_C(0x736d7470636c6e)
/* A reply's line, and all its text; more is cut. */
#define LINE_MAX    (4 * KIB)
#define TEXT_MAX    (8 * KIB)
#define REPLY_LINES 512
#define CODE_LEN    4 /* and what stands behind it */

void smtp_client_config_init(struct smtp_client_config *cfg)
{
	*cfg = (struct smtp_client_config){
	    .tls = SMTP_TLS_MAY,
	    .chunk = LIMIT_SMTP_CHUNK,
	    .timeouts = {.greeting = 5 * MINUTE_MS,
		.helo = 5 * MINUTE_MS,
		.mail = 5 * MINUTE_MS,
		.rcpt = 5 * MINUTE_MS,
		.data = 2 * MINUTE_MS,
		.body = 3 * MINUTE_MS,
		.end = 10 * MINUTE_MS,
		.quit = 10 * SECOND_MS},
	};
}

struct smtp_client *smtp_client_new(const struct smtp_client_config *cfg, int64_t now)
{
	struct smtp_client *c = mem_new(struct smtp_client);

	MUST(cfg->helo.n > 0 && cfg->helo.n <= LIMIT_SMTP_DOMAIN && cfg->chunk <= LIMIT_SMTP_CHUNK);
	c->magic = MAGIC;
	c->cfg = cfg;
	c->tls = cfg->tls_active;
	c->now = c->since = now;
	c->arena = arena_new();
	line_in_init(&c->line, LINE_MAX);
	buf_init(&c->out, LIMIT_SMTP_OUT + LIMIT_SMTP_CHUNK);
	buf_init(&c->text, TEXT_MAX);
	return c;
}

void smtp_client_free(struct smtp_client **cp)
{
	struct smtp_client *c = *cp;

	if (!c)
		return;
	MUST(c->magic == MAGIC);
	smtp_client_message_end(c);
	line_in_fini(&c->line);
	buf_wipe(&c->out);
	smtp_client_secret_forget(c);
	buf_fini(&c->text);
	arena_free(&c->arena);
	mem_wipe(c, sizeof *c);
	mem_free(c);
	*cp = NULL;
}

struct str smtp_stage_name(enum smtp_stage stage)
{
	static const struct str names[] = {
	    [SMTP_STAGE_CONNECT] = STR_INIT("greeting"),
	    [SMTP_STAGE_HELO] = STR_INIT("EHLO"),
	    [SMTP_STAGE_TLS] = STR_INIT("STARTTLS"),
	    [SMTP_STAGE_AUTH] = STR_INIT("AUTH"),
	    [SMTP_STAGE_READY] = STR_INIT("idle"),
	    [SMTP_STAGE_MAIL] = STR_INIT("MAIL"),
	    [SMTP_STAGE_RCPT] = STR_INIT("RCPT"),
	    [SMTP_STAGE_DATA] = STR_INIT("DATA"),
	    [SMTP_STAGE_BODY] = STR_INIT("end of data"),
	    [SMTP_STAGE_QUIT] = STR_INIT("QUIT"),
	};

	return names[stage];
}

enum smtp_stage smtp_client_stage(const struct smtp_client *c)
{
	static const enum smtp_stage stages[] = {
	    [ON_GREETING] = SMTP_STAGE_CONNECT,
	    [ON_EHLO] = SMTP_STAGE_HELO,
	    [ON_HELO] = SMTP_STAGE_HELO,
	    [ON_STARTTLS] = SMTP_STAGE_TLS,
	    [ON_AUTH] = SMTP_STAGE_AUTH,
	    [ON_IDLE] = SMTP_STAGE_READY,
	    [ON_ENVELOPE] = SMTP_STAGE_RCPT,
	    [ON_CONTENT] = SMTP_STAGE_BODY,
	    [ON_CHUNKS] = SMTP_STAGE_BODY,
	    [ON_END] = SMTP_STAGE_BODY,
	    [ON_EMPTY_END] = SMTP_STAGE_BODY,
	    [ON_QUIT] = SMTP_STAGE_QUIT,
	    [ON_NOTHING] = SMTP_STAGE_QUIT,
	};

	if (c->state == ON_ENVELOPE && c->msg.got < STEP_RCPT)
		return SMTP_STAGE_MAIL;
	if (c->state == ON_ENVELOPE && c->msg.got == STEP_RCPT + c->msg.m->rcpt_count)
		return SMTP_STAGE_DATA;
	return stages[c->state];
}

/* How long the server may take for what it is to do now [RFC 5321 4.5.3.2]. */
static int64_t timeout(const struct smtp_client *c)
{
#define TIME(member) offsetof(struct smtp_client_timeouts, member)
	static const size_t of_stage[] = {
	    [SMTP_STAGE_CONNECT] = TIME(greeting),
	    [SMTP_STAGE_HELO] = TIME(helo),
	    [SMTP_STAGE_TLS] = TIME(helo),
	    [SMTP_STAGE_AUTH] = TIME(helo),
	    [SMTP_STAGE_READY] = TIME(helo),
	    [SMTP_STAGE_MAIL] = TIME(mail),
	    [SMTP_STAGE_RCPT] = TIME(rcpt),
	    [SMTP_STAGE_DATA] = TIME(data),
	    [SMTP_STAGE_BODY] = TIME(body),
	    [SMTP_STAGE_QUIT] = TIME(quit),
	};
	bool ends = c->state == ON_END || c->state == ON_EMPTY_END;
	size_t at = ends ? TIME(end) : of_stage[smtp_client_stage(c)];

	return *(const int64_t *)((const char *)&c->cfg->timeouts + at);
#undef TIME
}

/* A line of the conversation, for whoever keeps it. */
static void note(struct smtp_client *c, const char *who, struct str line)
{
	struct smtp_dialogue *d = c->cfg->dialogue;

	if (!d)
		return;
	buf_str(smtp_dialogue_begin(d, who), line);
	smtp_dialogue_end(d);
}

void smtp_client_command(struct smtp_client *c, struct str line, bool secret)
{
	MUST(buf_reserve(&c->out, line.n + 2)); /* at once: a secret is not copied when it grows */
	buf_str(&c->out, line);
	buf_lit(&c->out, "\r\n");
	note(c, "C: ", secret ? STR(SMTP_CLIENT_SECRET) : line);
}

void smtp_client_wait(struct smtp_client *c, enum smtp_client_effect_kind kind)
{
	MUST(!c->pending);
	c->effect.kind = kind;
	c->pending = true;
	if (kind == SMTP_CLIENT_CLOSED)
		c->effect.verdict = c->end;
}

struct smtp_verdict smtp_client_verdict(
    struct arena *a, enum smtp_stage stage, const struct smtp_reply *r)
{
	struct smtp_verdict v = {SMTP_OUTCOME_TEMPORARY, stage, smtp_reply_copy(a, r)};

	if (r->code / 100 == 2)
		v.outcome = SMTP_OUTCOME_ACCEPTED;
	if (r->code / 100 == 5)
		v.outcome = SMTP_OUTCOME_PERMANENT;
	return v;
}

/* The session is lost and nothing is pending: the next thing the driver must hear. */
static void wind_up(struct smtp_client *c)
{
	if (c->msg.m) {
		smtp_client_message_fail(c, &c->end);
		return;
	}
	c->state = ON_NOTHING;
	smtp_client_wait(c, SMTP_CLIENT_CLOSED);
}

/* What is left to say cannot be said any more; with the end of data in it, nothing was delivered. */
static void drop_output(struct smtp_client *c)
{
	if (smtp_client_is_ahead(c) && c->state == ON_END) {
		c->state = ON_CONTENT;
		c->facts.taken_back = true;
	}
	buf_clear(&c->out);
}

void smtp_client_fail(struct smtp_client *c, const struct smtp_verdict *why, bool polite)
{
	if (c->lost || c->state == ON_NOTHING)
		return;
	/* or it would go out whole yet, and be taken, or be read as commands */
	if ((c->state == ON_END || c->state == ON_CHUNKS) && smtp_client_is_ahead(c))
		drop_output(c);
	c->lost = true;
	c->end = *why;
	c->end.reply = smtp_reply_copy(c->arena, &why->reply);
	if (c->end.outcome == SMTP_OUTCOME_ACCEPTED)
		c->end.outcome = SMTP_OUTCOME_TEMPORARY;
	if (polite && buf_room(&c->out) > 64)
		smtp_client_command(c, STR("QUIT"), false);
	if (c->pending && c->effect.kind != SMTP_CLIENT_READY)
		return;
	c->pending = false;
	wind_up(c);
}

void smtp_client_fail_own(
    struct smtp_client *c, enum smtp_outcome outcome, struct smtp_status status, struct str text)
{
	struct smtp_verdict v = {outcome, smtp_client_stage(c), {.status = status, .text = text}};
	bool polite = c->state != ON_CONTENT && c->state != ON_CHUNKS && c->state != ON_END &&
		      c->state != ON_NOTHING;

	smtp_client_fail(c, &v, polite);
}

void smtp_client_unsent(struct smtp_client *c, size_t n)
{
	c->behind = n;
}

/* To content that the server cannot have: refused it is, but not delivered. */
void smtp_client_on_early(struct smtp_client *c, const struct smtp_reply *r)
{
	drop_output(c);
	smtp_client_on_nothing(c, r);
}

/* The connection is of no use any more. */
static void fail_broken(struct smtp_client *c, struct smtp_status status, struct str text)
{
	struct smtp_verdict v = {
	    SMTP_OUTCOME_TEMPORARY, smtp_client_stage(c), {.status = status, .text = text}};

	drop_output(c);
	smtp_client_fail(c, &v, false);
}

/* A reply where none is due: 421, or nonsense. */
void smtp_client_on_nothing(struct smtp_client *c, const struct smtp_reply *r)
{
	struct smtp_verdict v = smtp_client_verdict(c->arena, smtp_client_stage(c), r);

	if (r->code < 400)
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 5, 0},
		    STR("the server sent a reply to nothing"));
	else
		smtp_client_fail(c, &v, false);
}

/* A complete reply. */
static void on_reply(struct smtp_client *c, const struct smtp_reply *r)
{
	static void (*const handlers[])(struct smtp_client * c, const struct smtp_reply *r) = {
	    [ON_GREETING] = smtp_client_on_greeting,
	    [ON_EHLO] = smtp_client_on_ehlo,
	    [ON_HELO] = smtp_client_on_helo,
	    [ON_STARTTLS] = smtp_client_on_starttls,
	    [ON_AUTH] = smtp_client_on_auth,
	    [ON_IDLE] = smtp_client_on_nothing,
	    [ON_ENVELOPE] = smtp_client_on_envelope,
	    [ON_CONTENT] = smtp_client_on_nothing,
	    [ON_CHUNKS] = smtp_client_on_chunk,
	    [ON_END] = smtp_client_on_end,
	    [ON_EMPTY_END] = smtp_client_on_empty_end,
	    [ON_QUIT] = smtp_client_on_quit,
	    [ON_NOTHING] = smtp_client_on_nothing,
	};

	c->since = c->now;
	if (r->code == 421 && c->state != ON_QUIT)
		smtp_client_on_nothing(
		    c, r); /* the server is closing, whatever was asked [RFC 5321 3.8] */
	else
		handlers[c->state](c, r);
}

static void on_nonsense(struct smtp_client *c)
{
	smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 5, 0},
	    STR("the server sent what is no SMTP reply"));
}

static bool is_same(const struct smtp_status *a, const struct smtp_status *b)
{
	return a->class == b->class && a->subject == b->subject && a->detail == b->detail;
}

/* The reply's status is the first that a line has; another one stays in the text. Each should have the same [RFC 2034 4]. */
static struct str text_of(struct smtp_client *c, struct str line, const struct smtp_reply *part)
{
	if (c->lines == 0 || c->status.class == 0)
		c->status = part->status;
	if (part->status.class == 0 || is_same(&part->status, &c->status))
		return part->text;
	return str_from(line, CODE_LEN);
}

/* Adds a line's text to the reply; false: it does not belong to it. */
static bool gather(struct smtp_client *c, struct str line, const struct smtp_reply *part)
{
	struct str text;

	if (c->lines > 0 && part->code != c->code)
		return false;
	text = text_of(c, line, part);
	if (c->lines > 0 && buf_room(&c->text) > 0)
		buf_byte(&c->text, '\n');
	buf_str(&c->text, str_sub(text, 0, buf_room(&c->text)));
	c->code = part->code;
	return ++c->lines <= REPLY_LINES;
}

static void take_line(struct smtp_client *c, struct str line)
{
	struct smtp_reply part;
	enum smtp_reply_line kind = smtp_reply_parse(line, &part);

	note(c, "S: ", str_sub(line, 0, LIMIT_SMTP_REPLY_LINE));
	if (kind == SMTP_REPLY_LINE_BAD || !gather(c, line, &part)) {
		on_nonsense(c);
		return;
	}
	if (kind == SMTP_REPLY_LINE_MORE)
		return;
	part = (struct smtp_reply){c->code, c->status, buf_view(&c->text)};
	c->lines = 0;
	on_reply(c, &part);
	buf_clear(&c->text);
}

static void on_line(struct smtp_client *c, struct str line)
{
	struct buf b;

	buf_init(&b, 2 * LINE_MAX);
	take_line(c, smtp_client_secret_hide(c, line, &b));
	buf_fini(&b);
	if (c->state != ON_AUTH)
		smtp_client_secret_forget(c);
}

/* Replies are read now. */
static bool is_reading(const struct smtp_client *c)
{
	if (c->lost || c->state == ON_NOTHING)
		return false;
	return !c->pending || c->effect.kind == SMTP_CLIENT_READY ||
	       c->effect.kind == SMTP_CLIENT_BODY;
}

/*
 * Octets behind the answer to STARTTLS came from somebody in between [RFC 3207 4.2]. Where TLS is a
 * must he is reported; else they are dropped, and what the server says over TLS counts: a session
 * that ended here would be tried again without TLS. Gives how many are dropped.
 */
static size_t check_injection(struct smtp_client *c, size_t left)
{
	if (left == 0 || !c->pending || c->effect.kind != SMTP_CLIENT_STARTTLS)
		return 0;
	if (c->cfg->tls == SMTP_TLS_MAY) {
		c->facts.injected += left;
		return left;
	}
	c->pending = false;
	fail_broken(c, (struct smtp_status){4, 7, 0},
	    STR("the server sent octets before the TLS handshake that do not belong there"));
	return left;
}

size_t smtp_client_feed(struct smtp_client *c, struct str in, int64_t now)
{
	size_t used = 0;

	MUST(c->magic == MAGIC);
	c->now = now;
	while (used < in.n && is_reading(c)) {
		size_t n;
		struct str line;
		enum line_status status = line_in_next(&c->line, str_from(in, used), &n, &line);

		used += n;
		if (status == LINE_TOO_LONG || c->line.too_long)
			on_nonsense(c); /* without waiting for an end that may not come */
		else if (status != LINE_MORE)
			on_line(c, line);
		smtp_client_message_pump(c);
	}
	used += check_injection(c, in.n - used);
	return c->lost || c->state == ON_NOTHING ? in.n : used;
}

struct str smtp_client_out(const struct smtp_client *c)
{
	return buf_view(&c->out);
}

void smtp_client_sent(struct smtp_client *c, size_t n, int64_t now)
{
	MUST(c->magic == MAGIC && n <= c->out.n);
	c->now = now;
	if (n > 0)
		c->since = now;
	buf_drop(&c->out, n);
	smtp_client_message_pump(c);
}

const struct smtp_client_effect *smtp_client_effect(const struct smtp_client *c)
{
	return c->pending ? &c->effect : NULL;
}

static void ready_done(struct smtp_client *c, const struct smtp_client_result *r)
{
	if (r->next)
		smtp_client_message_begin(c, r->next);
	else
		smtp_client_quit(c);
}

/* The message is forgotten; on to the next, or to the end. */
static void report_done(struct smtp_client *c)
{
	smtp_client_message_end(c);
	if (c->lost)
		wind_up(c);
	else
		smtp_client_wait(c, SMTP_CLIENT_READY);
}

void smtp_client_done(struct smtp_client *c, const struct smtp_client_result *r, int64_t now)
{
	static const struct smtp_client_result nothing;
	enum smtp_client_effect_kind kind = c->effect.kind;

	MUST(c->magic == MAGIC && c->pending);
	r = r ? r : &nothing;
	c->pending = false;
	c->now = c->since = now;
	if (kind == SMTP_CLIENT_CLOSED)
		c->finished = true;
	else if (kind == SMTP_CLIENT_REPORT)
		report_done(c);
	else if (c->lost)
		wind_up(c);
	else if (kind == SMTP_CLIENT_READY)
		ready_done(c, r);
	else if (kind == SMTP_CLIENT_BODY)
		smtp_client_body_done(c, r);
	else
		smtp_client_tls_done(c, r);
}

unsigned smtp_client_wants(const struct smtp_client *c)
{
	unsigned wants = 0;

	if (is_reading(c))
		wants |= SMTP_WANTS_READ;
	if (c->out.n > 0)
		wants |= SMTP_WANTS_WRITE;
	if (c->finished && c->out.n == 0)
		wants |= SMTP_WANTS_CLOSE;
	return wants;
}

/* When the message under way has had its time; behind its end, where it may be delivered, never. */
static int64_t message_deadline(const struct smtp_client *c)
{
	bool before_end = c->state == ON_ENVELOPE || c->state == ON_CONTENT ||
			  c->state == ON_CHUNKS;

	return c->msg.m && before_end ? c->msg.until : SMTP_NEVER;
}

int64_t smtp_client_deadline(const struct smtp_client *c)
{
	int64_t answer = c->since + timeout(c), all = message_deadline(c);

	if (c->finished)
		return c->out.n ? c->since + c->cfg->timeouts.quit : SMTP_NEVER;
	if (c->pending)
		return SMTP_NEVER;
	return answer < all ? answer : all;
}

void smtp_client_tick(struct smtp_client *c, int64_t now)
{
	MUST(c->magic == MAGIC);
	if (now < smtp_client_deadline(c))
		return;
	c->now = now;
	if (c->finished)
		buf_clear(&c->out);
	else if (now >= message_deadline(c))
		fail_broken(c, (struct smtp_status){4, 4, 2},
		    STR("the server took too long for the message in all"));
	else
		fail_broken(
		    c, (struct smtp_status){4, 4, 2}, STR("the server did not answer in time"));
}

void smtp_client_eof(struct smtp_client *c, int64_t now)
{
	MUST(c->magic == MAGIC);
	c->now = now;
	if (c->state == ON_QUIT) { /* as good as an answer */
		c->state = ON_NOTHING;
		smtp_client_wait(c, SMTP_CLIENT_CLOSED);
	}
	drop_output(c);
	fail_broken(c, (struct smtp_status){4, 4, 2}, STR("the server closed the connection"));
}

void smtp_client_leave(struct smtp_client *c, struct str why, int64_t now)
{
	MUST(c->magic == MAGIC);
	c->now = now;
	fail_broken(c, (struct smtp_status){4, 4, 2}, why);
}

int64_t smtp_client_moved(const struct smtp_client *c)
{
	return c->since;
}

bool smtp_client_is_at_content(const struct smtp_client *c)
{
	return smtp_client_stage(c) == SMTP_STAGE_BODY;
}

const struct smtp_server_facts *smtp_client_facts(const struct smtp_client *c)
{
	return &c->facts;
}

bool smtp_client_is_tls(const struct smtp_client *c)
{
	return c->tls;
}
