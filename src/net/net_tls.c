/*
 * OpenSSL between two ends of a BIO of our own: it reads from the view that the caller lends for one
 * call and writes to the stream's output buffer, so that an idle connection keeps no buffers at all.
 */
#include "net/net_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "base/mem.h"

#define TLS_MAGIC 0x6e746c73u

struct net_tls {
	uint32_t magic;
	bool client;
	SSL *ssl;
	struct tls_ctx *ctx;
	struct str *wire; /* lent for the time of a call */
	struct buf *out;
	char alpn[32];
};

/* ---- the BIO ---- */
static int wire_read(BIO *bio, char *to, int max)
{
	struct net_tls *t = BIO_get_data(bio);
	size_t n = t->wire ? t->wire->n : 0;

	BIO_clear_retry_flags(bio);
	if (n == 0 || max <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > (size_t)max)
		n = (size_t)max;
	memcpy(to, t->wire->p, n);
	*t->wire = str_from(*t->wire, n);
	return (int)n;
}

static int wire_write(BIO *bio, const char *from, int n)
{
	struct net_tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n < 0)
		return -1;
	buf_add(t->out, from, (size_t)n);
	return t->out->overflow ? -1 : n;
}

static long wire_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_method;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
	wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "godwit stream");
	MEM_MUST(wire_method);
	BIO_meth_set_read(wire_method, wire_read);
	BIO_meth_set_write(wire_method, wire_write);
	BIO_meth_set_ctrl(wire_method, wire_ctrl);
}

static BIO *wire_bio(struct net_tls *t)
{
	BIO *bio;

	pthread_once(&wire_once, make_method);
	bio = BIO_new(wire_method);
	MEM_MUST(bio);
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- life ---- */
/* OpenSSL copies the name, but wants it without const. Longer ones are no host names. */
static void set_sni(SSL *ssl, struct str name)
{
	char copy[256];

	if (name.n >= sizeof copy)
		return;
	memcpy(copy, name.p, name.n);
	copy[name.n] = 0;
	MEM_MUST(SSL_set_tlsext_host_name(ssl, copy));
}

/*
 * A name to verify: whoever went on without it would trust any certificate. Addresses are compared with
 * addresses and have no SNI [RFC 6066 3].
 */
static void want_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct ip ip;

	if (ip_parse(str_of_c(name), &ip)) {
		MEM_MUST(X509_VERIFY_PARAM_set1_ip_asc(param, name));
		return;
	}
	set_sni(ssl, str_of_c(name));
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	MEM_MUST(X509_VERIFY_PARAM_set1_host(param, name, 0));
}

static void offer_alpn(SSL *ssl, const char *name)
{
	uint8_t list[256];
	size_t n = strlen(name);

	MUST(n > 0 && n < sizeof list);
	list[0] = (uint8_t)n;
	memcpy(list + 1, name, n);
	MEM_MUST(SSL_set_alpn_protos(ssl, list, (unsigned)n + 1) == 0);
}

