/*
 * The files of the database, in memory: SQLite's layer below, in the place of store/db_vfs.c. Everything
 * is one thread, and no transaction outlives its event, so locks have nothing to do. A file is as its
 * writers left it, whoever of them has died.
 *
 * There is no shared memory, so SQLite keeps a journal in the place of its log: no page is copied to be
 * read.
 */
#include <sqlite3.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "memory.h"
#include "store/db_vfs.h"

#define NAME  "sim"
#define FILES 8
#define ROOM  (INT64_C(256) << 20) /* bytes of each, touched only as far as it is used */

/* What is behind a name. */
struct content {
	char name[32];
	uint8_t *p;
	int64_t n;
};

struct file {
	sqlite3_file base;
	struct content *content;
};

static struct content contents[FILES];

static struct content *of(sqlite3_file *f)
{
	return ((struct file *)(void *)f)->content;
}

static struct content *find(const char *name)
{
	for (size_t i = 0; i < FILES; i++)
		if (contents[i].name[0] && strcmp(contents[i].name, name) == 0)
			return &contents[i];
	return NULL;
}

static struct content *add(const char *name)
{
	struct content *c = contents;

	while (c->name[0])
		MUST(++c < contents + FILES);
	MUST(strlen(name) < sizeof c->name);
	memcpy(c->name, name, strlen(name) + 1);
	c->p = mmap(NULL, (size_t)ROOM, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(c->p != MAP_FAILED);
	return c;
}

/* ---- a file ---- */

static int file_close(sqlite3_file *f)
{
	return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	const struct content *c = of(f);
	int64_t there = c->n - off;

	if (there >= n) {
		memcpy(p, c->p + off, (size_t)n);
		return SQLITE_OK;
	}
	memset(p, 0, (size_t)n);
	if (there > 0)
		memcpy(p, c->p + off, (size_t)there);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	struct content *c = of(f);

	MUST(off + n <= ROOM);
	if (off > c->n)
		memset(c->p + c->n, 0, (size_t)(off - c->n));
	memcpy(c->p + off, p, (size_t)n);
	if (off + n > c->n)
		c->n = off + n;
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	if (n < of(f)->n)
		of(f)->n = n;
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *f, int flags)
{
	return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *n_r)
{
	*n_r = of(f)->n;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int lock)
{
	return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *f, int *reserved_r)
{
	*reserved_r = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *f)
{
	return 4096;
}

static int file_traits(sqlite3_file *f)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Where it stays: a page is read in its place. */
static int file_fetch(sqlite3_file *f, sqlite3_int64 off, int n, void **p_r)
{
	const struct content *c = of(f);

	*p_r = off + n <= c->n ? c->p + off : NULL;
	return SQLITE_OK;
}

static int file_unfetch(sqlite3_file *f, sqlite3_int64 off, void *p)
{
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xFetch = file_fetch,
    .xUnfetch = file_unfetch,
};

/* ---- names ---- */

static int vfs_open(
    sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *flags_r)
{
	struct content *c = find(name ? name : "temporary");

	((struct file *)(void *)f)->content = c ? c : add(name ? name : "temporary");
	f->pMethods = &methods;
	if (flags_r)
		*flags_r = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	struct content *c = find(name);

	if (c)
		c->n = 0;
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *there_r)
{
	const struct content *c = find(name);

	*there_r = c && c->n > 0;
	return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int n, char *full)
{
	MUST((size_t)n > strlen(name));
	memcpy(full, name, strlen(name) + 1);
	return SQLITE_OK;
}

const char *db_vfs_name(void)
{
	static sqlite3_vfs layer;
	const sqlite3_vfs *real;

	if (layer.zName)
		return NAME;
	MUST(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
	MUST(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	MUST(sqlite3_config(SQLITE_CONFIG_MALLOC, sim_memory()) == SQLITE_OK);
	MUST(sqlite3_config(SQLITE_CONFIG_MMAP_SIZE, (sqlite3_int64)ROOM, (sqlite3_int64)ROOM) ==
	     SQLITE_OK);
	MUST(sqlite3_initialize() == SQLITE_OK);
	real = sqlite3_vfs_find(NULL);
	layer = *real;
	layer.iVersion = 2;
	layer.szOsFile = sizeof(struct file);
	layer.pNext = NULL;
	layer.zName = NAME;
	layer.xOpen = vfs_open;
	layer.xDelete = vfs_delete;
	layer.xAccess = vfs_access;
	layer.xFullPathname = vfs_full_name;
	MUST(sqlite3_vfs_register(&layer, 0) == SQLITE_OK);
	return NAME;
}

/* Nobody watches here. */
void db_vfs_hook(db_io_hook *hook, void *ctx)
{
}

/* Nothing fails. */
int db_vfs_errno(void)
{
	return 0;
}

void db_vfs_forget(void)
{
}
