/*
 * A file is pages; a page that nobody wrote to is that of the base. Of pages that unsynced steps touch
 * each octet is known or not. Reading what is not known goes through the steps, the last one first: one
 * that covers an octet which is still not known is decided upon, and what it keeps becomes known; what
 * is left then is what was synced, or a hole. So of what is read exactly that is decided which can be seen.
 */
#include "memory_internal.h"

#include "base/mem.h"

#include <sqlite3.h>

#define FILES 1024 /* that one state has, and that the work on it makes */

static struct {
	struct disk *disk;
	struct choices *choices;
	struct memory_file files[FILES];
	size_t nfiles;
	struct page *free_pages;
	bool tears; /* writes may be torn, which was asked for */
	bool torn;
} all;

/* ---- choices ---- */

enum about {
	ABOUT_NAME,
	ABOUT_SIZE,
	ABOUT_HOLE,
	ABOUT_WRITE
};

static unsigned choose(enum about about, size_t file, size_t step, unsigned of)
{
	return choices_take(
	    all.choices, (uint32_t)about << 30 | (uint32_t)file << 20 | (uint32_t)step, of);
}

bool memory_keeps_name(size_t step)
{
	return choose(ABOUT_NAME, 0, step, 2) == 0;
}

/* ---- pages ---- */

static struct page *new_page(void)
{
	struct page *page = all.free_pages;

	if (!page)
		return mem_alloc(sizeof *page);
	all.free_pages = page->next_free;
	return page;
}

/* Octets of the base from `off` on, zeros behind its end. */
static void base_read(const struct memory_file *f, uint8_t *p, size_t n, size_t off)
{
	size_t there = f->base && f->base->n > off ? f->base->n - off : 0;

	there = there > n ? n : there;
	if (there)
		memcpy(p, f->base->p + off, there);
	memset(p + there, 0, n - there);
}

static struct page *own_page(struct memory_file *f, size_t at)
{
	if (at >= f->npages) {
		size_t n = (at + 1) * 2;

		f->pages = mem_resize(f->pages, n * sizeof(struct page *));
		memset(f->pages + f->npages, 0, (n - f->npages) * sizeof(struct page *));
		f->npages = n;
	}
	if (!f->pages[at]) {
		struct page *page = f->pages[at] = new_page();

		page->unknown = 0;
		base_read(f, page->data, MEMORY_PAGE, at * MEMORY_PAGE);
	}
	return f->pages[at];
}

static size_t in_page(size_t off, size_t end)
{
	size_t to = (off / MEMORY_PAGE + 1) * MEMORY_PAGE;

	return (to < end ? to : end) - off;
}

static void set_unknown(struct memory_file *f, size_t off, size_t end)
{
	for (size_t n; off < end; off += n) {
		struct page *page = own_page(f, off / MEMORY_PAGE);

		n = in_page(off, end);
		if (page->unknown == 0)
			memset(page->is_unknown, 0, sizeof page->is_unknown);
		for (size_t i = off % MEMORY_PAGE; i < off % MEMORY_PAGE + n; i++) {
			page->unknown += !page->is_unknown[i];
			page->is_unknown[i] = true;
		}
	}
}

static void set_known(struct page *page, size_t from, size_t n)
{
	for (size_t i = from; page->unknown && i < from + n; i++) {
		page->unknown -= page->is_unknown[i];
		page->is_unknown[i] = false;
	}
}

/* ---- what is decided ---- */

/* The sizes that the file may have: the whole one, then those after fewer steps. */
static size_t choose_size(struct memory_file *f)
{
	size_t size = f->base->n, nsizes = 0;
	size_t *sizes = mem_array(f->since->n + 1, sizeof *sizes);
	size_t *steps = mem_array(f->since->n + 1, sizeof *steps);
	unsigned taken;

	for (size_t i = 0; i <= f->since->n; i++) {
		if (nsizes == 0 || sizes[nsizes - 1] != size)
			sizes[nsizes++] = size;
		steps[nsizes - 1] = i;
		if (i < f->since->n)
			size = size_after(f->since->v[i], size);
	}
	taken = choose(ABOUT_SIZE, f->number, 0, (unsigned)nsizes);
	f->tears = taken == 0;
	taken = taken == 0 ? (unsigned)nsizes - 1 : taken - 1;
	f->sized = steps[taken];
	size = sizes[taken];
	mem_free(sizes);
	mem_free(steps);
	return size;
}

