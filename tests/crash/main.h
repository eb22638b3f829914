/* What the commands of crash_explore share. */
#ifndef CRASH_MAIN_H
#define CRASH_MAIN_H

#include <limits.h>

#include "explore.h"

/* Set in the long form of the tests: seconds for what is drawn. */
#define LONGER "CRASH_SECONDS"

struct options {
	uint64_t seed;
	int64_t seeds, seconds, steps, second_every, killed_every;
	unsigned draws, drawn; /* drawn: it was given */
	const char *swallow, *second_swallow, *state;
	const char *
	    fails; /* exit 0 when a state is wrong in these words (a pattern): the explorer's tests */
	bool no_tears, answered; /* as in struct explore */
	bool long_tears;         /* no_tears does not hold in the long form of the tests */
	bool keep;               /* the directories, with the last state, to be looked at */
	char **command;
};

/* Of this process and those below it. */
struct counts {
	int64_t all, drawn, recordings, second;
	int64_t killed, failed; /* second ones after a kill, and of those after a failed sync */
};

extern struct counts *main_counts;

/* Below a directory of this process; directories first. */
enum place {
	RUN,
	STATE,
	SECOND_RUN,
	DIRECTORIES,
	FIRST = DIRECTORIES,
	SECOND,
	SAID,
	PLACES
};

extern char main_places[PLACES][PATH_MAX];

/* This program's file. */
extern char main_self[PATH_MAX];

/*
 * Records a program, which begins with what lies in the directory; false: it failed. quiet: what it says goes to
 * the recording only.
 */
bool main_record(const char *directory, const char *file, char *const *argv, bool quiet);

/* Exit status: 0, also when the failure that was expected was found; 1. how, what: before and after the options. */
int main_judge(const struct options *o, const struct explore *x, const char *how, const char *what);

/* The commands; exit status. */
int runs_store(const struct options *o);
int runs_small(const struct options *o);

#endif
