/* Plays the transcripts of tests/script/smtp against the server engine. */
#include "script/script.h"

#include "base/cur.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_server.h"

struct session {
	struct smtp_server_config cfg;
	struct smtp_server *s;
	int64_t now;
	size_t body_octets; /* of the message at hand */
};

static void number(struct str (*option)(const char *word), const char *word, unsigned *n_r)
{
	uint64_t v;

	if (str_to_u64(option(word), UINT32_MAX, &v))
		*n_r = (unsigned)v;
}

static void *open_session(struct str (*option)(const char *word))
{
	static const struct {
		struct str word;
		enum smtp_role role;
	} roles[] = {
	    {STR_INIT("submission"), SMTP_ROLE_SUBMISSION},
	    {STR_INIT("lmtp"), SMTP_ROLE_LMTP},
	    {STR_INIT("local"), SMTP_ROLE_LOCAL},
	    {STR_INIT("mx"), SMTP_ROLE_MX},
	    {STR_INIT(""), SMTP_ROLE_MX},
	};
	struct session *t = mem_new(struct session);
	struct smtp_peer peer = {.ip = option("ip"),
	    .tls = option("tls").n > 0,
	    .plaintext_auth = option("plaintext-auth").n > 0,
	    .wall = INT64_C(1795867200000)}; /* 2026-11-28T12:00:00Z */
	size_t i = 0;

	while (!str_eq(option("role"), roles[i].word))
		i++;
	smtp_server_config_init(&t->cfg, roles[i].role);
	t->cfg.hostname = STR("mail.test");
	t->cfg.starttls = option("starttls").n > 0;
	t->cfg.normalize = option("normalize").n > 0;
	str_to_u64(option("size-limit"), LIMIT_MESSAGE_SIZE, &t->cfg.size_limit);
	number(option, "rcpt-max", &t->cfg.rcpt_max);
	number(option, "max-errors", &t->cfg.max_errors);
	number(option, "max-refused", &t->cfg.max_refused);
	number(option, "max-commands", &t->cfg.max_commands);
	number(option, "max-auth-failures", &t->cfg.max_auth_failures);
	t->s = smtp_server_new(&t->cfg, &peer, 0);
	return t;
}

static void close_session(void *ctx)
{
	struct session *t = ctx;

	smtp_server_free(&t->s);
	mem_free(t);
}

static size_t feed(void *ctx, struct str in)
{
	struct session *t = ctx;

	return smtp_server_feed(t->s, in, t->now);
}

static struct str out(void *ctx)
{
	return smtp_server_out(((struct session *)ctx)->s);
}

static void sent(void *ctx, size_t n)
{
	struct session *t = ctx;

	smtp_server_sent(t->s, n, t->now);
}

/* MAIL <path> protocol=... and the parameters */
static void put_mail(const struct smtp_server *s, struct buf *b)
{
	const struct smtp_transaction *t = smtp_server_transaction(s);

	smtp_path_put_angle(b, &t->reverse);
	buf_lit(b, " with ");
	buf_str(b, smtp_server_protocol(s));
	if (t->params.size) {
		buf_lit(b, " SIZE=");
		buf_u64(b, t->params.size);
	}
	if (t->params.body == SMTP_BODY_8BITMIME)
		buf_lit(b, " BODY=8BITMIME");
	if (t->params.has_auth) {
		buf_lit(b, " AUTH=<");
		buf_str(b, t->params.auth);
		buf_byte(b, '>');
	}
	smtp_param_put_dsn(b, &t->params);
}

static void put_data(const struct smtp_server *s, struct buf *b)
{
	const struct smtp_transaction *t = smtp_server_transaction(s);

	for (size_t i = 0; i < t->rcpt_count; i++) {
		if (i > 0)
			buf_byte(b, ' ');
		smtp_path_put_angle(b, &t->rcpts[i].path);
	}
}

/* Short bodies in full, of long ones the length. */
static void put_body(struct str body, struct buf *b)
{
	if (body.n > 200) {
		buf_u64(b, body.n);
		buf_lit(b, " octets");
	} else {
		buf_str(b, body);
	}
}

