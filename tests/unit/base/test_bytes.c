/* Views, buffers, cursors, binary encoding, arenas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/cur.h"
#include "base/wire.h"

static void test_str(void **state)
{
	struct str rest;

	assert_true(str_eq_i(STR("PostMaster"), STR("postmaster")));
	assert_false(
	    str_eq_i(STR("a@"), STR("a`"))); /* differ in bit 0x20 only, but are no letters */
	assert_true(str_has_suffix_i(STR("x.ORG"), STR(".org")));
	assert_false(str_has_suffix_i(STR("org"), STR(".org")));
	assert_int_equal(str_find(STR("abcb"), 'b'), 1);
	assert_int_equal(str_rfind(STR("abcb"), 'b'), 3);
	assert_int_equal(str_find(STR("abc"), 'x'), 3);
	assert_int_equal(str_find_str(STR("hello"), STR("ll")), 2);
	assert_true(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")));
	assert_true(str_eq(str_split(STR("a:b:c"), ':', &rest), STR("a")));
	assert_true(str_eq(rest, STR("b:c")));
	assert_true(str_eq(str_split(STR("abc"), ':', &rest), STR("abc")));
	assert_int_equal(rest.n, 0);
	assert_int_equal(str_sub(STR("abc"), 5, 2).n, 0);
}

static void test_8bit_at_every_place(void **state)
{
	uint8_t bytes[40] = {0};

	for (size_t n = 0; n <= sizeof bytes; n++) {
		assert_false(str_has_8bit(str_of(bytes, n)));
		for (size_t i = 0; i < n; i++) {
			bytes[i] = 0x80;
			assert_true(str_has_8bit(str_of(bytes, n)));
			assert_false(str_has_8bit(str_of(bytes, i)));
			bytes[i] = 0x7f;
		}
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t value;
	} cases[] = {
	    {"0", 0, true, 0},
	    {"007", 9, true, 7},
	    {"10", 9, false, 0},
	    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, false, 0},
	    {"", 9, false, 0},
	    {"-1", 9, false, 0},
	    {" 1", 9, false, 0},
	    {"1x", 9, false, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t v = 42;

		assert_int_equal(
		    str_to_u64(str_of_c(cases[i].text), cases[i].max, &v), cases[i].good);
		assert_true(v == (cases[i].good ? cases[i].value : 42));
	}
}

static void test_buf_stops_at_its_maximum(void **state)
{
	struct buf b;

	buf_init(&b, 5);
	buf_lit(&b, "abc");
	buf_lit(&b, "defg");
	assert_true(b.overflow);
	assert_true(str_eq(buf_view(&b), STR("abc")));
	buf_byte(&b, 'd'); /* sticky: room for one, but nothing is added after a gap */
	assert_int_equal(b.n, 3);
	buf_clear(&b);
	buf_lit(&b, "12345");
	assert_false(b.overflow);
	assert_string_equal(buf_cstr(&b), "12345");
	buf_drop(&b, 2);
	assert_string_equal(buf_cstr(&b), "345");
	buf_fini(&b);
}

static void test_buf_writers(void **state)
{
	struct buf b;

	buf_init(&b, 200);
	buf_u64(&b, 0);
	buf_byte(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	buf_byte(&b, ' ');
	buf_i64(&b, INT64_MIN);
	buf_byte(&b, ' ');
	buf_u64_pad(&b, 7, 3);
	buf_byte(&b, ' ');
	buf_hex(&b, STR("\x01\xff"));
	buf_byte(&b, ' ');
	buf_lower(&b, STR("ABC@[z"));
	buf_printf(&b, " %d%s", 5, "x");
	assert_string_equal(
	    buf_cstr(&b), "0 18446744073709551615 -9223372036854775808 007 01ff abc@[z 5x");
	buf_fini(&b);
}

static void test_cur_failure_is_sticky(void **state)
{
	struct cur c = cur_of(STR("MAIL FROM:<a>"));

	assert_true(cur_lit_i(&c, STR("mail")));
	assert_true(cur_sp(&c));
	assert_false(cur_lit(&c, STR("to:")));
	assert_true(c.bad);
	assert_false(cur_lit_i(&c, STR("from:")));
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(cur_peek(&c), -1);
	assert_false(cur_done(&c));
}

static void test_wire_round_trip_and_every_cut(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	wire_u8(&b, 1);
	wire_u16(&b, 0x1234);
	wire_u32(&b, 0xdeadbeef);
	wire_u64(&b, UINT64_MAX - 1);
	wire_i64(&b, -5);
	wire_bool(&b, true);
	wire_str(&b, STR("text"));
	for (size_t n = 0; n <= b.n; n++) {
		struct cur c = cur_of(str_sub(buf_view(&b), 0, n));
		bool good = cur_u8(&c) == 1 && cur_u16(&c) == 0x1234 && cur_u32(&c) == 0xdeadbeef &&
			    cur_u64(&c) == UINT64_MAX - 1 && cur_i64(&c) == -5 && cur_bool(&c) &&
			    str_eq(cur_str(&c, 4), STR("text")) && cur_done(&c);

		assert_int_equal(good, n == b.n);
	}
	buf_fini(&b);
}

static void test_wire_refuses(void **state)
{
	struct cur c = cur_of(STR("\x02"));

	assert_false(cur_bool(&c));
	assert_true(c.bad);
	c = cur_of(STR("\x00\x00\x00\x05hello"));
	assert_int_equal(cur_str(&c, 4).n, 0);
	assert_true(c.bad);
	c = cur_of(STR("\xff\xff\xff\xffx"));
	assert_int_equal(cur_str(&c, SIZE_MAX).n, 0);
	assert_true(c.bad);
	c = cur_of(STR("\x03"));
	assert_int_equal(cur_enum(&c, 3), 0);
	assert_true(c.bad);
}

static void test_arena(void **state)
{
	struct arena *a = arena_new();

	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 300; n++) {
			uint8_t *p = arena_alloc(a, n * 37);

			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < n * 37; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, n * 37);
		}
		assert_string_equal(arena_cstr(a, STR("copy")), "copy");
		assert_true(arena_used(a) > 1000000);
		arena_reset(a, round == 1);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(&a);
	assert_null(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_str),
	    cmocka_unit_test(test_8bit_at_every_place),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_buf_stops_at_its_maximum),
	    cmocka_unit_test(test_buf_writers),
	    cmocka_unit_test(test_cur_failure_is_sticky),
	    cmocka_unit_test(test_wire_round_trip_and_every_cut),
	    cmocka_unit_test(test_wire_refuses),
	    cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
