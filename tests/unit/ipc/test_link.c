/* Two links joined in memory: every split of the bytes, credit, cancel, violations, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/mem.h"
#include "base/wire.h"
#include "ipc/link.h"

enum {
	ASK,
	UP,
	DOWN,
	BIG,
	NOTE,
	SECRET,
	LONG,
	TYPES
};

static const struct ipc_type types[TYPES] = {
    [ASK] = {"ask", IPC_BY_ASKER, IPC_FD, 100, 100},
    [UP] = {"up", IPC_BY_ASKER, IPC_UP, 10, 10},
    [DOWN] = {"down", IPC_BY_ASKER, IPC_DOWN, 10, 10},
    [BIG] = {"big", IPC_BY_ASKER, IPC_BULK, 300000, 10},
    [NOTE] = {"note", IPC_BY_ASKER | IPC_BY_ANSWERER, IPC_IS_EVENT, 20, 0},
    [SECRET] = {"secret", 0, 0, 10, 10},
    [LONG] = {"long", IPC_BY_ASKER, 0, 10, MIB},
};
static const struct ipc_edge edge = {"test", types, TYPES};

/* What the answering side saw, and the requests it has open. */
static struct {
	struct ipc_request *open[8];
	size_t nopen;
	uint64_t up_sum, up_n;
	bool up_last;
	size_t cancels;
	size_t credits;
	int fd;
	struct buf last;
	size_t events;
} seen;

static void on_up(struct ipc_request *r, struct str bytes, bool last)
{
	for (size_t i = 0; i < bytes.n; i++)
		seen.up_sum += bytes.p[i] * (++seen.up_n % 251);
	seen.up_last = last;
	ipc_request_credit(r, bytes.n);
}

static void on_cancel(struct ipc_request *r)
{
	seen.cancels++;
}

static void on_room(struct ipc_request *r)
{
	seen.credits++;
}

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	buf_clear(&seen.last);
	buf_str(&seen.last, payload);
	seen.fd = fd;
	r->on_chunk = on_up;
	r->on_cancel = on_cancel;
	r->on_credit = on_room;
	assert_true(seen.nopen < 8);
	seen.open[seen.nopen++] = r;
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	seen.events++;
}

static void on_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

struct call {
	struct ipc_call call;
	size_t got;
	size_t rooms;
	bool ended;
	enum ipc_end end;
	uint8_t first;
};

static void call_chunk(struct ipc_call *c, struct str bytes)
{
	((struct call *)(void *)c)->got += bytes.n;
}

static void call_room(struct ipc_call *c)
{
	((struct call *)(void *)c)->rooms++;
}

static void call_end(struct ipc_call *c, enum ipc_end end, struct str payload)
{
	struct call *call = (struct call *)(void *)c;

	call->ended = true;
	call->end = end;
	call->first = payload.n ? payload.p[0] : 0;
}

static struct call new_call(void)
{
	return (struct call){
	    .call = {.on_chunk = call_chunk, .on_credit = call_room, .on_end = call_end}};
}

static struct ipc_link *asker, *answerer;

static int setup(void **state)
{
	memset(&seen, 0, sizeof seen);
	buf_init(&seen.last, MIB);
	asker = ipc_link_new(&edge, IPC_ASKER, &handler, NULL);
	answerer = ipc_link_new(&edge, IPC_ANSWERER, &handler, NULL);
	return 0;
}

static int teardown(void **state)
{
	ipc_link_close(&asker);
	ipc_link_close(&answerer);
	for (size_t i = 0; i < seen.nopen; i++)
		ipc_request_end(seen.open[i], STR(""));
	buf_fini(&seen.last);
	return 0;
}

static void end_first(struct str payload)
{
	struct ipc_request *r = seen.open[0];

	seen.nopen--;
	memmove(seen.open, seen.open + 1, seen.nopen * sizeof r);
	ipc_request_end(r, payload);
}

/* Moves what waits, `step` octets at a time; how many octets. */
static size_t carry(struct ipc_link *from, struct ipc_link *to, size_t step)
{
	const char *why = NULL;
	size_t total = 0;

	for (;;) {
		struct iovec vec[4];
		int fd;
		size_t n = ipc_link_out(from, vec, 4, &fd);
		struct str s = {vec[0].iov_base, vec[0].iov_len};

		if (n == 0)
			return total;
		s = str_sub(s, 0, step);
		if (fd >= 0)
			fd = dup(fd);
		assert_int_equal(ipc_link_feed(to, s, &fd, fd >= 0, &why), 0);
		ipc_link_sent(from, s.n);
		total += s.n;
	}
}

