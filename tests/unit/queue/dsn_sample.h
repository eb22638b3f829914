/* Reports for tests: one plain, and changes of it. */
#ifndef TESTS_DSN_SAMPLE_H
#define TESTS_DSN_SAMPLE_H

#include "queue/queue_dsn.h"

struct dsn_sample {
	struct queue_dsn dsn;
	struct queue_dsn_recipient recipients[LIMIT_DSN_RECIPIENTS];
	struct buf text; /* for what a change makes up */
};

/* alice's message to bob, refused with 550 5.1.1. The caller frees it. */
struct dsn_sample *dsn_sample_new(void);
void dsn_sample_free(struct dsn_sample **s);

struct dsn_change {
	const char *name;
	void (*change)(struct dsn_sample *s);
};

extern const struct dsn_change dsn_changes[];
extern const size_t dsn_changes_count;

#endif
