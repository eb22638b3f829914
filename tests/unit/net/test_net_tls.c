/* Streams with TLS: both sides real, and hostile peers written by hand. */
#include "net_fixture.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_tls.h"

struct world {
	struct net n;
	struct identity id;
	struct tls_ctx *server, *client;
};

static int setup(void **state)
{
	struct world *w = mem_new(struct world);

	net_setup(&w->n);
	identity_init(&w->id);
	w->server = identity_server(&w->id);
	w->client = identity_client(&w->id);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	net_teardown(&w->n);
	tls_unref(&w->server);
	tls_unref(&w->client);
	identity_fini(&w->id);
	mem_free(w);
	return 0;
}

/* a is the client. */
static void start_both(struct world *w, const char *name, bool verify)
{
	const struct net_tls_start client = {.ctx = w->client, .name = name, .verify = verify};
	const struct net_tls_start server = {.ctx = w->server};

	net_stream_start_tls(w->n.a.s, &client);
	net_stream_start_tls(w->n.b.s, &server);
}

static void secure(struct world *w)
{
	start_both(w, "mail.x.test", true);
	net_until(&w->n, both_secured);
	if (!w->n.a.info.ok || !w->n.b.info.ok)
		fail_msg("%s %s", w->n.a.text, w->n.b.text);
}

static bool b_closed(struct net *n)
{
	return n->b.closed;
}

static bool a_eof(struct net *n)
{
	return n->a.eof;
}

static bool b_eof(struct net *n)
{
	return n->b.eof;
}

/* ---- both sides ours ---- */
static void test_facts(void **state)
{
	struct world *w = *state;

	net_tcp_pair(&w->n);
	assert_null(net_stream_tls_version(w->n.a.s));
	secure(w);
	assert_true(w->n.a.info.verified);
	assert_false(w->n.a.info.resumed);
	assert_string_equal(w->n.a.info.version, "TLSv1.3");
	assert_string_equal(net_stream_tls_version(w->n.b.s), "TLSv1.3");
	assert_non_null(net_stream_tls_cipher(w->n.b.s));
	assert_true(net_stream_is_tls(w->n.a.s));
}

static size_t large = 2 * MIB + 17;

static bool both_have_large(struct net *n)
{
	return n->a.got.n >= large && n->b.got.n >= large;
}

static void test_large(void **state)
{
	struct world *w = *state;
	struct buf bytes;

	net_pair(&w->n);
	secure(w);
	buf_init(&bytes, large);
	pattern(&bytes, large);
	net_stream_write(w->n.a.s, buf_view(&bytes));
	net_stream_write(w->n.b.s, buf_view(&bytes));
	net_until(&w->n, both_have_large);
	assert_memory_equal(w->n.a.got.p, bytes.p, large);
	assert_memory_equal(w->n.b.got.p, bytes.p, large);
	assert_true(w->n.a.drained);
	buf_fini(&bytes);
}

/* What a stream keeps of a peer that goes on sending is bounded. */
static void test_reader_stops(void **state)
{
	struct world *w = *state;
	struct buf bytes;

	net_pair(&w->n);
	secure(w);
	w->n.b.take = 0;
	buf_init(&bytes, large);
	pattern(&bytes, large);
	net_stream_write(w->n.a.s, buf_view(&bytes));
	for (int i = 0; i < 200; i++)
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	assert_true(w->n.b.offered > 0 && w->n.b.offered <= LIMIT_NET_READ);
	assert_true(net_stream_pending(w->n.a.s) > MIB);
	while (w->n.b.got.n < large) {
		w->n.b.take = w->n.b.take * 3 + 1;
		net_stream_resume(w->n.b.s);
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	}
	assert_memory_equal(w->n.b.got.p, bytes.p, large);
	buf_fini(&bytes);
}

