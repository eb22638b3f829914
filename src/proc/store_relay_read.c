/* RS_READ: the content of a message that the relay holds a lease for, in pieces against credit. */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_relay_priv.h"

#define READ_PIECE LIMIT_IPC_CREDIT

struct read_task {
	struct reader_op op;
	struct store_relay *relay;
	struct ipc_request *request;
	int64_t owner;
	struct rs_lease lease;
	struct arena *arena;
	struct queue_message message;
	struct buf prefix; /* goes before it, as far as it has not gone yet */
	struct blob_reader *blob;
	struct store_flow_turn turn;
	bool running; /* a piece is out */
	bool stale, ended;
	size_t want, got;
	uint8_t *bytes; /* while a piece is out */
};

static struct blob_store *blobs_of(const struct read_task *t)
{
	return t->relay->sp->store->blobs;
}

/* What is sent on says for whom. */
static enum db_code read_prefix(struct read_task *t, struct db *db)
{
	struct db_query *q = db_begin_query(db, SQL_LEASE_FORWARDER,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(t->lease.message), db_int(t->lease.token)));

	if (db_step(q) == DB_ROW)
		queue_forward_put_prefix(&t->prefix, db_col_str(q, 0));
	return db_end(q);
}

/* Before the first piece: is the lease the asker's, and where is the content? */
static enum db_code read_open(struct read_task *t, struct db *db)
{
	struct queue_lease_row lease;
	enum db_code code;

	t->arena = arena_new();
	code = queue_lease_get(db, t->arena, t->lease.token, &lease);
	if (code == DB_ROW && lease.owner == t->owner && lease.message == t->lease.message)
		code = queue_message_get(db, t->arena, t->lease.message, &t->message);
	else if (code == DB_ROW)
		code = DB_OK;
	if (code != DB_ROW) {
		t->stale = code == DB_OK;
		return code;
	}
	code = read_prefix(t, db);
	if (code != DB_OK)
		return code;
	return blob_open(blobs_of(t), t->message.blob, t->message.pos, &t->blob, &t->op.err) ==
		       BLOB_OK
		   ? DB_OK
		   : DB_IO;
}

static enum db_code read_run(struct reader_op *op, struct db *db)
{
	struct read_task *t = LIST_ENTRY(op, struct read_task, op);
	enum db_code code = t->blob ? DB_OK : read_open(t, db);

	t->bytes = mem_alloc(t->want);
	t->got = t->prefix.n < t->want ? t->prefix.n : t->want;
	if (t->got > 0) /* most mail has none */
		memcpy(t->bytes, t->prefix.p, t->got);
	buf_drop(&t->prefix, t->got);
	while (code == DB_OK && !t->stale && !t->ended && t->got < t->want) {
		size_t n;

		if (blob_read(blobs_of(t), t->blob, t->bytes + t->got, t->want - t->got, &n) !=
		    BLOB_OK) {
			err_set(&op->err, "message %lld is damaged: run `godwit store verify`",
			    (long long)t->lease.message);
			code = DB_CORRUPT;
		} else {
			t->got += n;
			t->ended = n == 0;
		}
	}
	return code;
}

/* Its room goes to those who wait for it. */
static void read_give(struct read_task *t)
{
	struct store_relay *r = t->relay;

	store_flow_give(&r->flow, &t->turn);
	if (r->peer && r->peer->link)
		store_flow_move(&r->flow, r->peer->link);
}

static void read_end(struct read_task *t, enum rs_verdict verdict)
{
	struct store_relay *r = t->relay;

	blob_close(blobs_of(t), &t->blob);
	store_relay_end(t->request, verdict);
	arena_free(&t->arena);
	buf_fini(&t->prefix);
	r->reading--;
	read_give(t);
	mem_free(t);
	store_relay_unhold(r);
}

static void read_go_on(struct read_task *t)
{
	size_t credit = t->request->send_credit;

	if (t->running)
		return;
	if (t->request->cancelled || t->ended) {
		read_end(t, RS_DONE);
		return;
	}
	if (credit == 0)
		return; /* on_credit comes back here */
	t->want = credit < READ_PIECE ? credit : READ_PIECE;
	if (!store_flow_take(&t->relay->flow, &t->turn, t->request->link, t->want))
		return; /* read_turn comes back here */
	t->running = true;
	store_read(t->relay->sp->store, &t->op);
}

static void read_turn(struct store_flow_turn *turn)
{
	read_go_on(LIST_ENTRY(turn, struct read_task, turn));
}

static void log_failed(const struct read_task *t)
{
	log_open(LOG_ERROR, "read-failed");
	log_id("id", t->lease.message);
	log_text("why", t->op.err.text);
	log_close();
}

static void read_done(struct reader_op *op)
{
	struct read_task *t = LIST_ENTRY(op, struct read_task, op);
	struct str rest = {t->bytes, op->result == DB_OK ? t->got : 0};

	t->running = false;
	while (rest.n && !t->request->cancelled) {
		ipc_request_chunk(t->request, str_sub(rest, 0, LIMIT_IPC_CHUNK));
		rest = str_from(rest, LIMIT_IPC_CHUNK);
	}
	mem_free(t->bytes);
	t->bytes = NULL;
	if (op->result != DB_OK || t->stale) {
		if (op->result != DB_OK)
			log_failed(t);
		else if (!t->request->cancelled) /* else it was settled meanwhile, and given up */
			store_relay_log_refused(t->relay, "content, without the lease");
		read_end(t, t->stale ? RS_STALE : RS_TEMPORARY);
		return;
	}
	read_give(t);
	read_go_on(t);
}

static void read_moved(struct ipc_request *request)
{
	read_go_on(request->user);
}

void store_relay_take_read(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	struct read_task *t;
	struct rs_lease lease;

	if (!rs_handle_get(payload, &lease)) {
		store_relay_log_refused(r, "content, by a handle that is none");
		store_relay_end(request, RS_STALE);
		return;
	}
	if (r->reading >= STORE_RELAY_READS_MAX) {
		store_relay_log_refused(r, "content, too much at a time");
		store_relay_end(request, RS_TEMPORARY);
		return;
	}
	r->reading++;
	t = mem_new(struct read_task);
	t->relay = r;
	t->request = request;
	t->owner = r->owner;
	t->lease = lease;
	buf_init(&t->prefix, LIMIT_PREFIX);
	store_flow_turn_init(&t->turn, read_turn);
	t->op.run = read_run;
	t->op.done = read_done;
	request->user = t;
	request->on_credit = read_moved;
	request->on_cancel = read_moved;
	store_relay_hold(r);
	read_go_on(t);
}
