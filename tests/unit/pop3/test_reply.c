/* Reply lines, read and written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop3/pop3_reply.h"

static void assert_str(struct str got, struct str want)
{
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, got.n);
}

static void test_parse(void **state)
{
	static const struct {
		const char *line;
		enum pop3_reply_status status;
		enum pop3_code code;
		const char *text;
	} t[] = {
	    {"+OK", POP3_REPLY_OK, POP3_CODE_NONE, ""},
	    {"+OK ", POP3_REPLY_OK, POP3_CODE_NONE, ""},
	    {"+ok 2 320", POP3_REPLY_OK, POP3_CODE_NONE, "2 320"},
	    {"+OKAY", POP3_REPLY_BAD, 0, ""},
	    {"-ERR", POP3_REPLY_ERR, POP3_CODE_NONE, ""},
	    {"-ERR [AUTH] no", POP3_REPLY_ERR, POP3_CODE_AUTH, "no"},
	    {"-ERR [auth]", POP3_REPLY_ERR, POP3_CODE_AUTH, ""},
	    {"-ERR [IN-USE] x", POP3_REPLY_ERR, POP3_CODE_IN_USE, "x"},
	    {"-ERR [LOGIN-DELAY] x", POP3_REPLY_ERR, POP3_CODE_LOGIN_DELAY, "x"},
	    {"-ERR [SYS/TEMP] x", POP3_REPLY_ERR, POP3_CODE_SYS_TEMP, "x"},
	    {"-ERR [SYS/PERM] x", POP3_REPLY_ERR, POP3_CODE_SYS_PERM, "x"},
	    {"-ERR [SYS/PERM/QUOTA] x", POP3_REPLY_ERR, POP3_CODE_SYS_PERM, "x"},
	    {"-ERR [SYS] x", POP3_REPLY_ERR, POP3_CODE_NONE, "[SYS] x"},
	    {"-ERR [AUTHOR] x", POP3_REPLY_ERR, POP3_CODE_NONE, "[AUTHOR] x"},
	    {"-ERR [AUTH x", POP3_REPLY_ERR, POP3_CODE_NONE, "[AUTH x"},
	    {"-ERR [] x", POP3_REPLY_ERR, POP3_CODE_NONE, "[] x"},
	    {"-ERRR", POP3_REPLY_BAD, 0, ""},
	    {"+ VXNl", POP3_REPLY_MORE, POP3_CODE_NONE, "VXNl"},
	    {"+ ", POP3_REPLY_MORE, POP3_CODE_NONE, ""},
	    {"+", POP3_REPLY_MORE, POP3_CODE_NONE, ""},
	    {"+VXNl", POP3_REPLY_BAD, 0, ""},
	    {"", POP3_REPLY_BAD, 0, ""},
	    {"220 mail ESMTP", POP3_REPLY_BAD, 0, ""},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		enum pop3_code code = POP3_CODES;
		struct str text = STR("untouched");
		enum pop3_reply_status status = pop3_reply_parse(str_of_c(t[i].line), &code, &text);

		assert_int_equal(status, t[i].status);
		if (status == POP3_REPLY_BAD) {
			assert_int_equal(code, POP3_CODES);
			assert_str(text, STR("untouched"));
			continue;
		}
		assert_int_equal(code, t[i].code);
		assert_str(text, str_of_c(t[i].text));
	}
}

static void test_put(void **state)
{
	struct buf b;

	buf_init(&b, 4096);
	pop3_reply_put(&b, true, POP3_CODE_NONE, STR("hello"));
	assert_str(buf_view(&b), STR("+OK hello\r\n"));
	buf_clear(&b);
	pop3_reply_put(&b, false, POP3_CODE_SYS_TEMP, STR("line\r\n+OK forged \xc3\xa4\0"));
	assert_str(buf_view(&b), STR("-ERR [SYS/TEMP] line??+OK forged ???\r\n"));
	buf_fini(&b);
}

/* Every code, with texts around the limit: a line is never longer than the RFC allows. */
static void test_put_is_cut(void **state)
{
	uint8_t octets[POP3_REPLY_MAX + 10];
	struct buf b;

	memset(octets, 'x', sizeof octets);
	buf_init(&b, 4096);
	for (unsigned code = 0; code < POP3_CODES; code++) {
		for (size_t n = POP3_REPLY_MAX - 40; n <= sizeof octets; n++) {
			enum pop3_code got;
			struct str text;

			buf_clear(&b);
			pop3_reply_put(&b, false, (enum pop3_code)code, str_of(octets, n));
			assert_true(b.n <= POP3_REPLY_MAX);
			assert_true(b.n == POP3_REPLY_MAX || n < POP3_REPLY_MAX);
			pop3_reply_parse(str_sub(buf_view(&b), 0, b.n - 2), &got, &text);
			assert_int_equal(got, code);
		}
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_put_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
