/*
 * Text from outside on a terminal: nothing in it may move the cursor, change colours or hide what
 * stands next to it; and its width in columns, for tables.
 */
#ifndef CLI_CLI_TEXT_H
#define CLI_CLI_TEXT_H

#include "base/buf.h"

/*
 * Appends s in one line: control characters and line ends become a blank, octets that are no UTF-8
 * and characters that turn the direction of text become U+FFFD.
 */
void cli_text_put(struct buf *b, struct str s);

/* The same, but LF, CRLF and tabs stay (line ends as LF): for the body of a message. */
void cli_text_put_lines(struct buf *b, struct str s);

/* Appends s as one word of a command, in the quotes of a shell. */
void cli_text_word(struct buf *b, struct str s);

/* Columns that s takes on a terminal: 2 for wide East Asian characters and emoji, 0 for marks. */
size_t cli_text_width(struct str s);

/* The octets at the head of s that fit into width columns. */
struct str cli_text_fit(struct str s, size_t width);

/* "2026-11-23 19:54:33" in the local time zone. */
void cli_text_time(struct buf *b, int64_t ms);

/* Appends "; 1 mailbox is damaged" (one) or "; 2 mailboxes are damaged" (many); nothing of 0. */
void cli_text_also(struct buf *b, int64_t n, const char *one, const char *many);

/* "999", "1.2 KB", "34 MB": 1024 to the next unit, two significant digits at least. */
void cli_text_bytes(struct buf *b, int64_t bytes);

#endif
