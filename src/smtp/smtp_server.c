/*
 * The session's life: input by what is expected, effects and their results, times, and the answers
 * to the driver's questions. Invariants:
 * - An effect is pending exactly while `resume` is set; no input is consumed then, and no deadline
 *   runs: the client is not to blame for what the driver does.
 * - `out` never overflows: a command is begun only while session_has_room().
 * - After `closing` is set nothing but an ABORT happens, and all input is dropped.
 */
#include "smtp/smtp_session.h"

#include "base/clock.h"

#define MAGIC UINT64_C(0x736d7470737276)
/* How long a client that is being closed may take to read its last reply. */
#define LINGER (30 * SECOND_MS)
/* Replies are held back while the driver is busy, unless there are this many octets. */
#define CORKED (8 * KIB)

void smtp_server_config_init(struct smtp_server_config *cfg, enum smtp_role role)
{
	bool local = role == SMTP_ROLE_LOCAL;

	*cfg = (struct smtp_server_config){
	    .role = role,
	    .size_limit = 50 * MIB,
	    .rcpt_max = local ? LIMIT_SMTP_RCPT_MAX : 1000,
	    .max_errors = 50,
	    .max_refused = 100,
	    .max_commands = 1000,
	    .max_auth_failures = 3,
	    .command_timeout = 5 * MINUTE_MS,
	    .data_timeout = 10 * MINUTE_MS,
	    .data_rate = 100,
	    .session_timeout = 12 * HOUR_MS,
	};
}

void smtp_session_reply(struct smtp_server *s, const struct smtp_reply *r)
{
	smtp_reply_put(&s->out, r);
	MUST(!s->out.overflow);
}

void smtp_session_reply_or(
    struct smtp_server *s, const struct smtp_result *r, struct smtp_reply otherwise)
{
	smtp_session_reply(s, r->reply.code ? &r->reply : &otherwise);
}

enum flow smtp_session_refuse(struct smtp_server *s, struct smtp_reply reply)
{
	smtp_session_reply(s, &reply);
	if (s->cfg->max_errors && ++s->errors >= s->cfg->max_errors)
		return smtp_session_close(
		    s, SMTP_REPLY(421, 4, 7, 0, "Too many errors, closing the connection"));
	return FLOW_DONE;
}

enum flow smtp_session_wait(
    struct smtp_server *s, enum smtp_effect_kind kind, session_resume *resume)
{
	MUST(!s->resume);
	s->effect.kind = kind;
	s->resume = resume;
	s->effect_at = s->now;
	return FLOW_WAIT;
}

static enum flow abort_resume(struct smtp_server *s, const struct smtp_result *r)
{
	s->tx_open = false;
	s->tx_begun = false;
	return s->after_abort(s);
}

static enum flow abort_with(
    struct smtp_server *s, bool content, const struct smtp_reply *why, session_step *next)
{
	if (!s->tx_open)
		return next(s);
	s->effect.abort.content = content;
	s->effect.abort.reply = smtp_reply_copy(s->arena, why);
	s->after_abort = next;
	return smtp_session_wait(s, SMTP_EFFECT_ABORT, abort_resume);
}

static bool has_content(const struct smtp_server *s)
{
	return s->expect == EXPECT_DATA || s->expect == EXPECT_CHUNK || s->state == AT_CHUNKS;
}

enum flow smtp_session_abort(struct smtp_server *s, session_step *next)
{
	return abort_with(s, has_content(s), &(struct smtp_reply){0}, next);
}

enum flow smtp_session_abort_refused(
    struct smtp_server *s, const struct smtp_reply *why, session_step *next)
{
	return abort_with(s, true, why, next);
}

static enum flow close_now(struct smtp_server *s)
{
	return FLOW_CLOSE;
}

enum flow smtp_session_close(struct smtp_server *s, struct smtp_reply reply)
{
	if (reply.code)
		smtp_session_reply(s, &reply);
	if (!s->closing)
		buf_str(&s->end_reason, str_sub(reply.text, 0, LIMIT_SMTP_REPLY_LINE));
	s->closing = true;
	s->waiting = s->now;
	return abort_with(s, has_content(s), &reply, close_now);
}

void smtp_session_end_transaction(struct smtp_server *s)
{
	MUST(!s->tx_open);
	arena_reset(s->arena, false);
	buf_fini(&s->chunk);
	s->tx = (struct smtp_transaction){0};
	s->rcpts = NULL;
	s->replies = NULL;
	s->rcpt_cap = 0;
	s->tx_begun = false;
	s->rcpt_refused = false;
	s->dropping = false;
	s->expect = EXPECT_COMMAND;
	s->waiting = s->now;
	if (s->state & (AT_MAIL | AT_CHUNKS))
		s->state = AT_READY;
}