static void test_request_and_reply_at_every_step(void **state)
{
	for (size_t step = 1; step <= 40; step++) {
		struct call call = new_call();

		ipc_call_start(asker, &call.call, ASK, STR("who are you"), -1);
		carry(asker, answerer, step);
		assert_true(str_eq(buf_view(&seen.last), STR("who are you")));
		assert_int_equal(seen.fd, -1);
		end_first(STR("!me"));
		carry(answerer, asker, step);
		assert_true(call.ended);
		assert_int_equal(call.end, IPC_REPLIED);
		assert_int_equal(call.first, '!');
	}
}

static void test_descriptor_travels(void **state)
{
	struct call call = new_call();
	int fd = dup(STDERR_FILENO);

	ipc_call_start(asker, &call.call, ASK, STR("x"), fd);
	carry(asker, answerer, 1000);
	assert_true(seen.fd >= 0 && seen.fd != fd);
	assert_int_equal(close(fd), -1); /* the link closed its copy */
	close(seen.fd);
	end_first(STR(""));
	carry(answerer, asker, 1000);
	assert_true(call.ended);
}

static void test_up_stream_needs_credit(void **state)
{
	struct call call = new_call();
	uint8_t bytes[LIMIT_IPC_CHUNK];
	uint64_t sum = 0, n = 0, sent = 0;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	ipc_call_start(asker, &call.call, UP, STR(""), -1);
	assert_int_equal(call.call.send_credit, LIMIT_IPC_CREDIT);
	while (sent < 1000000) {
		while (call.call.send_credit > 0 && sent < 1000000) {
			size_t part = call.call.send_credit < 16000 ? call.call.send_credit : 16000;

			if (part > 1000000 - sent)
				part = 1000000 - sent;
			for (size_t i = 0; i < part; i++)
				sum += bytes[i] * (++n % 251);
			sent += part;
			ipc_call_chunk(&call.call, str_of(bytes, part), sent == 1000000);
		}
		carry(asker, answerer, 9999);
		carry(answerer, asker, 9999);
	}
	assert_int_equal(seen.up_n, 1000000);
	assert_true(seen.up_sum == sum);
	assert_true(seen.up_last);
	end_first(STR("ok"));
	carry(answerer, asker, 9999);
	assert_true(call.ended);
	assert_true(call.rooms > 0);
}

static void test_down_stream_stops_without_credit(void **state)
{
	struct call call = new_call();
	uint8_t bytes[LIMIT_IPC_CHUNK] = {0};

	ipc_call_start(asker, &call.call, DOWN, STR(""), -1);
	carry(asker, answerer, 100);
	for (int i = 0; i < 4; i++)
		ipc_request_chunk(seen.open[0], str_of(bytes, sizeof bytes));
	assert_int_equal(seen.open[0]->send_credit, 0);
	carry(answerer, asker, 5000);
	assert_int_equal(call.got, 4 * LIMIT_IPC_CHUNK);
	ipc_call_credit(&call.call, 1000);
	carry(asker, answerer, 5000);
	assert_int_equal(seen.credits, 1);
	assert_int_equal(seen.open[0]->send_credit, 1000);
	ipc_request_chunk(seen.open[0], str_of(bytes, 1000));
	end_first(STR("e"));
	carry(answerer, asker, 5000);
	assert_int_equal(call.got, 4 * LIMIT_IPC_CHUNK + 1000);
	assert_true(call.ended);
}

static void test_control_overtakes_bulk(void **state)
{
	struct call big = new_call(), small = new_call();
	uint8_t *bytes = mem_alloc(300000);

	for (int i = 0; i < 3; i++) {
		struct call *c = i == 0 ? &big : NULL;

		if (c)
			ipc_call_start(asker, &c->call, BIG, str_of(bytes, 300000), -1);
	}
	ipc_call_start(asker, &small.call, ASK, STR("first"), -1);
	carry(asker, answerer, 100000);
	assert_int_equal(seen.nopen, 2);
	assert_int_equal(seen.open[0]->type, ASK);
	assert_int_equal(seen.open[1]->type, BIG);
	mem_free(bytes);
	end_first(STR(""));
	end_first(STR(""));
	carry(answerer, asker, 100);
	assert_true(big.ended && small.ended);
}

