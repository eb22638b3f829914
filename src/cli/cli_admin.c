/*
 * Tables of the administrative commands, and what sends their requests. A command that needs no more
 * than its operands has no function of its own.
 */
#include "cli/cli_admin.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "cli/cli_flags.h"
#include "cli/cli_prompt.h"
#include "cli/cli_records.h"
#include "cli/cli_spool.h"
#include "cli/cli_text.h"
#include "cli/cli_time.h"
#include "config/option_value.h"
#include "mime/mime_keywords.h"
#include "proc/admin_address.h"
#include "proc/admin_call.h"
#include "smtp/smtp_path.h"

#define TRACE_DEFAULT  20
#define TRACE_MAX      1000
#define LEDGER_DEFAULT 100
#define LEDGER_MAX     1000000

static const struct cli_option quota_options[] = {
    {"bytes", 0, "N", "How much: a number with K, M, G or T behind it, none, or default."},
    {"messages", 0, "N", "How many: a number, none, or default."},
    {0},
};

#define QUOTA_MORE                                                                                    \
	"\"default\" is what the configuration says (quota.account_bytes and its like). What is in\n" \
	"effect and what is used is shown by the lists."

static const struct cli_option domain_add_options[] = {
    {"relay", 0, NULL, "Its mailboxes are on another server, for which this one keeps its mail."},
    {"no-verify", 0, NULL, "With --relay: that server is not asked whether it knows a recipient."},
    {0},
};

static const struct cli_option domain_change_options[] = {
    {"relay", 0, NULL, "Its mailboxes are on another server, for which this one keeps its mail."},
    {"no-verify", 0, NULL, "With --relay: that server is not asked whether it knows a recipient."},
    {"local", 0, NULL, "Its mailboxes are here."},
    {0},
};

#define RELAY_MORE                                                                                            \
	"A relay domain has its mailboxes on another server, for which this one is the backup MX: it\n"       \
	"takes the mail and passes it on, to an MX of the domain with a lower preference number than\n"       \
	"its own, or by a route in godwit.conf. Without either it would send the mail to itself; then\n"      \
	"it takes none. Recipients who are not known from before are asked for at that server, and those\n"   \
	"that it refuses are refused. Unless you must, do not use --no-verify: mail for recipients that do\n" \
	"not exist is returned, mostly to people who never sent it."

const struct cli_command cli_admin_domain_commands[] = {
    {"add", "DOMAIN", "Makes a domain ours: mail for it is accepted.", cli_admin_domain_add,
	.options = domain_add_options, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES,
	.min_operands = 1, .max_operands = 1, .code = ADMIN_DOMAIN_ADD, .more = RELAY_MORE},
    {"change", "DOMAIN", "Says where the mailboxes of a domain are.", cli_admin_domain_change,
	.options = domain_change_options, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES,
	.min_operands = 1, .max_operands = 1, .code = ADMIN_DOMAIN_KIND, .more = RELAY_MORE},
    {"list", "", "Lists our domains.", cli_admin, .flags = CLI_DATA | CLI_JSON,
	.exits = CLI_EXITS_NAMES, .code = ADMIN_DOMAIN_LIST},
    {"quota", "DOMAIN", "Limits what all accounts of a domain hold together.", cli_admin_quota,
	.options = quota_options, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1,
	.max_operands = 1, .code = ADMIN_DOMAIN_QUOTA, .more = QUOTA_MORE},
    {"remove", "DOMAIN", "Removes a domain that has no accounts and aliases left.", cli_admin,
	.flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1, .max_operands = 1,
	.code = ADMIN_DOMAIN_REMOVE},
    {0},
};

static const struct cli_option account_add_options[] = {
    {"send-only", 0, NULL, "The account may send; mail to it is refused."},
    {0},
};

