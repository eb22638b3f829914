/* Manifests: lines of words, the last one a checksum of all before it. */
#include "cli/cli_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "cli/cli_below.h"
#include "cli/cli_write.h"
#include "store/datadir.h"
#include "store/restore.h"

#define FORMAT   1
#define TEXT_MAX (1024 * MIB)
#define NEW_NAME "manifest.new"

/* The third number of a part. */
enum {
	PART_SINGLE = 1,
	PART_HOLES = 2,
};

void cli_manifest_init(struct cli_manifest *m)
{
	*m = (struct cli_manifest){.arena = arena_new()};
}

void cli_manifest_fini(struct cli_manifest *m)
{
	arena_free(&m->arena);
	mem_free(m->file);
	mem_free(m->part);
	*m = (struct cli_manifest){0};
}

/* The name of a file or directory in its own. */
static bool is_part(struct str s)
{
	return s.n > 0 && str_find(s, '/') == s.n && !str_eq(s, STR(".")) &&
	       str_find_str(s, STR("..")) == s.n && !str_has_cntrl(s);
}

bool cli_manifest_is_reserved(struct str s)
{
	static const char *const names[] = {DATADIR_COPY, DATADIR_SALVAGED, DATADIR_PACKS,
	    DATADIR_RUN, DATADIR_LOCK, DATADIR_RESERVE, RESTORE_MARK, "tls"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eq(s, str_of_c(names[i])))
			return true;
	return str_has_prefix(s, STR(DATADIR_DB "-"));
}

bool cli_manifest_is_name(struct str s)
{
	if (str_has_prefix(s, STR("tls/")))
		return is_part(str_from(s, 4));
	return is_part(s) && !cli_manifest_is_reserved(s);
}

void cli_manifest_add_file(struct cli_manifest *m, const struct cli_manifest_file *f)
{
	m->file = mem_grow(m->file, m->nfiles, &m->files_cap, sizeof *m->file);
	m->file[m->nfiles] = *f;
	m->file[m->nfiles++].name = arena_str(m->arena, f->name);
}

void cli_manifest_add_part(struct cli_manifest *m, const struct cli_manifest_part *p)
{
	m->part = mem_grow(m->part, m->nparts, &m->parts_cap, sizeof *m->part);
	m->part[m->nparts++] = *p;
}

size_t cli_manifest_pack(const struct cli_manifest *m, size_t i, int64_t *end_r)
{
	size_t next = i;

	while (next < m->nparts && m->part[next].pack == m->part[i].pack)
		*end_r = m->part[next++].to;
	return next;
}

/* ---- writing ---- */

static void put_hex(struct buf *b, uint64_t n)
{
	buf_printf(b, "%016llx", (unsigned long long)n);
}

static void put_word(struct buf *b, const char *name, struct str value)
{
	buf_c(b, name);
	buf_byte(b, ' ');
	buf_str(b, value);
	buf_byte(b, '\n');
}

static void put_text(struct buf *b, const struct cli_manifest *m)
{
	buf_printf(b, "godwit-backup %d\nstore %lld", FORMAT, (long long)m->store);
	if (m->mark)
		buf_printf(b, " %lld", (long long)m->mark); /* an earlier version reads over it */
	buf_printf(b, "\ncreated %lld\nlost %lld\n", (long long)m->created, (long long)m->lost);
	put_word(b, "hostname", m->hostname);
	put_word(b, "packs", m->packs);
	put_word(b, "files", m->files);
	for (size_t i = 0; i < m->nfiles; i++) {
		const struct cli_manifest_file *f = &m->file[i];

		buf_printf(b, "file %u %lld ", f->mode, (long long)f->size);
		put_hex(b, f->sum);
		buf_byte(b, ' ');
		buf_str(b, f->name);
		buf_byte(b, '\n');
	}
	for (size_t i = 0; i < m->nparts; i++) {
		const struct cli_manifest_part *p = &m->part[i];

		buf_printf(b, "part %lld %lld %d %lld %lld ", (long long)p->pack,
		    (long long)p->generation,
		    (p->single ? PART_SINGLE : 0) | (p->holes ? PART_HOLES : 0), (long long)p->from,
		    (long long)p->to);
		put_hex(b, p->sum);
		buf_byte(b, '\n');
	}
	buf_lit(b, "sum ");
	put_hex(b, XXH3_64bits(b->p, b->n - 4));
	buf_byte(b, '\n');
}

