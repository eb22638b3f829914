/* `godwit mail`: a small user agent. It speaks SMTP submission and POP3 to any server. */
#ifndef CLI_CLI_MAIL_H
#define CLI_CLI_MAIL_H

#include "cli/cli.h"

extern const struct cli_command cli_mail_commands[];

int cli_mail_send(struct cli *cli);
int cli_mail_list(struct cli *cli);
int cli_mail_read(struct cli *cli);

#endif
