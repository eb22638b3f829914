/* The end of a seed: what became of each recipient, by what his destination is an example of. */
#include "base/mem.h"
#include "check.h"
#include "here.h"
#include "leap.h"
#include "net.h"
#include "store.h"

#define STEP_MS  (33 * MINUTE_MS) /* the longest wait between two attempts, chance included */
#define LIFE_MS  (5 * DAY_MS)
#define NULL_MS  (2 * DAY_MS)     /* without a sender */
#define SLACK_MS (6 * MINUTE_MS)  /* for an attempt, and for all that wait to go */
#define LATE_MS  (31 * MINUTE_MS) /* behind his end he is returned */
#define OFF_MS   (5 * MINUTE_MS)  /* or, where a store was started later than that behind it, ... */
#define GRACE_MS (49 * MINUTE_MS) /* ... then */

static bool wants(const struct sim_rcpt *r, unsigned what)
{
	return r->sender >= 0 &&
	       (r->notify == 0 ? what != QUEUE_NOTIFY_SUCCESS : (r->notify & what) != 0);
}

/* How far times may be off in a seed whose clock jumps, or whose processes die. */
static int64_t slack(void)
{
	return SLACK_MS + sim_world.shifted + sim_world.down + (sim_world.kills ? SLACK_MS : 0);
}

/* Who writes through an alias hears of a failure once: from us, or from where it was sent on to. */
static void check_stranger(const struct sim_rcpt *r)
{
	int want = (r->state == SIM_S_BOUNCED) + r->returned;
	const struct sim_rcpt *s = r->stranger;

	if (r->touched || s->touched)
		return;
	SIM_MUST(s->taken - s->excused <= want && s->taken >= want,
	    "%s has got %d reports of %s, and there were %d", s->address, s->taken, r->address,
	    want);
}

/*
 * The time for which an administrator held him back is not of his life, nor is that by which the clock was set back:
 * that may outlast the week.
 */
static bool may_wait_yet(const struct sim_rcpt *r)
{
	return sim_leap_may_wait(r) ||
	       (r->held > 0 && clock_mono() < r->accepted + LIFE_MS + r->held + slack());
}

/* The sender's mailbox is no more: what he was told before cannot be read. */
static bool is_unread(const struct sim_rcpt *r)
{
	return sim_sender_refuses(r) && r->ended < sim_shut()->until + MINUTE_MS;
}

/* That it went well is told once, who wanted to hear of it; unless an administrator took it out. */
static bool is_told(const struct sim_rcpt *r, int told, bool due)
{
	due = due && wants(r, QUEUE_NOTIFY_SUCCESS);
	return told == due || (r->touched && told < due) || sim_sender_refuses(r);
}

static void check_told(const struct sim_rcpt *r)
{
	bool bounced = r->state == SIM_S_BOUNCED, here = r->state == SIM_S_DELIVERED;
	int failed = r->told_failed + r->told_postmaster;

	if (is_unread(r))
		return;
	SIM_MUST(failed == (bounced && wants(r, QUEUE_NOTIFY_FAILURE) ? 1 : 0),
	    "the sender of %s was told %d times that it failed, and it %s", r->address, failed,
	    bounced ? "did" : "did not");
	SIM_MUST(is_told(r, r->told_delivered, here && !r->tells),
	    "the sender of %s was told %d times that it was delivered", r->address,
	    r->told_delivered);
	SIM_MUST(is_told(r, r->told_expanded, r->tells),
	    "the sender of %s was told %d times that it was sent on", r->address, r->told_expanded);
}

/* What was known of him was reported at once, or when the mailbox of his sender had room for it. */
static void check_reported(const struct sim_rcpt *r)
{
	const struct sim_shut *shut = sim_shut();
	bool put_off = r->sender == SIM_SHUT && shut->since && r->over_at < shut->until &&
		       r->ended > shut->since;
	int64_t due = put_off ? shut->until + STEP_MS : r->over_at + MINUTE_MS;

	if (r->over_at == 0 || r->state == SIM_S_QUEUED || r->touched || sim_world.jumps)
		return;
	SIM_MUST(r->ended <= due + slack(), "what became of %s was reported after %lld minutes",
	    r->address, (long long)((r->ended - r->over_at) / MINUTE_MS));
}

