/* ASCII without locales: classes and case of single octets. Octets above 127 are in no class. */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include <stdbool.h>
#include <stdint.h>

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool ascii_is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool ascii_is_alpha(uint8_t c)
{
	return ascii_is_upper(c) || ascii_is_lower(c);
}

static inline bool ascii_is_alnum(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* Space and tab only: WSP [RFC 5234 B.1]. */
static inline bool ascii_is_wsp(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* VCHAR: visible characters, without space [RFC 5234 B.1]. */
static inline bool ascii_is_vchar(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e;
}

static inline bool ascii_is_cntrl(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static inline uint8_t ascii_lower(uint8_t c)
{
	return ascii_is_upper(c) ? (uint8_t)(c | 0x20) : c;
}

static inline uint8_t ascii_upper(uint8_t c)
{
	return ascii_is_lower(c) ? (uint8_t)(c & 0xdf) : c;
}

/* Value of a hexadecimal digit, -1 if it is none. */
static inline int ascii_hex(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
