/* Addresses: tables of what is accepted and what it prints to, limits, every prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "smtp/smtp_path.h"

#define OUT_MAX ((size_t)16384)

enum parser {
	REVERSE,
	FORWARD,
	MAILBOX,
	DOMAIN
};

static enum smtp_path_status parse(
    enum parser p, struct str s, bool utf8, struct arena *a, struct smtp_path *path_r)
{
	struct cur c = cur_of(s);
	enum smtp_path_status status;

	if (p == MAILBOX)
		return smtp_mailbox_parse(s, utf8, a, path_r);
	if (p == DOMAIN)
		return smtp_domain_parse(s, utf8, a, path_r);
	status = p == REVERSE ? smtp_path_reverse(&c, utf8, a, path_r)
			      : smtp_path_forward(&c, utf8, a, path_r);
	assert_true(c.bad == (status != SMTP_PATH_OK));
	if (status == SMTP_PATH_OK && cur_left(&c))
		return SMTP_PATH_BAD; /* for these tables: something is left */
	return status;
}

struct good {
	enum parser parser;
	const char *in;
	const char *local, *domain;
	const char *out; /* NULL: as it came */
};

static const struct good goods[] = {
    {REVERSE, "<>", "", "", NULL},
    {REVERSE, "<bob@example.org>", "bob", "example.org", NULL},
    {REVERSE, "<Bob@EXAMPLE.Org>", "Bob", "example.org", "<Bob@example.org>"},
    {REVERSE, "<b!#$%&'*+-/=?^_`{|}~@x>", "b!#$%&'*+-/=?^_`{|}~", "x", NULL},
    {REVERSE, "<a.b.c@x-y.z9>", "a.b.c", "x-y.z9", NULL},
    {REVERSE, "<\"bob\"@x.org>", "bob", "x.org", "<bob@x.org>"},
    {REVERSE, "<\"b\\o\\b\"@x.org>", "bob", "x.org", "<bob@x.org>"},
    {REVERSE, "<\"bob smith\"@x.org>", "bob smith", "x.org", NULL},
    {REVERSE, "<\"a@b\"@x.org>", "a@b", "x.org", NULL},
    {REVERSE, "<\"a\\\"b\\\\c\"@x.org>", "a\"b\\c", "x.org", NULL},
    {REVERSE, "<\"\"@x.org>", "", "x.org", NULL},
    {REVERSE, "<\".\"@x.org>", ".", "x.org", NULL},
    {REVERSE, "<\"a..b\"@x.org>", "a..b", "x.org", NULL},
    {REVERSE, "<\">\"@x.org>", ">", "x.org", NULL},
    {REVERSE, "<@a.org:bob@x.org>", "bob", "x.org", "<bob@x.org>"},
    {REVERSE, "<@a.org,@b.org,@c:bob@x.org>", "bob", "x.org", "<bob@x.org>"},
    {REVERSE, "<bob@[192.0.2.1]>", "bob", "192.0.2.1", NULL},
    {REVERSE, "<bob@[IPv6:2001:DB8::1]>", "bob", "2001:db8::1", "<bob@[IPv6:2001:db8::1]>"},
    {REVERSE, "<bob@[ipv6:::1]>", "bob", "::1", "<bob@[IPv6:::1]>"},
    {REVERSE, "<bob@[192.0.02.001]>", "bob", "192.0.2.1", "<bob@[192.0.2.1]>"},
    {REVERSE, "<bob@[0.000.255.09]>", "bob", "0.0.255.9", "<bob@[0.0.255.9]>"},
    {REVERSE, "<bob@[IPv6:::]>", "bob", "::", NULL},
    {REVERSE, "<bob@[IPv6:1::]>", "bob", "1::", NULL},
    {REVERSE, "<bob@[IPv6:1:2:3:4:5:6:7:8]>", "bob", "1:2:3:4:5:6:7:8", NULL},
    {REVERSE, "<bob@[IPv6:0001:2:3:4:5:6:7:aBcD]>", "bob", "1:2:3:4:5:6:7:abcd",
	"<bob@[IPv6:1:2:3:4:5:6:7:abcd]>"},
    {REVERSE, "<bob@[IPv6:1:2:3:4:5:6::]>", "bob", "1:2:3:4:5:6::", NULL},
    {REVERSE, "<bob@[IPv6:::3:4:5:6:7:8]>", "bob", "::3:4:5:6:7:8", NULL},
    {REVERSE, "<bob@[IPv6:1:2:3::6:7:8]>", "bob", "1:2:3::6:7:8", NULL},
    {REVERSE, "<bob@[IPv6:1:2:3:4:5:0:7:8]>", "bob", "1:2:3:4:5:0:7:8", NULL},
    {REVERSE, "<bob@[IPv6:1:2:3:4:5:6:192.0.2.1]>", "bob", "1:2:3:4:5:6:c000:201",
	"<bob@[IPv6:1:2:3:4:5:6:c000:201]>"},
    {REVERSE, "<bob@[IPv6:1:2:3:4::192.0.2.1]>", "bob", "1:2:3:4::c000:201",
	"<bob@[IPv6:1:2:3:4::c000:201]>"},
    {REVERSE, "<bob@[IPv6:::3:4:5:6:192.0.2.1]>", "bob", "::3:4:5:6:c000:201",
	"<bob@[IPv6:::3:4:5:6:c000:201]>"},
    {REVERSE, "<bob@[IPv6:1::6:192.0.02.1]>", "bob", "1::6:c000:201", "<bob@[IPv6:1::6:c000:201]>"},
    {REVERSE, "<bob@[IPv6:::192.0.2.1]>", "bob", "::192.0.2.1", NULL},
    {REVERSE, "<bob@[IPv6:::ffff:192.0.2.1]>", "bob", "::ffff:192.0.2.1", NULL},
    {REVERSE, "<bob@[IPv6:::FFFF:c000:0201]>", "bob", "::ffff:192.0.2.1",
	"<bob@[IPv6:::ffff:192.0.2.1]>"},
    {REVERSE, "<bob@192.0.2.1>", "bob", "192.0.2.1", NULL},
    {REVERSE, "<b\xc3\xb6@\xc3\xa4.org>", "b\xc3\xb6", "\xc3\xa4.org", NULL},
    {REVERSE, "<\"b \xf0\x9f\x98\x80\"@x.org>", "b \xf0\x9f\x98\x80", "x.org", NULL},
    {FORWARD, "<postmaster>", "postmaster", "", NULL},
    {FORWARD, "<PostMaster>", "postmaster", "", "<postmaster>"},
    {FORWARD, "<Postmaster@x.org>", "Postmaster", "x.org", NULL},
    {FORWARD, "<bob%x.org@y.org>", "bob%x.org", "y.org", NULL},
    {FORWARD, "<x.org!bob@y.org>", "x.org!bob", "y.org", NULL},
    {MAILBOX, "bob@example.org", "bob", "example.org", NULL},
    {MAILBOX, "\"bob smith\"@[192.0.2.1]", "bob smith", "192.0.2.1", NULL},
    {DOMAIN, "Example.ORG", "", "example.org", NULL},
    {DOMAIN, "[192.0.2.1]", "", "192.0.2.1", NULL},
    {DOMAIN, "[IPv6:::ffff:192.0.2.1]", "", "::ffff:192.0.2.1", NULL},
};

