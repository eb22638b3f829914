/* The server engine where a transcript does not reach: bounds, back-pressure, time, injection. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/dot.h"
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_server.h"

static const struct pop3_server_config cfg = {
    .hostname = STR_INIT("mail.example.org"),
    .stls = true,
};

#define NOW ((int64_t)5000)

static struct pop3_server *open_session(bool tls)
{
	const struct pop3_peer peer = {.tls = tls};

	return pop3_server_new(&cfg, &peer, NOW);
}

static void feed_all(struct pop3_server *s, struct str in)
{
	assert_int_equal(pop3_server_feed(s, in, NOW), in.n);
}

static void done(struct pop3_server *s, enum pop3_outcome outcome)
{
	const struct pop3_result r = {.outcome = outcome};

	pop3_server_done(s, &r, NOW);
}

static void assert_effect(const struct pop3_server *s, enum pop3_effect_type type)
{
	assert_non_null(pop3_server_effect(s));
	assert_int_equal(pop3_server_effect(s)->type, type);
}

/* Takes all output, which must be want; NULL: whatever it is. */
static void take(struct pop3_server *s, const char *want)
{
	struct str out = pop3_server_out(s);

	if (want) {
		assert_int_equal(out.n, strlen(want));
		assert_memory_equal(out.p, want, out.n);
	}
	pop3_server_sent(s, out.n, NOW);
}

static struct pop3_server *logged_in(uint64_t count, uint64_t octets)
{
	struct pop3_server *s = open_session(true);
	const struct pop3_result r = {.count = count, .octets = octets};

	assert_effect(s, POP3_ADMIT);
	pop3_server_done(s, NULL, NOW);
	feed_all(s, STR("AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n"));
	assert_effect(s, POP3_AUTH);
	pop3_server_done(s, &r, NOW);
	take(s, NULL);
	assert_true(pop3_server_is_logged_in(s));
	return s;
}

#define MILLION 1000000u

static struct pop3_entry entry(uint64_t number)
{
	return (struct pop3_entry){number, number, STR("0123456789abc")};
}

/* A list of a million entries: bounded output whatever the reader takes, complete and in order. */
static void run_million(const char *command, size_t read_size)
{
	struct pop3_server *s = logged_in(MILLION, 0);
	uint64_t next = 1, lines = 0, octets = 0;
	struct pop3_entry page[100];

	feed_all(s, str_of_c(command));
	assert_effect(s, POP3_LIST);
	while (pop3_server_effect(s) || pop3_server_out(s).n) {
		struct str out;
		size_t n = 0;

		for (; n < 100 && next + n <= MILLION; n++)
			page[n] = entry(next + n);
		if (n)
			next += pop3_server_entries(s, page, n);
		else if (pop3_server_effect(s))
			done(s, POP3_OK);
		out = str_sub(pop3_server_out(s), 0, read_size);
		assert_true(pop3_server_out(s).n <= LIMIT_POP3_OUT);
		for (size_t i = 0; i < out.n; i++)
			lines += out.p[i] == '\n';
		octets += out.n;
		pop3_server_sent(s, out.n, NOW);
	}
	assert_int_equal(lines, MILLION + 2);
	assert_true(octets > 10 * MILLION);
	pop3_server_free(&s);
}

static void test_million(void **state)
{
	run_million("LIST\r\n", SIZE_MAX);
	run_million("UIDL\r\n", 4000);
}

/* A reader that has stopped: the engine takes no more and asks for nothing. */
static void test_list_back_pressure(void **state)
{
	struct pop3_server *s = logged_in(MILLION, 0);
	struct pop3_entry e;
	uint64_t n = 1;

	feed_all(s, STR("UIDL\r\n"));
	for (e = entry(n); pop3_server_entries(s, &e, 1) == 1; e = entry(n))
		n++;
	assert_true(pop3_server_out(s).n > LIMIT_POP3_OUT / 2);
	assert_true(pop3_server_out(s).n <= LIMIT_POP3_OUT);
	assert_int_equal(pop3_server_feed(s, STR("NOOP\r\n"), NOW), 0);
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_WRITE);
	take(s, NULL);
	assert_int_equal(pop3_server_entries(s, &e, 1), 1);
	done(s, POP3_OK);
	pop3_server_free(&s);
}

