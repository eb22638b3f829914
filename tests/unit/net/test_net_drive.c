/*
 * The driver with an engine made for it: lines in, lines out. "echo X" answers at once, "late X" by an
 * effect that is done at once, "full" by one that comes when more is fed, of which nothing is taken, "wait X" by one
 * that the test finishes, "keep X" likewise, with all output kept until then, "many N" with N octets that come
 * piece by piece from an effect, "hops X" after three effects without output, "tls" starts TLS, "quit"
 * says bye and wants to close.
 */
#include "net_fixture.h"

#include "base/clock.h"
#include "net/net_drive.h"

enum effect {
	NONE,
	LATER,
	WAIT,
	KEEP,
	MANY,
	HOPS,
	TLS,
};

struct session {
	struct net_drive *d; /* NULL after closed() */
	struct buf line, out;
	struct buf words; /* what the pending effect will say */
	enum effect effect;
	size_t many;
	bool quit;
	bool stubborn; /* tells the driver to read, consumes nothing */
	bool full;     /* the next feed takes nothing, and has an effect */
	int64_t deadline;
	int ticks, eofs, fed, writes;
	size_t unsent; /* as it was told the last time */
	bool inside;   /* for the promise that no call comes from inside another */
	bool secured_ok, closed;
	enum net_end why;
	const struct net_tls_start *tls;
};

static void enter(struct session *s)
{
	assert_false(s->inside);
	assert_false(s->closed);
	s->inside = true;
}

static bool starts(struct session *s, const char *verb)
{
	return str_has_prefix(buf_view(&s->line), str_of_c(verb));
}

static void answer(struct session *s, const char *what)
{
	buf_c(&s->out, what);
	buf_byte(&s->out, '\n');
}

static void effect(struct session *s, enum effect kind)
{
	s->effect = kind;
	buf_clear(&s->words);
	buf_str(&s->words, str_from(buf_view(&s->line), 5));
}

static void command(struct session *s)
{
	uint64_t many;

	if (starts(s, "echo ")) {
		buf_str(&s->out, str_from(buf_view(&s->line), 5));
		buf_byte(&s->out, '\n');
	} else if (starts(s, "late ")) {
		effect(s, LATER);
	} else if (starts(s, "full ")) {
		s->full = true;
	} else if (starts(s, "wait ")) {
		effect(s, WAIT);
	} else if (starts(s, "keep ")) {
		effect(s, KEEP);
	} else if (starts(s, "many ") &&
		   str_to_u64(str_from(buf_view(&s->line), 5), GOT_MAX, &many)) {
		effect(s, MANY);
		s->many = (size_t)many;
	} else if (starts(s, "hops ")) {
		effect(s, HOPS);
		s->many = 3;
	} else if (starts(s, "tls")) {
		answer(s, "go");
		effect(s, TLS);
	} else {
		answer(s, "bye");
		s->quit = true;
	}
	buf_clear(&s->line);
}

static bool reads(const struct session *s)
{
	return s->effect == NONE && !s->quit;
}

static size_t feed(void *ctx, struct str in, int64_t now)
{
	struct session *s = ctx;
	size_t i = 0;

	enter(s);
	assert_true(reads(s));
	s->fed++;
	if (s->full) {
		s->full = false;
		effect(s, LATER);
		buf_lit(&s->words, "emptied");
		s->inside = false;
		return 0;
	}
	while (i < in.n && reads(s) && !s->stubborn && !s->full) {
		if (in.p[i] == '\n')
			command(s);
		else
			buf_byte(&s->line, in.p[i]);
		i++;
	}
	s->inside = false;
	return i;
}

static struct str out(void *ctx)
{
	return buf_view(&((struct session *)ctx)->out);
}

static void sent(void *ctx, size_t n, int64_t now)
{
	struct session *s = ctx;

	buf_drop(&s->out, n);
	s->writes++;
}

