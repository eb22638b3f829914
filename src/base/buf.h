/*
 * A growing byte buffer with a maximum. Adding past the maximum adds nothing and sets a sticky
 * overflow, so that a writer checks once at the end. It owns its memory.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
	uint8_t *p;
	size_t n;
	size_t cap;
	size_t max;
	bool overflow;
};

/* Empty buffer that never holds more than max bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);

/* Frees the memory; the buffer may be used again, empty, with the same maximum. */
void buf_fini(struct buf *b);

/* The same, overwriting the bytes first: for secrets. */
void buf_wipe(struct buf *b);

/* Forgets the bytes and the overflow, keeps the memory. */
void buf_clear(struct buf *b);

/* The bytes; valid until the next change of the buffer. */
static inline struct str buf_view(const struct buf *b)
{
	return (struct str){b->p, b->n};
}

/* Bytes that still fit. */
static inline size_t buf_room(const struct buf *b)
{
	return b->overflow ? 0 : b->max - b->n;
}

/* Memory for n more bytes at the end, or NULL and overflow; follow with buf_advance(). */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_advance(struct buf *b, size_t n);

/* Appends: all of it or, past the maximum, nothing and overflow. */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_byte(struct buf *b, uint8_t c);
void buf_c(struct buf *b, const char *s);
#define buf_lit(b, lit) buf_add((b), "" lit, sizeof(lit) - 1)

/* Appends a number in decimal; with at least width digits, zero-filled. */
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_u64_pad(struct buf *b, uint64_t v, unsigned width);

/* Appends bytes in lower-case hexadecimal. */
void buf_hex(struct buf *b, struct str s);

/* Appends s in lower case (ASCII). */
void buf_lower(struct buf *b, struct str s);

/* Removes the first n bytes. */
void buf_drop(struct buf *b, size_t n);

/* Appends a NUL that is not counted and gives the C string; valid until the next change. */
const char *buf_cstr(struct buf *b);

/* Formatted text, printf's rules. Not for engines (it is not pure). */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
