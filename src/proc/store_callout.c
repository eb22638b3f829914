/*
 * Questions to the servers of relay domains.
 *
 * 1. A question is there from the first RCPT that needs it until its answer is kept: pending, out at a
 *    relay, or decided. One that is out has a lease, and ends only with the relay's answer or the relay.
 * 2. A request waits at one question, holds its front, and is answered once: by the answer, after
 *    callout.wait, or when its session goes.
 * 3. A server that could not be asked is left alone for DOWN_MS, and one that the queue knows to be down until
 *    the queue's own next probe: questions about its domain are answered at once, by what is configured
 *    for them.
 */
#include "proc/store_callout_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proc/log.h"
#include "queue/queue_text.h"
#include "smtp/smtp_path.h"
#include "store/callout.h"
#include "store/queue.h"

#define SESSIONS_MAX 4 /* questions out for one domain */
#define TRIES_MAX    2 /* relays that may die of one */
#define TICK_MS      100
#define PENDING_MS   MINUTE_MS
#define DOWN_MS      MINUTE_MS

static void on_tick(uv_timer_t *timer);

/* ---- the end of a question ---- */

static void question_free(struct store_callout_question *q)
{
	q->callouts->question_count--;
	q->place->questions--;
	list_remove(&q->link);
	arena_free(&q->arena);
	mem_free(q);
}

static void settled(struct lane_op *op)
{
	struct store_callout_question *q = LIST_ENTRY(op, struct store_callout_question, settle.op);

	if (op->result == LANE_FAILED)
		log_note(LOG_WARN, "callout-not-kept", op->err.text);
	q->callouts->settling--;
	question_free(q);
}

static void keep(struct store_callout_question *q)
{
	struct callout_settle *s = &q->settle;

	s->domain = q->place->name;
	s->local = q->local;
	s->verdict = q->lesson.verdict;
	s->reply = q->reply;
	callout_settle_init(s);
	s->op.done = settled;
	q->callouts->settling++;
	store_write(q->callouts->sp->store, &s->op);
}

static void log_answer(const struct store_callout_question *q)
{
	static const char *const words[CALLOUT_VERDICTS] = {
	    [CALLOUT_GOOD] = "taken", [CALLOUT_REFUSED] = "refused", [CALLOUT_UNSURE] = "unsure"};

	log_open(q->lesson.unrouted ? LOG_WARN : LOG_INFO, "callout");
	log_str("to", q->address);
	log_text("verdict", words[q->lesson.verdict]);
	log_str("reply", q->reply);
	if (q->lesson.unrouted)
		log_text("cure",
		    "mail for this relay domain is refused for the moment: give it an MX of lower preference "
		    "than this server's, or a route in godwit.conf, or remove it");
	log_close();
}

static void not_out(struct store_callout_question *q)
{
	if (!q->relay)
		return;
	store_callout_lease_end(q);
	q->relay->callouts--;
	q->place->out--;
	q->relay = NULL;
}

/* What is known of it by now is that of another question of its domain, whose server cannot be asked. */
static void decide_alike(
    struct store_callout_question *q, const struct store_callout_question *like)
{
	q->decided = true;
	q->lesson = like->lesson;
	store_callout_answer(q);
	question_free(q);
}

static void place_down(struct store_callout_question *q)
{
	struct store_callout_place *p = q->place;

	p->down_until = clock_mono() + DOWN_MS;
	p->unrouted = q->lesson.unrouted;
	LIST_FOREACH(&q->callouts->questions, it)
	{
		struct store_callout_question *other = LIST_ENTRY(
		    it, struct store_callout_question, link);

		if (other->place == p && !other->relay && !other->decided)
			decide_alike(other, q);
	}
}

static void decide(struct store_callout_question *q, struct callout_lesson lesson, struct str reply)
{
	not_out(q);
	q->decided = true;
	q->lesson = lesson;
	q->reply = reply;
	log_answer(q);
	store_callout_answer(q);
	if (lesson.host) {
		place_down(q);
		question_free(q);
	} else {
		q->place->down_until = 0;
		keep(q);
	}
}

/* ---- questions to relays ---- */

static struct store_relay *free_relay(const struct store_callouts *c)
{
	struct store_relay *best = NULL;

	LIST_FOREACH(&c->sp->queue->relays, it)
	{
		struct store_relay *r = LIST_ENTRY(it, struct store_relay, link);

		if (r->peer && r->peer->link && r->owner && r->callouts < RS_CALLOUTS_MAX &&
		    (!best || r->callouts < best->callouts))
			best = r;
	}
	return best;
}

static void send_out(struct store_callout_question *q)
{
	struct rs_callout m = {
	    .number = q->number, .destination = q->place->name, .address = q->address};
	struct buf b, password;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	buf_init(&password, LIMIT_PASSWORD + 1);
	m.route = store_relay_route(q->callouts->sp->config, m.destination, STR(""), &password);
	rs_callout_put(&b, &m);
	ipc_event(q->relay->peer->link, RS_CALLOUT, buf_view(&b), -1);
	buf_wipe(&password);
	buf_wipe(&b);
}

