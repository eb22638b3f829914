/*
 * A turn: read from all connections that have something, answer; with a log, write what the messages of the
 * turn brought in one piece, sync it, and only then answer those. A connection whose message waits for
 * the sync is not read further before; what it has pipelined behind stays in its input.
 */
#include "bench/floor.h"

#include "base/dot.h"
#include "base/line.h"
#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS      512
#define READ_SIZE   65536
#define CONTENT_MAX (64 * MIB)
#define LOG_MAX     ((off_t)1024 * 1024 * 1024) /* then it begins anew */

struct floor_server {
	int epoll, listener, log;
	struct buf batch;    /* content to be written in this turn */
	struct list waiting; /* connections whose message is in it */
	struct floor_counters own, *counters;
};

struct floor_conn {
	struct list link; /* in waiting */
	struct floor_server *server;
	int fd;
	bool content, waits, closing, blocked;
	struct line_in lines;
	struct dot_in dots;
	struct buf in, body, out;
};

/* ---- dialogue ---- */
static const struct {
	struct str verb, reply;
} replies[] = {
    {STR_INIT("EHLO"), STR_INIT("250-floor\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n")},
    {STR_INIT("DATA"), STR_INIT("354 go on\r\n")},
    {STR_INIT("QUIT"), STR_INIT("221 2.0.0 bye\r\n")},
    {STR_INIT(""), STR_INIT("250 2.0.0 ok\r\n")},
};

static void command(struct floor_conn *c, struct str line)
{
	size_t i = 0;

	while (!str_has_prefix_i(line, replies[i].verb))
		i++;
	buf_str(&c->out, replies[i].reply);
	c->content = str_eq(replies[i].verb, STR("DATA"));
	c->closing = str_eq(replies[i].verb, STR("QUIT"));
	if (c->content)
		dot_in_init(&c->dots, true, false);
}

static void message_taken(struct floor_conn *c)
{
	struct floor_server *s = c->server;

	s->counters->messages++;
	s->counters->octets += c->body.n;
	if (s->log < 0) {
		buf_lit(&c->out, "250 2.0.0 ok\r\n");
	} else {
		buf_str(&s->batch, buf_view(&c->body));
		list_push(&s->waiting, &c->link);
		c->waits = true;
	}
	buf_clear(&c->body);
}

/* Takes content or one line from the front of in; gives how much. */
static size_t take(struct floor_conn *c, struct str in)
{
	struct str line;
	size_t used;

	if (!c->content) {
		if (line_in_next(&c->lines, in, &used, &line) != LINE_MORE)
			command(c, line);
		return used;
	}
	if (dot_in_feed(&c->dots, in, &used, &c->body) == DOT_END) {
		c->content = false;
		message_taken(c);
	}
	return used;
}

/* Answers what lies in the input, as far as it may be answered now. */
static void work(struct floor_conn *c)
{
	size_t done = 0;

	while (done < c->in.n && !c->waits && !c->closing) {
		size_t used = take(c, str_from(buf_view(&c->in), done));

		if (used == 0)
			c->closing = true; /* a message that is too large */
		done += used;
	}
	buf_drop(&c->in, done);
}

/* ---- connections ---- */
static void conn_free(struct floor_conn *c)
{
	list_remove(&c->link);
	close(c->fd);
	line_in_fini(&c->lines);
	buf_fini(&c->in);
	buf_fini(&c->body);
	buf_fini(&c->out);
	mem_free(c);
}

static void watch(struct floor_conn *c, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	MUST(epoll_ctl(c->server->epoll, op, c->fd, &event) == 0);
}

/* Sends what there is, and closes when that was the last. */
static void finish(struct floor_conn *c)
{
	ssize_t n = c->out.n ? send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL) : 0;

	if (n > 0)
		buf_drop(&c->out, (size_t)n);
	if ((n < 0 && errno != EAGAIN) || (c->closing && c->out.n == 0)) {
		conn_free(c);
		return;
	}
	if (c->blocked != (c->out.n > 0)) {
		c->blocked = c->out.n > 0;
		watch(c, EPOLL_CTL_MOD, c->blocked ? EPOLLOUT : EPOLLIN);
	}
}

