/* `mail read`: one message, decoded or exactly as it is, and deleted if wanted. */
#include "cli/cli_mail.h"

#include "base/limits.h"
#include "cli/cli_pop3.h"
#include "cli/cli_records.h"
#include "cli/cli_show.h"

enum step {
	READ_IT,
	DELETE_IT,
	LEAVE,
	LEFT
};

struct mail_read {
	uint64_t number;
	bool raw, delete;
	enum step step; /* what is to be asked next */
	bool waiting;   /* for an answer */
	struct buf message;
	bool too_large;
	int code;
};

static void more(void *ctx, struct cli_pop3 *p)
{
	static const enum pop3_request_type requests[] = {
	    [READ_IT] = POP3_REQ_RETR,
	    [DELETE_IT] = POP3_REQ_DELE,
	    [LEAVE] = POP3_REQ_QUIT,
	};
	struct mail_read *m = ctx;

	if (m->waiting || m->step == LEFT)
		return;
	m->waiting = cli_pop3_ask(p, requests[m->step], m->step == LEAVE ? 0 : m->number, 0);
}

static void content(void *ctx, struct str piece)
{
	struct mail_read *m = ctx;

	if (m->raw)
		fwrite(piece.p, 1, piece.n, stdout);
	else
		buf_str(&m->message, piece);
}

static void show(struct mail_read *m)
{
	struct buf out;

	if (m->raw)
		return;
	if (m->message.overflow) {
		m->code = cli_fail(
		    EX_DATAERR, "the message is too large to be shown; save it with --raw > FILE");
		return;
	}
	buf_init(&out, LIMIT_CLI_OUT);
	cli_show_message(&out, buf_view(&m->message));
	cli_records_flush_stdout(&out);
	buf_fini(&out);
}

static void result(void *ctx, const struct pop3_client_event *e)
{
	struct mail_read *m = ctx;

	m->waiting = false;
	if (!e->ok && e->request.type != POP3_REQ_QUIT) {
		m->code = cli_pop3_refused(
		    cli_pop3_exit(
			e->code, e->request.type == POP3_REQ_RETR ? EX_NOINPUT : EX_UNAVAILABLE),
		    "the server refuses: ", e);
	} else if (e->request.type == POP3_REQ_RETR) {
		show(m);
	}
	if (e->request.type == POP3_REQ_QUIT)
		m->step = LEFT;
	else if (m->step == READ_IT && m->delete &&m->code == EX_OK)
		m->step = DELETE_IT;
	else
		m->step = LEAVE;
}

static const struct cli_pop3_handler handler = {more, NULL, content, result};

int cli_mail_read(struct cli *cli)
{
	struct mail_read m = {
	    .raw = cli_args_has(&cli->args, "raw"),
	    .delete = cli_args_has(&cli->args, "delete"),
	};
	struct cli_server server;
	int code;

	if (!str_to_u64(str_of_c(cli->args.operands[0]), UINT32_MAX, &m.number) || m.number == 0)
		return cli_fail(EX_USAGE,
		    "\"%s\" is no message number; `godwit mail list` shows them",
		    cli->args.operands[0]);
	buf_init(&m.message, LIMIT_CLI_MESSAGE);
	code = cli_server_init(&server, cli, CLI_PORT_POP3S, true);
	if (code == EX_OK)
		code = cli_pop3_run(&server, &handler, &m);
	cli_server_fini(&server);
	buf_fini(&m.message);
	return code == EX_OK ? m.code : code;
}
