/*
 * Opening and closing of the whole store, in the one order that is right: lock, database, packs,
 * writer, readers, passwords; and back. Offline the lane has no thread of its own and every request
 * is done when the call returns.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/forward.h"
#include "store/history.h"
#include "store/log_rewrite.h"
#include "store/maintain.h"
#include "store/migrate.h"
#include "store/recover.h"

#define ROOM_CHECK_MS SECOND_MS
#define LOG           DATADIR_DB "-wal"

struct store_config store_defaults(enum store_mode mode)
{
	return (struct store_config){
	    .mode = mode,
	    .holder = getpid(),
	    .directory = {.separator = '+'},
	    .admit = {.total = 10000,
		.per_address = 50,
		.per_network = 200,
		.rate = 0,
		.auth_failures = 10,
		.ban_ms = 10 * MINUTE_MS},
	    .sessions_max = 20000,
	    .readers = 2,
	    .undelete_ms = 14 * DAY_MS,
	    .min_free = (int64_t)(256 * MIB),
	};
}

/* ---- the database ---- */

static bool has_schema(struct db *db)
{
	int64_t value;

	return db_get_int(db, SQL_META_GET, DB_ARGS(db_text(STR("account"))), &value) == DB_ROW;
}

static enum db_code create_schema(struct db *db)
{
	struct buf script;
	enum db_code code = db_begin(db);

	buf_init(&script, MIB);
	sql_schema_sqlite(&script, sql_schema());
	if (code == DB_OK)
		code = db_script(db, buf_cstr(&script));
	if (code == DB_OK)
		code = db_set_version(db, sql_schema()->version);
	if (code == DB_OK)
		code = db_commit(db);
	db_rollback(db);
	buf_fini(&script);
	return code;
}

/* Of a call to the system: 0, or negative errno. */
static enum db_code code_of(int code)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return DB_FULL;
	return code < 0 ? DB_IO : DB_OK;
}

/* Before anything is built on what the log holds; where files are copied when written that too needs room. */
static enum db_code make_log_durable(struct store *s, struct err *e)
{
	int code;

	if (!db_is_there(LOG))
		return DB_OK;
	if (db_is_foreign(DATADIR_DB, e))
		return DB_CORRUPT;
	code = log_rewrite(&s->dir.fs, LOG, e);
	if (code == -ELOOP)
		(void)db_has_link(DATADIR_DB, e); /* says more */
	return code_of(code);
}

/* It was there: its log, which SQLite removes where it makes a new one, one that is to be it, or mail that it told of. */
static bool has_lost_database(struct store *s)
{
	return db_is_there(LOG) || db_is_there(DATADIR_SALVAGED) ||
	       pack_is_content_in(&s->dir.fs, DATADIR_PACKS);
}

/*
 * The writer. Its schema is made only when the store is: an empty database beside packs has lost what
 * it held, and beginning anew would free the packs.
 */
static enum db_code open_database(struct store *s, bool create, struct err *e)
{
	enum db_code code;

	if (!db_is_there(DATADIR_DB) && (!create || has_lost_database(s))) {
		err_set(e,
		    "the database " DATADIR_DB
		    " is missing or empty; put it back where it was, or stop everything that uses it and run"
		    " `godwit store salvage ADDRESS`, which makes it anew from what " DATADIR_PACKS
		    " holds, or restore it from a backup");
		return DB_CORRUPT;
	}
	code = make_log_durable(s, e);
	if (code == DB_OK)
		code = db_open(DATADIR_DB, DB_WRITER, &s->db, e);
	if (code != DB_OK)
		return code;
	if (has_schema(s->db))
		return migrate(s->db, DATADIR_DB, migrations(), sql_schema()->version, e);
	if (!create) {
		err_set(e,
		    "the database " DATADIR_DB " is damaged; stop everything that uses it and run"
		    " `godwit store salvage ADDRESS`, or restore it from a backup");
		return DB_CORRUPT;
	}
	code = create_schema(s->db);
	if (code != DB_OK)
		err_set(e, "cannot make the database: %s", db_error(s->db));
	return code;
}

/* What the store itself has to hold, by its configuration and for ever. */
static enum db_code set_up(struct store *s, struct err *e)
{
	enum db_code code = db_begin(s->db);

	if (code == DB_OK)
		code = quota_set_defaults(s->db, &s->cfg.quota);
	if (code == DB_OK)
		code = forward_key_make(s->db);
	if (code == DB_OK)
		code = history_identify(s->db);
	if (code == DB_OK)
		code = maintain_begin(s->db, s->cfg.undelete_ms, clock_now());
	if (code == DB_OK)
		code = db_commit(s->db);
	if (code != DB_OK)
		err_set(e,
		    "cannot put the quota of the configuration in force, or make the key of"
		    " return addresses: %s%s",
		    db_error(s->db), db_cure(s->db));
	db_rollback(s->db);
	return code;
}

