/* What tests of the damaged share. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "damage.h"

#include "base/mem.h"

#define BITS  8 /* of each column, in the long form; else each third of them */
#define SIGNS 2

struct store damage_store(struct rig *r)
{
	return (struct store){.cfg = store_defaults(STORE_OFFLINE),
	    .db = r->db,
	    .blobs = r->blobs,
	    .lane = r->lane,
	    .dir.fs = r->fs};
}

int64_t damage_find(struct rig *r, int64_t octets,
    void (*on)(void *ctx, const struct verify_finding *f), void *ctx, int64_t *left_r)
{
	struct verify *v = mem_new(struct verify);
	int64_t found;

	assert_true(verify_begin(v, r->blobs, "store.db"));
	v->on_finding = on;
	v->ctx = ctx;
	while (!v->complete)
		assert_int_equal(verify_step(v, octets), DB_OK);
	if (left_r)
		*left_r = v->octets_all - v->octets;
	found = v->findings;
	verify_end(v);
	mem_free(v);
	return found;
}

int64_t damage_count(struct rig *r)
{
	return damage_find(r, INT64_MAX / 2, NULL, NULL, NULL);
}

static void must_not_be(void *ctx, const struct verify_finding *f)
{
	fail_msg("%s: %.*s", f->what, STR_FMT(f->detail));
}

void damage_must_be_none(struct rig *r)
{
	(void)damage_find(r, INT64_MAX / 2, must_not_be, NULL, NULL);
	rig_must_balance(r);
}

struct repair damage_repair(struct rig *r)
{
	struct store store = damage_store(r);
	struct repair repair = {.who = STR("damage.c"), .what = STR("repair")};

	if (!repair_run(&repair, &store))
		fail_msg("%s", repair.err.text);
	return repair;
}

static void flip_column(struct rig *r, const struct flip_column *c, bool sign, void (*then)(void))
{
	flip_one(r, c, sign);
	if (!flip_differs(r, c->table))
		return;
	if (damage_count(r) == 0 && !c->unnamed)
		fail_msg("%s.%s changed, and nothing is found", c->table, c->name);
	if (then)
		then();
	flip_put_back(r, c->table);
}

void damage_each_column(
    struct rig *r, const struct flip_column *columns, size_t n, void (*then)(void))
{
	assert_int_equal(damage_count(r), 0);
	for (size_t i = 0; i < n * BITS; i += (size_t)fault_step(5))
		flip_column(r, &columns[i / BITS], false, then);
	for (size_t i = 0; i < n * SIGNS; i++)
		flip_column(r, &columns[i / SIGNS], true, then);
	assert_int_equal(damage_count(r), 0);
}
