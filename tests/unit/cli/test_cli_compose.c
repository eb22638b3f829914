#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_compose.h"

static void test_paths(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: no envelope address */
	} rows[] = {
	    {"bob@Example.ORG", "bob@example.org"},
	    {"Bob <bob@x.org>", "bob@x.org"},
	    {"bob", "bob@mail.x.org"},
	    {"\"a b\"@x.org", "\"a b\"@x.org"},
	    {"bob@[192.0.2.1]", "bob@[192.0.2.1]"},
	    {"b\xc3\xb6"
	     "b@x.org",
		"b\xc3\xb6"
		"b@x.org"},
	    {"bob@x..org", NULL},
	    {"bob@x.org, carol@x.org", NULL},
	    {"", NULL},
	    {"<>", NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena *a = arena_new();
		struct mime_address address;
		struct smtp_path path;
		struct err e = {""};
		struct buf got;
		int result = cli_compose_address(a, rows[i].text, &address, &e);

		if (result == 0)
			result = cli_compose_path(a, &address, STR("mail.x.org"), &path, &e);
		assert_int_equal(result, rows[i].want ? 0 : -1);
		assert_int_equal(e.text[0] != 0, !rows[i].want);
		buf_init(&got, 1024);
		if (result == 0)
			smtp_path_put(&got, &path);
		assert_string_equal(buf_cstr(&got), rows[i].want ? rows[i].want : "");
		buf_fini(&got);
		arena_free(&a);
	}
}

static void envelope(const char *rcpts, const char *header, bool body_8bit, int want,
    struct smtp_client_message *m, struct arena *a)
{
	struct smtp_path reverse = {.is_null = true};
	struct mime_address_list list = {0};
	struct err e;

	if (*rcpts)
		assert_int_equal(cli_compose_addresses(a, rcpts, &list, &e), 0);
	assert_int_equal(cli_compose_envelope(a, &reverse, &list, 1, STR("x.org"), str_of_c(header),
			     body_8bit, 99, m, &e),
	    want);
}

static void test_parameters(void **state)
{
	static const struct {
		const char *rcpts, *header;
		bool body_8bit;
		enum smtp_body body;
		bool smtputf8;
	} rows[] = {
	    {"bob", "Subject: x\r\n", false, SMTP_BODY_7BIT, false},
	    {"bob", "Subject: x\r\n", true, SMTP_BODY_8BITMIME, false},
	    {"bob", "Subject: \xc3\xb6\r\n", false, SMTP_BODY_8BITMIME, true},
	    {"bob", "Subject: \xf6\r\n", false, SMTP_BODY_8BITMIME, false},
	    {"b\xc3\xb6"
	     "b",
		"Subject: x\r\n", false, SMTP_BODY_7BIT, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena *a = arena_new();
		struct smtp_client_message m;

		envelope(rows[i].rcpts, rows[i].header, rows[i].body_8bit, 0, &m, a);
		assert_int_equal(m.params.size, 99);
		assert_int_equal(m.params.body, rows[i].body);
		assert_int_equal(m.params.smtputf8, rows[i].smtputf8);
		assert_int_equal(m.rcpt_count, 1);
		arena_free(&a);
	}
}

static void test_recipients(void **state)
{
	struct arena *a = arena_new();
	struct smtp_client_message m = {.rcpt_count = 77};

	envelope("", "", false, -1, &m, a);
	envelope("bob@x..org", "", false, -1, &m, a);
	assert_int_equal(m.rcpt_count, 77);
	envelope("a, b@y.org, g: c, d;", "", false, 0, &m, a);
	assert_int_equal(m.rcpt_count, 4);
	assert_true(str_eq(m.rcpts[1].path.domain, STR("y.org")));
	assert_true(str_eq(m.rcpts[3].path.local, STR("d")));
	assert_true(str_eq(m.rcpts[3].path.domain, STR("x.org")));
	arena_free(&a);
}

static void test_message_ids_differ(void **state)
{
	struct buf one, other;

	buf_init(&one, 256);
	buf_init(&other, 256);
	cli_compose_message_id(&one, STR("x.org"));
	cli_compose_message_id(&other, STR("x.org"));
	assert_true(str_has_suffix_i(buf_view(&one), STR("@x.org")));
	assert_false(str_eq(buf_view(&one), buf_view(&other)));
	buf_fini(&one);
	buf_fini(&other);
}

static void test_exit_codes(void **state)
{
	static const struct {
		enum smtp_outcome outcome;
		enum smtp_stage stage;
		struct smtp_status status;
		int want;
	} rows[] = {
	    {SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_RCPT, {4, 2, 2}, EX_TEMPFAIL},
	    {SMTP_OUTCOME_UNSURE, SMTP_STAGE_BODY, {0, 0, 0}, EX_TEMPFAIL},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_RCPT, {5, 1, 1}, EX_NOUSER},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_RCPT, {5, 1, 2}, EX_NOHOST},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_RCPT, {5, 2, 1}, EX_NOUSER},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_RCPT, {5, 7, 1}, EX_NOPERM},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_RCPT, {0, 0, 0}, EX_NOUSER},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_BODY, {5, 6, 0}, EX_DATAERR},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_MAIL, {5, 3, 4}, EX_UNAVAILABLE},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_MAIL, {0, 0, 0}, EX_UNAVAILABLE},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_AUTH, {0, 0, 0}, EX_NOPERM},
	    {SMTP_OUTCOME_PERMANENT, SMTP_STAGE_AUTH, {5, 7, 8}, EX_NOPERM},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct smtp_verdict v = {
		    rows[i].outcome, rows[i].stage, {.status = rows[i].status}};

		assert_int_equal(cli_submit_exit(&v), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_recipients),
	    cmocka_unit_test(test_message_ids_differ),
	    cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests_name("cli/compose", tests, NULL, NULL);
}
