/* The field scanner: each header fed whole, octet by octet and in two pieces at every place. */
#include "mime_test.h"

#include "base/limits.h"
#include "mime/mime_field.h"

static const struct {
	const char *text;
	const char
	    *want; /* fields as name@offset+size=body; then how the header ended, and the body */
} cases[] = {
    {"A: b\r\nC: d\r\n\r\nbody", "A@0+6=[ b] C@6+6=[ d] END@14 [body]"},
    {"A: b\nC: d\n\nbody", "A@0+5=[ b] C@5+5=[ d] END@11 [body]"},
    {"A: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A@0+14=[ b\\r\\n c\\r\\n\\x09d] E@14+6=[ f] END@22 []"},
    {"A \t: b\r\n\r\n", "A@0+8=[ b] END@10 []"},
    {"A:\r\nB:\r\n\r\n", "A@0+4=[] B@4+4=[] END@10 []"},
    {"A:b:c\r\n\r\n", "A@0+7=[b:c] END@9 []"},
    {"A: b\r\n \r\nC: d\r\n\r\n", "A@0+9=[ b\\r\\n ] C@9+6=[ d] END@17 []"},
    {"\r\nbody", "END@2 [body]"},
    {"\nbody", "END@1 [body]"},
    {"", "END@0 []"},
    {"A: b", "A@0+4=[ b] END@4 []"},
    {"A: b\r\n", "A@0+6=[ b] END@6 []"},
    {"A: b\r", "A@0+5=[ b] END@5 []"},
    {"A: b\rc\r\n\r\n", "A@0+8=[ b\\rc] END@10 []"},
    {"A: b\r\nHello world\r\n", "A@0+6=[ b] NONE@6 [Hello world\\r\\n]"},
    {"A: b\r\nHello\r\nB: c\r\n", "A@0+6=[ b] NONE@6 [Hello\\r\\nB: c\\r\\n]"},
    {"A: b\r\n: c\r\n", "A@0+6=[ b] NONE@6 [: c\\r\\n]"},
    {"A: b\r\n\xc3\xbc: c\r\n", "A@0+6=[ b] NONE@6 [\xc3\xbc: c\\r\\n]"},
    {"A: b\r\n\rC: d\r\n", "A@0+6=[ b] NONE@6 [\\rC: d\\r\\n]"},
    {"A: b\r\nB", "A@0+6=[ b] NONE@6 [B]"},
    {"A: b\r\nB ", "A@0+6=[ b] NONE@6 [B ]"},
    {"A: b\r\n\r", "A@0+6=[ b] NONE@6 [\\r]"},
    {" A: b\r\n", "NONE@0 [ A: b\\r\\n]"},
    {"Just text\r\n", "NONE@0 [Just text\\r\\n]"},
    {"From bob@x.org Mon Nov 23\r\nA: b\r\n\r\n", "A@27+6=[ b] END@35 []"},
    {">From bob@x.org Mon Nov 23\nA: b\n\nc", "A@27+5=[ b] END@33 [c]"},
    {"From: b\r\n\r\n", "From@0+9=[ b] END@11 []"},
    {"From : b\r\n\r\n", "From@0+10=[ b] END@12 []"},
    {"From ", "NONE@0 [From ]"},
    {"From x", "END@6 []"},
};

struct result {
	struct mime_field_in in;
	struct buf out;
	bool ended;
};

static void end(struct result *r, enum mime_field_status st)
{
	r->ended = true;
	if (st == MIME_FIELD_END) {
		buf_printf(&r->out, "END@%llu [", (unsigned long long)r->in.at);
		return;
	}
	buf_printf(&r->out, "NONE@%llu [", (unsigned long long)mime_field_body_offset(&r->in));
	dump_text(&r->out, buf_view(&r->in.acc)); /* consumed octets of the body */
}

static bool handle(struct result *r, enum mime_field_status st, const struct mime_field *f)
{
	if (st == MIME_FIELD_ONE) {
		buf_printf(&r->out, "%.*s@%llu+%llu=[", STR_FMT(f->name),
		    (unsigned long long)f->offset, (unsigned long long)f->size);
		dump_text(&r->out, f->body);
		buf_c(&r->out, f->too_long ? "] too long " : "] ");
	} else if (st != MIME_FIELD_MORE) {
		end(r, st);
	}
	return st == MIME_FIELD_ONE;
}

static void feed(struct result *r, struct str s)
{
	while (s.n && !r->ended) {
		struct mime_field f;
		size_t used;
		enum mime_field_status st = mime_field_next(&r->in, s, &used, &f);

		assert_true(used <= s.n && (st != MIME_FIELD_MORE || used == s.n));
		handle(r, st, &f);
		s = str_from(s, used);
	}
	dump_text(&r->out, s);
}

static void finish(struct result *r)
{
	struct mime_field f;

	while (!r->ended)
		handle(r, mime_field_finish(&r->in, &f), &f);
	buf_byte(&r->out, ']');
}

static void start(struct result *r)
{
	r->ended = false;
	buf_init(&r->out, 10 * MIB);
	mime_field_in_init(&r->in, 0);
}

