#include "scratch.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[256];
static int origin = -1;

const char *scratch_enter(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(path, sizeof path, "%s/godwit-test-XXXXXX", base);
	origin = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(origin >= 0 && mkdtemp(path) && chdir(path) == 0);
	return path;
}

static int remove_below(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level == 0 ? 0 : remove(name);
}

void scratch_wipe(void)
{
	MUST(nftw(path, remove_below, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

void scratch_leave(void)
{
	scratch_wipe();
	MUST(fchdir(origin) == 0);
	close(origin);
	MUST(rmdir(path) == 0);
}

static void create_schema(struct db *db)
{
	struct buf b;

	buf_init(&b, MIB);
	sql_schema_sqlite(&b, sql_schema());
	MUST(db_begin(db) == DB_OK);
	if (db_script(db, buf_cstr(&b)) != DB_OK)
		mem_bug(__FILE__, __LINE__, db_error(db));
	MUST(db_set_version(db, sql_schema()->version) == DB_OK);
	MUST(db_commit(db) == DB_OK);
	buf_fini(&b);
}

struct db *scratch_db(void)
{
	struct err e = {""};
	struct db *db = NULL;
	bool has = false;

	if (db_open("store.db", DB_WRITER, &db, &e) != DB_OK)
		mem_bug(__FILE__, __LINE__, e.text);
	MUST(db_has_tables(db, &has) == DB_OK);
	if (!has)
		create_schema(db);
	return db;
}
