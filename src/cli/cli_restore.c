/*
 * Restore. Everything: each file is compared with its checksum on its way into a directory that gets its
 * lock, and so becomes a data directory, at the very end; broken off, it is begun again in the same place.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/cli_backup.h"
#include "cli/cli_below.h"
#include "cli/cli_owner.h"
#include "cli/cli_progress.h"
#include "cli/cli_restore_target.h"
#include "cli/cli_text.h"
#include "config/config.h"
#include "store/restore.h"

#define COPY  ((int64_t)256 * 1024)
#define BLOCK 4096

const struct cli_option cli_restore_options[] = {
    {"account", 0, "ADDRESS",
	"Only the mail of this account, into the data directory that is there."},
    {"message-id", 0, "ID", "Only this message: its id, or its Message-ID."},
    {"verify", 0, NULL, "Restores nothing: only compares everything with its checksums."},
    {0},
};

struct restoring {
	const struct cli_manifest *m;
	int source;
	const char *source_path;
	struct cli_restore_target target;
	XXH3_state_t *hash;
	uint8_t *bytes;
	struct cli_progress progress;
	int64_t copied, damaged;
	bool verify; /* nothing is written */
};

/* ---- copying ---- */

enum copied {
	COPY_DONE,
	COPY_UNREAD,    /* the backup does not give them; errno, ENODATA at the end of the file */
	COPY_UNWRITTEN, /* the target does not take them; errno */
};

/* A file on its way. */
struct copy {
	struct buf from_name, to_name;
	int from, to;
	int64_t by_blocks; /* up to here: a read of more at once has failed */
	bool pack;
};

static bool write_all(int fd, struct str s, int64_t at)
{
	while (s.n > 0) {
		ssize_t n = pwrite(fd, s.p, s.n, at);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			s = str_from(s, (size_t)n);
			at += n;
		}
	}
	return true;
}

/* Where the block of a disk ends that is at hand. */
static int64_t block_end(int64_t at, int64_t end)
{
	int64_t next = (at / BLOCK + 1) * BLOCK;

	return next < end ? next : end;
}

/* Up to as many as there is room for; where not all of those can be read, each block is asked for once. */
static ssize_t read_some(struct restoring *r, struct copy *c, int64_t at, int64_t end)
{
	int64_t block = block_end(at, end), whole = end - at < COPY ? end : at + COPY;
	ssize_t n;

	if (at >= c->by_blocks && whole > block) {
		n = pread(c->from, r->bytes, (size_t)(whole - at), at);
		if (n >= 0 || errno != EIO)
			return n;
		c->by_blocks = whole;
	}
	return pread(c->from, r->bytes, (size_t)(block - at), at);
}

/* Octets from *at to end; what is not copied begins at *at then. */
static enum copied copy_octets(struct restoring *r, struct copy *c, int64_t *at, int64_t end)
{
	while (*at < end) {
		ssize_t n = read_some(r, c, *at, end);

		if (n <= 0) {
			errno = n == 0 ? ENODATA : errno;
			return COPY_UNREAD;
		}
		XXH3_64bits_update(r->hash, r->bytes, (size_t)n);
		if (!r->verify && !write_all(c->to, str_of(r->bytes, (size_t)n), *at))
			return COPY_UNWRITTEN;
		*at += n;
		r->copied += n;
		cli_progress_show(&r->progress, "restored", -1, r->copied);
	}
	return COPY_DONE;
}

static void copy_init(struct copy *c)
{
	*c = (struct copy){.from = -1, .to = -1};
	buf_init(&c->from_name, 4096);
	buf_init(&c->to_name, 4096);
}

static void copy_fini(struct copy *c)
{
	if (c->from >= 0)
		close(c->from);
	if (c->to >= 0)
		close(c->to);
	buf_fini(&c->from_name);
	buf_fini(&c->to_name);
}

static void open_from(const struct restoring *r, struct copy *c)
{
	c->from = cli_below_file(r->source, buf_view(&c->from_name));
}

/* What the target does not take ends the restore, from errno. */
static int cannot_write(struct restoring *r, struct copy *c)
{
	int code = errno;

	cli_progress_clear(&r->progress);
	return cli_fail(EX_IOERR,
	    "cannot write %s/%s: %s; the restore is broken off, run it again when that is mended",
	    r->target.path, buf_cstr(&c->to_name), err_reason(code));
}

