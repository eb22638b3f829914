/* Dispatch through the tables of commands, the help that is printed from them, and errors. */
#include "cli/cli.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"

#define PATH_MAX_LEN ((size_t)256)

static const struct cli_option data_options[] = {
    {"data", 0, "DIR",
	"The data directory (else the environment's GODWIT_DATA, else " CLI_DATA_DEFAULT ")."},
    {0},
};
static const struct cli_option json_options[] = {
    {"json", 0, NULL, "Prints JSON instead of text for people."},
    {0},
};
static const struct cli_option password_options[] = {
    {"password-stdin", 0, NULL,
	"Reads the password as one line from standard input (else it comes from the "
	"environment's GODWIT_PASSWORD, else it is asked for)."},
    {0},
};
static const struct cli_option server_options[] = {
    {"server", 0, "HOST:PORT",
	"The server to talk to; [::1]:25 for an IPv6 address (else that of the data directory)."},
    {"tls", 0, "MODE", "none, starttls, or implicit (default: by the port, else starttls)."},
    {"insecure", 0, NULL,
	"Accepts any certificate; with --tls none, also sends the password in the clear."},
    {"ca", 0, "FILE", "Trusts the certificates in this PEM file instead of the system's."},
    {"user", 0, "NAME", "Login name, usually the address."},
    {0},
};

/* Which list each flag adds. */
static const struct {
	unsigned flag;
	const struct cli_option *options;
} shared_options[] = {
    {CLI_SERVER, server_options},
    {CLI_PASSWORD, password_options},
    {CLI_DATA, data_options},
    {CLI_JSON, json_options},
};

#define SHARED (sizeof shared_options / sizeof *shared_options)
_Static_assert(SHARED + 1 <= CLI_OPTION_SETS, "an option list more than cli_args takes");

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("godwit: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

const char *cli_data_dir(const struct cli *cli)
{
	const char *dir = cli_args_value(&cli->args, "data");

	if (!dir)
		dir = getenv("GODWIT_DATA");
	return dir && *dir ? dir : CLI_DATA_DEFAULT;
}

static struct cli_option_sets sets_of(const struct cli_command *c)
{
	struct cli_option_sets sets = {.list = {c->options}};

	for (size_t i = 0; i < SHARED; i++)
		if (c->flags & shared_options[i].flag)
			sets.list[i + 1] = shared_options[i].options;
	return sets;
}

/* ---- help ---- */

#define HELP_WIDTH  ((size_t)88)
#define HELP_INDENT ((size_t)24)

/* Prints text in lines of HELP_WIDTH, all but the first one indented. column: where it begins. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
	struct str rest = str_of_c(text);
	bool first = true;

	while (rest.n) {
		struct str word = str_split(rest, ' ', &rest);

		if (!first && column + 1 + word.n > HELP_WIDTH) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			putchar(' ');
			column++;
		}
		printf("%.*s", STR_FMT(word));
		column += word.n;
		first = false;
	}
	putchar('\n');
}

static void print_entry(const char *head, const char *sentence)
{
	int n = printf("  %-*s ", (int)HELP_INDENT - 3, head);

	if ((size_t)n > HELP_INDENT)
		printf("\n%*s", (int)HELP_INDENT, "");
	print_wrapped(sentence, HELP_INDENT, HELP_INDENT);
}

static void print_option(const struct cli_option *o)
{
	struct buf head;

	buf_init(&head, PATH_MAX_LEN);
	if (o->letter)
		buf_printf(&head, "-%c, ", o->letter);
	buf_printf(&head, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
	print_entry(buf_cstr(&head), o->sentence);
	buf_fini(&head);
}

static void print_options(const struct cli_command *c)
{
	static const struct cli_option help = {"help", 'h', NULL, "Prints this help."};
	struct cli_option_sets sets = sets_of(c);

	printf("\nOptions:\n");
	for (size_t i = 0; i < CLI_OPTION_SETS; i++)
		for (const struct cli_option *o = sets.list[i]; o && o->name; o++)
			print_option(o);
	print_option(&help);
}

static const struct {
	int code;
	const char *meaning;
} exits[] = {
    {EX_OK, "done"},
    {EX_USAGE, "the command line is wrong"},
    {EX_DATAERR, "what was given or is stored is wrong, damaged, or in the way of what was asked"},
    {EX_NOINPUT, "there is nothing to work on: no data directory, no file, no such message"},
    {EX_NOUSER, "there is no such account or alias"},
    {EX_NOHOST, "there is no such domain or server"},
    {EX_UNAVAILABLE, "the server refuses or breaks off, or somebody else holds the data directory"},
    {EX_SOFTWARE, "a bug in Godwit"},
    {EX_OSERR, "the operating system refuses"},
    {EX_CANTCREAT, "the output cannot be made"},
    {EX_IOERR, "reading or writing failed"},
    {EX_TEMPFAIL, "not now: try again later"},
    {EX_NOPERM, "not permitted, or the wrong password"},
    {EX_CONFIG, "the configuration is wrong"},
};

static void print_exits(const struct cli_command *c)
{
	unsigned may = (c->exits ? c->exits : CLI_EXITS_STORE) | CLI_EXIT(EX_USAGE) |
		       CLI_EXIT(EX_OSERR) | CLI_EXIT(EX_IOERR); /* what it prints */

	printf("\nExit codes:\n");
	for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
		if (exits[i].code == EX_OK || (may & CLI_EXIT(exits[i].code)) != 0)
			printf("  %2d  %s\n", exits[i].code, exits[i].meaning);
}