const struct cli_command cli_admin_account_commands[] = {
    {"add", "ADDRESS", "Makes an account with a mailbox.", cli_admin_account_add,
	.options = account_add_options, .flags = CLI_DATA | CLI_PASSWORD, .exits = CLI_EXITS_NAMES,
	.min_operands = 1, .max_operands = 1,
	.more =
	    "For example:\n  godwit account add bob@example.org\n\n"
	    "A password should have eight characters or more; long ones are better than odd ones."},
    {"list", "[DOMAIN]", "Lists accounts.", cli_admin, .flags = CLI_DATA | CLI_JSON,
	.exits = CLI_EXITS_NAMES, .max_operands = 1, .code = ADMIN_ACCOUNT_LIST},
    {"passwd", "ADDRESS", "Changes the password.", cli_admin_account_passwd,
	.flags = CLI_DATA | CLI_PASSWORD, .exits = CLI_EXITS_NAMES, .min_operands = 1,
	.max_operands = 1, .more = "It should have eight characters or more."},
    {"quota", "ADDRESS", "Limits what an account's mailboxes hold.", cli_admin_quota,
	.options = quota_options, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1,
	.max_operands = 1, .code = ADMIN_ACCOUNT_QUOTA,
	.more = "For example:\n  godwit account quota bob@example.org --bytes 2G\n\n" QUOTA_MORE},
    {"language", "ADDRESS LANGUAGE", "Sets the language in which the account is written to.",
	cli_admin, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 2,
	.max_operands = 2, .code = ADMIN_ACCOUNT_LANGUAGE,
	.more =
	    "LANGUAGE is en, zh-hans or zh-hant, or auto: that of each message. It is that of reports\n"
	    "about mail that the account sent, and of warnings about its mailbox."},
    {"send-only", "ADDRESS on|off", "Whether the account only sends: mail to it is refused.",
	cli_admin, .flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 2,
	.max_operands = 2, .code = ADMIN_ACCOUNT_SEND_ONLY,
	.more =
	    "What is in its mailbox stays, but cannot be fetched while it only sends. For example:\n"
	    "  godwit account send-only robot@example.org on"},
    {"disable", "ADDRESS", "Refuses logins and new mail; nothing is removed.", cli_admin,
	.flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1, .max_operands = 1,
	.code = ADMIN_ACCOUNT_DISABLE},
    {"enable", "ADDRESS", "The opposite of disable.", cli_admin, .flags = CLI_DATA,
	.exits = CLI_EXITS_NAMES, .min_operands = 1, .max_operands = 1,
	.code = ADMIN_ACCOUNT_ENABLE},
    {"remove", "ADDRESS", "Removes an account and all its mail, for good.", cli_admin,
	.flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1, .max_operands = 1,
	.code = ADMIN_ACCOUNT_REMOVE},
    {0},
};

const struct cli_command cli_admin_alias_commands[] = {
    {"add", "ADDRESS TARGET", "Mail for ADDRESS goes to TARGET (too).", cli_admin,
	.flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 2, .max_operands = 2,
	.code = ADMIN_ALIAS_ADD,
	.more = "ADDRESS may be @DOMAIN: whatever else is unknown there. An alias may have many\n"
		"targets; add them one by one.\n\n"
		"Of an account it takes all mail, unless the account is one of its targets."},
    {"list", "[DOMAIN]", "Lists aliases.", cli_admin, .flags = CLI_DATA | CLI_JSON,
	.exits = CLI_EXITS_NAMES, .max_operands = 1, .code = ADMIN_ALIAS_LIST},
    {"remove", "ADDRESS [TARGET]", "Removes one target of an alias, or all of them.", cli_admin,
	.flags = CLI_DATA, .exits = CLI_EXITS_NAMES, .min_operands = 1, .max_operands = 2,
	.code = ADMIN_ALIAS_REMOVE},
    {0},
};

static const struct cli_option queue_options[] = {
    {"to", 0, "ADDRESS",
	"Only recipients with this address or in this domain, or behind an alias that is."},
    {"from", 0, "ADDRESS", "Only of this sender, or of this domain; <> for reports without one."},
    {"older", 0, "AGE", "Only what has waited so long: 90s, 30m, 4h, 2d."},
    {0},
};

