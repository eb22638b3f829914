/* Each message has its writer and, below it, its reader. Readers check everything. */
#include "ipc/relay_store.h"

#include "base/limits.h"
#include "base/wire.h"

#define OUTCOMES_MAX (RS_RECIPIENTS_MAX * (RS_TEXT_MAX + 64))
#define ORCPT_MAX    (2 * LIMIT_SMTP_PARAM)
#define TLS_MAX      LIMIT_LOG_VALUE
#define HOST_MAX     LIMIT_SMTP_DOMAIN
#define HOSTS_MAX    (RS_HOSTS_MAX * (RS_PLACE_MAX + 16))
#define WAY_MAX      (HOSTS_MAX + RS_TEXT_MAX + 2 * RS_PLACE_MAX)
#define ASK          IPC_BY_ASKER
#define CALLOUT_MAX                                                                                \
	(LIMIT_QUEUE_DESTINATION + HOST_MAX + LIMIT_USER_NAME + LIMIT_PASSWORD + LIMIT_SMTP_PATH + \
	    64)

static const struct ipc_type types[RS_TYPES] = {
    [RS_HELLO] = {"hello", ASK, IPC_IS_EVENT, 8, 0},
    [RS_LEASE] = {"lease", ASK, 0, 4, LIMIT_IPC_PAYLOAD},
    [RS_READ] = {"read", ASK, IPC_DOWN, 16, 1},
    [RS_EXTEND] = {"extend", ASK, IPC_IS_EVENT, 16, 0},
    [RS_RESULT] = {"result", ASK, IPC_BULK, LIMIT_IPC_PAYLOAD, 1},
    [RS_CALLOUT] = {"callout", IPC_BY_ANSWERER, IPC_IS_EVENT, CALLOUT_MAX, 0},
    [RS_CALLED] = {"called", ASK, IPC_IS_EVENT, RS_TEXT_MAX + 64, 0},
    [RS_WAY] = {"way", ASK, 0, WAY_MAX, RS_TEXT_MAX + 64},
};

const struct ipc_edge rs_edge = {"relay-store", types, RS_TYPES};

/* The common end of a reader: the value is given only when all was well and nothing is left. */
#define FINISH(c, value, out_r)                                                                    \
	do {                                                                                       \
		if (!cur_done(&(c)))                                                               \
			return false;                                                              \
		*(out_r) = (value);                                                                \
		return true;                                                                       \
	} while (0)

/* The same for one of several. */
#define FINISH_NEXT(c, value, out_r)                                                               \
	do {                                                                                       \
		if ((c)->bad)                                                                      \
			return false;                                                              \
		*(out_r) = (value);                                                                \
		return true;                                                                       \
	} while (0)

void rs_hello_put(struct buf *b, int64_t owner)
{
	wire_i64(b, owner);
}

bool rs_hello_get(struct str payload, int64_t *owner_r)
{
	struct cur c = cur_of(payload);
	int64_t owner = cur_i64(&c);

	if (owner <= 0)
		cur_fail(&c);
	FINISH(c, owner, owner_r);
}

void rs_lease_put(struct buf *b, uint32_t room)
{
	wire_u32(b, room);
}

bool rs_lease_get(struct str payload, uint32_t *room_r)
{
	struct cur c = cur_of(payload);
	uint32_t room = cur_u32(&c);

	if (room == 0 || room > RS_ROOM_MAX)
		cur_fail(&c);
	FINISH(c, room, room_r);
}

static void put_lease(struct buf *b, const struct rs_lease *l)
{
	wire_i64(b, l->message);
	wire_i64(b, l->token);
}

static struct rs_lease get_any_lease(struct cur *c)
{
	struct rs_lease l = {cur_i64(c), 0};

	l.token = cur_i64(c);
	if (l.message < 0 || l.token <= 0)
		cur_fail(c);
	return l;
}

/* Of a message. */
static struct rs_lease get_lease(struct cur *c)
{
	struct rs_lease l = get_any_lease(c);

