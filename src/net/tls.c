/*
 * Contexts. Everything a handshake needs is in memory when a context has been made: no file is opened
 * and no prompt appears later. Session tickets are the only resumption; their keys come from outside,
 * so that every front opens what any of them has sealed.
 */
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <unistd.h>

#include "base/mem.h"

#define CTX_MAGIC 0x746c7363u

/* TLS 1.2; those of TLS 1.3 are all good. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct tls_ctx {
	uint32_t magic;
	unsigned refs;
	bool client;
	SSL_CTX *ssl;
	uint8_t tickets[TLS_TICKET_KEYS][TLS_TICKET_KEY];
	size_t ticket_count;
};

/* The oldest error in OpenSSL's queue, which is emptied. */
static const char *take_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return reason ? reason : "broken";
}

int tls_err(struct err *e, const char *what)
{
	return err_set(e, "%s: %s", what, take_reason());
}

/* ---- life ---- */
static struct tls_ctx *ctx_new(const SSL_METHOD *method, bool client)
{
	struct tls_ctx *ctx = mem_new(struct tls_ctx);

	ctx->magic = CTX_MAGIC;
	ctx->refs = 1;
	ctx->client = client;
	ctx->ssl = SSL_CTX_new(method);
	MEM_MUST(ctx->ssl);
	MEM_MUST(SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION));
	MEM_MUST(SSL_CTX_set_cipher_list(ctx->ssl, ciphers));
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					  SSL_OP_CIPHER_SERVER_PREFERENCE |
					  SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	MEM_MUST(SSL_CTX_set_app_data(ctx->ssl, ctx));
	return ctx;
}

struct tls_ctx *tls_ref(struct tls_ctx *ctx)
{
	MUST(ctx->magic == CTX_MAGIC);
	ctx->refs++;
	return ctx;
}

void tls_unref(struct tls_ctx **ctx)
{
	struct tls_ctx *c = *ctx;

	*ctx = NULL;
	if (!c)
		return;
	MUST(c->magic == CTX_MAGIC && c->refs > 0);
	if (--c->refs)
		return;
	SSL_CTX_free(c->ssl);
	mem_wipe(c, sizeof *c);
	mem_free(c);
}

bool tls_is_client(const struct tls_ctx *ctx)
{
	return ctx->client;
}

SSL_CTX *tls_ssl_ctx(struct tls_ctx *ctx)
{
	return ctx->ssl;
}

/* ---- certificate and key ---- */
static BIO *pem_bio(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p ? (const void *)pem.p : "", (int)pem.n);

	MEM_MUST(bio);
	return bio;
}

/* There is nobody to ask for a passphrase. */
static int no_passphrase(char *buf, int size, int rw, void *user)
{
	return 0;
}

/* The certificates behind the first one. */
static int load_chain(SSL_CTX *ssl, BIO *bio, const char *name, struct err *e)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
		if (!SSL_CTX_add0_chain_cert(ssl, x)) {
			X509_free(x);
			return err_set(e, "%s: the certificate's chain cannot be used: %s", name,
			    take_reason());
		}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return err_set(e,
		    "%s: what stands behind the first certificate cannot be read (%s): put its chain "
		    "there in PEM, or nothing",
		    name, take_reason());
	ERR_clear_error();
	return 0;
}

static int load_certificate(SSL_CTX *ssl, struct tls_pem certificate, struct err *e)
{
	BIO *bio = pem_bio(certificate.text);
	X509 *x = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
	int rc;

	if (!x)
		rc = err_set(e,
		    "%s holds no certificate in PEM that can be read (%s): put the server's own there, "
		    "then its chain",
		    certificate.name, take_reason());
	else if (!SSL_CTX_use_certificate(ssl, x))
		rc = err_set(e, "%s: the certificate cannot be used (%s): have another one issued",
		    certificate.name, take_reason());
	else
		rc = load_chain(ssl, bio, certificate.name, e);
	X509_free(x);
	BIO_free(bio);
	return rc;
}

EVP_PKEY *tls_read_key(struct tls_pem key_pem, struct err *e)
{
	BIO *bio = pem_bio(key_pem.text);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	if (!key)
		err_set(e,
		    "%s holds no key in PEM that can be read (%s): put the certificate's key there, and "
		    "not encrypted",
		    key_pem.name, take_reason());
	BIO_free(bio);
	return key;
}

static int load_key(
    SSL_CTX *ssl, struct tls_pem key_pem, const char *certificate_name, struct err *e)
{
	EVP_PKEY *key = tls_read_key(key_pem, e);
	int rc = key ? 0 : -1;

	if (key && !SSL_CTX_use_PrivateKey(ssl, key))
		rc = err_set(e,
		    "%s is not the key of the certificate in %s (%s): put the two there that belong "
		    "together",
		    key_pem.name, certificate_name, take_reason());
	EVP_PKEY_free(key);
	return rc;
}

/* ---- session tickets [RFC 5077 4, with the callback's own layout] ---- */
struct ticket_key {
	const uint8_t *name, *aes, *mac; /* 16, 32, 32 octets */
};

static struct ticket_key ticket_key(const struct tls_ctx *ctx, size_t i)
{
	const uint8_t *p = ctx->tickets[i];

	return (struct ticket_key){p, p + 16, p + 48};
}

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	uint8_t bytes[32];
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, sizeof bytes),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	bool ok;

	memcpy(bytes, key->mac, sizeof bytes);
	ok = EVP_MAC_CTX_set_params(mac, params) == 1;
	mem_wipe(bytes, sizeof bytes);
	return ok;
}

