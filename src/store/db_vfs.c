/*
 * A thin layer over SQLite's unix files: what changes a file or reads it asks the hook before it is passed on, as
 * all else is. What SQLite keeps to itself is found out below it: why a file could not be opened, and whether the
 * shared memory can be written to.
 */
#include "store/db_vfs.h"

#include "base/mem.h"
#include "store/db_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct file {
	struct db_layer_file below;
	const char *name; /* SQLite's own; lives as long as the file is open */
};

static struct {
	pthread_once_t once;
	sqlite3_vfs vfs;
	sqlite3_io_methods methods;
	db_io_hook *hook;
	void *ctx;
} layer = {.once = PTHREAD_ONCE_INIT};

static _Thread_local int first_errno;

/* The first failure is the reason of those that follow. */
static void note_errno(void)
{
	if (!first_errno)
		first_errno = errno;
}

/* Keeps the reason of a failure that is no end of a file. */
static int noted(int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
		note_errno();
	return rc;
}

static int ask(const struct db_io *io)
{
	errno = 0;
	return layer.hook ? noted(layer.hook(layer.ctx, io)) : SQLITE_OK;
}

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return file_of(f)->below.real;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	int rc = ask(&(struct db_io){DB_IO_READ, file_of(f)->name, NULL, n, off});

	return rc ? rc : noted(real_of(f)->pMethods->xRead(real_of(f), p, n, off));
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

/*
 * SQLite makes the file larger by an octet for each 4096. Where blocks are smaller the others are holes then, and
 * writing into one that a full disk has no block for is a signal. A kernel before 5.14 refuses with EINVAL.
 */
static bool fill_holes(volatile void *p, int size)
{
	uintptr_t at = (uintptr_t)p, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = at - at % page;

	return madvise((void *)from, at + (uintptr_t)size - from, MADV_POPULATE_WRITE) == 0 ||
	       errno != EFAULT;
}

/* What is mapped by a call that failed here is there at the next one: each call fills. */
static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p_r)
{
	int rc = extend ? ask(&(struct db_io){DB_IO_SHM, file_of(f)->name, NULL, size, page}) : 0;

	if (rc == SQLITE_OK)
		rc = noted(real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p_r));
	if (rc != SQLITE_OK || !*p_r || fill_holes(*p_r, size))
		return rc;
	*p_r = NULL;
	errno = ENOSPC;
	return noted(SQLITE_IOERR_SHMSIZE);
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

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_r)
{
	sqlite3_vfs *below = db_layer_unix(vfs);
	struct file *file = file_of(f);
	sqlite3_file *real = (sqlite3_file *)(void *)(file + 1);
	int rc = ask(&(struct db_io){DB_IO_OPEN, name ? name : "", NULL, 0, 0});

	*file = (struct file){.below.real = real, .name = name ? name : ""};
	if (rc == SQLITE_OK)
		rc = noted(below->xOpen(below, name, real, flags, flags_r));
	if (rc == SQLITE_OK)
		f->pMethods = &layer.methods;
	return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	sqlite3_vfs *below = db_layer_unix(vfs);
	int rc = ask(&(struct db_io){DB_IO_DELETE, name, NULL, 0, 0});

	if (rc == SQLITE_OK)
		rc = below->xDelete(below, name, sync_dir);
	return rc == SQLITE_IOERR_DELETE_NOENT ? rc : noted(rc);
}

/* For SQLite, which tries to open a file in other ways after the first, and has the errno of the last. */
static int open_noted(const char *name, int flags, int mode)
{
	int fd = open(name, flags, mode);

	if (fd < 0)
		note_errno();
	return fd;
}

static void note_opens(sqlite3_vfs *below)
{
	if (below->iVersion >= 3 && below->xSetSystemCall)
		MUST(below->xSetSystemCall(below, "open", (sqlite3_syscall_ptr)open_noted) ==
		     SQLITE_OK);
}

static void register_layer(void)
{
	/* Without statistics an allocation takes no global lock; refused when SQLite runs already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	db_layer_init(&layer.vfs, &layer.methods, "godwit", sizeof(struct file));
	layer.vfs.xOpen = vfs_open;
	layer.vfs.xDelete = vfs_delete;
	layer.methods.xRead = file_read;
	layer.methods.xWrite = file_write;
	layer.methods.xTruncate = file_truncate;
	layer.methods.xSync = file_sync;
	layer.methods.xShmMap = file_shm_map;
	layer.methods.xShmLock = file_shm_lock;
	layer.methods.xShmBarrier = file_shm_barrier;
	layer.methods.xShmUnmap = file_shm_unmap;
	note_opens(db_layer_unix(&layer.vfs));
	MUST(sqlite3_vfs_register(&layer.vfs, 0) == SQLITE_OK);
}

const char *db_vfs_name(void)
{
	MUST(pthread_once(&layer.once, register_layer) == 0);
	return layer.vfs.zName;
}

int db_vfs_errno(void)
{
	return first_errno;
}

void db_vfs_forget(void)
{
	first_errno = 0;
}

void db_vfs_hook(db_io_hook *hook, void *ctx)
{
	layer.hook = hook;
	layer.ctx = ctx;
}