static void settle(struct memory_file *f)
{
	size_t end;

	if (f->settled)
		return;
	f->settled = true;
	if (!f->since || f->since->n == 0) {
		f->size = f->base ? f->base->n : 0;
		return;
	}
	f->size = choose_size(f);
	f->hole_from = f->base->n;
	for (size_t i = 0; i < f->since->n; i++) {
		const struct record_head *h = &f->since->v[i]->head;

		if (h->kind == RECORD_SIZE && i < f->sized && (size_t)h->n < f->hole_from)
			f->hole_from = (size_t)h->n;
		end = (size_t)(h->off + h->n);
		if (h->kind == RECORD_WRITE)
			set_unknown(f, (size_t)h->off, end < f->size ? end : f->size);
	}
	set_unknown(f, f->hole_from, f->size);
}

/* Borders of sectors inside a write. */
static unsigned borders(const struct record_head *h)
{
	return (unsigned)((h->off + h->n - 1) / SECTOR - h->off / SECTOR);
}

/* What a write has left: from *lo to *hi. */
static void decide(struct memory_file *f, size_t i, size_t *lo, size_t *hi)
{
	const struct record_head *h = &f->since->v[i]->head;
	unsigned n = borders(h);
	size_t first = (size_t)h->off / SECTOR;

	if (f->taken[i] < 0)
		f->taken[i] = (int32_t)choose(
		    ABOUT_WRITE, f->number, i, f->tears && all.tears ? 2 + 2 * n : 2);
	all.torn |= f->taken[i] >= 2;
	*lo = (size_t)h->off;
	*hi = (size_t)(h->off + h->n);
	if (f->taken[i] == 1)
		*hi = *lo;
	else if (f->taken[i] >= (int32_t)(2 + n))
		*lo = (first + (size_t)f->taken[i] - 1 - n) * SECTOR;
	else if (f->taken[i] >= 2)
		*hi = (first + (size_t)f->taken[i] - 1) * SECTOR;
}

/* Is one of n octets from `at` of the page on still unknown? */
static bool asks(const struct page *page, size_t at, size_t n)
{
	return memchr(page->is_unknown + at, true, n);
}

/* Makes known what is not of n octets from `at` of the page on: those of p, or NULL: all alike. */
static void take(struct page *page, size_t at, size_t n, const uint8_t *p, int fill)
{
	for (size_t i = 0; i < n; i++) {
		if (page->is_unknown[at + i]) {
			page->data[at + i] = p ? p[i] : (uint8_t)fill;
			page->is_unknown[at + i] = false;
			page->unknown--;
		}
	}
}