	if (l.message == 0)
		cur_fail(c);
	return l;
}

static void put_route(struct buf *b, const struct rs_route *r)
{
	wire_str(b, r->host);
	wire_u16(b, r->port);
	wire_u8(b, r->tls);
	wire_str(b, r->user);
	wire_str(b, r->password);
}

static struct rs_route get_route(struct cur *c)
{
	struct rs_route r = {.host = cur_str(c, HOST_MAX)};

	r.port = cur_u16(c);
	r.tls = cur_enum(c, RS_ROUTE_TLS_WORDS);
	r.user = cur_str(c, LIMIT_USER_NAME);
	r.password = cur_str(c, LIMIT_PASSWORD);
	return r;
}

void rs_job_put(struct buf *b, const struct rs_job *job)
{
	put_lease(b, &job->lease);
	wire_str(b, job->destination);
	put_route(b, &job->route);
	wire_str(b, job->host);
	wire_str(b, job->reverse_path);
	wire_bool(b, job->eightbit);
	wire_bool(b, job->utf8);
	wire_u8(b, job->ret);
	wire_i64(b, job->priority);
	wire_bool(b, job->has_priority);
	wire_u8(b, job->by);
	wire_i64(b, job->by_time);
	wire_bool(b, job->by_trace);
	wire_str(b, job->envid);
	wire_u64(b, job->size);
	wire_u32(b, job->attempts);
	wire_bool(b, job->brief);
	wire_u32(b, job->recipient_count);
	wire_str(b, job->recipients);
}

bool rs_job_next(struct cur *c, struct rs_job *job_r)
{
	struct rs_job j = {.lease = get_lease(c)};

	j.destination = cur_str(c, LIMIT_QUEUE_DESTINATION);
	j.route = get_route(c);
	j.host = cur_str(c, RS_PLACE_MAX);
	j.reverse_path = cur_str(c, LIMIT_SMTP_PATH);
	j.eightbit = cur_bool(c);
	j.utf8 = cur_bool(c);
	j.ret = cur_u8(c);
	j.priority = (int8_t)cur_i64(c);
	j.has_priority = cur_bool(c);
	j.by = cur_enum(c, QUEUE_BY_KINDS);
	j.by_time = cur_i64(c);
	j.by_trace = cur_bool(c);
	j.envid = cur_str(c, LIMIT_SMTP_PARAM);
	j.size = cur_u64(c);
	j.attempts = cur_u32(c);
	j.brief = cur_bool(c);
	j.recipient_count = cur_u32(c);
	j.recipients = cur_str(c, LIMIT_ENVELOPE);
	if (j.recipient_count == 0 || j.recipient_count > RS_RECIPIENTS_MAX)
		cur_fail(c);
	FINISH_NEXT(c, j, job_r);
}

void rs_recipient_put(struct buf *b, const struct rs_recipient *r)
{
	wire_u32(b, r->number);
	wire_str(b, r->address);
	wire_u8(b, r->notify);
	wire_str(b, r->orcpt);
}

bool rs_recipient_next(struct cur *c, struct rs_recipient *r_r)
{
	struct rs_recipient r = {.number = cur_u32(c)};

	r.address = cur_str(c, LIMIT_SMTP_PATH);
	r.notify = cur_u8(c);
	r.orcpt = cur_str(c, ORCPT_MAX);
	FINISH_NEXT(c, r, r_r);
}

void rs_handle_put(struct buf *b, const struct rs_lease *lease)
{
	put_lease(b, lease);
}

bool rs_handle_get(struct str payload, struct rs_lease *lease_r)
{
	struct cur c = cur_of(payload);
	struct rs_lease l = get_lease(&c);

	FINISH(c, l, lease_r);
}