static const struct cli_view queue_list_view = {
    .columns = STR_INIT("id since next state recipient sender"), .below = STR_INIT("last_reply")};

#define WHICH                                                                                           \
	"WHICH is a message id, an address (of recipient or sender, or of an alias that leads to the\n" \
	"recipient) or a domain. Capitals do not count in addresses; where they tell two mailboxes\n"   \
	"apart, choose by the id."
#define CHOOSE .options = queue_options, .max_operands = 1, .more = WHICH
#define CHANGE                                                                                          \
	.flags = CLI_DATA | CLI_JSON | CLI_COUNTS, .options = queue_options, .max_operands = 1,         \
	.more = WHICH                                                                                   \
	    "\n\n--json says how many recipients were changed, left as they are, and being tried\n"     \
	    "at this moment; it names the first 1000 changed, each with the id of its message,\n"       \
	    "and not_named is how many more there were. If it breaks off before its end, that is the\n" \
	    "same of what is done, and error says why."

const struct cli_command cli_admin_queue_commands[] = {
    {"list", "[WHICH]", "Lists what waits to be sent to other servers.", cli_admin_queue,
	.flags = CLI_DATA | CLI_JSON, .code = ADMIN_QUEUE_LIST, .view = &queue_list_view,
	.options = queue_options, .max_operands = 1,
	.more = WHICH
	"\n\nWhat a server answered last stands below. --json also has what does not fit into a line: size,\n"
	"and what the sender wished. \"godwit queue show ID\" tells all of a message."},
    {"summary", "", "Shows for each destination how much waits, and how it is doing.", cli_admin,
	.flags = CLI_DATA | CLI_JSON, .code = ADMIN_QUEUE_SUMMARY},
    {"show", "[WHICH]", "Shows messages that wait, with each of the recipients that were chosen.",
	cli_admin_queue_show, .flags = CLI_DATA | CLI_JSON, .options = queue_options,
	.max_operands = 1,
	.more = WHICH
	"\n\nBy an id, which is a message with all of its recipients, --json is one object; else it is an\n"
	"array of such objects."},
    {"explain", "[WHICH]", "Says why messages wait, and what will happen when.", cli_admin_queue,
	.flags = CLI_DATA | CLI_JSON, .code = ADMIN_QUEUE_EXPLAIN, CHOOSE},
    {"retry", "[WHICH]", "Tries now what waits; without a choice, everything.", cli_admin_queue,
	.code = ADMIN_QUEUE_RETRY, CHANGE},
    {"hold", "[WHICH]", "Neither tries nor returns it until it is released.", cli_admin_queue,
	.code = ADMIN_QUEUE_HOLD, CHANGE},
    {"release", "[WHICH]",
	"Lets go what is held, without a choice all of it; by its id, also what is scheduled.",
	cli_admin_queue, .code = ADMIN_QUEUE_RELEASE, CHANGE},
    {"remove", "[WHICH]", "Removes it, without a report to the sender.", cli_admin_queue,
	.code = ADMIN_QUEUE_REMOVE, CHANGE},
    {"cancel", "[WHICH]", "Removes what was to be sent later; it is not sent.", cli_admin_queue,
	.code = ADMIN_QUEUE_CANCEL, CHANGE},
    {"bounce", "[WHICH]", "Returns it to its sender at once.", cli_admin_queue,
	.code = ADMIN_QUEUE_BOUNCE, CHANGE},
    {0},
};

const struct cli_option cli_admin_trace_options[] = {
    {"dialogue", 0, NULL,
	"Shows the SMTP dialogue of each attempt; so it is for a single message. What neither said "
	"begins with \"* \", such as how many lines of a long dialogue were left out."},
    {"limit", 0, "N", "At most N messages (default 20, at most 1000)."},
    {0},
};

