/* Connections on the admin socket: one job at a time each, records against credit. */
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_compact.h"
#include "proc/store_queue.h"

#define LINKS_MAX 64

struct store_admin_link {
	struct list link;
	struct store_process *sp;
	struct peer *peer;
	struct ipc_request *request; /* the one at hand */
	struct admin_job *job;
	struct admin_context context;
	bool waiting, done;
	bool stopping;  /* the process ends */
	uv_idle_t idle; /* runs while the job has work to do */
	char who[32];
};

static void on_queue_changed(void *user)
{
	struct store_process *sp = user;

	store_queue_kick(sp->queue);
}

static void on_logins_over(void *user, int64_t account)
{
	store_front_end_logins(user, account);
}

struct admin_context store_admin_context(struct store_process *sp)
{
	return (struct admin_context){
	    .store = sp->store,
	    .db = sp->db,
	    .directory = &sp->directory,
	    .hostname = sp->config->hostname,
	    .own = &sp->own,
	    .trusted = &sp->config->trusted_networks,
	    .size_limit = (uint64_t)sp->config->message_size_limit,
	    .normalize = sp->config->bare_newline == CONFIG_BARE_NORMALIZE,
	    .queue = store_queue_settings(
		sp->config, &sp->directory, &sp->routing, queue_run_since(&sp->queue->run)),
	    .ids = &sp->import_ids,
	    .queue_changed = on_queue_changed,
	    .logins_over = on_logins_over,
	    .user = sp,
	    .online = true,
	    .started = sp->started,
	    .processes = sp->processes,
	    .process_count = sp->process_count,
	    .dead = store_compact_dead(sp->compact),
	};
}

static void on_idle_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

/* The link is gone and no job waits any more. */
static void free_if_unused(struct store_admin_link *l)
{
	if (l->peer || l->waiting)
		return;
	admin_job_free(&l->job);
	list_remove(&l->link);
	uv_close((uv_handle_t *)&l->idle, on_idle_closed);
}