/* The end of a reply and a goodbye fit even when entries or content have filled the output. */
static void assert_ends_within_bounds(struct pop3_server *s)
{
	static const char end[] =
	    ".\r\n-ERR [SYS/TEMP] the server goes down, try again in a minute\r\n";
	struct str out;

	pop3_server_shutdown(s, NOW);
	done(s, POP3_OK);
	out = pop3_server_out(s);
	assert_true(out.n <= LIMIT_POP3_OUT);
	assert_memory_equal(out.p + out.n - (sizeof end - 1), end, sizeof end - 1);
	pop3_server_free(&s);
}

static void test_end_fits(void **state)
{
	uint8_t block[16 * KIB];
	struct pop3_server *s = logged_in(MILLION, 0);
	struct pop3_entry e;
	uint64_t n = 1;

	feed_all(s, STR("UIDL\r\n"));
	for (e = entry(n); pop3_server_entries(s, &e, 1) == 1; e = entry(n))
		n++;
	assert_ends_within_bounds(s);

	s = logged_in(1, 0);
	feed_all(s, STR("RETR 1\r\n"));
	/* lines of two octets that begin with a dot: the most that stuffing can add */
	memset(block, '\n', sizeof block);
	for (size_t i = 0; i < sizeof block; i += 2)
		block[i] = '.';
	while (pop3_server_content(s, str_of(block, sizeof block)) > 0)
		;
	assert_ends_within_bounds(s);
}

/* Commands whose replies are not read: input is left to the driver before output could overflow. */
static void test_command_back_pressure(void **state)
{
	struct pop3_server *s = logged_in(0, 0);
	unsigned commands = 0;

	while (pop3_server_feed(s, STR("CAPA\r\n"), NOW))
		assert_true(++commands < 10000);
	assert_true(commands > 100);
	assert_true(pop3_server_out(s).n <= LIMIT_POP3_OUT);
	assert_false(pop3_server_wants(s) & POP3_WANTS_READ);
	take(s, NULL);
	assert_true(pop3_server_wants(s) & POP3_WANTS_READ);
	pop3_server_free(&s);
}

/* All content made of these pieces, up to a length: dots at every place. */
static const char *const pieces[] = {".", "\r\n", "a"};
#define PIECES 3u

/* Gives the content in two parts and takes the output in small bites; it must decode to the content. */
static void check_content(struct str content, size_t split)
{
	struct pop3_server *s = logged_in(1, content.n);
	struct dot_in d;
	struct buf plain;
	struct str out;
	size_t used, want = content.n;

	feed_all(s, STR("RETR 1\r\n"));
	assert_int_equal(pop3_server_content(s, str_sub(content, 0, split)), split);
	assert_int_equal(pop3_server_content(s, str_from(content, split)), content.n - split);
	done(s, POP3_OK);
	out = pop3_server_out(s);
	assert_true(str_has_prefix(out, STR("+OK message follows\r\n")));
	out = str_from(out, 21);
	dot_in_init(&d, true, false);
	buf_init(&plain, 1000);
	assert_int_equal(dot_in_feed(&d, out, &used, &plain), DOT_END);
	assert_int_equal(used, out.n);
	if (content.n && content.p[content.n - 1] != '\n')
		want += 2;
	assert_int_equal(plain.n, want);
	assert_memory_equal(plain.p, content.p, content.n);
	buf_fini(&plain);
	pop3_server_free(&s);
}

