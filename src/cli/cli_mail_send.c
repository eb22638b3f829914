/* Builds a message with mime/mime_build and submits it. */
#include "cli/cli_mail.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_compose.h"
#include "cli/cli_text.h"
#include "cli/cli_wish.h"
#include "mime/mime_build.h"

struct mail_send {
	struct cli *cli;
	struct arena *arena;
	struct mime_build_message mail;
	struct mime_address_list bcc;
	struct cli_wish wish;
	struct mime_build_file files[LIMIT_CLI_ATTACHMENTS];
	struct buf file_bytes[LIMIT_CLI_ATTACHMENTS];
	struct buf text;
	struct buf out; /* the message */
};

/* All addresses of a repeatable option. */
static int read_addresses(struct mail_send *m, const char *option, struct mime_address_list *list)
{
	const char *text;
	struct err e;

	for (size_t i = 0; (text = cli_args_nth(&m->cli->args, option, i)) != NULL; i++)
		if (cli_compose_addresses(m->arena, text, list, &e) < 0)
			return cli_fail(EX_USAGE, "--%s: %s", option, e.text);
	if (cli_compose_check(m->arena, list, &e) < 0)
		return cli_fail(EX_USAGE, "--%s: %s", option, e.text);
	return EX_OK;
}

static int read_envelope(struct mail_send *m)
{
	struct mime_build_message *mail = &m->mail;
	int code = read_addresses(m, "from", &mail->from);

	if (code == EX_OK && mail->from.n != 1)
		code = cli_fail(EX_USAGE, "say who you are with --from ADDRESS, once");
	if (code == EX_OK)
		code = read_addresses(m, "to", &mail->to);
	if (code == EX_OK)
		code = read_addresses(m, "cc", &mail->cc);
	if (code == EX_OK)
		code = read_addresses(m, "bcc", &m->bcc);
	if (code == EX_OK && mail->to.n + mail->cc.n + m->bcc.n == 0)
		code = cli_fail(EX_USAGE, "say to whom with --to ADDRESS");
	return code;
}

static int apply_wish(struct mail_send *m, struct smtp_client_message *message)
{
	struct err e;

	if (cli_wish_apply(&m->wish, m->arena, clock_now(), message, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	return EX_OK;
}

/* Before anything is read or sent, on a message that goes nowhere. */
static int check_wish(struct mail_send *m)
{
	struct smtp_client_rcpt rcpt = {0};
	struct smtp_client_message message = {.rcpts = &rcpt, .rcpt_count = 1};

	return apply_wish(m, &message);
}

/* Everything from a descriptor. 0, or -1 and errno (EFBIG above the buffer's maximum). */
static int read_all(int fd, struct buf *out)
{
	uint8_t bytes[16384];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) != 0) {
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			buf_add(out, bytes, (size_t)n);
		if (out->overflow) {
			errno = EFBIG;
			return -1;
		}
	}
	return 0;
}

