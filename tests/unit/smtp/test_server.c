/*
 * What transcripts cannot show of the server: times, back-pressure, bounds, ends at every moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_server.h"

#define LOG_MAX (64 * MIB)

struct fixture {
	struct smtp_server_config cfg;
	struct smtp_server *s;
	struct buf said; /* all output */
	struct buf body; /* of the message at hand */
	size_t effects, commits, aborts;
	size_t stop_at; /* the effect with this number stays pending */
	size_t piece;   /* output is sent in pieces of so many octets */
	int64_t now;
};

static void start(struct fixture *f, enum smtp_role role)
{
	struct smtp_peer peer = {.plaintext_auth = true};

	*f = (struct fixture){.stop_at = SIZE_MAX, .piece = SIZE_MAX, .now = 1000};
	smtp_server_config_init(&f->cfg, role);
	f->cfg.hostname = STR("mail.test");
	f->s = smtp_server_new(&f->cfg, &peer, f->now);
	buf_init(&f->said, LOG_MAX);
	buf_init(&f->body, LOG_MAX);
}

static void stop(struct fixture *f)
{
	smtp_server_free(&f->s);
	assert_null(f->s);
	smtp_server_free(&f->s);
	buf_fini(&f->said);
	buf_fini(&f->body);
}

static void drain(struct fixture *f)
{
	while (smtp_server_wants(f->s) & SMTP_WANTS_WRITE) {
		struct str out = smtp_server_out(f->s);

		assert_true(out.n <= LIMIT_SMTP_OUT);
		out = str_sub(out, 0, f->piece);
		buf_str(&f->said, out);
		smtp_server_sent(f->s, out.n, f->now);
	}
}

/* Carries effects out until one is to stay pending. */
static void turn(struct fixture *f)
{
	const struct smtp_effect *e;

	while ((e = smtp_server_effect(f->s)) && f->effects != f->stop_at) {
		f->effects++;
		f->commits += e->kind == SMTP_EFFECT_COMMIT;
		f->aborts += e->kind == SMTP_EFFECT_ABORT;
		if (e->kind == SMTP_EFFECT_MAIL)
			buf_clear(&f->body);
		if (e->kind == SMTP_EFFECT_BODY) {
			assert_true(e->body.n > 0 && e->body.n <= LIMIT_BODY_CHUNK);
			buf_str(&f->body, e->body);
		}
		smtp_server_done(f->s, NULL, f->now);
	}
	drain(f);
}

/* Feeds until all is taken or nothing more is; gives what was left. */
static struct str feed(struct fixture *f, struct str in)
{
	size_t used;

	turn(f);
	do {
		used = smtp_server_feed(f->s, in, f->now);
		in = str_from(in, used);
		turn(f);
	} while (in.n && used);
	return in;
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(feed(f, str_of_c(text)).n, 0);
}

static bool has_said(const struct fixture *f, const char *text)
{
	return str_find_str(buf_view(&f->said), str_of_c(text)) < f->said.n;
}

static size_t count(const struct fixture *f, const char *text)
{
	struct str rest = buf_view(&f->said);
	struct str needle = str_of_c(text);
	size_t n = 0;

	for (size_t at; (at = str_find_str(rest, needle)) < rest.n; n++)
		rest = str_from(rest, at + needle.n);
	return n;
}

#define ENVELOPE "MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\n"

/* Who speaks before the greeting is not refused; his words are kept, and he is read no further. */
static void test_early_talker(void **state)
{
	for (int trusted = 0; trusted < 2; trusted++) {
		struct smtp_result r = {.trusted = trusted};
		struct fixture f;

		start(&f, SMTP_ROLE_MX);
		assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_READ);
		assert_int_equal(smtp_server_feed(f.s, STR("EHLO c\r\n"), f.now), 0);
		assert_int_equal(smtp_server_wants(f.s), 0);
		smtp_server_done(f.s, &r, f.now);
		say(&f, "EHLO c\r\n");
		assert_true(has_said(&f, "220 mail.test"));
		assert_true(has_said(&f, "250-PIPELINING"));
		stop(&f);
	}
}

