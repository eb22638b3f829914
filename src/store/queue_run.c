/*
 * The scheduler. Each turn looks at what is due now and begins it; every end of something begins a
 * turn, and so does the owner's timer, which is set to the next moment at which anything is due.
 */
#include "store/queue_run.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define WAIT_MAX   MINUTE_MS        /* it looks at the clock at least so often: clocks jump */
#define LOOK_MAX   (10 * MINUTE_MS) /* and at the database, should nobody have told it of a change */
#define PAUSE_MS   (5 * SECOND_MS)  /* after a failure */
#define PAUSE_FULL MINUTE_MS        /* after a full disk */
#define VOID_MS    SECOND_MS        /* relays that are there have greeted by then */
#define TIMES_MS   SECOND_MS        /* warnings and returns are looked for so often at most */
#define JUMP_MS    (2 * SECOND_MS)  /* the clock was set by more than that */
#define LEAP_MS    MINUTE_MS        /* ... and by this, what has become due may have been missed */
#define BACK_MS    (5 * MINUTE_MS)  /* set back by less, it need not be put right */
#define BEHIND_MS  (7 * DAY_MS)     /* what it was set back by is not put right later than this */
#define MOVE_MS    HOUR_MS          /* so long reports wait for it, but for want of room */
#define BEHIND_MAX (INT64_MAX / 4)  /* it was set back while nobody ran, by whatever it was */

static struct queue_time time_of(const struct queue_run *r)
{
	return r->world->time(r->ctx);
}

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void again(struct queue_run *r)
{
	r->world->again(r->ctx);
}

static void write_op(struct queue_run *r, struct lane_op *op)
{
	r->world->write(r->ctx, op);
}

/* ---- trouble ---- */

void queue_run_failed(struct queue_run *r, const char *what, const struct lane_op *op)
{
	struct err why = {""};

	if (!op)
		err_set(&why, "%s%s", db_error(r->db), db_cure(r->db));
	r->world->failed(r->ctx, what, op ? op->err.text : why.text);
	r->unmoved_until = 0; /* what may be over now: rows come before all else */
	r->paused = time_of(r).mono + (op && op->result == LANE_FULL ? PAUSE_FULL : PAUSE_MS);
}

/* The database could be read; else that is said. */
static bool is_good(struct queue_run *r, const char *what, enum db_code code)
{
	if (code != DB_OK)
		queue_run_failed(r, what, NULL);
	return code == DB_OK;
}

/* ---- reports ---- */

/* Of mail without a sender the postmaster has been told often enough for a day. */
static bool is_enough(struct queue_run *r)
{
	int64_t now = time_of(r).mono;

	if (now - r->postmaster_since >= DAY_MS) {
		r->postmaster_since = now;
		r->postmaster_told = 0;
	}
	return r->postmaster_told + r->postmaster_asked >= LIMIT_DSN_POSTMASTER;
}

static void report_over(struct queue_report *report)
{
	struct queue_run *r = report->user;

	r->postmaster_asked -= !report->enough;
	queue_report_free(&report);
	r->reports--;
	r->busy--;
	again(r);
}

static void begin_report(struct queue_run *r, int64_t message, bool untold);

static void report_done(struct lane_op *op)
{
	struct queue_report *report = LIST_ENTRY(op, struct queue_report, op);
	struct queue_run *r = report->user;

	if (op->result != LANE_DONE)
		queue_run_failed(r, "report", op);
	else if (report->refused)
		begin_report(r, report->message, true);
	else if (!report->stale)
		r->world->reported(r->ctx, report);
	r->postmaster_told += op->result == LANE_DONE && report->told &&
			      report->about.reverse_path.n == 0;
	report_over(report);
}

static void report_was_read(struct reader_op *op)
{
	struct queue_report *report = LIST_ENTRY(op, struct queue_report, read);
	struct queue_run *r = report->user;

	if (op->result == DB_OK && !report->nothing) {
		write_op(r, &report->op);
		return;
	}
	if (op->result != DB_OK) {
		report->op.err = op->err;
		report->op.result = LANE_FAILED;
		queue_run_failed(r, "report", &report->op);
	}
	report_over(report);
}

