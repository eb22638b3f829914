/*
 * Options and operands of one command: long options with or without a value ("--to A", "--to=A"),
 * single-letter ones ("-f A", "-fA"), "--" ends the options. Nothing is abbreviated.
 */
#ifndef CLI_CLI_ARGS_H
#define CLI_CLI_ARGS_H

#include "base/err.h"
#include "base/str.h"

struct cli_option {
	const char *name;     /* without the dashes; NULL ends a list */
	char letter;          /* its short form, 0 for none */
	const char *value;    /* how the help names its value; NULL for a flag */
	const char *sentence; /* what it does, for the help */
	bool many;            /* may be given several times */
	bool may_be_empty;    /* so may be blank; else refused: most often a variable was unset */
};

#define CLI_OPTION_SETS 5

/* The lists a command takes its options from; NULL entries are skipped. */
struct cli_option_sets {
	const struct cli_option *list[CLI_OPTION_SETS];
};

struct cli_arg {
	const struct cli_option *option;
	const char *value; /* "" for a flag */
};

struct cli_args {
	struct cli_option_sets sets;
	struct cli_arg *given;
	size_t ngiven;
	const char **operands;
	size_t noperands;
};

enum cli_parsed {
	CLI_PARSED,
	CLI_WANTS_HELP, /* --help or -h stood among them */
	CLI_BAD_USAGE,  /* *e says what is wrong and what was probably meant */
};

/*
 * Parses count words of argv (without the command's name). The words must live as long as *a_r, which
 * is set only for CLI_PARSED and then ended by cli_args_fini().
 */
enum cli_parsed cli_args_parse(struct cli_args *a_r, const struct cli_option_sets *sets,
    size_t count, char *const *argv, struct err *e);
void cli_args_fini(struct cli_args *a);

/*
 * Looks an option up; its name must be one that the command declares (else: abort). The value is that
 * of its index-th use, NULL when it was not used so often; _value is the last one.
 */
bool cli_args_has(const struct cli_args *a, const char *name);
const char *cli_args_value(const struct cli_args *a, const char *name);
const char *cli_args_nth(const struct cli_args *a, const char *name, size_t index);

/*
 * The option's value as a whole number from min to max, fallback when it was not used. 0, or -1 with
 * a sentence in *e; *out_r is untouched then.
 */
int cli_args_number(const struct cli_args *a, const char *name, uint64_t min, uint64_t max,
    uint64_t fallback, uint64_t *out_r, struct err *e);

#endif
