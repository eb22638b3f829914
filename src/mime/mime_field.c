/*
 * One function per state; each takes what it can from the front of the input and says what is to be
 * told. acc holds the field at hand from its first octet, at most LIMIT_MIME_FIELD octets; once it
 * would grow above that, only the name is kept. Before the colon is seen, acc holds at most
 * LIMIT_MIME_FIELD_NAME octets: so much may have to be given back as body.
 */
#include "mime/mime_field.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	AT_START, /* of a line; no field pending */
	AT_CR,    /* a line began with CR */
	IN_NAME,
	IN_GAP, /* blanks between name and colon */
	IN_BODY,
	AFTER_LINE, /* of a body: the next octet says whether it goes on */
	IN_FROM,    /* line of an mbox file */
	DONE,
	STATES,
};

static void begin(struct mime_field_in *f, uint64_t at)
{
	f->state = AT_START;
	f->given = f->too_long = false;
	f->name_n = f->body_at = 0;
	f->start = f->at = f->field_at = at;
}

void mime_field_in_init(struct mime_field_in *f, uint64_t at)
{
	buf_init(&f->acc, LIMIT_MIME_FIELD);
	begin(f, at);
}

void mime_field_in_fini(struct mime_field_in *f)
{
	buf_fini(&f->acc);
}

void mime_field_in_reset(struct mime_field_in *f, uint64_t at)
{
	buf_clear(&f->acc);
	begin(f, at);
}

/* Moves n octets from the input to acc. */
static void keep(struct mime_field_in *f, struct str *in, size_t n)
{
	buf_add(&f->acc, in->p, n);
	*in = str_from(*in, n);
	f->at += n;
}

/* The same for a body; above the limits it goes and stays away. */
static void keep_body(struct mime_field_in *f, struct str *in, size_t n)
{
	if (n > buf_room(&f->acc) || f->at + n - f->start > LIMIT_MIME_HEADER) {
		f->too_long = true;
		f->acc.n = f->body_at;
	}
	if (!f->too_long)
		buf_add(&f->acc, in->p, n);
	*in = str_from(*in, n);
	f->at += n;
}

static enum mime_field_status no_separator(struct mime_field_in *f)
{
	f->state = DONE;
	return MIME_FIELD_NO_SEPARATOR;
}

static enum mime_field_status at_start(struct mime_field_in *f, struct str *in)
{
	uint8_t c = in->p[0];

	f->field_at = f->at;
	f->state = c == '\n' ? DONE : c == '\r' ? AT_CR : IN_NAME;
	if (f->state != IN_NAME)
		keep(f, in, 1);
	return f->state == DONE ? MIME_FIELD_END : MIME_FIELD_MORE;
}

static enum mime_field_status at_cr(struct mime_field_in *f, struct str *in)
{
	if (in->p[0] != '\n')
		return no_separator(f);
	keep(f, in, 1);
	f->state = DONE;
	return MIME_FIELD_END;
}

/* Octets of a name: visible ASCII but the colon [RFC 5322 3.6.8]. */
static enum mime_field_status in_name(struct mime_field_in *f, struct str *in)
{
	size_t n = 0;

	while (n < in->n && ascii_is_vchar(in->p[n]) && in->p[n] != ':')
		n++;
	if (f->acc.n + n >= LIMIT_MIME_FIELD_NAME)
		return no_separator(f);
	keep(f, in, n);
	if (in->n == 0)
		return MIME_FIELD_MORE;
	if (f->acc.n == 0 || (in->p[0] != ':' && !ascii_is_wsp(in->p[0])))
		return no_separator(f);
	f->name_n = f->acc.n;
	f->state = IN_GAP;
	return MIME_FIELD_MORE;
}

static bool is_mbox_line(struct str s)
{
	return str_eq(s, STR("From ")) || str_eq(s, STR(">From "));
}

static enum mime_field_status in_gap(struct mime_field_in *f, struct str *in)
{
	uint8_t c = in->p[0];

