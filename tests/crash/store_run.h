/* The two halves of a run on the real store: what is done, and what must be so after a crash. */
#ifndef CRASH_STORE_RUN_H
#define CRASH_STORE_RUN_H

#include <stddef.h>
#include <stdint.h>

/*
 * Works in the current directory, on a new store or on what is there, for `steps` requests drawn by the
 * seed, and tells its standard output what it asks for and what was answered. generation: how often the
 * machine died before; the clock goes on by a day each time.
 */
void store_work(uint64_t seed, int steps, int generation);

/* Called by a request's answer. */
void store_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Starts the store in the current directory after a crash, `said` being all that was said before it, and
 * looks for each invariant that README.md lists; then takes a message more, and starts once more. Ends the
 * process with a text when something is wrong. The number of the logical content right after the start.
 */
uint64_t store_check(const char *said, size_t n);

#endif
