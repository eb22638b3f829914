/* Parameters of MAIL and RCPT, and the xtext coders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "smtp/smtp_param.h"
#include "smtp/smtp_xtext.h"

#define OUT_MAX ((size_t)16384)

struct want {
	const char *in;
	enum smtp_param_status status;
};

static void assert_str(struct str got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	if (got.n)
		assert_memory_equal(got.p, want, got.n);
}

static const struct want mails[] = {
    {"", SMTP_PARAM_OK},
    {"  ", SMTP_PARAM_OK},
    {" SIZE=0", SMTP_PARAM_OK},
    {" size=9223372036854775807", SMTP_PARAM_OK},
    {" SIZE=9223372036854775808", SMTP_PARAM_OK},
    {" SIZE=99999999999999999999", SMTP_PARAM_OK},
    {" SIZE=999999999999999999999", SMTP_PARAM_BAD},
    {" SIZE=9999999999999999999x", SMTP_PARAM_BAD},
    {" SIZE=-1", SMTP_PARAM_BAD},
    {" SIZE=1k", SMTP_PARAM_BAD},
    {" SIZE=", SMTP_PARAM_BAD},
    {" SIZE", SMTP_PARAM_BAD},
    {"SIZE=1", SMTP_PARAM_BAD},
    {" SIZE=1=2", SMTP_PARAM_BAD},
    {" =1", SMTP_PARAM_BAD},
    {" -SIZE=1", SMTP_PARAM_BAD},
    {" SIZE=1 size=2", SMTP_PARAM_BAD},
    {" BODY=7bit", SMTP_PARAM_OK},
    {" BODY=8BITMIME  SMTPUTF8", SMTP_PARAM_OK},
    {" BODY=BINARYMIME", SMTP_PARAM_BAD},
    {" BODY", SMTP_PARAM_BAD},
    {" SMTPUTF8=", SMTP_PARAM_BAD},
    {" RET=FULL", SMTP_PARAM_OK},
    {" RET=HDRS", SMTP_PARAM_OK},
    {" RET=BODY", SMTP_PARAM_BAD},
    {" ENVID=", SMTP_PARAM_BAD},
    {" ENVID=a+2", SMTP_PARAM_BAD},
    {" ENVID=a+0Ab", SMTP_PARAM_BAD},
    {" ENVID=a+C3+B6", SMTP_PARAM_BAD},
    {" ENVID=a+3Db", SMTP_PARAM_OK},
    {" AUTH=<>", SMTP_PARAM_OK},
    {" AUTH=bob+40x.org", SMTP_PARAM_OK},
    {" AUTH=bob@x.org", SMTP_PARAM_OK},
    {" AUTH=bob", SMTP_PARAM_BAD},
    {" AUTH=bob+40x.org+0D", SMTP_PARAM_BAD},
    {" NOTIFY=NEVER", SMTP_PARAM_UNKNOWN},
    {" HOLDFOR=1", SMTP_PARAM_OK},
    {" holdfor=999999999", SMTP_PARAM_OK},
    {" HOLDFOR=1000000000", SMTP_PARAM_BAD},
    {" HOLDFOR=0", SMTP_PARAM_BAD},
    {" HOLDFOR=01", SMTP_PARAM_BAD},
    {" HOLDFOR=-1", SMTP_PARAM_BAD},
    {" HOLDFOR=", SMTP_PARAM_BAD},
    {" HOLDFOR", SMTP_PARAM_BAD},
    {" HOLDFOR=1 HOLDFOR=1", SMTP_PARAM_BAD},
    {" HOLDFOR=1 HOLDUNTIL=2026-11-28T12:00:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00:00Z", SMTP_PARAM_OK},
    {" HOLDUNTIL=2026-11-28t12:00:00.25+05:30", SMTP_PARAM_OK},
    {" HOLDUNTIL=2028-02-29T23:59:60-23:59", SMTP_PARAM_OK},
    {" HOLDUNTIL=2027-02-29T00:00:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-13-01T00:00:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-31T00:00:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T24:00:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:60:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00:00", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00:00.Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00:00+24:00", SMTP_PARAM_BAD},
    {" HOLDUNTIL=2026-11-28T12:00:00Z0", SMTP_PARAM_BAD},
    {" HOLDUNTIL=1969-12-31T23:59:59Z", SMTP_PARAM_BAD},
    {" HOLDUNTIL=3600", SMTP_PARAM_BAD},
    {" MT-PRIORITY=3", SMTP_PARAM_OK},
    {" mt-priority=0", SMTP_PARAM_OK},
    {" MT-PRIORITY=-9", SMTP_PARAM_OK},
    {" MT-PRIORITY=-0", SMTP_PARAM_BAD},
    {" MT-PRIORITY=+1", SMTP_PARAM_BAD},
    {" MT-PRIORITY=10", SMTP_PARAM_BAD},
    {" MT-PRIORITY=-10", SMTP_PARAM_BAD},
    {" MT-PRIORITY=-", SMTP_PARAM_BAD},
    {" MT-PRIORITY=a", SMTP_PARAM_BAD},
    {" MT-PRIORITY=", SMTP_PARAM_BAD},
    {" BY=1;R", SMTP_PARAM_OK},
    {" by=+999999999;rt", SMTP_PARAM_OK},
    {" BY=0;R", SMTP_PARAM_BAD},
    {" BY=-1;R", SMTP_PARAM_BAD},
    {" BY=0;N", SMTP_PARAM_OK},
    {" BY=-999999999;NT", SMTP_PARAM_OK},
    {" BY=1000000000;N", SMTP_PARAM_BAD},
    {" BY=1", SMTP_PARAM_BAD},
    {" BY=1;", SMTP_PARAM_BAD},
    {" BY=;R", SMTP_PARAM_BAD},
    {" BY=+;R", SMTP_PARAM_BAD},
    {" BY=+-1;N", SMTP_PARAM_BAD},
    {" BY=1;X", SMTP_PARAM_BAD},
    {" BY=1;RX", SMTP_PARAM_BAD},
    {" BY=1;RTT", SMTP_PARAM_BAD},
    {" BY=1;R;T", SMTP_PARAM_BAD},
    {" X-PRIORITY=3", SMTP_PARAM_UNKNOWN},
    {" FOO", SMTP_PARAM_UNKNOWN},
};

static const struct want rcpts[] = {
    {"", SMTP_PARAM_OK},
    {" NOTIFY=NEVER", SMTP_PARAM_OK},
    {" NOTIFY=success,failure,delay", SMTP_PARAM_OK},
    {" NOTIFY=NEVER,SUCCESS", SMTP_PARAM_BAD},
    {" NOTIFY=SUCCESS,NEVER", SMTP_PARAM_BAD},
    {" NOTIFY=SUCCESS,SUCCESS", SMTP_PARAM_BAD},
    {" NOTIFY=SUCCESS,", SMTP_PARAM_BAD},
    {" NOTIFY=,SUCCESS", SMTP_PARAM_BAD},
    {" NOTIFY=", SMTP_PARAM_BAD},
    {" NOTIFY=ALWAYS", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;bob@x.org", SMTP_PARAM_OK},
    {" ORCPT=rfc822;bob+40x.org", SMTP_PARAM_OK},
    {" ORCPT=bob@x.org", SMTP_PARAM_BAD},
    {" ORCPT=;bob@x.org", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;a+0D+0Ab", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;b\xc3\xb6", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;b+C3+B6", SMTP_PARAM_BAD},
    {" ORCPT=utf-8;b\xc3\xb6@x.org", SMTP_PARAM_OK},
    {" ORCPT=utf-8;b\\x{F6}@x.org", SMTP_PARAM_OK},
    {" ORCPT=utf-8;b\\x{D800}@x.org", SMTP_PARAM_BAD},
    {" ORCPT=rfc822;a ORCPT=rfc822;a", SMTP_PARAM_BAD},
    {" SIZE=1", SMTP_PARAM_UNKNOWN},
};

/* What wishes read as, and what is written of them. */
static void test_wishes(void **state)
{
	static const struct {
		const char *in, *out;
		int64_t hold_until;
		int32_t by_time;
		int8_t priority;
	} wishes[] = {
	    {" HOLDFOR=60 MT-PRIORITY=9 BY=-7;NT", " HOLDFOR=60 MT-PRIORITY=9 BY=-7;NT", 0, -7, 9},
	    {" BY=+007;r MT-PRIORITY=-1", " MT-PRIORITY=-1 BY=7;R", 0, 7, -1},
	    {" HOLDUNTIL=1970-01-02T01:00:00+01:00", " HOLDUNTIL=1970-01-02T00:00:00Z", 86400000, 0,
		0},
	    {" HOLDUNTIL=1970-01-01T00:00:00.999-00:30", " HOLDUNTIL=1970-01-01T00:30:00Z", 1800000,
		0, 0},
	    {" MT-PRIORITY=0", " MT-PRIORITY=0", 0, 0, 0},
	    {" SIZE=1", "", 0, 0, 0},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
		struct cur c = cur_of(str_of_c(wishes[i].in));
		struct smtp_mail_params p;
		struct buf b;

		assert_int_equal(smtp_param_mail(&c, a, &p), SMTP_PARAM_OK);
		assert_int_equal(p.hold_until, wishes[i].hold_until);
		assert_int_equal(p.by_time, wishes[i].by_time);
		assert_int_equal(p.priority, wishes[i].priority);
		buf_init(&b, 200);
		smtp_param_put_hold(&b, &p);
		smtp_param_put_priority(&b, &p);
		smtp_param_put_by(&b, &p);
		assert_true(str_eq(buf_view(&b), str_of_c(wishes[i].out)));
		buf_fini(&b);
	}
	arena_free(&a);
}

