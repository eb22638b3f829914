/* Which spellings of an address are one, in the mark of an earlier delivery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proc/delivered_before.h"

#define UMLAUT     "\xc3\xbc"
#define DECOMPOSED "u\xcc\x88"

static bool been(enum accept_class class, const char *recipient, const char *field)
{
	struct accept_recipient r = {.address = str_of_c(recipient), .class = class};
	struct str fields[] = {STR("else@x.test"), str_of_c(field)};
	struct mime_facts facts = {.delivered_to = fields, .n_delivered_to = 2};

	delivered_before(&r, 1, &facts);
	return r.delivered;
}

static const struct {
	const char *recipient, *field;
	bool here, elsewhere;
} rows[] = {
    {"bob@b.test", "bob@b.test", true, true},
    {"bob@b.test", "eve@b.test", false, false},
    {"bob@b.test", "bob@c.test", false, false},
    {"bob@b.test", "bob@B.Test", true, true},
    {"Bob@b.test", "bob@b.test", true, false},
    {"bob@b.test", "BOB@b.test", true, false},
    {"Bob@b.test", "Bob@b.test", true, true},
    {"m" UMLAUT "@b.test", "m" DECOMPOSED "@b.test", true, false},
    {"bob@" UMLAUT ".test", "bob@xn--tda.test", true, true},
    {"bob@" UMLAUT ".test", "bob@" DECOMPOSED ".TEST", true, true},
    {"postmaster", "Postmaster", true, false},
};

static void test_spellings(void **state)
{
	static const enum accept_class elsewhere[] = {
	    ACCEPT_RELAY, ACCEPT_BACKUP, ACCEPT_UNVERIFIED, ACCEPT_REFUSED, ACCEPT_UNROUTED};
	static const enum accept_class here[] = {ACCEPT_LOCAL, ACCEPT_REDIRECT};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t k = 0; k < sizeof here / sizeof *here; k++)
			if (been(here[k], rows[i].recipient, rows[i].field) != rows[i].here)
				fail_msg("row %zu, here", i);
		for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++)
			if (been(elsewhere[k], rows[i].recipient, rows[i].field) !=
			    rows[i].elsewhere)
				fail_msg("row %zu, elsewhere", i);
	}
}

/* Each of the recipients by his own. */
static void test_many(void **state)
{
	struct accept_recipient v[] = {
	    {.address = STR("Ann@a.test"), .class = ACCEPT_LOCAL},
	    {.address = STR("Bob@b.test"), .class = ACCEPT_BACKUP},
	    {.address = STR("bob@b.test"), .class = ACCEPT_BACKUP},
	};
	struct str fields[] = {STR("ann@a.test"), STR("bob@b.test")};
	struct mime_facts facts = {.delivered_to = fields, .n_delivered_to = 2};

	delivered_before(v, 3, &facts);
	assert_true(v[0].delivered && !v[1].delivered && v[2].delivered);
	facts = (struct mime_facts){0};
	v[0].delivered = false;
	delivered_before(v, 1, &facts);
	assert_false(v[0].delivered);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spellings),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
