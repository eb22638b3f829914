#include "proc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/log.h"

/* A process has one supervisor: its state is the process's own. */
static struct {
	const struct child_role *role;
	void *ctx;
	uv_loop_t *loop;
	struct peer *super;
	bool started;
	bool exiting;
	int status;
} child;

int child_drop_to(const char *user, struct err *e)
{
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(user);
	if (!pw || pw->pw_uid == 0)
		return err_set(e,
		    "there is no unprivileged system user %s; create it with: useradd --system --shell "
		    "/usr/sbin/nologin %s",
		    user, user);
	if (setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return err_set(e, "cannot become the user %s", user);
	MUST(setuid(0) != 0 && getuid() == pw->pw_uid && geteuid() == pw->pw_uid);
	return 0;
}

/* What an ordinary user's server was started with, to bind its ports, is the supervisor's alone. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	if (geteuid() == 0)
		return; /* of a role that stays what it is */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	MUST(syscall(SYS_capset, &header, none) == 0);
}

/* Dies with its supervisor; gains no privileges; leaves no core with mail in it. */
static void harden(void)
{
	struct rlimit none = {0, 0};

	drop_capabilities();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

/* As many descriptors as the administrator's hard limit allows: one a connection. */
static void raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void fail(const struct err *e)
{
	child_tell(SC_FAILED, str_sub(str_of_c(e->text), 0, 1024));
	child_exit(1);
}

static void got_start(struct str payload)
{
	struct sc_start start;
	struct err e = {""};
	const char *user = NULL;

	if (!sc_start_get(payload, &start)) {
		err_set(&e, "the supervisor sent a start event that cannot be read");
		fail(&e);
		return;
	}
	child.started = true;
	if (child.role->start(child.ctx, &start, &user, &e) || (user && child_drop_to(user, &e))) {
		fail(&e);
		return;
	}
	harden();
	if (!child.role->stays && chdir("/")) {
		err_sys(&e, errno, "cannot leave the data directory");
		fail(&e);
		return;
	}
	if (child.role->ready(child.ctx, &e))
		fail(&e);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	if (child.exiting) {
		if (fd >= 0)
			close(fd);
	} else if (type == SC_START && !child.started) {
		got_start(payload);
	} else if (type == SC_PING) {
		child_tell(SC_PONG, (struct str){NULL, 0});
	} else {
		child.role->event(child.ctx, type, payload, fd);
	}
}

static void on_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	BUG("the supervisor sends events only; the table has no requests");
}

static void on_down(struct peer *p, const char *why)
{
	child.super = NULL;
	child_exit(1);
}

static const struct peer_config link_config = {
    .edge = &sc_edge,
    .side = IPC_ANSWERER,
    .name = "supervisor",
    .request = on_request,
    .event = on_event,
    .down = on_down,
};

void child_tell(uint16_t type, struct str payload)
{
	if (child.super && child.super->link)
		ipc_event(child.super->link, type, payload, -1);
}

void child_exit(int status)
{
	child.exiting = true;
	child.status = status;
}

void child_abandon(void)
{
	_exit(1);
}

static void ignore_signals(void)
{
	/* the terminal sends these to the whole group; the supervisor decides */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

int child_run(const struct child_role *role, void *ctx, uv_loop_t *loop)
{
	ignore_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, role->title);
	raise_descriptors();
	fcntl(CHILD_LINK_FD, F_SETFL, O_NONBLOCK);
	fcntl(CHILD_LINK_FD, F_SETFD, FD_CLOEXEC);
	child.role = role;
	child.ctx = ctx;
	child.loop = loop;
	child.super = peer_new(loop, &link_config, CHILD_LINK_FD, NULL);
	while (!child.exiting)
		uv_run(loop, UV_RUN_ONCE);
	uv_run(loop, UV_RUN_NOWAIT); /* lets the last frames leave */
	return child.status;
}
