/* Quota of accounts and domains, defaults, and the warning of a mailbox that is nearly full. */
#include "rig.h"

#include "store/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct rig rig;
static int64_t ann;

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_must_balance(&rig);
	rig_close(&rig);
	return 0;
}

static bool takes(const char *to)
{
	return rig_send(&rig, "x@else.test", to, "text\r\n", NULL);
}

static void expunge(int64_t account, int64_t first, int64_t last)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, account, MAILBOX_INBOX);

	assert_int_equal(rig_expunge(&rig, &s, first, last), last - first + 1);
	mailbox_snapshot_fini(&s);
}

static void nothing(struct lane_op *op)
{
}

static void set_defaults(struct quota_defaults defaults)
{
	struct quota_change c;

	quota_change_init(&c, &defaults);
	c.op.done = nothing;
	lane_run_one(rig.lane, &c.op, rig.now);
	assert_int_equal(c.op.result, LANE_DONE);
}

/* ---- limits ---- */

static void a_domain_has_its_own(void **state)
{
	rig_domain_quota(&rig, "a.test", QUOTA_KEEP, 3);
	assert_true(takes("ann@a.test"));
	assert_true(takes("bob@a.test"));
	assert_true(takes("ann@a.test"));
	assert_false(takes("bob@a.test"));
	expunge(ann, 1, 1); /* what is expunged does not count */
	assert_true(takes("bob@a.test"));
	assert_false(takes("ann@a.test"));
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "bob@a.test", NULL), "");
	assert_int_equal(rig_number(&rig, "SELECT used_messages FROM domain"), 1);
	assert_true(takes("ann@a.test"));
	assert_true(takes("ann@a.test"));
	assert_false(takes("ann@a.test"));
}

static void octets_of_a_domain(void **state)
{
	int64_t size;

	assert_true(takes("ann@a.test"));
	size = rig_number(&rig, "SELECT used_bytes FROM domain");
	assert_int_equal(size, rig_number(&rig, "SELECT size FROM email"));
	rig_domain_quota(&rig, "a.test", 2 * size - 1, QUOTA_KEEP);
	assert_false(takes("bob@a.test"));
	rig_domain_quota(&rig, "a.test", 2 * size, QUOTA_KEEP);
	assert_true(takes("bob@a.test"));
}

/* Both lead to ann. each: with a reply for each. */
static struct deliver *to_two_of_hers(bool each)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");

	d->each = each;
	rig_to(d, "ann@a.test");
	rig_to(d, "info@a.test");
	return d;
}

/* To one account by two addresses: one copy, that fits. */
static void one_copy_needs_room_once(void **state)
{
	int64_t size;
	struct deliver *d;

	rig_alias(&rig, "info@a.test", "ann@a.test");
	assert_true(takes("ann@a.test"));
	size = rig_number(&rig, "SELECT size FROM email");
	rig_quota(&rig, "ann@a.test", 2 * size, QUOTA_KEEP);
	d = to_two_of_hers(false);
	rig_to(d, "bob@a.test");
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->copies, 2);
	deliver_free(&d);
	rig_quota(&rig, "ann@a.test", QUOTA_NONE, QUOTA_KEEP);
	rig_domain_quota(&rig, "a.test", QUOTA_KEEP, 4);
	d = to_two_of_hers(true);
	assert_true(rig_run(&rig, d));
	assert_true(d->results[0].accepted && d->results[1].accepted);
	deliver_free(&d);
	d = to_two_of_hers(true);
	assert_false(rig_run(&rig, d));
	deliver_free(&d);
}

static void defaults_are_for_those_without(void **state)
{
	set_defaults((struct quota_defaults){.account_messages = 1});
	assert_true(takes("ann@a.test"));
	assert_false(takes("ann@a.test"));
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 2);
	assert_true(takes("ann@a.test"));
	assert_false(takes("ann@a.test"));
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, QUOTA_NONE);
	assert_true(takes("ann@a.test"));
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, QUOTA_DEFAULT);
	assert_false(takes("ann@a.test"));
	set_defaults((struct quota_defaults){.domain_messages = 3});
	assert_false(takes("ann@a.test"));
	set_defaults((struct quota_defaults){0});
	assert_true(takes("ann@a.test"));
}

/* ---- warnings ---- */

/* The next warning, placed; false when none is due. */
static bool warn(void)
{
	struct arena *a = arena_new();
	struct queue_config cfg = {.hostname = STR("mail.a.test"), .directory = &rig.directory};
	struct quota_warning *w = NULL;
	enum db_code code = quota_warning_next(
	    rig.db, &cfg, 0, id_make(&rig.ids, rig.now), rig.now, &w);

	arena_free(&a);
	if (code == DB_OK)
		return false;
	assert_int_equal(code, DB_ROW);
	w->op.done = nothing;
	lane_run_one(rig.lane, &w->op, rig.now);
	assert_int_equal(w->op.result, LANE_DONE);
	assert_true(w->told);
	quota_warning_free(&w);
	return true;
}

