/* When no report is made, and what all reports have in common. What they say: dsn_read.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dsn_sample.h"
#include "queue/queue_dsn_part.h"

static void expect_refused(struct dsn_sample *s, size_t max, enum queue_dsn_status want)
{
	struct queue_dsn_facts facts = {true, true};
	struct buf b;

	buf_init(&b, max);
	buf_lit(&b, "before");
	assert_int_equal(queue_dsn_put(&b, &s->dsn, &facts), want);
	assert_string_equal(buf_cstr(&b), "before");
	assert_false(b.overflow);
	assert_true(facts.eightbit && facts.utf8);
	buf_fini(&b);
	dsn_sample_free(&s);
}

static void test_refusals(void **state)
{
	struct dsn_sample *s = dsn_sample_new();

	s->dsn.sender = STR("");
	expect_refused(s, LIMIT_DSN, QUEUE_DSN_NO_SENDER);
	s = dsn_sample_new();
	s->dsn.n = 0;
	expect_refused(s, LIMIT_DSN, QUEUE_DSN_BAD_COUNT);
	s = dsn_sample_new();
	s->dsn.n = LIMIT_DSN_RECIPIENTS + 1;
	expect_refused(s, LIMIT_DSN, QUEUE_DSN_BAD_COUNT);
	for (size_t max = 6; max < 1500; max += 7)
		expect_refused(dsn_sample_new(), max, QUEUE_DSN_TOO_LARGE);
}

/* Lines end with CRLF and have at most 998 octets; no control characters; 8-bit only as said. */
static void expect_lines(struct str s, bool eightbit)
{
	assert_true(eightbit || !str_has_8bit(s));
	while (s.n) {
		struct str line = str_split(s, '\n', &s);

		assert_in_range(line.n, 1, LIMIT_MIME_LINE + 1);
		assert_int_equal(line.p[--line.n], '\r');
		for (size_t i = 0; i < line.n; i++)
			assert_true(line.p[i] >= 0x20 || line.p[i] == '\t');
	}
}

static void test_lines(void **state)
{
	for (size_t i = 0; i < dsn_changes_count; i++) {
		struct dsn_sample *s = dsn_sample_new();
		struct queue_dsn_facts facts;
		struct buf b;

		buf_init(&b, LIMIT_DSN);
		dsn_changes[i].change(s);
		assert_int_equal(queue_dsn_put(&b, &s->dsn, &facts), QUEUE_DSN_OK);
		expect_lines(buf_view(&b), facts.eightbit);
		buf_fini(&b);
		dsn_sample_free(&s);
	}
}

/* A thousand recipients with the longest of everything fit. */
static void test_largest(void **state)
{
	struct dsn_sample *s = dsn_sample_new();
	struct queue_dsn_facts facts;
	struct buf b;

	buf_lit(&s->text, "550 ");
	while (s->text.n < 2000)
		buf_lit(&s->text, "\xe7\x94\xa8");
	s->recipients[0] = (struct queue_dsn_recipient){.address = buf_view(&s->text),
	    .original = buf_view(&s->text),
	    .action = QUEUE_DSN_FAILED,
	    .problem = QUEUE_PROBLEM_NO_SMTPUTF8,
	    .expired = true,
	    .forwarder = buf_view(&s->text),
	    .remote_mta = buf_view(&s->text),
	    .reply = buf_view(&s->text),
	    .last_attempt = 1};
	for (size_t i = 1; i < LIMIT_DSN_RECIPIENTS; i++)
		s->recipients[i] = s->recipients[0];
	s->dsn.n = LIMIT_DSN_RECIPIENTS;
	buf_init(&b, LIMIT_DSN);
	assert_int_equal(queue_dsn_put(&b, &s->dsn, &facts), QUEUE_DSN_OK);
	assert_true(b.n > 4 * MIB);
	buf_fini(&b);
	dsn_sample_free(&s);
}

static struct str boundary_of(struct str message)
{
	size_t at = str_find_str(message, STR("boundary=\"")) + 10;

	return str_sub(message, at, str_find(str_from(message, at), '"'));
}

