/*
 * A data directory whose database is damaged or gone: makes a new one from the rows that can still be read
 * and from what the packs hold. What is left to put right does store/repair.h. docs/invariants/salvage.md.
 */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define SALVAGE_BEGUN "store salvage begun"

struct salvage {
	struct str who; /* for the record of administrators */
	/* the answer */
	int64_t record; /* the id of the row there; 0: an attempt before has written one */
	int64_t rows;   /* taken over from the old database */
	int64_t
	    tables; /* of it that could not be read in full; 0 with no rows: nothing could be read */
	int64_t packs;   /* read */
	int64_t records; /* of messages and dialogues in them, with a sound header */
	int64_t
	    orphans; /* packs set aside that could not be taken in, for another one has their number */
	struct err err;
};

/*
 * The directory at path, which sentences call name, and which nobody else may use. Afterwards it has a
 * store.db that can be opened; the old one lies in quarantine/. Broken off anywhere, it may be run again.
 * False with err set. The working directory stays.
 */
bool salvage_run(struct salvage *s, const char *path, const char *name);

#endif
