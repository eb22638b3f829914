/* One picture for all who show the queue, so that none of them says another thing. */
#include "store/queue_tell.h"

#include "mime/mime_local.h"
#include "queue/queue_explain.h"
#include "store/directory.h"
#include "store/forward.h"
#include "store/queue_callout.h"
#include "store/queue_lease.h"
#include "store/queue_report.h"

/* Is `a` the one to speak of? */
static bool says_more(const struct queue_host *a, const struct queue_host *b)
{
	bool down = queue_destination_is_failing(&a->state);

	if (b->name.n == 0 || down != queue_destination_is_failing(&b->state))
		return b->name.n == 0 || !down;
	return a->state.last_try > b->state.last_try;
}

static struct queue_host no_host(void)
{
	struct queue_host none = {.name = STR("")};

	queue_destination_init(&none.state, 0);
	return none;
}

/* Those in whose lines it is. */
struct lines {
	struct queue_host host; /* of which is to be spoken */
	size_t n;
	int64_t due; /* as queue_hosts_due() */
};

static struct lines look_at_lines(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now)
{
	struct lines l = {.host = no_host()};
	struct str names[LIMIT_QUEUE_HOSTS];
	struct queue_host host;

	if (queue_host_waits(db, a, place->name, names, &l.n) != DB_OK)
		l.n = 0;
	for (size_t i = 0; i < l.n; i++) {
		if (queue_host_get(db, a, now, names[i], &host) != DB_OK)
			continue;
		if (l.due == 0 || host.state.next_probe < l.due)
			l.due = host.state.next_probe;
		if (says_more(&host, &l.host))
			l.host = host;
	}
	if (!queue_destination_is_failing(&l.host.state)) /* of several one that is up */
		l.due = 0;
	return l;
}

int64_t queue_hosts_due(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now)
{
	return look_at_lines(db, a, place, now).due;
}

struct queue_host queue_host_waited_for(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now)
{
	return place->state.waits ? look_at_lines(db, a, place, now).host : no_host();
}

struct queue_host queue_host_of_place(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now)
{
	return place->state.waits > now ? queue_host_waited_for(db, a, place, now) : no_host();
}

static void look_at_host(struct queue_picture *p, struct db *db, int64_t now)
{
	struct lines l = look_at_lines(db, p->arena, &p->place, now);

	p->host = l.host;
	p->hosts = l.n;
	p->hosts_due = l.due;
	if (p->host.name.n == 0)
		return;
	if (queue_host_active(db, p->host.name, &p->host_active) != DB_OK ||
	    queue_callout_open_at(db, p->host.name, p->host.state.limit, &p->host_active) != DB_OK)
		p->host_active = 0;
	(void)queue_host_serves(db, p->arena, &p->host, p->place.name, &p->host_serves);
}

/* Only what came before MAIL makes one fail (queue/queue_result.c), and it stays the last until it is up again. */
bool queue_place_is_down(
    const struct queue_place *place, const struct queue_host *host, struct queue_down *down_r)
{
	if (queue_destination_is_failing(&place->state)) {
		*down_r = (struct queue_down){place->last, place->state.last_try};
		return true;
	}
	if (!queue_destination_is_failing(&host->state))
		return false;
	*down_r = (struct queue_down){host->last, host->state.last_try};
	down_r->last.remote = queue_routing_server(host->name);
	return true;
}

bool queue_picture_is_down(const struct queue_picture *p, struct queue_down *down_r)
{
	return p->has_place && queue_place_is_down(&p->place, &p->host, down_r);
}

/* Of an attempt that is under way: what it was begun with, else what the next will be. */
static struct str sent_as(struct queue_picture *p, struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now)
{
	struct forward_mail mail = {m->id, m->reverse_path, row->forwarder, row->entry.accepted};
	struct queue_lease_row lease;
	struct str path = STR("");

	if (row->token && queue_lease_get(db, p->arena, row->token, &lease) == DB_ROW) {
		p->under_way = lease.begun;
		return lease.reverse_path;
	}
	if (!cfg->directory || !cfg->directory->srs || row->destination.n == 0 ||
	    forward_path(db, cfg->directory->hostname, p->arena, &mail, now, &path) != DB_OK)
		return STR("");
	return path;
}

struct queue_picture queue_picture_of(struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now)
{
	struct queue_picture p = {.arena = arena_new(), .host = no_host(), .host_serves = STR("")};

