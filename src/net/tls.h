/*
 * What TLS needs that outlives connections: contexts with certificate, key, ticket keys, trust. They
 * are made before a sandbox is entered and shared by reference: a reload makes a new one, streams
 * keep theirs. TLS 1.2 and 1.3 only [RFC 8996], forward secrecy, AEAD [RFC 9325].
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/err.h"

#define TLS_TICKET_KEY ((size_t)80) /* name 16, AES-256 key 32, HMAC key 32 */
#define TLS_TICKET_KEYS                                                                            \
	((size_t)3) /* the current one first, then older ones that still open tickets */
#define TLS_PEM_MAX ((size_t)256 * 1024)

struct tls_ctx;

/* A file's content in PEM [RFC 7468], and what a sentence calls the file. */
struct tls_pem {
	struct str text;
	const char *name;
};

/*
 * A server's context. certificate: the server's own first, then its chain; key: not encrypted.
 * tickets: 0 to TLS_TICKET_KEYS keys; none: no session tickets. NULL with a sentence that begins with
 * the name of what is wrong (certificate and key that do not belong together, expired is no error). The
 * bytes are copied.
 */
struct tls_ctx *tls_server_new(
    struct tls_pem certificate, struct tls_pem key, struct str tickets, struct err *e);

/* Other ticket keys from now on, for new and open connections alike. Aborts on a wrong length. */
void tls_server_set_tickets(struct tls_ctx *ctx, struct str tickets);

/*
 * A client's context that trusts the authorities in a PEM file; NULL: the system's; "": nobody, for
 * streams that do not verify. NULL with a sentence when the file cannot be read or holds none.
 */
struct tls_ctx *tls_client_new(const char *ca_file, struct err *e);

struct tls_ctx *tls_ref(struct tls_ctx *ctx);

/* Takes NULL, sets NULL. */
void tls_unref(struct tls_ctx **ctx);

/* Made by tls_client_new()? */
bool tls_is_client(const struct tls_ctx *ctx);

/* OpenSSL's own; for net/ only. */
SSL_CTX *tls_ssl_ctx(struct tls_ctx *ctx);

/* The private key in key, to be freed; NULL with a sentence. For net/ only. */
EVP_PKEY *tls_read_key(struct tls_pem key, struct err *e);

/*
 * Application protocols a server stream accepts: a client that offers some by ALPN, none of them ours,
 * is refused [RFC 7301; RFC 9325 3.7]. name: "smtp", "pop3", or NULL to refuse all; static.
 */
void tls_set_alpn(SSL *ssl, const char *name);

/* New ticket keys: one random key in front of those in keys, at most TLS_TICKET_KEYS of them stay. */
void tls_tickets_rotate(struct buf *keys);

/*
 * A self-signed certificate, ECDSA P-256, for hostname and localhost, valid for 10 years from a day
 * before now (milliseconds), and its key, appended as PEM. 0, or -1 with a sentence. Wipe key after use.
 */
int tls_self_signed(
    struct str hostname, int64_t now, struct buf *certificate, struct buf *key, struct err *e);

/* The same with the key that is in key, of whatever kind it is. */
int tls_self_signed_with(struct str hostname, int64_t now, struct tls_pem key,
    struct buf *certificate, struct err *e);

/* Makes OpenSSL load whatever it loads lazily (random state, error texts, algorithms). Before a sandbox. */
void tls_warm_up(void);

/* The oldest error in OpenSSL's queue as text, the queue emptied; what: said in front. Gives -1. */
int tls_err(struct err *e, const char *what);

#endif
