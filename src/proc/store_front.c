/*
 * The link to one front: who is connected, logins, recipients. The front may be taken over: what it
 * says of its peers counts only against limits; trust comes from the kernel, authority from handles.
 */
#include "proc/store_front.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mime/mime_local.h"
#include "net/net_addr.h"
#include "proc/child.h"
#include "proc/log.h"
#include "proc/store_callout.h"
#include "store/deliver.h"

/* ---- connections, views, sessions of the link ---- */
struct store_conn *store_front_conn(struct store_front *f, uint32_t session)
{
	struct hash_node *n = hash_first(&f->conns, session);

	return n ? HASH_ENTRY(n, struct store_conn, node) : NULL;
}

static uint64_t handle_hash(const struct fs_handle *h)
{
	uint64_t v;

	memcpy(&v, h->b, sizeof v); /* handles are random */
	return v;
}

/* The view that is kept under a handle, whatever became of its session. */
static struct store_view *find_view(struct store_front *f, const struct fs_handle *handle)
{
	struct hash_node *n = hash_first(&f->views, handle_hash(handle));

	for (; n; n = hash_next(n)) {
		struct store_view *v = HASH_ENTRY(n, struct store_view, node);

		if (memcmp(v->handle.b, handle->b, sizeof handle->b) == 0)
			return v;
	}
	return NULL;
}

struct store_view *store_front_view(struct store_front *f, const struct fs_handle *handle)
{
	return store_front_session(f, handle) ? find_view(f, handle) : NULL;
}

void store_view_unref(struct store_view *v)
{
	if (--v->refs)
		return;
	mailbox_snapshot_fini(&v->snapshot);
	mem_free(v);
}

struct session *store_front_session(struct store_front *f, const struct fs_handle *handle)
{
	struct session_handle h;

	memcpy(h.b, handle->b, sizeof h.b);
	return session_find(&f->sp->store->sessions, f->id, &h);
}

bool store_front_has_ended(struct store_front *f, const struct fs_handle *handle)
{
	return !fs_handle_is_none(handle) && !store_front_session(f, handle);
}

/* A front that is going is not told; its sessions have ended with its link. */
static void tell_ended(struct store_process *sp, const struct session *s)
{
	LIST_FOREACH(&sp->fronts, it)
	{
		struct store_front *f = LIST_ENTRY(it, struct store_front, link);
		struct fs_handle handle;
		struct buf b;

		if (f->id != s->link || !f->peer || !f->peer->link)
			continue;
		memcpy(handle.b, s->handle.b, sizeof handle.b);
		buf_init(&b, sizeof handle.b);
		fs_handle_put(&b, &handle);
		ipc_event(f->peer->link, FS_ENDED, buf_view(&b), -1);
		buf_fini(&b);
	}
}

void store_front_end_logins(struct store_process *sp, int64_t account)
{
	struct session_table *t = &sp->store->sessions;

	LIST_FOREACH(&t->all, it)
	{
		const struct session *s = LIST_ENTRY(it, struct session, link_of_table);

		if (s->account == account)
			tell_ended(sp, s);
	}
	session_close_account(t, account);
}

bool store_front_keep_view(struct store_front *f, struct store_view *v, int64_t account)
{
	struct hash_node *n = hash_first(&f->views_of, (uint64_t)account);
	size_t open = 0;

	MUST(!v->kept);
	for (; n; n = hash_next(n))
		open++;
	if (open >= LIMIT_STORE_VIEWS)
		return false;
	hash_insert(&f->views, &v->node, handle_hash(&v->handle));
	hash_insert(&f->views_of, &v->node_of, (uint64_t)account);
	v->kept = true;
	v->refs++;
	return true;
}

void store_front_drop_view(struct store_front *f, struct store_view *v)
{
	if (!v->kept)
		return;
	v->kept = false;
	hash_remove(&f->views, &v->node);
	hash_remove(&f->views_of, &v->node_of);
	store_view_unref(v);
}

static void view_free(struct hash_node *node, void *ctx)
{
	store_front_drop_view(ctx, HASH_ENTRY(node, struct store_view, node));
}

/* Ends the session behind a handle, if there is one, and what it has open. */
static void close_session(struct store_front *f, const struct fs_handle *handle)
{
	struct store_view *v = find_view(f, handle);
	struct session *s = store_front_session(f, handle);

	if (v)
		store_front_drop_view(f, v);
	if (s)
		session_close(&f->sp->store->sessions, s);
}

