/* `godwit sendmail`, also under the name sendmail: mail from programs of this machine. */
#ifndef CLI_CLI_SENDMAIL_H
#define CLI_CLI_SENDMAIL_H

#include "cli/cli.h"

/* Takes the words behind the command's name. Gives the exit code, as sendmail's callers know them. */
int cli_sendmail_main(size_t count, char *const *argv);

#endif