static size_t later(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t sooner(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void take_hole(struct memory_file *f, struct page *page, size_t lo, size_t hi)
{
	if (lo >= hi || !asks(page, lo % MEMORY_PAGE, hi - lo))
		return;
	if (f->hole < 0)
		f->hole = f->tears && choose(ABOUT_HOLE, f->number, 0, 2) ? 0xa5 : 0;
	take(page, lo % MEMORY_PAGE, hi - lo, NULL, f->hole);
}

static void take_base(struct memory_file *f, struct page *page, size_t lo, size_t hi)
{
	uint8_t base[MEMORY_PAGE];

	if (lo >= hi)
		return;
	base_read(f, base, hi - lo, lo);
	take(page, lo % MEMORY_PAGE, hi - lo, base, 0);
}

static void take_write(struct memory_file *f, struct page *page, size_t i, size_t from, size_t to)
{
	const struct event *e = f->since->v[i];
	size_t lo = later((size_t)e->head.off, from);
	size_t hi = sooner((size_t)(e->head.off + e->head.n), to);

	if (lo >= hi || !asks(page, lo % MEMORY_PAGE, hi - lo))
		return;
	decide(f, i, &lo, &hi);
	lo = later(lo, from);
	hi = sooner(hi, to);
	if (lo < hi)
		take(page, lo % MEMORY_PAGE, hi - lo, e->data + (lo - (size_t)e->head.off), 0);
}

/* Octets from..to of the file, within one page. */
static void resolve(struct memory_file *f, struct page *page, size_t from, size_t to)
{
	for (size_t i = f->since->n; i-- > 0 && page->unknown;) {
		const struct record_head *h = &f->since->v[i]->head;

		if (h->kind == RECORD_WRITE)
			take_write(f, page, i, from, to);
		else if (h->kind == RECORD_SIZE && i < f->sized)
			take_hole(f, page, later(from, (size_t)h->n), to);
	}
	take_hole(f, page, later(from, f->hole_from), to);
	take_base(f, page, from, sooner(to, f->hole_from));
}

/* ---- reading and writing ---- */

size_t memory_size(struct memory_file *f)
{
	settle(f);
	return f->size;
}

size_t memory_read(struct memory_file *f, void *p, size_t n, size_t off)
{
	uint8_t *out = p;
	size_t end, part;

	settle(f);
	if (off >= f->size)
		return 0;
	end = n < f->size - off ? off + n : f->size;
	n = end - off;
	for (; off < end; off += part, out += part) {
		size_t at = off / MEMORY_PAGE;
		struct page *page = at < f->npages ? f->pages[at] : NULL;

		part = in_page(off, end);
		if (page && page->unknown)
			resolve(f, page, off, off + part);
		if (page)
			memcpy(out, page->data + off % MEMORY_PAGE, part);
		else
			base_read(f, out, part, off);
	}
	return n;
}

/* p NULL: zeros. */
static void put(struct memory_file *f, const uint8_t *p, size_t off, size_t end)
{
	for (size_t n; off < end; off += n, p = p ? p + n : NULL) {
		struct page *page = own_page(f, off / MEMORY_PAGE);
		size_t from = off % MEMORY_PAGE;

		n = in_page(off, end);
		if (p)
			memcpy(page->data + from, p, n);
		else
			memset(page->data + from, 0, n);
		set_known(page, from, n);
	}
}

void memory_resize(struct memory_file *f, size_t n)
{
	size_t old, there;

	if (n == 0 && !f->settled) { /* whatever it was */
		f->settled = true;
		f->base = NULL;
		f->since = NULL;
		return;
	}
	settle(f);
	old = f->size;
	f->size = n;
	if (n <= old)
		return;
	/* what lay behind the end once does not come back */
	there = later(f->npages * MEMORY_PAGE, f->base ? f->base->n : 0);
	put(f, NULL, old, sooner(n, there));
}

void memory_write(struct memory_file *f, const void *p, size_t n, size_t off)
{
	settle(f);
	if (off + n > f->size)
		memory_resize(f, off + n);
	put(f, p, off, off + n);
}

/* ---- files ---- */

static void drop_pages(struct memory_file *f)
{
	for (size_t i = 0; i < f->npages; i++) {
		if (f->pages[i]) {
			f->pages[i]->next_free = all.free_pages;
			all.free_pages = f->pages[i];
		}
	}
	mem_free(f->pages);
	mem_free(f->taken);
	f->pages = NULL;
	f->taken = NULL;
	f->npages = 0;
}

struct memory_file *memory_make(void)
{
	struct memory_file *f = &all.files[all.nfiles];

	MUST(all.nfiles < FILES);
	*f = (struct memory_file){.number = (uint32_t)all.nfiles++, .hole = -1};
	return f;
}

struct memory_file *memory_number(size_t number)
{
	return &all.files[number];
}

/* One that the disk had may yet get a name. */
void memory_drop(struct memory_file *f)
{
	if (f->links == 0 && f->opened == 0 && !f->base)
		drop_pages(f);
}

void memory_open(struct memory_file *f)
{
	f->opened++;
}

void memory_close(struct memory_file *f)
{
	f->opened--;
	memory_drop(f);
}

/* ---- loading ---- */

static void clear(void)
{
	for (size_t i = 0; i < all.nfiles; i++) {
		drop_pages(&all.files[i]);
		memory_lock_free(&all.files[i].lock);
	}
	memory_names_clear();
	all.nfiles = 0;
	all.torn = false;
}

/* The files have the numbers of the disk, so that choices are about the same each time. */
static void load(struct disk *d, bool open)
{
	clear();
	sqlite3_randomness(0, NULL); /* the same again in each state */
	for (size_t i = 0; i < d->n; i++) {
		struct memory_file *f = memory_make();
		size_t n = d->files[i].since.n;

		f->base = open ? &d->files[i].synced : &d->files[i].image;
		if (!open || n == 0)
			continue;
		f->since = &d->files[i].since;
		f->taken = mem_array(n, sizeof *f->taken);
		for (size_t step = 0; step < n; step++)
			f->taken[step] = -1;
	}
	memory_names_load(d, open);
	memory_calls_begin();
}

bool memory_is_torn(void)
{
	return all.torn;
}

void memory_load(struct disk *d)
{
	load(d, false);
}

void memory_load_open(struct disk *d, struct choices *c, bool tears)
{
	all.tears = tears;
	all.choices = c;
	choices_begin(c);
	load(d, true);
}
