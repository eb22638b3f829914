/* Command lines and reply lines: tables of want and got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"

static void assert_str(struct str got, struct str want)
{
	assert_int_equal(got.n, want.n);
	if (got.n)
		assert_memory_equal(got.p, want.p, got.n);
}

static const struct {
	struct str line;
	enum smtp_verb verb;
	enum smtp_syntax syntax;
} lines[] = {
    {STR_INIT(""), SMTP_VERB_NONE, SMTP_SYNTAX_VERB},
    {STR_INIT(" NOOP"), SMTP_VERB_NONE, SMTP_SYNTAX_VERB},
    {STR_INIT("NOOPS"), SMTP_VERB_NONE, SMTP_SYNTAX_VERB},
    {STR_INIT("noop"), SMTP_NOOP, SMTP_SYNTAX_OK},
    {STR_INIT("NoOp  x y"), SMTP_NOOP, SMTP_SYNTAX_OK},
    {STR_INIT("NOOP:"), SMTP_NOOP, SMTP_SYNTAX_VERB},
    {STR_INIT("NOOP\0"), SMTP_NOOP, SMTP_SYNTAX_OCTETS},
    {STR_INIT("NOOP \xc3\xb6"), SMTP_NOOP, SMTP_SYNTAX_OCTETS},
    {STR_INIT("MAIL FROM:<a@b> \x1b"), SMTP_MAIL, SMTP_SYNTAX_OCTETS},
    {STR_INIT("MAIL FROM:<\xff@b>"), SMTP_MAIL, SMTP_SYNTAX_OCTETS},
    {STR_INIT("EHLO x"), SMTP_EHLO, SMTP_SYNTAX_OK},
    {STR_INIT("EHLO my_pc.local "), SMTP_EHLO, SMTP_SYNTAX_OK},
    {STR_INIT("EHLO"), SMTP_EHLO, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("EHLO  "), SMTP_EHLO, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("EHLO WIN (lan)#1"), SMTP_EHLO, SMTP_SYNTAX_OK},
    {STR_INIT("EHLO x\ty"), SMTP_EHLO, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("MAIL FROM:<a@b>"), SMTP_MAIL, SMTP_SYNTAX_OK},
    {STR_INIT("MAIL  FROM:  <a@b>\t"), SMTP_MAIL, SMTP_SYNTAX_OK},
    {STR_INIT("MAIL FROM :<a@b>"), SMTP_MAIL, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("MAIL TO:<a@b>"), SMTP_MAIL, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("MAIL FROM:<a@b"), SMTP_MAIL, SMTP_SYNTAX_PATH},
    {STR_INIT("MAIL FROM:<a@b> X=1"), SMTP_MAIL, SMTP_SYNTAX_PARAM_UNKNOWN},
    {STR_INIT("MAIL FROM:<a@b> SIZE=x"), SMTP_MAIL, SMTP_SYNTAX_PARAM},
    {STR_INIT("RCPT TO:<a@b>"), SMTP_RCPT, SMTP_SYNTAX_OK},
    {STR_INIT("RCPT TO:<>"), SMTP_RCPT, SMTP_SYNTAX_PATH},
    {STR_INIT("DATA "), SMTP_DATA, SMTP_SYNTAX_OK},
    {STR_INIT("DATA x"), SMTP_DATA, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 0"), SMTP_BDAT, SMTP_SYNTAX_OK},
    {STR_INIT("BDAT 9223372036854775807 LAST"), SMTP_BDAT, SMTP_SYNTAX_OK},
    {STR_INIT("BDAT 9223372036854775808"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 18446744073709551616"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT -1"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 0x10"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 5 LASTLY"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 5 FIRST"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("BDAT 5LAST"), SMTP_BDAT, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("VRFY"), SMTP_VRFY, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("VRFY x"), SMTP_VRFY, SMTP_SYNTAX_OK},
    {STR_INIT("STARTTLS"), SMTP_STARTTLS, SMTP_SYNTAX_OK},
    {STR_INIT("AUTH"), SMTP_AUTH, SMTP_SYNTAX_ARGUMENTS},
    {STR_INIT("AUTH PLAIN"), SMTP_AUTH, SMTP_SYNTAX_OK},
    {STR_INIT("AUTH PLAIN = x"), SMTP_AUTH, SMTP_SYNTAX_ARGUMENTS},
};

static void test_lines(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct smtp_command cmd;

		assert_int_equal(smtp_command_parse(lines[i].line, a, &cmd), lines[i].syntax);
		assert_int_equal(cmd.verb, lines[i].verb);
	}
	arena_free(&a);
}

static void test_values(void **state)
{
	struct arena *a = arena_new();
	struct smtp_command cmd;

	assert_int_equal(smtp_command_parse(STR("bdat 17 last"), a, &cmd), SMTP_SYNTAX_OK);
	assert_true(cmd.bdat.size == 17 && cmd.bdat.last);
	assert_int_equal(smtp_command_parse(STR("BDAT 17"), a, &cmd), SMTP_SYNTAX_OK);
	assert_true(cmd.bdat.size == 17 && !cmd.bdat.last);
	assert_int_equal(smtp_command_parse(STR("AUTH plain ="), a, &cmd), SMTP_SYNTAX_OK);
	assert_true(cmd.auth.has_initial);
	assert_str(cmd.auth.mechanism, STR("plain"));
	assert_str(cmd.auth.initial, STR("="));
	assert_int_equal(smtp_command_parse(STR("AUTH PLAIN "), a, &cmd), SMTP_SYNTAX_OK);
	assert_false(cmd.auth.has_initial);
	assert_int_equal(smtp_command_parse(STR("HELO [192.0.2.1]"), a, &cmd), SMTP_SYNTAX_OK);
	assert_str(cmd.helo, STR("[192.0.2.1]"));
	assert_int_equal(
	    smtp_command_parse(STR("RCPT TO:<\xc3\xb6@x> NOTIFY=NEVER"), a, &cmd), SMTP_SYNTAX_OK);
	assert_true(cmd.has_8bit && cmd.rcpt.path.needs_utf8);
	assert_int_equal(cmd.rcpt.params.notify, SMTP_NOTIFY_NEVER);
	arena_free(&a);
}

/* Every verb has a name that is parsed as it. */
static void test_names(void **state)
{
	struct arena *a = arena_new();

	for (enum smtp_verb v = SMTP_VERB_NONE + 1; v < SMTP_VERBS; v++) {
		struct smtp_command cmd;

		smtp_command_parse(smtp_verb_name(v), a, &cmd);
		assert_int_equal(cmd.verb, v);
	}
	arena_free(&a);
}