static unsigned wants(void *ctx)
{
	struct session *s = ctx;

	return (reads(s) ? NET_WANTS_READ : 0) |
	       (s->out.n && s->effect != KEEP ? NET_WANTS_WRITE : 0) |
	       (s->quit && s->effect == NONE ? NET_WANTS_CLOSE : 0);
}

static int64_t deadline(void *ctx)
{
	return ((struct session *)ctx)->deadline;
}

static void tick(void *ctx, int64_t now)
{
	struct session *s = ctx;

	enter(s);
	assert_true(now >= s->deadline);
	s->ticks++;
	s->deadline = INT64_MAX;
	answer(s, "too late");
	s->quit = true;
	s->inside = false;
}

static void on_eof(void *ctx, int64_t now)
{
	struct session *s = ctx;

	enter(s);
	s->eofs++;
	s->quit = true;
	s->inside = false;
}

/* Done, as an engine's done() would: the words are said, and reading may go on. */
static void done(struct session *s)
{
	s->effect = NONE;
	buf_str(&s->out, buf_view(&s->words));
	buf_byte(&s->out, '\n');
}

/* Fills the output up to 1000 octets; what is sent makes room for more. */
static void many(struct session *s)
{
	while (s->many && s->out.n < 1000) {
		buf_byte(&s->out, 'm');
		s->many--;
	}
	if (s->many == 0 && s->out.n < 1000) {
		s->effect = NONE;
		answer(s, "!");
	}
}

static void on_unsent(void *ctx, size_t n)
{
	((struct session *)ctx)->unsent = n;
}

static void effects(void *ctx)
{
	struct session *s = ctx;

	enter(s);
	if (s->effect == LATER) {
		done(s);
		net_drive_pump(s->d); /* from inside: only asks for another round */
	} else if (s->effect == MANY) {
		many(s);
	} else if (s->effect == HOPS) {
		if (--s->many == 0)
			done(s);
		net_drive_pump(s->d);
	} else if (s->effect == TLS) {
		s->effect = WAIT;
		net_drive_start_tls(s->d, s->tls);
	}
	s->inside = false;
}

static void secured(void *ctx, const struct net_tls_info *info)
{
	struct session *s = ctx;

	s->secured_ok = info->ok;
	if (!info->ok)
		return;
	s->effect = NONE;
	answer(s, "secured");
}

static void closed(void *ctx, enum net_end end, const char *why)
{
	struct session *s = ctx;

	assert_false(s->closed);
	s->closed = true;
	s->why = end;
	s->d = NULL;
}

static const struct net_drive_engine engine = {
    .feed = feed,
    .out = out,
    .sent = sent,
    .wants = wants,
    .deadline = deadline,
    .tick = tick,
    .eof = on_eof,
    .unsent = on_unsent,
    .effects = effects,
    .secured = secured,
    .closed = closed,
};

/* ---- the world: the session, and end a of the fixture as its client ---- */
struct world {
	struct net n;
	struct session s;
};

static int setup(void **state)
{
	struct world *w = mem_new(struct world);
	struct err e;
	int fd;

	net_setup(&w->n);
	fd = net_half(&w->n, &w->n.a);
	buf_init(&w->s.line, 1000);
	buf_init(&w->s.out, 64 * KIB);
	buf_init(&w->s.words, 1000);
	w->s.deadline = INT64_MAX;
	w->s.d = net_drive_open(&w->n.loop, fd, &engine, &w->s, &e);
	assert_non_null(w->s.d);
	net_drive_start(w->s.d);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->s.d)
		net_drive_close(w->s.d);
	net_teardown(&w->n);
	assert_true(w->s.closed);
	buf_fini(&w->s.line);
	buf_fini(&w->s.out);
	buf_fini(&w->s.words);
	mem_free(w);
	return 0;
}

static void say(struct world *w, const char *text)
{
	net_stream_write(w->n.a.s, str_of_c(text));
}

