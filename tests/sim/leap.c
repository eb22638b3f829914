/*
 * A leap ahead lets whoever waits grow older, and a leap back younger, by as much of it as he is old. What made good
 * a leap back does neither, unless the store that knew of that is no more. By this age he is warned and returned;
 * and if a leap brought him there, not before he or a probe of his destination was tried behind it, or for a first
 * step nobody could be.
 */
#include "leap.h"

#include "check.h"
#include "store.h"

#define LEAPS    8
#define LIFE_MS  (5 * DAY_MS)
#define OWN_MS   (3 * DAY_MS) /* with a schedule of its own */
#define NULL_MS  (2 * DAY_MS) /* without a sender */
#define WARN_MS  (4 * HOUR_MS)
#define STEP_MS  (5 * MINUTE_MS)
#define OWN_STEP (2 * MINUTE_MS)
#define GRACE_MS (48 * MINUTE_MS) /* for whom a leap has brought beyond his end: two attempts */
#define OFF_MS   (5 * MINUTE_MS)  /* ... by more than this */
#define LATE_MS  (GRACE_MS + MINUTE_MS)
#define SLACK_MS (2 * MINUTE_MS)  /* until the store has looked at the clock */
#define SEEN_MS  (90 * SECOND_MS) /* what ends before that it may never see */

/* What a store that is always there knows. */
struct known {
	int64_t behind[LEAPS];   /* of each leap back what is not made good */
	int64_t ahead, ahead_at; /* gone ahead, and not set back; since when */
};

struct leap {
	int64_t at; /* mono */
	int64_t by;
	int64_t shifted;     /* sim_world.shifted then */
	int64_t good[LEAPS]; /* of it: makes good those back before, the last one first */
	bool was_down;       /* the store */
	bool unsure;         /* ... or went soon: what it knows is chance */
	struct known before;
};

/* What one leap did to somebody. */
struct age {
	int64_t is,
	    leapt; /* of it: by the last one that made him older, and those just before ... */
	int64_t leapt_at; /* ... then, mono; 0: none did */
	bool unsure;      /* small steps decide whether he came since one that went back */
};

static struct {
	uint64_t chance;
	struct leap v[LEAPS];
	size_t n;
	struct known known;
	int64_t again; /* what follows a leap after a while */
	bool busy;
} leaps;

/* ---- chance ---- */

static uint64_t draw(uint64_t n)
{
	return sim_draw(&leaps.chance, n);
}

static int64_t draw_between(int64_t min, int64_t max)
{
	return sim_draw_between(&leaps.chance, min, max);
}

/* ---- leaps ---- */

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The store that saw it is still there. */
static bool is_known(const struct leap *l)
{
	return sim_store_is_up() && sim_world.opened < l->at;
}

static void look_at_store(void *ctx)
{
	struct leap *l = ctx;

	l->unsure = l->was_down || !sim_store_is_up() || sim_world.opened >= l->at;
}

static void leap_back(struct leap *l, int64_t ahead)
{
	int64_t right = min_of(-l->by, ahead), left = -l->by - right;

	leaps.known.ahead -= right;
	leaps.known.behind[l - leaps.v] = left < OFF_MS ? 0 : left;
}

static void leap_ahead(struct leap *l, int64_t ahead)
{
	int64_t left = l->by;

	for (size_t i = (size_t)(l - leaps.v); i-- > 0 && is_known(&leaps.v[i]);) {
		l->good[i] = min_of(left, leaps.known.behind[i]);
		leaps.known.behind[i] -= l->good[i];
		left -= l->good[i];
	}
	if (ahead == 0)
		leaps.known.ahead_at = l->at;
	leaps.known.ahead = ahead + left;
}

static void leap(int64_t by)
{
	struct leap *l = &leaps.v[leaps.n++];
	int64_t ahead;

	*l = (struct leap){.at = clock_mono(),
	    .by = by,
	    .shifted = sim_world.shifted,
	    .was_down = !sim_store_is_up(),
	    .before = leaps.known};
	leaps.known.behind[l - leaps.v] = 0;
	ahead = sim_store_is_up() && sim_world.opened < leaps.known.ahead_at &&
			l->at - leaps.known.ahead_at < DAY_MS
		    ? leaps.known.ahead
		    : 0;
	if (by < 0)
		leap_back(l, ahead);
	else
		leap_ahead(l, ahead);
	l->unsure = l->was_down;
	sim_post(SLACK_MS, look_at_store, l);
	sim_say("the clock leaps by %lld s", (long long)(by / SECOND_MS));
	sim_jump(by);
	sim_forget_claims();
}

