/*
 * The core of the server engine: lines in, commands by one table, replies out, effects, time.
 *
 * Invariants: a command begins only when no effect is pending and POP3_ROOM octets of output are free,
 * so that no reply is ever cut; has_effect and resume are set together; after ended nothing is read and
 * no effect is emitted; secrets are in user, password, sasl and the line framers only.
 */
#include "pop3/pop3_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_session.h"

#define MAGIC                 0x504f5053u
#define DEFAULT_TIMEOUT       (10 * MINUTE_MS)
#define DEFAULT_LOGIN_TIMEOUT (3 * MINUTE_MS)
#define DEFAULT_ERRORS        20u

static const struct pop3_verb {
	struct str name;
	unsigned states;
	pop3_args_parser *parse;
	struct str usage;
	pop3_handler *run;
} verbs[] = {
#define VERB(name, states, parse, usage, run)                                                      \
	{                                                                                          \
		STR_INIT(name), states, parse, STR_INIT(usage), run                                \
	}
    VERB("RETR", POP3_TRANSACTION, pop3_args_number, "RETR number", pop3_cmd_retr),
    VERB("DELE", POP3_TRANSACTION, pop3_args_number, "DELE number", pop3_cmd_dele),
    VERB("LIST", POP3_TRANSACTION, pop3_args_maybe_number, "LIST [number]", pop3_cmd_list),
    VERB("UIDL", POP3_TRANSACTION, pop3_args_maybe_number, "UIDL [number]", pop3_cmd_uidl),
    VERB("TOP", POP3_TRANSACTION, pop3_args_top, "TOP number lines", pop3_cmd_top),
    VERB("STAT", POP3_TRANSACTION, pop3_args_none, "STAT", pop3_cmd_stat),
    VERB("NOOP", POP3_TRANSACTION, pop3_args_none, "NOOP", pop3_cmd_noop),
    VERB("RSET", POP3_TRANSACTION, pop3_args_none, "RSET", pop3_cmd_rset),
    VERB("QUIT", POP3_AUTHORIZATION | POP3_TRANSACTION, pop3_args_none, "QUIT", pop3_cmd_quit),
    VERB("CAPA", POP3_AUTHORIZATION | POP3_TRANSACTION, pop3_args_none, "CAPA", pop3_cmd_capa),
    VERB("USER", POP3_AUTHORIZATION, pop3_args_name, "USER name", pop3_cmd_user),
    VERB("PASS", POP3_AUTHORIZATION, pop3_args_password, "PASS password", pop3_cmd_pass),
    VERB("AUTH", POP3_AUTHORIZATION, pop3_args_auth, "AUTH mechanism [response]", pop3_cmd_auth),
    VERB("STLS", POP3_AUTHORIZATION, pop3_args_none, "STLS", pop3_cmd_stls),
#undef VERB
};

/* How an outcome is told to the client. POP3_FAILED of AUTH has words of its own (pop3_login.c). */
static const struct {
	enum pop3_code code;
	struct str words;
} outcomes[POP3_OUTCOMES] = {
    [POP3_FAILED] = {POP3_CODE_NONE, STR_INIT("")},
    [POP3_TEMPORARY] = {POP3_CODE_SYS_TEMP, STR_INIT("temporary trouble, try again later")},
    [POP3_DISABLED] = {POP3_CODE_SYS_PERM, STR_INIT("this account may not use POP3")},
    [POP3_IN_USE] = {POP3_CODE_IN_USE, STR_INIT("another session has this mailbox open")},
    [POP3_LOGIN_DELAY] = {POP3_CODE_LOGIN_DELAY, STR_INIT("too soon after the last login")},
};

enum pop3_step pop3_ok(struct pop3_server *s, struct str text)
{
	pop3_reply_put(&s->out, true, POP3_CODE_NONE, text);
	return POP3_STEP_DONE;
}

