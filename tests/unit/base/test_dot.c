/* The dot framer: every case whole, byte by byte and at every split; with small and large outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/dot.h"
#include "base/limits.h"

struct want {
	const char *name, *in, *out;
	size_t used; /* 0: all of it, without an end */
	bool bare;
};

static const struct want dotted[] = {
    {"empty message", ".\r\n", "", 3, false},
    {"one line", "hello\r\n.\r\n", "hello\r\n", 10, false},
    {"what follows is left", "a\r\n.\r\nQUIT\r\n", "a\r\n", 6, false},
    {"stuffed dot", "..a\r\n.\r\n", ".a\r\n", 8, false},
    {"only a stuffed dot", "..\r\n.\r\n", ".\r\n", 7, false},
    {"dot that should have been stuffed", ".a\r\n.\r\n", "a\r\n", 7, false},
    {"dot inside a line", "a.\r\n.b.\r\n.\r\n", "a.\r\nb.\r\n", 12, false},
    {"no end yet", "a\r\n.\r", "a\r\n", 0, false},
    {"LF . LF", "a\n.\n", "a\n.\n", 0, true},
    {"LF . CRLF", "a\n.\r\nb", "a\n.\r\nb", 0, true},
    {"CRLF . LF", "a\r\n.\nb", "a\r\n\nb", 0, true},
    {"CR . CR", "a\r.\rb", "a\r.\rb", 0, true},
    {"CR . CRLF", "a\r.\r\nb", "a\r.\r\nb", 0, true},
    {"CRLF . CR x", "a\r\n.\rx", "a\r\n\rx", 0, true},
    {"CRLF . CR CRLF", "a\r\n.\r\r\nb", "a\r\n\r\r\nb", 0, true},
    {"CR CR LF", "a\r\r\nb", "a\r\r\nb", 0, true},
    {"bare LF first", "\nb\r\n.\r\n", "\nb\r\n", 7, true},
    {"NUL is content", "a\r\n", "a\r\n", 0, false},
    {"stuffed after a bare LF", "a\n..b\r\n.\r\n", "a\n.b\r\n", 10, true},
};

static const struct want normalized[] = {
    {"LF becomes CRLF", "a\nb\r\n.\r\n", "a\r\nb\r\n", 8, true},
    {"CR becomes CRLF", "a\rb\r\n.\r\n", "a\r\nb\r\n", 8, true},
    {"LF . LF is no end", "a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", 10, true},
    {"LF . CRLF is no end", "a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", 11, true},
};

/* Feeds the pieces one after the other; the output in steps of `room` octets. */
static void feed(struct dot_in *d, struct str in, size_t room, struct buf *all, size_t *used, bool *end)
{
	while (in.n && !*end) {
		struct buf out;
		size_t n;

		buf_init(&out, room);
		*end = dot_in_feed(d, in, &n, &out) == DOT_END;
		buf_str(all, buf_view(&out));
		buf_fini(&out);
		*used += n;
		in = str_from(in, n);
	}
}

static void check_split(const struct want *w, bool normalize, size_t split, size_t room)
{
	struct str in = str_of_c(w->in);
	struct dot_in d;
	struct buf out;
	size_t used = 0;
	bool end = false;

	buf_init(&out, 1000);
	dot_in_init(&d, true, normalize);
	if (split == SIZE_MAX) {
		for (size_t i = 0; i < in.n && !end; i++)
			feed(&d, str_sub(in, i, 1), room, &out, &used, &end);
	} else {
		feed(&d, str_sub(in, 0, split), room, &out, &used, &end);
		feed(&d, str_from(in, split), room, &out, &used, &end);
	}
	if (end != (w->used > 0) || used != (w->used ? w->used : in.n) || d.bare != w->bare ||
	    !str_eq(buf_view(&out), str_of_c(w->out)))
		fail_msg("%s, split %zu, room %zu: end %d used %zu bare %d out \"%.*s\"", w->name, split,
		    room, end, used, d.bare, STR_FMT(buf_view(&out)));
	buf_fini(&out);
}

static void check_all(const struct want *w, size_t n, bool normalize)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(w[i].in);

		for (size_t room = 4; room <= 64; room += 5) {
			for (size_t split = 0; split <= len; split++)
				check_split(&w[i], normalize, split, room);
			check_split(&w[i], normalize, SIZE_MAX, room);
		}
	}
}

static void test_decode(void **state)
{
	check_all(dotted, sizeof dotted / sizeof *dotted, false);
}

static void test_normalize(void **state)
{
	check_all(normalized, sizeof normalized / sizeof *normalized, true);
}

static void test_lines_of_bdat(void **state)
{
	static const struct {
		const char *in;
		bool bare, midline;
	} cases[] = {
	    {"a\r\n", false, false},
	    {"a", false, true},
	    {".\r\n", false, false},
	    {"a\r\n.\r\nb\r\n", false, false},
	    {"a\r", true, true},
	    {"a\n", true, false},
	    {"", false, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct dot_in d;
		struct buf out;
		bool midline;
		size_t used;

		buf_init(&out, 100);
		dot_in_init(&d, false, false);
		assert_int_equal(dot_in_feed(&d, str_of_c(cases[i].in), &used, &out), DOT_MORE);
		dot_in_finish(&d, &out, &midline);
		assert_int_equal(d.bare, cases[i].bare);
		assert_int_equal(midline, cases[i].midline);
		assert_true(str_eq(buf_view(&out), str_of_c(cases[i].in)));
		buf_fini(&out);
	}
}

/* Any content, encoded and decoded in pieces of any size, is what it was. */
static void test_round_trip(void **state)
{
	static const char alphabet[] = {'.', '\r', 'a'};
	unsigned seed = 1;

	for (int round = 0; round < 3000; round++) {
		struct buf text, wire, back;
		struct dot_out enc;
		struct dot_in dec;
		size_t used;

		buf_init(&text, 200);
		buf_init(&wire, 1000);
		buf_init(&back, 1000);
		for (int i = 0; i < 40; i++) {
			seed = seed * 1103515245 + 12345;
			switch (alphabet[seed >> 16 & 3 ? (seed >> 16 & 3) - 1 : 2]) {
			case '.':
				buf_byte(&text, '.');
				break;
			case '\r':
				buf_lit(&text, "\r\n");
				break;
			default:
				buf_byte(&text, 'a');
			}
		}
		buf_lit(&text, "\r\n");
		dot_out_init(&enc, true);
		for (size_t at = 0; at < text.n; at += used) {
			struct buf part;

			buf_init(&part, 2 + seed % 7);
			dot_out_feed(&enc, str_from(buf_view(&text), at), &used, &part);
			buf_str(&wire, buf_view(&part));
			buf_fini(&part);
		}
		dot_out_end(&enc, &wire);
		dot_in_init(&dec, true, false);
		assert_int_equal(dot_in_feed(&dec, buf_view(&wire), &used, &back), DOT_END);
		assert_int_equal(used, wire.n);
		assert_false(dec.bare);
		assert_true(str_eq(buf_view(&back), buf_view(&text)));
		buf_fini(&text);
		buf_fini(&wire);
		buf_fini(&back);
	}
}

static void test_end_adds_a_line_end(void **state)
{
	struct dot_out enc;
	struct buf out;
	size_t used;

	buf_init(&out, 100);
	dot_out_init(&enc, true);
	dot_out_feed(&enc, STR("no line end"), &used, &out);
	dot_out_end(&enc, &out);
	assert_true(str_eq(buf_view(&out), STR("no line end\r\n.\r\n")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_normalize),
	    cmocka_unit_test(test_lines_of_bdat),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_end_adds_a_line_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
