/* The world of a seed: what there is outside and when it is at fault. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "here.h"
#include "smtp/smtp_client.h"
#include "ways.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct sim_world sim_world;

const char *const sim_senders[] = {"ann", "bob", "eve", "flo"};

/* ---- finding ---- */

/* "d17.test" is the destination of that number; "d17.test via mx0.d18.test" is its other part. */
struct sim_dest *sim_dest_find(struct str name)
{
	struct sim_dest *d;
	uint64_t n;

	if (name.n < 2 || name.p[0] != 'd' ||
	    !str_to_u64(str_sub(name, 1, str_find(name, '.') - 1), UINT32_MAX, &n) ||
	    n >= sim_world.ndests)
		return NULL;
	d = &sim_world.dests[n];
	if (d->apart && str_eq(name, str_of_c(d->apart->name)))
		return d->apart;
	return str_eq(name, str_of_c(d->name)) ? d : NULL;
}

/* "mx0.d7.test" */
struct sim_host *sim_host_find(struct str name)
{
	struct sim_dest *d = sim_dest_find(str_from(name, str_find(name, '.') + 1));

	for (size_t i = 0; d && i < d->nhosts; i++)
		if (str_eq(name, str_of_c(d->hosts[i].name)))
			return &d->hosts[i];
	return NULL;
}

/* "r17@..." is the recipient of that number. */
struct sim_rcpt *sim_rcpt_find(struct str address)
{
	uint64_t n;

	if (address.n < 2 || address.p[0] != 'r' ||
	    !str_to_u64(str_sub(address, 1, str_find(address, '@') - 1), UINT32_MAX, &n) ||
	    n >= sim_world.nrcpts || !str_eq(address, str_of_c(sim_world.rcpts[n]->address)))
		return NULL;
	return sim_world.rcpts[n];
}

struct sim_rcpt *sim_rcpt_new(struct sim_dest *dest)
{
	struct sim_world *w = &sim_world;
	struct sim_rcpt *r = mem_new(struct sim_rcpt);

	if (w->nrcpts == w->room) {
		w->room = w->room ? 2 * w->room : 256;
		w->rcpts = mem_resize(w->rcpts, w->room * sizeof *w->rcpts);
	}
	list_init(&r->link);
	list_init(&r->beside);
	r->index = w->nrcpts;
	snprintf(r->address, sizeof r->address, "r%zu@%s", w->nrcpts, sim_dest_domain(dest)->name);
	r->dest = dest;
	w->rcpts[w->nrcpts++] = r;
	return r;
}

static bool is_among(const char *const *v, size_t n, struct str words)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(words, str_of_c(v[i])))
			return true;
	return false;
}

bool sim_rcpt_heard(const struct sim_rcpt *r, struct str words)
{
	const struct sim_dest *server = sim_server_of(r->dest);

	if (is_among(r->dest->early, r->dest->nearly, words) ||
	    is_among(server->early, server->nearly, words) ||
	    (r->dest->old && is_among(r->dest->old->early, r->dest->old->nearly, words)))
		return true;
	for (size_t i = 0; i < sim_world.nrcpts; i++) {
		const struct sim_rcpt *one = sim_world.rcpts[i];

		if (one->message == r->message && one->dest == r->dest &&
		    is_among(one->heard, one->nheard, words))
			return true;
	}
	return false;
}

bool sim_dest_uses(const struct sim_dest *d, const struct sim_dest *server)
{
	return d == server || d->server == server || d->old == server;
}

const struct sim_host *sim_dest_host(const struct sim_dest *d, size_t number)
{
	const struct sim_dest *const all[] = {d, d->server, d->old};

	for (size_t i = 0; i < COUNT(all); i++) {
		size_t n = all[i] ? all[i]->nhosts : 0;

		if (number < n)
			return &all[i]->hosts[number];
		number -= n;
	}
	return NULL;
}

/* ---- faults of the moment ---- */

static bool is_in_force(const struct sim_fault *f)
{
	int64_t now = clock_mono();

	if (now < f->from || now >= (f->period ? sim_world.end : f->until))
		return false;
	return f->period == 0 || (now - f->from) % f->period < f->until - f->from;
}

static bool is_of_stage(enum sim_fault_kind kind)
{
	return kind >= SIM_F_REPLY && kind <= SIM_F_TAKE_AND_DROP;
}

const struct sim_fault *sim_fault_at(const struct sim_dest *d, enum sim_stage stage)
{
	for (size_t i = 0; i < d->nfaults; i++) {
		const struct sim_fault *f = &d->faults[i];
		bool fits = is_of_stage(f->kind) ? f->at == stage : stage == SIM_STAGES;

		if (fits && is_in_force(f))
			return f;
	}
	return NULL;
}

