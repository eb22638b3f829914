/* Answers of servers, good and bad: built octet by octet, cut everywhere, changed everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/wire.h"
#include "dns/dns_packet.h"

#define RESPONSE 0x8180
#define CNAME    5
#define SOA      6
#define L16      "abcdefghijklmnop"
#define L64      L16 L16 L16 L16

/* A packet under construction; counts are written into its header. */
static struct {
	struct buf b;
	struct arena *arena;
	struct dns_result r;
} t;

static int set_up(void **state)
{
	buf_init(&t.b, 100000);
	t.arena = arena_new();
	return 0;
}

static int tear_down(void **state)
{
	buf_fini(&t.b);
	arena_free(&t.arena);
	return 0;
}

/* "a.b" as labels; "" is the root. */
static void put_name(struct buf *b, const char *text)
{
	struct str rest = str_of_c(text);

	while (rest.n) {
		struct str label = str_split(rest, '.', &rest);

		wire_u8(b, (uint8_t)label.n);
		buf_str(b, label);
	}
	wire_u8(b, 0);
}

static void begin(unsigned flags, const char *name, enum dns_type type)
{
	buf_clear(&t.b);
	wire_u16(&t.b, 77);
	wire_u16(&t.b, (uint16_t)flags);
	wire_u16(&t.b, 1);
	for (int i = 0; i < 3; i++)
		wire_u16(&t.b, 0);
	put_name(&t.b, name);
	wire_u16(&t.b, dns_type_code(type));
	wire_u16(&t.b, 1);
}

static void count_one(size_t at)
{
	if (++t.b.p[at + 1] == 0)
		t.b.p[at]++;
}

/* A record with its data; section 6 is the answer, 8 the authority: where its count stands. */
static void put_raw(size_t section, const char *owner, unsigned type, uint32_t ttl, struct str data)
{
	count_one(section);
	put_name(&t.b, owner);
	wire_u16(&t.b, (uint16_t)type);
	wire_u16(&t.b, 1);
	wire_u32(&t.b, ttl);
	wire_u16(&t.b, (uint16_t)data.n);
	buf_str(&t.b, data);
}

static void put_cname(const char *owner, const char *to, uint32_t ttl)
{
	struct buf data;

	buf_init(&data, 300);
	put_name(&data, to);
	put_raw(6, owner, CNAME, ttl, buf_view(&data));
	buf_fini(&data);
}

static void put_mx(const char *owner, unsigned preference, const char *host, uint32_t ttl)
{
	struct buf data;

	buf_init(&data, 300);
	wire_u16(&data, (uint16_t)preference);
	put_name(&data, host);
	put_raw(6, owner, dns_type_code(DNS_MX), ttl, buf_view(&data));
	buf_fini(&data);
}

static void put_soa(uint32_t ttl, uint32_t minimum)
{
	struct buf data;

	buf_init(&data, 300);
	put_name(&data, "ns.test");
	put_name(&data, "root.test");
	for (int i = 0; i < 4; i++)
		wire_u32(&data, 1000);
	wire_u32(&data, minimum);
	put_raw(8, "test", SOA, ttl, buf_view(&data));
	buf_fini(&data);
}

static enum dns_status read_as(const char *name, enum dns_type type)
{
	arena_reset(t.arena, true);
	dns_packet_read(buf_view(&t.b), str_of_c(name), type, t.arena, &t.r);
	assert_int_equal(t.r.count > 0, t.r.status == DNS_OK);
	assert_int_equal(t.r.why.n > 0,
	    t.r.status != DNS_OK && t.r.status != DNS_NODATA && t.r.status != DNS_NXDOMAIN);
	assert_false(t.r.secure);
	return t.r.status;
}

#define assert_str(got, want) assert_true(str_eq((got), STR(want)))

