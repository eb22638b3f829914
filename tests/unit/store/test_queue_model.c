/*
 * Random operations on the queue against a model of a few lines: what each recipient has come to, who
 * holds which lease, and what must hold of the rows at any time. Fixed seeds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "queue_rig.h"
#include "rules.h"

#include "base/mem.h"
#include "store/forward.h"
#include "store/queue_change.h"

#define MESSAGES   500
#define RECIPIENTS 7
#define HELD       30
#define STEPS      250
#define OWNERS     3

/* What became of a recipient, as far as the model knows. */
enum fate {
	FATE_NONE, /* there is no such recipient */
	FATE_WAITS,
	FATE_DELIVERED,
	FATE_FAILED,  /* to be returned */
	FATE_REMOVED, /* by an administrator */
};

struct sent {
	int64_t id;
	enum fate fates[RECIPIENTS];
};

/* A lease that was given out; the model says whether it still counts. */
struct held {
	bool used, valid;
	int64_t owner;
	struct queue_lease lease; /* owns its memory */
	struct queue_job job;
};

static struct qrig q;
static struct sent *sent;
static size_t nsent;
static struct held *held;

static struct sent *sent_of(int64_t id)
{
	for (size_t i = 0; i < nsent; i++) {
		if (sent[i].id == id)
			return &sent[i];
	}
	return NULL; /* a report */
}

static void set_fate(int64_t message, int64_t recipient, enum fate fate)
{
	struct sent *s = sent_of(message);

	if (s)
		s->fates[recipient] = fate;
}

/* ---- the world: everything happens ---- */

static enum fate fate_of(const struct qrig_answer *a)
{
	switch (queue_result_of(&a->attempt).outcome) {
	case QUEUE_DELIVERED:
		return FATE_DELIVERED;
	case QUEUE_FAILED:
		return FATE_FAILED;
	default:
		return FATE_WAITS;
	}
}

static struct qrig_answer any_answer(void)
{
	switch (chance_pick(8)) {
	case 0:
		return qrig_problem((enum queue_problem)(1 + chance_pick(QUEUE_PROBLEM_NULL_MX)));
	case 1:
		return qrig_reply(QUEUE_STAGE_GREETING, 421, "busy");
	case 2:
		return qrig_reply(QUEUE_STAGE_RCPT, 450, "later");
	case 3:
		return qrig_reply(QUEUE_STAGE_RCPT, 550, "never");
	case 4:
		return qrig_reply(QUEUE_STAGE_DATA, 452, "full");
	default:
		return qrig_ok();
	}
}

static struct qrig_answer next_answer;
static bool counts; /* the result will */

static struct qrig_answer chance(const struct queue_job *job, const struct queue_row *row)
{
	struct qrig_answer a = chance_pick(3) ? next_answer : any_answer();

	if (counts)
		set_fate(row->message, row->recipient, fate_of(&a));
	return a;
}

static struct qrig_answer all_well(const struct queue_job *job, const struct queue_row *row)
{
	set_fate(row->message, row->recipient, FATE_DELIVERED);
	return qrig_ok();
}

/* ---- steps ---- */

static void step_send(void)
{
	static const char *const to[] = {"a@one.test", "f@a.test", "b@one.test", "c@two.test",
	    "d@three.test", "g@a.test", "e@four.test"};
	const char *chosen[RECIPIENTS + 1] = {NULL};
	struct sent *s = &sent[nsent];
	size_t n = 0;

	for (size_t i = 0; i < RECIPIENTS; i++) {
		if (chance_pick(2))
			chosen[n++] = to[i];
	}
	if (n == 0 || nsent == MESSAGES)
		return;
	s->id = qrig_send(&q,
	    chance_pick(5)   ? "ann@a.test"
	    : chance_pick(2) ? ""
			     : "x@one.test",
	    (unsigned)chance_pick(2) * 12, chosen);
	for (size_t i = 0; i < n; i++)
		s->fates[i] = FATE_WAITS;
	nsent++;
}

