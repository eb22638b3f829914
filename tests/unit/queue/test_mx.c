/* Hosts of a domain and addresses of a host: their order, and what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "queue/queue_mx.h"

#define SEEDS 400

static const struct str own_names[] = {STR_INIT("mail.own.test"), STR_INIT("mx.own.test")};
static const struct queue_self self = {.names = own_names, .name_count = 2};
static const struct queue_self nobody;

/* "10 a.test, 20 b.test"; "." is the root */
static size_t read_mx(const char *text, struct queue_mx *mx)
{
	struct str rest = str_of_c(text);
	size_t n = 0;

	while (rest.n) {
		struct str host, one = str_trim(str_split(rest, ',', &rest));
		uint64_t preference;

		assert_true(str_to_u64(str_split(one, ' ', &host), 65535, &preference));
		mx[n].preference = (uint16_t)preference;
		mx[n++].host = str_eq(host, STR(".")) ? str_sub(host, 0, 0) : host;
	}
	return n;
}

/* ---- hosts whose order does not depend on chance ---- */
static const struct {
	const char *domain, *mx;
	enum queue_mx_verdict verdict;
	const char *want;
} orders[] = {
    {"d.test", "", QUEUE_MX_HOSTS, "d.test (implicit)"},
    {"own.test", "", QUEUE_MX_HOSTS, "own.test (implicit)"},
    {"mail.own.test", "", QUEUE_MX_LOOP, " (implicit)"},
    {"MX.own.test", "", QUEUE_MX_LOOP, " (implicit)"},
    {"d.test", "10 a.test", QUEUE_MX_HOSTS, "a.test"},
    {"d.test", "20 b.test, 10 a.test, 30 c.test", QUEUE_MX_HOSTS, "a.test b.test c.test"},
    {"d.test", "65535 z.test, 0 a.test", QUEUE_MX_HOSTS, "a.test z.test"},
    {"d.test", "0 .", QUEUE_MX_NULL, ""},
    {"d.test", "0 ., 0 .", QUEUE_MX_NULL, ""},
    {"d.test", "0 ., 10 a.test", QUEUE_MX_HOSTS, "a.test"},
    {"d.test", "10 mail.own.test", QUEUE_MX_LOOP, ""},
    {"d.test", "10 mail.own.test, 20 b.test", QUEUE_MX_LOOP, ""},
    {"d.test", "10 mail.own.test, 10 b.test", QUEUE_MX_LOOP, ""},
    {"d.test", "10 a.test, 20 Mail.OWN.test, 30 c.test", QUEUE_MX_HOSTS, "a.test"},
    {"d.test", "10 a.test, 15 b.test, 20 mx.own.test, 20 c.test", QUEUE_MX_HOSTS, "a.test b.test"},
    {"d.test", "10 a.test, 30 mail.own.test, 20 mx.own.test, 25 c.test", QUEUE_MX_HOSTS, "a.test"},
    {"d.test", "20 a.test, 10 A.test, 15 b.test", QUEUE_MX_HOSTS, "A.test b.test"},
    {"d.test", "1 a.t, 2 b.t, 3 c.t, 4 d.t, 5 e.t, 6 f.t, 7 g.t, 8 h.t, 9 i.t, 10 j.t, 11 k.t",
	QUEUE_MX_HOSTS, "a.t b.t c.t d.t e.t f.t g.t h.t i.t j.t"},
};

static void put_hosts(struct buf *b, const struct queue_mx_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		if (i)
			buf_byte(b, ' ');
		buf_str(b, hosts->host[i]);
	}
	if (hosts->implicit)
		buf_lit(b, " (implicit)");
}

static void test_orders(void **state)
{
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		struct queue_mx mx[16];
		size_t n = read_mx(orders[i].mx, mx);

		for (uint64_t seed = 0; seed < 50; seed++) {
			struct queue_mx_hosts hosts;
			struct buf b;

			buf_init(&b, 1000);
			assert_int_equal(
			    queue_mx_order(str_of_c(orders[i].domain), mx, n, &self, seed, &hosts),
			    orders[i].verdict);
			put_hosts(&b, &hosts);
			assert_string_equal(buf_cstr(&b), orders[i].want);
			buf_fini(&b);
		}
	}
}

/* How many are better than each. */
static void test_better(void **state)
{
	static const size_t want[] = {0, 1, 1, 1, 4, 5, 5};
	struct queue_mx mx[7];
	size_t n = read_mx("5 a.t, 10 b.t, 10 c.t, 10 d.t, 11 e.t, 20 f.t, 20 g.t", mx);
	struct queue_mx_hosts hosts;

	for (uint64_t seed = 0; seed < 20; seed++) {
		queue_mx_order(STR("d.t"), mx, n, &nobody, seed, &hosts);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(queue_mx_better(&hosts, i), want[i]);
	}
	queue_mx_order(STR("d.t"), NULL, 0, &nobody, 1, &hosts);
	assert_int_equal(queue_mx_better(&hosts, 0), 0);
}