/* ---- opening ---- */

/* In the lane's thread. */
static bool make_room(void *ctx)
{
	struct store *s = ctx;
	bool made;

	pthread_mutex_lock(&s->room_lock);
	made = datadir_release_reserve(&s->dir);
	pthread_mutex_unlock(&s->room_lock);
	return made;
}

static bool open_lane(struct store *s, int64_t sequence, struct err *e)
{
	struct lane_thread_config cfg = {
	    .lane = {.db = s->db,
		.blobs = s->blobs,
		.sequence = sequence,
		.make_room = make_room,
		.ctx = s},
	    .wake = s->cfg.wake,
	    .wake_ctx = s->cfg.wake_ctx,
	};

	if (s->cfg.mode == STORE_SERVER)
		s->lane_thread = lane_thread_new(&cfg, e);
	else
		s->lane = lane_new(&cfg.lane);
	return s->lane_thread || s->lane;
}

static bool open_readers(struct store *s, struct err *e)
{
	struct reader_pool_config readers = {.db_name = DATADIR_DB,
	    .threads = s->cfg.readers,
	    .wake = s->cfg.wake,
	    .wake_ctx = s->cfg.wake_ctx};
	struct password_config passwords = {.queue_total = 4000,
	    .queue_per_network = 1000, /* a house behind one address: half a minute of work */
	    .cache_entries = 10000,
	    .cache_ms = HOUR_MS,
	    .wake = s->cfg.wake,
	    .wake_ctx = s->cfg.wake_ctx};

	if (s->cfg.mode == STORE_OFFLINE)
		return true;
	s->readers = reader_pool_new(&readers, e);
	if (!s->readers)
		return false;
	s->passwords = password_new(&passwords);
	if (!s->passwords)
		err_set(e, "cannot start the thread that checks passwords");
	return s->passwords != NULL;
}

/*
 * Where it is missing, and only where nothing was in it: an empty one would make a store of which all mail is
 * lost look whole.
 */
static enum db_code make_packs(struct store *s, struct err *e)
{
	struct fsio *fs = &s->dir.fs;
	int code;

	if (faccessat(fs->dirfd, DATADIR_PACKS, F_OK, 0) == 0)
		return DB_OK;
	if (recover_knows_content(s->db)) {
		err_set(e,
		    "the folder " DATADIR_PACKS " is missing, and the database " DATADIR_DB
		    " knows of mail in it: put it back where it was, or bring back a backup; without either, "
		    "make it, empty, for the owner of the directory, and run `godwit store repair`");
		return DB_CORRUPT;
	}
	code = fs->ops->make_dir(fs, DATADIR_PACKS, 0700);
	if (code == 0)
		code = fs->ops->sync_dir(fs, ".");
	if (code < 0)
		err_sys(e, -code, "cannot make the directory " DATADIR_PACKS);
	return code_of(code);
}

static enum db_code open_all(struct store *s, bool create, struct err *e)
{
	struct pack_config packs = {
	    .fs = &s->dir.fs, .dir = DATADIR_PACKS, .pack_size = s->cfg.pack_size};
	int64_t sequence;
	enum db_code code = open_database(s, create, e);

	if (code == DB_OK)
		code = make_packs(s, e);
	if (code != DB_OK)
		return code;
	(void)s->dir.fs.ops->unlink(
	    &s->dir.fs, DATADIR_COPY); /* of a backup that a crash broke off */
	code = set_up(s, e);
	if (code == DB_OK)
		code = recover_packs(s->db, &packs, &s->blobs, &sequence, e);
	if (code == DB_OK && !(open_lane(s, sequence, e) && open_readers(s, e)))
		code = DB_IO;
	return code;
}

/* On a full disk even opening needs room, at any point: the reserve is for that too. */
static bool open_with_reserve(struct store *s, bool create, struct err *e)
{
	enum db_code code = open_all(s, create, e);

	if (code == DB_FULL && datadir_release_reserve(&s->dir)) {
		blob_store_free(&s->blobs);
		db_close(&s->db);
		code = open_all(s, create, e);
	}
	return code == DB_OK;
}

static struct store *open_store(const char *path, const struct store_config *cfg, bool create,
    enum datadir_code *code_r, struct err *e)
{
	struct store *s = mem_new(struct store);

	s->cfg = *cfg;
	*code_r = DATADIR_FAILED;
	if (sodium_init() >= 0)
		*code_r = datadir_open(path, cfg->name ? cfg->name : path, cfg->holder, &s->dir, e);
	if (*code_r != DATADIR_OK) {
		mem_free(s);
		return NULL;
	}
	pthread_mutex_init(&s->room_lock, NULL);
	s->admit = admit_new(&s->cfg.admit);
	session_table_init(&s->sessions, s->cfg.sessions_max);
	list_init(&s->importing);
	if (open_with_reserve(s, create, e))
		return s;
	*code_r = DATADIR_FAILED;
	store_close(&s);
	return NULL;
}

