/*
 * The message is read whole before the server is asked for anything; its header is completed once the
 * server has said its name, which is the domain of addresses that have none.
 */
#include "cli/cli_sendmail.h"

#include <pwd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_compose.h"
#include "cli/cli_header.h"
#include "cli/cli_sendmail_args.h"

static const char help[] =
    "Usage: godwit sendmail [-t] [-i] [-f SENDER] [-F NAME] [RECIPIENT...]\n"
    "\n"
    "Sends a message from standard input through the server of this machine, as programs\n"
    "expect it from sendmail. Called by the name sendmail, the program does the same.\n"
    "\n"
    "Options:\n"
    "  -t             Takes recipients from To, Cc and Bcc too.\n"
    "  -i, -oi        A line with a single dot does not end the message.\n"
    "  -f SENDER      Envelope sender (else the user); <> for none.\n"
    "  -F NAME        Full name for a missing From field.\n"
    "  -N WHAT        Of what you are told: never, or some of success,failure,delay.\n"
    "  -R full|hdrs   How much of a message that fails is returned.\n"
    "  -V ID          An id that reports will name.\n"
    "  --hold-until WHEN  It is sent then, not before; WHEN is a moment, or 2h: in 2 hours.\n"
    "  --deliver-by WHEN  If it is not delivered by then, it comes back.\n"
    "  --tell-by WHEN     If it is not delivered by then, you are told.\n"
    "  --priority N       -9 to 9: what is higher goes before other mail.\n"
    "  --data DIR     The server's data directory (else the environment's GODWIT_DATA,\n"
    "                 else " CLI_DATA_DEFAULT ").\n"
    "  --help         Prints this help.\n"
    "\n"
    "Bcc is removed; Date, From and Message-ID are added where they are missing. Other\n"
    "options of the classic sendmail are accepted and mean nothing here.\n"
    "Exit codes: 0 sent, 64 wrong command line, 65 bad content, 67 no such mailbox,\n"
    "68 no such domain, 69 refused, 71 the operating system refuses, 74 the message cannot\n"
    "be read, 75 not now (the server is down), 77 not permitted.\n";

struct sendmail {
	struct cli_sendmail_args args;
	struct arena *arena;
	struct cli_spool spool;
	struct buf head;   /* the first octets of the message as it came */
	struct buf header; /* its completed header */
	struct str login, full_name;
};

static void find_user(struct sendmail *m)
{
	const struct passwd *pw = getpwuid(getuid());
	struct str rest;

	if (pw) {
		m->login = arena_str(m->arena, str_of_c(pw->pw_name));
		m->full_name = arena_str(m->arena, str_split(str_of_c(pw->pw_gecos), ',', &rest));
	} else {
		m->login = STR("nobody");
	}
	if (m->args.full_name)
		m->full_name = str_of_c(m->args.full_name);
}

/* The sender: that of -f, or the user. is_null: -f <>. */
static int find_sender(struct sendmail *m, struct mime_address *from, bool *is_null, struct err *e)
{
	struct str given = str_trim(str_of_c(m->args.from));

	*is_null = m->args.from && (given.n == 0 || str_eq(given, STR("<>")));
	*from = (struct mime_address){.kind = MIME_ADDRESS_MAILBOX, .local = m->login};
	if (m->args.from && !*is_null && cli_compose_address(m->arena, m->args.from, from, e) < 0)
		return -1;
	from->name = m->full_name;
	return 0;
}

static int fail_data(const struct err *e)
{
	return cli_fail(EX_DATAERR, "%s", e->text);
}

/* The completed header. EX_OK or an exit code. */
static int make_header(struct sendmail *m, const struct mime_address *from, struct str hostname,
    struct cli_header *made, struct err *e)
{
	struct cli_header_wish wish = {
	    .take_recipients = m->args.take_recipients,
	    .from = *from,
	    .now = clock_now(),
	};
	enum cli_header_status status;
	struct buf id;

	if (wish.from.domain.n == 0)
		wish.from.domain = hostname;
	buf_init(&id, 1024);
	cli_compose_message_id(&id, hostname);
	wish.message_id = buf_view(&id);
	status = cli_header_make(
	    buf_view(&m->head), m->head.n == m->spool.size, &wish, m->arena, &m->header, made, e);
	buf_fini(&id);
	return status == CLI_HEADER_OK ? EX_OK : fail_data(e);
}