static void put_attempt(struct buf *b, const struct queue_attempt *a)
{
	wire_u8(b, (uint8_t)a->stage);
	wire_u8(b, (uint8_t)a->problem);
	wire_u16(b, a->code);
	wire_u8(b, a->status.class);
	wire_u16(b, a->status.subject);
	wire_u16(b, a->status.detail);
	wire_u32(b, (uint32_t)a->accepted);
}

static bool status_is_valid(const struct queue_status *s)
{
	return (s->class == 0 || s->class == 2 || s->class == 4 || s->class == 5) &&
	       s->subject <= 999 && s->detail <= 999;
}

static struct queue_attempt get_attempt(struct cur *c)
{
	struct queue_attempt a = {0};

	a.stage = (enum queue_stage)cur_enum(c, QUEUE_STAGES);
	a.problem = (enum queue_problem)cur_enum(c, QUEUE_PROBLEMS);
	a.code = cur_u16(c);
	a.status.class = cur_u8(c);
	a.status.subject = cur_u16(c);
	a.status.detail = cur_u16(c);
	a.accepted = cur_u32(c);
	if (a.code > 599 || !status_is_valid(&a.status))
		cur_fail(c);
	return a;
}

void rs_host_put(struct buf *b, const struct rs_host *h)
{
	wire_str(b, str_sub(h->name, 0, RS_PLACE_MAX));
	wire_u8(b, h->level);
}

bool rs_host_next(struct cur *c, struct rs_host *h_r)
{
	struct rs_host h = {.name = cur_str(c, RS_PLACE_MAX)};

	h.level = cur_u8(c);
	if (h.name.n == 0)
		cur_fail(c);
	FINISH_NEXT(c, h, h_r);
}

void rs_way_put(struct buf *b, const struct rs_way *w)
{
	put_lease(b, &w->lease);
	wire_str(b, str_sub(w->failed, 0, RS_PLACE_MAX));
	put_attempt(b, &w->attempt);
	wire_str(b, str_sub(w->text, 0, RS_TEXT_MAX));
	wire_u32(b, w->count);
	wire_str(b, w->hosts);
}

bool rs_way_get(struct str payload, struct rs_way *w_r)
{
	struct cur c = cur_of(payload);
	struct rs_way w = {.lease = get_any_lease(&c)};

	w.failed = cur_str(&c, RS_PLACE_MAX);
	w.attempt = get_attempt(&c);
	w.text = cur_str(&c, RS_TEXT_MAX);
	w.count = cur_u32(&c);
	w.hosts = cur_str(&c, HOSTS_MAX);
	if (w.count > RS_HOSTS_MAX || (w.count == 0 && w.failed.n == 0))
		cur_fail(&c);
	FINISH(c, w, w_r);
}

void rs_way_answer_put(struct buf *b, const struct rs_way_answer *a)
{
	wire_u8(b, (uint8_t)a->verdict);
	wire_u8(b, a->chosen);
	wire_bool(b, a->passes);
	wire_u8(b, a->passed);
	put_attempt(b, &a->attempt);
	wire_str(b, str_sub(a->text, 0, RS_TEXT_MAX));
}

bool rs_way_answer_get(struct str payload, struct rs_way_answer *a_r)
{
	struct cur c = cur_of(payload);
	struct rs_way_answer a = {.verdict = (enum rs_way_verdict)cur_enum(&c, RS_WAY_VERDICTS)};

	a.chosen = cur_u8(&c);
	a.passes = cur_bool(&c);
	a.passed = cur_u8(&c);
	a.attempt = get_attempt(&c);
	a.text = cur_str(&c, RS_TEXT_MAX);
	if (a.chosen >= RS_HOSTS_MAX || a.passed >= RS_HOSTS_MAX)
		cur_fail(&c);
	FINISH(c, a, a_r);
}

void rs_outcome_put(struct buf *b, const struct rs_outcome *o)
{
	wire_u32(b, o->number);
	put_attempt(b, &o->attempt);
	wire_str(b, str_sub(o->text, 0, RS_TEXT_MAX));
}

