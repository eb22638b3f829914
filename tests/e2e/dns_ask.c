/*
 * Plays supervisor and relay for a resolver process, as a test says on standard input, a line each:
 *   ask TYPE NAME    a question; its answer is printed when it comes
 *   config OPTIONS   a new configuration
 *   junk             a question that cannot be read
 *   leave            the link of the one who asks is closed, and a new one made
 * At the end of input, once all is answered, the process is told to end.
 *
 * usage: dns_ask GODWIT OPTIONS
 */
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "dns_print.h"
#include "ipc/relay_resolver.h"
#include "ipc/sock.h"
#include "ipc/super_child.h"
#include "proc/child.h"

struct end {
	int fd;
	struct ipc_link *link;
};

struct question {
	struct ipc_call call;
	struct rr_lookup lookup;
	char name[300];
};

static struct {
	struct end super, asker;
	struct arena *arena;
	pid_t pid;
	size_t open; /* questions not yet answered */
	bool junk;   /* sent, and not yet complained about */
	bool ready;
	uint64_t number;
} t;

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	BUG("a resolver asks nothing");
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	if (type == SC_READY) {
		t.ready = true;
		puts("ready");
	} else if (type == SC_BAD_PEER) {
		t.junk = false;
		puts("bad-peer");
	} else {
		printf("failed %.*s\n", STR_FMT(payload));
	}
	fflush(stdout);
}

static void on_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

static void open_end(struct end *e, const struct ipc_edge *edge, int fd)
{
	e->fd = fd;
	e->link = ipc_link_new(edge, IPC_ASKER, &handler, NULL);
}

static void close_end(struct end *e)
{
	ipc_link_close(&e->link);
	close(e->fd);
}

/* ---- what the supervisor says ---- */
static void tell(uint16_t type, struct str payload, int fd)
{
	ipc_event(t.super.link, type, payload, fd);
}

static void tell_config(uint16_t type, const char *options)
{
	struct sc_start start = {.role = SC_ROLE_RESOLVER, .node = 7, .number = ++t.number};
	struct config_snapshot *c;
	struct buf text, snapshot, b;
	struct err e;

	buf_init(&text, 10000);
	buf_init(&snapshot, 1 * MIB);
	buf_init(&b, 1 * MIB);
	buf_printf(&text, "hostname = \"mail.example.test\"; %s", options);
	if (config_parse("/", "options", buf_view(&text), t.number, &c, &e)) {
		fprintf(stderr, "dns_ask: %s\n", e.text);
		exit(2);
	}
	config_encode(c, &snapshot);
	start.snapshot = buf_view(&snapshot);
	sc_start_put(&b, &start);
	tell(type, buf_view(&b), -1);
	config_unref(&c);
	buf_fini(&text);
	buf_fini(&snapshot);
	buf_fini(&b);
}

static void join(void)
{
	struct buf b;
	int fds[2];

	MUST(ipc_sock_pair(fds) == 0);
	buf_init(&b, 8);
	sc_peer_put(&b, SC_ROLE_MX, 9);
	tell(SC_PEER, buf_view(&b), fds[1]);
	buf_fini(&b);
	open_end(&t.asker, &rr_edge, fds[0]);
}

