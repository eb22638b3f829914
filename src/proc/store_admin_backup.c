/*
 * The admin command backup: the database as of one moment, and of each pack what the asker does not have.
 * docs/invariants/backup.md.
 *
 * 1. Packs are held before the moment and until the end, so that what the database names is there.
 * 2. The database is copied to a file of the data directory first, quickly, so that its log is not kept
 *    from starting anew while a slow asker takes it; the file has no name while it is sent.
 * 3. The copy is looked through before anything of it is sent: the one who asks keeps what he has until he
 *    has all, and what he has may be the last sound one.
 * 4. The readers' threads do all that waits for the disk, a piece at a time.
 * 5. What the disk does not give of a pack is told as a hole, and what lies behind it is sent.
 * 6. The asker names places of packs: from the first on he wants the octets, up to the second, from the third on,
 *    and so on; from the last on, where what he has ends, up to the end. Of a pack without places he wants all.
 * 7. A mark of the moment is committed once the packs' ends are read, and goes into the copy, which is of that moment: a
 *    store that has it is there or has it behind it.
 *    What the asker has is of another history when its mark is none of the moment's.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/db_copy.h"
#include "store/history.h"

#define COPY_PAGES 256
#define PROGRESS   ((int64_t)(16 * MIB))
#define PIECE      ((size_t)192 * KIB)
#define READ       ((size_t)60 * KIB)
#define BLOCK      ((size_t)4096) /* what a disk that fails is asked for at a time */

struct backing {
	struct admin_read read;
	struct store *store;

	/* what the asker wants */
	int64_t (*places)[2]; /* pack, place; rising */
	size_t nplaces, place;
	int64_t had; /* the mark of what he has; 0: none */
	bool anew;   /* all of it */

	/* the moment */
	int64_t id, parent;
	struct db *db; /* a reader of its own, in a transaction until the copy is made */
	struct db_copy *copy;
	bool marked;  /* that was tried */
	int64_t mark; /* 0: the store could not write it */
	bool copied;  /* ... and is to be checked */
	int64_t told; /* of it, to the asker */
	struct blob_point *packs;
	size_t npacks;

	/* what is sent */
	int fd; /* the copy, without a name; -1 */
	int64_t size, at;
	size_t pack;
	int64_t to; /* of the pack at hand, from at */
	bool in_pack, done;
	bool waited;     /* for a disk that fails */
	int64_t unread;  /* octets of the pack that the disk does not give */
	int64_t hole;    /* where the first of them lies */
	int64_t careful; /* until there it is read block by block */
	struct buf out;
	uint8_t bytes[READ];

	/* the store's identity, when it has none yet, then the mark */
	struct lane_op write;
};

static void close_db(struct backing *b)
{
	if (b->db)
		(void)db_rollback(b->db);
	db_close(&b->db);
}

static void backing_fini(struct admin_job *j)
{
	struct backing *b = j->stream;

	db_copy_end(&b->copy);
	close_db(b);
	if (b->fd >= 0)
		close(b->fd);
	blob_release(b->store->blobs);
	b->store->backing_up = false;
	mem_free(b->places);
	mem_free(b->packs);
	buf_fini(&b->out);
	mem_free(b);
}

/* ---- in a reader's thread ---- */

static size_t begin_record(struct backing *b, const char *type)
{
	size_t at = admin_record_begin(&b->out);

	admin_record_text(&b->out, "type", str_of_c(type));
	return at;
}

static void put_number(struct backing *b, const char *name, int64_t n)
{
	admin_record_number(&b->out, ADMIN_INT, name, n);
}

static void put_data(struct backing *b, size_t n)
{
	size_t at = begin_record(b, "data");

	admin_record_raw(&b->out, "bytes", str_of(b->bytes, n));
	admin_record_end(&b->out, at);
}

/* ---- the moment ---- */

/* The next place that the asker names of a pack, asked for rising packs; -1: there is none. */
static int64_t next_place(struct backing *b, int64_t pack)
{
	while (b->place < b->nplaces && b->places[b->place][0] < pack)
		b->place++;
	return b->place < b->nplaces && b->places[b->place][0] == pack ? b->places[b->place++][1]
								       : -1;
}

/* Does the asker have more than there is? Then it is the copy of another history. */
static bool has_more(struct backing *b, const struct blob_point *p)
{
	int64_t place, last = -1;

	while ((place = next_place(b, p->pack)) >= 0)
		last = place;
	return last > p->end;
}

static enum db_code read_packs(struct backing *b)
{
	struct db_query *q = db_begin_query(b->db, SQL_PACK_LIST, DB_NO_ARGS);
	size_t cap = 0;