static void test_status(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof mails / sizeof *mails; i++) {
		struct cur c = cur_of(str_of_c(mails[i].in));
		struct smtp_mail_params p = {.size = 77};

		assert_int_equal(smtp_param_mail(&c, a, &p), mails[i].status);
		if (mails[i].status != SMTP_PARAM_OK)
			assert_int_equal(p.size, 77);
	}
	for (size_t i = 0; i < sizeof rcpts / sizeof *rcpts; i++) {
		struct cur c = cur_of(str_of_c(rcpts[i].in));
		struct smtp_rcpt_params p = {.notify = 77};

		assert_int_equal(smtp_param_rcpt(&c, a, &p), rcpts[i].status);
		if (rcpts[i].status != SMTP_PARAM_OK)
			assert_int_equal(p.notify, 77);
	}
	arena_free(&a);
}

static void test_values(void **state)
{
	struct arena *a = arena_new();
	struct cur c = cur_of(
	    STR(" size=12345 BODY=8bitmime SMTPUTF8 AUTH=b+2Bb@x.org RET=hdrs ENVID=QQ+3D1"));
	struct smtp_mail_params m;
	struct smtp_rcpt_params r;

	assert_int_equal(smtp_param_mail(&c, a, &m), SMTP_PARAM_OK);
	assert_int_equal(m.size, 12345);
	assert_int_equal(m.body, SMTP_BODY_8BITMIME);
	assert_int_equal(m.ret, SMTP_RET_HDRS);
	assert_true(m.smtputf8 && m.has_auth);
	assert_str(m.auth, "b+b@x.org");
	assert_str(m.envid, "QQ=1");
	c = cur_of(STR(" NOTIFY=DELAY,SUCCESS ORCPT=RFC822;a+2Bb@x.org"));
	assert_int_equal(smtp_param_rcpt(&c, a, &r), SMTP_PARAM_OK);
	assert_int_equal(r.notify, SMTP_NOTIFY_DELAY | SMTP_NOTIFY_SUCCESS);
	assert_str(r.orcpt_type, "RFC822");
	assert_str(r.orcpt, "a+b@x.org");
	c = cur_of(STR(" ORCPT=Utf-8;b\\x{F6}@x.org")); /* it says how to read, whatever its case */
	assert_int_equal(smtp_param_rcpt(&c, a, &r), SMTP_PARAM_OK);
	assert_str(r.orcpt_type, "Utf-8");
	assert_str(r.orcpt, "b\xc3\xb6@x.org");
	arena_free(&a);
}

