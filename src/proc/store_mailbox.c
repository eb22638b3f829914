/*
 * Mailboxes for POP3 sessions: each request is carried out in pieces by the reader threads, a piece
 * at a time and only as far as the front's credit and the room of its link go; memory for a piece
 * lives while it is out. The view (snapshot) of a session is pinned as long as a request needs it.
 */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_front.h"

#define SCAN_ROWS  20000         /* rows of a snapshot read in one piece */
#define PAGE       ((size_t)600) /* entries of a list in one chunk */
#define READ_PIECE LIMIT_IPC_CREDIT

/* What OPEN, LIST and READ have in common. */
struct task {
	struct reader_op op;
	struct store_front *front;
	struct ipc_request *request;
	struct store_view *view;
};

struct store_view *store_mailbox_view(struct store_front *f, const struct fs_handle *handle)
{
	struct store_view *v = store_front_view(f, handle);

	return v && v->ready ? v : NULL;
}

static void task_init(
    struct task *t, struct store_front *f, struct ipc_request *r, struct store_view *v)
{
	t->front = f;
	t->request = r;
	t->view = v;
	v->refs++;
	store_front_hold(f);
}

static void task_submit(struct task *t)
{
	store_read(t->front->sp->store, &t->op);
}

/* After the request was ended. */
static void task_fini(struct task *t)
{
	struct store_front *f = t->front;

	store_view_unref(t->view);
	store_front_unhold(f);
}

/* id: of the message, 0 when it is about none or none was found. */
static void task_failed(const struct task *t, const char *what, int64_t id)
{
	log_open(LOG_ERROR, "read-failed");
	if (id)
		log_id("id", id);
	log_text("what", what);
	log_text("why", t->op.err.text);
	log_close();
}

/* ---- what LIST and READ have in common: pieces ---- */
struct store_stream {
	struct task task;
	struct store_flow_turn turn;
	bool running;    /* a piece is out */
	bool superseded; /* another stream of the view came: the cancel of this one is on its way */
	void (*go_on)(struct store_stream *s); /* asks for the next piece, or ends */
};

static bool is_unwanted(const struct store_stream *s)
{
	return s->task.request->cancelled || s->superseded;
}

static void stream_turn(struct store_flow_turn *t)
{
	struct store_stream *s = LIST_ENTRY(t, struct store_stream, turn);

	s->go_on(s);
}

static void stream_moved(struct ipc_request *r)
{
	struct store_stream *s = r->user;

	if (!s->running)
		s->go_on(s);
}

/* Only the last stream of a view is carried on: it has one asker, who asks for one at a time. */
static void stream_begin(
    struct store_stream *s, struct store_front *f, struct ipc_request *r, struct store_view *v)
{
	struct store_stream *before = v->stream;

	task_init(&s->task, f, r, v);
	r->user = s;
	r->on_credit = stream_moved;
	r->on_cancel = stream_moved;
	store_flow_turn_init(&s->turn, stream_turn);
	v->stream = s;
	if (before) {
		before->superseded = true;
		if (!before->running)
			before->go_on(before);
	}
	s->go_on(s);
}

/* Submits a piece of at most n octets, unless its link has no room: then it waits for its turn. */
static void stream_submit(struct store_stream *s, size_t n)
{
	if (!store_flow_take(&s->task.front->flow, &s->turn, s->task.request->link, n))
		return;
	s->running = true;
	task_submit(&s->task);
}

/* Its room goes to those who wait for it. */
static void stream_give(struct store_stream *s)
{
	struct store_front *f = s->task.front;

	store_flow_give(&f->flow, &s->turn);
	if (f->peer && f->peer->link)
		store_flow_move(&f->flow, f->peer->link);
}

static void stream_end(struct store_stream *s, enum fs_verdict verdict)
{
	store_front_done(s->task.request, verdict, "");
	if (s->task.view->stream == s)
		s->task.view->stream = NULL;
	stream_give(s);
	task_fini(&s->task);
}

/* ---- OPEN ---- */
struct open_task {
	struct task task;
	int64_t account;
	bool begun, missing;
	bool is_short; /* rows are lost: `lack` and `owner` tell of it */
	struct mailbox_short lack;
	struct mailbox_named owner;
};

/* The user would not learn of it: fewer messages look like any other mailbox. */
static enum db_code look_for_lost(struct open_task *o, struct db *db)
{
	enum db_code code = mailbox_snapshot_short(db, &o->task.view->snapshot, &o->lack);

	if (code != DB_ROW)
		return code;
	o->is_short = true;
	return mailbox_name_owner(db, o->account, &o->owner);
}

static enum db_code open_run(struct reader_op *op, struct db *db)
{
	struct open_task *o = LIST_ENTRY(op, struct open_task, task.op);
	enum db_code code = DB_ROW;

