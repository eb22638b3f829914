/* Where TOP ends: after the header, the empty line and n lines of the body [RFC 1939 7]. */
#ifndef POP3_TOP_H
#define POP3_TOP_H

#include "base/str.h"

struct pop3_top {
	bool all;  /* no end: RETR */
	bool full; /* everything wanted has gone by */
	bool in_body;
	uint8_t line;   /* what the line holds so far: nothing, a CR only, more */
	uint64_t lines; /* of the body, still wanted */
};

/* lines < 0: everything is wanted. */
void pop3_top_init(struct pop3_top *t, int64_t lines);

/*
 * Goes over the next octets of a message and gives how many at their head are wanted; fewer than all
 * only when full. Call it with what is then really used: octets are counted once.
 */
size_t pop3_top_take(struct pop3_top *t, struct str in);

#endif
