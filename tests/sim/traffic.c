/* What happens to us in a week. */
#include "traffic.h"

#include <stdio.h>

#include "base/mem.h"
#include "check.h"
#include "explain.h"
#include "here.h"
#include "leap.h"
#include "proc/store_queue.h"
#include "store.h"
#include "store/deliver.h"
#include "store/queue_change.h"
#include "world.h"

#define MESSAGES_MAX ((size_t)3) /* recipients of one */
#define KILL_REPORTS 200         /* ... or with a store that dies at it */
#define KILL_COMMITS 400         /* one in so many ends with a death */

static struct id_maker ids;

/* ---- mail ---- */

/* What may wait for five days does not begin so late. */
static bool is_late(void)
{
	return clock_mono() - sim_world.begin > 36 * HOUR_MS;
}

/* Every third one is refused before the next message, so that there is something to be forgotten. */
static bool is_before_rset(const struct sim_rcpt *r)
{
	return r->dest->example == SIM_X_REFUSES && r->dest->faults[0].at == SIM_RSET &&
	       r->index % 3 == 0;
}

/* The first sender's mail may have a route of its own. */
static struct sim_dest *part_for(struct sim_dest *dest, int sender)
{
	struct sim_dest *d = sim_dest_domain(dest);

	return sender == 0 && d->apart ? d->apart : d;
}

static void add_recipient(struct deliver *d, struct sim_dest *dest, unsigned notify)
{
	struct sim_rcpt *r = sim_rcpt_new(part_for(dest, d->user ? *(int *)d->user : -1));
	struct deliver_recipient *to = &d->recipients[d->n++];
	struct plan_item *item = &d->plan.items[d->plan.n];
	struct str text = str_of_c(r->address);
	size_t at = str_find(text, '@');

	r->sender = d->user ? *(int *)d->user : -1;
	r->notify = notify;
	r->hold = d->wish.hold_for;
	r->by = d->wish.by != QUEUE_BY_NONE;
	r->by_kind = d->wish.by;
	r->by_in = d->wish.by_time;
	if (sim_is_here(dest))
		sim_here_expect(r);
	else if (dest->example != SIM_X_BURST && sim_chance(8))
		r->destiny = sim_chance(85) || is_late() ? SIM_UNKNOWN : SIM_FULL;
	else if (is_before_rset(r))
		r->destiny = SIM_UNKNOWN;
	to->address = text;
	to->local = str_sub(text, 0, at);
	to->domain = str_from(text, at + 1);
	to->notify = (uint8_t)notify;
	item->recipient = (uint32_t)d->plan.n++;
	item->action = sim_is_here(dest) ? PLAN_MAILBOX : PLAN_RELAY;
}

static void sent(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);
	struct sim_rcpt *reported = d->accepted ? NULL : d->user;

	/* of a return address, by which a report comes */
	if (reported && sim_leaps() && sim_has(d->refusal.text, "was forwarded too long ago")) {
		reported->returned--;
		deliver_free(&d);
		return;
	}
	SIM_MUST(d->accepted, "a message was refused: %.*s", STR_FMT(d->refusal.text));
	deliver_free(&d);
	store_queue_kick(sim_store()->queue); /* as store_take.c does */
}

static unsigned some_notify(void)
{
	static const unsigned all[] = {QUEUE_NOTIFY_NEVER, QUEUE_NOTIFY_FAILURE,
	    QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY, QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE,
	    QUEUE_NOTIFY_DELAY};

	return sim_chance(60) ? 0 : all[sim_random(sizeof all / sizeof *all)];
}

/* Later, before others, or in time: as the sender of some messages wishes. */
static void wish(struct deliver *d, const struct sim_dest *dest)
{
	if (sim_is_here(dest))
		d->wish.hold_for = sim_here_hold();
	else if (is_late() || !sim_chance(15))
		return;
	else if (sim_chance(60))
		d->wish.hold_for = sim_between(MINUTE_MS, 8 * HOUR_MS);
	d->wish.priority = (int8_t)sim_between(QUEUE_PRIORITY_LAST, QUEUE_PRIORITY_MOST);
	if (sim_chance(30)) {
		d->wish.by = sim_chance(50) ? QUEUE_BY_RETURN : QUEUE_BY_NOTIFY;
		d->wish.by_time = d->wish.hold_for + sim_between(MINUTE_MS, 2 * DAY_MS);
	}
}

static struct str content(struct deliver *d, const char *sender)
{
	struct buf b;
	struct str text;