enum pop3_step pop3_err(struct pop3_server *s, enum pop3_code code, struct str text)
{
	pop3_reply_put(&s->out, false, code, text);
	return POP3_STEP_DONE;
}

enum pop3_step pop3_fail(struct pop3_server *s, struct str text)
{
	unsigned max = s->cfg->max_errors ? s->cfg->max_errors : DEFAULT_ERRORS;

	if (++s->errors < max)
		return pop3_err(s, POP3_CODE_NONE, text);
	pop3_err(s, POP3_CODE_NONE, STR("too many errors, closing"));
	return pop3_end(s, "too many errors");
}

enum pop3_step pop3_err_result(struct pop3_server *s, const struct pop3_result *r, struct str words)
{
	MUST(r->outcome != POP3_OK && r->outcome < POP3_OUTCOMES);
	if (outcomes[r->outcome].words.n)
		words = outcomes[r->outcome].words;
	return pop3_err(s, outcomes[r->outcome].code, r->text.n ? r->text : words);
}

enum pop3_step pop3_emit(struct pop3_server *s, enum pop3_effect_type type, pop3_resume *resume)
{
	MUST(!s->has_effect && !s->ended);
	s->effect.type = type;
	s->resume = resume;
	s->has_effect = true;
	return POP3_STEP_WAIT;
}

enum pop3_step pop3_end(struct pop3_server *s, const char *reason)
{
	if (!s->ended)
		s->end_reason = reason;
	s->ended = true;
	return POP3_STEP_CLOSE;
}

static struct pop3_server *check(const struct pop3_server *s)
{
	MUST(s && s->magic == MAGIC);
	return (struct pop3_server *)(uintptr_t)s;
}

static enum pop3_step resume_admit(struct pop3_server *s, const struct pop3_result *r);

struct pop3_server *pop3_server_new(
    const struct pop3_server_config *cfg, const struct pop3_peer *peer, int64_t now)
{
	struct pop3_server *s = mem_new(struct pop3_server);

	*s = (struct pop3_server){
	    .magic = MAGIC,
	    .cfg = cfg,
	    .state = POP3_CONNECT,
	    .tls = peer->tls,
	    .plaintext_auth = peer->plaintext_auth,
	    .end_reason = "",
	    .heard = now,
	    .met = now,
	};
	line_in_init(&s->line, LIMIT_POP3_LINE);
	line_in_init(&s->auth_line, LIMIT_POP3_AUTH_LINE);
	buf_init(&s->out, LIMIT_POP3_OUT);
	buf_init(&s->user, LIMIT_USER_NAME);
	buf_init(&s->password, LIMIT_PASSWORD);
	sasl_server_init(&s->sasl);
	ranges_init(&s->deleted);
	ranges_init(&s->seen);
	ranges_init(&s->uncounted);
	pop3_emit(s, POP3_ADMIT, resume_admit);
	return s;
}

static enum pop3_step resume_admit(struct pop3_server *s, const struct pop3_result *r)
{
	struct buf text;

	if (r->outcome != POP3_OK) {
		pop3_err_result(s, r, STR("this server does not serve you"));
		return pop3_end(s, "not admitted");
	}
	buf_init(&text, POP3_REPLY_MAX);
	buf_str(&text, str_sub(s->cfg->hostname, 0, LIMIT_SMTP_DOMAIN));
	buf_lit(&text, " POP3 server ready");
	pop3_ok(s, buf_view(&text));
	buf_fini(&text);
	s->state = POP3_AUTHORIZATION;
	s->met = s->heard;
	return POP3_STEP_DONE;
}

void pop3_server_free(struct pop3_server **s)
{
	struct pop3_server *x = *s;

	*s = NULL;
	if (!x)
		return;
	check(x);
	line_in_fini(&x->line);
	line_in_fini(&x->auth_line);
	buf_fini(&x->out);
	pop3_forget_credentials(x);
	ranges_fini(&x->deleted);
	ranges_fini(&x->seen);
	ranges_fini(&x->uncounted);
	mem_wipe(x, sizeof *x);
	mem_free(x);
}