static void begin_report(struct queue_run *r, int64_t message, bool untold)
{
	struct queue_report *report = queue_report_new();
	int64_t now = time_of(r).wall;

	report->user = r;
	report->cfg = r->world->config(r->ctx, report->arena);
	report->blobs = r->blobs;
	report->message = message;
	report->untold = untold;
	report->enough = is_enough(r);
	r->postmaster_asked += !report->enough;
	report->report_id = id_make(r->ids, now);
	report->now = now;
	queue_report_prepare(report);
	report->read.done = report_was_read;
	report->op.done = report_done;
	r->reports++;
	r->busy++;
	r->world->read(r->ctx, &report->read);
}

/*
 * Nothing of those that are warned of or returned by their age was due, nor is: at each turn of a busy
 * queue it is not asked again, for what came since then has its time before it.
 */
static bool is_young(const struct queue_run *r, struct queue_time now)
{
	return now.mono < r->times_at && now.wall < r->times_wake;
}

static bool find_due(struct queue_run *r)
{
	struct queue_time now = time_of(r);
	bool young = is_young(r, now), good;
	struct arena *a = arena_new();
	struct queue_config cfg = {0}; /* reports that wait need none */

	if (!young)
		cfg = r->world->config(r->ctx, a);
	good = is_good(r, "due", queue_due_find(r->db, &cfg, now.wall, young, &r->due));
	r->due_at = 0;
	if (!good)
		r->due.n = 0;
	arena_free(&a);
	if (!good || !young) {
		r->times_at = good && r->due.n == 0 ? now.mono + TIMES_MS : 0;
		r->times_wake = r->due.wake;
	} else {
		r->due.wake = min_of(
		    r->due.wake, min_of(r->times_wake, now.wall + r->times_at - now.mono));
	}
	return good;
}

/* What cannot be written for long must not hold up all reports for ever. */
static bool is_given_up(const struct queue_run *r)
{
	return r->given_up || (r->unmoved_since && time_of(r).mono - r->unmoved_since >= MOVE_MS);
}

/* How old those are that follow the clock is not known yet. */
static bool awaits_rows(const struct queue_run *r)
{
	return r->moving && !is_given_up(r);
}

/* A list is worked off before the next is made, so that no message is in it twice. */
static void make_reports(struct queue_run *r)
{
	if (awaits_rows(r))
		return;
	if (r->due_at == r->due.n && (r->reports > 0 || !find_due(r)))
		return;
	while (r->due_at < r->due.n && r->reports < QUEUE_RUN_REPORTS &&
	       r->world->is_accepting(r->ctx))
		begin_report(r, r->due.messages[r->due_at++], false);
}

/* ---- leases ---- */

static void release_done(struct lane_op *op)
{
	struct queue_run *r = LIST_ENTRY(op, struct queue_run, release.op);

	if (op->result == LANE_DONE && r->release.more) {
		r->release.after = r->release.next;
		write_op(r, op);
		return;
	}
	r->releasing = false;
	r->busy--;
	if (op->result != LANE_DONE) {
		queue_run_failed(r, "release", op);
		if (r->release.others) /* whose are void is found out again */
			r->void_at = time_of(r).mono + PAUSE_MS;
		r->unshortened = true;
	} else if (r->release.released) {
		r->world->released(r->ctx, r->release.released);
	}
	again(r);
}

/* expiry: by the wall clock, of the lease that is the first to be over. */
static void release(struct queue_run *r, int64_t expiry)
{
	struct queue_release release = {0};
	struct queue_time now = time_of(r);
	bool others = r->void_at != 0 && r->void_at <= now.mono;

	if (r->releasing)
		return;
	if (others && !r->world->owners(r->ctx, release.owners, &release.nowners)) {
		others = false;
		r->void_at = now.mono + VOID_MS;
	}
	release.spare = now.mono < r->spared;
	if (!others && !r->unshortened && (release.spare || expiry > now.wall))
		return;
	release.others = others;
	release.old = r->given; /* and not kept: it never arrived */
	release.kept = r->kept;
	release.nkept = r->nkept;
	r->release = release;
	queue_release_init(&r->release);
	r->release.op.done = release_done;
	r->releasing = true;
	r->unshortened = false;
	r->busy++;
	if (others)
		r->void_at = 0;
	write_op(r, &r->release.op);
}

/* Those who have just greeted have their time first. */
void queue_run_gone(struct queue_run *r)
{
	int64_t now = time_of(r).mono;

	if (r->void_at < now || r->void_at == QUEUE_NEVER)
		r->void_at = now;
}

void queue_run_greeted(struct queue_run *r)
{
	if (r->void_at == QUEUE_NEVER)
		r->void_at = time_of(r).mono + VOID_MS;
}

