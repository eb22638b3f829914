/*
 * Mailboxes here. What is done to one, an administrator does: by a request to the lane, which is made again until
 * it is answered, for the store may die before; or until it is too late for it, and nobody knows.
 */
#include "here.h"

#include <stdio.h>

#include "base/mem.h"
#include "check.h"
#include "store.h"
#include "store/deliver.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "traffic.h"

#define MARGIN_MS HOUR_MS /* what is done to a mailbox is done so long before its mail comes */
#define AGAIN_MS  (2 * SECOND_MS)

static struct {
	uint64_t chance;
	bool boxes; /* there are such mailboxes */
	bool shuts; /* there is such a sender */
	struct sim_shut shut;
} here;

static int64_t draw_between(int64_t min, int64_t max)
{
	return sim_draw_between(&here.chance, min, max);
}

/* ---- what is done to a mailbox ---- */

/* What becomes of it, until it is answered. */
struct doing {
	struct directory_change change;
	struct doing_plan {
		enum directory_verb verb;
		const char *address, *target;
		int64_t messages; /* that it may hold: DIRECTORY_QUOTA */
		bool fill;        /* one is put into it before */
		void (*done)(void *ctx);
		void *ctx;
		int64_t *begun; /* by the wall, the first time */
		bool *unsure;   /* set while it is out */
		int64_t before; /* mono: later it is not done any more */
	} plan;
	bool answered;
};

static void filled(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);

	deliver_free(&d);
}

static void fill(const char *address)
{
	struct str text = str_of_c(address);
	size_t at = str_find(text, '@');
	struct deliver *d = sim_message_new(1);

	d->op.done = filled;
	d->recipients[0].address = text;
	d->recipients[0].local = str_sub(text, 0, at);
	d->recipients[0].domain = str_from(text, at + 1);
	d->recipients[0].notify = QUEUE_NOTIFY_NEVER;
	d->data = STR("Subject: " SIM_FILLER "\r\n\r\nwords\r\n");
	MUST(deliver_prepare(d));
	sim_write(&d->op);
}

static void done(struct lane_op *op)
{
	struct directory_change *c = LIST_ENTRY(op, struct directory_change, op);
	struct doing *x = LIST_ENTRY(c, struct doing, change);

	x->answered = true; /* done by one that was not answered: it is refused now */
	sim_say("admin  %s: verb %d %s", x->plan.address, (int)x->plan.verb,
	    c->refused ? c->why.text : "");
	if (x->plan.done)
		x->plan.done(x->plan.ctx);
}

static void attempt(void *ctx)
{
	struct doing *last = ctx, *x;
	struct str text = str_of_c(last->plan.address);
	struct str target = str_of_c(last->plan.target ? last->plan.target : "");
	size_t at = str_find(text, '@'), to = str_find(target, '@');

	if (last->answered || (last->plan.before && clock_mono() > last->plan.before))
		return;
	if (!sim_store()) {
		sim_post_to(&sim_outside, AGAIN_MS, attempt, last);
		return;
	}
	x = mem_new(struct doing);
	x->plan = last->plan;
	x->change = (struct directory_change){.verb = x->plan.verb,
	    .cfg = &sim_store()->directory,
	    .who = STR("sim"),
	    .hash = "$hash$",
	    .local = str_sub(text, 0, at),
	    .domain = str_from(text, at + 1),
	    .target_local = str_sub(target, 0, to),
	    .target_domain = str_from(target, to + 1),
	    .quota_bytes = QUOTA_DEFAULT,
	    .quota_messages = x->plan.messages};
	directory_change_init(&x->change);
	x->change.op.done = done;
	if (x->plan.begun)
		*x->plan.begun = clock_now();
	x->plan.begun = NULL;
	if (x->plan.unsure)
		*x->plan.unsure = true;
	if (x->plan.fill)
		fill(x->plan.address);
	sim_write(&x->change.op);
	sim_post_to(&sim_outside, AGAIN_MS, attempt, x);
}

