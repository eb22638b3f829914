/*
 * One state: between records (left 0), or inside of one. A header that is not sound sets `lost`; from
 * there each multiple of 8 is tried until a header says of itself that it stands there.
 */
#include "store/pack_walk.h"

#include "base/mem.h"

void pack_walk_begin(struct pack_walk *w, int64_t pack, int64_t end)
{
	w->pack = pack;
	w->end = end;
	w->at = 0;
	w->lost = 0;
	w->left = 0;
	w->spoiled = false;
	w->unread_end = 0;
	if (!w->hash)
		w->hash = XXH3_createState();
	MUST(w->hash);
}

void pack_walk_fini(struct pack_walk *w)
{
	XXH3_freeState(w->hash);
	w->hash = NULL;
}

static void damage(struct pack_walk *w, int64_t from, int64_t to, const char *why)
{
	if (w->on_damage)
		w->on_damage(w->ctx, w->pack, from, to, why);
}

/* Told once, however often it is tried; of blocks in a row the first. */
static void unread(struct pack_walk *w, int64_t off)
{
	int64_t from = off - off % (int64_t)PACK_WALK_BLOCK, to = from + (int64_t)PACK_WALK_BLOCK;

	w->spoiled = true;
	if (to > w->end)
		to = w->end;
	if (from > w->unread_end || w->unread_end == 0)
		damage(w, from, to, "the disk cannot read it");
	if (to > w->unread_end)
		w->unread_end = to;
}

/* What the disk does not give reads as zeros: in them no header is found. */
static enum blob_code read_blocks(struct pack_walk *w, int64_t off, size_t n, struct err *e)
{
	enum blob_code code = BLOB_OK;

	for (size_t at = 0, part; code == BLOB_OK && at < n; at += part) {
		int64_t from = off + (int64_t)at;

		part = PACK_WALK_BLOCK - (size_t)(from % (int64_t)PACK_WALK_BLOCK);
		if (part > n - at)
			part = n - at;
		code = blob_raw(w->blobs, w->pack, from, w->bytes + at, part, e);
		if (code == BLOB_UNREADABLE) {
			memset(w->bytes + at, 0, part);
			unread(w, from);
			code = BLOB_OK;
		}
	}
	return code;
}

static enum blob_code read_bytes(struct pack_walk *w, int64_t off, size_t n, struct err *e)
{
	enum blob_code code = blob_raw(w->blobs, w->pack, off, w->bytes, n, e);

	return code == BLOB_UNREADABLE ? read_blocks(w, off, n, e) : code;
}

static enum blob_code take_head(struct pack_walk *w, struct err *e)
{
	enum blob_code code = read_bytes(w, 0, PACK_HEAD, e);
	struct pack_head head;

	if (code != BLOB_OK)
		return code;
	if (!pack_head_get(w->bytes, &head) || head.pack != w->pack)
		damage(w, 0, (int64_t)PACK_HEAD, "the head of the file");
	w->at = (int64_t)PACK_HEAD;
	return BLOB_OK;
}

/* ---- inside of a record ---- */

static void end_record(struct pack_walk *w, bool padded)
{
	bool good;

	XXH3_64bits_update(w->hash, w->header, PACK_RECORD_HASHED);
	good = !w->spoiled && XXH3_64bits_digest(w->hash) == w->record.checksum;
	w->at += pack_record_size(w->record.length);
	if (w->on_record)
		w->on_record(w->ctx, &w->record, good);
	if (!padded)
		damage(w, w->at - (int64_t)PACK_ALIGN, w->at, "the filling behind a record");
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* The rest of the record, or as much as fits. */
static enum blob_code take_content(struct pack_walk *w, struct err *e)
{
	int64_t size = pack_record_size(w->record.length) - (int64_t)PACK_RECORD;
	int64_t done = size - w->left, content = w->record.length - done;
	size_t n = w->left < (int64_t)PACK_WALK_READ ? (size_t)w->left : PACK_WALK_READ;
	enum blob_code code = read_bytes(w, w->at + (int64_t)PACK_RECORD + done, n, e);
	size_t hashed;

	if (code != BLOB_OK)
		return code;
	hashed = content < 0 ? 0 : content < (int64_t)n ? (size_t)content : n;
	XXH3_64bits_update(w->hash, w->bytes, hashed);
	w->left -= (int64_t)n;
	if (w->left == 0)
		end_record(w, is_zero(w->bytes + hashed, n - hashed));
	return BLOB_OK;
}

/* ---- between records ---- */

static bool is_here(const struct pack_walk *w, const struct pack_record *r)
{
	return r->pack == w->pack && r->offset == w->at && r->length >= 0 &&
	       pack_record_size(r->length) <= w->end - w->at;
}

static void found(struct pack_walk *w, const uint8_t *header, const struct pack_record *r)
{
	if (w->lost)
		damage(w, w->lost, w->at, "no record where one should be");
	w->lost = 0;
	w->record = *r;
	w->spoiled = false; /* its header was read; what was not lay elsewhere */
	memcpy(w->header, header, PACK_RECORD);
	w->left = pack_record_size(r->length) - (int64_t)PACK_RECORD;
	XXH3_64bits_reset(w->hash);
	if (w->left == 0)
		end_record(w, true);
}

/* Tries each place of what one reading gives. */
static enum blob_code take_header(struct pack_walk *w, struct err *e)
{
	int64_t rest = w->end - w->at;
	size_t want = w->lost ? PACK_WALK_READ : PACK_RECORD;
	size_t n = rest < (int64_t)want ? (size_t)rest : want;
	enum blob_code code = read_bytes(w, w->at, n, e);
	struct pack_record record;

	if (code != BLOB_OK)
		return code;
	for (size_t i = 0; i + PACK_RECORD <= n; i += PACK_ALIGN) {
		if (pack_record_get(w->bytes + i, &record) && is_here(w, &record)) {
			found(w, w->bytes + i, &record);
			return BLOB_OK;
		}
		if (!w->lost)
			w->lost = w->at;
		w->at += (int64_t)PACK_ALIGN;
	}
	if (w->end - w->at < (int64_t)PACK_RECORD) {
		damage(w, w->lost ? w->lost : w->at, w->end, "no record where one should be");
		w->at = w->end;
	}
	return BLOB_OK;
}

enum blob_code pack_walk_step(struct pack_walk *w, int64_t octets, bool *done_r, struct err *e)
{
	enum blob_code code = w->at == 0 ? take_head(w, e) : BLOB_OK;
	int64_t spent = 0;

	while (code == BLOB_OK && w->at < w->end && spent < octets) {
		spent += w->left ? (int64_t)PACK_WALK_READ : (int64_t)PACK_RECORD;
		code = w->left ? take_content(w, e) : take_header(w, e);
	}
	*done_r = w->at >= w->end;
	return code;
}
