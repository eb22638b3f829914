/*
 * What is compared behind each commit: rows of the queue with what is known of each recipient, leases
 * with what their destinations may have, what was explained with what has happened.
 */
#include "check.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "here.h"
#include "leap.h"
#include "store.h"
#include "store/ledger.h"
#include "store/db_internal.h"
#include "store/db_vfs.h"
#include "store/queue_lease.h"
#include "traffic.h"

#define EXPLAINED     1               /* rows that changed, behind a commit */
#define IDLE_MS       (2 * MINUTE_MS) /* who may go has begun by then */
#define YOUNG_MS      DAY_MS          /* nobody's life is shorter */
#define SPIN_MS       (10 * SECOND_MS)
#define SPINS_MAX     100
#define AUDIT_COMMITS 250 /* between two audits of all that there is, and one for each recipient */

/* What is read of a destination. */
struct place {
	int64_t sessions, failures, next_probe, last_try, waits, active;
	int64_t most;  /* sessions, at any time of this commit */
	int64_t least; /* waits, likewise: of what was written while it did not fail */
	int64_t room;  /* mono: since then another may go there at once; 0: none may */
	bool changed;
	bool woken; /* it answered, or is to be probed earlier, or waits for its hosts no longer */
	bool tried; /* it has learned of an attempt */
	bool failing; /* as the lane has written it last */
	bool probed;  /* then it was given to the relay */
	bool written; /* it, or a lease of it, by the lane */
};

/* What is read of a row. */
struct seen {
	struct sim_rcpt *r;
	int64_t token, not_before, attempts, warned, report, held, accepted, last, by;
};

enum query {
	Q_BEGIN,
	Q_COMMIT,
	Q_ROW,
	Q_COUNT,
	Q_PLACE,
	Q_ACTIVE,
	Q_OUT,
	Q_HOSTS,
	Q_ENDED,
	QUERIES
};

static const char *const texts[QUERIES] = {
    [Q_BEGIN] = "BEGIN",
    [Q_COMMIT] = "COMMIT",
    [Q_ROW] = ("SELECT token, not_before, attempts, warned, report, held, accepted, last_attempt,"
	       " by_kind FROM queue WHERE shard = 0 AND message = ?1 AND recipient = ?2"),
    [Q_COUNT] = "SELECT count(*) FROM queue",
    [Q_PLACE] = ("SELECT sessions, failures, next_probe, last_try, waits FROM destination"
		 " WHERE shard = 0 AND name = ?1"),
    [Q_ACTIVE] = "SELECT count(*) FROM lease WHERE shard = 0 AND destination = ?1",
    [Q_OUT] = "SELECT count(*) FROM lease",
    [Q_HOSTS] = ("SELECT host, count(*) FROM lease WHERE shard = 0 AND host <> ''"
		 " GROUP BY host"),
    [Q_ENDED] = "SELECT state, detail FROM ledger WHERE message = ?1 AND recipient = ?2",
};

static struct {
	sqlite3 *db;
	sqlite3_stmt *queries[QUERIES];
	struct place places[SIM_DESTS_MAX];
	struct sim_dest *wrote[SIM_DESTS_MAX]; /* places that the lane has written */
	struct sim_dest *moved[SIM_DESTS_MAX]; /* those that were read behind the last commit */
	size_t nwrote, nmoved;
	bool hosts;        /* leases were written */
	struct seen *rows; /* as they were last, by number of the recipient */
	size_t room;
	uint32_t scan;
	int64_t commits;
	int64_t audit; /* all is looked at behind so many commits: the later, the more there is */
	int64_t idle_since;        /* mono: the beginning of commits that change nothing */
	int64_t idle, out;         /* out: jobs */
	int64_t most;              /* of them at once, so far */
	int64_t came, waiting;     /* rows: ever, now */
	struct sim_rcpt **written; /* rows that the lane has written */
	struct sim_rcpt **changed; /* explanations, by this commit */
	size_t nwritten, nchanged;
} check;

/* ---- reading ---- */

void sim_check_begin(void)
{
	MUST(sqlite3_open_v2("store.db", &check.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
		 db_vfs_name()) == SQLITE_OK);
	for (int i = 0; i < QUERIES; i++)
		MUST(sqlite3_prepare_v2(check.db, texts[i], -1, &check.queries[i], NULL) ==
		     SQLITE_OK);
}

