/* SMTP dialogues of attempts: kept compressed as blobs, named by events of the trace. */
#ifndef STORE_DIALOGUE_H
#define STORE_DIALOGUE_H

#include "base/buf.h"
#include "store/blob.h"
#include "store/db.h"

#define DIALOGUE_MAX (64 * KIB) /* octets, uncompressed; more is cut */

/* The compressor's memory, kept from one dialogue to the next: to make it anew takes longer than to compress. */
struct dialogue_packer;

struct dialogue_packer *dialogue_packer_new(void);

/* Takes NULL, sets NULL. */
void dialogue_packer_free(struct dialogue_packer **p);

/* Appends the text compressed; what is longer than DIALOGUE_MAX is cut. */
void dialogue_pack(struct dialogue_packer *p, struct buf *out, struct str text);

enum dialogue_status {
	DIALOGUE_OK,
	DIALOGUE_NONE,    /* there is no such blob (any more) */
	DIALOGUE_DAMAGED, /* it cannot be read, or is none */
	DIALOGUE_FAILED,  /* the database failed */
};

/* Appends the text of the dialogue with that blob id; out has room for DIALOGUE_MAX octets. */
enum dialogue_status dialogue_read(
    struct db *db, struct blob_store *blobs, int64_t id, struct buf *out);

#endif