static int open_to(struct restoring *r, struct copy *c)
{
	if (r->verify)
		return EX_OK;
	c->to = cli_restore_target_file(&r->target, buf_cstr(&c->to_name));
	return c->to < 0 ? cannot_write(r, c) : EX_OK;
}

/*
 * For who compares only. Of a pack the backup may have the only copy that is any good; where it lacks octets it loses
 * nothing by the next backup, nor with what each backup copies.
 */
static const char *what_helps(const struct copy *c, int code)
{
	if (!c->pack)
		return "the next backup copies it anew";
	if (code == ENOENT || code == ENODATA)
		return "the next backup copies again what is missing";
	return "make a new backup into another directory; or, where \"godwit store verify\" finds "
	       "nothing damaged, remove that file, and the next backup into this one copies it again";
}

static void say_damaged(struct restoring *r, struct copy *c)
{
	r->damaged++;
	cli_progress_clear(&r->progress);
	(void)cli_fail(EX_DATAERR, "%s in the backup differs from its checksum; %s",
	    buf_cstr(&c->from_name), r->verify ? what_helps(c, 0) : "it is restored as it is");
}

static const char *why_unread(int code)
{
	if (code == ENOENT)
		return "it is missing";
	return code == ENODATA ? "it ends too early" : cli_below_reason(code);
}

/* From errno: it is not there, ends too early, or its disk does not give it. then: what comes of it. */
static int say_unread(struct restoring *r, struct copy *c, const char *then)
{
	int code = errno;

	r->damaged++;
	cli_progress_clear(&r->progress);
	return cli_fail(EX_DATAERR, "cannot read %s in the backup: %s; %s", buf_cstr(&c->from_name),
	    why_unread(code), r->verify ? what_helps(c, code) : then);
}

static bool is_database(const struct cli_manifest_file *f)
{
	return str_eq(f->name, STR("store.db"));
}

#define REST "the rest is restored without it"

/* Without the database and the configuration nothing is restored; else it goes on, without what there is of the file. */
static int unread(struct restoring *r, const struct cli_manifest_file *f, struct copy *c)
{
	bool needed = is_database(f) || str_eq(f->name, STR("godwit.conf"));
	int code = say_unread(
	    r, c, needed ? "nothing can be restored without it: use another backup" : REST);

	if (!r->verify)
		cli_restore_target_remove(&r->target, buf_cstr(&c->to_name));
	return needed && !r->verify ? code : EX_OK;
}

static int copy_content(struct restoring *r, const struct cli_manifest_file *f, struct copy *c)
{
	enum copied copied;
	int64_t at = 0;
	bool good;

	XXH3_64bits_reset(r->hash);
	copied = copy_octets(r, c, &at, f->size);
	if (copied == COPY_UNREAD)
		return unread(r, f, c);
	if (copied == COPY_UNWRITTEN ||
	    (!r->verify && fchmod(c->to, is_database(f) ? 0600 : f->mode) < 0))
		return cannot_write(r, c);
	good = XXH3_64bits_digest(r->hash) == f->sum;
	if (!good && is_database(f) && !r->verify)
		return cli_fail(EX_DATAERR,
		    "the database in the backup %s is damaged; use another backup", r->source_path);
	if (!good)
		say_damaged(r, c);
	return EX_OK;
}

/* One of the files; the database must be what it was. */
static int copy_file(struct restoring *r, const struct cli_manifest_file *f)
{
	struct copy c;
	int code;

	copy_init(&c);
	buf_printf(&c.from_name, "%.*s/%.*s", STR_FMT(r->m->files), STR_FMT(f->name));
	buf_str(&c.to_name, f->name);
	open_from(r, &c);
	code = c.from < 0 ? unread(r, f, &c) : open_to(r, &c);
	if (c.from >= 0 && code == EX_OK)
		code = copy_content(r, f, &c);
	copy_fini(&c);
	return code;
}

/* What a copy of a pack has met. */
struct met {
	bool differing;
	int error; /* of the first octets that could not be read; 0: none */
};

static void meet_unread(struct met *met)
{
	if (met->error == 0)
		met->error = errno;
}

