/* Keywords as lists of words, and as letters. */
#include "mime/mime_keywords.h"

#include <string.h>

struct letter {
	uint8_t letter;
	struct str keyword;
};

/* In the order in which they are written. */
static const struct letter status[] = {{'R', STR_INIT("$seen")}};
static const struct letter xstatus[] = {
    {'A', STR_INIT("$answered")}, {'F', STR_INIT("$flagged")}, {'T', STR_INIT("$draft")}};
static const struct letter maildir[] = {{'D', STR_INIT("$draft")}, {'F', STR_INIT("$flagged")},
    {'P', STR_INIT("$forwarded")}, {'R', STR_INIT("$answered")}, {'S', STR_INIT("$seen")}};

static const struct {
	const struct letter *v;
	size_t n;
} formats[MIME_LETTERS] = {
    [MIME_LETTERS_STATUS] = {status, sizeof status / sizeof *status},
    [MIME_LETTERS_XSTATUS] = {xstatus, sizeof xstatus / sizeof *xstatus},
    [MIME_LETTERS_MAILDIR] = {maildir, sizeof maildir / sizeof *maildir},
};

static bool is_separator(uint8_t c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

/* The next word; empty at the end. */
static struct str next_word(struct str *s)
{
	size_t from = 0, n = 0;
	struct str word;

	while (from < s->n && is_separator(s->p[from]))
		from++;
	while (from + n < s->n && !is_separator(s->p[from + n]))
		n++;
	word = str_sub(*s, from, n);
	*s = str_from(*s, from + n);
	return word;
}

/* [RFC 8621 4.1.1]: no control, no blank, none of ( ) { ] % * " \ */
static bool is_keyword(struct str s)
{
	static const struct str no = STR_INIT("(){]%*\"\\");

	if (s.n == 0 || s.n > MIME_KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || str_find(no, s.p[i]) < no.n)
			return false;
	}
	return true;
}

static int compare(struct str a, struct str b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		int x = a.p[i], y = b.p[i];

		x = x >= 'A' && x <= 'Z' ? x + 32 : x;
		y = y >= 'A' && y <= 'Z' ? y + 32 : y;
		if (x != y)
			return x - y;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

/* Into a sorted list, unless it is there. False when it has no room. */
static bool insert(struct str list[MIME_KEYWORDS_MAX], size_t *n, struct str word)
{
	size_t at = 0;

	while (at < *n && compare(list[at], word) < 0)
		at++;
	if (at < *n && compare(list[at], word) == 0)
		return true;
	if (*n == MIME_KEYWORDS_MAX)
		return false;
	memmove(&list[at + 1], &list[at], (*n - at) * sizeof *list);
	list[at] = word;
	++*n;
	return true;
}

static void put_list(struct buf *b, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_byte(b, ' ');
		buf_lower(b, list[i]);
	}
}

/* How many of the list fit into MIME_KEYWORDS_OUT octets. */
static size_t count_fitting(const struct str *list, size_t n)
{
	size_t octets = 0, i = 0;

	for (; i < n && octets + list[i].n <= MIME_KEYWORDS_OUT; i++)
		octets += list[i].n + 1;
	return i;
}

void mime_keywords_put(struct buf *b, struct str words)
{
	struct str list[MIME_KEYWORDS_MAX], word;
	size_t n = 0;

	while ((word = next_word(&words)).n > 0) {
		if (is_keyword(word))
			(void)insert(list, &n, word);
	}
	put_list(b, list, count_fitting(list, n));
}

bool mime_keywords_are(struct str words)
{
	struct str list[MIME_KEYWORDS_MAX], word;
	size_t n = 0;

	while ((word = next_word(&words)).n > 0) {
		if (!is_keyword(word) || !insert(list, &n, word))
			return false;
	}
	return count_fitting(list, n) == n;
}

bool mime_keywords_change(struct buf *b, struct str old, struct str remove, struct str add)
{
	struct str list[MIME_KEYWORDS_MAX], word;
	size_t n = 0;

	while ((word = next_word(&old)).n > 0) {
		if (is_keyword(word) && !mime_keywords_has(remove, word) && !insert(list, &n, word))
			return false;
	}
	while ((word = next_word(&add)).n > 0) {
		if (!insert(list, &n, word))
			return false;
	}
	if (count_fitting(list, n) < n)
		return false;
	put_list(b, list, n);
	return true;
}

bool mime_keywords_has(struct str keywords, struct str word)
{
	struct str each;

	while ((each = next_word(&keywords)).n > 0) {
		if (str_eq(each, word))
			return true;
	}
	return false;
}

void mime_keywords_letters(struct buf *b, enum mime_letters format, struct str keywords)
{
	for (size_t i = 0; i < formats[format].n; i++) {
		if (mime_keywords_has(keywords, formats[format].v[i].keyword))
			buf_byte(b, formats[format].v[i].letter);
	}
}

void mime_keywords_of_letters(struct buf *b, enum mime_letters format, struct str letters)
{
	for (size_t i = 0; i < formats[format].n; i++) {
		if (str_find(letters, formats[format].v[i].letter) == letters.n)
			continue;
		buf_byte(b, ' ');
		buf_str(b, formats[format].v[i].keyword);
	}
}
