/*
 * Fills a data directory, through the store's own code and without a server: accounts, a mailbox or
 * the queue. Messages go through the writer lane in large batches, each acceptance at its own moment
 * of the last hours, as if they had come one after the other.
 */
#include "bench/fill.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "mime/mime_scan.h"
#include "mime/mime_summary.h"
#include "store/deliver.h"
#include "store/store.h"

#define NODE     1021 /* of the messages' ids; no process of a server has it */
#define ACCOUNTS 200  /* in one commit */

struct filling {
	const struct fill_settings *settings;
	struct store *store;
	struct directory_config directory;
	struct id_maker ids;
	struct buf text;    /* of the messages, all the same */
	struct buf summary; /* of it */
	char hash[PASSWORD_HASH_MAX];
	struct arena *arena;
	struct list batch;
	uint64_t made, refused;
	struct err first;
};

static void nothing(struct lane_op *op)
{
}

/* ---- messages ---- */

static void make_text(struct filling *f)
{
	struct mime_scan *scan = mime_scan_new();

	buf_init(&f->text, MIB + f->settings->size);
	buf_lit(&f->text, "From: Ann <ann@sender.test>\r\nTo: you\r\nSubject: bench\r\n"
			  "Message-ID: <bench@sender.test>\r\n"
			  "Date: Sat, 28 Nov 2026 12:00:00 +0000\r\n\r\n");
	while (f->text.n < f->settings->size)
		buf_lit(
		    &f->text, "All work and no play makes a dull message of a measurement.\r\n");
	mime_scan_feed(scan, buf_view(&f->text));
	buf_init(&f->summary, LIMIT_SUMMARY);
	mime_summary_put(&f->summary, mime_scan_finish(scan), LIMIT_SUMMARY);
	mime_scan_free(&scan);
}

static struct deliver *make_message(
    struct filling *f, struct str address, enum plan_action action, int64_t when)
{
	struct deliver *d = deliver_new();
	size_t at = str_rfind(address, '@');

	d->op.done = nothing;
	d->directory = &f->directory;
	d->message_id = id_make(&f->ids, when);
	d->reverse_path = str_of_c(f->settings->from);
	d->helo = STR("bench.test");
	d->peer = STR("192.0.2.1");
	d->protocol = STR("ESMTP");
	d->may_relay = true;
	d->recipients = arena_array(d->arena, 1, sizeof *d->recipients);
	d->recipients[0].address = arena_str(d->arena, address);
	d->recipients[0].local = str_sub(d->recipients[0].address, 0, at);
	d->recipients[0].domain = str_from(d->recipients[0].address, at + 1);
	d->n = 1;
	d->plan = plan_new(d->arena, 1);
	d->plan.items[0].action = action;
	d->data = buf_view(&f->text);
	d->summary = buf_view(&f->summary);
	return d;
}

static void note(struct filling *f, const char *why)
{
	if (f->refused++ == 0)
		err_set(&f->first, "%s", why);
}

static void end_batch(struct filling *f, int64_t when)
{
	struct list *link;

	lane_run(f->store->lane, &f->batch, when);
	(void)lane_tend(f->store->lane, false);
	while ((link = list_pop(&f->batch))) {
		struct deliver *d = LIST_ENTRY(link, struct deliver, op.link);

		if (d->op.result != LANE_DONE)
			note(f, d->op.err.text);
		else if (!d->accepted)
			note(f, "a message was refused");
		f->made++;
		deliver_free(&d);
	}
}

static int send(struct filling *f, struct str (*address)(struct filling *, struct buf *, uint64_t),
    enum plan_action action)
{
	const struct fill_settings *s = f->settings;
	int64_t last = clock_now() - 1000, first = last - (int64_t)s->hours * HOUR_MS;
	struct buf b;

	make_text(f);
	buf_init(&b, LIMIT_ADDRESS);
	for (uint64_t i = 0; i < s->messages; i++) {
		int64_t when = first +
			       (int64_t)((double)i / (double)s->messages * (double)(last - first));
		struct deliver *d;

		buf_clear(&b);
		d = make_message(f, address(f, &b, i), action, when);
		if (deliver_prepare(d)) {
			list_push(&f->batch, &d->op.link);
		} else {
			note(f, "a message is malformed");
			deliver_free(&d);
		}
		if ((i + 1) % LIMIT_LANE_BATCH == 0 || i + 1 == s->messages)
			end_batch(f, when);
	}
	buf_fini(&b);
	buf_fini(&f->text);
	buf_fini(&f->summary);
	return f->refused ? -1 : 0;
}

