/* Interval sets against a plain array; the hash table and SipHash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/ranges.h"

#define N 200

static void test_ranges_against_an_array(void **state)
{
	unsigned seed = 3;

	for (int round = 0; round < 200; round++) {
		struct ranges r;
		bool in[N + 1] = {false};
		int64_t count = 0, nth = 0;

		ranges_init(&r);
		for (int i = 0; i < 150; i++) {
			int64_t v;

			seed = seed * 1103515245 + 12345;
			v = (int64_t)(seed >> 16) % N + 1;
			assert_int_equal(ranges_add(&r, v), !in[v]);
			count += !in[v];
			in[v] = true;
		}
		assert_int_equal(r.count, count);
		if (round % 2)
			ranges_seal(&r);
		for (int64_t v = 1; v <= N; v++) {
			assert_int_equal(ranges_has(&r, v), in[v]);
			nth += in[v];
			assert_int_equal(ranges_index(&r, v), in[v] ? nth : -1);
			if (in[v])
				assert_int_equal(ranges_nth(&r, nth), v);
		}
		assert_int_equal(ranges_nth(&r, count + 1), -1);
		assert_int_equal(ranges_nth(&r, 0), -1);
		for (size_t i = 1; i < r.n; i++) /* as few intervals as possible */
			assert_true(r.v[i].first > r.v[i - 1].last + 1);
		ranges_fini(&r);
	}
}

/* Of many intervals each member is found at once: a linear search would take minutes here. */
/* What is left of one random set without another. */
static void test_ranges_without_others(void **state)
{
	uint32_t dice = 1;

	for (int round = 0; round < 2000; round++) {
		struct ranges r, out;

		ranges_init(&r);
		ranges_init(&out);
		for (int i = 0; i < 24; i++) {
			dice = dice * 1664525u + 1013904223u;
			if (dice >> 30)
				ranges_add(&r, i);
			if (dice >> 28 & 1)
				ranges_add(&out, i);
		}
		for (int i = 0; i < 24; i += 2) {
			struct ranges left;

			ranges_init(&left);
			for (size_t j = 0; j < r.n; j++)
				ranges_add_range(&left, r.v[j].first, r.v[j].last);
			ranges_subtract(&left, &out);
			assert_int_equal(
			    ranges_has(&left, i), ranges_has(&r, i) && !ranges_has(&out, i));
			assert_int_equal(ranges_has(&left, i + 1),
			    ranges_has(&r, i + 1) && !ranges_has(&out, i + 1));
			for (size_t j = 1; j < left.n; j++)
				assert_true(left.v[j].first > left.v[j - 1].last + 1);
			ranges_fini(&left);
		}
		ranges_fini(&r);
		ranges_fini(&out);
	}
}

static void test_sealed_ranges(void **state)
{
	struct ranges r;

	ranges_init(&r);
	for (int64_t i = 1; i <= 500000; i++)
		ranges_add(&r, 2 * i);
	ranges_seal(&r);
	for (int64_t i = 1; i <= 500000; i++) {
		assert_int_equal(ranges_nth(&r, i), 2 * i);
		assert_int_equal(ranges_index(&r, 2 * i), i);
	}
	assert_int_equal(ranges_nth(&r, 500001), -1);
	assert_int_equal(ranges_index(&r, 3), -1);
	ranges_add(&r, 3); /* that unseals it */
	assert_int_equal(ranges_nth(&r, 2), 3);
	assert_int_equal(ranges_index(&r, 1000000), 500001);
	ranges_seal(&r);
	ranges_seal(&r);
	assert_int_equal(ranges_nth(&r, 500001), 1000000);
	ranges_fini(&r);
}

static void test_ranges_of_a_million(void **state)
{
	struct ranges r;

	ranges_init(&r);
	for (int64_t i = 1; i <= 1000000; i++)
		ranges_add(&r, i);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.count, 1000000);
	ranges_add_range(&r, 1000001, 2000000);
	ranges_add_range(&r, 3000000, 3000009);
	assert_int_equal(r.n, 2);
	assert_int_equal(ranges_nth(&r, 2000001), 3000000);
	ranges_fini(&r);
}

/* Vectors of the paper's reference: key 00..0f, input 00..0e and the empty one. */
static void test_siphash(void **state)
{
	struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t in[15];

	for (uint8_t i = 0; i < 15; i++)
		in[i] = i;
	assert_true(hash_bytes(&key, str_of(in, 15)) == 0xa129ca6149be45e5);
	assert_true(hash_bytes(&key, str_of(in, 0)) == 0x726fdb47dd0e0e31);
}

struct item {
	struct hash_node node;
	int value;
};

static void count_item(struct hash_node *n, void *ctx)
{
	*(int *)ctx += HASH_ENTRY(n, struct item, node)->value;
}

static void test_hash_table(void **state)
{
	static struct item items[1000];
	struct hash_table t;
	int sum = 0, found = 0;

	hash_init(&t);
	assert_null(hash_first(&t, 1));
	for (int i = 0; i < 1000; i++) {
		items[i].value = 1;
		hash_insert(&t, &items[i].node, (uint64_t)(i / 2)); /* two of each hash */
	}
	for (int i = 0; i < 1000; i += 4)
		hash_remove(&t, &items[i].node);
	for (uint64_t h = 0; h < 500; h++)
		for (struct hash_node *n = hash_first(&t, h); n; n = hash_next(n))
			found++;
	assert_int_equal(found, 750);
	hash_each(&t, count_item, &sum);
	assert_int_equal(sum, 750);
	hash_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranges_against_an_array),
	    cmocka_unit_test(test_ranges_of_a_million),
	    cmocka_unit_test(test_ranges_without_others),
	    cmocka_unit_test(test_sealed_ranges),
	    cmocka_unit_test(test_siphash),
	    cmocka_unit_test(test_hash_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
