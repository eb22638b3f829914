/*
 * The client engine against the server engine, in memory: all extensions, all roles, any pieces;
 * and a connection that breaks after every octet in either direction: what the client holds for
 * accepted has been committed, what it holds for refused has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_client.h"
#include "smtp/smtp_server.h"

#define LOG_MAX  (64 * MIB)
#define MESSAGES 3

/* Octets between the two; those before `at` have arrived. */
struct way {
	struct buf b;
	size_t at;
};

struct pair {
	struct smtp_server_config server_cfg;
	struct smtp_client_config client_cfg;
	struct smtp_server *s;
	struct smtp_client *c;
	size_t piece;    /* octets move in pieces of so many */
	size_t up_max;   /* the connection breaks after so many octets to the server */
	size_t down_max; /* ... or to the client */
	size_t up, down;
	bool broken;
	struct way to_server, to_client;

	const struct smtp_client_message *message; /* sent MESSAGES times */
	struct str content;
	size_t content_at;
	size_t sent;
	size_t accepted, refused, unsure; /* recipients, as the client holds them */
	bool closed;
	struct smtp_verdict end;

	struct buf body; /* of the message at hand, at the server */
	size_t commits;
	size_t committed; /* recipients */
	bool auth_ok;
};

static void setup(struct pair *p, enum smtp_role role)
{
	*p = (struct pair){
	    .piece = SIZE_MAX, .up_max = SIZE_MAX, .down_max = SIZE_MAX, .auth_ok = true};
	smtp_server_config_init(&p->server_cfg, role);
	smtp_client_config_init(&p->client_cfg);
	p->server_cfg.hostname = STR("mail.test");
	p->server_cfg.rcpt_max = LIMIT_SMTP_RCPT_MAX;
	p->server_cfg.max_refused = 0;
	p->client_cfg.helo = STR("client.test");
	p->client_cfg.lmtp = role == SMTP_ROLE_LMTP;
	buf_init(&p->to_server.b, LOG_MAX);
	buf_init(&p->to_client.b, LOG_MAX);
	buf_init(&p->body, LOG_MAX);
}

static void open_pair(struct pair *p)
{
	struct smtp_peer peer = {0};

	p->s = smtp_server_new(&p->server_cfg, &peer, 0);
	p->c = smtp_client_new(&p->client_cfg, 0);
}

static void close_pair(struct pair *p)
{
	smtp_client_free(&p->c);
	smtp_server_free(&p->s);
	buf_fini(&p->to_server.b);
	buf_fini(&p->to_client.b);
	buf_fini(&p->body);
}

/* "no..." is refused for good, "later..." for now. */
static struct smtp_reply judge(const struct smtp_rcpt *rcpt)
{
	if (str_has_prefix(rcpt->path.local, STR("no")))
		return SMTP_REPLY(550, 5, 1, 1, "No such user");
	if (str_has_prefix(rcpt->path.local, STR("later")))
		return SMTP_REPLY(451, 4, 2, 0, "Not now");
	return (struct smtp_reply){0};
}

static void commit(struct pair *p)
{
	assert_true(str_eq(buf_view(&p->body), p->content));
	p->commits++;
	p->committed += smtp_server_transaction(p->s)->rcpt_count;
}

static bool server_turn(struct pair *p)
{
	const struct smtp_effect *e = smtp_server_effect(p->s);
	struct smtp_result r = {0};

	if (!e)
		return false;
	if (e->kind == SMTP_EFFECT_STARTTLS)
		return false; /* both sides at once: shake_hands() */
	if (e->kind == SMTP_EFFECT_RCPT)
		r.reply = judge(e->rcpt);
	if (e->kind == SMTP_EFFECT_AUTH && !p->auth_ok)
		r.reply = SMTP_REPLY(535, 5, 7, 8, "No");
	if (e->kind == SMTP_EFFECT_MAIL)
		buf_clear(&p->body);
	if (e->kind == SMTP_EFFECT_BODY)
		buf_str(&p->body, e->body);
	if (e->kind == SMTP_EFFECT_COMMIT)
		commit(p);
	smtp_server_done(p->s, &r, 0);
	return true;
}

static void take_report(struct pair *p, const struct smtp_client_effect *e)
{
	assert_int_equal(e->verdict_count, p->message->rcpt_count);
	for (size_t i = 0; i < e->verdict_count; i++) {
		enum smtp_outcome o = e->verdicts[i].outcome;

		p->accepted += o == SMTP_OUTCOME_ACCEPTED;
		p->unsure += o == SMTP_OUTCOME_UNSURE;
		p->refused += o == SMTP_OUTCOME_TEMPORARY || o == SMTP_OUTCOME_PERMANENT;
	}
}