	p.has_place = queue_place_get(db, p.arena, now, row->destination, &p.place) == DB_ROW;
	if (p.has_place &&
	    (p.place.state.waits > now || queue_destination_is_failing(&p.place.state)))
		look_at_host(&p, db, now); /* while it fails it may be in lines too */
	if (queue_place_active(db, row->destination, &p.active) != DB_OK ||
	    (p.has_place && queue_callout_open_for(
				db, row->destination, p.place.state.limit, &p.active) != DB_OK))
		p.active = 0;
	p.sent_as = sent_as(&p, db, cfg, row, m, now);
	return p;
}

void queue_picture_fini(struct queue_picture *p)
{
	arena_free(&p->arena);
}

static bool is_backup(struct db *db, struct str destination)
{
	struct str domain = queue_routing_domain(destination);
	int64_t kind = DIRECTORY_LOCAL;

	return db_get_int(db, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain)), &kind) == DB_ROW &&
	       kind != DIRECTORY_LOCAL;
}

/* What would tell him is refused here for good: his mailbox was removed, takes no mail, or never was. */
static bool sender_refuses(struct db *db, const struct queue_config *cfg, struct arena *a,
    const struct queue_message *m, int64_t now)
{
	const struct plan_reject *why;
	struct deliver_recipient to;
	struct directory_answer answer;

	if (!cfg->directory || m->reverse_path.n == 0)
		return false;
	if (!queue_report_address(a, m->reverse_path, &to))
		return true;
	if (directory_resolve(db, cfg->directory, a, to.local, to.domain, 0, now, &answer) != DB_OK)
		return false;
	why = accept_refusal(answer.class, true, true);
	return why && why->code >= 500;
}

static const enum queue_explain_end ends[QUEUE_REPORT_KINDS] = {
    [QUEUE_REPORT_FAILED] = QUEUE_EXPLAIN_FAILED,
    [QUEUE_REPORT_EXPIRED] = QUEUE_EXPLAIN_EXPIRED,
    [QUEUE_REPORT_LATE] = QUEUE_EXPLAIN_EXPIRED,
    [QUEUE_REPORT_RELAYED] = QUEUE_EXPLAIN_RELAYED,
    [QUEUE_REPORT_DELIVERED] = QUEUE_EXPLAIN_DELIVERED,
    [QUEUE_REPORT_EXPANDED] = QUEUE_EXPLAIN_EXPANDED,
};

/* As the relay is told it, whoever else's mail goes there. */
static struct str route_of(
    const struct queue_config *cfg, struct arena *a, struct str domain, struct str sender)
{
	return queue_routing_host(&cfg->routing, domain, mime_local_address_key(a, sender));
}

/* What cannot be read is no reason. */
static enum queue_explain_full full_of(struct db *db, const struct queue_picture *p, int64_t now)
{
	enum queue_explain_full full;

	if (p->has_place &&
	    queue_attempt_full(db, &p->place, (size_t)p->active, now, &full) == DB_OK)
		return full;
	return QUEUE_EXPLAIN_ROOM;
}

void queue_tell(struct buf *out, struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now)
{
	struct queue_picture p = queue_picture_of(db, cfg, row, m, now);
	struct queue_explain x = {
	    .lang = cfg->lang,
	    .zone = cfg->zone,
	    .recipient = row->address,
	    .sender = m->reverse_path,
	    .forwarder = row->forwarder,
	    .sent_as = p.sent_as,
	    .postmaster = queue_report_is_for_postmaster(m, row),
	    .domain = queue_routing_domain(row->destination),
	    .end = ends[row->report],
	    .here = row->report == QUEUE_REPORT_HERE,
	    .last_reply = row->last.reply,
	    .postponed = row->last.problem == QUEUE_PROBLEM_NO_RESOLVER,
	    .notify_failure = row->notify == 0 || (row->notify & QUEUE_NOTIFY_FAILURE),
	    .under_way = p.under_way,
	    .held = row->held,
	    .active = (size_t)p.active,
	    .host = queue_routing_server(p.host.name),
	    .host_serves = p.host_serves,
	    .hosts = p.hosts,
	    .hosts_due = p.hosts_due,
	    .host_active = (size_t)p.host_active,
	    .host_state = p.host.state,
	    .entry = row->entry,
	    .policy = queue_config_policy(cfg, row->destination),
	    .started = cfg->started,
	    .now = now,
	};

	x.sender_refuses = sender_refuses(db, cfg, p.arena, m, now);
	x.route = route_of(cfg, p.arena, x.domain, m->reverse_path);
	x.backup = is_backup(db, row->destination);
	queue_destination_init(&x.destination, 0);
	if (p.has_place)
		x.destination = p.place.state;
	x.full = full_of(db, &p, now);
	queue_explain_put(out, &x);
	queue_picture_fini(&p);
}
