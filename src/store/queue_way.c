/*
 * Hosts for jobs.
 *
 * 1. A lease counts at one host at most: the one that its attempt goes to.
 * 2. A host that is down gets one attempt at a time, and none before its next probe.
 * 3. A job that may go nowhere gives its lease back at once: it holds up nobody, and no attempt was made.
 */
#include "store/queue_way.h"

#include "base/mem.h"
#include "store/queue_callout.h"
#include "store/queue_host.h"
#include "store/queue_lease.h"

#define NONE SIZE_MAX
#define SOON 4 /* of what a host was to wait, one part may be left */
/* Longer than it takes until one of its sessions ends; it may be down by then, and have others beside it. */
#define FULL_MS MINUTE_MS

/* One run of the request. */
struct asking {
	struct queue_way *w;
	struct db *db;
	int64_t now;
	struct queue_lease_row lease;
	struct queue_place place;
	struct str blocked[LIMIT_QUEUE_HOSTS];
	size_t nblocked;
	bool full;     /* one of them is up, and has no room */
	size_t soon;   /* the first that is down and to be probed soon; NONE: there is none */
	size_t turn;   /* of a callout: the first where it may wait for its turn, or NONE */
	bool probes;   /* the chosen one is down */
	int64_t until; /* the first of them may be gone to */
	enum db_code code;
};

static bool failed(struct asking *a, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && a->code == DB_OK)
		a->code = code;
	return a->code != DB_OK;
}

static const struct queue_policy *policy_of(const struct asking *a)
{
	return queue_config_policy(&a->w->cfg, a->lease.destination);
}

static bool is_callout(const struct asking *a)
{
	return a->lease.message == 0;
}

/* ---- the one before ---- */

static void count_at(struct asking *a, struct str host)
{
	if (str_eq(a->lease.host, host))
		return;
	failed(a, db_exec(a->db, SQL_LEASE_HOST,
		      DB_ARGS(db_int(QUEUE_SHARD), db_int(a->lease.token), db_text(host)), NULL));
	a->lease.host = host;
}

static struct str reply_of(struct asking *a)
{
	struct buf b;
	struct str reply;

	buf_init(&b, LIMIT_QUEUE_REPLY);
	queue_result_put_reply(&b, &a->w->attempt, a->w->text);
	reply = arena_str(a->w->scratch, buf_view(&b));
	buf_fini(&b);
	return reply;
}

/* Another answer tells that it is there. */
static bool is_to_be_waited_for(enum queue_event event)
{
	return event == QUEUE_EVENT_FAILED || event == QUEUE_EVENT_TURNED_AWAY;
}

static void teach_failure(struct asking *a)
{
	struct queue_result result = queue_result_of(&a->w->attempt);
	struct queue_host_lesson lesson = {
	    .name = a->w->failed,
	    .destination = a->lease.destination,
	    .policy = policy_of(a),
	    .common = &a->w->cfg.policy,
	    .event = result.event,
	    .last = {a->w->attempt.problem, result.status, reply_of(a), STR("")},
	};

	if (a->w->failed.n == 0)
		return;
	count_at(a, STR(""));
	if (a->code == DB_OK &&
	    queue_result_is_of_host(&a->w->attempt, queue_routing_asks_more(a->w->failed)) &&
	    !queue_lease_is_outslept(&a->lease, &a->w->cfg, a->now) &&
	    !failed(a, queue_host_teach(a->db, a->w->scratch, &lesson, a->now)) &&
	    is_to_be_waited_for(result.event))
		failed(a, queue_host_line_up(a->db, a->w->failed, &a->place, a->now));
}

/* ---- choosing ---- */

int64_t queue_way_until(const struct queue_destination *host, const struct queue_policy *policy,
    uint64_t seed, int64_t now)
{
	int64_t until = host->next_probe > now ? host->next_probe : now + policy->retry[0];

	if (!queue_destination_is_failing(host))
		return now + FULL_MS + (int64_t)(seed % FULL_MS);
	return until + 1 + (int64_t)(seed % (uint64_t)((until - now) / 10 + 1));
}

