/* Builds new messages [RFC 5322, RFC 2045 to 2049] from typed parts, with CRLF lines. */
#ifndef MIME_BUILD_H
#define MIME_BUILD_H

#include "mime/mime_address.h"

struct mime_build_file {
	struct str name; /* shown to the reader, UTF-8; directories are the caller's to remove */
	struct str type; /* "image/png"; empty: application/octet-stream */
	struct str bytes;
};

struct mime_build_message {
	struct mime_address_list from, to, cc; /* empty lists give no field */
	struct str subject;                    /* UTF-8; p NULL gives no field */
	struct str message_id;                 /* without <>, unique, by the caller */
	struct str in_reply_to; /* the same; empty gives no fields (it makes References too) */
	int64_t date;           /* milliseconds since 1970 */
	struct str text;        /* UTF-8 with LF or CRLF lines */
	const struct mime_build_file *files;
	size_t n_files;
};

enum mime_build_status {
	MIME_BUILD_OK,
	MIME_BUILD_TOO_LARGE, /* the buffer's maximum was reached: buffer as before */
};

/*
 * Appends the message. Text is text/plain UTF-8 in 7bit where it is ASCII with lines up to 998
 * octets, else quoted-printable or base 64, whichever is shorter; with files a multipart/mixed
 * whose boundary occurs in none of its parts. No Bcc, no trace fields.
 */
enum mime_build_status mime_build_put(struct buf *b, const struct mime_build_message *m);

/* What every boundary of ours begins with: text that holds it is encoded. */
#define MIME_BUILD_BOUNDARY "=_godwit_="

/* Parts of such a message, for messages of other shapes: its header up to MIME-Version ... */
void mime_build_header(struct buf *b, const struct mime_build_message *m);

/* ... and a text: Content-Type, Content-Transfer-Encoding, an empty line, and the text as above. */
void mime_build_text(struct buf *b, struct str text);

#endif
