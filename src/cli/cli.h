/*
 * The godwit command: a table of commands, some with a table of their own, and what every command
 * shares: its arguments, the data directory, errors of one sentence, exit codes of <sysexits.h>.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <sysexits.h>

#include "cli/cli_args.h"

struct cli {
	const struct cli_command *command;
	const char *path; /* "godwit account add" */
	struct cli_args args;
};

/* What a command shares with others: each bit adds a list of options. */
#define CLI_DATA     1u  /* --data DIR */
#define CLI_JSON     2u  /* --json */
#define CLI_PASSWORD 4u  /* --password-stdin */
#define CLI_SERVER   8u  /* --server, --tls ...: connections to a mail server */
#define CLI_COUNTS   16u /* with CLI_JSON: programs get numbers and names, people a sentence */
#define CLI_STDIN    32u /* with CLI_PASSWORD: standard input has more than the password */

#define CLI_ANY_OPERANDS SIZE_MAX

/* The exit codes of a command, for its help; 0 and EX_USAGE are everybody's. */
#define CLI_EXIT(code) (1u << ((code)-EX__BASE))
#define CLI_EXITS_STORE                                                                            \
	(CLI_EXIT(EX_DATAERR) | CLI_EXIT(EX_NOINPUT) | CLI_EXIT(EX_UNAVAILABLE) |                  \
	    CLI_EXIT(EX_IOERR) | CLI_EXIT(EX_TEMPFAIL) | CLI_EXIT(EX_NOPERM) |                     \
	    CLI_EXIT(EX_CONFIG))
#define CLI_EXITS_FILES /* what takes or gives files */                                            \
	(CLI_EXITS_STORE | CLI_EXIT(EX_NOUSER) | CLI_EXIT(EX_CANTCREAT))
#define CLI_EXITS_NAMES /* what changes or lists domains, accounts, aliases */                     \
	(CLI_EXITS_STORE | CLI_EXIT(EX_NOUSER) | CLI_EXIT(EX_NOHOST))
#define CLI_EXITS_SERVER                                                                           \
	(CLI_EXIT(EX_NOINPUT) | CLI_EXIT(EX_NOHOST) | CLI_EXIT(EX_UNAVAILABLE) |                   \
	    CLI_EXIT(EX_TEMPFAIL) | CLI_EXIT(EX_NOPERM))

struct cli_view;

struct cli_command {
	const char *name;            /* NULL ends a table */
	const char *operands;        /* as the help prints them, "" for none */
	const char *sentence;        /* what it does */
	int (*run)(struct cli *cli); /* gives the exit code; NULL when there are subs */
	const struct cli_command *subs;
	const struct cli_option *options; /* its own ones */
	unsigned flags;
	size_t min_operands, max_operands;
	int code;                    /* for run functions that serve several commands */
	const struct cli_view *view; /* of its records, cli_records.h; NULL: all */
	unsigned exits;              /* CLI_EXIT() bits; 0: CLI_EXITS_STORE */
	const char *more;            /* further paragraphs of the help, or NULL */
	int (*run_words)(size_t count, char *const *argv); /* reads its words itself */
};

/*
 * Finds the command that the words name, parses its arguments and runs it. path: what was typed so
 * far ("godwit"). Help is printed on standard output. Gives the exit code.
 */
int cli_dispatch(
    const struct cli_command *table, const char *path, size_t count, char *const *argv);

/* The same for one command that is known already. */
int cli_run(const struct cli_command *command, const char *path, size_t count, char *const *argv);

/* Prints "godwit: " and the sentence on standard error; gives code, for `return cli_fail(...)`. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --data, else the environment's GODWIT_DATA, else /var/lib/godwit. */
const char *cli_data_dir(const struct cli *cli);

#define CLI_DATA_DEFAULT "/var/lib/godwit"

#endif
