/* Names of messages and folders in a Maildir. */
#include "mime/mime_maildir.h"

#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"
#include "mime/mime_keywords.h"

/* ---- messages ---- */

static void put_host(struct buf *b, struct str host)
{
	for (size_t i = 0; i < host.n && i < 64; i++) {
		uint8_t c = host.p[i];

		buf_byte(b, ascii_is_alnum(c) || c == '.' || c == '-' ? c : '_');
	}
}

void mime_maildir_name_put(struct buf *b, int64_t received, int64_t id, struct str host,
    uint64_t size, struct str keywords)
{
	buf_u64(b, received > 0 ? (uint64_t)(received / SECOND_MS) : 0);
	buf_lit(b, ".G");
	id_put(b, id);
	buf_byte(b, '.');
	put_host(b, host);
	buf_lit(b, ",W="); /* what Dovecot calls the size with CRLF; S= is that of the file */
	buf_u64(b, size);
	buf_lit(b, ":2,");
	mime_keywords_letters(b, MIME_LETTERS_MAILDIR, keywords);
}

static bool is_letters(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(s.p[i]))
			return false;
	return true;
}

/* Where ":2," is; the name's n when it has none. */
static size_t info_at(struct str name)
{
	size_t at = str_rfind(name, ',');

	if (at < 2 || at == name.n || name.p[at - 1] != '2')
		return name.n;
	if (name.p[at - 2] == ':')
		return at - 2;
	return str_find(STR(";!-"), name.p[at - 2]) < 3 && is_letters(str_from(name, at + 1))
		   ? at - 2
		   : name.n;
}

struct str mime_maildir_base(struct str name)
{
	return str_sub(name, 0, info_at(name));
}

struct str mime_maildir_letters(struct str name)
{
	size_t at = info_at(name);

	return at < name.n ? str_from(name, at + 3) : STR("");
}

void mime_maildir_name_read(struct str name, struct buf *keywords, int64_t *time_r)
{
	struct str letters = mime_maildir_letters(name);
	struct str first = str_sub(name, 0, str_find(name, '.'));
	uint64_t seconds = 0;
	struct buf words;

	buf_init(&words, 256);
	mime_keywords_of_letters(&words, MIME_LETTERS_MAILDIR, letters);
	if (str_find(letters, 'T') < letters.n)
		buf_lit(&words, " $deleted");
	mime_keywords_put(keywords, buf_view(&words));
	buf_fini(&words);
	*time_r = first.n < name.n && str_to_u64(first, INT32_MAX * UINT64_C(2), &seconds)
		      ? (int64_t)seconds * SECOND_MS
		      : 0;
}

/* ---- a folder's keywords ---- */

/* The next line that says something; false at the end. */
static bool next_keyword(struct str *list, uint8_t *letter_r, struct str *word_r)
{
	while (list->n > 0) {
		struct str line = str_split(*list, '\n', list), word;
		uint64_t number;

		if (!str_to_u64(str_split(line, ' ', &word), MIME_MAILDIR_LETTERS - 1, &number))
			continue;
		*letter_r = (uint8_t)('a' + number);
		*word_r = str_trim(word);
		if (word_r->n > 0)
			return true;
	}
	return false;
}

struct str mime_maildir_keyword(struct str list, uint8_t letter)
{
	struct str word;
	uint8_t at;

	while (next_keyword(&list, &at, &word))
		if (at == letter)
			return word;
	return STR("");
}

uint8_t mime_maildir_letter(struct str list, struct str keyword)
{
	struct str word;
	uint8_t letter;

	while (next_keyword(&list, &letter, &word))
		if (str_eq_i(word, keyword))
			return letter;
	return 0;
}

/* The letter for a new keyword; 0: none. */
static uint8_t free_letter(struct str list, uint32_t names)
{
	uint8_t letter, next = 'a';
	struct str word;

	while (next_keyword(&list, &letter, &word)) {
		names |= UINT32_C(1) << (letter - 'a');
		if (letter >= next)
			next = (uint8_t)(letter + 1);
	}
	if (next < 'a' + MIME_MAILDIR_LETTERS)
		return next;
	for (uint8_t i = 0; i < MIME_MAILDIR_LETTERS; i++)
		if (!(names >> i & 1))
			return (uint8_t)('a' + i);
	return 0;
}

