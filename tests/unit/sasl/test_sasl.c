/* Both sides of PLAIN and LOGIN: tables of exchanges, limits, and the one against the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/limits.h"
#include "sasl/sasl_client.h"
#include "sasl/sasl_server.h"

#define B64_MAX ((size_t)16384)

/* The base 64 of s in b. */
static struct str b64(struct buf *b, struct str s)
{
	buf_clear(b);
	base64_encode(b, s);
	return buf_view(b);
}

static void assert_str(struct str got, struct str want)
{
	assert_int_equal(got.n, want.n);
	if (want.n)
		assert_memory_equal(got.p, want.p, want.n);
}

struct plain_case {
	struct str raw;
	enum sasl_status want;
	struct str authzid, authcid, password;
};

static const struct plain_case plain_cases[] = {
    {STR_INIT("\0bob\0secret"), SASL_CREDENTIALS, STR_INIT(""), STR_INIT("bob"),
	STR_INIT("secret")},
    {STR_INIT("eve\0bob\0s p"), SASL_CREDENTIALS, STR_INIT("eve"), STR_INIT("bob"),
	STR_INIT("s p")},
    {STR_INIT("\0b\xc3\xb6\0p\xc3\xa4"), SASL_CREDENTIALS, STR_INIT(""), STR_INIT("b\xc3\xb6"),
	STR_INIT("p\xc3\xa4")},
    {STR_INIT(""), SASL_BAD},
    {STR_INIT("bob"), SASL_BAD},
    {STR_INIT("bob\0secret"), SASL_BAD},
    {STR_INIT("\0\0secret"), SASL_BAD},
    {STR_INIT("\0bob\0"), SASL_BAD},
    {STR_INIT("\0bob\0sec\0ret"), SASL_BAD},
    {STR_INIT("\0bob\0secret\0"), SASL_BAD},
    {STR_INIT("\0b\xff\0secret"), SASL_BAD},
    {STR_INIT("\0bob\0\xc0\x80"), SASL_BAD},
    {STR_INIT("\xed\xa0\x80\0bob\0x"), SASL_BAD},
};

/* Each case as initial response and as answer to the empty challenge. */
static void test_plain(void **state)
{
	struct sasl_server s;
	struct buf b;

	buf_init(&b, B64_MAX);
	sasl_server_init(&s);
	for (size_t i = 0; i < sizeof plain_cases / sizeof *plain_cases; i++) {
		const struct plain_case *c = &plain_cases[i];

		for (int late = 0; late < 2; late++) {
			struct str line = b64(&b, c->raw);
			enum sasl_status got;

			if (!late && line.n == 0)
				line = STR("=");
			got = sasl_server_begin(&s, STR("pLain"), late ? NULL : &line);
			if (late) {
				assert_int_equal(got, SASL_CHALLENGE);
				assert_str(sasl_server_challenge(&s), STR(""));
				got = sasl_server_feed(&s, line);
			}
			assert_int_equal(got, c->want);
			if (got != SASL_CREDENTIALS)
				continue;
			assert_str(sasl_server_credentials(&s)->mechanism, STR("PLAIN"));
			assert_str(sasl_server_credentials(&s)->authzid, c->authzid);
			assert_str(sasl_server_credentials(&s)->authcid, c->authcid);
			assert_str(sasl_server_credentials(&s)->password, c->password);
		}
	}
	sasl_server_reset(&s);
	buf_fini(&b);
}

static void test_login(void **state)
{
	struct sasl_server s;
	struct str name = STR("Ym9i");

	sasl_server_init(&s);
	assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), NULL), SASL_CHALLENGE);
	assert_str(sasl_server_challenge(&s), STR("VXNlcm5hbWU6"));
	assert_int_equal(sasl_server_feed(&s, name), SASL_CHALLENGE);
	assert_str(sasl_server_challenge(&s), STR("UGFzc3dvcmQ6"));
	assert_int_equal(sasl_server_feed(&s, STR("c2VjcmV0")), SASL_CREDENTIALS);
	assert_str(sasl_server_credentials(&s)->authcid, STR("bob"));
	assert_str(sasl_server_credentials(&s)->password, STR("secret"));

	assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), &name), SASL_CHALLENGE);
	assert_str(sasl_server_challenge(&s), STR("UGFzc3dvcmQ6"));
	assert_int_equal(sasl_server_feed(&s, STR("")), SASL_BAD);

	assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), NULL), SASL_CHALLENGE);
	assert_int_equal(sasl_server_feed(&s, STR("")), SASL_CHALLENGE);
	assert_int_equal(sasl_server_feed(&s, STR("c2VjcmV0")), SASL_BAD);

	assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), &name), SASL_CHALLENGE);
	assert_int_equal(sasl_server_feed(&s, STR("YQBi")), SASL_BAD); /* a NUL b */
	sasl_server_reset(&s);
}

