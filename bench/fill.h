/* Fills a data directory for the measurements of size: see fill_main.c for what the settings mean. */
#ifndef BENCH_FILL_H
#define BENCH_FILL_H

#include "base/err.h"

#include <stdint.h>

struct fill_settings {
	const char *data;
	uint64_t messages, size, hours;
	const char *account, *from;
	uint64_t accounts, first;
	const char *domain, *password;
	uint64_t destinations, dead;
};

struct filling;

/* What to fill. */
int fill_accounts(struct filling *f);
int fill_mailbox(struct filling *f);
int fill_queue(struct filling *f);

/* Opens the store, fills, closes. 0, or -1 and a sentence; *made_r is set when it could be opened. */
int fill_run(const struct fill_settings *settings, int (*what)(struct filling *f), uint64_t *made_r,
    struct err *e);

#endif
