/*
 * The requests of a relay: jobs, content, results. Everything is checked against the leases in the
 * database; the link itself remembers only who is at its other end.
 */
#include "proc/store_relay.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/child.h"
#include "proc/log.h"
#include "queue/queue_text.h"
#include "store/queue_settle.h"

#define REPLY_BYTES (1 * MIB) /* of texts in one reply; the last job may pass it */
#define READ_PIECE  LIMIT_IPC_CREDIT
#define READS_MAX   ((size_t)2 * RS_ROOM_MAX) /* one a job, and those whose cancel is on its way */
#define BUSY_MAX    (2 * READS_MAX) /* requests of all kinds; no relay that is well has more */

_Static_assert(QUEUE_LEASE_MS == RS_LEASE_MS, "both sides of the edge know how long a lease lives");
_Static_assert(QUEUE_JOB_RECIPIENTS == RS_RECIPIENTS_MAX, "a job of the store fits the edge");

static void free_if_unused(struct store_relay *r)
{
	if (r->peer || r->busy)
		return;
	list_remove(&r->link);
	mem_free(r);
}

static void hold(struct store_relay *r)
{
	r->busy++;
}

static void unhold(struct store_relay *r)
{
	r->busy--;
	free_if_unused(r);
}

static void end_with(struct ipc_request *request, enum rs_verdict verdict)
{
	struct buf b;

	buf_init(&b, 8);
	rs_verdict_put(&b, verdict);
	ipc_request_end(request, buf_view(&b));
	buf_fini(&b);
}

/* What no relay asks that is well; it is told so where it waits for an answer. */
static void log_refused(const struct store_relay *r, const char *what)
{
	log_open(LOG_WARN, "relay-refused");
	log_num("node", r->node);
	log_text("what", what);
	log_close();
}

/* It may be taken over, and have more asked for than we have memory. */
static bool is_too_busy(const struct store_relay *r, const char *what)
{
	if (r->busy < BUSY_MAX)
		return false;
	log_refused(r, what);
	return true;
}

/* ---- LEASE ---- */

struct giving {
	struct queue_lease lease;
	struct store_relay *relay;
	struct arena *arena; /* of its settings */
};

static void put_recipients(struct buf *b, const struct queue_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct rs_recipient r = {
		    .number = (uint32_t)rows->v[i].recipient,
		    .address = rows->v[i].address,
		    .notify = (uint8_t)rows->v[i].notify,
		    .orcpt = rows->v[i].orcpt,
		};

		rs_recipient_put(b, &r);
	}
}

/* The first line of the password's file; what is wrong with that is said once for each job. */
static bool read_password(
    const struct config_snapshot *config, const struct config_route *route, struct buf *password)
{
	struct buf path;
	int fd;
	ssize_t n;

	buf_init(&path, 8 * KIB);
	fd = open(config_path(config, route->password_file, &path), O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, buf_reserve(password, LIMIT_PASSWORD), LIMIT_PASSWORD) : -1;
	if (fd >= 0)
		close(fd);
	buf_fini(&path);
	if (n <= 0)
		return false;
	password->n = str_find(str_of(password->p, (size_t)n), '\n');
	return password->n > 0;
}

static void put_route(struct rs_job *m, const struct config_snapshot *config, struct buf *password)
{
	const struct config_route *route = config_route(config, m->destination);

	if (!route)
		return;
	m->route = (struct rs_route){.host = route->host,
	    .port = (uint16_t)route->port,
	    .tls = (uint8_t)route->tls,
	    .user = route->user};
	if (route->user.n == 0)
		return;
	if (!read_password(config, route, password)) {
		log_open(LOG_ERROR, "route-password-unreadable");
		log_str("domain", route->domain);
		log_str("file", route->password_file);
		log_text("cure",
		    "put the password into that file and let the user of the store read it");
		log_close();
	}
	m->route.password = buf_view(password);
}

static void put_job(
    struct buf *b, const struct queue_job *job, const struct config_snapshot *config)
{
	struct buf recipients, password;
	struct rs_job m = {
	    .lease = {job->message.id, job->token},
	    .destination = job->destination,
	    .reverse_path = job->message.reverse_path,
	    .eightbit = job->message.eightbit,
	    .utf8 = job->message.utf8,
	    .ret = job->message.ret,
	    .envid = job->message.envid,
	    .size = (uint64_t)job->message.size,
	    .attempts = job->attempts,
	    .recipient_count = (uint32_t)job->rows.n,
	};

