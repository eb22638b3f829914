/* What a message of the run contains: its id and length say every octet. */
#ifndef CRASH_STORE_TEXT_H
#define CRASH_STORE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STORE_TEXT_MIN 64

/* n >= STORE_TEXT_MIN octets. */
static inline void store_text(int64_t id, char *out, size_t n)
{
	uint64_t x = (uint64_t)id * 0x9e3779b97f4a7c15 + 1;
	int at = snprintf(
	    out, n, "From: ann@a.test\r\nSubject: %llx\r\n\r\n", (unsigned long long)id);

	for (size_t i = (size_t)at; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (i - (size_t)at) % 64 == 62   ? '\r'
			 : (i - (size_t)at) % 64 == 63 ? '\n'
						       : (char)('a' + x % 26);
	}
}

#endif