const struct cli_option cli_admin_ledger_options[] = {
    {"limit", 0, "N", "At most N changes (default 100)."},
    {0},
};

const struct cli_option cli_admin_test_delivery_options[] = {
    {"from", 0, "ADDRESS", "Envelope sender (default: none, as of a bounce).",
	.may_be_empty = true},
    {"to", 0, "ADDRESS", "Recipient."},
    {"ip", 0, "IP", "Address the message would come from (default 192.0.2.1)."},
    {0},
};

const struct cli_option cli_admin_undelete_options[] = {
    {"message-id", 0, "ID", "Only this one: its id here, or its Message-ID."},
    {"since", 0, "TIME", "Only what was deleted since then (default: all that is kept)."},
    {0},
};

const struct cli_option cli_admin_flags_options[] = {
    {"mailbox", 0, "NAME", "Only this mailbox (default: all)."},
    {"message-id", 0, "ID", "Only this message: its id here, or its Message-ID."},
    {"add", 0, "FLAGS", "Sets these flags, as in --add seen or --add \"seen work\"."},
    {"remove", 0, "FLAGS", "Takes these flags away."},
    {0},
};

/* ---- sending a request ---- */

static bool on_record(void *ctx, struct str record)
{
	cli_records_put(ctx, record);
	return true;
}

/* People read the sentence instead. */
static bool on_counts(void *ctx, struct str record)
{
	return true;
}

static bool takes(const struct cli *cli, unsigned flag)
{
	return (cli->command->flags & flag) != 0;
}

/* The final sentence: a failure on standard error, else where it does not disturb the JSON. */
static void print_sentence(int code, bool is_json, struct buf *text)
{
	struct buf safe;

	if (text->n == 0 || (code == EX_OK && is_json))
		return;
	buf_init(&safe, 4 * LIMIT_IPC_PAYLOAD);
	cli_text_put_lines(&safe, buf_view(text));
	if (code == EX_OK)
		printf("%s\n", buf_cstr(&safe));
	else
		cli_fail(code, "%s", buf_cstr(&safe));
	buf_fini(&safe);
}

static int request(struct cli *cli, enum cli_records_shape shape, enum admin_command command,
    const struct str *args, size_t nargs)
{
	bool counts = takes(cli, CLI_COUNTS);
	bool is_json = takes(cli, CLI_JSON) && cli_args_has(&cli->args, "json");
	struct admin_request r = {.command = command, .nargs = nargs};
	struct cli_records records;
	struct buf text;
	struct admin_call call = {
	    .dir = cli_data_dir(cli),
	    .request = &r,
	    .record = counts && !is_json ? on_counts : on_record,
	    .ctx = &records,
	    .text = &text,
	};
	int code;

	for (size_t i = 0; i < nargs; i++)
		r.args[i] = args[i];
	buf_init(&text, LIMIT_IPC_PAYLOAD);
	cli_records_init(&records, shape, is_json, cli_records_flush_stdout);
	cli_records_view(&records, cli->command->view);
	if (counts)
		cli_records_always(&records, STR("recipient"));
	code = admin_call(&call);
	cli_records_end(&records, code == EX_OK);
	if (code == EX_OK && takes(cli, CLI_JSON) && records.count == 0 && text.n == 0)
		buf_lit(&text, "There is nothing to list.");
	print_sentence(code, is_json, &text);
	buf_fini(&text);
	return code;
}

/* An operand, empty when it was not given. */
static struct str operand(const struct cli *cli, size_t i)
{
	return str_of_c(i < cli->args.noperands ? cli->args.operands[i] : NULL);
}

int cli_admin(struct cli *cli)
{
	struct str args[ADMIN_ARGS_MAX];
	size_t n = cli->command->max_operands;

	for (size_t i = 0; i < n; i++)
		args[i] = operand(cli, i);
	return request(cli, CLI_RECORDS_LIST, (enum admin_command)cli->command->code, args, n);
}