/* ---- what is filled ---- */

static struct str to_account(struct filling *f, struct buf *b, uint64_t i)
{
	return str_of_c(f->settings->account);
}

int fill_mailbox(struct filling *f)
{
	return send(f, to_account, PLAN_MAILBOX);
}

/* Each hundred has so many dead ones. */
static struct str to_destination(struct filling *f, struct buf *b, uint64_t i)
{
	uint64_t n = i % f->settings->destinations;

	buf_printf(b, "user%llu@d%llu.%s.test", (unsigned long long)i, (unsigned long long)n,
	    n % 100 < f->settings->dead ? "dead" : "live");
	return buf_view(b);
}

static struct str to_one_destination(struct filling *f, struct buf *b, uint64_t i)
{
	buf_printf(b, "user%llu@%s", (unsigned long long)i, f->settings->domain);
	return buf_view(b);
}

int fill_queue(struct filling *f)
{
	return send(f, f->settings->destinations ? to_destination : to_one_destination, PLAN_RELAY);
}

static struct directory_change *make_account(struct filling *f, uint64_t number)
{
	struct directory_change *c = mem_new(struct directory_change);
	struct buf b;

	buf_init(&b, LIMIT_ADDRESS);
	buf_printf(&b, "user%llu", (unsigned long long)number);
	*c = (struct directory_change){.verb = DIRECTORY_ACCOUNT_ADD,
	    .cfg = &f->directory,
	    .who = STR("bench"),
	    .local = arena_str(f->arena, buf_view(&b)),
	    .domain = str_of_c(f->settings->domain),
	    .hash = f->hash};
	buf_fini(&b);
	directory_change_init(c);
	c->op.done = nothing;
	return c;
}

static void end_accounts(struct filling *f)
{
	struct list *link;

	lane_run(f->store->lane, &f->batch, clock_now());
	(void)lane_tend(f->store->lane, false);
	while ((link = list_pop(&f->batch))) {
		struct directory_change *c = LIST_ENTRY(link, struct directory_change, op.link);

		if (c->op.result != LANE_DONE)
			note(f, c->op.err.text);
		else if (c->refused)
			note(f, c->why.text);
		f->made++;
		mem_free(c);
	}
	arena_reset(f->arena, false);
}

int fill_accounts(struct filling *f)
{
	for (uint64_t i = 0; i < f->settings->accounts; i++) {
		struct directory_change *c = make_account(f, f->settings->first + i);

		list_push(&f->batch, &c->op.link);
		if ((i + 1) % ACCOUNTS == 0 || i + 1 == f->settings->accounts)
			end_accounts(f);
	}
	return f->refused ? -1 : 0;
}

/* ---- the whole ---- */

/* What a server would do in idle moments, so that it does not do it while it is measured. */
static int tend(struct filling *f)
{
	struct maintain_config cfg = {DAY_MS, 90 * DAY_MS, f->store->blobs};
	struct maintain *m = mem_new(struct maintain);
	int status = 0;

	maintain_init(m, &cfg);
	m->op.done = nothing;
	do {
		lane_run_one(f->store->lane, &m->op, clock_now());
		(void)lane_tend(f->store->lane, false);
		if (m->op.result != LANE_DONE) {
			note(f, m->op.err.text);
			status = -1;
		}
	} while (status == 0 && m->more);
	mem_free(m);
	return status;
}

int fill_run(const struct fill_settings *settings, int (*what)(struct filling *f), uint64_t *made_r,
    struct err *e)
{
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	struct filling f = {.settings = settings, .directory = cfg.directory};
	enum datadir_code code;
	int status;

	f.store = store_open(settings->data, &cfg, &code, e);
	if (!f.store)
		return -1;
	/* one hash for all accounts: making it is slow, on purpose */
	MUST(password_hash(str_of_c(settings->password), f.hash));
	id_maker_init(&f.ids, NODE, 0);
	list_init(&f.batch);
	f.arena = arena_new();
	status = what(&f);
	if (status == 0)
		status = tend(&f);
	arena_free(&f.arena);
	store_close(&f.store);
	*made_r = f.made;
	if (status != 0)
		err_set(
		    e, "%llu failed, the first: %s", (unsigned long long)f.refused, f.first.text);
	return status;
}
