/*
 * Goes through the log as SQLite does at its recovery, and writes what that would believe back in its place, so that
 * the kernel has to write it. The format: https://sqlite.org/fileformat2.html#walformat. Behind the first frame that
 * does not fit nothing is read, for nothing there is ever believed.
 */
#include "store/log_rewrite.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define HEAD       32
#define FRAME_HEAD 24
#define MAGIC      UINT32_C(0x377f0682) /* | 1: its sums are of big-endian words */
#define PAGE_MIN   512
#define PAGE_MAX   65536

struct walk {
	struct fsio *fs;
	const char *name; /* in sentences */
	struct err *e;
	int fd;
	int64_t size;
	uint8_t head[HEAD];
	uint8_t *frame;
	size_t page;
	uint32_t sum[2]; /* of all so far */
};

static int fail_read(struct walk *w, int code)
{
	err_sys(w->e, -code,
	    "cannot read the database's log %s; mend the cause and start again, or stop everything that uses"
	    " the database and run `godwit store salvage ADDRESS`",
	    w->name);
	return code;
}

static int fail_write(struct walk *w, int code)
{
	err_sys(w->e, -code,
	    "cannot write the database's log %s to the disk once more, as each start does; mend the cause"
	    " and start again",
	    w->name);
	return code;
}

static uint32_t big(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void add(struct walk *w, const uint8_t *p, size_t n)
{
	bool is_big = big(w->head) & 1;

	for (size_t i = 0; i < n; i += 8) {
		w->sum[0] += (is_big ? big(p + i) : little(p + i)) + w->sum[1];
		w->sum[1] += (is_big ? big(p + i + 4) : little(p + i + 4)) + w->sum[0];
	}
}

static bool is_sum(const struct walk *w, const uint8_t *p)
{
	return big(p) == w->sum[0] && big(p + 4) == w->sum[1];
}

static bool is_head(struct walk *w)
{
	uint32_t page = big(w->head + 8);

	if ((big(w->head) & ~UINT32_C(1)) != MAGIC || page < PAGE_MIN || page > PAGE_MAX ||
	    (page & (page - 1)))
		return false;
	w->page = page;
	add(w, w->head, HEAD - 8);
	return is_sum(w, w->head + HEAD - 8);
}

/* It has a page's number, the header's salts, and the sum of all up to it. */
static bool is_frame(struct walk *w)
{
	const uint8_t *f = w->frame;

	if (big(f) == 0 || memcmp(f + 8, w->head + 16, 8) != 0)
		return false;
	add(w, f, 8);
	add(w, f + FRAME_HEAD, w->page);
	return is_sum(w, f + 16);
}

static int put(struct walk *w, uint8_t *p, size_t n, int64_t at)
{
	int code = fsio_write_all(w->fs, w->fd, &(struct iovec){p, n}, 1, at);

	return code < 0 ? fail_write(w, code) : 0;
}

static int put_frames(struct walk *w)
{
	size_t n = FRAME_HEAD + w->page;
	int code = 0;

	for (int64_t at = HEAD; at + (int64_t)n <= w->size && code == 0; at += (int64_t)n) {
		code = fsio_read_all(w->fs, w->fd, w->frame, n, at);
		if (code < 0)
			return fail_read(w, code);
		if (!is_frame(w))
			return 0;
		code = put(w, w->frame, n, at);
	}
	return code;
}

static int sync_log(struct walk *w)
{
	int code = w->fs->ops->sync(w->fs, w->fd);

	if (code == 0)
		code = w->fs->ops->sync_dir(w->fs, ".");
	return code < 0 ? fail_write(w, code) : 0;
}

static int rewrite_all(struct walk *w)
{
	int code = w->size < HEAD ? 0 : fsio_read_all(w->fs, w->fd, w->head, HEAD, 0);

	if (code < 0)
		return fail_read(w, code);
	if (w->size < HEAD || !is_head(w))
		return 0; /* of it nothing is believed */
	code = put(w, w->head, HEAD, 0);
	if (code < 0)
		return code;
	w->frame = mem_alloc(FRAME_HEAD + w->page);
	code = put_frames(w);
	mem_free(w->frame);
	return code < 0 ? code : sync_log(w);
}

int log_rewrite(struct fsio *fs, const char *name, struct err *e)
{
	struct walk w = {.fs = fs, .name = name, .e = e};
	int code;

	w.fd = fs->ops->open(fs, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (w.fd < 0)
		return w.fd == -ENOENT ? 0 : fail_write(&w, w.fd);
	w.size = fs->ops->size(fs, w.fd);
	code = w.size < 0 ? fail_read(&w, (int)w.size) : rewrite_all(&w);
	fs->ops->close(fs, w.fd);
	return code;
}
