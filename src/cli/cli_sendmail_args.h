/* The classic command line of sendmail: single letters, values behind them or in the next word. */
#ifndef CLI_CLI_SENDMAIL_ARGS_H
#define CLI_CLI_SENDMAIL_ARGS_H

#include "base/err.h"
#include "base/str.h"
#include "cli/cli_wish.h"

struct cli_sendmail_args {
	bool take_recipients;  /* -t */
	bool dot_is_content;   /* -i, -oi: a single dot does not end the message */
	const char *from;      /* -f or -r; NULL: the user */
	const char *full_name; /* -F; NULL: the user's */
	const char *data;      /* --data */
	struct cli_wish wish;  /* -N, -R, -V, --hold-until, --deliver-by, --tell-by, --priority */
	bool help;             /* --help */
	char *const *rcpts;    /* the operands */
	size_t nrcpts;
};

enum cli_sendmail_parsed {
	CLI_SENDMAIL_SEND,
	CLI_SENDMAIL_NOTHING, /* -bi, -I, -q: what they ask for needs no doing here */
	CLI_SENDMAIL_BAD,     /* *e says why */
};

/* Parses count words of argv, which must outlive *a_r. */
enum cli_sendmail_parsed cli_sendmail_args_parse(
    struct cli_sendmail_args *a_r, size_t count, char *const *argv, struct err *e);

#endif