static void test_cancel_is_told_once_and_reply_ignored(void **state)
{
	struct call call = new_call();

	ipc_call_start(asker, &call.call, DOWN, STR(""), -1);
	carry(asker, answerer, 7);
	ipc_call_cancel(&call.call);
	ipc_call_cancel(&call.call);
	ipc_request_chunk(seen.open[0], STR("late")); /* crosses the cancel */
	carry(answerer, asker, 7);
	carry(asker, answerer, 7);
	assert_int_equal(seen.cancels, 1);
	end_first(STR("late"));
	carry(answerer, asker, 7);
	assert_false(call.ended);
	assert_int_equal(call.got, 0);
}

static void test_end_of_link(void **state)
{
	struct call call = new_call();

	ipc_call_start(asker, &call.call, ASK, STR("x"), -1);
	carry(asker, answerer, 100);
	ipc_link_close(&asker);
	assert_true(call.ended);
	assert_int_equal(call.end, IPC_LOST);
	ipc_link_close(&answerer);
	assert_int_equal(seen.cancels, 1);
	assert_true(seen.open[0]->cancelled);
	end_first(STR("nobody hears")); /* frees the link */
}

static void end_when_cancelled(struct ipc_request *r)
{
	seen.cancels++;
	ipc_request_end(r, STR("over"));
}

/* Requests may end inside their on_cancel, the last one too. */
static void test_end_of_link_ends_requests(void **state)
{
	struct call calls[3] = {new_call(), new_call(), new_call()};

	for (int i = 0; i < 3; i++)
		ipc_call_start(asker, &calls[i].call, UP, STR(""), -1);
	carry(asker, answerer, 100);
	while (seen.nopen)
		seen.open[--seen.nopen]->on_cancel = end_when_cancelled;
	ipc_link_close(&answerer);
	assert_int_equal(seen.cancels, 3);
	ipc_link_close(&asker);
}

/* One raw frame. */
static struct buf frame(
    uint32_t n, uint8_t kind, uint8_t flags, uint16_t type, uint32_t id, size_t fill)
{
	struct buf b;

	buf_init(&b, MIB);
	wire_u32(&b, n);
	wire_u8(&b, kind);
	wire_u8(&b, flags);
	wire_u16(&b, type);
	wire_u32(&b, id);
	for (size_t i = 0; i < fill; i++)
		buf_byte(&b, 0);
	return b;
}

