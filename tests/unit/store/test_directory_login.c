/* Who logs in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

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

static void a_local_part_alone_is_of_the_domain_with_mailboxes(void **state)
{
	struct directory_login login;

	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	set_kind(DIRECTORY_DOMAIN_ADD, "r.test", DIRECTORY_RELAY);
	assert_int_equal(directory_login(rig.db, arena, STR("ann"), &login), DB_OK);
	assert_int_equal(login.account, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(logs_in_by_address),
	    T(logs_in_to_an_international_domain),
	    T(a_local_part_alone_is_of_the_domain_with_mailboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
