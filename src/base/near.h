/* "Did you mean ...?": finds the valid name nearest to one that was mistyped. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include "base/str.h"

struct near {
	struct str word;
	struct str best; /* candidate with the fewest edits so far */
	size_t edits;
};

/* Begins a search for word, of which the first 32 octets count. word must live as long as n. */
void near_init(struct near *n, struct str word);

/* Offers a valid name; it must live as long as n. Of equally near ones the first wins. */
void near_offer(struct near *n, struct str candidate);

/* The nearest one offered, or the empty view when none is near enough to be meant. */
struct str near_found(const struct near *n);

#endif
