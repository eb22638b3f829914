#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_header.h"

struct made {
	struct arena *arena;
	struct buf out;
	struct cli_header header;
	enum cli_header_status status;
	struct err e;
};

static void make(struct made *m, const char *text, bool whole, bool take)
{
	struct cli_header_wish wish = {
	    .take_recipients = take,
	    .from = {MIME_ADDRESS_MAILBOX, STR("Alice"), STR("alice"), STR("mail.example.org")},
	    .message_id = STR("1.2@mail.example.org"),
	    .now = INT64_C(1795463673123),
	};

	*m = (struct made){.arena = arena_new()};
	buf_init(&m->out, 2 * CLI_HEADER_HEAD);
	m->status = cli_header_make(
	    str_of_c(text), whole, &wish, m->arena, &m->out, &m->header, &m->e);
}

static void drop(struct made *m)
{
	buf_fini(&m->out);
	arena_free(&m->arena);
}

#define DATE "Date: Mon, 23 Nov 2026 19:54:33 +0000\r\n"
#define FROM "From: Alice <alice@mail.example.org>\r\n"
#define ID   "Message-ID: <1.2@mail.example.org>\r\n"

/* rcpts: the taken ones as "local@domain local@domain". */
static void test_completed(void **state)
{
	static const struct {
		const char *text, *header, *body, *rcpts;
	} rows[] = {
	    {"Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n" DATE FROM ID "\r\n", "body\r\n", ""},
	    {"From: b@x\r\ndate: today\r\nMESSAGE-ID: <q>\r\n\r\n",
		"From: b@x\r\ndate: today\r\nMESSAGE-ID: <q>\r\n\r\n", "", ""},
	    {"To: bob@x.org, carol\r\nCc: (c) dan@y.org\r\nBcc: eve@z.org,\r\n\tfay@z.org\r\n\r\nhi\r\n",
		"To: bob@x.org, carol\r\nCc: (c) dan@y.org\r\n" DATE FROM ID "\r\n", "hi\r\n",
		"bob@x.org carol@ dan@y.org eve@z.org fay@z.org"},
	    {"To: bob@x.org\r\nResent-To: eve@z.org\r\nResent-Bcc: gil@z.org\r\n\r\n",
		"To: bob@x.org\r\nResent-To: eve@z.org\r\n" DATE FROM ID "\r\n", "",
		"eve@z.org gil@z.org"},
	    {"To: friends: bob@x.org, carol@x.org;, undisclosed: ;\r\n\r\n",
		"To: friends: bob@x.org, carol@x.org;, undisclosed: ;\r\n" DATE FROM ID "\r\n", "",
		"bob@x.org carol@x.org"},
	    {"hello there\r\n", DATE FROM ID "\r\n", "hello there\r\n", ""},
	    {"", DATE FROM ID "\r\n", "", ""},
	    {"\r\nbody\r\n", DATE FROM ID "\r\n", "body\r\n", ""},
	    {"Subject: x\r\nno field here\r\nmore\r\n", "Subject: x\r\n" DATE FROM ID "\r\n",
		"no field here\r\nmore\r\n", ""},
	    {"Subject: a\r\n  folded\r\n\tmore\r\n\r\nb\r\n",
		"Subject: a\r\n  folded\r\n\tmore\r\n" DATE FROM ID "\r\n", "b\r\n", ""},
	    {"From bob Mon Nov 23 2026\r\nSubject: x\r\n\r\nb\r\n",
		"Subject: x\r\n" DATE FROM ID "\r\n", "b\r\n", ""},
	    {"Bcc: eve@z.org\r\n\r\n", DATE FROM ID "\r\n", "", "eve@z.org"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf got;
		struct made m;

		make(&m, rows[i].text, true, true);
		assert_int_equal(m.status, CLI_HEADER_OK);
		assert_string_equal(buf_cstr(&m.out), rows[i].header);
		assert_string_equal(rows[i].text + m.header.body_at, rows[i].body);
		buf_init(&got, 4096);
		for (size_t k = 0; k < m.header.rcpts.n; k++)
			buf_printf(&got, "%s%.*s@%.*s", k ? " " : "",
			    STR_FMT(m.header.rcpts.v[k].local),
			    STR_FMT(m.header.rcpts.v[k].domain));
		assert_string_equal(buf_cstr(&got), rows[i].rcpts);
		buf_fini(&got);
		drop(&m);
	}
}

static void test_recipients_only_when_wanted(void **state)
{
	struct made m;

	make(&m, "To: <broken\r\nBcc: eve@z.org\r\n\r\n", true, false);
	assert_int_equal(m.status, CLI_HEADER_OK);
	assert_int_equal(m.header.rcpts.n, 0);
	assert_null(strstr(buf_cstr(&m.out), "eve"));
	drop(&m);
}

static void test_refused(void **state)
{
	struct made m;

	make(&m, "To: bob@x.org, @@@\r\n\r\n", true, true);
	assert_int_equal(m.status, CLI_HEADER_BAD_RECIPIENT);
	assert_int_equal(m.out.n, 0);
	assert_non_null(strstr(m.e.text, "the field To holds"));
	drop(&m);

	make(&m, "Subject: x\r\nTo: bob@x.org\r\n", false, true);
	assert_int_equal(m.status, CLI_HEADER_TOO_LONG);
	assert_int_equal(m.out.n, 0);
	drop(&m);
}

/* A field too long to be read is passed on as it is, but no recipients are taken from one. */
static void test_long_field(void **state)
{
	struct buf text;
	struct made m;

	buf_init(&text, 4 * LIMIT_MIME_FIELD);
	buf_lit(&text, "X-Long: ");
	while (text.n < LIMIT_MIME_FIELD + 10)
		buf_lit(&text, "0123456789 ");
	buf_lit(&text, "\r\nTo: bob@x.org\r\n\r\n");
	make(&m, buf_cstr(&text), true, true);
	assert_int_equal(m.status, CLI_HEADER_OK);
	assert_memory_equal(m.out.p, text.p, text.n - 2);
	assert_int_equal(m.header.rcpts.n, 1);
	drop(&m);

	memcpy(text.p, "To    ", 6);
	make(&m, buf_cstr(&text), true, true);
	assert_int_equal(m.status, CLI_HEADER_TOO_LONG);
	assert_string_equal(m.e.text,
	    "the field To has more than 65536 octets, too many to take recipients from; leave out -t "
	    "and name the recipients as arguments");
	drop(&m);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_completed),
	    cmocka_unit_test(test_recipients_only_when_wanted),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_long_field),
	};

	return cmocka_run_group_tests_name("cli/header", tests, NULL, NULL);
}