/* ---- each type ---- */
static void test_addresses(void **state)
{
	struct ip want;

	begin(RESPONSE, "H.test", DNS_A);
	put_raw(6, "h.TEST", 1, 300, STR("\300\0\2\1"));
	put_raw(6, "h.test", 1, 200, STR("\300\0\2\2"));
	assert_int_equal(read_as("h.test", DNS_A), DNS_OK);
	assert_int_equal(t.r.count, 2);
	ip_parse(STR("192.0.2.2"), &want);
	assert_true(ip_eq(&t.r.answers[1].ip, &want));
	assert_int_equal(t.r.ttl, 200);
	assert_str(t.r.canonical, "h.test");

	begin(RESPONSE, "h.test", DNS_AAAA);
	put_raw(6, "h.test", 28, 300, STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
	assert_int_equal(read_as("h.test", DNS_AAAA), DNS_OK);
	ip_parse(STR("2001:db8::1"), &want);
	assert_true(ip_eq(&t.r.answers[0].ip, &want));
}

static void test_mx(void **state)
{
	begin(RESPONSE, "b.test", DNS_MX);
	put_mx("b.test", 20, "MX2.b.Test", 60);
	put_mx("b.test", 10, "mx1.b.test", 60);
	put_mx("other.test", 1, "evil.test", 60);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
	assert_int_equal(t.r.count, 2);
	assert_int_equal(t.r.answers[0].preference, 20);
	assert_str(t.r.answers[0].host, "mx2.b.test");
	assert_int_equal(t.r.dropped, 0);

	begin(RESPONSE, "b.test", DNS_MX); /* null MX [RFC 7505 3] */
	put_mx("b.test", 0, "", 60);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
	assert_int_equal(t.r.answers[0].host.n, 0);
}

static void test_texts(void **state)
{
	begin(RESPONSE, "b.test", DNS_TXT);
	put_raw(6, "b.test", 16, 60, STR("\6v=spf1\5 -all\0"));
	put_raw(6, "b.test", 16, 60, STR("\0"));
	assert_int_equal(read_as("b.test", DNS_TXT), DNS_OK);
	assert_int_equal(t.r.count, 2);
	assert_str(t.r.answers[0].bytes, "v=spf1 -all");
	assert_int_equal(t.r.answers[1].bytes.n, 0);

	begin(RESPONSE, "_25._tcp.mx.test", DNS_TLSA);
	put_raw(6, "_25._tcp.mx.test", 52, 60, STR("\3\1\1\xab\xcd"));
	assert_int_equal(read_as("_25._tcp.mx.test", DNS_TLSA), DNS_OK);
	assert_int_equal(t.r.answers[0].usage, 3);
	assert_int_equal(t.r.answers[0].selector, 1);
	assert_int_equal(t.r.answers[0].matching, 1);
	assert_str(t.r.answers[0].bytes, "\xab\xcd");

	begin(RESPONSE, "1.2.0.192.in-addr.arpa", DNS_PTR);
	put_raw(6, "1.2.0.192.in-addr.arpa", 12, 60, STR("\4Mail\4test\0"));
	assert_int_equal(read_as("1.2.0.192.in-addr.arpa", DNS_PTR), DNS_OK);
	assert_str(t.r.answers[0].host, "mail.test");
}

/* Records whose data is not what their type says: left out, and without any other, BAD. */
static void test_bad_data(void **state)
{
	static const struct {
		enum dns_type type;
		struct str data;
	} rows[] = {
	    {DNS_A, STR_INIT("\1\2\3")},
	    {DNS_A, STR_INIT("\1\2\3\4\5")},
	    {DNS_A, STR_INIT("")},
	    {DNS_AAAA, STR_INIT("\1\2\3\4")},
	    {DNS_MX, STR_INIT("")},
	    {DNS_MX, STR_INIT("\0")},
	    {DNS_MX, STR_INIT("\0\1")},
	    {DNS_MX, STR_INIT("\0\1\1a")},
	    {DNS_MX, STR_INIT("\0\1\1a\0\0")},
	    {DNS_MX, STR_INIT("\0\1\3a.b\0")},
	    {DNS_MX, STR_INIT("\0\1\3a b\0")},
	    {DNS_MX, STR_INIT("\0\1\3a\0b\0")},
	    {DNS_MX, STR_INIT("\0\1\2\303\244\0")},
	    {DNS_MX, STR_INIT("\0\1\300\377")},
	    {DNS_MX, STR_INIT("\0\1\100a\0")},
	    {DNS_TXT, STR_INIT("")},
	    {DNS_TXT, STR_INIT("\5abcd")},
	    {DNS_TXT, STR_INIT("\1a\1")},
	    {DNS_TLSA, STR_INIT("\3\1\1")},
	    {DNS_TLSA, STR_INIT("\3")},
	    {DNS_PTR, STR_INIT("\0")},
	    {DNS_PTR, STR_INIT("\1a")},
	    {DNS_PTR, STR_INIT("\100" L64 "\0")},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(RESPONSE, "b.test", rows[i].type);
		put_raw(6, "b.test", dns_type_code(rows[i].type), 60, rows[i].data);
		if (read_as("b.test", rows[i].type) != DNS_BAD || t.r.dropped != 1)
			fail_msg("row %zu: %s", i, dns_status_name(t.r.status));
		if (rows[i].type != DNS_MX)
			continue;
		put_mx("b.test", 5, "good.test", 60);
		assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
		assert_int_equal(t.r.count, 1);
		assert_int_equal(t.r.dropped, 1);
	}
}

/* ---- nothing there ---- */
static void test_negative(void **state)
{
	begin(RESPONSE, "b.test", DNS_MX);
	put_soa(900, 300);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_NODATA);
	assert_int_equal(t.r.ttl, 300);
	begin(RESPONSE | 3, "b.test", DNS_MX);
	put_soa(100, 300);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_NXDOMAIN);
	assert_int_equal(t.r.ttl, 100);
	begin(RESPONSE, "b.test", DNS_MX);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_NODATA);
	assert_int_equal(t.r.ttl, 0);
	begin(RESPONSE, "b.test", DNS_A); /* of another name, another type */
	put_raw(6, "c.test", 1, 60, STR("\1\2\3\4"));
	put_mx("b.test", 1, "m.test", 60);
	assert_int_equal(read_as("b.test", DNS_A), DNS_NODATA);
	begin(RESPONSE, "b.test", DNS_A); /* in the wrong section */
	put_raw(8, "b.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("b.test", DNS_A), DNS_NODATA);
}