/* While the driver is busy nothing is consumed and no time runs. */
static void test_pending(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	f.stop_at = 1;
	assert_int_equal(feed(&f, STR("HELO c\r\nMAIL FROM:<a@b.c>\r\nNOOP\r\n")).n, 6);
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_MAIL);
	assert_int_equal(smtp_server_feed(f.s, STR("NOOP\r\n"), f.now), 0);
	assert_false(smtp_server_wants(f.s) & SMTP_WANTS_READ);
	assert_true(smtp_server_deadline(f.s) == SMTP_NEVER);
	assert_non_null(smtp_server_transaction(f.s));
	f.stop_at = SIZE_MAX;
	say(&f, "NOOP\r\n");
	assert_int_equal(count(&f, "250 2.0.0 OK"), 1);
	stop(&f);
}

static void test_deadlines(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	assert_true(smtp_server_deadline(f.s) == SMTP_NEVER);
	turn(&f);
	assert_true(smtp_server_deadline(f.s) == f.now + 5 * MINUTE_MS);
	f.now += MINUTE_MS;
	say(&f, "HELO");
	assert_true(
	    smtp_server_deadline(f.s) == f.now + 4 * MINUTE_MS); /* half a line gains nothing */
	say(&f, " c\r\n");
	assert_true(smtp_server_deadline(f.s) == f.now + 5 * MINUTE_MS);
	say(&f, ENVELOPE "DATA\r\n");
	assert_true(smtp_server_deadline(f.s) == f.now + 10 * MINUTE_MS);
	f.now += 9 * MINUTE_MS;
	say(&f, "hello");
	/* at 100 octets a second, five octets buy no second more than the first ten minutes */
	assert_true(smtp_server_deadline(f.s) == f.now + 1 * MINUTE_MS);
	f.now += MINUTE_MS;
	smtp_server_tick(f.s, f.now - 1);
	assert_non_null(smtp_server_transaction(f.s));
	smtp_server_tick(f.s, f.now);
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_ABORT);
	assert_true(smtp_server_effect(f.s)->abort.content);
	assert_int_equal(smtp_server_effect(f.s)->abort.reply.code, 421);
	turn(&f);
	assert_true(has_said(&f, "421 4.4.2"));
	assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_CLOSE);
	assert_true(smtp_server_deadline(f.s) == SMTP_NEVER);
	stop(&f);
}

/* A chunk that nobody wants may come as slowly as another. */
static void test_deadline_of_a_chunk_without_recipients(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	f.now += MINUTE_MS;
	say(&f, "EHLO c\r\nBDAT 10 LAST\r\n");
	assert_true(smtp_server_deadline(f.s) == f.now + 10 * MINUTE_MS);
	f.now += 9 * MINUTE_MS;
	smtp_server_tick(f.s, f.now);
	say(&f, "0123456789");
	assert_true(has_said(&f, "503 5.5.1"));
	stop(&f);
}

/* What the driver takes for itself is not the sender's time. */
static void test_slow_driver(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	say(&f, "HELO c\r\n" ENVELOPE "DATA\r\n");
	f.stop_at = f.effects; /* the first BODY stays pending */
	while (!smtp_server_effect(f.s))
		feed(&f, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_BODY);
	f.now += 60 * MINUTE_MS;
	f.stop_at = SIZE_MAX;
	turn(&f);
	assert_true(smtp_server_deadline(f.s) == f.now + 10 * MINUTE_MS);
	stop(&f);
}

