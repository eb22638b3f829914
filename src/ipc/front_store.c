/*
 * Each message has its writer and, below it, its reader. Readers check everything: lengths, enums,
 * that nothing is left over.
 */
#include "ipc/front_store.h"

#include "base/limits.h"
#include "base/wire.h"

#define RANGES_MAX   (256 * KIB)
#define PER_RCPT_MAX (LIMIT_ENVELOPE)
#define ASK          IPC_BY_ASKER

/* name, may mx send it?, traits, payload, reply */
#define FS_TABLE(ROW)                                                                              \
	ROW(FS_ADMIT, "admit", ASK, IPC_FD, 64, 1024)                                              \
	ROW(FS_LEAVE, "leave", ASK, IPC_IS_EVENT, 8, 0)                                            \
	ROW(FS_AUTH, "auth", 0, 0, 12 * KIB, 1024)                                                 \
	ROW(FS_RCPT, "rcpt", ASK, 0, 1024, 1024)                                                   \
	ROW(FS_UPLOAD, "upload", ASK, IPC_UP, 8, 1024)                                             \
	ROW(FS_UPLOAD_DROP, "upload_drop", ASK, IPC_IS_EVENT, 8, 0)                                \
	ROW(FS_DELIVER, "deliver", ASK, IPC_BULK, LIMIT_IPC_PAYLOAD, LIMIT_IPC_PAYLOAD)            \
	ROW(FS_TAKEN, "taken", ASK, 0, 12, LIMIT_IPC_PAYLOAD)                                      \
	ROW(FS_OPEN, "open", 0, 0, 16, 1024)                                                       \
	ROW(FS_LIST, "list", 0, IPC_DOWN, 64, 1024)                                                \
	ROW(FS_READ, "read", 0, IPC_DOWN, 64, 1024)                                                \
	ROW(FS_EXPUNGE, "expunge", 0, IPC_BULK, 2 * RANGES_MAX + 64, 1024)                         \
	ROW(FS_RELEASE, "release", ASK, IPC_IS_EVENT, 16, 0)                                       \
	ROW(FS_FLOOR, "floor", IPC_BY_ANSWERER, IPC_IS_EVENT, 8, 0)                                \
	ROW(FS_ENDED, "ended", IPC_BY_ANSWERER, IPC_IS_EVENT, 16, 0)

#define MX_ROW(id, name, mx, traits, max, reply) [id] = {name, mx, traits, max, reply},
#define USER_ROW(id, name, mx, traits, max, reply)                                                 \
	[id] = {name, (mx) ? (mx) : ASK, traits, max, reply},

static const struct ipc_type mx_types[FS_TYPES] = {FS_TABLE(MX_ROW)};
static const struct ipc_type user_types[FS_TYPES] = {FS_TABLE(USER_ROW)};

const struct ipc_edge fs_edge_mx = {"mx-store", mx_types, FS_TYPES};
const struct ipc_edge fs_edge_user = {"user-store", user_types, FS_TYPES};

bool fs_handle_is_none(const struct fs_handle *h)
{
	static const struct fs_handle none;

	return fs_handle_eq(h, &none);
}