static bool next_row(enum query q)
{
	int code = sqlite3_step(check.queries[q]);

	if (code == SQLITE_ROW)
		return true;
	SIM_MUST(code == SQLITE_DONE, "the checks cannot read: %s", sqlite3_errmsg(check.db));
	sqlite3_reset(check.queries[q]);
	return false;
}

static int64_t number_at(enum query q, int column)
{
	return sqlite3_column_int64(check.queries[q], column);
}

static struct str text_at(enum query q, int column)
{
	const void *p = sqlite3_column_text(check.queries[q], column);

	return str_of(p, (size_t)sqlite3_column_bytes(check.queries[q], column));
}

/* ---- destinations ---- */

static void bind_name(enum query q, const struct sim_dest *d)
{
	MUST(sqlite3_bind_text(check.queries[q], 1, d->name, -1, SQLITE_STATIC) == SQLITE_OK);
}

static int64_t count_of(enum query q)
{
	int64_t n;

	MUST(next_row(q));
	n = number_at(q, 0);
	sqlite3_reset(check.queries[q]);
	return n;
}

static void wake_claims(const struct sim_dest *d)
{
	LIST_FOREACH(&d->queued, it)
	{
		const struct sim_rcpt *r = LIST_ENTRY(it, struct sim_rcpt, beside);

		if (!r->token)
			sim_claim_woken(r, check.rows[r->index].not_before);
	}
}

static bool has_room(const struct sim_dest *d, const struct place *p)
{
	return p->failures == 0 && p->active < p->sessions &&
	       (d->connections == 0 || p->active < d->connections);
}

static void read_place(struct sim_dest *d)
{
	struct place *p = &check.places[d - sim_world.dests], is = {.least = INT64_MAX};
	int64_t *const columns[] = {
	    &is.sessions, &is.failures, &is.next_probe, &is.last_try, &is.waits};
	bool there;

	bind_name(Q_PLACE, d);
	there = next_row(Q_PLACE);
	for (size_t i = 0; there && i < sizeof columns / sizeof *columns; i++)
		*columns[i] = number_at(Q_PLACE, (int)i);
	sqlite3_reset(check.queries[Q_PLACE]);
	bind_name(Q_ACTIVE, d);
	is.active = count_of(Q_ACTIVE);
	check.out += is.active - p->active;
	is.changed = is.sessions != p->sessions || is.failures != p->failures ||
		     is.next_probe != p->next_probe || is.last_try != p->last_try ||
		     is.waits != p->waits || is.active != p->active;
	is.most = is.sessions > p->sessions ? is.sessions : p->sessions;
	is.woken = p->failures > 0 ? is.failures == 0 || is.next_probe < p->next_probe
				   : p->waits > clock_now() && p->least <= clock_now();
	is.failing = is.failures > 0;
	is.probed = p->probed;
	is.tried = is.last_try != p->last_try;
	is.room = has_room(d, &is) ? p->room ? p->room : clock_mono() : 0;
	if (is.changed)
		d->touched = clock_mono();
	*p = is;
	if (is.woken)
		wake_claims(d);
}

/* Those that were written; and those of the commit before have not changed any more. */
static void read_places(void)
{
	for (size_t i = 0; i < check.nmoved; i++) {
		struct place *p = &check.places[check.moved[i] - sim_world.dests];

		p->changed = p->woken = p->tried = p->probed = false;
		p->most = p->sessions;
	}
	check.nmoved = check.nwrote;
	check.nwrote = 0;
	for (size_t i = 0; i < check.nmoved; i++)
		read_place(check.moved[i] = check.wrote[i]);
	if (!check.hosts)
		return;
	check.hosts = false;
	SIM_MUST(count_of(Q_OUT) == check.out, "jobs are out for whom nobody knows");
	check.most = check.out > check.most ? check.out : check.most;
	SIM_MUST(check.out <= CONNS_MAX, "%lld jobs are out at once", (long long)check.out);
	while (next_row(Q_HOSTS))
		SIM_MUST(number_at(Q_HOSTS, 1) <= SESSIONS_MAX, "%.*s has %lld jobs out at once",
		    STR_FMT(text_at(Q_HOSTS, 0)), (long long)number_at(Q_HOSTS, 1));
}

