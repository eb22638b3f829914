/*
 * Frames: 12 octets of header {u32 payload length, u8 kind, u8 flags, u16 type, u32 id}, payload.
 *
 * Invariants: a frame once begun is finished before another starts. Two output queues, control before
 * bulk; chunks of one id and the reply behind them stay in order, because that reply queues as bulk.
 * Frames for an id that is not open are ignored when they may be late (chunk, credit, cancel after
 * the reply crossed them) and a violation otherwise.
 */
#include "ipc/link.h"

#include <unistd.h>

#include "base/cur.h"
#include "base/mem.h"
#include "base/wire.h"

#define LINK_MAGIC  0x69706331u
#define HEAD        ((size_t)12)
#define FLAG_LAST   1u
#define FLAG_FD     2u
#define FDS_WAITING 16
#define BULK_TURN   (128 * KIB) /* bytes of bulk put on the way before control is looked at again */

struct out {
	struct list link;
	size_t n, off;
	int fd;
	uint8_t bytes[];
};

struct head {
	uint32_t n;
	uint8_t kind;
	uint8_t flags;
	uint16_t type;
	uint32_t id;
};

struct ipc_link {
	uint32_t magic;
	enum ipc_side side;
	const struct ipc_edge *edge;
	const struct ipc_handler *handler;
	void *user;
	bool closed;
	bool closing;  /* ipc_link_close() is telling the open ones: not to be freed under it */
	struct buf in; /* a frame that has not come whole */
	int fds[FDS_WAITING];
	size_t nfds;
	struct list control, bulk, sending;
	size_t waiting; /* octets */
	size_t frames;  /* that wait */
	uint32_t next_id;
	struct hash_table open; /* ipc_call or ipc_request by id */
};

struct ipc_link *ipc_link_new(
    const struct ipc_edge *edge, enum ipc_side side, const struct ipc_handler *handler, void *user)
{
	struct ipc_link *l = mem_new(struct ipc_link);

	l->magic = LINK_MAGIC;
	l->side = side;
	l->edge = edge;
	l->handler = handler;
	l->user = user;
	buf_init(&l->in, HEAD + LIMIT_IPC_PAYLOAD);
	list_init(&l->control);
	list_init(&l->bulk);
	list_init(&l->sending);
	hash_init(&l->open);
	return l;
}

/* ---- output ---- */
static void out_free(struct out *o)
{
	if (o->fd >= 0)
		close(o->fd);
	list_remove(&o->link);
	if (o->n <= HEAD + LIMIT_IPC_CHUNK)
		mem_wipe(o->bytes, o->n); /* passwords pass here */
	mem_free(o);
}

static void outs_free(struct list *queue)
{
	LIST_FOREACH(queue, it)
	out_free(LIST_ENTRY(it, struct out, link));
}

static void put_frame(
    struct ipc_link *l, struct list *queue, const struct head *h, struct str payload, int fd)
{
	struct out *o;
	struct buf b;

	if (l->closed) {
		if (fd >= 0)
			close(fd);
		return;
	}
	o = mem_alloc(sizeof *o + HEAD + payload.n);
	o->fd = fd;
	o->n = HEAD + payload.n;
	b = (struct buf){.p = o->bytes, .cap = HEAD + 1, .max = HEAD};
	wire_u32(&b, (uint32_t)payload.n);
	wire_u8(&b, h->kind);
	wire_u8(&b, h->flags | (fd >= 0 ? FLAG_FD : 0));
	wire_u16(&b, h->type);
	wire_u32(&b, h->id);
	if (payload.n)
		memcpy(o->bytes + HEAD, payload.p, payload.n);
	list_push(queue, &o->link);
	if (l->waiting == 0)
		l->handler->wake(l->user);
	l->waiting += o->n;
	l->frames++;
}

size_t ipc_link_waiting(const struct ipc_link *l)
{
	return l->waiting;
}

/* Refills the sending list: what is begun, then control, then a turn of bulk. */
static void choose_frames(struct ipc_link *l)
{
	size_t turn = 0;

	list_append(&l->sending, &l->control);
	while (turn < BULK_TURN && !list_is_empty(&l->bulk)) {
		struct list *it = list_pop(&l->bulk);

		turn += LIST_ENTRY(it, struct out, link)->n;
		list_push(&l->sending, it);
	}
}

