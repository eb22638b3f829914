/*
 * Inside of the client engine, shared by its files and by nobody else. The core is pop3_client.c; how it
 * logs in is in pop3_client_login.c, the requests after that in pop3_client_request.c.
 */
#ifndef POP3_CLIENT_STATE_H
#define POP3_CLIENT_STATE_H

#include "base/dot.h"
#include "base/line.h"
#include "pop3/pop3_client.h"
#include "sasl/sasl_client.h"

/* A reply of one line, or the first line of a longer one. The strings live until it returns. */
struct pop3_reply {
	enum pop3_reply_status status;
	enum pop3_code code;
	struct str text;
};

typedef void pop3_on_reply(struct pop3_client *c, const struct pop3_reply *r);
typedef void pop3_on_line(struct pop3_client *c, struct str line);
typedef void pop3_next(struct pop3_client *c);

/* How the next octets are read. */
enum pop3_reading_as {
	POP3_READ_REPLY,   /* expect takes one line */
	POP3_READ_LINES,   /* on_line takes each line before ".", then on_end */
	POP3_READ_CONTENT, /* dots undone into content, then on_end */
};

#define POP3_CLIENT_OPEN_MAX 16u

struct pop3_client {
	uint32_t magic;
	const struct pop3_client_config *cfg;
	bool spoke;   /* an octet has come */
	bool greeted; /* a line has come */
	bool tls, ready, quitting, eof;
	bool over;     /* POP3_CLIENT_CLOSED was emitted: nothing is read or sent any more */
	int64_t heard; /* last sign of life of the server */

	struct buf out;
	struct line_in line;
	enum pop3_reading_as reading;
	pop3_on_reply *expect; /* NULL: nothing was asked */
	pop3_on_line *on_line;
	pop3_next *on_end;
	struct dot_in dots;
	struct buf content;

	bool has_event;
	struct pop3_client_event event;
	pop3_next *after; /* what follows done(), may be NULL */

	struct pop3_capa capa;
	unsigned capa_lines;
	struct buf mechanisms; /* of SASL, as the server lists them */
	struct sasl_client sasl;

	struct pop3_request open[POP3_CLIENT_OPEN_MAX]; /* a ring */
	unsigned open_at, open_n, open_sent;
	struct buf text; /* words of the reply at hand */
	enum pop3_code code;
	struct pop3_entry entries[POP3_CLIENT_ENTRIES_MAX];
	uint8_t uids[POP3_CLIENT_ENTRIES_MAX][POP3_UID_MAX];
	size_t entries_n;
};

/* Emits an event; after is called by done(). */
void pop3_client_emit(struct pop3_client *c, enum pop3_client_event_type type, pop3_next *after);

/* Ends the session: CLOSED with "what: words" as its sentence (words may be empty). */
void pop3_client_fail(
    struct pop3_client *c, enum pop3_code code, const char *what, struct str words);

/* Sends a line, adding CRLF, and says who takes the reply. */
void pop3_client_say(struct pop3_client *c, struct str line, pop3_on_reply *expect);

pop3_on_reply pop3_client_expect_greeting;
pop3_on_reply pop3_client_expect_result;

/* After login: sends what is open and may be sent. */
void pop3_client_send_open(struct pop3_client *c);

#endif
