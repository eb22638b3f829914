/*
 * What transcripts cannot show of the client: injection, times, failures while an effect is
 * pending.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "smtp/smtp_client.h"

/* bob and his password, in base 64 */
#define PLAIN "AGJvYgBzZWNyZXQsIHNlY3JldA=="
#define USER  "Ym9i"
#define LOGIN "c2VjcmV0LCBzZWNyZXQ="

static const char *const hidden[] = {PLAIN, "AGJVYGBZ", USER, LOGIN, "secret, secret"};

struct fixture {
	struct smtp_client_config cfg;
	struct smtp_client *c;
	struct arena *arena;
	struct smtp_client_message message;
	struct smtp_client_rcpt rcpt;
	int64_t now;
};

static void start(struct fixture *f)
{
	*f = (struct fixture){.now = 1000, .arena = arena_new()};
	smtp_client_config_init(&f->cfg);
	f->cfg.helo = STR("client.test");
	f->message = (struct smtp_client_message){
	    .reverse = {.is_null = true}, .rcpts = &f->rcpt, .rcpt_count = 1};
	assert_int_equal(
	    smtp_mailbox_parse(STR("bob@x.org"), true, f->arena, &f->rcpt.path), SMTP_PATH_OK);
	f->c = smtp_client_new(&f->cfg, f->now);
}

static void stop(struct fixture *f)
{
	smtp_client_free(&f->c);
	assert_null(f->c);
	smtp_client_free(&f->c);
	arena_free(&f->arena);
}

static void flush(struct fixture *f)
{
	smtp_client_sent(f->c, smtp_client_out(f->c).n, f->now);
}

/* The server says this; what the client says goes out. */
static void say(struct fixture *f, const char *text)
{
	flush(f);
	assert_int_equal(smtp_client_feed(f->c, str_of_c(text), f->now), strlen(text));
	flush(f);
}

static enum smtp_client_effect_kind asked(const struct fixture *f)
{
	assert_non_null(smtp_client_effect(f->c));
	return smtp_client_effect(f->c)->kind;
}

static void send_next(struct fixture *f)
{
	struct smtp_client_result r = {.next = &f->message};

	assert_int_equal(asked(f), SMTP_CLIENT_READY);
	smtp_client_done(f->c, &r, f->now);
}

static void give(struct fixture *f, struct str body, bool last)
{
	struct smtp_client_result r = {.body = body, .last = last};

	assert_int_equal(asked(f), SMTP_CLIENT_BODY);
	smtp_client_done(f->c, &r, f->now);
}

/* The session up to the first BODY, without PIPELINING. */
static void go_to_body(struct fixture *f)
{
	say(f, "220 hi\r\n");
	say(f, "250 mx.test\r\n");
	send_next(f);
	say(f, "250 ok\r\n");
	say(f, "250 ok\r\n");
	say(f, "354 ok\r\n");
	assert_int_equal(asked(f), SMTP_CLIENT_BODY);
}

/* The message is reported so, and the session is over so. */
static void expect_end(struct fixture *f, enum smtp_outcome outcome, enum smtp_stage stage)
{
	assert_int_equal(asked(f), SMTP_CLIENT_REPORT);
	assert_int_equal(smtp_client_effect(f->c)->verdicts[0].outcome, outcome);
	assert_int_equal(smtp_client_effect(f->c)->verdicts[0].stage, stage);
	smtp_client_done(f->c, NULL, f->now);
	assert_int_equal(asked(f), SMTP_CLIENT_CLOSED);
	assert_int_equal(smtp_client_effect(f->c)->verdict.stage, stage);
	smtp_client_done(f->c, NULL, f->now);
	assert_int_equal(smtp_client_wants(f->c), SMTP_WANTS_CLOSE);
	assert_true(smtp_client_deadline(f->c) == SMTP_NEVER);
}