	for (; db_step(q) == DB_ROW; b->npacks++) {
		struct blob_point *p;

		b->packs = mem_grow(b->packs, b->npacks, &cap, sizeof *b->packs);
		p = &b->packs[b->npacks];
		*p = (struct blob_point){
		    db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2) != 0, db_col_int(q, 3)};
		b->anew = has_more(b, p) || b->anew;
	}
	b->place = b->anew ? b->nplaces : 0;
	return db_end(q);
}

/* Was the store where what the asker has is from? Of what was made without a mark its ends tell, as far as they do. */
static enum db_code read_history(struct backing *b)
{
	bool has = true;
	enum db_code code = b->had ? history_has(b->db, b->had, &has) : DB_OK;

	b->anew = b->anew || !has;
	return code == DB_OK ? read_packs(b) : code;
}

static enum db_code has_room(struct backing *b, int64_t size, struct err *e)
{
	int64_t free_bytes = datadir_free_bytes(&b->store->dir);

	if (free_bytes < 0 || free_bytes - size >= b->store->cfg.min_free)
		return DB_OK;
	err_set(e,
	    "the data directory has no room for the copy of the database that is made first (%s): "
	    "make room, then run this again",
	    admin_size(size).text);
	return DB_FULL;
}

static enum db_code begin_copy(struct backing *b, struct err *e)
{
	enum db_code code = db_open(DATADIR_DB, DB_READER, &b->db, e);
	int64_t size = 0;

	if (code != DB_OK) /* its sentence names the cure */
		return code == DB_CORRUPT ? DB_IO : code;
	code = db_begin(b->db);
	if (code == DB_OK)
		code = read_history(b); /* this reads, so that the moment is fixed from here on */
	if (code == DB_OK)
		code = db_size(b->db, &size);
	if (code != DB_OK) {
		err_set(e, "%s", db_error(b->db));
		return code;
	}
	code = has_room(b, size, e);
	if (code == DB_OK)
		b->copy = db_copy_begin(b->db, DATADIR_COPY, e);
	return code == DB_OK && !b->copy ? DB_IO : code;
}

/* Octets of the packs that the asker will be sent, as begin_pack() and next_range() find them. */
static int64_t to_send(struct backing *b)
{
	size_t place = b->place;
	int64_t sum = 0;

	for (const struct blob_point *p = b->packs; p < b->packs + b->npacks; p++) {
		int64_t from = next_place(b, p->pack);

		from = from < 0 ? 0 : from;
		do {
			int64_t to = next_place(b, p->pack);

			to = to < 0 || to > p->end ? p->end : to;
			sum += to > from ? to - from : 0;
		} while ((from = next_place(b, p->pack)) >= 0);
	}
	b->place = place;
	return sum;
}

static void put_store(struct backing *b)
{
	size_t at = begin_record(b, "store");

	put_number(b, "id", b->id);
	put_number(b, "parent", b->parent);
	put_number(b, "mark", b->mark);
	admin_record_number(&b->out, ADMIN_BOOL, "anew", b->anew);
	put_number(b, "size", b->size);
	put_number(b, "total", b->size + to_send(b));
	admin_record_end(&b->out, at);
}

/* From here on the file has no name. */
static enum db_code keep_copy(struct backing *b, struct err *e)
{
	struct stat st;

	db_copy_end(&b->copy);
	b->fd = open(DATADIR_COPY, O_RDONLY | O_CLOEXEC);
	(void)unlink(DATADIR_COPY);
	if (b->fd < 0 || fstat(b->fd, &st) < 0) {
		err_set(e, "the copy of the database cannot be read");
		return DB_IO;
	}
	b->size = (int64_t)st.st_size;
	put_store(b);
	return DB_OK;
}

/* Seldom: an asker who does not read must not keep the copy, and with it the log, waiting. */
static void put_progress(struct backing *b)
{
	int64_t copied = db_copy_size(b->copy) - db_copy_left(b->copy);
	size_t at;

	if (copied - b->told < PROGRESS)
		return;
	b->told = copied;
	at = begin_record(b, "progress");
	put_number(b, "size", copied);
	put_number(b, "total", db_copy_size(b->copy));
	admin_record_end(&b->out, at);
}

static enum db_code copy_run(struct reader_op *op, struct db *db)
{
	struct backing *b = LIST_ENTRY(op, struct backing, read.op);
	enum db_code code = b->copy ? DB_OK : begin_copy(b, &op->err);

	if (code == DB_OK)
		code = db_copy_step(b->copy, COPY_PAGES, &op->err);
	if (code == DB_ROW)
		put_progress(b);
	b->copied = code == DB_OK;
	if (b->copied)
		close_db(b); /* the log may start anew */
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code check_run(struct reader_op *op, struct db *db)
{
	struct backing *b = LIST_ENTRY(op, struct backing, read.op);
	enum db_code code = db_copy_check(b->copy, &op->err);

	if (code == DB_OK && b->mark)
		code = history_put_in_copy(b->copy, b->mark, &op->err);
	if (code == DB_OK)
		code = keep_copy(b, &op->err);
	return code == DB_ROW ? DB_OK : code;
}

/* ---- sending ---- */

static enum db_code put_database(struct backing *b, struct err *e)
{
	ssize_t n = pread(b->fd, b->bytes, READ, b->at);

