/*
 * Writing of text that is not ASCII into header fields. What is written stays within 78 columns
 * where it can be folded at all; encoded words never cut a character in two.
 */
#include "mime/mime_word.h"

#include "base/ascii.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mime/mime_charset.h"

#define COLUMNS    ((size_t)76) /* of a line that holds an encoded word [RFC 2047 2] */
#define WORD_CHARS ((size_t)75)
#define WORD_FRAME ((size_t)12)  /* charset, encoding and marks of one */
#define VALUE_MAX  ((size_t)255) /* octets of a parameter's value; what file systems allow a name */
#define VALUE_LINE ((size_t)60)  /* octets of one piece of it, as written */

/* A copy in well-formed UTF-8 without control characters. */
static void put_clean(struct buf *b, struct str text)
{
	mime_charset_to_utf8(b, MIME_CHARSET_UTF8, text);
	for (size_t i = 0; i < b->n; i++)
		if (ascii_is_cntrl(b->p[i]))
			b->p[i] = ' ';
}

static size_t word_end(struct str s, size_t at)
{
	while (at < s.n && s.p[at] != ' ')
		at++;
	return at;
}

static size_t blanks_end(struct str s, size_t at)
{
	while (at < s.n && s.p[at] == ' ')
		at++;
	return at;
}

/* May it stand as it is? ASCII, no blanks at its ends, no word that is too long to be folded. */
static bool is_plain(struct str s)
{
	if (str_has_8bit(s) || str_find_str(s, STR("=?")) < s.n)
		return false;
	if (s.n && (s.p[0] == ' ' || s.p[s.n - 1] == ' '))
		return false;
	for (size_t at = 0, end; at < s.n; at = end) {
		size_t word = blanks_end(s, at);

		end = word_end(s, word);
		if (end - at > LIMIT_MIME_LINE / 2)
			return false;
	}
	return true;
}

/* Words as they are, folded before the blanks between them. */
static void put_plain(struct buf *b, struct str s, size_t column)
{
	for (size_t at = 0, end; at < s.n; at = end) {
		end = word_end(s, blanks_end(s, at));
		if (at > 0 && column + end - at > COLUMNS) {
			buf_lit(b, "\r\n");
			column = 0;
		}
		buf_add(b, s.p + at, end - at);
		column += end - at;
	}
}

/* What the "Q" encoding may leave as it is, in a phrase too [RFC 2047 5 (3)]. */
static bool is_q_safe(uint8_t c)
{
	return ascii_is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += is_q_safe(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
	return n;
}

static size_t b_width(struct str s)
{
	return (s.n + 2) / 3 * 4;
}

static void put_hex(struct buf *b, uint8_t mark, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_byte(b, mark);
	buf_byte(b, (uint8_t)digits[c >> 4]);
	buf_byte(b, (uint8_t)digits[c & 15]);
}

static void q_encode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ')
			buf_byte(b, '_');
		else if (is_q_safe(s.p[i]))
			buf_byte(b, s.p[i]);
		else
			put_hex(b, '=', s.p[i]);
	}
}

struct coding {
	struct str head;
	size_t (*width)(struct str);
	void (*encode)(struct buf *, struct str);
};

static const struct coding q_coding = {STR_INIT("=?UTF-8?Q?"), q_width, q_encode};
static const struct coding b_coding = {STR_INIT("=?UTF-8?B?"), b_width, base64_encode};

/* As many whole characters from the head of s as fit into room encoded octets; at least one. */
static struct str take_chars(struct str s, const struct coding *how, size_t room)
{
	size_t n = utf8_char(s), width = how->width(str_sub(s, 0, n));

	while (n < s.n) {
		size_t next = utf8_char(str_from(s, n));

		/* Widths add up for "Q"; for "B" the sum is an upper bound only, so count anew. */
		width = how == &q_coding ? width + q_width(str_sub(str_from(s, n), 0, next))
					 : b_width(str_sub(s, 0, n + next));
		if (width > room)
			break;
		n += next;
	}
	return str_sub(s, 0, n);
}

static void put_encoded(struct buf *b, struct str s, size_t column)
{
	const struct coding *how = q_width(s) <= b_width(s) ? &q_coding : &b_coding;

	while (s.n) {
		size_t left = column + WORD_FRAME < COLUMNS ? COLUMNS - column - WORD_FRAME : 0;
		size_t most = WORD_CHARS - WORD_FRAME;
		struct str chars;

		if (left < 16) {
			buf_lit(b, "\r\n ");
			left = most;
		}
		chars = take_chars(s, how, left < most ? left : most);
		buf_str(b, how->head);
		how->encode(b, chars);
		buf_lit(b, "?=");
		s = str_from(s, chars.n);
		column = COLUMNS;
	}
}

void mime_word_encode(struct buf *b, struct str text, size_t column)
{
	struct buf clean;

	buf_init(&clean, text.n * 3 + 1);
	put_clean(&clean, text);
	if (is_plain(buf_view(&clean)))
		put_plain(b, buf_view(&clean), column);
	else
		put_encoded(b, buf_view(&clean), column);
	buf_fini(&clean);
}

/* attribute-char [RFC 2231 7]. */
static bool is_attribute_char(uint8_t c)
{
	static const struct str marks = STR_INIT("!#$&+-.^_`{|}~");

	return ascii_is_alnum(c) || str_find(marks, c) < marks.n;
}

static void percent_encode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_attribute_char(s.p[i]))
			buf_byte(b, s.p[i]);
		else
			put_hex(b, '%', s.p[i]);
	}
}

static size_t percent_width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += is_attribute_char(s.p[i]) ? 1 : 3;
	return n;
}

/* Octets from the head of s whose encoding fits into one piece. */
static struct str take_octets(struct str s)
{
	size_t n = 0, width = 0;

	while (n < s.n && width + 3 <= VALUE_LINE)
		width += is_attribute_char(s.p[n++]) ? 1 : 3;
	return str_sub(s, 0, n);
}

static void put_extended(struct buf *b, struct str name, struct str value)
{
	bool pieces = percent_width(value) > VALUE_LINE;

	for (unsigned i = 0; value.n; i++) {
		struct str part = pieces ? take_octets(value) : value;

		buf_lit(b, ";\r\n ");
		buf_str(b, name);
		if (pieces) {
			buf_byte(b, '*');
			buf_u64(b, i);
		}
		buf_str(b, i == 0 ? STR("*=UTF-8''") : STR("*="));
		percent_encode(b, part);
		value = str_from(value, part.n);
	}
}

static void put_simple(struct buf *b, struct str name, struct str value)
{
	bool token = value.n > 0;

	for (size_t i = 0; i < value.n; i++)
		token = token && is_attribute_char(value.p[i]);
	buf_lit(b, ";\r\n ");
	buf_str(b, name);
	buf_byte(b, '=');
	if (!token)
		buf_byte(b, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_byte(b, '\\');
		buf_byte(b, value.p[i]);
	}
	if (!token)
		buf_byte(b, '"');
}

static struct str cut(struct str s)
{
	size_t n = 0;

	while (n < s.n && n + utf8_char(str_from(s, n)) <= VALUE_MAX)
		n += utf8_char(str_from(s, n));
	return str_sub(s, 0, n);
}

void mime_word_put_param(struct buf *b, struct str name, struct str value)
{
	struct buf clean;

	buf_init(&clean, value.n * 3 + 1);
	put_clean(&clean, value);
	value = cut(buf_view(&clean));
	if (str_has_8bit(value))
		put_extended(b, name, value);
	else
		put_simple(b, name, value);
	buf_fini(&clean);
}