/* A fast sender of much may take long; the session as a whole has an end, too. */
static void test_long_sessions(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	say(&f, "HELO c\r\n" ENVELOPE "DATA\r\n");
	for (int i = 0; i < 100; i++) {
		struct buf line;

		buf_init(&line, MIB);
		for (int k = 0; k < 7000; k++)
			buf_lit(&line, "x");
		f.now += MINUTE_MS;
		smtp_server_tick(f.s, f.now);
		assert_int_equal(feed(&f, buf_view(&line)).n, 0);
		buf_fini(&line);
	}
	say(&f, "\r\n.\r\n");
	assert_int_equal(f.commits, 1);
	for (int i = 0; i < 12 * 60 && !(smtp_server_wants(f.s) & SMTP_WANTS_CLOSE); i++) {
		f.now += MINUTE_MS;
		smtp_server_tick(f.s, f.now);
		turn(&f);
		if (!(smtp_server_wants(f.s) & SMTP_WANTS_CLOSE))
			say(&f, "NOOP\r\n");
	}
	assert_true(f.now == 1000 + 12 * HOUR_MS);
	assert_true(has_said(&f, "421 4.4.2"));
	stop(&f);
}

/*
 * A client that does not read: output stays bounded, input waits, its last reply does not wait for
 * ever.
 */
static void test_slow_reader(void **state)
{
	struct fixture f;
	size_t n = 0;

	start(&f, SMTP_ROLE_MX);
	f.cfg.max_commands = 0;
	smtp_server_done(f.s, NULL, f.now);
	while (smtp_server_feed(f.s, STR("HELP\r\n"), f.now) == 6)
		assert_true(++n < 10000);
	assert_true(smtp_server_out(f.s).n <= LIMIT_SMTP_OUT);
	assert_false(smtp_server_wants(f.s) & SMTP_WANTS_READ);
	assert_true(smtp_server_deadline(f.s) == f.now + 5 * MINUTE_MS);
	f.now += 5 * MINUTE_MS;
	smtp_server_tick(f.s, f.now);
	assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_WRITE);
	f.now = smtp_server_deadline(f.s);
	smtp_server_tick(f.s, f.now);
	assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_CLOSE);
	stop(&f);
}

/* The session's text for n recipients in one piece. */
static void put_recipients(struct buf *b, unsigned n)
{
	buf_lit(b, "MAIL FROM:<a@b.c>\r\n");
	for (unsigned i = 0; i < n; i++) {
		buf_lit(b, "RCPT TO:<user");
		buf_u64(b, i);
		buf_lit(b, "@example.org> ORCPT=rfc822;x\r\n");
	}
	buf_lit(b, "DATA\r\nhi\r\n.\r\n");
}

/*
 * 10 000 recipients, one too many, replies in order although the client reads a few octets at a
 * time.
 */
static void test_many_recipients(void **state)
{
	static const enum smtp_role roles[] = {SMTP_ROLE_MX, SMTP_ROLE_LMTP};

	for (size_t i = 0; i < 2; i++) {
		const struct smtp_transaction *t;
		struct fixture f;
		struct buf in;

		start(&f, roles[i]);
		f.cfg.rcpt_max = LIMIT_SMTP_RCPT_MAX;
		f.piece = 1000;
		buf_init(&in, LOG_MAX);
		buf_c(&in, i ? "LHLO c\r\n" : "HELO c\r\n");
		put_recipients(&in, LIMIT_SMTP_RCPT_MAX + 1);
		f.stop_at = LIMIT_SMTP_RCPT_MAX + 2; /* DATA, behind ADMIT and MAIL */
		buf_drop(&in, in.n - feed(&f, buf_view(&in)).n);
		t = smtp_server_transaction(f.s);
		assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_DATA);
		assert_int_equal(t->rcpt_count, LIMIT_SMTP_RCPT_MAX);
		assert_true(str_eq(t->rcpts[1234].path.local, STR("user1234")));
		assert_true(str_eq(t->rcpts[9999].params.orcpt, STR("x")));
		f.stop_at = SIZE_MAX;
		assert_int_equal(feed(&f, buf_view(&in)).n, 0);
		assert_int_equal(count(&f, "250 2.1.5"), LIMIT_SMTP_RCPT_MAX);
		assert_int_equal(count(&f, "452 4.5.3"), 1);
		assert_int_equal(count(&f, "250 2.0.0 Message"), i ? LIMIT_SMTP_RCPT_MAX : 1);
		say(&f, "NOOP\r\n");
		buf_fini(&in);
		stop(&f);
	}
}

