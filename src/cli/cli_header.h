/*
 * Completes the header of a message that a local program hands over: Bcc goes, Date, Message-ID and
 * From come where they are missing, and recipients may be taken from it [RFC 5322 3.6; RFC 6409 8].
 * Pure.
 */
#ifndef CLI_CLI_HEADER_H
#define CLI_CLI_HEADER_H

#include "base/err.h"
#include "mime/mime_address.h"

/* Octets of a message that cli_header_make() must be given, if it has so many. */
#define CLI_HEADER_HEAD (LIMIT_MIME_HEADER + LIMIT_MIME_FIELD)

struct cli_header_wish {
	bool take_recipients; /* from To, Cc, Bcc, or from the Resent- fields if there are any */
	struct mime_address from; /* for a missing From */
	struct str message_id;    /* for a missing Message-ID, without <> */
	int64_t now;              /* for a missing Date */
};

struct cli_header {
	struct mime_address_list rcpts; /* taken ones, mailboxes only; in the arena */
	size_t body_at;                 /* octets of the head that the new header replaces */
};

enum cli_header_status {
	CLI_HEADER_OK,
	CLI_HEADER_TOO_LONG, /* the header does not end within the head, or a field is too long */
	CLI_HEADER_BAD_RECIPIENT, /* an address field cannot be read to its end */
};

/*
 * head: the first octets of the message, with CRLF lines; whole: it is all of it. Appends the new
 * header with its empty line to out. A message that begins without any header gets a whole one. On
 * failure *e says why, and out and *h_r are untouched.
 */
enum cli_header_status cli_header_make(struct str head, bool whole,
    const struct cli_header_wish *wish, struct arena *a, struct buf *out, struct cli_header *h_r,
    struct err *e);

#endif