int cli_manifest_write(const struct cli_manifest *m, int dirfd, struct err *e)
{
	struct buf b;
	bool good;
	int fd;

	(void)unlinkat(dirfd, NEW_NAME, 0); /* of a backup that was broken off, or a link */
	fd = openat(dirfd, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	buf_init(&b, TEXT_MAX);
	put_text(&b, m);
	good = fd >= 0 && !b.overflow && cli_write_all(fd, buf_view(&b)) == 0 && fsync(fd) == 0 &&
	       renameat(dirfd, NEW_NAME, dirfd, CLI_MANIFEST_NAME) == 0 && fsync(dirfd) == 0;
	if (!good)
		err_sys(e, b.overflow ? EFBIG : errno, "cannot write the manifest of the backup");
	if (fd >= 0)
		close(fd);
	buf_fini(&b);
	return good ? 0 : -1;
}

/* ---- reading ---- */

struct line {
	struct str rest;
	bool bad;
};

static struct str word(struct line *l)
{
	return str_split(l->rest, ' ', &l->rest);
}

static int64_t number(struct line *l)
{
	uint64_t n = 0;

	if (!str_to_u64(word(l), INT64_MAX, &n))
		l->bad = true;
	return (int64_t)n;
}

static uint64_t hex(struct line *l)
{
	struct str s = word(l);
	uint64_t n = 0;

	l->bad = l->bad || s.n != 16;
	for (size_t i = 0; i < s.n && !l->bad; i++) {
		l->bad = ascii_hex(s.p[i]) < 0;
		n = n << 4 | (uint64_t)(ascii_hex(s.p[i]) & 15);
	}
	return n;
}

static struct str file_name(struct line *l)
{
	l->bad = l->bad || !cli_manifest_is_name(l->rest);
	return l->rest;
}

static struct str directory(struct line *l)
{
	l->bad = l->bad || !is_part(l->rest);
	return l->rest;
}

static void read_file(struct cli_manifest *m, struct line *l)
{
	struct cli_manifest_file f = {0};

	f.mode = (unsigned)number(l) & 0777;
	f.size = number(l);
	f.sum = hex(l);
	f.name = file_name(l);
	if (!l->bad)
		cli_manifest_add_file(m, &f);
}

/* In order: by pack, each part where the one before ended. */
static bool follows(const struct cli_manifest *m, const struct cli_manifest_part *p)
{
	const struct cli_manifest_part *last = m->nparts ? &m->part[m->nparts - 1] : NULL;

	if (p->pack <= 0 || p->from >= p->to || m->nparts >= CLI_MANIFEST_PARTS)
		return false;
	if (!last || last->pack < p->pack)
		return p->from == 0;
	return last->pack == p->pack && last->to == p->from;
}

static void read_part(struct cli_manifest *m, struct line *l)
{
	struct cli_manifest_part p = {0};
	int64_t flags;

	p.pack = number(l);
	p.generation = number(l);
	flags = number(l);
	p.single = (flags & PART_SINGLE) != 0;
	p.holes = (flags & PART_HOLES) != 0;
	p.from = number(l);
	p.to = number(l);
	p.sum = hex(l);
	l->bad = l->bad || !follows(m, &p);
	if (!l->bad)
		cli_manifest_add_part(m, &p);
}

static void read_store(struct cli_manifest *m, struct line *l)
{
	m->store = number(l);
	m->mark = l->rest.n > 0 ? number(l) : 0;
}

static bool read_line(struct cli_manifest *m, struct str text)
{
	struct line l = {.rest = text};
	struct str what = word(&l);

	if (str_eq(what, STR("part")))
		read_part(m, &l);
	else if (str_eq(what, STR("file")))
		read_file(m, &l);
	else if (str_eq(what, STR("store")))
		read_store(m, &l);
	else if (str_eq(what, STR("created")))
		m->created = number(&l);
	else if (str_eq(what, STR("lost")))
		m->lost = number(&l);
	else if (str_eq(what, STR("hostname")))
		m->hostname = arena_str(m->arena, l.rest);
	else if (str_eq(what, STR("packs")))
		m->packs = arena_str(m->arena, directory(&l));
	else if (str_eq(what, STR("files")))
		m->files = arena_str(m->arena, directory(&l));
	else
		l.bad = true;
	return !l.bad;
}

/* The text without its first and last line, when those are right. */
static bool take_frame(struct str *text, struct err *e, const char *path)
{
	static const size_t last = 4 + 16 + 1;
	struct str first, rest = *text;
	struct line l;

	first = str_split(rest, '\n', &rest);
	if (!str_eq(first, STR("godwit-backup 1"))) {
		err_set(e,
		    str_has_prefix(first, STR("godwit-backup "))
			? "%s is a backup of a newer version of godwit, which alone reads it"
			: "%s/" CLI_MANIFEST_NAME " is no manifest of a backup",
		    path);
		return false;
	}
	l = (struct line){.rest = str_trim(str_from(*text, text->n - last + 4))};
	if (rest.n < last || !str_has_prefix(str_from(*text, text->n - last), STR("sum ")) ||
	    hex(&l) != XXH3_64bits(text->p, text->n - last) || l.bad) {
		err_set(e, "the manifest of the backup %s is damaged", path);
		return false;
	}
	*text = str_sub(rest, 0, rest.n - last);
	return true;
}

static bool parse(struct cli_manifest *m, struct str text, const char *path, struct err *e)
{
	if (!take_frame(&text, e, path))
		return false;
	while (text.n > 0) {
		if (!read_line(m, str_split(text, '\n', &text))) {
			err_set(e,
			    "the manifest of the backup %s is damaged: what stands in it makes no sense",
			    path);
			return false;
		}
	}
	return true;
}

/* 0 or an errno value. */
static int read_all(int fd, struct buf *b)
{
	ssize_t n = 1;

	while (n > 0) {
		uint8_t *p = buf_reserve(b, 64 * KIB);

		if (!p)
			return EFBIG;
		n = read(fd, p, 64 * KIB);
		if (n > 0)
			buf_advance(b, (size_t)n);
	}
	return n == 0 ? 0 : errno;
}

enum cli_manifest_code cli_manifest_read(
    struct cli_manifest *m, int dirfd, const char *path, struct err *e)
{
	int fd = cli_below_file(dirfd, STR(CLI_MANIFEST_NAME));
	enum cli_manifest_code code = CLI_MANIFEST_BAD;
	struct buf b;
	int failed;

	if (fd < 0 && errno == ENOENT)
		return CLI_MANIFEST_NONE;
	buf_init(&b, TEXT_MAX);
	failed = fd < 0 ? errno : read_all(fd, &b);
	if (failed)
		err_set(
		    e, "cannot read %s/" CLI_MANIFEST_NAME ": %s", path, cli_below_reason(failed));
	else if (parse(m, buf_view(&b), path, e))
		code = CLI_MANIFEST_OK;
	if (fd >= 0)
		close(fd);
	buf_fini(&b);
	return code;
}