/* What is kept of an answer to AUTH: in the conversation, and as the reason. */
static void must_hide(const char *offered, const char *const *says, const char *kept)
{
	struct fixture f;
	struct smtp_dialogue dialogue;
	struct buf text;
	struct str said;

	start(&f);
	smtp_dialogue_init(&dialogue, MIB);
	buf_init(&text, KIB);
	f.cfg.user = STR("bob");
	f.cfg.password = STR("secret, secret");
	f.cfg.plaintext_auth = true;
	f.cfg.dialogue = &dialogue;
	say(&f, "220 hi\r\n");
	buf_printf(&text, "250-mx.test\r\n250 AUTH %s\r\n", offered);
	say(&f, buf_cstr(&text));
	for (size_t i = 0; says[i]; i++)
		say(&f, says[i]);
	assert_int_equal(asked(&f), SMTP_CLIENT_CLOSED);
	buf_clear(&text);
	buf_str(&text, smtp_client_effect(f.c)->verdict.reply.text);
	assert_string_equal(buf_cstr(&text), kept);
	said = smtp_dialogue_text(&dialogue);
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
		if (str_find_str(said, str_of_c(hidden[i])) < said.n)
			fail_msg("%s: %.*s", kept, STR_FMT(said));
	smtp_dialogue_fini(&dialogue);
	buf_fini(&text);
	stop(&f);
}

