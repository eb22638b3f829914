/*
 * The writer of summaries. It tries one level of detail after the other until the result fits; the
 * last one fits always, because everything in it is bounded by a constant. What is only as good as
 * it is whole (ids, addresses) is dropped where it is too long; what a person reads is cut.
 */
#include "mime/mime_summary.h"

#include "base/mem.h"
#include "base/wire.h"
#include "mime/mime_summary_form.h"

struct detail {
	size_t parts;
	size_t params; /* of one field */
	size_t addresses;
	size_t delivered_to;
	size_t text; /* octets of one text */
	bool nested; /* envelopes of nested messages */
	bool extras; /* Content-ID and its like */
};

static const struct detail levels[] = {
    {LIMIT_MIME_PARTS, LIMIT_MIME_PARAMS, LIMIT_MIME_ADDRESSES, LIMIT_MIME_DELIVERED_TO,
	LIMIT_MIME_TEXT, true, true},
    {LIMIT_MIME_PARTS, 4, LIMIT_MIME_ADDRESSES, 8, LIMIT_MIME_TEXT, true, true},
    {LIMIT_MIME_PARTS, 4, LIMIT_MIME_ADDRESSES, 8, LIMIT_MIME_TEXT, false, true},
    {LIMIT_MIME_PARTS, 4, 64, 8, LIMIT_MIME_TEXT, false, true},
    {LIMIT_MIME_PARTS, 4, 32, 8, 256, false, true},
    {LIMIT_MIME_PARTS, 2, 16, 0, 128, false, false},
    {LIMIT_MIME_PARTS, 0, 8, 0, 64, false, false},
    {32, 0, 4, 0, 64, false, false},
    {1, 0, 1, 0, 16, false, false},
};

struct writer {
	struct buf out;
	const struct detail *detail;
	bool incomplete;
};

static void put_num(struct writer *w, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		wire_u8(&w->out, (uint8_t)(v | 0x80));
	wire_u8(&w->out, (uint8_t)v);
}

static void put_text(struct writer *w, struct str s)
{
	put_num(w, s.p ? s.n + 1 : 0);
	buf_str(&w->out, s);
}

/* A text that is worthless when cut. */
static void put_whole(struct writer *w, struct str s)
{
	if (s.n > w->detail->text) {
		w->incomplete = true;
		s = (struct str){NULL, 0};
	}
	put_text(w, s);
}

static void put_cut(struct writer *w, struct str s)
{
	if (s.n > w->detail->text) {
		w->incomplete = true;
		s.n = w->detail->text;
	}
	put_text(w, s);
}

static bool param_fits(const struct writer *w, const struct mime_param *p)
{
	return p->name.n <= w->detail->text && p->value.n <= w->detail->text;
}

static void put_params(struct writer *w, const struct mime_params *ps)
{
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++) {
		if (n == w->detail->params || !param_fits(w, &ps->v[i])) {
			w->incomplete = true;
			continue;
		}
		put_text(w, ps->v[i].name);
		put_text(w, ps->v[i].value);
		n++;
	}
	put_num(w, 0);
}

static void put_address(struct writer *w, const struct mime_address *a)
{
	wire_u8(&w->out, (uint8_t)a->kind);
	put_cut(w, a->name);
	put_text(w, a->local);
	put_text(w, a->domain);
}

/* Elements while there is room; a group that is cut off is ended. */
static void put_list(struct writer *w, const struct mime_address_list *list)
{
	static const struct mime_address group_end = {.kind = MIME_ADDRESS_GROUP_END};
	size_t n = 0, text = w->detail->text;
	bool in_group = false, truncated = list->truncated;

	for (size_t i = 0; i < list->n; i++) {
		const struct mime_address *a = &list->v[i];
		bool begin = a->kind == MIME_ADDRESS_GROUP_BEGIN;
		bool end = a->kind == MIME_ADDRESS_GROUP_END;

		if (!end && n + 1 + (in_group || begin) > w->detail->addresses) {
			truncated = true;
			break;
		}
		if (a->local.n > text || a->domain.n > text) {
			truncated = true;
			continue;
		}
		put_address(w, a);
		in_group = begin || (in_group && !end);
		n++;
	}
	if (in_group)
		put_address(w, &group_end);
	w->incomplete |= truncated;
	wire_u8(&w->out, MIME_SUMMARY_LIST_END);
	put_num(w, list->bad);
	wire_bool(&w->out, truncated);
}