static struct place *place_of(const struct sim_rcpt *r)
{
	return &check.places[r->dest - sim_world.dests];
}

/* ---- rows ---- */

static void add_changed(struct sim_rcpt *r)
{
	check.changed[check.nchanged++] = r;
}

static void make_room(void)
{
	size_t n = sim_world.nrcpts;

	if (n <= check.room)
		return;
	check.rows = mem_resize(check.rows, 2 * n * sizeof *check.rows);
	memset(check.rows + check.room, 0, (2 * n - check.room) * sizeof *check.rows);
	check.changed = mem_resize(check.changed, 2 * n * sizeof *check.changed);
	check.written = mem_resize(check.written, 2 * n * sizeof *check.written);
	check.room = 2 * n;
}

/* He is in the queue for the first time: so he was accepted. */
static void begin_row(struct sim_rcpt *r, int64_t accepted)
{
	r->accepted = clock_mono() + r->hold; /* his life begins then */
	r->accepted_wall = accepted;
	r->jumped = sim_jumped();
	r->shifted = sim_world.shifted;
	list_push(&sim_world.queued, &r->link);
	list_push(&r->dest->queued, &r->beside);
	r->place = check.came++;
	check.waiting++;
	r->dest->waits++;
}

static void lease_begun(struct sim_rcpt *r, const struct seen *was, const struct seen *is)
{
	struct sim_dest *d = r->dest;
	const struct place *p = place_of(r);

	SIM_MUST(p->active <= p->most || p->failures > 0,
	    "%s has %lld jobs out at once, and may have %lld", d->name, (long long)p->active,
	    (long long)p->sessions);
	SIM_MUST(d->connections == 0 || p->active <= d->connections,
	    "%s has %lld jobs out at once, and is configured to have %u", d->name,
	    (long long)p->active, d->connections);
	SIM_MUST(p->active <= SESSIONS_MAX, "%s has %lld jobs out at once", d->name,
	    (long long)p->active);
	SIM_MUST(p->failures == 0 || !p->probed || p->active == 1,
	    "%s is down, and is tried by %lld jobs at once", d->name, (long long)p->active);
	if (was->token == 0 && was->r)
		sim_claim_tried(r, p->woken);
	if (d->last_lease != clock_mono() || d->leases == 0) {
		d->leases++;
		d->probes += sim_dest_is_down(d) && sim_resolver_is_up();
	}
	r->leased = d->last_lease = clock_mono();
}

/*
 * By a result, or because it was lost: what was reported while the store was away, for as long as a lease lives, tells
 * it nothing any more.
 */
static void lease_over(struct sim_rcpt *r)
{
	bool lost = r->reported < 0; /* or of our side; unless it came just before that */
	bool old = clock_mono() - r->leased >= QUEUE_LEASE_MS;

	if (place_of(r)->tried ? lost || r->reported >= r->leased
			       : r->reported >= r->leased && !old)
		r->dest->last_result = clock_now();
}

/* How long is waited after the second refusal: about 15 minutes, and for each a little different. */
static void count_wait(struct sim_dest *d, int64_t wait)
{
	size_t second = (size_t)(wait / SECOND_MS);

	SIM_MUST(wait > 0 && second < SIM_WAITS,
	    "after the second refusal it is to wait for %lld s", (long long)(wait / SECOND_MS));
	d->waited++;
	d->wait_of[second]++;
}

/* He waited for a mailbox here, or for his report. */
static void settle_row(struct sim_rcpt *r, const struct seen *was, const struct seen *is)
{
	if (was->report == QUEUE_REPORT_HERE
		? is->report != QUEUE_REPORT_HERE || is->attempts != was->attempts
		: is->not_before != was->not_before)
		sim_claim_settled(r);
	if (is->report == QUEUE_REPORT_DELIVERED && was->report != is->report)
		sim_placed(r);
}

