/* Contexts by themselves: two OpenSSL ends in memory. */
#include "net_fixture.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/clock.h"

struct world {
	struct identity id;
	struct buf tickets;
};

static int setup(void **state)
{
	struct world *w = mem_new(struct world);

	identity_init(&w->id);
	buf_init(&w->tickets, TLS_TICKET_KEYS * TLS_TICKET_KEY);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	identity_fini(&w->id);
	buf_wipe(&w->tickets);
	mem_free(w);
	return 0;
}

static struct tls_ctx *server_of(struct world *w)
{
	struct err e;
	struct tls_ctx *ctx = tls_server_new((struct tls_pem){buf_view(&w->id.certificate), "C"},
	    (struct tls_pem){buf_view(&w->id.key), "K"}, buf_view(&w->tickets), &e);

	if (!ctx)
		fail_msg("%s", e.text);
	return ctx;
}

/* ---- two ends ---- */
struct ends {
	SSL *client, *server;
};

static struct ends join(SSL_CTX *client, SSL_CTX *server)
{
	struct ends x = {SSL_new(client), SSL_new(server)};
	BIO *a, *b;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(x.client, a, a);
	SSL_set_bio(x.server, b, b);
	SSL_set_connect_state(x.client);
	SSL_set_accept_state(x.server);
	return x;
}

/* Both handshakes; then the client reads what came behind them (tickets). */
static bool shake(struct ends *x)
{
	char byte;

	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(x->client);
		SSL_do_handshake(x->server);
	}
	SSL_read(x->client, &byte, 1);
	return SSL_is_init_finished(x->client) && SSL_is_init_finished(x->server);
}

static void part(struct ends *x)
{
	SSL_shutdown(x->client);
	SSL_free(x->client);
	SSL_free(x->server);
}

/* Connects with a session (or NULL): resumed? The new session, if any, replaces it. */
static bool resumes(struct tls_ctx *ctx, int version, SSL_SESSION **session)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct ends x;
	bool resumed;

	SSL_CTX_set_max_proto_version(client, version);
	x = join(client, tls_ssl_ctx(ctx));
	if (*session)
		SSL_set_session(x.client, *session);
	assert_true(shake(&x));
	assert_int_equal(SSL_version(x.server), version);
	resumed = SSL_session_reused(x.server);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(x.client);
	part(&x);
	SSL_CTX_free(client);
	return resumed;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* ---- tickets ---- */
static void test_no_tickets(void **state)
{
	struct tls_ctx *ctx = server_of(*state);

	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *session = NULL;

		assert_false(resumes(ctx, versions[i], &session));
		assert_false(resumes(ctx, versions[i], &session));
		SSL_SESSION_free(session);
	}
	tls_unref(&ctx);
}

/* What one front seals, another opens. */
static void test_tickets_are_shared(void **state)
{
	struct world *w = *state;
	struct tls_ctx *one, *two;

	tls_tickets_rotate(&w->tickets);
	one = server_of(w);
	two = server_of(w);
	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *session = NULL;

		assert_false(resumes(one, versions[i], &session));
		assert_true(resumes(two, versions[i], &session));
		SSL_SESSION_free(session);
	}
	tls_unref(&one);
	tls_unref(&two);
}

/* An older key still opens, until it is rotated out. */
static void test_rotation(void **state)
{
	struct world *w = *state;
	struct tls_ctx *ctx;
	SSL_SESSION *old = NULL;

	tls_tickets_rotate(&w->tickets);
	assert_int_equal(w->tickets.n, TLS_TICKET_KEY);
	ctx = server_of(w);
	assert_false(resumes(ctx, TLS1_2_VERSION, &old));
	for (size_t i = 1; i < TLS_TICKET_KEYS; i++) {
		SSL_SESSION *copy = SSL_SESSION_dup(old);

		tls_tickets_rotate(&w->tickets);
		assert_int_equal(w->tickets.n, (i + 1) * TLS_TICKET_KEY);
		tls_server_set_tickets(ctx, buf_view(&w->tickets));
		assert_true(resumes(ctx, TLS1_2_VERSION, &copy));
		SSL_SESSION_free(copy);
	}
	tls_tickets_rotate(&w->tickets);
	assert_int_equal(w->tickets.n, TLS_TICKET_KEYS * TLS_TICKET_KEY);
	tls_server_set_tickets(ctx, buf_view(&w->tickets));
	assert_false(resumes(ctx, TLS1_2_VERSION, &old));
	SSL_SESSION_free(old);
	tls_unref(&ctx);
}

