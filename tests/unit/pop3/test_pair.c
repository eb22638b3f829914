/*
 * Server and client engine against each other in memory: random mailboxes, random pieces on the wire
 * and from the source, random deletions. What the client reads is what the mailbox holds; what is
 * deleted is what it asked for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client.h"
#include "pop3/pop3_server.h"

#define NOW      ((int64_t)5000)
#define MESSAGES 12u

static const struct pop3_server_config server_cfg = {
    .hostname = STR_INIT("mail.example.org"),
    .stls = true,
};
static const struct pop3_client_config client_cfg = {
    .tls_policy = POP3_TLS_REQUIRE,
    .user = STR_INIT("bob@example.org"),
    .password = STR_INIT("pass word"),
};

struct world {
	uint64_t seed;
	struct pop3_server *server;
	struct pop3_client *client;
	struct buf up, down; /* on the wire, to the server and to the client */

	struct buf messages[MESSAGES]; /* the mailbox */
	bool deleted[MESSAGES];
	uint64_t octets;
	size_t source_at; /* how far the message or list under way has been given */

	bool wants_gone[MESSAGES]; /* what the client asked for */
	struct buf read;           /* the message it reads */
	unsigned step;             /* of its plan */
	unsigned listed, results;
	bool closed;
};

static uint64_t dice(struct world *w, uint64_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (w->seed >> 33) % n;
}

static void make_message(struct world *w, struct buf *m)
{
	static const char *const pieces[] = {".", "..", "\r\n", "\r\n.", "text", "\r\n\r\n", " a "};
	uint64_t n = dice(w, 10) ? dice(w, 60) : 30000;

	buf_init(m, MIB);
	buf_lit(m, "Subject: x\r\n\r\n");
	while (n-- > 0)
		buf_c(m, pieces[dice(w, 7)]);
	buf_lit(m, "\r\n");
	w->octets += m->n;
}

/* What TOP with 0 lines shows: the header and the empty line. */
static struct str top_of(const struct buf *m)
{
	struct str s = buf_view(m);

	return str_sub(s, 0, str_find_str(s, STR("\r\n\r\n")) + 4);
}

static void serve_auth(struct world *w, const struct pop3_effect *e)
{
	const struct pop3_result r = {.count = MESSAGES, .octets = w->octets};

	assert_true(str_eq(e->u.auth.authcid, client_cfg.user));
	assert_true(str_eq(e->u.auth.password, client_cfg.password));
	pop3_server_done(w->server, &r, NOW);
}

static void serve_list(struct world *w, const struct pop3_effect *e)
{
	uint64_t number = e->u.list.first + w->source_at;
	uint8_t uid[2] = {'u', (uint8_t)('a' + number)};
	struct pop3_entry entry = {.number = number, .uid = {uid, 2}};

	if (number > e->u.list.last) {
		w->source_at = 0;
		pop3_server_done(w->server, NULL, NOW);
		return;
	}
	entry.octets = w->messages[number - 1].n;
	w->source_at += pop3_server_entries(w->server, &entry, 1);
}

static void serve_retr(struct world *w, const struct pop3_effect *e)
{
	struct str rest = str_from(buf_view(&w->messages[e->u.retr.number - 1]), w->source_at);

	if (rest.n == 0 || pop3_server_content_full(w->server)) {
		w->source_at = 0;
		pop3_server_done(w->server, NULL, NOW);
		return;
	}
	w->source_at += pop3_server_content(w->server, str_sub(rest, 0, 1 + dice(w, 5000)));
}

static void serve_delete(struct world *w, const struct pop3_effect *e)
{
	for (size_t i = 0; i < MESSAGES; i++)
		w->deleted[i] = ranges_has(e->u.leave.deleted, (int64_t)i + 1);
	pop3_server_done(w->server, NULL, NOW);
}

static void serve(struct world *w)
{
	const struct pop3_effect *e = pop3_server_effect(w->server);

	if (!e)
		return;
	switch (e->type) {
	case POP3_ADMIT:
		pop3_server_done(w->server, NULL, NOW);
		break;
	case POP3_STLS: /* the handshake is the client's move: see take_event() */
		break;
	case POP3_AUTH:
		serve_auth(w, e);
		break;
	case POP3_LIST:
		serve_list(w, e);
		break;
	case POP3_RETR:
		serve_retr(w, e);
		break;
	case POP3_LEAVE:
		serve_delete(w, e);
		break;
	}
}

/* The client's plan: STAT, LIST, UIDL, each message by TOP and RETR, some DELE, STAT, QUIT. */
static bool next_request(struct world *w, struct pop3_request *r)
{
	unsigned step = w->step;

	*r = (struct pop3_request){.type = POP3_REQ_QUIT};
	if (step < 3) {
		r->type = (enum pop3_request_type)(POP3_REQ_STAT + step);
	} else if (step < 3 + 3 * MESSAGES) {
		static const enum pop3_request_type types[] = {
		    POP3_REQ_TOP, POP3_REQ_RETR, POP3_REQ_DELE};

		r->type = types[(step - 3) % 3];
		r->number = (step - 3) / 3 + 1;
		if (r->type == POP3_REQ_DELE && dice(w, 2))
			r->type = POP3_REQ_NOOP;
	} else if (step == 3 + 3 * MESSAGES) {
		r->type = POP3_REQ_STAT;
	}
	return step <= 4 + 3 * MESSAGES;
}

