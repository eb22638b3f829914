/*
 * Packs in a scratch directory, with a table that stands for the database and calls that can be made to
 * fail. Functions without a result fail the test when what they do fails.
 */
#ifndef TESTS_PACK_RIG_H
#define TESTS_PACK_RIG_H

#include "fault.h"
#include "store/pack.h"

#define PACKS_ROWS  4096
#define PACKS_SMALL ((int64_t)64 * 1024) /* size of a pack */

struct pack_rig {
	struct blob_point rows[PACKS_ROWS]; /* what the database would hold, by rising pack */
	size_t nrows;
	int64_t dropped; /* a pack that the database has dropped; 0: none */
	struct fault fault;
	struct blob_store *store;
	struct err err;
};

extern struct pack_rig rig;

/* For cmocka_unit_test_setup_teardown: an empty store, open. */
int packs_setup(void **state);
int packs_teardown(void **state);

enum blob_code packs_try_open(int64_t pack_size);
void packs_must_open(int64_t pack_size);

/* Closes and opens it: what was not committed is gone. */
void packs_reopen(void);

/* A row as a commit would write it; a blob_point_fn. */
void packs_put_row(void *ctx, const struct blob_point *point);
void packs_remove_row(int64_t pack);

/* Content of n bytes that tells which blob and which place it is from. */
void packs_fill(uint8_t *p, size_t n, int64_t id);

/* Appends such a blob, not synced nor committed. */
enum blob_code packs_append(int64_t id, size_t n, struct blob_pos *pos_r);

/* Syncs and commits what was appended. */
void packs_commit(void);

/* Both. */
struct blob_pos packs_add(int64_t id, size_t n);

/* Streams such a blob into a file of its own, finished but not attached. */
enum blob_code packs_upload(int64_t id, size_t n, struct blob_upload **u, struct blob_pos *pos_r);

/* Reads it back; BLOB_OK only with the right content. */
enum blob_code packs_check(int64_t id, struct blob_pos pos);

/* Size of the pack's file, -1 when there is none. */
int64_t packs_size_of(int64_t pack);

/* Changes one bit of it. */
void packs_flip(int64_t pack, int64_t offset, int bit);

#endif