/* As an attempt: what it answered last, why it could not be reached, or that it has no room. */
static void pass(struct asking *a, const struct queue_host *host, size_t i)
{
	struct queue_attempt *p = &a->w->passed_attempt;
	struct str reply = host->last.reply;
	uint64_t code;

	if (a->w->passes)
		return;
	a->w->passes = true;
	a->w->passed = i;
	a->w->passed_text = reply;
	*p = (struct queue_attempt){.stage = QUEUE_STAGE_CONNECT, .problem = host->last.problem};
	if (!queue_destination_is_failing(&host->state)) {
		p->problem = QUEUE_PROBLEM_LOCAL;
		a->w->passed_text = STR("it has as many connections as it may have at present");
	} else if (queue_result_is_reply(reply) && reply.p[0] == '4' &&
		   str_to_u64(str_sub(reply, 0, 3), 499, &code)) {
		p->code = (uint16_t)code;
		a->w->passed_text = str_from(reply, 4);
	} else if (p->problem == QUEUE_PROBLEM_NONE) {
		p->problem = QUEUE_PROBLEM_UNREACHABLE;
	}
}

static void block(struct asking *a, const struct queue_host *host, size_t i)
{
	int64_t until = queue_way_until(&host->state, policy_of(a), a->place.state.seed, a->now);

	pass(a, host, i);
	a->full |= !queue_destination_is_failing(&host->state);
	if (a->nblocked == 0 || until < a->until)
		a->until = until;
	a->blocked[a->nblocked++] = host->name;
}

/* Down, and most of what it was to wait has passed. */
static bool is_soon(const struct asking *a, const struct queue_destination *d, int64_t active)
{
	return active == 0 && queue_destination_is_failing(d) &&
	       d->next_probe - a->now <= (d->next_probe - d->last_try) / SOON;
}

static bool callout_may_go(struct asking *a, const struct queue_host *host, size_t i)
{
	struct queue_callout_room room;

	if (failed(a, queue_callout_room(
			  a->db, a->w->scratch, &a->w->cfg, &a->lease, host, a->now, &room)))
		return false;
	if (room.goes)
		return true;
	if (room.waits && a->turn == NONE)
		a->turn = i;
	block(a, host, i);
	return false;
}

static bool may_go(struct asking *a, size_t i)
{
	struct str name = a->w->hosts[i].name;
	struct queue_host host;
	int64_t active = 0;

	if (failed(a, queue_host_get(a->db, a->w->scratch, a->now, name, &host)))
		return false;
	if (is_callout(a))
		return callout_may_go(a, &host, i);
	if (failed(a, queue_host_active(a->db, name, &active)))
		return false;
	active -= str_eq(a->lease.host, name);
	a->probes = queue_destination_is_failing(&host.state);
	if (queue_destination_room(&host.state, (size_t)active, a->now) > 0)
		return true;
	if (a->soon == NONE && is_soon(a, &host.state, active))
		a->soon = i;
	block(a, &host, i);
	return false;
}

/* Is the one behind it to be asked for instead? */
static bool may_pass(const struct asking *a, size_t i)
{
	return !a->full || a->w->hosts[i].level == a->w->hosts[i - 1].level;
}

static bool choose_due(struct asking *a)
{
	for (size_t i = 0; i < a->w->n && (i == 0 || may_pass(a, i)); i++) {
		if (may_go(a, i)) {
			a->w->chosen = i;
			return true;
		}
		if (a->code != DB_OK)
			return false;
	}
	return false;
}

/*
 * Who probes one host of a destination probes its others too, if their time comes soon: so they stay
 * together, one attempt at each step for all of them.
 */
static bool choose_soon(struct asking *a)
{
	struct queue_host host;

	if (a->soon == NONE || failed(a, queue_host_get(a->db, a->w->scratch, a->now,
					     a->w->hosts[a->soon].name, &host)))
		return false;
	host.state.next_probe = a->now;
	a->w->chosen = a->soon;
	a->w->passes &= a->w->passed != a->soon;
	return !failed(a, queue_host_set(a->db, &host));
}

static bool choose(struct asking *a)
{
	bool due = choose_due(a);

	if (a->code == DB_OK && (due ? a->probes : a->w->failed.n > 0) && choose_soon(a))
		return true;
	return due && a->code == DB_OK;
}

/* ---- the answer ---- */

static void line_up(struct asking *a)
{
	for (size_t i = 0; i < a->nblocked && a->code == DB_OK; i++)
		failed(a, queue_host_line_up(a->db, a->blocked[i], &a->place, a->now));
}