	buf_init(&password, LIMIT_PASSWORD + 1);
	put_route(&m, config, &password);
	buf_init(&recipients, LIMIT_ENVELOPE);
	put_recipients(&recipients, &job->rows);
	m.recipients = buf_view(&recipients);
	rs_job_put(b, &m);
	buf_fini(&recipients);
	buf_wipe(&password);
}

static void reply_jobs(struct store_relay *r, const struct queue_lease *lease)
{
	struct ipc_request *request = r->waiting;
	struct buf b;

	r->waiting = NULL;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	for (size_t i = 0; i < lease->n; i++)
		put_job(&b, &lease->jobs[i], r->sp->config);
	ipc_request_end(request, buf_view(&b));
	buf_fini(&b);
}

/* Jobs that nobody is there to take any more. */
struct returning {
	struct queue_release release;
	struct store_relay *relay;
	int64_t tokens[RS_ROOM_MAX];
};

static void returned(struct lane_op *op)
{
	struct returning *b = LIST_ENTRY(op, struct returning, release.op);
	struct store_relay *r = b->relay;

	if (op->result == LANE_DONE && b->release.more) {
		b->release.after = b->release.next;
		store_write(r->sp->store, op);
		return;
	}
	if (op->result != LANE_DONE) /* they expire by themselves */
		store_queue_failed(r->queue, "return", op);
	store_queue_kick(r->queue);
	mem_free(b);
	unhold(r);
}

static void give_back(struct store_relay *r, const struct queue_lease *lease)
{
	struct returning *b = mem_new(struct returning);

	b->relay = r;
	for (size_t i = 0; i < lease->n; i++)
		b->tokens[i] = lease->jobs[i].token;
	b->release.tokens = b->tokens;
	b->release.ntokens = lease->n;
	queue_release_init(&b->release);
	b->release.op.done = returned;
	hold(r);
	store_write(r->sp->store, &b->release.op);
}

static void lease_done(struct lane_op *op)
{
	struct giving *g = LIST_ENTRY(op, struct giving, lease.op);
	struct store_relay *r = g->relay;
	struct store_queue *q = r->queue;

	r->leasing = false;
	if (op->result != LANE_DONE)
		store_queue_failed(q, "lease", op);
	else if (g->lease.n && r->waiting)
		reply_jobs(r, &g->lease);
	else if (g->lease.n)
		give_back(r, &g->lease);
	queue_lease_fini(&g->lease);
	arena_free(&g->arena);
	mem_free(g);
	unhold(r);
	store_queue_kick(q);
}

bool store_relay_is_waiting(const struct store_relay *r)
{
	return r->peer && r->owner && r->waiting && !r->leasing;
}

void store_relay_give(struct store_relay *r)
{
	struct giving *g = mem_new(struct giving);

	g->relay = r;
	g->arena = arena_new();
	g->lease.cfg = store_queue_config(r->queue, g->arena);
	g->lease.owner = r->owner;
	g->lease.room = r->room;
	g->lease.bytes = REPLY_BYTES;
	queue_lease_init(&g->lease);
	g->lease.op.done = lease_done;
	r->leasing = true;
	hold(r);
	store_write(r->sp->store, &g->lease.op);
}

static void lease_cancelled(struct ipc_request *request)
{
	struct store_relay *r = request->user;

	if (r->waiting != request)
		return;
	r->waiting = NULL;
	ipc_request_end(request, STR(""));
}

static void take_lease(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	uint32_t room;

	if (!rs_lease_get(payload, &room) || r->waiting) {
		log_refused(r, "jobs, as it may not ask for them");
		ipc_request_end(request, STR(""));
		return;
	}
	r->waiting = request;
	r->room = room;
	request->user = r;
	request->on_cancel = lease_cancelled;
	store_queue_kick(r->queue);
}

/* ---- READ ---- */

