/* The commands that run the server and look at its configuration. */
#ifndef CLI_CLI_SERVE_H
#define CLI_CLI_SERVE_H

#include "cli/cli.h"

extern const struct cli_option cli_serve_check_config_options[];

int cli_serve(struct cli *cli);
int cli_serve_check_config(struct cli *cli);

/* `godwit process ROLE`: started by the supervisor only. */
int cli_serve_process(size_t count, char *const *argv);

#endif
