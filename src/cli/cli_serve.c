/* serve, check-config, and the entrance of the processes that serve starts. */
#include "cli/cli_serve.h"

#include "base/limits.h"
#include "cli/cli_records.h"
#include "config/config.h"
#include "config/options.h"
#include "proc/admin_call.h"
#include "proc/process.h"
#include "proc/supervisor.h"

int cli_serve(struct cli *cli)
{
	struct err e = {""};
	int code = admin_find_directory(cli_data_dir(cli), &e);

	if (code != EX_OK)
		return cli_fail(code, "%s", e.text);
	return supervisor_main(cli_data_dir(cli));
}

const struct cli_option cli_serve_check_config_options[] = {
    {"all", 0, NULL, "First lists all options there are, with meaning, range and default."},
    {0},
};

static void print_manual(void)
{
	struct buf text;

	buf_init(&text, MIB);
	options_put_manual(&text);
	cli_records_flush_stdout(&text);
	buf_fini(&text);
}

int cli_serve_check_config(struct cli *cli)
{
	struct buf report;
	struct err e;
	int code;

	if (cli_args_has(&cli->args, "all"))
		print_manual();
	code = admin_find_directory(cli_data_dir(cli), &e);
	if (code == EX_NOINPUT) /* the configuration itself may be read by all */
		return cli_fail(code, "%s", e.text);
	code = EX_OK;
	buf_init(&report, MIB);
	if (config_check(cli_data_dir(cli), &report, &e) < 0) {
		code = cli_fail(EX_CONFIG, "%s", e.text);
	} else {
		printf("The configuration is good. Options that differ from their default:\n");
		cli_records_flush_stdout(&report);
	}
	buf_fini(&report);
	return code;
}

int cli_serve_process(size_t count, char *const *argv)
{
	if (count != 1)
		return cli_fail(EX_USAGE,
		    "this command is for the server's own use; start it with: godwit serve");
	return process_main(argv[0]);
}
