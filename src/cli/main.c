/*
 * The godwit command: one table of its commands. Called by the name sendmail it is `godwit sendmail`.
 * SIGPIPE and SIGXFSZ are ignored: a reader that goes away, and a file that may not grow, are ordinary errors
 * of writing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cli/cli_admin.h"
#include "cli/cli_backup.h"
#include "cli/cli_descriptors.h"
#include "cli/cli_export.h"
#include "cli/cli_import.h"
#include "cli/cli_init.h"
#include "cli/cli_mail.h"
#include "cli/cli_sendmail.h"
#include "cli/cli_serve.h"
#include "cli/cli_store.h"
#include "ipc/admin.h"

#define DESCRIPTORS ((size_t)16) /* what a command has at least */

#define CLI_EXITS_INIT                                                                             \
	(CLI_EXIT(EX_CANTCREAT) | CLI_EXIT(EX_TEMPFAIL) | CLI_EXIT(EX_NOPERM) | CLI_EXIT(EX_CONFIG))
#define CLI_EXITS_SERVE                                                                            \
	(CLI_EXIT(EX_NOINPUT) | CLI_EXIT(EX_UNAVAILABLE) | CLI_EXIT(EX_SOFTWARE) |                 \
	    CLI_EXIT(EX_OSERR) | CLI_EXIT(EX_NOPERM) | CLI_EXIT(EX_CONFIG))

static const struct cli_command commands[] = {
    {"init", "", "Makes a data directory, with configuration and certificate.", cli_init,
	.options = cli_init_options, .flags = CLI_DATA, .exits = CLI_EXITS_INIT,
	.more =
	    "For example:\n"
	    "  godwit init --data /var/lib/godwit --hostname mail.example.org\n\n"
	    "Run again, it makes what is missing and changes nothing else. With options that are not those\n"
	    "of the configuration that is there it does nothing, and says so: edit godwit.conf instead.\n\n"
	    "A directory that is root's becomes that of the user user_store names; one that has another owner\n"
	    "stays his, with what is made in it. A private key is never replaced or removed."},
    {"serve", "", "Runs the server in the foreground, until Ctrl-C or SIGTERM.", cli_serve,
	.flags = CLI_DATA, .exits = CLI_EXITS_SERVE,
	.more =
	    "SIGHUP makes it read its configuration and certificate again. It logs on standard\n"
	    "error, one event a line."},
    {"check-config", "", "Checks the configuration and shows what differs from the defaults.",
	cli_serve_check_config, .options = cli_serve_check_config_options,
	.flags = CLI_DATA | CLI_JSON,
	.more =
	    "With --json one object: \"good\"; \"error\" and its \"line\" where that is known; \"options\",\n"
	    "those that differ from their default or all, values as they stand in the file.",
	.exits = CLI_EXIT(EX_NOINPUT) | CLI_EXIT(EX_CONFIG)},
    {"domain", "", "Domains: add, change, list, quota, remove.", .subs = cli_admin_domain_commands},
    {"account", "", "Accounts: add, list, passwd, quota, send-only, disable, remove ...",
	.subs = cli_admin_account_commands},
    {"alias", "", "Aliases: add, list, remove.", .subs = cli_admin_alias_commands},
    {"queue", "", "What waits for other servers: list, summary, show, explain, retry, hold ...",
	.subs = cli_admin_queue_commands},
    {"status", "", "How the server is doing.", cli_admin_status, .flags = CLI_DATA | CLI_JSON},
    {"trace", "[ID|ADDRESS|MESSAGE-ID]", "What happened to a message, or the newest events.",
	cli_admin_trace, .options = cli_admin_trace_options, .flags = CLI_DATA | CLI_JSON,
	.max_operands = 1,
	.more =
	    "ID is what the server's 250 reply, the log and the Received field show.\n\n"
	    "With --json an object for each event: \"id\", \"time\", \"event\", \"address\", \"text\". Of an attempt\n"
	    "to send it on also what its text says: \"began\" (its \"time\" is when it ended), \"server\" and \"ip\"\n"
	    "of who was spoken to, \"tls\" (the version; empty: in the clear), \"cipher\", \"verified\" (the\n"
	    "certificate was valid for its name); with --dialogue what both said: \"dialogue\"."},
    {"ledger", "", "Lists what administrators changed: who, what, when; the newest first.",
	cli_admin_ledger, .options = cli_admin_ledger_options, .flags = CLI_DATA | CLI_JSON},
    {"audit", "", "Proves that every accepted message is accounted for.", cli_admin,
	.flags = CLI_DATA | CLI_JSON, .exits = CLI_EXITS_STORE, .code = ADMIN_AUDIT},
    {"test-delivery", "", "Says what would become of a message from standard input.",
	cli_admin_test_delivery, .options = cli_admin_test_delivery_options,
	.flags = CLI_DATA | CLI_JSON,
	.more =
	    "For example:\n"
	    "  godwit test-delivery --from a@example.net --to bob@example.org < message\n\n"
	    "Its lines may end as in files here, with LF alone, which stands for CRLF; a CR alone is refused as\n"
	    "by the server.\n\n"
	    "With --json one object: \"action\" (mailbox, relay, redirect, discard or reject), the \"mailbox\",\n"
	    "\"code\", \"status\" and \"reason\" of a refusal, \"sent_on_as\", the reverse path of what an alias\n"
	    "sends on; \"targets\", unless it is refused: accounts, and addresses elsewhere with their\n"
	    "\"destination\" in the queue and the \"host\" that is named for it, if one is; and \"facts\"."},
    {"backup", "DIR", "Copies everything into a directory; again, only what is new.", cli_backup,
	.flags = CLI_DATA, .exits = CLI_EXITS_FILES, .min_operands = 1, .max_operands = 1,
	.more =
	    "While the server runs, or while it is stopped. What was there before stays usable until the\n"
	    "new backup is complete. For example:\n  godwit backup /media/disk/mail"},
    {"restore", "DIR", "Brings back a backup: everything, an account, or a message.", cli_restore,
	.options = cli_restore_options, .flags = CLI_DATA, .exits = CLI_EXITS_FILES,
	.min_operands = 1, .max_operands = 1,
	.more = "Everything goes into an empty data directory:\n"
		"  godwit restore /media/disk/mail --data /var/lib/godwit\n\n"
		"The rest into the one that is there, while its server runs or is stopped."},
    {"undelete", "ADDRESS", "Brings back deleted messages of an account.", cli_admin_undelete,
	.options = cli_admin_undelete_options, .flags = CLI_DATA, .exits = CLI_EXITS_FILES,
	.min_operands = 1, .max_operands = 1,
	.more = "Deleted messages are kept as long as undelete in godwit.conf says. For example:\n"
		"  godwit undelete bob@example.org --since 2h"},
    {"flags", "ADDRESS", "Shows and changes the flags of messages: seen, flagged ...",
	cli_admin_flags, .options = cli_admin_flags_options, .flags = CLI_DATA | CLI_JSON,
	.exits = CLI_EXITS_FILES, .min_operands = 1, .max_operands = 1,
	.more =
	    "FLAGS are seen, answered, flagged, draft, forwarded, junk, notjunk, phishing, mdnsent, or\n"
	    "any other words, separated by blanks or commas. For example:\n"
	    "  godwit flags bob@example.org --mailbox INBOX --add seen"},
    {"export", "ADDRESS", "Writes an account's mail as mbox files or as a Maildir.", cli_export,
	.options = cli_export_options, .flags = CLI_DATA, .exits = CLI_EXITS_FILES,
	.min_operands = 1, .max_operands = 1,
	.more = "For example:\n  godwit export bob@example.org --maildir bob"},
    {"import", "ADDRESS FILE|DIR", "Takes mail of other servers and programs into an account.",
	cli_import, .options = cli_import_options, .flags = CLI_DATA, .exits = CLI_EXITS_FILES,
	.min_operands = 2, .max_operands = 2,
	.more =
	    "Takes an mbox file, a Maildir with its folders, or a directory of such. Run again, it\n"
	    "goes on where it was: what is there is not taken twice."},
    {"store", "", "The stored data: verify, repair, salvage.", .subs = cli_store_commands},
    {"mail", "", "A small user agent: send, list, read.", .subs = cli_mail_commands},
    {"sendmail", "", "Sends mail as programs of this machine do.", .run_words = cli_sendmail_main},
    {"process", "", NULL, .run_words = cli_serve_process},
    {0},
};