static void assert_str(struct str got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	if (got.n)
		assert_memory_equal(got.p, want, got.n);
}

static void test_good(void **state)
{
	struct arena *a = arena_new();
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
		const struct good *g = &goods[i];
		struct smtp_path path;

		assert_int_equal(parse(g->parser, str_of_c(g->in), true, a, &path), SMTP_PATH_OK);
		assert_str(path.local, g->local);
		assert_str(path.domain, g->domain);
		assert_int_equal(path.needs_utf8, str_has_8bit(str_of_c(g->in)));
		assert_int_equal(path.is_null, strcmp(g->in, "<>") == 0);
		assert_int_equal(path.is_literal, strchr(g->in, '[') != NULL);
		buf_clear(&out);
		if (g->parser == DOMAIN)
			continue;
		if (g->parser == MAILBOX)
			smtp_path_put(&out, &path);
		else
			smtp_path_put_angle(&out, &path);
		assert_str(buf_view(&out), g->out ? g->out : g->in);
	}
	buf_fini(&out);
	arena_free(&a);
}

static const struct {
	enum parser parser;
	struct str in;
	enum smtp_path_status want;
} bads[] = {
    {REVERSE, STR_INIT(""), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("< >"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<postmaster>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x.org"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("bob@x.org"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<<bob@x.org>>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x.org.>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@.x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x..org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@-x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x-.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x_y.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@x y>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<.bob@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob.@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b..b@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob smith@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<a@b@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"bob@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"bob\\\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"bob\"x@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"bob\".x@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"b\tb\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"b\0b\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"b\\\0b\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"b\r\nb\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<\"b\\\xc3\xb6\"@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b\xc3@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b\xc0\x80@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b\xed\xa0\x80@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b\xc2\x80@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b@\xff.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<b@x\xc2\x85y.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<@a.org bob@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<@a.org,:bob@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<@a.org@b.org:bob@x.org>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.256]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.0001]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[.192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0..1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.1.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.x]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[0x7f.0.0.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[+1.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7::]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1::2:3:4:5:6:7]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::2:3:4:5:6:7:8]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7::8]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7:8::]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::1:2:3:4:5:6:7:8]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7:8:9]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1::2::3]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:::2]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6::]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6::1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1::2:]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:12345::1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:g::1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5::192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1::3:4:5:6:192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::2:3:4:5:6:192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:1:2:3:4:5:6:7:192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:192.0.2.1::]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::192.0.2.1:1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::192.0.2]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::192.0.2.256]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:::ffff:192.0.2.0001]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:fe80::1%lo]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[2001:db8::1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:192.0.2.1]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[IPv6:]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[X-tag:text]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[]>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.1>"), SMTP_PATH_BAD},
    {REVERSE, STR_INIT("<bob@[192.0.2.1].org>"), SMTP_PATH_BAD},
    {FORWARD, STR_INIT("<>"), SMTP_PATH_BAD},
    {FORWARD, STR_INIT("<postmaster@>"), SMTP_PATH_BAD},
    {FORWARD, STR_INIT("<postmaste>"), SMTP_PATH_BAD},
    {MAILBOX, STR_INIT(""), SMTP_PATH_BAD},
    {MAILBOX, STR_INIT("postmaster"), SMTP_PATH_BAD},
    {MAILBOX, STR_INIT("<bob@x.org>"), SMTP_PATH_BAD},
    {MAILBOX, STR_INIT("bob@x.org "), SMTP_PATH_BAD},
    {MAILBOX, STR_INIT(" bob@x.org"), SMTP_PATH_BAD},
    {DOMAIN, STR_INIT(""), SMTP_PATH_BAD},
    {DOMAIN, STR_INIT("x.org "), SMTP_PATH_BAD},
    {DOMAIN, STR_INIT("bob@x.org"), SMTP_PATH_BAD},
};

