/*
 * Each event has a timer and, while it waits for a descriptor, a poll handle. libuv closes handles in a
 * later turn: an event that libunbound has freed lives on, deaf, until both are closed.
 *
 * A handle never outlives the wait: libunbound closes the descriptor behind it, and to stop the handle
 * later would make the loop deaf to whoever has that number then.
 *
 * As libevent does it: an event that is not persistent is inactive before its callback runs; one that is
 * persistent gets its timeout anew. A callback may free its own event: nothing is touched behind it.
 */
#include "proc/dns_loop.h"

#include <stdbool.h>
#include <sys/time.h>
#include <unbound-event.h>

#include "base/mem.h"

#define IO_BITS (UB_EV_READ | UB_EV_WRITE)

struct base {
	struct ub_event_base ub; /* first: libunbound's pointer is ours */
	uv_loop_t *loop;
	size_t events;
};

struct event {
	struct ub_event ub; /* first */
	struct base *base;
	int fd;
	short bits;
	void (*cb)(int fd, short bits, void *arg);
	void *arg;
	uv_poll_t *poll; /* of its own; NULL unless a descriptor is waited for */
	uv_timer_t timer;
	uint64_t timeout; /* milliseconds; of the last activation */
	bool timed;       /* ... which had one */
};

static struct event *event_of(struct ub_event *ub)
{
	struct event *e = (struct event *)ub;

	MUST(ub->magic == UB_EVENT_MAGIC);
	return e;
}

/* ---- firing ---- */
static void on_poll_closed(uv_handle_t *h)
{
	mem_free(h);
}

static void drop_poll(struct event *e)
{
	if (e->poll)
		uv_close((uv_handle_t *)e->poll, on_poll_closed);
	e->poll = NULL;
}

static void stop(struct event *e)
{
	drop_poll(e);
	uv_timer_stop(&e->timer);
}

static void on_timer(uv_timer_t *timer);

static void fire(struct event *e, short bits)
{
	if (!(e->bits & UB_EV_PERSIST))
		stop(e);
	else if (e->timed)
		uv_timer_start(&e->timer, on_timer, e->timeout, 0);
	e->cb(e->fd, bits, e->arg);
}

static void on_timer(uv_timer_t *timer)
{
	fire(timer->data, UB_EV_TIMEOUT);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct event *e = poll->data;
	int bits = 0;

	if (status < 0)
		bits = IO_BITS; /* reading or writing will tell what is wrong */
	if (events & UV_READABLE)
		bits |= UB_EV_READ;
	if (events & UV_WRITABLE)
		bits |= UB_EV_WRITE;
	bits &= e->bits;
	if (bits)
		fire(e, (short)bits);
}

/* ---- descriptors ---- */

/* Waits for the descriptor as the event's bits say. 0, or -1. */
static int watch(struct event *e)
{
	int events = 0;
	uv_poll_t *poll;

	if (e->bits & UB_EV_READ)
		events |= UV_READABLE;
	if (e->bits & UB_EV_WRITE)
		events |= UV_WRITABLE;
	poll = mem_new(uv_poll_t);
	if (uv_poll_init(e->base->loop, poll, e->fd)) {
		mem_free(poll);
		return -1;
	}
	poll->data = e;
	e->poll = poll;
	return uv_poll_start(poll, events, on_poll) ? -1 : 0;
}

/* ---- what libunbound calls on an event ---- */
static void event_add_bits(struct ub_event *ub, short bits)
{
	event_of(ub)->bits |= bits;
}

static void event_del_bits(struct ub_event *ub, short bits)
{
	event_of(ub)->bits &= (short)~bits;
}

static void event_set_fd(struct ub_event *ub, int fd)
{
	event_of(ub)->fd = fd;
}

static uint64_t milliseconds(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
}

static int event_add(struct ub_event *ub, struct timeval *tv)
{
	struct event *e = event_of(ub);

	stop(e);
	if (e->fd >= 0 && e->bits & IO_BITS && watch(e))
		return -1;
	e->timed = tv != NULL;
	if (tv) {
		uv_update_time(e->base->loop); /* much may have been computed in this turn */
		e->timeout = milliseconds(tv);
		uv_timer_start(&e->timer, on_timer, e->timeout, 0);
	}
	return 0;
}

