/*
 * The bytes of a pack: a head, then records; each record is a header and its content, zero-padded
 * to a multiple of 8. Integers are big-endian. docs/invariants/pack.md has the table. Pure.
 */
#ifndef STORE_PACK_FORMAT_H
#define STORE_PACK_FORMAT_H

#include "store/blob.h"

#define PACK_HEAD   ((size_t)64) /* of the file */
#define PACK_RECORD ((size_t)64) /* header of a record */
#define PACK_ALIGN  ((size_t)8)

struct pack_head {
	int64_t pack;
	bool single;
};

struct pack_record {
	int64_t pack;
	int64_t generation;
	int64_t offset; /* of the header in the pack */
	int64_t id;
	int64_t length; /* of the content */
	enum blob_codec codec;
	uint16_t key;      /* of encryption; 0: plain */
	uint64_t checksum; /* XXH3 over the content, then the header before this field */
};

void pack_head_put(uint8_t out[PACK_HEAD], const struct pack_head *h);

/* False, untouched, unless it is a head of a format this program knows, undamaged. */
bool pack_head_get(const uint8_t in[PACK_HEAD], struct pack_head *h_r);

/*
 * Writes the header of which everything but the checksum is known; the checksum goes in with
 * pack_record_seal. What must be hashed after the content are the first PACK_RECORD_HASHED bytes.
 */
#define PACK_RECORD_HASHED (PACK_RECORD - 8)
void pack_record_put(uint8_t out[PACK_RECORD], const struct pack_record *r);
void pack_record_seal(uint8_t out[PACK_RECORD], uint64_t checksum);

/* False, untouched, unless it is a header of a format this program knows with its own sum right. */
bool pack_record_get(const uint8_t in[PACK_RECORD], struct pack_record *r_r);

/* Bytes that a record with so much content takes in the pack. */
static inline int64_t pack_record_size(int64_t length)
{
	return (int64_t)PACK_RECORD + ((length + 7) & ~INT64_C(7));
}

#define PACK_NAME_MAX ((size_t)64)

/* DIR/0000000001.pack. Parsing takes the name without directory; 0 when it is none. */
void pack_name_put(char out[PACK_NAME_MAX], const char *dir, int64_t pack);
int64_t pack_name_get(const char *name);

/* The same for DIR/0000000001.pack.orphan, a pack that was set aside. */
void pack_orphan_put(char out[PACK_NAME_MAX], const char *dir, int64_t pack);
int64_t pack_orphan_get(const char *name);

#endif
