/* Compressed dialogues. What a pack gives back is not trusted: sizes are checked before memory is taken. */
#include "store/dialogue.h"

#include <zstd.h>

#include "base/limits.h"
#include "base/mem.h"

#define LEVEL 3

struct dialogue_packer {
	ZSTD_CCtx *zstd;
};

struct dialogue_packer *dialogue_packer_new(void)
{
	struct dialogue_packer *p = mem_new(struct dialogue_packer);

	p->zstd = ZSTD_createCCtx();
	MEM_MUST(p->zstd);
	return p;
}

void dialogue_packer_free(struct dialogue_packer **p)
{
	if (!*p)
		return;
	(void)ZSTD_freeCCtx((*p)->zstd);
	mem_free(*p);
	*p = NULL;
}

void dialogue_pack(struct dialogue_packer *p, struct buf *out, struct str text)
{
	size_t room, n;

	text = str_sub(text, 0, DIALOGUE_MAX);
	room = ZSTD_compressBound(text.n);
	n = ZSTD_compressCCtx(p->zstd, buf_reserve(out, room), room, text.p, text.n, LEVEL);
	MUST(!ZSTD_isError(n));
	buf_advance(out, n);
}

static enum db_code find(struct db *db, int64_t id, struct blob_pos *pos_r)
{
	struct db_query *q = db_begin_query(db, SQL_BLOB_GET, DB_ARGS(db_int(id)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*pos_r = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	code = db_end(q);
	return code == DB_OK ? found : code;
}

static enum dialogue_status unpack(struct str packed, struct buf *out)
{
	unsigned long long size = ZSTD_getFrameContentSize(packed.p, packed.n);
	size_t n;

	if (size > DIALOGUE_MAX) /* also when it is not known, or no frame at all */
		return DIALOGUE_DAMAGED;
	n = ZSTD_decompress(buf_reserve(out, size), size, packed.p, packed.n);
	if (ZSTD_isError(n) || n != size)
		return DIALOGUE_DAMAGED;
	buf_advance(out, n);
	return DIALOGUE_OK;
}

enum dialogue_status dialogue_read(
    struct db *db, struct blob_store *blobs, int64_t id, struct buf *out)
{
	size_t max = ZSTD_compressBound(DIALOGUE_MAX);
	struct blob_pos pos;
	enum db_code code = find(db, id, &pos);
	enum dialogue_status status = DIALOGUE_DAMAGED;
	uint8_t *packed;

	if (code != DB_ROW)
		return code == DB_OK ? DIALOGUE_NONE : DIALOGUE_FAILED;
	if (pos.length < 0 || (size_t)pos.length > max)
		return DIALOGUE_DAMAGED;
	packed = mem_alloc((size_t)pos.length);
	if (blob_get(blobs, id, pos, packed, max, NULL) == BLOB_OK)
		status = unpack(str_of(packed, (size_t)pos.length), out);
	mem_free(packed);
	return status;
}