static void conn_event(struct floor_conn *c)
{
	uint8_t *p = buf_reserve(&c->in, READ_SIZE);
	ssize_t n = c->blocked || c->waits || !p ? 0 : recv(c->fd, p, READ_SIZE, 0);

	if (c->waits)
		return; /* its turn comes with the sync */
	if (!c->blocked && n <= 0 && !(n < 0 && errno == EAGAIN)) {
		conn_free(c);
		return;
	}
	if (n > 0)
		buf_advance(&c->in, (size_t)n);
	work(c);
	if (!c->waits)
		finish(c);
}

static void accept_all(struct floor_server *s)
{
	int fd, on = 1;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct floor_conn *c = mem_new(struct floor_conn);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		c->server = s;
		c->fd = fd;
		list_init(&c->link);
		line_in_init(&c->lines, LIMIT_SMTP_LINE);
		buf_init(&c->in, 2 * READ_SIZE);
		buf_init(&c->body, CONTENT_MAX);
		buf_init(&c->out, LIMIT_SMTP_OUT);
		s->counters->connections++;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
		buf_lit(&c->out, "220 floor\r\n");
		finish(c);
	}
}

/* ---- the log ---- */
static void write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0) {
			perror("floor: the log");
			exit(74);
		}
		s = str_from(s, (size_t)n);
	}
}

/* Writes and syncs what was gathered. */
static void make_durable(struct floor_server *s)
{
	if (lseek(s->log, 0, SEEK_CUR) > LOG_MAX) {
		MUST(ftruncate(s->log, 0) == 0);
		MUST(lseek(s->log, 0, SEEK_SET) == 0);
	}
	write_all(s->log, buf_view(&s->batch));
	buf_clear(&s->batch);
	if (fdatasync(s->log) != 0) {
		perror("floor: the log");
		exit(74);
	}
	s->counters->syncs++;
}

/* Makes the turn's messages durable, then answers them; so too what was pipelined behind them. */
static void commit(struct floor_server *s)
{
	struct list durable;

	list_init(&durable);
	make_durable(s);
	list_append(&durable, &s->waiting);
	for (struct list *link; (link = list_pop(&durable));) {
		struct floor_conn *c = LIST_ENTRY(link, struct floor_conn, link);

		c->waits = false;
		buf_lit(&c->out, "250 2.0.0 ok\r\n");
		work(c);
		if (!c->waits)
			finish(c);
	}
}

/* ---- running ---- */
static int open_files(struct floor_server *s, const struct floor_settings *settings, struct err *e)
{
	int fd;

	s->log = -1;
	if (settings->log) {
		s->log = open(settings->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (s->log < 0)
			return err_sys(e, errno, "cannot open %s", settings->log);
	}
	s->counters = &s->own;
	if (!settings->counters)
		return 0;
	fd = open(settings->counters, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *s->counters) != 0)
		return err_sys(e, errno, "cannot make %s", settings->counters);
	s->counters = mmap(NULL, sizeof *s->counters, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->counters == MAP_FAILED)
		return err_sys(e, errno, "cannot map %s", settings->counters);
	return 0;
}

static int open_listener(struct floor_server *s, const struct sockaddr_in *at, struct err *e)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int on = 1;

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listener < 0)
		return err_sys(e, errno, "no socket");
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(s->listener, (const struct sockaddr *)at, sizeof *at) != 0 ||
	    listen(s->listener, SOMAXCONN) != 0)
		return err_sys(e, errno, "cannot listen");
	MUST(epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) == 0);
	return 0;
}

int floor_run(const struct floor_settings *settings, struct err *e)
{
	struct floor_server s = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct epoll_event events[EVENTS];

	MUST(s.epoll >= 0);
	buf_init(&s.batch, EVENTS * CONTENT_MAX);
	list_init(&s.waiting);
	if (open_files(&s, settings, e) != 0 || open_listener(&s, &settings->listen, e) != 0)
		return -1;
	for (;;) {
		int n = epoll_wait(s.epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				conn_event(events[i].data.ptr);
			else
				accept_all(&s);
		}
		while (!list_is_empty(&s.waiting))
			commit(&s);
	}
}
