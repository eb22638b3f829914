/* Goes through the states that a crash may leave at each moment of a recording and has each checked. */
#ifndef CRASH_EXPLORE_H
#define CRASH_EXPLORE_H

#include "disk.h"

/*
 * Runs in a process of its own, in the state's directory; said: what the program had said. Ends the process
 * with something else than 0, a text on standard error, when the state is wrong. The number of what is
 * there logically, always 0 for those that cannot tell: a state that has lost or half done a request which
 * was not answered must be one that some earlier moment, back to the last answer, had too.
 */
typedef uint64_t explore_check(void *ctx, const char *said, size_t n);

struct explore {
	const char *recording; /* file */
	const char *scratch;   /* directory for the states */
	explore_check *check;
	void *ctx;
	uint64_t seed;
	const char *said; /* before this recording; n octets */
	size_t said_n;
	const char *swallow; /* kind of sync that is taken out of the recording, or NULL */
	unsigned draws;      /* drawn states at a moment before a sync or an answer */
	int64_t sample;      /* 0: all moments; else that many drawn ones */
	int64_t only_moment; /* -1: all; else this one, with only_variant */
	unsigned only_variant;
	int64_t deadline; /* clock_mono(); 0: none */
	/* After each good state; false ends the exploring. May be NULL. */
	bool (*after)(struct explore *x, struct disk *d, const char *said, size_t n);
	bool quiet; /* a failing state is expected: no text */

	int64_t states;  /* different ones checked */
	int64_t moments; /* of the recording */
	bool failed;
	bool late; /* the deadline came before the end */
};

/* False: a state was wrong; it has been told on standard error. */
bool explore_run(struct explore *x);

/* Runs fn in a child process, standard output as it is; true when it ended well. */
bool explore_child(void (*fn)(void *ctx), void *ctx);

/* Empties a directory. */
void explore_wipe(const char *directory);

#endif