	buf_init(&b, KIB);
	buf_printf(&b,
	    "From: %s@" SIM_DOMAIN "\r\nMessage-ID: <%lld@" SIM_DOMAIN ">\r\nSubject: hello\r\n\r\n"
	    "some words\r\n.and a dot\r\n",
	    sender, (long long)d->message_id);
	text = arena_str(d->arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

/* Somebody who may not relay: he writes to a relay domain, and wishes nothing. */
static bool is_stranger(const struct sim_dest *dest)
{
	return str_eq(str_of_c(dest->name), STR(SIM_RELAY_DOMAIN)) && sim_chance(50);
}

/* For a recipient: the message's own, now and then another; of mailboxes here only for what is put there later. */
static struct sim_dest *some_dest(const struct deliver *d, struct sim_dest *own, bool stranger)
{
	struct sim_dest *other;

	if (stranger || !sim_chance(20) || is_late())
		return own;
	other = &sim_world.dests[sim_random(sim_world.ndests)];
	return sim_is_here(other) && !d->wish.hold_for ? own : other;
}

struct deliver *sim_message_new(size_t n)
{
	struct deliver *d = deliver_new();

	d->directory = &sim_store()->directory;
	d->routing = &sim_store()->routing;
	d->message_id = id_make(&ids, clock_now());
	d->recipients = arena_array(d->arena, n, sizeof *d->recipients);
	d->n = n;
	d->plan = plan_new(d->arena, n);
	d->helo = STR("client." SIM_DOMAIN);
	d->peer = STR("192.0.2.1");
	d->protocol = STR("ESMTP");
	return d;
}

/* A message to one destination, now and then to others too. */
static void send_message(struct sim_dest *dest)
{
	int sender = sim_chance(6) ? -1 : sim_here_sender((int)sim_random(SIM_SENDERS));
	struct deliver *d = sim_message_new(MESSAGES_MAX + 1);
	size_t n = 1 + (sim_chance(30) ? sim_random(MESSAGES_MAX) : 0);
	unsigned notify = some_notify();
	bool stranger = is_stranger(dest);

	d->op.done = sent;
	d->user = sender < 0 ? NULL : &sender;
	d->n = d->plan.n = 0;
	if (!stranger)
		wish(d, dest);
	for (size_t i = 0; i < n; i++)
		add_recipient(
		    d, some_dest(d, dest, stranger), sim_chance(80) ? notify : some_notify());
	d->user = NULL;
	if (sender >= 0) {
		struct buf from;

		buf_init(&from, 64);
		buf_printf(&from, "%s@" SIM_DOMAIN, sim_senders[sender]);
		d->reverse_path = arena_str(d->arena, buf_view(&from));
		buf_fini(&from);
	}
	d->may_relay = !stranger;
	d->data = content(d, sender < 0 ? "MAILER-DAEMON" : sim_senders[sender]);
	SIM_MUST(deliver_prepare(d), "a message was refused at once");
	sim_write(&d->op);
}

/* ---- strangers, whose mail our aliases send on ---- */

/* One recipient, as a front hands it in: nothing is relayed for them. to: for the arena of d. */
static struct deliver *stranger_writes(
    struct str from, struct str local, struct str domain, struct str target)
{
	struct deliver *d = sim_message_new(1);
	struct deliver_recipient *to = &d->recipients[0];

	d->op.done = sent;
	to->local = arena_str(d->arena, local);
	to->domain = arena_str(d->arena, domain);
	to->address = directory_text(d->arena, local, domain);
	to->notify = QUEUE_NOTIFY_FAILURE;
	d->plan.items[0].action = PLAN_REDIRECT;
	d->plan.items[0].u.address = arena_str(d->arena, target);
	d->reverse_path = arena_str(d->arena, from);
	d->helo = STR("stranger.test");
	d->peer = STR("192.0.2.2");
	d->protocol = STR("ESMTP");
	d->data = content(d, "stranger");
	return d;
}

static void hand_in(struct deliver *d)
{
	SIM_MUST(deliver_prepare(d), "a message was refused at once");
	sim_write(&d->op);
}

/* Somebody at the server that is well writes to an alias. */
static void stranger_sends(struct sim_dest *dest)
{
	struct sim_rcpt *from = sim_rcpt_new(&sim_world.dests[0]), *r = sim_rcpt_new(dest);
	struct str address = str_of_c(r->address);
	size_t at = str_find(address, '@');
	char domain[32];

	r->sender = from->sender = -1;
	r->stranger = from;
	from->of = r;
	r->notify = QUEUE_NOTIFY_FAILURE;
	if (dest->example != SIM_X_BURST && sim_chance(15))
		r->destiny = SIM_UNKNOWN;
	snprintf(domain, sizeof domain, "d%zu." SIM_ALIASES, (size_t)(dest - sim_world.dests));
	hand_in(stranger_writes(
	    str_of_c(from->address), str_sub(address, 0, at), str_of_c(domain), address));
}

/* A report from elsewhere, from nobody, to the path that was seen there. */
static void report_comes(void *ctx)
{
	struct sim_rcpt *r = ctx;
	struct str path = str_of_c(r->path);
	size_t at = str_rfind(path, '@');
	struct deliver *d;

	if (!sim_store()) {
		sim_post(SECOND_MS, report_comes, r);
		return;
	}
	if (r->touched) /* an administrator returned it too */
		return;
	d = stranger_writes(
	    STR(""), str_sub(path, 0, at), str_from(path, at + 1), str_of_c(r->stranger->address));
	d->user = r;
	hand_in(d);
}

void sim_traffic_taken(struct sim_rcpt *r)
{
	/* where all goes well, so that no report of ours comes beside */
	if (r->taken > 1 || r->dest->example != SIM_X_HEALTHY || !sim_chance(50))
		return;
	r->returned++;
	sim_post_to(&sim_outside, sim_between(SECOND_MS, 2 * HOUR_MS), report_comes, r);
}

static bool has_alias(const struct sim_dest *d)
{
	return !sim_is_here(d) && d - sim_world.dests < SIM_ALIASED;
}

static void on_send(void *ctx)
{
	struct sim_dest *dest = sim_dest_domain(ctx);

	if (sim_store() && has_alias(dest) && sim_chance(15))
		stranger_sends(dest);
	else if (sim_store())
		send_message(dest);
	else
		sim_post(SECOND_MS, on_send, ctx);
}

/* n messages between two times from the beginning. */
static void plan_mail(struct sim_dest *d, size_t n, int64_t from, int64_t until)
{
	while (n--)
		sim_post(sim_between(from, until), on_send, d);
}

static void plan_dest(struct sim_dest *d)
{
	int64_t late = sim_world.end - sim_world.begin - DAY_MS;

	if (d->example == SIM_X_SILENT) { /* to all of them at once */
		plan_mail(d, 1, 3 * HOUR_MS, 3 * HOUR_MS + 20 * SECOND_MS);
		return;
	}
	if (d->server) { /* what is sent to all domains of a host at once, and whenever */
		plan_mail(d, 1, HOUR_MS, HOUR_MS + MINUTE_MS);
		plan_mail(d, sim_random(3), MINUTE_MS, 36 * HOUR_MS);
		return;
	}
	switch (d->example) {
	case SIM_X_HEALTHY:
		plan_mail(d, 10, MINUTE_MS, late);
		plan_mail(d, 3, HOUR_MS, HOUR_MS + MINUTE_MS); /* as the many for others */
		break;
	case SIM_X_MANY:
		plan_mail(d, (size_t)sim_between(20, 60), HOUR_MS, HOUR_MS + MINUTE_MS);
		plan_mail(d, 5, DAY_MS, DAY_MS + HOUR_MS);
		break;
	case SIM_X_BURST:
		plan_mail(d, sim_chance(5) ? 1000 : 120, HOUR_MS, HOUR_MS + 20 * SECOND_MS);
		break;
	case SIM_X_HERE:
		plan_mail(d, (size_t)sim_between(3, 8), MINUTE_MS, 36 * HOUR_MS);
		break;
	case SIM_X_REFUSES: /* some of it over one connection */
		plan_mail(d, 8, HOUR_MS, HOUR_MS + 8 * SECOND_MS);
		plan_mail(d, 2, MINUTE_MS, 36 * HOUR_MS);
		break;
	case SIM_X_CROWD: /* once, so that it is known to be well; then all at once */
		plan_mail(d, 1, MINUTE_MS, 2 * MINUTE_MS);
		plan_mail(d, 6, 3 * HOUR_MS - 3 * MINUTE_MS, 3 * HOUR_MS - 2 * MINUTE_MS);
		break;
	case SIM_X_TROUBLE: /* each may be tried for days by itself */
		plan_mail(d, (size_t)sim_between(1, 3), MINUTE_MS, 36 * HOUR_MS);
		break;
	default:
		plan_mail(d, (size_t)sim_between(2, 6), MINUTE_MS, 36 * HOUR_MS);
	}
}

/* ---- deaths ---- */

static void back(void)
{
	if (sim_store() && sim_relay_is_up() && sim_resolver_is_up()) {
		sim_world.down += clock_mono() - sim_world.down_since;
		sim_world.down_since = 0;
		sim_world.last_start = clock_mono();
	}
}

static void start_store(void *ctx)
{
	sim_store_start();
	sim_forget_claims();
	if (sim_relay_is_up())
		sim_link();
	back();
}

static void start_relay(void *ctx)
{
	sim_relay_start();
	if (sim_store())
		sim_link();
	back();
}

static void start_resolver(void *ctx)
{
	sim_resolver_start();
	back();
}

static void died(void (*again)(void *ctx))
{
	int64_t delay = sim_chance(10) ? sim_between(SECOND_MS, 40 * MINUTE_MS)
				       : sim_between(50, 3000);

	if (sim_world.down_since == 0)
		sim_world.down_since = clock_mono();
	sim_world.deaths++;
	sim_post_to(&sim_outside, delay, again, NULL);
}

static void kill_store(void *ctx)
{
	if (!sim_store())
		return;
	sim_store_kill();
	died(start_store);
}

static void kill_relay(void *ctx)
{
	if (!sim_relay_is_up())
		return;
	sim_relay_dies();
	sim_relay_kill(false);
	died(start_relay);
}

static void hang_ends(void *ctx)
{
	sim_relay_dies();
	sim_relay_hang_ends();
	died(start_relay);
}

/* Nobody hears of it before the watchdog does. */
static void hang_relay(void *ctx)
{
	if (!sim_relay_is_up() || !sim_store())
		return;
	sim_relay_hang();
	if (sim_world.down_since == 0)
		sim_world.down_since = clock_mono();
	sim_post_to(&sim_outside, sim_between(MINUTE_MS, 3 * MINUTE_MS), hang_ends, NULL);
}

/* What it had is tried again when its leases have expired, not before. */
static void lose_relay(void *ctx)
{
	if (!sim_relay_is_up() || !sim_store())
		return;
	sim_relay_dies();
	sim_relay_kill(true);
	sim_world.lost_at = clock_mono();
	sim_world.down += SIM_LEASE_MS;
	sim_post_to(&sim_outside, SIM_LOST_MS, sim_relay_lost_ends, NULL);
	died(start_relay);
}

static void kill_resolver(void *ctx)
{
	if (!sim_resolver_is_up())
		return;
	sim_resolver_kill();
	died(start_resolver);
}

static void (*const kills[])(void *ctx) = {kill_store, kill_relay, kill_resolver, hang_relay};

static void plan_deaths(void)
{
	if (sim_chance(30))
		sim_post(sim_between(HOUR_MS, 5 * DAY_MS), lose_relay, NULL);
	for (int64_t n = sim_between(3, 16); n > 0; n--)
		sim_post(sim_between(HOUR_MS, sim_world.end - sim_world.begin - DAY_MS),
		    kills[sim_random(sizeof kills / sizeof *kills)], NULL);
}

void sim_traffic_committed(void)
{
	if (sim_world.kills && sim_random(KILL_COMMITS) == 0)
		sim_post_to(&sim_outside, 0, kills[sim_random(2)], NULL);
}

void sim_traffic_reported(void)
{
	if (sim_world.kills && sim_random(KILL_REPORTS) == 0)
		sim_post_to(&sim_outside, sim_between(0, 6), kill_store, NULL);
}

/* ---- the clock ---- */

static void jump(void *ctx)
{
	int64_t by = sim_between(-3 * HOUR_MS, 3 * HOUR_MS);

	sim_say("the clock jumps by %lld s", (long long)(by / SECOND_MS));
	sim_jump(by);
	sim_world.shifted += by > 0 ? by : -by;
	sim_forget_claims();
}

static void plan_jumps(void)
{
	for (int64_t n = sim_between(1, 4); n > 0; n--)
		sim_post(sim_between(HOUR_MS, 5 * DAY_MS), jump, NULL);
}

/* ---- the whole ---- */

static void look(struct sim_timer *t)
{
	sim_check_overdue();
	sim_check_idle();
	sim_set(t, 10 * MINUTE_MS, look, NULL);
}

void sim_traffic_plan(void)
{
	static struct sim_timer looking;

	id_maker_init(&ids, 7, 0);
	for (size_t i = 0; i < sim_world.ndests; i++)
		plan_dest(&sim_world.dests[i]);
	if (sim_world.kills)
		plan_deaths();
	if (sim_world.jumps)
		plan_jumps();
	sim_leap_plan(sim_seed());
	sim_here_plan();
	if (sim_chance(25))
		sim_admin_plan();
	sim_set(&looking, 10 * MINUTE_MS, look, NULL);
}