/* Requests that are out read what is there: it stays. Who says too many keeps all, until they expire. */
void queue_run_kept(struct queue_run *r, int64_t token)
{
	if (token > r->given || queue_is_among(r->kept, r->nkept, token))
		return;
	if (r->nkept == QUEUE_JOBS_MAX)
		r->given = 0;
	else
		r->kept[r->nkept++] = token;
}

/* ---- the clock ---- */

static void move_rows(struct queue_run *r)
{
	r->moving = true;
	r->unmoved = false;
	r->busy++;
	write_op(r, &r->clock.op);
}

static void note_unmoved(struct queue_run *r, enum lane_result result)
{
	int64_t now = time_of(r).mono;

	r->unmoved = result != LANE_DONE;
	r->unmoved_until = 0;
	if (!r->unmoved || result == LANE_FULL) {
		r->unmoved_since = 0;
		return;
	}
	if (r->unmoved_since == 0)
		r->unmoved_since = now;
	r->given_up = is_given_up(r);
	r->unmoved_until = now + (r->given_up ? LOOK_MAX : WAIT_MAX);
}

static bool is_to_move(const struct queue_run *r)
{
	return r->set_back || r->nlate > 0;
}

static void end_moving(struct queue_run *r)
{
	r->moving = r->unmoved = false;
	r->unmoved_since = 0;
	queue_clock_fini(&r->clock);
}

static void move_what_is_to(struct queue_run *r);

static void clock_done(struct lane_op *op)
{
	struct queue_run *r = LIST_ENTRY(op, struct queue_run, clock.op);

	r->busy--;
	if (op->result != LANE_DONE)
		queue_run_failed(r, "clock", op);
	note_unmoved(r, op->result);
	if (r->unmoved) {
		again(r);
		return;
	}
	if (r->clock.more && !r->world->is_ending(r->ctx)) {
		queue_clock_go_on(&r->clock);
		move_rows(r);
		return;
	}
	end_moving(r);
	r->given_up = false;
	move_what_is_to(r);
	again(r);
}

/*
 * One after the other; a slice that failed, once more. To be set back can be given up for what comes next, for what is
 * read is settled anyway.
 */
static void move_what_is_to(struct queue_run *r)
{
	int64_t now = time_of(r).mono;

	if (r->unmoved && is_given_up(r) && r->clock.nlate == 0 && is_to_move(r)) {
		r->given_up = true;
		end_moving(r);
	}
	if (r->unmoved && r->paused <= now && r->unmoved_until <= now)
		move_rows(r);
	if (r->moving || !is_to_move(r))
		return;
	queue_clock_init(&r->clock);
	if (!r->set_back) {
		memcpy(r->clock.late, r->late, sizeof r->late);
		r->clock.nlate = r->nlate;
		r->nlate = 0;
	}
	r->set_back = false;
	r->clock.op.done = clock_done;
	move_rows(r);
}

/* One more; the two that are oldest become one, where there are too many. */
static void put_back(struct queue_run *r, struct queue_run_back b)
{
	struct queue_run_back *v = r->back;

	if (r->nback == QUEUE_RUN_BACKS) {
		v[1].by = min_of(v[0].by + v[1].by, BEHIND_MAX);
		v[1].from = min_of(v[0].from, v[1].from);
		memmove(v, v + 1, --r->nback * sizeof *v);
	}
	v[r->nback++] = b;
}

/* What is not put right by then is the time. */
static void forget_old(struct queue_run *r, int64_t mono)
{
	size_t n = 0;

	while (n < r->nback && mono - r->back[n].at >= BEHIND_MS)
		n++;
	r->nback -= n;
	memmove(r->back, r->back + n, r->nback * sizeof *r->back);
}

/*
 * Of a clock that went ahead within a day this is the correction: as far as that, it is not behind. By a little, it is
 * no step of its own, but what followed those before follows it.
 */
static void note_back(struct queue_run *r, int64_t from, int64_t by)
{
	int64_t right = r->last.mono - r->ahead_at < DAY_MS ? min_of(by, r->ahead) : 0;

	r->world->clock_set_back(r->ctx, by == BEHIND_MAX ? 0 : by);
	r->set_back = r->unshortened = true;
	r->ahead -= right;
	forget_old(r, r->last.mono);
	if (by - right >= BACK_MS) {
		put_back(r, (struct queue_run_back){by - right, from, r->last.mono});
		return;
	}
	for (size_t i = 0; i < r->nback; i++)
		r->back[i].from = min_of(r->back[i].from, from);
}