/* An original that holds the boundary gets another one. */
static void test_boundary(void **state)
{
	struct dsn_sample *s = dsn_sample_new();
	struct queue_dsn_facts facts;
	struct buf first, second;

	buf_init(&first, LIMIT_DSN);
	buf_init(&second, LIMIT_DSN);
	assert_int_equal(queue_dsn_put(&first, &s->dsn, &facts), QUEUE_DSN_OK);
	buf_lit(&s->text, "Subject: x\r\n\r\n--");
	buf_str(&s->text, boundary_of(buf_view(&first)));
	buf_lit(&s->text, "--\r\n");
	s->dsn.original = buf_view(&s->text);
	s->dsn.want_full = true;
	assert_int_equal(queue_dsn_put(&second, &s->dsn, &facts), QUEUE_DSN_OK);
	assert_int_equal(boundary_of(buf_view(&second)).n, 26);
	assert_false(str_eq(boundary_of(buf_view(&first)), boundary_of(buf_view(&second))));
	assert_int_equal(
	    str_find_str(buf_view(&s->text), boundary_of(buf_view(&second))), s->text.n);
	buf_fini(&first);
	buf_fini(&second);
	dsn_sample_free(&s);
}

/* A message of n octets: is it returned whole? One line of header, or of content. */
static void expect_original(size_t n, bool one_header_line, bool want_full, size_t want_octets)
{
	struct dsn_sample *s = dsn_sample_new();
	struct queue_dsn_facts facts;
	struct str type = want_full ? STR("Content-Type: message/rfc822\r\n\r\n")
				    : STR("Content-Type: text/rfc822-headers\r\n\r\n");
	struct buf b;
	size_t at;

	buf_str(&s->text, one_header_line ? STR("S: x") : STR("S: x\r\n\r\n"));
	while (s->text.n < n - 2)
		buf_byte(&s->text, 'y');
	buf_lit(&s->text, "\r\n");
	s->dsn.original = buf_view(&s->text);
	s->dsn.want_full = true;
	buf_init(&b, LIMIT_DSN);
	assert_int_equal(queue_dsn_put(&b, &s->dsn, &facts), QUEUE_DSN_OK);
	at = str_find_str(buf_view(&b), type) + type.n;
	assert_true(at < b.n);
	assert_int_equal(
	    str_find_str(str_from(buf_view(&b), at), STR("\r\n--=_godwit_=")), want_octets);
	buf_fini(&b);
	dsn_sample_free(&s);
}

static void test_original(void **state)
{
	expect_original(LIMIT_DSN_ORIGINAL, false, true, LIMIT_DSN_ORIGINAL);
	expect_original(LIMIT_DSN_ORIGINAL + 1, false, false, 6);
	expect_original(LIMIT_DSN_ORIGINAL + 1, true, false, LIMIT_DSN_HEADER + 2);
}

/* What stands in the report, its lines joined. */
static void expect_says(struct dsn_sample *s, enum queue_lang lang, const char *sentence)
{
	struct queue_dsn_facts facts;
	struct buf b, text;
	struct str rest;

	buf_init(&b, LIMIT_DSN);
	buf_init(&text, LIMIT_DSN);
	s->dsn.lang = lang;
	assert_int_equal(queue_dsn_put(&b, &s->dsn, &facts), QUEUE_DSN_OK);
	queue_dsn_text(&b, &s->dsn, false); /* once more, not encoded */
	for (rest = buf_view(&b); rest.n;) {
		buf_str(&text, str_trim(str_split(rest, '\n', &rest)));
		buf_byte(&text, ' ');
	}
	if (str_find_str(buf_view(&text), str_of_c(sentence)) == text.n)
		fail_msg("no \"%s\" in\n%s", sentence, buf_cstr(&b));
	buf_fini(&b);
	buf_fini(&text);
}

/* Chinese has no blanks between its own words, whose server it ever was. */
static void test_servers_in_chinese(void **state)
{
	struct dsn_sample *s = dsn_sample_new();

	s->recipients[0].problem = QUEUE_PROBLEM_REFUSED;
	expect_says(s, QUEUE_LANG_ZH_HANS, "bob@b.test 无法连接 b.test 的邮件服务器。");
	expect_says(s, QUEUE_LANG_ZH_HANT, "bob@b.test 無法連線到 b.test 的郵件伺服器。");
	s->recipients[0].route = STR("smart.test");
	expect_says(s, QUEUE_LANG_ZH_HANS, "无法连接用来发送 b.test 邮件的服务器 smart.test。");
	expect_says(s, QUEUE_LANG_ZH_HANT, "無法連線到用來傳送 b.test 郵件的伺服器 smart.test。");
	s->recipients[0].problem = QUEUE_PROBLEM_TLS;
	expect_says(
	    s, QUEUE_LANG_ZH_HANS, "到用来发送 b.test 邮件的服务器 smart.test 的连接无法加密");
	s->recipients[0].route = STR("");
	expect_says(s, QUEUE_LANG_ZH_HANS, "到 b.test 的邮件服务器的连接无法加密");
	dsn_sample_free(&s);
}