struct store *store_open(
    const char *path, const struct store_config *cfg, enum datadir_code *code_r, struct err *e)
{
	return open_store(path, cfg, false, code_r, e);
}

void store_close(struct store **sp)
{
	struct store *s = *sp;

	if (!s)
		return;
	password_free(&s->passwords);
	reader_pool_stop(&s->readers);
	lane_thread_stop(&s->lane_thread);
	lane_free(&s->lane);
	session_table_fini(&s->sessions);
	admit_free(&s->admit);
	blob_store_free(&s->blobs);
	db_close(&s->db);
	pthread_mutex_destroy(&s->room_lock);
	datadir_close(&s->dir);
	mem_free(s);
	*sp = NULL;
}

/* Opens it once, as its owner, so that everything is there: also after a crash in the middle of that. */
static enum datadir_code complete(const char *path, struct err *e)
{
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	struct datadir_self self;
	enum datadir_code code;
	struct store *s;

	cfg.name = path;
	if (chdir(path) < 0) {
		err_sys(e, errno, "cannot enter the data directory %s", path);
		return DATADIR_MISSING;
	}
	if (datadir_become_owner(AT_FDCWD, &self, e) < 0)
		return DATADIR_FAILED;
	s = open_store(".", &cfg, true, &code, e);
	store_close(&s);
	datadir_become_self(&self);
	return code;
}

enum datadir_code store_create(const char *path, struct err *e)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum datadir_code code = datadir_create(path, e);

	if (code == DATADIR_OK)
		code = complete(path, e);
	if (here >= 0 && fchdir(here) != 0 && code == DATADIR_OK) {
		err_set(e, "cannot go back to the directory the command was called in");
		code = DATADIR_FAILED;
	}
	if (here >= 0)
		close(here);
	return code;
}

/* ---- requests ---- */

void store_write(struct store *s, struct lane_op *op)
{
	if (s->lane_thread)
		lane_thread_submit(s->lane_thread, op);
	else
		lane_run_one(s->lane, op, clock_now());
}

void store_read(struct store *s, struct reader_op *op)
{
	if (s->readers) {
		reader_pool_submit(s->readers, op);
		return;
	}
	reader_run(op, s->db);
	op->done(op);
}

/* On the caller's thread. */
static void work_now(struct password_job *job)
{
	struct str password = str_of(job->password, job->password_n);

	if (job->kind == PASSWORD_HASH)
		job->result = password_hash(password, job->hash) ? PASSWORD_GOOD : PASSWORD_BUSY;
	else
		job->result = job->hash[0] && password_verify(job->hash, password) ? PASSWORD_GOOD
										   : PASSWORD_BAD;
	password_job_wipe(job);
}

bool store_password(struct store *s, struct password_job *job)
{
	if (s->passwords)
		return password_submit(s->passwords, job, clock_mono());
	work_now(job);
	return true;
}

void store_reap(struct store *s)
{
	if (s->lane_thread)
		lane_thread_reap(s->lane_thread);
	if (s->readers)
		reader_pool_reap(s->readers);
	if (s->passwords)
		password_collect(s->passwords, clock_mono());
}

static enum accept_class look_for_room(struct store *s)
{
	struct lane_stats lane;
	enum datadir_room room;
	struct err why;

	store_lane_stats(s, &lane);
	if (lane.closed || blob_has_failed(s->blobs, &why))
		return ACCEPT_CLOSED;
	pthread_mutex_lock(&s->room_lock);
	room = datadir_room(&s->dir, s->cfg.min_free);
	pthread_mutex_unlock(&s->room_lock);
	return room == DATADIR_ACCEPTING ? ACCEPT_LOCAL : ACCEPT_NO_ROOM;
}

enum accept_class store_room(struct store *s)
{
	int64_t now = clock_mono();

	if (!s->room_checked || now - s->room_checked >= ROOM_CHECK_MS) {
		s->room = look_for_room(s);
		s->room_checked = now;
	}
	return s->room;
}

bool store_is_accepting(struct store *s)
{
	return store_room(s) == ACCEPT_LOCAL;
}

static int64_t file_size(const struct store *s, const char *name)
{
	struct stat st;

	return fstatat(s->dir.dirfd, name, &st, 0) == 0 ? (int64_t)st.st_size : 0;
}

void store_sizes(struct store *s, struct store_sizes *sizes_r)
{
	struct blob_counts packs;

	blob_counts(s->blobs, &packs);
	*sizes_r = (struct store_sizes){.database = file_size(s, DATADIR_DB),
	    .log = file_size(s, LOG),
	    .packs = packs.bytes,
	    .pack_files = packs.packs};
}

void store_lane_stats(struct store *s, struct lane_stats *stats_r)
{
	if (s->lane_thread)
		lane_thread_stats(s->lane_thread, stats_r);
	else
		lane_stats(s->lane, stats_r);
}