/* One that seems to be over is not: who has it extends it long before this. */
static void spare_leases(struct queue_run *r, struct queue_time now)
{
	r->spared = now.mono + QUEUE_LEASE_MS;
}

/* One more; there are too many only where rows have no chance to follow meanwhile. */
static void put_late(struct queue_run *r, struct queue_clock_late l)
{
	struct queue_clock_late *last = &r->late[QUEUE_CLOCK_LATES - 1];

	if (r->nlate < QUEUE_CLOCK_LATES) {
		r->late[r->nlate++] = l;
		return;
	}
	last->by += l.by;
	last->from = min_of(last->from, l.from);
	last->until = l.until;
}

/* It was `wall`, and goes ahead by so much at most: how much puts the last step back right. */
static int64_t put_right(struct queue_run *r, int64_t wall, int64_t by)
{
	struct queue_run_back *b = &r->back[r->nback - 1];
	int64_t part = min_of(by, b->by);

	put_late(r, (struct queue_clock_late){part, b->from, wall});
	b->from += part;
	if (b->by != BEHIND_MAX)
		b->by -= part;
	else if (part >= BACK_MS)
		b->by = 0;
	r->nback -= b->by == 0;
	return part;
}

/* As far as the clock was set back before, this makes it good: what was moved then, and what came since, moves along. */
static void note_ahead(struct queue_run *r, struct queue_time now, int64_t by)
{
	spare_leases(r, now);
	forget_old(r, now.mono);
	while (by > 0 && r->nback > 0)
		by -= put_right(r, now.wall - by, by);
	if (r->ahead == 0 || now.mono - r->ahead_at >= DAY_MS) {
		r->ahead = 0;
		r->ahead_at = now.mono;
	}
	r->ahead += by;
}

/* The clock went ahead, or the machine slept, or this process stood still: what has become due meanwhile was missed. */
static void note_missed(struct queue_run *r, struct queue_time now)
{
	spare_leases(r, now);
	r->since = now.wall;
}

static void note_clock(struct queue_run *r)
{
	struct queue_time now = time_of(r);
	int64_t ahead = (now.wall - r->last.wall) - (now.mono - r->last.mono);
	int64_t from = r->last.wall + ahead; /* had it been set back just behind the last look */
	bool frozen = now.mono - r->last.mono >= WAIT_MAX + LEAP_MS;

	r->last = now;
	r->since = min_of(r->since, now.wall);
	if (ahead < -JUMP_MS || ahead > JUMP_MS)
		r->lease_at = 0;
	if (ahead < -JUMP_MS)
		note_back(r, from, -ahead);
	if (ahead > JUMP_MS)
		note_ahead(r, now, ahead);
	if (frozen || ahead >= LEAP_MS)
		note_missed(r, now);
}

static void watch_clock(struct queue_run *r)
{
	note_clock(r);
	move_what_is_to(r);
}

int64_t queue_run_since(struct queue_run *r)
{
	note_clock(r);
	return r->since;
}

/* ---- tiers ---- */

static void tiers_done(struct lane_op *op)
{
	struct queue_run *r = LIST_ENTRY(op, struct queue_run, tiers.op);

	if (op->result == LANE_DONE && r->tiers.more && !r->world->is_ending(r->ctx)) {
		write_op(r, op);
		return;
	}
	arena_free(&r->tiers.arena);
	r->sorting = false;
	r->busy--;
	if (op->result != LANE_DONE) {
		queue_run_failed(r, "tiers", op);
		r->unsorted = true;
	}
	again(r);
}

static void sort_tiers(struct queue_run *r)
{
	if (!r->unsorted || r->sorting)
		return;
	r->tiers = (struct queue_tiers){.arena = arena_new()};
	r->tiers.routing = r->world->config(r->ctx, r->tiers.arena).routing;
	queue_tiers_init(&r->tiers);
	r->tiers.op.done = tiers_done;
	r->sorting = true;
	r->unsorted = false;
	r->busy++;
	write_op(r, &r->tiers.op);
}

void queue_run_reconfigured(struct queue_run *r)
{
	r->times_at = 0;
	r->unsorted = true;
}

/* ---- turns ---- */