static void look_at_row(struct seen *was, const struct seen *is)
{
	struct sim_rcpt *r = is->r;

	SIM_MUST(r->state == SIM_S_QUEUED, "%s is in the queue again, after his end", r->address);
	if (r->link.next == &r->link)
		begin_row(r, is->accepted);
	if (is->token && is->token != was->token)
		lease_begun(r, was, is);
	if (was->token && is->token != was->token)
		lease_over(r);
	if (is->attempts == 2 && was->attempts == 1 && !is->report)
		count_wait(r->dest, is->not_before - is->last);
	if (was->r && (is->warned > was->warned || is->by > was->by))
		sim_claim_warned(r);
	if (was->r && is->warned > was->warned)
		sim_leap_warned(r);
	if (is->held && !was->held)
		r->held_wall = clock_now();
	if (is->last != was->last)
		r->tried_wall = clock_now();
	if (was->report)
		settle_row(r, was, is);
	if (is->report && is->report != QUEUE_REPORT_HERE && r->over_at == 0)
		r->over_at = clock_mono();
	r->token = is->token;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return a->r && a->token == b->token && a->not_before == b->not_before &&
	       a->attempts == b->attempts && a->warned == b->warned && a->report == b->report &&
	       a->held == b->held && a->accepted == b->accepted && a->by == b->by;
}

/* One row that may have changed; false: it is not there (any more). */
static bool read_row(struct sim_rcpt *r)
{
	struct seen *was = &check.rows[r->index], is = {.r = r};
	int64_t *const columns[] = {&is.token, &is.not_before, &is.attempts, &is.warned, &is.report,
	    &is.held, &is.accepted, &is.last, &is.by};
	bool there;

	sqlite3_bind_int64(check.queries[Q_ROW], 1, r->message);
	sqlite3_bind_int64(check.queries[Q_ROW], 2, r->number);
	there = next_row(Q_ROW);
	for (size_t i = 0; there && i < sizeof columns / sizeof *columns; i++)
		*columns[i] = number_at(Q_ROW, (int)i);
	sqlite3_reset(check.queries[Q_ROW]);
	if (!there)
		return false;
	if (!is_same(was, &is)) {
		look_at_row(was, &is);
		r->scan = check.scan;
		add_changed(r);
	}
	*was = is;
	return true;
}

/* ---- ends ---- */

static void end_row(struct sim_rcpt *r)
{
	struct seen *was = &check.rows[r->index];
	static const enum sim_state states[LEDGER_STATES] = {
	    [LEDGER_MAILBOX] = SIM_S_DELIVERED,
	    [LEDGER_RELAYED] = SIM_S_RELAYED,
	    [LEDGER_BOUNCED] = SIM_S_BOUNCED,
	    [LEDGER_DISCARDED] = SIM_S_DISCARDED,
	};
	int64_t state = -1;
	bool expired = false;

	sqlite3_bind_int64(check.queries[Q_ENDED], 1, r->message);
	sqlite3_bind_int64(check.queries[Q_ENDED], 2, r->first);
	if (r->tells)
		state = LEDGER_MAILBOX; /* of those behind him */
	else if (next_row(Q_ENDED)) {
		state = number_at(Q_ENDED, 0);
		expired = str_has_prefix(text_at(Q_ENDED, 1), STR("its time in the queue is over"));
	}
	sqlite3_reset(check.queries[Q_ENDED]);
	SIM_MUST(state >= 0 && state != LEDGER_QUEUED &&
		     (state != LEDGER_MAILBOX || sim_is_here(r->dest)),
	    "%s left the queue and has no final state", r->address);
	r->state = states[state];
	if (r->state == SIM_S_DELIVERED && r->taken == 0 && !r->tells)
		sim_placed(r);
	if (was->report && !r->touched)
		sim_claim_settled(r);
	r->ended = clock_mono();
	r->opened = sim_world.opened;
	if (was->token)
		lease_over(r);
	if (expired)
		sim_claim_returned(r);
	if (expired)
		sim_leap_returned(r);
	SIM_MUST(r->state != SIM_S_RELAYED || r->taken > 0,
	    "%s was relayed, says the ledger; nobody took the message", r->address);
	list_remove(&r->link);
	list_remove(&r->beside);
	check.waiting--;
	r->dest->waits--;
	sim_say("check  %s: %s", r->address, ledger_state_name((enum ledger_state)state));
}

/* A row was written in the lane, whatever then becomes of that. */
static void on_touched(sqlite3_context *context, int n, sqlite3_value **args)
{
	struct str address = str_of(
	    sqlite3_value_text(args[0]), (size_t)sqlite3_value_bytes(args[0]));
	struct sim_rcpt *r = sim_rcpt_find(address);

	SIM_MUST(r, "%.*s is in the queue and was never written to", STR_FMT(address));
	r->message = sqlite3_value_int64(args[1]);
	r->number = sqlite3_value_int64(args[2]);
	if (r->link.next == &r->link) /* of one that then only tells it is another */
		r->first = r->number;
	make_room();
	if (!r->written)
		check.written[check.nwritten++] = r;
	r->written = true;
}