/* What is printed is read back as the same. */
static void test_put(void **state)
{
	struct arena *a = arena_new();
	struct buf out;
	struct cur c;
	struct smtp_mail_params m = {.ret = SMTP_RET_FULL, .envid = STR("a b=c+d")}, m2;
	struct smtp_rcpt_params r = {.notify = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
				    .orcpt_type = STR("utf-8"),
				    .orcpt = STR("b\xc3\xb6\\+@x.org")},
				r2;

	buf_init(&out, OUT_MAX);
	smtp_param_put_dsn(&out, &m);
	assert_str(buf_view(&out), " RET=FULL ENVID=a+20b+3Dc+2Bd");
	c = cur_of(buf_view(&out));
	assert_int_equal(smtp_param_mail(&c, a, &m2), SMTP_PARAM_OK);
	assert_true(str_eq(m.envid, m2.envid) && m2.ret == m.ret);
	buf_clear(&out);
	smtp_param_put_rcpt(&out, &r);
	assert_str(
	    buf_view(&out), " NOTIFY=FAILURE,DELAY ORCPT=utf-8;b\\x{F6}\\x{5C}\\x{2B}@x.org");
	c = cur_of(buf_view(&out));
	assert_int_equal(smtp_param_rcpt(&c, a, &r2), SMTP_PARAM_OK);
	assert_true(str_eq(r.orcpt, r2.orcpt) && r2.notify == r.notify);
	buf_fini(&out);
	arena_free(&a);
}