static void test_rotation_keeps_order(void **state)
{
	struct world *w = *state;
	uint8_t first[TLS_TICKET_KEY];

	tls_tickets_rotate(&w->tickets);
	memcpy(first, w->tickets.p, sizeof first);
	tls_tickets_rotate(&w->tickets);
	assert_memory_equal(w->tickets.p + TLS_TICKET_KEY, first, sizeof first);
	assert_memory_not_equal(w->tickets.p, first, sizeof first);
}

/* ---- versions and ciphers ---- */
static void test_old_versions_refused(void **state)
{
	struct tls_ctx *ctx = server_of(*state);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct ends x;

	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
	x = join(client, tls_ssl_ctx(ctx));
	assert_false(shake(&x));
	part(&x);
	SSL_CTX_free(client);
	tls_unref(&ctx);
}

static void test_weak_ciphers_refused(void **state)
{
	struct tls_ctx *ctx = server_of(*state);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct ends x;

	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(client, "ECDHE-ECDSA-AES256-SHA:AES256-SHA"), 1);
	x = join(client, tls_ssl_ctx(ctx));
	assert_false(shake(&x));
	part(&x);
	SSL_CTX_free(client);
	tls_unref(&ctx);
}

/* ---- loading ---- */
static void refused(struct str certificate, struct str key, const char *want)
{
	struct str none = {NULL, 0};
	struct err e;

	assert_null(tls_server_new(
	    (struct tls_pem){certificate, "C"}, (struct tls_pem){key, "K"}, none, &e));
	if (strncmp(e.text, want, strlen(want)) != 0)
		fail_msg("got \"%s\", want \"%s\"", e.text, want);
}

static void test_bad_files(void **state)
{
	struct world *w = *state;
	struct str certificate = buf_view(&w->id.certificate), key = buf_view(&w->id.key);
	struct str none = {NULL, 0};
	struct identity other;
	struct buf broken;

	identity_init(&other);
	refused(none, key, "C holds no certificate in PEM that can be read (no start line): put ");
	refused(key, key, "C holds no certificate in PEM that can be read (no start line): put ");
	refused(certificate, none, "K holds no key in PEM that can be read (");
	refused(certificate, STR("garbage"), "K holds no key in PEM that can be read (");
	refused(certificate, buf_view(&other.key),
	    "K is not the key of the certificate in C (key values mismatch): put the two");
	buf_init(&broken, TLS_PEM_MAX);
	buf_str(&broken, certificate);
	buf_lit(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	refused(
	    buf_view(&broken), key, "C: what stands behind the first certificate cannot be read (");
	buf_fini(&broken);
	identity_fini(&other);
}

/* An encrypted key must not make the server ask the terminal. */
static void test_encrypted_key(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(
			     bio, key, EVP_aes_128_cbc(), (const uint8_t *)"x", 1, NULL, NULL),
	    1);
	n = BIO_get_mem_data(bio, &p);
	refused(buf_view(&w->id.certificate), str_of(p, (size_t)n),
	    "K holds no key in PEM that can be read (");
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static void test_chain(void **state)
{
	struct world *w = *state;
	struct identity other;
	struct tls_ctx *ctx;
	STACK_OF(X509) *chain = NULL;

	identity_init(&other);
	buf_str(&w->id.certificate, buf_view(&other.certificate));
	ctx = server_of(w);
	SSL_CTX_get0_chain_certs(tls_ssl_ctx(ctx), &chain);
	assert_int_equal(sk_X509_num(chain), 1);
	tls_unref(&ctx);
	identity_fini(&other);
}

static void test_client_files(void **state)
{
	struct world *w = *state;
	struct tls_ctx *ctx;
	struct err e;

	assert_null(tls_client_new("/nonexistent/ca.pem", &e));
	assert_string_equal(
	    e.text, "/nonexistent/ca.pem cannot be read, or holds no PEM certificate");
	ctx = tls_client_new(w->id.path, &e);
	assert_true(tls_is_client(ctx));
	tls_unref(&ctx);
	ctx = tls_client_new("", &e);
	assert_non_null(ctx);
	tls_unref(&ctx);
	assert_null(ctx);
}

/* ---- the certificate of the first minute ---- */
static X509 *parse(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(x);
	return x;
}

static void assert_subject(X509 *x, const char *want)
{
	char name[256] = "";

	assert_true(X509_NAME_get_text_by_NID(
			X509_get_subject_name(x), NID_commonName, name, sizeof name) > 0);
	assert_string_equal(name, want);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 1);
}