/* Another command may be read. */
static bool can_read(const struct pop3_server *s)
{
	return !s->ended && !s->eof && !s->has_effect && buf_room(&s->out) >= POP3_ROOM;
}

/* After a command, or a part of one that waited: what holds at its boundary. */
static void settle(struct pop3_server *s, enum pop3_step step)
{
	MUST(!s->out.overflow);
	MUST((step == POP3_STEP_WAIT) == s->has_effect);
	MUST((step == POP3_STEP_CLOSE) == s->ended);
	if (s->has_effect || s->ended || step == POP3_STEP_MORE)
		return;
	if (s->eof) {
		pop3_end(s, "client left");
	} else if (s->farewell) {
		pop3_err(s, POP3_CODE_SYS_TEMP, s->farewell->text);
		pop3_end(s, s->farewell->reason);
	}
}

static const struct pop3_verb *find_verb(struct str name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (str_eq_i(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static enum pop3_step bad_usage(struct pop3_server *s, const struct pop3_verb *verb)
{
	struct buf text;
	enum pop3_step step;

	buf_init(&text, POP3_REPLY_MAX);
	buf_lit(&text, "the command is: ");
	buf_str(&text, verb->usage);
	step = pop3_fail(s, buf_view(&text));
	buf_fini(&text);
	return step;
}

static enum pop3_step run_command(struct pop3_server *s, struct str line)
{
	struct str rest;
	const struct pop3_verb *verb = find_verb(pop3_command_split(line, &rest));
	struct pop3_args args;

	if (!verb)
		return pop3_fail(s, STR("unknown command"));
	if (!(verb->states & s->state))
		return pop3_fail(s,
		    s->state == POP3_TRANSACTION ? STR("already logged in") : STR("log in first"));
	if (verb->parse(rest, &args) != POP3_ARGS_OK)
		return bad_usage(s, verb);
	return verb->run(s, &args);
}

/* A whole line, or what is wrong with it. */
static enum pop3_step run_line(struct pop3_server *s, enum line_status status, struct str line)
{
	bool in_sasl = s->in_sasl;

	if (status == LINE_DONE && str_find(line, 0) == line.n)
		return in_sasl ? pop3_auth_line(s, line) : run_command(s, line);
	if (in_sasl)
		pop3_forget_credentials(s);
	if (status == LINE_TOO_LONG)
		return pop3_fail(s, STR("line too long"));
	if (status == LINE_BARE)
		return pop3_fail(s, STR("lines must end with CR LF"));
	return pop3_fail(s, STR("NUL is not allowed"));
}

/* One line from the head of in, or a part of it; gives the octets taken. */
static size_t feed_line(struct pop3_server *s, struct str in, int64_t now)
{
	struct line_in *framer = s->in_sasl ? &s->auth_line : &s->line;
	enum line_status status;
	struct str line;
	size_t used;

	status = line_in_next(framer, in, &used, &line);
	if (status == LINE_MORE)
		return used;
	s->heard = now;
	settle(s, run_line(s, status, line));
	line_in_reset(framer);
	return used;
}

size_t pop3_server_feed(struct pop3_server *s, struct str in, int64_t now)
{
	size_t used = 0;

	check(s);
	while (used < in.n && can_read(s))
		used += feed_line(s, str_from(in, used), now);
	if (s->ended || (s->has_effect && s->effect.type == POP3_STLS))
		return in
		    .n; /* nobody will look at it; behind STLS it may be an injection [RFC 2595 4] */
	return used;
}

struct str pop3_server_out(const struct pop3_server *s)
{
	return str_from(buf_view(&check(s)->out), s->out_at);
}

void pop3_server_sent(struct pop3_server *s, size_t n, int64_t now)
{
	MUST(n <= pop3_server_out(s).n);
	s->out_at += n;
	s->heard = now;
	if (s->out_at < s->out.n && s->out_at < LIMIT_POP3_OUT / 2)
		return;
	buf_drop(&s->out, s->out_at);
	s->out_at = 0;
	if (s->out.n == 0 && !s->has_effect)
		buf_fini(&s->out); /* an idle session keeps no memory */
}

const struct pop3_effect *pop3_server_effect(const struct pop3_server *s)
{
	return check(s)->has_effect ? &s->effect : NULL;
}

void pop3_server_done(struct pop3_server *s, const struct pop3_result *r, int64_t now)
{
	static const struct pop3_result all_zero;
	pop3_resume *resume = check(s)->resume;

	if (s->ended && !s->has_effect)
		return; /* the result of an effect that a timeout made void */
	MUST(s->has_effect);
	s->has_effect = false;
	s->resume = NULL;
	s->heard = now;
	settle(s, resume(s, r ? r : &all_zero));
}

unsigned pop3_server_wants(const struct pop3_server *s)
{
	bool write = pop3_server_out(s).n > 0;

	if (s->ended && !write)
		return POP3_WANTS_CLOSE;
	return (can_read(s) ? POP3_WANTS_READ : 0u) | (write ? POP3_WANTS_WRITE : 0u);
}

/* The client can do nothing to move the session on. A stream that it does not read is its turn. */
static bool is_drivers_turn(const struct pop3_server *s)
{
	bool streams = s->effect.type == POP3_LIST || s->effect.type == POP3_RETR;

	if (!s->has_effect || s->effect.type == POP3_STLS)
		return false;
	return !streams || s->out_at == s->out.n;
}

int64_t pop3_server_deadline(const struct pop3_server *s)
{
	const struct pop3_server_config *cfg = check(s)->cfg;

	if (is_drivers_turn(s))
		return POP3_NEVER;
	if (s->state <= POP3_AUTHORIZATION) /* whatever a stranger says meanwhile */
		return s->met + (cfg->login_timeout ? cfg->login_timeout : DEFAULT_LOGIN_TIMEOUT);
	return s->heard + (cfg->timeout ? cfg->timeout : DEFAULT_TIMEOUT);
}

void pop3_server_tick(struct pop3_server *s, int64_t now)
{
	if (now < pop3_server_deadline(s))
		return;
	pop3_end(s, "timeout");
	s->has_effect = false;
	buf_fini(&s->out);
	s->out_at = 0;
}

void pop3_server_eof(struct pop3_server *s, int64_t now)
{
	check(s)->eof = true;
	s->heard = now;
	if (!s->has_effect && !s->ended)
		pop3_end(s, "client left");
}

static void take_leave(struct pop3_server *s, const struct pop3_farewell *farewell, int64_t now)
{
	if (!check(s)->farewell)
		s->farewell = farewell;
	s->heard = now;
	if (!s->has_effect && !s->ended)
		settle(s, POP3_STEP_DONE);
}

void pop3_server_shutdown(struct pop3_server *s, int64_t now)
{
	static const struct pop3_farewell going_down = {
	    STR_INIT("the server goes down, try again in a minute"), "server goes down"};

	take_leave(s, &going_down, now);
}

void pop3_server_no_store(struct pop3_server *s, int64_t now)
{
	static const struct pop3_farewell away = {
	    STR_INIT("the mail store does not answer, try again in a minute"), "store away"};

	take_leave(s, &away, now);
}

void pop3_server_logout(struct pop3_server *s, int64_t now)
{
	static const struct pop3_farewell ended = {
	    STR_INIT("this login has ended, log in again"), "login ended"};

	take_leave(s, &ended, now);
}

bool pop3_server_is_logged_in(const struct pop3_server *s)
{
	return check(s)->state >= POP3_TRANSACTION;
}

const char *pop3_server_end_reason(const struct pop3_server *s)
{
	return check(s)->end_reason;
}
