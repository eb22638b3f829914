/*
 * Random operations against a model of a few lines: what is in each mailbox with which keywords, what
 * each account uses, and what each open snapshot must go on seeing. Fixed seeds: a failure names its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "rig.h"
#include "rules.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/mailbox_keywords.h"

#define ACCOUNTS  4
#define MAILS     4000
#define SNAPSHOTS 5
#define STEPS     400
#define QUOTA     1500
#define UNDELETE  (2 * HOUR_MS)

struct mail {
	int64_t email, size;
	unsigned keywords; /* bits: which of the model's */
};

/* An account as it should be. */
struct owner {
	const char *address;
	int64_t account;
	int64_t quota;
	bool disabled;
	struct mail mails[MAILS]; /* those there are, oldest first */
	size_t n;
	int64_t used;
};

/* A snapshot somebody holds, and what was there when he opened it. */
struct held {
	bool open;
	struct mailbox_snapshot s;
	struct mail mails[MAILS];
	size_t n;
	int64_t opened;
};

static struct rig rig;
static struct owner *owners;
static struct held *held;
static int64_t accepted, queued;

static int64_t prefix_size(const char *to)
{
	return (int64_t)(strlen("Return-Path: <x@else.test>\r\nDelivered-To: \r\n") + strlen(to));
}

static bool takes(const struct owner *o, int64_t size)
{
	return !o->disabled && (o->quota == 0 || o->used + size <= o->quota);
}

static void put_in(struct owner *o, int64_t email, int64_t size)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->mails[i].email == email)
			return;
	}
	MUST(o->n < MAILS);
	o->mails[o->n++] = (struct mail){email, size, 0};
	o->used += size;
}

/* ---- the operations ---- */

static struct str text_of(struct arena *a, size_t length)
{
	uint8_t *p = arena_alloc(a, length);

	memset(p, 'a' + (int)chance_pick(26), length);
	return str_of(p, length);
}

/* To some of the accounts and perhaps elsewhere; taken by all or by none. */
static void step_send(void)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text of some length\r\n");
	int64_t length = (int64_t)(5 + chance_pick(100));
	struct owner *to[ACCOUNTS];
	size_t n = 0, outside = chance_pick(4) == 0;
	bool all = true;

	d->data = text_of(d->arena, (size_t)length);
	for (size_t i = 0; i < ACCOUNTS; i++) {
		if (chance_pick(3) == 0)
			to[n++] = &owners[i];
	}
	for (size_t i = 0; i < n; i++) {
		rig_to(d, to[i]->address);
		all = all && takes(to[i], length + prefix_size(to[i]->address));
	}
	if (outside || n == 0) {
		rig_to(d, "y@else.test")->action = PLAN_RELAY;
		d->may_relay = true;
		outside = 1;
	}
	/* with permanent and temporary refusals mixed, a full mailbox decides for all */
	for (size_t i = 0; i < n; i++) {
		if (to[i]->disabled) {
			deliver_free(&d);
			return;
		}
	}
	assert_int_equal(rig_run(&rig, d), all);
	for (size_t i = 0; i < n && all; i++)
		put_in(to[i], d->message_id, length + prefix_size(to[i]->address));
	accepted += all ? (int64_t)d->n : 0;
	queued += all ? (int64_t)outside : 0;
	deliver_free(&d);
}

static void step_open(void)
{
	struct held *h = &held[chance_pick(SNAPSHOTS)];
	struct owner *o = &owners[chance_pick(ACCOUNTS)];

	if (h->open)
		mailbox_snapshot_fini(&h->s);
	h->s = rig_snapshot(&rig, o->account, MAILBOX_INBOX);
	h->open = true;
	h->opened = rig.now;
	h->n = o->n;
	memcpy(h->mails, o->mails, o->n * sizeof *o->mails);
}

static struct owner *owner_of(int64_t account)
{
	for (size_t i = 0; i < ACCOUNTS; i++) {
		if (owners[i].account == account)
			return &owners[i];
	}
	fail_msg("no such account");
	return NULL;
}