static void test_failures(void **state)
{
	static const struct {
		unsigned flags;
		enum dns_status want;
	} rows[] = {
	    {0x8182, DNS_SERVFAIL}, /* SERVFAIL */
	    {0x8185, DNS_SERVFAIL}, /* REFUSED */
	    {0x8181, DNS_SERVFAIL}, /* FORMERR */
	    {0x8380, DNS_SERVFAIL}, /* truncated */
	    {0x0100, DNS_BAD},      /* a question */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(rows[i].flags, "b.test", DNS_A);
		put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
		assert_int_equal(read_as("b.test", DNS_A), rows[i].want);
		assert_int_equal(t.r.ttl, 0);
	}
}

/* The question in the packet is not the one asked. */
static void test_other_question(void **state)
{
	begin(RESPONSE, "c.test", DNS_A);
	put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
	begin(RESPONSE, "b.test", DNS_AAAA);
	put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
	begin(RESPONSE, "b.test", DNS_A);
	put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
	t.b.p[5] = 2; /* two questions */
	assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
	t.b.p[5] = 0;
	assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
}

/* One label "b.test" looks like two; another class is another world. */
static void test_look_alikes(void **state)
{
	begin(RESPONSE, "b.test", DNS_A);
	count_one(6);
	buf_add(&t.b, "\6b.test\0\0\1\0\1\0\0\0\74\0\4\1\2\3\4", 22);
	count_one(6);
	buf_add(&t.b, "\1b\4test\0\0\1\0\3\0\0\0\74\0\4\1\2\3\4", 22);
	assert_int_equal(read_as("b.test", DNS_A), DNS_NODATA);
	t.b.p[t.b.n - 11] = 1; /* class IN */
	assert_int_equal(read_as("b.test", DNS_A), DNS_OK);
	assert_int_equal(t.r.count, 1);
}