static void test_dots_everywhere(void **state)
{
	for (unsigned code = 0; code < PIECES * PIECES * PIECES * PIECES * PIECES; code++) {
		struct buf content;

		buf_init(&content, 100);
		for (unsigned rest = code, i = 0; i < 5; i++, rest /= PIECES)
			buf_c(&content, pieces[rest % PIECES]);
		for (size_t split = 0; split <= content.n; split++)
			check_content(buf_view(&content), split);
		buf_fini(&content);
	}
}

/* A large message to a slow reader: bounded, complete, dots stuffed across every boundary. */
static void test_large_content(void **state)
{
	struct pop3_server *s = logged_in(1, 0);
	uint8_t block[1000];
	size_t given = 0, total = 0, bite = 1;

	memset(block, '.', sizeof block);
	for (size_t i = 9; i < sizeof block; i += 10)
		memcpy(block + i - 1, "\r\n", 2);
	feed_all(s, STR("RETR 1\r\n"));
	while (pop3_server_effect(s) || pop3_server_out(s).n) {
		size_t n;

		if (given < MILLION)
			given += pop3_server_content(
			    s, str_of(block + given % 1000, sizeof block - given % 1000));
		else if (pop3_server_effect(s))
			done(s, POP3_OK);
		n = pop3_server_out(s).n;
		assert_true(n <= LIMIT_POP3_OUT);
		n = n < bite ? n : bite;
		pop3_server_sent(s, n, NOW);
		total += n;
		bite = bite * 3 % 20011;
	}
	assert_int_equal(given, MILLION);
	assert_int_equal(total, 21 + MILLION + MILLION / 10 + 3); /* a dot more on each line */
	pop3_server_free(&s);
}

static void test_top_stops(void **state)
{
	struct pop3_server *s = logged_in(1, 0);

	feed_all(s, STR("TOP 1 1\r\n"));
	assert_int_equal(pop3_server_effect(s)->u.retr.top_lines, 1);
	assert_false(pop3_server_content_full(s));
	assert_int_equal(pop3_server_content(s, STR("A: b\r\n\r\none\r\ntwo\r\n")), 18);
	assert_true(pop3_server_content_full(s));
	assert_int_equal(pop3_server_content(s, STR("swallowed")), 9);
	done(s, POP3_OK);
	assert_false(pop3_server_content_full(s));
	take(s, "+OK message follows\r\nA: b\r\n\r\none\r\n.\r\n");
	pop3_server_free(&s);
}

/* Every other message marked: refused at the limit of separate runs, the rest is still carried out. */
static void test_scattered_deletions(void **state)
{
	struct pop3_server *s = logged_in(MILLION, MILLION);
	uint64_t number = 1;
	bool refused = false;

	for (; !refused; number += 2) {
		char line[40];
		int n = snprintf(line, sizeof line, "DELE %ju\r\n", (uintmax_t)number);

		assert_true(number < MILLION);
		feed_all(s, str_of(line, (size_t)n));
		refused = pop3_server_out(s).p[0] == '-';
		take(s, NULL);
	}
	feed_all(s, STR("QUIT\r\n"));
	assert_effect(s, POP3_LEAVE);
	assert_int_equal(pop3_server_effect(s)->u.leave.deleted->n, LIMIT_POP3_RUNS);
	done(s, POP3_OK);
	take(s, "+OK goodbye, deleted: 16384\r\n");
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	pop3_server_free(&s);
}

