/*
 * The database's log is made durable anew before a start trusts it. After a sync that failed, or a kill in
 * the middle of one, its newest octets may be in the kernel's memory only, and count there as written: no
 * later sync would bring them to the disk, while all that follows is built on them.
 */
#ifndef STORE_LOG_REWRITE_H
#define STORE_LOG_REWRITE_H

#include "base/err.h"
#include "store/fsio.h"

/*
 * Writes the octets of the log name, as far as SQLite would believe it, back in their place, and syncs them and the
 * data directory. 0, also for a log that is empty or not there, or a negative errno with e set. It may be called again
 * after a failure; the octets stay what they are. Under the directory's lock, before the database is opened.
 */
int log_rewrite(struct fsio *fs, const char *name, struct err *e);

#endif
