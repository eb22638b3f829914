#include "disk.h"

#include "base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_data(const struct record_head *head)
{
	return head->kind == RECORD_WRITE || head->kind == RECORD_SAY;
}

/* The event at `at`; where the next one begins. */
static size_t parse(const struct recording *r, size_t at, size_t end, struct event *e)
{
	MUST(end - at >= sizeof e->head);
	memcpy(&e->head, r->bytes + at, sizeof e->head);
	at += sizeof e->head;
	MUST(e->head.kind < RECORD_KINDS && end - at >= e->head.name_n);
	e->name = (const char *)r->bytes + at;
	at += e->head.name_n;
	e->data = r->bytes + at;
	if (has_data(&e->head)) {
		MUST(e->head.n >= 0 && end - at >= (size_t)e->head.n);
		at += (size_t)e->head.n;
	}
	return at;
}

/* ---- what is there at first ---- */

static struct {
	int fd;
	size_t root_n;
} begin; /* nftw has no context */

static void put(const void *p, size_t n)
{
	MUST(write(begin.fd, p, n) == (ssize_t)n);
}

static void put_event(
    enum record_kind kind, uint64_t ino, const char *name, const void *p, size_t n)
{
	size_t name_n = strlen(name);
	struct record_head head = {kind, (uint32_t)name_n, ino, 0, (int64_t)n};

	put(&head, sizeof head);
	put(name, name_n);
	put(p, n);
}

static void put_file(const char *path, const char *name, const struct stat *st)
{
	size_t n = (size_t)st->st_size;
	uint8_t *bytes = mem_alloc(n + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	MUST(fd >= 0 && read(fd, bytes, n) == (ssize_t)n);
	close(fd);
	put_event(RECORD_MAKE, st->st_ino, "", "", 0);
	put_event(RECORD_NAME, st->st_ino, name, "", 0);
	put_event(RECORD_WRITE, st->st_ino, "", bytes, n);
	mem_free(bytes);
}

static int put_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + begin.root_n + 1;

	if (ftw->level == 0)
		return 0;
	if (S_ISDIR(st->st_mode))
		put_event(RECORD_MKDIR, 0, name, "", 0);
	else if (S_ISREG(st->st_mode))
		put_file(path, name, st);
	return 0;
}

void recording_begin(const char *file, const char *directory)
{
	begin.fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	begin.root_n = strlen(directory);
	MUST(begin.fd >= 0 && nftw(directory, put_entry, 16, FTW_PHYS) == 0);
	put_event(RECORD_START, 0, "", "", 0);
	close(begin.fd);
}

/* ---- reading ---- */

void recording_read(struct recording *r, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t size, cap = 0, got = 0;

	*r = (struct recording){0};
	MUST(fd >= 0 && fstat(fd, &st) == 0);
	size = (size_t)st.st_size;
	r->bytes = mem_alloc(size + 1);
	while (got < size) {
		ssize_t n = read(fd, r->bytes + got, size - got);

		MUST(n > 0);
		got += (size_t)n;
	}
	close(fd);
	for (size_t at = 0; at < size;) {
		r->events = mem_grow(r->events, r->n, &cap, sizeof *r->events);
		at = parse(r, at, size, &r->events[r->n++]);
	}
}

void recording_free(struct recording *r)
{
	mem_free(r->events);
	mem_free(r->bytes);
	*r = (struct recording){0};
}
