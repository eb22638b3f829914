/*
 * Files are found by the number that the recording gives them; a number that is made again is a new
 * file. A file is its synced octets and a list of steps since; the names are a list of synced ones and
 * the steps since. Choosing a state goes through those steps in order and keeps some: whatever order a
 * disk writes in, at each sector one of the versions since the last sync is left, and that is what keeping
 * or losing each write's sectors gives.
 *
 * A sector is torn at 512 octets; the octets beside a write are never touched, which is what SQLite's
 * unix layer assumes too (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
 */
#include "disk.h"

#include "base/mem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SECTOR 512

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

struct steps {
	const struct event **v;
	size_t n, cap;
};

struct file {
	uint64_t ino; /* 0: replaced by a newer one of the same number */
	struct bytes synced;
	struct steps since;
	struct bytes image;
	bool used; /* by a name of the image */
};

struct name {
	char *path;
	size_t file;
	bool is_dir;
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct disk {
	struct file *files;
	size_t n, cap;
	struct names synced, image;
	struct steps since; /* of names */
	size_t *step_files; /* for each of them */
	size_t step_cap;
};

/* ---- octets ---- */

static void resize(struct bytes *b, size_t n, int fill)
{
	if (n > b->cap) {
		b->cap = n + n / 2;
		b->p = mem_resize(b->p, b->cap);
	}
	if (n > b->n)
		memset(b->p + b->n, fill, n - b->n);
	b->n = n;
}

static void put(struct bytes *b, size_t off, const uint8_t *p, size_t n)
{
	if (off + n > b->n)
		resize(b, off + n, 0);
	memcpy(b->p + off, p, n);
}

static void copy(struct bytes *to, const struct bytes *from)
{
	resize(to, from->n, 0);
	if (from->n)
		memcpy(to->p, from->p, from->n);
}

static void apply(struct bytes *b, const struct event *e)
{
	size_t n = (size_t)e->head.n;

	if (e->head.kind == RECORD_WRITE)
		put(b, (size_t)e->head.off, e->data, n);
	else if (e->head.kind == RECORD_SIZE || n > b->n)
		resize(b, n, 0);
}

static void add_step(struct steps *s, const struct event *e)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->v = mem_resize(s->v, s->cap * sizeof *s->v);
	}
	s->v[s->n++] = e;
}

/* ---- files and names ---- */

static size_t find_file(struct disk *d, uint64_t ino)
{
	for (size_t i = d->n; i-- > 0;) {
		if (d->files[i].ino == ino)
			return i;
	}
	mem_bug(__FILE__, __LINE__, "the recording names a file it did not see made");
}

static size_t add_file(struct disk *d, uint64_t ino)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->files = mem_resize(d->files, d->cap * sizeof *d->files);
	}
	d->files[d->n] = (struct file){.ino = ino};
	return d->n++;
}

static struct name *find_name(struct names *names, const char *path, size_t n)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strlen(names->v[i].path) == n && memcmp(names->v[i].path, path, n) == 0)
			return &names->v[i];
	}
	return NULL;
}

static void drop_name(struct names *names, const char *path, size_t n)
{
	struct name *old = find_name(names, path, n);

	if (!old)
		return;
	mem_free(old->path);
	*old = names->v[--names->n];
}

static void set_name(struct names *names, const char *path, size_t n, size_t file, bool is_dir)
{
	struct name new = {mem_alloc(n + 1), file, is_dir};

	drop_name(names, path, n);
	memcpy(new.path, path, n);
	new.path[n] = '\0';
	if (names->n == names->cap) {
		names->cap = names->cap ? names->cap * 2 : 16;
		names->v = mem_resize(names->v, names->cap * sizeof *names->v);
	}
	names->v[names->n++] = new;
}

static void clear_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		mem_free(names->v[i].path);
	names->n = 0;
}

static void apply_name(struct names *names, const struct event *e, size_t file)
{
	size_t n = e->head.name_n, from;
	struct name *old;

	switch (e->head.kind) {
	case RECORD_NAME:
	case RECORD_MKDIR:
		set_name(names, e->name, n, file, e->head.kind == RECORD_MKDIR);
		break;
	case RECORD_UNNAME:
		drop_name(names, e->name, n);
		break;
	default: /* RECORD_RENAME */
		from = strlen(e->name);
		old = find_name(names, e->name, from);
		if (!old)
			return; /* the step that named it was lost */
		file = old->file;
		set_name(names, e->name + from + 1, n - from - 1, file, old->is_dir);
		drop_name(names, e->name, from);
	}
}

struct disk *disk_new(void)
{
	return mem_new(struct disk);
}

void disk_free(struct disk **disk)
{
	struct disk *d = *disk;

	*disk = NULL;
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++) {
		mem_free(d->files[i].synced.p);
		mem_free(d->files[i].image.p);
		mem_free(d->files[i].since.v);
	}
	clear_names(&d->synced);
	clear_names(&d->image);
	mem_free(d->synced.v);
	mem_free(d->image.v);
	mem_free(d->since.v);
	mem_free(d->step_files);
	mem_free(d->files);
	mem_free(d);
}

/* ---- steps ---- */

static void sync_file(struct file *f)
{
	for (size_t i = 0; i < f->since.n; i++)
		apply(&f->synced, f->since.v[i]);
	f->since.n = 0;
}