bool fs_handle_eq(const struct fs_handle *a, const struct fs_handle *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static struct fs_handle get_handle(struct cur *c)
{
	struct fs_handle h = {{0}};
	struct str s = cur_take(c, sizeof h.b);

	if (s.n)
		memcpy(h.b, s.p, sizeof h.b);
	return h;
}

static void put_handle(struct buf *b, const struct fs_handle *h)
{
	buf_add(b, h->b, sizeof h->b);
}

static void put_text(struct buf *b, struct str text)
{
	wire_str(b, str_sub(text, 0, FS_TEXT_MAX));
}

/* The common end of a reader: the value is given only when all was well and nothing is left. */
#define FINISH(c, value, out_r)                                                                    \
	do {                                                                                       \
		if (!cur_done(&(c)))                                                               \
			return false;                                                              \
		*(out_r) = (value);                                                                \
		return true;                                                                       \
	} while (0)

/* A payload that is the id of a message, and no less than that. */
static bool get_id(struct str payload, int64_t least, int64_t *id_r)
{
	struct cur c = cur_of(payload);
	int64_t id = cur_i64(&c);

	if (id < least)
		cur_fail(&c);
	FINISH(c, id, id_r);
}

void fs_admit_put(struct buf *b, const struct fs_admit *m)
{
	wire_u32(b, m->session);
	wire_u8(b, (uint8_t)m->listener);
	buf_add(b, m->peer.b, sizeof m->peer.b);
}

bool fs_admit_get(struct str payload, struct fs_admit *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_admit m = {0};
	struct str ip;

	m.session = cur_u32(&c);
	m.listener = (enum fs_listener)cur_enum(&c, FS_LISTENERS);
	ip = cur_take(&c, sizeof m.peer.b);
	if (ip.n)
		memcpy(m.peer.b, ip.p, ip.n);
	FINISH(c, m, m_r);
}

void fs_admit_reply_put(struct buf *b, const struct fs_admit_reply *m)
{
	wire_u8(b, (uint8_t)m->verdict);
	put_text(b, m->text);
	put_handle(b, &m->handle);
	wire_str(b, m->user);
}

bool fs_admit_reply_get(struct str payload, struct fs_admit_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_admit_reply m = {0};

	m.verdict = (enum fs_verdict)cur_enum(&c, FS_VERDICTS);
	m.text = cur_str(&c, FS_TEXT_MAX);
	m.handle = get_handle(&c);
	m.user = cur_str(&c, LIMIT_ADDRESS);
	FINISH(c, m, m_r);
}

void fs_leave_put(struct buf *b, uint32_t session)
{
	wire_u32(b, session);
}

bool fs_leave_get(struct str payload, uint32_t *session_r)
{
	struct cur c = cur_of(payload);
	uint32_t session = cur_u32(&c);

	FINISH(c, session, session_r);
}

void fs_upload_put(struct buf *b, int64_t message_id)
{
	wire_i64(b, message_id);
}

bool fs_upload_get(struct str payload, int64_t *message_id_r)
{
	return get_id(payload, 1, message_id_r);
}

void fs_auth_put(struct buf *b, const struct fs_auth *m)
{
	wire_u32(b, m->session);
	wire_str(b, m->mechanism);
	wire_str(b, m->authzid);
	wire_str(b, m->authcid);
	wire_str(b, m->password);
}

bool fs_auth_get(struct str payload, struct fs_auth *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_auth m = {0};

	m.session = cur_u32(&c);
	m.mechanism = cur_str(&c, 32);
	m.authzid = cur_str(&c, LIMIT_PASSWORD);
	m.authcid = cur_str(&c, LIMIT_PASSWORD);
	m.password = cur_str(&c, LIMIT_PASSWORD);
	FINISH(c, m, m_r);
}

void fs_auth_reply_put(struct buf *b, const struct fs_auth_reply *m)
{
	wire_u8(b, (uint8_t)m->verdict);
	put_handle(b, &m->handle);
	wire_str(b, m->address);
	put_text(b, m->text);
}

bool fs_auth_reply_get(struct str payload, struct fs_auth_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_auth_reply m = {0};

	m.verdict = (enum fs_verdict)cur_enum(&c, FS_VERDICTS);
	m.handle = get_handle(&c);
	m.address = cur_str(&c, LIMIT_ADDRESS);
	m.text = cur_str(&c, FS_TEXT_MAX);
	FINISH(c, m, m_r);
}

void fs_rcpt_put(struct buf *b, const struct fs_rcpt *m)
{
	wire_u32(b, m->session);
	put_handle(b, &m->handle);
	wire_str(b, m->local);
	wire_str(b, m->domain);
	wire_u64(b, m->size);
}

bool fs_rcpt_get(struct str payload, struct fs_rcpt *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_rcpt m = {0};

	m.session = cur_u32(&c);
	m.handle = get_handle(&c);
	m.local = cur_str(&c, LIMIT_SMTP_LOCAL_PART);
	m.domain = cur_str(&c, LIMIT_SMTP_DOMAIN);
	m.size = cur_u64(&c);
	FINISH(c, m, m_r);
}

void fs_status_put(struct buf *b, const struct fs_status *s)
{
	wire_u16(b, s->code);
	wire_u8(b, s->class);
	wire_u8(b, s->subject);
	wire_u8(b, s->detail);
	put_text(b, s->text);
}

bool fs_status_get(struct cur *c, struct fs_status *s_r)
{
	struct fs_status s = {0};

	s.code = cur_u16(c);
	s.class = cur_u8(c);
	s.subject = cur_u8(c);
	s.detail = cur_u8(c);
	s.text = cur_str(c, FS_TEXT_MAX);
	if (s.code < 200 || s.code > 599)
		cur_fail(c);
	if (c->bad)
		return false;
	*s_r = s;
	return true;
}

void fs_rcpt_reply_put(struct buf *b, const struct fs_rcpt_reply *m)
{
	wire_u8(b, (uint8_t)m->class);
	wire_str(b, m->target);
	put_text(b, m->said);
}

bool fs_rcpt_reply_get(struct str payload, struct fs_rcpt_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_rcpt_reply m = {0};

	m.class = (enum accept_class)cur_enum(&c, ACCEPT_CLASSES);
	m.target = cur_str(&c, LIMIT_ADDRESS);
	m.said = cur_str(&c, FS_TEXT_MAX);
	FINISH(c, m, m_r);
}

void fs_upload_drop_put(struct buf *b, int64_t message_id)
{
	wire_i64(b, message_id);
}

bool fs_upload_drop_get(struct str payload, int64_t *message_id_r)
{
	return get_id(payload, 1, message_id_r);
}

void fs_upload_reply_put(struct buf *b, const struct fs_upload_reply *m)
{
	wire_u8(b, (uint8_t)m->verdict);
	wire_u64(b, m->upload);
	wire_u64(b, m->size);
	put_text(b, m->text);
}

bool fs_upload_reply_get(struct str payload, struct fs_upload_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_upload_reply m = {0};

	m.verdict = (enum fs_verdict)cur_enum(&c, FS_VERDICTS);
	m.upload = cur_u64(&c);
	m.size = cur_u64(&c);
	m.text = cur_str(&c, FS_TEXT_MAX);
	FINISH(c, m, m_r);
}

void fs_recipient_put(struct buf *b, const struct fs_recipient *r)
{
	wire_str(b, r->local);
	wire_str(b, r->domain);
	wire_str(b, r->address);
	wire_u8(b, r->notify);
	wire_str(b, r->orcpt);
}

bool fs_recipient_next(struct cur *c, struct fs_recipient *r_r)
{
	struct fs_recipient r = {0};

	r.local = cur_str(c, LIMIT_SMTP_LOCAL_PART);
	r.domain = cur_str(c, LIMIT_SMTP_DOMAIN);
	r.address = cur_str(c, LIMIT_SMTP_PATH);
	r.notify = cur_u8(c);
	r.orcpt = cur_str(c, LIMIT_SMTP_PARAM);
	if (c->bad)
		return false;
	*r_r = r;
	return true;
}

void fs_deliver_put(struct buf *b, const struct fs_deliver *m)
{
	wire_u32(b, m->session);
	put_handle(b, &m->handle);
	wire_i64(b, m->message_id);
	wire_str(b, m->reverse_path);
	wire_str(b, m->helo);
	wire_str(b, m->protocol);
	wire_str(b, m->envid);
	wire_u8(b, m->ret);
	wire_bool(b, m->utf8);
	wire_bool(b, m->eightbit);
	queue_wish_put(b, &m->wish);
	wire_u32(b, m->recipient_count);
	wire_str(b, m->recipients);
	wire_str(b, m->plan);
	wire_str(b, m->summary);
	wire_u64(b, m->upload);
	wire_str(b, m->data);
}

bool fs_deliver_get(struct str payload, struct fs_deliver *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_deliver m = {0};

	m.session = cur_u32(&c);
	m.handle = get_handle(&c);
	m.message_id = cur_i64(&c);
	m.reverse_path = cur_str(&c, LIMIT_SMTP_PATH);
	m.helo = cur_str(&c, LIMIT_SMTP_PATH);
	m.protocol = cur_str(&c, 32);
	m.envid = cur_str(&c, LIMIT_SMTP_PARAM);
	m.ret = cur_u8(&c);
	m.utf8 = cur_bool(&c);
	m.eightbit = cur_bool(&c);
	m.wish = queue_wish_get(&c);
	m.recipient_count = cur_u32(&c);
	m.recipients = cur_str(&c, LIMIT_ENVELOPE);
	m.plan = cur_str(&c, LIMIT_PLAN);
	m.summary = cur_str(&c, LIMIT_SUMMARY);
	m.upload = cur_u64(&c);
	m.data = cur_str(&c, LIMIT_INLINE_MESSAGE);
	if (m.message_id <= 0 || m.recipient_count == 0 ||
	    m.recipient_count > LIMIT_SMTP_RCPT_MAX || (m.upload && m.data.n))
		cur_fail(&c);
	FINISH(c, m, m_r);
}

void fs_floor_put(struct buf *b, int64_t id)
{
	wire_i64(b, id);
}

bool fs_floor_get(struct str payload, int64_t *id_r)
{
	return get_id(payload, 0, id_r);
}

void fs_taken_put(struct buf *b, const struct fs_taken *m)
{
	wire_i64(b, m->message_id);
	wire_u32(b, m->each);
}

bool fs_taken_get(struct str payload, struct fs_taken *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_taken m = {0};

	m.message_id = cur_i64(&c);
	m.each = cur_u32(&c);
	if (m.message_id <= 0 || m.each > LIMIT_SMTP_RCPT_MAX)
		cur_fail(&c);
	FINISH(c, m, m_r);
}

void fs_deliver_reply_put(struct buf *b, const struct fs_deliver_reply *m)
{
	fs_status_put(b, &m->status);
	wire_str(b, m->per_recipient);
}

bool fs_deliver_reply_get(struct str payload, struct fs_deliver_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_deliver_reply m = {0};

	fs_status_get(&c, &m.status);
	m.per_recipient = cur_str(&c, PER_RCPT_MAX);
	FINISH(c, m, m_r);
}

void fs_handle_put(struct buf *b, const struct fs_handle *h)
{
	put_handle(b, h);
}

bool fs_handle_get(struct str payload, struct fs_handle *h_r)
{
	struct cur c = cur_of(payload);
	struct fs_handle h = get_handle(&c);

	FINISH(c, h, h_r);
}

void fs_open_reply_put(struct buf *b, const struct fs_open_reply *m)
{
	wire_u8(b, (uint8_t)m->verdict);
	wire_u64(b, m->count);
	wire_u64(b, m->octets);
	put_text(b, m->text);
}

bool fs_open_reply_get(struct str payload, struct fs_open_reply *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_open_reply m = {0};

	m.verdict = (enum fs_verdict)cur_enum(&c, FS_VERDICTS);
	m.count = cur_u64(&c);
	m.octets = cur_u64(&c);
	m.text = cur_str(&c, FS_TEXT_MAX);
	FINISH(c, m, m_r);
}

void fs_list_put(struct buf *b, const struct fs_list *m)
{
	put_handle(b, &m->handle);
	wire_u64(b, m->first);
	wire_u64(b, m->last);
}

bool fs_list_get(struct str payload, struct fs_list *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_list m = {0};

	m.handle = get_handle(&c);
	m.first = cur_u64(&c);
	m.last = cur_u64(&c);
	if (m.first == 0 || m.first > m.last || m.last > INT64_MAX)
		cur_fail(&c);
	FINISH(c, m, m_r);
}

void fs_entry_put(struct buf *b, const struct fs_entry *e)
{
	wire_u64(b, e->number);
	wire_u64(b, e->octets);
	wire_i64(b, e->email_id);
}

bool fs_entry_get(struct cur *c, struct fs_entry *e_r)
{
	struct fs_entry e = {0};

	e.number = cur_u64(c);
	e.octets = cur_u64(c);
	e.email_id = cur_i64(c);
	if (c->bad)
		return false;
	*e_r = e;
	return true;
}

void fs_read_put(struct buf *b, const struct fs_read *m)
{
	put_handle(b, &m->handle);
	wire_u64(b, m->number);
}

bool fs_read_get(struct str payload, struct fs_read *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_read m = {0};

	m.handle = get_handle(&c);
	m.number = cur_u64(&c);
	if (m.number == 0 || m.number > INT64_MAX)
		cur_fail(&c);
	FINISH(c, m, m_r);
}

void fs_ranges_put(struct buf *b, const struct ranges *r)
{
	for (size_t i = 0; i < r->n; i++) {
		wire_i64(b, r->v[i].first);
		wire_i64(b, r->v[i].last);
	}
}

bool fs_ranges_get(struct str encoded, struct ranges *r_r)
{
	struct cur c = cur_of(encoded);
	int64_t behind = 0; /* ranges are sorted, apart, and start at 1 */

	while (cur_left(&c)) {
		int64_t first = cur_i64(&c), last = cur_i64(&c);

		if (c.bad || first <= behind || last < first || last == INT64_MAX)
			return false;
		ranges_add_range(r_r, first, last);
		behind = last + 1;
	}
	return cur_done(&c);
}

void fs_expunge_put(struct buf *b, const struct fs_expunge *m)
{
	put_handle(b, &m->handle);
	wire_str(b, m->numbers);
	wire_str(b, m->seen);
}

bool fs_expunge_get(struct str payload, struct fs_expunge *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_expunge m = {0};

	m.handle = get_handle(&c);
	m.numbers = cur_str(&c, RANGES_MAX);
	m.seen = cur_str(&c, RANGES_MAX);
	FINISH(c, m, m_r);
}

void fs_done_put(struct buf *b, const struct fs_done *m)
{
	wire_u8(b, (uint8_t)m->verdict);
	put_text(b, m->text);
}

bool fs_done_get(struct str payload, struct fs_done *m_r)
{
	struct cur c = cur_of(payload);
	struct fs_done m = {0};

	m.verdict = (enum fs_verdict)cur_enum(&c, FS_VERDICTS);
	m.text = cur_str(&c, FS_TEXT_MAX);
	FINISH(c, m, m_r);
}