static void until_got(struct world *w, size_t n)
{
	while (w->n.a.got.n < n && !w->n.a.closed && !w->n.a.eof)
		uv_run(&w->n.loop, UV_RUN_ONCE);
}

static void until_closed(struct world *w)
{
	while (!w->n.a.eof)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	net_stream_close(w->n.a.s);
	while (!w->s.closed)
		uv_run(&w->n.loop, UV_RUN_ONCE);
}

static void some_turns(struct world *w)
{
	for (int i = 0; i < 50; i++)
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
}

/* ---- tests ---- */
static void test_echo(void **state)
{
	struct world *w = *state;

	say(w, "echo one\necho t");
	until_got(w, 4);
	assert_got(&w->n.a, "one\n");
	assert_int_equal(w->s.unsent, 0);
	say(w, "wo\nquit\n");
	until_closed(w);
	assert_got(&w->n.a, "one\ntwo\nbye\n");
	assert_int_equal(w->s.why, NET_END_LOCAL);
	assert_int_equal(w->s.eofs, 0);
}

/* Effects done on the spot do not stop what is pipelined behind them. */
static void test_effects_at_once(void **state)
{
	struct world *w = *state;

	say(w, "late 1\necho 2\nlate 3\nlate 4\nquit\necho never\n");
	until_closed(w);
	assert_got(&w->n.a, "1\n2\n3\n4\nbye\n");
}

/* Nobody else comes back for what an engine did not take as it was full. */
static void test_effects_where_nothing_is_taken(void **state)
{
	struct world *w = *state;

	say(w, "full \nfull \necho 2\nquit\n");
	until_closed(w);
	assert_got(&w->n.a, "emptied\nemptied\n2\nbye\n");
}

/* What is answered in one turn leaves in one write, also what was kept behind an effect. */
static void test_one_write_a_turn(void **state)
{
	struct world *w = *state;

	say(w, "late 1\necho 2\nlate 3\nwait 4\nlate 5\necho 6\nlate 7\n");
	until_got(w, 6);
	assert_int_equal(w->s.writes, 1);
	assert_got(&w->n.a, "1\n2\n3\n");
	done(&w->s);
	net_drive_pump(w->s.d);
	assert_int_equal(w->s.writes, 2);
	until_got(w, 14);
	assert_got(&w->n.a, "1\n2\n3\n4\n5\n6\n7\n");
}

/* An engine that waits for others may keep its output, as long as there is more that was pipelined. */
static void test_kept_output(void **state)
{
	struct world *w = *state;

	say(w, "echo 1\nkeep 2\nkeep 3\necho 4\n");
	for (int i = 0; i < 2; i++) {
		while (w->s.effect != KEEP)
			uv_run(&w->n.loop, UV_RUN_ONCE);
		some_turns(w);
		assert_int_equal(w->s.writes, 0);
		done(&w->s);
		net_drive_pump(w->s.d);
	}
	until_got(w, 8);
	assert_int_equal(w->s.writes, 1);
	assert_got(&w->n.a, "1\n2\n3\n4\n");
	say(w, "echo 5\nkeep 6\n"); /* nothing follows: perhaps he waits for the 5 */
	until_got(w, 10);
	assert_got(&w->n.a, "1\n2\n3\n4\n5\n");
	assert_int_equal(w->s.effect, KEEP);
	done(&w->s);
	net_drive_pump(w->s.d);
	until_got(w, 12);
	assert_int_equal(w->s.writes, 3);
}

/* Effects that follow each other without any octet in between. */
static void test_chain_of_effects(void **state)
{
	struct world *w = *state;

	say(w, "hops 1\nquit\n");
	until_closed(w);
	assert_got(&w->n.a, "1\nbye\n");
}

/* A pending effect stops feeding, but what was fed is kept, and goes on after it. */
static void test_effect_pending(void **state)
{
	struct world *w = *state;
	int fed;

	say(w, "echo 1\nwait 2\necho 3\n");
	until_got(w, 2);
	fed = w->s.fed;
	say(w, "echo 4\nquit\n");
	some_turns(w);
	assert_int_equal(w->s.fed, fed);
	assert_got(&w->n.a, "1\n");
	done(&w->s);
	net_drive_pump(w->s.d);
	until_closed(w);
	assert_got(&w->n.a, "1\n2\n3\n4\nbye\n");
}