struct read_task {
	struct reader_op op;
	struct store_relay *relay;
	struct ipc_request *request;
	int64_t owner;
	struct rs_lease lease;
	struct arena *arena;
	struct queue_message message;
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
	t->got = 0;
	while (code == DB_OK && !t->stale && !t->ended && t->got < t->want) {
		size_t n;

		if (blob_read(blobs_of(t), t->blob, t->bytes + t->got, t->want - t->got, &n) !=
		    BLOB_OK) {
			err_set(&op->err, "message %lld is damaged", (long long)t->lease.message);
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
	end_with(t->request, verdict);
	arena_free(&t->arena);
	r->reading--;
	read_give(t);
	mem_free(t);
	unhold(r);
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
			log_note(LOG_ERROR, "read-failed", op->err.text);
		else
			log_refused(t->relay, "content, without the lease");
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

static void take_read(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	struct read_task *t;
	struct rs_lease lease;

	if (!rs_handle_get(payload, &lease)) {
		log_refused(r, "content, by a handle that is none");
		end_with(request, RS_STALE);
		return;
	}
	if (r->reading >= READS_MAX) {
		log_refused(r, "content, too much at a time");
		end_with(request, RS_TEMPORARY);
		return;
	}
	r->reading++;
	t = mem_new(struct read_task);
	t->relay = r;
	t->request = request;
	t->owner = r->owner;
	t->lease = lease;
	store_flow_turn_init(&t->turn, read_turn);
	t->op.run = read_run;
	t->op.done = read_done;
	request->user = t;
	request->on_credit = read_moved;
	request->on_cancel = read_moved;
	hold(r);
	read_go_on(t);
}

/* ---- RESULT ---- */

struct settling {
	struct store_relay *relay;
	struct ipc_request *request;
};

static void log_result(const struct queue_settle *s)
{
	log_open(LOG_INFO, s->stale ? "attempt-stale" : "attempt");
	log_id("id", s->message);
	log_str("server", s->remote);
	log_str("ip", s->remote_ip);
	log_str("tls", s->tls);
	log_num("delivered", s->counts[QUEUE_DELIVERED]);
	log_num("failed", s->counts[QUEUE_FAILED]);
	log_num("waiting",
	    s->counts[QUEUE_RETRY] + s->counts[QUEUE_RETRY_HOST] + s->counts[QUEUE_RETRY_NOW]);
	log_close();
}

static void settle_done(struct lane_op *op)
{
	struct queue_settle *s = LIST_ENTRY(op, struct queue_settle, op);
	struct settling *t = s->user;
	struct store_queue *q = t->relay->queue;

	if (op->result != LANE_DONE) {
		store_queue_failed(q, "result", op);
		end_with(t->request, RS_TEMPORARY);
	} else {
		log_result(s);
		end_with(t->request, s->stale ? RS_STALE : RS_DONE);
	}
	queue_settle_free(&s);
	unhold(t->relay);
	mem_free(t);
	store_queue_kick(q);
}

static struct str ip_text(struct arena *a, const struct ip *ip)
{
	static const struct ip none;
	struct str text = STR("");
	struct buf b;

	if (ip_eq(ip, &none))
		return text;
	buf_init(&b, 64);
	ip_put(&b, ip);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

/* Text from a relay that is to be a row's: one line, whatever it sent. */
static struct str clean(struct arena *a, struct str text, size_t max)
{
	struct buf b;

	buf_init(&b, max);
	queue_text_clean(&b, text, max, true);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

static bool copy_outcomes(struct queue_settle *s, const struct rs_result *m)
{
	struct queue_verdict *v = arena_array(s->arena, m->count, sizeof *v);
	struct cur c = cur_of(m->outcomes);

	for (size_t i = 0; i < m->count; i++) {
		struct rs_outcome o;

		if (!rs_outcome_next(&c, &o))
			return false;
		v[i] = (struct queue_verdict){o.number, o.attempt, arena_str(s->arena, o.text)};
	}
	s->outcomes = v;
	s->n = m->count;
	return cur_done(&c);
}

/* Everything of the result, copied. False: malformed. */
static bool fill(struct queue_settle *s, struct store_relay *r, struct str payload)
{
	struct rs_result m;

	if (!rs_result_get(payload, &m) || !copy_outcomes(s, &m))
		return false;
	s->cfg = store_queue_config(r->queue, s->arena);
	s->owner = r->owner;
	s->message = m.lease.message;
	s->token = m.lease.token;
	s->remote = clean(s->arena, m.remote_name, LIMIT_SMTP_DOMAIN);
	s->remote_ip = ip_text(s->arena, &m.remote_ip);
	s->tls = clean(s->arena, m.tls, LIMIT_LOG_VALUE);
	s->dsn = m.dsn;
	s->dialogue = arena_str(s->arena, m.dialogue);
	s->dialogue_id = id_make(&r->queue->ids, clock_now());
	return true;
}

static void take_result(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	struct queue_settle *s = queue_settle_new();
	struct settling *t;

	if (!fill(s, r, payload)) {
		log_refused(r, "a result that cannot be read");
		end_with(request, RS_STALE);
		queue_settle_free(&s);
		return;
	}
	if (is_too_busy(r, "a result, too many at a time")) {
		end_with(request, RS_TEMPORARY);
		queue_settle_free(&s);
		return;
	}
	t = mem_new(struct settling);
	t->relay = r;
	t->request = request;
	s->user = t;
	queue_settle_prepare(s);
	s->op.done = settle_done;
	hold(r);
	store_write(r->sp->store, &s->op);
}

/* ---- HELLO and EXTEND ---- */

struct extending {
	struct queue_extend extend;
	struct store_relay *relay;
};

static void extend_done(struct lane_op *op)
{
	struct extending *x = LIST_ENTRY(op, struct extending, extend.op);
	struct store_relay *r = x->relay;

	if (op->result != LANE_DONE)
		store_queue_failed(r->queue, "extend", op);
	mem_free(x);
	unhold(r);
}

static void take_extend(struct store_relay *r, struct str payload)
{
	struct extending *x;
	struct rs_lease lease;

	if (r->sp->draining || is_too_busy(r, "more time, too often"))
		return;
	if (!rs_handle_get(payload, &lease)) {
		log_refused(r, "more time, by a handle that is none");
		return;
	}
	x = mem_new(struct extending);
	x->relay = r;
	x->extend.owner = r->owner;
	x->extend.message = lease.message;
	x->extend.token = lease.token;
	queue_extend_init(&x->extend);
	x->extend.op.done = extend_done;
	hold(r);
	store_write(r->sp->store, &x->extend.op);
}

static void take_hello(struct store_relay *r, struct str payload)
{
	int64_t owner;

	if (r->owner || !rs_hello_get(payload, &owner)) {
		log_refused(r, "to be somebody else");
		return;
	}
	r->owner = owner;
	store_queue_greeted(r->queue);
}

/* ---- the link ---- */

static void on_request(struct peer *p, struct ipc_request *request, struct str payload, int fd)
{
	static void (*const take[RS_TYPES])(
	    struct store_relay * r, struct ipc_request * request, struct str payload) = {
	    [RS_LEASE] = take_lease,
	    [RS_READ] = take_read,
	    [RS_RESULT] = take_result,
	};

	MUST(request->type < RS_TYPES && take[request->type]);
	take[request->type](p->owner, request, payload);
	if (fd >= 0)
		close(fd);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	if (type == RS_HELLO)
		take_hello(p->owner, payload);
	else
		take_extend(p->owner, payload);
	if (fd >= 0)
		close(fd);
}

static void on_down(struct peer *p, const char *why)
{
	struct store_relay *r = p->owner;
	struct buf b;

	r->peer = NULL;
	if (why) { /* it broke the protocol: it may be taken over */
		buf_init(&b, 8);
		sc_peer_put(&b, SC_ROLE_RELAY, r->node);
		child_tell(SC_BAD_PEER, buf_view(&b));
		buf_fini(&b);
	}
	if (!r->sp->store)
		return; /* the end of the process: nothing is left to give back */
	store_queue_gone(r->queue);
	free_if_unused(r);
}

/* Those who read mail for it and had no room may go on. */
static void on_sent(struct peer *p)
{
	struct store_relay *r = p->owner;

	store_flow_move(&r->flow, p->link);
}

static const struct peer_config relay_peer = {
    &rs_edge, IPC_ANSWERER, "relay", on_request, on_event, on_down, on_sent};

void store_relay_new(struct store_process *sp, uint16_t node, int fd)
{
	struct store_relay *r = mem_new(struct store_relay);

	r->sp = sp;
	r->queue = sp->queue;
	r->node = node;
	store_flow_init(&r->flow);
	list_push(&sp->queue->relays, &r->link);
	r->peer = peer_new(sp->loop, &relay_peer, fd, r);
	r->peer->node = node;
}