/* ---- aliases ---- */
static void test_cname(void **state)
{
	begin(RESPONSE, "a.test", DNS_A); /* in any order */
	put_raw(6, "c.test", 1, 60, STR("\1\2\3\4"));
	put_cname("B.test", "C.test", 30);
	put_cname("a.test", "b.test", 600);
	assert_int_equal(read_as("a.test", DNS_A), DNS_OK);
	assert_str(t.r.canonical, "c.test");
	assert_int_equal(t.r.ttl, 30);

	begin(RESPONSE | 3, "a.test", DNS_A); /* to what is not there */
	put_cname("a.test", "b.test", 30);
	put_soa(900, 900);
	assert_int_equal(read_as("a.test", DNS_A), DNS_NXDOMAIN);
	assert_str(t.r.canonical, "b.test");
	assert_int_equal(t.r.ttl, 30);

	begin(RESPONSE, "a.test", DNS_A); /* beside other data: that counts */
	put_cname("a.test", "b.test", 30);
	put_raw(6, "a.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("a.test", DNS_A), DNS_OK);
	assert_str(t.r.canonical, "a.test");
}

static void put_chain(int length)
{
	char from[32], to[32];

	begin(RESPONSE, "n0.test", DNS_A);
	for (int i = 0; i < length; i++) {
		snprintf(from, sizeof from, "n%d.test", i);
		snprintf(to, sizeof to, "n%d.test", i + 1);
		put_cname(from, to, 60);
	}
	snprintf(from, sizeof from, "n%d.test", length);
	put_raw(6, from, 1, 60, STR("\1\2\3\4"));
}

static void test_cname_ends(void **state)
{
	put_chain(LIMIT_DNS_CNAMES - 1);
	assert_int_equal(read_as("n0.test", DNS_A), DNS_OK);
	put_chain(LIMIT_DNS_CNAMES);
	assert_int_equal(read_as("n0.test", DNS_A), DNS_BAD);
	begin(RESPONSE, "a.test", DNS_A);
	put_cname("a.test", "b.test", 60);
	put_cname("b.test", "a.test", 60);
	assert_int_equal(read_as("a.test", DNS_A), DNS_BAD);
	begin(RESPONSE, "a.test", DNS_A);
	put_cname("a.test", "a.test", 60);
	assert_int_equal(read_as("a.test", DNS_A), DNS_BAD);
	begin(RESPONSE, "a.test", DNS_A);
	put_raw(6, "a.test", CNAME, 60, STR("\3a b\0"));
	assert_int_equal(read_as("a.test", DNS_A), DNS_BAD);
}

/* ---- compression ---- */
static void test_pointers(void **state)
{
	begin(RESPONSE, "b.test", DNS_MX);
	count_one(6);
	/* owner: pointer to the question; host: "mx" and a pointer to "test" in it */
	buf_add(&t.b, "\300\14\0\17\0\1\0\0\0\74\0\7\0\12\2mx\300\16", 19);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
	assert_str(t.r.answers[0].host, "mx.test");
	/* a pointer to a pointer */
	count_one(6);
	buf_add(&t.b, "\300\30\0\17\0\1\0\0\0\74\0\4\0\12\300\51", 16);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
	assert_int_equal(t.r.count, 2);
	assert_str(t.r.answers[1].host, "test");
}

static void test_bad_pointers(void **state)
{
	static const struct str owners[] = {
	    STR_INIT("\300\30"),    /* to itself */
	    STR_INIT("\1a\300\30"), /* to its own beginning */
	    STR_INIT("\300\31"),    /* forwards */
	    STR_INIT("\300\44"),    /* forwards, to a good name */
	    STR_INIT("\377\377"),   /* outside */
	    STR_INIT("\100a\0"),    /* kinds of labels that are none */
	    STR_INIT("\200a\0"),
	};

	for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
		begin(RESPONSE, "b.test", DNS_A);
		count_one(6);
		buf_str(&t.b, owners[i]);
		buf_add(&t.b, "\0\143\0\1\0\0\0\74\0\10\1b\4test\0", 18);
		assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
	}
}

/* Thousands of pointers, each to the one before: refused, not followed to the end. */
static void test_pointer_stairs(void **state)
{
	size_t at = 0;

	begin(RESPONSE, "b.test", DNS_A);
	count_one(6);
	buf_lit(&t.b, "\0\0\143\0\1\0\0\0\74");
	wire_u16(&t.b, 8000);
	at = t.b.n;
	wire_u16(&t.b, 0xc00c);
	for (int i = 1; i < 4000; i++) {
		wire_u16(&t.b, (uint16_t)(0xc000 | at));
		at += 2;
	}
	count_one(6);
	wire_u16(&t.b, (uint16_t)(0xc000 | at));
	buf_add(&t.b, "\0\1\0\1\0\0\0\74\0\4\1\2\3\4", 14);
	assert_int_equal(read_as("b.test", DNS_A), DNS_BAD);
}

/* ---- much ---- */
static void test_many(void **state)
{
	begin(RESPONSE, "b.test", DNS_A);
	for (int i = 0; i < 100; i++)
		put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("b.test", DNS_A), DNS_OK);
	assert_int_equal(t.r.count, LIMIT_DNS_ANSWERS);
	assert_int_equal(t.r.dropped, 100 - LIMIT_DNS_ANSWERS);
	begin(RESPONSE, "b.test", DNS_A);
	for (int i = 0; i < 2500; i++)
		put_raw(6, "b.test", 1, 60, STR("\1\2\3\4"));
	assert_int_equal(read_as("b.test", DNS_A), DNS_OK);
	assert_int_equal(t.r.count, LIMIT_DNS_ANSWERS);
}

