#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"
#include "queue/queue_srs.h"

static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
static const struct hash_key other = {0x0123456789abcdef, 0xfedcba9876543211};

#define MESSAGE INT64_C(0x123456789abcdef)
#define NOW     (20000 * DAY_MS + 5 * HOUR_MS)

/* The address at the domain, or "" when it cannot be. */
static struct str made(
    struct arena *a, const char *sender, int64_t message, struct str domain, int64_t time)
{
	struct buf b;
	struct str s;

	buf_init(&b, LIMIT_SMTP_PATH);
	buf_lit(&b, "x");
	(void)queue_srs_put(&b, &key, str_of_c(sender), message, domain, time);
	s = arena_str(a, str_from(buf_view(&b), 1));
	buf_fini(&b);
	return s;
}

static struct str local_of(struct str address)
{
	return str_sub(address, 0, str_rfind(address, '@'));
}

static struct str domain_of(struct str address)
{
	return str_from(address, str_rfind(address, '@') + 1);
}

static struct str srs_of(struct arena *a, const char *sender)
{
	struct str address = made(a, sender, MESSAGE, STR("ours.test"), NOW);

	assert_true(str_eq(domain_of(address), STR("ours.test")));
	return local_of(address);
}

static struct str changed(struct arena *a, struct str s, size_t at, uint8_t c)
{
	uint8_t *copy = arena_alloc(a, s.n);

	memcpy(copy, s.p, s.n);
	copy[at] = c;
	return str_of(copy, s.n);
}

/* ---- there and back ---- */

static const struct {
	const char *sender, *form;  /* what the address looks like: H hash, T time */
	const char *local, *domain; /* what is read from it; NULL: the message */
} cases[] = {
    {"bob@a.test", "SRS0=HHHHHHHH=TT=a.test=bob", "bob", "a.test"},
    {"Bob.B@A.Test", "SRS0=HHHHHHHH=TT=A.Test=Bob.B", "Bob.B", "a.test"},
    {"a=b=@a.test", "SRS0=HHHHHHHH=TT=a.test=a=b=", "a=b=", "a.test"},
    {"!#$%&'*+-/=?^_`{|}~@a.test", "SRS0=HHHHHHHH=TT=a.test=!#$%&'*+-/=?^_`{|}~",
	"!#$%&'*+-/=?^_`{|}~", "a.test"},
    /* of other forwarders, with each separator */
    {"SRS0=aaaa=bb=a.test=bob@f.test", "SRS1=HHHHHHHHTT=f.test==aaaa=bb=a.test=bob",
	"SRS0=aaaa=bb=a.test=bob", "f.test"},
    {"srs0+aaaa=bb=a.test=bob@f.test", "SRS1=HHHHHHHHTT=f.test=+aaaa=bb=a.test=bob",
	"SRS0+aaaa=bb=a.test=bob", "f.test"},
    {"SRS0-aaaa=bb=a.test=bob@F.test", "SRS1=HHHHHHHHTT=F.test=-aaaa=bb=a.test=bob",
	"SRS0-aaaa=bb=a.test=bob", "f.test"},
    /* the first forwarder stays, the one between is left out */
    {"SRS1=cccc=f.test==aaaa=bb=a.test=bob@g.test", "SRS1=HHHHHHHHTT=f.test==aaaa=bb=a.test=bob",
	"SRS0=aaaa=bb=a.test=bob", "f.test"},
    {"SRS1+cccc=f.test=-aaaa=bb=a.test=bob@g.test", "SRS1=HHHHHHHHTT=f.test=-aaaa=bb=a.test=bob",
	"SRS0-aaaa=bb=a.test=bob", "f.test"},
    /* they only begin like one */
    {"SRS1=cccc=f.test@g.test", "SRS0=HHHHHHHH=TT=g.test=SRS1=cccc=f.test", "SRS1=cccc=f.test",
	"g.test"},
    {"SRS1=cccc=f.test==@g.test",
	"SRS0=HHHHHHHH=TT=g.test=SRS1=cccc=f.test==", "SRS1=cccc=f.test==", "g.test"},
    {"srs0@a.test", "SRS0=HHHHHHHH=TT=a.test=srs0", "srs0", "a.test"},
    {"srs0=@a.test", "SRS0=HHHHHHHH=TT=a.test=srs0=", "srs0=", "a.test"},
    {"srs2=x@a.test", "SRS0=HHHHHHHH=TT=a.test=srs2=x", "srs2=x", "a.test"},
    /* by the message: quotes, other characters, literals, what is longer than 64 octets */
    {"\"bob b\"@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"\"bob@b\"@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"b\303\266b@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"bob@\303\244.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"bob@[192.0.2.1]", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"bob", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {".bob@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"bob.@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"b..b@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
    {"a23456789b123456789c123456789d123456789e@a.test",
	"SRS0=HHHHHHHH=TT=a.test=a23456789b123456789c123456789d123456789e",
	"a23456789b123456789c123456789d123456789e", "a.test"},
    {"a23456789b123456789c123456789d123456789ef@a.test", "SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL,
	NULL},
    {"SRS0=aaaa=bb=a23456789b123456789c123456789.test=bob@f.test",
	"SRS0=HHHHHHHH=TT==028t5cy4tqkff", NULL, NULL},
};

static bool looks_like(struct str s, struct str form)
{
	if (s.n != form.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool free = i >= 5 && i < 16 && (form.p[i] == 'H' || form.p[i] == 'T');

		if (!free && s.p[i] != form.p[i])
			return false;
	}
	return true;
}

static void check_origin(struct arena *a, struct str local, size_t i)
{
	struct queue_srs_origin o = {0};
	enum queue_srs_status want = cases[i].local ? QUEUE_SRS_ADDRESS : QUEUE_SRS_MESSAGE;

	assert_int_equal(queue_srs_read(&key, local, NOW, a, &o), want);
	if (!cases[i].local) {
		assert_true(o.message == MESSAGE);
		return;
	}
	assert_true(str_eq_i(o.local, str_of_c(cases[i].local)));
	assert_true(str_eq(o.domain, str_of_c(cases[i].domain)));
}

static void there_and_back(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str local = srs_of(a, cases[i].sender);
		struct queue_srs_origin o;

		if (!looks_like(local, str_of_c(cases[i].form)))
			print_error("%s: %.*s\n", cases[i].sender, STR_FMT(local));
		assert_true(looks_like(local, str_of_c(cases[i].form)));
		assert_true(local.n <= LIMIT_SMTP_LOCAL_PART);
		check_origin(a, local, i);
		assert_int_equal(queue_srs_read(&other, local, NOW, a, &o), QUEUE_SRS_BAD);
	}
	arena_free(&a);
}

