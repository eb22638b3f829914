#include "ipc/admin.h"

#include "base/mem.h"
#include "base/wire.h"

#define FIELD_NAME_MAX ((size_t)64)
#define FIELD_TEXT_MAX (64 * KIB)
#define REPLY_TEXT_MAX (4 * KIB)

static const struct ipc_type types[ADMIN_TYPES] = {
    [ADMIN_CALL] = {"call", IPC_BY_ASKER, IPC_DOWN, 4 * ADMIN_ARG_MAX, REPLY_TEXT_MAX + 16},
    [ADMIN_FEED] = {"feed", IPC_BY_ASKER, IPC_UP | IPC_DOWN, 4 * ADMIN_ARG_MAX,
	REPLY_TEXT_MAX + 16},
};

const struct ipc_edge admin_edge = {"admin-store", types, ADMIN_TYPES};

void admin_request_put(struct buf *b, const struct admin_request *r)
{
	wire_u8(b, (uint8_t)r->command);
	wire_u8(b, (uint8_t)r->nargs);
	for (size_t i = 0; i < r->nargs; i++)
		wire_str(b, r->args[i]);
}

bool admin_request_get(struct str payload, struct admin_request *r_r)
{
	struct cur c = cur_of(payload);
	struct admin_request r = {0};

	r.command = (enum admin_command)cur_enum(&c, ADMIN_COMMANDS);
	r.nargs = cur_enum(&c, ADMIN_ARGS_MAX + 1);
	for (size_t i = 0; i < r.nargs; i++)
		r.args[i] = cur_str(&c, ADMIN_ARG_MAX);
	if (!cur_done(&c))
		return false;
	*r_r = r;
	return true;
}

size_t admin_record_begin(struct buf *b)
{
	wire_u32(b, 0);
	return b->n;
}

static void field_head(struct buf *b, enum admin_kind kind, const char *name)
{
	wire_u8(b, (uint8_t)kind);
	wire_str(b, str_of_c(name));
}

void admin_record_text(struct buf *b, const char *name, struct str text)
{
	field_head(b, ADMIN_TEXT, name);
	wire_str(b, str_sub(text, 0, FIELD_TEXT_MAX));
}

void admin_record_lines(struct buf *b, const char *name, struct str text)
{
	field_head(b, ADMIN_LINES, name);
	wire_str(b, str_sub(text, 0, FIELD_TEXT_MAX));
}

void admin_record_raw(struct buf *b, const char *name, struct str bytes)
{
	MUST(bytes.n <= ADMIN_RAW_MAX);
	field_head(b, ADMIN_RAW, name);
	wire_str(b, bytes);
}

static bool is_text(enum admin_kind kind)
{
	return kind == ADMIN_TEXT || kind == ADMIN_LINES || kind == ADMIN_RAW;
}

void admin_record_number(struct buf *b, enum admin_kind kind, const char *name, int64_t number)
{
	MUST(!is_text(kind));
	field_head(b, kind, name);
	wire_i64(b, number);
}

void admin_record_end(struct buf *b, size_t begin)
{
	uint32_t n = (uint32_t)(b->n - begin);

	if (b->overflow)
		return;
	for (int i = 0; i < 4; i++)
		b->p[begin - 4 + (size_t)i] = (uint8_t)(n >> (24 - 8 * i));
}

int admin_record_next(struct str *stream, struct str *record_r)
{
	struct cur c = cur_of(*stream);
	uint32_t n = cur_u32(&c);

	if (c.bad)
		return 0;
	if (n > LIMIT_IPC_PAYLOAD)
		return -1;
	if (cur_left(&c) < n)
		return 0;
	*record_r = cur_take(&c, n);
	*stream = cur_rest(&c);
	return 1;
}

int admin_field_next(struct cur *record, struct admin_field *field_r)
{
	struct admin_field f = {0};

	if (cur_done(record))
		return 0;
	f.kind = (enum admin_kind)cur_enum(record, ADMIN_KINDS);
	f.name = cur_str(record, FIELD_NAME_MAX);
	if (is_text(f.kind))
		f.text = cur_str(record, FIELD_TEXT_MAX);
	else
		f.number = cur_i64(record);
	if (record->bad)
		return -1;
	*field_r = f;
	return 1;
}

void admin_reply_put(struct buf *b, const struct admin_reply *r)
{
	wire_u8(b, r->exit_code);
	wire_str(b, str_sub(r->text, 0, REPLY_TEXT_MAX));
}

bool admin_reply_get(struct str payload, struct admin_reply *r_r)
{
	struct cur c = cur_of(payload);
	struct admin_reply r = {0};

	r.exit_code = cur_u8(&c);
	r.text = cur_str(&c, REPLY_TEXT_MAX);
	if (!cur_done(&c))
		return false;
	*r_r = r;
	return true;
}

/* ---- frames of a feed ---- */

/* The head of a frame; frame_end() patches its length. */
static size_t frame_begin(struct buf *b, enum admin_feed_kind kind)
{
	wire_u8(b, (uint8_t)kind);
	return admin_record_begin(b);
}

void admin_feed_begin_put(struct buf *b, const struct admin_feed_begin *m)
{
	size_t at = frame_begin(b, ADMIN_FEED_BEGIN);

	wire_str(b, m->path);
	wire_i64(b, m->id);
	wire_i64(b, m->length);
	wire_str(b, m->prefix);
	admin_record_end(b, at);
}

void admin_feed_data_put(struct buf *b, struct str bytes)
{
	size_t at = frame_begin(b, ADMIN_FEED_DATA);

	buf_str(b, bytes);
	admin_record_end(b, at);
}

void admin_feed_end_put(struct buf *b, const struct admin_feed_end *m)
{
	size_t at = frame_begin(b, ADMIN_FEED_END);

	wire_i64(b, m->received);
	wire_str(b, m->keywords);
	wire_str(b, m->summary);
	admin_record_end(b, at);
}

void admin_feed_drop_put(struct buf *b)
{
	admin_record_end(b, frame_begin(b, ADMIN_FEED_DROP));
}

int admin_feed_next(struct str *stream, enum admin_feed_kind *kind_r, struct str *payload_r)
{
	struct cur c = cur_of(*stream);
	uint8_t kind = cur_u8(&c);
	uint32_t n = cur_u32(&c);

	if (c.bad)
		return 0;
	if (kind >= ADMIN_FEED_KINDS || n > ADMIN_FEED_FRAME)
		return -1;
	if (cur_left(&c) < n)
		return 0;
	*kind_r = (enum admin_feed_kind)kind;
	*payload_r = cur_take(&c, n);
	*stream = cur_rest(&c);
	return 1;
}

bool admin_feed_begin_get(struct str payload, struct admin_feed_begin *m_r)
{
	struct cur c = cur_of(payload);
	struct admin_feed_begin m = {0};

	m.path = cur_str(&c, ADMIN_FEED_FRAME);
	m.id = cur_i64(&c);
	m.length = cur_i64(&c);
	m.prefix = cur_str(&c, LIMIT_PREFIX);
	if (!cur_done(&c) || m.id < 0 || m.length < 0)
		return false;
	*m_r = m;
	return true;
}

bool admin_feed_end_get(struct str payload, struct admin_feed_end *m_r)
{
	struct cur c = cur_of(payload);
	struct admin_feed_end m = {0};

	m.received = cur_i64(&c);
	m.keywords = cur_str(&c, ADMIN_FEED_FRAME);
	m.summary = cur_str(&c, LIMIT_SUMMARY);
	if (!cur_done(&c))
		return false;
	*m_r = m;
	return true;
}