static void set_client(struct net_tls *t, const struct net_tls_start *start)
{
	SSL_set_connect_state(t->ssl);
	SSL_set_verify(t->ssl, start->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (start->name)
		want_name(t->ssl, start->name);
	if (start->alpn)
		offer_alpn(t->ssl, start->alpn);
}

struct net_tls *net_tls_new(const struct net_tls_start *start, struct buf *out)
{
	struct net_tls *t = mem_new(struct net_tls);
	BIO *bio = wire_bio(t);

	t->magic = TLS_MAGIC;
	t->ctx = tls_ref(start->ctx);
	t->client = tls_is_client(start->ctx);
	t->out = out;
	t->ssl = SSL_new(tls_ssl_ctx(start->ctx));
	MEM_MUST(t->ssl);
	SSL_set_bio(t->ssl, bio, bio);
	if (t->client) {
		set_client(t, start);
	} else {
		SSL_set_accept_state(t->ssl);
		tls_set_alpn(t->ssl, start->alpn);
	}
	return t;
}

void net_tls_free(struct net_tls **t)
{
	if (!*t)
		return;
	MUST((*t)->magic == TLS_MAGIC);
	(*t)->magic = 0;
	SSL_free((*t)->ssl);
	tls_unref(&(*t)->ctx);
	mem_free(*t);
	*t = NULL;
}

/* ---- work ---- */
/* Why verification of the peer failed, when that is what ended the handshake; else OpenSSL's words. */
static enum net_tls_status bad(struct net_tls *t, struct err *e)
{
	long verdict = SSL_get_verify_result(t->ssl);

	if (t->client && verdict != X509_V_OK && (SSL_get_verify_mode(t->ssl) & SSL_VERIFY_PEER)) {
		ERR_clear_error();
		err_set(e, "the server's certificate is not trusted: %s",
		    X509_verify_cert_error_string(verdict));
		return NET_TLS_BAD;
	}
	tls_err(e, "TLS");
	return NET_TLS_BAD;
}

static enum net_tls_status status_of(struct net_tls *t, int result, struct err *e)
{
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_NONE:
		return NET_TLS_OK;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return NET_TLS_MORE;
	case SSL_ERROR_ZERO_RETURN:
		return NET_TLS_CLOSED;
	default:
		return bad(t, e);
	}
}

enum net_tls_status net_tls_handshake(struct net_tls *t, struct str *wire, struct err *e)
{
	enum net_tls_status status;

	MUST(t->magic == TLS_MAGIC);
	t->wire = wire;
	ERR_clear_error();
	status = status_of(t, SSL_do_handshake(t->ssl), e);
	t->wire = NULL;
	if (status == NET_TLS_CLOSED) {
		err_set(e, "the peer ended TLS during the handshake");
		return NET_TLS_BAD;
	}
	return status;
}

enum net_tls_status net_tls_read(
    struct net_tls *t, struct str *wire, uint8_t *plain, size_t max, size_t *n_r, struct err *e)
{
	enum net_tls_status status;
	size_t n = 0;

	MUST(t->magic == TLS_MAGIC);
	t->wire = wire;
	ERR_clear_error();
	status = status_of(t, SSL_read_ex(t->ssl, plain, max, &n), e);
	t->wire = NULL;
	if (status == NET_TLS_OK)
		*n_r = n;
	return status;
}

void net_tls_write(struct net_tls *t, struct str plain)
{
	size_t n;

	MUST(t->magic == TLS_MAGIC);
	if (plain.n == 0)
		return;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, plain.p, plain.n, &n) != 1)
		t->out->overflow = true;
}

void net_tls_shutdown(struct net_tls *t)
{
	MUST(t->magic == TLS_MAGIC);
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

static const char *chosen_alpn(struct net_tls *t)
{
	const uint8_t *name;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &name, &n);
	if (n == 0 || n >= sizeof t->alpn)
		return NULL;
	memcpy(t->alpn, name, n);
	t->alpn[n] = 0;
	return t->alpn;
}

const char *net_tls_version(const struct net_tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *net_tls_cipher(const struct net_tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

void net_tls_info(struct net_tls *t, struct net_tls_info *info_r)
{
	long verdict = SSL_get_verify_result(t->ssl);
	bool has_peer = SSL_get0_peer_certificate(t->ssl) != NULL;

	*info_r = (struct net_tls_info){
	    .ok = true,
	    .why = "",
	    .version = net_tls_version(t),
	    .cipher = net_tls_cipher(t),
	    .alpn = chosen_alpn(t),
	    .resumed = SSL_session_reused(t->ssl) == 1,
	    .verified = t->client && has_peer && verdict == X509_V_OK,
	    .verify_text = has_peer ? X509_verify_cert_error_string(verdict) : "no certificate",
	};
}
