/*
 * A reader of the log who stands still stops nobody: a line for which there is no room is left out, and
 * counted. Room for one line is room for a whole one: a pipe that poll(2) calls writable has a free page, which
 * takes PIPE_BUF octets at once, and a socket has more.
 */
#include "proc/log.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/utf8.h"

static const char *process_name = "godwit";
static enum log_level threshold = LOG_INFO;
static _Thread_local struct buf line; /* its memory lives as long as the thread */
static _Thread_local bool dropped;
static _Atomic int64_t left_out; /* lines, since it was last told */

_Static_assert(LIMIT_LOG_LINE + 1 <= PIPE_BUF, "a line goes whole or not at all");

void log_setup(const char *process, enum log_level level)
{
	process_name = process;
	threshold = level;
}

static void put_head(struct buf *b, enum log_level level, const char *event)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	clock_put_iso_ms(b, clock_now());
	buf_lit(b, " level=");
	buf_c(b, names[level]);
	buf_lit(b, " process=");
	buf_c(b, process_name);
	buf_lit(b, " event=");
	buf_c(b, event);
}

void log_open(enum log_level level, const char *event)
{
	dropped = level > threshold;
	if (dropped)
		return;
	buf_init(&line, LIMIT_LOG_LINE);
	put_head(&line, level, event);
}

static void key_is(const char *key)
{
	buf_byte(&line, ' ');
	buf_c(&line, key);
	buf_byte(&line, '=');
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=' ||
		    s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

void log_str(const char *key, struct str value)
{
	struct str cut = str_sub(value, 0, LIMIT_LOG_VALUE);

	if (dropped || buf_room(&line) < 4 * cut.n + 64)
		return;
	key_is(key);
	if (is_plain(cut))
		buf_str(&line, cut);
	else
		utf8_put_quoted(&line, cut);
	if (cut.n < value.n)
		buf_lit(&line, "...");
}

void log_text(const char *key, const char *value)
{
	log_str(key, str_of_c(value));
}

void log_num(const char *key, int64_t value)
{
	if (dropped)
		return;
	key_is(key);
	buf_i64(&line, value);
}

void log_id(const char *key, int64_t id)
{
	if (dropped)
		return;
	key_is(key);
	id_put(&line, id);
}

void log_ip(const char *key, const struct ip *ip)
{
	if (dropped)
		return;
	key_is(key);
	ip_put(&line, ip);
}

/* False: there is no room for it. */
static bool write_line(struct str rest)
{
	struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&to, 1, 0) == 0)
		return false;
	while (rest.n) {
		ssize_t n = write(STDERR_FILENO, rest.p, rest.n);

		if (n <= 0)
			break; /* nobody listens: there is no place left to say so */
		rest = str_from(rest, (size_t)n);
	}
	return true;
}

/* Before the next line that there is room for: here they are missing. */
static void tell_left_out(void)
{
	int64_t n = atomic_exchange(&left_out, 0);
	struct buf b;

	if (n == 0)
		return;
	buf_init(&b, LIMIT_LOG_LINE);
	put_head(&b, LOG_WARN, "log-dropped");
	buf_printf(&b, " lines=%lld\n", (long long)n);
	if (!write_line(buf_view(&b)))
		left_out += n;
	buf_fini(&b);
}

void log_close(void)
{
	if (dropped)
		return;
	line.max++; /* the line end always fits */
	line.overflow = false;
	buf_byte(&line, '\n');
	tell_left_out();
	if (!write_line(buf_view(&line)))
		left_out++;
	buf_fini(&line);
}

void log_note(enum log_level level, const char *event, const char *text)
{
	log_open(level, event);
	log_text("text", text);
	log_close();
}
