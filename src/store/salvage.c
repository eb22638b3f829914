/*
 * 1. Nothing of the old database is changed; it is moved to quarantine/ when the new one is complete.
 * 2. salvage.db is under way, and begun anew by the next attempt; salvaged.db is complete and synced, and
 *    whatever interrupts, only has to take its place.
 * 3. Every record with a sound header is in the new index, without a reference: rows that hold it are
 *    counted by the repair. Of several with one id a sound one counts, of those the last.
 * 4. A database that is there and cannot be opened is neither damaged nor gone: nothing is done.
 */
#include "store/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/admin_log.h"
#include "store/datadir.h"
#include "store/migrate.h"
#include "store/pack.h"
#include "store/pack_survey.h"
#include "store/recover.h"
#include "store/quarantine.h"
#include "store/restore.h"
#include "store/salvage_rows.h"

#define UNDER_WAY "salvage.db"

struct work {
	struct salvage *s;
	const char *name; /* of the directory, in sentences */
	struct datadir dir;
	struct salvage_rows rows;
	struct db *db;
	struct blob_store *blobs;
	int64_t *packs;
	size_t npacks;
	int64_t version;     /* of the schema that was made */
	int64_t known_until; /* what is older, and not in the old index, was removed by its owner */
	enum db_code code;   /* of the index */
};

static bool db_good(struct work *w, enum db_code code)
{
	if (code == DB_OK)
		return true;
	err_set(&w->s->err, "the new database cannot be written: %s", db_error(w->db));
	return false;
}

static bool fs_good(struct work *w, int code, const char *what)
{
	if (code >= 0)
		return true;
	err_sys(&w->s->err, -code, "%s", what);
	return false;
}

/* ---- the files ---- */

/* A pack that was set aside comes back, unless its number is taken. */
static void on_orphan(void *ctx, const char *name)
{
	struct work *w = ctx;
	struct fsio *fs = &w->dir.fs;
	int64_t pack = pack_orphan_get(name);
	char from[PACK_NAME_MAX], to[PACK_NAME_MAX];

	if (pack == 0)
		return;
	pack_orphan_put(from, DATADIR_PACKS, pack);
	pack_name_put(to, DATADIR_PACKS, pack);
	if (faccessat(w->dir.dirfd, to, F_OK, 0) == 0)
		w->s->orphans++;
	else
		(void)fs->ops->rename(fs, from, to);
}

static void on_pack(void *ctx, const char *name)
{
	struct work *w = ctx;
	int64_t pack = pack_name_get(name);

	if (pack == 0)
		return;
	w->packs = mem_resize(w->packs, (w->npacks + 1) * sizeof *w->packs);
	w->packs[w->npacks++] = pack;
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool list_packs(struct work *w)
{
	struct fsio *fs = &w->dir.fs;

	if (!fs_good(w, fs->ops->each(fs, DATADIR_PACKS, on_orphan, w), "cannot read packs/") ||
	    !fs_good(w, fs->ops->each(fs, DATADIR_PACKS, on_pack, w), "cannot read packs/"))
		return false;
	if (w->npacks)
		qsort(w->packs, w->npacks, sizeof *w->packs, by_number);
	return true;
}

/* ---- the index ---- */

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct work *w = ctx;

	w->s->records++;
	if (w->code == DB_OK)
		w->code = db_exec(w->db,
		    id_time(r->id) < w->known_until ? SQL_SALVAGE_BLOB_KNOWN : SQL_SALVAGE_BLOB,
		    DB_ARGS(db_int(r->id), db_int(r->pack), db_int(r->offset), db_int(r->length),
			db_int(good)),
		    NULL);
}

/* What was committed counts too where it cannot be read: then it is found to be damaged. */
static bool index_pack(struct work *w, int64_t pack)
{
	struct pack_survey survey = {.on_record = on_record, .ctx = w};
	struct blob_point point = {.pack = pack};
	enum blob_code read;
	bool was_single;

	w->code = db_begin(w->db);
	read = pack_survey(&survey, &w->dir.fs, DATADIR_PACKS, w->blobs, pack, &w->s->err);
	if (read == BLOB_IO || read == BLOB_FULL) {
		(void)db_rollback(w->db);
		return false; /* not of its octets: whoever removes the cause finds them whole */
	}
	salvage_rows_pack(&w->rows, pack, &point.end, &point.generation, &was_single);
	if (point.end > survey.size)
		point.end = survey.size;
	if (point.end < survey.end)
		point.end = survey.end;
	if (point.generation < survey.generation)
		point.generation = survey.generation;
	point.single = survey.has_head ? survey.single : was_single;
	w->s->packs++;
	if (w->code == DB_OK && point.end > (int64_t)PACK_HEAD)
		w->code = recover_put_point(w->db, &point, 0);
	if (w->code == DB_OK)
		w->code = db_commit(w->db);
	return db_good(w, w->code);
}

