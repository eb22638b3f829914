/* Certificates: the self-signed one of the first minute, and what one says about itself. */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls.h"

#define VALID_MS   (3650 * DAY_MS)
#define CN_MAX     64 /* ub-common-name [RFC 5280 A.1] */
#define SERIAL_LEN 16

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX v3;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	ok = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *x)
{
	uint8_t bytes[SERIAL_LEN];
	BIGNUM *number;
	bool ok;

	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, full length */
	number = BN_bin2bn(bytes, sizeof bytes, NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	return ok;
}

/* A name that is too long for the common name stands in the alternative names only. */
static bool set_names(X509 *x, struct str hostname)
{
	static const struct str fallback = STR_INIT("mail server");
	struct str cn = hostname.n <= CN_MAX ? hostname : fallback;
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_NID(
		   name, NID_commonName, MBSTRING_UTF8, cn.p, (int)cn.n, -1, 0) &&
	       X509_set_issuer_name(x, name);
}

static bool set_extensions(X509 *x, struct str hostname)
{
	struct buf alt;
	bool ok;

	buf_init(&alt, KIB);
	buf_lit(&alt, "DNS:");
	buf_str(&alt, hostname);
	if (!str_eq_i(hostname, STR("localhost")))
		buf_lit(&alt, ",DNS:localhost");
	ok = !alt.overflow && add_extension(x, NID_subject_alt_name, buf_cstr(&alt)) &&
	     add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	     add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	     add_extension(x, NID_ext_key_usage, "serverAuth") &&
	     add_extension(x, NID_subject_key_identifier, "hash");
	buf_fini(&alt);
	return ok;
}

/* The digest is the one of the key's kind; some have none. */
static bool fill(X509 *x, EVP_PKEY *key, struct str hostname, int64_t now)
{
	return X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
	       ASN1_TIME_set(X509_getm_notBefore(x), (time_t)((now - DAY_MS) / SECOND_MS)) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)((now + VALID_MS) / SECOND_MS)) &&
	       X509_set_pubkey(x, key) && set_names(x, hostname) && set_extensions(x, hostname) &&
	       X509_sign(x, key, NULL) > 0;
}

static void take_bio(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	buf_add(out, p, (size_t)n);
	mem_wipe(p, (size_t)n);
}

static bool put_certificate(X509 *x, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio && PEM_write_bio_X509(bio, x);

	if (ok)
		take_bio(bio, out);
	BIO_free(bio);
	return ok;
}

static bool put_key(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);

	if (ok)
		take_bio(bio, out);
	BIO_free(bio);
	return ok;
}

/* The name goes into a comma-separated list: only what a domain name may hold. */
static bool is_host_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '.')
			return false;
	}
	return s.n > 0 && s.n <= 253;
}

static int check_name(struct str hostname, struct err *e)
{
	if (is_host_name(hostname))
		return 0;
	return err_set(e, "no certificate can be made for \"%.*s\": it is no host name",
	    STR_FMT(str_sub(hostname, 0, 100)));
}

/* As a start will ask: a short key, for one, is no good to OpenSSL. */
static bool is_usable(X509 *x)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	bool usable = ssl && SSL_CTX_use_certificate(ssl, x);

	SSL_CTX_free(ssl);
	return usable;
}

static int make(
    EVP_PKEY *key, struct str hostname, int64_t now, struct buf *certificate, struct err *e)
{
	X509 *x = X509_new();
	int rc = 0;

	if (!key || !x || !fill(x, key, hostname, now) || !is_usable(x) ||
	    !put_certificate(x, certificate))
		rc = tls_err(e, "the certificate cannot be made");
	X509_free(x);
	return rc;
}

int tls_self_signed(
    struct str hostname, int64_t now, struct buf *certificate, struct buf *key, struct err *e)
{
	size_t before = certificate->n;
	EVP_PKEY *pkey;
	int rc;

	if (check_name(hostname, e) < 0)
		return -1;
	ERR_clear_error();
	pkey = EVP_EC_gen("P-256");
	rc = make(pkey, hostname, now, certificate, e);
	if (rc == 0 && !put_key(pkey, key)) {
		certificate->n = before;
		rc = tls_err(e, "the certificate's key cannot be made");
	}
	EVP_PKEY_free(pkey);
	return rc;
}

int tls_self_signed_with(
    struct str hostname, int64_t now, struct tls_pem key, struct buf *certificate, struct err *e)
{
	EVP_PKEY *pkey;
	struct err why;
	int rc;

	if (check_name(hostname, e) < 0)
		return -1;
	ERR_clear_error();
	pkey = tls_read_key(key, e);
	rc = pkey ? make(pkey, hostname, now, certificate, &why) : -1;
	if (pkey && rc < 0)
		err_set(e, "%s: %s; put another key there, or remove it and one is made", key.name,
		    why.text);
	EVP_PKEY_free(pkey);
	return rc;
}
