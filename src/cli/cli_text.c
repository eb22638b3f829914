/* Makes text safe and measures it. UTF-8 is decoded in one place, next_char(). */
#include "cli/cli_text.h"

#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

#define REPLACEMENT UINT32_C(0xfffd)

struct span {
	uint32_t first, last;
};

/* Characters of no width: combining marks, joiners, variation selectors. */
static const struct span marks[] = {
    {0x0300, 0x036f},
    {0x0483, 0x0489},
    {0x0591, 0x05bd},
    {0x064b, 0x065f},
    {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff},
    {0x200b, 0x200d},
    {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
};

/* Characters two columns wide [Unicode TR11: W and F]. */
static const struct span wide[] = {
    {0x1100, 0x115f},
    {0x2e80, 0x303e},
    {0x3041, 0xa4cf},
    {0xa960, 0xa97f},
    {0xac00, 0xd7a3},
    {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},
    {0xff00, 0xff60},
    {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff},
    {0x1f900, 0x1faff},
    {0x20000, 0x3fffd},
};

/* Line separators and what changes the direction of text around it [Unicode TR9, TR36 3.2]. */
static const struct span tricky[] = {
    {0x061c, 0x061c},
    {0x200e, 0x200f},
    {0x2028, 0x202e},
    {0x2066, 0x2069},
    {0xfeff, 0xfeff},
};

#define IN_SPANS(spans, c) in_spans(spans, sizeof(spans) / sizeof *(spans), c)

static bool in_spans(const struct span *spans, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= spans[i].first && c <= spans[i].last)
			return true;
	return false;
}

/* Takes one character off *rest, which is not empty; REPLACEMENT for an octet that is none. */
static uint32_t next_char(struct str *rest)
{
	static const uint8_t lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t n = utf8_char(*rest);
	uint32_t c;

	if (n == 0) {
		*rest = str_from(*rest, 1);
		return REPLACEMENT;
	}
	c = rest->p[0] & lead_bits[n];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (rest->p[i] & 0x3f);
	*rest = str_from(*rest, n);
	return c;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static void put_safe(struct buf *b, uint32_t c)
{
	if (is_control(c))
		buf_byte(b, ' ');
	else
		utf8_put(b, IN_SPANS(tricky, c) ? REPLACEMENT : c);
}

void cli_text_put(struct buf *b, struct str s)
{
	while (s.n)
		put_safe(b, next_char(&s));
}

void cli_text_put_lines(struct buf *b, struct str s)
{
	while (s.n) {
		uint32_t c = next_char(&s);

		if (c == '\r' && s.n && s.p[0] == '\n')
			continue;
		if (c == '\n' || c == '\t')
			buf_byte(b, (uint8_t)c);
		else
			put_safe(b, c);
	}
}

static size_t char_width(uint32_t c)
{
	if (IN_SPANS(marks, c))
		return 0;
	return IN_SPANS(wide, c) ? 2 : 1;
}

size_t cli_text_width(struct str s)
{
	size_t width = 0;

	while (s.n)
		width += char_width(next_char(&s));
	return width;
}

struct str cli_text_fit(struct str s, size_t width)
{
	struct str rest = s;
	size_t used = 0;

	while (rest.n) {
		struct str after = rest;

		used += char_width(next_char(&after));
		if (used > width)
			break;
		rest = after;
	}
	return str_sub(s, 0, s.n - rest.n);
}

void cli_text_time(struct buf *b, int64_t ms)
{
	time_t seconds = (time_t)(ms / SECOND_MS);
	struct tm tm;
	char text[32];

	if (localtime_r(&seconds, &tm))
		buf_add(b, text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm));
}

void cli_text_bytes(struct buf *b, int64_t bytes)
{
	static const char *const units[] = {" KB", " MB", " GB", " TB", " PB", " EB"};
	uint64_t n = bytes < 0 ? 0 : (uint64_t)bytes;
	size_t unit = 0;

	if (n < 1024) {
		buf_u64(b, n);
		return;
	}
	for (; n >= 1024 * 1024; n /= 1024)
		unit++;
	buf_u64(b, n / 1024);
	if (n < 10 * 1024) {
		buf_byte(b, '.');
		buf_u64(b, n % 1024 * 10 / 1024);
	}
	buf_c(b, units[unit]);
}

void cli_text_also(struct buf *b, int64_t n, const char *one, const char *many)
{
	if (n)
		buf_printf(b, "; %lld %s", (long long)n, n == 1 ? one : many);
}

void cli_text_word(struct buf *b, struct str s)
{
	buf_byte(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			buf_lit(b, "'\\'");
		buf_byte(b, s.p[i]);
	}
	buf_byte(b, '\'');
}
