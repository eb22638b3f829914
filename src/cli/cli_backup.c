/*
 * Backup: takes from the server what the directory does not have and puts a new manifest in the place of
 * the old one when all of it is on the disk. Until then everything the old one names stays as it is: packs
 * only grow behind its ends, all else has new names.
 */
#include "cli/cli_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/wire.h"
#include "cli/cli_progress.h"
#include "cli/cli_text.h"
#include "proc/admin_call.h"

#define COPY ((size_t)64 * 1024)

struct backup {
	const char *path, *data;
	int dirfd;
	struct cli_manifest old, new;
	bool has_old, anew;
	size_t old_at; /* parts of the old one that were looked at */
	struct cli_progress progress;
	int64_t copied;

	/* the file at hand */
	int fd;
	XXH3_state_t *hash;
	struct cli_manifest_part part;
	int64_t size; /* of the database's copy */
	int64_t at;

	/* what the server is told */
	struct buf have;
	size_t told; /* of it */

	bool failed;
	struct err e;
};

static int fail(struct backup *b, const char *what, struct str name)
{
	b->failed = true;
	return err_sys(&b->e, errno, "cannot %s %.*s in %s", what, STR_FMT(name), b->path);
}

void cli_backup_pack_name(struct buf *b, struct str dir, int64_t pack)
{
	buf_str(b, dir);
	buf_byte(b, '/');
	buf_u64_pad(b, (uint64_t)pack, 10);
	buf_lit(b, ".pack");
}

/* ---- records ---- */

struct record {
	struct str type, bytes, problem;
	int64_t id, parent, anew, size, pack, generation, single, from, end;
};

static void read_record(struct str bytes, struct record *r)
{
	struct cur c = cur_of(bytes);
	struct admin_field f;

	*r = (struct record){0};
	while (admin_field_next(&c, &f) > 0) {
		const struct {
			const char *name;
			struct str *text;
			int64_t *number;
		} fields[] = {{"type", &r->type, NULL}, {"bytes", &r->bytes, NULL},
		    {"problem", &r->problem, NULL}, {"id", NULL, &r->id},
		    {"parent", NULL, &r->parent}, {"anew", NULL, &r->anew},
		    {"size", NULL, &r->size}, {"pack", NULL, &r->pack},
		    {"generation", NULL, &r->generation}, {"single", NULL, &r->single},
		    {"from", NULL, &r->from}, {"end", NULL, &r->end}};

		for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
			if (!str_eq(f.name, str_of_c(fields[i].name)))
				continue;
			if (fields[i].text && f.text.p)
				*fields[i].text = f.text;
			else if (fields[i].number)
				*fields[i].number = f.number;
		}
	}
}

/* ---- files of the backup ---- */

static int open_new(struct backup *b, struct str dir, const char *name, bool append)
{
	struct buf path;
	int fd;

	buf_init(&path, 4096);
	buf_str(&path, dir);
	buf_byte(&path, '/');
	buf_c(&path, name);
	fd = openat(b->dirfd, buf_cstr(&path),
	    O_WRONLY | O_CREAT | O_CLOEXEC | (append ? 0 : O_TRUNC), 0600);
	if (fd < 0)
		fail(b, "make", buf_view(&path));
	buf_fini(&path);
	return fd;
}

static int write_all(struct backup *b, struct str s)
{
	while (s.n > 0) {
		ssize_t n = pwrite(b->fd, s.p, s.n, b->at);

		if (n < 0 && errno != EINTR)
			return fail(b, "write", STR("a file"));
		if (n <= 0)
			continue;
		XXH3_64bits_update(b->hash, s.p, (size_t)n);
		b->at += n;
		b->copied += n;
		s = str_from(s, (size_t)n);
	}
	return 0;
}

static int make_dir(struct backup *b, struct str name)
{
	struct buf path;
	int result = 0;

	buf_init(&path, 4096);
	buf_str(&path, name);
	if (mkdirat(b->dirfd, buf_cstr(&path), 0700) < 0 && errno != EEXIST)
		result = fail(b, "make", name);
	buf_fini(&path);
	return result;
}

/* ---- the database ---- */

static int begin_database(struct backup *b)
{
	b->fd = open_new(b, b->new.files, "store.db", false);
	b->at = 0;
	XXH3_64bits_reset(b->hash);
	return b->fd < 0 ? -1 : 0;
}

static int end_database(struct backup *b)
{
	struct cli_manifest_file f = {STR("store.db"), b->size, 0600, XXH3_64bits_digest(b->hash)};

	close(b->fd);
	b->fd = -1;
	cli_manifest_add_file(&b->new, &f);
	return 0;
}