void store_callout_begun(struct store_callout_question *q, bool good)
{
	static const struct callout_lesson nothing = {.verdict = CALLOUT_UNSURE};

	if (!good)
		decide(q, nothing, STR("it was not asked"));
	else if (q->number && q->relay->peer && q->relay->peer->link)
		send_out(q);
	else
		not_out(q); /* there will be room, or another relay */
}

static void begin(struct store_callout_question *q, struct store_relay *relay)
{
	int64_t full = clock_mono() - STORE_CALLOUT_BURST_MS;

	q->relay = relay;
	q->place->paced = (q->place->paced > full ? q->place->paced : full) +
			  STORE_CALLOUT_SPACING_MS;
	q->place->out++;
	relay->callouts++;
	store_callout_lease_begin(q);
}

static void send_pending(struct store_callouts *c)
{
	int64_t now = clock_mono();

	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);
		struct store_relay *relay = NULL;

		if (q->relay || q->decided)
			continue;
		if (q->place->out < SESSIONS_MAX && q->place->paced <= now)
			relay = free_relay(c);
		if (relay)
			begin(q, relay);
	}
}

/* ---- new questions ---- */

static struct store_callout_question *question_find(
    struct store_callouts *c, const struct fs_rcpt *m)
{
	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);

		if (str_eq(q->place->name, m->domain) && str_eq_i(q->local, m->local))
			return q;
	}
	return NULL;
}

/* More would be too much for us, the server, or from there. */
static bool is_too_many(const struct store_callouts *c, struct str domain, const struct ip *network)
{
	size_t of_domain = 0, of_network = 0;

	if (c->draining || c->question_count >= LIMIT_CALLOUTS)
		return true;
	LIST_FOREACH(&c->questions, it)
	{
		const struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);

		of_domain += str_eq(q->place->name, domain);
		of_network += ip_eq(&q->network, network);
	}
	return of_domain >= LIMIT_CALLOUT_DOMAIN || of_network >= LIMIT_CALLOUT_NETWORK;
}

/* A path as SMTP has it; a local part that is no atom stands in quotes. */
static struct str address_of(struct arena *a, const struct fs_rcpt *m)
{
	struct smtp_path path = {.local = m->local, .domain = m->domain};
	struct str address;
	struct buf b;

	buf_init(&b, LIMIT_SMTP_PATH);
	smtp_path_put(&b, &path);
	address = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return address;
}

static struct store_callout_question *question_new(struct store_callouts *c,
    const struct fs_rcpt *m, const struct callout *known, const struct ip *network)
{
	struct store_callout_question *q = mem_new(struct store_callout_question);

	q->callouts = c;
	q->place = store_callout_place_make(c, m->domain);
	q->place->questions++;
	q->arena = arena_new();
	q->local = arena_str(q->arena, m->local);
	q->address = address_of(q->arena, m);
	q->known = *known;
	q->known.reply = arena_str(q->arena, known->reply);
	q->network = *network;
	q->asked = clock_mono();
	list_init(&q->waiters);
	list_push(&c->questions, &q->link);
	c->question_count++;
	if (!c->ticking)
		uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS);
	c->ticking = true;
	return q;
}

/* The client's; all zero when the front knows no such session. */
static struct ip network_of(struct store_front *f, uint32_t session)
{
	const struct store_conn *conn = store_front_conn(f, session);

	return conn ? ip_network(&conn->ip, 24, 56) : (struct ip){{0}};
}

/* By what attempts to deliver have found out: its hosts are down. One that is busy may be asked. */
static bool queue_waits_for(struct store_front *f, struct str domain)
{
	int64_t now = clock_now();
	struct arena *a = arena_new();
	struct queue_place place;
	enum db_code found = queue_place_get(f->sp->db, a, now, domain, &place);
	bool waits = found == DB_ROW && queue_destination_is_failing(&place.state) &&
		     queue_destination_room(&place.state, 0, now) == 0;

	arena_free(&a);
	return waits;
}

static void ask(struct store_front *f, struct ipc_request *r, const struct fs_rcpt *m,
    const struct callout *known)
{
	struct store_callouts *c = f->sp->callouts;
	bool waits = known->verdict != CALLOUT_GOOD;
	struct store_callout_question *q = question_find(c, m);
	struct ip network = network_of(f, m->session);

	if (!q && (store_callout_place_is_down(store_callout_place(c, m->domain)) ||
		      queue_waits_for(f, m->domain))) {
		store_callout_reply_known(c, r, known);
		return;
	}
	if (!q && !is_too_many(c, m->domain, &network)) {
		q = question_new(c, m, known, &network);
		send_pending(c);
	}
	if (!waits)
		store_callout_reply_known(c, r, known);
	else if (!q || c->waiter_count >= LIMIT_CALLOUT_WAITERS)
		store_callout_reply_unsure(c, r, known, false);
	else if (c->sp->config->callout.wait == 0)
		store_callout_reply_unsure(c, r, known, true);
	else
		store_callout_wait(q, f, r);
}