static struct place *add_wrote(sqlite3_value *value)
{
	struct str name = str_of(sqlite3_value_text(value), (size_t)sqlite3_value_bytes(value));
	struct sim_dest *d = sim_dest_find(name);
	struct place *p = &check.places[d ? d - sim_world.dests : 0];

	SIM_MUST(d, "%.*s is no destination of anybody", STR_FMT(name));
	if (!p->written)
		check.wrote[check.nwrote++] = d;
	p->written = true;
	return p;
}

/*
 * A success lets it have one more, "421" takes half of them away. What was before: as it was written. A moment that
 * is earlier than the one before was moved with a clock that is set back, and tells nothing.
 */
static void check_concurrency(struct sim_lesson *was, sqlite3_value **args, const char *name)
{
	struct str reply = str_of(
	    sqlite3_value_text(args[2]), (size_t)sqlite3_value_bytes(args[2]));
	struct sim_lesson is = {true, sqlite3_value_int64(args[0]), sqlite3_value_int64(args[1])};
	int64_t half = was->sessions > 1 ? was->sessions / 2 : 1;

	if (was->known && is.tried > was->tried) {
		SIM_MUST(is.sessions <= was->sessions + 1,
		    "%s might have %lld sessions, and after one attempt %lld", name,
		    (long long)was->sessions, (long long)is.sessions);
		SIM_MUST(!str_has_prefix(reply, STR("421")) || is.sessions <= half,
		    "%s might have %lld sessions, said 421, and may have %lld", name,
		    (long long)was->sessions, (long long)is.sessions);
	}
	*was = is;
}

/* The store was opened: what was not committed went with the one before. */
static void forget_lessons(void)
{
	for (size_t i = 0; i < sim_world.ndests; i++) {
		struct sim_dest *d = &sim_world.dests[i];

		d->lesson.known = false;
		for (size_t k = 0; k < d->nhosts; k++)
			d->hosts[k].lesson.known = false;
	}
}

/* So was a destination. Who is woken may be given a job and wait for another, all in one commit. */
static void on_place(sqlite3_context *context, int n, sqlite3_value **args)
{
	struct place *p = add_wrote(args[0]);
	struct sim_dest *d = &sim_world.dests[p - check.places];
	int64_t waits = sqlite3_value_int64(args[1]);

	p->failing = sqlite3_value_int64(args[5]) > 0;
	if (!p->failing)
		p->least = waits < p->least ? waits : p->least;
	check_concurrency(&d->lesson, args + 2, d->name);
}

static void on_lease(sqlite3_context *context, int n, sqlite3_value **args)
{
	(void)add_wrote(args[0]);
	check.hosts = true;
}

/* A new one. What becomes known of the destination behind it, in the same commit, comes too late for it. */
static void on_given(sqlite3_context *context, int n, sqlite3_value **args)
{
	struct place *p = add_wrote(args[0]);

	p->probed |= p->failing;
	check.hosts = true;
}

static void on_host(sqlite3_context *context, int n, sqlite3_value **args)
{
	struct str name = str_of(sqlite3_value_text(args[0]), (size_t)sqlite3_value_bytes(args[0]));
	struct sim_host *h = sim_host_find(queue_routing_server(name));

	if (!h)
		return;
	h->told = clock_mono();
	if (sqlite3_value_int64(args[1]) == 0)
		h->good = clock_mono();
	if (queue_routing_asks_more(name)) /* with a login it is another one */
		return;
	check_concurrency(&h->lesson, args + 2, h->name);
}

#define TRIGGER(name, event, row, table, call)                                                     \
	"CREATE TEMP TRIGGER sim_" name " AFTER " event " ON main." table                          \
	" BEGIN SELECT " call(row) "; END;"
#define TRIGGERS(table, call) TRIGGERS_OF(table, call, call)
#define TRIGGERS_OF(table, insert, call)                                                           \
	TRIGGER(table "_i", "INSERT", "new.", table, insert)                                       \
	TRIGGER(table "_u", "UPDATE", "new.", table, call)                                         \
	TRIGGER(table "_d", "DELETE", "old.", table, call)
