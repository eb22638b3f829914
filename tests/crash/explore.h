/* Goes through the states that a crash may leave at each moment of a recording and has each checked. */
#ifndef CRASH_EXPLORE_H
#define CRASH_EXPLORE_H

#include "disk.h"

/*
 * Checks a state: in memory when the explorer is, else in a directory, which is then the working one, and in a
 * process of its own. said: what the program had said. Ends the process with something else than 0, a text on
 * standard error, when the state is wrong. whole: false when only the number is wanted. The number of what is
 * there logically, always 0 for those that cannot tell: a state that has lost or half done a request which
 * was not answered must be one that some earlier moment, back to the last answer, had too.
 */
typedef uint64_t explore_check(void *ctx, const char *said, size_t n, bool whole);

#define EXPLORE_NAME 2048

/* One that was drawn. */
struct explore_state {
	struct disk *disk; /* its image */
	unsigned variant;
	size_t moment;
	const struct event *next; /* after the moment; NULL: the recording ends */
	const char *said;
	size_t said_n;
};

struct explore {
	const char *recording; /* file */
	const char *scratch;   /* directory for the states, or to be in while they are in memory */
	explore_check *check;
	void *ctx;
	uint64_t seed;
	const char *said; /* before this recording; n octets */
	size_t said_n;
	const char *swallow; /* kind of sync that is taken out of the recording, or NULL */
	bool in_memory;
	bool all; /* every state that can be told apart, in memory; else by rules and drawn */
	const char *
	    elsewhere; /* with all: syncs of what begins so are no moments of their own; NULL: all are */
	bool answered; /* only what follows an answer */
	bool no_tears; /* of those only the ones in which each write is whole or lost */
	bool
	    peaks; /* a failure is sure to come: only what is about to be synced or answered, or was */
	unsigned draws;    /* drawn states at a moment before a sync or an answer */
	int64_t sample;    /* 0: all moments; else that many drawn ones */
	const char *state; /* NULL: all; else the name of one, as `name` below */
	int64_t deadline;  /* clock_mono(); 0: none */
	/*
	 * After each good state that was drawn; false, with the name of a state of its own in name, when it has
	 * found a wrong one. second: the name of one to be looked at, or NULL. May be NULL.
	 */
	bool (*after)(
	    struct explore *x, const struct explore_state *state, const char *second, char *name);
	/*
	 * The recording is of a program that started on this disk's image, DISK_ALL, while the machine lived on;
	 * failed_sync: after this one had failed, or NULL. before NULL: what was there at first is on the disk.
	 */
	struct disk *before;
	const struct event *failed_sync;

	int64_t states;          /* different ones checked */
	int64_t moments;         /* of the recording */
	bool failed, late;       /* late: the deadline came before the end */
	char name[EXPLORE_NAME]; /* of the wrong state: MOMENT.VARIANT or MOMENT:CHOICES, /SECOND */
	char words[4096];        /* what it said */
};

/* False: a state was wrong; x->name and x->words tell. The states are checked in a process of their own. */
bool explore_run(struct explore *x);

/* Runs fn in a child process, standard output as it is; true when it ended well. */
bool explore_child(void (*fn)(void *ctx), void *ctx);

/* Empties a directory. */
void explore_wipe(const char *directory);

/* Memory that children share. */
void *explore_shared(size_t n);

#endif
