/* The client engine where a transcript does not reach: injection, large answers, its queue of requests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client.h"
#include "pop3/pop3_wants.h"

#define NOW ((int64_t)5000)

static const struct pop3_client_config cfg = {
    .tls_policy = POP3_TLS_MAY,
    .tls = true,
    .user = STR_INIT("bob"),
    .password = STR_INIT("secret"),
};

static void feed_all(struct pop3_client *c, struct str in)
{
	assert_int_equal(pop3_client_feed(c, in, NOW), in.n);
}

static void assert_event(const struct pop3_client *c, enum pop3_client_event_type type)
{
	assert_non_null(pop3_client_event(c));
	assert_int_equal(pop3_client_event(c)->type, type);
}

static void flush(struct pop3_client *c)
{
	pop3_client_sent(c, pop3_client_out(c).n, NOW);
}

static struct pop3_client *logged_in(const char *capa)
{
	struct pop3_client *c = pop3_client_new(&cfg, NOW);

	feed_all(c, STR("+OK\r\n+OK\r\nUSER\r\n"));
	feed_all(c, str_of_c(capa));
	feed_all(c, STR(".\r\n+OK\r\n+OK\r\n"));
	assert_event(c, POP3_CLIENT_READY);
	pop3_client_done(c, NOW);
	flush(c);
	return c;
}

static void request(struct pop3_client *c, enum pop3_request_type type, uint64_t number)
{
	const struct pop3_request r = {.type = type, .number = number};

	assert_true(pop3_client_request(c, &r, NOW));
}

/* Anything between the reply to STLS and the handshake ends the session, in the same read or a later one. */
static void test_stls_injection(void **state)
{
	struct pop3_client_config plain = cfg;

	plain.tls = false;
	for (int later = 0; later < 2; later++) {
		struct pop3_client *c = pop3_client_new(&plain, NOW);

		feed_all(c, STR("+OK\r\n+OK\r\nSTLS\r\n.\r\n"));
		flush(c);
		if (later) {
			feed_all(c, STR("+OK go\r\n"));
			assert_event(c, POP3_CLIENT_STLS);
			feed_all(c, STR("+"));
		} else {
			feed_all(c, STR("+OK go\r\n+"));
		}
		assert_event(c, POP3_CLIENT_CLOSED);
		assert_false(pop3_client_event(c)->ok);
		assert_int_equal(pop3_client_out(c).n, 0);
		pop3_client_done(c, NOW);
		assert_int_equal(pop3_client_wants(c), POP3_WANTS_CLOSE);
		pop3_client_free(&c);
	}
}

/* Before TLS the capabilities of an attacker, after it those of the server. */
static void test_stls_forgets_capa(void **state)
{
	struct pop3_client_config plain = cfg;
	struct pop3_client *c;

	plain.tls = false;
	c = pop3_client_new(&plain, NOW);
	feed_all(c, STR("+OK\r\n+OK\r\nSTLS\r\nPIPELINING\r\nSASL PLAIN\r\nUSER\r\n.\r\n"));
	assert_true(pop3_client_capa(c)->sasl_plain);
	feed_all(c, STR("+OK\r\n"));
	assert_event(c, POP3_CLIENT_STLS);
	pop3_client_done(c, NOW);
	assert_false(pop3_client_capa(c)->sasl_plain);
	assert_false(pop3_client_capa(c)->pipelining);
	flush(c);
	feed_all(c, STR("+OK\r\nUSER\r\nEXPIRE NEVER\r\n.\r\n"));
	assert_true(pop3_client_capa(c)->expire_never);
	assert_memory_equal(pop3_client_out(c).p, "USER bob\r\n", 10);
	pop3_client_free(&c);
}

/* 100 000 entries arrive in bounded pieces, in order. */
static void test_many_entries(void **state)
{
	enum {
		COUNT = 100000
	};
	struct pop3_client *c = logged_in("");
	uint64_t seen = 0;
	struct buf answer;

	buf_init(&answer, 8 * MIB);
	buf_lit(&answer, "+OK\r\n");
	for (uint64_t n = 1; n <= COUNT; n++)
		buf_printf(&answer, "%ju %ju\r\n", (uintmax_t)n, (uintmax_t)(n * 3));
	buf_lit(&answer, ".\r\n");
	request(c, POP3_REQ_LIST, 0);
	for (struct str rest = buf_view(&answer); rest.n || pop3_client_event(c);) {
		const struct pop3_client_event *v = pop3_client_event(c);

		if (!v) {
			rest = str_from(rest, pop3_client_feed(c, rest, NOW));
			continue;
		}
		if (v->type == POP3_CLIENT_RESULT)
			assert_int_equal(seen, COUNT);
		else
			assert_event(c, POP3_CLIENT_ENTRIES);
		assert_true(v->n <= POP3_CLIENT_ENTRIES_MAX);
		for (size_t i = 0; i < v->n; i++) {
			assert_int_equal(v->entries[i].number, ++seen);
			assert_int_equal(v->entries[i].octets, seen * 3);
		}
		pop3_client_done(c, NOW);
	}
	assert_int_equal(seen, COUNT);
	buf_fini(&answer);
	pop3_client_free(&c);
}