static void step_lease(void)
{
	for (size_t i = 0; i < HELD; i++) {
		struct held *h = &held[i];

		if (h->used)
			continue;
		if (qrig_lease(&q, 1 + (int64_t)chance_pick(OWNERS), 1) == 0)
			return;
		*h = (struct held){.used = true,
		    .valid = true,
		    .owner = q.lease.owner,
		    .lease = q.lease,
		    .job = q.lease.jobs[0]};
		q.leased = false;
		return;
	}
}

static void forget(struct held *h)
{
	if (h->used)
		queue_lease_fini(&h->lease);
	*h = (struct held){0};
}

/* A result: for all of the job or for some, of the owner or of another, in time or not. */
static void step_settle(void)
{
	struct held *h = &held[chance_pick(HELD)];
	bool wrong = chance_pick(10) == 0;
	struct queue_job job = h->job;

	if (!h->used)
		return;
	if (chance_pick(10) == 0)
		job.rows.n = 1 + chance_pick(job.rows.n);
	next_answer = any_answer();
	counts = h->valid && !wrong;
	assert_int_equal(qrig_settle(&q, wrong ? 99 : h->owner, &job), counts);
	if (counts || !h->valid)
		forget(h);
}

static void void_leases(int64_t owner)
{
	for (size_t i = 0; i < HELD; i++) {
		if (held[i].used && (owner == 0 || held[i].owner == owner))
			held[i].valid = false;
	}
}

static void step_die(void)
{
	int64_t dead = 1 + (int64_t)chance_pick(OWNERS), alive[OWNERS];
	size_t n = 0;

	for (int64_t i = 1; i <= OWNERS; i++) {
		if (i != dead)
			alive[n++] = i;
	}
	qrig_release(&q, alive, n);
	void_leases(dead);
}

/* Time goes on a little: leases do not expire by themselves here. */
static void step_time(void)
{
	q.rig.now += (int64_t)chance_pick(20 * MINUTE_MS);
	for (size_t i = 0; i < HELD; i++) {
		struct queue_extend x = {.owner = held[i].owner,
		    .message = held[i].job.message.id,
		    .token = held[i].job.token};

		if (!held[i].used || !held[i].valid)
			continue;
		queue_extend_init(&x);
		qrig_run(&q, &x.op);
	}
}

static void step_tend(void)
{
	qrig_tend(&q);
}

static void step_restart(void)
{
	qrig_restart(&q);
}

static void step_clock(void)
{
	struct queue_clock c;

	q.rig.now -= (int64_t)chance_pick(DAY_MS);
	queue_clock_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	queue_clock_fini(&c);
	step_time(); /* leases too */
}

/* The model sees what was removed by what is discarded: only what waited and was not leased may be. */
static void step_change(void)
{
	static const char *const texts[] = {
	    "one.test", "d@three.test", "ann@a.test", "nobody@x.test"};
	static const enum queue_change_verb verbs[] = {QUEUE_CHANGE_RETRY, QUEUE_CHANGE_RETRY,
	    QUEUE_CHANGE_REMOVE, QUEUE_CHANGE_HOLD, QUEUE_CHANGE_HOLD, QUEUE_CHANGE_RELEASE,
	    QUEUE_CHANGE_BOUNCE};
	struct queue_change c = {.verb = verbs[chance_pick(sizeof verbs / sizeof *verbs)],
	    .filter.text = str_of_c(texts[chance_pick(4)]),
	    .who = STR("root")};

	if (nsent && chance_pick(2))
		c.filter = (struct queue_filter){.message = sent[chance_pick(nsent)].id};
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	for (size_t i = 0; i < nsent && c.changed; i++) {
		for (int64_t r = 0; r < RECIPIENTS; r++) {
			if (sent[i].fates[r] != FATE_NONE &&
			    qrig_state(&q, sent[i].id, r) == LEDGER_DISCARDED)
				sent[i].fates[r] = FATE_REMOVED;
		}
	}
}

/* ---- what must hold ---- */

static void must_be_none(const char *what)
{
	if (qrig_count(&q, what) != 0)
		fail_msg("there should be none: %s", what);
}