bool rs_outcome_next(struct cur *c, struct rs_outcome *o_r)
{
	struct rs_outcome o = {.number = cur_u32(c)};

	o.attempt = get_attempt(c);
	o.text = cur_str(c, RS_TEXT_MAX);
	FINISH_NEXT(c, o, o_r);
}

void rs_result_put(struct buf *b, const struct rs_result *r)
{
	put_lease(b, &r->lease);
	wire_str(b, str_sub(r->remote_name, 0, HOST_MAX));
	buf_add(b, r->remote_ip.b, sizeof r->remote_ip.b);
	wire_str(b, str_sub(r->tls, 0, TLS_MAX));
	wire_bool(b, r->dsn);
	wire_bool(b, r->by);
	wire_u32(b, r->count);
	wire_str(b, r->outcomes);
	wire_str(b, str_sub(r->dialogue, 0, RS_DIALOGUE_MAX));
}

bool rs_result_get(struct str payload, struct rs_result *r_r)
{
	struct cur c = cur_of(payload);
	struct rs_result r = {.lease = get_lease(&c)};
	struct str ip;

	r.remote_name = cur_str(&c, HOST_MAX);
	ip = cur_take(&c, sizeof r.remote_ip.b);
	if (ip.n)
		memcpy(r.remote_ip.b, ip.p, ip.n);
	r.tls = cur_str(&c, TLS_MAX);
	r.dsn = cur_bool(&c);
	r.by = cur_bool(&c);
	r.count = cur_u32(&c);
	r.outcomes = cur_str(&c, OUTCOMES_MAX);
	r.dialogue = cur_str(&c, RS_DIALOGUE_MAX);
	if (r.count == 0 || r.count > RS_RECIPIENTS_MAX)
		cur_fail(&c);
	FINISH(c, r, r_r);
}

bool rs_result_lease(struct str payload, struct rs_lease *lease_r)
{
	struct cur c = cur_of(payload);
	struct rs_lease l = get_lease(&c);

	FINISH_NEXT(&c, l, lease_r);
}

void rs_callout_put(struct buf *b, const struct rs_callout *m)
{
	wire_i64(b, m->number);
	wire_str(b, m->destination);
	put_route(b, &m->route);
	wire_str(b, m->address);
}

bool rs_callout_get(struct str payload, struct rs_callout *m_r)
{
	struct cur c = cur_of(payload);
	struct rs_callout m = {.number = cur_i64(&c)};

	m.destination = cur_str(&c, LIMIT_QUEUE_DESTINATION);
	m.route = get_route(&c);
	m.address = cur_str(&c, LIMIT_SMTP_PATH);
	if (m.number <= 0)
		cur_fail(&c);
	FINISH(c, m, m_r);
}

void rs_called_put(struct buf *b, const struct rs_called *m)
{
	wire_i64(b, m->number);
	put_attempt(b, &m->attempt);
	wire_str(b, str_sub(m->text, 0, RS_TEXT_MAX));
}

bool rs_called_get(struct str payload, struct rs_called *m_r)
{
	struct cur c = cur_of(payload);
	struct rs_called m = {.number = cur_i64(&c)};

	m.attempt = get_attempt(&c);
	m.text = cur_str(&c, RS_TEXT_MAX);
	if (m.number <= 0)
		cur_fail(&c);
	FINISH(c, m, m_r);
}

bool rs_called_number(struct str payload, int64_t *number_r)
{
	struct cur c = cur_of(payload);
	int64_t number = cur_i64(&c);

	if (number <= 0)
		cur_fail(&c);
	FINISH_NEXT(&c, number, number_r);
}

void rs_verdict_put(struct buf *b, enum rs_verdict v)
{
	wire_u8(b, (uint8_t)v);
}

bool rs_verdict_get(struct str payload, enum rs_verdict *v_r)
{
	struct cur c = cur_of(payload);
	enum rs_verdict v = (enum rs_verdict)cur_enum(&c, RS_VERDICTS);

	FINISH(c, v, v_r);
}
