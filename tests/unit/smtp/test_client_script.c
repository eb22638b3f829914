/* Plays the transcripts of tests/script/smtp_client against the client engine. */
#include "script/script.h"

#include "base/cur.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_client.h"

#define RCPTS 8

struct session {
	struct smtp_client_config cfg;
	struct smtp_client *c;
	struct arena *arena;
	struct smtp_client_message message;
	struct smtp_client_rcpt rcpts[RCPTS];
	int64_t now;
};

static void *open_session(struct str (*option)(const char *word))
{
	struct session *t = mem_new(struct session);
	struct str policy = option("tls");
	uint64_t chunk;

	smtp_client_config_init(&t->cfg);
	t->cfg.helo = STR("client.test");
	t->cfg.lmtp = option("lmtp").n > 0;
	t->cfg.tls_active = str_eq(policy, STR("active"));
	if (str_eq(policy, STR("none")))
		t->cfg.tls = SMTP_TLS_NONE;
	if (str_eq(policy, STR("require")))
		t->cfg.tls = SMTP_TLS_REQUIRE;
	t->cfg.plaintext_auth = option("plaintext-auth").n > 0;
	if (str_to_u64(option("chunk"), SIZE_MAX, &chunk))
		t->cfg.chunk = (size_t)chunk;
	t->cfg.user = option("user");
	t->cfg.password = option("password");
	t->arena = arena_new();
	t->c = smtp_client_new(&t->cfg, 0);
	return t;
}

static void close_session(void *ctx)
{
	struct session *t = ctx;

	smtp_client_free(&t->c);
	arena_free(&t->arena);
	mem_free(t);
}

static size_t feed(void *ctx, struct str in)
{
	struct session *t = ctx;

	return smtp_client_feed(t->c, in, t->now);
}

static struct str out(void *ctx)
{
	return smtp_client_out(((struct session *)ctx)->c);
}

static void sent(void *ctx, size_t n)
{
	struct session *t = ctx;

	smtp_client_sent(t->c, n, t->now);
}

/* "accepted MAIL 250 2.1.0 text" */
static void put_verdict(struct buf *b, const struct smtp_verdict *v)
{
	static const char *const outcomes[] = {"temporary", "permanent", "unsure", "accepted"};

	buf_byte(b, ' ');
	buf_c(b, outcomes[v->outcome]);
	buf_byte(b, ' ');
	buf_str(b, smtp_stage_name(v->stage));
	buf_byte(b, ' ');
	buf_u64(b, v->reply.code);
	if (v->reply.status.class) {
		buf_byte(b, ' ');
		buf_u64(b, v->reply.status.class);
		buf_byte(b, '.');
		buf_u64(b, v->reply.status.subject);
		buf_byte(b, '.');
		buf_u64(b, v->reply.status.detail);
	}
	buf_byte(b, ' ');
	buf_str(b, v->reply.text);
	buf_byte(b, ';');
}

static bool effect(void *ctx, struct buf *text)
{
	static const char *const names[] = {"STARTTLS", "READY", "BODY", "REPORT", "CLOSED"};
	struct session *t = ctx;
	const struct smtp_client_effect *e = smtp_client_effect(t->c);

	if (!e)
		return false;
	buf_c(text, names[e->kind]);
	for (size_t i = 0; e->kind == SMTP_CLIENT_REPORT && i < e->verdict_count; i++)
		put_verdict(text, &e->verdicts[i]);
	if (e->kind == SMTP_CLIENT_CLOSED)
		put_verdict(text, &e->verdict);
	return true;
}

/* "<sender> <recipient>... size=1 8bit utf8 envid=x notify=never", or "... no-content", or "... time=1000" */
static void read_message(struct session *t, struct str text)
{
	struct smtp_client_message *m = &t->message;
	struct cur c = cur_of(text);

	*m = (struct smtp_client_message){.rcpts = t->rcpts};
	MUST(smtp_path_reverse(&c, true, t->arena, &m->reverse) == SMTP_PATH_OK);
	while (cur_sp(&c) && cur_peek(&c) == '<') {
		struct smtp_client_rcpt *r = &t->rcpts[m->rcpt_count++];

		*r = (struct smtp_client_rcpt){0};
		MUST(m->rcpt_count < RCPTS &&
		     smtp_path_forward(&c, true, t->arena, &r->path) == SMTP_PATH_OK);
	}
	text = cur_rest(&c);
	m->no_content = str_eq(text, STR("no-content"));
	if (str_has_prefix(text, STR("time="))) {
		uint64_t ms;

		MUST(str_to_u64(str_from(text, 5), INT64_MAX, &ms));
		m->time = (int64_t)ms;
		return;
	}
	if (text.n && !m->no_content) {
		struct buf params;

		buf_init(&params, 1024);
		buf_byte(&params, ' ');
		buf_str(&params, text);
		c = cur_of(buf_view(&params));
		MUST(smtp_param_mail(&c, t->arena, &m->params) == SMTP_PARAM_OK);
		buf_fini(&params);
	}
}

static void done(void *ctx, struct str text)
{
	struct session *t = ctx;
	struct smtp_client_result r = {0};

	if (str_has_prefix(text, STR("failed"))) {
		r.failed = true;
		r.text = str_from(text, 7);
	} else if (smtp_client_effect(t->c)->kind == SMTP_CLIENT_READY && text.n) {
		read_message(t, text);
		r.next = &t->message;
	} else if (smtp_client_effect(t->c)->kind == SMTP_CLIENT_BODY) {
		r.last = !str_has_prefix(text, STR("more:"));
		r.body = r.last ? text : str_from(text, 5);
	}
	smtp_client_done(t->c, &r, t->now);
}

static void event(void *ctx, struct str word, struct str value)
{
	struct session *t = ctx;
	uint64_t ms = 0;

	str_to_u64(value, INT64_MAX, &ms);
	if (str_eq(word, STR("eof"))) {
		smtp_client_eof(t->c, t->now);
	} else {
		MUST(str_eq(word, STR("tick")));
		t->now += (int64_t)ms;
		smtp_client_tick(t->c, t->now);
	}
}

static bool is_closed(void *ctx)
{
	return smtp_client_wants(((struct session *)ctx)->c) & SMTP_WANTS_CLOSE;
}

int main(int argc, char **argv)
{
	static const struct script_engine engine = {open_session, close_session, feed, out, sent,
	    effect, done, event, is_closed, .is_client = true};

	MUST(argc == 2);
	return script_main(argv[1], &engine);
}