static void test_one_by_one(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	secure(w);
	w->n.b.take = 1;
	net_stream_write(w->n.a.s, STR("01234"));
	net_stream_write(w->n.a.s, STR("56789"));
	net_stream_shutdown(w->n.a.s);
	while (!w->n.b.eof) {
		net_stream_resume(w->n.b.s);
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	}
	assert_got(&w->n.b, "0123456789");
}

/* close_notify is the end of input; writing the other way still works. */
static void test_half_close(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	secure(w);
	net_stream_write(w->n.a.s, STR("question"));
	net_stream_shutdown(w->n.a.s);
	net_until(&w->n, b_eof);
	assert_got(&w->n.b, "question");
	net_stream_write(w->n.b.s, STR("answer"));
	net_stream_finish(w->n.b.s);
	net_until(&w->n, a_eof);
	assert_got(&w->n.a, "answer");
	net_stream_close(w->n.a.s);
	net_until(&w->n, b_closed);
	assert_int_equal(w->n.b.why, NET_END_LOCAL);
}

/* ---- trust ---- */
static void fails(struct world *w, const char *name, const char *want)
{
	start_both(w, name, true);
	net_until(&w->n, both_closed);
	assert_true(w->n.a.secured);
	assert_false(w->n.a.info.ok);
	assert_int_equal(w->n.a.why, NET_END_TLS);
	assert_string_equal(w->n.a.text, want);
	assert_int_equal(w->n.b.got.n, 0);
}

static void test_wrong_name(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	fails(w, "other.x.test", "the server's certificate is not trusted: hostname mismatch");
}

static void test_untrusted(void **state)
{
	struct world *w = *state;
	struct err e;

	tls_unref(&w->client);
	w->client = tls_client_new("", &e);
	assert_non_null(w->client);
	net_pair(&w->n);
	fails(w, "mail.x.test", "the server's certificate is not trusted: self-signed certificate");
}

static void test_untrusted_but_taken(void **state)
{
	struct world *w = *state;
	struct err e;

	tls_unref(&w->client);
	w->client = tls_client_new("", &e);
	net_pair(&w->n);
	start_both(w, "mail.x.test", false);
	net_until(&w->n, both_secured);
	assert_true(w->n.a.info.ok);
	assert_false(w->n.a.info.verified);
	assert_string_equal(w->n.a.verify_text, "self-signed certificate");
}

static void test_address_as_name(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	fails(w, "192.0.2.1", "the server's certificate is not trusted: IP address mismatch");
}

static void test_localhost_is_a_name(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	start_both(w, "localhost", true);
	net_until(&w->n, both_secured);
	assert_true(w->n.a.info.ok);
}

/* ---- STARTTLS ---- */
/* Commands sent behind STARTTLS in plain text are never seen [RFC 3207 4.2]. */
static void test_injection(void **state)
{
	struct world *w = *state;
	const struct net_tls_start server = {.ctx = w->server};
	const struct net_tls_start client = {.ctx = w->client, .name = "localhost", .verify = true};

	net_pair(&w->n);
	w->n.b.until = "STARTTLS\r\n";
	w->n.b.tls = &server;
	net_stream_write(w->n.a.s, STR("EHLO x\r\nSTARTTLS\r\nRCPT TO:<evil@x>\r\n"));
	while (w->n.b.until)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	net_stream_start_tls(w->n.a.s, &client);
	net_until(&w->n, both_secured);
	assert_int_equal(w->n.b.info.dropped, strlen("RCPT TO:<evil@x>\r\n"));
	net_stream_write(w->n.a.s, STR("EHLO y\r\n"));
	net_stream_shutdown(w->n.a.s);
	net_until(&w->n, b_eof);
	assert_got(&w->n.b, "EHLO x\r\nSTARTTLS\r\nEHLO y\r\n");
}

