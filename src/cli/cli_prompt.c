/*
 * Asking for passwords. The terminal's echo is restored on every way out: a signal that would end the
 * program ends the reading first, and is delivered again when the terminal is as it was.
 */
#include "cli/cli_prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/utf8.h"

#define MORE_MS 100 /* who writes the line and more writes it at once */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define ENDING (sizeof ending / sizeof *ending)

static volatile sig_atomic_t came; /* the signal that interrupted the reading, 0 for none */

static void on_signal(int number)
{
	came = number;
}

int cli_prompt_line(int fd, struct buf *out)
{
	size_t before = out->n;
	bool good = true;
	uint8_t c = 0;
	ssize_t n;

	while ((n = read(fd, &c, 1)) == 1 && c != '\n') {
		if (c == 0 || out->n - before > LIMIT_PASSWORD)
			good = false;
		else
			buf_byte(out, c);
	}
	if (n < 0 || (n == 0 && out->n == before))
		good = false;
	if (out->n > before && out->p[out->n - 1] == '\r')
		out->n--;
	if (good && out->n - before <= LIMIT_PASSWORD && !out->overflow)
		return 0;
	out->n = before;
	return -1;
}

/* Reads one line with the echo off. */
static int read_quietly(int tty, struct buf *out)
{
	struct sigaction caught = {.sa_handler = on_signal}, before[ENDING];
	struct termios saved, quiet;
	int got;

	if (tcgetattr(tty, &saved) < 0)
		return -1;
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
	came = 0;
	for (size_t i = 0; i < ENDING; i++)
		sigaction(ending[i], &caught, &before[i]);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	got = cli_prompt_line(tty, out);
	tcsetattr(tty, TCSAFLUSH, &saved);
	for (size_t i = 0; i < ENDING; i++)
		sigaction(ending[i], &before[i], NULL);
	if (came)
		raise(came);
	return got;
}

static int ask(int tty, const char *question, const char *whose, struct buf *out)
{
	int got;

	dprintf(tty, "%s %s: ", question, whose);
	got = read_quietly(tty, out);
	dprintf(tty, "\n");
	return got;
}

static int ask_twice(int tty, const char *whose, struct buf *out)
{
	size_t before = out->n;
	struct buf again;
	int code = EX_OK;

	buf_init(&again, out->max);
	if (ask(tty, "New password for", whose, out) < 0 ||
	    ask(tty, "Once more, password for", whose, &again) < 0)
		code = cli_fail(EX_USAGE, "no password was typed; nothing was done");
	else if (!str_eq(str_from(buf_view(out), before), buf_view(&again)))
		code = cli_fail(
		    EX_DATAERR, "the two passwords differ, so nothing was changed; run this again");
	if (code != EX_OK)
		out->n = before;
	buf_wipe(&again);
	return code;
}

static int from_terminal(enum cli_prompt_kind kind, const char *whose, struct buf *out)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int code = EX_OK;

	if (tty < 0)
		return cli_fail(EX_USAGE,
		    "there is no terminal to ask for the password; give it with --password-stdin "
		    "or in the environment's GODWIT_PASSWORD");
	if (kind == CLI_PROMPT_NEW)
		code = ask_twice(tty, whose, out);
	else if (ask(tty, "Password for", whose, out) < 0)
		code = cli_fail(EX_USAGE, "no password was typed; nothing was done");
	close(tty);
	return code;
}

/* Who keeps a pipe open is not waited for, nor is anybody at a terminal. */
static bool goes_on(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t c;

	return !isatty(fd) && poll(&p, 1, MORE_MS) > 0 && read(fd, &c, 1) > 0;
}

static int from_stdin(const struct cli *cli, struct buf *out)
{
	size_t before = out->n;

	if (cli_prompt_line(STDIN_FILENO, out) < 0)
		return cli_fail(EX_USAGE,
		    "--password-stdin needs the password as one line of at most %zu octets on standard "
		    "input",
		    LIMIT_PASSWORD);
	if ((cli->command->flags & CLI_STDIN) || !goes_on(STDIN_FILENO))
		return EX_OK;
	out->n = before;
	return cli_fail(EX_USAGE,
	    "--password-stdin takes one line, and on standard input more stands behind it; give the "
	    "password alone there");
}

static int from_environment(const char *text, struct buf *out)
{
	if (strlen(text) > LIMIT_PASSWORD)
		return cli_fail(EX_DATAERR,
		    "the password in GODWIT_PASSWORD is longer than %zu octets; choose a shorter one",
		    LIMIT_PASSWORD);
	buf_c(out, text);
	return EX_OK;
}

/* Characters; each octet of what is no UTF-8 counts as one. */
static size_t length_of(struct str password)
{
	size_t n = 0;

	for (; password.n; n++) {
		size_t len = utf8_char(password);

		password = str_from(password, len ? len : 1);
	}
	return n;
}

/* It is his server: he may, and is told. */
static void warn_of_short(struct str password)
{
	if (length_of(password) < LIMIT_PASSWORD_GOOD)
		fprintf(stderr,
		    "godwit: warning: a password of fewer than %zu characters is guessed easily; "
		    "\"godwit account passwd\" sets a longer one\n",
		    LIMIT_PASSWORD_GOOD);
}

bool cli_prompt_asks(const struct cli *cli)
{
	return !cli_args_has(&cli->args, "password-stdin") && !getenv("GODWIT_PASSWORD");
}

int cli_prompt_password(
    const struct cli *cli, enum cli_prompt_kind kind, const char *whose, struct buf *out)
{
	size_t before = out->n;
	const char *env = getenv("GODWIT_PASSWORD");
	int code = EX_OK;

	if (cli_args_has(&cli->args, "password-stdin")) {
		code = from_stdin(cli, out);
	} else if (env) {
		code = from_environment(env, out);
	} else {
		code = from_terminal(kind, whose, out);
	}
	if (code == EX_OK && out->n == before)
		code = cli_fail(EX_DATAERR, "the password is empty; give one of 1 to %zu octets",
		    LIMIT_PASSWORD);
	if (code == EX_OK && kind == CLI_PROMPT_NEW)
		warn_of_short(str_from(buf_view(out), before));
	return code;
}
