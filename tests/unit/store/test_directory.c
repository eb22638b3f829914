/* Where mail goes, who logs in, and what administrators are told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

static struct rig rig;
static struct arena *arena;

static int setup(void **state)
{
	rig_open(&rig);
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(&arena);
	rig_close(&rig);
	return 0;
}

static struct directory_answer resolve(const char *address, int64_t size)
{
	struct str text = str_of_c(address);
	size_t at = str_rfind(text, '@');
	struct directory_answer answer;

	assert_int_equal(directory_resolve(rig.db, &rig.directory, arena, str_sub(text, 0, at),
			     str_from(text, at + 1), size, rig.now, &answer),
	    DB_OK);
	return answer;
}

/* "class: target target ..." in words. */
static const char *told(const char *address)
{
	static const char *const classes[ACCEPT_CLASSES] = {"local", "redirect", "relay", "return",
	    "forged", "expired", "unknown", "disabled", "send-only", "over-quota", "too-large",
	    "no-room", "closed", "trouble", "backup", "unverified", "refused", "unrouted",
	    "no-postmaster"};
	struct directory_answer answer = resolve(address, 0);
	struct buf b;
	const char *text;

	buf_init(&b, KIB);
	buf_c(&b, classes[answer.class]);
	for (size_t i = 0; i < answer.count; i++) {
		const struct directory_target *t = &answer.targets[i];

		buf_byte(&b, ' ');
		buf_c(&b, t->account ? "" : ">");
		buf_str(&b, t->local);
		buf_c(&b, t->detail.n ? "+" : "");
		buf_str(&b, t->detail);
		buf_byte(&b, '@');
		buf_str(&b, t->domain);
	}
	text = arena_cstr(arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

static void people(void)
{
	rig_domain(&rig, "a.test");
	rig_domain(&rig, "b.test");
	rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	rig_account(&rig, "cat@b.test");
}

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

static const char *set_kind(enum directory_verb verb, const char *domain, enum directory_kind kind)
{
	static struct err why;
	struct directory_change c = {.verb = verb,
	    .cfg = &rig.directory,
	    .who = STR("test"),
	    .domain = str_of_c(domain),
	    .kind = kind};

	directory_change_init(&c);
	c.op.done = rig_nothing;
	lane_run_one(rig.lane, &c.op, rig.now);
	assert_int_equal(c.op.result, LANE_DONE);
	why = c.why;
	return c.refused ? why.text : "";
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

static void relay_domains_have_no_mailboxes(void **state)
{
	people();
	set_kind(DIRECTORY_DOMAIN_ADD, "r.test", DIRECTORY_RELAY);
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_ADD, "ann@r.test", NULL),
	    "r.test is a relay domain and has no accounts here: its mailboxes are on its own server; to "
	    "have them here, first: godwit domain change r.test --local");
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_ADD, "x@r.test", "ann@a.test"),
	    "r.test is a relay domain and has no aliases here: its mailboxes are on its own server; to "
	    "have them here, first: godwit domain change r.test --local");
	assert_string_equal(rig_change(&rig, DIRECTORY_DOMAIN_QUOTA, "r.test", NULL),
	    "r.test is a relay domain and has no quota here: its mailboxes are on its own server; to "
	    "have them here, first: godwit domain change r.test --local");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_KIND, "a.test", DIRECTORY_RELAY),
	    "the domain a.test still has 2 accounts; first: godwit account remove ADDRESS");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_KIND, "x.test", DIRECTORY_RELAY),
	    "there is no domain x.test; those there are: godwit domain list");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_KIND, "r.test", DIRECTORY_RELAY),
	    "r.test is a relay domain whose recipients are verified already; nothing was changed");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_KIND, "r.test", DIRECTORY_LOCAL), "");
	rig_account(&rig, "ann@r.test");
	assert_string_equal(told("ann@r.test"), "local ann@r.test");
	rig_domain(&rig, "empty.test");
	rig_alias(&rig, "x@empty.test", "ann@a.test");
	assert_string_equal(set_kind(DIRECTORY_DOMAIN_KIND, "empty.test", DIRECTORY_RELAY_BLIND),
	    "the domain empty.test still has 1 alias; first: godwit alias remove ADDRESS");
}

