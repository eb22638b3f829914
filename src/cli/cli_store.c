/* verify is a request whose records are findings, and in between how far it is; repair an ordinary one. */
#include "cli/cli_store.h"

#include "cli/cli_admin.h"
#include "cli/cli_progress.h"
#include "cli/cli_records.h"
#include "cli/cli_text.h"
#include "proc/admin_call.h"

#define RATE_DEFAULT 32
#define RATE_MAX     100000

static const struct cli_option verify_options[] = {
    {"rate", 0, "MB",
	"At most so many MB of messages a second (default 32; 0: as fast as it goes)."},
    {0},
};

struct showing {
	struct cli_records records;
	struct cli_progress progress;
};

/* Fields of a record of progress; false when it is another one. */
static bool show_progress(struct showing *s, struct str record)
{
	struct cur c = cur_of(record);
	struct admin_field f;
	struct str stage = STR("");
	int64_t octets = 0;

	while (admin_field_next(&c, &f) == 1) {
		if (str_eq(f.name, STR("type")) && !str_eq(f.text, STR("progress")))
			return false;
		if (str_eq(f.name, STR("stage")))
			stage = f.text;
		if (str_eq(f.name, STR("octets")))
			octets = f.number;
	}
	if (!s->records.is_json) {
		char text[40];

		snprintf(text, sizeof text, "reading %.*s", STR_FMT(str_sub(stage, 0, 24)));
		cli_progress_show(&s->progress, text, -1, octets);
	}
	return true;
}

static bool on_record(void *ctx, struct str record)
{
	struct showing *s = ctx;

	if (show_progress(s, record))
		return true;
	cli_progress_clear(&s->progress);
	cli_records_put(&s->records, record);
	return true;
}

static int verify(struct cli *cli)
{
	bool is_json = cli_args_has(&cli->args, "json");
	struct admin_request r = {.command = ADMIN_VERIFY, .nargs = 1};
	struct showing s;
	struct buf text, rate;
	struct admin_call call = {
	    .dir = cli_data_dir(cli), .request = &r, .record = on_record, .ctx = &s, .text = &text};
	uint64_t mb = 0;
	struct err e;
	int code;

	if (cli_args_number(&cli->args, "rate", 0, RATE_MAX, RATE_DEFAULT, &mb, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	buf_init(&rate, 24);
	buf_u64(&rate, mb * MIB);
	r.args[0] = buf_view(&rate);
	buf_init(&text, LIMIT_IPC_PAYLOAD);
	cli_progress_init(&s.progress);
	cli_records_init(&s.records, CLI_RECORDS_LIST, is_json, cli_records_flush_stdout);
	code = admin_call(&call);
	cli_progress_clear(&s.progress);
	cli_records_end(&s.records, code == EX_OK || code == EX_DATAERR);
	if (code != EX_OK)
		cli_fail(code, "%s", buf_cstr(&text));
	else if (!is_json)
		printf("%s\n", buf_cstr(&text));
	buf_fini(&rate);
	buf_fini(&text);
	return code;
}

const struct cli_command cli_store_commands[] = {
    {"verify", "", "Reads everything and names what is damaged.", verify, .options = verify_options,
	.flags = CLI_DATA | CLI_JSON, .exits = CLI_EXITS_STORE,
	.more =
	    "Changes nothing; while the server runs, or while it is stopped. The exit code is 0 when\n"
	    "nothing is damaged, 65 when something is."},
    {"repair", "", "Saves what can be saved of a damaged store; the server must be stopped.",
	cli_admin, .flags = CLI_DATA | CLI_JSON, .exits = CLI_EXITS_STORE, .code = ADMIN_REPAIR,
	.more =
	    "Messages whose content is damaged or lost are taken out of their mailboxes and out of the\n"
	    "queue; what is left of them is written to quarantine/ in the data directory, and the\n"
	    "ledger says that they were discarded as damaged. Messages that are in no mailbox come to the\n"
	    "INBOX of their account. Everything else stays as it is. Make a copy of the data\n"
	    "directory first, when there is room for one."},
    {"aside", "", "Lists packs that a start has set aside, for the database does not know them.",
	cli_admin, .flags = CLI_DATA | CLI_JSON, .exits = CLI_EXITS_STORE, .code = ADMIN_ASIDE,
	.more =
	    "They are packs/NUMBER.pack.orphan in the data directory. `first` and `last` are ids of messages\n"
	    "in it; `missed` is how many of them the database knows and has no content of: `godwit store\n"
	    "repair` takes such a pack in again. The others are what a crash left of mail that no sender was\n"
	    "told was taken, or came after an older database that was put back: `godwit store salvage` takes\n"
	    "these in."},
    {"discard", "NUMBER|all", "Removes a pack that is set aside, or all of them.", cli_admin,
	.flags = CLI_DATA | CLI_JSON, .min_operands = 1, .max_operands = 1,
	.exits = CLI_EXITS_STORE, .code = ADMIN_DISCARD,
	.more =
	    "Those with messages that are missed stay, and those that cannot be read: `unread` of `godwit\n"
	    "store aside` tells why. What is removed is gone for good: look there before."},
    {"salvage", "ADDRESS",
	"Makes a damaged or lost database anew, from what can be read of it and from the packs.",
	cli_admin, .flags = CLI_DATA | CLI_JSON, .min_operands = 1, .max_operands = 1,
	.code = ADMIN_SALVAGE,
	.more =
	    "For when the database is gone, or cannot be opened, or `godwit store verify` or `repair` says\n"
	    "that only this helps; the server must be stopped. The old database is kept in quarantine/.\n"
	    "Messages that only the packs hold come to the mailbox \"recovered\" of those whose they are, as\n"
	    "far as anything tells; all others to that of the account ADDRESS, which is made when it is\n"
	    "not there. When there is an older backup, put its store.db in the place of this one before:\n"
	    "its accounts, passwords and mailboxes are known then.\n\n"
	    "For example:\n  godwit store salvage postmaster@example.org"},
    {0},
};
