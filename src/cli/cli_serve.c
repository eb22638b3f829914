/* serve, check-config, and the entrance of the processes that serve starts. */
#include "cli/cli_serve.h"

#include "base/limits.h"
#include "cli/cli_records.h"
#include "config/config.h"
#include "proc/process.h"
#include "proc/supervisor.h"

int cli_serve(struct cli *cli)
{
	return supervisor_main(cli_data_dir(cli));
}

int cli_check_config(struct cli *cli)
{
	struct buf report;
	struct err e;
	int code = EX_OK;

	buf_init(&report, MIB);
	if (config_check(cli_data_dir(cli), &report, &e) < 0) {
		code = cli_fail(EX_CONFIG, "%s", e.text);
	} else {
		printf("The configuration is good. Options that differ from their default:\n");
		cli_flush_stdout(&report);
	}
	buf_fini(&report);
	return code;
}

int cli_process(size_t count, char *const *argv)
{
	if (count != 1)
		return cli_fail(EX_USAGE, "this command is for the server's own use");
	return process_main(argv[0]);
}