#define ROW(row) "sim_touched(" row "address, " row "message, " row "recipient)"
#define PLACE(row)                                                                                 \
	"sim_place(" row "name, " row "waits, " row "sessions, " row "last_try, " row              \
	"last_reply, " row "failures)"
#define LEASE(row) "sim_lease(" row "destination)"
#define GIVEN(row) "sim_given(" row "destination)"
#define HOST(row)                                                                                  \
	"sim_host(" row "name, " row "failures, " row "sessions, " row "last_try, " row            \
	"last_reply)"

void sim_check_store(void)
{
	static const char triggers[] = TRIGGERS("queue", ROW) TRIGGERS("destination", PLACE)
	    TRIGGERS_OF("lease", GIVEN, LEASE) TRIGGERS("host", HOST);
	static const struct {
		const char *name;
		int n;
		void (*call)(sqlite3_context *context, int n, sqlite3_value **args);
	} functions[] = {
	    {"sim_touched", 3, on_touched},
	    {"sim_place", 6, on_place},
	    {"sim_lease", 1, on_lease},
	    {"sim_given", 1, on_given},
	    {"sim_host", 5, on_host},
	};
	sqlite3 *writer = sim_store()->store->db->sqlite;

	forget_lessons();
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		MUST(sqlite3_create_function(writer, functions[i].name, functions[i].n,
			 SQLITE_UTF8 | SQLITE_INNOCUOUS, NULL, functions[i].call, NULL,
			 NULL) == SQLITE_OK);
	SIM_MUST(sqlite3_exec(writer, triggers, NULL, NULL, NULL) == SQLITE_OK, "%s",
	    sqlite3_errmsg(writer));
}

static int by_place(const void *a, const void *b)
{
	const struct sim_rcpt *const *x = a, *const *y = b;

	return (*x)->place < (*y)->place ? -1 : (*x)->place > (*y)->place;
}

/* Who waits for a destination that changed has another explanation. As they came into the queue. */
static void add_waiting(void)
{
	size_t first = check.nchanged, lists = 0;

	for (size_t i = 0; i < check.nmoved; i++) {
		const struct sim_dest *d = check.moved[i];

		if (!check.places[d - sim_world.dests].changed)
			continue;
		LIST_FOREACH(&d->queued, it)
		{
			struct sim_rcpt *r = LIST_ENTRY(it, struct sim_rcpt, beside);

			if (r->scan != check.scan)
				add_changed(r);
		}
		lists++;
	}
	if (lists > 1)
		qsort(
		    check.changed + first, check.nchanged - first, sizeof *check.changed, by_place);
}

static void read_written(void)
{
	bool any = check.nwritten > 0;
	int64_t there;

	check.nchanged = 0;
	for (size_t i = 0; i < check.nwritten; i++) {
		struct sim_rcpt *r = check.written[i];

		r->written = false;
		if (!read_row(r) && !list_is_empty(&r->link))
			end_row(r);
	}
	check.nwritten = 0;
	add_waiting();
	if (!any)
		return;
	there = count_of(Q_COUNT);
	SIM_MUST(there == check.waiting, "%lld recipients are in the queue, and %lld should be",
	    (long long)there, (long long)check.waiting);
}

/* ---- explanations ---- */

static void explain(struct sim_rcpt *r, bool touched)
{
	struct db *db = sim_store()->db;
	struct arena *a = arena_new();
	struct queue_rows rows = {NULL, 0};
	const struct place *p = place_of(r);
	struct sim_claim is;

	MUST(db_begin(db) == DB_OK);
	MUST(queue_rows_get(db, a, clock_now(), SQL_QUEUE_OF_MESSAGE,
		 DB_ARGS(db_int(QUEUE_SHARD), db_int(r->message), db_int(r->number - 1), db_int(1)),
		 &rows) == DB_OK);
	MUST(rows.n == 1);
	is = sim_explain(r, &rows.v[0],
	    &(struct sim_facts){(size_t)p->active, (size_t)p->sessions, check.out, check.most,
		p->failures, rows.v[0].entry.attempts});
	MUST(db_rollback(db) == DB_OK);
	if (!touched)
		sim_compare_claims(r, &r->claim, &is);
	sim_claim_replaced(r);
	is.since = r->claim.next == is.next ? r->claim.since : clock_mono();
	r->claim = is;
	arena_free(&a);
}