/* A block that its disk does not give is passed over, and stays a hole. */
static enum copied copy_part(
    struct restoring *r, struct copy *c, const struct cli_manifest_part *p, struct met *met)
{
	enum copied copied;
	int64_t at = p->from;

	XXH3_64bits_reset(r->hash);
	while ((copied = copy_octets(r, c, &at, p->to)) == COPY_UNREAD && errno == EIO) {
		meet_unread(met);
		at = block_end(at, p->to);
		if (!r->verify && ftruncate(c->to, at) < 0)
			return COPY_UNWRITTEN;
	}
	if (copied == COPY_UNREAD)
		meet_unread(met);
	met->differing = met->differing || (!p->holes && XXH3_64bits_digest(r->hash) != p->sum);
	return copied;
}

/* Parts i to next; what is there of them is worth having. */
static int copy_parts(struct restoring *r, size_t i, size_t next, struct copy *c)
{
	enum copied copied = COPY_DONE;
	struct met met = {0};

	for (; i < next && copied == COPY_DONE; i++)
		copied = copy_part(r, c, &r->m->part[i], &met);
	if (copied == COPY_UNWRITTEN)
		return cannot_write(r, c);
	errno = met.error;
	if (met.error)
		(void)say_unread(r, c, "what can be read of it is restored");
	else if (met.differing)
		say_damaged(r, c);
	return EX_OK;
}

/* All parts of the pack that part i begins; *next_r the part behind them. */
static int copy_pack(struct restoring *r, size_t i, size_t *next_r)
{
	struct copy c;
	int64_t end = 0;
	int code;

	*next_r = cli_manifest_pack(r->m, i, &end);
	copy_init(&c);
	c.pack = true;
	cli_backup_pack_name(&c.from_name, r->m->packs, r->m->part[i].pack);
	cli_backup_pack_name(&c.to_name, STR("packs"), r->m->part[i].pack);
	open_from(r, &c);
	if (c.from < 0)
		(void)say_unread(r, &c, REST);
	code = open_to(r, &c);
	if (c.from >= 0 && code == EX_OK)
		code = copy_parts(r, i, *next_r, &c);
	copy_fini(&c);
	return code;
}

/* The files, or the database that is among them. */
static int copy_files(struct restoring *r, bool database)
{
	int code = EX_OK;

	for (size_t i = 0; i < r->m->nfiles && code == EX_OK; i++)
		if (is_database(&r->m->file[i]) == database)
			code = copy_file(r, &r->m->file[i]);
	return code;
}

/*
 * The database comes after the small files: with godwit.conf there, commands get as far as to the mark, and it is
 * known whether there is the user whose all is to be.
 */
static int copy_all(struct restoring *r)
{
	int code = copy_files(r, false);

	if (code == EX_OK && !r->verify)
		code = cli_owner_check_restored(r->target.dirfd, r->target.path);
	if (code == EX_OK)
		code = copy_files(r, true);
	for (size_t i = 0; i < r->m->nparts && code == EX_OK;)
		code = copy_pack(r, i, &i);
	return code;
}

/* ---- the end ---- */

/* What the backup never had is told too. */
static int how_good(const struct restoring *r)
{
	if (r->m->lost)
		return cli_fail(EX_DATAERR,
		    "%lld pack%s could not be read in full when the backup was made, and may not be whole in "
		    "it; another backup may have what is missing",
		    (long long)r->m->lost, r->m->lost == 1 ? "" : "s");
	return r->damaged ? EX_DATAERR : EX_OK;
}

/* It may be of another version; with the rest all is well. */
static int check_config(const struct restoring *r)
{
	struct config_snapshot *c = NULL;
	struct err e = {""};

	if (config_load_at(r->target.dirfd, r->target.path, &c, &e) < 0)
		return cli_fail(EX_CONFIG, "%s; mend that before the start", e.text);
	config_unref(&c);
	return EX_OK;
}

static void print_end(const struct restoring *r)
{
	const char *dir = r->target.path;
	struct buf size, word;

	buf_init(&size, 64);
	buf_init(&word, 32 * KIB);
	cli_text_bytes(&size, r->copied);
	cli_text_word(&word, str_of_c(dir));
	printf("restored %s into %s; start it with: godwit serve --data %s\n", buf_cstr(&size), dir,
	    buf_cstr(&word));
	buf_fini(&size);
	buf_fini(&word);
}