	if ((c == ':' || ascii_is_wsp(c)) && f->acc.n < LIMIT_MIME_FIELD_NAME) {
		f->body_at = f->acc.n + 1;
		f->state = c == ':' ? IN_BODY : IN_GAP;
		keep(f, in, 1);
		return MIME_FIELD_MORE;
	}
	if (!is_mbox_line(buf_view(&f->acc)))
		return no_separator(f);
	f->state = IN_FROM;
	buf_clear(&f->acc);
	return MIME_FIELD_MORE;
}

static enum mime_field_status in_body(struct mime_field_in *f, struct str *in)
{
	size_t n = str_find(*in, '\n');

	if (n < in->n) {
		n++;
		f->state = AFTER_LINE;
	}
	keep_body(f, in, n);
	return MIME_FIELD_MORE;
}

static enum mime_field_status after_line(struct mime_field_in *f, struct str *in)
{
	bool fold = ascii_is_wsp(in->p[0]);

	f->state = fold ? IN_BODY : AT_START;
	return fold ? MIME_FIELD_MORE : MIME_FIELD_ONE;
}

static enum mime_field_status in_from(struct mime_field_in *f, struct str *in)
{
	size_t n = str_find(*in, '\n');

	if (n < in->n) {
		n++;
		f->state = AT_START;
	}
	*in = str_from(*in, n);
	f->at += n;
	return MIME_FIELD_MORE;
}

static enum mime_field_status (*const steps[STATES])(struct mime_field_in *, struct str *) = {
    [AT_START] = at_start,
    [AT_CR] = at_cr,
    [IN_NAME] = in_name,
    [IN_GAP] = in_gap,
    [IN_BODY] = in_body,
    [AFTER_LINE] = after_line,
    [IN_FROM] = in_from,
};

/* Forgets the field that was handed out by the last call. */
static void drop_given(struct mime_field_in *f)
{
	if (!f->given)
		return;
	buf_clear(&f->acc);
	f->given = f->too_long = false;
	f->name_n = f->body_at = 0;
}

static struct str without_line_end(struct str s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

static void give(struct mime_field_in *f, struct mime_field *field_r)
{
	struct str all = buf_view(&f->acc);

	f->given = true;
	field_r->name = str_sub(all, 0, f->name_n);
	field_r->body = without_line_end(str_from(all, f->body_at));
	field_r->offset = f->field_at;
	field_r->size = f->at - f->field_at;
	field_r->too_long = f->too_long;
}

enum mime_field_status mime_field_next(
    struct mime_field_in *f, struct str in, size_t *used_r, struct mime_field *field_r)
{
	enum mime_field_status st = MIME_FIELD_MORE;
	struct str rest = in;

	MUST(f->state != DONE);
	drop_given(f);
	while (rest.n && st == MIME_FIELD_MORE)
		st = steps[f->state](f, &rest);
	if (st == MIME_FIELD_ONE)
		give(f, field_r);
	*used_r = in.n - rest.n;
	return st;
}

enum mime_field_status mime_field_finish(struct mime_field_in *f, struct mime_field *field_r)
{
	uint8_t state = f->state;

	MUST(state != DONE);
	drop_given(f);
	if (state == IN_BODY || state == AFTER_LINE) {
		f->state = AT_START;
		give(f, field_r);
		return MIME_FIELD_ONE;
	}
	f->state = DONE;
	return f->acc.n ? MIME_FIELD_NO_SEPARATOR : MIME_FIELD_END;
}

uint64_t mime_field_body_offset(const struct mime_field_in *f)
{
	return f->field_at;
}

void mime_field_unfold(struct buf *b, struct str body)
{
	struct str s = str_trim(body);
	uint8_t *out = buf_reserve(b, s.n);
	size_t n = 0;

	for (size_t i = 0; out && i < s.n; i++) {
		uint8_t c = s.p[i];
		bool crlf = c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';

		if (c != '\n' && !crlf)
			out[n++] = c == '\r' || c == '\0' ? ' ' : c;
	}
	if (out)
		buf_advance(b, n);
}