uint8_t mime_maildir_letter_add(struct buf *list, struct str keyword, uint32_t names)
{
	uint8_t letter = free_letter(buf_view(list), names);

	if (letter == 0)
		return 0;
	if (list->n && list->p[list->n - 1] != '\n')
		buf_byte(list, '\n');
	buf_u64(list, (uint64_t)(letter - 'a'));
	buf_byte(list, ' ');
	buf_str(list, keyword);
	buf_byte(list, '\n');
	return list->overflow ? 0 : letter;
}

/* ---- folders: modified UTF-7 ---- */

static const struct str digits = STR_INIT(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,");

/* The next character of valid UTF-8. */
static uint32_t next_char(struct str *s)
{
	uint8_t lead = s->p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? lead : lead & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s->p[i] & 0x3f);
	*s = str_from(*s, n);
	return c;
}

/* A run of characters that are not written as they are. */
struct run {
	struct buf *b;
	uint32_t bits;
	unsigned n; /* of them */
	bool open;
};

static void run_unit(struct run *r, uint32_t unit)
{
	if (!r->open)
		buf_byte(r->b, '&');
	r->open = true;
	r->bits = r->bits << 16 | unit;
	for (r->n += 16; r->n >= 6; r->n -= 6)
		buf_byte(r->b, digits.p[r->bits >> (r->n - 6) & 63]);
	r->bits &= (1u << r->n) - 1;
}

static void run_end(struct run *r)
{
	if (!r->open)
		return;
	if (r->n > 0)
		buf_byte(r->b, digits.p[r->bits << (6 - r->n) & 63]);
	buf_byte(r->b, '-');
	*r = (struct run){.b = r->b};
}

/* A dot divides folders, so it is written like what is not ASCII. */
static bool is_plain(uint32_t c)
{
	return c >= 0x20 && c < 0x7f && c != '.' && c != '&';
}

static void put_char(struct run *r, uint32_t c)
{
	if (c == '/' || is_plain(c) || c == '&') {
		run_end(r);
		buf_byte(r->b, c == '/' ? '.' : (uint8_t)c);
		if (c == '&')
			buf_byte(r->b, '-');
	} else if (c >= 0x10000) {
		run_unit(r, 0xd800 + ((c - 0x10000) >> 10));
		run_unit(r, 0xdc00 + ((c - 0x10000) & 0x3ff));
	} else {
		run_unit(r, c);
	}
}

void mime_maildir_folder_put(struct buf *b, struct str path)
{
	struct run r = {.b = b};

	buf_byte(b, '.');
	if (!utf8_is_valid(path))
		buf_str(b, path);
	else
		while (path.n > 0)
			put_char(&r, next_char(&path));
	run_end(&r);
}

/* The inside of "&...-" as UTF-16; false when it is none. */
static bool read_run(struct buf *b, struct str run)
{
	uint32_t bits = 0, high = 0;
	unsigned n = 0;

	for (size_t i = 0; i < run.n; i++) {
		size_t digit = str_find(digits, run.p[i]);
		uint32_t unit;

		if (digit == digits.n)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		unit = bits >> n & 0xffff;
		if (high == 0 && unit >= 0xd800 && unit < 0xdc00) {
			high = unit;
		} else if (high != 0) {
			utf8_put(b, 0x10000 + ((high - 0xd800) << 10) + ((unit - 0xdc00) & 0x3ff));
			high = 0;
		} else {
			utf8_put(b, unit);
		}
	}
	return high == 0;
}

bool mime_maildir_folder_read(struct buf *b, struct str name)
{
	size_t begin = b->n;
	struct str path;

	if (name.n < 2 || name.p[0] != '.' || name.p[1] == '.' || str_find(name, '/') < name.n)
		return false;
	for (size_t i = 1; i < name.n; i++) {
		size_t n = str_find(str_from(name, i), '-');

		if (name.p[i] != '&' || n == name.n - i)
			buf_byte(b, name.p[i] == '.' ? '/' : name.p[i]);
		else if (n == 1)
			buf_byte(b, '&');
		else if (!read_run(b, str_sub(name, i + 1, n - 1)))
			return false;
		i += name.p[i] == '&' && n < name.n - i ? n : 0;
	}
	path = str_from(buf_view(b), begin);
	return path.n > 0 && utf8_is_valid(path) && !str_has_cntrl(path) && path.p[0] != '/' &&
	       path.p[path.n - 1] != '/' && str_find_str(path, STR("//")) == path.n;
}
