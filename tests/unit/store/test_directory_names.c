/* Which names are one, and which are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(names_beyond_ascii),
	    T(names_that_are_not_given),
	    T(names_elsewhere),
	    T(addresses_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