static void test_secret_is_repeated(void **state)
{
	static const char nonsense[] = "the server sent what is no SMTP reply";
	static const struct {
		const char *offered, *says[4], *kept;
	} rows[] = {
	    {"PLAIN", {"500 5.5.1 Command unrecognized: \"AUTH PLAIN " PLAIN "\"\r\n"},
		"Command unrecognized: \"AUTH PLAIN (secret)\""},
	    {"PLAIN", {"500-" PLAIN PLAIN "\r\n", "500 x" PLAIN "\r\n"},
		"(secret)(secret)\nx(secret)"},
	    {"PLAIN", {"500 what is AGJVYGBZ\r\n"}, "what is (secret)"}, /* a part, and louder */
	    {"PLAIN", {"334 go on\r\n", "501 5.5.2 AUTH PLAIN " PLAIN "?\r\n"},
		"AUTH PLAIN (secret)?"},
	    {"PLAIN", {"421 4.3.2 bye " PLAIN "\r\n"}, "bye (secret)"},
	    {"PLAIN", {PLAIN "\r\n"}, nonsense},
	    {"PLAIN", {"535 bob may not use \"secret, secret\"\r\n"},
		"bob may not use \"(secret)\""},
	    {"LOGIN",
		{"334 user\r\n", "334-" USER "\r\n334 it is\r\n", "500 " USER " " LOGIN "\r\n"},
		"(secret) (secret)"},
	    {"LOGIN", {"334 user\r\n", "500 " USER "\r\n"}, "(secret)"},
	    {"LOGIN", {"334 user\r\n", "334 word\r\n", LOGIN "\r\n"}, nonsense},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		must_hide(rows[i].offered, rows[i].says, rows[i].kept);
}

/* Megabytes of refusals: what was said first and last is kept. */
static void test_long_dialogue(void **state)
{
	struct fixture f;
	struct smtp_dialogue dialogue;
	struct buf line;
	struct str said;

	start(&f);
	smtp_dialogue_init(&dialogue, 64 * KIB);
	buf_init(&line, 4 * KIB);
	f.cfg.dialogue = &dialogue;
	say(&f, "220 hi\r\n");
	say(&f, "250 mx.test\r\n");
	send_next(&f);
	buf_lit(&line, "550-");
	while (buf_room(&line) > 2)
		buf_byte(&line, 'x');
	buf_lit(&line, "\r\n");
	for (size_t i = 0; i < 500; i++)
		say(&f, buf_cstr(&line));
	say(&f, "550 the last word\r\n");
	said = smtp_dialogue_text(&dialogue);
	assert_true(said.n > 63 * KIB && said.n <= 64 * KIB);
	assert_true(str_has_prefix(said, STR("S: 220 hi\nC: EHLO ")));
	assert_true(str_find_str(said, STR("\nS: 550 the last word\n")) < said.n);
	assert_true(str_find_str(said, STR("\n* lines left out: ")) < said.n);
	buf_fini(&line);
	smtp_dialogue_fini(&dialogue);
	stop(&f);
}

static const char evil[] = "250-evil\r\n250 AUTH PLAIN\r\n";

/* The answer to STARTTLS and, in the same piece, n octets of somebody else. */
static void inject(struct fixture *f, enum smtp_tls_policy policy, size_t n)
{
	struct buf piece;

	start(f);
	f->cfg.tls = policy;
	buf_init(&piece, 200);
	buf_lit(&piece, "220 go\r\n");
	buf_add(&piece, evil, n);
	say(f, "220 hi\r\n");
	say(f, "250-mx.test\r\n250 STARTTLS\r\n");
	assert_int_equal(smtp_client_feed(f->c, buf_view(&piece), f->now), piece.n);
	buf_fini(&piece);
}

/* TLS is a must: the session ends, nothing is sent. */
static void test_injection(void **state)
{
	for (size_t n = 1; n < sizeof evil; n++) {
		struct fixture f;

		inject(&f, SMTP_TLS_REQUIRE, n);
		assert_int_equal(asked(&f), SMTP_CLIENT_CLOSED);
		assert_int_equal(smtp_client_effect(f.c)->verdict.stage, SMTP_STAGE_TLS);
		assert_int_equal(smtp_client_out(f.c).n, 0);
		assert_false(smtp_client_is_tls(f.c));
		stop(&f);
	}
}

/* TLS is welcome: it begins, and of what was injected nothing is left. */
static void test_injection_is_dropped(void **state)
{
	for (size_t n = 1; n < sizeof evil; n++) {
		struct fixture f;

		inject(&f, SMTP_TLS_MAY, n);
		assert_int_equal(asked(&f), SMTP_CLIENT_STARTTLS);
		smtp_client_done(f.c, NULL, f.now);
		assert_true(smtp_client_is_tls(f.c));
		assert_int_equal(smtp_client_facts(f.c)->extensions, 0);
		say(&f, "250-mx.test\r\n250 DSN\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_READY);
		assert_int_equal(smtp_client_facts(f.c)->extensions, SMTP_EXT_DSN);
		stop(&f);
	}
}

/* A line without end: the session does not wait for it. */
static void test_line_without_end(void **state)
{
	struct fixture f;

	start(&f);
	for (size_t n = 0; n < 4 * KIB; n++) {
		assert_null(smtp_client_effect(f.c));
		smtp_client_feed(f.c, STR("x"), f.now);
	}
	smtp_client_feed(f.c, STR("x"), f.now);
	assert_int_equal(asked(&f), SMTP_CLIENT_CLOSED);
	stop(&f);
}

/* While the handshake is under way nothing is read. */
static void test_starttls_reads_nothing(void **state)
{
	struct fixture f;

	start(&f);
	say(&f, "220 hi\r\n");
	say(&f, "250-mx.test\r\n250 STARTTLS\r\n");
	say(&f, "220 go\r\n");
	assert_int_equal(asked(&f), SMTP_CLIENT_STARTTLS);
	assert_int_equal(smtp_client_wants(f.c), 0);
	assert_int_equal(smtp_client_facts(f.c)->extensions, SMTP_EXT_STARTTLS);
	smtp_client_done(f.c, NULL, f.now);
	assert_int_equal(smtp_client_facts(f.c)->extensions, 0);
	assert_true(smtp_client_is_tls(f.c));
	stop(&f);
}

/* As long as the final dot is still here nothing was delivered; once it is out nobody knows. */
static void test_unsent_dot(void **state)
{
	for (int sent = 0; sent < 2; sent++) {
		struct fixture f;

		start(&f);
		go_to_body(&f);
		give(&f, STR("hi\r\n"), true);
		assert_true(str_eq(smtp_client_out(f.c), STR("hi\r\n.\r\n")));
		smtp_client_sent(f.c, sent ? 7 : 6, f.now);
		smtp_client_eof(f.c, f.now);
		expect_end(
		    &f, sent ? SMTP_OUTCOME_UNSURE : SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_BODY);
		stop(&f);
	}
}

/* The session up to the first BODY, by BDAT and without PIPELINING. */
static void go_to_chunks(struct fixture *f, size_t chunk)
{
	f->cfg.chunk = chunk;
	say(f, "220 hi\r\n");
	say(f, "250-mx.test\r\n250 CHUNKING\r\n");
	send_next(f);
	say(f, "250 ok\r\n");
	say(f, "250 ok\r\n");
	assert_int_equal(asked(f), SMTP_CLIENT_BODY);
}

/* Content whose end is in the output; or it is out of it, and `behind` octets wait in the stream. */
static void end_early(struct fixture *f, bool chunked, size_t behind)
{
	start(f);
	if (chunked)
		go_to_chunks(f, LIMIT_SMTP_CHUNK);
	else
		go_to_body(f);
	give(f, STR("hi\r\n"), true);
	if (behind)
		flush(f);
	smtp_client_unsent(f->c, behind);
}

/* What comes before all of the content has left cannot be about it: positive, it delivers nothing. */
static void test_reply_before_the_end(void **state)
{
	static const struct {
		const char *says;
		enum smtp_outcome outcome;
	} rows[] = {
	    {"250 taken\r\n", SMTP_OUTCOME_TEMPORARY},
	    {"354 go on\r\n", SMTP_OUTCOME_TEMPORARY},
	    {"421 closing\r\n", SMTP_OUTCOME_TEMPORARY},
	    {"451 later\r\n", SMTP_OUTCOME_TEMPORARY},
	    {"550 no\r\n", SMTP_OUTCOME_PERMANENT},
	    {"what is this\r\n", SMTP_OUTCOME_TEMPORARY},
	    {"500 unknown command\r\n", SMTP_OUTCOME_PERMANENT},
	};

	for (int way = 0; way < 4; way++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct fixture f;

			end_early(&f, way & 1, way / 2);
			smtp_client_feed(f.c, str_of_c(rows[i].says), f.now);
			expect_end(&f, rows[i].outcome, SMTP_STAGE_BODY);
			assert_int_equal(smtp_client_out(f.c).n, 0);
			assert_true(smtp_client_facts(f.c)->taken_back);
			assert_int_equal(smtp_client_facts(f.c)->bdat_unknown,
			    (way & 1) && !strncmp(rows[i].says, "500", 3));
			stop(&f);
		}
}

/* As soon as it has left, it is. */
static void test_reply_behind_the_end(void **state)
{
	for (int chunked = 0; chunked < 2; chunked++) {
		struct fixture f;

		end_early(&f, chunked, 1);
		smtp_client_unsent(f.c, 0);
		smtp_client_feed(f.c, STR("250 taken\r\n"), f.now);
		assert_int_equal(asked(&f), SMTP_CLIENT_REPORT);
		assert_int_equal(
		    smtp_client_effect(f.c)->verdicts[0].outcome, SMTP_OUTCOME_ACCEPTED);
		stop(&f);
	}
}

/* The only chunk that was said has not left, so nothing of it was taken. */
static void test_reply_before_a_chunk(void **state)
{
	struct fixture f;

	start(&f);
	go_to_chunks(&f, 4);
	give(&f, STR("hi\r\nho"), false);
	assert_true(str_eq(smtp_client_out(f.c), STR("BDAT 4\r\nhi\r\n")));
	smtp_client_feed(f.c, STR("250 taken\r\n"), f.now);
	give(&f, STR("!"), false);
	expect_end(&f, SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_BODY);
	stop(&f);
}

/* Who does not know BDAT would read as commands what the message holds. */
static void test_bdat_unknown_before_a_chunk(void **state)
{
	struct fixture f;

	start(&f);
	go_to_chunks(&f, 4);
	give(&f, STR("hi\r\nMAIL FROM:<x@y.test>"), false);
	smtp_client_feed(f.c, STR("500 unknown command\r\n"), f.now);
	assert_int_equal(smtp_client_out(f.c).n, 0);
	assert_true(smtp_client_facts(f.c)->bdat_unknown);
	assert_true(smtp_client_facts(f.c)->taken_back);
	stop(&f);
}

/* The same for each octet of the last chunk. */
static void test_unsent_chunk(void **state)
{
	static const char last[] = "BDAT 4 LAST\r\nhi\r\n";

	for (size_t sent = 0; sent < sizeof last; sent++) {
		struct fixture f;
		bool all = sent == sizeof last - 1;

		start(&f);
		go_to_chunks(&f, LIMIT_SMTP_CHUNK);
		give(&f, STR("hi\r\n"), true);
		assert_true(str_eq(smtp_client_out(f.c), str_of_c(last)));
		smtp_client_sent(f.c, sent, f.now);
		smtp_client_eof(f.c, f.now);
		expect_end(&f, all ? SMTP_OUTCOME_UNSURE : SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_BODY);
		stop(&f);
	}
}

/* Chunks are refused while content is awaited: what comes then is not sent, and the session goes on. */
static void test_refused_at_body(void **state)
{
	for (int failed = 0; failed < 2; failed++) {
		struct smtp_client_result r = {
		    .failed = failed, .body = STR("abcdefgh"), .last = true};
		struct fixture f;

		start(&f);
		go_to_chunks(&f, 4);
		give(&f, STR("abcd"), false);
		say(&f, "552 5.3.4 too much\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_BODY);
		smtp_client_done(f.c, &r, f.now);
		assert_int_equal(smtp_client_out(f.c).n, 0);
		assert_int_equal(asked(&f), SMTP_CLIENT_REPORT);
		assert_int_equal(
		    smtp_client_effect(f.c)->verdicts[0].outcome, SMTP_OUTCOME_PERMANENT);
		smtp_client_done(f.c, NULL, f.now);
		send_next(&f);
		assert_true(str_eq(smtp_client_out(f.c), STR("RSET\r\n")));
		stop(&f);
	}
}

/* A reply although no chunk waits for one ends the session. */
static void test_unasked_at_chunks(void **state)
{
	struct fixture f;

	start(&f);
	go_to_chunks(&f, 4);
	say(&f, "250 ok\r\n");
	give(&f, STR("hi\r\n"), true);
	assert_int_equal(smtp_client_out(f.c).n, 0);
	expect_end(&f, SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_BODY);
	stop(&f);
}

/* A failure while BODY is pending waits for its end; what it brings is not sent. */
static void test_failure_at_body(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct fixture f;

		start(&f);
		go_to_body(&f);
		if (how == 0)
			smtp_client_eof(f.c, f.now);
		if (how == 1)
			say(&f, "421 4.3.2 bye\r\n");
		if (how == 2)
			say(&f, "552 too much\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_BODY);
		assert_true(smtp_client_deadline(f.c) == SMTP_NEVER);
		give(&f, STR("hi\r\n"), true);
		assert_int_equal(smtp_client_out(f.c).n, 0);
		expect_end(&f, how == 2 ? SMTP_OUTCOME_PERMANENT : SMTP_OUTCOME_TEMPORARY,
		    SMTP_STAGE_BODY);
		stop(&f);
	}
}

/* READY stays until the server goes; then CLOSED takes its place. */
static void test_idle(void **state)
{
	for (int how = 0; how < 2; how++) {
		struct fixture f;

		start(&f);
		say(&f, "220 hi\r\n");
		say(&f, "250 mx.test\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_READY);
		assert_int_equal(smtp_client_wants(f.c), SMTP_WANTS_READ);
		assert_true(smtp_client_deadline(f.c) == SMTP_NEVER);
		if (how == 0)
			smtp_client_eof(f.c, f.now);
		else
			say(&f, "421 4.4.2 idle too long\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_CLOSED);
		assert_int_equal(smtp_client_effect(f.c)->verdict.outcome, SMTP_OUTCOME_TEMPORARY);
		assert_int_equal(smtp_client_effect(f.c)->verdict.reply.code, how ? 421 : 0);
		smtp_client_done(f.c, NULL, f.now);
		assert_int_equal(smtp_client_wants(f.c), SMTP_WANTS_CLOSE);
		stop(&f);
	}
}

/* Each stage has its time; it runs anew from each reply [RFC 5321 4.5.3.2]. */
static void test_timeouts(void **state)
{
	static const struct {
		const char *says;
		int64_t minutes;
		enum smtp_stage stage;
	} steps[] = {
	    {"", 5, SMTP_STAGE_CONNECT},
	    {"220 hi\r\n", 5, SMTP_STAGE_HELO},
	    {"250 mx.test\r\n", 5, SMTP_STAGE_MAIL},
	    {"250 ok\r\n", 5, SMTP_STAGE_RCPT},
	    {"250 ok\r\n", 2, SMTP_STAGE_DATA},
	    {"354 ok\r\n", 10, SMTP_STAGE_BODY},
	};

	for (size_t last = 0; last < sizeof steps / sizeof *steps; last++) {
		struct fixture f;
		int64_t at;

		start(&f);
		for (size_t i = 0; i <= last; i++) {
			f.now += 17;
			if (i > 0)
				say(&f, steps[i].says);
			if (smtp_client_effect(f.c) && asked(&f) == SMTP_CLIENT_READY)
				send_next(&f);
			if (smtp_client_effect(f.c) && asked(&f) == SMTP_CLIENT_BODY)
				give(&f, STR("x"), true);
		}
		flush(&f);
		at = (last ? f.now : 1000) + steps[last].minutes * MINUTE_MS;
		assert_true(smtp_client_deadline(f.c) == at);
		smtp_client_tick(f.c, at - 1);
		assert_null(smtp_client_effect(f.c));
		f.now = at;
		smtp_client_tick(f.c, at);
		if (last < 2) {
			assert_int_equal(asked(&f), SMTP_CLIENT_CLOSED);
			assert_int_equal(smtp_client_effect(f.c)->verdict.stage, steps[last].stage);
		} else {
			expect_end(&f, last == 5 ? SMTP_OUTCOME_UNSURE : SMTP_OUTCOME_TEMPORARY,
			    steps[last].stage);
		}
		stop(&f);
	}
}

/* Whoever cannot wait any longer leaves: it may be delivered if it was said to its end, and is for later else. */
static void test_leave(void **state)
{
	for (int ended = 0; ended < 2; ended++) {
		struct fixture f;

		start(&f);
		say(&f, "220 hi\r\n250 mx.test\r\n");
		send_next(&f);
		say(&f, "250 ok\r\n");
		f.now += 17;
		say(&f, "250 ok\r\n");
		if (ended) {
			say(&f, "354 ok\r\n");
			give(&f, STR("x"), true);
			flush(&f);
		}
		assert_true(smtp_client_moved(f.c) == f.now);
		assert_int_equal(smtp_client_is_at_content(f.c), ended);
		smtp_client_leave(f.c, STR("to stop"), ++f.now);
		expect_end(&f, ended ? SMTP_OUTCOME_UNSURE : SMTP_OUTCOME_TEMPORARY,
		    ended ? SMTP_STAGE_BODY : SMTP_STAGE_DATA);
		stop(&f);
	}
}

#define TIME(member) offsetof(struct smtp_client_timeouts, member)

static int64_t time_at(const struct smtp_client_timeouts *t, size_t member)
{
	return *(const int64_t *)((const char *)t + member);
}

/* The RFC's minutes, unless somebody says otherwise; of EHLO and QUIT it has none [RFC 5321 4.5.3.2]. */
static void test_minutes(void **state)
{
	static const struct {
		size_t member;
		int64_t seconds;
	} rows[] = {
	    {TIME(greeting), 5 * 60},
	    {TIME(helo), 5 * 60},
	    {TIME(mail), 5 * 60},
	    {TIME(rcpt), 5 * 60},
	    {TIME(data), 2 * 60},
	    {TIME(body), 3 * 60},
	    {TIME(end), 10 * 60},
	    {TIME(quit), 10},
	};
	struct smtp_client_config cfg;

	smtp_client_config_init(&cfg);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(
		    time_at(&cfg.timeouts, rows[i].member), rows[i].seconds * SECOND_MS);
}

/* Answers what the session asks for: a message or QUIT; content of one octet, or as much as there is room for. */
static void go_on(struct fixture *f, bool fills, bool quits)
{
	static uint8_t content[LIMIT_BODY_CHUNK];

	while (smtp_client_effect(f->c)) {
		if (asked(f) == SMTP_CLIENT_READY && !quits)
			send_next(f);
		else if (asked(f) != SMTP_CLIENT_BODY)
			smtp_client_done(f->c, NULL, f->now);
		else if (fills)
			give(f, str_of(content, sizeof content), false);
		else
			give(f, STR("x"), true);
	}
}

/* Each thing that is waited for has a time of its own, which runs from the reply before it. */
static void test_each_wait(void **state)
{
#define HI  "220 hi\r\n"
#define OK  "250 ok\r\n"
#define NO  "550 no\r\n"
#define GO  "354 go\r\n"
#define ALL "250-mx.test\r\n250 PIPELINING\r\n"
	static const struct {
		const char *says[8];
		size_t member;
		bool fills, quits;
	} rows[] = {
	    {{NULL}, TIME(greeting)},
	    {{HI}, TIME(helo)},
	    {{HI, NO}, TIME(helo)}, /* HELO */
	    {{HI, "250-mx.test\r\n250 STARTTLS\r\n"}, TIME(helo)},
	    {{HI, "250-mx.test\r\n250 STARTTLS\r\n", HI}, TIME(helo)}, /* EHLO again */
	    {{HI, "250-mx.test\r\n250 AUTH PLAIN\r\n"}, TIME(helo)},
	    {{HI, OK}, TIME(mail)},
	    {{HI, OK, OK}, TIME(rcpt)},
	    {{HI, OK, OK, OK}, TIME(data)},
	    {{HI, OK, OK, OK, GO}, TIME(body), .fills = true},
	    {{HI, OK, OK, OK, GO}, TIME(end)},
	    {{HI, OK, OK, NO}, TIME(mail)}, /* RSET, for the next one */
	    {{HI, ALL}, TIME(mail)},
	    {{HI, ALL, OK}, TIME(rcpt)},
	    {{HI, ALL, OK, OK}, TIME(data)},
	    {{HI, ALL, OK, NO, GO}, TIME(end)}, /* of no content: nobody gets it */
	    {{HI, OK}, TIME(quit), .quits = true},
	};
	static const struct smtp_client_timeouts times = {1, 2, 3, 4, 5, 6, 7, 8};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct fixture f;

		start(&f);
		f.cfg.timeouts = times;
		f.cfg.plaintext_auth = true;
		if (rows[i].says[1] && strstr(rows[i].says[1], "AUTH"))
			f.cfg.user = f.cfg.password = STR("x");
		for (size_t k = 0; rows[i].says[k]; k++) {
			f.now += 17;
			say(&f, rows[i].says[k]);
			go_on(&f, rows[i].fills, rows[i].quits);
			if (!rows[i].fills)
				flush(&f);
		}
		if (smtp_client_deadline(f.c) != f.now + time_at(&times, rows[i].member))
			fail_msg(
			    "row %zu: %lld", i, (long long)(smtp_client_deadline(f.c) - f.now));
		stop(&f);
	}
#undef HI
#undef OK
#undef NO
#undef GO
#undef ALL
}

/* A server that does not read: output is bounded, content waits, then time is up. */
static void test_slow_server(void **state)
{
	static uint8_t dots[LIMIT_BODY_CHUNK];
	struct fixture f;
	size_t n = 0;

	for (size_t i = 0; i < sizeof dots; i++)
		dots[i] = i % 2 ? '\n' : '.';
	start(&f);
	go_to_body(&f);
	while (smtp_client_effect(f.c)) {
		give(&f, str_of(dots, sizeof dots), false);
		assert_true(smtp_client_out(f.c).n <= LIMIT_SMTP_OUT);
		assert_true(++n < 10);
	}
	assert_true(n > 1);
	assert_true(smtp_client_deadline(f.c) == f.now + 3 * MINUTE_MS);
	smtp_client_sent(f.c, smtp_client_out(f.c).n, f.now);
	assert_int_equal(asked(&f), SMTP_CLIENT_BODY);
	stop(&f);
}

/* The same by BDAT, with chunks that are full only once; one that does not answer them either. */
static void test_slow_chunks(void **state)
{
	static uint8_t content[LIMIT_BODY_CHUNK];

	for (int reads = 0; reads < 2; reads++) {
		struct fixture f;
		size_t n = 0;

		start(&f);
		go_to_chunks(&f, LIMIT_SMTP_CHUNK);
		while (smtp_client_effect(f.c)) {
			give(&f, str_of(content, sizeof content), false);
			assert_true(smtp_client_out(f.c).n <= LIMIT_SMTP_OUT + LIMIT_SMTP_CHUNK);
			if (reads)
				flush(&f);
			assert_true(++n < 10);
		}
		assert_int_equal(n, reads ? 8 : 4);
		assert_true(smtp_client_deadline(f.c) == f.now + 3 * MINUTE_MS);
		smtp_client_sent(f.c, smtp_client_out(f.c).n, f.now);
		if (reads)
			say(&f, "250 ok\r\n");
		assert_int_equal(asked(&f), SMTP_CLIENT_BODY);
		stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_secret_is_repeated),
	    cmocka_unit_test(test_long_dialogue),
	    cmocka_unit_test(test_injection),
	    cmocka_unit_test(test_injection_is_dropped),
	    cmocka_unit_test(test_line_without_end),
	    cmocka_unit_test(test_starttls_reads_nothing),
	    cmocka_unit_test(test_unsent_dot),
	    cmocka_unit_test(test_reply_before_the_end),
	    cmocka_unit_test(test_reply_behind_the_end),
	    cmocka_unit_test(test_reply_before_a_chunk),
	    cmocka_unit_test(test_bdat_unknown_before_a_chunk),
	    cmocka_unit_test(test_unsent_chunk),
	    cmocka_unit_test(test_refused_at_body),
	    cmocka_unit_test(test_unasked_at_chunks),
	    cmocka_unit_test(test_failure_at_body),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_timeouts),
	    cmocka_unit_test(test_leave),
	    cmocka_unit_test(test_minutes),
	    cmocka_unit_test(test_each_wait),
	    cmocka_unit_test(test_slow_server),
	    cmocka_unit_test(test_slow_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
