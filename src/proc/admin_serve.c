/*
 * The offline side of a stream: the command's process forks, the child becomes the owner of the data
 * directory and serves its parent here, over a socket pair, as the store process would.
 */
#include "proc/admin_serve.h"

#include <errno.h>
#include <poll.h>

#include "base/mem.h"
#include "ipc/sock.h"

struct serving {
	const struct admin_context *ctx;        /* or */
	const struct admin_reply *only_refusal; /* that every request gets */
	struct ipc_link *link;
	struct ipc_request *request;
	struct admin_job *job;
	bool waiting, done, ended;
};

static void end(struct serving *s, struct ipc_request *r, const struct admin_reply *reply)
{
	struct buf b;

	buf_init(&b, 8 * KIB);
	admin_reply_put(&b, reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
	s->request = NULL;
	s->ended = true;
}

static void woken(void *user)
{
	struct serving *s = user;

	s->waiting = false;
}

static void on_chunk(struct ipc_request *r, struct str bytes, bool last)
{
	struct serving *s = r->user;

	admin_job_feed(s->job, bytes, last);
}

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	static const struct admin_reply malformed = {64, STR_INIT("the request is malformed")};
	struct serving *s = user;

	if (s->only_refusal) {
		end(s, r, s->only_refusal);
		return;
	}
	s->job = s->job ? NULL : admin_job_new(s->ctx, payload, s->ctx->who, woken, s);
	if (!s->job) {
		end(s, r, &malformed);
		return;
	}
	s->request = r;
	r->user = s;
	r->on_chunk = on_chunk;
	admin_job_feed(s->job, (struct str){NULL, 0}, r->up_ended);
}

static void no_event(void *user, uint16_t type, struct str payload, int fd)
{
}

static void no_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, no_event, no_wake};

/* Sends what credit allows; true when nothing is left. */
static bool send_records(struct serving *s)
{
	struct buf *out = admin_job_out(s->job);
	struct str rest = buf_view(out);

	while (rest.n && s->request->send_credit) {
		struct str part = str_sub(
		    str_sub(rest, 0, s->request->send_credit), 0, LIMIT_IPC_CHUNK);

		ipc_request_chunk(s->request, part);
		rest = str_from(rest, part.n);
	}
	buf_drop(out, out->n - rest.n);
	return out->n == 0;
}

/* One step; false when it can do nothing before something comes from the asker. */
static bool step(struct serving *s)
{
	struct admin_reply reply;
	enum admin_step result;

	if (!s->job || s->ended || !send_records(s))
		return false;
	if (s->done) {
		reply = admin_job_reply(s->job);
		end(s, s->request, &reply);
		return true;
	}
	if (s->waiting)
		return false;
	result = admin_job_step(s->job);
	ipc_request_credit(s->request, admin_job_taken(s->job));
	s->done = result == ADMIN_STEP_DONE;
	s->waiting = result == ADMIN_STEP_WAIT;
	return true;
}

/* Moves bytes both ways; may_wait: for something to come. False: the asker has gone. */
static bool move(struct serving *s, int fd, bool may_wait)
{
	const char *why = NULL;
	enum ipc_sock flushed = ipc_sock_flush(fd, s->link), got;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (flushed == IPC_SOCK_AGAIN) {
		p.events |= POLLOUT;
		may_wait = true;
	}
	if (flushed == IPC_SOCK_CLOSED || (s->ended && flushed == IPC_SOCK_OK))
		return false;
	if (poll(&p, 1, may_wait ? -1 : 0) < 0 && errno != EINTR)
		return false;
	if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
		return true;
	got = ipc_sock_read(fd, s->link, &why);
	return got != IPC_SOCK_CLOSED && got != IPC_SOCK_BAD;
}

static void serve(struct serving *s, int fd)
{
	bool more = true;

	s->link = ipc_link_new(&admin_edge, IPC_ANSWERER, &handler, s);
	while (move(s, fd, !more))
		more = step(s);
	if (s->request)
		end(s, s->request, &(struct admin_reply){75, STR("broken off")});
	if (s->job)
		MUST(admin_job_abandon(s->job)); /* offline nothing is ever out */
	admin_job_free(&s->job);
	ipc_link_close(&s->link);
}

void admin_serve(const struct admin_context *ctx, int fd)
{
	struct serving s = {.ctx = ctx};

	serve(&s, fd);
}

void admin_serve_refusal(int fd, const struct admin_reply *reply)
{
	struct serving s = {.only_refusal = reply};

	serve(&s, fd);
}
