/*
 * Threads, connections and their bytes. What threads share while they run is atomic: the numbers of units
 * and of errors, and when one of them last had something to do. A slot is a connection that is opened again
 * as long as there is work; it has at most one output (out, body, tail in this order) under way. Replies are
 * read in lines by the program's own line reader. Everything is level-triggered; writability is asked for
 * only while the kernel's buffer is full.
 */
#include "bench/load.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EVENTS      256
#define READ_SIZE   65536
#define OUT_MAX     (4 * MIB) /* an envelope of 10 000 recipients */
#define SILENCE_MS  30000
#define LOOK_MS     1000 /* a thread with nothing to do looks how the others are */
#define ONE_SEGMENT 1400 /* octets that leave at once anyway */
#define FEW_RCPTS   8    /* with which an envelope is not longer */
#define LINE_LENGTH 76

int64_t load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool load_take(struct load_conn *c)
{
	struct load *l = c->load;

	if (l->deadline_us && load_now() >= l->deadline_us)
		return false;
	/* the numbers behind the total are nobody's */
	c->unit = atomic_fetch_add_explicit(&l->begun, 1, memory_order_relaxed);
	return l->settings->total == 0 || c->unit < l->settings->total;
}

void load_unit_done(struct load_conn *c, int64_t since_us)
{
	struct load_worker *w = c->worker;

	w->last_us = load_now();
	w->units++;
	samples_add(&w->unit_latency, w->last_us - since_us);
}

void load_step_done(struct load_conn *c, int64_t since_us)
{
	struct load_worker *w = c->worker;

	w->last_us = load_now();
	w->messages++;
	samples_add(&w->step_latency, w->last_us - since_us);
}

static struct load_name name_of(const char *template)
{
	struct load_name name = {.numbered = strchr(template, '%') != NULL};

	name.head = str_split(str_of_c(template), '%', &name.tail);
	return name;
}

void load_put_name(struct buf *out, const struct load_name *name, uint64_t number)
{
	buf_str(out, name->head);
	if (name->numbered)
		buf_u64(out, number);
	buf_str(out, name->tail);
}

/* ---- connections ---- */
static void watch(struct load_conn *c, int op, bool writable)
{
	struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = c};

	MUST(epoll_ctl(c->worker->epoll, op, c->fd, &event) == 0);
	c->writable_wanted = writable;
}

static void conn_close(struct load_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Does a write take more than one segment, whose last could have to wait for the others' receipt? */
static bool is_bulky(const struct load_settings *s)
{
	return s->size > ONE_SEGMENT || s->recipients > FEW_RCPTS;
}

static int conn_connect(struct load_conn *c)
{
	const struct sockaddr_in *to = &c->load->settings->to;
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	if (is_bulky(c->load->settings))
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS)
		return -1;
	watch(c, EPOLL_CTL_ADD, false);
	return 0;
}

static void note_error(struct load_conn *c, struct str text)
{
	struct load *l = c->load;

	if (atomic_fetch_add(&l->errors, 1) == 0)
		err_set(
		    &l->first_error, "in state %u: %.*s", c->state, STR_FMT(str_sub(text, 0, 300)));
}

/* Opens the slot's connection for a unit of work, or retires the slot when there is none left. */
static void conn_open(struct load_conn *c)
{
	while (load_take(c)) {
		line_in_reset(&c->lines);
		buf_clear(&c->out);
		c->body = c->tail = (struct str){NULL, 0};
		c->unit_us = load_now();
		c->load->protocol->opened(c);
		if (conn_connect(c) == 0)
			return;
		note_error(c, str_of_c(strerror(errno)));
		conn_close(c);
		if (c->load->errors > LOAD_ERRORS_MAX)
			break;
	}
	c->worker->active--;
}

static void conn_fail(struct load_conn *c, struct str text)
{
	note_error(c, text);
	conn_close(c);
	conn_open(c);
}

static void open_slot(struct load_worker *w)
{
	if (w->slots_used == w->slots)
		return;
	w->active++;
	conn_open(&w->conns[w->slots_used++]);
}

/* ---- bytes out ---- */
static void advance(struct str *s, size_t *n)
{
	size_t step = *n < s->n ? *n : s->n;

	*s = str_from(*s, step);
	*n -= step;
}

static size_t unsent(const struct load_conn *c)
{
	return c->out.n + c->body.n + c->tail.n;
}

