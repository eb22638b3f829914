/* One state of a disk, drawn or by a rule, as an image; and the image as a directory. */
#include "disk_internal.h"

#include "base/mem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* How the unsynced steps of one file, or of the names, are treated. */
enum keep {
	KEEP_ALL,
	KEEP_NONE,
	KEEP_PREFIX,
	KEEP_SOME,    /* each step or not */
	KEEP_SECTORS, /* each sector of each step or not */
	KEEPS
};

struct choice {
	uint64_t random;
	enum keep keep;
	uint64_t prefix;
	bool subset;   /* the bits of `random` say it, step after step */
	bool sizes;    /* sizes are kept though octets are lost */
	uint8_t holes; /* what is where octets were lost, behind the synced end */
};

static uint64_t draw(struct choice *c)
{
	uint64_t z = (c->random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static bool keeps(struct choice *c, size_t i)
{
	bool bit;

	if (c->subset) {
		bit = c->random & 1;
		c->random >>= 1;
		return bit;
	}
	switch (c->keep) {
	case KEEP_ALL:
		return true;
	case KEEP_PREFIX:
		return i < c->prefix;
	case KEEP_SOME:
		return draw(c) & 1;
	case KEEP_SECTORS:
		return draw(c) % 4;
	default:
		return false;
	}
}

/* Anew for each file and for the names, when a state is drawn. */
static void redraw(struct choice *c, size_t nsteps)
{
	c->keep = (enum keep)(draw(c) % KEEPS);
	c->prefix = draw(c) % (nsteps + 1);
	c->sizes = draw(c) & 1;
	c->holes = draw(c) & 1 ? 0xa5 : 0;
}

static void apply_sectors(struct choice *c, struct bytes *b, const struct event *e)
{
	size_t at = (size_t)e->head.off, end = at + (size_t)e->head.n;

	if (e->head.kind != RECORD_WRITE) {
		bytes_apply(b, e);
		return;
	}
	while (at < end) {
		size_t next = (at / SECTOR + 1) * SECTOR;
		size_t to = next < end ? next : end;

		if (draw(c) & 1)
			bytes_put(b, at, e->data + (at - (size_t)e->head.off), to - at);
		at = to;
	}
}

/* The size the file would have with all steps. */
static size_t full_size(const struct file *f)
{
	size_t n = f->synced.n;

	for (size_t i = 0; i < f->since.n; i++)
		n = size_after(f->since.v[i], n);
	return n;
}

static void choose_file(struct file *f, struct choice *c)
{
	bytes_copy(&f->image, &f->synced);
	/* A later step may write behind the end: what is between is a hole too. */
	if (c->sizes && full_size(f) > f->image.n)
		bytes_resize(&f->image, full_size(f), c->holes);
	for (size_t i = 0; i < f->since.n; i++) {
		const struct event *e = f->since.v[i];

		if (!keeps(c, i))
			continue;
		if (!c->subset && c->keep == KEEP_SECTORS)
			apply_sectors(c, &f->image, e);
		else
			bytes_apply(&f->image, e);
	}
}

static void choose_names(struct disk *d, struct choice *c)
{
	names_begin(d);
	for (size_t i = 0; i < d->since.n; i++) {
		if (keeps(c, i))
			names_apply(&d->image, d->since.v[i], d->step_files[i]);
	}
}

static struct choice choice_of(unsigned variant, uint64_t seed, bool few)
{
	bool data = variant == DISK_ALL || variant == DISK_NO_NAMES;
	struct choice c = {.keep = data ? KEEP_ALL : KEEP_NONE,
	    .sizes = variant == DISK_ZEROS || variant == DISK_RUBBISH,
	    .holes = variant == DISK_RUBBISH ? 0xa5 : 0,
	    .random = seed};

	if (variant >= DISK_CANONICAL && few) {
		c.subset = true;
		c.random = variant - DISK_CANONICAL;
	} else if (variant >= DISK_CANONICAL) {
		c.random = seed * 0x9e3779b97f4a7c15 + variant;
	}
	return c;
}

uint64_t disk_number(struct disk *d)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < d->image.n; i++) {
		const struct name *n = &d->image.v[i];
		const struct bytes *b = n->is_dir ? NULL : &d->files[n->file].image;
		uint64_t own = XXH3_64bits(n->path, strlen(n->path));

		if (names_has_parent(d, n->path))
			sum += b ? XXH3_64bits_withSeed(b->p, b->n, own) : own;
	}
	return sum;
}

uint64_t disk_choose(struct disk *d, unsigned variant, uint64_t seed)
{
	struct choice c = choice_of(variant, seed, disk_pending(d) <= DISK_SUBSETS);
	bool drawn = variant >= DISK_CANONICAL && !c.subset;
	enum keep data = c.keep;

	if (variant == DISK_NO_DATA || c.sizes)
		c.keep = KEEP_ALL;
	else if (variant == DISK_NO_NAMES)
		c.keep = KEEP_NONE;
	if (drawn)
		redraw(&c, d->since.n);
	choose_names(d, &c);
	c.keep = data;
	for (size_t i = 0; i < d->n; i++)
		d->files[i].used = false;
	for (size_t i = 0; i < d->image.n; i++) {
		if (!d->image.v[i].is_dir)
			d->files[d->image.v[i].file].used = true;
	}
	for (size_t i = 0; i < d->n; i++) {
		if (drawn)
			redraw(&c, d->files[i].since.n);
		if (d->files[i].used)
			choose_file(&d->files[i], &c);
	}
	return disk_number(d);
}

void disk_fail_sync(struct disk *d, const struct event *e, uint64_t seed)
{
	struct choice c = {.random = seed};

	for (size_t i = 0; i < d->n; i++) {
		struct file *f = &d->files[i];

		if (e->head.kind == RECORD_SYNC && e->head.ino != f->ino)
			continue;
		redraw(&c, f->since.n);
		choose_file(f, &c);
		bytes_copy(&f->synced, &f->image);
		f->since.n = 0;
	}
}

/* ---- writing ---- */

static void write_file(const char *path, const struct bytes *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t n = b->n;

	while (n > 0 && b->p[n - 1] == 0)
		n--;
	MUST(fd >= 0 && ftruncate(fd, (off_t)b->n) == 0);
	MUST(n == 0 || write(fd, b->p, n) == (ssize_t)n);
	close(fd);
}

/* Directories have been made in an order that has the upper ones first. */
void disk_write(struct disk *d, const char *directory)
{
	char path[512];

	for (int dirs = 1; dirs >= 0; dirs--) {
		for (size_t i = 0; i < d->image.n; i++) {
			const struct name *n = &d->image.v[i];

			if (n->is_dir != dirs || !names_has_parent(d, n->path))
				continue;
			snprintf(path, sizeof path, "%s/%s", directory, n->path);
			if (dirs)
				MUST(mkdir(path, 0700) == 0);
			else
				write_file(path, &d->files[n->file].image);
		}
	}
}