	if (n <= 0) {
		err_set(e, "the copy of the database cannot be read");
		return DB_IO;
	}
	put_data(b, (size_t)n);
	b->at += n;
	return DB_OK;
}

static void end_pack(struct backing *b, struct err *problem)
{
	size_t at = begin_record(b, "end");

	if (b->unread && !problem->text[0])
		err_set(problem, "the disk does not give %lld octets of it, the first at %lld",
		    (long long)b->unread, (long long)b->hole);
	admin_record_text(&b->out, "problem", str_of_c(problem->text));
	admin_record_end(&b->out, at);
	b->in_pack = false;
	b->pack++;
}

/* The next octets of the pack that the asker wants; false: no more. */
static bool next_range(struct backing *b, int64_t from)
{
	const struct blob_point *p = &b->packs[b->pack];
	int64_t to;

	if (from < 0)
		return false;
	to = next_place(b, p->pack);
	b->at = from;
	b->to = to < 0 || to > p->end ? p->end : to;
	b->careful = 0;
	return true;
}

static void begin_pack(struct backing *b)
{
	const struct blob_point *p = &b->packs[b->pack];
	int64_t from = next_place(b, p->pack);
	size_t at = begin_record(b, "pack");

	next_range(b, from < 0 ? 0 : from);
	put_number(b, "pack", p->pack);
	put_number(b, "generation", p->generation);
	put_number(b, "single", p->single);
	put_number(b, "from", b->at);
	put_number(b, "end", p->end);
	admin_record_end(&b->out, at);
	b->in_pack = true;
	b->unread = 0;
}

static void put_seek(struct backing *b)
{
	size_t at = begin_record(b, "seek");

	put_number(b, "from", b->at);
	admin_record_end(&b->out, at);
}

static void put_hole(struct backing *b, size_t n)
{
	size_t at = begin_record(b, "hole");

	put_number(b, "size", (int64_t)n);
	admin_record_end(&b->out, at);
	if (b->unread == 0)
		b->hole = b->at;
	b->unread += (int64_t)n;
	b->waited = true;
}

/* Of n octets those in the first block. */
static size_t in_block(int64_t at, size_t n)
{
	size_t left = BLOCK - (size_t)(at % (int64_t)BLOCK);

	return n < left ? n : left;
}

/*
 * *n octets, or fewer where the disk does not give all of them or the file ends before. BLOB_UNREADABLE: it gives
 * none of these *n. BLOB_DAMAGED: the file ends here.
 */
static enum blob_code read_pack(struct backing *b, int64_t pack, size_t *n, struct err *why)
{
	enum blob_code code;
	size_t fewer;

	if (b->at < b->careful)
		*n = in_block(b->at, *n);
	while ((code = blob_raw(b->store->blobs, pack, b->at, b->bytes, *n, why)) != BLOB_OK) {
		fewer = code == BLOB_DAMAGED ? *n / 2 : in_block(b->at, *n);
		if ((code != BLOB_DAMAGED && code != BLOB_UNREADABLE) || fewer == *n || fewer == 0)
			break;
		if (code == BLOB_UNREADABLE)
			b->careful = b->at + (int64_t)*n;
		*n = fewer;
	}
	return code;
}

static void put_octets(struct backing *b, int64_t pack)
{
	int64_t left = b->to - b->at;
	size_t n = left < (int64_t)READ ? (size_t)left : READ;
	struct err why = {""};
	enum blob_code code = read_pack(b, pack, &n, &why);

	if (code == BLOB_OK)
		put_data(b, n);
	else if (code == BLOB_UNREADABLE)
		put_hole(b, n);
	else
		end_pack(b, &why);
	if (b->in_pack)
		b->at += (int64_t)n;
}

static void put_pack(struct backing *b)
{
	int64_t pack = b->packs[b->pack].pack;
	struct err none = {""};

	if (b->at < b->to)
		put_octets(b, pack);
	else if (next_range(b, next_place(b, pack)))
		put_seek(b);
	else
		end_pack(b, &none);
}

static enum db_code send_run(struct reader_op *op, struct db *db)
{
	struct backing *b = LIST_ENTRY(op, struct backing, read.op);
	enum db_code code = DB_OK;

	/* a disk that fails may take long: each hole ends the piece */
	b->waited = false;
	while (code == DB_OK && !b->done && b->out.n < PIECE && !b->waited) {
		if (!b->in_pack && b->pack == 0 && b->at < b->size)
			code = put_database(b, &op->err);
		else if (b->in_pack)
			put_pack(b);
		else if (b->pack < b->npacks)
			begin_pack(b);
		else
			b->done = true;
	}
	return code;
}

/* ---- in the loop ---- */

static void written(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct backing, write)->read.job);
}