/* Is this what the directory has backups of? */
static int take_store(struct backup *b, const struct record *r)
{
	struct buf name;

	if (b->has_old && r->id != b->old.store && r->parent != b->old.store) {
		b->failed = true;
		return err_set(&b->e,
		    "%s holds the backup of another data directory (of %.*s): name another directory",
		    b->path, STR_FMT(b->old.hostname));
	}
	b->anew = r->anew || !b->has_old;
	b->new.store = r->id;
	b->size = r->size;
	buf_init(&name, 64);
	buf_printf(&name, "packs-%lld", (long long)b->new.created);
	b->new.packs = b->anew ? arena_str(b->new.arena, buf_view(&name)) : b->old.packs;
	buf_fini(&name);
	if (make_dir(b, b->new.packs) < 0)
		return -1;
	return begin_database(b);
}

/* ---- packs ---- */

/* The parts that are there already. */
static void keep_parts(struct backup *b, const struct record *r)
{
	while (!b->anew && b->old_at < b->old.nparts && b->old.part[b->old_at].pack <= r->pack) {
		const struct cli_manifest_part *p = &b->old.part[b->old_at++];

		if (p->pack == r->pack && p->to <= r->from)
			cli_manifest_add_part(&b->new, p);
	}
}

static int begin_pack(struct backup *b, const struct record *r)
{
	struct buf name;

	keep_parts(b, r);
	b->part = (struct cli_manifest_part){
	    r->pack, r->generation, r->from, r->end, r->single != 0, 0};
	b->at = r->from;
	XXH3_64bits_reset(b->hash);
	if (r->from == r->end)
		return 0;
	buf_init(&name, 64);
	cli_backup_pack_name(&name, STR(""), r->pack);
	b->fd = open_new(b, b->new.packs, buf_cstr(&name) + 1, true);
	buf_fini(&name);
	/* what an interrupted backup left behind the end */
	if (b->fd >= 0 && ftruncate(b->fd, r->from) < 0)
		return fail(b, "write", b->new.packs);
	return b->fd < 0 ? -1 : 0;
}

static int end_pack(struct backup *b, const struct record *r)
{
	if (r->problem.n) {
		b->new.lost++;
		cli_progress_clear(&b->progress);
		(void)cli_fail(EX_DATAERR, "pack %lld is not whole in the backup: %.*s",
		    (long long)b->part.pack, STR_FMT(r->problem));
	} else if (b->part.from < b->part.to) {
		b->part.sum = XXH3_64bits_digest(b->hash);
		cli_manifest_add_part(&b->new, &b->part);
	}
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	return 0;
}

static int take(struct backup *b, const struct record *r)
{
	if (str_eq(r->type, STR("store")))
		return take_store(b, r);
	if (str_eq(r->type, STR("pack")))
		return begin_pack(b, r);
	if (str_eq(r->type, STR("end")))
		return end_pack(b, r);
	if (!str_eq(r->type, STR("data")))
		return 0;
	if (write_all(b, r->bytes) < 0)
		return -1;
	return b->new.nfiles == 0 && b->at == b->size ? end_database(b) : 0;
}

static bool on_record(void *ctx, struct str bytes)
{
	struct backup *b = ctx;
	struct record r;

	read_record(bytes, &r);
	if (take(b, &r) < 0)
		return false;
	cli_progress_show(&b->progress, "copied", -1, b->copied);
	return true;
}

/* Pack and end of what is there, in order. */
static void put_have(struct backup *b)
{
	int64_t end = 0;

	for (size_t i = 0; i < b->old.nparts;) {
		wire_i64(&b->have, b->old.part[i].pack);
		i = cli_manifest_pack(&b->old, i, &end);
		wire_i64(&b->have, end);
	}
}

static size_t tell(void *ctx, uint8_t *p, size_t n, bool *last_r)
{
	struct backup *b = ctx;
	struct str part = str_sub(str_from(buf_view(&b->have), b->told), 0, n);

	if (part.n > 0)
		memcpy(p, part.p, part.n);
	b->told += part.n;
	*last_r = b->told == b->have.n;
	return part.n;
}

/* ---- the administrator's files ---- */