static void plan(int64_t delay, struct doing_plan p)
{
	struct doing *x = mem_new(struct doing);

	x->plan = p;
	if (delay == 0)
		attempt(x);
	else
		sim_post_to(&sim_outside, delay, attempt, x);
}

/* ---- who has a mailbox here ---- */

static void gone(void *ctx)
{
	struct sim_rcpt *r = ctx;

	r->destiny = SIM_UNKNOWN;
	r->unsure = false;
}

static void has_room(void *ctx)
{
	struct sim_rcpt *r = ctx;

	r->room_at = clock_mono();
	r->unsure = false;
}

static void full(void *ctx)
{
	struct sim_rcpt *r = ctx;

	r->destiny = SIM_FULL;
	r->room_at = INT64_MAX;
	r->unsure = false;
	plan(r->accepted - clock_mono() + draw_between(-MINUTE_MS, 30 * HOUR_MS),
	    (struct doing_plan){.verb = DIRECTORY_QUOTA,
		.address = r->address,
		.messages = QUOTA_DEFAULT,
		.done = has_room,
		.unsure = &r->unsure,
		.ctx = r});
}

static void ask(void *ctx)
{
	sim_check_ask(ctx);
}

/* The message is there, unless the store has died before it was. */
static void begin(void *ctx)
{
	struct sim_rcpt *r = ctx;
	struct doing_plan p = {.address = r->address, .unsure = &r->unsure, .ctx = r};

	p.before = r->accepted - MARGIN_MS;
	if (r->accepted > clock_mono()) /* just as it is put into the mailbox */
		sim_post_to(&sim_outside, r->accepted - clock_mono() + draw_between(0, 3), ask, r);
	if (r->accepted == 0 || sim_world.jumps || sim_draw(&here.chance, 2))
		return;
	p.verb = sim_draw(&here.chance, 2) ? DIRECTORY_ACCOUNT_REMOVE : DIRECTORY_QUOTA;
	p.done = p.verb == DIRECTORY_QUOTA ? full : gone;
	p.fill = p.verb == DIRECTORY_QUOTA;
	p.messages = 1;
	plan(0, p);
}

/* Once: without it the message, which is next, is not taken either. */
static void make(enum directory_verb verb, const struct sim_rcpt *r, const struct sim_rcpt *target)
{
	plan(0, (struct doing_plan){.verb = verb,
		    .address = r->address,
		    .target = target ? target->address : NULL,
		    .before = clock_mono()});
}

/* Behind an alias: of his success alone nobody is told. */
static void make_heir(const struct sim_rcpt *r)
{
	struct sim_rcpt *heir = sim_rcpt_new(r->dest);

	heir->sender = r->sender;
	heir->notify = r->notify & ~(unsigned)QUEUE_NOTIFY_SUCCESS;
	if (r->notify && heir->notify == 0)
		heir->notify = QUEUE_NOTIFY_NEVER;
	heir->hold = r->hold;
	heir->by = r->by;
	heir->by_kind = r->by_kind;
	heir->by_in = r->by_in;
	make(DIRECTORY_ACCOUNT_ADD, heir, NULL);
	make(DIRECTORY_ALIAS_ADD, r, heir);
}

void sim_here_expect(struct sim_rcpt *r)
{
	r->tells = sim_draw(&here.chance, 4) == 0;
	if (!r->tells) {
		make(DIRECTORY_ACCOUNT_ADD, r, NULL);
		sim_post_to(&sim_outside, SECOND_MS, begin, r);
		return;
	}
	make_heir(r);
	make_heir(r);
	r->hold = 0;
	r->by = false;
}

int64_t sim_here_hold(void)
{
	return sim_draw(&here.chance, 3) ? draw_between(2 * HOUR_MS, 8 * HOUR_MS)
					 : draw_between(SECOND_MS, 2 * HOUR_MS);
}