size_t ipc_link_out(struct ipc_link *l, struct iovec *vec, size_t max, int *fd_r)
{
	size_t n = 0;

	*fd_r = -1;
	if (list_is_empty(&l->sending))
		choose_frames(l);
	LIST_FOREACH(&l->sending, it)
	{
		struct out *o = LIST_ENTRY(it, struct out, link);

		if (n == max || (n > 0 && o->fd >= 0))
			break;
		if (n == 0)
			*fd_r = o->fd;
		vec[n++] = (struct iovec){o->bytes + o->off, o->n - o->off};
	}
	return n;
}

void ipc_link_sent(struct ipc_link *l, size_t n)
{
	MUST(n <= l->waiting);
	l->waiting -= n;
	while (n > 0) {
		struct out *o = LIST_ENTRY(l->sending.next, struct out, link);
		size_t part = n < o->n - o->off ? n : o->n - o->off;

		o->off += part;
		n -= part;
		if (o->off == o->n) {
			l->frames--;
			out_free(o);
		} else if (o->fd >= 0) {
			close(o->fd); /* it went with the first byte */
			o->fd = -1;
		}
	}
}

/* ---- the table of open ids ---- */
static struct hash_node *find_open(const struct ipc_link *l, uint32_t id)
{
	return hash_first(&l->open, id); /* the hash is the id itself: unique among the open */
}

static const struct ipc_type *type_of(const struct ipc_link *l, uint16_t type)
{
	return type < l->edge->ntypes ? &l->edge->types[type] : NULL;
}

/* ---- asker ---- */
void ipc_call_start(
    struct ipc_link *l, struct ipc_call *call, uint16_t type, struct str payload, int fd)
{
	const struct ipc_type *t = type_of(l, type);
	struct head h = {.kind = IPC_REQUEST, .type = type};

	MUST(l->magic == LINK_MAGIC && l->side == IPC_ASKER && t && payload.n <= t->max);
	do
		call->id = ++l->next_id;
	while (call->id == 0 || find_open(l, call->id));
	h.id = call->id;
	call->link = l;
	call->type = type;
	call->send_credit = t->traits & IPC_UP ? LIMIT_IPC_CREDIT : 0;
	call->recv_credit = t->traits & IPC_DOWN ? LIMIT_IPC_CREDIT : 0;
	hash_insert(&l->open, &call->node, call->id);
	put_frame(l, t->traits & IPC_BULK ? &l->bulk : &l->control, &h, payload, fd);
}

void ipc_call_chunk(struct ipc_call *call, struct str bytes, bool last)
{
	struct head h = {
	    .kind = IPC_CHUNK, .flags = last ? FLAG_LAST : 0, .type = call->type, .id = call->id};

	MUST(call->link && bytes.n <= call->send_credit && bytes.n <= LIMIT_IPC_CHUNK);
	call->send_credit -= bytes.n;
	put_frame(call->link, &call->link->bulk, &h, bytes, -1);
}

static void put_credit(struct ipc_link *l, uint16_t type, uint32_t id, size_t n)
{
	struct head h = {.kind = IPC_CREDIT, .type = type, .id = id};
	uint8_t bytes[4];
	struct buf b = {.p = bytes, .cap = 5, .max = 4};

	wire_u32(&b, (uint32_t)n);
	put_frame(l, &l->control, &h, buf_view(&b), -1);
}

void ipc_call_credit(struct ipc_call *call, size_t n)
{
	if (!call->link || n == 0)
		return;
	call->recv_credit += n;
	put_credit(call->link, call->type, call->id, n);
}

static void call_detach(struct ipc_call *call)
{
	hash_remove(&call->link->open, &call->node);
	call->link = NULL;
}

void ipc_call_cancel(struct ipc_call *call)
{
	struct ipc_link *l = call->link;
	struct head h = {.kind = IPC_CANCEL, .type = call->type, .id = call->id};

	if (!l)
		return;
	call_detach(call);
	put_frame(
	    l, &l->bulk, &h, (struct str){NULL, 0}, -1); /* behind its own request and chunks */
}