static int copy_file(struct backup *b, const char *name)
{
	struct cli_manifest_file f = {.name = str_of_c(name)};
	uint8_t *bytes = mem_alloc(COPY);
	struct buf path;
	struct stat st;
	ssize_t n = -1;
	int from;

	buf_init(&path, 8192);
	buf_printf(&path, "%s/%s", b->data, name);
	from = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	b->at = 0;
	XXH3_64bits_reset(b->hash);
	b->fd = from < 0 ? -1 : open_new(b, b->new.files, name, false);
	if (b->fd >= 0 && fstat(from, &st) == 0)
		while ((n = read(from, bytes, COPY)) > 0 &&
		       write_all(b, str_of(bytes, (size_t)n)) == 0)
			continue;
	if (n != 0 && !b->failed) {
		b->failed = true;
		err_sys(&b->e, errno, "cannot read %s", buf_cstr(&path));
	} else if (n == 0) {
		f.mode = st.st_mode & 0777;
		f.size = b->at;
		f.sum = XXH3_64bits_digest(b->hash);
		cli_manifest_add_file(&b->new, &f);
	}
	if (from >= 0)
		close(from);
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	buf_fini(&path);
	mem_free(bytes);
	return b->failed ? -1 : 0;
}

/* godwit.conf and what lies in tls/. */
static int copy_files(struct backup *b)
{
	struct buf name;
	struct dirent *d;
	DIR *dir;
	int result = copy_file(b, "godwit.conf");

	buf_init(&name, 8192);
	buf_printf(&name, "%s/tls", b->data);
	dir = opendir(buf_cstr(&name));
	while (result == 0 && dir && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		buf_clear(&name);
		buf_printf(&name, "tls/%s", d->d_name);
		result = copy_file(b, buf_cstr(&name));
	}
	if (dir)
		closedir(dir);
	buf_fini(&name);
	return result;
}

/* ---- the directory ---- */

static bool belongs(const struct cli_manifest *m, struct str name)
{
	return str_eq(name, m->packs) || str_eq(name, m->files) ||
	       str_eq(name, STR(CLI_MANIFEST_NAME)) || str_eq(name, STR("lock"));
}

static void remove_below(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL) {
		struct str s = str_of_c(d->d_name);

		if (str_eq(s, STR(".")) || str_eq(s, STR("..")))
			continue;
		if (unlinkat(fd, d->d_name, 0) < 0)
			remove_below(fd, d->d_name);
	}
	if (dir)
		closedir(dir);
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

/* "packs-" or "files-" and a moment. */
static bool is_ours(struct str name)
{
	uint64_t n;

	return (str_has_prefix(name, STR("packs-")) || str_has_prefix(name, STR("files-"))) &&
	       str_to_u64(str_from(name, 6), INT64_MAX, &n);
}

/* Directories of ours that the manifest does not name: of backups before, or broken off. */
static void clean_up(struct backup *b, const struct cli_manifest *m)
{
	DIR *dir = fdopendir(openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL) {
		if (is_ours(str_of_c(d->d_name)) && !belongs(m, str_of_c(d->d_name)))
			remove_below(b->dirfd, d->d_name);
	}
	if (dir)
		closedir(dir);
}

/* Packs that the new manifest does not name any more. */
static void clean_packs(struct backup *b)
{
	struct buf name;
	int64_t end = 0, pack;

	buf_init(&name, 4096);
	for (size_t i = 0, k = 0; i < b->old.nparts && !b->anew;) {
		pack = b->old.part[i].pack;
		i = cli_manifest_pack(&b->old, i, &end);
		while (k < b->new.nparts && b->new.part[k].pack < pack)
			k++;
		if (k < b->new.nparts && b->new.part[k].pack == pack)
			continue;
		buf_clear(&name);
		cli_backup_pack_name(&name, b->old.packs, pack);
		(void)unlinkat(b->dirfd, buf_cstr(&name), 0);
	}
	buf_fini(&name);
}