static enum flow admit_resume(struct smtp_server *s, const struct smtp_result *r)
{
	struct smtp_reply greeting = {.code = 220};
	struct buf text;

	if (session_is_refused(r) && r->reply.code < 500)
		return smtp_session_close(s, r->reply);
	s->admitted = true;
	s->trusted = r->trusted || s->cfg->role == SMTP_ROLE_LOCAL;
	s->early = s->early && !s->trusted;
	s->state = session_is_refused(r) ? AT_REFUSED : AT_START;
	if (session_is_refused(r)) {
		smtp_session_reply(s, &r->reply);
		return FLOW_DONE;
	}
	buf_str(&s->account, str_sub(r->account, 0, LIMIT_USER_NAME));
	buf_init(&text, LIMIT_SMTP_REPLY_LINE);
	buf_str(&text, s->cfg->hostname);
	buf_c(&text, s->cfg->role == SMTP_ROLE_LMTP ? " LMTP Godwit" : " ESMTP Godwit");
	greeting.text = buf_view(&text);
	smtp_session_reply(s, &greeting);
	buf_fini(&text);
	return FLOW_DONE;
}

struct smtp_server *smtp_server_new(
    const struct smtp_server_config *cfg, const struct smtp_peer *peer, int64_t now)
{
	struct smtp_server *s = mem_new(struct smtp_server);
	bool users = cfg->role == SMTP_ROLE_SUBMISSION;

	MUST(cfg->hostname.n > 0 && cfg->hostname.n <= LIMIT_SMTP_DOMAIN);
	MUST(cfg->rcpt_max >= 1 && cfg->rcpt_max <= LIMIT_SMTP_RCPT_MAX);
	MUST(cfg->size_limit <= LIMIT_MESSAGE_SIZE);
	s->magic = MAGIC;
	s->cfg = cfg;
	s->tls = peer->tls;
	s->plaintext_auth = peer->plaintext_auth;
	s->now = s->started = s->waiting = now;
	s->wall = peer->wall - now;
	line_in_init(&s->line, users ? LIMIT_SMTP_AUTH_LINE : LIMIT_SMTP_LINE);
	buf_init(&s->out, LIMIT_SMTP_OUT);
	buf_init(&s->ip, LIMIT_SMTP_DOMAIN);
	buf_init(&s->helo, LIMIT_SMTP_DOMAIN);
	buf_init(&s->account, LIMIT_USER_NAME);
	buf_init(&s->end_reason, LIMIT_SMTP_REPLY_LINE);
	buf_init(&s->chunk, LIMIT_BODY_CHUNK);
	buf_str(&s->ip, str_sub(peer->ip, 0, LIMIT_SMTP_DOMAIN));
	sasl_server_init(&s->sasl);
	s->command = arena_new();
	s->arena = arena_new();
	smtp_session_wait(s, SMTP_EFFECT_ADMIT, admit_resume);
	return s;
}

void smtp_server_free(struct smtp_server **sp)
{
	struct smtp_server *s = *sp;

	if (!s)
		return;
	MUST(s->magic == MAGIC);
	line_in_fini(&s->line);
	sasl_server_reset(&s->sasl);
	buf_fini(&s->out);
	buf_fini(&s->ip);
	buf_fini(&s->helo);
	buf_fini(&s->account);
	buf_fini(&s->end_reason);
	buf_fini(&s->chunk);
	arena_free(&s->command);
	arena_free(&s->arena);
	mem_wipe(s, sizeof *s);
	mem_free(s);
	*sp = NULL;
}

/* Nothing stands in the way of the next octet of input. */
static bool is_reading(const struct smtp_server *s)
{
	return !s->resume && !s->more && !s->closing && session_has_room(s);
}

/* A step has ended: it has left the session as it says. */
static void check(const struct smtp_server *s, enum flow flow)
{
	MUST((flow == FLOW_WAIT) == (s->resume != NULL));
	MUST((flow == FLOW_MORE) == (s->more != NULL));
	MUST(flow != FLOW_CLOSE || s->closing);
	MUST(flow != FLOW_DONE || !s->closing);
}

/*
 * What follows from what was just done: the end of input and of service wait for the right moment.
 */
static void settle(struct smtp_server *s)
{
	bool boundary = s->expect == EXPECT_COMMAND || s->expect == EXPECT_RESPONSE;

	if (s->resume || s->more || s->closing)
		return;
	if (s->eof)
		smtp_session_close(s, (struct smtp_reply){0});
	else if (s->farewell && boundary)
		smtp_session_close(s, *s->farewell);
}

