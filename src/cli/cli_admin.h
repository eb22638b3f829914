/* The administrative commands: each is one request to the store and the printing of its answer. */
#ifndef CLI_CLI_ADMIN_H
#define CLI_CLI_ADMIN_H

#include "cli/cli.h"

extern const struct cli_command cli_admin_domain_commands[];
extern const struct cli_command cli_admin_account_commands[];
extern const struct cli_command cli_admin_alias_commands[];
extern const struct cli_command cli_admin_queue_commands[];

extern const struct cli_option cli_admin_undelete_options[];
extern const struct cli_option cli_admin_flags_options[];
extern const struct cli_option cli_admin_trace_options[];
extern const struct cli_option cli_admin_ledger_options[];
extern const struct cli_option cli_admin_test_delivery_options[];

/* The command's code is its enum admin_command; its operands are the request's arguments. */
int cli_admin(struct cli *cli);

int cli_admin_domain_add(struct cli *cli);
int cli_admin_domain_change(struct cli *cli);
int cli_admin_account_add(struct cli *cli);
int cli_admin_account_passwd(struct cli *cli);
int cli_admin_quota(struct cli *cli);
int cli_admin_ledger(struct cli *cli);
int cli_admin_trace(struct cli *cli);
int cli_admin_status(struct cli *cli);
int cli_admin_queue(struct cli *cli);
int cli_admin_queue_show(struct cli *cli);
int cli_admin_flags(struct cli *cli);
int cli_admin_undelete(struct cli *cli);
int cli_admin_test_delivery(struct cli *cli);

#endif
