/*
 * The core of the client engine: lines and content in, events out, time. What a reply means is the
 * business of the function in expect, on_line and on_end, which name each other.
 *
 * Invariants: nothing is read while an event is pending or after over; the bytes of an event stay
 * untouched until done(); output that may hold a password is wiped when it is sent.
 */
#include "pop3/pop3_client.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client_state.h"

#define MAGIC           0x504f5043u
#define DEFAULT_TIMEOUT (5 * MINUTE_MS)

static struct pop3_client *check(const struct pop3_client *c)
{
	MUST(c && c->magic == MAGIC);
	return (struct pop3_client *)(uintptr_t)c;
}

struct pop3_client *pop3_client_new(const struct pop3_client_config *cfg, int64_t now)
{
	struct pop3_client *c = mem_new(struct pop3_client);

	c->magic = MAGIC;
	c->cfg = cfg;
	c->tls = cfg->tls;
	c->heard = now;
	c->expect = pop3_client_expect_greeting;
	buf_init(&c->out, LIMIT_POP3_OUT);
	line_in_init(&c->line, LIMIT_POP3_REPLY_LINE);
	buf_init(&c->content, LIMIT_BODY_CHUNK);
	buf_init(&c->mechanisms, LIMIT_POP3_REPLY_LINE);
	buf_init(&c->text, LIMIT_ERR_TEXT);
	return c;
}

void pop3_client_free(struct pop3_client **c)
{
	struct pop3_client *x = *c;

	*c = NULL;
	if (!x)
		return;
	check(x);
	buf_wipe(&x->out);
	line_in_fini(&x->line);
	buf_fini(&x->content);
	buf_fini(&x->mechanisms);
	buf_fini(&x->text);
	mem_wipe(x, sizeof *x);
	mem_free(x);
}

void pop3_client_emit(struct pop3_client *c, enum pop3_client_event_type type, pop3_next *after)
{
	MUST(!c->has_event && !c->over);
	c->event = (struct pop3_client_event){.type = type};
	c->has_event = true;
	c->after = after;
}

void pop3_client_fail(
    struct pop3_client *c, enum pop3_code code, const char *what, struct str words)
{
	struct buf text;

	if (c->over)
		return;
	buf_init(&text, LIMIT_ERR_TEXT);
	buf_c(&text, what);
	if (words.n) {
		buf_lit(&text, ": ");
		pop3_text_put(&text, words, buf_room(&text));
	}
	buf_fini(&c->text); /* words may have been in it */
	c->text = text;
	c->has_event = false;
	buf_wipe(&c->out);
	pop3_client_emit(c, POP3_CLIENT_CLOSED, NULL);
	c->event.code = code;
	c->event.mute = !c->spoke;
	c->event.text = buf_view(&c->text);
	c->over = true;
}

void pop3_client_say(struct pop3_client *c, struct str line, pop3_on_reply *expect)
{
	buf_str(&c->out, line);
	buf_lit(&c->out, "\r\n");
	MUST(!c->out.overflow);
	c->expect = expect;
}

static bool can_read(const struct pop3_client *c)
{
	return !c->has_event && !c->over;
}

static void take_reply(struct pop3_client *c, struct str line)
{
	struct pop3_reply r = {.status = POP3_REPLY_BAD};

	r.status = pop3_reply_parse(line, &r.code, &r.text);
	if (r.status == POP3_REPLY_BAD) {
		pop3_client_fail(c, POP3_CODE_NONE, "the server does not speak POP3", line);
		c->event.foreign = c->expect == pop3_client_expect_greeting;
	} else if (c->expect) {
		c->expect(c, &r);
	} else {
		pop3_client_fail(c, r.code, "the server ended the session", r.text);
	}
}

/* A line of a list ends with "." alone; a dot before more is a stuffed one [RFC 1939 3]. */
static void take_line(struct pop3_client *c, struct str line)
{
	if (str_eq(line, STR("."))) {
		c->reading = POP3_READ_REPLY;
		c->on_end(c);
		return;
	}
	c->on_line(c, line.n && line.p[0] == '.' ? str_from(line, 1) : line);
}

