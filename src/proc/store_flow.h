/*
 * What one link may hold of mail on its way out of store: the pieces being read for it and what
 * waits in its output, together at most LIMIT_STORE_LINK_OUT, however many requests it opens and
 * however slowly it reads. A reader without room waits in line and goes on when some went out.
 */
#ifndef PROC_STORE_FLOW_H
#define PROC_STORE_FLOW_H

#include "base/list.h"
#include "ipc/link.h"

struct store_flow {
	size_t reserved;     /* octets of pieces that are out */
	struct list waiting; /* of struct store_flow_turn, first come first served */
};

/* A reader's place; embedded in its task. */
struct store_flow_turn {
	struct list link;
	size_t reserved;
	void (*go)(struct store_flow_turn *t); /* there is room again: ask once more */
};

void store_flow_init(struct store_flow *f);
void store_flow_turn_init(struct store_flow_turn *t, void (*go)(struct store_flow_turn *t));

/* Room for n octets (at most LIMIT_STORE_LINK_OUT)? False: go() is called when there may be. */
bool store_flow_take(
    struct store_flow *f, struct store_flow_turn *t, const struct ipc_link *link, size_t n);

/* The piece is in the link's output, or dropped; or the task ends and waits no more. */
void store_flow_give(struct store_flow *f, struct store_flow_turn *t);

/* Lets those go on that wait: after store_flow_give(), and when the link has sent something. */
void store_flow_move(struct store_flow *f, const struct ipc_link *link);

#endif
