/* Where mail goes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

static void resolves(void **state)
{
	static const char *const rows[][2] = {
	    {"ann@a.test", "local ann@a.test"},
	    {"ANN@A.Test", "local ann@a.test"},
	    {"ann@b.test", "unknown"},
	    {"ann@c.test", "relay >ann@c.test"},
	    {"ann+x@a.test", "local ann+x@a.test"},
	    {"ann+x+y@a.test", "local ann+x+y@a.test"},
	    {"ann+@a.test", "local ann@a.test"},
	    {"+ann@a.test", "unknown"},
	    {"nobody+x@a.test", "unknown"},
	    {"info@a.test", "local ann@a.test bob@a.test"},
	    {"info+x@a.test", "local ann@a.test bob@a.test"},
	    {"out@a.test", "redirect >o@else.test"},
	    {"both@a.test", "local bob@a.test >o@else.test"},
	    {"chain@a.test", "local ann@a.test bob@a.test"},
	    {"bob@a.test", "local bob@a.test"},
	    {"postmaster@a.test", "local ann@a.test"},
	    {"PostMaster@a.test", "local ann@a.test"},
	    {"postmaster@", "local ann@a.test"},
	    {"other@", "unknown"},
	    {"postmaster@c.test", "relay >postmaster@c.test"},
	    {"x.y@d.test", "redirect >x.y@else.test"},
	    {"x y@d.test", "redirect >\"x y\"@else.test"},
	    {"x\"@y@d.test", "redirect >\"x\\\"@y\"@else.test"},
	    {"anyone@b.test", "unknown"},
	};

	people();
	rig_alias(&rig, "info@a.test", "ann@a.test");
	rig_alias(&rig, "info@a.test", "bob@a.test");
	rig_alias(&rig, "out@a.test", "o@else.test");
	rig_alias(&rig, "both@a.test", "bob@a.test");
	rig_alias(&rig, "both@a.test", "o@else.test");
	rig_alias(&rig, "chain@a.test", "info@a.test");
	rig_domain(&rig, "d.test");
	rig_alias(&rig, "@d.test", "@else.test");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(told(rows[i][0]), rows[i][1]) != 0)
			fail_msg("%s: got %s, want %s", rows[i][0], told(rows[i][0]), rows[i][1]);
	}
}

static void alias_keeps_a_copy_for_its_own_account(void **state)
{
	people();
	rig_alias(&rig, "bob@a.test", "bob@a.test");
	rig_alias(&rig, "bob@a.test", "copy@else.test");
	assert_string_equal(told("bob@a.test"), "local bob@a.test >copy@else.test");
}

static void catch_all_and_alias_domain(void **state)
{
	people();
	rig_alias(&rig, "@b.test", "ann@a.test");
	assert_string_equal(told("anyone@b.test"), "local ann@a.test");
	assert_string_equal(told("cat@b.test"), "local cat@b.test");
	assert_string_equal(told("cat+x@b.test"), "local cat+x@b.test");
	assert_string_equal(told("postmaster@b.test"), "local ann@a.test");
	rig_domain(&rig, "other.test");
	rig_alias(&rig, "@other.test", "@b.test");
	assert_string_equal(told("cat+x@other.test"), "local cat+x@b.test");
	rig_domain(&rig, "moved.test");
	rig_alias(&rig, "@moved.test", "@else.test");
	assert_string_equal(told("who@moved.test"), "redirect >who@else.test");
}

static void relay_domains(void **state)
{
	people();
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_ADD, "r.test", DIRECTORY_RELAY), "");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_ADD, "s.test", DIRECTORY_RELAY_BLIND), "");
	assert_string_equal(told("who+x@r.test"), "backup >who+x@r.test");
	assert_string_equal(told("postmaster@r.test"), "backup >postmaster@r.test");
	assert_true(resolve("who@r.test", 0).verified);
	assert_string_equal(told("who@s.test"), "backup >who@s.test");
	assert_false(resolve("who@s.test", 0).verified);
	rig_alias(&rig, "out@a.test", "who@r.test");
	assert_string_equal(told("out@a.test"), "redirect >who@r.test");
	assert_string_equal(rig_change(&rig, DIRECTORY_DOMAIN_REMOVE, "r.test", NULL),
	    "the alias out@a.test still leads into the domain r.test; remove it first with: "
	    "godwit alias remove out@a.test");
}

static void the_servers_own_name(void **state)
{
	people();
	assert_string_equal(told("root@mail.a.test"), "relay >root@mail.a.test");
	rig.directory.hostname = STR("mail.a.test");
	assert_string_equal(told("root@mail.a.test"), "local ann@a.test");
	assert_string_equal(told("Postmaster@Mail.A.test"), "local ann@a.test");
	assert_string_equal(told("ann@mail.a.test"), "unknown");
	assert_string_equal(told("root@a.test"), "unknown");
	assert_string_equal(told("root@c.test"), "relay >root@c.test");
}

static void accounts_that_take_nothing(void **state)
{
	people();
	rig_alias(&rig, "all@a.test", "ann@a.test");
	rig_alias(&rig, "all@a.test", "bob@a.test");
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "bob@a.test", NULL), "");
	assert_string_equal(told("bob@a.test"), "disabled");
	assert_string_equal(told("all@a.test"), "local ann@a.test");
	assert_int_equal(resolve("all@a.test", 0).left_out, 1);
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_ENABLE, "bob@a.test", NULL), "");
	assert_string_equal(told("bob@a.test"), "local bob@a.test");
	rig_sql(&rig, "UPDATE account SET send_only = 1 WHERE local = 'ann'");
	assert_string_equal(told("ann@a.test"), "send-only");
	assert_string_equal(told("all@a.test"), "local bob@a.test");
}

static void quota_counts_the_size(void **state)
{
	people();
	rig_quota(&rig, "ann@a.test", 1000, 0);
	assert_int_equal(resolve("ann@a.test", 1000).class, ACCEPT_LOCAL);
	assert_int_equal(resolve("ann@a.test", 1001).class, ACCEPT_TOO_LARGE);
	rig_sql(&rig, "UPDATE account SET used_bytes = 1");
	assert_int_equal(resolve("ann@a.test", 999).class, ACCEPT_LOCAL);
	assert_int_equal(resolve("ann@a.test", 1000).class, ACCEPT_OVER_QUOTA);
	rig_domain_quota(&rig, "a.test", 900, 0);
	assert_int_equal(resolve("bob@a.test", 901).class, ACCEPT_TOO_LARGE);
	rig_domain_quota(&rig, "a.test", 0, 0);
	rig_sql(&rig, "UPDATE account SET used_bytes = 1000, used_messages = 3");
	assert_string_equal(told("ann@a.test"), "over-quota");
	rig_quota(&rig, "ann@a.test", 0, 3);
	assert_string_equal(told("ann@a.test"), "over-quota");
	rig_quota(&rig, "ann@a.test", 0, 4);
	assert_string_equal(told("ann@a.test"), "local ann@a.test");
}

static void circles_and_chains_end(void **state)
{
	char from[64], to[64];

	people();
	/* by hand: the directory refuses to make these */
	rig_sql(&rig, "INSERT INTO alias VALUES ('a.test', 'x', 'a.test', 'y', 0),"
		      " ('a.test', 'y', 'a.test', 'x', 0)");
	assert_string_equal(told("x@a.test"), "trouble");
	rig_sql(&rig, "INSERT INTO alias VALUES ('a.test', 'y', 'a.test', 'bob', 0)");
	assert_string_equal(told("x@a.test"), "local bob@a.test");
	for (int i = 0; i < LIMIT_ALIAS_DEPTH; i++) {
		snprintf(from, sizeof from, "c%d@a.test", i + 1);
		snprintf(to, sizeof to, i ? "c%d@a.test" : "ann@a.test", i);
		rig_alias(&rig, from, to);
	}
	assert_string_equal(told("c10@a.test"), "local ann@a.test");
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_ADD, "c11@a.test", "c10@a.test"),
	    "an alias c11@a.test to c10@a.test would lead in a circle, or too far; name another "
	    "target");
}

