/* Each text has a sum of its own, so that the keywords' can be exchanged without reading the others. */
#include "store/email_seal.h"

#include <endian.h>
#include <xxhash.h>

/* A sum that differs for the same octets in another field. */
static uint64_t sum_of(uint64_t field, struct str s)
{
	return XXH3_64bits_withSeed(s.p, s.n, field);
}

/* 63 bits of it, for a column. */
static int64_t number_of(uint64_t sum)
{
	return (int64_t)(sum & INT64_MAX);
}

static int64_t of_keywords(struct str keywords)
{
	return number_of(sum_of(1, keywords));
}

int64_t email_seal(const struct email_row *row)
{
	uint64_t parts[] = {htobe64((uint64_t)row->account), htobe64((uint64_t)row->id),
	    htobe64((uint64_t)row->blob), htobe64((uint64_t)row->thread),
	    htobe64((uint64_t)row->received), htobe64(sum_of(2, row->prefix)),
	    htobe64(sum_of(3, row->summary))};

	return number_of(sum_of(0, str_of(parts, sizeof parts))) ^ of_keywords(row->keywords);
}

int64_t email_seal_changed(int64_t seal, struct str before, struct str after)
{
	return seal ? seal ^ of_keywords(before) ^ of_keywords(after) : 0;
}

bool email_seal_fits(const struct email_row *row)
{
	return row->blob == row->id && (row->seal == 0 || row->seal == email_seal(row));
}

struct email_row email_row_of(struct db_query *q, int first)
{
	return (struct email_row){.account = db_col_int(q, first),
	    .id = db_col_int(q, first + 1),
	    .blob = db_col_int(q, first + 2),
	    .thread = db_col_int(q, first + 3),
	    .received = db_col_int(q, first + 4),
	    .prefix = db_col_str(q, first + 5),
	    .keywords = db_col_str(q, first + 6),
	    .summary = db_col_str(q, first + 7),
	    .seal = db_col_int(q, first + 8)};
}

/* ---- mending ---- */

static bool mend_number(struct email_row *row, int64_t *number)
{
	int64_t was = *number;

	for (int bit = 0; bit < 64; bit++) {
		*number = (int64_t)((uint64_t)was ^ (UINT64_C(1) << bit));
		if (email_seal_fits(row))
			return true;
	}
	*number = was;
	return false;
}

static bool mend_text(struct arena *a, struct email_row *row, struct str *text)
{
	struct str was = *text;
	uint8_t *octets = arena_alloc(a, was.n + 1);

	memcpy(octets, was.p, was.n);
	*text = str_of(octets, was.n);
	for (size_t i = 0; i < 8 * was.n; i++) {
		octets[i / 8] ^= (uint8_t)(1u << i % 8);
		if (email_seal_fits(row))
			return true;
		octets[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	*text = was;
	return false;
}

bool email_row_mend(struct arena *a, struct email_row *row)
{
	struct email_row r = *row;
	bool good = mend_number(&r, &r.account) || mend_number(&r, &r.id) ||
		    mend_number(&r, &r.blob) || mend_number(&r, &r.thread) ||
		    mend_number(&r, &r.received) || mend_number(&r, &r.seal) ||
		    mend_text(a, &r, &r.prefix) || mend_text(a, &r, &r.keywords) ||
		    mend_text(a, &r, &r.summary);

	if (good)
		*row = r;
	return good;
}
