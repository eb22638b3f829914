/* serve, check-config, and the entrance of the processes that serve starts. */
#include "cli/cli_serve.h"

#include "base/limits.h"
#include "cli/cli_json.h"
#include "cli/cli_records.h"
#include "config/config.h"
#include "config/options.h"
#include "proc/admin_call.h"
#include "proc/preflight.h"
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
    {"all", 0, NULL, "Lists all options there are, with meaning, range and default."},
    {0},
};

static void put_option(const struct config_entry *entry, void *ctx)
{
	struct cli_json *j = ctx;

	cli_json_object(j, CLI_JSON_NO_KEY);
	cli_json_text(j, STR("name"), entry->name);
	if (entry->value.n)
		cli_json_text(j, STR("value"), entry->value);
	if (entry->initial)
		cli_json_text(j, STR("default"), str_of_c(entry->initial));
	cli_json_text(j, STR("allowed"), entry->allowed);
	cli_json_text(j, STR("sentence"), str_of_c(entry->sentence));
	cli_json_end(j);
}

/* The sentence, and its line where it begins with "DIR/godwit.conf:LINE: ". */
static void put_error(struct cli_json *j, const char *dir, const char *error)
{
	struct str text = str_of_c(error), number;
	struct buf head;
	uint64_t line;

	cli_json_text(j, STR("error"), text);
	buf_init(&head, LIMIT_ERR_TEXT); /* what is longer is no head of an error */
	buf_printf(&head, "%s/godwit.conf:", dir);
	if (str_has_prefix(text, buf_view(&head))) {
		number = str_from(text, head.n);
		number = str_sub(number, 0, str_find(number, ':'));
		if (str_to_u64(number, UINT32_MAX, &line))
			cli_json_int(j, STR("line"), (int64_t)line);
	}
	buf_fini(&head);
}

/* c: NULL when the configuration is not good. */
static void print_json(struct cli *cli, const struct config_snapshot *c, const char *error)
{
	bool all = cli_args_has(&cli->args, "all");
	struct cli_json j;
	struct buf out;

	buf_init(&out, MIB);
	cli_json_init(&j, &out);
	cli_json_object(&j, CLI_JSON_NO_KEY);
	cli_json_bool(&j, STR("good"), c != NULL);
	if (!c)
		put_error(&j, cli_data_dir(cli), error);
	if (c || all) {
		cli_json_array(&j, STR("options"));
		config_each(c, all, put_option, &j);
		cli_json_end(&j);
	}
	cli_json_end(&j);
	cli_records_flush_stdout(&out);
	buf_fini(&out);
}

static void print_text(struct cli *cli, const struct config_snapshot *c)
{
	struct buf text;

	buf_init(&text, MIB);
	if (cli_args_has(&cli->args, "all"))
		options_put_manual(&text);
	if (c) {
		buf_lit(
		    &text, "The configuration is good. Options that differ from their default:\n");
		config_put(c, false, &text);
	}
	cli_records_flush_stdout(&text);
	buf_fini(&text);
}

int cli_serve_check_config(struct cli *cli)
{
	struct preflight p = {NULL};
	struct err e = {""};
	int code = admin_find_directory(cli_data_dir(cli), &e);

	if (code != EX_NOINPUT) { /* the configuration itself may be read by all */
		uint64_t number = code == EX_OK ? 1 : 0;

		code = preflight_load(cli_data_dir(cli), number, &p, &e) < 0 ? EX_CONFIG : EX_OK;
	}
	if (cli_args_has(&cli->args, "json"))
		print_json(cli, p.config, e.text);
	else
		print_text(cli, p.config);
	if (code != EX_OK)
		cli_fail(code, "%s", e.text);
	preflight_fini(&p);
	return code;
}

int cli_serve_process(size_t count, char *const *argv)
{
	if (count != 1)
		return cli_fail(EX_USAGE,
		    "this command is for the server's own use; start it with: godwit serve");
	return process_main(argv[0]);
}