static bool is_called(const char *path, struct str name)
{
	struct str s = str_of_c(path);
	size_t slash = str_rfind(s, '/');

	return str_eq(slash < s.n ? str_from(s, slash + 1) : s, name);
}

/* Output that could not be written is an error, unless nobody wanted to read it. */
static int finish(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return code == EX_OK ? EX_IOERR : code;
	return cli_fail(EX_IOERR, "cannot write to standard output: %s", err_reason(errno));
}

/* Without those that its loop needs libuv aborts, and nobody would hear why. */
static bool has_room_for_descriptors(void)
{
	int fds[DESCRIPTORS];
	size_t n = 0;
	bool good;

	while (n < DESCRIPTORS && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	good = n == DESCRIPTORS;
	while (n > 0)
		close(fds[--n]);
	return good;
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? (size_t)argc - 1 : 0;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!cli_descriptors_fill())
		return cli_fail(EX_OSERR,
		    "cannot open /dev/null in place of a standard descriptor: %s",
		    err_reason(errno));
	if (!has_room_for_descriptors())
		return cli_fail(
		    EX_OSERR, "cannot open even %zu files: %s", DESCRIPTORS, err_reason(errno));
	if (argc > 0 && is_called(argv[0], STR("sendmail")))
		return finish(cli_sendmail_main(count, argv + 1));
	if (count > 0 && str_eq(str_of_c(argv[1]), STR("--version"))) {
		printf("godwit %s\n", GODWIT_VERSION);
		return finish(EX_OK);
	}
	return finish(cli_dispatch(commands, "godwit", count, argv + 1));
}
