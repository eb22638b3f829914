/* What is left of a message that is given up, as a file that a person may look at. */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include "store/pack_format.h"
#include "store/store.h"

#define QUARANTINE "quarantine" /* the directory, in the data directory */

/* Makes the directory. False with e set. */
bool quarantine_make(struct store *s, struct err *e);

/*
 * A file for each account's copy of the blob, prefix and content as far as they can be read (what cannot is
 * zeros there); one without
 * account when none has a copy (it waits to be sent, or is a dialogue). on_file (may be NULL) is told of
 * each. The files are on the disk when it returns; false with e set.
 */
bool quarantine_write(struct store *s, int64_t blob,
    void (*on_file)(void *ctx, int64_t message, int64_t account, const char *file), void *ctx,
    struct err *e);

/*
 * Gives the file of a pack a second name there, on the disk when it returns: perhaps somebody can make more of
 * it, name_r. Before anything that may remove the first. True also when there is no such file (name_r is empty);
 * false with e set.
 */
bool quarantine_pack(struct store *s, int64_t pack, char name_r[PACK_NAME_MAX], struct err *e);

/* The commit that ended the pack returned: its first name goes. If it cannot, the next start does it. */
void quarantine_pack_ended(struct store *s, int64_t pack);

/* It was not ended, and is in use as before: the second name goes. */
void quarantine_pack_kept(struct store *s, const char *name);

#endif