/* A message far above one chunk, the driver being slow: nothing is taken while a piece is pending. */
static void test_large_message(void **state)
{
	struct pop3_client *c = logged_in("");
	uint64_t octets = 0;
	unsigned events = 0;
	struct buf answer;
	struct str rest;

	buf_init(&answer, 8 * MIB);
	buf_lit(&answer, "+OK\r\n");
	for (int i = 0; i < 20000; i++)
		buf_lit(&answer, "..dots and text\r\n");
	buf_lit(&answer, ".\r\n");
	request(c, POP3_REQ_RETR, 1);
	for (rest = buf_view(&answer); rest.n;) {
		const struct pop3_client_event *v;

		rest = str_from(rest, pop3_client_feed(c, str_sub(rest, 0, 5000), NOW));
		v = pop3_client_event(c);
		if (!v)
			continue;
		assert_int_equal(pop3_client_feed(c, rest, NOW), 0);
		assert_false(pop3_client_wants(c) & POP3_WANTS_READ);
		assert_true(pop3_client_deadline(c) == POP3_NEVER);
		if (v->type == POP3_CLIENT_CONTENT) {
			assert_in_range(v->content.n, 1, LIMIT_BODY_CHUNK);
			octets += v->content.n;
			events++;
		}
		pop3_client_done(c, NOW);
	}
	assert_event(c, POP3_CLIENT_RESULT);
	assert_int_equal(octets, 20000 * 16);
	assert_true(events >= 20);
	buf_fini(&answer);
	pop3_client_free(&c);
}

static void test_queue(void **state)
{
	const struct pop3_request noop = {.type = POP3_REQ_NOOP};
	struct pop3_client *c = pop3_client_new(&cfg, NOW);
	unsigned open = 0;

	assert_false(pop3_client_request(c, &noop, NOW)); /* not logged in */
	pop3_client_free(&c);

	c = logged_in("PIPELINING\r\n");
	while (pop3_client_request(c, &noop, NOW))
		open++;
	assert_int_equal(open, 16);
	assert_int_equal(pop3_client_out(c).n, 16 * 6);
	feed_all(c, STR("+OK\r\n"));
	assert_event(c, POP3_CLIENT_RESULT);
	pop3_client_done(c, NOW);
	request(c, POP3_REQ_QUIT, 0);
	feed_all(c, STR("+OK\r\n"));
	pop3_client_done(c, NOW);
	assert_false(pop3_client_request(c, &noop, NOW)); /* nothing behind QUIT */
	pop3_client_free(&c);

	c = logged_in("");
	request(c, POP3_REQ_NOOP, 0);
	request(c, POP3_REQ_NOOP, 0);
	assert_int_equal(pop3_client_out(c).n, 6); /* one at a time */
	pop3_client_free(&c);
}

/* The connection breaks while a piece is being looked at: the piece stays, then comes the end. */
static void test_eof_with_event(void **state)
{
	struct pop3_client *c = logged_in("");

	request(c, POP3_REQ_LIST, 1);
	feed_all(c, STR("+OK 1 5\r\n"));
	assert_event(c, POP3_CLIENT_ENTRIES);
	pop3_client_eof(c, NOW);
	assert_event(c, POP3_CLIENT_ENTRIES);
	assert_int_equal(pop3_client_event(c)->entries[0].octets, 5);
	pop3_client_done(c, NOW);
	assert_event(c, POP3_CLIENT_RESULT);
	pop3_client_done(c, NOW);
	assert_event(c, POP3_CLIENT_CLOSED);
	assert_false(pop3_client_event(c)->ok);
	pop3_client_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stls_injection),
	    cmocka_unit_test(test_stls_forgets_capa),
	    cmocka_unit_test(test_many_entries),
	    cmocka_unit_test(test_large_message),
	    cmocka_unit_test(test_queue),
	    cmocka_unit_test(test_eof_with_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
