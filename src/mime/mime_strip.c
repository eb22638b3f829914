/*
 * Octets wait in raw until mime_field knows whose they are. Invariant: raw holds what was fed behind raw_at;
 * all before that is passed on or dropped. A field of which a part was passed on stays whole.
 */
#include "mime/mime_strip.h"

#define SLICE KIB

void mime_strip_init(struct mime_strip *s, struct str name)
{
	*s = (struct mime_strip){.name = name};
	mime_field_in_init(&s->fields, 0);
	buf_init(&s->raw, MIME_STRIP_HELD + SLICE);
}

void mime_strip_fini(struct mime_strip *s)
{
	mime_field_in_fini(&s->fields);
	buf_fini(&s->raw);
}

/* All before that offset; out: NULL to drop it. */
static void take(struct mime_strip *s, uint64_t until, struct buf *out)
{
	size_t n = until > s->raw_at ? (size_t)(until - s->raw_at) : 0;

	if (out)
		buf_str(out, str_sub(buf_view(&s->raw), 0, n));
	buf_drop(&s->raw, n);
	s->raw_at += n;
}

static void take_all(struct mime_strip *s, struct buf *out)
{
	take(s, s->raw_at + s->raw.n, out);
}

static void settle(struct mime_strip *s, const struct mime_field *f, struct buf *out)
{
	bool goes = f->offset >= s->raw_at && str_eq_i(f->name, s->name);

	take(s, f->offset, out);
	take(s, f->offset + f->size, goes ? NULL : out);
}

static void feed_header(struct mime_strip *s, struct str bytes, struct buf *out)
{
	buf_str(&s->raw, bytes);
	while (bytes.n && !s->in_body) {
		struct mime_field field;
		size_t used;
		enum mime_field_status status = mime_field_next(&s->fields, bytes, &used, &field);

		bytes = str_from(bytes, used);
		if (status == MIME_FIELD_ONE)
			settle(s, &field, out);
		s->in_body = status == MIME_FIELD_END || status == MIME_FIELD_NO_SEPARATOR;
	}
	if (s->in_body || s->raw.n > MIME_STRIP_HELD)
		take_all(s, out);
}

void mime_strip_feed(struct mime_strip *s, struct str bytes, struct buf *out)
{
	while (bytes.n && !s->in_body) {
		feed_header(s, str_sub(bytes, 0, SLICE), out);
		bytes = str_from(bytes, SLICE);
	}
	buf_str(out, bytes);
}

void mime_strip_end(struct mime_strip *s, struct buf *out)
{
	struct mime_field field;

	while (!s->in_body && mime_field_finish(&s->fields, &field) == MIME_FIELD_ONE)
		settle(s, &field, out);
	take_all(s, out);
	s->in_body = true;
}