static const struct {
	struct str line;
	enum smtp_reply_line kind;
	struct smtp_reply want;
} replies[] = {
    {STR_INIT("250 ok"), SMTP_REPLY_LINE_LAST, {250, {0}, STR_INIT("ok")}},
    {STR_INIT("250"), SMTP_REPLY_LINE_LAST, {250, {0}, STR_INIT("")}},
    {STR_INIT("250-"), SMTP_REPLY_LINE_MORE, {250, {0}, STR_INIT("")}},
    {STR_INIT("250-2.1.0 more"), SMTP_REPLY_LINE_MORE, {250, {2, 1, 0}, STR_INIT("more")}},
    {STR_INIT("550 5.7.999 x"), SMTP_REPLY_LINE_LAST, {550, {5, 7, 999}, STR_INIT("x")}},
    {STR_INIT("550 5.1.1"), SMTP_REPLY_LINE_LAST, {550, {5, 1, 1}, STR_INIT("")}},
    {STR_INIT("550 4.1.1 x"), SMTP_REPLY_LINE_LAST, {550, {0}, STR_INIT("4.1.1 x")}},
    {STR_INIT("550 5.1 x"), SMTP_REPLY_LINE_LAST, {550, {0}, STR_INIT("5.1 x")}},
    {STR_INIT("550 5.1.1x"), SMTP_REPLY_LINE_LAST, {550, {0}, STR_INIT("5.1.1x")}},
    {STR_INIT("550 5.1.1000 x"), SMTP_REPLY_LINE_LAST, {550, {0}, STR_INIT("5.1.1000 x")}},
    {STR_INIT("354 go"), SMTP_REPLY_LINE_LAST, {354, {0}, STR_INIT("go")}},
    {STR_INIT("354 3.0.0 go"), SMTP_REPLY_LINE_LAST, {354, {0}, STR_INIT("3.0.0 go")}},
    {STR_INIT("199 x"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("600 x"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("25 x"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("25"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT(""), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("2500 x"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("250x"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT("+OK"), SMTP_REPLY_LINE_BAD, {0}},
    {STR_INIT(" 250 x"), SMTP_REPLY_LINE_BAD, {0}},
};

static void test_replies(void **state)
{
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		struct smtp_reply r = {0};

		assert_int_equal(smtp_reply_parse(replies[i].line, &r), replies[i].kind);
		assert_int_equal(r.code, replies[i].want.code);
		assert_int_equal(r.status.class, replies[i].want.status.class);
		assert_int_equal(r.status.subject, replies[i].want.status.subject);
		assert_int_equal(r.status.detail, replies[i].want.status.detail);
		assert_str(r.text, replies[i].want.text);
	}
}

/* What is written is bounded, whatever the text. */
static void test_reply_put(void **state)
{
	struct smtp_reply r = {550, {5, 1, 1}, STR("one\ntwo")};
	struct buf out, text;

	buf_init(&out, 4 * SMTP_REPLY_MAX);
	buf_init(&text, 8 * SMTP_REPLY_MAX);
	smtp_reply_put(&out, &r);
	assert_str(buf_view(&out), STR("550-5.1.1 one\r\n550 5.1.1 two\r\n"));
	buf_clear(&out);
	r.text = STR("one\n");
	smtp_reply_put(&out, &r);
	assert_str(buf_view(&out), STR("550 5.1.1 one\r\n"));
	for (int i = 0; i < 100; i++)
		buf_lit(&text, "\n");
	for (size_t n = 0; n < 4000; n++)
		buf_byte(&text, 'x');
	for (int i = 0; i < 2000; i++)
		buf_lit(&text, "yyyyyyyyy\n");
	r.text = buf_view(&text);
	for (size_t cut = 0; cut < 110; cut++) {
		buf_clear(&out);
		r.text = str_from(buf_view(&text), cut);
		smtp_reply_put(&out, &r);
		assert_true(out.n <= SMTP_REPLY_MAX);
	}
	buf_fini(&out);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_reply_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
