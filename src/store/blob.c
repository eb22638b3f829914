/* What is the same for every implementation of blobs. */
#include "store/blob.h"

#include "base/mem.h"

static const char *const code_names[] = {
    [BLOB_OK] = "BLOB_OK",
    [BLOB_FULL] = "BLOB_FULL",
    [BLOB_IO] = "BLOB_IO",
    [BLOB_DAMAGED] = "BLOB_DAMAGED",
    [BLOB_GONE] = "BLOB_GONE",
    [BLOB_UNREADABLE] = "BLOB_UNREADABLE",
};

const char *blob_code_name(enum blob_code code)
{
	BUG_ON((size_t)code >= sizeof code_names / sizeof code_names[0]);
	return code_names[code];
}

static enum blob_code read_whole(struct blob_store *b, struct blob_reader *r, uint8_t *p, size_t n)
{
	size_t got = 1;
	enum blob_code code = BLOB_OK;

	for (size_t at = 0; code == BLOB_OK && got; at += got)
		code = blob_read(b, r, p + at, n - at, &got);
	return code;
}

enum blob_code blob_get(
    struct blob_store *b, int64_t id, struct blob_pos pos, void *p, size_t max, struct err *e)
{
	struct blob_reader *r = NULL;
	enum blob_code code;

	if (pos.length > (int64_t)max) {
		err_set(e, "blob %lld is larger than it may be", (long long)id);
		return BLOB_DAMAGED;
	}
	code = blob_open(b, id, pos, &r, e);
	if (code == BLOB_OK)
		code = read_whole(b, r, p, (size_t)pos.length);
	if (r && code != BLOB_OK)
		err_set(e, "blob %lld cannot be read: %s", (long long)id, blob_code_name(code));
	blob_close(b, &r);
	return code;
}