/* The octets between come back as they were, letters as the last server left them. */
static void case_is_folded(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str local = srs_of(a, cases[i].sender);
		struct buf b;

		buf_init(&b, LIMIT_SMTP_PATH);
		buf_lower(&b, local);
		check_origin(a, buf_view(&b), i);
		for (size_t k = 0; k < b.n; k++)
			if (b.p[k] >= 'a' && b.p[k] <= 'z')
				b.p[k] -= 32;
		check_origin(a, buf_view(&b), i);
		buf_fini(&b);
	}
	arena_free(&a);
}

/* Whatever octet is changed, cut off or added: it is not ours any more. */
static void nothing_can_be_changed(void **state)
{
	struct arena *a = arena_new();
	struct queue_srs_origin o;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str local = srs_of(a, cases[i].sender), longer;
		struct buf b;

		for (size_t k = 5; k < local.n; k++) {
			uint8_t c = ascii_lower(local.p[k]) == 'x' ? 'y' : 'x';
			struct str bad = changed(a, local, k, c);

			assert_int_equal(queue_srs_read(&key, bad, NOW, a, &o), QUEUE_SRS_BAD);
		}
		for (size_t n = 6; n < local.n; n++)
			assert_int_equal(
			    queue_srs_read(&key, str_sub(local, 0, n), NOW, a, &o), QUEUE_SRS_BAD);
		assert_int_equal(
		    queue_srs_read(
			&key, changed(a, local, 3, local.p[3] == '0' ? '1' : '0'), NOW, a, &o),
		    QUEUE_SRS_BAD);
		buf_init(&b, LIMIT_SMTP_PATH);
		buf_str(&b, local);
		buf_byte(&b, 'x');
		longer = buf_view(&b);
		assert_int_equal(queue_srs_read(&key, longer, NOW, a, &o), QUEUE_SRS_BAD);
		buf_fini(&b);
	}
	arena_free(&a);
}

/* ---- what is none, or a bad one ---- */

static void others(void **state)
{
	static const struct {
		const char *local;
		enum queue_srs_status want;
	} others[] = {
	    {"", QUEUE_SRS_NONE},
	    {"bob", QUEUE_SRS_NONE},
	    {"srs0", QUEUE_SRS_NONE},
	    {"SRS0=", QUEUE_SRS_NONE},
	    {"SRS0x", QUEUE_SRS_NONE},
	    {"SRS0.aaaaaaaa=bb=a.test=bob", QUEUE_SRS_NONE},
	    {"SRS2=aaaaaaaa=bb=a.test=bob", QUEUE_SRS_NONE},
	    {"xSRS0=aaaaaaaa=bb=a.test=bob", QUEUE_SRS_NONE},
	    {"SRS0=x", QUEUE_SRS_BAD},
	    {"SRS0=aaaaaaaa", QUEUE_SRS_BAD},
	    {"SRS0=aaaaaaaa=", QUEUE_SRS_BAD},
	    {"SRS0=aaaaaaaa=bb", QUEUE_SRS_BAD},
	    {"SRS0=aaaaaaaa=bb=a.test=bob", QUEUE_SRS_BAD},
	    {"SRS0=1aaaaaaa=bb=a.test=bob", QUEUE_SRS_BAD},
	    {"SRS0=aaaa=bb=a.test=bob", QUEUE_SRS_BAD},
	    {"SRS1=aaaaaaaa=f.test==aaaa=bb=a.test=bob", QUEUE_SRS_BAD},
	    {"SRS1=aaaaaaaabb=f.test==aaaa=bb=a.test=bob", QUEUE_SRS_BAD},
	    {"SRS1=aaaaaaaabb", QUEUE_SRS_BAD},
	    {"SRS1=aaaaaaaa=f.test", QUEUE_SRS_BAD},
	    {"SRS1+x", QUEUE_SRS_BAD},
	};
	struct arena *a = arena_new();
	struct queue_srs_origin o = {STR("untouched"), STR(""), 7};

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		enum queue_srs_status got = queue_srs_read(
		    &key, str_of_c(others[i].local), NOW, a, &o);

		if (got != others[i].want)
			print_error("%s\n", others[i].local);
		assert_int_equal(got, others[i].want);
	}
	assert_int_equal(o.message, 7);
	arena_free(&a);
}