static void check_rows(void)
{
	char due[800];
	struct err e;

	if (!rules_hold(q.rig.db, &e))
		fail_msg("%s", e.text);
	snprintf(due, sizeof due,
	    "destination d WHERE due > %lld AND name <> ''"
	    " AND EXISTS (SELECT 1 FROM queue r WHERE r.destination = d.name AND token = 0"
	    " AND not_before <= %lld) AND ((failures = 0 AND sessions >"
	    " (SELECT count(*) FROM lease l WHERE l.destination = d.name)) OR (failures > 0"
	    " AND next_probe <= %lld AND NOT EXISTS"
	    " (SELECT 1 FROM lease l WHERE l.destination = d.name)))",
	    (long long)q.rig.now + 1000, (long long)q.rig.now, (long long)q.rig.now);
	must_be_none(due); /* nothing that may go is forgotten */
}

static void check_fate(const struct sent *s, int64_t r)
{
	enum ledger_state state;

	if (s->fates[r] == FATE_NONE)
		return;
	state = qrig_state(&q, s->id, r);
	switch (s->fates[r]) {
	case FATE_NONE:
		break;
	case FATE_WAITS: /* or his time was over */
		assert_true(state == LEDGER_QUEUED || state == LEDGER_BOUNCED);
		break;
	case FATE_DELIVERED:
		assert_int_equal(state, LEDGER_RELAYED);
		break;
	case FATE_FAILED: /* and the report is made or not yet */
		assert_true(state == LEDGER_QUEUED || state == LEDGER_BOUNCED);
		break;
	case FATE_REMOVED:
		assert_int_equal(state, LEDGER_DISCARDED);
		break;
	}
}

static void check_fates(void)
{
	for (size_t i = 0; i < nsent; i++) {
		for (int64_t r = 0; r < RECIPIENTS; r++)
			check_fate(&sent[i], r);
	}
}

static const struct chance_step steps[] = {
    {25, step_send},
    {30, step_lease},
    {22, step_settle},
    {3, step_die},
    {9, step_time},
    {5, step_tend},
    {1, step_restart},
    {1, step_clock},
    {4, step_change},
};

static void release_held(void)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_RELEASE};

	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	must_be_none("queue WHERE held > 0");
}

/* In the end everybody answers: nothing is left. */
static void finish(void)
{
	release_held();
	qrig_release(&q, NULL, 0);
	void_leases(0);
	q.world = all_well;
	qrig_live(&q, q.rig.now + DAY_MS);
	check_rows();
	check_fates();
	must_be_none("queue");
	must_be_none("lease");
	for (size_t i = 0; i < nsent; i++) {
		for (int64_t r = 0; r < RECIPIENTS; r++)
			assert_true(sent[i].fates[r] == FATE_NONE ||
				    qrig_state(&q, sent[i].id, r) != LEDGER_QUEUED);
	}
}

static void run_seed(uint64_t seed)
{
	chance_begin(seed);
	nsent = 0;
	sent = mem_array(MESSAGES, sizeof *sent);
	held = mem_array(HELD, sizeof *held);
	qrig_open(&q);
	q.audits = false;
	q.rig.directory.srs = true;
	assert_int_equal(forward_key_make(q.rig.db), DB_OK);
	rig_alias(&q.rig, "f@a.test", "f@one.test"); /* sent on, each by itself */
	rig_alias(&q.rig, "g@a.test", "g@one.test");
	q.world = chance;
	for (int n = 0; n < STEPS; n++) {
		chance_run(steps, sizeof steps / sizeof *steps);
		check_rows();
		if (n % 25 == 0) {
			check_fates();
			rig_must_balance(&q.rig);
		}
	}
	finish();
	rig_must_balance(&q.rig);
	for (size_t i = 0; i < HELD; i++)
		forget(&held[i]);
	qrig_close(&q);
	mem_free(sent);
	mem_free(held);
}

static void does_what_the_model_does(void **state)
{
	static const uint64_t seeds[] = {20261123, 0x9e3779b97f4a7c15};

	for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
		print_message("seed %llu\n", (unsigned long long)seeds[i]);
		run_seed(seeds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