static void ask(struct world *w)
{
	uint64_t seed = w->seed;
	struct pop3_request r;

	while (next_request(w, &r) && pop3_client_request(w->client, &r, NOW)) {
		if (r.type == POP3_REQ_DELE)
			w->wants_gone[r.number - 1] = true;
		w->step++;
		seed = w->seed;
	}
	w->seed = seed;
}

static void check_stat(const struct world *w, const struct pop3_client_event *v)
{
	uint64_t count = 0, octets = 0;

	for (size_t i = 0; i < MESSAGES; i++) {
		bool gone = w->results > 1 && w->wants_gone[i];

		count += !gone;
		octets += gone ? 0 : w->messages[i].n;
	}
	assert_int_equal(v->count, count);
	assert_int_equal(v->octets, octets);
}

static void take_entries(struct world *w, const struct pop3_client_event *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct pop3_entry *e = &v->entries[i];

		assert_int_equal(e->number, ++w->listed);
		if (v->request.type == POP3_REQ_LIST)
			assert_int_equal(e->octets, w->messages[e->number - 1].n);
		else
			assert_int_equal(e->uid.p[1], 'a' + e->number);
	}
}

static void take_result(struct world *w, const struct pop3_client_event *v)
{
	assert_true(v->ok);
	w->results++;
	if (v->request.type == POP3_REQ_STAT)
		check_stat(w, v);
	if (v->request.type == POP3_REQ_LIST || v->request.type == POP3_REQ_UIDL) {
		assert_int_equal(w->listed, MESSAGES);
		w->listed = 0;
	}
	if (v->request.type == POP3_REQ_RETR || v->request.type == POP3_REQ_TOP) {
		const struct buf *m = &w->messages[v->request.number - 1];
		struct str want = v->request.type == POP3_REQ_TOP ? top_of(m) : buf_view(m);

		assert_int_equal(w->read.n, want.n);
		assert_memory_equal(w->read.p, want.p, want.n);
		buf_clear(&w->read);
	}
}

static void take_event(struct world *w)
{
	const struct pop3_client_event *v = pop3_client_event(w->client);

	if (!v)
		return;
	if (v->type == POP3_CLIENT_STLS) {
		assert_int_equal(w->up.n + w->down.n, 0);
		assert_int_equal(pop3_server_effect(w->server)->type, POP3_STLS);
		pop3_server_done(w->server, NULL, NOW);
	} else if (v->type == POP3_CLIENT_ENTRIES) {
		take_entries(w, v);
	} else if (v->type == POP3_CLIENT_CONTENT) {
		buf_str(&w->read, v->content);
	} else if (v->type == POP3_CLIENT_RESULT) {
		take_result(w, v);
	} else if (v->type == POP3_CLIENT_CLOSED) {
		assert_true(v->ok);
		w->closed = true;
	}
	pop3_client_done(w->client, NOW);
	if (!w->closed)
		ask(w);
}

/* Moves some octets both ways. */
static void move(struct world *w)
{
	struct str out = str_sub(pop3_client_out(w->client), 0, 1 + dice(w, 100));
	size_t n;

	buf_str(&w->up, out);
	pop3_client_sent(w->client, out.n, NOW);
	out = str_sub(pop3_server_out(w->server), 0, 1 + dice(w, 9000));
	buf_str(&w->down, out);
	pop3_server_sent(w->server, out.n, NOW);
	n = pop3_server_feed(w->server, str_sub(buf_view(&w->up), 0, 1 + dice(w, 50)), NOW);
	buf_drop(&w->up, n);
	n = pop3_client_feed(w->client, str_sub(buf_view(&w->down), 0, 1 + dice(w, 9000)), NOW);
	buf_drop(&w->down, n);
}

static void run_world(uint64_t seed)
{
	struct world *w = mem_new(struct world);
	const struct pop3_peer peer = {0};

	w->seed = seed;
	buf_init(&w->up, MIB);
	buf_init(&w->down, MIB);
	buf_init(&w->read, MIB);
	for (size_t i = 0; i < MESSAGES; i++)
		make_message(w, &w->messages[i]);
	w->server = pop3_server_new(&server_cfg, &peer, NOW);
	w->client = pop3_client_new(&client_cfg, NOW);
	for (unsigned turns = 0; !w->closed; turns++) {
		assert_true(turns < 1000000);
		move(w);
		serve(w);
		take_event(w);
	}
	assert_int_equal(w->results, 5 + 3 * MESSAGES);
	assert_memory_equal(w->deleted, w->wants_gone, sizeof w->deleted);
	assert_int_equal(pop3_server_wants(w->server), POP3_WANTS_CLOSE);
	assert_int_equal(pop3_client_wants(w->client), POP3_WANTS_CLOSE);
	pop3_server_free(&w->server);
	pop3_client_free(&w->client);
	for (size_t i = 0; i < MESSAGES; i++)
		buf_fini(&w->messages[i]);
	buf_fini(&w->up);
	buf_fini(&w->down);
	buf_fini(&w->read);
	mem_free(w);
}

static void test_pair(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_world(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pair)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