static void a_local_part_alone_is_of_the_domain_with_mailboxes(void **state)
{
	struct directory_login login;

	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	set_kind(DIRECTORY_DOMAIN_ADD, "r.test", DIRECTORY_RELAY);
	assert_int_equal(directory_login(rig.db, arena, STR("ann"), &login), DB_OK);
	assert_int_equal(login.account, 1);
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

static void changes_explain_themselves(void **state)
{
	static const struct {
		enum directory_verb verb;
		const char *address, *target, *want;
	} rows[] = {
	    {DIRECTORY_DOMAIN_ADD, "a.test", NULL,
		"the domain a.test is there already; nothing was changed"},
	    {DIRECTORY_DOMAIN_REMOVE, "x.test", NULL,
		"there is no domain x.test; those there are: godwit domain list"},
	    {DIRECTORY_DOMAIN_REMOVE, "a.test", NULL,
		"the domain a.test still has 2 accounts; first: godwit account remove ADDRESS"},
	    {DIRECTORY_ACCOUNT_ADD, "ann@x.test", NULL,
		"there is no domain x.test; add it with: godwit domain add x.test"},
	    {DIRECTORY_ACCOUNT_ADD, "ann@a.test", NULL,
		"the account ann@a.test is there already; its password is changed with: "
		"godwit account passwd ann@a.test"},
	    {DIRECTORY_ACCOUNT_ADD, "info@a.test", NULL,
		"info@a.test is an alias, which would keep all mail from the account; remove it "
		"first with: godwit alias remove info@a.test"},
	    {DIRECTORY_ACCOUNT_REMOVE, "dan@a.test", NULL,
		"there is no account dan@a.test; those there are: godwit account list"},
	    {DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL,
		"the alias info@a.test still leads to ann@a.test; remove it first with: "
		"godwit alias remove info@a.test ann@a.test"},
	    {DIRECTORY_ACCOUNT_DISABLE, "dan@a.test", NULL,
		"there is no account dan@a.test; those there are: godwit account list"},
	    {DIRECTORY_PASSWORD, "dan@a.test", NULL,
		"there is no account dan@a.test; those there are: godwit account list"},
	    {DIRECTORY_ALIAS_ADD, "info@x.test", "ann@a.test",
		"there is no domain x.test; add it with: godwit domain add x.test"},
	    {DIRECTORY_ALIAS_ADD, "info@a.test", "ann@a.test",
		"the alias info@a.test leads to ann@a.test already; nothing was changed"},
	    {DIRECTORY_ALIAS_ADD, "sales@a.test", "dan@a.test",
		"there is no account or alias dan@a.test; add it first with: "
		"godwit account add dan@a.test"},
	    {DIRECTORY_ALIAS_ADD, "@b.test", "@b.test",
		"an alias @b.test to @b.test would lead in a circle, or too far; name another "
		"target"},
	    {DIRECTORY_ALIAS_REMOVE, "sales@a.test", NULL,
		"there is no alias sales@a.test; those there are: godwit alias list"},
	    {DIRECTORY_ALIAS_REMOVE, "info@a.test", "bob@a.test",
		"there is no alias info@a.test to bob@a.test; those there are: godwit alias list"},
	};

	people();
	rig_alias(&rig, "info@a.test", "ann@a.test");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(
		    rig_change(&rig, rows[i].verb, rows[i].address, rows[i].target), rows[i].want);
	assert_string_equal(
	    rig_change(&rig, DIRECTORY_ALIAS_ADD, "loop@a.test", "info@a.test"), "");
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_REMOVE, "info@a.test", NULL), "");
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_ADD, "info@a.test", "loop@a.test"),
	    "an alias info@a.test to loop@a.test would lead in a circle, or too far; name another "
	    "target");
}

static void removed_things_are_gone(void **state)
{
	int64_t value = 0;

	people();
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "cat@b.test", NULL), "");
	assert_string_equal(told("cat@b.test"), "unknown");
	assert_string_equal(rig_change(&rig, DIRECTORY_DOMAIN_REMOVE, "b.test", NULL), "");
	assert_string_equal(told("cat@b.test"), "relay >cat@b.test");
	rig_domain(&rig, "b.test");
	assert_true(rig_account(&rig, "cat@b.test") > 3); /* a new one: numbers never come back */
	assert_int_equal(
	    db_get_int(rig.db, SQL_META_GET, DB_ARGS(db_text(STR("admin"))), &value), DB_ROW);
	assert_int_equal(value, 9); /* a row of the record for each change that was done */
}

