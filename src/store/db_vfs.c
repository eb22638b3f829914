/*
 * A thin layer over SQLite's unix files. Each file is ours in front and the unix one behind it in
 * the same allocation; each method asks the hook and passes on. Locks and shared memory are
 * passed on as they are.
 */
#include "store/db_vfs.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>

struct file {
	sqlite3_file base;
	const char *name; /* SQLite's own; lives as long as the file is open */
	sqlite3_file *real;
};

static struct {
	pthread_once_t once;
	sqlite3_vfs *unix_vfs;
	sqlite3_vfs vfs;
	db_io_hook *hook;
	void *ctx;
} layer = {.once = PTHREAD_ONCE_INIT};

static _Thread_local int last_errno;

/* Keeps the reason of a failure that is no end of a file. */
static int noted(int rc)
{
	if (rc != SQLITE_OK)
		last_errno = errno;
	return rc;
}

static int ask(const struct db_io *io)
{
	return layer.hook ? layer.hook(layer.ctx, io) : SQLITE_OK;
}

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return file_of(f)->real;
}

static int file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	int rc = ask(&(struct db_io){DB_IO_READ, file_of(f)->name, NULL, n, off});

	return rc ? rc : real_of(f)->pMethods->xRead(real_of(f), p, n, off);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	int rc = ask(&(struct db_io){DB_IO_WRITE, file_of(f)->name, p, n, off});

	return rc ? rc : noted(real_of(f)->pMethods->xWrite(real_of(f), p, n, off));
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = ask(&(struct db_io){DB_IO_TRUNCATE, file_of(f)->name, NULL, size, 0});

	return rc ? rc : noted(real_of(f)->pMethods->xTruncate(real_of(f), size));
}

static int file_sync(sqlite3_file *f, int flags)
{
	int rc = ask(&(struct db_io){DB_IO_SYNC, file_of(f)->name, NULL, 0, 0});

	return rc ? rc : noted(real_of(f)->pMethods->xSync(real_of(f), flags));
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size_r);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_check_lock(sqlite3_file *f, int *result_r)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), result_r);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector_size(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p_r)
{
	int rc = extend ? ask(&(struct db_io){DB_IO_SHM, file_of(f)->name, NULL, size, page}) : 0;

	return rc ? rc : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p_r);
}

static int file_shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), off, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int file_shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no xFetch: pages are read, not mapped, so that an I/O error is no signal */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_r)
{
	struct file *file = file_of(f);
	int rc = ask(&(struct db_io){DB_IO_OPEN, name ? name : "", NULL, 0, 0});

	file->base.pMethods = NULL;
	file->name = name ? name : "";
	file->real = (sqlite3_file *)(void *)(file + 1);
	if (rc == SQLITE_OK)
		rc = noted(layer.unix_vfs->xOpen(layer.unix_vfs, name, file->real, flags, flags_r));
	if (rc == SQLITE_OK)
		file->base.pMethods = &methods;
	return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	int rc = ask(&(struct db_io){DB_IO_DELETE, name, NULL, 0, 0});

	return rc ? rc : layer.unix_vfs->xDelete(layer.unix_vfs, name, sync_dir);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
	return layer.unix_vfs->xAccess(layer.unix_vfs, name, flags, result_r);
}

/* As it is: the process has its working directory in the data directory and may see no more. */
static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int max, char *out)
{
	size_t n = strlen(name);

	if (n >= (size_t)max)
		return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

static void register_layer(void)
{
	/* Without statistics an allocation takes no global lock; refused when SQLite runs already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	layer.unix_vfs = sqlite3_vfs_find("unix");
	MUST(layer.unix_vfs);
	layer.vfs = *layer.unix_vfs;
	layer.vfs.zName = "godwit";
	layer.vfs.pNext = NULL;
	layer.vfs.szOsFile = (int)sizeof(struct file) + layer.unix_vfs->szOsFile;
	layer.vfs.xOpen = vfs_open;
	layer.vfs.xDelete = vfs_delete;
	layer.vfs.xAccess = vfs_access;
	layer.vfs.xFullPathname = vfs_full_name;
	MUST(sqlite3_vfs_register(&layer.vfs, 0) == SQLITE_OK);
}

const char *db_vfs_name(void)
{
	MUST(pthread_once(&layer.once, register_layer) == 0);
	return layer.vfs.zName;
}

int db_vfs_errno(void)
{
	return last_errno;
}

void db_vfs_hook(db_io_hook *hook, void *ctx)
{
	layer.hook = hook;
	layer.ctx = ctx;
}
