/*
 * 1. A blob is moved by an update that names the place it was read from: whatever happened to it
 *    meanwhile wins, and the copy is dead space of the pack it went to.
 * 2. What does not read as it was written is never copied: it stays, and its pack with it.
 * 3. The row of a pack goes in a commit after which no blob is in it, and `dropped` gets one: the file
 *    goes later, at the next start at the latest.
 * 4. Rows may be damaged. The pack that is appended to never goes, whatever they say, nor one with a record
 *    of something that is needed and does not lie where its row names it.
 */
#include "store/compact.h"

#include "base/mem.h"
#include "store/needed.h"
#include "store/pack_format.h"

/* ---- reading: in a reader's thread ---- */

/* The next pack; DB_OK when there is none. */
static enum db_code next_pack(struct compact *c, struct db *db)
{
	struct db_query *q = db_begin_query(db, SQL_COMPACT_NEXT, DB_ARGS(db_int(c->after)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW) {
		c->after = db_col_int(q, 0);
		c->end = db_col_int(q, 1);
	}
	code = db_end(q);
	return code == DB_OK && found == DB_ROW ? DB_ROW : code;
}

/* Octets of a pack's records that something refers to, and of those that nothing does. */
struct measured {
	int64_t live, dead;
};

static enum db_code measure(struct db *db, int64_t pack, int64_t end, struct measured *m_r)
{
	struct db_query *q = db_begin_query(db, SQL_COMPACT_LIVE, DB_ARGS(db_int(pack)));

	if (db_step(q) == DB_ROW) {
		int64_t bytes = db_col_int(q, 1), most = end - (int64_t)PACK_HEAD;

		m_r->live = db_col_int(q, 0) * (int64_t)PACK_RECORD;
		if (bytes >= 0 && bytes <= most && m_r->live <= most - bytes) {
			m_r->live += bytes;
			m_r->dead = most - m_r->live;
		} else { /* the rows are damaged: nothing is to be gained from that */
			m_r->live = most;
			m_r->dead = 0;
		}
	}
	return db_end(q);
}

static void complete(struct compact *c)
{
	c->dead = c->dead_so_far;
	c->dead_so_far = c->after = 0;
	c->complete = true;
}

static bool is_staying(const struct compact *c, int64_t pack)
{
	for (size_t i = 0; i < c->nstaying; i++)
		if (c->staying[i] == pack)
			return true;
	return false;
}

static void begin(struct compact *c)
{
	c->pack = c->after;
	c->at = 0;
	c->needed = 0;
	c->doubtful = c->unread = false;
	c->examines = true;
	pack_walk_begin(&c->walk, c->pack, c->end);
}

/*
 * One pack a call, so that a reader is never busy with this for long. Worth the work is one of which less
 * than half lives; then what is dead of it will be gone. Which one is appended to the blob store knows: a
 * damaged row may say anything.
 */
static enum db_code choose(struct compact *c, struct db *db)
{
	struct measured m = {0, 0};
	enum db_code code = next_pack(c, db);

	if (code == DB_OK)
		complete(c);
	if (code != DB_ROW)
		return code;
	code = measure(db, c->after, c->end, &m);
	if (code == DB_OK && m.live <= c->room && m.dead > m.live &&
	    c->after != blob_active(c->blobs) && !is_staying(c, c->after))
		begin(c);
	else
		c->dead_so_far += m.dead;
	return code;
}

/* ---- examining ---- */

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct compact *c = ctx;
	enum needed needed = NEEDED_NOT;

	if (c->code == DB_OK)
		c->code = needed_record(c->db, c->blobs, r, &needed);
	c->doubtful = c->doubtful || needed == NEEDED_UNKNOWN;
	if (needed == NEEDED_YES)
		c->needed = r->id;
}

/* Until a repair. */
static void stay(struct compact *c)
{
	c->stays = c->pack;
	c->pack = 0;
	if (c->nstaying < COMPACT_STAYS) /* else it is told again */
		c->staying[c->nstaying++] = c->stays;
}

/* What the disk does not give is no record of anything: that damage is found otherwise. */
static enum db_code examine(struct compact *c, struct db *db)
{
	int64_t from = c->walk.at;
	bool done = false;
	enum blob_code read;

	c->db = db;
	c->code = DB_OK;
	read = pack_walk_step(&c->walk, COMPACT_EXAMINED, &done, NULL);
	c->walked = c->walk.at - from;
	if (c->code != DB_OK || c->doubtful || read == BLOB_IO || read == BLOB_FULL)
		c->pack = 0; /* it is looked at again in the next pass */
	else if (c->needed || read != BLOB_OK)
		stay(c);
	c->examines = c->pack && !done;
	return c->code;
}

/* ---- a slice ---- */

/* Into data at off; false when it is not what was written. */
static bool read_blob(struct compact *c, struct blob_in *in, struct blob_pos pos, int64_t off)
{
	struct blob_reader *r = NULL;
	bool good = blob_open(c->blobs, in->id, pos, &r, NULL) == BLOB_OK;
	size_t got = 1;

	if (good) {
		in->codec = blob_codec_of(c->blobs, r);
		c->data = mem_resize(c->data, (size_t)(off + pos.length) + 1);
	}
	for (int64_t at = 0; good && got; at += (int64_t)got)
		good = blob_read(c->blobs, r, c->data + off + at, (size_t)(pos.length - at),
			   &got) == BLOB_OK;
	blob_close(c->blobs, &r);
	return good;
}

