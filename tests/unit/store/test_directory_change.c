/* What administrators change, are told and see. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

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

/* Legal, and said. */
static void aliases_that_hide_an_account_are_warned_of(void **state)
{
	static const char hidden[] =
	    "ann@a.test is an account and no longer gets its mail; to keep a "
	    "copy: godwit alias add ann@a.test ann@a.test";
	static const struct {
		enum directory_verb verb;
		const char *address, *target, *want;
	} rows[] = {
	    {DIRECTORY_ALIAS_ADD, "info@a.test", "ann@a.test", ""},
	    {DIRECTORY_ALIAS_ADD, "@a.test", "ann@a.test", ""},
	    {DIRECTORY_ALIAS_ADD, "ann@a.test", "bob@a.test", hidden},
	    {DIRECTORY_ALIAS_ADD, "ann@a.test", "ann@a.test", ""},
	    {DIRECTORY_ALIAS_ADD, "ann@a.test", "far@else.test", ""},
	    {DIRECTORY_ALIAS_REMOVE, "ann@a.test", "far@else.test", ""},
	    {DIRECTORY_ALIAS_REMOVE, "ann@a.test", "ann@a.test", hidden},
	    {DIRECTORY_ALIAS_REMOVE, "ann@a.test", "bob@a.test", ""},
	    {DIRECTORY_ALIAS_REMOVE, "info@a.test", NULL, ""},
	};

	people();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_string_equal(
		    rig_change(&rig, rows[i].verb, rows[i].address, rows[i].target), "");
		assert_string_equal(rig_warning(), rows[i].want);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(changes_explain_themselves),
	    T(aliases_that_hide_an_account_are_warned_of),
	    T(removed_things_are_gone),
	    T(relay_domains_have_no_mailboxes),
	    T(words_that_are_none),
	    T(lists_in_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