/* A front that is taken over may send anything. */
static bool is_local_part(struct str s)
{
	return s.n > 0 && utf8_is_valid(s) && !str_has_cntrl(s);
}

void store_callouts_rcpt(struct store_front *f, struct ipc_request *r, const struct fs_rcpt *m)
{
	struct store_callouts *c = f->sp->callouts;
	const struct store_callout_place *p = store_callout_place(c, m->domain);
	const struct store_callout_question *q = question_find(c, m);
	struct arena *a = arena_new();
	struct callout known;

	if (q && q->decided)
		store_callout_reply_decided(r, q);
	else if (!is_local_part(m->local))
		store_callouts_reply(r, ACCEPT_UNVERIFIED, STR(""));
	else if (store_callout_place_is_down(p) && p->unrouted)
		store_callouts_reply(r, ACCEPT_UNROUTED, STR(""));
	else if (callout_get(f->sp->db, a, m->domain, m->local, clock_now(), &known) != DB_OK)
		store_callouts_reply(r, ACCEPT_TROUBLE, STR(""));
	else if (callout_is_due(&known, clock_now()))
		ask(f, r, m, &known);
	else
		store_callout_reply_known(c, r, &known);
	arena_free(&a);
}

/* ---- answers of relays ---- */

static struct str words_of(struct arena *a, const struct rs_called *m)
{
	struct buf all, clean;
	struct str words;

	buf_init(&all, LIMIT_QUEUE_REPLY + RS_TEXT_MAX);
	buf_init(&clean, CALLOUT_REPLY_MAX);
	queue_result_put_reply(&all, &m->attempt, m->text);
	queue_text_clean(&clean, buf_view(&all), CALLOUT_REPLY_MAX, false);
	words = arena_str(a, buf_view(&clean));
	buf_fini(&all);
	buf_fini(&clean);
	return words;
}

bool store_callouts_called(
    struct store_callouts *c, struct store_relay *relay, const struct rs_called *m)
{
	if (!c || c->draining)
		return true;
	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);

		if (q->begin || q->number != m->number || q->relay != relay)
			continue;
		decide(q, callout_judge(&m->attempt, m->text), words_of(q->arena, m));
		send_pending(c);
		return true;
	}
	return false;
}

void store_callouts_greeted(struct store_callouts *c)
{
	if (c && !c->draining)
		send_pending(c);
}

/* One that relays die of is not given to yet another one. */
void store_callouts_gone(struct store_callouts *c, struct store_relay *relay)
{
	static const struct callout_lesson nothing = {.verdict = CALLOUT_UNSURE};

	if (!c || c->draining)
		return;
	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);

		if (q->relay != relay)
			continue;
		q->tries += !q->begin; /* else it never heard of it */
		not_out(q);
		if (q->tries >= TRIES_MAX)
			decide(q, nothing, STR("it was not asked"));
	}
	send_pending(c);
}

/* ---- time ---- */

static void on_tick(uv_timer_t *timer)
{
	struct store_callouts *c = timer->data;
	int64_t now = clock_mono();

	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);
		bool over = !q->relay && !q->decided && now - q->asked >= PENDING_MS;

		store_callout_answer_late(q, over);
		if (over)
			question_free(q);
	}
	send_pending(c);
	hash_each(&c->places, store_callout_place_sweep, c);
	c->ticking = c->question_count > 0 || c->places.count > 0;
	if (!c->ticking)
		uv_timer_stop(timer);
}

void store_callouts_drain(struct store_callouts *c)
{
	c->draining = true;
	uv_timer_stop(&c->timer);
	LIST_FOREACH(&c->questions, it)
	{
		struct store_callout_question *q = LIST_ENTRY(
		    it, struct store_callout_question, link);

		store_callout_answer_late(q, true);
		not_out(q);
		if (!q->decided)
			question_free(q);
	}
}

bool store_callouts_busy(const struct store_callouts *c)
{
	return c->settling > 0;
}

struct store_callouts *store_callouts_new(struct store_process *sp)
{
	struct store_callouts *c = mem_new(struct store_callouts);

	c->sp = sp;
	list_init(&c->questions);
	hash_init(&c->places);
	uv_timer_init(sp->loop, &c->timer);
	c->timer.data = c;
	return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void store_callouts_free(struct store_callouts **cp)
{
	struct store_callouts *c = *cp;

	if (!c)
		return;
	MUST(list_is_empty(&c->questions) && c->draining);
	hash_each(&c->places, store_callout_place_sweep, c);
	hash_fini(&c->places);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
	*cp = NULL;
}