static void fan_out_is_limited(void **state)
{
	people();
	rig_sql(&rig,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 999)"
	    " INSERT INTO alias SELECT 'a.test', 'many', 'else.test', 'u' || i, 0 FROM n");
	assert_int_equal(resolve("many@a.test", 0).count, 999);
	rig_sql(&rig, "INSERT INTO alias VALUES ('a.test', 'many', 'else.test', 'one more', 0)");
	assert_string_equal(told("many@a.test"), "trouble");
}

/* ---- pages ---- */

static int64_t reads;

static int count_reads(void *ctx, const struct db_io *io)
{
	reads += io->kind == DB_IO_READ;
	return 0;
}

static void fill_accounts(int count)
{
	char sql[512];

	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
	    " INSERT INTO account (id, domain, local, state, send_only, created, modseq, used_bytes,"
	    " used_messages, quota_bytes, quota_messages, quota_warned)"
	    " SELECT i, 'a.test', 'user' || i, 0, 0, 0, 1, 0, 0, 0, 0, 0 FROM n WHERE 1 ON CONFLICT DO NOTHING",
	    9 + count);
	rig_sql(&rig, sql);
}

static int64_t number_of(struct db *db, const char *local)
{
	struct directory_answer answer;

	assert_int_equal(directory_resolve(db, &rig.directory, arena, str_of_c(local),
			     STR("a.test"), 1, rig.now, &answer),
	    DB_OK);
	return answer.count ? answer.targets[0].account : 0;
}