/* What holds for everybody. */
static void check_any(const struct sim_rcpt *r)
{
	SIM_MUST(r->state != SIM_S_QUEUED || may_wait_yet(r),
	    "%s is still in the queue after a week", r->address);
	SIM_MUST(r->taken == 0 || r->state == SIM_S_RELAYED || r->state == SIM_S_DELIVERED ||
		     r->excused || r->touched,
	    "%s has got the message, and the ledger says that he has not", r->address);
	check_told(r);
	SIM_MUST(r->told_delayed <= (wants(r, QUEUE_NOTIFY_DELAY) ? 1 + r->by : 0),
	    "the sender of %s was told %d times of the delay", r->address, r->told_delayed);
	SIM_MUST(r->told_relayed <= (wants(r, QUEUE_NOTIFY_SUCCESS) || r->by ? 1 : 0),
	    "the sender of %s was told %d times that it was relayed", r->address, r->told_relayed);
}

/* It was refused, and is not told again; or nobody can read it any more. */
static bool is_warning_lost(const struct sim_rcpt *r)
{
	const struct sim_shut *shut = sim_shut();
	int64_t due = r->accepted + 4 * HOUR_MS;

	return sim_sender_refuses(r) ||
	       (r->sender == SIM_SHUT && shut->since && due + slack() > shut->since &&
		   due - slack() < shut->until);
}

/* Who waits for longer than the time of the warning is warned of, once. By his age, if the clock leaps: leap.c. */
static void check_warning(const struct sim_rcpt *r, int64_t waited)
{
	if (sim_leaps_of(r) > 0 || is_warning_lost(r))
		return;
	if (waited > 4 * HOUR_MS + slack())
		SIM_MUST(r->told_delayed == (wants(r, QUEUE_NOTIFY_DELAY) ? 1 : 0),
		    "%s waited for %lld hours, and his sender was told of it %d times", r->address,
		    (long long)(waited / HOUR_MS), r->told_delayed);
	else if (waited < 4 * HOUR_MS - sim_world.shifted)
		SIM_MUST(r->told_delayed == 0,
		    "%s waited for less than 4 hours, and his sender was told of it", r->address);
}

static void check_down_long(const struct sim_rcpt *r)
{
	bool own = r->dest->up_at > 0; /* whatever its server */
	int64_t up = (own ? r->dest : sim_server_of(r->dest))->up_at, steps;

	up = up > r->accepted ? up : r->accepted;
	if (r->destiny != SIM_WELCOME || r->sender < 0 || r->overtaken || sim_leap_held(r))
		return; /* without a sender it lives for two days only */
	SIM_MUST(r->state == SIM_S_RELAYED && r->told_failed == 0,
	    "%s was not delivered, though his server "
	    "was there again in time",
	    r->address);
	steps = 1 + sim_leaps_back(up, r->taken_at); /* with each the wait begins anew */
	SIM_MUST(r->taken_at <= up + steps * STEP_MS + slack(),
	    "%s was delivered %lld minutes after his server was there again", r->address,
	    (long long)((r->taken_at - up) / MINUTE_MS));
	check_warning(r, r->taken_at - r->accepted);
}

/* How old he is at most when he is returned. */
static int64_t oldest(const struct sim_rcpt *r, int64_t life)
{
	int64_t late = life + LATE_MS + sim_world.shifted + sim_world.down;
	int64_t started = r->opened - r->accepted;

	if (started > life + OFF_MS - sim_world.shifted && started + GRACE_MS > late)
		return started + GRACE_MS;
	return late;
}

