/*
 * Reading of encoded words and extended parameters. Words that stand beside each other in one
 * charset are decoded to octets first and converted together, for senders cut characters in two.
 * Trying for a word reads up to the third "?" at most, so that no octet is tried more than three
 * times.
 */
#include "mime/mime_word.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/limits.h"
#include "mime/mime_charset.h"

struct word {
	enum mime_charset charset;
	uint8_t encoding; /* 'b' or 'q' */
	struct str text;
	size_t n; /* octets of the whole word */
};

/* Appends octets as UTF-8, control characters as blanks. */
static void put_text(struct buf *b, enum mime_charset charset, struct str s)
{
	size_t before = b->n;

	mime_charset_to_utf8(b, charset, s);
	for (size_t i = before; i < b->n; i++)
		if (ascii_is_cntrl(b->p[i]))
			b->p[i] = ' ';
}

static bool is_word_octet(uint8_t c)
{
	return c != '?' && (ascii_is_vchar(c) || ascii_is_wsp(c));
}

/* "=?charset*language?B?text?=" at the head of s. [RFC 2047 2; RFC 2231 5] Blanks are tolerated. */
static bool word_parse(struct str s, struct word *w)
{
	struct cur c = cur_of(s);
	struct str charset, language, kind;

	if (!cur_try_lit_i(&c, STR("=?")))
		return false;
	charset = cur_while(&c, is_word_octet);
	cur_byte(&c, '?');
	kind = cur_take(&c, 1);
	cur_byte(&c, '?');
	w->text = cur_while(&c, is_word_octet);
	cur_lit(&c, STR("?="));
	if (c.bad || charset.n == 0)
		return false;
	charset = str_split(charset, '*', &language);
	w->charset = mime_charset_by_name(charset);
	w->encoding = ascii_lower(kind.p[0]);
	w->n = (size_t)(c.p - s.p);
	return w->charset != MIME_CHARSET_UNKNOWN && (w->encoding == 'b' || w->encoding == 'q');
}