/* The same for octets that were kept because the reader was not ready. */
static void test_injection_kept(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	w->n.b.take = 0;
	net_stream_write(w->n.a.s, STR("evil"));
	while (!w->n.b.offered)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	w->n.b.take = SIZE_MAX;
	secure(w);
	assert_int_equal(w->n.b.info.dropped, 4);
	net_stream_write(w->n.a.s, STR("good"));
	net_stream_shutdown(w->n.a.s);
	net_until(&w->n, b_eof);
	assert_got(&w->n.b, "good");
}

/* What was written before goes out before, in the clear. */
static void test_plain_before(void **state)
{
	struct world *w = *state;
	const struct net_tls_start server = {.ctx = w->server};
	const struct net_tls_start client = {.ctx = w->client, .name = "localhost", .verify = true};

	net_pair(&w->n);
	w->n.a.until = "220 go\r\n";
	w->n.a.tls = &client;
	net_stream_write(w->n.b.s, STR("220 go\r\n"));
	net_stream_start_tls(w->n.b.s, &server);
	net_until(&w->n, both_secured);
	assert_true(w->n.a.info.ok);
	assert_got(&w->n.a, "220 go\r\n");
}

/* ---- hostile peers ---- */
static void assert_broke(struct end *e)
{
	assert_true(e->secured);
	assert_false(e->info.ok);
	assert_int_equal(e->why, NET_END_TLS);
	assert_true(e->text[0] != 0);
	assert_int_equal(e->got.n, 0);
}

static void test_garbage(void **state)
{
	static const struct str rows[] = {
	    STR_INIT("GET / HTTP/1.0\r\n\r\n"),
	    STR_INIT("EHLO x\r\n"),
	    STR_INIT("\x16\x03\x01\xff\xff a record that is too long"),
	    STR_INIT("\x16\x03\x01\x00\x04\x01\x00\x00\x00"),
	    STR_INIT("\x16\x03\x01\x00\x05\xff\x00\x00\x01\x00"),
	    STR_INIT("\x15\x03\x01\x00\x02\x02\x28"),
	    STR_INIT("\x17\x03\x03\x00\x01\x00"),
	};
	struct world *w = *state;
	const struct net_tls_start server = {.ctx = w->server};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int fd = net_half(&w->n, &w->n.b);

		net_stream_start_tls(w->n.b.s, &server);
		assert_int_equal(write(fd, rows[i].p, rows[i].n), (ssize_t)rows[i].n);
		net_until(&w->n, b_closed);
		assert_broke(&w->n.b);
		w->n.b.closed = w->n.b.secured = false;
		close(fd);
	}
}

/* A hand-driven client that stops after so many octets. */
struct raw {
	int fd;
	struct net_tls *tls;
	struct buf out;
	size_t budget;
	bool sent_data;
};

static void raw_send(struct raw *r)
{
	size_t n = r->out.n < r->budget ? r->out.n : r->budget;
	ssize_t sent = n ? write(r->fd, r->out.p, n) : 0;

	assert_true(sent == (ssize_t)n);
	buf_drop(&r->out, n);
	r->budget -= n;
}

static void raw_turn(struct raw *r)
{
	uint8_t space[8192];
	ssize_t n = read(r->fd, space, sizeof space);
	struct str wire = str_of(space, n > 0 ? (size_t)n : 0);
	struct err e;

	if (!r->sent_data && net_tls_handshake(r->tls, &wire, &e) == NET_TLS_OK) {
		r->sent_data = true;
		net_tls_write(r->tls, STR("hello"));
		net_tls_shutdown(r->tls);
	}
	raw_send(r);
}

/* Octets a whole conversation has when nothing is cut. */
static size_t play(struct world *w, size_t budget)
{
	const struct net_tls_start client = {.ctx = w->client};
	const struct net_tls_start server = {.ctx = w->server};
	struct raw r = {.fd = net_half(&w->n, &w->n.b), .budget = budget};
	size_t before;

	buf_init(&r.out, MIB);
	r.tls = net_tls_new(&client, &r.out);
	net_stream_start_tls(w->n.b.s, &server);
	while (r.budget && !w->n.b.eof) {
		before = r.budget;
		raw_turn(&r);
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
		if (r.sent_data && r.budget == before && r.out.n == 0)
			break;
	}
	close(r.fd);
	net_tls_free(&r.tls);
	buf_fini(&r.out);
	return budget - r.budget;
}

