/*
 * Imports, restores and undeletes with the n-th call that changes something failing, for some n, and every one in
 * the long form: what was answered is there after a restart, what was refused is not, done again it is there once, and the
 * audit balances throughout. And each without each of its tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include "base/clock.h"
#include "store/import.h"
#include "store/mailbox_path.h"
#include "store/undelete.h"

static struct rig rig;
static struct fault fault;
static int64_t ann, first_id, second_id;

static struct import *message(int64_t id, bool old, const char *text)
{
	struct import *im = import_new();

	im->op.done = rig_nothing;
	im->account = ann;
	im->mailbox = MAILBOX_INBOX;
	im->id = id;
	im->old = old;
	im->address = STR("ann@a.test");
	im->name = STR("INBOX");
	im->protocol = STR("import");
	im->keywords = STR("");
	im->data = str_of_c(text);
	return im;
}

/* LANE_DONE only when it was taken, or was there. */
static enum lane_result take(struct import *im)
{
	enum lane_result result;

	import_prepare(im);
	lane_run_one(rig.lane, &im->op, rig.now);
	result = im->op.result;
	if (result == LANE_DONE)
		assert_true(im->result == IMPORT_TAKEN || im->result == IMPORT_THERE ||
			    im->result == IMPORT_ID_USED);
	import_free(&im);
	return result;
}

static enum lane_result import_new_one(void)
{
	return take(message(id_make(&rig.ids, rig.now), false, "imported\r\n"));
}

/* What was purged comes back under its old id. */
static enum lane_result restore_purged(void)
{
	return take(message(first_id, true, "text\r\n"));
}

/* What is expunged comes back under its id. */
static enum lane_result restore_expunged(void)
{
	return take(message(second_id, true, "text\r\n"));
}

static enum lane_result undelete_all(void)
{
	struct undelete u = {.account = ann};

	undelete_init(&u);
	u.op.done = rig_nothing;
	lane_run_one(rig.lane, &u.op, rig.now);
	return u.op.result;
}

static enum lane_result make_mailbox(void)
{
	struct mailbox_make m;

	mailbox_make_init(&m, ann, STR("Work/Projects"));
	m.op.done = rig_nothing;
	lane_run_one(rig.lane, &m.op, rig.now);
	return m.op.result;
}

/* One message that was purged, one that is expunged. */
static void prepare(void)
{
	struct mailbox_snapshot s;

	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &first_id));
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, 1);
	mailbox_snapshot_fini(&s);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &second_id));
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, 1);
	mailbox_snapshot_fini(&s);
}

static int64_t live(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct arena *a = arena_new();
	int64_t n = mailbox_snapshot_count(&s);

	for (int64_t i = 1; i <= n; i++)
		assert_true(rig_read(&rig, a, &s, i).n > 0);
	arena_free(&a);
	mailbox_snapshot_fini(&s);
	return n;
}

/* False when there is no n-th call. */
static bool life_with_failure(int64_t n, bool lasting, bool full)
{
	static enum lane_result (*const requests[])(void) = {
	    import_new_one, restore_purged, undelete_all, make_mailbox};
	int64_t done = 0, refused = 0;
	bool fired;

	rig_open(&rig);
	fault_init(&fault);
	rig.fault = &fault;
	rig_restart(&rig);
	prepare();
	fault_set(&fault, FAULT_ANY, n, lasting, full);
	for (size_t i = 0; i < 4; i++) {
		enum lane_result result = requests[i]();

		done += result == LANE_DONE && i < 3;
		refused += (result == LANE_FULL || result == LANE_FAILED) && i < 3;
	}
	fired = fault.fired > 0;
	fault_set(&fault, FAULT_NONE, 0, false, false);
	rig_restart(&rig);
	rig_must_balance(&rig);
	assert_true(live() >= done && live() <= 3 - refused);
	assert_int_equal(restore_purged(), LANE_DONE); /* done again, each is there once */
	assert_int_equal(undelete_all(), LANE_DONE);
	assert_int_equal(undelete_all(), LANE_DONE);
	assert_true(live() == 2 || live() == 3);
	rig_must_balance(&rig);
	rig_close(&rig);
	fault_fini(&fault);
	return fired;
}

static void any_call_may_fail(void **state)
{
	for (int how = 0; how < 4; how++) {
		int64_t n = 1;

		while (life_with_failure(n, how & 1, how & 2))
			n += fault_step(how ? 7 : 2);
		assert_true(n > 10);
	}
}

/* ---- a statement that fails in the middle of a request ---- */

static const char fingerprint[] =
    "SELECT (SELECT count(*) + sum(refs) FROM blob) * 1000000"
    " + (SELECT sum(recipients) FROM message) * 100000"
    " + (SELECT count(*) + sum(purged > 0) FROM ledger) * 10000"
    " + (SELECT count(*) + sum(links) FROM email) * 100"
    " + (SELECT count(*) FROM membership) * 10 + (SELECT count(*) FROM mailbox)"
    " + (SELECT count(*) FROM change) + (SELECT sum(modseq + used_bytes) FROM account)";

static void a_failing_statement_leaves_nothing(void **state)
{
	static const char *const of_import[] = {"account", "blob", "change", "email", "ledger",
	    "mailbox", "membership", "message", "meta", NULL};
	static const char *const of_restore[] = {"account", "blob", "change", "email", "ledger",
	    "mailbox", "membership", "message", NULL};
	static const char *const of_link[] = {
	    "account", "change", "email", "mailbox", "membership", NULL};
	static const char *const of_make[] = {"account", "change", "mailbox", NULL};

	rig_open(&rig);
	prepare();
	rig_run_without(&rig, import_new_one, of_import, fingerprint);
	rig_run_without(&rig, restore_purged, of_restore, fingerprint);
	rig_run_without(&rig, undelete_all, of_link, fingerprint);
	rig_run_without(&rig, make_mailbox, of_make, fingerprint);
	rig_close(&rig);
	rig_open(&rig);
	prepare();
	rig_run_without(&rig, restore_expunged, of_link, fingerprint);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_call_may_fail),
	    cmocka_unit_test(a_failing_statement_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