/* Replies of LMTP wait for a client that does not read, and go on from there. */
static void test_lmtp_replies_wait(void **state)
{
	struct fixture f;
	struct buf in;
	size_t n;

	start(&f, SMTP_ROLE_LMTP);
	f.cfg.rcpt_max = LIMIT_SMTP_RCPT_MAX;
	buf_init(&in, LOG_MAX);
	buf_lit(&in, "LHLO c\r\n");
	put_recipients(&in, 5000);
	f.stop_at = 5004; /* COMMIT */
	assert_int_equal(feed(&f, buf_view(&in)).n, 0);
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_COMMIT);
	smtp_server_done(f.s, NULL, f.now);
	n = smtp_server_out(f.s).n;
	assert_true(n <= LIMIT_SMTP_OUT);
	assert_int_equal(smtp_server_feed(f.s, STR("NOOP\r\n"), f.now), 0);
	smtp_server_shutdown(f.s, f.now); /* waits for all replies */
	f.stop_at = SIZE_MAX;
	drain(&f);
	assert_int_equal(count(&f, "250 2.0.0 Message"), 5000);
	assert_true(has_said(&f, "421 4.3.2"));
	assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_CLOSE);
	buf_fini(&in);
	stop(&f);
}

/* A gigabyte against the limit: BODY ends at the limit, the connection soon after. */
static void test_flood(void **state)
{
	struct fixture f;
	struct buf line;
	uint64_t n = 0;

	start(&f, SMTP_ROLE_MX);
	f.cfg.size_limit = MIB;
	buf_init(&line, MIB);
	while (line.n < 60000)
		buf_lit(&line,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
	say(&f, "HELO c\r\n" ENVELOPE "DATA\r\n");
	while (!(smtp_server_wants(f.s) & SMTP_WANTS_CLOSE)) {
		assert_int_equal(feed(&f, buf_view(&line)).n, 0);
		n += line.n;
		assert_true(n < 100 * MIB);
	}
	assert_true(n > 11 * MIB && n < 12 * MIB);
	assert_true(f.body.n <= MIB && f.body.n > MIB - LIMIT_BODY_CHUNK);
	assert_int_equal(f.aborts, 1);
	assert_int_equal(f.commits, 0);
	assert_true(has_said(&f, "552 5.3.4"));
	buf_fini(&line);
	stop(&f);
}

/* The same by BDAT, in a transaction and outside of any. */
static void test_flood_chunks(void **state)
{
	for (int i = 0; i < 2; i++) {
		static const uint8_t zeros[60000];
		struct fixture f;
		uint64_t n = 0;

		start(&f, SMTP_ROLE_MX);
		f.cfg.size_limit = MIB;
		say(&f, "HELO c\r\n");
		if (i)
			say(&f, ENVELOPE);
		say(&f, "BDAT 1000000000\r\n");
		while (!(smtp_server_wants(f.s) & SMTP_WANTS_CLOSE)) {
			assert_int_equal(feed(&f, str_of(zeros, sizeof zeros)).n, 0);
			n += sizeof zeros;
			assert_true(n < 100 * MIB);
		}
		assert_true(n > 11 * MIB && n < 12 * MIB);
		assert_int_equal(f.body.n, 0);
		assert_true(has_said(&f, "552 5.3.4"));
		stop(&f);
	}
}

/* Large content arrives as it was, whatever the pieces. */
static void test_large_body(void **state)
{
	static const size_t pieces[] = {1, 7, 1460, 16384, 16385, 100000};
	struct buf content;
	uint32_t dice = 1;

	buf_init(&content, LOG_MAX);
	for (int i = 0; i < 20000; i++) {
		dice = dice * 1664525u + 1013904223u;
		buf_c(&content, &"xxxxxxxxxxxxxxxx"[dice >> 28]);
		if (dice >> 20 & 1)
			buf_byte(&content, '.');
		if (dice >> 21 & 1)
			buf_lit(&content, "\r\n");
	}
	buf_lit(&content, "\r\n");
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct str rest = buf_view(&content);
		struct fixture f;
		struct buf head;

		start(&f, SMTP_ROLE_MX);
		buf_init(&head, 100);
		say(&f, "HELO c\r\n" ENVELOPE);
		buf_lit(&head, "BDAT ");
		buf_u64(&head, content.n);
		buf_lit(&head, " LAST\r\n");
		assert_int_equal(feed(&f, buf_view(&head)).n, 0);
		for (; rest.n; rest = str_from(rest, pieces[i]))
			assert_int_equal(feed(&f, str_sub(rest, 0, pieces[i])).n, 0);
		assert_int_equal(f.commits, 1);
		assert_true(str_eq(buf_view(&f.body), buf_view(&content)));
		buf_fini(&head);
		stop(&f);
	}
	buf_fini(&content);
}