static void test_self_signed(void **state)
{
	int64_t now = clock_from_civil(&(struct civil){2026, 11, 23, 20, 0, 0, 0});
	struct buf certificate, key;
	struct err e;
	X509 *x;

	buf_init(&certificate, TLS_PEM_MAX);
	buf_init(&key, TLS_PEM_MAX);
	assert_int_equal(tls_self_signed(STR("mail.y.test"), now, &certificate, &key, &e), 0);
	x = parse(buf_view(&certificate));
	assert_int_equal(
	    ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), (now - DAY_MS) / SECOND_MS), 0);
	assert_int_equal(
	    ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), (now + 3650 * DAY_MS) / SECOND_MS), 0);
	assert_int_equal(X509_self_signed(x, 1), 1);
	assert_subject(x, "mail.y.test");
	assert_int_equal(X509_check_host(x, "mail.y.test", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "mail.z.test", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ca(x), 0);
	X509_free(x);
	buf_fini(&certificate);
	buf_wipe(&key);
}

/* A certificate that a start would refuse is not made. */
static void test_self_signed_with_a_short_key(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	BIO *bio = BIO_new(BIO_s_mem());
	struct tls_pem pem = {.name = "K"};
	struct buf certificate;
	struct err e;
	char *p;

	buf_init(&certificate, TLS_PEM_MAX);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	pem.text.n = (size_t)BIO_get_mem_data(bio, &p);
	pem.text.p = (const uint8_t *)p;
	assert_int_equal(
	    tls_self_signed_with(STR("mail.y.test"), clock_now(), pem, &certificate, &e), -1);
	assert_string_equal(e.text,
	    "K: the certificate cannot be made: ee key too small; put another key there, "
	    "or remove it and one is made");
	assert_int_equal(certificate.n, 0);
	BIO_free(bio);
	EVP_PKEY_free(key);
	buf_fini(&certificate);
}

/* The administrator's key may be of any kind. */
static void test_self_signed_with_a_key(void **state)
{
	static const char *const kinds[] = {"ED25519", "RSA", "EC"};
	struct buf certificate;
	struct err e;

	buf_init(&certificate, TLS_PEM_MAX);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		EVP_PKEY *key = i == 0   ? EVP_PKEY_Q_keygen(NULL, NULL, kinds[i])
				: i == 1 ? EVP_PKEY_Q_keygen(NULL, NULL, kinds[i], (size_t)2048)
					 : EVP_PKEY_Q_keygen(NULL, NULL, kinds[i], "P-384");
		BIO *bio = BIO_new(BIO_s_mem());
		struct tls_pem pem = {.name = "K"};
		char *p;
		X509 *x;

		assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
		pem.text.n = (size_t)BIO_get_mem_data(bio, &p);
		pem.text.p = (const uint8_t *)p;
		buf_clear(&certificate);
		assert_int_equal(
		    tls_self_signed_with(STR("mail.y.test"), clock_now(), pem, &certificate, &e),
		    0);
		x = parse(buf_view(&certificate));
		assert_int_equal(X509_self_signed(x, 1), 1);
		assert_int_equal(X509_check_private_key(x, key), 1);
		X509_free(x);
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
	buf_clear(&certificate);
	assert_int_equal(tls_self_signed_with(STR("mail.y.test"), clock_now(),
			     (struct tls_pem){STR("garbage"), "K"}, &certificate, &e),
	    -1);
	assert_non_null(strstr(e.text, "K holds no key in PEM that can be read ("));
	assert_int_equal(certificate.n, 0);
	buf_fini(&certificate);
}

static void test_self_signed_names(void **state)
{
	static const char long_name[] =
	    "a-name-that-is-longer-than-the-common-name-of-a-certificate-may-be.example.org";
	static const char *const bad[] = {"", "a,DNS:evil.test", "a b", "a\"b", "\xc3\xa4.de"};
	struct buf certificate, key;
	struct err e;
	X509 *x;

	buf_init(&certificate, TLS_PEM_MAX);
	buf_init(&key, TLS_PEM_MAX);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(
		    tls_self_signed(str_of_c(bad[i]), clock_now(), &certificate, &key, &e), -1);
		assert_int_equal(certificate.n + key.n, 0);
	}
	assert_int_equal(
	    tls_self_signed(str_of_c(long_name), clock_now(), &certificate, &key, &e), 0);
	x = parse(buf_view(&certificate));
	assert_subject(x, "mail server");
	assert_int_equal(X509_check_host(x, long_name, 0, 0, NULL), 1);
	X509_free(x);
	buf_fini(&certificate);
	buf_wipe(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_no_tickets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tickets_are_shared, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rotation_keeps_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_old_versions_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_weak_ciphers_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_encrypted_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_client_files, setup, teardown),
	    cmocka_unit_test(test_self_signed),
	    cmocka_unit_test(test_self_signed_with_a_key),
	    cmocka_unit_test(test_self_signed_with_a_short_key),
	    cmocka_unit_test(test_self_signed_names),
	};

	tls_warm_up();
	return cmocka_run_group_tests_name("net/tls", tests, NULL, NULL);
}
