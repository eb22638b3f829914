/*
 * The printer of addresses: what it writes, mime_address_parse() and every other reader reads back.
 */
#include "mime/mime_address.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "mime/mime_word.h"

#define COLUMNS ((size_t)78) /* lines should end before [RFC 5322 2.1.1] */

/* atext [RFC 5322 3.2.3; RFC 6532 3.2]. */
static bool is_atext(uint8_t c)
{
	static const struct str marks = STR_INIT("!#$%&'*+-/=?^_`{|}~");

	return ascii_is_alnum(c) || c >= 0x80 || str_find(marks, c) < marks.n;
}

/* Words of atext with exactly one separator between them. */
static bool is_words(struct str s, uint8_t separator)
{
	bool in_word = false;

	for (size_t i = 0; i < s.n; i++) {
		if (is_atext(s.p[i]))
			in_word = true;
		else if (s.p[i] == separator && in_word)
			in_word = false;
		else
			return false;
	}
	return in_word;
}

static uint8_t clean(uint8_t c)
{
	return c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

static void put_quoted(struct buf *b, struct str s)
{
	buf_byte(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(b, '\\');
		buf_byte(b, clean(s.p[i]));
	}
	buf_byte(b, '"');
}

static void put_words_or_quoted(struct buf *b, struct str s, uint8_t separator)
{
	if (is_words(s, separator))
		buf_str(b, s);
	else
		put_quoted(b, s);
}

static void put_name(struct buf *b, struct str name, size_t column)
{
	if (str_has_8bit(name))
		mime_word_encode(b, name, column);
	else
		put_words_or_quoted(b, name, ' ');
}

/* A domain as it is; between the brackets of a literal with quoted pairs [RFC 5322 3.4.1]. */
static void put_domain(struct buf *b, struct str s)
{
	bool literal = s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']';

	for (size_t i = 0; i < s.n; i++) {
		bool inside = literal && i > 0 && i + 1 < s.n;

		if (inside && (s.p[i] == '[' || s.p[i] == ']' || s.p[i] == '\\'))
			buf_byte(b, '\\');
		buf_byte(b, clean(s.p[i]));
	}
}

void mime_address_put_spec(struct buf *b, const struct mime_address *addr)
{
	put_words_or_quoted(b, addr->local, '.');
	if (addr->domain.n) {
		buf_byte(b, '@');
		put_domain(b, addr->domain);
	}
}

static void put_element(struct buf *b, const struct mime_address *addr, size_t column)
{
	if (addr->kind == MIME_ADDRESS_GROUP_END) {
		buf_byte(b, ';');
		return;
	}
	if (addr->name.n || addr->kind == MIME_ADDRESS_GROUP_BEGIN)
		put_name(b, addr->name, column);
	if (addr->kind == MIME_ADDRESS_GROUP_BEGIN) {
		buf_byte(b, ':');
	} else if (addr->name.n) {
		buf_lit(b, " <");
		mime_address_put_spec(b, addr);
		buf_byte(b, '>');
	} else {
		mime_address_put_spec(b, addr);
	}
}

void mime_address_put(struct buf *b, const struct mime_address *addr)
{
	put_element(b, addr, 0);
}

/* Octets behind the last line end of s, or before + s.n when there is none. */
static size_t column_after(struct str s, size_t before)
{
	size_t at = str_rfind(s, '\n');

	return at < s.n ? s.n - at - 1 : before + s.n;
}

/* What stands between two elements; nothing behind a group's begin or before its end. */
static struct str joint(
    const struct mime_address *before, const struct mime_address *addr, bool fold)
{
	bool inside = before->kind == MIME_ADDRESS_GROUP_BEGIN;

	if (addr->kind == MIME_ADDRESS_GROUP_END)
		return STR("");
	if (inside)
		return fold ? STR("\r\n ") : STR(" ");
	return fold ? STR(",\r\n ") : STR(", ");
}

void mime_address_list_put(struct buf *b, const struct mime_address_list *list, size_t column)
{
	struct buf one;

	buf_init(&one, b->max);
	for (size_t i = 0; i < list->n; i++) {
		bool fold;

		buf_clear(&one);
		put_element(&one, &list->v[i], column + 2);
		fold = i > 0 && column + 2 + str_find(buf_view(&one), '\r') > COLUMNS;
		if (fold) {
			buf_clear(&one);
			put_element(&one, &list->v[i], 1);
		}
		if (i > 0) {
			struct str glue = joint(&list->v[i - 1], &list->v[i], fold);

			buf_str(b, glue);
			column = column_after(glue, column);
		}
		buf_str(b, buf_view(&one));
		column = column_after(buf_view(&one), column);
	}
	buf_fini(&one);
}
