/*
 * From a destination to the addresses where mail for it goes. The resolver is in this process, at the
 * other end of a link without a socket, and answers from a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "link_rig.h"
#include "proc/relay.h"

#define ROWS_MAX 32

/* What the DNS says about a name; a status that is not OK: only that. */
struct row {
	const char *name;
	enum dns_type type;
	const char *data; /* an address, or a host with its preference in front; NULL: see status */
	enum dns_status status;
	const char *canonical; /* where its CNAMEs end; NULL: it has none */
	size_t dropped;
};

static struct {
	struct ipc_link *asker, *answerer;
	struct peer resolver;
	struct relay relay;
	struct config_snapshot config;
	struct ip own;
	int64_t token; /* of the lease: the seed of chance */
	const struct row *rows;
	bool silent; /* requests stay open */
	struct ipc_request *open;
	struct relay_route route;
	struct arena *arena;
	int done;
	enum queue_problem problem;
	struct buf text;
} f;

/* ---- the resolver ---- */
static struct dns_answer answer_of(const struct row *r)
{
	struct dns_answer a = {0};
	struct str text = str_of_c(r->data), rest;
	uint64_t preference;

	if (r->type != DNS_MX) {
		assert_true(ip_parse(text, &a.ip));
		return a;
	}
	text = str_split(text, ' ', &rest);
	assert_true(str_to_u64(text, UINT16_MAX, &preference));
	a.preference = (uint16_t)preference;
	a.host = rest;
	return a;
}

static void answer(struct ipc_request *r, struct str name, enum dns_type type)
{
	struct dns_answer answers[ROWS_MAX];
	struct dns_result result = {.status = DNS_NXDOMAIN, .answers = answers};
	struct buf b;

	for (const struct row *row = f.rows; row->name; row++) {
		if (!str_eq(name, str_of_c(row->name)))
			continue;
		if (result.status == DNS_NXDOMAIN)
			result.status = DNS_NODATA;
		if (row->type == type && row->data)
			answers[result.count++] = answer_of(row);
		if (row->type == type)
			result.status = row->data ? DNS_OK : row->status;
		if (row->type == type)
			result.dropped += row->dropped;
		if (row->type == type && row->canonical)
			result.canonical = str_of_c(row->canonical);
	}
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	rr_reply_put(&b, type, &result);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	struct rr_lookup m;

	assert_true(rr_lookup_get(payload, &m));
	f.open = r;
	if (!f.silent)
		answer(r, m.name, m.type);
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	fail();
}

static void on_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

static void carry_all(void)
{
	while (link_rig_carry(f.asker, f.answerer) || link_rig_carry(f.answerer, f.asker))
		;
}

/* ---- the rig ---- */
static int up(void **state)
{
	memset(&f, 0, sizeof f);
	f.arena = arena_new();
	buf_init(&f.text, 1024);
	f.asker = ipc_link_new(&rr_edge, IPC_ASKER, &handler, NULL);
	f.answerer = ipc_link_new(&rr_edge, IPC_ANSWERER, &handler, NULL);
	f.resolver.link = f.asker;
	f.relay.resolver = &f.resolver;
	f.relay.no_lookups = INT64_MAX;
	assert_true(ip_parse(STR("198.18.0.1"), &f.own));
	f.config.hostname = STR("mail.us.test");
	f.relay.own = (struct own_list){&f.own, 1};
	f.config.relay_port = 25;
	return 0;
}

static int down(void **state)
{
	relay_route_fini(&f.route);
	ipc_link_close(&f.resolver.link);
	ipc_link_close(&f.answerer);
	arena_free(&f.arena);
	buf_fini(&f.text);
	return 0;
}

static void on_done(struct relay_route *route, enum queue_problem problem, struct str text)
{
	f.done++;
	f.problem = problem;
	buf_clear(&f.text);
	buf_str(&f.text, text);
}

static void start(const struct row *rows, const char *destination, const char *host, uint16_t port)
{
	struct rs_job job = {.lease = {1, f.token},
	    .destination = str_of_c(destination),
	    .route = {.host = str_of_c(host), .port = port}};

	f.rows = rows;
	relay_route_start(&f.route, &f.relay, &f.config, &job, on_done);
}

/* The way to a destination, from beginning to end. */
static void find(const struct row *rows, const char *destination)
{
	start(rows, destination, "", 0);
	carry_all();
	assert_int_equal(f.done, 1);
}