static void next_piece(struct pair *p, struct smtp_client_result *r)
{
	r->body = str_sub(p->content, p->content_at, p->piece < 1000 ? p->piece : LIMIT_BODY_CHUNK);
	p->content_at += r->body.n;
	r->last = p->content_at == p->content.n;
}

static bool client_turn(struct pair *p)
{
	const struct smtp_client_effect *e = smtp_client_effect(p->c);
	struct smtp_client_result r = {0};

	if (!e || e->kind == SMTP_CLIENT_STARTTLS)
		return false;
	if (e->kind == SMTP_CLIENT_READY && p->sent < MESSAGES) {
		r.next = p->message;
		p->content_at = 0;
		p->sent++;
	}
	if (e->kind == SMTP_CLIENT_BODY)
		next_piece(p, &r);
	if (e->kind == SMTP_CLIENT_REPORT)
		take_report(p, e);
	if (e->kind == SMTP_CLIENT_CLOSED) {
		assert_false(p->closed);
		p->closed = true;
		p->end = e->verdict;
	}
	smtp_client_done(p->c, &r, 0);
	return true;
}

/* Both have flushed what belongs before it. */
static bool shake_hands(struct pair *p)
{
	const struct smtp_effect *s = smtp_server_effect(p->s);
	const struct smtp_client_effect *c = smtp_client_effect(p->c);

	if (!s || !c || s->kind != SMTP_EFFECT_STARTTLS || c->kind != SMTP_CLIENT_STARTTLS)
		return false;
	smtp_server_done(p->s, NULL, 0);
	smtp_client_done(p->c, NULL, 0);
	return true;
}

/* Octets onto the way, up to where it breaks. */
static size_t put(struct pair *p, struct way *w, struct str out, size_t *count, size_t max)
{
	out = str_sub(out, 0, max - *count);
	out = str_sub(out, 0, p->piece);
	buf_str(&w->b, out);
	*count += out.n;
	return out.n;
}

/* What comes next off the way, and that it was taken. */
static struct str next(const struct pair *p, const struct way *w)
{
	return str_sub(buf_view(&w->b), w->at, p->piece);
}

static void taken(struct way *w, size_t n)
{
	w->at += n;
	if (w->at < w->b.n)
		return;
	buf_clear(&w->b);
	w->at = 0;
}

static bool move(struct pair *p)
{
	size_t n = 0;
	size_t used;

	used = put(p, &p->to_server, smtp_client_out(p->c), &p->up, p->up_max);
	smtp_client_sent(p->c, used, 0);
	n += used;
	used = put(p, &p->to_client, smtp_server_out(p->s), &p->down, p->down_max);
	smtp_server_sent(p->s, used, 0);
	n += used;
	used = smtp_server_feed(p->s, next(p, &p->to_server), 0);
	taken(&p->to_server, used);
	n += used;
	used = smtp_client_feed(p->c, next(p, &p->to_client), 0);
	taken(&p->to_client, used);
	return n + used > 0;
}

/* Nothing moves any more: the connection ends for both. */
static bool hang_up(struct pair *p)
{
	if (p->broken)
		return false;
	p->broken = true;
	smtp_server_eof(p->s, 0);
	smtp_client_eof(p->c, 0);
	return true;
}

static void run(struct pair *p)
{
	bool busy = true;

	while (busy) {
		busy = move(p);
		busy |= server_turn(p);
		busy |= client_turn(p);
		busy |= shake_hands(p);
		if (!busy)
			busy = hang_up(p);
	}
	assert_true(p->closed);
	assert_true(smtp_client_wants(p->c) & SMTP_WANTS_CLOSE);
	assert_null(smtp_server_transaction(p->s));
}

static struct smtp_path path_of(struct arena *a, const char *text)
{
	struct smtp_path path;

	assert_int_equal(smtp_mailbox_parse(str_of_c(text), true, a, &path), SMTP_PATH_OK);
	return path;
}

#define CONTENT "Subject: x\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n\r\n.\r\n"

/* Recipients: every third is refused for good, every third for now (first the good one). */
static struct smtp_client_message *message_new(struct arena *a, size_t n)
{
	static const char *const names[] = {"yes", "no", "later"};
	struct smtp_client_message *m = arena_obj(a, struct smtp_client_message);
	struct smtp_client_rcpt *rcpts = arena_array(a, n, sizeof *rcpts);