/* Value of the two hexadecimal digits behind the mark at the head of s; -1: there are none. */
static int hex_escape(struct str s)
{
	int high = s.n > 2 ? ascii_hex(s.p[1]) : -1;
	int low = s.n > 2 ? ascii_hex(s.p[2]) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* The "Q" encoding: quoted-printable's escapes, and "_" for a blank [RFC 2047 4.2]. */
static void q_decode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int v = s.p[i] == '=' ? hex_escape(str_from(s, i)) : -1;

		if (v >= 0) {
			buf_byte(b, (uint8_t)v);
			i += 2;
		} else {
			buf_byte(b, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

static void b_decode(struct buf *b, struct str s)
{
	struct mime_decoder d;

	mime_decoder_init(&d, MIME_ENCODING_BASE64);
	mime_decoder_feed(&d, s, b);
	mime_decoder_finish(&d, b);
	mime_decoder_fini(&d);
}

struct decoding {
	struct buf *out;
	struct buf octets; /* of the last words, not yet converted */
	enum mime_charset charset;
	bool after_word;
	size_t gap; /* blanks seen since that word */
};

static void flush(struct decoding *d)
{
	put_text(d->out, d->charset, buf_view(&d->octets));
	buf_clear(&d->octets);
}

static void take_word(struct decoding *d, const struct word *w)
{
	if (w->charset != d->charset)
		flush(d);
	d->charset = w->charset;
	if (w->encoding == 'b')
		b_decode(&d->octets, w->text);
	else
		q_decode(&d->octets, w->text);
	d->after_word = true;
	d->gap = 0;
}

static void take_plain(struct decoding *d, struct str s)
{
	flush(d);
	d->charset = MIME_CHARSET_UTF8;
	d->after_word = false;
	put_text(d->out, MIME_CHARSET_UTF8, s);
}

/* Length of the run at the head of s that is blank, or in which no word can begin. */
static size_t run_length(struct str s, bool blank)
{
	size_t n = 0;

	if (blank) {
		while (n < s.n && ascii_is_wsp(s.p[n]))
			n++;
		return n;
	}
	for (n = 1; n < s.n && !ascii_is_wsp(s.p[n]); n++)
		if (s.p[n] == '=' && s.n - n > 1 && s.p[n + 1] == '?')
			break;
	return n;
}

static void decode_line(struct decoding *d, struct str s)
{
	while (s.n) {
		struct word w;
		bool blank = ascii_is_wsp(s.p[0]);
		size_t n = blank ? run_length(s, true) : 0;

		if (blank && d->after_word) {
			d->gap = n;
		} else if (!blank && word_parse(s, &w)) {
			take_word(d, &w);
			n = w.n;
		} else {
			n = run_length(s, blank) + d->gap;
			s = str_of(s.p - d->gap, s.n + d->gap);
			d->gap = 0;
			take_plain(d, str_sub(s, 0, n));
		}
		s = str_from(s, n);
	}
	flush(d);
}

/* s without the octets of its line ends. */
static void unfold(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\r' && s.p[i] != '\n')
			buf_byte(b, s.p[i]);
}

void mime_word_decode(struct buf *b, struct str raw)
{
	struct decoding d = {.out = b, .charset = MIME_CHARSET_UTF8};
	struct buf line;

	raw = str_trim(raw);
	buf_init(&line, raw.n + 1);
	buf_init(&d.octets, raw.n + 1);
	unfold(&line, raw);
	decode_line(&d, buf_view(&line));
	buf_fini(&d.octets);
	buf_fini(&line);
}

/* "name*3" or "name*3*": finds piece 3. index < 0: "name*" alone. */
static const struct mime_param *find_piece(
    const struct mime_params *ps, struct str name, int index, bool *extended_r)
{
	for (size_t i = 0; i < ps->n; i++) {
		struct cur c = cur_of(ps->v[i].name);

		cur_lit(&c, name);
		cur_byte(&c, '*');
		if (index >= 0 && cur_number(&c, LIMIT_MIME_PARAMS) != (uint64_t)index)
			continue;
		*extended_r = index < 0 || cur_try(&c, '*');
		if (cur_done(&c))
			return &ps->v[i];
	}
	return NULL;
}

static void percent_decode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int v = s.p[i] == '%' ? hex_escape(str_from(s, i)) : -1;

		buf_byte(b, v >= 0 ? (uint8_t)v : s.p[i]);
		i += v >= 0 ? 2 : 0;
	}
}

/* charset'language'octets: sets the charset, gives the octets. */
static struct str split_extended(struct str value, enum mime_charset *charset_r)
{
	struct str language, rest;
	struct str charset = str_split(value, '\'', &rest);

	if (charset.n == value.n)
		return value;
	language = str_split(rest, '\'', &value);
	*charset_r = language.n == rest.n ? MIME_CHARSET_UTF8 : mime_charset_by_name(charset);
	return language.n == rest.n ? rest : value;
}

/* The extended forms. False: there is no such parameter. */
static bool put_extended(struct buf *b, const struct mime_params *ps, struct str name)
{
	enum mime_charset charset = MIME_CHARSET_UTF8;
	bool extended, whole = find_piece(ps, name, -1, &extended) != NULL;
	struct buf octets;
	bool found = false;

	buf_init(&octets, LIMIT_MIME_FIELD);
	for (int i = whole ? -1 : 0; i < LIMIT_MIME_PARAMS; i++) {
		const struct mime_param *p = find_piece(ps, name, i, &extended);

		if (!p)
			break;
		if (extended)
			percent_decode(
			    &octets, found ? p->value : split_extended(p->value, &charset));
		else
			buf_str(&octets, p->value);
		found = true;
		if (whole)
			break;
	}
	put_text(b, charset, buf_view(&octets));
	buf_fini(&octets);
	return found;
}

bool mime_word_param(struct buf *b, const struct mime_params *ps, struct str name)
{
	struct str value;

	if (put_extended(b, ps, name))
		return true;
	if (!mime_params_get(ps, name, &value))
		return false;
	mime_word_decode(b, value);
	return true;
}
