/*
 * A view of bytes: pointer and length, passed by value. It owns nothing; whoever hands one out
 * says how long the bytes live. Not NUL-terminated; may hold any octet.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const uint8_t *p;
	size_t n;
};

/* The bytes of a string literal. */
#define STR(lit)      ((struct str){(const uint8_t *)("" lit), sizeof(lit) - 1})
/* The same for static initialisers. */
#define STR_INIT(lit) {(const uint8_t *)("" lit), sizeof(lit) - 1}
/* For "%.*s". */
#define STR_FMT(s)    (int)(s).n, (const char *)(s).p

/* Bytes at p; of a C string without its NUL (NULL gives the empty view). */
struct str str_of(const void *p, size_t n);
struct str str_of_c(const char *s);

static inline bool str_is_empty(struct str s)
{
	return s.n == 0;
}

/* Equality by octets; _i ignores the case of ASCII letters. */
bool str_eq(struct str a, struct str b);
bool str_eq_i(struct str a, struct str b);

bool str_has_prefix(struct str s, struct str prefix);
bool str_has_prefix_i(struct str s, struct str prefix);
bool str_has_suffix_i(struct str s, struct str suffix);

/* Bytes from off on, at most n of them; empty when off is past the end. */
struct str str_sub(struct str s, size_t off, size_t n);
struct str str_from(struct str s, size_t off);

/* Offset of the first / last octet c, or s.n when there is none. */
size_t str_find(struct str s, uint8_t c);
size_t str_rfind(struct str s, uint8_t c);

/* Offset of the first occurrence of needle, or s.n when there is none. */
size_t str_find_str(struct str s, struct str needle);

/* Without WSP, CR and LF at both ends. */
struct str str_trim(struct str s);

/* Splits off everything before the first sep; *rest is what follows it (empty if no sep). */
struct str str_split(struct str s, uint8_t sep, struct str *rest);

/* A whole string of decimal digits, value at most max. False, *out untouched, for anything else. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* Any octet above 127? Any control character (NUL to 31, 127)? */
bool str_has_8bit(struct str s);
bool str_has_cntrl(struct str s);

#endif
