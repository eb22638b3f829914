/*
 * With a server: connects to DATA/run/admin.sock and speaks the admin edge over it. Without: takes
 * the data directory's lock and runs the job here, on a store opened without threads.
 */
#include "proc/admin_call.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "ipc/sock.h"
#include "proc/admin_serve.h"
#include "proc/child.h"
#include "proc/store_admin.h"
#include "proc/store_queue.h"
#include "store/deliver.h"

#define ADMIN_SOCKET "run/admin.sock"
#define SERVED       (-1) /* the asker has the answer */

/* ---- records ---- */

/* Hands whole records on; what is left of a cut one stays. False: malformed, or no more is wanted. */
static bool give_records(struct admin_call *call, struct buf *b)
{
	struct str stream = buf_view(b), record;
	int r;

	while ((r = admin_record_next(&stream, &record)) == 1)
		if (call->record && !call->record(call->ctx, record))
			return false;
	buf_drop(b, b->n - stream.n);
	return r == 0;
}

/* Sets the text of the answer; gives code. */
__attribute__((format(printf, 3, 4))) static int fail(
    struct admin_call *call, int code, const char *fmt, ...)
{
	char text[LIMIT_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_clear(call->text);
	buf_c(call->text, text);
	return code;
}

/* ---- through the server ---- */
struct online {
	struct ipc_call ipc; /* at the head: the callbacks are given it */
	struct admin_call *call;
	struct buf records;
	bool broken, ended;
	bool fed; /* the stream up has ended */
	int code;
};

static void online_chunk(struct ipc_call *ipc, struct str bytes)
{
	struct online *o = (struct online *)(void *)ipc;

	if (o->broken)
		return; /* others of what was read together */
	buf_str(&o->records, bytes);
	if (o->records.overflow || !give_records(o->call, &o->records))
		o->broken = true;
	ipc_call_credit(ipc, bytes.n);
}

static void online_end(struct ipc_call *ipc, enum ipc_end end, struct str payload)
{
	struct online *o = (struct online *)(void *)ipc;
	struct admin_reply reply;

	o->ended = true;
	if (end != IPC_REPLIED || !admin_reply_get(payload, &reply)) {
		o->code = fail(o->call, EX_UNAVAILABLE,
		    "the server at %s broke off; look at its log, then try again", o->call->dir);
		return;
	}
	buf_clear(o->call->text);
	buf_str(o->call->text, reply.text);
	o->code = reply.exit_code;
}

static void no_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
}

static void no_event(void *user, uint16_t type, struct str payload, int fd)
{
}

static void no_wake(void *user)
{
}

static const struct ipc_handler handler = {no_request, no_event, no_wake};

/* The stream up, as far as credit goes. */
static void feed(struct online *o)
{
	uint8_t piece[LIMIT_IPC_CHUNK];

	while (o->call->feed && !o->fed && !o->ended && o->ipc.send_credit > 0) {
		size_t n = o->ipc.send_credit < sizeof piece ? o->ipc.send_credit : sizeof piece;

		n = o->call->feed(o->call->ctx, piece, n, &o->fed);
		if (n == 0 && !o->fed)
			return;
		ipc_call_chunk(&o->ipc, str_of(piece, n), o->fed);
	}
}

static void online_credit(struct ipc_call *ipc)
{
	/* the loop looks at it */
}

/*
 * Moves bytes until the call ends or the server goes. One that goes behind its answer reads no more: credit cannot
 * be sent to it then, and the answer is there to be read all the same.
 */
static void online_loop(struct online *o, struct ipc_link *link, int fd)
{
	const char *why = NULL;
	bool deaf = false;

	while (!o->ended && !o->broken) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		enum ipc_sock s = IPC_SOCK_OK;

		feed(o);
		if (!deaf)
			s = ipc_sock_flush(fd, link);
		deaf = deaf || s == IPC_SOCK_CLOSED;
		if (s == IPC_SOCK_AGAIN)
			p.events |= POLLOUT;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return;
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			s = ipc_sock_read(fd, link, &why);
			if (s == IPC_SOCK_CLOSED || s == IPC_SOCK_BAD)
				return;
		}
	}
}