/* With an arena of its own and the octets in exact memory: the sanitizer sees each step too far. */
static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
		struct arena *a = arena_new();
		struct smtp_path path = {.local = STR("untouched")};

		assert_int_equal(parse(bads[i].parser, bads[i].in, true, a, &path), bads[i].want);
		assert_str(path.local, "untouched");
		arena_free(&a);
	}
}

static void test_utf8_refused(void **state)
{
	struct arena *a = arena_new();
	struct smtp_path path;

	assert_int_equal(parse(REVERSE, STR("<b\xc3\xb6@x.org>"), false, a, &path), SMTP_PATH_UTF8);
	assert_int_equal(parse(FORWARD, STR("<b@\xc3\xb6.org>"), false, a, &path), SMTP_PATH_UTF8);
	assert_int_equal(
	    parse(MAILBOX, STR("\"\xc3\xb6\"@x.org"), false, a, &path), SMTP_PATH_UTF8);
	assert_int_equal(parse(REVERSE, STR("<b\xc3@x.org>"), false, a, &path), SMTP_PATH_BAD);
	arena_free(&a);
}

/* A mailbox of the given lengths: labels of at most `label` octets. */
static enum smtp_path_status sized(enum parser p, size_t local, size_t domain, size_t label)
{
	struct arena *a = arena_new();
	enum smtp_path_status status;
	struct smtp_path path;
	struct buf b;

	buf_init(&b, OUT_MAX);
	if (p != MAILBOX)
		buf_byte(&b, '<');
	for (size_t i = 0; i < local; i++)
		buf_byte(&b, 'l');
	buf_byte(&b, '@');
	for (size_t i = 1; i <= domain; i++)
		buf_byte(&b, i % (label + 1) ? 'd' : '.');
	if (p != MAILBOX)
		buf_byte(&b, '>');
	status = parse(p, buf_view(&b), true, a, &path);
	buf_fini(&b);
	arena_free(&a);
	return status;
}

