#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ann.h"

struct rig rig;
struct arena *arena;
int64_t ann;

int ann_setup(void **state)
{
	rig_open(&rig);
	arena = arena_new();
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	return 0;
}

int ann_teardown(void **state)
{
	rig_must_balance(&rig);
	arena_free(&arena);
	rig_close(&rig);
	return 0;
}

void ann_send(int n)
{
	for (int i = 0; i < n; i++)
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", NULL));
}

void ann_expunge(int64_t first, int64_t last)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);

	assert_int_equal(rig_expunge(&rig, &s, first, last), last - first + 1);
	mailbox_snapshot_fini(&s);
}

int64_t ann_live(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s);

	mailbox_snapshot_fini(&s);
	return n;
}
