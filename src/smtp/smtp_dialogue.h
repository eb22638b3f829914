/*
 * The conversation of a session as it is kept for whoever looks into a delivery: lines with "C: " or
 * "S: " before what client or server said, and "* " before what is said of it. One that is too long
 * keeps its beginning and its end, whole lines, and between them "* lines left out: 123".
 */
#ifndef SMTP_DIALOGUE_H
#define SMTP_DIALOGUE_H

#include "base/buf.h"

/* All private. */
struct smtp_dialogue {
	struct buf text;
	size_t max;
	size_t line;     /* where the one that is being written begins */
	size_t left_out; /* lines; 0: head and mark are 0 too */
	size_t head;     /* octets of the beginning that stays */
	size_t mark;     /* of the line behind it that says how many were left out */
};

/* An empty one, whose text has at most max octets. Allocates nothing yet. Aborts when max is below 256. */
void smtp_dialogue_init(struct smtp_dialogue *d, size_t max);

/* Frees the memory; it may be used again, empty. */
void smtp_dialogue_fini(struct smtp_dialogue *d);

/* Forgets the lines, keeps the memory. */
void smtp_dialogue_clear(struct smtp_dialogue *d);

/*
 * Begins a line with who ("C: ", "S: ", "* "); what it says is to be added to the buffer that this
 * gives, without a line feed, and ended. One of more than an eighth of max is left out, and with it what
 * is behind the beginning.
 */
struct buf *smtp_dialogue_begin(struct smtp_dialogue *d, const char *who);
void smtp_dialogue_end(struct smtp_dialogue *d);

/* Adds the lines of another one, of which what was left out is left out here. */
void smtp_dialogue_append(struct smtp_dialogue *d, const struct smtp_dialogue *more);

/* The text, each line with its line feed; valid until the next change. */
struct str smtp_dialogue_text(struct smtp_dialogue *d);

#endif