static void test_too_long(void **state)
{
	struct arena *a = arena_new();
	struct smtp_rcpt_params r;
	struct buf b;
	struct cur c;

	buf_init(&b, OUT_MAX);
	buf_lit(&b, " ORCPT=rfc822;");
	while (b.n < LIMIT_SMTP_PARAM + 7)
		buf_byte(&b, 'x');
	c = cur_of(buf_view(&b));
	assert_int_equal(smtp_param_rcpt(&c, a, &r), SMTP_PARAM_OK);
	buf_byte(&b, 'x');
	c = cur_of(buf_view(&b));
	assert_int_equal(smtp_param_rcpt(&c, a, &r), SMTP_PARAM_BAD);
	buf_fini(&b);
	arena_free(&a);
}

/* All octets through xtext; all that is not xtext is refused and leaves the buffer alone. */
static void test_xtext(void **state)
{
	static const char *const bads[] = {
	    "a=b", "a b", "+", "+4", "+4g", "+ab", "a+2b", "\x7f", "\xc3\xb6", "a\n"};
	uint8_t all[256];
	struct buf code, text;

	buf_init(&code, OUT_MAX);
	buf_init(&text, OUT_MAX);
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	smtp_xtext_encode(&code, str_of(all, sizeof all));
	assert_true(smtp_xtext_decode(&text, buf_view(&code)));
	assert_true(str_eq(buf_view(&text), str_of(all, sizeof all)));
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
		assert_false(smtp_xtext_decode(&text, str_of_c(bads[i])));
		assert_int_equal(text.n, sizeof all);
	}
	buf_fini(&code);
	buf_fini(&text);
}

static void test_utf8_xtext(void **state)
{
	static const char *const bads[] = {"\\", "\\x", "\\x{", "\\x{}", "\\x{F6", "\\x{0F6}",
	    "\\x{6}", "\\X{F6}", "\\x{61}", "\\x{0A}", "\\x{85}", "\\x{DFFF}", "\\x{110000}",
	    "\\x{1234567}", "a b", "a+b", "a=b", "\xc3", "\xc2\x85", "a\r"};
	struct str text = STR("a@b.c \xc3\xb6+=\\\xe2\x82\xac\xf0\x9f\x98\x80");
	struct buf code, got;

	buf_init(&code, OUT_MAX);
	buf_init(&got, OUT_MAX);
	smtp_utf8_xtext_encode(&code, text);
	assert_str(buf_view(&code), "a@b.c\\x{20}\\x{F6}\\x{2B}\\x{3D}\\x{5C}\\x{20AC}\\x{1F600}");
	assert_true(smtp_utf8_xtext_decode(&got, buf_view(&code)));
	assert_true(str_eq(buf_view(&got), text));
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
		assert_false(smtp_utf8_xtext_decode(&got, str_of_c(bads[i])));
		assert_int_equal(got.n, text.n);
	}
	buf_fini(&code);
	buf_fini(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_wishes),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_xtext),
	    cmocka_unit_test(test_utf8_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
