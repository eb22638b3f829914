#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli_spool.h"

/* A file that holds the octets, read from its start. */
static int input_of(struct str s)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, s.p, s.n), (ssize_t)s.n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void read_back(struct str in, bool dot_ends, struct cli_spool *spool, struct buf *out)
{
	int fd = input_of(in);
	struct err e;

	assert_int_equal(cli_spool_read(spool, fd, dot_ends, &e), CLI_SPOOL_OK);
	close(fd);
	buf_init(out, 4 * MIB);
	assert_int_equal(cli_spool_get(spool, 0, 4 * MIB, out), 0);
	assert_int_equal(out->n, spool->size);
}

static void test_lines(void **state)
{
	static const struct {
		const char *in, *kept, *dot_ends;
		bool bare_cr, bare_cr_to_dot;
	} rows[] = {
	    {"", "", ""},
	    {"a", "a\r\n", "a\r\n"},
	    {"a\nb\n", "a\r\nb\r\n", "a\r\nb\r\n"},
	    {"a\r\nb\r\n", "a\r\nb\r\n", "a\r\nb\r\n"},
	    {"a\rb", "a\r\nb\r\n", "a\r\nb\r\n", true, true},
	    {"a\r", "a\r\n", "a\r\n", true, true},
	    {"a\r\r\n", "a\r\n\r\n", "a\r\n\r\n", true, true},
	    {"a\n.\nb\rc\n", "a\r\n.\r\nb\r\nc\r\n", "a\r\n", true, false},
	    {"a\n.\nb\n", "a\r\n.\r\nb\r\n", "a\r\n"},
	    {"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", "a\r\n"},
	    {".\nb\n", ".\r\nb\r\n", ""},
	    {"a\n..\nb\n", "a\r\n..\r\nb\r\n", "a\r\n..\r\nb\r\n"},
	    {"a\n.b\n", "a\r\n.b\r\n", "a\r\n.b\r\n"},
	    {"a.\nb\n", "a.\r\nb\r\n", "a.\r\nb\r\n"},
	    {"a\n.", "a\r\n.\r\n", "a\r\n.\r\n"},
	    {"a\n.\rb\n", "a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", true, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int dot_ends = 0; dot_ends < 2; dot_ends++) {
			struct cli_spool spool;
			struct buf out;

			read_back(str_of_c(rows[i].in), dot_ends, &spool, &out);
			assert_string_equal(
			    buf_cstr(&out), dot_ends ? rows[i].dot_ends : rows[i].kept);
			assert_false(spool.has_8bit);
			assert_int_equal(
			    spool.has_bare_cr, dot_ends ? rows[i].bare_cr_to_dot : rows[i].bare_cr);
			buf_fini(&out);
			cli_spool_fini(&spool);
		}
	}
}

/* Wherever reads fall: every length up to several of the reader's chunks, dot line last. */
static void test_chunk_borders(void **state)
{
	struct buf in, out;
	struct cli_spool spool;

	buf_init(&in, MIB);
	for (size_t n = 16384 - 6; n < 16384 + 6; n++) {
		buf_clear(&in);
		while (in.n < n)
			buf_byte(&in, 'x');
		buf_lit(&in, "\r\n.\r\nnever");
		read_back(buf_view(&in), true, &spool, &out);
		assert_int_equal(out.n, n + 2);
		assert_memory_equal(out.p, in.p, n + 2);
		buf_fini(&out);
		cli_spool_fini(&spool);
	}
	buf_fini(&in);
}

static void test_8bit_and_pieces(void **state)
{
	struct cli_spool spool;
	struct buf out, piece;

	read_back(STR("caf\xc3\xa9\n"), false, &spool, &out);
	assert_true(spool.has_8bit);
	assert_int_equal(spool.size, 7);
	buf_init(&piece, 16);
	assert_int_equal(cli_spool_get(&spool, 3, 2, &piece), 0);
	assert_memory_equal(piece.p, "\xc3\xa9", 2);
	assert_int_equal(cli_spool_get(&spool, 5, 100, &piece), 0);
	assert_int_equal(piece.n, 4);
	assert_int_equal(cli_spool_get(&spool, 7, 100, &piece), 0);
	assert_int_equal(cli_spool_get(&spool, 99, 100, &piece), 0);
	assert_int_equal(piece.n, 4);
	buf_fini(&piece);
	buf_fini(&out);
	cli_spool_fini(&spool);
}

static void test_unreadable(void **state)
{
	struct cli_spool spool = {.fd = 77};
	struct err e;

	assert_int_equal(cli_spool_read(&spool, -1, false, &e), CLI_SPOOL_FAILED);
	assert_int_equal(spool.fd, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_chunk_borders),
	    cmocka_unit_test(test_8bit_and_pieces),
	    cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests_name("cli/spool", tests, NULL, NULL);
}
