/* Passwords: from a pipe, the environment or the terminal; never from the command line. */
#ifndef CLI_CLI_PROMPT_H
#define CLI_CLI_PROMPT_H

#include "base/buf.h"
#include "cli/cli.h"

enum cli_prompt_kind {
	CLI_PROMPT_NEW,   /* asked for twice */
	CLI_PROMPT_LOGIN, /* asked for once */
};

/*
 * Appends the password to out (initialised with a maximum of at least LIMIT_PASSWORD; wipe it
 * afterwards): with --password-stdin the line on standard input, which must be all of it unless the
 * command has the flag CLI_STDIN, else the environment's GODWIT_PASSWORD, else what is typed at the
 * terminal without echo. The command must have the flag CLI_PASSWORD. Gives EX_OK, or an exit code
 * after saying why; out is untouched then.
 */
int cli_prompt_password(
    const struct cli *cli, enum cli_prompt_kind kind, const char *whose, struct buf *out);

/* Somebody at the terminal will be asked: the password comes from nowhere else. */
bool cli_prompt_asks(const struct cli *cli);

/* One line without its end from a descriptor, octet by octet so that nothing behind it is taken. At
 * most LIMIT_PASSWORD octets. 0, or -1 at the end of input, for a longer line, NUL, or an error. */
int cli_prompt_line(int fd, struct buf *out);

#endif