/* All is handed over as long as the mark is there: what is in the way of that is mended, and the restore run again. */
static int complete(struct restoring *r)
{
	struct err e = {""};
	char who[40];
	int code = cli_owner_give_restored(r->target.dirfd, r->target.path), config;

	if (code != EX_OK)
		return code;
	config = check_config(r);
	snprintf(who, sizeof who, "uid %u, offline", (unsigned)getuid());
	if (restore_complete(
		r->target.dirfd, r->target.path, r->m->store, str_of_c(who), clock_now(), &e) < 0)
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	print_end(r);
	code = how_good(r);
	return config == EX_OK ? code : config;
}

static int verified(struct restoring *r)
{
	struct buf size;

	buf_init(&size, 64);
	cli_text_bytes(&size, r->copied);
	if (!r->damaged)
		printf("the backup is as it was written: %s compared\n", buf_cstr(&size));
	buf_fini(&size);
	return how_good(r);
}

static int run(struct restoring *r)
{
	int code = r->verify ? EX_OK : cli_restore_target_open(&r->target, r->m);

	if (code == EX_OK)
		code = copy_all(r);
	cli_progress_clear(&r->progress);
	if (code != EX_OK)
		return code;
	return r->verify ? verified(r) : complete(r);
}

/* dir: NULL to compare only. */
static int restore_all(
    const struct cli_manifest *m, int source, const char *source_path, const char *dir)
{
	struct restoring r = {.m = m,
	    .source = source,
	    .source_path = source_path,
	    .verify = !dir,
	    .hash = XXH3_createState(),
	    .bytes = mem_alloc((size_t)COPY)};
	int code;

	cli_progress_init(&r.progress);
	cli_restore_target_init(&r.target, dir);
	code = run(&r);
	cli_restore_target_close(&r.target);
	XXH3_freeState(r.hash);
	mem_free(r.bytes);
	return code;
}

/* ---- the command ---- */

static int run_command(struct cli *cli, const struct cli_manifest *m, int source)
{
	const char *path = cli->args.operands[0];

	bool part = cli_args_has(&cli->args, "account") || cli_args_has(&cli->args, "message-id");

	if (cli_args_has(&cli->args, "verify"))
		return part ? cli_fail(EX_USAGE,
				  "--verify compares the whole backup; leave --account and "
				  "--message-id out")
			    : restore_all(m, source, path, NULL);
	if (part)
		return cli_restore_mail(cli, m, source);
	return restore_all(m, source, path, cli_data_dir(cli));
}

static bool is_writing(int fd)
{
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/*
 * Until the process ends no backup takes away what is restored. A copy of a backup may have no lock, or none that
 * can be taken where it lies: the directory itself has one.
 */
static int take_locks(int source, const char *path)
{
	int lock = cli_below_file(source, STR(CLI_BACKUP_LOCK));

	if (!is_writing(lock) && !is_writing(source))
		return EX_OK;
	return cli_fail(
	    EX_TEMPFAIL, "a backup into %s is under way; run this again when it is complete", path);
}

static int restore_from(struct cli *cli, int source, const char *path)
{
	struct cli_manifest m;
	struct err e = {""};
	int code;

	cli_manifest_init(&m);
	switch (cli_manifest_read(&m, source, path, &e)) {
	case CLI_MANIFEST_NONE:
		code = cli_fail(EX_NOINPUT,
		    "%s holds no complete backup; name the directory that \"godwit backup\" wrote",
		    path);
		break;
	case CLI_MANIFEST_BAD:
		code = cli_fail(EX_DATAERR, "%s; name another backup", e.text);
		break;
	default:
		code = run_command(cli, &m, source);
	}
	cli_manifest_fini(&m);
	return code;
}

int cli_restore(struct cli *cli)
{
	const char *path = cli->args.operands[0];
	int source = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;

	if (source < 0)
		return cli_fail(
		    EX_NOINPUT, "cannot open the backup %s: %s", path, err_reason(errno));
	code = take_locks(source, path);
	if (code == EX_OK)
		code = restore_from(cli, source, path);
	close(source);
	return code;
}