/* A peer that goes after n octets of handshake, data and close_notify, for every n. */
static void test_gone_at_every_moment(void **state)
{
	struct world *w = *state;
	size_t total = play(w, SIZE_MAX);

	assert_true(total > 100);
	net_until(&w->n, b_eof);
	assert_got(&w->n.b, "hello");
	for (size_t n = 0; n < total; n += n < 8 || n + 60 > total ? 1 : 13) {
		if (w->n.b.s)
			net_stream_close(w->n.b.s);
		while (w->n.b.s)
			uv_run(&w->n.loop, UV_RUN_ONCE);
		w->n.b.closed = w->n.b.secured = w->n.b.eof = false;
		buf_clear(&w->n.b.got);
		play(w, n);
		while (!w->n.b.eof && !w->n.b.closed)
			uv_run(&w->n.loop, UV_RUN_ONCE);
		assert_true(w->n.b.eof || w->n.b.why != NET_END_LOCAL);
		if (w->n.b.got.n)
			assert_got(&w->n.b, "hello");
		if (!w->n.b.info.ok)
			assert_broke(&w->n.b);
	}
}

/* Broken octets in the middle of a session end it, and are never given to the reader. */
static void test_broken_record(void **state)
{
	struct world *w = *state;
	const struct net_tls_start client = {.ctx = w->client};
	const struct net_tls_start server = {.ctx = w->server};
	struct raw r = {.fd = net_half(&w->n, &w->n.b), .budget = SIZE_MAX};

	buf_init(&r.out, MIB);
	r.tls = net_tls_new(&client, &r.out);
	net_stream_start_tls(w->n.b.s, &server);
	while (!r.sent_data) {
		raw_turn(&r);
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	}
	while (!w->n.b.eof)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_got(&w->n.b, "hello");
	net_stream_close(w->n.b.s);
	net_until(&w->n, b_closed);
	close(r.fd);
	net_tls_free(&r.tls);

	w->n.b.closed = w->n.b.secured = w->n.b.eof = false;
	buf_clear(&w->n.b.got);
	buf_clear(&r.out);
	r = (struct raw){.fd = net_half(&w->n, &w->n.b), .budget = SIZE_MAX, .out = r.out};
	r.tls = net_tls_new(&client, &r.out);
	net_stream_start_tls(w->n.b.s, &server);
	while (!w->n.b.secured) {
		struct err e;
		uint8_t space[8192];
		ssize_t n = read(r.fd, space, sizeof space);
		struct str wire = str_of(space, n > 0 ? (size_t)n : 0);

		net_tls_handshake(r.tls, &wire, &e);
		raw_send(&r);
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	}
	net_tls_write(r.tls, STR("hello"));
	r.out.p[r.out.n - 1] ^= 1;
	raw_send(&r);
	net_until(&w->n, b_closed);
	assert_int_equal(w->n.b.why, NET_END_TLS);
	assert_int_equal(w->n.b.got.n, 0);
	close(r.fd);
	net_tls_free(&r.tls);
	buf_fini(&r.out);
}

/* A client that connects and says nothing, or stops in the middle. */
static void test_handshake_takes_too_long(void **state)
{
	struct world *w = *state;
	const struct net_tls_start server = {.ctx = w->server, .timeout = 1};
	int fd = net_half(&w->n, &w->n.b);

	net_stream_start_tls(w->n.b.s, &server);
	assert_int_equal(write(fd, "\x16\x03\x01", 3), 3);
	net_until(&w->n, b_closed);
	assert_broke(&w->n.b);
	assert_string_equal(w->n.b.text, "the TLS handshake took too long");
	close(fd);
}

