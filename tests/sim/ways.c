/*
 * Hosts that refuse a command, each with what must come of it; domains that leave a host which never comes
 * back; routes.
 */
#include "ways.h"

#include <stdio.h>

#include "smtp/smtp_client.h"

static struct {
	uint64_t chance;
	bool refuses; /* commands are refused */
	bool moves;   /* domains move */
	bool routes;  /* some go by a host of our choice */
	bool silence; /* very many do not answer, for hours */
	bool crowd;   /* ... and very many others are slow */
} ways;

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t draw(uint64_t n)
{
	return sim_draw(&ways.chance, n);
}

static int64_t draw_between(int64_t min, int64_t max)
{
	return sim_draw_between(&ways.chance, min, max);
}

/* ---- commands that are refused ---- */

static const struct {
	struct sim_fault fault;
	enum sim_fate fate;
	unsigned offers, lacks; /* extensions */
} refusals[] = {
#define REFUSES(stage, line, fate, offers, lacks)                                                  \
	{                                                                                          \
		{.kind = SIM_F_REPLY, .at = stage, .text = line}, fate, offers, lacks              \
	}
    REFUSES(SIM_GREETING, "550 5.7.1 your address is listed", SIM_LATER, 0, 0),
    REFUSES(SIM_GREETING, "554 5.7.1 not from there", SIM_LATER, 0, 0),
    REFUSES(SIM_EHLO, "500 5.5.1 EHLO?", SIM_TAKEN, 0, 0), /* HELO follows [RFC 5321 4.1.4] */
    REFUSES(SIM_EHLO, "502 5.5.1 HELO will do", SIM_TAKEN, 0, 0),
    REFUSES(SIM_HELO, "550 5.7.1 not by that name", SIM_RETURNED, 0, 0),
    REFUSES(SIM_HELO, "504 5.5.4 that is no name", SIM_RETURNED, 0, 0),
    REFUSES(SIM_HELO, "451 4.4.3 that name is not known yet", SIM_LATER, 0, 0),
    REFUSES(SIM_STARTTLS, "502 5.5.1 STARTTLS?", SIM_TAKEN, SMTP_EXT_STARTTLS, 0),
    REFUSES(SIM_STARTTLS, "554 5.7.3 no TLS for you", SIM_TAKEN, SMTP_EXT_STARTTLS, 0),
    REFUSES(SIM_STARTTLS, "454 4.7.0 no TLS now", SIM_TAKEN, SMTP_EXT_STARTTLS, 0),
    REFUSES(SIM_RSET, "502 5.5.1 RSET?", SIM_TAKEN, 0, 0), /* over another connection */
    REFUSES(SIM_RSET, "451 4.3.0 not now", SIM_TAKEN, 0, 0),
    REFUSES(SIM_RSET, "421 4.3.2 enough", SIM_TAKEN, 0, 0),
    REFUSES(SIM_MAIL, "553 5.1.8 no such sender", SIM_RETURNED, 0, 0),
    REFUSES(SIM_MAIL, "452 4.3.1 the disk is full", SIM_LATER, 0, 0),
    REFUSES(SIM_RCPT, "550 5.7.1 relaying denied", SIM_RETURNED, 0, 0),
    REFUSES(SIM_DATA, "554 5.7.1 no mail of that kind", SIM_RETURNED, 0, SMTP_EXT_CHUNKING),
    REFUSES(SIM_DATA, "503 5.5.1 not now", SIM_RETURNED, 0, SMTP_EXT_CHUNKING),
    REFUSES(SIM_DATA, "452 4.3.1 the disk is full", SIM_LATER, 0, SMTP_EXT_CHUNKING),
    REFUSES(SIM_BDAT, "500 5.5.1 BDAT?", SIM_TAKEN, SMTP_EXT_CHUNKING, 0), /* by DATA */
    REFUSES(SIM_BDAT, "451 4.3.0 not now", SIM_LATER, SMTP_EXT_CHUNKING, 0),
    REFUSES(SIM_BDAT, "554 5.6.0 not that", SIM_RETURNED, SMTP_EXT_CHUNKING, 0),
    REFUSES(SIM_DOT, "550 5.7.1 not that", SIM_RETURNED, 0, 0),
#undef REFUSES
};