static bool take_out(struct owner *o, int64_t email)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->mails[i].email == email) {
			o->used -= o->mails[i].size;
			memmove(&o->mails[i], &o->mails[i + 1], (o->n - i - 1) * sizeof *o->mails);
			o->n--;
			return true;
		}
	}
	return false;
}

/* Some messages of an open snapshot; others may have taken them out before. */
static void step_expunge(void)
{
	struct held *h = &held[chance_pick(SNAPSHOTS)];
	int64_t first, last, want = 0;

	if (!h->open || h->n == 0)
		return;
	first = 1 + (int64_t)chance_pick(h->n);
	last = first + (int64_t)chance_pick(5);
	last = last > (int64_t)h->n ? (int64_t)h->n : last;
	for (int64_t i = first; i <= last; i++)
		want += take_out(owner_of(h->s.account), h->mails[i - 1].email);
	assert_int_equal(rig_expunge(&rig, &h->s, first, last), want);
}

/* The model's keywords, each with a blank before it. */
static struct str words_of(struct arena *a, unsigned keywords)
{
	static const char *const words[] = {"$answered", "$seen", "work"};
	struct buf b;
	struct str all;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (keywords & 1u << i)
			buf_printf(&b, "%s%s", b.n ? " " : "", words[i]);
	}
	all = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return all;
}

static struct mail *find(struct owner *o, int64_t email)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->mails[i].email == email)
			return &o->mails[i];
	}
	return NULL;
}

/* Adds and removes keywords of some messages of an open snapshot; others may have deleted them. */
static void step_keywords(void)
{
	struct held *h = &held[chance_pick(SNAPSHOTS)];
	unsigned remove = (unsigned)chance_pick(8), add = (unsigned)chance_pick(8);
	struct mailbox_keywords k;
	struct arena *a = arena_new();
	int64_t want = 0, first, last;

	if (h->open && h->n > 0) {
		first = 1 + (int64_t)chance_pick(h->n);
		last = first + (int64_t)chance_pick((size_t)((int64_t)h->n - first + 1));
		mailbox_keywords_init(&k, h->s.account, MAILBOX_INBOX);
		for (int64_t i = first; i <= last; i++) {
			struct mail *m = find(owner_of(h->s.account), h->mails[i - 1].email);
			unsigned then = m ? (m->keywords & ~remove) | add : 0;

			ranges_add(&k.uids, ranges_nth(&h->s.uids, i));
			want += m && then != m->keywords;
			if (m)
				m->keywords = then;
		}
		k.remove = words_of(a, remove);
		k.add = words_of(a, add);
		k.op.done = rig_nothing;
		do {
			lane_run_one(rig.lane, &k.op, rig.now);
			assert_int_equal(k.op.result, LANE_DONE);
		} while (mailbox_keywords_go_on(&k));
		assert_int_equal(k.total, want);
		mailbox_keywords_fini(&k);
	}
	arena_free(&a);
}

static void step_time(void)
{
	rig.now += (int64_t)chance_pick(HOUR_MS);
	rig_maintain(&rig, UNDELETE, DAY_MS * 1000);
	for (size_t i = 0; i < SNAPSHOTS; i++) { /* what is purged is gone from old snapshots */
		if (held[i].open && rig.now - held[i].opened > UNDELETE) {
			mailbox_snapshot_fini(&held[i].s);
			held[i].open = false;
		}
	}
}

static void step_restart(void)
{
	rig_restart(&rig);
}

static void step_disable(void)
{
	struct owner *o = &owners[chance_pick(ACCOUNTS)];

	o->disabled = !o->disabled && chance_pick(2);
	rig_change(&rig, o->disabled ? DIRECTORY_ACCOUNT_DISABLE : DIRECTORY_ACCOUNT_ENABLE,
	    o->address, NULL);
}

/* ---- the comparison ---- */

