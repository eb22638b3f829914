/* A thread that syncs blobs while the lane's thread runs SQL: the lane's syncer in a server. */
#ifndef STORE_LANE_SYNC_H
#define STORE_LANE_SYNC_H

#include "store/lane.h"

/* Starts the thread (all signals blocked in it); NULL with e set when there is none to be had. */
struct lane_syncer *lane_sync_new(struct err *e);

/* Ends it; nothing may be under way. Takes NULL, sets NULL. */
void lane_sync_free(struct lane_syncer **s);

#endif