static void check_down_forever(const struct sim_rcpt *r)
{
	int64_t took = r->told_failed_at - r->accepted_wall, lived = r->ended - r->accepted;

	if (r->state == SIM_S_QUEUED && may_wait_yet(r))
		return;
	SIM_MUST(r->state == SIM_S_BOUNCED, "%s was not returned", r->address);
	if (sim_leaps_of(r) > 0)
		return; /* by his age: leap.c */
	check_warning(r, r->ended - r->accepted);
	if (r->sender < 0 && !r->stranger)
		SIM_MUST(lived >= NULL_MS - sim_world.shifted && lived <= oldest(r, NULL_MS),
		    "%s was given up after %lld minutes", r->address,
		    (long long)(lived / MINUTE_MS));
	if (!wants(r, QUEUE_NOTIFY_FAILURE) || r->sender == SIM_SHUT)
		return;
	if (sim_leaps() > 0)
		took =
		    lived; /* the time in the report's id stays ahead of a clock that leapt back */
	SIM_MUST(took >= LIFE_MS - sim_world.shifted && took <= oldest(r, LIFE_MS),
	    "%s was returned after %lld minutes", r->address, (long long)(took / MINUTE_MS));
}

static void check_delivered(const struct sim_rcpt *r, int64_t within)
{
	if (r->destiny != SIM_WELCOME || r->overtaken || sim_leap_held(r))
		return;
	SIM_MUST(r->state == SIM_S_RELAYED, "%s was not delivered", r->address);
	SIM_MUST(r->taken_at - r->accepted <= within + slack(),
	    "%s was delivered after %lld minutes", r->address,
	    (long long)((r->taken_at - r->accepted) / MINUTE_MS));
}

static void check_at_once(const struct sim_rcpt *r)
{
	check_delivered(r, MINUTE_MS);
}

/* Waiting would be of no use; who has no room is told so before, and waits. */
static void check_returned(const struct sim_rcpt *r)
{
	if (r->destiny == SIM_FULL)
		return;
	SIM_MUST(r->state == SIM_S_BOUNCED && r->taken == 0,
	    "%s was not returned, though his server will not have the message", r->address);
	SIM_MUST(r->overtaken || sim_leap_held(r) || r->sender == SIM_SHUT ||
		     r->ended - r->accepted <= MINUTE_MS + slack(),
	    "%s was returned after %lld minutes, and was refused for good before", r->address,
	    (long long)((r->ended - r->accepted) / MINUTE_MS));
}

/* Who is only slow, or has another host, is waited for at each second probe. */
static void check_silent(const struct sim_rcpt *r)
{
	if (r->dest->up_at)
		check_down_long(r);
	else
		check_delivered(r, 45 * MINUTE_MS);
}

static void check_refused(const struct sim_rcpt *r)
{
	static void (*const checks[])(const struct sim_rcpt *r) = {
	    [SIM_TAKEN] = check_at_once,
	    [SIM_RETURNED] = check_returned,
	    [SIM_LATER] = check_down_long,
	};

	checks[r->dest->fate](r);
}

/* Into his mailbox at once; if it was full, within one step of the schedule after it was not. */
static void check_here(const struct sim_rcpt *r)
{
	int64_t since = r->room_at > r->accepted ? r->room_at : r->accepted;

	if (r->tells || r->unsure)
		return;
	sim_here_check(r);
	if (r->touched || r->by || r->destiny == SIM_UNKNOWN || sim_leap_held(r))
		return;
	SIM_MUST(r->state == SIM_S_DELIVERED, "%s has not got it into his mailbox", r->address);
	SIM_MUST(r->taken_at <= since + (r->room_at ? STEP_MS : MINUTE_MS) + slack(),
	    "%s has got it into his mailbox after %lld minutes", r->address,
	    (long long)((r->taken_at - since) / MINUTE_MS));
}

static void check_destiny(const struct sim_rcpt *r)
{
	if (sim_is_here(r->dest) && r->destiny == SIM_FULL)
		return;
	if (r->destiny != SIM_WELCOME && !(r->state == SIM_S_QUEUED && may_wait_yet(r)))
		SIM_MUST(
		    r->state == SIM_S_BOUNCED && r->taken == 0, "%s was to be refused", r->address);
}