static int read_file(struct mail_send *m, const char *path)
{
	size_t i = m->mail.n_files;
	struct str name = str_of_c(path);
	int fd = -1, result = -1;

	if (i == LIMIT_CLI_ATTACHMENTS)
		return cli_fail(
		    EX_USAGE, "more than %zu files are too many", LIMIT_CLI_ATTACHMENTS);
	buf_init(&m->file_bytes[i], LIMIT_CLI_MESSAGE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		result = read_all(fd, &m->file_bytes[i]);
	if (result < 0)
		cli_fail(EX_NOINPUT, "cannot attach %s: %s", path, err_reason(errno));
	if (fd >= 0)
		close(fd);
	m->mail.n_files++;
	while (str_find(name, '/') < name.n)
		name = str_from(name, str_find(name, '/') + 1);
	m->files[i] = (struct mime_build_file){.name = name, .bytes = buf_view(&m->file_bytes[i])};
	return result < 0 ? EX_NOINPUT : EX_OK;
}

static int read_files(struct mail_send *m)
{
	const char *path;
	int code = EX_OK;

	m->mail.files = m->files;
	for (size_t i = 0; code == EX_OK; i++) {
		path = cli_args_nth(&m->cli->args, "attach", i);
		if (!path)
			break;
		code = read_file(m, path);
	}
	return code;
}

static int read_text(struct mail_send *m)
{
	if (read_all(STDIN_FILENO, &m->text) < 0)
		return cli_fail(
		    EX_NOINPUT, "cannot read the text from standard input: %s", err_reason(errno));
	m->mail.text = buf_view(&m->text);
	return EX_OK;
}

static int compose(void *ctx, struct str hostname, struct smtp_client_message *message_r,
    struct cli_content *content_r)
{
	struct mail_send *m = ctx;
	struct mime_address_list lists[3] = {m->mail.to, m->mail.cc, m->bcc};
	struct smtp_path reverse;
	struct buf id;
	struct err e;
	int code = EX_OK;

	buf_init(&id, 1024);
	cli_compose_message_id(
	    &id, m->mail.from.v[0].domain.n ? m->mail.from.v[0].domain : hostname);
	m->mail.message_id = buf_view(&id);
	m->mail.date = clock_now();
	if (mime_build_put(&m->out, &m->mail) != MIME_BUILD_OK)
		code = cli_fail(
		    EX_DATAERR, "the message is larger than %zu octets", LIMIT_CLI_MESSAGE);
	*content_r = (struct cli_content){.head = buf_view(&m->out)};
	if (code == EX_OK &&
	    (cli_compose_path(m->arena, &m->mail.from.v[0], hostname, &reverse, &e) < 0 ||
		cli_compose_envelope(m->arena, &reverse, lists, 3, hostname,
		    str_sub(content_r->head, 0, str_find_str(content_r->head, STR("\r\n\r\n"))),
		    str_has_8bit(content_r->head), content_r->head.n, message_r, &e) < 0))
		code = cli_fail(EX_DATAERR, "%s", e.text);
	if (code == EX_OK)
		code = apply_wish(m, message_r);
	buf_fini(&id);
	return code;
}

static int submit(struct mail_send *m)
{
	struct cli_server server;
	struct cli_submit job = {
	    .server = &server, .compose = compose, .ctx = m, .arena = m->arena};
	int code = cli_server_init(&server, m->cli, CLI_PORT_SMTPS, false);

	/* The password, if it comes from there, is the first line of standard input. */
	if (code == EX_OK)
		code = read_text(m);
	if (code == EX_OK)
		code = cli_submit_run(&job);
	while (job.accepted.n) {
		struct str words = str_split(job.accepted, '\n', &job.accepted);

		printf("%s: %.*s\n", code == EX_OK ? "Sent" : "Sent to the others", STR_FMT(words));
	}
	cli_server_fini(&server);
	return code;
}

/* An option's value; NULL: it is not given. */
static const char *given(struct cli *cli, const char *option)
{
	return cli_args_has(&cli->args, option) ? cli_args_value(&cli->args, option) : NULL;
}

int cli_mail_send(struct cli *cli)
{
	struct mail_send m = {.cli = cli, .arena = arena_new()};
	int code;

	buf_init(&m.text, LIMIT_CLI_TEXT);
	buf_init(&m.out, LIMIT_CLI_MESSAGE);
	m.mail.subject = str_of_c(cli_args_value(&cli->args, "subject"));
	m.wish = (struct cli_wish){.hold_until = given(cli, "hold-until"),
	    .deliver_by = given(cli, "deliver-by"),
	    .tell_by = given(cli, "tell-by"),
	    .priority = given(cli, "priority"),
	    .notify = given(cli, "notify")};
	code = read_envelope(&m);
	if (code == EX_OK)
		code = check_wish(&m);
	if (code == EX_OK)
		code = read_files(&m);
	if (code == EX_OK)
		code = submit(&m);
	for (size_t i = 0; i < m.mail.n_files; i++)
		buf_fini(&m.file_bytes[i]);
	buf_fini(&m.text);
	buf_fini(&m.out);
	arena_free(&m.arena);
	return code;
}