static void stop(struct result *r)
{
	buf_fini(&r->out);
	mime_field_in_fini(&r->in);
}

/* step 0: in two pieces, at cut; else pieces of that many octets. */
static void check(const char *text, const char *want, size_t step, size_t cut)
{
	struct str s = str_of_c(text);
	struct result r;

	start(&r);
	for (size_t i = 0, n; i < s.n; i += n) {
		n = step ? step : (i == 0 && cut ? cut : s.n - i);
		feed(&r, str_sub(s, i, n));
	}
	finish(&r);
	expect_text(text, buf_view(&r.out), want);
	stop(&r);
}

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++)
			check(cases[i].text, cases[i].want, 0, cut);
		check(cases[i].text, cases[i].want, 1, 0);
	}
}

/* Offsets count from where the caller says, also for a second header. */
static void test_reset(void **state)
{
	struct result r;

	start(&r);
	feed(&r, STR("A: b\r\n\r\n"));
	mime_field_in_reset(&r.in, 100);
	r.ended = false;
	feed(&r, STR("C: d\r\n\r\n"));
	expect_text("reset", buf_view(&r.out), "A@0+6=[ b] END@8 [C@100+6=[ d] END@108 [");
	stop(&r);
}

/*
 * A field one octet below the limit is whole, one above keeps its name, and the next one is whole.
 */
static void test_long_field(void **state)
{
	for (size_t extra = 0; extra < 2; extra++) {
		struct str body = {NULL, 0};
		struct mime_field f;
		struct result r;
		struct buf text;
		size_t used;

		start(&r);
		buf_init(&text, MIB);
		buf_lit(&text, "Long: ");
		while (text.n < LIMIT_MIME_FIELD - 2 + extra)
			buf_byte(&text, 'x');
		buf_lit(&text, "\r\nNext: y\r\n");
		assert_int_equal(
		    mime_field_next(&r.in, buf_view(&text), &used, &f), MIME_FIELD_ONE);
		assert_int_equal(f.too_long, extra);
		assert_int_equal(f.size, LIMIT_MIME_FIELD + extra);
		assert_true(str_eq(f.name, STR("Long")));
		assert_int_equal(f.body.n, extra ? 0 : LIMIT_MIME_FIELD - 7);
		body = str_from(buf_view(&text), used);
		assert_int_equal(mime_field_next(&r.in, body, &used, &f), MIME_FIELD_MORE);
		assert_int_equal(mime_field_finish(&r.in, &f), MIME_FIELD_ONE);
		assert_false(f.too_long);
		assert_true(str_eq(f.body, STR(" y")));
		buf_fini(&text);
		stop(&r);
	}
}

static void test_long_name(void **state)
{
	struct mime_field f;
	struct result r;
	struct buf text;
	size_t used;

	start(&r);
	buf_init(&text, MIB);
	while (text.n < 100000)
		buf_byte(&text, 'x');
	assert_int_equal(
	    mime_field_next(&r.in, buf_view(&text), &used, &f), MIME_FIELD_NO_SEPARATOR);
	assert_true(used < LIMIT_MIME_FIELD_NAME);
	assert_int_equal(r.in.acc.n, used);
	buf_fini(&text);
	stop(&r);
}

/*
 * Behind LIMIT_MIME_HEADER octets fields are counted, their bodies skipped; memory stays bounded.
 */
static void test_many_fields(void **state)
{
	size_t n = 0, skipped = 0;
	struct result r;

	start(&r);
	for (size_t i = 0; i < 100000; i++) {
		struct str s = STR("Some-Field: with some text\r\n");
		struct mime_field f;
		size_t used;

		if (mime_field_next(&r.in, s, &used, &f) != MIME_FIELD_ONE)
			continue;
		assert_true(str_eq(f.name, STR("Some-Field")));
		assert_int_equal(f.too_long, f.offset + f.size > LIMIT_MIME_HEADER);
		skipped += f.too_long;
		n++;
		assert_int_equal(used, 0);
		mime_field_next(&r.in, s, &used, &f);
	}
	assert_int_equal(n, 99999);
	assert_true(skipped > 50000);
	assert_true(r.in.acc.cap < 4096);
	stop(&r);
}

static void test_unfold(void **state)
{
	static const struct {
		struct str body;
		const char *want;
	} folds[] = {
	    {STR_INIT(" a\r\n b\r\n\tc \r\n"), "a b\\x09c"},
	    {STR_INIT("a\n b"), "a b"},
	    {STR_INIT("a\rb\0c"), "a b c"},
	    {STR_INIT(" \r\n \r\n"), ""},
	    {STR_INIT(""), ""},
	};

	for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++) {
		struct buf b, shown;

		buf_init(&b, 100);
		buf_init(&shown, 100);
		mime_field_unfold(&b, folds[i].body);
		dump_text(&shown, buf_view(&b));
		expect_text("unfold", buf_view(&shown), folds[i].want);
		buf_fini(&b);
		buf_fini(&shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_long_field),
	    cmocka_unit_test(test_long_name),
	    cmocka_unit_test(test_many_fields),
	    cmocka_unit_test(test_unfold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