/* A store that was down since before the last one sees neither. */
static void leap_again(void *ctx)
{
	const struct leap *last = &leaps.v[leaps.n - 1];
	bool unseen = last->was_down && sim_world.opened < last->at;

	leap(leaps.again);
	if (unseen) {
		leaps.n -= 2;
		leaps.known = last->before;
	}
	leaps.busy = false;
}

/* By another step, which is made good with the first. */
static void leap_further(void *ctx)
{
	int64_t by = draw_between(DAY_MS, 7 * DAY_MS);

	if (!sim_store_is_up())
		return;
	leap(-by);
	leaps.again += by;
}

static void leap_first(void *ctx)
{
	int64_t by = draw_between(DAY_MS, 7 * DAY_MS);
	int64_t wrong = draw(2) ? draw_between(SEEN_MS, 5 * MINUTE_MS)
				: draw_between(5 * MINUTE_MS, 12 * HOUR_MS);
	bool back = draw(2), corrected = draw(3) > 0;

	if (leaps.busy || leaps.n + 3 > LEAPS)
		return;
	leap(back ? -by : by);
	if (!corrected)
		return;
	leaps.busy = true;
	leaps.again = back ? by : -by;
	if (back && draw(3) == 0)
		sim_post(wrong / 2, leap_further, NULL);
	sim_post(wrong, leap_again, NULL);
}

void sim_leap_plan(uint64_t seed)
{
	leaps.chance = ~seed;
	if (draw(12))
		return;
	sim_world.jumps = true;
	for (int64_t n = draw_between(1, 3); n > 0; n--)
		sim_post(draw_between(HOUR_MS, 5 * DAY_MS), leap_first, NULL);
}

size_t sim_leaps(void)
{
	return leaps.n;
}

static int64_t end_of(const struct sim_rcpt *r)
{
	return r->state == SIM_S_QUEUED ? clock_mono() : r->ended;
}

size_t sim_leaps_of(const struct sim_rcpt *r)
{
	size_t n = 0;

	for (size_t i = 0; i < leaps.n; i++)
		n += leaps.v[i].at >= r->accepted - r->hold && leaps.v[i].at <= end_of(r);
	return n;
}

int64_t sim_leaps_back(int64_t from, int64_t until)
{
	int64_t n = 0;

	for (size_t i = 0; i < leaps.n; i++)
		n += leaps.v[i].by < 0 && leaps.v[i].at >= from && leaps.v[i].at <= until;
	return n;
}

int64_t sim_leapt_back(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < leaps.n; i++)
		sum -= min_of(leaps.v[i].by, 0);
	return sum;
}

/* ---- who waits ---- */

/* Of what he is moved by, when it goes ahead. */
static int64_t made_good(const struct leap *l, const bool *moved)
{
	int64_t sum = 0;

	for (size_t i = 0; i < LEAPS; i++)
		sum += moved[i] ? l->good[i] : 0;
	return sum;
}

/* Small steps until one that went back, or one before it, was made good in part; before that they do nothing. */
static int64_t small_steps(const struct sim_rcpt *r, size_t back)
{
	int64_t shifted = r->shifted;

	for (size_t i = back + 1; i < leaps.n; i++)
		for (size_t k = 0; k <= back; k++)
			if (leaps.v[i].good[k] > 0)
				shifted = leaps.v[i].shifted;
	return shifted - r->shifted;
}

/* By the wall, as far as what he was moved by lets it count. */
static struct age age_of(const struct sim_rcpt *r)
{
	int64_t from = r->accepted, by;
	bool moved[LEAPS] = {false}; /* with each that went back; or he came since */
	bool goes_on; /* it leaps before all is done that the leap before has brought */
	struct age age = {0};

	for (size_t i = 0; i < leaps.n; i++) {
		const struct leap *l = &leaps.v[i];

		moved[i] = l->at < r->accepted;
		if (moved[i])
			continue;
		age.is += l->at - from;
		from = l->at;
		if (l->by < 0) { /* he begins anew, and so came since all of them */
			for (size_t k = 0; k <= i && age.is < -l->by; k++)
				moved[k] = true;
			age.unsure |= llabs(age.is + l->by) < small_steps(r, i);
			age.is = age.is + l->by > 0 ? age.is + l->by : 0;
			continue;
		}
		by = l->by - made_good(l, moved);
		goes_on = age.leapt_at && l->at - age.leapt_at < GRACE_MS;
		age.is += by;
		if (by > 0)
			age = (struct age){
			    age.is, by + (goes_on ? age.leapt : 0), l->at, age.unsure};
	}
	age.is += clock_mono() - from;
	return age;
}