/* Whatever is not exactly base 64, at each step. */
static void test_malformed(void **state)
{
	static const char *const lines[] = {"A", "AA", "AAA", "AA=A",
	    "AB==", "A===", "====", "AAAA AAAA", "AAAA\r", "AGJvYgBz=", "\xff\xff\xff\xff", "-_-_"};
	struct sasl_server s;

	sasl_server_init(&s);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct str line = str_of_c(lines[i]);

		assert_int_equal(sasl_server_begin(&s, STR("PLAIN"), &line), SASL_BAD);
		assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), &line), SASL_BAD);
		assert_int_equal(sasl_server_begin(&s, STR("PLAIN"), NULL), SASL_CHALLENGE);
		assert_int_equal(sasl_server_feed(&s, line), SASL_BAD);
	}
	assert_int_equal(sasl_server_begin(&s, STR("LOGIN"), NULL), SASL_CHALLENGE);
	assert_int_equal(sasl_server_feed(&s, STR("*")), SASL_CANCELLED);
	assert_int_equal(sasl_server_begin(&s, STR("CRAM-MD5"), NULL), SASL_UNKNOWN);
	assert_int_equal(sasl_server_begin(&s, STR("PLAI"), NULL), SASL_UNKNOWN);
	assert_int_equal(sasl_server_begin(&s, STR(""), NULL), SASL_UNKNOWN);
	sasl_server_reset(&s);
}

/* Status of a PLAIN exchange with a name of n and a password of m octets. */
static enum sasl_status sized(size_t zn, size_t n, size_t m)
{
	static uint8_t octets[20000];
	struct sasl_server s;
	enum sasl_status got;
	struct str line;
	struct buf raw;
	struct buf enc;

	memset(octets, 'x', sizeof octets);
	buf_init(&raw, sizeof octets * 3);
	buf_init(&enc, sizeof octets * 5);
	buf_add(&raw, octets, zn);
	buf_byte(&raw, 0);
	buf_add(&raw, octets, n);
	buf_byte(&raw, 0);
	buf_add(&raw, octets, m);
	line = b64(&enc, buf_view(&raw));
	sasl_server_init(&s);
	got = sasl_server_begin(&s, STR("PLAIN"), &line);
	sasl_server_reset(&s);
	buf_fini(&raw);
	buf_fini(&enc);
	return got;
}

static void test_limits(void **state)
{
	assert_int_equal(sized(0, LIMIT_USER_NAME, LIMIT_PASSWORD), SASL_CREDENTIALS);
	assert_int_equal(sized(LIMIT_USER_NAME, 1, 1), SASL_CREDENTIALS);
	assert_int_equal(sized(LIMIT_USER_NAME + 1, 1, 1), SASL_BAD);
	assert_int_equal(sized(0, LIMIT_USER_NAME + 1, 1), SASL_BAD);
	assert_int_equal(sized(0, 1, LIMIT_PASSWORD + 1), SASL_BAD);
	assert_int_equal(sized(0, 1, LIMIT_SASL_RESPONSE), SASL_BAD);
	assert_int_equal(sized(20000, 20000, 20000), SASL_BAD);
}

/* The client against the server, for each list of mechanisms. */
static void talk(struct str offered, struct str want)
{
	struct str user = STR("b\xc3\xb6"
			      "b@example.org");
	struct str password = STR("pass word");
	enum sasl_status got;
	struct sasl_client c;
	struct sasl_server s;
	struct buf line;

	buf_init(&line, B64_MAX);
	sasl_server_init(&s);
	assert_int_equal(sasl_client_init(&c, offered, user, password), SASL_CLIENT_OK);
	assert_str(sasl_client_mechanism(&c), want);
	if (sasl_client_has_initial(&c)) {
		struct str initial;

		assert_int_equal(sasl_client_next(&c, &line), SASL_CLIENT_OK);
		initial = buf_view(&line);
		got = sasl_server_begin(&s, sasl_client_mechanism(&c), &initial);
	} else {
		got = sasl_server_begin(&s, sasl_client_mechanism(&c), NULL);
	}
	while (got == SASL_CHALLENGE) {
		buf_clear(&line);
		assert_int_equal(sasl_client_next(&c, &line), SASL_CLIENT_OK);
		got = sasl_server_feed(&s, buf_view(&line));
	}
	assert_int_equal(got, SASL_CREDENTIALS);
	assert_str(sasl_server_credentials(&s)->authcid, user);
	assert_str(sasl_server_credentials(&s)->password, password);
	assert_int_equal(sasl_client_next(&c, &line), SASL_CLIENT_FAIL);
	sasl_server_reset(&s);
	buf_wipe(&line);
}

static void test_client(void **state)
{
	struct sasl_client c;

	talk(STR("LOGIN PLAIN"), STR("PLAIN"));
	talk(STR("SCRAM-SHA-256 login"), STR("LOGIN"));
	talk(sasl_server_mechanisms(), STR("PLAIN"));
	assert_int_equal(sasl_client_init(&c, STR("XPLAIN"), STR("u"), STR("p")), SASL_CLIENT_FAIL);
	assert_int_equal(sasl_client_init(&c, STR(""), STR("u"), STR("p")), SASL_CLIENT_FAIL);
	assert_int_equal(
	    sasl_client_init(&c, STR("PLAIN"), STR("u\0v"), STR("p")), SASL_CLIENT_FAIL);
	assert_int_equal(sasl_client_init(&c, STR("PLAIN"), STR("u"), STR("")), SASL_CLIENT_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