/* What is given or extended from now on expires no earlier than one that was given at the last look at the clock. */
static bool find_lease(struct queue_run *r)
{
	int64_t now = r->last.wall, first = QUEUE_NEVER;

	if (r->lease_at > now)
		return true;
	if (!is_good(r, "leases", queue_lease_wake(r->db, &first)))
		return false;
	r->unshortened &= first != QUEUE_NEVER;
	r->lease_at = min_of(first, now + QUEUE_LEASE_MS);
	return true;
}

/* By the wall clock: when leases may be taken back, the first of which may expire then. */
static int64_t lease_wake(const struct queue_run *r)
{
	struct queue_time now = time_of(r);

	return now.mono < r->spared ? now.wall + r->spared - now.mono : r->lease_at;
}

/* By the wall clock: when a report is due. While none may be begun, as on a full disk, it is asked again and again. */
static int64_t report_wake(const struct queue_run *r)
{
	if (r->reports || awaits_rows(r))
		return QUEUE_NEVER;
	return r->due_at < r->due.n ? time_of(r).wall + TIMES_MS : r->due.wake;
}

/* *wake_r: the first moment at which anything but attempts is due, by the wall clock. */
static void begin_what_is_due(struct queue_run *r, int64_t *wake_r)
{
	sort_tiers(r);
	if (!find_lease(r))
		return;
	release(r, r->lease_at);
	make_reports(r);
	if (!is_good(r, "attempts", queue_attempt_wake(r->db, &r->attempt)))
		return;
	if (r->attempt <= time_of(r).wall && r->world->somebody_waits(r->ctx))
		r->world->give(r->ctx);
	*wake_r = min_of(*wake_r, r->releasing ? QUEUE_NEVER : lease_wake(r));
	*wake_r = min_of(*wake_r, report_wake(r));
}

/* By the wall clock: when something is due, as far as the last look saw. */
static int64_t next_of(const struct queue_run *r)
{
	return min_of(r->wake, r->world->somebody_waits(r->ctx) ? r->attempt : QUEUE_NEVER);
}

static int64_t wait_until_next(const struct queue_run *r)
{
	struct queue_time now = time_of(r);
	int64_t wake = next_of(r);
	int64_t wait = wake == QUEUE_NEVER ? WAIT_MAX : min_of(wake - now.wall, WAIT_MAX);

	if (r->paused > now.mono)
		wait = min_of(r->paused - now.mono, WAIT_MAX);
	else if (r->void_at && r->void_at != QUEUE_NEVER && !r->releasing)
		wait = min_of(wait, r->void_at - now.mono);
	return wait > 1 ? wait : 1;
}

static int64_t look(struct queue_run *r)
{
	int64_t wake = QUEUE_NEVER;
	bool paused = r->paused > time_of(r).mono;

	r->attempt = QUEUE_NEVER;
	/* One transaction for all questions: they are of one moment, and locks are taken once. */
	if (!paused && is_good(r, "begin", db_begin(r->db))) {
		begin_what_is_due(r, &wake);
		(void)db_rollback(r->db);
	}
	r->wake = paused || r->paused > time_of(r).mono ? 0 : wake;
	r->looked = time_of(r).mono;
	return wait_until_next(r);
}

int64_t queue_run_turn(struct queue_run *r)
{
	watch_clock(r);
	return look(r);
}

/* As far as the last look saw, and it was not long ago. */
static bool is_nothing_due(const struct queue_run *r)
{
	struct queue_time now = time_of(r);
	bool leases = r->void_at == 0 || r->void_at > now.mono;

	return now.wall < next_of(r) && leases && r->due_at == r->due.n &&
	       now.mono < r->looked + LOOK_MAX;
}

int64_t queue_run_tick(struct queue_run *r)
{
	watch_clock(r);
	return is_nothing_due(r) ? wait_until_next(r) : look(r);
}

void queue_run_init(struct queue_run *r)
{
	bool ahead = false;

	if (!is_good(r, "leases", queue_lease_last(r->db, &r->given)))
		r->given = 0; /* they expire */
	r->last = time_of(r);
	r->since = r->last.wall;
	r->due.wake = QUEUE_NEVER;
	r->unsorted = true;
	r->void_at = QUEUE_NEVER; /* not before a relay is here */
	r->spared = r->last.mono +
		    QUEUE_LEASE_MS; /* the clock may have been set while nobody ran */
	if (is_good(r, "clock", queue_clock_is_ahead(r->db, r->last.wall, &ahead)) && ahead)
		note_back(r, r->last.wall, BEHIND_MAX);
	move_what_is_to(r);
}

void queue_run_fini(struct queue_run *r)
{
	queue_clock_fini(&r->clock);
}
