/*
 * Taking messages: uploads of large ones, written by the reader threads, and the request that makes a
 * message durable. The reply is sent from the lane op's done: after the commit.
 */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_front.h"
#include "proc/store_queue.h"
#include "store/deliver.h"

/* ---- uploads ---- */

/*
 * One thing is out at a time: content that is written, or the sync at the end. What comes meanwhile
 * waits in `held`; credit is given when it is written, so that held and writing together never
 * exceed LIMIT_IPC_CREDIT.
 */
struct store_upload {
	struct list link; /* in its front's list */
	struct store_front *front;
	struct ipc_request *request; /* while content comes */
	struct blob_upload *blob;    /* NULL before the first write */
	struct blob_pos pos;
	int64_t message_id;
	uint64_t id;
	uint64_t size;
	struct buf held;    /* came, and is not written yet */
	struct buf writing; /* a reader thread's while busy */
	bool busy;
	bool whole;    /* the last octet has come */
	bool finished; /* may be delivered */
	bool dropped;  /* nobody will deliver it */
	struct reader_op op;
};

static const char no_space[] = "There is no room for the message now, try again later";
static const char cancelled[] = "cancelled";
static const char trouble[] = "The message cannot be stored now, try again later";

static struct blob_store *blobs_of(struct store_front *f)
{
	return f->sp->store->blobs;
}

static void upload_free(struct store_upload *u)
{
	blob_upload_free(blobs_of(u->front), &u->blob);
	buf_fini(&u->held);
	buf_fini(&u->writing);
	u->front->upload_count--;
	list_remove(&u->link);
	mem_free(u);
}

