/*
 * What POP3 servers and clients share: response codes in brackets [RFC 2449 8, 3206] and one line of
 * a reply as it is read and written.
 */
#ifndef POP3_REPLY_H
#define POP3_REPLY_H

#include "base/buf.h"

enum pop3_code {
	POP3_CODE_NONE,
	POP3_CODE_AUTH,        /* the name or the password is wrong [RFC 3206 5] */
	POP3_CODE_IN_USE,      /* another session has the mailbox [RFC 2449 8.1.2] */
	POP3_CODE_LOGIN_DELAY, /* too soon after the last login [RFC 2449 8.1.1] */
	POP3_CODE_SYS_TEMP,    /* try again later [RFC 3206 4] */
	POP3_CODE_SYS_PERM,    /* needs a person to change something [RFC 3206 4] */
	POP3_CODES
};

/* "AUTH", "IN-USE" ...; empty for POP3_CODE_NONE. Static. */
struct str pop3_code_name(enum pop3_code code);

/* Message as LIST and UIDL show it. */
struct pop3_entry {
	uint64_t number; /* 1 is the first of the session */
	uint64_t octets;
	struct str uid; /* 1 to 70 octets from 0x21 to 0x7e [RFC 1939 7] */
};

#define POP3_UID_MAX ((size_t)70)

/* Appends at most max octets of a peer's or driver's text, those that are not printable ASCII as "?". */
void pop3_text_put(struct buf *out, struct str text, size_t max);

/* Octets pop3_reply_put() appends at most: one reply line [RFC 2449 4]. */
#define POP3_REPLY_MAX ((size_t)512)

/*
 * Appends "+OK text" or "-ERR [CODE] text" and CRLF. The text is cut to fit, its octets that are not
 * printable ASCII become "?".
 */
void pop3_reply_put(struct buf *out, bool ok, enum pop3_code code, struct str text);

enum pop3_reply_status {
	POP3_REPLY_BAD,  /* no reply */
	POP3_REPLY_OK,   /* "+OK" */
	POP3_REPLY_ERR,  /* "-ERR" */
	POP3_REPLY_MORE, /* "+ ": a challenge [RFC 5034 4] */
};

/*
 * Reads a line without its CRLF. *code_r: the response code, POP3_CODE_NONE when there is none or an
 * unknown one, which then stays in the text. *text_r views into line. Untouched on POP3_REPLY_BAD.
 */
enum pop3_reply_status pop3_reply_parse(
    struct str line, enum pop3_code *code_r, struct str *text_r);

#endif
