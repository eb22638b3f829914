/*
 * Addresses in the sense of SMTP: the only parser and the only printer of them in the program
 * [RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3]. Addresses in header fields are another grammar
 * (mime/mime_address.h).
 */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"
#include "base/ip.h"

/*
 * A path or mailbox in canonical form. local: without quotes and backslashes, case kept; at most
 * LIMIT_SMTP_LOCAL_PART octets in a forward-path, else as of smtp_path_reverse(); without control
 * characters.
 * domain: ASCII in lower case, U-labels as they came, at most LIMIT_SMTP_DOMAIN octets; for a
 * literal the text of its address, "192.0.2.1" or, mapped, "::ffff:192.0.2.1", as it was said to be
 * IPv4 or IPv6; empty for <> and for <postmaster>.
 */
struct smtp_path {
	struct str local;
	struct str domain;
	struct ip ip;    /* of a literal; the same for an IPv4 address and the one mapped from it */
	bool is_null;    /* <>: local and domain are empty */
	bool is_literal; /* domain is an address literal */
	bool needs_utf8; /* local or domain has octets above 127: SMTPUTF8 only */
};

enum smtp_path_status {
	SMTP_PATH_OK,
	SMTP_PATH_BAD,      /* not the grammar */
	SMTP_PATH_TOO_LONG, /* above a limit of [RFC 5321 4.5.3.1] */
	SMTP_PATH_UTF8,     /* well-formed, but not ASCII and utf8 is false */
};

/*
 * These parse from the cursor, stop behind the ">", and fail the cursor unless they give OK. Source
 * routes are checked and dropped [RFC 5321 4.1.1.3, C]. The strings are allocated in a; *path_r is
 * untouched on failure. Linear time.
 *
 * Reverse-path: Path or "<>". As it must only be returned as it came, its local part may be longer
 * than the 64 octets of [RFC 5321 4.5.3.1.1], as those of mailing lists often are: the address has
 * at most LIMIT_ADDRESS octets [RFC 5321 4.1.1.2].
 */
enum smtp_path_status smtp_path_reverse(
    struct cur *c, bool utf8, struct arena *a, struct smtp_path *path_r);

/* Forward-path: Path or "<postmaster>" in any case, without domain [RFC 5321 4.1.1.3]. */
enum smtp_path_status smtp_path_forward(
    struct cur *c, bool utf8, struct arena *a, struct smtp_path *path_r);

/*
 * The whole of s as Mailbox, without brackets: `bob@example.org` [RFC 5321 4.1.2]. As long as in a
 * reverse-path, for it may be a sender's, to whom reports go.
 */
enum smtp_path_status smtp_mailbox_parse(
    struct str s, bool utf8, struct arena *a, struct smtp_path *path_r);

/*
 * The whole of s as Domain or address literal; fills domain, ip, is_literal and needs_utf8, local
 * is empty.
 */
enum smtp_path_status smtp_domain_parse(
    struct str s, bool utf8, struct arena *a, struct smtp_path *path_r);

/*
 * Appends the mailbox without brackets, the local part quoted only when it must be, the literal as
 * [RFC 5321 4.1.3] writes it; nothing for a null path. What is printed parses to an equal path.
 */
void smtp_path_put(struct buf *out, const struct smtp_path *path);

/* The same in angle brackets: `<bob@example.org>`, `<>`, `<postmaster>`. */
void smtp_path_put_angle(struct buf *out, const struct smtp_path *path);

/* Appends a local part alone, quoted only when it must be. */
void smtp_local_put(struct buf *out, struct str local);

/* A copy whose strings are in a. */
struct smtp_path smtp_path_copy(struct arena *a, const struct smtp_path *path);

/* Local parts equal octet by octet, domains without ASCII case. */
bool smtp_path_eq(const struct smtp_path *a, const struct smtp_path *b);

/* "postmaster" in any case, at any domain or none [RFC 5321 4.5.1]. */
bool smtp_path_is_postmaster(const struct smtp_path *path);

#endif