#define SESSION                                                                                    \
	"EHLO c\r\nAUTH PLAIN AGJvYgBz\r\n" ENVELOPE "DATA\r\nhi\r\n.\r\n" ENVELOPE                \
	"BDAT 2\r\nhiRSET\r\n" ENVELOPE "BDAT 2 LAST\r\nhiQUIT\r\n"

/* The session ends at each effect: freed, with the end of input, by shutdown. */
static void test_ends(void **state)
{
	size_t all = 0;

	for (size_t at = 0; all == 0 || at <= all; at++) {
		for (int how = 0; how < 3; how++) {
			struct fixture f;
			struct str rest;

			start(&f, SMTP_ROLE_SUBMISSION);
			f.stop_at = at;
			rest = feed(&f, STR(SESSION));
			if (!smtp_server_effect(f.s))
				all = f.effects;
			if (how == 1)
				smtp_server_eof(f.s, f.now);
			if (how == 2)
				smtp_server_shutdown(f.s, f.now);
			f.stop_at = how == 0 ? at : SIZE_MAX;
			turn(&f);
			if (how == 2)
				rest = feed(&f, rest); /* content under way is finished */
			if (how) {
				assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_CLOSE);
				assert_int_equal(smtp_server_feed(f.s, rest, f.now), rest.n);
				assert_null(smtp_server_transaction(f.s));
			}
			stop(&f);
		}
	}
	assert_int_equal(all, 16);
}

/* The end of input while COMMIT is pending takes nothing back. */
static void test_eof_at_commit(void **state)
{
	struct fixture f;

	start(&f, SMTP_ROLE_MX);
	f.stop_at = 5;
	say(&f, "HELO c\r\n" ENVELOPE "DATA\r\nhi\r\n.\r\n");
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_COMMIT);
	smtp_server_eof(f.s, f.now);
	f.stop_at = SIZE_MAX;
	turn(&f);
	assert_int_equal(f.aborts, 0);
	assert_true(has_said(&f, "250 2.0.0 Message accepted"));
	assert_int_equal(smtp_server_wants(f.s), SMTP_WANTS_CLOSE);
	stop(&f);
}

