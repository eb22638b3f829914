#include "base/buf.h"

#include <stdarg.h>

#include "base/ascii.h"
#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
	mem_free(b->p);
	buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->p, b->cap);
	buf_fini(b);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->overflow = false;
}

/* Grows to hold n more bytes and one for a NUL; the maximum does not count the NUL. */
static void buf_grow(struct buf *b, size_t n)
{
	size_t want = b->n + n + 1;
	size_t cap = b->cap ? b->cap : 64;

	if (want <= b->cap)
		return;
	while (cap < want)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	b->p = mem_resize(b->p, cap);
	b->cap = cap;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (n > buf_room(b)) {
		b->overflow = true;
		return NULL;
	}
	buf_grow(b, n);
	return b->p + b->n;
}

void buf_advance(struct buf *b, size_t n)
{
	MUST(n <= b->cap - b->n);
	b->n += n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *at = buf_reserve(b, n);

	if (!at)
		return;
	if (n)
		memcpy(at, p, n);
	b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_byte(struct buf *b, uint8_t c)
{
	buf_add(b, &c, 1);
}

void buf_c(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_u64_pad(struct buf *b, uint64_t v, unsigned width)
{
	uint8_t digits[24];
	size_t at = sizeof digits;

	do {
		digits[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	while (at > 0 && sizeof digits - at < width)
		digits[--at] = '0';
	buf_add(b, digits + at, sizeof digits - at);
}

void buf_u64(struct buf *b, uint64_t v)
{
	buf_u64_pad(b, v, 1);
}

void buf_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_byte(b, '-');
	buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_hex(struct buf *b, struct str s)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		buf_byte(b, (uint8_t)digits[s.p[i] >> 4]);
		buf_byte(b, (uint8_t)digits[s.p[i] & 15]);
	}
}

void buf_lower(struct buf *b, struct str s)
{
	uint8_t *at = buf_reserve(b, s.n);

	if (!at)
		return;
	for (size_t i = 0; i < s.n; i++)
		at[i] = ascii_lower(s.p[i]);
	b->n += s.n;
}

void buf_drop(struct buf *b, size_t n)
{
	MUST(n <= b->n);
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

const char *buf_cstr(struct buf *b)
{
	buf_grow(b, 0);
	b->p[b->n] = 0;
	return (const char *)b->p;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && buf_reserve(b, (size_t)n)) {
		vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}