static bool has(struct db *db, const struct mailbox_snapshot *s, int64_t email)
{
	struct mailbox_entry e;
	size_t n = 1, found = 0;

	for (int64_t i = 1; n > 0; i++) {
		MUST(mailbox_entries(db, s, i, &e, 1, &n) == DB_OK);
		found += n > 0 && e.email == email;
	}
	return found == 1;
}

void sim_here_check(const struct sim_rcpt *r)
{
	struct str address = str_of_c(r->address);
	size_t at = str_find(address, '@');
	struct db *db = sim_store()->db;
	struct arena *a = arena_new();
	struct directory_login account;
	struct mailbox_snapshot s;

	MUST(directory_login(db, a, address, &account) == DB_OK);
	SIM_MUST(account.account || r->destiny == SIM_UNKNOWN, "%.*s has no mailbox any more",
	    STR_FMT(str_sub(address, 0, at)));
	if (account.account) {
		MUST(mailbox_snapshot_begin(db, account.account, MAILBOX_INBOX, &s) == DB_ROW);
		while (!s.complete)
			MUST(mailbox_snapshot_scan(db, &s, 1000) == DB_OK);
		SIM_MUST(has(db, &s, r->message) == (r->taken > 0),
		    "%s was written to, and his mailbox does not tell what became of it",
		    r->address);
		mailbox_snapshot_fini(&s);
	}
	arena_free(&a);
}

/* ---- the sender whose mailbox is shut ---- */

const struct sim_shut *sim_shut(void)
{
	return &here.shut;
}

int sim_here_sender(int sender)
{
	return here.shuts && sim_draw(&here.chance, 3) == 0 ? SIM_SHUT : sender;
}

/* Reports go again: to him, or to the postmaster. */
static void opens(void *ctx)
{
	here.shut.until = clock_mono();
	here.shut.unsure = false;
}

static void shuts(void *ctx)
{
	here.shut.since = clock_mono();
	here.shut.full_wall = clock_now();
	here.shut.until = here.shut.room_wall = INT64_MAX;
	here.shut.unsure = false;
}

static void goes(void *ctx)
{
	if (here.shut.since == 0)
		shuts(ctx);
	opens(ctx);
	here.shut.gone = true;
}

/* Full for days, or removed, or first the one and then the other. */
static void plan_shut(void)
{
	static char address[40];
	struct doing_plan full = {DIRECTORY_QUOTA, .address = address, .messages = 1, .fill = true},
			  room = {DIRECTORY_QUOTA, .address = address, .messages = QUOTA_DEFAULT},
			  gone = {DIRECTORY_ACCOUNT_REMOVE, .address = address};
	int64_t since = draw_between(MINUTE_MS, 6 * HOUR_MS);
	int64_t until = draw_between(12 * HOUR_MS, 4 * DAY_MS);
	uint64_t how = sim_draw(&here.chance, 4);

	snprintf(address, sizeof address, "%s@" SIM_DOMAIN, sim_senders[SIM_SHUT]);
	full.unsure = room.unsure = gone.unsure = &here.shut.unsure;
	full.done = shuts;
	room.done = opens;
	room.begun = &here.shut.room_wall;
	gone.done = goes;
	if (how > 0)
		plan(since, full);
	plan(how > 0 ? until : since, how > 1 ? room : gone);
}

/* ---- the whole ---- */

void sim_here_begin(uint64_t seed)
{
	here.chance = seed ^ UINT64_C(0x68657265); /* as ways.c's, and another */
	here.boxes = sim_draw(&here.chance, 6) == 0;
	here.shuts = sim_draw(&here.chance, 8) == 0;
}

void sim_here_make(void)
{
	if (here.boxes)
		snprintf(
		    sim_dest_add(SIM_X_HERE)->name, sizeof sim_world.dests[0].name, "%s", SIM_HERE);
}

void sim_here_plan(void)
{
	if (here.shuts && !sim_world.jumps)
		plan_shut();
}
