#include "queue_run_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

struct queue_run_rig s;

static struct queue_time world_time(void *ctx)
{
	return (struct queue_time){q.rig.now, s.mono};
}

static void world_write(void *ctx, struct lane_op *op)
{
	assert_in_range(s.nwrites, 0, PENDING - 1);
	s.writes[s.nwrites++] = op;
}

static void world_read(void *ctx, struct reader_op *op)
{
	assert_in_range(s.nreads, 0, PENDING - 1);
	s.reads[s.nreads++] = op;
}

static struct queue_config world_config(void *ctx, struct arena *a)
{
	q.cfg.started = queue_run_since(&s.run);
	return q.cfg;
}

static bool is_accepting(void *ctx)
{
	return !s.full;
}

static bool no(void *ctx)
{
	return false;
}

static bool owners(void *ctx, int64_t *owners_r, size_t *n_r)
{
	owners_r[0] = OWNER;
	*n_r = s.is_here;
	return true;
}

static void nothing(void *ctx)
{
}

static void on_failed(void *ctx, const char *what, const char *why)
{
	if (strcmp(why, "full") != 0)
		fail_msg("%s: %s", what, why);
	s.failed++;
}

static void on_reported(void *ctx, const struct queue_report *r)
{
	q.warnings += r->warned;
}

static void on_released(void *ctx, int64_t count)
{
}

static void on_set_back(void *ctx, int64_t by)
{
	s.set_back++;
}

static const struct queue_run_world world = {
    .time = world_time,
    .write = world_write,
    .read = world_read,
    .config = world_config,
    .is_accepting = is_accepting,
    .is_ending = no,
    .owners = owners,
    .somebody_waits = no,
    .give = nothing,
    .again = nothing,
    .failed = on_failed,
    .reported = on_reported,
    .released = on_released,
    .clock_set_back = on_set_back,
};

void carry_out(void)
{
	if (s.nreads) {
		struct reader_op *op = s.reads[--s.nreads];

		reader_run(op, q.rig.db);
		op->done(op);
	} else {
		struct lane_op *op = s.writes[0];

		memmove(s.writes, s.writes + 1, --s.nwrites * sizeof *s.writes);
		lane_run_one(q.rig.lane, op, q.rig.now);
	}
}

void end_write(enum lane_result result)
{
	struct lane_op *op = s.writes[0];

	memmove(s.writes, s.writes + 1, --s.nwrites * sizeof *s.writes);
	op->result = result;
	err_set(&op->err, "full");
	op->done(op);
}

void turn(void)
{
	do {
		queue_run_turn(&s.run);
		while (s.nwrites || s.nreads)
			carry_out();
	} while (!s.full && s.run.due_at < s.run.due.n);
}

void pass(int64_t ms)
{
	q.rig.now += ms;
	s.mono += ms;
}

void work(void)
{
	turn();
	q.cfg.started = queue_run_since(&s.run);
	qrig_lease(&q, OWNER, QRIG_JOBS);
	for (size_t i = 0; i < q.lease.n; i++)
		assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[i]));
	pass(2 * SECOND_MS); /* it does not look for what is too old all the time */
	turn();
}

void start(void)
{
	memset(&s, 0, sizeof s);
	s.mono = DAY_MS;
	s.run = (struct queue_run){
	    .world = &world, .db = q.rig.db, .blobs = q.rig.blobs, .ids = &q.rig.ids};
	queue_run_init(&s.run);
}

void live(int64_t ms)
{
	for (int64_t minute = 1; minute <= ms / MINUTE_MS; minute++) {
		pass(MINUTE_MS);
		queue_run_tick(&s.run);
		if (minute % 60 == 0)
			work();
		else if (s.nwrites || s.nreads)
			turn();
	}
}

void send_more_than_a_slice(void)
{
	for (int i = 0; i < 12; i++) {
		struct deliver *d = rig_message(&q.rig, "ann@a.test", "x\r\n");
		char to[64];

		d->may_relay = true;
		for (int n = 0; n < LIMIT_SLICE_ROWS / 10; n++) {
			snprintf(to, sizeof to, "r%d@b.test", n);
			rig_to(d, to)->action = PLAN_RELAY;
		}
		assert_true(rig_run(&q.rig, d));
		deliver_free(&d);
	}
}
