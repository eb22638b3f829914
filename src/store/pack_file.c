/*
 * Pack files in use: a table of those that are open, each with a count of who uses it. A file is
 * opened at its first pin and closed at its last; a dropped one is unlinked then.
 */
#include "store/pack_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

enum blob_code pack_fail(struct err *e, int code, const char *what, int64_t pack)
{
	err_sys(e, -code, "packs: cannot %s pack %lld", what, (long long)pack);
	switch (code) {
	case -ENOSPC:
	case -EDQUOT:
	case -EMFILE: /* nothing was written: these too pass by themselves */
	case -ENFILE:
	case -ENOMEM:
		return BLOB_FULL;
	}
	return code == -ENOENT ? BLOB_GONE : BLOB_IO;
}

/* ---- files ---- */

int64_t pack_take_id(struct packs *p)
{
	int64_t id;

	pthread_mutex_lock(&p->lock);
	id = p->next_pack++;
	pthread_mutex_unlock(&p->lock);
	return id;
}

void pack_count(struct packs *p, int64_t packs, int64_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->counts.packs += packs;
	p->counts.bytes += bytes;
	pthread_mutex_unlock(&p->lock);
}

/* ---- the table; p->lock is held ---- */

static struct pack_file *find(struct packs *p, int64_t id)
{
	for (struct hash_node *n = hash_first(&p->live, (uint64_t)id); n; n = hash_next(n)) {
		struct pack_file *f = HASH_ENTRY(n, struct pack_file, node);

		if (f->id == id)
			return f;
	}
	return NULL;
}

static struct pack_file *insert(struct packs *p, int64_t id, int fd)
{
	struct pack_file *f = mem_new(struct pack_file);

	f->id = id;
	f->fd = fd;
	list_init(&f->written);
	hash_insert(&p->live, &f->node, (uint64_t)id);
	return f;
}

static struct pack_file *open_file(
    struct packs *p, int64_t id, enum blob_code *code_r, struct err *e)
{
	char name[PACK_NAME_MAX];
	int fd;

	pack_name_put(name, p->dir, id);
	fd = p->fs->ops->open(p->fs, name, O_RDONLY, 0);
	if (fd >= 0)
		return insert(p, id, fd);
	*code_r = pack_fail(e, fd, "open", id);
	return NULL;
}

/* ---- pins ---- */

struct pack_file *pack_pin(struct packs *p, int64_t id, enum blob_code *code_r, struct err *e)
{
	struct pack_file *f;

	pthread_mutex_lock(&p->lock);
	f = find(p, id);
	if (f && f->dropped) {
		*code_r = pack_fail(e, -ENOENT, "open", id);
		f = NULL;
	} else if (!f) {
		f = open_file(p, id, code_r, e);
	}
	if (f)
		f->pins++;
	pthread_mutex_unlock(&p->lock);
	return f;
}

void pack_unpin(struct packs *p, struct pack_file *f)
{
	char name[PACK_NAME_MAX];
	bool last;

	pthread_mutex_lock(&p->lock);
	BUG_ON(f->pins == 0);
	last = --f->pins == 0;
	if (last) {
		hash_remove(&p->live, &f->node);
		pack_name_put(name, p->dir, f->id);
		if (f->dropped)
			(void)p->fs->ops->unlink(p->fs, name); /* else the next start does */
	}
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	p->fs->ops->close(p->fs, f->fd);
	mem_free(f);
}

struct pack_file *pack_adopt(struct packs *p, int64_t id, int fd, int64_t end)
{
	struct pack_file *f;

	pthread_mutex_lock(&p->lock);
	f = insert(p, id, fd);
	f->pins = 1;
	f->end = f->committed = end;
	pthread_mutex_unlock(&p->lock);
	return f;
}

/* ---- new packs ---- */

static int write_head(struct packs *p, int fd, int64_t id)
{
	uint8_t head[PACK_HEAD];
	struct iovec iov = {head, sizeof head};

	pack_head_put(head, &(struct pack_head){id, false});
	return fsio_write_all(p->fs, fd, &iov, 1, 0);
}

enum blob_code pack_sync_dir(struct packs *p, struct err *e)
{
	int code = p->fs->ops->sync_dir(p->fs, p->dir);

	if (code == 0)
		return BLOB_OK;
	err_sys(
	    e, code == -ENOBUFS ? ENOMEM : -code, "packs: cannot sync the directory %s", p->dir);
	return code == -EMFILE || code == -ENFILE || code == -ENOBUFS ? BLOB_FULL : BLOB_IO;
}

/* The file and its name are on the disk; of a sync no failure is harmless, not even a full disk. */
static enum blob_code sync_new(struct packs *p, int fd, int64_t id, struct err *e)
{
	int code = p->fs->ops->sync(p->fs, fd);

	if (code == 0)
		return pack_sync_dir(p, e);
	pack_fail(e, code, "sync", id);
	return BLOB_IO;
}

enum blob_code pack_create(struct packs *p, struct pack_file **file_r, struct err *e)
{
	int64_t id = pack_take_id(p);
	char name[PACK_NAME_MAX];
	enum blob_code code;
	int result, fd;

	pack_name_put(name, p->dir, id);
	fd = p->fs->ops->open(p->fs, name, O_RDWR | O_CREAT | O_EXCL, PACK_FILE_MODE);
	if (fd < 0)
		return pack_fail(e, fd, "create", id);
	result = write_head(p, fd, id);
	code = result < 0 ? pack_fail(e, result, "create", id) : sync_new(p, fd, id, e);
	if (code != BLOB_OK) {
		p->fs->ops->close(p->fs, fd);
		p->fs->ops->unlink(p->fs, name);
		return code;
	}
	*file_r = pack_adopt(p, id, fd, (int64_t)PACK_HEAD);
	pack_count(p, 1, 0);
	return BLOB_OK;
}