	if (!o->begun)
		code = mailbox_snapshot_begin(
		    db, o->account, MAILBOX_INBOX, &o->task.view->snapshot);
	if (code == DB_OK) {
		o->missing = true;
		return DB_OK;
	}
	if (code != DB_ROW)
		return code;
	o->begun = true;
	code = mailbox_snapshot_scan(db, &o->task.view->snapshot, SCAN_ROWS);
	return code == DB_OK && o->task.view->snapshot.complete ? look_for_lost(o, db) : code;
}

static void log_short(const struct open_task *o)
{
	log_open(LOG_ERROR, "mailbox-short");
	log_str("account", mailbox_named_address(&o->owner));
	log_text("mailbox", mailbox_role_name(MAILBOX_INBOX));
	log_num("counted", o->lack.counted);
	log_num("found", o->lack.found);
	log_text("cure", DB_CURE);
	log_close();
}

static void end_open(struct ipc_request *r, const struct fs_open_reply *reply)
{
	struct buf b;

	buf_init(&b, 1024);
	fs_open_reply_put(&b, reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

static void open_done(struct reader_op *op)
{
	struct open_task *o = LIST_ENTRY(op, struct open_task, task.op);
	const struct mailbox_snapshot *s = &o->task.view->snapshot;
	struct fs_open_reply reply = {.verdict = FS_TEMPORARY};

	if (op->result == DB_OK && !o->missing && !s->complete) {
		task_submit(&o->task);
		return;
	}
	if (op->result != DB_OK || o->missing)
		store_front_drop_view(o->task.front, o->task.view);
	if (op->result != DB_OK) {
		task_failed(&o->task, "snapshot", 0);
	} else if (o->missing) {
		reply.verdict = FS_DISABLED;
	} else {
		reply = (struct fs_open_reply){.verdict = FS_OK,
		    .count = (uint64_t)mailbox_snapshot_count(s),
		    .octets = (uint64_t)s->octets};
		o->task.view->ready = true;
		if (o->is_short)
			log_short(o);
	}
	end_open(o->task.request, &reply);
	task_fini(&o->task);
	mem_free(o);
}

void store_mailbox_open(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct fs_open_reply no = {.verdict = FS_DISABLED};
	struct fs_open_reply full = {.verdict = FS_TEMPORARY,
	    .text = STR("this mailbox is open too often, try again later")};
	const struct session *s;
	struct fs_handle handle;
	struct store_view *v;
	struct open_task *o;

	s = fs_handle_get(payload, &handle) ? store_front_session(f, &handle) : NULL;
	if (!s || s->account == 0 || store_front_view(f, &handle)) {
		end_open(r, &no);
		return;
	}
	v = mem_new(struct store_view);
	v->handle = handle;
	if (!store_front_keep_view(f, v, s->account)) { /* from now on: a handle opens one view */
		mem_free(v);
		end_open(r, &full);
		return;
	}
	o = mem_new(struct open_task);
	o->account = s->account;
	o->task.op.run = open_run;
	o->task.op.done = open_done;
	task_init(&o->task, f, r, v);
	task_submit(&o->task);
}

/* ---- LIST ---- */
struct list_task {
	struct store_stream stream;
	int64_t next, last;
	struct mailbox_entry *entries; /* while a piece is out */
	size_t want, got;
};

static enum db_code list_run(struct reader_op *op, struct db *db)
{
	struct list_task *l = LIST_ENTRY(op, struct list_task, stream.task.op);
	const struct mailbox_snapshot *s = &l->stream.task.view->snapshot;

	l->entries = mem_array(l->want, sizeof *l->entries);
	return mailbox_entries(db, s, l->next, l->entries, l->want, &l->got);
}

static void list_end(struct list_task *l, enum fs_verdict verdict)
{
	stream_end(&l->stream, verdict);
	mem_free(l);
}

/* Sends for the next page, if there is one and credit for at least an entry. */
static void list_go_on(struct store_stream *s)
{
	struct list_task *l = LIST_ENTRY(s, struct list_task, stream);
	size_t room = s->task.request->send_credit / FS_ENTRY_SIZE;
	int64_t left = l->last - l->next + 1;

	if (is_unwanted(s) || left <= 0) {
		list_end(l, FS_OK);
		return;
	}
	if (room == 0)
		return; /* on_credit comes back here */
	l->want = room < PAGE ? room : PAGE;
	if ((int64_t)l->want > left)
		l->want = (size_t)left;
	stream_submit(s, l->want * FS_ENTRY_SIZE);
}

static void send_entries(struct list_task *l)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_CHUNK);
	for (size_t i = 0; i < l->got; i++) {
		const struct mailbox_entry *m = &l->entries[i];
		struct fs_entry e = {(uint64_t)m->number, (uint64_t)m->size, m->email};

		fs_entry_put(&b, &e);
		l->next = m->number + 1;
	}
	ipc_request_chunk(l->stream.task.request, buf_view(&b));
	buf_fini(&b);
}