/* Of more MX than are kept the best ones are, wherever they stand. */
static void test_many_mx(void **state)
{
	begin(RESPONSE, "b.test", DNS_MX);
	for (unsigned i = 0; i < 100; i++)
		put_mx("b.test", 1 + (i * 37 + 50) % 100, "mx.b.test", 60);
	assert_int_equal(read_as("b.test", DNS_MX), DNS_OK);
	assert_int_equal(t.r.count, LIMIT_DNS_ANSWERS);
	assert_int_equal(t.r.dropped, 100 - LIMIT_DNS_ANSWERS);
	for (size_t i = 0; i < t.r.count; i++)
		assert_in_range(t.r.answers[i].preference, 1, LIMIT_DNS_ANSWERS);
}

static void put_long_txt(size_t strings)
{
	struct buf data;

	buf_init(&data, 70000);
	for (size_t i = 0; i < strings; i++) {
		wire_u8(&data, 255);
		for (int k = 0; k < 255; k++)
			buf_byte(&data, 'x');
	}
	put_raw(6, "b.test", 16, 60, buf_view(&data));
	buf_fini(&data);
}

static void test_long_txt(void **state)
{
	begin(RESPONSE, "b.test", DNS_TXT);
	put_long_txt(LIMIT_DNS_ANSWER / 256);
	assert_int_equal(read_as("b.test", DNS_TXT), DNS_OK);
	assert_int_equal(t.r.answers[0].bytes.n, LIMIT_DNS_ANSWER / 256 * 255);
	begin(RESPONSE, "b.test", DNS_TXT);
	put_long_txt(LIMIT_DNS_ANSWER / 256 + 1);
	assert_int_equal(read_as("b.test", DNS_TXT), DNS_BAD);
	put_raw(6, "b.test", 16, 60, STR("\2ok"));
	assert_int_equal(read_as("b.test", DNS_TXT), DNS_OK);
	assert_int_equal(t.r.dropped, 1);
}

static void test_ttl(void **state)
{
	static const struct {
		uint32_t ttl, want;
	} rows[] = {{0, 0}, {1, 1}, {LIMIT_DNS_TTL, LIMIT_DNS_TTL},
	    {LIMIT_DNS_TTL + 1, LIMIT_DNS_TTL}, {INT32_MAX, LIMIT_DNS_TTL},
	    {UINT32_C(0x80000000), 0}, {UINT32_MAX, 0}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(RESPONSE, "b.test", DNS_A);
		put_raw(6, "b.test", 1, rows[i].ttl, STR("\1\2\3\4"));
		assert_int_equal(read_as("b.test", DNS_A), DNS_OK);
		assert_int_equal(t.r.ttl, rows[i].want);
	}
}

/* ---- cut and changed at every octet ---- */
static void put_rich(void)
{
	begin(RESPONSE, "a.test", DNS_MX);
	put_cname("a.test", "b.test", 60);
	put_mx("b.test", 10, "mx.test", 60);
	put_soa(60, 60);
}

static void test_cut(void **state)
{
	size_t n;

	put_rich();
	n = t.b.n;
	assert_int_equal(read_as("a.test", DNS_MX), DNS_OK);
	while (n-- > 0) {
		uint8_t *copy = mem_alloc(n); /* so that reading behind it is seen */

		memcpy(copy, t.b.p, n);
		arena_reset(t.arena, true);
		dns_packet_read(str_of(copy, n), STR("a.test"), DNS_MX, t.arena, &t.r);
		assert_int_equal(t.r.status, DNS_BAD);
		mem_free(copy);
	}
}

static void test_changed(void **state)
{
	put_rich();
	for (size_t i = 0; i < t.b.n; i++) {
		uint8_t was = t.b.p[i];

		for (unsigned v = 0; v < 256; v++) {
			t.b.p[i] = (uint8_t)v;
			read_as("a.test", DNS_MX);
			for (size_t k = 0; k < t.r.count; k++)
				assert_true(t.r.answers[k].host.n == 0 ||
					    dns_name_is_valid(t.r.answers[k].host));
		}
		t.b.p[i] = was;
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_addresses),
	    T(test_mx),
	    T(test_texts),
	    T(test_bad_data),
	    T(test_negative),
	    T(test_failures),
	    T(test_other_question),
	    T(test_look_alikes),
	    T(test_cname),
	    T(test_cname_ends),
	    T(test_pointers),
	    T(test_bad_pointers),
	    T(test_pointer_stairs),
	    T(test_many),
	    T(test_many_mx),
	    T(test_long_txt),
	    T(test_ttl),
	    T(test_cut),
	    T(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
