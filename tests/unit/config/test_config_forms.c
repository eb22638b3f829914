/* The forms of a configuration: for other processes, and as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "config/config_file.h"
#include "config/options.h"
#include "parse.h"

/* ---- round trips ---- */
static void assert_same(const struct config_snapshot *a, const struct config_snapshot *b)
{
	struct buf x, y;

	buf_init(&x, MIB);
	buf_init(&y, MIB);
	config_put(a, true, &x);
	config_put(b, true, &y);
	assert_string_equal(buf_cstr(&x), buf_cstr(&y));
	buf_fini(&x);
	buf_fini(&y);
}

static void test_wire(void **state)
{
	struct config_snapshot *c = parse(HOST "listen = [\"127.0.0.1\"]; trusted_networks = "
					       "[\"10.0.0.0/8\", \"::1\"]; postmaster = \"p@q\"; "
					       "routes = ( { domain = \"x.test\"; host = \"::1\"; "
					       "port = 65535; } ); relay_allow_private = true; "
					       "queue = { delay_warning = []; };");
	struct config_snapshot *d = NULL;
	struct buf bytes;

	buf_init(&bytes, MIB);
	config_encode(c, &bytes);
	assert_int_equal(config_decode(buf_view(&bytes), &d), 0);
	assert_int_equal(d->number, 7);
	assert_string_equal(d->dir.p, "/data");
	assert_same(c, d);
	config_unref(&d);
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(config_decode(str_of(bytes.p, n), &d), -1);
	bytes.p[1]++; /* of a program with other options */
	assert_int_equal(config_decode(buf_view(&bytes), &d), -1);
	bytes.p[1]--;
	buf_byte(&bytes, 0);
	assert_int_equal(config_decode(buf_view(&bytes), &d), -1);
	assert_null(d);
	buf_fini(&bytes);
	config_unref(&c);
}

/* No octet of it, changed, may crash the reader. */
static void test_wire_damage(void **state)
{
	struct config_snapshot *c = parse(HOST), *d;
	struct buf bytes;

	buf_init(&bytes, MIB);
	config_encode(c, &bytes);
	for (size_t i = 0; i < bytes.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes.p[i] ^= (uint8_t)(1 << bit);
			d = NULL;
			if (config_decode(buf_view(&bytes), &d) == 0)
				config_unref(&d);
			bytes.p[i] ^= (uint8_t)(1 << bit);
		}
	buf_fini(&bytes);
	config_unref(&c);
}

static void test_references(void **state)
{
	struct config_snapshot *c = parse(HOST), *d = config_ref(c);

	config_unref(&c);
	assert_string_equal(d->hostname.p, "mail.example.org");
	config_unref(&d);
	config_unref(&d);
}

/* What is shown is a file that says the same. */
static void test_put_parses(void **state)
{
	struct config_snapshot *c = parse(
	    HOST "ports = { smtp = 26; lmtp = 24; }; min_free = \"1536M\"; "
		 "limits = { ban_time = \"3s\"; }; listen = [\"::1\"];"
		 "postmaster = \"a\\\"b\\\\@c\"; log_level = \"warn\"; relay_allow_private = true; "
		 "routes = ({ domain = \"*\"; host = \"a.b\"; port = 1; }, "
		 "{ domain = \"c\"; host = \"::2\"; port = 2; }); queue = { retry = [\"1s\"]; };");
	struct config_snapshot *d;
	struct buf text;

	buf_init(&text, MIB);
	for (int all = 0; all < 2; all++) {
		buf_clear(&text);
		config_put(c, all, &text);
		d = parse(buf_cstr(&text));
		assert_same(c, d);
		config_unref(&d);
	}
	buf_fini(&text);
	config_unref(&c);
}

/* ---- the default file ---- */
static void test_default_text(void **state)
{
	static const char *const listen[] = {"127.0.0.1", NULL};
	const struct config_initial initial = {"mail.x.org", listen, 10000};
	struct config_snapshot *c, *want;
	struct buf text;
	struct err e;

	buf_init(&text, MIB);
	assert_int_equal(config_default_text(&initial, &text, &e), 0);
	c = parse(buf_cstr(&text));
	want = parse("hostname = \"mail.x.org\"; listen = [\"127.0.0.1\"]; port_offset = 10000;");
	assert_same(c, want);
	for (size_t i = 0; i < options_count; i++) {
		struct str leaf = option_leaf(&options[i]);

		assert_true(str_find_str(buf_view(&text), leaf) < text.n);
	}
	buf_fini(&text);
	config_unref(&c);
	config_unref(&want);
}

/* Taking every comment sign off gives a file that says the defaults, and is accepted. */
static void test_default_text_uncommented(void **state)
{
	const struct config_initial initial = {"mail.x.org", NULL, 0};
	struct config_snapshot *c, *want = parse("hostname = \"mail.x.org\";");
	struct buf text, plain;
	struct str rest;
	struct err e;

	buf_init(&text, MIB);
	buf_init(&plain, MIB);
	assert_int_equal(config_default_text(&initial, &text, &e), 0);
	rest = buf_view(&text);
	while (rest.n) {
		struct str line = str_trim(str_split(rest, '\n', &rest));

		if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ')
			line = str_from(line, 1);
		buf_str(&plain, line);
		buf_byte(&plain, '\n');
	}
	c = parse(buf_cstr(&plain));
	assert_same(c, want);
	config_unref(&c);
	config_unref(&want);
	buf_fini(&text);
	buf_fini(&plain);
}

static void test_default_text_refuses(void **state)
{
	static const char *const listen[] = {"localhost", NULL};
	static const struct {
		struct config_initial initial;
		const char *want;
	} rows[] = {
	    {{"a_b", NULL, 0},
		"hostname must be a host name in quotes, like \"mail.example.org\", and not "
		"\"a_b\""},
	    {{"a\"; x", NULL, 0}, "a host name or address holds a quote or backslash"},
	    {{"a.b", listen, 0},
		"listen must be a list in brackets of at least 1, each an address in quotes, "
		"like \"192.0.2.1\" or \"::1\", and not \"localhost\"; the default is [\"0.0.0.0\", "
		"\"::\"]"},
	    {{"a.b", NULL, -1},
		"port_offset must be a number from 0 to 65535, and not -1; the default is 0"},
	};
	struct buf text;
	struct err e;

	buf_init(&text, MIB);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(config_default_text(&rows[i].initial, &text, &e), -1);
		assert_string_equal(e.text, rows[i].want);
		assert_int_equal(text.n, 0);
	}
	buf_fini(&text);
}

static void test_put_changed(void **state)
{
	struct config_snapshot *c = parse(HOST "ports = { smtp = 26; }; min_free = \"1536M\";");
	struct buf text;

	buf_init(&text, MIB);
	config_put(c, false, &text);
	assert_string_equal(buf_cstr(&text),
	    "hostname = \"mail.example.org\";\nports = {\n\tsmtp = 26;\n};\nmin_free = \"1536M\";\n");
	buf_fini(&text);
	config_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire),
	    cmocka_unit_test(test_wire_damage),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_put_parses),
	    cmocka_unit_test(test_default_text),
	    cmocka_unit_test(test_default_text_uncommented),
	    cmocka_unit_test(test_default_text_refuses),
	    cmocka_unit_test(test_put_changed),
	};

	return cmocka_run_group_tests_name("config/config_forms", tests, NULL, NULL);
}
