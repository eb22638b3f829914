/* Charsets: names by table, octets by table. All built-in ones agree with ASCII below 128. */
#include "mime/mime_charset.h"

#include "base/utf8.h"

static const struct {
	struct str name;
	enum mime_charset charset;
} names[] = {
    {STR_INIT(""), MIME_CHARSET_UTF8},
    {STR_INIT("utf-8"), MIME_CHARSET_UTF8},
    {STR_INIT("utf8"), MIME_CHARSET_UTF8},
    {STR_INIT("us-ascii"), MIME_CHARSET_UTF8},
    {STR_INIT("ascii"), MIME_CHARSET_UTF8},
    {STR_INIT("ansi_x3.4-1968"), MIME_CHARSET_UTF8},
    {STR_INIT("iso-8859-1"), MIME_CHARSET_LATIN1},
    {STR_INIT("iso8859-1"), MIME_CHARSET_LATIN1},
    {STR_INIT("iso_8859-1"), MIME_CHARSET_LATIN1},
    {STR_INIT("latin1"), MIME_CHARSET_LATIN1},
    {STR_INIT("windows-1252"), MIME_CHARSET_LATIN1},
    {STR_INIT("cp1252"), MIME_CHARSET_LATIN1},
    {STR_INIT("iso-8859-15"), MIME_CHARSET_LATIN9},
    {STR_INIT("iso8859-15"), MIME_CHARSET_LATIN9},
    {STR_INIT("latin-9"), MIME_CHARSET_LATIN9},
    {STR_INIT("latin9"), MIME_CHARSET_LATIN9},
};

/* 128 to 159 of windows-1252; 0: not assigned. */
static const uint16_t windows_1252[32] = {
    0x20ac,
    0,
    0x201a,
    0x0192,
    0x201e,
    0x2026,
    0x2020,
    0x2021,
    0x02c6,
    0x2030,
    0x0160,
    0x2039,
    0x0152,
    0,
    0x017d,
    0,
    0,
    0x2018,
    0x2019,
    0x201c,
    0x201d,
    0x2022,
    0x2013,
    0x2014,
    0x02dc,
    0x2122,
    0x0161,
    0x203a,
    0x0153,
    0,
    0x017e,
    0x0178,
};

/* Where ISO-8859-15 differs from ISO-8859-1. */
static const struct {
	uint8_t octet;
	uint16_t code;
} latin9[] = {
    {0xa4, 0x20ac},
    {0xa6, 0x0160},
    {0xa8, 0x0161},
    {0xb4, 0x017d},
    {0xb8, 0x017e},
    {0xbc, 0x0152},
    {0xbd, 0x0153},
    {0xbe, 0x0178},
};

enum mime_charset mime_charset_by_name(struct str name)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_eq_i(name, names[i].name))
			return names[i].charset;
	return MIME_CHARSET_UNKNOWN;
}

static void put_utf8(struct buf *b, struct str s)
{
	while (s.n) {
		size_t n = utf8_char(s);

		if (n)
			buf_add(b, s.p, n);
		else
			utf8_put(b, 0xfffd);
		s = str_from(s, n ? n : 1);
	}
}

static uint32_t latin_code(enum mime_charset c, uint8_t octet)
{
	if (c == MIME_CHARSET_LATIN1 && octet >= 0x80 && octet < 0xa0)
		return windows_1252[octet - 0x80] ? windows_1252[octet - 0x80] : 0xfffd;
	if (c == MIME_CHARSET_LATIN9)
		for (size_t i = 0; i < sizeof latin9 / sizeof latin9[0]; i++)
			if (latin9[i].octet == octet)
				return latin9[i].code;
	return octet;
}

void mime_charset_to_utf8(struct buf *b, enum mime_charset c, struct str s)
{
	if (c == MIME_CHARSET_UTF8 || c == MIME_CHARSET_UNKNOWN) {
		put_utf8(b, s);
		return;
	}
	for (size_t i = 0; i < s.n; i++)
		utf8_put(b, latin_code(c, s.p[i]));
}