static void test_one_octet_at_a_time(void **state)
{
	static const char text[] = "echo 1\nlate 2\nmany 1500\nquit\n";
	struct world *w = *state;

	for (size_t i = 0; i < sizeof text - 1; i++) {
		net_stream_write(w->n.a.s, str_of(text + i, 1));
		uv_run(&w->n.loop, UV_RUN_NOWAIT);
	}
	until_closed(w);
	assert_int_equal(w->n.a.got.n, 2 + 2 + 1500 + 2 + 4);
}

/* A source behind the engine is asked as fast as the client reads, and no faster. */
static void test_slow_client(void **state)
{
	struct world *w = *state;
	size_t made;

	w->n.a.take = 0;
	say(w, "many 4000000\nquit\n");
	while (!w->n.a.offered)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	some_turns(w);
	made = 4000000 - w->s.many;
	assert_true(made > LIMIT_NET_WRITE);
	assert_true(made < MIB);
	some_turns(w);
	assert_int_equal(4000000 - w->s.many, made);
	w->n.a.take = SIZE_MAX;
	net_stream_resume(w->n.a.s);
	until_closed(w);
	assert_int_equal(w->n.a.got.n, 4000000 + 2 + 4);
}

/* What the socket has not taken is told to who asks, before it hears of the client again. */
static void test_unsent(void **state)
{
	struct world *w = *state;

	w->n.a.take = 0;
	say(w, "many 4000000\n");
	while (!w->n.a.offered)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	some_turns(w);
	assert_int_equal(w->s.unsent, 0); /* at the line that asked */
	net_stream_shutdown(w->n.a.s);
	while (!w->s.eofs)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_true(w->s.unsent > 0);
	assert_int_equal(w->s.unsent, net_stream_pending(net_drive_stream(w->s.d)));
	w->n.a.take = SIZE_MAX;
	net_stream_resume(w->n.a.s);
	until_closed(w);
}

/* A deadline too hears of what has left since the client was heard the last time. */
static void test_unsent_at_the_deadline(void **state)
{
	struct world *w = *state;

	w->n.a.take = 0;
	say(w, "many 400000\n");
	while (!w->n.a.offered)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	w->s.unsent = 1; /* as it was once */
	w->n.a.take = SIZE_MAX;
	net_stream_resume(w->n.a.s);
	while (net_stream_pending(net_drive_stream(w->s.d)) > 0 || w->s.many > 0)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	w->s.deadline = clock_mono();
	net_drive_pump(w->s.d);
	while (!w->s.ticks)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_int_equal(w->s.unsent, 0);
	until_closed(w);
}

/* Nothing consumed although reading was wanted: kept, not asked again and again. */
static void test_nothing_consumed(void **state)
{
	struct world *w = *state;
	int fed;

	w->s.stubborn = true;
	say(w, "echo 1\n");
	while (!w->s.fed)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	fed = w->s.fed;
	some_turns(w);
	assert_int_equal(w->s.fed, fed);
	w->s.stubborn = false;
	net_drive_pump(w->s.d);
	until_got(w, 2);
	assert_got(&w->n.a, "1\n");
}

static void test_deadline(void **state)
{
	struct world *w = *state;

	w->s.deadline = clock_mono();
	net_drive_pump(w->s.d);
	assert_int_equal(w->s.ticks, 0);
	until_closed(w);
	assert_int_equal(w->s.ticks, 1);
	assert_got(&w->n.a, "too late\n");
}

static void test_eof(void **state)
{
	struct world *w = *state;

	say(w, "echo 1\nhalf a li");
	net_stream_shutdown(w->n.a.s);
	until_closed(w);
	assert_int_equal(w->s.eofs, 1);
	assert_got(&w->n.a, "1\n");
}

