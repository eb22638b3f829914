/* Who has the mail for the postmaster. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

static void postmaster_of_the_configuration(void **state)
{
	people();
	rig.directory.postmaster = STR("Bob@A.test");
	assert_string_equal(told("postmaster@b.test"), "local bob@a.test");
	assert_string_equal(told("postmaster@"), "local bob@a.test");
	rig.directory.postmaster = STR("gone@a.test");
	assert_string_equal(told("postmaster@b.test"), "local ann@a.test");
	rig_account(&rig, "postmaster@b.test");
	assert_string_equal(told("postmaster@b.test"), "local postmaster@b.test");
}

/* Mail for him is taken as long as anybody takes mail. */
static void postmaster_who_takes_nothing(void **state)
{
	people();
	rig_account(&rig, "postmaster@b.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "postmaster@b.test", NULL);
	assert_string_equal(told("postmaster@b.test"), "local ann@a.test");
	rig.directory.postmaster = STR("bob@a.test");
	assert_string_equal(told("postmaster@b.test"), "local bob@a.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "bob@a.test", NULL);
	assert_string_equal(told("postmaster@b.test"), "local ann@a.test");
	assert_string_equal(told("postmaster@"), "local ann@a.test");
}

/* A full mailbox is passed over; where all are full, quota does not count for him. */
static void postmaster_without_room(void **state)
{
	people();
	rig_sql(&rig, "UPDATE account SET used_bytes = 1000");
	rig_quota(&rig, "ann@a.test", 1000, 0);
	assert_string_equal(told("postmaster@a.test"), "local bob@a.test");
	rig_account(&rig, "postmaster@b.test");
	rig_quota(&rig, "postmaster@b.test", 10, 0);
	assert_int_equal(resolve("postmaster@b.test", 11).targets[0].account,
	    resolve("postmaster@b.test", 1)
		.targets[0]
		.account); /* it is his, and no other domain's */
	assert_true(resolve("postmaster@b.test", 11).targets[0].last_resort);
	assert_false(resolve("postmaster@b.test", 1).targets[0].last_resort);
	rig_quota(&rig, "bob@a.test", 1000, 0);
	rig_quota(&rig, "cat@b.test", 1000, 0);
	rig_quota(&rig, "postmaster@b.test", 0, 0);
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "postmaster@b.test", NULL);
	assert_string_equal(told("postmaster@"), "local ann@a.test");
	assert_true(resolve("postmaster@", 0).targets[0].last_resort);
	rig.directory.postmaster = STR("cat@b.test");
	assert_string_equal(told("postmaster@"), "local cat@b.test");
	assert_string_equal(told("ann@a.test"), "over-quota");
	assert_true(
	    rig_send(&rig, "s@else.test", "postmaster@a.test", "Subject: x\r\n\r\nx\r\n", NULL));
	assert_int_equal(
	    rig_number(&rig, "SELECT used_messages FROM account WHERE local = 'cat'"), 1);
	rig_sql(&rig, "UPDATE account SET used_bytes = 0 WHERE local <> 'cat'");
	rig_sql(&rig, "UPDATE account SET used_bytes = used_bytes - 1000 WHERE local = 'cat'");
}

static void postmaster_where_nobody_takes_mail(void **state)
{
	rig_domain(&rig, "a.test");
	assert_string_equal(told("postmaster@a.test"), "no-postmaster");
	assert_string_equal(told("postmaster@"), "no-postmaster");
	assert_string_equal(told("bob@a.test"), "unknown");
	rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "ann@a.test", NULL);
	rig_sql(&rig, "UPDATE account SET send_only = 1 WHERE local = 'bob'");
	assert_string_equal(told("postmaster@a.test"), "local ann@a.test");
	assert_string_equal(told("ann@a.test"), "disabled");
	assert_true(
	    rig_send(&rig, "s@else.test", "postmaster@a.test", "Subject: x\r\n\r\nx\r\n", NULL));
	rig_must_balance(&rig);
}

static void postmaster_behind_an_alias(void **state)
{
	people();
	rig_alias(&rig, "postmaster@a.test", "bob@a.test");
	assert_string_equal(told("postmaster@a.test"), "local bob@a.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "bob@a.test", NULL);
	assert_string_equal(told("postmaster@a.test"), "local ann@a.test");
	rig_alias(&rig, "postmaster@a.test", "cat@b.test");
	assert_string_equal(told("postmaster@a.test"), "local cat@b.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_ENABLE, "bob@a.test", NULL);
	rig_quota(&rig, "cat@b.test", 100, 0);
	assert_int_equal(resolve("postmaster@a.test", 101).class, ACCEPT_LOCAL);
	assert_int_equal(resolve("postmaster@a.test", 101).count, 1);
	rig_sql(&rig, "INSERT INTO alias VALUES ('b.test', 'postmaster', 'b.test', 'x', 0),"
		      " ('b.test', 'x', 'b.test', 'postmaster', 0)");
	assert_string_equal(told("postmaster@b.test"), "local ann@a.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(postmaster_of_the_configuration),
	    T(postmaster_who_takes_nothing),
	    T(postmaster_without_room),
	    T(postmaster_where_nobody_takes_mail),
	    T(postmaster_behind_an_alias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
