/*
 * The names of the files in memory. An unsynced step of names is decided upon when its path is first
 * looked at, or a path above that, or a listing may show it; together with it all steps that a rename joins
 * to it, in their order. So names that nobody asks for are decided never.
 */
#include "memory_internal.h"

#include <stdio.h>

#include "base/mem.h"

#define NAMES  1024
#define JOINED 16 /* paths that renames join */

static struct {
	struct disk *disk;
	bool *open; /* for each unsynced step: it is not decided */
	size_t nopen;
	struct {
		char *path;
		struct memory_file *file;
	} v[NAMES];
	size_t n;
} names;

/* ---- those that are there ---- */

static size_t find(const char *path)
{
	size_t i = 0;

	while (i < names.n && strcmp(names.v[i].path, path) != 0)
		i++;
	return i;
}

static void drop(size_t i)
{
	struct memory_file *f = names.v[i].file;

	mem_free(names.v[i].path);
	names.v[i] = names.v[--names.n];
	f->links--;
	memory_drop(f);
}

static void put(const char *path, struct memory_file *f)
{
	size_t n = strlen(path) + 1, old = find(path);

	f->links++;
	if (old < names.n)
		drop(old);
	MUST(names.n < NAMES);
	names.v[names.n].path = mem_alloc(n);
	memcpy(names.v[names.n].path, path, n);
	names.v[names.n++].file = f;
}

static struct memory_file *file_of(const struct name *name)
{
	struct memory_file *f = name->is_dir ? memory_make() : memory_number(name->file);

	f->is_dir = name->is_dir;
	return f;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* ---- steps that are not decided ---- */

/* The one or two paths of a step; how many. */
static size_t paths_of(const struct event *e, char out[2][MEMORY_PATH])
{
	size_t n = 0, at = 0;

	if (e->head.kind == RECORD_RENAME) {
		snprintf(out[n++], MEMORY_PATH, "%s", e->name);
		at = strlen(e->name) + 1;
	}
	MUST(e->head.name_n - at < MEMORY_PATH);
	snprintf(out[n++], MEMORY_PATH, "%.*s", (int)(e->head.name_n - at), e->name + at);
	return n;
}

struct joined {
	char paths[JOINED][MEMORY_PATH];
	size_t n;
	bool *steps; /* of all unsynced ones: those about these paths */
};

static bool has_path(const struct joined *j, const char *path)
{
	for (size_t i = 0; i < j->n; i++) {
		if (strcmp(j->paths[i], path) == 0)
			return true;
	}
	return false;
}

static void look_at(const char *path);

static void add_path(struct joined *j, const char *path)
{
	char above[MEMORY_PATH];
	char *slash;

	if (has_path(j, path))
		return;
	MUST(j->n < JOINED);
	snprintf(j->paths[j->n++], MEMORY_PATH, "%s", path);
	snprintf(above, sizeof above, "%s", path);
	slash = strrchr(above, '/');
	if (!slash)
		return;
	*slash = '\0';
	look_at(above);
}

/* True: it has become more. */
static bool join(struct joined *j)
{
	bool more = false;

	for (size_t i = 0; i < names.disk->since.n; i++) {
		char paths[2][MEMORY_PATH];
		size_t n = paths_of(names.disk->since.v[i], paths);

		if (!names.open[i] || j->steps[i] ||
		    !(has_path(j, paths[0]) || (n == 2 && has_path(j, paths[1]))))
			continue;
		j->steps[i] = more = true;
		for (size_t k = 0; k < n; k++)
			add_path(j, paths[k]);
	}
	return more;
}

static void close_step(size_t i)
{
	names.open[i] = false;
	names.nopen--;
}

static void decide(const struct joined *j)
{
	struct disk *d = names.disk;

	for (size_t i = 0; i < d->since.n; i++) {
		if (!j->steps[i] || !names.open[i])
			continue;
		close_step(i);
		if (names_can_apply(d, d->since.v[i]) && memory_keeps_name(i))
			names_apply(&d->image, d->since.v[i], d->step_files[i]);
	}
}

/* A directory that is not there has nothing in it. */
static void forget_below(const char *dir)
{
	for (size_t i = names.n; i-- > 0;) {
		if (is_below(names.v[i].path, dir))
			drop(i);
	}
	for (size_t i = 0; i < names.disk->since.n; i++) {
		char paths[2][MEMORY_PATH];
		size_t n = paths_of(names.disk->since.v[i], paths);

		if (names.open[i] && is_below(paths[n - 1], dir))
			close_step(i);
	}
}

static void show(const char *path)
{
	const struct name *name = names_find(&names.disk->image, path);

	if (name) {
		put(path, file_of(name));
		return;
	}
	if (find(path) < names.n)
		drop(find(path));
	forget_below(path);
}

static void look_at_one(const char *path)
{
	struct joined j = {.n = 0};

	j.steps = mem_array(names.disk->since.n + 1, sizeof *j.steps);
	memset(j.steps, 0, (names.disk->since.n + 1) * sizeof *j.steps);
	snprintf(j.paths[j.n++], MEMORY_PATH, "%s", path);
	if (join(&j)) {
		while (join(&j))
			continue;
		decide(&j);
		for (size_t i = 0; i < j.n; i++)
			show(j.paths[i]);
	}
	mem_free(j.steps);
}

/* Everything above it first. */
static void look_at(const char *path)
{
	char part[MEMORY_PATH];

	for (size_t n = 0; names.nopen && path[n];) {
		n += strcspn(path + n + (n > 0), "/") + (n > 0);
		snprintf(part, sizeof part, "%.*s", (int)n, path);
		look_at_one(part);
	}
}

/* ---- for everybody ---- */

struct memory_file *memory_find(const char *path)
{
	size_t i;