static void test_limits(void **state)
{
	assert_int_equal(sized(FORWARD, 64, 255, 63), SMTP_PATH_OK);
	assert_int_equal(sized(FORWARD, 65, 10, 63), SMTP_PATH_TOO_LONG);
	assert_int_equal(sized(FORWARD, 1, 257, 63), SMTP_PATH_TOO_LONG);
	assert_int_equal(sized(FORWARD, 1, 64, 63), SMTP_PATH_BAD); /* ends with a dot */
	assert_int_equal(sized(FORWARD, 1, 64, 64), SMTP_PATH_BAD); /* label too long */
	assert_int_equal(sized(REVERSE, 65, 10, 63), SMTP_PATH_OK);
	assert_int_equal(sized(REVERSE, 200, 119, 63), SMTP_PATH_OK);
	assert_int_equal(sized(REVERSE, 200, 120, 63), SMTP_PATH_TOO_LONG);
	assert_int_equal(sized(REVERSE, 400, 10, 63), SMTP_PATH_TOO_LONG);
	assert_int_equal(sized(MAILBOX, 200, 119, 63), SMTP_PATH_OK);
	assert_int_equal(sized(MAILBOX, 200, 120, 63), SMTP_PATH_TOO_LONG);
}

/* A source route counts for the length of the path, not of the address. */
static void test_route_limit(void **state)
{
	struct arena *a = arena_new();
	struct smtp_path path;
	struct buf b;

	buf_init(&b, OUT_MAX);
	buf_lit(&b, "<@a");
	while (b.n < LIMIT_SMTP_PATH - 12)
		buf_lit(&b, ",@abcdefghi");
	buf_lit(&b, ":b@x>");
	assert_int_equal(parse(REVERSE, buf_view(&b), true, a, &path), SMTP_PATH_OK);
	buf_clear(&b);
	buf_lit(&b, "<@a");
	while (b.n < LIMIT_SMTP_PATH)
		buf_lit(&b, ",@abcdefghi");
	buf_lit(&b, ":b@x>");
	assert_int_equal(parse(REVERSE, buf_view(&b), true, a, &path), SMTP_PATH_TOO_LONG);
	buf_fini(&b);
	arena_free(&a);
}

/* No proper prefix of a path is a path, and none reads past its end. */
static void test_prefixes(void **state)
{
	for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
		struct str s = str_of_c(goods[i].in);

		for (size_t n = 0; goods[i].parser <= FORWARD && n < s.n; n++) {
			struct arena *a = arena_new();
			struct smtp_path path;

			assert_int_equal(parse(goods[i].parser, str_sub(s, 0, n), true, a, &path),
			    SMTP_PATH_BAD);
			arena_free(&a);
		}
	}
}

/* The parser stops behind the ">". */
static void test_rest(void **state)
{
	struct arena *a = arena_new();
	struct cur c = cur_of(STR("<bob@x.org> SIZE=1"));
	struct smtp_path path;

	assert_int_equal(smtp_path_forward(&c, false, a, &path), SMTP_PATH_OK);
	assert_str(cur_rest(&c), " SIZE=1");
	arena_free(&a);
}

static struct smtp_path mailbox(struct arena *a, const char *s)
{
	struct smtp_path path;

	assert_int_equal(smtp_mailbox_parse(str_of_c(s), true, a, &path), SMTP_PATH_OK);
	return path;
}

static bool eq(struct arena *a, const char *x, const char *y)
{
	struct smtp_path px = mailbox(a, x);
	struct smtp_path py = mailbox(a, y);

	px = smtp_path_copy(a, &px);
	return smtp_path_eq(&px, &py);
}

static void test_eq(void **state)
{
	struct arena *a = arena_new();
	struct smtp_path path;

	assert_true(eq(a, "bob@x.org", "\"bob\"@X.ORG"));
	assert_false(eq(a, "Bob@x.org", "bob@x.org"));
	assert_false(eq(a, "bob@x.org", "bob@y.org"));
	assert_false(eq(a, "bob@192.0.2.1", "bob@[192.0.2.1]"));
	assert_true(eq(a, "bob@[192.0.2.1]", "bob@[192.000.02.1]"));
	assert_true(eq(a, "bob@[IPv6:1:0:0::0:8]", "bob@[ipv6:0001::8]"));
	path = mailbox(a, "PostMaster@x.org");
	assert_true(smtp_path_is_postmaster(&path));
	path = mailbox(a, "postmaster1@x.org");
	assert_false(smtp_path_is_postmaster(&path));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_utf8_refused),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_route_limit),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_rest),
	    cmocka_unit_test(test_eq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
