/*
 * Distance: the fewest insertions, deletions, replacements and swaps of neighbours that turn one
 * name into the other, letters compared without case. Names beyond NEAR_MAX octets are cut.
 */
#include "base/near.h"

#include "base/ascii.h"

#define NEAR_MAX ((size_t)32)

static size_t min2(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same(uint8_t a, uint8_t b)
{
	return ascii_lower(a) == ascii_lower(b);
}

/* Three rows of the classic table are enough: this one, the one before, and one more for swaps. */
static size_t distance(struct str a, struct str b)
{
	size_t rows[3][NEAR_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			row[j] = min2(
			    min2(up[j], row[j - 1]) + 1, up[j - 1] + !same(a.p[i - 1], b.p[j - 1]));
			if (i > 1 && j > 1 && same(a.p[i - 1], b.p[j - 2]) &&
			    same(a.p[i - 2], b.p[j - 1]))
				row[j] = min2(row[j], up2[j - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}

void near_init(struct near *n, struct str word)
{
	*n = (struct near){.word = str_sub(word, 0, NEAR_MAX), .edits = SIZE_MAX};
}

void near_offer(struct near *n, struct str candidate)
{
	size_t edits = distance(n->word, str_sub(candidate, 0, NEAR_MAX));

	if (edits >= n->edits)
		return;
	n->edits = edits;
	n->best = candidate;
}

struct str near_found(const struct near *n)
{
	size_t most = n->word.n / 3 + 1;

	return n->edits <= most && n->edits < n->word.n ? n->best : (struct str){NULL, 0};
}
