/* Domain names: one form for lookups, whatever was typed. */
#include "mime_test.h"

#include "mime/mime_idn.h"

static const struct {
	const char *domain;
	const char *ascii;   /* NULL: bad */
	const char *unicode; /* NULL: as ascii */
} cases[] = {
    {"example.org", "example.org", NULL},
    {"EXAMPLE.Org.", "example.org", NULL},
    {"localhost", "localhost", NULL},
    {"_dmarc.example.org", "_dmarc.example.org", NULL},
    {"b\xc3\xbc"
     "cher.example",
	"xn--bcher-kva.example",
	"b\xc3\xbc"
	"cher.example"},
    {"B\xc3\x9c"
     "CHER.example",
	"xn--bcher-kva.example",
	"b\xc3\xbc"
	"cher.example"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example",
	"b\xc3\xbc"
	"cher.example"},
    {"XN--BCHER-KVA.b\xc3\xbc"
     "cher",
	"xn--bcher-kva.xn--bcher-kva",
	"b\xc3\xbc"
	"cher.b\xc3\xbc"
	"cher"},
    /* non-transitional: sharp s is a letter of its own */
    {"stra\xc3\x9f"
     "e.example",
	"xn--strae-oqa.example",
	"stra\xc3\x9f"
	"e.example"},
    {"\xe4\xbe\x8b\xe5\xad\x90\xe3\x80\x82\xe6\xb5\x8b\xe8\xaf\x95", "xn--fsqu00a.xn--0zwm56d",
	"\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95"},
    {"", NULL, NULL},
    {".", NULL, NULL},
    {"a..b", NULL, NULL},
    {".a", NULL, NULL},
    {"-a.org", NULL, NULL},
    {"a-.org", NULL, NULL},
    {"a b.org", NULL, NULL},
    {"a@b.org", NULL, NULL},
    {"[192.0.2.1]", NULL, NULL},
    {"a\xff.org", NULL, NULL},
    {"\xe2\x80\xae.org", NULL, NULL},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org", NULL, NULL},
};

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *ascii = cases[i].ascii ? cases[i].ascii : "";
		struct str domain = str_of_c(cases[i].domain);
		struct buf b;

		buf_init(&b, 1000);
		assert_int_equal(
		    mime_idn_to_ascii(&b, domain), cases[i].ascii ? MIME_IDN_OK : MIME_IDN_BAD);
		expect_text(cases[i].domain, buf_view(&b), ascii);
		buf_clear(&b);
		assert_int_equal(
		    mime_idn_to_unicode(&b, domain), cases[i].ascii ? MIME_IDN_OK : MIME_IDN_BAD);
		expect_text(
		    cases[i].domain, buf_view(&b), cases[i].unicode ? cases[i].unicode : ascii);
		buf_fini(&b);
	}
}

static void test_long(void **state)
{
	for (int n = 126; n <= 127; n++) {
		struct buf name, b;

		buf_init(&name, 1000);
		buf_init(&b, 1000);
		for (int i = 1; i < n; i++)
			buf_lit(&name, "a.");
		buf_byte(&name, 'a');
		assert_int_equal(mime_idn_to_ascii(&b, buf_view(&name)), MIME_IDN_OK);
		buf_lit(&name, "bc");
		assert_int_equal(
		    mime_idn_to_ascii(&b, buf_view(&name)), n == 126 ? MIME_IDN_OK : MIME_IDN_BAD);
		buf_fini(&name);
		buf_fini(&b);
	}
}

static void test_nul(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(mime_idn_to_ascii(&b, STR("\xc3\xbc\0.org")), MIME_IDN_BAD);
	assert_int_equal(mime_idn_to_ascii(&b, STR("a\0.org")), MIME_IDN_BAD);
	assert_int_equal(b.n, 0);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
