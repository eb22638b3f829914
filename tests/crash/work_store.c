/* What the store does for itself. */
#include "work.h"

#include <unistd.h>

#include "base/mem.h"
#include "store/compact.h"
#include "store/datadir.h"
#include "store/db_copy.h"

void work_time(void)
{
	work.rig.now += (int64_t)chance_pick(4 * HOUR_MS);
	work_say("ask maintain\n");
	rig_maintain(&work.rig, WORK_UNDELETE, 30 * DAY_MS);
	work_say("ok maintain\n");
}

/* What was deleted is gone for good. */
void work_forget(void)
{
	work.rig.now += WORK_UNDELETE + HOUR_MS;
	work_say("ask maintain\n");
	rig_maintain(&work.rig, WORK_UNDELETE, 30 * DAY_MS);
	work_say("ok maintain\n");
}

void work_checkpoint(void)
{
	work_say("ask checkpoint\n");
	lane_tend(work.rig.lane, true);
	work_say("ok checkpoint\n");
}

/* ---- compaction ---- */

static void compact_round(struct compact *c)
{
	reader_run(&c->read, work.rig.db);
	MUST(c->read.result == DB_OK);
	if (c->has_work) {
		MUST(work_run(&c->write));
		compact_written(c, work.rig.now);
	}
}

/* Of this pack; 0: of what is mostly dead. */
static void compact(int64_t pack)
{
	struct compact *c = mem_new(struct compact);

	work_say("ask compact\n");
	compact_init(c, work.rig.blobs);
	compact_choose(c, pack);
	do
		compact_round(c);
	while (!c->complete);
	compact_tend(c, INT64_MAX);
	compact_fini(c);
	mem_free(c);
	work_say("ok compact\n");
}

/* The first shared pack, unless it is the one that is appended to; else 0. */
static int64_t first_pack(void)
{
	return rig_number(&work.rig, "SELECT CASE WHEN count(*) > 1 THEN min(pack) ELSE 0 END"
				     " FROM pack WHERE single = 0");
}

void work_compact(void)
{
	compact(chance_pick(2) ? first_pack() : 0);
}

void work_compact_first(void)
{
	MUST(first_pack());
	compact(first_pack());
}

/* ---- backup ---- */

/* The database as of a moment, copied while mail comes; the copy goes when it was sent. */
void work_backup(void)
{
	struct err e = {""};
	struct db *reader = NULL;
	struct db_copy *copy;
	enum db_code code;

	work_say("ask backup\n");
	blob_hold(work.rig.blobs);
	MUST(db_open(DATADIR_DB, DB_READER, &reader, &e) == DB_OK);
	MUST(db_begin(reader) == DB_OK);
	copy = db_copy_begin(reader, DATADIR_COPY, &e);
	MUST(copy);
	code = db_copy_step(copy, 10, &e);
	work_send_one();
	while (code == DB_ROW)
		code = db_copy_step(copy, 100, &e);
	MUST(code == DB_OK);
	db_copy_end(&copy);
	(void)db_rollback(reader);
	db_close(&reader);
	MUST(unlink(DATADIR_COPY) == 0);
	blob_release(work.rig.blobs);
	work_say("ok backup\n");
}

void work_restart(void)
{
	work_say("ask restart\n");
	qrig_restart(&work);
	work_say("ok restart\n");
}
