/* `godwit init`: makes a data directory, ready to serve. */
#ifndef CLI_CLI_INIT_H
#define CLI_CLI_INIT_H

#include "cli/cli.h"

extern const struct cli_option cli_init_options[];

int cli_init(struct cli *cli);

#endif
