/* Each file is synced before the rows go that know of its message. */
#include "store/quarantine.h"

#include <errno.h>
#include <fcntl.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/pack_format.h"

#define BLOCK       ((int64_t)(4 * KIB)) /* what one bad sector costs */
#define COPY_UNREAD (-1000000)           /* no errno: err says why */
#define NAMES_MAX   100 /* files of one pack: a number is given again when its pack is gone */

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

static int find_blob(struct store *s, int64_t blob, struct blob_pos *pos)
{
	struct db_query *q = db_begin_query(s->db, SQL_BLOB_GET, DB_ARGS(db_int(blob)));

	if (db_step(q) == DB_ROW)
		*pos = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	return db_end(q) == DB_OK ? 0 : -EIO;
}

/*
 * A block that the disk cannot read is zeros there: what lies behind it may be whole. A failure that is not of
 * the octets passes or can be removed: nothing is given up for it.
 */
static int copy_block(struct store *s, const struct blob_pos *pos, int64_t at, size_t n, int fd,
    int64_t to, struct err *e)
{
	uint8_t bytes[BLOCK];
	struct iovec iov = {bytes, n};
	int64_t from = pos->offset + (int64_t)PACK_RECORD + at;

	switch (blob_raw(s->blobs, pos->pack, from, bytes, n, e)) {
	case BLOB_OK:
		break;
	case BLOB_FULL:
	case BLOB_IO:
		return COPY_UNREAD;
	default:
		memset(bytes, 0, n);
	}
	return fsio_write_all(&s->dir.fs, fd, &iov, 1, to + at);
}

/* Everything that can still be read of a record, as it lies there. */
static int copy_rest(struct store *s, int64_t blob, int fd, int64_t to, struct err *e)
{
	struct blob_pos pos = {0};
	int code = find_blob(s, blob, &pos);

	for (int64_t at = 0, n; code == 0 && at < pos.length; at += n) {
		n = pos.length - at < BLOCK ? pos.length - at : BLOCK;
		code = copy_block(s, &pos, at, (size_t)n, fd, to, e);
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
	struct err unread = {""};

	if (code == 0)
		code = copy_rest(s, blob, fd, (int64_t)prefix.n, &unread);
	if (code == 0)
		code = fs->ops->sync(fs, fd);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code == 0)
		code = fs->ops->sync_dir(fs, QUARANTINE);
	if (code == COPY_UNREAD)
		err_set(e, "%s: what is left of the message cannot be read yet", unread.text);
	else if (code < 0)
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

/* What has the name is kept: perhaps it is all that is left of another pack. */
static int link_pack(struct fsio *fs, int fd, int64_t pack, char name[PACK_NAME_MAX])
{
	int code;

	pack_name_put(name, QUARANTINE, pack);
	code = fs->ops->link(fs, fd, name);
	for (int i = 2; code == -EEXIST && i <= NAMES_MAX; i++) {
		snprintf(name, PACK_NAME_MAX, QUARANTINE "/%010lld-%d.pack", (long long)pack, i);
		code = fs->ops->link(fs, fd, name);
	}
	return code;
}

bool quarantine_pack(struct store *s, int64_t pack, char name_r[PACK_NAME_MAX], struct err *e)
{
	struct fsio *fs = &s->dir.fs;
	char from[PACK_NAME_MAX];
	int fd, code;

	name_r[0] = '\0';
	pack_name_put(from, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, from, O_RDONLY, 0);
	if (fd == -ENOENT)
		return true;
	code = fd < 0 ? fd : link_pack(fs, fd, pack, name_r);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code >= 0)
		code = fs->ops->sync_dir(fs, QUARANTINE);
	if (code < 0)
		err_sys(e, -code, "cannot keep the damaged pack %s in " QUARANTINE "/", from);
	return code >= 0;
}

void quarantine_pack_ended(struct store *s, int64_t pack)
{
	char name[PACK_NAME_MAX];

	pack_name_put(name, DATADIR_PACKS, pack);
	(void)s->dir.fs.ops->unlink(&s->dir.fs, name);
}

void quarantine_pack_kept(struct store *s, const char *name)
{
	if (name[0] != '\0')
		(void)s->dir.fs.ops->unlink(&s->dir.fs, name);
}
