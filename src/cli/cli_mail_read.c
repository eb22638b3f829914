/*
 * `mail read`: one message, decoded or exactly as it is, and deleted if wanted; but not before all of it has been
 * written.
 */
#include "cli/cli_mail.h"

#include <errno.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli_descriptors.h"
#include "cli/cli_pop3.h"
#include "cli/cli_records.h"
#include "cli/cli_show.h"

enum step {
	READ_IT,
	DELETE_IT,
	LEAVE,
	BREAK_OFF,
	LEFT
};

struct mail_read {
	uint64_t number;
	bool raw, deletes;
	enum step step; /* what is to be asked next */
	bool waiting;   /* for an answer */
	struct buf message;
	int unwritten; /* why the message could not be written, as errno; else 0 */
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

	if (m->step == BREAK_OFF) {
		m->step = LEFT;
		cli_pop3_break_off(p);
	}
	if (m->waiting || m->step == LEFT)
		return;
	m->waiting = cli_pop3_ask(p, requests[m->step], m->step == LEAVE ? 0 : m->number, 0);
}

static void write_out(struct mail_read *m, struct str s)
{
	if (!m->unwritten && s.n && fwrite(s.p, 1, s.n, stdout) != s.n)
		m->unwritten = errno;
}

static void tell_too_large(struct mail_read *m)
{
	m->code = cli_fail(
	    EX_DATAERR, "the message is too large to be shown; save it with --raw > FILE");
}

/* What is too large to be shown may have no end. */
static void content(void *ctx, struct str piece)
{
	struct mail_read *m = ctx;

	if (m->raw) {
		write_out(m, piece);
		return;
	}
	buf_str(&m->message, piece);
	if (m->message.overflow && m->step == READ_IT) {
		tell_too_large(m);
		m->step = BREAK_OFF;
	}
}

static void show(struct mail_read *m)
{
	struct buf out;

	buf_init(&out, LIMIT_CLI_OUT);
	cli_show_message(&out, buf_view(&m->message));
	if (out.overflow)
		tell_too_large(m);
	else
		write_out(m, buf_view(&out));
	buf_fini(&out);
}

/* 0 or an errno value. What may be deleted then is on the disk, where it goes into a file. */
static int flush_stdout(void)
{
	struct stat st;

	if (fflush(stdout) != 0)
		return errno;
	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && fsync(STDOUT_FILENO) < 0)
		return errno;
	return 0;
}

/* A reader that goes away early has seen what he wanted, unless all of it is to be deleted. */
static bool is_lost(const struct mail_read *m)
{
	return m->unwritten && (m->deletes || m->unwritten != EPIPE);
}

/* What is in the way of writing is said here, once, and what is left in the buffer is dropped. */
static void end_message(struct mail_read *m)
{
	if (!m->raw)
		show(m);
	if (!m->unwritten)
		m->unwritten = flush_stdout();
	if (!m->unwritten)
		return;
	m->code = EX_IOERR;
	if (is_lost(m))
		cli_fail(m->code, "the message could not be written to standard output: %s%s",
		    err_reason(m->unwritten), m->deletes ? "; it was not deleted" : "");
	__fpurge(stdout);
	clearerr(stdout);
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
		end_message(m);
	}
	if (e->request.type == POP3_REQ_QUIT)
		m->step = LEFT;
	else if (is_lost(m))
		m->step = BREAK_OFF;
	else if (m->step == READ_IT && m->deletes && m->code == EX_OK)
		m->step = DELETE_IT;
	else
		m->step = LEAVE;
}

static const struct cli_pop3_handler handler = {more, NULL, content, result};

int cli_mail_read(struct cli *cli)
{
	struct mail_read m = {
	    .raw = cli_args_has(&cli->args, "raw"),
	    .deletes = cli_args_has(&cli->args, "delete"),
	};
	struct cli_server server;
	int code;

	if (!str_to_u64(str_of_c(cli->args.operands[0]), UINT32_MAX, &m.number) || m.number == 0)
		return cli_fail(EX_USAGE,
		    "\"%s\" is no message number; `godwit mail list` shows them",
		    cli->args.operands[0]);
	if (!cli_descriptors_had_stdout())
		return cli_fail(EX_IOERR,
		    "standard output is closed: the message would be %s without having been written; name a file "
		    "with > FILE",
		    m.deletes ? "deleted" : "marked as read");
	buf_init(&m.message, LIMIT_CLI_MESSAGE);
	code = cli_server_init(&server, cli, CLI_PORT_POP3S, true);
	if (code == EX_OK)
		code = cli_pop3_run(&server, &handler, &m);
	cli_server_fini(&server);
	buf_fini(&m.message);
	return code == EX_OK ? m.code : code;
}
