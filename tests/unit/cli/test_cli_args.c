#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/cli_args.h"
#include "words.h"

static const struct cli_option own[] = {
    {"from", 'f', "ADDRESS", "Sender."},
    {"to", 0, "ADDRESS", "Recipient.", .many = true, .may_be_empty = true},
    {"quiet", 'q', NULL, "Says nothing."},
    {"verbose", 'v', NULL, "Says more."},
    {0},
};
static const struct cli_option shared[] = {{"limit", 0, "N", "At most N."}, {0}};
static const struct cli_option_sets sets = {.list = {own, NULL, shared}};

static enum cli_parsed parse(struct cli_args *a, char *line, struct err *e)
{
	char *words[MAX_WORDS];

	return cli_args_parse(a, &sets, split_words(line, words), words, e);
}

static const char *or_none(const char *s)
{
	return s ? s : "-";
}

/* What was understood, as one line: from, to, quiet, verbose, limit, operands. */
static void show(const struct cli_args *a, char *out, size_t size)
{
	int n = snprintf(out, size, "%s %s %d%d %s", or_none(cli_args_value(a, "from")),
	    or_none(cli_args_value(a, "to")), cli_args_has(a, "quiet"), cli_args_has(a, "verbose"),
	    or_none(cli_args_value(a, "limit")));

	for (size_t i = 0; i < a->noperands; i++)
		n += snprintf(out + n, size - (size_t)n, " [%s]", a->operands[i]);
}

static void test_understood(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
	    {"", "- - 00 -"},
	    {"a b", "- - 00 - [a] [b]"},
	    {"--from a@x --to b", "a@x b 00 -"},
	    {"--from=a@x --to=", "a@x  00 -"}, /* --to may be empty */
	    {"--from=--to", "--to - 00 -"},
	    {"-f a -q", "a - 10 -"},
	    {"-fa -qv", "a - 11 -"},
	    {"-qfa", "a - 10 -"},
	    {"-qf a", "a - 10 -"},
	    {"--quiet x --verbose", "- - 11 - [x]"},
	    {"--limit 5 x", "- - 00 5 [x]"},
	    {"-- --from -q", "- - 00 - [--from] [-q]"},
	    {"- -q", "- - 10 - [-]"},
	    {"--to a --to b", "- b 00 -"}, /* --to may be repeated */
	    {"-q --quiet", "- - 10 -"},
	    {"--from -q", "-q - 00 -"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char line[64], got[128];
		struct cli_args a;
		struct err e;

		snprintf(line, sizeof line, "%s", rows[i].line);
		assert_int_equal(parse(&a, line, &e), CLI_PARSED);
		show(&a, got, sizeof got);
		assert_string_equal(got, rows[i].want);
		cli_args_fini(&a);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
	    {"--form a", "there is no option --form; did you mean --from?"},
	    {"--xyzzyx", "there is no option --xyzzyx; --help lists the valid ones"},
	    {"--limt=4", "there is no option --limt=4; did you mean --limit?"},
	    {"--hepl", "there is no option --hepl; did you mean --help?"},
	    {"-x", "there is no option -x; --help lists the valid ones"},
	    {"-qx", "there is no option -qx; --help lists the valid ones"},
	    {"-from", NULL}, /* -f with the value "rom" */
	    {"--from", "the option --from needs a value: --from ADDRESS"},
	    {"-f", "the option --from needs a value: --from ADDRESS"},
	    {"--from --to x", "the option --from needs a value: --from ADDRESS "
			      "(write --option=value when it begins with dashes)"},
	    {"--quiet=yes", "the option --quiet takes no value"},
	    {"--from=", "the option --from has an empty value; write: --from ADDRESS"},
	    {"--from \t", "the option --from has an empty value; write: --from ADDRESS"},
	    {"--from a --from b",
		"the option --from was given twice; give it once: --from ADDRESS"},
	    {"-fa --from=a", "the option --from was given twice; give it once: --from ADDRESS"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char line[64];
		struct cli_args a = {0};
		struct err e;

		snprintf(line, sizeof line, "%s", rows[i].line);
		if (!rows[i].want) {
			assert_int_equal(parse(&a, line, &e), CLI_PARSED);
			assert_string_equal(cli_args_value(&a, "from"), "rom");
			cli_args_fini(&a);
			continue;
		}
		assert_int_equal(parse(&a, line, &e), CLI_BAD_USAGE);
		assert_string_equal(e.text, rows[i].want);
		assert_null(a.given);
	}
}

static void test_help(void **state)
{
	static const char *const lines[] = {"--help", "-h", "a --from b --help", "-qh"};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char line[64];
		struct cli_args a;
		struct err e;

		snprintf(line, sizeof line, "%s", lines[i]);
		assert_int_equal(parse(&a, line, &e), CLI_WANTS_HELP);
	}
}

static void test_repeated(void **state)
{
	char line[] = "--to a x --to b";
	struct cli_args a;
	struct err e;

	assert_int_equal(parse(&a, line, &e), CLI_PARSED);
	assert_string_equal(cli_args_nth(&a, "to", 0), "a");
	assert_string_equal(cli_args_nth(&a, "to", 1), "b");
	assert_null(cli_args_nth(&a, "to", 2));
	cli_args_fini(&a);
}

static void test_number(void **state)
{
	static const struct {
		const char *line;
		int result;
		uint64_t want;
	} rows[] = {
	    {"", 0, 7},
	    {"--limit 1", 0, 1},
	    {"--limit 100", 0, 100},
	    {"--limit 101", -1, 0},
	    {"--limit 0", -1, 0},
	    {"--limit 5x", -1, 0},
	    {"--limit=-1", -1, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char line[64];
		struct cli_args a;
		struct err e;
		uint64_t got = 0;

		snprintf(line, sizeof line, "%s", rows[i].line);
		assert_int_equal(parse(&a, line, &e), CLI_PARSED);
		assert_int_equal(cli_args_number(&a, "limit", 1, 100, 7, &got, &e), rows[i].result);
		assert_int_equal(got, rows[i].want);
		cli_args_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_understood),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_repeated),
	    cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests_name("cli/args", tests, NULL, NULL);
}
