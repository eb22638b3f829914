/*
 * Languages. Of a Subject only Chinese is told, which no other language is written like: Han without
 * Kana or Hangul; by its charset, or by characters that are common and written in one way only in each
 * of the two scripts.
 */
#include "queue/queue_lang.h"

#include "base/utf8.h"
#include "mime/mime_field.h"
#include "mime/mime_word.h"

#define SUBJECT 1024 /* octets that are looked at */

/* The first row that is the tag, or its beginning before a '-'. */
static const struct {
	const char *tag;
	enum queue_lang lang;
} tags[] = {
    {"en", QUEUE_LANG_EN},
    {"zh-Hant", QUEUE_LANG_ZH_HANT},
    {"zh-TW", QUEUE_LANG_ZH_HANT},
    {"zh-HK", QUEUE_LANG_ZH_HANT},
    {"zh-MO", QUEUE_LANG_ZH_HANT},
    {"zh", QUEUE_LANG_ZH_HANS},
};

bool queue_lang_by_tag(struct str tag, enum queue_lang *lang_r)
{
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		struct str want = str_of_c(tags[i].tag);

		if (str_has_prefix_i(tag, want) && (tag.n == want.n || tag.p[want.n] == '-')) {
			*lang_r = tags[i].lang;
			return true;
		}
	}
	return false;
}

/* "zh-CN, en;q=0.8": in the order of the list, which is that of preference wherever it was seen. */
static bool by_list(struct str list, enum queue_lang *lang_r)
{
	while (list.n) {
		struct str rest, tag = str_split(str_split(list, ',', &list), ';', &rest);

		if (queue_lang_by_tag(str_trim(tag), lang_r))
			return true;
	}
	return false;
}

/* ---- what a text is written in ---- */

static const struct str only_hans = STR_INIT(
    "们这来说为会对时间问请发见关单报书务员国学实现开动过还进长门");
static const struct str only_hant = STR_INIT(
    "們這來說為會對時間問請發見關單報書務員國學實現開動過還進長門");

static bool is_in(struct str c, struct str text)
{
	return str_find_str(text, c) < text.n;
}

/* Hiragana, Katakana, Hangul: E3 81 80 to E3 83 BF, E1 84 80 ..., EA B0 80 to ED 9E A3. */
static bool is_other_asian(struct str c)
{
	if (c.n != 3)
		return false;
	if (c.p[0] == 0xe3)
		return c.p[1] >= 0x81 && c.p[1] <= 0x83;
	return (c.p[0] == 0xe1 && c.p[1] >= 0x84 && c.p[1] <= 0x87) ||
	       (c.p[0] == 0xea && c.p[1] >= 0xb0) || c.p[0] == 0xeb || c.p[0] == 0xec ||
	       (c.p[0] == 0xed && c.p[1] <= 0x9e);
}

/* CJK unified ideographs, U+4E00 to U+9FFF. */
static bool is_han(struct str c)
{
	return c.n == 3 &&
	       ((c.p[0] == 0xe4 && c.p[1] >= 0xb8) || (c.p[0] >= 0xe5 && c.p[0] <= 0xe9));
}

static bool by_text(struct str text, enum queue_lang *lang_r)
{
	size_t han = 0, hans = 0, hant = 0;

	while (text.n) {
		size_t n = utf8_char(text);
		struct str c = str_sub(text, 0, n ? n : 1);

		if (is_other_asian(c))
			return false;
		if (is_han(c)) {
			han++;
			hans += is_in(c, only_hans);
			hant += is_in(c, only_hant);
		}
		text = str_from(text, c.n);
	}
	if (han == 0)
		return false;
	*lang_r = hant > hans ? QUEUE_LANG_ZH_HANT : QUEUE_LANG_ZH_HANS;
	return true;
}

/* By the charset of an encoded word, which need not be one that can be decoded here. */
static bool by_charset(struct str subject, enum queue_lang *lang_r)
{
	for (; subject.n; subject = str_from(subject, str_find(str_from(subject, 1), '=') + 1)) {
		if (str_has_prefix_i(subject, STR("=?gb")))
			*lang_r = QUEUE_LANG_ZH_HANS;
		else if (str_has_prefix_i(subject, STR("=?big5")))
			*lang_r = QUEUE_LANG_ZH_HANT;
		else
			continue;
		return true;
	}
	return false;
}

static bool by_subject(struct str subject, enum queue_lang *lang_r)
{
	struct str head = str_sub(subject, 0, SUBJECT);
	struct buf text;
	bool found;

	if (by_charset(head, lang_r))
		return true;
	buf_init(&text, (size_t)3 * SUBJECT);
	mime_word_decode(&text, head);
	found = by_text(buf_view(&text), lang_r);
	buf_fini(&text);
	return found;
}

/* ---- the header ---- */

struct clue {
	const char *field;
	bool (*tells)(struct str body, enum queue_lang *lang_r);
};

static const struct clue clues[] = {
    /* the stronger first */
    {"Accept-Language", by_list},
    {"Content-Language", by_list},
    {"Subject", by_subject},
};

#define CLUES (sizeof clues / sizeof clues[0])

/* *best: the strongest clue that told so far. */
static void look_at(const struct mime_field *f, size_t *best, enum queue_lang *lang_r)
{
	for (size_t i = 0; i < *best; i++) {
		if (str_eq_i(f->name, str_of_c(clues[i].field)) && clues[i].tells(f->body, lang_r))
			*best = i;
	}
}

bool queue_lang_of_message(struct str message, enum queue_lang *lang_r)
{
	struct mime_field_in in;
	struct mime_field field;
	enum mime_field_status status;
	size_t best = CLUES, used;

	mime_field_in_init(&in, 0);
	while ((status = mime_field_next(&in, message, &used, &field)) == MIME_FIELD_ONE) {
		look_at(&field, &best, lang_r);
		message = str_from(message, used);
	}
	while (status == MIME_FIELD_MORE && mime_field_finish(&in, &field) == MIME_FIELD_ONE)
		look_at(&field, &best, lang_r);
	mime_field_in_fini(&in);
	return best < CLUES;
}