enum sim_dns_kind sim_dns_fault_now(const struct sim_dest *d)
{
	int64_t now = clock_mono();

	for (size_t i = 0; i < d->ndns; i++)
		if (now >= d->dns[i].from && now < d->dns[i].until)
			return d->dns[i].kind;
	return SIM_D_NONE;
}

bool sim_dest_is_down(const struct sim_dest *d)
{
	if (d->server)
		d = d->server;
	return d->up_at && clock_mono() < d->up_at;
}

/* ---- making ---- */

void sim_fault_add(struct sim_dest *d, struct sim_fault f)
{
	MUST(d->nfaults < SIM_FAULTS);
	d->faults[d->nfaults++] = f;
}

static void add_dns(struct sim_dest *d, enum sim_dns_kind kind, int64_t from, int64_t until)
{
	d->dns[d->ndns++] = (struct sim_dns_fault){kind, from, until};
}

static const struct sim_fault down_faults[] = {
    {.kind = SIM_F_REFUSE},
    {.kind = SIM_F_NO_ANSWER},
    {.kind = SIM_F_NO_ROUTE},
    {.kind = SIM_F_RESET},
    {.kind = SIM_F_REPLY, .at = SIM_GREETING, .text = "421 4.3.2 closed for the holidays"},
    {.kind = SIM_F_REPLY, .at = SIM_EHLO, .text = "451 4.3.0 not today"},
    {.kind = SIM_F_DROP, .at = SIM_GREETING},
    {.kind = SIM_F_HALF_CLOSE, .at = SIM_EHLO},
    {.kind = SIM_F_GARBAGE, .at = SIM_GREETING},
};

/* Nobody gets through from `from` to d->up_at. */
static void make_down(struct sim_dest *d, int64_t from)
{
	size_t n = sim_random(COUNT(down_faults) + 3);
	struct sim_fault f;

	if (n >= COUNT(down_faults)) {
		add_dns(
		    d, (enum sim_dns_kind)(SIM_D_TIMEOUT + n - COUNT(down_faults)), from, d->up_at);
		return;
	}
	f = down_faults[n];
	f.from = from;
	f.until = d->up_at;
	sim_fault_add(d, f);
}

