/*
 * The reader of summaries. They come from processes that may have been taken over: counts are
 * compared with their limits and with the octets that are left before anything is allocated,
 * offsets with the message, structure with what mime_scan can produce.
 */
#include "mime/mime_summary.h"

#include "base/cur.h"
#include "mime/mime_summary_form.h"

#define SIZE_LIMIT ((uint64_t)1 << 62) /* of sizes: sums of two do not overflow */

/* A number up to max, in its shortest form; else failure and 0. */
static uint64_t get_num(struct cur *c, uint64_t max)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		uint8_t octet = cur_u8(c);

		v |= (uint64_t)(octet & 0x7f) << shift;
		if (octet & 0x80)
			continue;
		if (v > max || (octet == 0 && shift > 0))
			break;
		return c->bad ? 0 : v;
	}
	cur_fail(c);
	return 0;
}

/* A text or none; never NUL, CR or LF in it. */
static struct str get_text(struct cur *c)
{
	uint64_t n = get_num(c, LIMIT_SUMMARY);
	struct str s = {NULL, 0};

	if (n == 0)
		return s;
	s = cur_take(c, (size_t)n - 1);
	if (s.n && (memchr(s.p, 0, s.n) || memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n)))
		cur_fail(c);
	return s;
}

static void get_params(struct cur *c, struct arena *a, struct mime_params *ps)
{
	struct mime_param v[LIMIT_MIME_PARAMS];
	size_t n = 0;

	for (struct str name = get_text(c); name.p && !c->bad; name = get_text(c)) {
		if (n == LIMIT_MIME_PARAMS) {
			cur_fail(c);
			return;
		}
		v[n].name = name;
		v[n++].value = get_text(c);
	}
	ps->v = arena_array(a, n, sizeof *v);
	ps->n = n;
	if (n)
		memcpy(ps->v, v, n * sizeof *v);
}

/* Groups do not nest and are closed. */
static bool is_in_order(const struct mime_address *v, size_t n)
{
	bool in_group = false;

	for (size_t i = 0; i < n; i++) {
		if (v[i].kind == MIME_ADDRESS_MAILBOX)
			continue;
		if (in_group != (v[i].kind == MIME_ADDRESS_GROUP_END))
			return false;
		in_group = !in_group;
	}
	return !in_group;
}

static void get_list(struct cur *c, struct arena *a, struct mime_address_list *list)
{
	struct mime_address v[LIMIT_MIME_ADDRESSES];
	size_t n = 0;

	for (;;) {
		uint8_t kind = cur_enum(c, MIME_SUMMARY_LIST_END + 1);

		if (c->bad || kind == MIME_SUMMARY_LIST_END)
			break;
		if (n == LIMIT_MIME_ADDRESSES) {
			cur_fail(c);
			break;
		}
		v[n].kind = (enum mime_address_kind)kind;
		v[n].name = get_text(c);
		v[n].local = get_text(c);
		v[n++].domain = get_text(c);
	}
	list->bad = (size_t)get_num(c, LIMIT_MIME_FIELD);
	list->truncated = cur_bool(c);
	if (c->bad || !is_in_order(v, n)) {
		cur_fail(c);
		return;
	}
	list->v = arena_array(a, n, sizeof *v);
	list->n = n;
	if (n)
		memcpy(list->v, v, n * sizeof *v);
}

static void get_date(struct cur *c, struct mime_envelope *e)
{
	uint8_t flags = cur_enum(c, 4);

	e->has_date = flags & 1;
	e->date.zone_unknown = flags & 2;
	if (flags == 2)
		cur_fail(c);
	if (!e->has_date)
		return;
	e->date.ms = cur_i64(c);
	e->date.zone = (int16_t)((int)get_num(c, 2 * MIME_SUMMARY_ZONE) - MIME_SUMMARY_ZONE);
	if (e->date.ms < MIME_DATE_MIN || e->date.ms > MIME_DATE_MAX)
		cur_fail(c);
}

static void get_envelope(struct cur *c, struct arena *a, struct mime_envelope *e)
{
	get_date(c, e);
	for (unsigned i = 0; i < MIME_TEXT_FIELDS; i++)
		e->text[i] = get_text(c);
	for (unsigned i = 0; i < MIME_ADDRESS_FIELDS; i++)
		get_list(c, a, &e->address[i]);
}

