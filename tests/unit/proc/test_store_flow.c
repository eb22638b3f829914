/* Room for mail on its way out of store: bounded a link, first come first served, nobody forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "ipc/front_store.h"
#include "proc/store_flow.h"

#define PIECE  LIMIT_IPC_CREDIT
#define PIECES (LIMIT_STORE_LINK_OUT / PIECE)

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	fail();
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	fail();
}

static void on_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

struct rig {
	struct ipc_link *link;
	struct store_flow flow;
	struct reader {
		struct store_flow_turn turn;
		struct rig *rig;
		bool has;
		size_t asked;
	} readers[PIECES + 3];
};

static void ask(struct reader *r)
{
	r->asked++;
	r->has = store_flow_take(&r->rig->flow, &r->turn, r->rig->link, PIECE);
}

static void turn(struct store_flow_turn *t)
{
	ask(LIST_ENTRY(t, struct reader, turn));
}

static void init(struct rig *g)
{
	g->link = ipc_link_new(&fs_edge_user, IPC_ASKER, &handler, NULL);
	store_flow_init(&g->flow);
	for (size_t i = 0; i < PIECES + 3; i++) {
		g->readers[i] = (struct reader){.rig = g};
		store_flow_turn_init(&g->readers[i].turn, turn);
		ask(&g->readers[i]);
	}
}

static void give(struct rig *g, size_t i)
{
	g->readers[i].has = false;
	store_flow_give(&g->flow, &g->readers[i].turn);
	store_flow_move(&g->flow, g->link);
}

static void test_room_is_bounded(void **state)
{
	struct rig g;

	init(&g);
	for (size_t i = 0; i < PIECES + 3; i++)
		assert_int_equal(g.readers[i].has, i < PIECES);
	give(&g, 5);
	assert_true(g.readers[PIECES].has);
	assert_false(g.readers[PIECES + 1].has);
	store_flow_give(&g.flow, &g.readers[PIECES + 1].turn); /* it ends while it waits */
	give(&g, 6);
	assert_false(g.readers[PIECES + 1].has);
	assert_true(g.readers[PIECES + 2].has);
	assert_int_equal(g.readers[PIECES + 1].asked, 1);
	for (size_t i = 0; i < PIECES + 3; i++)
		store_flow_give(&g.flow, &g.readers[i].turn);
	assert_int_equal(g.flow.reserved, 0);
	ipc_link_close(&g.link);
}

/* What was read and is not sent yet counts like what is being read. */
static void test_output_counts(void **state)
{
	static uint8_t bytes[LIMIT_IPC_CHUNK];
	struct ipc_call call = {.on_end = NULL};
	struct iovec vec[64];
	struct rig g;
	int fd;

	init(&g);
	ipc_call_start(g.link, &call, FS_UPLOAD, STR("12345678"), -1);
	for (int i = 0; i < 3; i++)
		ipc_call_chunk(&call, str_of(bytes, sizeof bytes), false);
	give(&g, 0);
	assert_false(g.readers[PIECES].has); /* a piece left, but three quarters of one wait */
	while (ipc_link_waiting(g.link)) {
		size_t n = ipc_link_out(g.link, vec, 1, &fd);

		assert_int_equal(n, 1);
		ipc_link_sent(g.link, vec[0].iov_len);
	}
	store_flow_move(&g.flow, g.link);
	assert_true(g.readers[PIECES].has);
	assert_false(g.readers[PIECES + 1].has);
	ipc_call_cancel(&call);
	ipc_link_close(&g.link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_room_is_bounded),
	    cmocka_unit_test(test_output_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