/* A session for a connection, in the place of the one before, of which it may know nothing. */
static bool open_session(struct store_front *f, int64_t account, struct fs_handle *handle)
{
	struct session *s;

	close_session(f, handle);
	*handle = (struct fs_handle){{0}};
	s = session_open(&f->sp->store->sessions, f->id, account);
	if (s)
		memcpy(handle->b, s->handle.b, sizeof handle->b);
	return s;
}

static void free_if_unused(struct store_front *f)
{
	if (f->peer || f->busy)
		return;
	hash_fini(&f->conns);
	hash_fini(&f->views);
	hash_fini(&f->views_of);
	list_remove(&f->link);
	mem_free(f);
}

void store_front_hold(struct store_front *f)
{
	f->busy++;
}

void store_front_unhold(struct store_front *f)
{
	f->busy--;
	free_if_unused(f);
}

size_t store_front_busy(const struct store_process *sp)
{
	size_t busy = 0;

	LIST_FOREACH(&sp->fronts, it)
	busy += LIST_ENTRY(it, struct store_front, link)->busy;
	return busy;
}

void store_front_done(struct ipc_request *r, enum fs_verdict verdict, const char *text)
{
	struct fs_done m = {.verdict = verdict, .text = str_of_c(text)};
	struct buf b;

	buf_init(&b, 1024);
	fs_done_put(&b, &m);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

/* ---- ADMIT and LEAVE ---- */
static const struct str server_full = STR_INIT("The server is full, try again later");

static bool is_pop3(enum fs_listener l)
{
	return l == FS_LISTENER_POP3 || l == FS_LISTENER_POP3S;
}

static bool is_listener_of(enum sc_role role, enum fs_listener l)
{
	return (role == SC_ROLE_MX) == (l == FS_LISTENER_SMTP || l == FS_LISTENER_LMTP);
}

/* The local user behind a connection of our own Unix socket, or -1. Only the kernel is believed. */
static int64_t local_user(int fd)
{
	struct sockaddr_un name;
	struct ucred cred;
	socklen_t len = sizeof name, cred_len = sizeof cred;
	struct str path;

	memset(&name, 0, sizeof name);
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&name, &len) || name.sun_family != AF_UNIX)
		return -1;
	path = str_of(name.sun_path, strnlen(name.sun_path, sizeof name.sun_path));
	if (!str_has_suffix_i(path, STR("run/sendmail.sock")) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) || cred.uid == (uid_t)-1)
		return -1;
	return cred.uid;
}

/* The kernel says that the socket's peer is in a network that may relay. */
static bool is_trusted(const struct store_process *sp, int fd)
{
	const struct config_nets *nets = &sp->config->trusted_networks;
	struct sockaddr_storage sys;
	socklen_t len = sizeof sys;
	struct net_addr addr;

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&sys, &len) ||
	    !net_addr_from_sys(&sys, len, &addr))
		return false;
	for (size_t i = 0; i < nets->n; i++)
		if (ip_in(&addr.ip, &nets->v[i]))
			return true;
	return false;
}

struct uid_count {
	int64_t uid;
	size_t n;
};

static void count_uid(struct hash_node *node, void *ctx)
{
	struct uid_count *count = ctx;

	count->n += HASH_ENTRY(node, struct store_conn, node)->uid == count->uid;
}

/* A user of this machine has his limit too, or he could take all descriptors from the others. */
static bool count_local(struct store_front *f, struct store_conn *c, int64_t uid, struct buf *why)
{
	struct uid_count count = {.uid = uid};

	hash_each(&f->conns, count_uid, &count);
	if (count.n >= LIMIT_STORE_LOCAL) {
		buf_lit(why, "this user has ");
		buf_u64(why, count.n);
		buf_lit(why, " connections open, which is the limit; close one first");
		return false;
	}
	c->uid = uid;
	return true;
}

/* Counts the connection; false with the reason when it is not welcome. */
static bool count_conn(struct store_front *f, struct store_conn *c, struct buf *why)
{
	struct admit *a = f->sp->store->admit;
	enum admit_verdict v;

	v = admit_open(a, &c->ip, clock_mono());
	if (v != ADMIT_OK) {
		admit_put_reason(a, why, v, &c->ip, clock_mono());
		return false;
	}
	c->counted = true;
	return true;
}

static void admit_conn(struct store_front *f, const struct fs_admit *m, int fd,
    struct fs_admit_reply *reply, struct buf *text)
{
	struct store_conn *c = mem_new(struct store_conn);
	int64_t uid = m->listener == FS_LISTENER_SENDMAIL ? local_user(fd) : -1;

