#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue/queue_routing.h"

static const struct queue_via vias[] = {
    {STR_INIT("*"), STR_INIT("a.test"), STR_INIT("any")},
    {STR_INIT("*"), STR_INIT("al@a.test"), STR_INIT("any-of-al")},
    {STR_INIT("x.test"), STR_INIT("a.test"), STR_INIT("x")},
    {STR_INIT("x.test"), STR_INIT("al@a.test"), STR_INIT("x-of-al")},
};
static const struct queue_special specials[] = {
    {.domain = STR_INIT("x.test"), .sessions = 3},
    {.domain = STR_INIT("y.test"), .sessions = 4},
};
static const struct queue_routing routing = {specials, 2, vias, 4};

static void names(void **state)
{
	static const struct {
		const char *domain, *sender, *want;
	} cases[] = {
	    {"x.test", "", "x.test"},
	    {"x.test", "bob@b.test", "x.test"},
	    {"x.test", "a.test", "x.test"}, /* no address */
	    {"x.test", "bob@a.test", "x.test via x"},
	    {"x.test", "AL@A.test", "x.test via x-of-al"},
	    {"z.test", "bob@a.test", "z.test via any"},
	    {"z.test", "al@a.test", "z.test via any-of-al"},
	    {"[192.0.2.1]", "al@a.test", "[192.0.2.1] via any-of-al"},
	    {"", "bob@b.test", ""},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str domain = str_of_c(cases[i].domain);
		struct str name = queue_routing_name(
		    &routing, a, domain, str_of_c(cases[i].sender));

		assert_true(str_eq(name, str_of_c(cases[i].want)));
		assert_true(str_eq(queue_routing_domain(name), domain));
	}
	arena_free(&a);
}

/* Of all that fit the one that config_route() takes; those for any sender do not change the names. */
static void hosts(void **state)
{
	static const struct queue_via all[] = {
	    {STR_INIT("*"), STR_INIT(""), STR_INIT("any")},
	    {STR_INIT("*"), STR_INIT("a.test"), STR_INIT("of-a")},
	    {STR_INIT("*"), STR_INIT("al@a.test"), STR_INIT("of-al")},
	    {STR_INIT("x.test"), STR_INIT(""), STR_INIT("x")},
	    {STR_INIT("x.test"), STR_INIT("al@a.test"), STR_INIT("x-of-al")},
	};
	static const struct queue_routing ways = {.vias = all, .n_vias = 5};
	static const struct {
		const char *domain, *sender, *want, *name;
	} cases[] = {
	    {"x.test", "", "x", "x.test"},
	    {"x.test", "bob@a.test", "x", "x.test via of-a"},
	    {"x.test", "al@a.test", "x-of-al", "x.test via x-of-al"},
	    {"z.test", "", "any", "z.test"},
	    {"z.test", "bob@b.test", "any", "z.test"},
	    {"z.test", "bob@A.test", "of-a", "z.test via of-a"},
	    {"z.test", "al@a.test", "of-al", "z.test via of-al"},
	    {"", "al@a.test", "", ""},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str domain = str_of_c(cases[i].domain);
		struct str sender = str_of_c(cases[i].sender);

		assert_true(
		    str_eq(queue_routing_host(&ways, domain, sender), str_of_c(cases[i].want)));
		assert_true(
		    str_eq(queue_routing_name(&ways, a, domain, sender), str_of_c(cases[i].name)));
	}
	assert_int_equal(queue_routing_host(&routing, STR("z.test"), STR("bob@b.test")).n, 0);
	arena_free(&a);
}

/* What hosts count as. */
static void places(void **state)
{
	static const struct {
		const char *place, *server;
		bool more;
	} cases[] = {
	    {"mx.test", "mx.test", false},
	    {"mx.test:587", "mx.test:587", false},
	    {"mx.test:587 as us", "mx.test:587", true},
	    {"[IPv6:2a00::1]:587 by verified TLS", "[IPv6:2a00::1]:587", true},
	    {"", "", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str place = str_of_c(cases[i].place);

		assert_true(str_eq(queue_routing_server(place), str_of_c(cases[i].server)));
		assert_int_equal(queue_routing_asks_more(place), cases[i].more);
	}
}

/* Rows whose attempts are over have no destination, whoever sent them. */
static void none_for_nowhere(void **state)
{
	struct arena *a = arena_new();

	assert_int_equal(queue_routing_name(&routing, a, STR(""), STR("al@a.test")).n, 0);
	arena_free(&a);
}

static void tiers(void **state)
{
	int64_t x = queue_routing_tier(&routing, STR("x.test"));
	int64_t y = queue_routing_tier(&routing, STR("y.test"));

	assert_true(x > 0 && y > 0 && x != y);
	assert_int_equal(x, INT64_C(0x548e8278b05bfdb0)); /* stored: it never changes */
	assert_int_equal(queue_routing_tier(&routing, STR("x.test via x")), x);
	assert_int_equal(queue_routing_tier(&routing, STR("z.test")), 0);
	assert_int_equal(queue_routing_tier(&routing, STR("")), 0);
	assert_int_equal(queue_routing_of_tier(&routing, y)->sessions, 4);
	assert_null(queue_routing_of_tier(&routing, 0));
	assert_null(queue_routing_of_tier(&routing, 1));
}

static void copies(void **state)
{
	struct arena *a = arena_new();
	struct queue_routing copy;

	queue_routing_copy(&routing, a, &copy);
	assert_int_equal(copy.n_specials, 2);
	assert_int_equal(copy.n_vias, 4);
	assert_ptr_not_equal(copy.vias[3].host.p, vias[3].host.p);
	assert_true(str_eq(copy.vias[3].host, vias[3].host));
	assert_int_equal(queue_routing_special(&copy, STR("y.test"))->sessions, 4);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(places),
	    cmocka_unit_test(none_for_nowhere),
	    cmocka_unit_test(tiers),
	    cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