static int compose(void *ctx, struct str hostname, struct smtp_client_message *message_r,
    struct cli_content *content_r)
{
	struct sendmail *m = ctx;
	struct smtp_path reverse = {.is_null = true};
	struct mime_address_list lists[2] = {0};
	struct cli_header made = {0};
	struct mime_address from;
	bool is_null;
	struct err e;
	int code;

	hostname = arena_str(m->arena, hostname);
	if (find_sender(m, &from, &is_null, &e) < 0)
		return fail_data(&e);
	if (!is_null && cli_compose_path(m->arena, &from, hostname, &reverse, &e) < 0)
		return fail_data(&e);
	for (size_t i = 0; i < m->args.nrcpts; i++)
		if (cli_compose_addresses(m->arena, m->args.rcpts[i], &lists[0], &e) < 0)
			return fail_data(&e);
	code = make_header(m, &from, hostname, &made, &e);
	if (code != EX_OK)
		return code;
	lists[1] = made.rcpts;
	if (lists[0].n + lists[1].n == 0)
		return cli_fail(EX_USAGE, "the message names no recipients in To, Cc or Bcc");
	*content_r = (struct cli_content){buf_view(&m->header), &m->spool, made.body_at};
	if (cli_compose_envelope(m->arena, &reverse, lists, 2, hostname, content_r->head,
		m->spool.has_8bit, cli_content_size(content_r), message_r, &e) < 0)
		return fail_data(&e);
	if (cli_wish_apply(&m->args.wish, m->arena, clock_now(), message_r, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	return EX_OK;
}

static int submit(struct sendmail *m, const char *data)
{
	struct cli_server server;
	struct cli_submit job = {
	    .server = &server, .compose = compose, .ctx = m, .arena = m->arena};
	struct buf path;
	int code;

	buf_init(&path, 4096);
	buf_printf(&path, "%s/run/sendmail.sock", data);
	code = cli_server_local(&server, buf_cstr(&path));
	if (code == EX_OK)
		code = cli_submit_run(&job);
	cli_server_fini(&server);
	buf_fini(&path);
	return code;
}

static int read_message(struct sendmail *m)
{
	struct err e;

	switch (cli_spool_read(&m->spool, STDIN_FILENO, !m->args.dot_is_content, &e)) {
	case CLI_SPOOL_TOO_LARGE:
		return fail_data(&e);
	case CLI_SPOOL_FAILED:
		return cli_fail(EX_IOERR, "%s", e.text);
	case CLI_SPOOL_OK:
		break;
	}
	if (cli_spool_get(&m->spool, 0, CLI_HEADER_HEAD, &m->head) < 0)
		return cli_fail(EX_IOERR, "the message cannot be read back");
	return EX_OK;
}

static int run(struct sendmail *m)
{
	const char *data = m->args.data ? m->args.data : getenv("GODWIT_DATA");
	int code;

	if (!m->args.take_recipients && m->args.nrcpts == 0)
		return cli_fail(EX_USAGE,
		    "to whom? Name the recipients, or use -t to take them from the message");
	m->arena = arena_new();
	m->spool.fd = -1;
	buf_init(&m->head, CLI_HEADER_HEAD);
	buf_init(&m->header, 2 * CLI_HEADER_HEAD);
	find_user(m);
	code = read_message(m);
	if (code == EX_OK)
		code = submit(m, data && *data ? data : CLI_DATA_DEFAULT);
	if (m->spool.fd >= 0)
		cli_spool_fini(&m->spool);
	buf_fini(&m->head);
	buf_fini(&m->header);
	arena_free(&m->arena);
	return code;
}

int cli_sendmail_main(size_t count, char *const *argv)
{
	struct sendmail m = {0};
	struct err e;

	switch (cli_sendmail_args_parse(&m.args, count, argv, &e)) {
	case CLI_SENDMAIL_BAD:
		return cli_fail(EX_USAGE, "%s", e.text);
	case CLI_SENDMAIL_NOTHING:
		return EX_OK;
	case CLI_SENDMAIL_SEND:
		break;
	}
	if (m.args.help) {
		fputs(help, stdout);
		return EX_OK;
	}
	return run(&m);
}
