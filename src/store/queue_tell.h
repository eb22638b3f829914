/* What is known of a recipient that waits, at one moment, and that in sentences. */
#ifndef STORE_QUEUE_TELL_H
#define STORE_QUEUE_TELL_H

#include "store/queue.h"

struct queue_picture {
	struct arena *arena;
	struct queue_place place;
	bool has_place;
	int64_t active;     /* sessions to his destination */
	int64_t under_way;  /* since when he is being tried; 0: he is not */
	struct str sent_as; /* the reverse path in the place of the sender's; empty: his own */
};

/* What cannot be read is left out. */
struct queue_picture queue_picture_of(struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now);
void queue_picture_fini(struct queue_picture *p);

/* Appends why he waits and what will happen when, as queue_explain_put() has it. m: his message. */
void queue_tell(struct buf *out, struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now);

#endif