static size_t feed_line(struct pop3_client *c, struct str in, int64_t now)
{
	struct str line;
	size_t used;
	enum line_status status = line_in_next(&c->line, in, &used, &line);

	if (status == LINE_MORE)
		return used;
	c->greeted = true;
	c->heard = now;
	if (status == LINE_TOO_LONG)
		pop3_client_fail(c, POP3_CODE_NONE, "the server sent an endless line", STR(""));
	else if (status == LINE_BARE)
		pop3_client_fail(c, POP3_CODE_NONE, "the server sent a line without CR LF", line);
	else if (c->reading == POP3_READ_LINES)
		take_line(c, line);
	else
		take_reply(c, line);
	return used;
}

static void content_event(struct pop3_client *c, pop3_next *after)
{
	pop3_client_emit(c, POP3_CLIENT_CONTENT, after);
	c->event.request = c->open[c->open_at];
	c->event.content = buf_view(&c->content);
}

static size_t feed_content(struct pop3_client *c, struct str in, int64_t now)
{
	size_t used;
	enum dot_status status;

	status = dot_in_feed(&c->dots, in, &used, &c->content);
	c->heard = now;
	if (status == DOT_END) {
		c->reading = POP3_READ_REPLY;
		if (c->content.n)
			content_event(c, c->on_end);
		else
			c->on_end(c);
	} else if (used < in.n) {
		content_event(c, NULL); /* it is full */
	}
	return used;
}

/* Whatever comes between the reply to STLS and the handshake was put there by somebody else. */
static bool is_injected(const struct pop3_client *c, size_t left)
{
	return left > 0 && c->has_event && c->event.type == POP3_CLIENT_STLS;
}

size_t pop3_client_feed(struct pop3_client *c, struct str in, int64_t now)
{
	size_t used = 0;

	check(c);
	c->spoke |= in.n > 0;
	while (used < in.n && can_read(c)) {
		struct str rest = str_from(in, used);

		used += c->reading == POP3_READ_CONTENT ? feed_content(c, rest, now)
							: feed_line(c, rest, now);
	}
	if (is_injected(c, in.n - used))
		pop3_client_fail(c, POP3_CODE_NONE,
		    "somebody put data between the server's answer to STLS and TLS", STR(""));
	return c->over ? in.n : used;
}

struct str pop3_client_out(const struct pop3_client *c)
{
	return buf_view(&check(c)->out);
}

void pop3_client_sent(struct pop3_client *c, size_t n, int64_t now)
{
	MUST(n <= check(c)->out.n);
	buf_drop(&c->out, n);
	c->heard = now;
	if (c->out.n == 0)
		buf_wipe(&c->out);
}

const struct pop3_client_event *pop3_client_event(const struct pop3_client *c)
{
	return check(c)->has_event ? &c->event : NULL;
}

void pop3_client_done(struct pop3_client *c, int64_t now)
{
	pop3_next *after = check(c)->after;

	MUST(c->has_event);
	c->has_event = false;
	c->after = NULL;
	c->heard = now;
	buf_clear(&c->content);
	if (after)
		after(c);
	if (c->eof && !c->has_event)
		pop3_client_eof(c, now);
}

const struct pop3_capa *pop3_client_capa(const struct pop3_client *c)
{
	return &check(c)->capa;
}

unsigned pop3_client_wants(const struct pop3_client *c)
{
	if (check(c)->over && !c->has_event)
		return POP3_WANTS_CLOSE;
	return (can_read(c) ? POP3_WANTS_READ : 0u) | (c->out.n ? POP3_WANTS_WRITE : 0u);
}

static int64_t timeout_of(const struct pop3_client *c)
{
	if (!c->greeted && c->cfg->greeting_timeout)
		return c->cfg->greeting_timeout;
	return c->cfg->timeout ? c->cfg->timeout : DEFAULT_TIMEOUT;
}

int64_t pop3_client_deadline(const struct pop3_client *c)
{
	int64_t timeout = timeout_of(check(c));
	bool handshake = c->has_event && c->event.type == POP3_CLIENT_STLS;
	bool idle = c->ready && c->open_n == 0;

	if (c->over || (c->has_event && !handshake) || idle)
		return POP3_NEVER;
	return c->heard + timeout;
}

void pop3_client_tick(struct pop3_client *c, int64_t now)
{
	if (now >= pop3_client_deadline(c))
		pop3_client_fail(c, POP3_CODE_NONE, "the server does not answer", STR(""));
}

void pop3_client_eof(struct pop3_client *c, int64_t now)
{
	check(c)->eof = true;
	if (c->has_event && c->event.type != POP3_CLIENT_STLS)
		return;
	pop3_client_fail(c, POP3_CODE_NONE, "the server closed the connection", STR(""));
}