bool sim_ways_crowd(void)
{
	return ways.crowd;
}

void sim_ways_trouble(struct sim_fault *f)
{
	if (ways.refuses && draw(2))
		*f = refusals[draw(COUNT(refusals))].fault;
}

static void make_refusing(void)
{
	struct sim_dest *d = sim_dest_add(SIM_X_REFUSES);
	size_t which = draw(COUNT(refusals));
	struct sim_fault f = refusals[which].fault;

	d->nhosts = 1 + draw(SIM_HOSTS_MAX);
	for (size_t i = 0; i < d->nhosts; i++) {
		sim_host_make(d, i);
		d->hosts[i].extensions |= refusals[which].offers;
		d->hosts[i].extensions &= ~refusals[which].lacks;
	}
	d->fate = refusals[which].fate;
	f.from = sim_world.begin;
	f.until = sim_world.end;
	if (d->fate == SIM_LATER)
		f.until = d->up_at = sim_world.begin + draw_between(2 * HOUR_MS, DAY_MS);
	sim_fault_add(d, f);
}

/* ---- domains that move ---- */

/* To a host of its own, or to those of the destination that is well. */
static void move(void *ctx)
{
	struct sim_dest *d = ctx;

	d->old = d->server;
	d->server = d->nhosts ? NULL : &sim_world.dests[0];
	sim_say("the MX of %s is another one", d->name);
}

static void make_mover(struct sim_dest *old)
{
	struct sim_dest *d = sim_dest_add(SIM_X_MOVED);
	int64_t in = draw_between(2 * HOUR_MS, 3 * DAY_MS);

	d->server = old;
	d->nhosts = draw(2);
	if (d->nhosts)
		sim_host_make(d, 0);
	sim_post(in, move, d);
	d->up_at = sim_world.begin + in;
}

/* Many domains in the line of a host that is dead: some move, the others wait until they are returned. */
static void make_moving(void)
{
	static const enum sim_fault_kind deaths[] = {
	    SIM_F_REFUSE, SIM_F_NO_ANSWER, SIM_F_NO_ROUTE, SIM_F_RESET};
	struct sim_dest *old = sim_dest_add(SIM_X_DOWN_FOREVER);

	old->nhosts = 1;
	sim_host_make(old, 0);
	old->up_at = sim_world.end;
	sim_fault_add(old, (struct sim_fault){.kind = deaths[draw(COUNT(deaths))],
			       .from = sim_world.begin,
			       .until = sim_world.end});
	old->served = (unsigned)draw_between(1, 8);
	for (unsigned i = 0; i < old->served; i++) {
		if (i == 0 || draw(2))
			make_mover(old);
		else
			sim_dest_add(SIM_X_DOWN_FOREVER)->server = old;
	}
}

/* ---- routes ---- */

static const struct sim_fault barred[] = {
    {.kind = SIM_F_REPLY, .at = SIM_AUTH, .text = "535 5.7.8 who are you?"},
    {.kind = SIM_F_REPLY, .at = SIM_AUTH, .text = "454 4.7.0 cannot tell who you are"},
    {.kind = SIM_F_REFUSE},
    {.kind = SIM_F_NO_ANSWER},
    {.kind = SIM_F_REPLY, .at = SIM_HELO, .text = "451 4.3.0 not today"},
};

static struct sim_dest *make_routed(struct sim_dest *by)
{
	const struct sim_fault *f = by->nfaults ? &by->faults[0] : NULL;
	struct sim_dest *d = sim_dest_add(SIM_X_ROUTED);

	d->server = by;
	d->login = draw(2);
	d->fate = f && (d->login || f->at != SIM_AUTH) ? SIM_LATER : SIM_TAKEN;
	if (d->fate == SIM_LATER)
		d->up_at = f->until;
	return d;
}