static void test_violations(void **state)
{
	static const struct {
		const char *name;
		uint32_t n;
		uint8_t kind, flags;
		uint16_t type;
		uint32_t id;
		size_t fill;
		bool bad;
	} cases[] = {
	    {"fine", 5, IPC_REQUEST, 0, ASK, 1, 5, false},
	    {"unknown kind", 0, IPC_KINDS, 0, ASK, 1, 0, true},
	    {"unknown type", 0, IPC_REQUEST, 0, TYPES, 1, 0, true},
	    {"unknown flag", 0, IPC_REQUEST, 4, ASK, 1, 0, true},
	    {"forbidden type", 0, IPC_REQUEST, 0, SECRET, 1, 0, true},
	    {"event as request", 0, IPC_REQUEST, 0, NOTE, 1, 0, true},
	    {"request as event", 0, IPC_EVENT, 0, ASK, 0, 0, true},
	    {"payload too long", 101, IPC_REQUEST, 0, ASK, 1, 0, true},
	    {"huge", 0xffffffff, IPC_REQUEST, 0, ASK, 1, 0, true},
	    {"id 0", 0, IPC_REQUEST, 0, ASK, 0, 0, true},
	    {"reply to the answerer", 0, IPC_REPLY, 0, ASK, 1, 0, true},
	    {"descriptor that did not come", 0, IPC_REQUEST, 2, ASK, 1, 0, true},
	    {"descriptor on a chunk", 0, IPC_CHUNK, 2, UP, 1, 0, true},
	    {"chunk too long", (uint32_t)LIMIT_IPC_CHUNK + 1, IPC_CHUNK, 0, UP, 1, 0, true},
	    {"credit cut", 3, IPC_CREDIT, 0, DOWN, 1, 3, true},
	    {"late chunk", 3, IPC_CHUNK, 0, UP, 77, 3, false},
	    {"late credit", 4, IPC_CREDIT, 0, DOWN, 77, 4, false},
	    {"late cancel", 0, IPC_CANCEL, 0, DOWN, 77, 0, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = frame(cases[i].n, cases[i].kind, cases[i].flags, cases[i].type,
		    cases[i].id, cases[i].fill);
		struct ipc_link *l = ipc_link_new(&edge, IPC_ANSWERER, &handler, NULL);
		const char *why = NULL;
		int r = ipc_link_feed(l, buf_view(&b), NULL, 0, &why);

		if (r != (cases[i].bad ? -1 : 0) || !why != !cases[i].bad)
			fail_msg("%s: %d %s", cases[i].name, r, why ? why : "-");
		ipc_link_close(&l);
		while (seen.nopen)
			end_first(STR(""));
		buf_fini(&b);
	}
}

/* Answers are control frames, which need no credit: they have a maximum of their own. */
static void test_answers_that_are_not_read(void **state)
{
	const char *why = NULL;
	size_t answered = 0;
	int code;

	do {
		struct buf b = frame(0, IPC_REQUEST, 0, ASK, 1, 0);

		code = ipc_link_feed(answerer, buf_view(&b), NULL, 0, &why);
		buf_fini(&b);
		if (code == 0) {
			answered++;
			end_first(STR("answer"));
		}
	} while (code == 0 && answered <= LIMIT_IPC_UNREAD);
	assert_int_equal(code, -1);
	assert_int_equal(answered, LIMIT_IPC_UNREAD);
	assert_non_null(why);
}

static void test_long_answers_that_are_not_read(void **state)
{
	size_t answered = 0, n = MIB;
	uint8_t *answer = mem_alloc(n);
	const char *why = NULL;
	int code;

	do {
		struct buf b = frame(0, IPC_REQUEST, 0, LONG, 1, 0);

		code = ipc_link_feed(answerer, buf_view(&b), NULL, 0, &why);
		buf_fini(&b);
		if (code == 0) {
			answered++;
			end_first(str_of(answer, n));
		}
	} while (code == 0 && answered <= LIMIT_IPC_UNREAD_BYTES / n);
	assert_int_equal(code, -1);
	assert_int_equal(answered, LIMIT_IPC_UNREAD_BYTES / n);
	assert_non_null(why);
	mem_free(answer);
}

static void test_violations_of_an_open_request(void **state)
{
	struct buf open = frame(0, IPC_REQUEST, 0, UP, 5, 0);
	struct buf again = frame(0, IPC_REQUEST, 0, UP, 5, 0);
	struct buf chunk = frame((uint32_t)LIMIT_IPC_CHUNK, IPC_CHUNK, 0, UP, 5, LIMIT_IPC_CHUNK);
	struct buf credit = frame(4, IPC_CREDIT, 0, UP, 5, 3);
	const char *why = NULL;

	buf_byte(&credit, 1);
	assert_int_equal(ipc_link_feed(answerer, buf_view(&open), NULL, 0, &why), 0);
	seen.open[0]->on_chunk = NULL; /* nobody gives credit back */
	for (int i = 0; i < 4; i++)
		assert_int_equal(ipc_link_feed(answerer, buf_view(&chunk), NULL, 0, &why), 0);
	assert_int_equal(ipc_link_feed(answerer, buf_view(&chunk), NULL, 0, &why), -1);
	why = NULL;
	assert_int_equal(ipc_link_feed(answerer, buf_view(&again), NULL, 0, &why), -1);
	assert_string_equal(why, "a request with an id in use");
	buf_fini(&open);
	buf_fini(&again);
	buf_fini(&chunk);
	buf_fini(&credit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_request_and_reply_at_every_step, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_descriptor_travels, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_up_stream_needs_credit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_down_stream_stops_without_credit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_control_overtakes_bulk, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_cancel_is_told_once_and_reply_ignored, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_end_of_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_end_of_link_ends_requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_violations, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_violations_of_an_open_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_answers_that_are_not_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_long_answers_that_are_not_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
