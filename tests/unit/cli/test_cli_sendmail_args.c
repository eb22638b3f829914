#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/cli_sendmail_args.h"
#include "words.h"

static enum cli_sendmail_parsed parse(
    const char *line, char *copy, char **words, struct cli_sendmail_args *a, struct err *e)
{
	snprintf(copy, 128, "%s", line);
	return cli_sendmail_args_parse(a, split_words(copy, words), words, e);
}

static void show(const struct cli_sendmail_args *a, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s%s %s", a->take_recipients ? "t" : "",
	    a->dot_is_content ? "i" : "", a->help ? "h" : "", a->from ? a->from : "-");

	n += snprintf(out + n, size - (size_t)n, " %s", a->full_name ? a->full_name : "-");
	for (size_t i = 0; i < a->nrcpts; i++)
		n += snprintf(out + n, size - (size_t)n, " [%s]", a->rcpts[i]);
}

static void test_understood(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
	    {"bob@x", " - - [bob@x]"},
	    {"-t", "t - -"},
	    {"-ti", "ti - -"},
	    {"-t -i", "ti - -"},
	    {"-oi -t", "ti - -"},
	    {"-f a@x bob@x", " a@x - [bob@x]"},
	    {"-fa@x bob@x carol@x", " a@x - [bob@x] [carol@x]"},
	    {"-r a@x -F Alice bob@x", " a@x Alice [bob@x]"},
	    {"-FAlice -f <> bob@x", " <> Alice [bob@x]"},
	    {"-bm -oem -odi -oee -i bob@x", "i - - [bob@x]"},
	    {"-v -B 8BITMIME -N never -R hdrs -V id bob@x", " - - [bob@x]"},
	    {"-O ErrorMode=m -X /dev/null -L tag -G -U bob@x", " - - [bob@x]"},
	    {"-i -- -odd@x", "i - - [-odd@x]"},
	    {"-tif a@x", "ti a@x -"},
	    {"--help", "h - -"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char copy[128], got[256], *words[MAX_WORDS];
		struct cli_sendmail_args a;
		struct err e;

		assert_int_equal(parse(rows[i].line, copy, words, &a, &e), CLI_SENDMAIL_SEND);
		show(&a, got, sizeof got);
		assert_string_equal(got, rows[i].want);
	}
}

static void test_data(void **state)
{
	static const char *const lines[] = {"--data /x -t", "--data=/x -t", "-t --data /x"};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char copy[128], *words[MAX_WORDS];
		struct cli_sendmail_args a;
		struct err e;

		assert_int_equal(parse(lines[i], copy, words, &a, &e), CLI_SENDMAIL_SEND);
		assert_string_equal(a.data, "/x");
	}
}

static void test_other_modes(void **state)
{
	static const struct {
		const char *line;
		enum cli_sendmail_parsed want;
	} rows[] = {
	    {"-bi", CLI_SENDMAIL_NOTHING},
	    {"-I", CLI_SENDMAIL_NOTHING},
	    {"-q", CLI_SENDMAIL_NOTHING},
	    {"-q30m", CLI_SENDMAIL_NOTHING},
	    {"-bd", CLI_SENDMAIL_BAD},
	    {"-bs", CLI_SENDMAIL_BAD},
	    {"-bp", CLI_SENDMAIL_BAD},
	    {"-Z", CLI_SENDMAIL_BAD},
	    {"-f", CLI_SENDMAIL_BAD},
	    {"--nonsense", CLI_SENDMAIL_BAD},
	    {"--data", CLI_SENDMAIL_BAD},
	    {"--data=", CLI_SENDMAIL_BAD},
	    {"bob@x -t", CLI_SENDMAIL_BAD},
	    {"bob@x --data /x", CLI_SENDMAIL_BAD},
	    {"bob@x -- carol@x", CLI_SENDMAIL_BAD},
	    {"-- bob@x -t", CLI_SENDMAIL_SEND},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char copy[128], *words[MAX_WORDS];
		struct cli_sendmail_args a;
		struct err e = {""};

		assert_int_equal(parse(rows[i].line, copy, words, &a, &e), rows[i].want);
		assert_int_equal(rows[i].want == CLI_SENDMAIL_BAD, e.text[0] != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_understood),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_other_modes),
	};

	return cmocka_run_group_tests_name("cli/sendmail_args", tests, NULL, NULL);
}