static int domain_kind(struct cli *cli)
{
	bool relay = cli_args_has(&cli->args, "relay"),
	     blind = cli_args_has(&cli->args, "no-verify");
	struct str args[2] = {operand(cli, 0), STR("local")};

	if (blind && !relay)
		return cli_fail(EX_USAGE,
		    "--no-verify is about a relay domain; write --relay --no-verify, or leave it out");
	if (relay)
		args[1] = blind ? STR("relay-unverified") : STR("relay");
	return request(cli, CLI_RECORDS_LIST, (enum admin_command)cli->command->code, args, 2);
}

int cli_admin_domain_add(struct cli *cli)
{
	return domain_kind(cli);
}

int cli_admin_domain_change(struct cli *cli)
{
	bool relay = cli_args_has(&cli->args, "relay"), local = cli_args_has(&cli->args, "local");

	if (relay == local)
		return cli_fail(
		    EX_USAGE, "say where its mailboxes are with either --local or --relay");
	return domain_kind(cli);
}

/* Nobody is to type a password twice for an address that is none, or an account that is not there. */
static int check_account(struct cli *cli, struct str word)
{
	struct str args[2] = {operand(cli, 0), word};
	struct arena *a = arena_new();
	struct str local, domain;
	struct err e = {""};
	bool good = admin_address_parse(a, operand(cli, 0), false, &local, &domain, &e);

	arena_free(&a);
	if (!good)
		return cli_fail(EX_USAGE, "%s", e.text);
	if (!cli_prompt_asks(cli))
		return EX_OK;
	return request(cli, CLI_RECORDS_LIST, ADMIN_ACCOUNT_CHECK, args, 2);
}

static int with_password(
    struct cli *cli, enum admin_command command, struct str *args, size_t nargs)
{
	struct buf password;
	int code = check_account(cli, command == ADMIN_ACCOUNT_ADD ? STR("add") : STR("passwd"));

	buf_init(&password, LIMIT_PASSWORD);
	if (code == EX_OK)
		code = cli_prompt_password(cli, CLI_PROMPT_NEW, cli->args.operands[0], &password);
	args[0] = operand(cli, 0);
	args[1] = buf_view(&password);
	if (code == EX_OK)
		code = request(cli, CLI_RECORDS_LIST, command, args, nargs);
	buf_wipe(&password);
	return code;
}

int cli_admin_account_add(struct cli *cli)
{
	struct str args[3];

	args[2] = cli_args_has(&cli->args, "send-only") ? STR("send-only") : STR("");
	return with_password(cli, ADMIN_ACCOUNT_ADD, args, 3);
}

int cli_admin_account_passwd(struct cli *cli)
{
	struct str args[2];

	return with_password(cli, ADMIN_ACCOUNT_PASSWD, args, 2);
}

/* "2G" in octets; words and what is wrong go as they are, and the store says so. */
static struct str octets_of(const char *text, struct buf *b)
{
	static const struct option size = {.type = OPTION_SIZE, .max = INT64_MAX / 2};
	struct str given = str_of_c(text);
	union option_value v;

	if (!given.n || !option_parse_text(&size, given, NULL, &v))
		return given;
	buf_i64(b, v.number);
	return buf_view(b);
}

int cli_admin_quota(struct cli *cli)
{
	struct str args[3] = {operand(cli, 0)};
	struct buf b;
	int code;

	if (!cli_args_has(&cli->args, "bytes") && !cli_args_has(&cli->args, "messages"))
		return cli_fail(EX_USAGE, "say how much with --bytes N, --messages N or both");
	buf_init(&b, 24);
	args[1] = octets_of(cli_args_value(&cli->args, "bytes"), &b);
	args[2] = str_of_c(cli_args_value(&cli->args, "messages"));
	code = request(cli, CLI_RECORDS_LIST, (enum admin_command)cli->command->code, args, 3);
	buf_fini(&b);
	return code;
}

