/* Each file is synced before the rows go that know of its message. */
#include "store/quarantine.h"

#include <errno.h>
#include <fcntl.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/pack_format.h"

bool quarantine_make(struct store *s, struct err *e)
{
	struct fsio *fs = &s->dir.fs;
	int code = fs->ops->make_dir(fs, QUARANTINE, 0700);

	if (code >= 0 || code == -EEXIST)
		code = fs->ops->sync_dir(fs, "."); /* before anything is moved there */
	if (code >= 0)
		return true;
	err_sys(e, -code, "cannot make the directory " QUARANTINE);
	return false;
}

/* Everything that can still be read of a record, as it lies there. */
static int copy_rest(struct store *s, int64_t blob, int fd, int64_t off)
{
	struct blob_pos pos = {0};
	uint8_t bytes[8 * KIB];
	struct db_query *q = db_begin_query(s->db, SQL_BLOB_GET, DB_ARGS(db_int(blob)));
	int code = 0;

	if (db_step(q) == DB_ROW)
		pos = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	(void)db_end(q);
	for (int64_t at = 0, n; code == 0 && at < pos.length; at += n) {
		struct iovec iov;

		n = pos.length - at < (int64_t)sizeof bytes ? pos.length - at
							    : (int64_t)sizeof bytes;
		if (blob_raw(s->blobs, pos.pack, pos.offset + (int64_t)PACK_RECORD + at, bytes,
			(size_t)n, NULL) != BLOB_OK)
			break;
		iov = (struct iovec){bytes, (size_t)n};
		code = fsio_write_all(&s->dir.fs, fd, &iov, 1, off + at);
	}
	return code;
}

static bool write_file(
    struct store *s, int64_t blob, const char *name, struct str prefix, struct err *e)
{
	struct fsio *fs = &s->dir.fs;
	struct iovec iov = {(void *)(uintptr_t)prefix.p, prefix.n};
	int fd = fs->ops->open(fs, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int code = fd < 0 ? fd : fsio_write_all(fs, fd, &iov, 1, 0);

	if (code == 0)
		code = copy_rest(s, blob, fd, (int64_t)prefix.n);
	if (code == 0)
		code = fs->ops->sync(fs, fd);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code == 0)
		code = fs->ops->sync_dir(fs, QUARANTINE);
	if (code < 0)
		err_sys(e, -code, "cannot write %s", name);
	return code >= 0;
}

static void file_name(char *out, size_t size, int64_t message, int64_t account)
{
	uint8_t text[ID_TEXT_LEN + 1];
	struct buf b = {.p = text, .cap = sizeof text, .max = ID_TEXT_LEN};

	id_put(&b, message);
	snprintf(out, size, QUARANTINE "/%.*s-%lld.eml", STR_FMT(buf_view(&b)), (long long)account);
}

bool quarantine_write(struct store *s, int64_t blob,
    void (*on_file)(void *ctx, int64_t message, int64_t account, const char *file), void *ctx,
    struct err *e)
{
	struct db_query *q = db_begin_query(s->db, SQL_REPAIR_EMAILS, DB_ARGS(db_int(blob)));
	int64_t copies = 0, account;
	bool good = true, more = true;
	char name[80];

	while (good && more) {
		more = db_step(q) == DB_ROW;
		if (!more && copies > 0)
			break;
		account = more ? db_col_int(q, 0) : 0;
		file_name(name, sizeof name, blob, account);
		good = write_file(s, blob, name, more ? db_col_str(q, 2) : STR(""), e);
		if (good && on_file)
			on_file(ctx, blob, account, name);
		copies++;
	}
	if (db_end(q) == DB_OK)
		return good;
	err_set(e, "%s", db_error(s->db));
	return false;
}

/* One of an attempt that was interrupted gives way. */
static int link_pack(struct fsio *fs, int fd, const char *name)
{
	int code = fs->ops->link(fs, fd, name);

	if (code == -EEXIST)
		code = fs->ops->unlink(fs, name);
	else
		return code;
	return code < 0 ? code : fs->ops->link(fs, fd, name);
}

bool quarantine_pack(struct store *s, int64_t pack, struct err *e)
{
	struct fsio *fs = &s->dir.fs;
	char from[PACK_NAME_MAX], to[PACK_NAME_MAX];
	int fd, code;

	pack_name_put(from, DATADIR_PACKS, pack);
	pack_name_put(to, QUARANTINE, pack);
	fd = fs->ops->open(fs, from, O_RDONLY, 0);
	if (fd == -ENOENT)
		return true;
	code = fd < 0 ? fd : link_pack(fs, fd, to);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code >= 0)
		code = fs->ops->sync_dir(fs, QUARANTINE);
	if (code < 0)
		err_sys(e, -code, "cannot keep the damaged pack %s as %s", from, to);
	return code >= 0;
}

static void remove_name(struct store *s, const char *dir, int64_t pack)
{
	struct fsio *fs = &s->dir.fs;
	char name[PACK_NAME_MAX];

	pack_name_put(name, dir, pack);
	(void)fs->ops->unlink(fs, name);
}

void quarantine_pack_ended(struct store *s, int64_t pack)
{
	remove_name(s, DATADIR_PACKS, pack);
}

void quarantine_pack_kept(struct store *s, int64_t pack)
{
	remove_name(s, QUARANTINE, pack);
}
