/*
 * What a pack holds, found out from its file alone: for when the database does not know how far it was
 * committed. docs/invariants/pack.md, 4.
 */
#ifndef STORE_PACK_SURVEY_H
#define STORE_PACK_SURVEY_H

#include "store/fsio.h"
#include "store/pack_format.h"

struct pack_survey {
	/* Each record whose header is sound, in order; good: the content too. May be NULL. */
	void (*on_record)(void *ctx, const struct pack_record *record, bool good);
	void *ctx;
	/* the answer */
	int64_t size;       /* of the file */
	int64_t end;        /* behind the last record; a pack without one ends behind its head */
	int64_t generation; /* of its last record, 0: it has none */
	bool has_head;      /* the head is sound, and single is what it says */
	bool single;
	int64_t records;
};

/*
 * Reads the whole pack. Where the generation falls it ends: what follows was taken back. What cannot be
 * told from that are the records of a batch that was written and never committed: they are there too.
 * BLOB_OK, or why it cannot be read (e says it), with what was found before.
 */
enum blob_code pack_survey(struct pack_survey *s, struct fsio *fs, const char *dir,
    struct blob_store *blobs, int64_t pack, struct err *e);

#endif
