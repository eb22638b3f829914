/*
 * SQLite's "unix" layer on memory.c: db_vfs.c looks for a layer of that name and finds this one. It says
 * of itself what the real one does, and locks as that does, between the connections of one process.
 */
#include "memory_internal.h"

#include "base/mem.h"

#include <sqlite3.h>

#define REGIONS 64

struct memory_lock {
	unsigned nshared; /* connections that hold at least SHARED */
	const void *reserved, *exclusive;
	unsigned shm_shared[SQLITE_SHM_NLOCK];
	bool shm_exclusive[SQLITE_SHM_NLOCK];
	unsigned shm_open;
	void *regions[REGIONS];
	size_t nregions;
};

struct handle {
	sqlite3_file base;
	struct memory_file *f;
	char path[MEMORY_PATH]; /* to be removed when it is closed; else empty */
	int level;
	bool has_shm;
	uint16_t shared, exclusive; /* masks of shm locks */
};

static struct handle *handle_of(sqlite3_file *f)
{
	return (struct handle *)(void *)f;
}

static struct memory_lock *lock_of(sqlite3_file *f)
{
	struct memory_file *m = handle_of(f)->f;

	if (!m->lock)
		m->lock = mem_new(struct memory_lock);
	return m->lock;
}

void memory_lock_free(struct memory_lock **lock)
{
	if (!*lock)
		return;
	for (size_t i = 0; i < (*lock)->nregions; i++)
		mem_free((*lock)->regions[i]);
	mem_free(*lock);
	*lock = NULL;
}

/* ---- octets ---- */

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	size_t got = memory_read(handle_of(f)->f, p, (size_t)n, (size_t)off);

	if (got == (size_t)n)
		return SQLITE_OK;
	memset((char *)p + got, 0, (size_t)n - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	memory_write(handle_of(f)->f, p, (size_t)n, (size_t)off);
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	memory_resize(handle_of(f)->f, (size_t)size);
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *f, int flags)
{
	return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
	*size_r = (sqlite3_int64)memory_size(handle_of(f)->f);
	return SQLITE_OK;
}

/* ---- locks ---- */

static int file_lock(sqlite3_file *f, int level)
{
	struct memory_lock *l = lock_of(f);
	struct handle *h = handle_of(f);

	if (level <= h->level)
		return SQLITE_OK;
	if (l->exclusive && l->exclusive != f)
		return SQLITE_BUSY;
	if (level >= SQLITE_LOCK_RESERVED && l->reserved && l->reserved != f)
		return SQLITE_BUSY;
	if (level == SQLITE_LOCK_EXCLUSIVE && l->nshared > 1)
		return SQLITE_BUSY;
	l->nshared += h->level == SQLITE_LOCK_NONE;
	if (level >= SQLITE_LOCK_RESERVED)
		l->reserved = f;
	if (level == SQLITE_LOCK_EXCLUSIVE)
		l->exclusive = f;
	h->level = level;
	return SQLITE_OK;
}

static int file_unlock(sqlite3_file *f, int level)
{
	struct memory_lock *l = lock_of(f);
	struct handle *h = handle_of(f);

	if (level >= h->level)
		return SQLITE_OK;
	if (l->exclusive == f)
		l->exclusive = NULL;
	if (l->reserved == f)
		l->reserved = NULL;
	l->nshared -= level == SQLITE_LOCK_NONE;
	h->level = level;
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *f, int *result_r)
{
	*result_r = lock_of(f)->reserved != NULL;
	return SQLITE_OK;
}

static int shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **p_r)
{
	struct memory_lock *l = lock_of(f);

	l->shm_open += !handle_of(f)->has_shm;
	handle_of(f)->has_shm = true;
	MUST(region < REGIONS);
	while (extend && l->nregions <= (size_t)region)
		l->regions[l->nregions++] = mem_alloc((size_t)size);
	*p_r = (size_t)region < l->nregions ? l->regions[region] : NULL;
	return SQLITE_OK;
}

static void shm_release(struct memory_lock *l, struct handle *h, int i)
{
	uint16_t bit = (uint16_t)(1u << i);

	if (h->shared & bit)
		l->shm_shared[i]--;
	if (h->exclusive & bit)
		l->shm_exclusive[i] = false;
	h->shared = (uint16_t)(h->shared & ~bit);
	h->exclusive = (uint16_t)(h->exclusive & ~bit);
}