int cli_admin_trace(struct cli *cli)
{
	struct str args[3] = {operand(cli, 0)};
	struct buf limit;
	uint64_t n;
	struct err e;
	int code;

	if (cli_args_number(&cli->args, "limit", 1, TRACE_MAX, TRACE_DEFAULT, &n, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	buf_init(&limit, 24);
	buf_u64(&limit, n);
	args[1] = buf_view(&limit);
	args[2] = cli_args_has(&cli->args, "dialogue") ? STR("dialogue") : STR("");
	code = request(cli, CLI_RECORDS_LIST, ADMIN_TRACE, args, 3);
	buf_fini(&limit);
	return code;
}

int cli_admin_ledger(struct cli *cli)
{
	struct str arg;
	struct buf limit;
	uint64_t n;
	struct err e;
	int code;

	if (cli_args_number(&cli->args, "limit", 1, LEDGER_MAX, LEDGER_DEFAULT, &n, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	buf_init(&limit, 24);
	buf_u64(&limit, n);
	arg = buf_view(&limit);
	code = request(cli, CLI_RECORDS_LIST, ADMIN_LEDGER, &arg, 1);
	buf_fini(&limit);
	return code;
}

int cli_admin_status(struct cli *cli)
{
	return request(cli, CLI_RECORDS_CARD, ADMIN_STATUS, NULL, 0);
}

static int queue_request(struct cli *cli, enum cli_records_shape shape, enum admin_command command)
{
	struct str args[4] = {
	    operand(cli, 0),
	    str_of_c(cli_args_value(&cli->args, "to")),
	    str_of_c(cli_args_value(&cli->args, "from")),
	    str_of_c(cli_args_value(&cli->args, "older")),
	};

	return request(cli, shape, command, args, 4);
}

int cli_admin_queue(struct cli *cli)
{
	return queue_request(cli, takes(cli, CLI_COUNTS) ? CLI_RECORDS_CARD : CLI_RECORDS_LIST,
	    (enum admin_command)cli->command->code);
}

int cli_admin_queue_show(struct cli *cli)
{
	int64_t id;
	bool one = id_parse(operand(cli, 0), &id);

	return queue_request(cli, one ? CLI_RECORDS_CARD : CLI_RECORDS_CARDS, ADMIN_QUEUE_SHOW);
}

int cli_admin_undelete(struct cli *cli)
{
	struct str args[3] = {operand(cli, 0), str_of_c(cli_args_value(&cli->args, "message-id"))};
	struct str since = str_of_c(cli_args_value(&cli->args, "since"));
	struct buf moment;
	int64_t ms = 0;
	struct err e;
	int code;

	if (since.n && cli_time_parse(since, clock_now(), CLI_TIME_AGO, &ms, &e) < 0)
		return cli_fail(EX_USAGE, "--since: %s", e.text);
	if (ms > clock_now())
		return cli_fail(
		    EX_USAGE, "the moment of --since lies in the future; name one that is past");
	buf_init(&moment, 24);
	buf_i64(&moment, ms);
	args[2] = buf_view(&moment);
	code = request(cli, CLI_RECORDS_LIST, ADMIN_UNDELETE, args, 3);
	buf_fini(&moment);
	return code;
}

/* Flags of an option, as keywords. */
static int read_flags(const struct cli *cli, const char *option, struct buf *words)
{
	struct err e;

	buf_init(words, MIME_KEYWORDS_OUT);
	if (cli_flags_put(words, str_of_c(cli_args_value(&cli->args, option)), &e) == 0)
		return 0;
	return cli_fail(EX_USAGE, "--%s: %s", option, e.text);
}

int cli_admin_flags(struct cli *cli)
{
	struct str args[5] = {operand(cli, 0), str_of_c(cli_args_value(&cli->args, "mailbox")),
	    str_of_c(cli_args_value(&cli->args, "message-id"))};
	struct buf remove, add;
	int code = read_flags(cli, "remove", &remove);

	if (code == 0)
		code = read_flags(cli, "add", &add);
	else
		buf_init(&add, 0);
	args[3] = buf_view(&remove);
	args[4] = buf_view(&add);
	if (code == 0 && (args[3].n || args[4].n) && !args[1].n && !args[2].n)
		code = cli_fail(EX_USAGE,
		    "say which messages with --mailbox NAME or --message-id ID, or with both");
	if (code == 0)
		code = request(cli, CLI_RECORDS_LIST, ADMIN_FLAGS, args, 5);
	buf_fini(&remove);
	buf_fini(&add);
	return code;
}

/* ---- test-delivery ---- */

/* The header as far as a request can carry it, cut at the end of a line. */
static struct str header_of(struct str head)
{
	size_t end = str_find_str(head, STR("\r\n\r\n"));

	if (end < head.n)
		return str_sub(head, 0, end + 4);
	if (head.n < ADMIN_ARG_MAX)
		return head;
	return str_sub(head, 0, str_rfind(head, '\n') + 1);
}

static int test_delivery(struct cli *cli, const struct cli_spool *spool)
{
	const char *ip = cli_args_value(&cli->args, "ip");
	struct str from = str_of_c(cli_args_value(&cli->args, "from"));
	bool is_json = cli_args_has(&cli->args, "json");
	struct str args[7] = {
	    str_eq(from, STR("<>")) ? STR("") : from,
	    str_of_c(cli_args_value(&cli->args, "to")),
	    ip ? str_of_c(ip) : STR("192.0.2.1"),
	};
	struct buf head, size;
	int code;

	buf_init(&head, ADMIN_ARG_MAX);
	buf_init(&size, 24);
	buf_u64(&size, spool->size);
	if (cli_spool_get(spool, 0, ADMIN_ARG_MAX, &head) < 0) {
		code = cli_fail(EX_IOERR, "the message cannot be read back");
	} else {
		args[3] = header_of(buf_view(&head));
		args[4] = buf_view(&size);
		args[5] = is_json ? STR("json") : STR("");
		args[6] = spool->has_bare_cr ? STR("bare-cr") : STR("");
		code = request(cli, is_json ? CLI_RECORDS_CARD : CLI_RECORDS_LIST,
		    ADMIN_TEST_DELIVERY, args, 7);
	}
	buf_fini(&head);
	buf_fini(&size);
	return code;
}

/* --from may be empty or <>, --to may be postmaster alone [RFC 5321 4.5.1]. */
static int check_address(const struct cli *cli, const char *option, struct str alone)
{
	struct str text = str_of_c(cli_args_value(&cli->args, option));
	struct arena *a = arena_new();
	struct smtp_path path;
	int code = EX_OK;

	if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = str_sub(text, 1, text.n - 2);
	if (text.n && !str_eq_i(text, alone) &&
	    smtp_mailbox_parse(text, true, a, &path) != SMTP_PATH_OK)
		code = cli_fail(EX_USAGE,
		    "--%s: \"%.*s\" is no mail address; write it like bob@example.org", option,
		    STR_FMT(text));
	arena_free(&a);
	return code;
}

int cli_admin_test_delivery(struct cli *cli)
{
	enum cli_spool_status status;
	struct cli_spool spool;
	struct err e;
	int code;

	if (!cli_args_has(&cli->args, "to"))
		return cli_fail(EX_USAGE, "say for whom with --to ADDRESS");
	code = check_address(cli, "from", STR("<>"));
	if (code == EX_OK)
		code = check_address(cli, "to", STR("postmaster"));
	if (code != EX_OK)
		return code;
	status = cli_spool_read(&spool, STDIN_FILENO, false, &e);
	if (status != CLI_SPOOL_OK)
		return cli_fail(
		    status == CLI_SPOOL_TOO_LARGE ? EX_DATAERR : EX_IOERR, "%s", e.text);
	code = test_delivery(cli, &spool);
	cli_spool_fini(&spool);
	return code;
}