/* What became of him is a matter of chance. */
static bool is_unsure(const struct sim_rcpt *r)
{
	for (size_t i = 0; i < leaps.n; i++)
		if (leaps.v[i].unsure && leaps.v[i].at >= r->accepted - r->hold)
			return true;
	return age_of(r).unsure;
}

bool sim_leap_held(const struct sim_rcpt *r)
{
	const struct leap *l = leaps.v;

	for (size_t i = 0; r->hold && i < leaps.n; i++)
		if (l[i].at >= r->accepted - r->hold && (l[i].at < r->accepted || l[i].by < 0))
			return true;
	return false;
}

/* Nor has an administrator, or his sender, made his life another. */
static bool is_plain(const struct sim_rcpt *r)
{
	return sim_leaps_of(r) > 0 && !r->touched && !r->by && !sim_leap_held(r) && !is_unsure(r);
}

static int64_t life_of(const struct sim_rcpt *r)
{
	int64_t life = r->dest->connections ? OWN_MS : LIFE_MS;

	return r->sender < 0 && !r->stranger ? min_of(life, NULL_MS) : life;
}

void sim_leap_warned(const struct sim_rcpt *r)
{
	if (is_plain(r))
		SIM_MUST(age_of(r).is >= WARN_MS - sim_world.shifted - SLACK_MS,
		    "the sender of %s was told of a delay of %lld minutes", r->address,
		    (long long)(age_of(r).is / MINUTE_MS));
}

/* He or a probe of his destination was, or it was not for us that nobody could. */
static bool was_tried(const struct sim_rcpt *r, int64_t since)
{
	int64_t step = r->dest->connections ? OWN_STEP : STEP_MS;

	return r->leased >= since || r->dest->last_lease >= since || clock_mono() >= since + step ||
	       !sim_was_up_since(since);
}

/* At the end of his life, or when a leap has brought him there. */
static void check_in_time(const struct sim_rcpt *r, const struct age *age)
{
	int64_t over = age->is - life_of(r), since = clock_mono() - age->leapt_at;

	/* the step begins anew with a store that is started in it, or a clock that jumps */
	since = min_of(since, clock_mono() - sim_world.opened);
	since = min_of(since, clock_mono() - sim_jumped_at());
	if (age->leapt_at)
		over = min_of(over, since);
	SIM_MUST(over < LATE_MS + SLACK_MS + sim_world.shifted + sim_world.down,
	    "%s is returned %lld minutes too late", r->address, (long long)(over / MINUTE_MS));
}

/* Whom a leap has brought well beyond his end has time for two attempts behind it. */
static void check_step(const struct sim_rcpt *r, const struct age *age)
{
	int64_t since = clock_mono() - age->leapt_at, beyond = age->is - since - life_of(r);

	SIM_MUST(beyond <= OFF_MS + SLACK_MS + sim_world.shifted || r->dest->connections ||
		     since >= GRACE_MS - SLACK_MS,
	    "%s is returned %lld minutes behind a leap of the clock", r->address,
	    (long long)(since / MINUTE_MS));
}

void sim_leap_returned(struct sim_rcpt *r)
{
	struct age age = age_of(r);
	int64_t life = life_of(r);

	r->overtaken = sim_leap_held(r) || is_unsure(r);
	if (!is_plain(r))
		return;
	SIM_MUST(age.is >= life - sim_world.shifted - SLACK_MS,
	    "%s is %lld minutes old, and is returned", r->address, (long long)(age.is / MINUTE_MS));
	if (r->dest->example == SIM_X_DOWN_FOREVER)
		check_in_time(r, &age);
	if (age.is - age.leapt >= life + sim_world.shifted)
		return;
	r->overtaken = true;
	SIM_MUST(was_tried(r, age.leapt_at), "%s is returned because of a leap of the clock",
	    r->address);
	check_step(r, &age);
	SIM_MUST(r->dest->example != SIM_X_HEALTHY || r->destiny != SIM_WELCOME,
	    "%s is returned because of a leap of the clock, though his server is well", r->address);
}

bool sim_leap_may_wait(const struct sim_rcpt *r)
{
	if (sim_leaps_of(r) == 0 || sim_leapt_back() == 0)
		return false;
	return sim_leap_held(r) || is_unsure(r) || r->touched ||
	       age_of(r).is < life_of(r) + LATE_MS + SLACK_MS + sim_world.shifted + sim_world.down;
}
