/* The commands about the store itself: verify, repair, salvage. */
#ifndef CLI_CLI_STORE_H
#define CLI_CLI_STORE_H

#include "cli/cli.h"

extern const struct cli_command cli_store_commands[];

#endif