static void warned_once_a_crossing(void **state)
{
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 10);
	for (int i = 0; i < 8; i++)
		assert_true(takes("ann@a.test"));
	assert_false(warn());
	assert_true(takes("ann@a.test"));
	rig_restart(&rig); /* that it is due outlives everything */
	assert_true(warn());
	assert_false(warn());
	assert_false(takes("ann@a.test")); /* the warning was the tenth */
	expunge(ann, 1, 2);                /* 8 of 10: not armed yet */
	assert_true(takes("ann@a.test"));
	assert_false(warn());
	expunge(ann, 1, 2); /* 7 of 10: armed */
	assert_true(takes("ann@a.test"));
	assert_false(warn());
	assert_true(takes("ann@a.test"));
	assert_true(warn());
	assert_false(warn());
}

static void goes_into_a_full_mailbox(void **state)
{
	struct mailbox_snapshot s;
	struct arena *a = arena_new();
	struct str text;

	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 1);
	assert_true(takes("ann@a.test"));
	assert_false(takes("ann@a.test"));
	assert_true(warn());
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	text = rig_read(&rig, a, &s, 2);
	assert_true(str_find_str(text, STR("Subject: Your mailbox is nearly full\r\n")) < text.n);
	assert_true(
	    str_find_str(text, STR("Your mailbox ann@a.test holds 1 of the 1 messages")) < text.n);
	assert_true(str_find_str(text, STR("Auto-Submitted: auto-generated\r\n")) < text.n);
	assert_true(str_find_str(text, STR("Return-Path: <>\r\n")) < text.n);
	assert_true(str_find_str(text, STR("To: ann@a.test\r\n")) < text.n);
	mailbox_snapshot_fini(&s);
	arena_free(&a);
}

static void a_changed_quota_is_looked_at(void **state)
{
	assert_true(takes("ann@a.test"));
	assert_true(takes("ann@a.test"));
	assert_false(warn());
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 2);
	assert_int_equal(rig_number(&rig, "SELECT max(quota_warned) FROM account"), QUOTA_DUE);
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 20);
	assert_false(warn());
	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 2);
	assert_true(warn());
}

/* Its postmaster is the first account; his mailbox has no part in whether he is warned. */
static void a_domain_is_warned_of(void **state)
{
	struct mailbox_snapshot s;
	struct arena *a = arena_new();
	struct str text;

	rig_domain_quota(&rig, "a.test", QUOTA_KEEP, 10);
	for (int i = 0; i < 8; i++)
		assert_true(takes(i % 2 ? "ann@a.test" : "bob@a.test"));
	assert_false(warn());
	assert_true(takes("bob@a.test"));
	rig_restart(&rig);
	assert_true(warn());
	assert_false(warn());
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	text = rig_read(&rig, a, &s, mailbox_snapshot_count(&s));
	assert_true(str_find_str(text, STR("To: postmaster@a.test\r\n")) < text.n);
	assert_true(
	    str_find_str(text, STR("All mailboxes of a.test together hold 9 of the 10")) < text.n);
	mailbox_snapshot_fini(&s);
	arena_free(&a);
	assert_false(takes("bob@a.test"));
	expunge(ann, 1, 2); /* 8 of 10: not armed yet */
	assert_true(takes("ann@a.test"));
	assert_false(warn());
	expunge(ann, 3, 4); /* 7 of 10 */
	assert_true(takes("ann@a.test"));
	rig_domain_quota(&rig, "a.test", QUOTA_KEEP, 100);
	assert_false(warn());
	rig_domain_quota(&rig, "a.test", QUOTA_KEEP, 8);
	assert_true(warn());
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "bob@a.test", NULL), "");
	assert_int_equal(rig_number(&rig, "SELECT quota_warned FROM domain"), QUOTA_ARMED);
	assert_false(warn());
}

/* What is due for whom takes no mail is given up, and nobody waits for it. */
static void not_for_the_disabled(void **state)
{
	struct queue_config cfg = {.hostname = STR("mail.a.test"), .directory = &rig.directory};
	struct quota_warning *w = NULL;

	rig_quota(&rig, "ann@a.test", QUOTA_KEEP, 1);
	assert_true(takes("ann@a.test"));
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "ann@a.test", NULL), "");
	assert_int_equal(
	    quota_warning_next(rig.db, &cfg, 0, id_make(&rig.ids, rig.now), rig.now, &w), DB_ROW);
	w->op.done = nothing;
	lane_run_one(rig.lane, &w->op, rig.now);
	assert_int_equal(w->op.result, LANE_DONE);
	assert_false(w->told);
	assert_false(w->temporary);
	quota_warning_free(&w);
	assert_int_equal(rig_number(&rig, "SELECT max(quota_warned) FROM account"), QUOTA_TOLD);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_domain_has_its_own),
	    T(octets_of_a_domain),
	    T(one_copy_needs_room_once),
	    T(defaults_are_for_those_without),
	    T(warned_once_a_crossing),
	    T(goes_into_a_full_mailbox),
	    T(a_changed_quota_is_looked_at),
	    T(a_domain_is_warned_of),
	    T(not_for_the_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