/* Equal ones: every order comes, each about as often; the same seed gives the same one. */
static void test_shuffle(void **state)
{
	struct queue_mx mx[4];
	size_t n = read_mx("10 a.t, 10 b.t, 10 c.t, 20 z.t", mx), first[3] = {0};
	struct queue_mx_hosts hosts, again;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		assert_int_equal(
		    queue_mx_order(STR("d.t"), mx, n, &nobody, seed, &hosts), QUEUE_MX_HOSTS);
		assert_int_equal(hosts.count, 4);
		assert_true(str_eq(hosts.host[3], STR("z.t")));
		first[hosts.host[0].p[0] - 'a']++;
		queue_mx_order(STR("d.t"), mx, n, &nobody, seed, &again);
		for (size_t i = 0; i < 4; i++)
			assert_true(str_eq(hosts.host[i], again.host[i]));
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(first[i], SEEDS / 4, SEEDS / 2);
}

/* More equal ones than are tried: each has its turn. More than are looked at: the best of them. */
static void test_many(void **state)
{
	struct queue_mx mx[200];
	char names[200][8];
	struct queue_mx_hosts hosts;
	size_t met[30] = {0};

	for (size_t i = 0; i < 200; i++) {
		mx[i].host = str_of(names[i], (size_t)snprintf(names[i], 8, "h%zu.t", i));
		mx[i].preference = 7;
	}
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		queue_mx_order(STR("d.t"), mx, 30, &nobody, seed, &hosts);
		assert_int_equal(hosts.count, LIMIT_QUEUE_HOSTS);
		for (size_t i = 0; i < hosts.count; i++)
			for (size_t k = 0; k < 30; k++)
				met[k] += str_eq(hosts.host[i], mx[k].host);
	}
	for (size_t k = 0; k < 30; k++)
		assert_in_range(met[k], SEEDS / 6, SEEDS / 2);
	for (size_t i = 0; i < 200; i++)
		mx[i].preference = (uint16_t)(200 - i);
	queue_mx_order(STR("d.t"), mx, 200, &nobody, 1, &hosts);
	for (size_t i = 0; i < LIMIT_QUEUE_HOSTS; i++)
		assert_true(str_eq(hosts.host[i], mx[199 - i].host));
}

/* ---- targets ---- */
static const struct {
	const char *ip;
	enum queue_target target;
	const char *what;
} targets[] = {
    {"8.8.8.8", QUEUE_TARGET_OK, ""},
    {"1.1.1.1", QUEUE_TARGET_OK, ""},
    {"0.0.0.0", QUEUE_TARGET_NEVER, "unspecified"},
    {"0.1.2.3", QUEUE_TARGET_NEVER, "this network"},
    {"9.255.255.255", QUEUE_TARGET_OK, ""},
    {"10.0.0.1", QUEUE_TARGET_PRIVATE, "private"},
    {"11.0.0.0", QUEUE_TARGET_OK, ""},
    {"100.63.255.255", QUEUE_TARGET_OK, ""},
    {"100.64.0.0", QUEUE_TARGET_PRIVATE, "shared by a provider"},
    {"100.128.0.0", QUEUE_TARGET_OK, ""},
    {"127.0.0.1", QUEUE_TARGET_PRIVATE, "loopback"},
    {"127.255.255.254", QUEUE_TARGET_PRIVATE, "loopback"},
    {"128.0.0.1", QUEUE_TARGET_OK, ""},
    {"169.254.169.254", QUEUE_TARGET_PRIVATE, "link-local"},
    {"172.15.255.255", QUEUE_TARGET_OK, ""},
    {"172.16.0.1", QUEUE_TARGET_PRIVATE, "private"},
    {"172.31.255.255", QUEUE_TARGET_PRIVATE, "private"},
    {"172.32.0.0", QUEUE_TARGET_OK, ""},
    {"192.0.0.8", QUEUE_TARGET_PRIVATE, "for protocols"},
    {"192.0.2.1", QUEUE_TARGET_PRIVATE, "for documentation"},
    {"192.168.1.1", QUEUE_TARGET_PRIVATE, "private"},
    {"198.19.0.1", QUEUE_TARGET_PRIVATE, "for measurements"},
    {"198.51.100.9", QUEUE_TARGET_PRIVATE, "for documentation"},
    {"203.0.113.9", QUEUE_TARGET_PRIVATE, "for documentation"},
    {"224.0.0.1", QUEUE_TARGET_NEVER, "multicast"},
    {"239.255.255.255", QUEUE_TARGET_NEVER, "multicast"},
    {"240.0.0.1", QUEUE_TARGET_NEVER, "reserved"},
    {"255.255.255.255", QUEUE_TARGET_NEVER, "broadcast"},
    {"::", QUEUE_TARGET_NEVER, "unspecified"},
    {"::1", QUEUE_TARGET_PRIVATE, "loopback"},
    {"::ffff:127.0.0.1", QUEUE_TARGET_PRIVATE, "loopback"},
    {"::127.0.0.1", QUEUE_TARGET_PRIVATE, "loopback"},
    {"::2", QUEUE_TARGET_NEVER, "this network"},
    {"64:ff9b::8.8.8.8", QUEUE_TARGET_OK, ""},
    {"64:ff9b::10.1.1.1", QUEUE_TARGET_PRIVATE, "private"},
    {"64:ff9b::224.0.0.1", QUEUE_TARGET_NEVER, "multicast"},
    {"64:ff9b:1::8.8.8.8", QUEUE_TARGET_PRIVATE, "for translators"},
    {"100::1", QUEUE_TARGET_NEVER, "discard-only"},
    {"2001:db8::1", QUEUE_TARGET_PRIVATE, "for documentation"},
    {"2001:4860:4860::8888", QUEUE_TARGET_OK, ""},
    {"2002:7f00:1::1", QUEUE_TARGET_PRIVATE, "loopback"},
    {"2002:808:808::1", QUEUE_TARGET_OK, ""},
    {"fc00::1", QUEUE_TARGET_PRIVATE, "unique local"},
    {"fdff::1", QUEUE_TARGET_PRIVATE, "unique local"},
    {"fe80::1", QUEUE_TARGET_PRIVATE, "link-local"},
    {"febf::1", QUEUE_TARGET_PRIVATE, "link-local"},
    {"fec0::1", QUEUE_TARGET_PRIVATE, "site-local"},
    {"ff02::1", QUEUE_TARGET_NEVER, "multicast"},
};