/* Reads of the database for finding 100 accounts that were found before, after somebody else's commit. */
static int64_t reads_to_find(struct db *reader)
{
	char local[16];

	for (int round = 0; round < 2; round++) {
		rig_sql(&rig, "UPDATE meta SET value = value + 1 WHERE name = 'admin'");
		reads = 0;
		db_vfs_hook(count_reads, NULL);
		for (int i = 10; i < 110; i++) {
			snprintf(local, sizeof local, "user%d", i);
			assert_int_equal(number_of(reader, local), i);
		}
		db_vfs_hook(NULL, NULL);
	}
	return reads;
}

/* What a recipient costs does not grow with the number of accounts. */
static void found_again_in_few_pages(void **state)
{
	struct db *reader = NULL;
	struct err e = {""};
	int64_t few, many;

	rig_domain(&rig, "a.test");
	assert_int_equal(db_open("store.db", DB_READER, &reader, &e), DB_OK);
	fill_accounts(100);
	few = reads_to_find(reader);
	fill_accounts(20000);
	many = reads_to_find(reader);
	assert_true(few > 0);
	if (many > few + 10)
		fail_msg("%lld reads of the database among 20,000 accounts, %lld among 100",
		    (long long)many, (long long)few);
	/* a name that goes to another account */
	rig_sql(&rig, "UPDATE account SET local = 'old' WHERE id = 10;"
		      "UPDATE account SET local = 'user10' WHERE id = 5000");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(number_of(reader, "user10"), 5000);
		assert_int_equal(number_of(reader, "old"), 10);
	}
	rig_sql(&rig, "DELETE FROM account WHERE id = 5000");
	assert_int_equal(number_of(reader, "user10"), 0);
	db_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(resolves),
	    T(alias_keeps_a_copy_for_its_own_account),
	    T(catch_all_and_alias_domain),
	    T(relay_domains),
	    T(the_servers_own_name),
	    T(accounts_that_take_nothing),
	    T(quota_counts_the_size),
	    T(circles_and_chains_end),
	    T(fan_out_is_limited),
	    T(found_again_in_few_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