/* The alias was written to, and he to whom it leads may be a stranger to the sender. */
static void test_behind_an_alias(void **state)
{
	static const char sent_on[] =
	    "bob@b.test The message was written to info@a.test, which sends its mail on to bob@b.test.";
	struct dsn_sample *s = dsn_sample_new();

	s->recipients[0].forwarder = STR("info@a.test");
	expect_says(s, QUEUE_LANG_EN, sent_on);
	expect_says(s, QUEUE_LANG_EN, "on to bob@b.test. According to the mail server of b.test");
	expect_says(s, QUEUE_LANG_ZH_HANS,
	    "bob@b.test 这封邮件是写给 info@a.test 的，该地址的邮件会转发到 bob@b.test。");
	expect_says(s, QUEUE_LANG_ZH_HANT,
	    "bob@b.test 這封郵件是寫給 info@a.test 的，該地址的郵件會轉寄到 bob@b.test。");
	s->recipients[0].action = QUEUE_DSN_DELAYED;
	expect_says(s, QUEUE_LANG_EN, sent_on);
	s->recipients[0].action = QUEUE_DSN_RELAYED;
	expect_says(s, QUEUE_LANG_EN, sent_on);
	dsn_sample_free(&s);
}

/* Told for the sake of the time that its sender set: that server may report too. */
static void test_passed_on(void **state)
{
	struct dsn_sample *s = dsn_sample_new();

	s->recipients[0].action = QUEUE_DSN_RELAYED;
	expect_says(
	    s, QUEUE_LANG_EN, "was passed on to a server that will not report its delivery, for:");
	s->dsn.deliver_by = s->dsn.date + HOUR_MS;
	expect_says(s, QUEUE_LANG_EN, "was passed on to the next server, for:");
	expect_says(s, QUEUE_LANG_ZH_HANS, "已转交给下一台服务器，");
	expect_says(s, QUEUE_LANG_ZH_HANT, "已轉交給下一台伺服器，");
	dsn_sample_free(&s);
}

static void test_sent_on(void **state)
{
	struct dsn_sample *s = dsn_sample_new();

	s->recipients[0].forwarder = STR("info@a.test");
	s->dsn.postmaster = s->dsn.sent_on = true;
	expect_says(s, QUEUE_LANG_EN, "Subject: A message without a sender could not be sent on");
	expect_says(s, QUEUE_LANG_EN,
	    "A message without a sender, as reports are, taken on Monday 23 November 2026 at 20:00 UTC,");
	expect_says(
	    s, QUEUE_LANG_EN, "written to info@a.test, which sends its mail on to bob@b.test.");
	expect_says(s, QUEUE_LANG_EN, "The header of the message is attached");
	s->dsn.sent_on = false;
	s->dsn.untold = STR("carl@c.test");
	expect_says(s, QUEUE_LANG_EN, "The header of the message is attached");
	dsn_sample_free(&s);
}

/* What is wrong with the sender's domain or address is not said of the postmaster's. */
static void test_said_to_the_postmaster(void **state)
{
	struct dsn_sample *s = dsn_sample_new();

	s->recipients[0].reply = STR("550 5.7.26 the message is not authenticated");
	s->recipients[0].status = (struct queue_status){5, 7, 26};
	expect_says(s, QUEUE_LANG_EN, "no proof that the message comes from your domain");
	s->dsn.postmaster = s->dsn.sent_on = true;
	expect_says(s, QUEUE_LANG_EN, "bob@b.test The rules of");
	dsn_sample_free(&s);
}

static void test_names(void **state)
{
	assert_string_equal(queue_dsn_action_name(QUEUE_DSN_FAILED), "failed");
	assert_string_equal(queue_dsn_action_name(QUEUE_DSN_DELAYED), "delayed");
	assert_string_equal(queue_dsn_action_name(QUEUE_DSN_DELIVERED), "delivered");
	assert_string_equal(queue_dsn_action_name(QUEUE_DSN_RELAYED), "relayed");
	assert_string_equal(queue_dsn_action_name(QUEUE_DSN_EXPANDED), "expanded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_largest),
	    cmocka_unit_test(test_boundary),
	    cmocka_unit_test(test_original),
	    cmocka_unit_test(test_servers_in_chinese),
	    cmocka_unit_test(test_behind_an_alias),
	    cmocka_unit_test(test_passed_on),
	    cmocka_unit_test(test_sent_on),
	    cmocka_unit_test(test_said_to_the_postmaster),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