	c->session = m->session;
	c->listener = m->listener;
	c->ip = m->peer;
	c->uid = -1;
	hash_insert(&f->conns, &c->node, c->session);
	if (m->listener == FS_LISTENER_SENDMAIL && uid < 0) {
		*reply = (struct fs_admit_reply){.verdict = FS_REFUSED,
		    .text = STR("The kernel does not say which local user this is")};
		return;
	}
	if (uid >= 0 ? !count_local(f, c, uid, text) : !count_conn(f, c, text)) {
		*reply = (struct fs_admit_reply){.verdict = FS_TEMPORARY, .text = buf_view(text)};
		return;
	}
	if (uid >= 0) {
		buf_lit(text, "uid ");
		buf_i64(text, uid);
		reply->user = buf_view(text);
	}
	if (is_pop3(m->listener) || (uid < 0 && !is_trusted(f->sp, fd)))
		return;
	if (open_session(f, 0, &c->trusted))
		reply->handle = c->trusted;
	else
		*reply = (struct fs_admit_reply){.verdict = FS_TEMPORARY, .text = server_full};
}

static void take_admit(struct store_front *f, struct ipc_request *r, struct str payload, int fd)
{
	struct fs_admit_reply reply = {
	    .verdict = FS_REFUSED, .text = STR("A listener or session number that cannot be")};
	struct fs_admit m;
	struct buf b, text;

	buf_init(&b, 1024);
	buf_init(&text, FS_TEXT_MAX);
	if (f->conns.count >= LIMIT_STORE_CONNS) {
		reply = (struct fs_admit_reply){.verdict = FS_TEMPORARY, .text = server_full};
	} else if (fs_admit_get(payload, &m) && is_listener_of(f->role, m.listener) &&
		   !store_front_conn(f, m.session)) {
		reply = (struct fs_admit_reply){.verdict = FS_OK};
		admit_conn(f, &m, fd, &reply, &text);
	}
	if (fd >= 0)
		close(fd);
	fs_admit_reply_put(&b, &reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
	buf_fini(&text);
}

static void conn_free(struct hash_node *node, void *ctx)
{
	struct store_front *f = ctx;
	struct store_conn *c = HASH_ENTRY(node, struct store_conn, node);

	close_session(f, &c->trusted); /* also those whose handles never reached the front */
	close_session(f, &c->login);
	if (c->counted)
		admit_close(f->sp->store->admit, &c->ip);
	hash_remove(&f->conns, node);
	mem_free(c);
}

static void take_leave(struct store_front *f, struct str payload)
{
	struct store_conn *c;
	uint32_t session;

	c = fs_leave_get(payload, &session) ? store_front_conn(f, session) : NULL;
	if (c)
		conn_free(&c->node, f);
}

/* ---- AUTH ---- */
struct auth {
	struct password_job job;
	struct store_front *front;
	struct ipc_request *request;
	struct directory_login login;
	struct arena *arena;
	uint32_t session;
};

/* The account as it is now: the password may have waited for its turn for seconds. False: it is another's. */
static bool read_again(struct auth *a)
{
	struct directory_login now;

	if (directory_login(a->front->sp->db, a->arena, a->login.address, &now) != DB_OK ||
	    now.account != a->login.account || !str_eq(now.hash, a->login.hash))
		return false;
	a->login = now;
	return true;
}

/* What a right password is worth; opens the session, unless the client has gone since. */
static void auth_good(struct auth *a, struct fs_auth_reply *reply)
{
	struct store_conn *c = store_front_conn(a->front, a->session);

	reply->address = a->login.address;
	if (!c || a->request->cancelled || !read_again(a)) {
		reply->verdict = FS_TEMPORARY;
	} else if (a->login.state != DIRECTORY_ACTIVE ||
		   (a->login.send_only && is_pop3(c->listener))) {
		reply->verdict = FS_DISABLED;
		reply->text = a->login.send_only ? STR("this account only sends mail")
						 : STR("this account is disabled");
	} else if (!open_session(a->front, a->login.account, &c->login)) {
		reply->verdict = FS_TEMPORARY;
		reply->text = STR("too many sessions are open, try again later");
	} else {
		reply->verdict = FS_OK;
		reply->handle = c->login;
	}
}

static void auth_finish(struct auth *a)
{
	struct fs_auth_reply reply = {.verdict = FS_REFUSED};
	struct admit *admit = a->front->sp->store->admit;
	struct buf b;

	if (a->job.result == PASSWORD_GOOD) {
		admit_auth_good(admit, &a->job.ip, a->job.account);
		auth_good(a, &reply);
	} else if (a->job.result == PASSWORD_BUSY) {
		reply.verdict = FS_TEMPORARY;
		reply.text = STR("too many logins at once, try again in a moment");
	} else if (admit_auth_failed(admit, &a->job.ip, a->job.account, clock_mono())) {
		log_open(LOG_WARN, "banned");
		log_ip("ip", &a->job.ip);
		log_close();
	}
	buf_init(&b, 1024);
	fs_auth_reply_put(&b, &reply);
	ipc_request_end(a->request, buf_view(&b));
	buf_fini(&b);
	store_front_unhold(a->front);
	arena_free(&a->arena);
	password_job_wipe(&a->job);
	mem_free(a);
}

static void auth_checked(struct password_job *job)
{
	auth_finish(LIST_ENTRY(job, struct auth, job));
}

static void end_auth(struct ipc_request *r, enum fs_verdict verdict, struct str text)
{
	struct fs_auth_reply reply = {.verdict = verdict, .text = text};
	struct buf b;

	buf_init(&b, 1024);
	fs_auth_reply_put(&b, &reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

/* Looks the name up and has the password checked; an unknown name costs the same hash. */
static void start_auth(struct store_front *f, struct ipc_request *r, const struct fs_auth *m,
    const struct store_conn *c)
{
	struct auth *a = mem_new(struct auth);

	a->front = f;
	a->request = r;
	a->arena = arena_new();
	a->session = c->session;
	store_front_hold(f);
	a->job.kind = PASSWORD_VERIFY;
	a->job.ip = c->ip;
	a->job.done = auth_checked;
	if (directory_login(f->sp->db, a->arena, m->authcid, &a->login) != DB_OK) {
		a->job.result = PASSWORD_BUSY;
		auth_finish(a);
		return;
	}
	/* acting for somebody else is nobody's right */
	if (m->authzid.n && !mime_local_address_eq(m->authzid, m->authcid) &&
	    !mime_local_address_eq(m->authzid, a->login.address))
		a->login = (struct directory_login){0};
	a->job.account = a->login.account;
	if (a->login.hash.n < sizeof a->job.hash && a->login.hash.n)
		memcpy(a->job.hash, a->login.hash.p, a->login.hash.n);
	memcpy(a->job.password, m->password.p, m->password.n);
	a->job.password_n = m->password.n;
	if (store_password(f->sp->store, &a->job))
		auth_finish(a);
}

static void take_auth(struct store_front *f, struct ipc_request *r, struct str payload)
{
	const struct store_conn *c;
	struct buf why;
	struct fs_auth m;

	c = fs_auth_get(payload, &m) ? store_front_conn(f, m.session) : NULL;
	if (!c || m.password.n == 0) {
		end_auth(r, FS_REFUSED, (struct str){NULL, 0});
	} else if (admit_is_banned(f->sp->store->admit, &c->ip, clock_mono())) {
		buf_init(&why, FS_TEXT_MAX);
		admit_put_reason(f->sp->store->admit, &why, ADMIT_BANNED, &c->ip, clock_mono());
		end_auth(r, FS_TEMPORARY, buf_view(&why));
		buf_fini(&why);
	} else {
		start_auth(f, r, &m, c);
	}
}

/* ---- RCPT ---- */
/* A stranger's recipient in a relay domain: its own server is to know him. */
static bool is_to_be_verified(
    struct store_front *f, const struct fs_rcpt *m, const struct directory_answer *answer)
{
	return answer->class == ACCEPT_BACKUP && answer->verified &&
	       !store_front_session(f, &m->handle);
}

static void reply_rcpt(struct store_front *f, struct ipc_request *r, struct fs_rcpt *m,
    const struct directory_answer *answer)
{
	struct fs_rcpt_reply reply = {.class = answer->class};
	struct buf b, target;

	buf_init(&b, 1024);
	buf_init(&target, LIMIT_ADDRESS);
	if (!accept_refusal(answer->class, true, true) && !store_is_accepting(f->sp->store)) {
		reply.class = store_room(f->sp->store);
	} else if (is_to_be_verified(f, m, answer)) {
		m->domain = answer->targets[0].domain;
		store_callouts_rcpt(f, r, m);
		return;
	}
	if ((answer->class == ACCEPT_REDIRECT || answer->class == ACCEPT_RETURN) && answer->count) {
		buf_str(&target, answer->targets[0].local);
		buf_byte(&target, '@');
		buf_str(&target, answer->targets[0].domain);
		reply.target = buf_view(&target);
	}
	fs_rcpt_reply_put(&b, &reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
	buf_fini(&target);
}

static void take_rcpt(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct arena *a = arena_new();
	struct directory_answer answer = {.class = ACCEPT_TROUBLE};
	struct fs_rcpt m = {0};

	if (fs_rcpt_get(payload, &m) && !store_front_has_ended(f, &m.handle))
		(void)directory_resolve(f->sp->db, &f->sp->directory, a, m.local, m.domain,
		    m.size < LIMIT_MESSAGE_SIZE ? (int64_t)m.size : (int64_t)LIMIT_MESSAGE_SIZE,
		    clock_now(), &answer);
	reply_rcpt(f, r, &m, &answer);
	arena_free(&a);
}

/* ---- RELEASE ---- */
static void take_release(struct store_front *f, struct str payload)
{
	struct fs_handle handle;

	if (fs_handle_get(payload, &handle))
		close_session(f, &handle);
}

/* ---- the link ---- */
static void on_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	struct store_front *f = p->owner;

	switch ((enum fs_type)r->type) {
	case FS_ADMIT:
		take_admit(f, r, payload, fd);
		return;
	case FS_AUTH:
		take_auth(f, r, payload);
		break;
	case FS_RCPT:
		take_rcpt(f, r, payload);
		break;
	case FS_UPLOAD:
		store_take_upload(f, r, payload);
		break;
	case FS_DELIVER:
		store_take_deliver(f, r, payload);
		break;
	case FS_TAKEN:
		store_take_taken(f, r, payload);
		break;
	case FS_OPEN:
		store_mailbox_open(f, r, payload);
		break;
	case FS_LIST:
		store_mailbox_list(f, r, payload);
		break;
	case FS_READ:
		store_mailbox_read(f, r, payload);
		break;
	case FS_EXPUNGE:
		store_leave_expunge(f, r, payload);
		break;
	default:
		BUG("the table has no other requests");
	}
	if (fd >= 0)
		close(fd);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	struct store_front *f = p->owner;

	if (type == FS_LEAVE)
		take_leave(f, payload);
	else if (type == FS_UPLOAD_DROP)
		store_take_upload_drop(f, payload);
	else
		take_release(f, payload);
	if (fd >= 0)
		close(fd);
}

static void on_down(struct peer *p, const char *why)
{
	struct store_front *f = p->owner;
	struct buf b;

	f->peer = NULL;
	if (why) { /* it broke the protocol: it may be taken over */
		buf_init(&b, 8);
		sc_peer_put(&b, f->role, f->node);
		child_tell(SC_BAD_PEER, buf_view(&b));
		buf_fini(&b);
	}
	if (!f->sp->store)
		return; /* the end of the process: store is closed, nothing is left to give back */
	hash_each(&f->conns, conn_free, f);
	hash_each(&f->views, view_free, f);
	session_close_link(&f->sp->store->sessions, f->id);
	store_take_link_down(f);
	free_if_unused(f);
}

/* Those who read mail for it and had no room may go on. */
static void on_sent(struct peer *p)
{
	struct store_front *f = p->owner;

	store_flow_move(&f->flow, p->link);
}

static const struct peer_config links[SC_ROLES] = {
    [SC_ROLE_MX] = {&fs_edge_mx, IPC_ANSWERER, "mx", on_request, on_event, on_down, on_sent},
    [SC_ROLE_USER] = {&fs_edge_user, IPC_ANSWERER, "user", on_request, on_event, on_down, on_sent},
};

/* Ahead of its first request, so that no message of it has an id from before. */
static void tell_floor(struct store_front *f)
{
	struct buf b;

	buf_init(&b, 8);
	fs_floor_put(&b, deliver_newest_id(f->sp->db));
	ipc_event(f->peer->link, FS_FLOOR, buf_view(&b), -1);
	buf_fini(&b);
}

void store_front_new(struct store_process *sp, enum sc_role role, uint16_t node, int fd)
{
	struct store_front *f;

	if (!links[role].edge) {
		close(fd);
		return;
	}
	f = mem_new(struct store_front);
	f->sp = sp;
	f->role = role;
	f->node = node;
	f->id = ++sp->next_link;
	hash_init(&f->conns);
	hash_init(&f->views);
	hash_init(&f->views_of);
	list_init(&f->uploads);
	store_flow_init(&f->flow);
	list_push(&sp->fronts, &f->link);
	f->peer = peer_new(sp->loop, &links[role], fd, f);
	f->peer->node = node;
	tell_floor(f);
}