/* Refuses a line that is no line; within AUTH the exchange is over. */
static enum flow refuse_line(struct smtp_server *s, struct smtp_reply reply)
{
	if (s->expect == EXPECT_RESPONSE)
		return smtp_session_auth_fail(s, reply);
	return smtp_session_refuse(s, reply);
}

/* The octets behind a BDAT that is no command would be taken for commands. */
static enum flow refuse_command(struct smtp_server *s, struct str line, struct smtp_reply reply)
{
	if (str_has_prefix_i(line, STR("BDAT")))
		return smtp_session_close(s, reply);
	return refuse_line(s, reply);
}

/* Commands have their own limit; the longer one is for AUTH. */
static bool is_too_long(const struct smtp_server *s, struct str line)
{
	return line.n > LIMIT_SMTP_LINE - 2 && s->expect == EXPECT_COMMAND &&
	       !str_has_prefix_i(line, STR("AUTH "));
}

/* A line that has come to its end. */
static enum flow take_whole_line(struct smtp_server *s, enum line_status status, struct str line)
{
	if (status == LINE_TOO_LONG && s->expect == EXPECT_RESPONSE)
		return refuse_line(s, SMTP_REPLY(500, 5, 5, 6, "Authentication line too long"));
	if (status == LINE_TOO_LONG || is_too_long(s, line))
		return refuse_command(s, line, SMTP_REPLY(500, 5, 5, 2, "Line too long"));
	if (status == LINE_BARE && !session_is_lenient(s))
		return refuse_command(s, line,
		    SMTP_REPLY(500, 5, 5, 2, "Bare CR or LF in a command, end lines with CRLF"));
	if (s->expect == EXPECT_RESPONSE)
		return smtp_session_auth_response(s, line);
	return smtp_session_command(s, line);
}

static enum flow take_line(struct smtp_server *s, struct str in, size_t *used_r)
{
	struct str line;
	enum line_status status = line_in_next(&s->line, in, used_r, &line);

	if (status == LINE_MORE)
		return FLOW_DONE;
	s->waiting = s->now;
	return take_whole_line(s, status, line);
}

static enum flow take(struct smtp_server *s, struct str in, size_t *used_r)
{
	if (s->expect == EXPECT_DATA)
		return smtp_session_take_data(s, in, used_r);
	if (s->expect == EXPECT_CHUNK)
		return smtp_session_take_chunk(s, in, used_r);
	return take_line(s, in, used_r);
}

size_t smtp_server_feed(struct smtp_server *s, struct str in, int64_t now)
{
	size_t used = 0;

	MUST(s->magic == MAGIC);
	s->now = now;
	if (!s->admitted && in.n > 0)
		s->early = s->cfg->role == SMTP_ROLE_MX;
	while (used < in.n && is_reading(s)) {
		struct str rest = str_from(in, used);
		size_t n = 0;

		check(s, take(s, rest, &n));
		used += n;
		settle(s);
	}
	/* input that came before the handshake, or after the end, is dropped [RFC 3207 4.2] */
	if (s->closing || (s->resume && s->effect.kind == SMTP_EFFECT_STARTTLS))
		return in.n;
	return used;
}

struct str smtp_server_out(const struct smtp_server *s)
{
	return buf_view(&s->out);
}

void smtp_server_sent(struct smtp_server *s, size_t n, int64_t now)
{
	session_step *more = s->more;

	MUST(s->magic == MAGIC && n <= s->out.n);
	s->now = now;
	if (n > 0)
		s->waiting = now;
	buf_drop(&s->out, n);
	if (more && session_has_room(s))
		check(s, more(s));
	if (s->out.n == 0 && s->out.cap > CORKED)
		buf_fini(&s->out);
	settle(s);
}

const struct smtp_effect *smtp_server_effect(const struct smtp_server *s)
{
	return s->resume ? &s->effect : NULL;
}

void smtp_server_done(struct smtp_server *s, const struct smtp_result *r, int64_t now)
{
	static const struct smtp_result go_on;
	session_resume *resume = s->resume;

	MUST(s->magic == MAGIC && resume);
	s->data_started += now - s->effect_at;
	s->now = s->waiting = now;
	s->resume = NULL;
	check(s, resume(s, r ? r : &go_on));
	settle(s);
}