static bool shm_may(const struct memory_lock *l, const struct handle *h, int i, bool exclusive)
{
	bool own = h->shared >> i & 1;

	if (h->exclusive >> i & 1)
		return true;
	return !l->shm_exclusive[i] && (!exclusive || l->shm_shared[i] == own);
}

static int shm_lock(sqlite3_file *f, int first, int n, int flags)
{
	struct memory_lock *l = lock_of(f);
	struct handle *h = handle_of(f);
	bool exclusive = flags & SQLITE_SHM_EXCLUSIVE, lock = flags & SQLITE_SHM_LOCK;

	for (int i = first; lock && i < first + n; i++) {
		if (!shm_may(l, h, i, exclusive))
			return SQLITE_BUSY;
	}
	for (int i = first; i < first + n; i++) {
		uint16_t bit = (uint16_t)(1u << i);

		shm_release(l, h, i);
		if (lock && exclusive) {
			l->shm_exclusive[i] = true;
			h->exclusive |= bit;
		} else if (lock) {
			l->shm_shared[i]++;
			h->shared |= bit;
		}
	}
	return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *f)
{
}

static int shm_unmap(sqlite3_file *f, int remove)
{
	struct memory_lock *l = lock_of(f);
	struct handle *h = handle_of(f);

	if (!h->has_shm)
		return SQLITE_OK;
	for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
		shm_release(l, h, i);
	h->has_shm = false;
	if (--l->shm_open > 0)
		return SQLITE_OK;
	for (size_t i = 0; i < l->nregions; i++)
		mem_free(l->regions[i]);
	l->nregions = 0;
	return SQLITE_OK;
}

/* ---- the rest ---- */

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *f)
{
	return 4096;
}

static int file_device(sqlite3_file *f)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_close(sqlite3_file *f)
{
	struct handle *h = handle_of(f);

	(void)file_unlock(f, SQLITE_LOCK_NONE);
	if (h->path[0])
		(void)memory_unname(h->path);
	memory_close(h->f);
	h->base.pMethods = NULL;
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
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
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_r)
{
	struct handle *h = handle_of(f);
	char path[MEMORY_PATH] = "";
	struct memory_file *m;

	if (name)
		memory_resolve(name, path);
	m = name ? memory_find(path) : NULL;
	*h = (struct handle){0};
	if (!m && name && !(flags & SQLITE_OPEN_CREATE))
		return SQLITE_CANTOPEN;
	if (!m) {
		m = memory_make();
		if (name)
			memory_name(path, m);
	}
	memory_open(m);
	h->f = m;
	if (name && (flags & SQLITE_OPEN_DELETEONCLOSE))
		snprintf(h->path, sizeof h->path, "%s", path);
	h->base.pMethods = &methods;
	if (flags_r)
		*flags_r = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	char path[MEMORY_PATH];

	memory_resolve(name, path);
	return memory_unname(path) ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

/* As the real one: an empty file is not there. */
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
	struct memory_file *m;
	char path[MEMORY_PATH];

	memory_resolve(name, path);
	m = memory_find(path);
	*result_r = m && (flags != SQLITE_ACCESS_EXISTS || memory_size(m) > 0);
	return SQLITE_OK;
}

static uint32_t chance;

static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
	memset(out, 17, (size_t)n);
	if (n >= (int)sizeof chance)
		memcpy(out, &chance, sizeof chance);
	return n;
}

/* ---- taking its place ---- */

static sqlite3_vfs layer;

static void begin_layer(uint32_t seed)
{
	sqlite3_vfs *real;

	MUST(!layer.zName);
	/* Most of the time goes into preparing statements; one thread, and room for their parts. */
	(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 512, 4000);
	MUST(sqlite3_initialize() == SQLITE_OK);
	real = sqlite3_vfs_find("unix");
	MUST(real);
	layer = *real;
	layer.pNext = NULL;
	layer.xRandomness = vfs_random;
	chance = seed;
}

void memory_fix_chance(uint32_t seed)
{
	begin_layer(seed);
	MUST(sqlite3_vfs_register(&layer, 1) == SQLITE_OK);
}

void memory_take_sqlite(uint32_t seed)
{
	if (layer.zName) /* the explorer in a process of the explorer */
		return;
	begin_layer(seed);
	layer.szOsFile = (int)sizeof(struct handle);
	layer.xOpen = vfs_open;
	layer.xDelete = vfs_delete;
	layer.xAccess = vfs_access;
	MUST(sqlite3_vfs_register(&layer, 1) == SQLITE_OK);
}