void ipc_call_lose(struct ipc_call *call)
{
	if (!call->link)
		return;
	ipc_call_cancel(call);
	call->on_end(call, IPC_LOST, (struct str){NULL, 0});
}

/* ---- answerer ---- */
void ipc_request_chunk(struct ipc_request *r, struct str bytes)
{
	struct head h = {.kind = IPC_CHUNK, .type = r->type, .id = r->id};

	MUST(bytes.n <= r->send_credit && bytes.n <= LIMIT_IPC_CHUNK);
	r->send_credit -= bytes.n;
	put_frame(r->link, &r->link->bulk, &h, bytes, -1);
}

void ipc_request_credit(struct ipc_request *r, size_t n)
{
	if (r->up_ended || n == 0)
		return;
	r->recv_credit += n;
	put_credit(r->link, r->type, r->id, n);
}

static void link_free_if_unused(struct ipc_link *l)
{
	if (!l->closed || l->closing || l->open.count)
		return;
	hash_fini(&l->open);
	l->magic = 0;
	mem_free(l);
}

void ipc_request_end(struct ipc_request *r, struct str payload)
{
	struct ipc_link *l = r->link;
	const struct ipc_type *t = type_of(l, r->type);
	struct head h = {.kind = IPC_REPLY, .type = r->type, .id = r->id};

	MUST(l->magic == LINK_MAGIC && payload.n <= t->reply_max);
	put_frame(l, t->traits & IPC_DOWN ? &l->bulk : &l->control, &h, payload, -1);
	hash_remove(&l->open, &r->node);
	mem_free(r);
	link_free_if_unused(l);
}

void ipc_event(struct ipc_link *l, uint16_t type, struct str payload, int fd)
{
	const struct ipc_type *t = type_of(l, type);
	struct head h = {.kind = IPC_EVENT, .type = type};

	MUST(l->magic == LINK_MAGIC && t && payload.n <= t->max && t->traits & IPC_IS_EVENT);
	put_frame(l, &l->control, &h, payload, fd);
}

/* ---- input: one function for each kind; NULL, or what was violated ---- */
static int take_fd(struct ipc_link *l, const struct head *h)
{
	int fd;

	if (!(h->flags & FLAG_FD) || l->nfds == 0)
		return -1;
	fd = l->fds[0];
	l->nfds--;
	memmove(l->fds, l->fds + 1, l->nfds * sizeof l->fds[0]);
	return fd;
}

static const char *got_request(struct ipc_link *l, const struct head *h, struct str payload)
{
	const struct ipc_type *t = type_of(l, h->type);
	struct ipc_request *r;

	if (l->side != IPC_ANSWERER)
		return "a request from the side that answers";
	if (h->id == 0 || find_open(l, h->id))
		return "a request with an id in use";
	if (l->open.count >= LIMIT_IPC_OPEN_REQUESTS)
		return "too many open requests";
	r = mem_new(struct ipc_request);
	r->link = l;
	r->id = h->id;
	r->type = h->type;
	r->up_ended = !(t->traits & IPC_UP);
	r->recv_credit = t->traits & IPC_UP ? LIMIT_IPC_CREDIT : 0;
	r->send_credit = t->traits & IPC_DOWN ? LIMIT_IPC_CREDIT : 0;
	hash_insert(&l->open, &r->node, r->id);
	l->handler->request(l->user, r, payload, take_fd(l, h));
	return NULL;
}

static const char *got_reply(struct ipc_link *l, const struct head *h, struct str payload)
{
	struct hash_node *n = find_open(l, h->id);
	struct ipc_call *call;

	if (l->side != IPC_ASKER)
		return "a reply from the side that asks";
	if (!n)
		return NULL; /* cancelled */
	call = HASH_ENTRY(n, struct ipc_call, node);
	if (call->type != h->type)
		return "a reply of another type than its request";
	call_detach(call);
	call->on_end(call, IPC_REPLIED, payload);
	return NULL;
}