/* -1 when the connection is broken. */
static int conn_write(struct load_conn *c)
{
	while (unsent(c)) {
		struct iovec v[] = {
		    {c->out.p, c->out.n},
		    {(void *)(uintptr_t)c->body.p, c->body.n},
		    {(void *)(uintptr_t)c->tail.p, c->tail.n},
		};
		ssize_t sent = writev(c->fd, v, 3);
		size_t n = sent > 0 ? (size_t)sent : 0, from_out = n < c->out.n ? n : c->out.n;

		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		buf_drop(&c->out, from_out);
		n -= from_out;
		advance(&c->body, &n);
		advance(&c->tail, &n);
	}
	return 0;
}

/* -1 when the connection was broken: its slot has gone on with another one. */
static int conn_flush(struct load_conn *c)
{
	if (conn_write(c) != 0) {
		conn_fail(c, str_of_c(strerror(errno)));
		return -1;
	}
	if (c->writable_wanted != (unsent(c) > 0))
		watch(c, EPOLL_CTL_MOD, unsent(c) > 0);
	return 0;
}

/* ---- bytes in ---- */

/* Gives complete lines to the protocol; *last_r holds the one that it was not content with. */
static enum load_step take_lines(struct load_conn *c, struct str in, struct str *last_r)
{
	enum load_step step = LOAD_GO;

	while (in.n && step == LOAD_GO) {
		size_t used;
		enum line_status status = line_in_next(&c->lines, in, &used, last_r);

		in = str_from(in, used);
		if (status == LINE_MORE)
			break;
		if (status != LINE_DONE)
			return LOAD_REFUSED;
		step = c->load->protocol->line(c, *last_r);
	}
	return step;
}

static void conn_hold(struct load_conn *c)
{
	c->worker->held++;
	open_slot(c->worker);
}

static void conn_read(struct load_conn *c)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
	struct str line = STR("a line that is too long or badly ended");

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_fail(c, n < 0 ? str_of_c(strerror(errno)) : STR("closed by the server"));
		return;
	}
	c->worker->octets += (uint64_t)n;
	switch (take_lines(c, str_of(bytes, (size_t)n), &line)) {
	case LOAD_REFUSED:
		conn_fail(c, line);
		return;
	case LOAD_END:
		conn_close(c); /* as clients do, without waiting for the server to close */
		conn_open(c);
		return;
	case LOAD_HOLD:
		conn_hold(c);
		return;
	default:
		conn_flush(c);
	}
}

static void conn_event(struct load_conn *c, uint32_t events)
{
	if (events & EPOLLOUT && conn_flush(c) != 0)
		return;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_read(c);
}

/* ---- runs ---- */

/* Printable lines without dots at their beginnings, and hard to compress. */
static void fill(struct buf *b, size_t size)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
	uint64_t x = 88172645463325252u;

	while (b->n < size) {
		for (int i = 0; i < LINE_LENGTH; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf_byte(b, (uint8_t)letters[x >> 58]);
		}
		buf_lit(b, "\r\n");
	}
}