/* Is the (last) path of the step in this directory? */
static bool is_in(const struct event *e, const char *dir, size_t dir_n)
{
	size_t n = e->head.name_n, parent = n;

	while (parent > 0 && e->name[parent - 1] != '/' && e->name[parent - 1] != '\0')
		parent--;
	if (e->head.kind == RECORD_RENAME) {
		size_t from = strlen(e->name) + 1;

		return parent <= from
			   ? dir_n == 0
			   : parent - from - 1 == dir_n && memcmp(e->name + from, dir, dir_n) == 0;
	}
	return parent == 0 ? dir_n == 0 : parent - 1 == dir_n && memcmp(e->name, dir, dir_n) == 0;
}

static void sync_dir(struct disk *d, const char *dir, size_t n, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->since.n; i++) {
		const struct event *e = d->since.v[i];

		if (all || is_in(e, dir, n)) {
			apply_name(&d->synced, e, d->step_files[i]);
			continue;
		}
		d->step_files[kept] = d->step_files[i];
		d->since.v[kept++] = e;
	}
	d->since.n = kept;
}

static void add_name_step(struct disk *d, const struct event *e)
{
	bool has_file = e->head.kind == RECORD_NAME;

	add_step(&d->since, e);
	if (d->since.n > d->step_cap) {
		d->step_cap = d->since.cap;
		d->step_files = mem_resize(d->step_files, d->step_cap * sizeof *d->step_files);
	}
	d->step_files[d->since.n - 1] = has_file ? find_file(d, e->head.ino) : 0;
}

static void sync_everything(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		sync_file(&d->files[i]);
	sync_dir(d, "", 0, true);
}

void disk_do(struct disk *d, const struct event *e)
{
	switch (e->head.kind) {
	case RECORD_MAKE:
		add_file(d, e->head.ino);
		break;
	case RECORD_NAME:
	case RECORD_UNNAME:
	case RECORD_RENAME:
	case RECORD_MKDIR:
		add_name_step(d, e);
		break;
	case RECORD_WRITE:
	case RECORD_SIZE:
	case RECORD_ALLOCATE:
		add_step(&d->files[find_file(d, e->head.ino)].since, e);
		break;
	case RECORD_SYNC:
		sync_file(&d->files[find_file(d, e->head.ino)]);
		break;
	case RECORD_SYNC_DIR:
		sync_dir(d, e->name, e->head.name_n, false);
		break;
	case RECORD_SYNC_ALL:
	case RECORD_START:
		sync_everything(d);
		break;
	default:
		break;
	}
}

size_t disk_pending(const struct disk *d)
{
	size_t n = d->since.n;

	for (size_t i = 0; i < d->n; i++)
		n += d->files[i].since.n;
	return n;
}

/* ---- choosing ---- */

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
		apply(b, e);
		return;
	}
	while (at < end) {
		size_t next = (at / SECTOR + 1) * SECTOR;
		size_t to = next < end ? next : end;

		if (draw(c) & 1)
			put(b, at, e->data + (at - (size_t)e->head.off), to - at);
		at = to;
	}
}

/* The size the file would have with all steps. */
static size_t full_size(const struct file *f)
{
	size_t n = f->synced.n;

	for (size_t i = 0; i < f->since.n; i++) {
		const struct record_head *h = &f->since.v[i]->head;
		size_t end = (size_t)(h->kind == RECORD_WRITE ? h->off + h->n : h->n);

		if (h->kind == RECORD_SIZE || end > n)
			n = end;
	}
	return n;
}

static void choose_file(struct file *f, struct choice *c)
{
	copy(&f->image, &f->synced);
	/* A later step may write behind the end: what is between is a hole too. */
	if (c->sizes && full_size(f) > f->image.n)
		resize(&f->image, full_size(f), c->holes);
	for (size_t i = 0; i < f->since.n; i++) {
		const struct event *e = f->since.v[i];

		if (!keeps(c, i))
			continue;
		if (!c->subset && c->keep == KEEP_SECTORS)
			apply_sectors(c, &f->image, e);
		else
			apply(&f->image, e);
	}
}

static void choose_names(struct disk *d, struct choice *c)
{
	clear_names(&d->image);
	for (size_t i = 0; i < d->synced.n; i++) {
		struct name *n = &d->synced.v[i];

		set_name(&d->image, n->path, strlen(n->path), n->file, n->is_dir);
	}
	for (size_t i = 0; i < d->since.n; i++) {
		if (keeps(c, i))
			apply_name(&d->image, d->since.v[i], d->step_files[i]);
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

/* Is there a directory above it in the image? */
static bool has_parent(struct disk *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct name *parent = slash ? find_name(&d->image, path, (size_t)(slash - path)) : NULL;

	return !slash || (parent && parent->is_dir && has_parent(d, parent->path));
}

static uint64_t number_of(struct disk *d)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < d->image.n; i++) {
		const struct name *n = &d->image.v[i];
		const struct bytes *b = n->is_dir ? NULL : &d->files[n->file].image;
		uint64_t own = XXH3_64bits(n->path, strlen(n->path));

		if (has_parent(d, n->path))
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
	return number_of(d);
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

			if (n->is_dir != dirs || !has_parent(d, n->path))
				continue;
			snprintf(path, sizeof path, "%s/%s", directory, n->path);
			if (dirs)
				MUST(mkdir(path, 0700) == 0);
			else
				write_file(path, &d->files[n->file].image);
		}
	}
}
