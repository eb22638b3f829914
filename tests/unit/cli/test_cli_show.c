#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_show.h"

static void assert_shown(const char *message, const char *want)
{
	struct buf out;

	buf_init(&out, MIB);
	cli_show_message(&out, str_of_c(message));
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void test_plain(void **state)
{
	assert_shown("Received: by x; Mon, 23 Nov 2026 19:54:33 +0000\r\n"
		     "Date: Mon, 23 Nov 2026 19:54:33 +0000\r\n"
		     "From: =?utf-8?q?J=C3=BCrgen?= <j@x.org>\r\n"
		     "To: bob@x.org,\r\n \"C, D\" <c@x.org>\r\n"
		     "Subject: =?utf-8?B?w6TDtg==?= folded\r\n  on\r\n"
		     "\r\nHello \x1b[31mBob\r\n.\r\n",
	    "Date: Mon, 23 Nov 2026 19:54:33 +0000\n"
	    "From: J\xc3\xbcrgen <j@x.org>\n"
	    "To: bob@x.org, C, D <c@x.org>\n"
	    "Subject: \xc3\xa4\xc3\xb6 folded  on\n"
	    "\nHello  [31mBob\n.\n");
}

static void test_parts(void **state)
{
	assert_shown(
	    "Subject: x\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "preamble\r\n--b\r\n"
	    "Content-Type: text/plain; charset=iso-8859-1\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "caf=E9 =\r\nend\r\n"
	    "--b\r\nContent-Type: image/png; name=a.png\r\n"
	    "Content-Disposition: attachment; filename*=utf-8''%C3%BC.png\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
	    "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nno\r\n"
	    "--b--\r\n",
	    "Subject: x\n"
	    "\ncaf\xc3\xa9 end\n"
	    "\n[\xc3\xbc.png, image/png, 4]\n"
	    "\n[text/plain, 2]\n");
}

static void test_alternatives(void **state)
{
	static const char both[] = "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
				   "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
				   "--b\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--b--\r\n";
	static const char html[] = "Content-Type: text/html\r\n\r\n<b>html</b>";

	assert_shown(both, "\nplain\n\n[text/html, 11]\n");
	assert_shown(html, "\n<b>html</b>\n");
}

static void test_no_mail_at_all(void **state)
{
	assert_shown("", "\n");
	assert_shown("just some words\r\n", "\njust some words\n");
}

static void test_head(void **state)
{
	static const struct {
		const char *message, *from, *subject;
		int64_t date;
	} rows[] = {
	    {"From: Bob Smith <b@x>\r\nSubject: =?us-ascii?q?a_b?=\r\n"
	     "Date: Mon, 23 Nov 2026 19:54:33 +0000\r\n\r\n",
		"Bob Smith", "a b", INT64_C(1795463673000)},
	    {"From: b@x.org\r\n\r\n", "b@x.org", "", 0},
	    {"From: b@x.org, c@x.org\r\nDate: nonsense\r\n\r\n", "b@x.org", "", 0},
	    {"", "", "", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cli_show_head h;

		cli_show_head_init(&h, str_of_c(rows[i].message));
		assert_string_equal(buf_cstr(&h.from), rows[i].from);
		assert_string_equal(buf_cstr(&h.subject), rows[i].subject);
		assert_int_equal(h.date, rows[i].date);
		cli_show_head_fini(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_alternatives),
	    cmocka_unit_test(test_no_mail_at_all),
	    cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests_name("cli/show", tests, NULL, NULL);
}
