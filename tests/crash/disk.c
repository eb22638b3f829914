/*
 * Files are found by the number that the recording gives them; a number that is made again is a new
 * file. A file is its synced octets and a list of steps since; the names are a list of synced ones and
 * the steps since. Choosing a state goes through those steps in order and keeps some: whatever order a
 * disk writes in, at each sector one of the versions since the last sync is left, and that is what keeping
 * or losing each write's sectors gives.
 *
 * A sector is torn at 512 octets; the octets beside a write are never touched, which is what SQLite's
 * unix layer assumes too (SQLITE_IOCAP_POWERSAFE_OVERWRITE). What writes the octets that the disk has already leaves
 * it as it is, whatever of it gets there: it is no step.
 */
#include "disk_internal.h"

#include "base/mem.h"

/* ---- octets ---- */

void bytes_resize(struct bytes *b, size_t n, int fill)
{
	if (n > b->cap) {
		b->cap = n + n / 2;
		b->p = mem_resize(b->p, b->cap);
	}
	if (n > b->n)
		memset(b->p + b->n, fill, n - b->n);
	b->n = n;
}

void bytes_put(struct bytes *b, size_t off, const uint8_t *p, size_t n)
{
	if (off + n > b->n)
		bytes_resize(b, off + n, 0);
	if (n)
		memcpy(b->p + off, p, n);
}

void bytes_copy(struct bytes *to, const struct bytes *from)
{
	bytes_resize(to, from->n, 0);
	if (from->n)
		memcpy(to->p, from->p, from->n);
}

void bytes_apply(struct bytes *b, const struct event *e)
{
	size_t n = (size_t)e->head.n;

	if (e->head.kind == RECORD_WRITE)
		bytes_put(b, (size_t)e->head.off, e->data, n);
	else if (e->head.kind == RECORD_SIZE || n > b->n)
		bytes_resize(b, n, 0);
}

size_t size_after(const struct event *e, size_t n)
{
	size_t end = (size_t)(e->head.kind == RECORD_WRITE ? e->head.off + e->head.n : e->head.n);

	return e->head.kind == RECORD_SIZE || end > n ? end : n;
}

static void add_step(struct steps *s, const struct event *e)
{
	s->v = mem_grow(s->v, s->n, &s->cap, sizeof *s->v);
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
	d->files = mem_grow(d->files, d->n, &d->cap, sizeof *d->files);
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
	names->v = mem_grow(names->v, names->n, &names->cap, sizeof *names->v);
	names->v[names->n++] = new;
}

static void clear_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		mem_free(names->v[i].path);
	names->n = 0;
}

void names_apply(struct names *names, const struct event *e, size_t file)
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
		bytes_apply(&f->synced, f->since.v[i]);
	f->since.n = 0;
}

static void add_file_step(struct file *f, const struct event *e)
{
	size_t off = (size_t)e->head.off, n = (size_t)e->head.n;
	bool same = e->head.kind == RECORD_WRITE && f->since.n == 0 && n > 0 &&
		    off + n <= f->synced.n && memcmp(f->synced.p + off, e->data, n) == 0;

	if (!same)
		add_step(&f->since, e);
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
			names_apply(&d->synced, e, d->step_files[i]);
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
		add_file_step(&d->files[find_file(d, e->head.ino)], e);
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

void disk_start_again(struct disk *d, const struct recording *r)
{
	for (size_t i = 0; i < d->n; i++)
		d->files[i].ino = 0;
	for (size_t i = 0; i < r->n && r->events[i].head.kind != RECORD_START; i++) {
		const struct event *e = &r->events[i];
		struct name *name;

		if (e->head.kind != RECORD_NAME)
			continue;
		name = find_name(&d->image, e->name, e->head.name_n);
		MUST(name && d->files[name->file].ino == 0); /* nothing has two names */
		d->files[name->file].ino = e->head.ino;
	}
}

size_t disk_pending(const struct disk *d)
{
	size_t n = d->since.n;

	for (size_t i = 0; i < d->n; i++)
		n += d->files[i].since.n;
	return n;
}

/* ---- the names of an image ---- */

void names_begin(struct disk *d)
{
	clear_names(&d->image);
	for (size_t i = 0; i < d->synced.n; i++) {
		struct name *n = &d->synced.v[i];

		set_name(&d->image, n->path, strlen(n->path), n->file, n->is_dir);
	}
}

const struct name *names_find(const struct names *names, const char *path)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->v[i].path, path) == 0)
			return &names->v[i];
	}
	return NULL;
}

bool names_can_apply(struct disk *d, const struct event *e)
{
	bool is_rename = e->head.kind == RECORD_RENAME;
	size_t from = is_rename ? strlen(e->name) + 1 : 0, n = e->head.name_n - from;
	char path[512];

	MUST(n < sizeof path);
	snprintf(path, sizeof path, "%.*s", (int)n, e->name + from);
	if (e->head.kind == RECORD_UNNAME && !find_name(&d->image, path, n))
		return false;
	if (is_rename && !find_name(&d->image, e->name, from - 1))
		return false;
	return names_has_parent(d, path);
}

bool names_has_parent(struct disk *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct name *parent = slash ? find_name(&d->image, path, (size_t)(slash - path)) : NULL;

	return !slash || (parent && parent->is_dir && names_has_parent(d, parent->path));
}