/* Thread number i of all: every so-manyth slot is its own. */
static void worker_init(struct load_worker *w, struct load *l, uint64_t i)
{
	const struct load_settings *s = l->settings;

	*w = (struct load_worker){.load = l, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	MUST(w->epoll >= 0);
	w->slots = (s->connections - i + s->threads - 1) / s->threads;
	samples_init(&w->unit_latency);
	samples_init(&w->step_latency);
	buf_init(&w->date, 64);
	w->conns = mem_array(w->slots, sizeof *w->conns);
	for (uint64_t k = 0; k < w->slots; k++) {
		struct load_conn *c = &w->conns[k];

		c->load = l;
		c->worker = w;
		c->slot = i + k * s->threads;
		c->fd = -1;
		line_in_init(&c->lines, LIMIT_POP3_REPLY_LINE);
		buf_init(&c->out, OUT_MAX);
	}
}

static void worker_fini(struct load_worker *w)
{
	for (uint64_t i = 0; i < w->slots; i++) {
		conn_close(&w->conns[i]);
		line_in_fini(&w->conns[i].lines);
		buf_fini(&w->conns[i].out);
	}
	mem_free(w->conns);
	buf_fini(&w->date);
	samples_fini(&w->unit_latency);
	samples_fini(&w->step_latency);
	close(w->epoll);
}

void load_init(
    struct load *l, const struct load_settings *settings, const struct load_protocol *protocol)
{
	MUST(settings->threads > 0 && settings->threads <= settings->connections);
	*l = (struct load){.settings = settings,
	    .protocol = protocol,
	    .from = name_of(settings->from),
	    .rcpt = name_of(settings->rcpt),
	    .user = name_of(settings->user)};
	samples_init(&l->unit_latency);
	samples_init(&l->step_latency);
	buf_init(&l->filler, settings->size + 2 * LINE_LENGTH);
	fill(&l->filler, settings->size);
	l->workers = mem_array(settings->threads, sizeof *l->workers);
	for (uint64_t i = 0; i < settings->threads; i++)
		worker_init(&l->workers[i], l, i);
}

void load_fini(struct load *l)
{
	for (uint64_t i = 0; i < l->settings->threads; i++)
		worker_fini(&l->workers[i]);
	mem_free(l->workers);
	buf_fini(&l->filler);
	samples_fini(&l->unit_latency);
	samples_fini(&l->step_latency);
}

/* One turn: what there is to do for at most timeout_ms. */
static void turn(struct load_worker *w, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(w->epoll, events, EVENTS, timeout_ms);

	if (n > 0)
		atomic_store_explicit(&w->load->heard_us, load_now(), memory_order_relaxed);
	for (int i = 0; i < n; i++)
		conn_event(events[i].data.ptr, events[i].events);
}

/* The server says nothing to any of the threads. */
static bool is_silent(struct load *l)
{
	return load_now() - atomic_load(&l->heard_us) >= SILENCE_MS * 1000;
}

static int worker_run(struct load_worker *w, struct err *e)
{
	const struct load_settings *s = w->load->settings;
	uint64_t at_once = s->hold && w->slots > 50 ? 50 : w->slots;

	w->last_us = w->load->begun_us;
	for (uint64_t i = 0; i < at_once; i++)
		open_slot(w);
	while (w->active > w->held) {
		turn(w, LOOK_MS);
		if (is_silent(w->load))
			return err_set(e, "the server was silent for %d s", SILENCE_MS / 1000);
		if (atomic_load(&w->load->errors) > LOAD_ERRORS_MAX)
			return err_set(e, "more than %d errors", LOAD_ERRORS_MAX);
	}
	return 0;
}

static void *worker_main(void *arg)
{
	struct load_worker *w = arg;
	struct rusage u;

	w->status = worker_run(w, &w->e);
	getrusage(RUSAGE_THREAD, &u);
	w->cpu_seconds = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	w->share = w->cpu_seconds * 1e6 / (double)(load_now() - w->load->begun_us + 1);
	return NULL;
}

/* Adds up what a thread that has ended did. */
static void merge(struct load *l, const struct load_worker *w)
{
	l->held += w->held;
	l->units += w->units;
	l->messages += w->messages;
	l->octets += w->octets;
	l->last_us = w->last_us > l->last_us ? w->last_us : l->last_us;
	samples_add_all(&l->unit_latency, &w->unit_latency);
	samples_add_all(&l->step_latency, &w->step_latency);
	l->cpu_seconds += w->cpu_seconds;
}

int load_run(struct load *l, struct err *e)
{
	const struct load_settings *s = l->settings;
	int status = 0;

	l->begun_us = l->last_us = load_now();
	l->heard_us = l->begun_us;
	l->deadline_us = s->seconds ? l->begun_us + (int64_t)s->seconds * 1000000 : 0;
	for (uint64_t i = 0; i < s->threads; i++)
		MUST(pthread_create(&l->workers[i].thread, NULL, worker_main, &l->workers[i]) == 0);
	for (uint64_t i = 0; i < s->threads; i++) {
		struct load_worker *w = &l->workers[i];

		MUST(pthread_join(w->thread, NULL) == 0);
		merge(l, w);
		if (w->status != 0 && status == 0)
			*e = w->e;
		status = w->status != 0 ? w->status : status;
	}
	return status;
}

/* ---- held connections ---- */

/* One that the server has closed, or talks on, is not idle any more. */
static bool is_lost(const struct load_conn *c)
{
	uint8_t byte;

	return c->fd >= 0 &&
	       !(recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

uint64_t load_wait_held(struct load *l)
{
	uint64_t lost = 0;
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (uint64_t i = 0; i < l->settings->threads; i++)
		for (uint64_t k = 0; k < l->workers[i].slots_used; k++)
			lost += is_lost(&l->workers[i].conns[k]);
	return lost;
}
