/*
 * Loaded with LD_PRELOAD into a server: what its processes say that they do without is forbidden to them, from the
 * moment on when they are ready; but not to the supervisor, for its children would inherit it. One that does
 * it all the same is killed by the kernel with SIGSYS, wherever in its libraries the call is made. SIGUSR2 lets one
 * open a file and start a program, to see that. Not with AddressSanitizer, which opens files and starts processes
 * of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum right {
	READ_FILES = 1,
	CONNECT = 2,
	WRITE_FILES = 4,
	THREADS = 8,
};

static const struct role {
	const char *name;
	int rights;
} roles[] = {
    {"mx", 0},
    {"user", 0},
    {"relay", CONNECT},
    {"resolver", CONNECT | READ_FILES},
    {"store", READ_FILES | WRITE_FILES | THREADS},
};

/* Calls, and the right that each needs; -1: nobody has it. */
static const struct call {
	int number;
	int right;
} calls[] = {
#ifdef SYS_open
    {SYS_open, -1},
    {SYS_creat, -1},
    {SYS_fork, -1},
    {SYS_vfork, -1},
#endif
    {SYS_openat, READ_FILES},
    {SYS_openat2, -1},
    {SYS_unlinkat, WRITE_FILES},
    {SYS_mkdirat, WRITE_FILES},
    {SYS_clone, THREADS},
    {SYS_clone3, THREADS},
    {SYS_execve, -1},
    {SYS_execveat, -1},
    {SYS_ptrace, -1},
    {SYS_listen, -1},
    {SYS_socket, CONNECT},
    {SYS_connect, CONNECT},
    {SYS_bind, CONNECT},
};

#define COUNT (sizeof calls / sizeof *calls)

/* The third word of the command line: "godwit process ROLE". */
static const struct role *own_role(void)
{
	char line[64] = {0};
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	const char *word = line;
	ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return NULL;
	for (int i = 0; i < 2 && word < line + n; i++)
		word += strlen(word) + 1;
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (word < line + n && strcmp(word, roles[i].name) == 0)
			return &roles[i];
	return NULL;
}

static void on_usr2(int number)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDWR);
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void forbid(const struct role *role)
{
	struct sock_filter code[2 * COUNT + 6] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	size_t n = 1;
	struct sock_fprog program = {.filter = code};

	for (size_t i = 0; i < COUNT; i++) {
		const struct call *c = &calls[i];

		if (c->right >= 0 && (role->rights & c->right)) {
			if (c->number != SYS_openat || (role->rights & WRITE_FILES))
				continue;
			/* for reading alone */
			code[n++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JEQ | BPF_K, (unsigned)c->number, 0, 4);
			code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, args) + 2 * sizeof(__u64));
			code[n++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JSET | BPF_K, O_ACCMODE | O_CREAT, 1, 0);
			code[n++] = (struct sock_filter)BPF_STMT(
			    BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		} else {
			code[n++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JEQ | BPF_K, (unsigned)c->number, 0, 1);
		}
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	signal(SIGUSR2, on_usr2);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		abort(); /* the filter is for all threads */
}

static const struct role *closing;

/* The network side's processes go to "/" when their privileges are dropped, and then get ready. */
int chdir(const char *path)
{
	int result = (int)syscall(SYS_chdir, path);

	if (result == 0 && strcmp(path, "/") == 0)
		closing = own_role();
	return result;
}

/* The store goes to the data directory. */
int fchdir(int fd)
{
	int result = (int)syscall(SYS_fchdir, fd);
	const struct role *role = result == 0 ? own_role() : NULL;

	if (role && strcmp(role->name, "store") == 0)
		closing = role;
	return result;
}

/* They wait for what comes, so they are ready. */
int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
	if (closing)
		forbid(closing);
	closing = NULL;
	return (int)syscall(SYS_epoll_pwait, fd, events, n, timeout, mask, _NSIG / 8);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	return epoll_pwait(fd, events, n, timeout, NULL);
}