/* Done in time, its limit is forgotten; the deadline set meanwhile still comes. */
static bool a_deadline(struct net *n)
{
	return n->a.deadlines > 0;
}

static void test_deadline_around_handshake(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	net_stream_deadline(w->n.a.s, clock_mono() + HOUR_MS);
	secure(w);
	net_stream_deadline(w->n.a.s, clock_mono());
	net_until(&w->n, a_deadline);
	assert_false(w->n.a.closed);
}

/* Closed by us while it goes on: the handshake is answered all the same. */
static void test_close_during_handshake(void **state)
{
	struct world *w = *state;
	const struct net_tls_start server = {.ctx = w->server};
	int fd = net_half(&w->n, &w->n.b);

	net_stream_start_tls(w->n.b.s, &server);
	net_stream_finish(w->n.b.s);
	net_until(&w->n, b_closed);
	assert_true(w->n.b.secured);
	assert_false(w->n.b.info.ok);
	assert_int_equal(w->n.b.why, NET_END_LOCAL);
	close(fd);
}

/* ---- reload ---- */
/* A stream keeps the context it began with after everybody else let it go. */
static void test_context_swap(void **state)
{
	struct world *w = *state;

	net_pair(&w->n);
	secure(w);
	tls_unref(&w->server);
	identity_fini(&w->id);
	identity_init(&w->id);
	w->server = identity_server(&w->id);
	net_stream_write(w->n.a.s, STR("question"));
	net_stream_shutdown(w->n.a.s);
	net_until(&w->n, b_eof);
	assert_got(&w->n.b, "question");
}

/* New streams have the new certificate: a client that trusts the old one only refuses it. */
static void test_context_swapped(void **state)
{
	struct world *w = *state;

	tls_unref(&w->server);
	identity_fini(&w->id);
	identity_init(&w->id);
	w->server = identity_server(&w->id);
	net_pair(&w->n);
	start_both(w, "mail.x.test", true);
	net_until(&w->n, both_closed);
	assert_broke(&w->n.a);
}

/* ---- application protocols ---- */
static void negotiate(struct world *w, const char *server_alpn, const char *client_alpn)
{
	const struct net_tls_start client = {.ctx = w->client, .alpn = client_alpn};
	const struct net_tls_start server = {.ctx = w->server, .alpn = server_alpn};

	net_pair(&w->n);
	net_stream_start_tls(w->n.a.s, &client);
	net_stream_start_tls(w->n.b.s, &server);
	net_until(&w->n, both_secured);
}

static void test_alpn_agreed(void **state)
{
	struct world *w = *state;

	negotiate(w, "pop3", "pop3");
	assert_true(w->n.b.info.ok);
	assert_string_equal(w->n.a.info.alpn, "pop3");
}

static void test_alpn_not_offered(void **state)
{
	struct world *w = *state;

	negotiate(w, "pop3", NULL);
	assert_true(w->n.b.info.ok);
	assert_null(w->n.b.info.alpn);
}

static void test_alpn_of_a_browser(void **state)
{
	struct world *w = *state;

	negotiate(w, "pop3", "http/1.1");
	net_until(&w->n, both_closed);
	assert_broke(&w->n.b);
	assert_broke(&w->n.a);
}

static void test_alpn_none_here(void **state)
{
	struct world *w = *state;

	negotiate(w, NULL, "http/1.1");
	net_until(&w->n, both_closed);
	assert_broke(&w->n.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reader_stops, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_by_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_untrusted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_untrusted_but_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_address_as_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_localhost_is_a_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_injection, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_injection_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_plain_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_gone_at_every_moment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken_record, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_close_during_handshake, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_handshake_takes_too_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline_around_handshake, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_context_swap, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_context_swapped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_alpn_agreed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_alpn_not_offered, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_alpn_of_a_browser, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_alpn_none_here, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/tls stream", tests, NULL, NULL);
}