static int call_online(struct admin_call *call, int fd)
{
	struct online o = {
	    .ipc = {.on_chunk = online_chunk, .on_credit = online_credit, .on_end = online_end},
	    .call = call};
	struct ipc_link *link = ipc_link_new(&admin_edge, IPC_ASKER, &handler, NULL);
	struct buf payload;

	buf_init(&payload, 4 * ADMIN_ARG_MAX);
	buf_init(&o.records, LIMIT_IPC_PAYLOAD);
	admin_request_put(&payload, call->request);
	ipc_call_start(link, &o.ipc, call->feed ? ADMIN_FEED : ADMIN_CALL, buf_view(&payload), -1);
	buf_wipe(&payload);
	online_loop(&o, link, fd);
	ipc_link_close(&link); /* an open call ends as lost */
	buf_fini(&o.records);
	return o.code;
}

/* A connection to the server's socket: 1 with the descriptor, 0 when no server runs, -1 refused. */
static int connect_server(const char *dir, int *fd_r)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int n = snprintf(sun.sun_path, sizeof sun.sun_path, "%s/%s", dir, ADMIN_SOCKET);
	int fd, code;

	if (n < 0 || (size_t)n >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		*fd_r = fd;
		return 1;
	}
	code = errno;
	close(fd);
	errno = code;
	return code == ENOENT || code == ENOTDIR || code == ECONNREFUSED ? 0 : -1;
}

/* ---- in this process ---- */
static void no_waking(void *user)
{
}

static int run_job(struct admin_call *call, const struct admin_context *ctx)
{
	struct admin_job *job;
	struct admin_reply reply;
	enum admin_step step;
	struct buf request;
	bool broken = false;

	buf_init(&request, 4 * ADMIN_ARG_MAX);
	admin_request_put(&request, call->request);
	job = admin_job_new(ctx, buf_view(&request), ctx->who, no_waking, NULL);
	MUST(job);
	do {
		step = admin_job_step(job);
		broken = broken || !give_records(call, admin_job_out(job));
		if (broken)
			buf_clear(admin_job_out(job)); /* it ends in its own way, unheard */
	} while (step != ADMIN_STEP_DONE);
	reply = admin_job_reply(job);
	buf_clear(call->text);
	buf_str(call->text, reply.text);
	admin_job_free(&job);
	buf_wipe(&request);
	return reply.exit_code;
}

static int serve_job(const struct admin_context *ctx, int fd)
{
	admin_serve(ctx, fd);
	return SERVED;
}

static const struct {
	enum datadir_code code;
	int exit_code;
} exits[] = {
    {DATADIR_MISSING, EX_NOINPUT},
    {DATADIR_FOREIGN, EX_DATAERR},
    {DATADIR_LOCKED, EX_UNAVAILABLE},
    {DATADIR_FAILED, EX_IOERR},
};

static int open_failed(struct admin_call *call, enum datadir_code code, const struct err *e)
{
	int exit_code = EX_SOFTWARE;

	for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
		if (exits[i].code == code)
			exit_code = exits[i].exit_code;
	return fail(call, exit_code, "%s", e->text);
}

/* As root: files that are made must belong to the server's user. */
static int become_owner(const char *dir, struct err *e)
{
	struct stat st;

	if (geteuid() != 0 || stat(dir, &st) || st.st_uid == 0)
		return 0;
	if (chdir(dir) || setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid))
		return err_sys(e, errno, "cannot become the owner of %s", dir);
	return 1;
}

/* serve_fd: -1, or where to answer the request. */
static int with_store(
    struct admin_call *call, const struct config_snapshot *config, const char *dir, int serve_fd)
{
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	struct arena *arena = arena_new();
	struct queue_routing routing;
	struct own_list own = {0};
	struct admin_context ctx = {.hostname = config->hostname,
	    .own = &own,
	    .trusted = &config->trusted_networks,
	    .size_limit = (uint64_t)config->message_size_limit,
	    .normalize = config->bare_newline == CONFIG_BARE_NORMALIZE};
	struct directory_config directory = {
	    .separator = config->subaddress_separator.n ? (char)config->subaddress_separator.p[0]
							: (char)0,
	    .postmaster = config->postmaster,
	    .hostname = config->hostname,
	    .srs = config->srs,
	};
	enum datadir_code code = DATADIR_FAILED;
	struct id_maker ids;
	struct salvage salvaged = {.who = str_of_c(call->who)};
	struct err e = {""};
	int exit_code;

