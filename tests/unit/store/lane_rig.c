#include "lane_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "scratch.h"
#include "base/mem.h"
#include "store/recover.h"

#include <sqlite3.h>
#include <sys/stat.h>

struct lane_rig rig;

/* ---- the lane under test ---- */

static bool make_room(void *ctx)
{
	bool had = rig.room_to_make;

	rig.room_to_make = false;
	if (had)
		assert_int_equal(db_script(rig.db, "PRAGMA max_page_count = 1000000"), DB_OK);
	return had;
}

/* The n-th call of the recovery fails, if n is not 0; false when it did not let the lane start. */
static bool try_start(int64_t n)
{
	struct pack_config packs = {&rig.fault.fs, "packs", 64 * 1024};
	struct lane_config config = {.make_room = make_room};
	bool good;

	mkdir("packs", 0700);
	rig.db = scratch_db();
	fault_set(&rig.fault, n ? FAULT_ANY : FAULT_NONE, n, false, false);
	good = recover_packs(rig.db, &packs, &rig.blobs, &config.sequence, &rig.err) == DB_OK;
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
	config.db = rig.db;
	config.blobs = rig.blobs;
	if (good)
		rig.lane = lane_new(&config);
	return good;
}

static void start(void)
{
	if (!try_start(0))
		fail_msg("%s", rig.err.text);
}

static void stop(void)
{
	lane_free(&rig.lane);
	blob_store_free(&rig.blobs);
	if (rig.db)
		db_distrust(rig.db); /* as after a kill: the log stays for the next start */
	db_close(&rig.db);
}

static void restart(void)
{
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
	stop();
	start();
}

bool lane_rig_try_restart(int64_t n)
{
	stop();
	return try_start(n);
}

int lane_rig_setup(void **state)
{
	scratch_enter();
	fault_init(&rig.fault);
	rig.next_id = 0;
	rig.room_to_make = false;
	start();
	return 0;
}

int lane_rig_teardown(void **state)
{
	stop();
	fault_fini(&rig.fault);
	scratch_leave();
	return 0;
}

/* ---- requests ---- */

static enum db_code add_row(struct db *d, const struct test_op *t)
{
	const struct blob_pos *pos = &t->in.pos;

	return db_exec(d, SQL_BLOB_ADD,
	    DB_ARGS(db_int(t->id), db_int(pos->pack), db_int(pos->offset), db_int(pos->length),
		db_int(1)),
	    NULL);
}

static enum db_code add_bulk(struct db *d, int64_t id)
{
	static uint8_t name[400000];

	memset(name, 'x', sizeof name);
	snprintf((char *)name, 32, "%lld-", (long long)id);
	return db_exec(d, SQL_DOMAIN_ADD,
	    DB_ARGS(db_text(str_of(name, sizeof name)), db_int(id), db_int(0)), NULL);
}

static enum lane_exec exec(struct lane_op *op, struct db *d, int64_t now)
{
	struct test_op *t = (struct test_op *)(void *)op;
	enum db_code code = add_row(d, t);

	t->execs++;
	if (code == DB_OK && t->behaviour == BREAKING)
		code = add_row(d, t);
	if (t->behaviour == BULKY || t->behaviour == BLIND)
		code = add_bulk(d, t->id);
	if (t->behaviour == REGRETTED)
		lane_op_withdraw(op);
	if (t->behaviour == BLIND)
		return LANE_KEEP;
	if (code != DB_OK)
		return LANE_BROKEN;
	return t->behaviour == UNDOING ? LANE_UNDO : LANE_KEEP;
}

static void done(struct lane_op *op)
{
	((struct test_op *)(void *)op)->dones++;
}

struct test_op *lane_rig_add(struct list *batch, enum behaviour behaviour, size_t size)
{
	struct test_op *t = &rig.ops[rig.next_id];

	assert_true(rig.next_id < LANE_RIG_OPS && size <= sizeof t->content);
	*t = (struct test_op){.id = rig.next_id++, .behaviour = behaviour};
	memset(t->content, (int)(t->id * 7 + 1), size);
	t->iov = (struct iovec){t->content, size};
	t->in = (struct blob_in){.id = t->id, .iov = &t->iov, .niov = 1};
	t->op = (struct lane_op){.exec = exec, .done = done, .blobs = &t->in, .nblobs = 1};
	list_push(batch, &t->op.link);
	return t;
}

void lane_rig_run(struct list *batch)
{
	lane_run(rig.lane, batch, 1234);
	lane_answer(batch);
	assert_true(list_is_empty(batch));
}

struct test_op *lane_rig_run_one(enum behaviour behaviour)
{
	struct list batch;
	struct test_op *t;

	list_init(&batch);
	t = lane_rig_add(&batch, behaviour, 100);
	lane_rig_run(&batch);
	assert_int_equal(t->dones, 1);
	return t;
}

/* ---- what is really there ---- */

/* Is the row there, with its content whole? Asked of SQLite and the packs directly. */
static bool is_stored(sqlite3_stmt *query, const struct test_op *t)
{
	uint8_t got[sizeof t->content];
	struct blob_pos pos;
	bool found;

	sqlite3_reset(query);
	sqlite3_bind_int64(query, 1, t->id);
	found = sqlite3_step(query) == SQLITE_ROW;
	if (!found)
		return false;
	pos = (struct blob_pos){sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1),
	    sqlite3_column_int64(query, 2)};
	if (blob_get(rig.blobs, t->id, pos, got, sizeof got, &rig.err) != BLOB_OK)
		fail_msg("%s", rig.err.text);
	assert_int_equal(pos.length, t->iov.iov_len);
	assert_memory_equal(got, t->content, (size_t)pos.length);
	return true;
}

void lane_rig_verify(void)
{
	sqlite3 *raw;
	sqlite3_stmt *query;

	restart();
	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_prepare_v2(raw, "SELECT pack, pos, length FROM blob WHERE id = ?1",
			     -1, &query, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	for (int64_t i = 0; i < rig.next_id; i++) {
		const struct test_op *t = &rig.ops[i];
		bool stored = is_stored(query, t);

		assert_int_equal(t->dones, 1);
		if (t->op.result == LANE_DONE)
			assert_int_equal(stored, t->behaviour != UNDOING);
		if (t->op.result == LANE_FAILED || t->op.result == LANE_FULL ||
		    t->op.result == LANE_WITHDRAWN)
			assert_false(stored);
	}
	sqlite3_finalize(query);
	sqlite3_close(raw);
}

struct lane_stats lane_rig_stats(void)
{
	struct lane_stats s;

	lane_stats(rig.lane, &s);
	return s;
}

void lane_rig_limit_pages(void)
{
	assert_int_equal(db_script(rig.db, "PRAGMA max_page_count = 60"), DB_OK);
}