static void print_command_help(const struct cli_command *c, const char *path)
{
	printf("Usage: %s%s%s [options]\n\n", path, *c->operands ? " " : "", c->operands);
	print_wrapped(c->sentence, 0, 0);
	if (c->more)
		printf("\n%s\n", c->more);
	print_options(c);
	print_exits(c);
}

static void print_table_help(const struct cli_command *table, const char *path, FILE *out)
{
	size_t i;

	fprintf(out, "Usage: %s COMMAND [options]\n\nCommands:\n", path);
	for (i = 0; table[i].name; i++)
		if (table[i].sentence)
			fprintf(out, "  %-*s %s\n", (int)HELP_INDENT - 3, table[i].name,
			    table[i].sentence);
	fprintf(out, "\n%s COMMAND --help says more about one of them, and lists its exit codes.\n",
	    path);
}

/* ---- running ---- */

/* How the help calls an operand: "ADDRESS" of "ADDRESS [TARGET]". */
static struct str operand_name(const struct cli_command *c, size_t index)
{
	struct str rest = str_of_c(c->operands), name;

	do
		name = str_split(rest, ' ', &rest);
	while (index-- > 0);
	if (name.n > 2 && name.p[0] == '[')
		name = str_sub(name, 1, name.n - 2);
	return name;
}

/* An empty or blank operand is most often a variable that was not set: it must not mean "all". */
static int check_operands(const struct cli_command *c, const char *path, const struct cli_args *a)
{
	const char *space = *c->operands ? " " : "";

	if (a->noperands > c->max_operands)
		return cli_fail(EX_USAGE, "\"%s\" is one word too many; write: %s%s%s [options]",
		    a->operands[c->max_operands], path, space, c->operands);
	for (size_t i = 0; i < a->noperands; i++)
		if (str_trim(str_of_c(a->operands[i])).n == 0)
			return cli_fail(EX_USAGE, "%.*s is empty; write: %s%s%s",
			    STR_FMT(operand_name(c, i)), path, space, c->operands);
	if (a->noperands < c->min_operands)
		return cli_fail(EX_USAGE, "%.*s is missing; write: %s%s%s",
		    STR_FMT(operand_name(c, a->noperands)), path, space, c->operands);
	return EX_OK;
}

static int run_parsed(const struct cli_command *c, const char *path, struct cli_args args)
{
	struct cli cli = {.command = c, .path = path, .args = args};
	int code = check_operands(c, path, &args);

	if (code == EX_OK)
		code = c->run(&cli);
	cli_args_fini(&cli.args);
	return code;
}

int cli_run(const struct cli_command *command, const char *path, size_t count, char *const *argv)
{
	struct cli_option_sets sets = sets_of(command);
	struct cli_args args;
	struct err e;

	switch (cli_args_parse(&args, &sets, count, argv, &e)) {
	case CLI_WANTS_HELP:
		print_command_help(command, path);
		return EX_OK;
	case CLI_BAD_USAGE:
		return cli_fail(EX_USAGE, "%s", e.text);
	case CLI_PARSED:
		break;
	}
	return run_parsed(command, path, args);
}

static bool is_help(const char *word)
{
	struct str w = str_of_c(word);

	return str_eq(w, STR("--help")) || str_eq(w, STR("-h")) || str_eq(w, STR("help"));
}

static int unknown_command(const struct cli_command *table, const char *path, const char *word)
{
	struct near n;
	struct str meant;

	if (word[0] == '-')
		return cli_fail(EX_USAGE,
		    "a command comes first, options behind it: %s COMMAND %s ...; %s --help lists the "
		    "commands",
		    path, word, path);
	near_init(&n, str_of_c(word));
	for (size_t i = 0; table[i].name; i++)
		if (table[i].sentence)
			near_offer(&n, str_of_c(table[i].name));
	meant = near_found(&n);
	if (meant.n)
		return cli_fail(EX_USAGE, "there is no command \"%s\"; did you mean %s %.*s?", word,
		    path, STR_FMT(meant));
	return cli_fail(EX_USAGE, "there is no command \"%s\"; %s --help lists them", word, path);
}

/* "godwit help account add" is "godwit account add --help". */
static int dispatch_help(
    const struct cli_command *table, const char *path, size_t count, char *const *argv)
{
	char *words[8];
	size_t n = 0;

	while (n < count && n + 1 < sizeof words / sizeof *words) {
		words[n] = argv[n];
		n++;
	}
	words[n++] = (char[]){"--help"};
	return cli_dispatch(table, path, n, words);
}

static int run_found(const struct cli_command *c, const char *path, size_t count, char *const *argv)
{
	struct buf longer;
	int code;

	if (c->run_words)
		return c->run_words(count, argv);
	buf_init(&longer, PATH_MAX_LEN);
	buf_printf(&longer, "%s %s", path, c->name);
	if (c->subs)
		code = cli_dispatch(c->subs, buf_cstr(&longer), count, argv);
	else
		code = cli_run(c, buf_cstr(&longer), count, argv);
	buf_fini(&longer);
	return code;
}

int cli_dispatch(const struct cli_command *table, const char *path, size_t count, char *const *argv)
{
	const struct cli_command *c = table;

	if (count == 0) {
		(void)cli_fail(EX_USAGE, "say which command; these are there:");
		print_table_help(table, path, stderr);
		return EX_USAGE;
	}
	if (is_help(argv[0])) {
		if (count > 1)
			return dispatch_help(table, path, count - 1, argv + 1);
		print_table_help(table, path, stdout);
		return EX_OK;
	}
	while (c->name && !str_eq(str_of_c(c->name), str_of_c(argv[0])))
		c++;
	if (!c->name)
		return unknown_command(table, path, argv[0]);
	return run_found(c, path, count - 1, argv + 1);
}