static void logs_in_by_address(void **state)
{
	struct directory_login login;

	people();
	assert_int_equal(directory_login(rig.db, arena, STR("Ann@A.test"), &login), DB_OK);
	assert_int_equal(login.account, 1);
	assert_true(str_eq(login.address, STR("ann@a.test")));
	assert_true(str_eq(login.hash, STR("$hash$")));
	rig.now++;
	rig_domain(&rig, "0.test");
	rig_account(&rig, "ann@0.test");
	assert_int_equal(directory_login(rig.db, arena, STR("ann"), &login), DB_OK);
	assert_int_equal(login.account, 1); /* of the first domain, whatever came later */
	assert_int_equal(directory_login(rig.db, arena, STR("cat"), &login), DB_OK);
	assert_int_equal(login.account, 0); /* who is in the second has a name of two parts */
	assert_int_equal(directory_login(rig.db, arena, STR("dan@a.test"), &login), DB_OK);
	assert_int_equal(login.account, 0);
	assert_int_equal(login.hash.n, 0);
	rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "cat@b.test", NULL);
	assert_int_equal(directory_login(rig.db, arena, STR("3@"), &login), DB_OK);
	assert_int_equal(login.account, 0);
}

static void see_account(void *ctx, const struct directory_account_row *row)
{
	assert_in_range(row->state, 0, DIRECTORY_STATES - 1);
}

static void see_domain(void *ctx, const struct directory_domain_row *row)
{
	assert_in_range(row->kind, 0, DIRECTORY_KINDS - 1);
}

/* A state or kind that is none, as a disk that lies gives it: nothing is allowed by it, and lists show it. */
static void words_that_are_none(void **state)
{
	struct directory_login login;
	size_t n;

	people();
	rig_sql(&rig, "UPDATE account SET state = 256 WHERE local = 'ann'");
	rig_sql(&rig, "UPDATE domain SET relay = -1 WHERE name = 'a.test'");
	assert_int_equal(directory_login(rig.db, arena, STR("ann@a.test"), &login), DB_OK);
	assert_int_equal(login.state, DIRECTORY_STATE_DISABLED);
	assert_int_equal(
	    directory_accounts(rig.db, STR(""), STR(""), STR(""), 9, &n, see_account, NULL), DB_OK);
	assert_int_equal(n, 3);
	assert_int_equal(directory_domains(rig.db, STR(""), 9, &n, see_domain, NULL), DB_OK);
	assert_int_equal(n, 2);
}

/* His address as he writes it, and as it is shown. */
static void logs_in_to_an_international_domain(void **state)
{
	struct directory_login login;
	int64_t account;

	rig_domain(&rig, "xn--bcher-kva.test");
	account = rig_account(&rig, "j\xc3\xbcrgen@xn--bcher-kva.test");
	assert_int_equal(directory_login(rig.db, arena,
			     STR("j\xc3\xbcrgen@B\xc3\xbc"
				 "cher.test"),
			     &login),
	    DB_OK);
	assert_int_equal(login.account, account);
	assert_int_equal(
	    directory_login(rig.db, arena, STR("j\xc3\xbcrgen@xn--bcher-kva.test"), &login), DB_OK);
	assert_int_equal(login.account, account);
}

static void put_domain(void *ctx, const struct directory_domain_row *row)
{
	buf_printf(ctx, "%.*s %lld %lld\n", STR_FMT(row->name), (long long)row->accounts,
	    (long long)row->aliases);
}

static void put_account(void *ctx, const struct directory_account_row *row)
{
	buf_printf(ctx, "%.*s@%.*s\n", STR_FMT(row->local), STR_FMT(row->domain));
}

static void put_alias(void *ctx, const struct directory_alias_row *row)
{
	buf_printf(ctx, "%.*s@%.*s %.*s@%.*s\n", STR_FMT(row->local), STR_FMT(row->domain),
	    STR_FMT(row->target_local), STR_FMT(row->target_domain));
}