	m->reverse = path_of(a, "alice@example.org");
	m->rcpts = rcpts;
	m->rcpt_count = n;
	m->params.envid = STR("a b");
	m->params.body = SMTP_BODY_8BITMIME;
	for (size_t i = 0; i < n; i++) {
		struct buf name;

		buf_init(&name, 64);
		buf_c(&name, names[i % 3]);
		buf_u64(&name, i);
		buf_lit(&name, "@x.org");
		rcpts[i].path = path_of(a, buf_cstr(&name));
		rcpts[i].params.notify = SMTP_NOTIFY_FAILURE;
		buf_fini(&name);
	}
	return m;
}

static bool has(struct str s, const char *what)
{
	return str_find_str(s, str_of_c(what)) < s.n;
}

/* The three messages through, in pieces; chunk: as the client is configured. */
static void through_by(enum smtp_role role, size_t piece, size_t rcpts, bool tls, size_t chunk)
{
	struct arena *a = arena_new();
	struct pair p;

	setup(&p, role);
	p.piece = piece;
	p.message = message_new(a, rcpts);
	p.content = STR(CONTENT);
	p.server_cfg.starttls = tls;
	p.client_cfg.tls = tls ? SMTP_TLS_REQUIRE : SMTP_TLS_NONE;
	p.client_cfg.chunk = chunk;
	if (role == SMTP_ROLE_SUBMISSION) {
		p.client_cfg.user = STR("bob");
		p.client_cfg.password = STR("secret");
	}
	open_pair(&p);
	run(&p);
	assert_int_equal(p.commits, MESSAGES);
	assert_int_equal(p.accepted, MESSAGES * ((rcpts + 2) / 3));
	assert_int_equal(p.refused, MESSAGES * (rcpts - (rcpts + 2) / 3));
	assert_int_equal(p.committed, p.accepted);
	assert_int_equal(p.end.outcome, SMTP_OUTCOME_ACCEPTED);
	assert_int_equal(smtp_client_is_tls(p.c), tls);
	assert_int_equal(has(smtp_server_protocol(p.s), "TPS"), tls); /* [RFC 3848] */
	close_pair(&p);
	arena_free(&a);
}

static void through(enum smtp_role role, size_t piece, size_t rcpts, bool tls)
{
	through_by(role, piece, rcpts, tls, LIMIT_SMTP_CHUNK);
}

static void test_pieces(void **state)
{
	for (size_t piece = 1; piece < 40; piece++) {
		through(SMTP_ROLE_MX, piece, 4, false);
		through(SMTP_ROLE_MX, piece, 1, true);
		through(SMTP_ROLE_LMTP, piece, 7, false);
		through(SMTP_ROLE_SUBMISSION, piece, 5, true);
		through(SMTP_ROLE_LOCAL, piece, 3, false);
	}
}

/* By DATA, and by chunks of any size. */
static void test_chunks(void **state)
{
	for (size_t chunk = 0; chunk < sizeof CONTENT; chunk++) {
		through_by(SMTP_ROLE_MX, 7, 4, false, chunk);
		through_by(SMTP_ROLE_MX, SIZE_MAX, 1, true, chunk);
		through_by(SMTP_ROLE_LMTP, 1, 4, false, chunk);
	}
}

static void test_many_recipients(void **state)
{
	through(SMTP_ROLE_MX, SIZE_MAX, LIMIT_SMTP_RCPT_MAX, false);
	through(SMTP_ROLE_MX, 1000, LIMIT_SMTP_RCPT_MAX, false);
	through(SMTP_ROLE_LMTP, SIZE_MAX, LIMIT_SMTP_RCPT_MAX, false);
}

/* Broken after n octets: false when n was never reached. */
static bool broken_after(enum smtp_role role, size_t chunk, bool upwards, size_t n)
{
	struct arena *a = arena_new();
	struct pair p;
	bool reached;

	setup(&p, role);
	p.message = message_new(a, 5);
	p.content = STR(CONTENT);
	p.server_cfg.starttls = true;
	p.client_cfg.chunk = chunk;
	p.up_max = upwards ? n : SIZE_MAX;
	p.down_max = upwards ? SIZE_MAX : n;
	open_pair(&p);
	run(&p);
	assert_true(p.committed >= p.accepted);
	assert_true(p.committed <= p.accepted + p.unsure);
	assert_int_equal(p.accepted + p.refused + p.unsure, p.sent * 5);
	reached = upwards ? p.up >= n : p.down >= n;
	if (!reached)
		assert_int_equal(p.end.outcome, SMTP_OUTCOME_ACCEPTED);
	close_pair(&p);
	arena_free(&a);
	return reached;
}