/*
 * An index that was read in full knows all that was there when the last message it names came, but for
 * what was under way then. Its places count for nothing: the packs tell where a blob lies.
 */
static bool begin_index(struct work *w)
{
	int64_t last = 0;
	enum db_code code = db_begin(w->db);

	if (code == DB_OK)
		code = db_exec(w->db, SQL_SALVAGE_BLOB_NOWHERE, DB_NO_ARGS, NULL);
	if (code == DB_OK)
		code = db_commit(w->db);
	if (code == DB_OK)
		code = db_get_int(w->db, SQL_SALVAGE_LAST, DB_NO_ARGS, &last);
	if (code == DB_ROW && w->rows.has_index && last > 0)
		w->known_until = id_time(last) - DAY_MS;
	return db_good(w, code == DB_ROW ? DB_OK : code);
}

static bool end_index(struct work *w)
{
	enum db_code code = db_begin(w->db);

	if (code == DB_OK)
		code = db_exec(w->db, SQL_SALVAGE_BLOB_LOST, DB_NO_ARGS, NULL);
	if (code == DB_OK)
		code = db_commit(w->db);
	return db_good(w, code);
}

static bool index_packs(struct work *w)
{
	struct pack_config packs = {.fs = &w->dir.fs, .dir = DATADIR_PACKS};
	bool all, good = true;

	if (!begin_index(w))
		return false;
	w->blobs = pack_open_reader(&packs);
	for (size_t i = 0; i < w->npacks && good; i++) {
		int64_t dropped = 0;
		enum db_code code = db_get_int(
		    w->db, SQL_SALVAGE_DROPPED, DB_ARGS(db_int(w->packs[i])), &dropped);

		if (code == DB_ROW)
			continue; /* it was emptied, and only its file is still there */
		good = db_good(w, code) && index_pack(w, w->packs[i]) &&
		       db_good(w, db_checkpoint(w->db, &all));
	}
	blob_store_free(&w->blobs);
	return good && end_index(w);
}

/* ---- the database ---- */

/* Of an attempt that was interrupted. */
static void remove_under_way(struct work *w)
{
	for (const char *const *end = (const char *const[]){"", "-wal", "-shm", NULL}; *end;
	     end++) {
		char name[32];

		snprintf(name, sizeof name, UNDER_WAY "%s", *end);
		(void)w->dir.fs.ops->unlink(&w->dir.fs, name);
	}
}

static bool make_database(struct work *w)
{
	struct buf script;
	enum db_code code;

	remove_under_way(w);
	if (db_open(UNDER_WAY, DB_WRITER, &w->db, &w->s->err) != DB_OK)
		return false;
	buf_init(&script, MIB);
	salvage_rows_schema(&w->rows, &script, &w->version);
	code = db_begin(w->db);
	if (code == DB_OK)
		code = db_script(w->db, buf_cstr(&script));
	if (code == DB_OK)
		code = db_set_version(w->db, w->version);
	if (code == DB_OK)
		code = db_commit(w->db);
	if (code != DB_OK)
		(void)db_good(w, code);
	(void)db_rollback(w->db);
	buf_fini(&script);
	return code == DB_OK;
}

/* It goes on from what the old store was, and is not the same: backups must not mix the two. */
static bool change_identity(struct work *w)
{
	int64_t store = 0;
	enum db_code code = db_get_int(w->db, SQL_META_GET, DB_ARGS(db_text(STR("store"))), &store);

	if (code == DB_ROW)
		code = restore_identity(w->db, store, clock_now());
	return db_good(w, code);
}

static bool write_record(struct work *w)
{
	enum db_code code = db_begin(w->db);

	if (code == DB_OK)
		code = admin_log_renumber(w->db);
	if (code == DB_OK)
		code = admin_log_put(
		    w->db, clock_now(), w->s->who, STR(SALVAGE_BEGUN), 0, &w->s->record);
	if (code == DB_OK)
		code = db_commit(w->db);
	return db_good(w, code);
}

static bool copy_rows(struct work *w)
{
	if (salvage_rows_copy(&w->rows, w->db) != DB_OK) {
		err_set(&w->s->err, "the new database cannot be written: %s", w->rows.err.text);
		return false;
	}
	w->s->rows = w->rows.rows;
	w->s->tables = w->rows.tables;
	return true;
}

/* Rows of an older version; the copy that a migration makes is the old database itself. */
static bool bring_up(struct work *w)
{
	char copy[40];

	if (migrate(w->db, UNDER_WAY, migrations(), sql_schema()->version, &w->s->err) != DB_OK)
		return false;
	snprintf(copy, sizeof copy, UNDER_WAY MIGRATE_KEPT "%d", (int)w->version);
	(void)w->dir.fs.ops->unlink(&w->dir.fs, copy);
	return true;
}