/* Every other message read: noted up to the limit of separate runs, and no command is refused for it. */
static void test_scattered_reading(void **state)
{
	const struct pop3_server_config marking = {
	    .hostname = STR("mail.example.org"), .marks_seen = true};
	const struct pop3_peer peer = {.tls = true};
	const struct pop3_result r = {.count = MILLION, .octets = MILLION};
	struct pop3_server *s = pop3_server_new(&marking, &peer, NOW);

	pop3_server_done(s, NULL, NOW);
	feed_all(s, STR("AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n"));
	pop3_server_done(s, &r, NOW);
	take(s, NULL);
	for (uint64_t i = 0; i < LIMIT_POP3_RUNS + 2; i++) {
		char line[40];
		int n = snprintf(line, sizeof line, "RETR %ju\r\n", (uintmax_t)(2 * i + 1));

		feed_all(s, str_of(line, (size_t)n));
		done(s, POP3_OK);
		take(s, "+OK message follows\r\n.\r\n");
	}
	feed_all(s, STR("QUIT\r\n"));
	assert_effect(s, POP3_LEAVE);
	assert_int_equal(pop3_server_effect(s)->u.leave.deleted->n, 0);
	assert_int_equal(pop3_server_effect(s)->u.leave.seen->n, LIMIT_POP3_RUNS);
	done(s, POP3_OK);
	take(s, "+OK goodbye\r\n");
	pop3_server_free(&s);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Octets of message n in the model. */
static uint64_t octets_of(uint64_t n)
{
	return n * n + 7;
}

static void give_list(struct pop3_server *s)
{
	const struct pop3_effect *e = pop3_server_effect(s);
	uint64_t first, last;

	if (!e)
		return;
	assert_effect(s, POP3_LIST);
	first = e->u.list.first;
	last = e->u.list.last;
	for (uint64_t n = first; n <= last; n++) {
		struct pop3_entry x = {n, octets_of(n), STR("u")};

		assert_int_equal(pop3_server_entries(s, &x, 1), 1);
	}
	done(s, POP3_OK);
}

/* DELE, RSET and STAT in any order: STAT is what a plain array says. */
static void test_stat_model(void **state)
{
	enum {
		COUNT = 40
	};
	uint64_t seed = 1, total = 0;
	bool gone[COUNT + 1] = {false};
	struct pop3_server *s;

	for (uint64_t n = 1; n <= COUNT; n++)
		total += octets_of(n);
	s = logged_in(COUNT, total);
	for (int step = 0; step < 5000; step++) {
		uint64_t dice = next_random(&seed) % 20, n = 1 + next_random(&seed) % COUNT;
		uint64_t left = 0, octets = 0;
		char line[80];

		if (dice == 0) {
			feed_all(s, STR("RSET\r\n"));
			memset(gone, 0, sizeof gone);
		} else if (dice < 12) {
			snprintf(line, sizeof line, "DELE %ju\r\n", (uintmax_t)n);
			feed_all(s, str_of_c(line));
			assert_int_equal(pop3_server_out(s).p[0], gone[n] ? '-' : '+');
			gone[n] = true;
		}
		take(s, NULL);
		if (dice < 10)
			continue;
		for (n = 1; n <= COUNT; n++) {
			left += !gone[n];
			octets += gone[n] ? 0 : octets_of(n);
		}
		feed_all(s, STR("STAT\r\n"));
		give_list(s);
		snprintf(line, sizeof line, "+OK %ju %ju\r\n", (uintmax_t)left, (uintmax_t)octets);
		take(s, line);
	}
	pop3_server_free(&s);
}

/* Behind STLS in one read: never looked at, neither before nor after the handshake. */
static void test_stls_injection(void **state)
{
	static const char inject[] = "STLS\r\nUSER mallory\r\nPASS x\r\nQUI";

	for (size_t keep = 6; keep < sizeof inject; keep++) {
		struct pop3_server *s = open_session(false);

		done(s, POP3_OK);
		take(s, NULL);
		feed_all(s, str_of(inject, keep));
		assert_effect(s, POP3_STLS);
		take(s, "+OK begin TLS\r\n");
		feed_all(s, STR("CAPA\r\n")); /* still before the handshake */
		done(s, POP3_OK);
		take(s, "");
		feed_all(s, STR("PASS x\r\n"));
		take(s, "-ERR send USER first\r\n");
		feed_all(s, STR("STLS\r\n"));
		take(s, "-ERR TLS is already active\r\n");
		pop3_server_free(&s);
	}
}

static void test_early_talker_waits(void **state)
{
	struct pop3_server *s = open_session(true);

	assert_int_equal(pop3_server_feed(s, STR("QUIT\r\n"), NOW), 0);
	assert_int_equal(pop3_server_wants(s), 0);
	done(s, POP3_OK);
	take(s, "+OK mail.example.org POP3 server ready\r\n");
	feed_all(s, STR("QUIT\r\n"));
	take(s, "+OK goodbye\r\n");
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	assert_string_equal(pop3_server_end_reason(s), "quit");
	pop3_server_free(&s);
}

static void test_tls_begins_anew(void **state)
{
	struct pop3_server *s = open_session(false);

	done(s, POP3_OK);
	take(s, NULL);
	pop3_server_feed(s, STR("STLS\r\n"), NOW + MINUTE_MS);
	take(s, NULL);
	assert_int_equal(pop3_server_deadline(s), NOW + 3 * MINUTE_MS);
	pop3_server_done(s, NULL, NOW + 2 * MINUTE_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + 5 * MINUTE_MS);
	pop3_server_feed(s, STR("USER bob\r\n"), NOW + 4 * MINUTE_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + 5 * MINUTE_MS);
	pop3_server_free(&s);
}

static void test_deadlines(void **state)
{
	struct pop3_server *s = open_session(true);

	assert_true(pop3_server_deadline(s) == POP3_NEVER); /* ADMIT is the driver's */
	done(s, POP3_OK);
	assert_int_equal(pop3_server_deadline(s), NOW + 3 * MINUTE_MS);
	take(s, NULL);
	pop3_server_feed(s, STR("CAPA\r\n"), NOW + MINUTE_MS);
	pop3_server_sent(s, pop3_server_out(s).n, NOW + MINUTE_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + 3 * MINUTE_MS); /* talking is no login */
	pop3_server_feed(s, STR("AUTH PLAIN AGJvYg"), NOW + MINUTE_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + 3 * MINUTE_MS); /* no whole line yet */
	pop3_server_feed(s, STR("BzZWNyZXQ=\r\n"), NOW + 2 * MINUTE_MS);
	assert_true(pop3_server_deadline(s) == POP3_NEVER);
	pop3_server_tick(s, NOW + HOUR_MS);
	assert_effect(s, POP3_AUTH);
	pop3_server_done(s, NULL, NOW + HOUR_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + HOUR_MS + 10 * MINUTE_MS);
	pop3_server_feed(s, STR("NOOP\r\n"), NOW + HOUR_MS + 5); /* its reply is not read yet */
	assert_int_equal(pop3_server_deadline(s), NOW + HOUR_MS + 5 + 10 * MINUTE_MS);
	pop3_server_free(&s);
}

/* A client that stops reading in the middle of a message is dropped, and the source with it. */
static void test_stalled_reader(void **state)
{
	struct pop3_server *s = logged_in(1, 0);
	int64_t deadline;

	feed_all(s, STR("RETR 1\r\n"));
	assert_int_equal(pop3_server_content(s, STR("A: b\r\n")), 6);
	deadline = pop3_server_deadline(s);
	assert_int_equal(deadline, NOW + 10 * MINUTE_MS);
	pop3_server_sent(s, 1, NOW + 1); /* one octet is a sign of life */
	assert_int_equal(pop3_server_deadline(s), deadline + 1);
	pop3_server_tick(s, deadline);
	assert_effect(s, POP3_RETR);
	pop3_server_tick(s, deadline + 1);
	assert_null(pop3_server_effect(s));
	assert_int_equal(pop3_server_out(s).n, 0);
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	assert_string_equal(pop3_server_end_reason(s), "timeout");
	/* what comes too late is swallowed */
	assert_int_equal(pop3_server_content(s, STR("more")), 4);
	assert_int_equal(pop3_server_entries(s, &(struct pop3_entry){1, 1, STR("u")}, 1), 1);
	pop3_server_done(s, NULL, NOW);
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	pop3_server_free(&s);
}

/* Checking a password and deleting are not cut off, however little the client reads meanwhile. */
static void test_work_is_not_interrupted(void **state)
{
	struct pop3_server *s = logged_in(2, 10);

	feed_all(s, STR("DELE 1\r\nQUIT\r\n"));
	assert_true(pop3_server_out(s).n > 0);
	assert_true(pop3_server_deadline(s) == POP3_NEVER);
	pop3_server_tick(s, NOW + DAY_MS);
	assert_effect(s, POP3_LEAVE);
	pop3_server_done(s, NULL, NOW + DAY_MS);
	assert_int_equal(pop3_server_deadline(s), NOW + DAY_MS + 10 * MINUTE_MS);
	pop3_server_free(&s);
}

static void test_eof_while_waiting(void **state)
{
	struct pop3_server *s = logged_in(2, 10);

	feed_all(s, STR("DELE 1\r\nQUIT\r\n"));
	take(s, NULL);
	assert_effect(s, POP3_LEAVE);
	pop3_server_eof(s, NOW);
	assert_effect(s, POP3_LEAVE); /* it was asked for: it is done */
	assert_int_equal(pop3_server_wants(s), 0);
	done(s, POP3_OK);
	take(s, "+OK goodbye, deleted: 1\r\n");
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	pop3_server_free(&s);

	s = logged_in(2, 10);
	feed_all(s, STR("DELE 1\r\nLIST 2\r\n"));
	pop3_server_eof(s, NOW);
	give_list(s);
	take(s, NULL);
	assert_null(pop3_server_effect(s));
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	pop3_server_free(&s);
}

static void test_shutdown_in_message(void **state)
{
	struct pop3_server *s = logged_in(1, 5);

	feed_all(s, STR("RETR 1\r\n"));
	assert_int_equal(pop3_server_content(s, STR("a\r\n")), 3);
	pop3_server_shutdown(s, NOW);
	assert_effect(s, POP3_RETR);
	done(s, POP3_OK);
	take(s, "+OK message follows\r\na\r\n.\r\n"
		"-ERR [SYS/TEMP] the server goes down, try again in a minute\r\n");
	assert_int_equal(pop3_server_wants(s), POP3_WANTS_CLOSE);
	assert_string_equal(pop3_server_end_reason(s), "server goes down");
	pop3_server_free(&s);
}

/* Sizes that contradict the sum at login must not make STAT wrap. */
static void test_contradicting_sizes(void **state)
{
	struct pop3_server *s = logged_in(2, 10);

	feed_all(s, STR("DELE 1\r\n"));
	take(s, NULL);
	feed_all(s, STR("STAT\r\n"));
	assert_int_equal(pop3_server_entries(s, &(struct pop3_entry){1, 1000, STR("u")}, 1), 1);
	done(s, POP3_OK);
	take(s, "+OK 1 0\r\n");
	pop3_server_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_million),
	    cmocka_unit_test(test_list_back_pressure),
	    cmocka_unit_test(test_end_fits),
	    cmocka_unit_test(test_command_back_pressure),
	    cmocka_unit_test(test_dots_everywhere),
	    cmocka_unit_test(test_large_content),
	    cmocka_unit_test(test_top_stops),
	    cmocka_unit_test(test_scattered_deletions),
	    cmocka_unit_test(test_scattered_reading),
	    cmocka_unit_test(test_stat_model),
	    cmocka_unit_test(test_stls_injection),
	    cmocka_unit_test(test_early_talker_waits),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_tls_begins_anew),
	    cmocka_unit_test(test_stalled_reader),
	    cmocka_unit_test(test_work_is_not_interrupted),
	    cmocka_unit_test(test_eof_while_waiting),
	    cmocka_unit_test(test_shutdown_in_message),
	    cmocka_unit_test(test_contradicting_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