static void end_request(struct store_admin_link *l)
{
	static const struct admin_reply stopped = {
	    EX_TEMPFAIL, STR_INIT("the server was stopped meanwhile; run the command again")};
	struct admin_reply reply = l->stopping ? stopped : admin_job_reply(l->job);
	struct ipc_request *r = l->request;
	struct buf b;

	buf_init(&b, 8 * KIB);
	admin_reply_put(&b, &reply);
	l->request = NULL;
	admin_job_free(&l->job);
	uv_idle_stop(&l->idle);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

/*
 * Nobody wants the answer: the asker has gone or given up, or the process ends. The request ends once
 * nothing of its job is out any more.
 */
static void give_up(struct store_admin_link *l)
{
	uv_idle_stop(&l->idle);
	l->waiting = !admin_job_abandon(l->job);
	if (!l->waiting)
		end_request(l);
}

static bool is_wanted(const struct store_admin_link *l)
{
	return l->peer && !l->request->cancelled && !l->stopping;
}

/* Sends what credit allows; false when records are left. */
static bool send_records(struct store_admin_link *l)
{
	struct buf *out = admin_job_out(l->job);
	struct str rest = buf_view(out);

	while (rest.n && l->request->send_credit && !l->request->cancelled) {
		struct str part = str_sub(
		    str_sub(rest, 0, l->request->send_credit), 0, LIMIT_IPC_CHUNK);

		ipc_request_chunk(l->request, part);
		rest = str_from(rest, part.n);
	}
	if (l->request->cancelled)
		rest.n = 0;
	buf_drop(out, out->n - rest.n);
	return out->n == 0;
}

/* One step a turn of the loop, so that a long command delays no mail. */
static void on_idle(uv_idle_t *idle)
{
	struct store_admin_link *l = idle->data;
	enum admin_step step;

	if (!l->sp->store) { /* the end of the process, which the asker sees */
		uv_idle_stop(idle);
		return;
	}
	if (!send_records(l)) {
		uv_idle_stop(idle); /* credit wakes it */
		return;
	}
	if (!is_wanted(l)) {
		give_up(l);
		return;
	}
	if (l->done) {
		end_request(l);
		return;
	}
	l->context = store_admin_context(l->sp); /* a reload frees what was there before */
	step = admin_job_step(l->job);
	ipc_request_credit(l->request, admin_job_taken(l->job));
	l->done = step == ADMIN_STEP_DONE;
	l->waiting = step == ADMIN_STEP_WAIT;
	if (l->waiting)
		uv_idle_stop(idle);
}

static void go_on(struct store_admin_link *l)
{
	if (l->job && !l->waiting)
		uv_idle_start(&l->idle, on_idle);
}

static void on_woken(void *user)
{
	struct store_admin_link *l = user;

	l->waiting = false;
	if (is_wanted(l)) {
		go_on(l);
		return;
	}
	give_up(l);
	free_if_unused(l);
}

static void on_credit(struct ipc_request *r)
{
	go_on(r->user);
}

static void on_cancel(struct ipc_request *r)
{
	struct store_admin_link *l = r->user;

	if (l->job)
		give_up(l);
}

static void on_chunk(struct ipc_request *r, struct str bytes, bool last)
{
	struct store_admin_link *l = r->user;

	admin_job_feed(l->job, bytes, last);
}

static void refuse(struct ipc_request *r, const char *text)
{
	struct admin_reply reply = {64, str_of_c(text)};
	struct buf b;

	buf_init(&b, 1024);
	admin_reply_put(&b, &reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

static void on_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	struct store_admin_link *l = p->owner;

	if (l->job) {
		refuse(r, "one command at a time on a connection");
		return;
	}
	l->context = store_admin_context(l->sp);
	l->job = admin_job_new(&l->context, payload, str_of_c(l->who), on_woken, l);
	if (!l->job) {
		refuse(
		    r, "the request is malformed; use the godwit command of the server's version");
		return;
	}
	l->request = r;
	l->done = false;
	r->user = l;
	r->on_credit = on_credit;
	r->on_cancel = on_cancel;
	r->on_chunk = on_chunk;
	admin_job_feed(l->job, (struct str){NULL, 0}, r->up_ended);
	go_on(l);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	BUG("the admin edge has no events");
}

static void on_down(struct peer *p, const char *why)
{
	struct store_admin_link *l = p->owner;

	l->peer = NULL;
	if (l->job)
		give_up(l);
	free_if_unused(l);
}

static const struct peer_config config = {
    &admin_edge, IPC_ANSWERER, "admin", on_request, on_event, on_down};

/* Root, and who the store itself is, may administer. */
static bool may_administer(int fd, char *who, size_t size)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	snprintf(who, size, "uid %u", cred.uid);
	return cred.uid == 0 || cred.uid == geteuid();
}

static size_t count_links(const struct store_process *sp)
{
	size_t n = 0;

	LIST_FOREACH(&sp->admins, it)
	n++;
	return n;
}

void store_admin_link_new(struct store_process *sp, int fd)
{
	struct store_admin_link *l;
	char who[32];

	if (count_links(sp) >= LINKS_MAX || !may_administer(fd, who, sizeof who)) {
		log_note(LOG_WARN, "admin-refused", who);
		close(fd);
		return;
	}
	l = mem_new(struct store_admin_link);
	l->sp = sp;
	memcpy(l->who, who, sizeof who);
	uv_idle_init(sp->loop, &l->idle);
	l->idle.data = l;
	list_push(&sp->admins, &l->link);
	l->peer = peer_new(sp->loop, &config, fd, l);
}

bool store_admin_busy(struct store_process *sp)
{
	bool busy = false;

	LIST_FOREACH(&sp->admins, it)
	{
		struct store_admin_link *l = LIST_ENTRY(it, struct store_admin_link, link);

		if (!l->job || !admin_job_is_stream(l->job))
			continue;
		l->stopping = true;
		give_up(l);
		busy = busy || l->job != NULL;
	}
	return busy;
}