	ctx.ids = &ids;
	ctx.who = salvaged.who;
	cfg.name = call->dir;
	cfg.undelete_ms = config->undelete;
	cfg.min_free = config->min_free;
	cfg.pack_size = config->pack_size;
	cfg.quota = store_quota_defaults(config);
	cfg.directory = directory;
	ctx.directory = &directory;
	routing = store_queue_routing(config, arena);
	ctx.queue = store_queue_settings(config, &directory, &routing, clock_now());
	if (call->request->command == ADMIN_SALVAGE) {
		if (!salvage_run(&salvaged, dir, call->dir)) {
			arena_free(&arena);
			return fail(call, EX_IOERR, "%s", salvaged.err.text);
		}
		ctx.salvaged = &salvaged;
	}
	ctx.store = store_open(dir, &cfg, &code, &e);
	if (!ctx.store) {
		exit_code = open_failed(call, code, &e);
	} else if (db_open(DATADIR_DB, DB_READER, &ctx.db, &e) == DB_OK) {
		id_maker_init(&ids, ADMIN_NODE, deliver_newest_id(ctx.db));
		if (call->request->command == ADMIN_TEST_DELIVERY)
			own_list_find(&own, config->listen.v, config->listen.n);
		exit_code = serve_fd < 0 ? run_job(call, &ctx) : serve_job(&ctx, serve_fd);
	} else {
		exit_code = fail(call, EX_IOERR, "%s", e.text);
	}
	db_close(&ctx.db);
	store_close(&ctx.store);
	own_list_fini(&own);
	arena_free(&arena);
	return exit_code;
}

int admin_find_directory(const char *dir, struct err *e)
{
	struct stat st;
	bool found = stat(dir, &st) == 0;
	int code;

	if (found && !S_ISDIR(st.st_mode)) {
		err_set(e, "%s is a file; name the data directory with --data DIR", dir);
		return EX_NOINPUT;
	}
	if (found && access(dir, R_OK | X_OK) == 0)
		return EX_OK;
	if (errno == EACCES) {
		err_set(e, "%s belongs to somebody else; run this as root or as its owner", dir);
		return EX_NOPERM;
	}
	code = errno;
	if (code != ENOENT && code != ENOTDIR) {
		err_sys(e, code, "cannot look at the data directory %s", dir);
		return EX_IOERR;
	}
	err_set(e, "there is no data directory %s; make it with: godwit init --data %s", dir, dir);
	return EX_NOINPUT;
}

static int call_offline(struct admin_call *call, int serve_fd)
{
	struct config_snapshot *config = NULL;
	struct err e = {""};
	int became, exit_code = admin_find_directory(call->dir, &e);

	if (exit_code != EX_OK)
		return fail(call, exit_code, "%s", e.text);
	/* before a configuration is missed that may still come */
	if (datadir_lacks_lock(call->dir, &e))
		return fail(call, EX_DATAERR, "%s", e.text);
	if (config_load(call->dir, 0, &config, &e))
		return fail(call, EX_CONFIG, "%s", e.text);
	became = become_owner(call->dir, &e);
	if (became < 0)
		exit_code = fail(call, EX_NOPERM, "%s", e.text);
	else
		exit_code = with_store(call, config, became ? "." : call->dir, serve_fd);
	config_unref(&config);
	return exit_code;
}

/* In the child: the job, or why there is none. */
_Noreturn static void serve_apart(struct admin_call *call, int fd)
{
	int code = call_offline(call, fd);
	struct admin_reply reply = {(uint8_t)code, buf_view(call->text)};

	if (code != SERVED)
		admin_serve_refusal(fd, &reply);
	_exit(0);
}

/* See struct admin_call: apart. */
static int call_apart(struct admin_call *call)
{
	int fds[2], code, status;
	pid_t child;

	if (ipc_sock_pair(fds) < 0)
		return fail(call, EX_OSERR, "cannot make a socket pair: %s", err_reason(errno));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(fds[0]);
		serve_apart(call, fds[1]);
	}
	close(fds[1]);
	code = child < 0 ? fail(call, EX_OSERR, "cannot make a process: %s", err_reason(errno))
			 : call_online(call, fds[0]);
	close(fds[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return code;
}

int admin_call(struct admin_call *call)
{
	int fd, code;

	/* before this process becomes the directory's owner */
	snprintf(call->who, sizeof call->who, "uid %u, offline", (unsigned)getuid());
	switch (connect_server(call->dir, &fd)) {
	case 1:
		code = call_online(call, fd);
		close(fd);
		return code;
	case 0:
		return call->apart ? call_apart(call) : call_offline(call, -1);
	}
	if (errno == ENAMETOOLONG)
		return fail(call, EX_USAGE,
		    "the path %s is too long for the server's sockets; use a shorter one",
		    call->dir);
	return fail(call, EX_NOPERM,
	    "the server at %s does not let you in; run this as root or as the owner of the directory",
	    call->dir);
}