static void lists_in_pages(void **state)
{
	struct directory_alias_row after = {.domain = STR("a.test"),
	    .local = STR("info"),
	    .target_domain = STR("a.test"),
	    .target_local = STR("ann")};
	struct buf b;
	size_t n;

	people();
	rig_alias(&rig, "info@a.test", "ann@a.test");
	rig_alias(&rig, "info@a.test", "bob@a.test");
	rig_alias(&rig, "@b.test", "ann@a.test");
	buf_init(&b, 4 * KIB);
	assert_int_equal(directory_domains(rig.db, STR(""), 1, &n, put_domain, &b), DB_OK);
	assert_int_equal(n, 1);
	directory_domains(rig.db, STR("a.test"), 5, &n, put_domain, &b);
	assert_string_equal(buf_cstr(&b), "a.test 2 1\nb.test 1 1\n");
	buf_clear(&b);
	directory_accounts(rig.db, STR(""), STR("a.test"), STR("ann"), 10, &n, put_account, &b);
	assert_string_equal(buf_cstr(&b), "bob@a.test\ncat@b.test\n");
	buf_clear(&b);
	directory_accounts(rig.db, STR("a.test"), STR(""), STR(""), 10, &n, put_account, &b);
	assert_string_equal(buf_cstr(&b), "ann@a.test\nbob@a.test\n");
	buf_clear(&b);
	directory_aliases(rig.db, STR(""), NULL, 1, &n, put_alias, &b);
	directory_aliases(rig.db, STR(""), &after, 10, &n, put_alias, &b);
	assert_string_equal(buf_cstr(&b), "info@a.test ann@a.test\ninfo@a.test bob@a.test\n"
					  "@b.test ann@a.test\n");
	buf_fini(&b);
}

static void addresses_are_checked(void **state)
{
	static const char *const good[][3] = {
	    {"Bob@X.Test", "bob", "x.test"},
	    {"@x.test", "", "x.test"},
	    {"a.b@x-1.test", "a.b", "x-1.test"},
	};
	static const char *const bad[] = {"bob", "bob@", "bob@x..test", "bob@-x.test",
	    "bob@x.test.", "b b@x.test", "\"b\"@x.test", "a..b@x.test", ".a@x.test", "a@b@x.test",
	    "bob@x_y.test", "bob@192.0.2.1", "bob@x.1", "b\xff@x.test", "b\u037ec@x.test",
	    "b\n@x.test"};
	struct str local, domain;
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(
		    directory_address(arena, str_of_c(good[i][0]), true, &local, &domain, &e));
		assert_true(str_eq(local, str_of_c(good[i][1])));
		assert_true(str_eq(domain, str_of_c(good[i][2])));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e.text[0] = 0;
		if (directory_address(arena, str_of_c(bad[i]), true, &local, &domain, &e))
			fail_msg("%s was taken", bad[i]);
		assert_true(e.text[0]);
	}
	assert_false(directory_address(arena, STR("@x.test"), false, &local, &domain, &e));
}

/* What people take for one name is one, in whatever encoding and case it comes. */
static void names_beyond_ascii(void **state)
{
	static const char *const rows[][2] = {
	    {"j\u00f6rg@a.test", "local j\u00f6rg@a.test"},
	    {"jo\u0308rg@a.test", "local j\u00f6rg@a.test"},
	    {"J\u00d6RG@A.test", "local j\u00f6rg@a.test"},
	    {"JO\u0308RG+x@a.test", "local j\u00f6rg+x@a.test"},
	    {"STRASSE@a.test", "local j\u00f6rg@a.test"},
	    {"stra\u00dfe@a.test", "local j\u00f6rg@a.test"},
	    {"\u039d\u038a\u039a\u039f\u03a3+1@a.test",
		"local \u03bd\u03af\u03ba\u03bf\u03c2+1@a.test"},
	    {"jorg@a.test", "unknown"},
	    {"j\xf6rg@a.test", "unknown"},
	    {"j\u0378rg@a.test", "unknown"},
	};
	struct directory_login login;

	people();
	rig_account(&rig, "Jo\u0308rg@a.test");
	rig_account(&rig, "\u039d\u03af\u03ba\u03bf\u03c2@a.test");
	rig_alias(&rig, "Stra\u00dfe@a.test", "J\u00d6rg@a.test");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(told(rows[i][0]), rows[i][1]) != 0)
			fail_msg("%s: got %s, want %s", rows[i][0], told(rows[i][0]), rows[i][1]);
	}
	assert_int_equal(directory_login(rig.db, arena, STR("J\u00d6RG@a.test"), &login), DB_OK);
	assert_true(str_eq(login.address, STR("j\u00f6rg@a.test")));
	assert_non_null(strstr(
	    rig_change(&rig, DIRECTORY_ACCOUNT_ADD, "J\u00d6RG@a.test", NULL), "is there already"));
	assert_non_null(
	    strstr(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "JO\u0308RG@a.test", NULL),
		"the alias strasse@a.test still leads to j\u00f6rg@a.test"));
	assert_non_null(
	    strstr(rig_change(&rig, DIRECTORY_ALIAS_ADD, "STRASSE@a.test", "j\u00f6rg@a.test"),
		"leads to j\u00f6rg@a.test already"));
	assert_string_equal(
	    rig_change(&rig, DIRECTORY_ALIAS_REMOVE, "stra\u00dfe@a.test", "JO\u0308RG@a.test"),
	    "");
}