/* Of one sender alone: what becomes of his mail is nothing to that of others, nor theirs to his. */
static void make_apart(struct sim_dest *by)
{
	struct sim_dest *d = sim_dest_add(draw(2) ? SIM_X_HEALTHY : SIM_X_DOWN_FOREVER);

	d->nhosts = 1;
	sim_host_make(d, 0);
	if (d->example == SIM_X_DOWN_FOREVER) {
		d->up_at = sim_world.end;
		sim_fault_add(
		    d, (struct sim_fault){
			   .kind = SIM_F_REFUSE, .from = sim_world.begin, .until = sim_world.end});
	}
	d->apart = make_routed(by);
	d->apart->of = d;
	snprintf(
	    d->apart->name, sizeof d->apart->name, "%.10s via %.14s", d->name, by->hosts[0].name);
}

/* By a host that serves a domain of its own too; who does not log in there is not held up by who cannot. */
static void make_routes(void)
{
	struct sim_dest *by = sim_dest_add(SIM_X_HEALTHY);
	size_t which = draw(2 * COUNT(barred));
	struct sim_fault f;

	by->nhosts = 1;
	sim_host_make(by, 0);
	by->hosts[0].extensions |= SMTP_EXT_STARTTLS | SMTP_EXT_AUTH;
	if (which < COUNT(barred)) {
		f = barred[which];
		f.from = sim_world.begin + draw_between(0, 2 * HOUR_MS);
		f.until = f.from + draw_between(HOUR_MS, 2 * DAY_MS);
		sim_fault_add(by, f);
		if (f.at != SIM_AUTH) {
			by->example = SIM_X_DOWN_LONG;
			by->up_at = f.until;
		}
	}
	for (uint64_t n = 1 + draw(4); n > 0; n--)
		make_routed(by);
	if (draw(2))
		make_apart(by);
}

/* ---- silence ---- */

#define SILENT_MS (75 * MINUTE_MS)

/* A domain by its host first, and then by one of its own that is well. */
static void make_second(struct sim_dest *first)
{
	struct sim_dest *d = sim_dest_add(SIM_X_SILENT);

	d->server = first;
	first->served++;
	d->nhosts = 1;
	sim_host_make(d, 0);
	d->hosts[0].preference = first->hosts[0].preference + 10;
}

/* One that does not answer, or is only slow. */
static void make_silent(void)
{
	/* mostly those that are waited for longest */
	static const struct sim_fault silences[] = {{.kind = SIM_F_SILENT, .at = SIM_GREETING},
	    {.kind = SIM_F_SILENT, .at = SIM_GREETING}, {.kind = SIM_F_SILENT, .at = SIM_GREETING},
	    {.kind = SIM_F_SILENT, .at = SIM_GREETING}, {.kind = SIM_F_SILENT, .at = SIM_EHLO},
	    {.kind = SIM_F_NO_ANSWER}, {.kind = SIM_F_SLOW}};
	struct sim_dest *d = sim_dest_add(SIM_X_SILENT);
	struct sim_fault f = silences[draw(COUNT(silences))];

	d->nhosts = 1;
	sim_host_make(d, 0);
	f.from = sim_world.begin;
	f.until = sim_world.begin + 3 * HOUR_MS + SILENT_MS;
	if (f.kind != SIM_F_SLOW)
		d->up_at = f.until;
	sim_fault_add(d, f);
	if (d->up_at && draw(8) == 0)
		make_second(d);
}

/* More than may be waited for at once. */
static void make_silence(void)
{
	for (int i = 0; i < 220; i++)
		make_silent();
}

/* ---- the whole ---- */

void sim_ways_begin(uint64_t seed)
{
	ways.chance = seed ^ UINT64_C(0x77617973); /* as leap.c's, and another */
	ways.refuses = draw(6) == 0;
	ways.moves = draw(16) == 0;
	ways.routes = draw(12) == 0;
	ways.silence = draw(400) == 0;
	ways.crowd = ways.silence && draw(2);
}

void sim_ways_make(void)
{
	if (ways.refuses)
		make_refusing();
	if (ways.moves)
		make_moving();
	if (ways.routes)
		make_routes();
	if (ways.silence)
		make_silence();
}