static const struct sim_fault troubles[] = {
    {.kind = SIM_F_REPLY, .at = SIM_MAIL, .text = "451 4.3.0 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_MAIL, .text = "421 4.3.2 enough"},
    {.kind = SIM_F_REPLY, .at = SIM_RCPT, .text = "450 4.2.1 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_RCPT, .text = "421 4.7.0 slow down"},
    {.kind = SIM_F_REPLY, .at = SIM_DATA, .text = "451 4.3.5 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_DOT, .text = "451 4.7.1 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_DOT, .text = "421 4.3.0 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_EHLO, .text = "421 4.3.2 try again"},
    {.kind = SIM_F_REPLY, .at = SIM_STARTTLS, .text = "454 4.7.0 TLS is not available"},
    {.kind = SIM_F_REPLY, .at = SIM_DOT, .text = "554 5.7.1 spam"},
    {.kind = SIM_F_REPLY, .at = SIM_MAIL, .text = "550 5.7.1 not you"},
    {.kind = SIM_F_REPLY, .at = SIM_GREETING, .text = "521 5.3.2 no mail here"},
    {.kind = SIM_F_DROP, .at = SIM_EHLO},
    {.kind = SIM_F_DROP, .at = SIM_MAIL},
    {.kind = SIM_F_DROP, .at = SIM_RCPT},
    {.kind = SIM_F_DROP, .at = SIM_DATA},
    {.kind = SIM_F_DROP, .at = SIM_DOT},
    {.kind = SIM_F_HALF_CLOSE, .at = SIM_GREETING},
    {.kind = SIM_F_HALF_CLOSE, .at = SIM_MAIL},
    {.kind = SIM_F_HALF_CLOSE, .at = SIM_DOT},
    {.kind = SIM_F_SILENT, .at = SIM_GREETING},
    {.kind = SIM_F_SILENT, .at = SIM_MAIL},
    {.kind = SIM_F_SILENT, .at = SIM_RCPT},
    {.kind = SIM_F_SILENT, .at = SIM_DATA},
    {.kind = SIM_F_SILENT, .at = SIM_DOT},
    {.kind = SIM_F_GARBAGE, .at = SIM_RCPT},
    {.kind = SIM_F_TAKE_AND_DROP, .at = SIM_DOT},
    {.kind = SIM_F_REFUSE},
    {.kind = SIM_F_NO_ANSWER},
    {.kind = SIM_F_SLOW},
    {.kind = SIM_F_GREYLIST},
    {.kind = SIM_F_BUSY, .limit = 1},
    {.kind = SIM_F_TLS},
};

/* Any faults, some all the time, some that come and go, some now and then. */
static void make_trouble(struct sim_dest *d, int64_t begin)
{
	size_t n = 1 + sim_random(SIM_FAULTS);

	while (n--) {
		struct sim_fault f = troubles[sim_random(COUNT(troubles))];

		sim_ways_trouble(&f);
		f.from = begin + sim_between(0, 2 * DAY_MS);
		f.until = f.from + sim_between(10 * MINUTE_MS, 3 * DAY_MS);
		if (sim_chance(40)) {
			f.until = f.from + sim_between(MINUTE_MS, 20 * MINUTE_MS);
			f.period = f.until - f.from + sim_between(MINUTE_MS, 40 * MINUTE_MS);
		}
		f.percent = sim_chance(50) ? (unsigned)sim_between(5, 95) : 0;
		sim_fault_add(d, f);
	}
	if (sim_chance(30)) {
		int64_t from = begin + sim_between(0, 2 * DAY_MS);

		add_dns(d, (enum sim_dns_kind)sim_between(SIM_D_TIMEOUT, SIM_D_BOGUS), from,
		    from + sim_between(MINUTE_MS, DAY_MS));
	}
}

/* As down as any, and there again, a few times a day. */
static void make_flapping(struct sim_dest *d, int64_t begin)
{
	struct sim_fault f = down_faults[sim_random(COUNT(down_faults))];

	f.from = begin + sim_between(MINUTE_MS, HOUR_MS);
	f.until = f.from + sim_between(20 * MINUTE_MS, 3 * HOUR_MS);
	f.period = f.until - f.from + sim_between(45 * MINUTE_MS, 2 * HOUR_MS);
	sim_fault_add(d, f);
}

static void make_example(struct sim_dest *d, int64_t begin)
{
	switch (d->example) {
	case SIM_X_HEALTHY:
		if (sim_chance(20))
			add_dns(d, SIM_D_NO_AAAA, begin, sim_world.end);
		break;
	case SIM_X_DOWN_LONG:
		d->up_at = begin + 3 * DAY_MS + 4 * HOUR_MS;
		make_down(d, begin);
		break;
	case SIM_X_DOWN_FOREVER:
		d->up_at = sim_world.end;
		make_down(d, begin);
		break;
	case SIM_X_DOWN_SHORT:
		d->up_at = begin + DAY_MS + sim_between(MINUTE_MS, 6 * HOUR_MS);
		make_down(d, begin + DAY_MS);
		break;
	case SIM_X_BURST:
		sim_fault_add(d, (struct sim_fault){.kind = SIM_F_REPLY,
				     .at = SIM_RCPT,
				     .from = begin,
				     .until = begin + 100 * MINUTE_MS,
				     .text = "450 4.2.1 not now"});
		break;
	case SIM_X_GREYLIST:
		sim_fault_add(
		    d, (struct sim_fault){
			   .kind = SIM_F_GREYLIST, .from = begin, .until = sim_world.end});
		break;
	case SIM_X_MANY:
		sim_fault_add(d, (struct sim_fault){.kind = SIM_F_BUSY,
				     .from = begin,
				     .until = sim_world.end,
				     .limit = (unsigned)sim_between(1, 12)});
		break;
	case SIM_X_TARPIT:
		sim_fault_add(d, (struct sim_fault){
				     .kind = SIM_F_TARPIT, .from = begin, .until = sim_world.end});
		break;
	case SIM_X_TROUBLE:
		make_trouble(d, begin);
		break;
	case SIM_X_FLAPPING:
		make_flapping(d, begin);
		break;
	case SIM_X_SLOW:
	case SIM_X_CROWD:
		sim_fault_add(d,
		    (struct sim_fault){.kind = SIM_F_SLOW, .from = begin, .until = sim_world.end});
		break;
	case SIM_X_BACKED:
	case SIM_X_MOVED:
	case SIM_X_REFUSES:
	case SIM_X_ROUTED:
	case SIM_X_HERE:
	case SIM_X_SILENT:
		break;
	case SIM_X_LIES:
		add_dns(d, (enum sim_dns_kind)sim_between(SIM_D_NXDOMAIN, SIM_D_ELSEWHERE),
		    begin + sim_between(0, DAY_MS), begin + sim_between(DAY_MS, 3 * DAY_MS));
		break;
	}
}

/* Public addresses, one of each family a host. */
void sim_host_make(struct sim_dest *d, size_t number)
{
	struct sim_host *h = &d->hosts[number];
	size_t dest = (size_t)(d - sim_world.dests);
	unsigned all = SMTP_EXT_PIPELINING | SMTP_EXT_8BITMIME | SMTP_EXT_SIZE | SMTP_EXT_DSN |
		       SMTP_EXT_ENHANCED | SMTP_EXT_STARTTLS | SMTP_EXT_CHUNKING |
		       SMTP_EXT_PRIORITY | SMTP_EXT_DELIVERBY;
	char text[40];

	if (d->no_mx)
		snprintf(h->name, sizeof h->name, "d%zu.test", dest);
	else
		snprintf(h->name, sizeof h->name, "mx%zu.d%zu.test", number, dest);
	h->dest = d;
	snprintf(text, sizeof text, "20.%zu.%zu.%zu", dest / 256, dest % 256, number + 1);
	MUST(ip_parse(str_of_c(text), &h->ip[0]));
	snprintf(text, sizeof text, "2a00:1::%zx:%zx", dest + 1, number + 1);
	MUST(ip_parse(str_of_c(text), &h->ip[1]));
	h->v6 = sim_chance(30);
	h->preference = (unsigned)sim_between(1, 3) * 10;
	h->extensions = all & (unsigned)sim_random(4096);
	if (sim_chance(20))
		h->rcpt_max = (unsigned)sim_between(1, 3);
}

struct sim_dest *sim_dest_add(enum sim_example example)
{
	size_t n = sim_world.ndests++;
	struct sim_dest *d = &sim_world.dests[n];

	MUST(n < SIM_DESTS_MAX);
	snprintf(d->name, sizeof d->name, "d%zu.test", n);
	d->example = example;
	list_init(&d->queued);
	return d;
}

/*
 * A host that serves many domains; down, coming and going, or slow; some of them have another one of
 * their own behind it, which is well.
 */
static void make_hoster(void)
{
	static const enum sim_example examples[] = {
	    SIM_X_DOWN_LONG, SIM_X_DOWN_SHORT, SIM_X_FLAPPING, SIM_X_SLOW};
	struct sim_dest *h = sim_dest_add(examples[sim_random(COUNT(examples))]);

	h->nhosts = 1;
	sim_host_make(h, 0);
	while (h->nfaults == 0 && h->ndns == 0)
		make_example(h, sim_world.begin);
	/* each asks for its way at each step: for days that takes longer than all else in a week */
	h->served = (unsigned)sim_between(5, h->example == SIM_X_DOWN_LONG ? 8 : 40);
	for (unsigned i = 0; i < h->served; i++) {
		struct sim_dest *d = sim_dest_add(h->example);

		d->server = h;
		if (h->example == SIM_X_SLOW || !sim_chance(15))
			continue;
		d->example = SIM_X_BACKED;
		d->nhosts = 1;
		sim_host_make(d, 0);
		d->hosts[0].preference = h->hosts[0].preference + 10;
	}
}

static void make_dest(enum sim_example example)
{
	struct sim_dest *d = sim_dest_add(example);

	d->no_mx = sim_chance(15);
	d->nhosts = d->no_mx ? 1 : 1 + sim_random(1 + sim_random(SIM_HOSTS_MAX)); /* few */
	for (size_t i = 0; i < d->nhosts; i++)
		sim_host_make(d, i);
	make_example(d, sim_world.begin);
	if ((example == SIM_X_TROUBLE || example == SIM_X_MANY) && sim_chance(35))
		d->connections = (unsigned)sim_between(1, 6);
}

void sim_world_make(void)
{
	static const enum sim_example others[] = {SIM_X_DOWN_SHORT, SIM_X_GREYLIST, SIM_X_MANY,
	    SIM_X_TARPIT, SIM_X_TROUBLE, SIM_X_TROUBLE, SIM_X_TROUBLE, SIM_X_TROUBLE, SIM_X_LIES,
	    SIM_X_HEALTHY};
	size_t n = 1 + sim_random(3);

	list_init(&sim_world.queued);
	sim_world.begin = clock_mono();
	sim_world.end = sim_world.begin + 7 * DAY_MS;
	sim_ways_begin(sim_seed());
	sim_here_begin(sim_seed());
	make_dest(SIM_X_HEALTHY);
	make_dest(SIM_X_DOWN_LONG);
	make_dest(SIM_X_DOWN_FOREVER);
	while (n--)
		make_dest(others[sim_random(COUNT(others))]);
	if (sim_chance(8))
		make_dest(SIM_X_BURST);
	if (sim_chance(15))
		make_hoster();
	sim_world.crowded = sim_random(400) == 0;
	sim_world.crowded |= sim_ways_crowd();
	for (int i = 0; i < 110 && sim_world.crowded; i++)
		make_dest(SIM_X_CROWD);
	sim_ways_make();
	sim_here_make();
	sim_world.kills = sim_chance(sim_world.crowded ? 30 : 60);
	sim_world.jumps = sim_chance(20);
}
