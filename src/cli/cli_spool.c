/*
 * Octets pass through base/dot, the one place that knows line ends, on their way to the file; the
 * single dot is looked for before that, in what came, where lines end as the local system ends them.
 */
#include "cli/cli_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/dot.h"
#include "base/limits.h"
#include "cli/cli_write.h"

/* Looks for a line that holds a single dot. */
enum dot_search {
	LINE_START,
	AFTER_DOT,
	AFTER_DOT_CR,
	IN_LINE,
	FOUND
};

struct reading {
	struct cli_spool spool;
	int in;
	bool dot_ends;
	enum dot_search search;
	struct dot_in lines;
	struct buf out;
	struct err *e;
};

static enum dot_search search_step(enum dot_search state, uint8_t c)
{
	if (c == '\n')
		return state == AFTER_DOT || state == AFTER_DOT_CR ? FOUND : LINE_START;
	if (state == LINE_START && c == '.')
		return AFTER_DOT;
	return state == AFTER_DOT && c == '\r' ? AFTER_DOT_CR : IN_LINE;
}

/* Octets of in before the line end behind a single dot, or all. */
static size_t search_dot(struct reading *r, struct str in)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		r->search = search_step(r->search, in.p[i]);
		if (r->search == FOUND)
			break;
	}
	return i;
}

static enum cli_spool_status flush(struct reading *r)
{
	struct str s = buf_view(&r->out);

	if (cli_write_all(r->spool.fd, s) < 0) {
		err_sys(r->e, errno, "cannot keep the message in a temporary file");
		return CLI_SPOOL_FAILED;
	}
	r->spool.size += s.n;
	r->spool.has_8bit |= str_has_8bit(s);
	buf_clear(&r->out);
	if (r->spool.size <= LIMIT_MESSAGE_SIZE)
		return CLI_SPOOL_OK;
	err_set(
	    r->e, "the message is larger than %llu octets", (unsigned long long)LIMIT_MESSAGE_SIZE);
	return CLI_SPOOL_TOO_LARGE;
}

static enum cli_spool_status take(struct reading *r, struct str in)
{
	enum cli_spool_status status = CLI_SPOOL_OK;

	while (in.n && status == CLI_SPOOL_OK) {
		size_t used;

		dot_in_feed(&r->lines, in, &used, &r->out);
		in = str_from(in, used);
		status = flush(r);
	}
	return status;
}

/* The last line: without the single dot, or with the line end it lacked. */
static enum cli_spool_status finish(struct reading *r)
{
	bool midline;

	if (r->search == FOUND) {
		r->spool.size--;
		return CLI_SPOOL_OK;
	}
	dot_in_finish(&r->lines, &r->out, &midline);
	if (midline)
		buf_lit(&r->out, "\r\n");
	return flush(r);
}

static enum cli_spool_status read_all(struct reading *r)
{
	enum cli_spool_status status = CLI_SPOOL_OK;
	uint8_t bytes[16384];

	while (status == CLI_SPOOL_OK && r->search != FOUND) {
		ssize_t n = read(r->in, bytes, sizeof bytes);
		struct str in = {bytes, n > 0 ? (size_t)n : 0};

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR) {
			err_sys(r->e, errno, "cannot read the message from standard input");
			return CLI_SPOOL_FAILED;
		}
		if (r->dot_ends)
			in.n = search_dot(r, in);
		status = take(r, in);
	}
	return status == CLI_SPOOL_OK ? finish(r) : status;
}

/* A file without a name: on disk, or in memory where there is no place for it on disk. */
static int open_unnamed(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : memfd_create("godwit-message", MFD_CLOEXEC);
}

enum cli_spool_status cli_spool_read(struct cli_spool *s_r, int in, bool dot_ends, struct err *e)
{
	struct reading r = {.in = in, .dot_ends = dot_ends, .e = e};
	enum cli_spool_status status;

	r.spool.fd = open_unnamed();
	if (r.spool.fd < 0) {
		err_sys(e, errno, "cannot make a temporary file");
		return CLI_SPOOL_FAILED;
	}
	dot_in_init(&r.lines, false, true);
	buf_init(&r.out, 64 * KIB);
	status = read_all(&r);
	buf_fini(&r.out);
	r.spool.has_bare_cr = r.lines.bare_cr;
	if (status == CLI_SPOOL_OK)
		*s_r = r.spool;
	else
		close(r.spool.fd);
	return status;
}

void cli_spool_fini(struct cli_spool *s)
{
	close(s->fd);
	*s = (struct cli_spool){.fd = -1};
}

int cli_spool_get(const struct cli_spool *s, uint64_t at, size_t max, struct buf *out)
{
	uint64_t left = at < s->size ? s->size - at : 0;
	uint8_t *to;
	ssize_t n;

	if (max > left)
		max = (size_t)left;
	while (max) {
		to = buf_reserve(out, max);
		n = to ? pread(s->fd, to, max, (off_t)at) : -1;
		if (n <= 0)
			return -1;
		buf_advance(out, (size_t)n);
		at += (uint64_t)n;
		max -= (size_t)n;
	}
	return 0;
}
