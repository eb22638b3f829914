#include "program.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_admin.h"
#include "cli/cli_backup.h"
#include "cli/cli_store.h"
#include "ipc/admin.h"

#define WORDS 8

static const struct cli_command commands[] = {
    {"backup", "DIR", "", cli_backup, .flags = CLI_DATA, .min_operands = 1, .max_operands = 1},
    {"restore", "DIR", "", cli_restore, .options = cli_restore_options, .flags = CLI_DATA,
	.min_operands = 1, .max_operands = 1},
    {"store", "", "", .subs = cli_store_commands},
    {"audit", "", "", cli_admin, .flags = CLI_DATA, .code = ADMIN_AUDIT},
    {0},
};

int program_run(const char *const *words)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;
	char *argv[WORDS];
	size_t n = 0;

	for (; words[n]; n++) {
		MUST(n < WORDS);
		argv[n] = (char *)(uintptr_t)words[n];
	}
	code = cli_dispatch(commands, "godwit", n, argv);
	MUST(here >= 0 && fchdir(here) == 0);
	close(here);
	return code;
}