static const char *chunk_to_call(struct ipc_call *call, struct str payload)
{
	if (payload.n > call->recv_credit || !call->on_chunk)
		return "a chunk beyond its credit";
	call->recv_credit -= payload.n;
	call->on_chunk(call, payload);
	return NULL;
}

static const char *chunk_to_request(struct ipc_request *r, struct str payload, bool last)
{
	if (payload.n > r->recv_credit || r->up_ended)
		return "a chunk beyond its credit or end";
	r->recv_credit -= payload.n;
	r->up_ended = last;
	if (r->on_chunk && !r->cancelled)
		r->on_chunk(r, payload, last);
	return NULL;
}

static const char *got_chunk(struct ipc_link *l, const struct head *h, struct str payload)
{
	struct hash_node *n = find_open(l, h->id);

	if (payload.n > LIMIT_IPC_CHUNK)
		return "a chunk above its limit";
	if (!n)
		return NULL;
	if (l->side == IPC_ASKER)
		return chunk_to_call(HASH_ENTRY(n, struct ipc_call, node), payload);
	return chunk_to_request(
	    HASH_ENTRY(n, struct ipc_request, node), payload, h->flags & FLAG_LAST);
}

/* Adds to a credit, which never exceeds the window. False: it would. */
static bool add_credit(size_t *credit, uint32_t n)
{
	if (n > LIMIT_IPC_CREDIT - *credit)
		return false;
	*credit += n;
	return true;
}

static const char *got_credit(struct ipc_link *l, const struct head *h, struct str payload)
{
	struct hash_node *node = find_open(l, h->id);
	struct cur c = cur_of(payload);
	uint32_t n = cur_u32(&c);

	if (!cur_done(&c))
		return "a malformed credit";
	if (!node)
		return NULL;
	if (l->side == IPC_ASKER) {
		struct ipc_call *call = HASH_ENTRY(node, struct ipc_call, node);

		if (!call->on_credit || !add_credit(&call->send_credit, n))
			return "credit above the window";
		call->on_credit(call);
	} else {
		struct ipc_request *r = HASH_ENTRY(node, struct ipc_request, node);

		if (!add_credit(&r->send_credit, n))
			return "credit above the window";
		if (r->on_credit && !r->cancelled)
			r->on_credit(r);
	}
	return NULL;
}

static void request_cancel(struct ipc_request *r)
{
	if (r->cancelled)
		return;
	r->cancelled = true;
	if (r->on_cancel)
		r->on_cancel(r);
}

static const char *got_cancel(struct ipc_link *l, const struct head *h, struct str payload)
{
	struct hash_node *n = find_open(l, h->id);

	if (l->side != IPC_ANSWERER)
		return "a cancel from the side that answers";
	if (n)
		request_cancel(HASH_ENTRY(n, struct ipc_request, node));
	return NULL;
}

static const char *got_event(struct ipc_link *l, const struct head *h, struct str payload)
{
	l->handler->event(l->user, h->type, payload, take_fd(l, h));
	return NULL;
}

static const struct {
	const char *(*got)(struct ipc_link *l, const struct head *h, struct str payload);
	bool opens; /* brings a payload of a type: requests and events */
} kinds[IPC_KINDS] = {
    [IPC_REQUEST] = {got_request, true},
    [IPC_REPLY] = {got_reply, false},
    [IPC_CHUNK] = {got_chunk, false},
    [IPC_CREDIT] = {got_credit, false},
    [IPC_CANCEL] = {got_cancel, false},
    [IPC_EVENT] = {got_event, true},
};

/* Everything that can be said about a header before its payload has come. */
static const char *check_head(const struct ipc_link *l, const struct head *h)
{
	const struct ipc_type *t = type_of(l, h->type);
	enum ipc_side sender = l->side == IPC_ASKER ? IPC_ANSWERER : IPC_ASKER;
	size_t max;

	if (h->kind >= IPC_KINDS || !t || h->flags & ~(FLAG_LAST | FLAG_FD))
		return "an unknown kind, type or flag";
	if (kinds[h->kind].opens && !(t->by & (1u << sender)))
		return "a type this side may not send";
	if (kinds[h->kind].opens && (h->kind == IPC_EVENT) != !!(t->traits & IPC_IS_EVENT))
		return "an event as a request or the reverse";
	if (h->flags & FLAG_FD && !(kinds[h->kind].opens && t->traits & IPC_FD))
		return "a descriptor where none may be";
	max = h->kind == IPC_REPLY ? t->reply_max : kinds[h->kind].opens ? t->max : LIMIT_IPC_CHUNK;
	return h->n > max ? "a payload above its type's limit" : NULL;
}