static int seal(
    const struct tls_ctx *ctx, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_key key = ticket_key(ctx, 0);

	if (ctx->ticket_count == 0)
		return 0;
	memcpy(name, key.name, 16);
	if (RAND_bytes(iv, 16) != 1 ||
	    EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) != 1 ||
	    !set_mac(mac, &key))
		return -1;
	return 1;
}

/* 0: an unknown key, a full handshake follows; 1: opened; 2: opened, and to be sealed anew. */
static int unseal(const struct tls_ctx *ctx, const uint8_t *name, const uint8_t *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	for (size_t i = 0; i < ctx->ticket_count; i++) {
		struct ticket_key key = ticket_key(ctx, i);

		if (memcmp(name, key.name, 16) != 0)
			continue;
		if (!set_mac(mac, &key) ||
		    EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) != 1)
			return -1;
		return i == 0 ? 1 : 2;
	}
	return 0;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int sealing)
{
	const struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	return sealing ? seal(ctx, name, iv, cipher, mac) : unseal(ctx, name, iv, cipher, mac);
}

void tls_server_set_tickets(struct tls_ctx *ctx, struct str tickets)
{
	MUST(ctx->magic == CTX_MAGIC && !ctx->client);
	MUST(tickets.n % TLS_TICKET_KEY == 0 && tickets.n <= sizeof ctx->tickets);
	mem_wipe(ctx->tickets, sizeof ctx->tickets);
	if (tickets.n)
		memcpy(ctx->tickets, tickets.p, tickets.n);
	ctx->ticket_count = tickets.n / TLS_TICKET_KEY;
	if (ctx->ticket_count)
		SSL_CTX_clear_options(ctx->ssl, SSL_OP_NO_TICKET);
	else
		SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx->ssl, ctx->ticket_count ? 1 : 0);
}

void tls_tickets_rotate(struct buf *keys)
{
	uint8_t all[TLS_TICKET_KEYS * TLS_TICKET_KEY];
	struct str older = str_sub(buf_view(keys), 0, sizeof all - TLS_TICKET_KEY);

	MEM_MUST(RAND_priv_bytes(all, TLS_TICKET_KEY) == 1);
	if (older.n)
		memcpy(all + TLS_TICKET_KEY, older.p, older.n);
	mem_wipe(keys->p, keys->n);
	buf_clear(keys);
	buf_add(keys, all, TLS_TICKET_KEY + older.n);
	mem_wipe(all, sizeof all);
}

/* ---- application protocols ---- */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *unused)
{
	const char *name = SSL_get_app_data(ssl);
	struct str want = str_of_c(name), offer = str_of(in, inlen);

	while (name && offer.n) {
		struct str one = str_sub(offer, 1, offer.p[0]);

		if (str_eq(one, want)) {
			*out = one.p;
			*outlen = (unsigned char)one.n;
			return SSL_TLSEXT_ERR_OK;
		}
		offer = str_from(offer, 1 + one.n);
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_set_alpn(SSL *ssl, const char *name)
{
	union {
		const char *name;
		void *data;
	} u = {name}; /* OpenSSL's interface has no const */

	SSL_set_app_data(ssl, u.data);
}

/* ---- the two kinds ---- */
struct tls_ctx *tls_server_new(
    struct tls_pem certificate, struct tls_pem key, struct str tickets, struct err *e)
{
	struct tls_ctx *ctx = ctx_new(TLS_server_method(), false);
	static const uint8_t name[] = "godwit";

	ERR_clear_error();
	if (load_certificate(ctx->ssl, certificate, e) < 0 ||
	    load_key(ctx->ssl, key, certificate.name, e) < 0) {
		tls_unref(&ctx);
		return NULL;
	}
	SSL_CTX_set_session_id_context(ctx->ssl, name, sizeof name - 1);
	SSL_CTX_set_alpn_select_cb(ctx->ssl, on_alpn, NULL);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx->ssl, on_ticket);
	tls_server_set_tickets(ctx, tickets);
	return ctx;
}

/* One file that is read now; OpenSSL's directory of certificates would be read later. */
static const char *system_ca_file(void)
{
	static const char *const places[] = {
	    "/etc/ssl/certs/ca-certificates.crt",
	    "/etc/pki/tls/certs/ca-bundle.crt",
	    "/etc/ssl/cert.pem",
	};
	const char *env = getenv("SSL_CERT_FILE");

	if (env && *env)
		return env;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

struct tls_ctx *tls_client_new(const char *ca_file, struct err *e)
{
	bool named = ca_file != NULL;
	struct tls_ctx *ctx;

	if (!named)
		ca_file = system_ca_file();
	if (!ca_file) {
		err_set(e, "this machine has no list of certificate authorities: install the "
			   "package ca-certificates");
		return NULL;
	}
	ctx = ctx_new(TLS_client_method(), true);
	ERR_clear_error();
	if (named) /* what is in the file is trusted itself, be it signed by others */
		X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx->ssl), X509_V_FLAG_PARTIAL_CHAIN);
	if (*ca_file && !SSL_CTX_load_verify_file(ctx->ssl, ca_file)) {
		ERR_clear_error();
		err_set(e, "%s cannot be read, or holds no PEM certificate", ca_file);
		tls_unref(&ctx);
	}
	return ctx;
}

void tls_warm_up(void)
{
	uint8_t byte;

	/* Without memory for it, OpenSSL 3.0 goes on with one of zeros: only who asks for it is told. */
	MEM_MUST(OSSL_LIB_CTX_get0_global_default());
	MEM_MUST(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				      OPENSSL_INIT_LOAD_CONFIG,
	    NULL));
	/* the kernel always has random numbers for us */
	MEM_MUST(RAND_bytes(&byte, 1) == 1 && RAND_priv_bytes(&byte, 1) == 1);
}