/* It is empty, or a backup. */
static bool may_hold(struct backup *b)
{
	DIR *dir = fdopendir(openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *d;
	bool good = true;

	while (dir && (d = readdir(dir)) != NULL) {
		struct str s = str_of_c(d->d_name);

		good = good && (s.p[0] == '.' || is_ours(s) || belongs(&b->old, s) ||
				   str_eq(s, STR("manifest.new")));
	}
	if (dir)
		closedir(dir);
	return good;
}

static int open_target(struct backup *b)
{
	struct err e = {""};
	int lock;

	if (mkdir(b->path, 0700) < 0 && errno != EEXIST)
		return cli_fail(
		    EX_CANTCREAT, "cannot make the directory %s: %s", b->path, strerror(errno));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dirfd < 0)
		return cli_fail(
		    EX_CANTCREAT, "cannot open the directory %s: %s", b->path, strerror(errno));
	switch (cli_manifest_read(&b->old, b->dirfd, b->path, &e)) {
	case CLI_MANIFEST_BAD:
		return cli_fail(EX_DATAERR, "%s: name another directory", e.text);
	case CLI_MANIFEST_OK:
		b->has_old = true;
		break;
	case CLI_MANIFEST_NONE:
		break;
	}
	if (!may_hold(b))
		return cli_fail(EX_CANTCREAT,
		    "%s holds other files: name a directory that is empty or holds a backup",
		    b->path);
	lock = openat(b->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return cli_fail(EX_TEMPFAIL, "another backup into %s is under way", b->path);
	return EX_OK; /* the lock is held until the process ends */
}

/* ---- the command ---- */

static int call(struct cli *cli, struct backup *b)
{
	struct admin_request request = {.command = ADMIN_BACKUP, .nargs = 1};
	struct buf text, store;
	struct admin_call call = {.dir = cli_data_dir(cli),
	    .request = &request,
	    .record = on_record,
	    .feed = tell,
	    .ctx = b,
	    .apart = true,
	    .text = &text};
	int code;

	buf_init(&text, LIMIT_IPC_PAYLOAD);
	buf_init(&store, 24);
	buf_i64(&store, b->old.store);
	request.args[0] = buf_view(&store);
	put_have(b);
	code = admin_call(&call);
	cli_progress_clear(&b->progress);
	if (b->failed)
		code = cli_fail(EX_CANTCREAT, "%s", b->e.text);
	else if (code != EX_OK)
		(void)cli_fail(code, "%s", buf_cstr(&text));
	buf_fini(&text);
	buf_fini(&store);
	return code;
}

static int complete(struct backup *b)
{
	struct err e = {""};
	struct buf size;

	if (syncfs(b->dirfd) < 0)
		return cli_fail(
		    EX_IOERR, "cannot write %s to the disk: %s", b->path, strerror(errno));
	if (cli_manifest_write(&b->new, b->dirfd, &e) < 0)
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	clean_packs(b);
	clean_up(b, &b->new);
	buf_init(&size, 64);
	cli_text_bytes(&size, b->copied);
	printf("backup complete: %lld octets (%s) copied%s\n", (long long)b->copied,
	    buf_cstr(&size), b->new.lost ? "; some packs are not whole" : "");
	buf_fini(&size);
	return b->new.lost ? EX_DATAERR : EX_OK;
}

static void name_files(struct backup *b)
{
	struct buf name;

	buf_init(&name, 64);
	buf_printf(&name, "files-%lld", (long long)b->new.created);
	b->new.files = arena_str(b->new.arena, buf_view(&name));
	buf_clear(&name);
	buf_printf(&name, "files-%lld/tls", (long long)b->new.created);
	if (make_dir(b, b->new.files) == 0)
		make_dir(b, buf_view(&name));
	buf_fini(&name);
}

static int run(struct cli *cli, struct backup *b)
{
	int code = open_target(b);

	if (code != EX_OK)
		return code;
	clean_up(b, &b->old);
	b->new.created = clock_now();
	if (b->has_old && b->new.created <= b->old.created)
		b->new.created = b->old.created + 1; /* names are new whatever the clock does */
	name_files(b);
	code = b->failed ? cli_fail(EX_CANTCREAT, "%s", b->e.text) : call(cli, b);
	if (code == EX_OK && copy_files(b) < 0)
		code = cli_fail(EX_IOERR, "%s", b->e.text);
	if (code == EX_OK)
		code = complete(b);
	return code;
}

int cli_backup(struct cli *cli)
{
	struct backup b = {.path = cli->args.operands[0],
	    .data = cli_data_dir(cli),
	    .dirfd = -1,
	    .fd = -1,
	    .hash = XXH3_createState()};
	char host[256] = "";
	int code;

	cli_manifest_init(&b.old);
	cli_manifest_init(&b.new);
	cli_progress_init(&b.progress);
	buf_init(&b.have, 16 * CLI_MANIFEST_PARTS);
	(void)gethostname(host, sizeof host - 1);
	b.new.hostname = str_of_c(host);
	code = run(cli, &b);
	if (b.fd >= 0)
		close(b.fd);
	if (b.dirfd >= 0)
		close(b.dirfd);
	XXH3_freeState(b.hash);
	buf_fini(&b.have);
	cli_manifest_fini(&b.old);
	cli_manifest_fini(&b.new);
	return code;
}