static void start(const char *godwit, const char *options)
{
	int fds[2];

	MUST(ipc_sock_pair(fds) == 0);
	t.pid = fork();
	MUST(t.pid >= 0);
	if (t.pid == 0) {
		dup2(fds[1], CHILD_LINK_FD);
		execl(godwit, "godwit", "process", "resolver", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	open_end(&t.super, &sc_edge, fds[0]);
	tell_config(SC_START, options);
	join();
	tell(SC_GO, (struct str){NULL, 0}, -1);
}

/* ---- what the relay asks ---- */
static void on_answer(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct question *q = (struct question *)call; /* its first member */
	struct dns_result result;

	t.open--;
	if (end == IPC_LOST) {
		puts("lost");
	} else if (payload.n == 0) {
		puts("nothing");
	} else {
		MUST(rr_reply_get(payload, q->lookup.type, t.arena, &result));
		dns_print(q->lookup.name, q->lookup.type, &result);
		arena_reset(t.arena, false);
	}
	fflush(stdout);
	mem_free(q);
}

static void ask(struct str type, struct str name)
{
	struct question *q = mem_new(struct question);
	struct buf b;

	MUST(dns_type_parse(type, &q->lookup.type) && name.n < sizeof q->name);
	memcpy(q->name, name.p, name.n);
	q->lookup.name = str_of(q->name, name.n);
	q->call.on_end = on_answer;
	buf_init(&b, 1000);
	rr_lookup_put(&b, &q->lookup);
	ipc_call_start(t.asker.link, &q->call, RR_LOOKUP, buf_view(&b), -1);
	buf_fini(&b);
	t.open++;
}

static void send_junk(void)
{
	struct question *q = mem_new(struct question);

	q->call.on_end = on_answer;
	ipc_call_start(t.asker.link, &q->call, RR_LOOKUP, STR("junk"), -1);
	t.open++;
	t.junk = true;
}

/* ---- the test's words ---- */
static void obey(struct str line)
{
	struct str rest, word = str_split(line, ' ', &rest);

	if (str_eq(word, STR("ask"))) {
		struct str name, type = str_split(rest, ' ', &name);

		ask(type, name);
	} else if (str_eq(word, STR("config"))) {
		char options[4096];

		snprintf(options, sizeof options, "%.*s", STR_FMT(rest));
		tell_config(SC_CONFIG, options);
	} else if (str_eq(word, STR("junk"))) {
		send_junk();
	} else if (str_eq(word, STR("leave"))) {
		close_end(&t.asker);
		join();
	} else {
		BUG("no such word");
	}
}

/* Reads what is there; false at the end of input. */
static bool listen_to_test(struct buf *in)
{
	uint8_t *p = buf_reserve(in, 65536);
	ssize_t n = read(STDIN_FILENO, p, 65536);
	size_t end;

	if (n <= 0)
		return false;
	buf_advance(in, (size_t)n);
	while ((end = str_find(buf_view(in), '\n')) < in->n) {
		obey(str_of(in->p, end));
		buf_drop(in, end + 1);
	}
	return true;
}

/* Moves frames until something has happened; false when the process has gone. */
static bool turn(bool listens, struct buf *in, bool *ended)
{
	struct pollfd fds[] = {{t.super.fd, POLLIN, 0}, {t.asker.fd, POLLIN, 0},
	    {listens ? STDIN_FILENO : -1, POLLIN, 0}};
	const char *why = "";

	ipc_sock_flush(t.super.fd, t.super.link);
	ipc_sock_flush(t.asker.fd, t.asker.link);
	poll(fds, 3, -1);
	if (fds[0].revents && ipc_sock_read(t.super.fd, t.super.link, &why) != IPC_SOCK_OK)
		return false;
	if (fds[1].revents && ipc_sock_read(t.asker.fd, t.asker.link, &why) == IPC_SOCK_BAD)
		BUG("the resolver broke the protocol");
	if (fds[2].revents && !listen_to_test(in))
		*ended = true;
	return true;
}

int main(int argc, char **argv)
{
	bool ended = false, told = false;
	struct buf in;
	int status = 0;

	MUST(argc == 3);
	buf_init(&in, 1 * MIB);
	t.arena = arena_new();
	start(argv[1], argv[2]);
	while (turn(!ended && t.ready, &in, &ended)) {
		if (!ended || t.open || t.junk || told)
			continue;
		tell(SC_DRAIN, (struct str){NULL, 0}, -1);
		told = true;
	}
	close_end(&t.asker);
	close_end(&t.super);
	MUST(waitpid(t.pid, &status, 0) == t.pid);
	arena_free(&t.arena);
	buf_fini(&in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