static struct head read_head(struct str s)
{
	struct cur c = cur_of(s);
	struct head h;

	h.n = cur_u32(&c);
	h.kind = cur_u8(&c);
	h.flags = cur_u8(&c);
	h.type = cur_u16(&c);
	h.id = cur_u32(&c);
	return h;
}

/* One frame from the front of in: octets used, 0 when it is not whole; *why_r on violation. */
static size_t take_frame(struct ipc_link *l, struct str in, const char **why_r)
{
	struct head h;

	if (in.n < HEAD)
		return 0;
	h = read_head(in);
	*why_r = check_head(l, &h);
	if (*why_r || in.n < HEAD + h.n)
		return 0;
	if (h.flags & FLAG_FD && l->nfds == 0)
		*why_r = "a descriptor announced that did not come";
	else if (l->side == IPC_ANSWERER &&
		 (l->frames >= LIMIT_IPC_UNREAD || l->waiting >= LIMIT_IPC_UNREAD_BYTES))
		*why_r = "it asks and does not read the answers";
	if (*why_r)
		return 0;
	*why_r = kinds[h.kind].got(l, &h, str_sub(in, HEAD, h.n));
	return HEAD + h.n;
}

/* Completes the frame that waits in l->in; octets of in that were used. */
static size_t feed_waiting(struct ipc_link *l, struct str in, const char **why_r)
{
	size_t want = l->in.n < HEAD ? HEAD : HEAD + read_head(buf_view(&l->in)).n;
	struct str part = str_sub(in, 0, want - l->in.n);

	buf_str(&l->in, part);
	if (take_frame(l, buf_view(&l->in), why_r))
		l->in.n = 0;
	if (l->in.n == 0 && l->in.cap > LIMIT_IPC_CREDIT)
		buf_fini(&l->in);
	return part.n;
}

static void keep_fds(struct ipc_link *l, const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		if (l->nfds < FDS_WAITING)
			l->fds[l->nfds++] = fds[i];
		else
			close(fds[i]);
	}
}

int ipc_link_feed(
    struct ipc_link *l, struct str in, const int *fds, size_t nfds, const char **why_r)
{
	const char *why = NULL;

	MUST(l->magic == LINK_MAGIC && !l->closed);
	keep_fds(l, fds, nfds);
	while (in.n && !why) {
		size_t used = l->in.n ? feed_waiting(l, in, &why) : take_frame(l, in, &why);

		if (used == 0 && !why) {
			buf_str(&l->in, in);
			used = in.n;
		}
		in = str_from(in, used);
	}
	if (why) {
		*why_r = why;
		return -1;
	}
	return 0;
}

/* ---- the end ---- */
static void lose_call(struct hash_node *node, void *ctx)
{
	struct ipc_call *call = HASH_ENTRY(node, struct ipc_call, node);

	call_detach(call);
	call->on_end(call, IPC_LOST, (struct str){NULL, 0});
}

static void lose_request(struct hash_node *node, void *ctx)
{
	request_cancel(HASH_ENTRY(node, struct ipc_request, node));
}

void ipc_link_close(struct ipc_link **lp)
{
	struct ipc_link *l = *lp;

	if (!l)
		return;
	*lp = NULL;
	MUST(l->magic == LINK_MAGIC && !l->closed);
	l->closed = l->closing = true;
	outs_free(&l->control);
	outs_free(&l->bulk);
	outs_free(&l->sending);
	buf_wipe(&l->in);
	while (l->nfds)
		close(l->fds[--l->nfds]);
	hash_each(&l->open, l->side == IPC_ASKER ? lose_call : lose_request, NULL);
	l->closing = false;
	link_free_if_unused(l);
}