static int event_del(struct ub_event *ub)
{
	stop(event_of(ub));
	return 0;
}

static int event_add_timer(struct ub_event *ub, struct ub_event_base *base,
    void (*cb)(int, short, void *), void *arg, struct timeval *tv)
{
	struct event *e = event_of(ub);

	e->cb = cb;
	e->arg = arg;
	return event_add(ub, tv);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct event *e = h->data;

	e->ub.magic = 0;
	mem_free(e);
}

static void event_free(struct ub_event *ub)
{
	struct event *e = event_of(ub);

	stop(e);
	e->base->events--;
	uv_close((uv_handle_t *)&e->timer, on_timer_closed);
}

/* ---- what it never calls: signals, Windows, the loop itself ---- */
static int no_signal_add(struct ub_event *ub, struct timeval *tv)
{
	BUG("a resolver has no signals");
}

static int no_signal_del(struct ub_event *ub)
{
	BUG("a resolver has no signals");
}

static void no_windows(struct ub_event *ub)
{
	BUG("this is no Windows");
}

static void no_windows_bit(struct ub_event *ub, int bit)
{
	BUG("this is no Windows");
}

static struct ub_event *no_signal(
    struct ub_event_base *ub, int fd, void (*cb)(int, short, void *), void *arg)
{
	BUG("a resolver has no signals");
}

static struct ub_event *no_windows_event(
    struct ub_event_base *ub, void *wsaevent, void (*cb)(int, short, void *), void *arg)
{
	BUG("this is no Windows");
}

static void no_free(struct ub_event_base *ub)
{
	BUG("the loop is not libunbound's");
}

static int no_dispatch(struct ub_event_base *ub)
{
	BUG("the loop is not libunbound's");
}

static int no_exit(struct ub_event_base *ub, struct timeval *tv)
{
	BUG("the loop is not libunbound's");
}

/* libunbound takes them without const, and does not change them. */
static struct ub_event_vmt event_methods = {
    .add_bits = event_add_bits,
    .del_bits = event_del_bits,
    .set_fd = event_set_fd,
    .free = event_free,
    .add = event_add,
    .del = event_del,
    .add_timer = event_add_timer,
    .del_timer = event_del,
    .add_signal = no_signal_add,
    .del_signal = no_signal_del,
    .winsock_unregister_wsaevent = no_windows,
    .winsock_tcp_wouldblock = no_windows_bit,
};

/* ---- the base ---- */
static struct ub_event *base_new_event(
    struct ub_event_base *ub, int fd, short bits, void (*cb)(int, short, void *), void *arg)
{
	struct base *base = (struct base *)ub;
	struct event *e = mem_new(struct event);

	e->ub.magic = UB_EVENT_MAGIC;
	e->ub.vmt = &event_methods;
	e->base = base;
	e->fd = fd;
	e->bits = bits;
	e->cb = cb;
	e->arg = arg;
	MUST(uv_timer_init(base->loop, &e->timer) == 0);
	e->timer.data = e;
	base->events++;
	return &e->ub;
}

static struct ub_event_base_vmt base_methods = {
    .free = no_free,
    .dispatch = no_dispatch,
    .loopexit = no_exit,
    .new_event = base_new_event,
    .new_signal = no_signal,
    .winsock_register_wsaevent = no_windows_event,
};

struct ub_event_base *dns_loop_new(uv_loop_t *loop)
{
	struct base *base = mem_new(struct base);

	base->ub.magic = UB_EVENT_MAGIC;
	base->ub.vmt = &base_methods;
	base->loop = loop;
	return &base->ub;
}

void dns_loop_free(struct ub_event_base **ub)
{
	struct base *base = (struct base *)*ub;

	*ub = NULL;
	if (!base)
		return;
	MUST(base->events == 0);
	mem_free(base);
}
