/* Replies: code, enhanced status code [RFC 3463, 2034] and text; their only writer and reader. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

/* x.y.z of an enhanced status code; class 0 means there is none. */
struct smtp_status {
	uint8_t class; /* 2, 4 or 5 */
	uint16_t subject;
	uint16_t detail; /* subject and detail: 0 to 999 */
};

/* text may hold LF: each line becomes a line of the reply. Code 0 means "no reply given". */
struct smtp_reply {
	uint16_t code; /* 200 to 559 */
	struct smtp_status status;
	struct str text;
};

/* A constant reply; cls 0 for none. */
#define SMTP_REPLY(code, cls, sub, det, lit)                                                       \
	((struct smtp_reply){(code), {(cls), (sub), (det)}, STR(lit)})

static inline bool smtp_reply_is_ok(const struct smtp_reply *r)
{
	return r->code >= 200 && r->code < 400;
}

/* Octets smtp_reply_put() appends at most. */
#define SMTP_REPLY_MAX ((size_t)16 * LIMIT_SMTP_REPLY_LINE)

/*
 * Appends the reply as it goes over the wire: a line per line of text, the status on each, none
 * longer than LIMIT_SMTP_REPLY_LINE (long text is cut), at most 16 lines; octets that are not
 * printable ASCII become "?" [RFC 5321 4.2].
 */
void smtp_reply_put(struct buf *out, const struct smtp_reply *r);

/* A copy whose text is in a. */
struct smtp_reply smtp_reply_copy(struct arena *a, const struct smtp_reply *r);

enum smtp_reply_line {
	SMTP_REPLY_LINE_BAD,  /* no reply line */
	SMTP_REPLY_LINE_MORE, /* "250-...": more lines follow */
	SMTP_REPLY_LINE_LAST,
};

/*
 * Reads one line of a reply, without CRLF. "250", "250 " and "250-" are tolerated without text. The
 * status is split off the text when it is there and its class fits the code. text views into line.
 */
enum smtp_reply_line smtp_reply_parse(struct str line, struct smtp_reply *r_r);

#endif
