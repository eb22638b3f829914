/*
 * A message without the header fields of a name, fed in pieces of any size: for content that is passed on as
 * it came otherwise. What is a field, and where the header ends, is what mime_field says.
 */
#ifndef MIME_STRIP_H
#define MIME_STRIP_H

#include "base/limits.h"
#include "mime/mime_field.h"

#define MIME_STRIP_HELD (4 * KIB) /* octets that may wait for the end of their field, at most */

struct mime_strip {
	struct str name;
	struct mime_field_in fields;
	struct buf raw;  /* octets of the field at hand, as they came */
	uint64_t raw_at; /* offset of the first of them */
	bool in_body;
};

/* name: of the fields to be left out; static. */
void mime_strip_init(struct mime_strip *s, struct str name);
void mime_strip_fini(struct mime_strip *s);

/*
 * The next octets; what stays of them, and of those held back before, is appended to out, whose room must
 * suffice for both. A field that is longer than MIME_STRIP_HELD stays, whatever its name.
 */
void mime_strip_feed(struct mime_strip *s, struct str bytes, struct buf *out);

/* The end of the message: what of it was held back and stays is appended. */
void mime_strip_end(struct mime_strip *s, struct buf *out);

/* Octets that are held back. */
static inline size_t mime_strip_held(const struct mime_strip *s)
{
	return s->raw.n;
}

#endif