/* TLS forgets who spoke; octets before the handshake are dropped wherever they were cut. */
static void test_starttls(void **state)
{
	struct smtp_peer peer = {.plaintext_auth = true};
	struct fixture f;

	start(&f, SMTP_ROLE_SUBMISSION);
	smtp_server_free(&f.s);
	f.cfg.starttls = true;
	f.s = smtp_server_new(&f.cfg, &peer, f.now);
	f.stop_at = 2;
	assert_int_equal(feed(&f, STR("EHLO c\r\nAUTH PLAIN AGJvYgBz\r\n")).n, 0);
	assert_true(str_eq(smtp_server_account(f.s), STR("bob")));
	assert_int_equal(feed(&f, STR("STARTTLS\r\nEHLO evil\r\nNOO")).n, 0);
	assert_int_equal(smtp_server_effect(f.s)->kind, SMTP_EFFECT_STARTTLS);
	assert_true(has_said(&f, "220 2.0.0")); /* goes out before the handshake */
	assert_int_equal(smtp_server_feed(f.s, STR("P\r\n"), f.now), 3);
	f.stop_at = SIZE_MAX;
	buf_clear(&f.said);
	turn(&f);
	assert_int_equal(smtp_server_helo(f.s).n, 0);
	assert_int_equal(smtp_server_account(f.s).n, 0);
	say(&f, "NOOP\r\n");
	assert_true(str_eq(buf_view(&f.said), STR("250 2.0.0 OK\r\n")));
	say(&f, "EHLO c\r\n");
	assert_true(has_said(&f, "250-PIPELINING"));
	assert_false(has_said(&f, "STARTTLS"));
	assert_true(str_eq(smtp_server_protocol(f.s), STR("ESMTPS")));
	stop(&f);
}

struct word {
	enum smtp_role role;
	bool tls;
	const char *commands, *want;
};

static const struct word words[] = {
    {SMTP_ROLE_MX, false, "HELO c\r\nMAIL FROM:<>\r\n", "SMTP"},
    {SMTP_ROLE_MX, true, "HELO c\r\nMAIL FROM:<>\r\n", "SMTP"},
    {SMTP_ROLE_MX, false, "EHLO c\r\nMAIL FROM:<>\r\n", "ESMTP"},
    {SMTP_ROLE_MX, true, "EHLO c\r\nMAIL FROM:<>\r\n", "ESMTPS"},
    {SMTP_ROLE_MX, false, "EHLO c\r\nMAIL FROM:<> SMTPUTF8\r\n", "UTF8SMTP"},
    {SMTP_ROLE_MX, true, "EHLO c\r\nMAIL FROM:<> SMTPUTF8\r\n", "UTF8SMTPS"},
    {SMTP_ROLE_SUBMISSION, false, "EHLO c\r\nAUTH PLAIN AGJvYgBz\r\nMAIL FROM:<>\r\n", "ESMTPA"},
    {SMTP_ROLE_SUBMISSION, true, "EHLO c\r\nAUTH PLAIN AGJvYgBz\r\nMAIL FROM:<>\r\n", "ESMTPSA"},
    {SMTP_ROLE_SUBMISSION, true, "EHLO c\r\nAUTH PLAIN AGJvYgBz\r\nMAIL FROM:<> SMTPUTF8\r\n",
	"UTF8SMTPSA"},
    {SMTP_ROLE_LMTP, false, "LHLO c\r\nMAIL FROM:<>\r\n", "LMTP"},
    {SMTP_ROLE_LMTP, true, "LHLO c\r\nMAIL FROM:<> SMTPUTF8\r\n", "UTF8LMTPS"},
    {SMTP_ROLE_LOCAL, false, "EHLO c\r\nMAIL FROM:<>\r\n", "ESMTP"},
};

static void test_protocol(void **state)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct smtp_peer peer = {.tls = words[i].tls, .plaintext_auth = true};
		struct fixture f;

		start(&f, words[i].role);
		smtp_server_free(&f.s);
		f.s = smtp_server_new(&f.cfg, &peer, f.now);
		say(&f, words[i].commands);
		assert_true(str_eq(smtp_server_protocol(f.s), str_of_c(words[i].want)));
		stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_early_talker),
	    cmocka_unit_test(test_pending),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_deadline_of_a_chunk_without_recipients),
	    cmocka_unit_test(test_slow_driver),
	    cmocka_unit_test(test_long_sessions),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_many_recipients),
	    cmocka_unit_test(test_lmtp_replies_wait),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_flood_chunks),
	    cmocka_unit_test(test_large_body),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_eof_at_commit),
	    cmocka_unit_test(test_starttls),
	    cmocka_unit_test(test_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