/* The hops as text: "host=address:port host=..." */
static void expect_hops(const char *want)
{
	struct buf b;

	assert_int_equal(f.problem, QUEUE_PROBLEM_NONE);
	buf_init(&b, 4096);
	for (size_t i = 0; i < f.route.nhops; i++) {
		buf_c(&b, i ? " " : "");
		buf_str(&b, f.route.hops[i].host);
		buf_byte(&b, '=');
		net_addr_put(&b, &f.route.hops[i].addr);
	}
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void expect_problem(enum queue_problem problem, const char *says)
{
	assert_int_equal(f.problem, problem);
	assert_true(str_find_str(buf_view(&f.text), str_of_c(says)) <= f.text.n);
	if (*says)
		assert_true(str_find_str(buf_view(&f.text), str_of_c(says)) < f.text.n);
}

static void expect_trouble(const char *host)
{
	assert_true(str_eq(relay_route_trouble(&f.route), str_of_c(host)));
}

/* ---- ways ---- */
static void test_mx(void **state)
{
	find((const struct row[]){{"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"a.test", DNS_MX, "10 one.test", DNS_OK},
		 {"one.test", DNS_A, "192.88.99.1", DNS_OK},
		 {"one.test", DNS_AAAA, "2a00::1", DNS_OK},
		 {"two.test", DNS_A, "192.88.99.2", DNS_OK}, {0}},
	    "a.test");
	expect_hops("one.test=[2a00::1]:25 one.test=192.88.99.1:25 two.test=192.88.99.2:25");
}

static void test_implicit(void **state)
{
	find((const struct row[]){{"a.test", DNS_A, "192.88.99.1", DNS_OK}, {0}}, "a.test");
	expect_hops("a.test=192.88.99.1:25");
}

static void test_host_in_trouble_beside_others(void **state)
{
	find((const struct row[]){{"a.test", DNS_MX, "10 one.test", DNS_OK},
		 {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"one.test", DNS_AAAA, NULL, DNS_SERVFAIL}, {"one.test", DNS_A, NULL, DNS_TIMEOUT},
		 {"two.test", DNS_A, "192.88.99.2", DNS_OK}, {0}},
	    "a.test");
	expect_hops("two.test=192.88.99.2:25");
	expect_trouble("one.test");
}

/* Which host is in trouble: not one whose other address is known, nor one that is cut off. */
static void test_trouble(void **state)
{
	static const struct {
		struct row rows[6];
		const char *want;
	} table[] = {
	    {{{"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"one.test", DNS_A, "192.88.99.1", DNS_OK},
		 {"two.test", DNS_A, NULL, DNS_TIMEOUT}},
		"two.test"},
	    {{{"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"one.test", DNS_A, NULL, DNS_BOGUS}, {"two.test", DNS_A, "192.88.99.2", DNS_OK}},
		"one.test"},
	    {{{"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"one.test", DNS_AAAA, NULL, DNS_SERVFAIL},
		 {"one.test", DNS_A, "192.88.99.1", DNS_OK},
		 {"two.test", DNS_A, "192.88.99.2", DNS_OK}},
		""},
	    {{{"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"two.test", DNS_A, "192.88.99.2", DNS_OK}},
		""},
	    {{{"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 us.test", DNS_OK},
		 {"one.test", DNS_A, "192.88.99.1", DNS_OK},
		 {"us.test", DNS_AAAA, NULL, DNS_SERVFAIL},
		 {"us.test", DNS_A, "198.18.0.1", DNS_OK}},
		""},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		f.done = 0;
		find(table[i].rows, "a.test");
		assert_int_equal(f.problem, QUEUE_PROBLEM_NONE);
		expect_trouble(table[i].want);
		relay_route_fini(&f.route);
	}
}

/* A best host with more addresses than an attempt has room for: the next one is in the route. */
static void test_many_addresses_hide_no_backup(void **state)
{
	struct row rows[ROWS_MAX] = {
	    {"a.test", DNS_MX, "10 one.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK}};
	char texts[25][16];
	size_t ones = 0;

	for (size_t i = 0; i < 25; i++) {
		snprintf(texts[i], sizeof texts[i], "192.88.99.%u", (unsigned)i + 1);
		rows[2 + i] = (struct row){"one.test", DNS_A, texts[i], DNS_OK};
	}
	rows[27] = (struct row){"two.test", DNS_A, "192.88.98.1", DNS_OK};
	find(rows, "a.test");
	assert_int_equal(f.problem, QUEUE_PROBLEM_NONE);
	while (ones < f.route.nhops && str_eq(f.route.hops[ones].host, STR("one.test")))
		ones++;
	assert_int_equal(ones, LIMIT_QUEUE_ADDRESSES / 2);
	assert_int_equal(f.route.nhops, ones + 1);
	assert_true(str_eq(f.route.hops[ones].host, STR("two.test")));
}

static void test_literals(void **state)
{
	static const struct {
		const char *destination, *want;
	} rows[] = {
	    {"[192.88.99.1]", "[192.88.99.1]=192.88.99.1:25"},
	    {"[IPv6:2a00::1]", "[IPv6:2a00::1]=[2a00::1]:25"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		f.done = 0;
		find(NULL, rows[i].destination);
		expect_hops(rows[i].want);
		relay_route_fini(&f.route);
	}
	f.done = 0;
	find(NULL, "[10.0.0.1]");
	assert_int_equal(f.problem, QUEUE_PROBLEM_FORBIDDEN);
}

/* What an administrator names may be anywhere. */
static void test_routes(void **state)
{
	start(NULL, "a.test", "10.0.0.1", 2525);
	expect_hops("10.0.0.1=10.0.0.1:2525");
	relay_route_fini(&f.route);
	f.done = 0;
	start((const struct row[]){{"hub.test", DNS_A, "127.0.0.1", DNS_OK}, {0}}, "a.test",
	    "hub.test", 587);
	carry_all();
	expect_hops("hub.test=127.0.0.1:587");
}

/* Where a route asks for more than others do, its host is another one. */
static void test_places(void **state)
{
	static const struct {
		struct rs_route route;
		const char *want;
	} table[] = {
	    {{.host = STR_INIT("10.0.0.1"), .port = 25}, "10.0.0.1"},
	    {{.host = STR_INIT("10.0.0.1"), .port = 587}, "10.0.0.1:587"},
	    {{.host = STR_INIT("10.0.0.1"), .port = 587, .tls = CONFIG_ROUTE_NONE}, "10.0.0.1:587"},
	    {{.host = STR_INIT("10.0.0.1"), .port = 25, .tls = CONFIG_ROUTE_REQUIRE},
		"10.0.0.1 by TLS"},
	    {{.host = STR_INIT("10.0.0.1"), .port = 587, .tls = CONFIG_ROUTE_VERIFY},
		"10.0.0.1:587 by verified TLS"},
	    {{.host = STR_INIT("10.0.0.1"),
		 .port = 587,
		 .tls = CONFIG_ROUTE_VERIFY,
		 .user = STR_INIT("us"),
		 .password = STR_INIT("secret")},
		"10.0.0.1:587 as us"},
	    {{.tls = CONFIG_ROUTE_VERIFY}, "[192.88.99.1]"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct rs_job job = {
		    .lease = {1, 1}, .destination = STR("[192.88.99.1]"), .route = table[i].route};

		relay_route_start(&f.route, &f.relay, &f.config, &job, on_done);
		assert_int_equal(f.route.nhops, 1);
		assert_true(str_eq(f.route.hops[0].place, str_of_c(table[i].want)));
		relay_route_fini(&f.route);
	}
}

/* ---- no way ---- */
static void test_problems(void **state)
{
	static const struct {
		struct row rows[5];
		enum queue_problem want;
		const char *says;
	} table[] = {
	    {{{0}}, QUEUE_PROBLEM_NXDOMAIN, ""},
	    {{{"a.test", DNS_TXT, NULL, DNS_NODATA}}, QUEUE_PROBLEM_NO_ADDRESS, "no address"},
	    {{{"a.test", DNS_MX, "0 ", DNS_OK}}, QUEUE_PROBLEM_NULL_MX, "null MX"},
	    {{{"a.test", DNS_MX, NULL, DNS_SERVFAIL}}, QUEUE_PROBLEM_DNS, ""},
	    {{{"a.test", DNS_MX, NULL, DNS_TIMEOUT}}, QUEUE_PROBLEM_DNS, ""},
	    {{{"a.test", DNS_MX, NULL, DNS_BOGUS}}, QUEUE_PROBLEM_DNS, ""},
	    {{{"a.test", DNS_MX, "10 mail.us.test", DNS_OK}}, QUEUE_PROBLEM_LOOP, "itself"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"b.test", DNS_A, "198.18.0.1", DNS_OK}},
		QUEUE_PROBLEM_LOOP, "itself"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"a.test", DNS_MX, "20 us.test", DNS_OK},
		 {"b.test", DNS_A, NULL, DNS_SERVFAIL}, {"us.test", DNS_A, "198.18.0.1", DNS_OK}},
		QUEUE_PROBLEM_DNS, "no answer"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"b.test", DNS_A, "127.0.0.1", DNS_OK}},
		QUEUE_PROBLEM_FORBIDDEN, "relay_allow_private"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"b.test", DNS_A, "0.0.0.0", DNS_OK}},
		QUEUE_PROBLEM_FORBIDDEN, "nobody"},
	    {{{"a.test", DNS_MX, NULL, DNS_BAD}}, QUEUE_PROBLEM_DNS, ""},
	    {{{"a.test", DNS_MX, NULL, DNS_BAD, .dropped = 2}}, QUEUE_PROBLEM_NO_ADDRESS, "name"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"a.test", DNS_A, "192.88.99.1", DNS_OK}},
		QUEUE_PROBLEM_NO_ADDRESS, "no address"},
	    {{{"a.test", DNS_MX, "10 b.test", DNS_OK}, {"b.test", DNS_A, NULL, DNS_SERVFAIL}},
		QUEUE_PROBLEM_DNS, "no answer"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		f.done = 0;
		find(table[i].rows, "a.test");
		expect_problem(table[i].want, table[i].says);
		relay_route_fini(&f.route);
	}
	f.done = 0;
	find(NULL, "no domain name");
	expect_problem(QUEUE_PROBLEM_NXDOMAIN, "no domain name");
}

/* By whatever name: hosts that are no nearer to the end than we are get nothing. [RFC 5321 5.1] */
/* By what we say in EHLO, and at the end of CNAMEs; whatever the addresses are, those of a translator say too. */
static void test_ourselves_by_other_names(void **state)
{
	static const struct row tables[][6] = {
	    {{"a.test", DNS_MX, "10 out.us.test", DNS_OK, NULL},
		{"out.us.test", DNS_A, "192.88.99.1", DNS_OK, NULL}},
	    {{"a.test", DNS_MX, "10 b.test", DNS_OK, NULL},
		{"b.test", DNS_A, "192.88.99.1", DNS_OK, "mail.us.test"}},
	    {{"a.test", DNS_MX, "10 b.test", DNS_OK, NULL},
		{"b.test", DNS_AAAA, NULL, DNS_NODATA, "out.us.test"},
		{"b.test", DNS_A, "192.88.99.1", DNS_OK, "out.us.test"}},
	    {{"a.test", DNS_A, "192.88.99.1", DNS_OK, "mail.us.test"}},
	};

	f.config.relay_helo = STR("out.us.test");
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		f.done = 0;
		find(tables[i], "a.test");
		expect_problem(QUEUE_PROBLEM_LOOP, "itself");
		relay_route_fini(&f.route);
	}
	f.done = 0;
	find((const struct row[]){{"a.test", DNS_MX, "10 b.test", DNS_OK, NULL},
		 {"a.test", DNS_MX, "20 c.test", DNS_OK, NULL},
		 {"a.test", DNS_MX, "30 d.test", DNS_OK, NULL},
		 {"b.test", DNS_A, "192.88.99.1", DNS_OK, "else.test"},
		 {"c.test", DNS_A, "192.88.99.2", DNS_OK, "mail.us.test"},
		 {"d.test", DNS_A, "192.88.99.3", DNS_OK, NULL}, {0}},
	    "a.test");
	expect_hops("b.test=192.88.99.1:25");
}

static void test_ourselves_by_address(void **state)
{
	static const struct row before[] = {{"a.test", DNS_MX, "10 one.test", DNS_OK},
	    {"a.test", DNS_MX, "20 us.test", DNS_OK}, {"a.test", DNS_MX, "20 two.test", DNS_OK},
	    {"a.test", DNS_MX, "30 three.test", DNS_OK}, {"one.test", DNS_A, "192.88.99.1", DNS_OK},
	    {"two.test", DNS_A, "192.88.99.2", DNS_OK},
	    {"three.test", DNS_A, "192.88.99.3", DNS_OK}, {"us.test", DNS_A, "198.18.0.1", DNS_OK},
	    {"us.test", DNS_A, "192.88.99.9", DNS_OK}, {0}};
	static const struct row best[] = {{"a.test", DNS_MX, "10 us.test", DNS_OK},
	    {"a.test", DNS_MX, "20 two.test", DNS_OK}, {"two.test", DNS_A, "192.88.99.2", DNS_OK},
	    {"us.test", DNS_A, "198.18.0.1", DNS_OK}, {0}};

	for (uint32_t token = 1; token < 20; token++) { /* two.test comes before us, and behind */
		f.token = token;
		f.done = 0;
		find(before, "a.test");
		expect_hops("one.test=192.88.99.1:25");
		relay_route_fini(&f.route);
		f.done = 0;
		find(best, "a.test");
		expect_problem(QUEUE_PROBLEM_LOOP, "itself");
		relay_route_fini(&f.route);
	}
}

/* A loopback address is everybody's own: a name that leads there is wrong, and no name of ours. */
static void test_loopback_is_nobodys_name(void **state)
{
	assert_true(ip_parse(STR("127.0.0.1"), &f.own));
	find((const struct row[]){{"a.test", DNS_MX, "10 localhost.test", DNS_OK},
		 {"a.test", DNS_MX, "20 two.test", DNS_OK},
		 {"localhost.test", DNS_A, "127.0.0.1", DNS_OK},
		 {"two.test", DNS_A, "192.88.99.2", DNS_OK}, {0}},
	    "a.test");
	expect_hops("two.test=192.88.99.2:25");
}

/* What a route began with stays, whatever the machine's addresses are now. */
static void test_own_addresses_change(void **state)
{
	start((const struct row[]){{"a.test", DNS_A, "198.18.0.1", DNS_OK}, {0}}, "a.test", "", 0);
	f.relay.own.n = 0;
	assert_true(ip_parse(STR("198.18.0.7"), &f.own));
	carry_all();
	expect_problem(QUEUE_PROBLEM_LOOP, "itself");
}

static void test_private_addresses_where_allowed(void **state)
{
	f.config.relay_allow_private = true;
	find((const struct row[]){{"a.test", DNS_A, "127.0.0.1", DNS_OK}, {0}}, "a.test");
	expect_hops("a.test=127.0.0.1:25");
}

/* ---- a resolver that is not there ---- */
static void next_resolver(void)
{
	ipc_link_close(&f.answerer);
	f.asker = ipc_link_new(&rr_edge, IPC_ASKER, &handler, NULL);
	f.answerer = ipc_link_new(&rr_edge, IPC_ANSWERER, &handler, NULL);
	f.resolver.link = f.asker;
	f.relay.resolver = &f.resolver;
	relay_route_again(&f.route);
}

/* The resolver ends; what it was asked stays open. */
static void resolver_ends(void)
{
	f.open = NULL;
	carry_all();
	ipc_link_close(&f.resolver.link);
	if (f.open)
		ipc_request_end(f.open, STR(""));
}

static void test_no_resolver(void **state)
{
	static const struct row rows[] = {{"a.test", DNS_A, "192.88.99.1", DNS_OK}, {0}};

	f.relay.resolver = NULL;
	start(rows, "a.test", "", 0);
	assert_int_equal(f.done, 0);
	ipc_link_close(&f.resolver.link);
	next_resolver();
	carry_all();
	expect_hops("a.test=192.88.99.1:25");
}

/* None comes: what waits for it ends, what asks now does not wait, and what needs none goes. */
static void test_no_resolver_for_long(void **state)
{
	static const struct row rows[] = {{"a.test", DNS_A, "192.88.99.1", DNS_OK}, {0}};

	f.relay.resolver = NULL;
	start(rows, "a.test", "", 0);
	relay_route_without(&f.route); /* it is not yet long */
	assert_int_equal(f.done, 0);
	f.relay.no_lookups = 0;
	relay_route_without(&f.route);
	assert_int_equal(f.done, 1);
	expect_problem(QUEUE_PROBLEM_NO_RESOLVER, "cannot be looked up");
	relay_route_without(&f.route);
	relay_route_again(&f.route);
	assert_int_equal(f.done, 1);
	relay_route_fini(&f.route);
	start(rows, "a.test", "", 0);
	assert_int_equal(f.done, 2);
	expect_problem(QUEUE_PROBLEM_NO_RESOLVER, "cannot be looked up");
	relay_route_fini(&f.route);
	start(rows, "a.test", "192.88.99.2", 25);
	assert_int_equal(f.done, 3);
	expect_hops("192.88.99.2=192.88.99.2:25");
}

/* One that is there and is asked has its own time. */
static void test_resolver_that_is_there_is_waited_for(void **state)
{
	f.relay.no_lookups = 0;
	start((const struct row[]){{"a.test", DNS_A, "192.88.99.1", DNS_OK}, {0}}, "a.test", "", 0);
	relay_route_without(&f.route);
	assert_int_equal(f.done, 0);
	carry_all();
	expect_hops("a.test=192.88.99.1:25");
}

/* It dies in the middle: the question goes to the next one, and the way is found. */
static void test_resolver_dies(void **state)
{
	static const struct row rows[] = {
	    {"a.test", DNS_MX, "10 b.test", DNS_OK}, {"b.test", DNS_A, "192.88.99.1", DNS_OK}, {0}};

	start(rows, "a.test", "", 0);
	link_rig_carry(f.asker, f.answerer);
	f.silent = true; /* about the address */
	resolver_ends();
	assert_int_equal(f.done, 0);
	f.silent = false;
	next_resolver();
	carry_all();
	assert_int_equal(f.done, 1);
	expect_hops("b.test=192.88.99.1:25");
}

/* A question that ends each resolver is not asked for ever. */
static void test_resolvers_die_of_it(void **state)
{
	f.silent = true;
	start((const struct row[]){{0}}, "a.test", "", 0);
	for (int i = 0; i < 2; i++) {
		resolver_ends();
		assert_int_equal(f.done, 0);
		next_resolver();
	}
	resolver_ends();
	assert_int_equal(f.done, 1);
	expect_problem(QUEUE_PROBLEM_DNS, "gave no answer");
}

static void silence(bool brief)
{
	f.silent = true;
	start((const struct row[]){{0}}, "a.test", "", 0);
	carry_all();
	assert_int_equal(f.done, 0);
	relay_route_give_up(&f.route, brief);
	assert_int_equal(f.done, 1);
	if (brief)
		expect_problem(QUEUE_PROBLEM_BRIEF, "the DNS has not told");
	else
		expect_problem(QUEUE_PROBLEM_NO_RESOLVER, "does not answer");
	carry_all(); /* the cancel */
	ipc_request_end(f.open, STR(""));
	carry_all();
	assert_int_equal(f.done, 1);
}

static void test_resolver_is_silent(void **state)
{
	silence(false);
}

/* It may be well, and look for what takes longer than there is time. */
static void test_resolver_is_silent_for_a_short_time(void **state)
{
	silence(true);
}

/* But where there is none, that is no attempt. */
static void test_no_resolver_for_a_short_time(void **state)
{
	f.relay.resolver = NULL;
	start((const struct row[]){{0}}, "a.test", "", 0);
	relay_route_give_up(&f.route, true);
	assert_int_equal(f.done, 1);
	expect_problem(QUEUE_PROBLEM_NO_RESOLVER, "does not answer");
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_mx),
	    T(test_implicit),
	    T(test_host_in_trouble_beside_others),
	    T(test_trouble),
	    T(test_many_addresses_hide_no_backup),
	    T(test_literals),
	    T(test_routes),
	    T(test_places),
	    T(test_problems),
	    T(test_ourselves_by_other_names),
	    T(test_ourselves_by_address),
	    T(test_loopback_is_nobodys_name),
	    T(test_own_addresses_change),
	    T(test_private_addresses_where_allowed),
	    T(test_no_resolver),
	    T(test_no_resolver_for_long),
	    T(test_resolver_that_is_there_is_waited_for),
	    T(test_resolver_dies),
	    T(test_resolvers_die_of_it),
	    T(test_resolver_is_silent),
	    T(test_resolver_is_silent_for_a_short_time),
	    T(test_no_resolver_for_a_short_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
