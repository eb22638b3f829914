/* A message as a person reads it: fields decoded, text in UTF-8, the other parts named. Pure. */
#ifndef CLI_CLI_SHOW_H
#define CLI_CLI_SHOW_H

#include "base/buf.h"

/* One line's worth of a message, decoded, not yet safe for a terminal. */
struct cli_show_head {
	struct buf from; /* name of the first author, else the address */
	struct buf subject;
	int64_t date; /* milliseconds since 1970, 0 when there is none */
};

/* Reads the head of a message, all of it or a part. End it with cli_show_head_fini(). */
void cli_show_head_init(struct cli_show_head *h_r, struct str message);
void cli_show_head_fini(struct cli_show_head *h);

/*
 * Appends the whole message, safe for a terminal, lines ended by LF: the fields that matter, the
 * parts that are plain text (HTML as it came, if there is no other text), a line for each other part.
 */
void cli_show_message(struct buf *out, struct str message);

#endif