static void test_broken(void **state)
{
	static const enum smtp_role roles[] = {SMTP_ROLE_MX, SMTP_ROLE_LMTP};
	static const size_t chunks[] = {0, LIMIT_SMTP_CHUNK, 9};
	size_t n;

	for (size_t i = 0; i < 6; i++) {
		for (n = 0; broken_after(roles[i % 2], chunks[i / 2], true, n); n++)
			assert_true(n < 100000);
		assert_true(n > 500);
		for (n = 0; broken_after(roles[i % 2], chunks[i / 2], false, n); n++)
			assert_true(n < 100000);
		assert_true(n > 500);
	}
}

/* Large content, above all chunk sizes, every line begins with a dot. */
static void large(size_t chunk)
{
	struct arena *a = arena_new();
	struct buf content;
	struct pair p;

	buf_init(&content, LOG_MAX);
	for (int i = 0; i < 30000; i++)
		buf_c(&content, i % 7 ? ".\r\n" : "...................................\r\n");
	setup(&p, SMTP_ROLE_MX);
	p.message = message_new(a, 1);
	p.content = buf_view(&content);
	p.client_cfg.chunk = chunk;
	open_pair(&p);
	run(&p);
	assert_int_equal(p.commits, MESSAGES);
	close_pair(&p);
	buf_fini(&content);
	arena_free(&a);
}

static void test_large(void **state)
{
	large(0);
	large(1000);
	large(LIMIT_SMTP_CHUNK);
}

/* Refused at AUTH, or too large: no content moves. */
static void test_refused(void **state)
{
	struct arena *a = arena_new();
	struct smtp_client_message *m = message_new(a, 2);
	struct pair p;

	setup(&p, SMTP_ROLE_SUBMISSION);
	p.message = m;
	p.auth_ok = false;
	p.server_cfg.starttls = true;
	p.client_cfg.user = STR("bob");
	p.client_cfg.password = STR("wrong");
	open_pair(&p);
	run(&p);
	assert_int_equal(p.sent, 0);
	assert_int_equal(p.end.stage, SMTP_STAGE_AUTH);
	assert_int_equal(p.end.outcome, SMTP_OUTCOME_PERMANENT);
	close_pair(&p);

	setup(&p, SMTP_ROLE_MX);
	p.message = m;
	m->params.size = 101;
	p.server_cfg.size_limit = 100;
	open_pair(&p);
	run(&p);
	assert_int_equal(p.commits, 0);
	assert_int_equal(p.refused, MESSAGES * 2);
	assert_int_equal(p.end.outcome, SMTP_OUTCOME_ACCEPTED);
	close_pair(&p);
	arena_free(&a);
}

/* What the client learns, and what it notes of the conversation. */
static void test_facts(void **state)
{
	struct arena *a = arena_new();
	struct smtp_dialogue dialogue;
	struct str said;
	struct pair p;
	const struct smtp_server_facts *f;

	smtp_dialogue_init(&dialogue, MIB);
	setup(&p, SMTP_ROLE_SUBMISSION);
	p.message = message_new(a, 1);
	p.content = STR(CONTENT);
	p.server_cfg.starttls = true;
	p.server_cfg.size_limit = 12345;
	p.server_cfg.rcpt_max = 77;
	p.client_cfg.user = STR("bob");
	p.client_cfg.password = STR("secret");
	p.client_cfg.dialogue = &dialogue;
	open_pair(&p);
	run(&p);
	f = smtp_client_facts(p.c);
	assert_int_equal(f->size_limit, 12345);
	assert_int_equal(f->rcpt_max, 77);
	assert_int_equal(f->mail_max, 0);
	assert_int_equal(f->extensions,
	    SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |
		SMTP_EXT_AUTH | SMTP_EXT_DSN | SMTP_EXT_CHUNKING | SMTP_EXT_ENHANCED |
		SMTP_EXT_FUTURERELEASE | SMTP_EXT_PRIORITY | SMTP_EXT_DELIVERBY);
	assert_true(str_eq(f->auth, STR("PLAIN LOGIN")));
	assert_true(str_eq(f->greeting, STR("mail.test")));
	said = smtp_dialogue_text(&dialogue);
	assert_true(str_find_str(said, STR("C: (secret)\n")) < said.n);
	assert_true(str_find_str(said, STR("C: BDAT 34 LAST\nS: 250 ")) < said.n);
	assert_true(str_find_str(said, STR("DATA")) == said.n);
	assert_true(str_find_str(said, STR("AGJvYgBzZWNyZXQ")) == said.n);
	assert_true(str_find_str(said, STR("Subject")) == said.n);
	smtp_dialogue_fini(&dialogue);
	close_pair(&p);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_chunks),
	    cmocka_unit_test(test_many_recipients),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