/* Some of those that changed; the others have no claim any more. And one that did not change. */
static void explain_some(void)
{
	size_t left = EXPLAINED;
	struct sim_rcpt *any;

	for (size_t i = 0; i < check.nchanged; i++) {
		struct sim_rcpt *r = check.changed[i];

		if (left && sim_random(check.nchanged - i) < left && sim_random(3) == 0) {
			left--;
			explain(r, true);
		} else {
			sim_claim_replaced(r);
			r->claim.next = SIM_N_UNKNOWN;
		}
		r->claimed = check.scan;
	}
	if (sim_world.nrcpts == 0 || sim_random(6))
		return;
	any = sim_world.rcpts[sim_random(sim_world.nrcpts)];
	if (!list_is_empty(&any->link) && any->claimed != check.scan)
		explain(any, false);
}

void sim_check_ask(struct sim_rcpt *r)
{
	if (sim_store() && !list_is_empty(&r->link))
		explain(r, false);
}

/* He may go, and so he could for a while. */
static bool is_idle(const struct sim_rcpt *r)
{
	const struct seen *is = &check.rows[r->index];
	const struct place *p = place_of(r);
	int64_t since = clock_mono() - IDLE_MS;

	return !is->token && !is->held && !is->report && is->not_before <= clock_now() - IDLE_MS &&
	       is->accepted > clock_now() - YOUNG_MS && p->waits <= clock_now() - IDLE_MS &&
	       p->room && p->room < since && sim_jumped_at() < since - MINUTE_MS &&
	       sim_was_up_since(since);
}

/* Whatever explain says that he waits for: nobody stands still where there is room for him. */
void sim_check_idle(void)
{
	if (sim_world.crowded)
		return;
	LIST_FOREACH(&sim_world.queued, it)
	{
		const struct sim_rcpt *r = LIST_ENTRY(it, struct sim_rcpt, link);

		SIM_MUST(!is_idle(r), "%s may go, and has not for %lld minutes", r->address,
		    (long long)(IDLE_MS / MINUTE_MS));
	}
}

/* ---- the whole ---- */

static void count_fault(void *ctx, const struct ledger_finding *f)
{
	sim_fail("the audit finds: %s", ledger_fault_text(f->fault));
}

void sim_audit(void)
{
	struct ledger_audit a = {.on_finding = count_fault};
	int64_t sum = 0;

	while (!a.complete)
		MUST(ledger_audit_step(sim_store()->db, &a, 1000) == DB_OK);
	for (int i = 0; i < LEDGER_STATES; i++)
		sum += a.total.in[i];
	SIM_MUST(sum == a.total.accepted, "%lld recipients were accepted, and %lld are somewhere",
	    (long long)a.total.accepted, (long long)sum);
}

/* Commits that change nothing, one after the other: somebody asks for the same again and again. */
static void check_spinning(void)
{
	if (check.nchanged > 0 || clock_mono() - check.idle_since > SPIN_MS) {
		check.idle_since = clock_mono();
		check.idle = 0;
	}
	/* each of the jobs that are out asks for its way */
	SIM_MUST(++check.idle < SPINS_MAX + 2 * check.out,
	    "%lld commits in %lld s have changed nothing", (long long)check.idle,
	    (long long)(SPIN_MS / SECOND_MS));
}

void sim_committed(void)
{
	if (!sim_store())
		return; /* it is being opened */
	check.scan++;
	make_room();
	(void)next_row(Q_BEGIN);
	read_places();
	read_written();
	(void)next_row(Q_COMMIT);
	check_spinning();
	explain_some();
	check.commits++;
	if (check.commits >= check.audit) {
		sim_audit();
		check.audit = check.commits + AUDIT_COMMITS + (int64_t)sim_world.nrcpts;
	}
	sim_traffic_committed();
}

int64_t sim_commits(void)
{
	return check.commits;
}

void sim_forget_claims(void)
{
	LIST_FOREACH(&sim_world.queued, it)
	LIST_ENTRY(it, struct sim_rcpt, link)->claim.next = SIM_N_UNKNOWN;
}