static bool seal(struct work *w)
{
	struct fsio *fs = &w->dir.fs;
	int fd, code;

	db_close(&w->db); /* the last one: the log goes into it */
	if (faccessat(w->dir.dirfd, UNDER_WAY "-wal", F_OK, 0) == 0) {
		err_set(&w->s->err, "the new database cannot be completed; run this again");
		return false;
	}
	fd = fs->ops->open(fs, UNDER_WAY, O_RDWR, 0);
	code = fd < 0 ? fd : fs->ops->sync(fs, fd);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code >= 0)
		code = fs->ops->rename(fs, UNDER_WAY, DATADIR_SALVAGED);
	if (code >= 0)
		code = fs->ops->sync_dir(fs, ".");
	return fs_good(w, code, "the new database cannot be completed");
}

static void say_unopened(struct work *w, const char *file, int code)
{
	struct stat dir;

	if ((code == EACCES || code == EPERM) && fstat(w->dir.dirfd, &dir) == 0)
		err_set(&w->s->err,
		    "nothing was changed: %s is there, but the owner of %s may not read it; as root, there, "
		    "run chown %u:%u %s and chmod 600 %s, then run this again",
		    file, w->name, (unsigned)dir.st_uid, (unsigned)dir.st_gid, file, file);
	else
		err_set(&w->s->err,
		    "nothing was changed: %s is there, but cannot be opened: %s; mend that and run this "
		    "again, or move the file out of %s first to go on without it",
		    file, err_reason(code), w->name);
}

/* A link is refused here as it is where databases are opened, for what it leads to may be a good one. */
static bool has_link(struct work *w)
{
	struct err e;

	if (!db_has_link(DATADIR_DB, &e))
		return false;
	err_set(&w->s->err, "nothing was changed: %s", e.text);
	return true;
}

/* Nothing that is there makes the opening wait. */
static bool may_open(struct work *w, const char *file)
{
	int fd = openat(
	    w->dir.dirfd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int code = fd < 0 ? errno : 0;
	struct stat st;

	if (code == 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
		code = EISDIR;
	if (fd >= 0)
		close(fd); /* nobody has a lock on it yet */
	if (code == 0 || code == ENOENT)
		return true;
	say_unopened(w, file, code);
	return false;
}

static bool build(struct work *w)
{
	bool good;

	if (has_link(w) || !may_open(w, DATADIR_DB) || !may_open(w, DATADIR_DB "-wal"))
		return false;
	if (!salvage_rows_open(&w->rows, DATADIR_DB)) {
		w->s->err = w->rows.err;
		return false;
	}
	good = list_packs(w) && make_database(w) && copy_rows(w) && bring_up(w) && index_packs(w) &&
	       change_identity(w) && write_record(w) && seal(w);
	salvage_rows_close(&w->rows);
	if (w->db)
		db_distrust(w->db);
	db_close(&w->db);
	mem_free(w->packs);
	return good;
}

/* ---- in its place ---- */

/*
 * The database goes before its log, so that nobody takes it for whole without; an attempt that was
 * interrupted in between leaves names that differ by the time.
 */
static bool take_place(struct work *w)
{
	struct fsio *fs = &w->dir.fs;
	int64_t now = clock_now();
	int code = fs->ops->make_dir(fs, QUARANTINE, 0700);

	code = code == -EEXIST ? 0 : code;
	if (code >= 0)
		code = fs->ops->sync_dir(fs, "."); /* before the old one is moved there */
	for (const char *const *end = (const char *const[]){"", "-wal", "-shm", NULL};
	     *end && code >= 0; end++) {
		char from[32], to[80];

		snprintf(from, sizeof from, DATADIR_DB "%s", *end);
		snprintf(to, sizeof to, QUARANTINE "/" DATADIR_DB ".%lld%s", (long long)now, *end);
		code = fs->ops->rename(fs, from, to);
		code = code == -ENOENT ? 0 : code;
	}
	if (code >= 0)
		code = fs->ops->sync_dir(fs, QUARANTINE);
	if (code >= 0)
		code = fs->ops->rename(fs, DATADIR_SALVAGED, DATADIR_DB);
	if (code >= 0)
		code = fs->ops->sync_dir(fs, ".");
	return fs_good(w, code, "the new database cannot take the place of the old one");
}

static bool run(struct work *w)
{
	if (faccessat(w->dir.dirfd, DATADIR_SALVAGED, F_OK, 0) != 0 && !build(w))
		return false;
	if (!take_place(w))
		return false;
	remove_under_way(w);
	return true;
}

bool salvage_run(struct salvage *s, const char *path, const char *name)
{
	struct work *w = mem_new(struct work);
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good;

	*s = (struct salvage){.who = s->who};
	w->s = s;
	w->name = name;
	good = datadir_open(path, name, getpid(), &w->dir, &s->err) == DATADIR_OK;
	if (good) {
		good = run(w);
		datadir_close(&w->dir);
	}
	if (here >= 0 && fchdir(here) != 0 && good)
		good = err_set(&s->err,
			   "cannot go back to the directory the command was called in") == 0;
	if (here >= 0)
		close(here);
	mem_free(w);
	return good;
}
