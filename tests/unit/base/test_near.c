#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/near.h"

static struct str find(const char *word, const char *const *names)
{
	struct near n;

	near_init(&n, str_of_c(word));
	while (*names)
		near_offer(&n, str_of_c(*names++));
	return near_found(&n);
}

static void test_found(void **state)
{
	static const char *const names[] = {"hostname", "listen", "list", "trusted_networks", NULL};
	static const struct {
		const char *word, *want;
	} rows[] = {
	    {"hostname", "hostname"},
	    {"hostnmae", "hostname"},
	    {"HOSTNAM", "hostname"},
	    {"lisen", "listen"},
	    {"lst", "list"},
	    {"trusted-networks", "trusted_networks"},
	    {"trusted_network", "trusted_networks"},
	    {"slit", "list"},
	    {"zebra", ""},
	    {"", ""},
	    {"l", ""},
	    {"ab", ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str got = find(rows[i].word, names);

		if (!str_eq(got, str_of_c(rows[i].want)))
			fail_msg(
			    "%s: got '%.*s', want '%s'", rows[i].word, STR_FMT(got), rows[i].want);
	}
}

static void test_long_names_are_cut(void **state)
{
	static const char *const names[] = {"a_name_of_more_than_thirty_two_octets_in_all", NULL};

	assert_true(str_eq(find("a_nmae_of_more_than_thirty_two_octets_with_another_end", names),
	    str_of_c(names[0])));
}

static void test_first_of_equals(void **state)
{
	static const char *const names[] = {"cat", "car", NULL};

	assert_true(str_eq(find("caz", names), STR("cat")));
	assert_int_equal(find("caz", names + 2).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_found),
	    cmocka_unit_test(test_long_names_are_cut),
	    cmocka_unit_test(test_first_of_equals),
	};

	return cmocka_run_group_tests_name("base/near", tests, NULL, NULL);
}