static struct ip ip_of(const char *text)
{
	struct ip ip;

	if (!ip_parse(str_of_c(text), &ip))
		fail_msg("%s is no address", text);
	return ip;
}

static void test_targets(void **state)
{
	const struct queue_self configured = {.allow_private = true};

	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		struct ip ip = ip_of(targets[i].ip);
		struct queue_target_why why;
		enum queue_target got = queue_mx_target(&ip, &nobody, &why);

		if (got != targets[i].target || strcmp(why.what, targets[i].what))
			fail_msg("%s: %d %s", targets[i].ip, (int)got, why.what);
		assert_int_equal(strncmp(why.rfc, "RFC ", 4) == 0, got != QUEUE_TARGET_OK);
		assert_int_equal(queue_mx_target(&ip, &configured, NULL),
		    got == QUEUE_TARGET_PRIVATE ? QUEUE_TARGET_OK : got);
	}
}

/* Our own address is no target, whatever is configured, and in no disguise. */
static void test_own_address(void **state)
{
	const struct ip own[] = {ip_of("198.7.6.5"), ip_of("2a00::5"), ip_of("127.0.0.2")};
	const struct queue_self here = {
	    .addresses = own, .address_count = 3, .allow_private = true};
	static const char *const ours[] = {
	    "198.7.6.5", "2a00::5", "127.0.0.2", "64:ff9b::198.7.6.5", "2002:c607:605::1"};
	struct queue_target_why why;
	struct ip other = ip_of("127.0.0.3");

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		struct ip ip = ip_of(ours[i]);

		assert_int_equal(queue_mx_target(&ip, &here, &why), QUEUE_TARGET_OWN);
		assert_string_equal(why.what, "our own");
	}
	assert_int_equal(queue_mx_target(&other, &here, NULL), QUEUE_TARGET_OK);
}

/* ---- addresses ---- */
static size_t read_ips(const char *text, struct ip *ips)
{
	struct str rest = str_of_c(text);
	size_t n = 0;

	while (rest.n)
		assert_true(ip_parse(str_split(rest, ' ', &rest), &ips[n++]));
	return n;
}

static const char *add(
    struct queue_mx_addresses *list, const char *text, const struct queue_self *who, uint64_t seed)
{
	static char shape[2 * LIMIT_QUEUE_ADDRESSES + 1];
	struct ip ips[64];
	size_t before = list->count;
	size_t added = queue_mx_addresses_add(
	    list, ips, read_ips(text, ips), LIMIT_QUEUE_ADDRESSES, who, seed);