static void get_part(struct cur *c, struct arena *a, struct mime_part *p)
{
	p->parent = (uint16_t)get_num(c, LIMIT_MIME_PARTS);
	p->kind = (enum mime_part_kind)cur_enum(c, MIME_PART_KINDS);
	p->encoding = (enum mime_encoding)cur_enum(c, MIME_ENCODINGS);
	p->header_offset = get_num(c, SIZE_LIMIT);
	p->body_offset = p->header_offset + get_num(c, SIZE_LIMIT);
	p->body_size = get_num(c, SIZE_LIMIT);
	p->lines = get_num(c, SIZE_LIMIT);
	p->content.type = get_text(c);
	p->content.subtype = get_text(c);
	get_params(c, a, &p->content.params);
	p->id = get_text(c);
	p->description = get_text(c);
	p->md5 = get_text(c);
	p->language = get_text(c);
	p->location = get_text(c);
	p->disposition = get_text(c);
	get_params(c, a, &p->disposition_params);
	if (cur_bool(c) && !c->bad) {
		p->envelope = arena_obj(a, struct mime_envelope);
		get_envelope(c, a, p->envelope);
	}
}

/* Could mime_scan have found the part there? Those before it are good. */
static bool is_placed(const struct mime_message *m, size_t i)
{
	const struct mime_part *p = &m->parts[i], *parent = &m->parts[p->parent];
	uint64_t end = p->body_offset + p->body_size;
	bool message = i == 0 || parent->kind == MIME_PART_MESSAGE;

	if (end > m->size || p->lines > p->body_size)
		return false;
	if (p->envelope && !message)
		return false;
	if (i == 0)
		return p->parent == 0 && p->header_offset == 0 && p->envelope;
	return parent->kind != MIME_PART_LEAF && p->header_offset >= parent->body_offset &&
	       end <= parent->body_offset + parent->body_size;
}

static void get_parts(struct cur *c, struct arena *a, struct mime_message *m)
{
	m->n_parts = (size_t)get_num(c, LIMIT_MIME_PARTS);
	if (m->n_parts == 0 || m->n_parts > cur_left(c) / MIME_SUMMARY_PART_MIN) {
		cur_fail(c);
		return;
	}
	m->parts = arena_array(a, m->n_parts, sizeof *m->parts);
	for (size_t i = 0; i < m->n_parts && !c->bad; i++) {
		get_part(c, a, &m->parts[i]);
		if (c->bad || (i > 0 && m->parts[i].parent >= i) || !is_placed(m, i))
			cur_fail(c);
	}
}

static void get_delivered_to(struct cur *c, struct arena *a, struct mime_facts *f)
{
	struct str v[LIMIT_MIME_DELIVERED_TO];
	size_t n = 0;

	for (struct str s = get_text(c); s.p && !c->bad; s = get_text(c)) {
		if (n == LIMIT_MIME_DELIVERED_TO) {
			cur_fail(c);
			return;
		}
		v[n++] = s;
	}
	f->delivered_to = arena_array(a, n, sizeof *v);
	f->n_delivered_to = n;
	if (n)
		memcpy(f->delivered_to, v, n * sizeof *v);
}

static void get_facts(struct cur *c, struct arena *a, struct mime_facts *f)
{
	bool *const flags[] = {&f->has_date, &f->has_message_id, &f->has_8bit_header,
	    &f->has_8bit_body, &f->has_nul, &f->no_separator, &f->too_long};
	uint8_t bits;

	f->fields = (uint32_t)get_num(c, UINT32_MAX);
	f->received = (uint32_t)get_num(c, f->fields);
	f->from = (uint32_t)get_num(c, f->fields);
	bits = cur_enum(c, 1u << (sizeof flags / sizeof flags[0]));
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		*flags[i] = bits >> i & 1;
	f->longest_line = get_num(c, SIZE_LIMIT);
	get_delivered_to(c, a, f);
}

static void get_thread(struct cur *c, struct mime_thread_key *t)
{
	t->subject = cur_u64(c);
	t->id = cur_u64(c);
	t->n_refs = (size_t)get_num(c, LIMIT_MIME_THREAD_REFS);
	for (size_t i = 0; i < t->n_refs; i++)
		t->refs[i] = cur_u64(c);
}

enum mime_summary_status mime_summary_read(
    struct arena *a, struct str bytes, struct mime_message *m_r)
{
	struct cur c = cur_of(bytes);
	struct mime_message m = {.size = 0};

	if (cur_u8(&c) != MIME_SUMMARY_VERSION_NOW)
		return c.bad ? MIME_SUMMARY_BAD : MIME_SUMMARY_VERSION;
	m.incomplete = cur_bool(&c);
	m.size = get_num(&c, SIZE_LIMIT);
	m.lines = get_num(&c, m.size);
	get_facts(&c, a, &m.facts);
	get_thread(&c, &m.thread);
	get_parts(&c, a, &m);
	if (!cur_done(&c) || m.facts.longest_line > m.size)
		return MIME_SUMMARY_BAD;
	*m_r = m;
	return MIME_SUMMARY_OK;
}
