/*
 * A day of one account with the n-th call that changes something failing, for every n: what was
 * answered is there after a restart, what was not answered is there whole or not at all, and the audit
 * balances. Every second call fails once by itself; some also for good, and for want of space; every one in the
 * long form.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "day.h"

#include "store/mailbox_keywords.h"

#define TEXT "text of a message\r\n"

static struct rig rig;
static struct fault fault;
static int64_t ann;

/* One day with the n-th call failing; false when there is no such call. */
static bool day_with_failure(enum fault_kind kind, int64_t n, bool lasting, bool full)
{
	struct day day = {0};
	bool fired;

	rig_open(&rig);
	fault_init(&fault);
	rig.fault = &fault;
	rig_restart(&rig);
	ann = day_account(&rig);
	fault_set(&fault, kind, n, lasting, full);
	day_live(&day, &rig, ann);
	fired = fault.fired > 0;
	fault_set(&fault, FAULT_NONE, 0, false, false);
	rig_restart(&rig);
	day_check(&day, &rig, ann);
	if (!fired)
		assert_true(day_was_good(&day));
	rig_close(&rig);
	fault_fini(&fault);
	return fired;
}

static void any_call_may_fail(void **state)
{
	for (int how = 0; how < 4; how++) {
		int64_t n = 1;

		while (day_with_failure(FAULT_ANY, n, how & 1, how & 2))
			n += fault_step(how ? 11 : 3);
		print_message("about %lld calls, failing %s %s\n", (long long)n - 1,
		    how & 1 ? "for good" : "once", how & 2 ? "for want of space" : "by itself");
		assert_true(n > 20);
	}
}

static void any_read_may_fail(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_DB_READ, FAULT_FS_READ};
	int64_t days = 0;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		for (int lasting = 0; lasting < 2; lasting++) {
			int64_t n = 1;

			for (; day_with_failure(kinds[i], n, lasting, false); n++)
				days++;
		}
	}
	print_message("%lld days with a read that fails\n", (long long)days);
	assert_true(days > 10);
}

/* ---- a statement that fails in the middle of a request ---- */

/* All rows of all tables that a request writes, as one number. */
static const char fingerprint[] =
    "SELECT (SELECT count(*) + sum(refs) FROM blob) * 1000000"
    " + (SELECT count(*) FROM message) * 100000 + (SELECT count(*) FROM ledger) * 10000"
    " + (SELECT count(*) FROM queue) * 1000 + (SELECT count(*) FROM email) * 100"
    " + (SELECT count(*) + sum(expunged_modseq) FROM membership)"
    " + (SELECT count(*) FROM change) * 10 + (SELECT sum(modseq + used_bytes) FROM account)"
    " + (SELECT sum(messages + uidnext + modseq) FROM mailbox)"
    " + (SELECT sum(modseq + length(keywords)) FROM email)";

static enum lane_result deliver_one(void)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", TEXT);
	enum lane_result result;

	d->may_relay = true;
	rig_to(d, "ann@a.test");
	rig_to(d, "x@else.test")->action = PLAN_RELAY;
	d->op.done = rig_nothing;
	assert_true(deliver_prepare(d));
	lane_run_one(rig.lane, &d->op, rig.now);
	result = d->op.result;
	assert_int_equal(d->accepted, result == LANE_DONE);
	deliver_free(&d);
	return result;
}

static enum lane_result expunge_one(void)
{
	struct mailbox_expunge x;
	enum lane_result result;

	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	ranges_add(&x.uids, 1);
	x.op.done = rig_nothing;
	lane_run_one(rig.lane, &x.op, rig.now);
	result = x.op.result;
	mailbox_expunge_fini(&x);
	return result;
}

static enum lane_result mark_one(void)
{
	struct mailbox_keywords k;
	enum lane_result result;

	mailbox_keywords_init(&k, ann, MAILBOX_INBOX);
	ranges_add(&k.uids, 1);
	k.add = STR("$seen");
	k.op.done = rig_nothing;
	lane_run_one(rig.lane, &k.op, rig.now);
	result = k.op.result;
	mailbox_keywords_fini(&k);
	return result;
}

/* What a session leaves: one deleted, one marked; both or nothing. */
static enum lane_result leave(void)
{
	struct mailbox_keywords k;
	struct mailbox_expunge x;
	enum lane_result result;

	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	mailbox_keywords_init(&k, ann, MAILBOX_INBOX);
	ranges_add(&x.uids, 2);
	ranges_add(&k.uids, 3);
	k.add = STR("$seen");
	k.op.done = rig_nothing;
	mailbox_keywords_after(&k, &x);
	lane_run_one(rig.lane, &k.op, rig.now);
	result = k.op.result;
	mailbox_keywords_fini(&k);
	mailbox_expunge_fini(&x);
	return result;
}

static enum lane_result purge_one(void)
{
	struct maintain_config cfg = {0, INT64_MAX / 2, rig.blobs};
	static struct maintain m;

	maintain_init(&m, &cfg);
	m.op.done = rig_nothing;
	rig.now++;
	lane_run_one(rig.lane, &m.op, rig.now);
	return m.op.result;
}

/* Runs the request without each of the tables in turn, then with all of them. */
static void a_failing_statement_leaves_nothing(void **state)
{
	static const char *const of_deliver[] = {"account", "alias", "blob", "change",
	    "destination", "domain", "email", "ledger", "mailbox", "membership", "message", "meta",
	    "queue", NULL};
	static const char *const of_expunge[] = {
	    "account", "change", "mailbox", "membership", NULL};
	static const char *const of_mark[] = {
	    "account", "change", "email", "mailbox", "membership", NULL};
	static const char *const of_purge[] = {"blob", "email", "ledger", "membership", NULL};

	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	rig_run_without(&rig, deliver_one, of_deliver, fingerprint);
	rig_run_without(&rig, mark_one, of_mark, fingerprint);
	rig_run_without(&rig, expunge_one, of_expunge, fingerprint);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	rig_run_without(&rig, leave, of_mark, fingerprint);
	rig_run_without(&rig, purge_one, of_purge, fingerprint);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_call_may_fail),
	    cmocka_unit_test(any_read_may_fail),
	    cmocka_unit_test(a_failing_statement_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