	for (size_t i = 0; i < added; i++)
		shape[i] = ip_is_v4(&list->ip[before + i]) ? '4' : '6';
	shape[added] = 0;
	assert_int_equal(list->count, before + added);
	return shape;
}

static void test_families(void **state)
{
	static const struct {
		const char *ips, *want;
	} rows[] = {
	    {"", ""},
	    {"8.0.0.1", "4"},
	    {"2a00::1", "6"},
	    {"8.0.0.1 2a00::1", "64"},
	    {"8.0.0.1 8.0.0.2 8.0.0.3 2a00::1", "6444"},
	    {"8.0.0.1 2a00::1 2a00::2 2a00::3", "6466"},
	    {"8.0.0.1 8.0.0.1 2a00::1 2a00::1", "64"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct queue_mx_addresses list;

		queue_mx_addresses_init(&list);
		assert_string_equal(add(&list, rows[i].ips, &nobody, i), rows[i].want);
		assert_int_equal(list.refused, 0);
		assert_int_equal(list.worst, QUEUE_TARGET_OK);
	}
}

static void test_refused(void **state)
{
	const struct ip own[] = {ip_of("8.8.8.8")};
	struct queue_self here = {.addresses = own, .address_count = 1};
	struct queue_mx_addresses list;
	struct ip ip;

	queue_mx_addresses_init(&list);
	assert_string_equal(add(&list, "224.0.0.1 8.0.0.1", &here, 1), "4");
	assert_int_equal(list.worst, QUEUE_TARGET_NEVER);
	assert_string_equal(add(&list, "127.0.0.1 224.0.0.2", &here, 1), "");
	assert_int_equal(list.worst, QUEUE_TARGET_PRIVATE);
	ip = ip_of("127.0.0.1");
	assert_true(ip_eq(&list.worst_ip, &ip));
	assert_false(list.ourselves);
	assert_string_equal(add(&list, "8.8.8.8 10.0.0.1", &here, 1), "");
	assert_int_equal(list.worst, QUEUE_TARGET_OWN);
	assert_int_equal(list.refused, 5);
	assert_true(list.ourselves);
	here.addresses = &ip; /* the loopback's, which is everybody's */
	queue_mx_addresses_init(&list);
	assert_string_equal(add(&list, "127.0.0.1", &here, 1), "");
	assert_int_equal(list.worst, QUEUE_TARGET_OWN);
	assert_false(list.ourselves);
}

/* 64 addresses of one host: as many as fit, another set by each seed; nothing is added when full. */
static void test_full(void **state)
{
	struct ip ips[64];
	struct queue_mx_addresses list, other;
	size_t met[64] = {0};

	for (size_t i = 0; i < 64; i++) {
		ips[i] = ip_of("8.0.0.0");
		ips[i].b[15] = (uint8_t)i;
	}
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		queue_mx_addresses_init(&list);
		assert_int_equal(queue_mx_addresses_add(&list, ips, 64, 64, &nobody, seed),
		    LIMIT_QUEUE_ADDRESSES);
		for (size_t i = 0; i < list.count; i++)
			met[list.ip[i].b[15]]++;
	}
	for (size_t i = 0; i < 64; i++)
		assert_in_range(met[i], SEEDS / 6, SEEDS / 2);
	other = list;
	assert_int_equal(queue_mx_addresses_add(&list, ips, 64, 64, &nobody, 5), 0);
	assert_memory_equal(&list, &other, sizeof list);
}

/* However many hosts have however many addresses, each has two, and what one leaves the next may have. */
static void test_shares(void **state)
{
	static const struct {
		size_t hosts, has[LIMIT_QUEUE_HOSTS], want[LIMIT_QUEUE_HOSTS];
	} rows[] = {
	    {1, {64}, {20}},
	    {2, {64, 64}, {10, 10}},
	    {2, {1, 64}, {1, 19}},
	    {3, {64, 0, 64}, {6, 0, 14}},
	    {10, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct queue_mx_hosts hosts = {.count = rows[i].hosts};
		struct queue_mx_addresses list;

		queue_mx_addresses_init(&list);
		for (size_t h = 0; h < hosts.count; h++) {
			struct ip ips[64];

			for (size_t n = 0; n < rows[i].has[h]; n++) {
				ips[n] = ip_of("8.0.0.0");
				ips[n].b[14] = (uint8_t)h;
				ips[n].b[15] = (uint8_t)n;
			}
			assert_int_equal(queue_mx_addresses_add(&list, ips, rows[i].has[h],
					     queue_mx_share(&list, &hosts, h), &nobody, i),
			    rows[i].want[h]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_orders),
	    cmocka_unit_test(test_better),
	    cmocka_unit_test(test_shuffle),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_own_address),
	    cmocka_unit_test(test_families),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