/* What becomes of content. */
static void put_abort(const struct smtp_effect *e, struct buf *b)
{
	if (!e->abort.content)
		return;
	buf_byte(b, ' ');
	if (e->abort.reply.code)
		buf_u64(b, e->abort.reply.code);
	else
		buf_lit(b, "broken off");
}

static void put_effect(const struct session *t, const struct smtp_effect *e, struct buf *b)
{
	static const char *const names[] = {
	    "ADMIT", "STARTTLS", "AUTH ", "MAIL ", "RCPT ", "DATA ", "BODY ", "COMMIT", "ABORT"};

	buf_c(b, names[e->kind]);
	switch (e->kind) {
	case SMTP_EFFECT_AUTH:
		buf_str(b, e->auth.mechanism);
		buf_byte(b, ' ');
		buf_str(b, e->auth.authzid);
		buf_byte(b, '|');
		buf_str(b, e->auth.authcid);
		buf_byte(b, '|');
		buf_str(b, e->auth.password);
		break;
	case SMTP_EFFECT_MAIL:
		put_mail(t->s, b);
		break;
	case SMTP_EFFECT_RCPT:
		smtp_path_put_angle(b, &e->rcpt->path);
		smtp_param_put_rcpt(b, &e->rcpt->params);
		break;
	case SMTP_EFFECT_DATA:
		put_data(t->s, b);
		break;
	case SMTP_EFFECT_BODY:
		put_body(e->body, b);
		break;
	case SMTP_EFFECT_ABORT:
		put_abort(e, b);
		break;
	default:
		break;
	}
}

static bool effect(void *ctx, struct buf *text)
{
	struct session *t = ctx;
	const struct smtp_effect *e = smtp_server_effect(t->s);

	if (!e)
		return false;
	put_effect(t, e, text);
	return true;
}

/* "550 5.1.1 words", "trusted", "account=name", or several replies with " ; " between them. */
static void done(void *ctx, struct str text)
{
	struct session *t = ctx;
	struct smtp_result r = {0};
	struct smtp_reply replies[16];

	while (text.n) {
		size_t end = str_find_str(text, STR(" ; "));
		struct str one = str_sub(text, 0, end);

		if (str_eq(one, STR("trusted")))
			r.trusted = true;
		else if (str_has_prefix(one, STR("account=")))
			r.account = str_from(one, 8);
		else
			MUST(r.reply_count < 16 &&
			     smtp_reply_parse(one, &replies[r.reply_count++]) ==
				 SMTP_REPLY_LINE_LAST);
		text = str_from(text, end + 3);
	}
	if (r.reply_count == 1)
		r.reply = replies[0];
	if (r.reply_count > 1)
		r.replies = replies;
	smtp_server_done(t->s, &r, t->now);
}

static void event(void *ctx, struct str word, struct str value)
{
	struct session *t = ctx;
	uint64_t ms = 0;

	str_to_u64(value, INT64_MAX, &ms);
	if (str_eq(word, STR("eof"))) {
		smtp_server_eof(t->s, t->now);
	} else if (str_eq(word, STR("shutdown"))) {
		smtp_server_shutdown(t->s, t->now);
	} else if (str_eq(word, STR("no-store"))) {
		smtp_server_no_store(t->s, t->now);
	} else if (str_eq(word, STR("logout"))) {
		smtp_server_logout(t->s, t->now);
	} else {
		MUST(str_eq(word, STR("tick")));
		t->now += (int64_t)ms;
		smtp_server_tick(t->s, t->now);
	}
}

static bool is_closed(void *ctx)
{
	return smtp_server_wants(((struct session *)ctx)->s) & SMTP_WANTS_CLOSE;
}

int main(int argc, char **argv)
{
	static const struct script_engine engine = {
	    open_session, close_session, feed, out, sent, effect, done, event, is_closed};

	MUST(argc == 2);
	return script_main(argv[1], &engine);
}