static void check_rcpt(const struct sim_rcpt *r)
{
	check_any(r);
	if (r->stranger)
		check_stranger(r);
	check_reported(r);
	if (sim_is_here(r->dest))
		check_here(r);
	if (r->touched || r->by) /* an administrator had his will, or the sender wished otherwise */
		return;
	check_destiny(r);
	switch (r->dest->example) {
	case SIM_X_HEALTHY:
		check_at_once(r);
		break;
	case SIM_X_REFUSES:
	case SIM_X_ROUTED:
		check_refused(r);
		break;
	case SIM_X_DOWN_LONG:
	case SIM_X_MOVED:
		check_down_long(r);
		break;
	case SIM_X_DOWN_FOREVER:
		check_down_forever(r);
		break;
	case SIM_X_DOWN_SHORT:
		check_delivered(r, 7 * HOUR_MS);
		break;
	case SIM_X_GREYLIST:
		check_delivered(r, 30 * MINUTE_MS);
		break;
	case SIM_X_BACKED: /* the time it takes to find that nobody answers */
		check_delivered(r, 20 * MINUTE_MS);
		break;
	case SIM_X_FLAPPING:
		check_delivered(r, 4 * HOUR_MS);
		break;
	case SIM_X_SLOW:
	case SIM_X_CROWD:
	case SIM_X_BURST:
	case SIM_X_MANY:
		check_delivered(r, DAY_MS);
		break;
	case SIM_X_SILENT:
		check_silent(r);
		break;
	case SIM_X_TARPIT:
	case SIM_X_TROUBLE:
	case SIM_X_LIES:
	case SIM_X_HERE:
		break;
	}
}

/*
 * A destination that cannot be reached has one probe at each step, not one for each message; and so has a
 * host, by each of its addresses, not one for each domain that it serves.
 */
static void check_probes(const struct sim_dest *d)
{
	int64_t days = d->example == SIM_X_DOWN_FOREVER ? 7 : d->example == SIM_X_DOWN_LONG ? 4 : 0;
	int64_t most = 10 + days * DAY_MS / (27 * MINUTE_MS) +
		       6 * (sim_world.deaths + sim_world.touches + (int64_t)sim_leaps());

	/* in the line of a host it may come while another probes that, goes nowhere, and asks once more */
	SIM_MUST(days == 0 || d->probes <= (d->server || d->served ? 2 : 1) * most,
	    "%s was tried %lld times while it was down", d->name, (long long)d->probes);
	for (size_t i = 0; i < d->nhosts; i++)
		SIM_MUST(days == 0 || d->hosts[i].probes <= (1 + d->hosts[i].v6) * most,
		    "%s was tried %lld times while it was down", d->hosts[i].name,
		    (long long)d->hosts[i].probes);
}

/* What was refused together does not come back together. */
static void check_waits(const struct sim_dest *d)
{
	for (size_t i = 0; i < SIM_WAITS && d->waited >= 50; i++)
		SIM_MUST(d->wait_of[i] <= d->waited / 10,
		    "%u of %u recipients wait for the same %zu s", d->wait_of[i], d->waited, i);
}

void sim_check_end(void)
{
	sim_audit();
	sim_say("%llu events, %lld commits, %lld messages taken", (unsigned long long)sim_events(),
	    (long long)sim_commits(), (long long)sim_world.taken);
	sim_read_mail();
	for (size_t i = 0; i < sim_world.nrcpts; i++)
		if (sim_world.rcpts[i]->message)
			check_rcpt(sim_world.rcpts[i]);
	SIM_MUST(!sim_world.crowded || sim_world.kills || sim_net_most() >= CONNS_MAX - CONNS_KEPT,
	    "no more than %zu connections were ever open at once", sim_net_most());
	for (size_t i = 0; i < sim_world.ndests; i++) {
		check_probes(&sim_world.dests[i]);
		check_waits(&sim_world.dests[i]);
	}
}