static void names_that_are_not_given(void **state)
{
	static const char *const rows[][2] = {
	    {"b\u0378@a.test", "has not assigned"},
	    {"bo\u200bb@a.test", "nobody sees"},
	};

	people();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_non_null(
		    strstr(rig_change(&rig, DIRECTORY_ACCOUNT_ADD, rows[i][0], NULL), rows[i][1]));
		assert_non_null(strstr(
		    rig_change(&rig, DIRECTORY_ALIAS_ADD, rows[i][0], "ann@a.test"), rows[i][1]));
		assert_non_null(strstr(
		    rig_change(&rig, DIRECTORY_ALIAS_ADD, "x@a.test", rows[i][0]), rows[i][1]));
		assert_non_null(strstr(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, rows[i][0], NULL),
		    "there is no account"));
	}
}

/* Another server knows itself what is one name: its names go to it as they were given. */
static void names_elsewhere(void **state)
{
	people();
	rig_alias(&rig, "out@a.test", "Stra\u00dfe@else.test");
	rig_alias(&rig, "out@a.test", "strasse@else.test");
	assert_non_null(
	    strstr(rig_change(&rig, DIRECTORY_ALIAS_ADD, "out@a.test", "sTRA\u00dfe@else.test"),
		"already"));
	assert_string_equal(
	    told("out@a.test"), "redirect >Stra\u00dfe@else.test >strasse@else.test");
	rig_domain(&rig, "d.test");
	rig_alias(&rig, "@d.test", "@else.test");
	assert_string_equal(told("JO\u0308RG@d.test"), "redirect >JO\u0308RG@else.test");
	assert_string_equal(told("JO\u0308RG@c.test"), "relay >JO\u0308RG@c.test");
	/* it becomes ours: one name, of one account, which is not removed from under the alias */
	rig_domain(&rig, "else.test");
	rig_account(&rig, "STRASSE@else.test");
	assert_string_equal(told("out@a.test"), "local strasse@else.test");
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM alias WHERE local = 'out'"), 1);
	assert_int_equal(rig_number(&rig, "SELECT value FROM meta WHERE name = 'rows_alias'"),
	    rig_number(&rig, "SELECT count(*) FROM alias"));
	assert_non_null(strstr(
	    rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "strasse@else.test", NULL), "still leads"));
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

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(resolves),
	    T(names_beyond_ascii),
	    T(names_that_are_not_given),
	    T(names_elsewhere),
	    T(alias_keeps_a_copy_for_its_own_account),
	    T(catch_all_and_alias_domain),
	    T(postmaster_of_the_configuration),
	    T(postmaster_who_takes_nothing),
	    T(postmaster_without_room),
	    T(postmaster_where_nobody_takes_mail),
	    T(postmaster_behind_an_alias),
	    T(relay_domains),
	    T(relay_domains_have_no_mailboxes),
	    T(a_local_part_alone_is_of_the_domain_with_mailboxes),
	    T(the_servers_own_name),
	    T(accounts_that_take_nothing),
	    T(quota_counts_the_size),
	    T(circles_and_chains_end),
	    T(fan_out_is_limited),
	    T(changes_explain_themselves),
	    T(removed_things_are_gone),
	    T(logs_in_by_address),
	    T(words_that_are_none),
	    T(logs_in_to_an_international_domain),
	    T(lists_in_pages),
	    T(addresses_are_checked),
	    T(found_again_in_few_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
