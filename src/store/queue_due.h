/* What is due in the queue beside attempts: returns, warnings, reports. */
#ifndef STORE_QUEUE_DUE_H
#define STORE_QUEUE_DUE_H

#include "store/queue.h"

#define QUEUE_DUE_MAX ((size_t)64)

struct queue_due_list {
	int64_t messages[QUEUE_DUE_MAX]; /* each once; store/queue_report.h is for them */
	size_t n;
	int64_t wake; /* when there is nothing: look again then; QUEUE_NEVER: nothing waits */
};

/*
 * Messages of which a recipient has something due now, at most QUEUE_DUE_MAX. reports: only those whose
 * attempts are over, which is a look at one place of an index.
 */
enum db_code queue_due_find(struct db *db, const struct queue_config *cfg, int64_t now,
    bool reports, struct queue_due_list *list_r);

/* What is due of one recipient; place: where he goes to, NULL: unknown. */
enum queue_due queue_row_due(const struct queue_config *cfg, const struct queue_row *row,
    const struct queue_place *place, int64_t now);

#endif