static void compare_mails(const struct mailbox_snapshot *s, const struct mail *mails, size_t n)
{
	struct mailbox_entry v[8];
	size_t got, at = 0;

	assert_int_equal(mailbox_snapshot_count(s), n);
	do {
		assert_int_equal(mailbox_entries(rig.db, s, (int64_t)at + 1, v, 8, &got), DB_OK);
		for (size_t i = 0; i < got; i++, at++) {
			assert_int_equal(v[i].number, at + 1);
			assert_int_equal(v[i].email, mails[at].email);
			assert_int_equal(v[i].size, mails[at].size);
		}
	} while (got > 0);
	assert_int_equal(at, n);
}

static void compare_one_content(const struct held *h)
{
	struct arena *a = arena_new();
	int64_t number = 1 + (int64_t)chance_pick(h->n);

	assert_int_equal(rig_read(&rig, a, &h->s, number).n, h->mails[number - 1].size);
	arena_free(&a);
}

static void compare_keywords(const struct owner *o)
{
	struct db_query *q = db_begin_query(rig.db, SQL_KEYWORDS_LIST,
	    DB_ARGS(db_int(o->account), db_int(MAILBOX_INBOX), db_int(1), db_int(INT64_MAX),
		db_int(MAILS)));
	struct arena *a = arena_new();
	size_t n = 0;

	for (; db_step(q) == DB_ROW; n++) {
		assert_int_equal(db_col_int(q, 1), o->mails[n].email);
		assert_true(str_eq(db_col_str(q, 4), words_of(a, o->mails[n].keywords)));
	}
	assert_int_equal(db_end(q), DB_OK);
	assert_int_equal(n, o->n);
	arena_free(&a);
}

static void compare(void)
{
	for (size_t i = 0; i < ACCOUNTS; i++) {
		struct mailbox_snapshot s = rig_snapshot(&rig, owners[i].account, MAILBOX_INBOX);

		compare_mails(&s, owners[i].mails, owners[i].n);
		assert_int_equal(s.octets, owners[i].used);
		compare_keywords(&owners[i]);
		mailbox_snapshot_fini(&s);
	}
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (!held[i].open)
			continue;
		compare_mails(&held[i].s, held[i].mails, held[i].n);
		if (held[i].n > 0)
			compare_one_content(&held[i]);
	}
}

static const struct chance_step steps[] = {
    {40, step_send},
    {15, step_open},
    {25, step_expunge},
    {15, step_keywords},
    {10, step_time},
    {2, step_restart},
    {8, step_disable},
};

static void begin(uint64_t seed)
{
	static const char *const addresses[ACCOUNTS] = {
	    "ann@a.test", "bob@a.test", "cat@b.test", "dan@b.test"};

	chance_begin(seed);
	accepted = queued = 0;
	owners = mem_array(ACCOUNTS, sizeof *owners);
	held = mem_array(SNAPSHOTS, sizeof *held);
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_domain(&rig, "b.test");
	for (size_t i = 0; i < ACCOUNTS; i++) {
		owners[i].address = addresses[i];
		owners[i].account = rig_account(&rig, addresses[i]);
		owners[i].quota = i < 2 ? QUOTA : 0;
		rig_quota(&rig, addresses[i], owners[i].quota, 0);
	}
}

static void end(void)
{
	int64_t faults[LEDGER_FAULTS];
	struct ledger_day total = rig_audit(&rig, faults);
	struct err e;

	rig_must_balance(&rig);
	if (!rules_hold(rig.db, &e))
		fail_msg("%s", e.text);
	assert_int_equal(total.accepted, accepted);
	assert_int_equal(total.in[LEDGER_QUEUED], queued);
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (held[i].open)
			mailbox_snapshot_fini(&held[i].s);
	}
	rig_close(&rig);
	mem_free(owners);
	mem_free(held);
}

static void does_what_the_model_does(void **state)
{
	static const uint64_t seeds[] = {1, 20261123, 0x9e3779b97f4a7c15};

	for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
		print_message("seed %llu\n", (unsigned long long)seeds[i]);
		begin(seeds[i]);
		for (int n = 0; n < STEPS; n++) {
			chance_run(steps, sizeof steps / sizeof *steps);
			if (n % 5 == 0)
				compare();
		}
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