static void take(struct compact *c, int64_t id, struct blob_pos pos)
{
	struct blob_in *in = &c->in[c->n];

	*in = (struct blob_in){.id = id, .iov = &c->iov[c->n], .niov = 1};
	if (!read_blob(c, in, pos, c->bytes)) {
		c->kept++;
		c->unread = true;
		return;
	}
	c->from[c->n] = pos.offset;
	c->iov[c->n].iov_len = (size_t)pos.length;
	c->bytes += pos.length;
	c->n++;
}

static enum db_code read_slice(struct compact *c, struct db *db)
{
	struct db_query *q = db_begin_query(db, SQL_COMPACT_BLOBS,
	    DB_ARGS(db_int(c->pack), db_int(c->at), db_int((int64_t)COMPACT_BLOBS)));
	size_t seen = 0;

	while (c->bytes < COMPACT_BYTES && db_step(q) == DB_ROW) {
		c->at = db_col_int(q, 1);
		take(c, db_col_int(q, 0), (struct blob_pos){c->pack, c->at, db_col_int(q, 2)});
		seen++;
	}
	c->last = c->bytes < COMPACT_BYTES && seen < COMPACT_BLOBS;
	for (size_t i = 0, off = 0; i < c->n; off += c->iov[i++].iov_len)
		c->iov[i].iov_base = c->data + off;
	c->write.nblobs = c->n;
	return db_end(q);
}

static enum db_code read_run(struct reader_op *op, struct db *db)
{
	struct compact *c = LIST_ENTRY(op, struct compact, read);
	enum db_code code = DB_OK;

	c->has_work = c->complete = c->last = false;
	c->n = 0;
	c->bytes = c->walked = c->stays = 0;
	c->write.nblobs = 0;
	if (c->pack == 0)
		code = choose(c, db);
	else if (c->examines)
		code = examine(c, db);
	if (code == DB_OK && c->pack && !c->examines)
		code = read_slice(c, db);
	c->has_work = code == DB_OK && c->pack && (c->n || c->last);
	return code;
}

/* ---- moving: in the lane ---- */

static enum db_code move_all(struct compact *c, struct db *db)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < c->n && code == DB_OK; i++)
		code = db_exec(db, SQL_BLOB_MOVE,
		    DB_ARGS(db_int(c->in[i].id), db_int(c->pack), db_int(c->from[i]),
			db_int(c->in[i].pos.pack), db_int(c->in[i].pos.offset)),
		    NULL);
	return code;
}

/* Invariant 3. */
static enum db_code end_pack(struct compact *c, struct db *db)
{
	int64_t blob;
	enum db_code code;

	if (c->pack == blob_active(c->blobs))
		return DB_OK;
	code = db_get_int(db, SQL_PACK_USED, DB_ARGS(db_int(c->pack)), &blob);
	if (code != DB_OK)
		return code == DB_ROW ? DB_OK : code; /* what cannot be read stays in it */
	code = db_exec(db, SQL_PACK_DELETE, DB_ARGS(db_int(c->pack)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_DROPPED_ADD, DB_ARGS(db_int(c->pack)), NULL);
	c->drops = code == DB_OK;
	return code;
}

static enum lane_exec write_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct compact *c = LIST_ENTRY(op, struct compact, write);
	enum db_code code = move_all(c, db);

	c->drops = false;
	if (code == DB_OK && c->last)
		code = end_pack(c, db);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

/* ---- the caller's thread ---- */

void compact_written(struct compact *c, int64_t now)
{
	bool done = c->write.result == LANE_DONE;

	if (done)
		c->moved += c->bytes;
	if (done && c->drops) {
		c->removed++;
		if (c->ndrops < COMPACT_DROPS) { /* else the next start does it */
			c->drop[c->ndrops].pack = c->pack;
			c->drop[c->ndrops++].when = now + COMPACT_GRACE_MS;
		}
	}
	if (done && c->last && !c->drops && c->unread)
		stay(c);      /* or each pass would read all of it again */
	if (c->last || !done) /* a slice that failed is read again in the next pass */
		c->pack = 0;
}

void compact_tend(struct compact *c, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->ndrops; i++) {
		if (c->drop[i].when > now)
			c->drop[kept++] = c->drop[i];
		else
			(void)blob_drop_pack(c->blobs, c->drop[i].pack, NULL);
	}
	c->ndrops = kept;
}

void compact_init(struct compact *c, struct blob_store *blobs)
{
	memset(c, 0, sizeof *c);
	c->blobs = blobs;
	c->room = INT64_MAX;
	c->read.run = read_run;
	c->write.exec = write_exec;
	c->walk.blobs = blobs;
	c->walk.on_record = on_record;
	c->walk.ctx = c;
	c->write.blobs = c->in;
	list_init(&c->read.link);
	list_init(&c->write.link);
}

void compact_choose(struct compact *c, int64_t pack)
{
	c->pack = pack;
	c->at = 0;
	c->examines = false;
}

void compact_fini(struct compact *c)
{
	pack_walk_fini(&c->walk);
	mem_free(c->data);
	c->data = NULL;
}