/* The client is done sending while an effect is pending: its answer still goes out. */
static void test_eof_while_pending(void **state)
{
	struct world *w = *state;

	say(w, "wait 1\n");
	net_stream_shutdown(w->n.a.s);
	while (!w->s.eofs)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_false(w->s.closed);
	done(&w->s);
	net_drive_pump(w->s.d);
	until_closed(w);
	assert_got(&w->n.a, "1\n");
	assert_int_equal(w->s.eofs, 1);
}

/* Gone without a word: the engine is told once, then the session ends. */
static void test_gone(void **state)
{
	struct world *w = *state;

	say(w, "wait 1\n");
	while (w->s.effect != WAIT)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	net_drive_close(w->s.d);
	while (!w->s.closed)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_int_equal(w->s.eofs, 1);
}

/* ---- TLS ---- */
struct secrets {
	struct identity id;
	struct tls_ctx *server, *client;
	struct net_tls_start server_start, client_start;
};

static void secrets_init(struct secrets *x)
{
	identity_init(&x->id);
	x->server = identity_server(&x->id);
	x->client = identity_client(&x->id);
	x->server_start = (struct net_tls_start){.ctx = x->server};
	x->client_start = (struct net_tls_start){
	    .ctx = x->client, .name = "localhost", .verify = true};
}

static void secrets_fini(struct secrets *x)
{
	tls_unref(&x->server);
	tls_unref(&x->client);
	identity_fini(&x->id);
}

/* What was said before is flushed first, what was pipelined behind is never executed. */
static void test_starttls(void **state)
{
	struct world *w = *state;
	struct secrets x;

	secrets_init(&x);
	w->s.tls = &x.server_start;
	w->n.a.until = "go\n";
	w->n.a.tls = &x.client_start;
	say(w, "echo 1\ntls\necho evil\n");
	while (!w->n.a.secured || !w->s.secured_ok)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_true(net_stream_is_tls(net_drive_stream(w->s.d)));
	say(w, "echo 2\nmany 100000\nquit\n");
	until_closed(w);
	assert_int_equal(w->n.a.got.n, strlen("1\ngo\nsecured\n2\n") + 100000 + 2 + 4);
	assert_memory_equal(w->n.a.got.p, "1\ngo\nsecured\n2\nmm", 16);
	secrets_fini(&x);
}

/* What the engine says during a handshake waits for its end; here it fails, and nothing is said. */
static void test_output_during_handshake(void **state)
{
	struct world *w = *state;
	struct secrets x;

	secrets_init(&x);
	w->s.tls = &x.server_start;
	say(w, "tls\n");
	until_got(w, 3);
	answer(&w->s, "shutting down");
	net_drive_pump(w->s.d);
	some_turns(w);
	assert_got(&w->n.a, "go\n");
	net_stream_close(w->n.a.s);
	while (!w->s.closed)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_int_equal(w->s.why, NET_END_TLS);
	secrets_fini(&x);
}

static void test_starttls_fails(void **state)
{
	struct world *w = *state;
	struct secrets x;

	secrets_init(&x);
	w->s.tls = &x.server_start;
	say(w, "tls\n");
	until_got(w, 3);
	say(w, "this is no TLS, is it?\n");
	while (!w->s.closed)
		uv_run(&w->n.loop, UV_RUN_ONCE);
	assert_int_equal(w->s.why, NET_END_TLS);
	assert_false(w->s.secured_ok);
	assert_int_equal(w->s.eofs, 1);
	secrets_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_effects_where_nothing_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_write_a_turn, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_effects_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_effect_pending, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_octet_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_slow_client, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unsent, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unsent_at_the_deadline, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_consumed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_eof, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_eof_while_pending, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_starttls, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_starttls_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_output_during_handshake, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kept_output, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_chain_of_effects, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/drive", tests, NULL, NULL);
}