static void go(struct asking *a)
{
	struct str name = a->w->hosts[a->w->chosen].name;

	a->w->answer = QUEUE_WAY_GO;
	count_at(a, name);
	line_up(a); /* should it fail too */
	if (a->code != DB_OK || str_eq(a->place.host, name))
		return;
	a->place.host = name;
	failed(a, queue_place_set(a->db, &a->place, a->now));
}

/* Its recipients are free again, and wait for the hosts. */
static void give_back(struct asking *a)
{
	a->w->answer = QUEUE_WAY_WAIT;
	if (failed(a,
		db_exec(a->db, SQL_QUEUE_FREE,
		    DB_ARGS(db_int(QUEUE_SHARD), db_int(a->lease.message), db_int(a->lease.token)),
		    NULL)) ||
	    failed(a, db_exec(a->db, SQL_LEASE_DELETE,
			  DB_ARGS(db_int(QUEUE_SHARD), db_int(a->lease.token)), NULL)))
		return;
	line_up(a);
	a->place.host = a->blocked[a->nblocked - 1];
	queue_destination_wait(&a->place.state, a->until, !a->full);
	failed(a, queue_place_set(a->db, &a->place, a->now));
}

/* A callout that may go nowhere now waits, if one of the hosts is up. */
static void answer_callout(struct asking *a)
{
	bool goes = choose_due(a);
	size_t to = goes ? a->w->chosen : a->turn;
	struct str host = to == NONE ? STR("") : a->w->hosts[to].name;

	if (goes)
		a->w->answer = QUEUE_WAY_GO;
	else
		a->w->answer = a->full ? QUEUE_WAY_SOON : QUEUE_WAY_NONE;
	if (a->code == DB_OK)
		failed(a, queue_callout_move(a->db, a->w->scratch, &a->lease, host, goes, a->now));
	a->lease.host = host;
}

static void answer_job(struct asking *a)
{
	teach_failure(a);
	if (a->code != DB_OK)
		return;
	if (choose(a)) {
		go(a);
	} else if (a->w->failed.n) {
		a->w->answer = QUEUE_WAY_NONE;
		line_up(a);
	} else if (a->code == DB_OK) {
		give_back(a);
	}
}

static void answer(struct asking *a)
{
	struct str was = a->lease.host;

	if (is_callout(a))
		answer_callout(a);
	else
		answer_job(a);
	/* where it counted before there is room for another */
	if (a->code == DB_OK && was.n &&
	    (a->w->answer == QUEUE_WAY_WAIT || !str_eq(was, a->lease.host))) {
		a->w->frees = true;
		failed(a, queue_host_wake(a->db, a->w->scratch, was, a->now));
	}
	a->w->frees |= a->w->answer == QUEUE_WAY_WAIT;
}

static enum lane_exec way_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_way *w = LIST_ENTRY(op, struct queue_way, op);
	struct asking a = {.w = w, .db = db, .now = now, .soon = NONE, .turn = NONE};
	enum db_code found;

	arena_reset(w->scratch, false);
	w->answer = QUEUE_WAY_STALE;
	w->passes = w->frees = false;
	w->passed_attempt = (struct queue_attempt){0};
	w->passed_text = STR("");
	found = queue_lease_get(db, w->scratch, w->token, &a.lease);
	if (found == DB_OK ||
	    (found == DB_ROW && (a.lease.owner != w->owner || a.lease.message != w->message)))
		return LANE_UNDO;
	if (found == DB_ROW)
		found = queue_place_get(db, w->scratch, now, a.lease.destination, &a.place);
	if (found == DB_OK && !is_callout(&a))
		found = db_damaged(db, "a destination that is being tried is not there");
	if (!failed(&a, found))
		answer(&a);
	return a.code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

struct queue_way *queue_way_new(void)
{
	struct queue_way *w = mem_new(struct queue_way);

	w->arena = arena_new();
	w->scratch = arena_new();
	list_init(&w->op.link);
	return w;
}

void queue_way_prepare(struct queue_way *w)
{
	MUST(w->n <= LIMIT_QUEUE_HOSTS && (w->n > 0 || w->failed.n > 0));
	w->op.exec = way_exec;
}

void queue_way_free(struct queue_way **w)
{
	if (!*w)
		return;
	arena_free(&(*w)->arena);
	arena_free(&(*w)->scratch);
	mem_free(*w);
	*w = NULL;
}
