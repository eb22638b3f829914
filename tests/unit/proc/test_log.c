/* A line of the log is one line, and says of each key what was given, whatever a peer sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "proc/log.h"

/* Standard error of this program, while a line is written. */
struct capture {
	int file, before;
	uint8_t octets[2 * LIMIT_LOG_LINE];
	struct str line;
};

static void capture_begin(struct capture *c)
{
	c->file = memfd_create("log", MFD_CLOEXEC);
	c->before = dup(STDERR_FILENO);
	assert_true(c->file >= 0 && c->before >= 0);
	assert_int_equal(dup2(c->file, STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(struct capture *c)
{
	ssize_t n = pread(c->file, c->octets, sizeof c->octets, 0);

	assert_int_equal(dup2(c->before, STDERR_FILENO), STDERR_FILENO);
	close(c->before);
	close(c->file);
	assert_true(n > 0);
	c->line = str_of(c->octets, (size_t)n);
}

/* What stands behind "event=refused " of a line whose only value is this one. */
static struct str logged(struct capture *c, struct str value)
{
	struct str head = STR(" event=refused ");
	size_t at = 0;

	capture_begin(c);
	log_open(LOG_INFO, "refused");
	log_str("to", value);
	log_close();
	capture_end(c);
	while (at < c->line.n && !str_has_prefix(str_from(c->line, at), head))
		at++;
	assert_true(at < c->line.n);
	return str_from(c->line, at + head.n);
}

static void test_values(void **state)
{
	static const struct {
		struct str value, want;
	} table[] = {
	    {STR_INIT("bob@example.test"), STR_INIT("to=bob@example.test\n")},
	    {STR_INIT(""), STR_INIT("to=\"\"\n")},
	    {STR_INIT("a b"), STR_INIT("to=\"a b\"\n")},
	    {STR_INIT("a event=forged"), STR_INIT("to=\"a event=forged\"\n")},
	    {STR_INIT("event=forged"), STR_INIT("to=\"event=forged\"\n")},
	    {STR_INIT("a\" event=forged"), STR_INIT("to=\"a\\\" event=forged\"\n")},
	    {STR_INIT("a\\"), STR_INIT("to=\"a\\\\\"\n")},
	    {STR_INIT("a\\\" event=forged"), STR_INIT("to=\"a\\\\\\\" event=forged\"\n")},
	    {STR_INIT("a\r\nb"), STR_INIT("to=\"a\\x0d\\x0ab\"\n")},
	    {STR_INIT("\t\x7f\x1b[2J"), STR_INIT("to=\"\\x09\\x7f\\x1b[2J\"\n")},
	    {STR_INIT("J\xc3\xbcrgen"), STR_INIT("to=\"J\xc3\xbcrgen\"\n")},
	    {STR_INIT("\xc3 \xff"), STR_INIT("to=\"\\xc3 \\xff\"\n")},
	    {STR_INIT("\xc2\x85\xc2\x9b"), STR_INIT("to=\"\\xc2\\x85\\xc2\\x9b\"\n")},
	    {STR_INIT("\xe2\x80\xa8\xe2\x80\xae"),
		STR_INIT("to=\"\\xe2\\x80\\xa8\\xe2\\x80\\xae\"\n")},
	};
	struct capture c;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct str got = logged(&c, table[i].value);

		if (!str_eq(got, table[i].want))
			fail_msg("%zu: got %.*s", i, STR_FMT(got));
	}
}

static uint8_t hex_digit(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Undoes what stands in quotes; gives what follows the closing one. */
static struct str unquote(struct str s, struct buf *out)
{
	assert_true(s.n && s.p[0] == '"');
	s = str_from(s, 1);
	while (s.n && s.p[0] != '"') {
		assert_true(s.p[0] >= ' ' && s.p[0] != 0x7f);
		if (s.p[0] != '\\') {
			buf_byte(out, s.p[0]);
			s = str_from(s, 1);
		} else if (s.n > 3 && s.p[1] == 'x') {
			buf_byte(out, (uint8_t)(hex_digit(s.p[2]) << 4 | hex_digit(s.p[3])));
			s = str_from(s, 4);
		} else {
			assert_true(s.n > 1);
			buf_byte(out, s.p[1]);
			s = str_from(s, 2);
		}
	}
	return str_from(s, 1);
}

/* Any two octets between others: a reader gets back what was given, and nothing beside it. */
static void test_every_pair_of_octets(void **state)
{
	uint8_t value[] = "x__ event=forged";
	struct str given = str_of(value, sizeof value - 1);
	struct capture c;
	struct buf got;

	buf_init(&got, KIB);
	for (unsigned pair = 0; pair < 65536; pair += pair < 256 ? 1 : 7) {
		value[1] = (uint8_t)pair;
		value[2] = (uint8_t)(pair >> 8);
		buf_clear(&got);
		assert_true(str_eq(
		    unquote(str_from(logged(&c, given), sizeof "to=" - 1), &got), STR("\n")));
		assert_true(str_eq(buf_view(&got), given));
	}
	buf_fini(&got);
}

static void test_long_values_are_cut(void **state)
{
	uint8_t value[LIMIT_LOG_VALUE + 1] = {0};
	struct str given = str_of(value, sizeof value), got;
	struct capture c;

	memset(value, 'a', sizeof value);
	got = logged(&c, given);
	assert_int_equal(got.n, sizeof "to=...\n" - 1 + LIMIT_LOG_VALUE);
	assert_true(str_eq(str_from(got, got.n - 4), STR("...\n")));
	got = logged(&c, str_sub(given, 0, LIMIT_LOG_VALUE));
	assert_true(str_eq(str_from(got, got.n - 2), STR("a\n")));
	memset(value, 0xff, sizeof value);
	got = logged(&c, given);
	assert_int_equal(got.n, sizeof "to=\"\"...\n" - 1 + 4 * LIMIT_LOG_VALUE);
}

/* More than a line holds: values are left out whole, and it still ends. */
static void test_full_line(void **state)
{
	uint8_t value[LIMIT_LOG_VALUE] = {0};
	struct capture c;
	size_t quotes = 0;

	memset(value, '\n', sizeof value);
	capture_begin(&c);
	log_open(LOG_INFO, "refused");
	for (unsigned i = 0; i < 10; i++)
		log_str("to", str_of(value, sizeof value));
	for (unsigned i = 0; i < 500; i++)
		log_num("n", INT64_MAX);
	log_close();
	capture_end(&c);
	assert_true(c.line.n <= LIMIT_LOG_LINE + 1);
	assert_int_equal(str_find(c.line, '\n'), c.line.n - 1);
	for (size_t i = 0; i < c.line.n; i++)
		quotes += c.line.p[i] == '"';
	assert_int_equal(quotes, 2);
}

static void test_levels(void **state)
{
	struct capture c;

	capture_begin(&c);
	log_setup("mx", LOG_WARN);
	log_open(LOG_INFO, "dropped");
	log_text("a", "b");
	log_num("a", 1);
	log_close();
	log_note(LOG_WARN, "kept", "one sentence");
	capture_end(&c);
	log_setup("godwit", LOG_INFO);
	assert_true(str_eq(str_from(c.line, str_find(c.line, ' ')),
	    STR(" level=warn process=mx event=kept text=\"one sentence\"\n")));
}

static void log_lines(unsigned n)
{
	while (n--)
		log_note(LOG_INFO, "refused", "a line as others");
}

/* The pipe that is standard error, as far as it is filled. */
static struct str drain(int fd, uint8_t *to, size_t size)
{
	ssize_t n = read(fd, to, size);

	return str_of(to, n > 0 ? (size_t)n : 0);
}

static size_t count_lines(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Nobody waits for who does not read: lines are left out whole, and counted. */
static void test_reader_stands_still(void **state)
{
	static uint8_t octets[2 * MIB];
	int fds[2], before = dup(STDERR_FILENO);
	struct str got, line, rest;
	struct buf want;
	size_t there;

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_lines(5000);
	got = drain(fds[0], octets, sizeof octets);
	there = count_lines(got);
	assert_true(there > 0 && there < 5000 && got.p[got.n - 1] == '\n');
	log_lines(2);
	got = drain(fds[0], octets, sizeof octets);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(count_lines(got), 3);
	line = str_split(got, '\n', &rest);
	buf_init(&want, KIB);
	buf_printf(&want, " level=warn process=godwit event=log-dropped lines=%zu", 5000 - there);
	assert_true(str_eq(str_from(line, str_find(line, ' ')), buf_view(&want)));
	buf_fini(&want);
}

/* Nor does who dies of a bug. */
static void test_last_words(void **state)
{
	int fds[2], status = 0;
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		log_lines(5000);
		mem_bug("here.c", 1, "a bug");
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_every_pair_of_octets),
	    cmocka_unit_test(test_long_values_are_cut),
	    cmocka_unit_test(test_full_line),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_reader_stands_still),
	    cmocka_unit_test(test_last_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
