#include "base/ranges.h"

#include "base/mem.h"

void ranges_init(struct ranges *r)
{
	*r = (struct ranges){0};
}

static int64_t size_of(struct range v)
{
	return v.last - v.first + 1;
}

/* Before each change. */
static void unseal(struct ranges *r)
{
	mem_free(r->before);
	r->before = NULL;
}

void ranges_fini(struct ranges *r)
{
	mem_free(r->v);
	mem_free(r->before);
	ranges_init(r);
}

void ranges_clear(struct ranges *r)
{
	unseal(r);
	r->n = 0;
	r->count = 0;
}

/* Index of the first interval whose last is >= value; r->n when there is none. */
static size_t lower(const struct ranges *r, int64_t value)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->v[mid].last < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void grow(struct ranges *r)
{
	r->v = mem_grow(r->v, r->n, &r->cap, sizeof *r->v);
}

static void insert(struct ranges *r, size_t at, int64_t value)
{
	grow(r);
	memmove(r->v + at + 1, r->v + at, (r->n - at) * sizeof *r->v);
	r->v[at] = (struct range){value, value};
	r->n++;
}

bool ranges_add(struct ranges *r, int64_t value)
{
	size_t at = r->n && r->v[r->n - 1].last < value ? r->n : lower(r, value);
	bool joins_left, joins_right;

	if (at < r->n && r->v[at].first <= value)
		return false;
	unseal(r);
	joins_left = at > 0 && r->v[at - 1].last == value - 1;
	joins_right = at < r->n && r->v[at].first == value + 1;
	if (joins_left && joins_right) {
		r->v[at - 1].last = r->v[at].last;
		memmove(r->v + at, r->v + at + 1, (r->n - at - 1) * sizeof *r->v);
		r->n--;
	} else if (joins_left) {
		r->v[at - 1].last = value;
	} else if (joins_right) {
		r->v[at].first = value;
	} else {
		insert(r, at, value);
	}
	r->count++;
	return true;
}

void ranges_add_range(struct ranges *r, int64_t first, int64_t last)
{
	MUST(first <= last && (r->n == 0 || first > r->v[r->n - 1].last));
	unseal(r);
	if (r->n && r->v[r->n - 1].last == first - 1) {
		r->v[r->n - 1].last = last;
	} else {
		grow(r);
		r->v[r->n++] = (struct range){first, last};
	}
	r->count += last - first + 1;
}

void ranges_subtract(struct ranges *r, const struct ranges *out)
{
	struct ranges left;
	size_t at = 0;

	ranges_init(&left);
	for (size_t i = 0; i < r->n; i++) {
		int64_t from = r->v[i].first, last = r->v[i].last;

		while (at < out->n && out->v[at].last < from)
			at++;
		for (size_t j = at; j < out->n && out->v[j].first <= last; j++) {
			if (from < out->v[j].first)
				ranges_add_range(&left, from, out->v[j].first - 1);
			from = out->v[j].last + 1;
		}
		if (from <= last)
			ranges_add_range(&left, from, last);
	}
	ranges_fini(r);
	*r = left;
}

bool ranges_has(const struct ranges *r, int64_t value)
{
	size_t at = lower(r, value);

	return at < r->n && r->v[at].first <= value;
}

void ranges_seal(struct ranges *r)
{
	int64_t before = 0;

	unseal(r);
	r->before = mem_array(r->n + 1, sizeof *r->before);
	for (size_t i = 0; i < r->n; i++) {
		r->before[i] = before;
		before += size_of(r->v[i]);
	}
}

/* The last interval with fewer than n members before it. */
static size_t find_sealed(const struct ranges *r, int64_t n)
{
	size_t lo = 0, hi = r->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->before[mid] < n)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Members before interval `at`. */
static int64_t count_before(const struct ranges *r, size_t at)
{
	int64_t n = 0;

	if (r->before)
		return r->before[at];
	for (size_t i = 0; i < at; i++)
		n += size_of(r->v[i]);
	return n;
}

bool ranges_find(const struct ranges *r, int64_t n, size_t *at_r, int64_t *value_r)
{
	size_t at = 0;

	if (n < 1 || n > r->count)
		return false;
	if (r->before) {
		at = find_sealed(r, n);
		n -= r->before[at];
	}
	while (n > size_of(r->v[at]))
		n -= size_of(r->v[at++]);
	*at_r = at;
	*value_r = r->v[at].first + n - 1;
	return true;
}

int64_t ranges_nth(const struct ranges *r, int64_t n)
{
	size_t at;
	int64_t value;

	return ranges_find(r, n, &at, &value) ? value : -1;
}

int64_t ranges_index(const struct ranges *r, int64_t value)
{
	size_t at = lower(r, value);

	if (at == r->n || r->v[at].first > value)
		return -1;
	return count_before(r, at) + value - r->v[at].first + 1;
}