	look_at(path);
	i = find(path);
	return i < names.n ? names.v[i].file : NULL;
}

bool memory_unname(const char *path)
{
	size_t i;

	look_at(path);
	i = find(path);
	if (i == names.n)
		return false;
	drop(i);
	return true;
}

void memory_name(const char *path, struct memory_file *f)
{
	look_at(path);
	put(path, f);
}

/* Whether it was there makes no difference, unless a rename tells. */
struct memory_file *memory_replace(const char *path)
{
	struct memory_file *f;
	char paths[2][MEMORY_PATH];
	bool renamed = false;

	for (size_t i = 0; names.nopen && i < names.disk->since.n; i++) {
		const struct event *e = names.disk->since.v[i];
		size_t n = names.open[i] ? paths_of(e, paths) : 0;

		renamed |= n == 2 && (!strcmp(paths[0], path) || !strcmp(paths[1], path));
	}
	if (renamed)
		look_at(path);
	for (size_t i = 0; names.nopen && i < names.disk->since.n; i++) {
		if (names.open[i] && paths_of(names.disk->since.v[i], paths) == 1 &&
		    strcmp(paths[0], path) == 0)
			close_step(i);
	}
	f = memory_make();
	put(path, f);
	return f;
}

static bool is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n ? is_below(path, dir) && !strchr(path + n + 1, '/') : !strchr(path, '/');
}

void memory_each(const char *dir, void (*fn)(void *ctx, const char *name), void *ctx)
{
	look_at(dir);
	for (size_t i = 0; names.nopen && i < names.disk->since.n; i++) {
		char paths[2][MEMORY_PATH];
		size_t n = names.open[i] ? paths_of(names.disk->since.v[i], paths) : 0;

		for (size_t k = 0; k < n; k++) {
			if (is_in(paths[k], dir))
				look_at(paths[k]);
		}
	}
	for (size_t i = 0; i < names.n; i++) {
		const char *path = names.v[i].path;

		if (*path && is_in(path, dir))
			fn(ctx, path + strlen(dir) + (*dir != '\0'));
	}
}

void memory_names_clear(void)
{
	for (size_t i = 0; i < names.n; i++)
		mem_free(names.v[i].path);
	names.n = 0;
	mem_free(names.open);
	names.open = NULL;
	names.nopen = 0;
}

void memory_names_load(struct disk *d, bool open)
{
	struct memory_file *top = memory_make();

	names.disk = d;
	top->is_dir = true;
	put("", top);
	if (open)
		names_begin(d);
	for (size_t i = 0; i < d->image.n; i++) {
		if (open || names_has_parent(d, d->image.v[i].path))
			put(d->image.v[i].path, file_of(&d->image.v[i]));
	}
	if (!open)
		return;
	names.nopen = d->since.n;
	names.open = mem_array(d->since.n + 1, sizeof *names.open);
	memset(names.open, true, d->since.n + 1);
}
