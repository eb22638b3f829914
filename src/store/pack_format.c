/*
 * Encoding of pack heads and record headers; docs/invariants/pack.md has the offsets. Written in
 * place with memcpy (this runs once for each blob), read with the cursor.
 */
#include "store/pack_format.h"

#include "base/cur.h"

#include <endian.h>
#include <xxhash.h>

#define FORMAT        1
#define FLAG_SINGLE   1u
#define ORPHAN_SUFFIX ".orphan"
#define NAME_SUFFIX   ".pack"
#define NAME_DIGITS   ((size_t)10)

#define HEAD_SUM   ((size_t)56) /* offset of the head's checksum */
#define RECORD_SUM ((size_t)48) /* offset of the record header's own sum */

static const uint8_t head_magic[8] = "GODWITPK";
static const uint8_t record_magic[4] = "GWrc";

static void put_u16(uint8_t *out, uint16_t v)
{
	v = htobe16(v);
	memcpy(out, &v, sizeof v);
}

static void put_u32(uint8_t *out, uint32_t v)
{
	v = htobe32(v);
	memcpy(out, &v, sizeof v);
}

static void put_u64(uint8_t *out, uint64_t v)
{
	v = htobe64(v);
	memcpy(out, &v, sizeof v);
}

void pack_head_put(uint8_t out[PACK_HEAD], const struct pack_head *h)
{
	memset(out, 0, PACK_HEAD);
	memcpy(out, head_magic, sizeof head_magic);
	put_u32(out + 8, FORMAT);
	put_u32(out + 12, h->single ? FLAG_SINGLE : 0);
	put_u64(out + 16, (uint64_t)h->pack);
	put_u64(out + HEAD_SUM, XXH3_64bits(out, HEAD_SUM));
}

bool pack_head_get(const uint8_t in[PACK_HEAD], struct pack_head *h_r)
{
	struct cur c = cur_of(str_of(in, PACK_HEAD));
	uint32_t format, flags;
	int64_t pack;

	cur_lit(&c, str_of(head_magic, sizeof head_magic));
	format = cur_u32(&c);
	flags = cur_u32(&c);
	pack = cur_i64(&c);
	(void)cur_take(&c, HEAD_SUM - 24);
	if (cur_u64(&c) != XXH3_64bits(in, HEAD_SUM) || !cur_done(&c) || format != FORMAT)
		return false;
	*h_r = (struct pack_head){pack, flags & FLAG_SINGLE};
	return true;
}

void pack_record_put(uint8_t out[PACK_RECORD], const struct pack_record *r)
{
	memset(out, 0, PACK_RECORD);
	memcpy(out, record_magic, sizeof record_magic);
	out[4] = FORMAT;
	out[5] = (uint8_t)r->codec;
	put_u16(out + 6, r->key);
	put_u64(out + 8, (uint64_t)r->generation);
	put_u64(out + 16, (uint64_t)r->pack);
	put_u64(out + 24, (uint64_t)r->offset);
	put_u64(out + 32, (uint64_t)r->id);
	put_u64(out + 40, (uint64_t)r->length);
	put_u32(out + RECORD_SUM, (uint32_t)XXH3_64bits(out, RECORD_SUM));
}

void pack_record_seal(uint8_t out[PACK_RECORD], uint64_t checksum)
{
	put_u64(out + PACK_RECORD_HASHED, checksum);
}

bool pack_record_get(const uint8_t in[PACK_RECORD], struct pack_record *r_r)
{
	struct cur c = cur_of(str_of(in, PACK_RECORD));
	struct pack_record r = {0};
	uint8_t format, codec;
	uint32_t sum;

	cur_lit(&c, str_of(record_magic, sizeof record_magic));
	format = cur_u8(&c);
	codec = cur_enum(&c, BLOB_CODECS);
	r.key = cur_u16(&c);
	r.generation = cur_i64(&c);
	r.pack = cur_i64(&c);
	r.offset = cur_i64(&c);
	r.id = cur_i64(&c);
	r.length = cur_i64(&c);
	sum = cur_u32(&c);
	(void)cur_u32(&c);
	r.checksum = cur_u64(&c);
	r.codec = (enum blob_codec)codec;
	if (!cur_done(&c) || format != FORMAT || r.length < 0 ||
	    sum != (uint32_t)XXH3_64bits(in, RECORD_SUM))
		return false;
	*r_r = r;
	return true;
}

void pack_name_put(char out[PACK_NAME_MAX], const char *dir, int64_t pack)
{
	snprintf(
	    out, PACK_NAME_MAX, "%.32s/%0*lld" NAME_SUFFIX, dir, (int)NAME_DIGITS, (long long)pack);
}

void pack_orphan_put(char out[PACK_NAME_MAX], const char *dir, int64_t pack)
{
	snprintf(out, PACK_NAME_MAX, "%.24s/%0*lld" NAME_SUFFIX ORPHAN_SUFFIX, dir,
	    (int)NAME_DIGITS, (long long)pack);
}

static int64_t number_of(struct str name, struct str suffix)
{
	uint64_t pack;

	if (name.n < NAME_DIGITS + suffix.n || !str_eq(str_from(name, name.n - suffix.n), suffix) ||
	    !str_to_u64(str_sub(name, 0, name.n - suffix.n), INT64_MAX, &pack))
		return 0;
	return (int64_t)pack;
}

int64_t pack_name_get(const char *name)
{
	return number_of(str_of_c(name), STR(NAME_SUFFIX));
}

int64_t pack_orphan_get(const char *name)
{
	return number_of(str_of_c(name), STR(NAME_SUFFIX ORPHAN_SUFFIX));
}