static void upload_reply(struct ipc_request *r, const struct fs_upload_reply *reply)
{
	struct buf b;

	buf_init(&b, 1024);
	fs_upload_reply_put(&b, reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

/* For want of room, or for another reason. */
static void refuse(struct ipc_request *r, const char *text)
{
	struct fs_upload_reply reply = {
	    .verdict = text == no_space ? FS_TEMPORARY : FS_REFUSED, .text = str_of_c(text)};

	upload_reply(r, &reply);
}

/* Ends the upload without a result that could be delivered. */
static void upload_refuse(struct store_upload *u, const char *text)
{
	struct ipc_request *r = u->request;

	upload_free(u);
	refuse(r, text);
}

static void log_failed(struct store_upload *u)
{
	struct err why;

	log_open(LOG_ERROR, "upload-failed");
	log_id("id", u->message_id);
	log_text("why", u->op.err.text);
	log_text(
	    "cure", blob_has_failed(blobs_of(u->front), &why)
			? STORE_CURE_CLOSED
			: "its sender was told to try again later; make room on the disk, or allow "
			  "the server more open files");
	log_close();
}

/* What was to be done with its file was not. */
static void upload_failed(struct store_upload *u)
{
	log_failed(u);
	upload_refuse(u, u->op.result == DB_FULL ? no_space : trouble);
}

/* Nobody wants it any more. */
static bool is_given_up(const struct store_upload *u)
{
	return u->request->cancelled || u->dropped;
}

static void upload_submit(struct store_upload *u,
    enum db_code (*run)(struct reader_op *op, struct db *db), void (*done)(struct reader_op *op))
{
	u->busy = true;
	u->op.run = run;
	u->op.done = done;
	store_front_hold(u->front);
	store_read(u->front->sp->store, &u->op);
}

static void upload_synced(struct reader_op *op)
{
	struct store_upload *u = LIST_ENTRY(op, struct store_upload, op);
	struct store_front *f = u->front;
	struct fs_upload_reply reply = {.verdict = FS_OK, .upload = u->id, .size = u->size};
	struct ipc_request *r = u->request;

	u->busy = false;
	if (op->result != DB_OK) {
		upload_failed(u);
	} else if (is_given_up(u)) {
		upload_refuse(u, cancelled);
	} else {
		u->request = NULL;
		u->finished = true;
		upload_reply(r, &reply);
	}
	store_front_unhold(f);
}

static enum db_code db_code_of(enum blob_code code)
{
	if (code == BLOB_FULL)
		return DB_FULL;
	return code == BLOB_OK ? DB_OK : DB_IO;
}

/* In a reader's thread, like all that follows: the disk may be slow. */
static enum db_code upload_sync(struct reader_op *op, struct db *db)
{
	struct store_upload *u = LIST_ENTRY(op, struct store_upload, op);

	return db_code_of(blob_upload_finish(blobs_of(u->front), u->blob, &u->pos, &op->err));
}

static enum db_code upload_write(struct reader_op *op, struct db *db)
{
	struct store_upload *u = LIST_ENTRY(op, struct store_upload, op);
	struct blob_store *blobs = blobs_of(u->front);
	enum blob_code code = BLOB_OK;

	if (!u->blob)
		code = blob_upload_begin(blobs, u->message_id, BLOB_PLAIN, &u->blob, &op->err);
	if (code == BLOB_OK)
		code = blob_upload_write(blobs, u->blob, buf_view(&u->writing), &op->err);
	return db_code_of(code);
}

static void upload_go_on(struct store_upload *u);

static void upload_written(struct reader_op *op)
{
	struct store_upload *u = LIST_ENTRY(op, struct store_upload, op);
	struct store_front *f = u->front;

	u->busy = false;
	if (op->result != DB_OK) {
		upload_failed(u);
	} else if (is_given_up(u)) {
		upload_refuse(u, cancelled);
	} else {
		ipc_request_credit(u->request, u->writing.n);
		buf_fini(&u->writing);
		upload_go_on(u);
	}
	store_front_unhold(f);
}

/* What comes next, once nothing is out. An upload without content has a file too. */
static void upload_go_on(struct store_upload *u)
{
	if (u->busy)
		return;
	if (u->held.n || (u->whole && !u->blob)) {
		u->writing = u->held;
		buf_init(&u->held, LIMIT_IPC_CREDIT);
		upload_submit(u, upload_write, upload_written);
	} else if (u->whole) {
		upload_submit(u, upload_sync, upload_synced);
	}
}

static void upload_chunk(struct ipc_request *r, struct str bytes, bool last)
{
	struct store_upload *u = r->user;

	u->size += bytes.n;
	u->whole = last;
	buf_str(&u->held, bytes);
	if (u->size > LIMIT_MESSAGE_SIZE + LIMIT_RECEIVED)
		u->dropped = true;
	if (u->dropped && !u->busy)
		upload_refuse(u, no_space);
	else
		upload_go_on(u);
}

static void upload_cancelled(struct ipc_request *r)
{
	struct store_upload *u = r->user;

	if (!u->busy) /* else it ends when that is back */
		upload_refuse(u, cancelled);
}

static bool may_upload(const struct store_front *f)
{
	return f->upload_count < LIMIT_STORE_UPLOADS && !f->sp->draining &&
	       store_is_accepting(f->sp->store);
}

/* Ids of messages say which process made them: a front makes none in the name of another. */
static bool is_id_of(const struct store_front *f, int64_t message_id)
{
	return message_id > 0 && id_node(message_id) == f->node;
}

void store_take_upload(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct store_upload *u;
	int64_t message_id;

	if (!fs_upload_get(payload, &message_id) || !is_id_of(f, message_id)) {
		refuse(r, "The request to store this message is malformed");
		return;
	}
	if (!may_upload(f)) {
		refuse(r, no_space);
		return;
	}
	u = mem_new(struct store_upload);
	u->front = f;
	u->request = r;
	u->message_id = message_id;
	u->id = ++f->sp->next_link; /* any number that is not in use */
	buf_init(&u->held, LIMIT_IPC_CREDIT);
	buf_init(&u->writing, LIMIT_IPC_CREDIT);
	list_push(&f->uploads, &u->link);
	f->upload_count++;
	r->user = u;
	r->on_chunk = upload_chunk;
	r->on_cancel = upload_cancelled;
}

/* The upload of a message on this link. */
static struct store_upload *upload_find(struct store_front *f, int64_t message_id)
{
	LIST_FOREACH(&f->uploads, it)
	{
		struct store_upload *u = LIST_ENTRY(it, struct store_upload, link);

		if (u->message_id == message_id)
			return u;
	}
	return NULL;
}

/* The finished upload that a message shall be made of, out of the list; NULL: there is none. */
static struct store_upload *upload_take(struct store_front *f, const struct fs_deliver *m)
{
	struct store_upload *u = m->upload ? upload_find(f, m->message_id) : NULL;

	if (!u || u->id != m->upload || !u->finished)
		return NULL;
	list_remove(&u->link);
	return u;
}

/* May cross the reply that it is finished. One that still comes is cancelled by its request. */
void store_take_upload_drop(struct store_front *f, struct str payload)
{
	struct store_upload *u;
	int64_t message_id;

	u = fs_upload_drop_get(payload, &message_id) ? upload_find(f, message_id) : NULL;
	if (u && u->finished)
		upload_free(u);
	else if (u)
		u->dropped = true;
}

void store_take_link_down(struct store_front *f)
{
	LIST_FOREACH(&f->uploads, it)
	{
		struct store_upload *u = LIST_ENTRY(it, struct store_upload, link);

		if (u->finished)
			upload_free(u);
	}
}

/* ---- delivering ---- */
struct delivery {
	struct deliver *deliver;
	struct store_front *front;
	struct ipc_request *request;
	struct store_upload *upload; /* out of the front's list, or NULL */
	size_t bytes;
};

static struct fs_status status_of(const struct plan_reject *no)
{
	if (!no)
		return (struct fs_status){250, 2, 0, 0, STR("Message accepted")};
	return (struct fs_status){
	    no->code, no->class, (uint8_t)no->subject, (uint8_t)no->detail, no->text};
}

static void end_deliver(struct ipc_request *r, const struct fs_deliver_reply *reply)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	fs_deliver_reply_put(&b, reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

static void refuse_deliver(struct ipc_request *r, const struct plan_reject *no)
{
	struct fs_deliver_reply reply = {.status = status_of(no)};

	end_deliver(r, &reply);
}

static void log_delivery(const struct delivery *v, const struct fs_status *status)
{
	const struct deliver *d = v->deliver;

	log_open(
	    status->code < 300 ? LOG_INFO : LOG_WARN, status->code < 300 ? "stored" : "not-stored");
	log_id("id", d->message_id);
	log_str("from", d->reverse_path);
	log_num("recipients", (int64_t)d->n);
	log_num("copies", d->copies);
	log_num("queued", d->queued);
	if (status->code >= 300)
		log_str("why", status->text);
	if (d->op.result != LANE_DONE)
		log_text("trouble", d->op.err.text);
	else if (v->request->cancelled)
		log_text(
		    "unanswered", "nobody waited for the answer: the sender may send it again");
	log_close();
}

static void delivery_free(struct delivery *v)
{
	struct store_front *f = v->front;

	f->deliver_bytes -= v->bytes;
	deliver_free(&v->deliver);
	if (v->upload)
		upload_free(v->upload);
	mem_free(v);
	store_front_unhold(f);
}

static void put_results(const struct deliver *d, struct buf *b)
{
	for (size_t i = 0; d->each && i < d->n; i++) {
		struct fs_status s = status_of(
		    d->results[i].accepted ? NULL : &d->results[i].refusal);

		fs_status_put(b, &s);
	}
}

static void delivery_done(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);
	struct delivery *v = d->user;
	struct fs_deliver_reply reply;
	struct buf results;

	buf_init(&results, LIMIT_ENVELOPE);
	if (op->result != LANE_DONE) {
		reply = (struct fs_deliver_reply){.status = status_of(deliver_trouble(op->result))};
	} else {
		put_results(d, &results);
		reply = (struct fs_deliver_reply){
		    .status = status_of(d->accepted ? NULL : &d->refusal),
		    .per_recipient = buf_view(&results)};
	}
	log_delivery(v, &reply.status);
	if (d->queued || d->reports)
		store_queue_kick(v->front->sp->queue);
	end_deliver(v->request, &reply);
	buf_fini(&results);
	delivery_free(v);
}

/* The front does not wait any longer, and has told the sender to keep the message; or it is gone. */
static void on_given_up(struct ipc_request *r)
{
	struct delivery *v = r->user;

	lane_op_withdraw(&v->deliver->op);
}

void store_take_submit(struct store_process *sp)
{
	struct list *link;

	while ((link = list_pop(&sp->delivers)))
		store_write(sp->store, LIST_ENTRY(link, struct lane_op, link));
}

/* The recipients, copied into the request's arena. False: malformed. */
static bool copy_recipients(struct deliver *d, const struct fs_deliver *m)
{
	struct cur c = cur_of(m->recipients);

	d->n = m->recipient_count;
	d->recipients = arena_array(d->arena, d->n, sizeof *d->recipients);
	for (size_t i = 0; i < d->n; i++) {
		struct fs_recipient r;

		if (!fs_recipient_next(&c, &r))
			return false;
		d->recipients[i] = (struct deliver_recipient){
		    .local = arena_str(d->arena, r.local),
		    .domain = arena_str(d->arena, r.domain),
		    .address = arena_str(d->arena, r.address),
		    .notify = r.notify,
		    .orcpt = arena_str(d->arena, r.orcpt),
		};
	}
	return cur_done(&c);
}

static void copy_envelope(
    struct deliver *d, const struct fs_deliver *m, const struct store_conn *conn)
{
	struct buf peer;

	buf_init(&peer, 64);
	if (conn->listener == FS_LISTENER_SENDMAIL) {
		buf_lit(&peer, "local uid ");
		buf_i64(&peer, conn->uid);
	} else {
		ip_put(&peer, &conn->ip);
	}
	d->message_id = m->message_id;
	d->reverse_path = arena_str(d->arena, m->reverse_path);
	d->helo = arena_str(d->arena, m->helo);
	d->peer = arena_str(d->arena, buf_view(&peer));
	d->protocol = arena_str(d->arena, m->protocol);
	d->envid = arena_str(d->arena, m->envid);
	d->ret = m->ret;
	d->utf8 = m->utf8;
	d->eightbit = m->eightbit;
	d->wish = m->wish;
	d->each = conn->listener == FS_LISTENER_LMTP;
	d->summary = arena_str(d->arena, m->summary);
	d->data = arena_str(d->arena, m->data);
	buf_fini(&peer);
}

/* Everything of the request into d. False: malformed, or an upload that is not there. */
static bool fill(struct delivery *v, const struct fs_deliver *m, const struct store_conn *conn)
{
	struct deliver *d = v->deliver;
	const struct session *s = store_front_session(v->front, &m->handle);
	struct str plan = arena_str(d->arena, m->plan);

	d->directory = &v->front->sp->directory;
	d->routing = &v->front->sp->routing;
	copy_envelope(d, m, conn);
	d->account = s ? s->account : 0;
	d->may_relay = s;
	if (!copy_recipients(d, m) || plan_decode(plan, d->n, d->arena, &d->plan) != PLAN_OK)
		return false;
	if (m->upload == 0)
		return m->data.n > 0;
	if (!v->upload)
		return false;
	d->upload = v->upload->blob;
	d->upload_pos = v->upload->pos;
	return true;
}

static struct delivery *delivery_new(struct store_front *f, struct ipc_request *r, size_t bytes)
{
	struct delivery *v = mem_new(struct delivery);

	v->front = f;
	v->request = r;
	v->bytes = bytes;
	v->deliver = deliver_new();
	v->deliver->user = v;
	f->deliver_bytes += bytes;
	store_front_hold(f);
	return v;
}

static bool has_room(const struct store_front *f)
{
	return !f->sp->draining && store_is_accepting(f->sp->store) &&
	       f->deliver_bytes <= LIMIT_STORE_DELIVER;
}

static const struct plan_reject malformed = {
    554, 5, 5, 0, STR_INIT("The request to store this message is malformed")};
/* The session began with the store before this one: its sender keeps the message. */
static const struct plan_reject restarted = {
    451, 4, 3, 0, STR_INIT("The mail store was restarted, please send the message again")};
static const struct plan_reject ended = {
    451, 4, 7, 0, STR_INIT("This login has ended, log in again and send the message again")};

/* The disk's state, or the limits of what is under way at once. */
static const struct plan_reject *why_no_room(const struct store_front *f)
{
	const struct plan_reject *no = accept_refusal(store_room(f->sp->store), true, true);

	return no ? no : accept_refusal(ACCEPT_NO_ROOM, true, true);
}

void store_take_deliver(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct delivery *v;
	const struct store_conn *conn;
	struct fs_deliver m;

	if (!fs_deliver_get(payload, &m) || !is_id_of(f, m.message_id)) {
		refuse_deliver(r, &malformed);
		return;
	}
	v = delivery_new(f, r, payload.n);
	v->upload = upload_take(f, &m); /* refused or not, it ends with this request */
	conn = store_front_conn(f, m.session);
	if (!has_room(f)) {
		refuse_deliver(r, why_no_room(f));
		delivery_free(v);
	} else if (!conn) {
		refuse_deliver(r, &restarted);
		delivery_free(v);
	} else if (store_front_has_ended(f, &m.handle)) {
		refuse_deliver(r, &ended);
		delivery_free(v);
	} else if (!fill(v, &m, conn)) {
		refuse_deliver(r, &malformed);
		delivery_free(v);
	} else if (!deliver_prepare(v->deliver)) {
		refuse_deliver(r, &v->deliver->refusal);
		delivery_free(v);
	} else {
		v->deliver->op.done = delivery_done;
		r->user = v;
		r->on_cancel = on_given_up;
		list_push(&f->sp->delivers, &v->deliver->op.link);
	}
}

/* ---- what became of a message whose answer was lost ---- */

static struct fs_status taken_status(struct store_front *f, int64_t message_id, int64_t recipient)
{
	bool taken = false;
	struct err why;

	if (deliver_was_taken(f->sp->db, message_id, recipient, &taken) != DB_OK) {
		err_set(&why, "%s%s", db_error(f->sp->db), db_cure(f->sp->db));
		log_note(LOG_ERROR, "database", why.text);
	}
	return status_of(taken ? NULL : &restarted);
}

/*
 * Nothing of a link from before is under way here: what is not there now will not come. If that cannot be
 * read, the sender is told to keep the message, and it may be delivered twice.
 */
void store_take_taken(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct fs_deliver_reply reply;
	struct fs_taken m;
	struct buf each;

	if (!fs_taken_get(payload, &m) || !is_id_of(f, m.message_id)) {
		refuse_deliver(r, &malformed);
		return;
	}
	buf_init(&each, LIMIT_ENVELOPE);
	for (uint32_t i = 0; i < m.each; i++) {
		struct fs_status status = taken_status(f, m.message_id, i);

		fs_status_put(&each, &status);
	}
	reply = (struct fs_deliver_reply){
	    .status = taken_status(f, m.message_id, -1), .per_recipient = buf_view(&each)};
	end_deliver(r, &reply);
	buf_fini(&each);
}