/* ---- days ---- */

static void check_days(struct arena *a, const char *sender, int64_t day)
{
	int64_t first = day * DAY_MS, last = first + DAY_MS - 1;
	int64_t end = first + (QUEUE_SRS_DAYS + 1) * DAY_MS;
	const struct {
		int64_t made_at, now;
		enum queue_srs_status want;
	} times[] = {
	    {first, first, QUEUE_SRS_ADDRESS},
	    {last, end - 1, QUEUE_SRS_ADDRESS},
	    {last, end, QUEUE_SRS_EXPIRED},
	    {first, end, QUEUE_SRS_EXPIRED},
	    {first, first + 1022 * DAY_MS, QUEUE_SRS_EXPIRED},
	    /* the clock was set back, by less than a day and by more */
	    {last + 1, last, QUEUE_SRS_ADDRESS},
	    {last + 1 + DAY_MS, last, QUEUE_SRS_EXPIRED},
	};

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct queue_srs_origin o = {0};
		struct str address = made(a, sender, MESSAGE, STR("ours.test"), times[i].made_at);

		assert_int_equal(
		    queue_srs_read(&key, local_of(address), times[i].now, a, &o), times[i].want);
		assert_int_equal(o.domain.n > 0, times[i].want == QUEUE_SRS_ADDRESS);
	}
}

/* Those that lead to another forwarder too: he may see to no day. */
static void days_end_at_midnight(void **state)
{
	static const int64_t days[] = {0, 1, 1023, 1024, 1030, 20000, 20479, 20480};
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
		check_days(a, "bob@a.test", days[i]);
		check_days(a, "SRS0=aaaa=bb=a.test=bob@f.test", days[i]);
		check_days(a, "SRS1=cccc=f.test=+aaaa=bb=a.test=bob@g.test", days[i]);
	}
	arena_free(&a);
}

/* Whoever sends on what we sent on names the first forwarder, and not our day. */
static void others_read_ours(void **state)
{
	struct arena *a = arena_new();
	struct str ours = made(a, "SRS0+aaaa=bb=a.test=bob@f.test", MESSAGE, STR("ours.test"), NOW);
	struct str next = srs_of(a, arena_cstr(a, ours));

	assert_true(looks_like(next, STR("SRS1=HHHHHHHHTT=f.test=+aaaa=bb=a.test=bob")));
	arena_free(&a);
}

/* ---- limits ---- */

static struct str domain_of_length(struct arena *a, size_t n)
{
	uint8_t *p = arena_alloc(a, n);

	memset(p, 'a', n);
	for (size_t i = 50; i < n; i += 51)
		p[i] = '.';
	return str_of(p, n);
}

static void paths_fit(void **state)
{
	static const size_t by_message = 31, by_address = 27;
	struct arena *a = arena_new();
	size_t most = QUEUE_SRS_PATH_MAX - by_message - 1;
	struct str address;

	assert_int_equal(srs_of(a, "bob@a.test").n, by_address);
	address = made(a, "bob@a.test", MESSAGE, domain_of_length(a, most + 4), NOW);
	assert_int_equal(address.n, QUEUE_SRS_PATH_MAX);
	address = made(a, "bob@a.test", MESSAGE, domain_of_length(a, most + 5), NOW);
	assert_int_equal(address.n, 0);
	address = made(a, "bobobob@a.test", MESSAGE, domain_of_length(a, most), NOW);
	assert_int_equal(address.n, QUEUE_SRS_PATH_MAX);
	address = made(a, "bobobobo@a.test", MESSAGE, domain_of_length(a, most), NOW);
	assert_int_equal(address.n, QUEUE_SRS_PATH_MAX);
	assert_true(str_find_str(address, STR("==")) < address.n);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(case_is_folded),
	    cmocka_unit_test(nothing_can_be_changed),
	    cmocka_unit_test(others),
	    cmocka_unit_test(days_end_at_midnight),
	    cmocka_unit_test(others_read_ours),
	    cmocka_unit_test(paths_fit),
	};

	return cmocka_run_group_tests_name("queue/srs", tests, NULL, NULL);
}
