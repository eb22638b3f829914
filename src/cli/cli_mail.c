/* The table of mail commands. */
#include "cli/cli_mail.h"

static const struct cli_option send_options[] = {
    {"from", 0, "ADDRESS", "Your address, with your name if you like: \"Bob <bob@example.org>\"."},
    {"to", 0, "ADDRESS", "Recipients, separated by commas; may be given several times.",
	.many = true},
    {"cc", 0, "ADDRESS", "The same for those who get a copy.", .many = true},
    {"bcc", 0, "ADDRESS", "The same for those the others are not to know of.", .many = true},
    {"subject", 0, "TEXT", "What it is about.", .may_be_empty = true},
    {"attach", 0, "FILE", "Adds a file; may be given several times.", .many = true},
    {"hold-until", 0, "WHEN", "It is sent then, not before (at most 60 days from now)."},
    {"deliver-by", 0, "WHEN", "If it is not delivered by then, it comes back."},
    {"tell-by", 0, "WHEN", "If it is not delivered by then, you are told."},
    {"priority", 0, "N", "-9 to 9: what is higher goes before other mail to the same server."},
    {"notify", 0, "WHAT", "Of what you are told: never, or some of success,failure,delay."},
    {0},
};

static const struct cli_option list_options[] = {
    {"limit", 0, "N", "Only the newest N messages (default 100)."},
    {0},
};

static const struct cli_option read_options[] = {
    {"raw", 0, NULL, "Prints the message exactly as the server gives it, octet by octet."},
    {"delete", 0, NULL, "Deletes the message after it was written."},
    {0},
};

#define CLI_EXITS_MAIL                                                                             \
	(CLI_EXITS_SERVER | CLI_EXIT(EX_DATAERR) | CLI_EXIT(EX_NOUSER) | CLI_EXIT(EX_CONFIG))

const struct cli_command cli_mail_commands[] = {
    {"send", "", "Sends a message; its text comes from standard input.", cli_mail_send,
	.options = send_options, .flags = CLI_SERVER | CLI_PASSWORD | CLI_STDIN | CLI_DATA,
	.exits = CLI_EXITS_MAIL,
	.more =
	    "For example:\n"
	    "  echo Hello | godwit mail send --server mail.example.org:587 --user bob@example.org \\\n"
	    "      --from bob@example.org --to carol@example.net --subject Greetings\n\n"
	    "With --password-stdin the password is the first line and the text what follows it."},
    {"list", "", "Lists the messages in the mailbox.", cli_mail_list, .options = list_options,
	.flags = CLI_SERVER | CLI_PASSWORD | CLI_DATA | CLI_JSON, .exits = CLI_EXITS_MAIL,
	.more = "For example:\n"
		"  godwit mail list --server mail.example.org:995 --user bob@example.org"},
    {"read", "NUMBER", "Prints one message.", cli_mail_read, .options = read_options,
	.flags = CLI_SERVER | CLI_PASSWORD | CLI_DATA, .exits = CLI_EXITS_MAIL, .min_operands = 1,
	.max_operands = 1,
	.more =
	    "For example:\n"
	    "  godwit mail read 3 --server mail.example.org:995 --user bob@example.org\n\n"
	    "A message that could not be written to standard output is not deleted, and stays unread; a reader that\n"
	    "goes away early, as head does, has seen what it wanted, and only keeps it from being deleted."},
    {0},
};