static void put_envelope(struct writer *w, const struct mime_envelope *e)
{
	wire_u8(&w->out, (uint8_t)(e->has_date | (e->has_date && e->date.zone_unknown) << 1));
	if (e->has_date) {
		wire_i64(&w->out, e->date.ms);
		put_num(w, (uint64_t)(e->date.zone + MIME_SUMMARY_ZONE));
	}
	put_cut(w, e->text[MIME_SUBJECT]);
	for (unsigned i = MIME_SUBJECT + 1; i < MIME_TEXT_FIELDS; i++)
		put_whole(w, e->text[i]);
	for (unsigned i = 0; i < MIME_ADDRESS_FIELDS; i++)
		put_list(w, &e->address[i]);
}

/* Content-ID and so on, in the order of the form. */
static void put_extras(struct writer *w, const struct mime_part *p)
{
	static const struct str none;
	bool all = w->detail->extras;

	w->incomplete |= !all && (p->id.p || p->description.p || p->md5.p || p->language.p ||
				     p->location.p);
	put_whole(w, all ? p->id : none);
	put_cut(w, all ? p->description : none);
	put_whole(w, all ? p->md5 : none);
	put_whole(w, all ? p->language : none);
	put_whole(w, all ? p->location : none);
}

static void put_part(struct writer *w, const struct mime_part *p, bool root)
{
	bool envelope = p->envelope && (root || w->detail->nested);

	put_num(w, p->parent);
	wire_u8(&w->out, (uint8_t)p->kind);
	wire_u8(&w->out, (uint8_t)p->encoding);
	put_num(w, p->header_offset);
	put_num(w, p->body_offset - p->header_offset);
	put_num(w, p->body_size);
	put_num(w, p->lines);
	put_whole(w, p->content.type);
	put_whole(w, p->content.subtype);
	put_params(w, &p->content.params);
	put_extras(w, p);
	put_whole(w, p->disposition);
	put_params(w, &p->disposition_params);
	wire_bool(&w->out, envelope);
	if (envelope)
		put_envelope(w, p->envelope);
	w->incomplete |= p->envelope && !envelope;
}

static void put_facts(struct writer *w, const struct mime_facts *f)
{
	const bool flags[] = {f->has_date, f->has_message_id, f->has_8bit_header, f->has_8bit_body,
	    f->has_nul, f->no_separator, f->too_long};
	unsigned bits = 0;
	size_t n = 0;

	put_num(w, f->fields);
	put_num(w, f->received);
	put_num(w, f->from);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		bits |= (unsigned)flags[i] << i;
	wire_u8(&w->out, (uint8_t)bits);
	put_num(w, f->longest_line);
	for (; n < f->n_delivered_to && n < w->detail->delivered_to; n++)
		put_text(w, f->delivered_to[n]);
	w->incomplete |= n < f->n_delivered_to;
	put_num(w, 0);
}

static void put_thread(struct writer *w, const struct mime_thread_key *t)
{
	wire_u64(&w->out, t->subject);
	wire_u64(&w->out, t->id);
	put_num(w, t->n_refs);
	for (size_t i = 0; i < t->n_refs; i++)
		wire_u64(&w->out, t->refs[i]);
}

/* One try at a level of detail. False: it does not fit. */
static bool put_message(struct writer *w, const struct mime_message *m)
{
	size_t n = m->n_parts < w->detail->parts ? m->n_parts : w->detail->parts;

	buf_clear(&w->out);
	w->incomplete = m->incomplete || n < m->n_parts;
	wire_u8(&w->out, MIME_SUMMARY_VERSION_NOW);
	wire_u8(&w->out, 0);
	put_num(w, m->size);
	put_num(w, m->lines);
	put_facts(w, &m->facts);
	put_thread(w, &m->thread);
	put_num(w, n);
	for (size_t i = 0; i < n && !w->out.overflow; i++)
		put_part(w, &m->parts[i], i == 0);
	if (w->out.overflow)
		return false;
	w->out.p[1] = w->incomplete;
	return true;
}

size_t mime_summary_put(struct buf *b, const struct mime_message *m, size_t max)
{
	size_t room = buf_room(b), level = 0, n;
	struct writer w = {.detail = levels};

	MUST(max >= LIMIT_SUMMARY_MIN && room >= LIMIT_SUMMARY_MIN && m->n_parts > 0);
	buf_init(&w.out, max < room ? max : room);
	while (!put_message(&w, m)) {
		MUST(++level < sizeof levels / sizeof levels[0]);
		w.detail = &levels[level];
	}
	n = w.out.n;
	buf_str(b, buf_view(&w.out));
	buf_fini(&w.out);
	return n;
}
