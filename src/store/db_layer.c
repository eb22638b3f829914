/* The methods that pass on. Where there is no unix file, what they say is true of an empty one. */
#include "store/db_layer.h"

#include "base/mem.h"

sqlite3_vfs *db_layer_unix(const sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct db_layer_file *)(void *)f)->real;
}

int db_layer_close(sqlite3_file *f)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
	sqlite3_file *real = real_of(f);

	*size_r = 0;
	return real ? real->pMethods->xFileSize(real, size_r) : SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xLock(real, level) : SQLITE_OK;
}

static int file_unlock(sqlite3_file *f, int level)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xUnlock(real, level) : SQLITE_OK;
}

static int file_check_lock(sqlite3_file *f, int *result_r)
{
	sqlite3_file *real = real_of(f);

	*result_r = 0;
	return real ? real->pMethods->xCheckReservedLock(real, result_r) : SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xFileControl(real, op, arg) : SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *f)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xSectorSize(real) : 4096;
}

static int file_device(sqlite3_file *f)
{
	sqlite3_file *real = real_of(f);

	return real ? real->pMethods->xDeviceCharacteristics(real) : 0;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
	sqlite3_vfs *below = db_layer_unix(vfs);

	return below->xAccess(below, name, flags, result_r);
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int max, char *out)
{
	size_t n = strlen(name);

	if (n >= (size_t)max)
		return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

void db_layer_init(sqlite3_vfs *vfs, sqlite3_io_methods *methods, const char *name, size_t size)
{
	sqlite3_vfs *below = sqlite3_vfs_find("unix");

	MUST(below);
	*vfs = *below;
	vfs->zName = name;
	vfs->pNext = NULL;
	vfs->pAppData = below;
	vfs->szOsFile = (int)size + below->szOsFile;
	vfs->xAccess = vfs_access;
	vfs->xFullPathname = vfs_full_name;
	*methods = (sqlite3_io_methods){
	    .iVersion =
		2, /* no xFetch: pages are read, not mapped, so that an I/O error is no signal */
	    .xClose = db_layer_close,
	    .xFileSize = file_size,
	    .xLock = file_lock,
	    .xUnlock = file_unlock,
	    .xCheckReservedLock = file_check_lock,
	    .xFileControl = file_control,
	    .xSectorSize = file_sector_size,
	    .xDeviceCharacteristics = file_device,
	};
}