unsigned smtp_server_wants(const struct smtp_server *s)
{
	bool busy = s->resume && s->effect.kind != SMTP_EFFECT_STARTTLS;
	unsigned wants = 0;

	if (is_reading(s) || (s->resume && !s->admitted && !s->early))
		wants |= SMTP_WANTS_READ;
	if (s->out.n > (busy ? CORKED : 0))
		wants |= SMTP_WANTS_WRITE;
	if (s->closing && !s->resume && s->out.n == 0)
		wants |= SMTP_WANTS_CLOSE;
	return wants;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The latest moment for more content. */
static int64_t data_deadline(const struct smtp_server *s)
{
	const struct smtp_server_config *cfg = s->cfg;
	int64_t at = SMTP_NEVER;

	if (cfg->data_timeout)
		at = s->waiting + cfg->data_timeout;
	if (cfg->data_timeout && cfg->data_rate)
		at = earlier(at, s->data_started + cfg->data_timeout +
				     (int64_t)(s->octets / cfg->data_rate) * SECOND_MS);
	return at;
}

int64_t smtp_server_deadline(const struct smtp_server *s)
{
	const struct smtp_server_config *cfg = s->cfg;
	int64_t at = SMTP_NEVER;

	if (s->resume || (s->closing && s->out.n == 0))
		return SMTP_NEVER;
	if (s->closing)
		return s->waiting + LINGER;
	if (s->expect == EXPECT_DATA || s->expect == EXPECT_CHUNK)
		return data_deadline(s);
	if (cfg->command_timeout)
		at = s->waiting + cfg->command_timeout;
	if (cfg->session_timeout)
		at = earlier(at, s->started + cfg->session_timeout);
	return at;
}

void smtp_server_tick(struct smtp_server *s, int64_t now)
{
	MUST(s->magic == MAGIC);
	if (now < smtp_server_deadline(s))
		return;
	s->now = now;
	s->more = NULL;
	if (s->closing)
		buf_clear(&s->out); /* it does not read any more */
	else
		smtp_session_close(s, SMTP_REPLY(421, 4, 4, 2, "Timeout, closing the connection"));
}

void smtp_server_eof(struct smtp_server *s, int64_t now)
{
	MUST(s->magic == MAGIC);
	s->now = now;
	s->eof = true;
	settle(s);
}

static void take_leave(struct smtp_server *s, const struct smtp_reply *farewell, int64_t now)
{
	MUST(s->magic == MAGIC);
	s->now = now;
	if (!s->farewell)
		s->farewell = farewell;
	settle(s);
}

void smtp_server_shutdown(struct smtp_server *s, int64_t now)
{
	static const struct smtp_reply going_down = {
	    421, {4, 3, 2}, STR_INIT("The server is shutting down, come again")};

	take_leave(s, &going_down, now);
}

void smtp_server_no_store(struct smtp_server *s, int64_t now)
{
	static const struct smtp_reply away = {
	    421, {4, 3, 0}, STR_INIT("The mail store does not answer, come again")};

	take_leave(s, &away, now);
}

void smtp_server_logout(struct smtp_server *s, int64_t now)
{
	static const struct smtp_reply ended = {
	    421, {4, 7, 0}, STR_INIT("This login has ended, log in again")};

	take_leave(s, &ended, now);
}

const struct smtp_transaction *smtp_server_transaction(const struct smtp_server *s)
{
	return s->tx_begun ? &s->tx : NULL;
}

struct str smtp_server_helo(const struct smtp_server *s)
{
	return buf_view(&s->helo);
}

struct str smtp_server_protocol(const struct smtp_server *s)
{
	static const struct str words[2][2][2][2] = {
	    {{{STR_INIT("ESMTP"), STR_INIT("ESMTPA")}, {STR_INIT("ESMTPS"), STR_INIT("ESMTPSA")}},
		{{STR_INIT("UTF8SMTP"), STR_INIT("UTF8SMTPA")},
		    {STR_INIT("UTF8SMTPS"), STR_INIT("UTF8SMTPSA")}}},
	    {{{STR_INIT("LMTP"), STR_INIT("LMTPA")}, {STR_INIT("LMTPS"), STR_INIT("LMTPSA")}},
		{{STR_INIT("UTF8LMTP"), STR_INIT("UTF8LMTPA")},
		    {STR_INIT("UTF8LMTPS"), STR_INIT("UTF8LMTPSA")}}},
	};
	bool lmtp = s->cfg->role == SMTP_ROLE_LMTP;
	bool auth = s->cfg->role == SMTP_ROLE_SUBMISSION && s->account.n > 0;

	if (!s->extended)
		return STR("SMTP");
	return words[lmtp][s->tx.params.smtputf8][s->tls][auth];
}

struct str smtp_server_account(const struct smtp_server *s)
{
	return buf_view(&s->account);
}

struct str smtp_server_end_reason(const struct smtp_server *s)
{
	return buf_view(&s->end_reason);
}