static enum admin_step backup_next(struct admin_job *j);
static enum admin_step submit(struct admin_job *j);

static enum lane_exec mark_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct backing *b = LIST_ENTRY(op, struct backing, write);

	return history_put(db, &b->mark) == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

/* A store that cannot write any more needs its backup most: it is made without a mark. */
static enum admin_step was_marked(struct admin_job *j)
{
	struct backing *b = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	if (b->write.result != LANE_DONE)
		b->mark = 0;
	return submit(j);
}

static enum admin_step write_mark(struct admin_job *j)
{
	struct backing *b = j->stream;

	b->write = (struct lane_op){.exec = mark_exec, .done = written};
	list_init(&b->write.link);
	j->ready = false;
	j->out_there++;
	j->next = was_marked;
	store_write(j->ctx->store, &b->write);
	return admin_job_wait(j);
}

static enum admin_step submit(struct admin_job *j)
{
	struct backing *b = j->stream;

	if (b->fd >= 0)
		return admin_job_read(j, &b->read, send_run, backup_next);
	if (!b->copy || b->marked)
		return admin_job_read(j, &b->read, b->copied ? check_run : copy_run, backup_next);
	b->marked = true;
	return write_mark(j);
}

static enum admin_step failed(struct admin_job *j, const struct reader_op *op)
{
	if (op->result == DB_CORRUPT)
		return admin_job_finish(j, EX_DATAERR,
		    "the database is damaged, so no backup was made, and the one before stays as it was: "
		    "run `godwit store verify`, which says what helps, or restore that backup with "
		    "`godwit restore` into a new data directory (%s)",
		    op->err.text);
	return admin_job_finish(
	    j, op->result == DB_FULL ? EX_CANTCREAT : EX_IOERR, "%s", op->err.text);
}

static enum admin_step backup_next(struct admin_job *j)
{
	struct backing *b = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	buf_str(&j->out, buf_view(&b->out));
	buf_clear(&b->out);
	if (b->read.op.result != DB_OK)
		return failed(j, &b->read.op);
	if (b->done)
		return admin_job_finish(j, EX_OK, "%s", "");
	j->next = submit; /* once what there is has been sent */
	return ADMIN_STEP_MORE;
}

/* ---- the store's identity: what a backup is of ---- */

static enum admin_step has_identity(struct admin_job *j)
{
	struct backing *b = j->stream;

	(void)db_get_int(j->ctx->db, SQL_META_GET, DB_ARGS(db_text(STR("parent"))), &b->parent);
	b->anew = admin_arg_number(j, 0) != b->id;
	b->had = admin_arg_number(j, 1);
	return submit(j);
}

/* Nothing is written for it: a store that cannot write any more needs its backup most. */
static enum admin_step identify(struct admin_job *j)
{
	struct backing *b = j->stream;
	enum db_code code = db_get_int(
	    j->ctx->db, SQL_META_GET, DB_ARGS(db_text(STR("store"))), &b->id);

	if (code == DB_ROW)
		return has_identity(j);
	if (code != DB_OK)
		return admin_job_db_failed(j);
	return admin_job_finish(j, EX_DATAERR,
	    "the number that stands for this store is not in the database: restart the server, "
	    "which makes one, then run this again");
}

/* ---- what the asker wants: pairs of 64-bit numbers, pack and place ---- */

static enum admin_step take_places(struct admin_job *j)
{
	struct backing *b = j->stream;
	struct cur c = cur_of(admin_job_in(j));
	size_t n = admin_job_in(j).n / 16;

	b->places = mem_resize(b->places, (b->nplaces + n + 1) * sizeof *b->places);
	for (size_t i = 0; i < n; i++, b->nplaces++) {
		b->places[b->nplaces][0] = cur_i64(&c);
		b->places[b->nplaces][1] = cur_i64(&c);
	}
	admin_job_take(j, n * 16);
	if (j->in_ended)
		return identify(j);
	return n ? ADMIN_STEP_MORE : admin_job_wait_in(j);
}

enum admin_step admin_backup(struct admin_job *j)
{
	struct backing *b;

	if (j->ctx->store->backing_up)
		return admin_job_finish(j, EX_TEMPFAIL,
		    "another backup is being made; run this again when it has ended");
	b = mem_new(struct backing);
	b->read.job = j;
	b->store = j->ctx->store;
	b->store->backing_up = true;
	b->fd = -1;
	buf_init(&b->out, LIMIT_IPC_PAYLOAD);
	blob_hold(b->store->blobs);
	j->stream = b;
	j->stream_fini = backing_fini;
	j->next = take_places;
	return ADMIN_STEP_MORE;
}