static void list_done(struct reader_op *op)
{
	struct list_task *l = LIST_ENTRY(op, struct list_task, stream.task.op);

	l->stream.running = false;
	if (op->result == DB_OK && l->got && !is_unwanted(&l->stream))
		send_entries(l);
	if (l->got == 0)
		l->next = l->last + 1;
	mem_free(l->entries);
	l->entries = NULL;
	if (op->result != DB_OK) {
		task_failed(&l->stream.task, "list", 0);
		list_end(l, FS_TEMPORARY);
		return;
	}
	stream_give(&l->stream);
	list_go_on(&l->stream);
}

void store_mailbox_list(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct store_view *v;
	struct list_task *l;
	struct fs_list m;

	v = fs_list_get(payload, &m) ? store_mailbox_view(f, &m.handle) : NULL;
	if (!v) {
		store_front_done(r, FS_REFUSED, "no such mailbox is open");
		return;
	}
	l = mem_new(struct list_task);
	l->next = (int64_t)m.first;
	l->last = (int64_t)m.last;
	if (l->last > mailbox_snapshot_count(&v->snapshot))
		l->last = mailbox_snapshot_count(&v->snapshot);
	l->stream.task.op.run = list_run;
	l->stream.task.op.done = list_done;
	l->stream.go_on = list_go_on;
	stream_begin(&l->stream, f, r, v);
}

/* ---- READ ---- */
struct read_task {
	struct store_stream stream;
	int64_t number;
	struct arena *arena; /* of the message's prefix */
	struct mailbox_message message;
	struct mailbox_source *source;
	bool gone;  /* the message is no longer there */
	bool ended; /* read to its end */
	size_t want, got;
	uint8_t *bytes; /* while a piece is out */
};

/* Finds the message in the first piece; then its bytes. */
static enum db_code read_open(struct read_task *t, struct db *db)
{
	struct task *task = &t->stream.task;
	struct blob_store *blobs = task->front->sp->store->blobs;
	enum db_code code;

	t->arena = arena_new();
	code = mailbox_message(db, t->arena, &task->view->snapshot, t->number, &t->message);

	if (code == DB_OK)
		t->gone = true;
	if (code != DB_ROW)
		return code;
	return mailbox_source_open(blobs, &t->message, 0, &t->source, &task->op.err) == BLOB_OK
		   ? DB_OK
		   : DB_IO;
}

static enum db_code read_run(struct reader_op *op, struct db *db)
{
	struct read_task *t = LIST_ENTRY(op, struct read_task, stream.task.op);
	enum db_code code = t->source ? DB_OK : read_open(t, db);

	t->bytes = mem_alloc(t->want);
	t->got = 0;
	while (code == DB_OK && !t->gone && !t->ended && t->got < t->want) {
		size_t n;

		if (mailbox_source_read(t->source, t->bytes + t->got, t->want - t->got, &n) !=
		    BLOB_OK) {
			err_set(&op->err, "message %lld is damaged: run `godwit store verify`",
			    (long long)t->message.email);
			code = DB_CORRUPT;
		} else {
			t->got += n;
			t->ended = n == 0;
		}
	}
	return code;
}

static void read_end(struct read_task *t, enum fs_verdict verdict)
{
	mailbox_source_close(&t->source);
	arena_free(&t->arena);
	stream_end(&t->stream, verdict);
	mem_free(t);
}

static void read_go_on(struct store_stream *s)
{
	struct read_task *t = LIST_ENTRY(s, struct read_task, stream);
	size_t credit = s->task.request->send_credit;

	if (is_unwanted(s) || t->ended) {
		read_end(t, FS_OK);
		return;
	}
	if (credit == 0)
		return;
	t->want = credit < READ_PIECE ? credit : READ_PIECE;
	stream_submit(s, t->want);
}

static void read_done(struct reader_op *op)
{
	struct read_task *t = LIST_ENTRY(op, struct read_task, stream.task.op);
	struct str rest = {t->bytes, op->result == DB_OK ? t->got : 0};

	t->stream.running = false;
	while (rest.n && !is_unwanted(&t->stream)) {
		ipc_request_chunk(t->stream.task.request, str_sub(rest, 0, LIMIT_IPC_CHUNK));
		rest = str_from(rest, LIMIT_IPC_CHUNK);
	}
	mem_free(t->bytes);
	t->bytes = NULL;
	if (op->result != DB_OK || t->gone) {
		if (op->result != DB_OK)
			task_failed(&t->stream.task, "message", t->message.email);
		read_end(t, t->gone ? FS_REFUSED : FS_TEMPORARY);
		return;
	}
	stream_give(&t->stream);
	read_go_on(&t->stream);
}

void store_mailbox_read(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct store_view *v;
	struct read_task *t;
	struct fs_read m;

	v = fs_read_get(payload, &m) ? store_mailbox_view(f, &m.handle) : NULL;
	if (!v) {
		store_front_done(r, FS_REFUSED, "no such mailbox is open");
		return;
	}
	t = mem_new(struct read_task);
	t->number = (int64_t)m.number;
	t->stream.task.op.run = read_run;
	t->stream.task.op.done = read_done;
	t->stream.go_on = read_go_on;
	stream_begin(&t->stream, f, r, v);
}
