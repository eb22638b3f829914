/*
 * Backup: takes from the server what the directory does not have and puts a new manifest in the place of
 * the old one when all of it is on the disk. Until then everything the old one names stays as it is: packs
 * only grow behind its ends and in its holes, which no backup has read; all else has new names.
 */
#include "cli/cli_backup_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wire.h"
#include "cli/cli_text.h"
#include "proc/admin_call.h"

#define BLOCK  ((size_t)4096) /* what a disk that fails gives or not */
#define SECTOR ((size_t)512)

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
	int64_t id, parent, mark, anew, size, total, pack, generation, single, from, end;
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
		    {"parent", NULL, &r->parent}, {"mark", NULL, &r->mark},
		    {"anew", NULL, &r->anew}, {"size", NULL, &r->size}, {"total", NULL, &r->total},
		    {"pack", NULL, &r->pack}, {"generation", NULL, &r->generation},
		    {"single", NULL, &r->single}, {"from", NULL, &r->from}, {"end", NULL, &r->end}};

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

/* ---- the database ---- */

static int begin_database(struct backup *b)
{
	b->fd = cli_backup_file(b, b->new.files, "store.db", false);
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

/* While the backup before is still there. */
static void tell_anew(struct backup *b, const struct record *r)
{
	cli_progress_clear(&b->progress);
	fprintf(stderr,
	    "note: %s does not have behind it what %s is of, for it was %s: all is copied anew. Mail that only "
	    "the backup before has goes with it when that is complete; to keep it, end this now, and bring it "
	    "back first (`godwit restore %s --account ADDRESS`) or name another directory\n",
	    b->data, b->path,
	    r->id == b->old.store ? "put back to an earlier state"
				  : "restored from a backup, or salvaged",
	    b->path);
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
	if (b->anew && b->has_old)
		tell_anew(b, r);
	b->new.store = r->id;
	b->new.mark = r->mark || b->anew ? r->mark : b->old.mark;
	b->size = r->size;
	b->total = r->total;
	buf_init(&name, 64);
	buf_printf(&name, "packs-%lld", (long long)b->new.created);
	b->new.packs = b->anew ? arena_str(b->new.arena, buf_view(&name)) : b->old.packs;
	buf_fini(&name);
	if (cli_backup_make_dir(b, b->new.packs) < 0)
		return -1;
	return begin_database(b);
}

/* ---- packs ---- */

/* The next of the old manifest's parts of the pack at hand, or NULL. */
static const struct cli_manifest_part *old_part(const struct backup *b)
{
	bool more = !b->anew && b->old_at < b->old.nparts &&
		    b->old.part[b->old_at].pack == b->part.pack;

	return more ? &b->old.part[b->old_at] : NULL;
}

/* The old parts that end up to there stay. */
static void keep_parts(struct backup *b, int64_t end)
{
	const struct cli_manifest_part *p;

	for (; (p = old_part(b)) != NULL && p->to <= end; b->old_at++)
		cli_manifest_add_part(&b->new, p);
}

/* Is a part to be asked for again? there: the size of its file. */
static bool is_lacking(const struct cli_manifest_part *p, int64_t there)
{
	return p->holes || p->to > there;
}

static int no_sense(struct backup *b)
{
	b->failed = true;
	return err_set(&b->e, "the server does not send what it was asked for; is it of another "
			      "version? Restart it, then run this again");
}

/* Octets that are asked for follow: of a part that is lacking, or behind all that there are. */
static int begin_range(struct backup *b, int64_t from)
{
	const struct cli_manifest_part *p;

	keep_parts(b, from);
	p = old_part(b);
	if (p && (p->from != from || !is_lacking(p, b->there)))
		return no_sense(b);
	b->to = p ? p->to : b->pack_end;
	b->kept = !p ? 0 : p->to < b->there ? p->to : b->there;
	if (p)
		b->old_at++;
	b->part.from = b->at = from;
	b->part.holes = false;
	XXH3_64bits_reset(b->hash);
	return 0;
}

/* What there is of the pack's file; behind the end lies what an interrupted backup left. */
static int open_pack(struct backup *b)
{
	struct buf name;
	struct stat st = {0};
	int64_t end = 0;

	if (old_part(b))
		(void)cli_manifest_pack(&b->old, b->old_at, &end);
	buf_init(&name, 64);
	cli_backup_pack_name(&name, STR(""), b->part.pack);
	b->fd = cli_backup_file(b, b->new.packs, buf_cstr(&name) + 1, true);
	buf_fini(&name);
	if (b->fd < 0)
		return -1;
	if (fstat(b->fd, &st) < 0 || (st.st_size > end && ftruncate(b->fd, end) < 0))
		return cli_backup_fail(b, "write", b->new.packs);
	b->there = st.st_size < end ? st.st_size : end;
	return 0;
}

static int begin_pack(struct backup *b, const struct record *r)
{
	while (b->old_at < b->old.nparts && b->old.part[b->old_at].pack < r->pack)
		b->old_at++;
	b->part = (struct cli_manifest_part){
	    .pack = r->pack, .generation = r->generation, .single = r->single != 0};
	b->there = 0;
	b->pack_end = r->end;
	b->first = b->new.nparts;
	if (r->from < r->end && open_pack(b) < 0)
		return -1;
	return begin_range(b, r->from);
}

/* The part at hand ends where the copy is, and the next one begins. */
static void end_part(struct backup *b)
{
	b->part.to = b->at;
	b->part.sum = b->part.holes ? 0 : XXH3_64bits_digest(b->hash);
	if (b->part.from < b->part.to)
		cli_manifest_add_part(&b->new, &b->part);
	b->part.from = b->at;
	XXH3_64bits_reset(b->hash);
}

/* Holes are parts of their own. */
static void turn(struct backup *b, bool holes)
{
	if (b->part.holes != holes)
		end_part(b);
	b->part.holes = holes;
}

/* What nobody has read: the file has zeros there, or what it had. */
static void pass_over(struct backup *b, int64_t size)
{
	turn(b, true);
	b->at += size;
}

/* The beginning of some octets up to where a block ends. */
static struct str in_block(const struct backup *b, struct str s)
{
	return str_sub(s, 0, BLOCK - (size_t)(b->at % (int64_t)BLOCK));
}

/* Zeros of a sector or more: what there is where a disk was copied to another one and could not be read. */
static bool is_blank(struct str s)
{
	return s.n >= SECTOR && s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0;
}

/* Where a disk gave nothing, zeros are no news. */
static int take_octets(struct backup *b, struct str s)
{
	if ((int64_t)s.n > b->to - b->at)
		return no_sense(b);
	while (s.n > 0) {
		bool doubted = b->at < b->kept;
		struct str piece = doubted ? in_block(b, s) : s;

		s = str_from(s, piece.n);
		if (doubted && is_blank(piece)) {
			pass_over(b, (int64_t)piece.n);
			continue;
		}
		turn(b, false);
		if (cli_backup_write(b, piece) < 0)
			return -1;
	}
	return 0;
}

static int take_hole(struct backup *b, int64_t size)
{
	if (size > b->to - b->at)
		return no_sense(b);
	pass_over(b, size);
	return 0;
}

/* What the server did not give of it stays as it is. */
static void end_range(struct backup *b)
{
	if (b->at < b->kept)
		pass_over(b, b->kept - b->at);
	end_part(b);
}

static int seek(struct backup *b, const struct record *r)
{
	end_range(b);
	return begin_range(b, r->from);
}

/* That a pack is not whole. */
static void tell_lost(struct backup *b, struct str problem)
{
	int64_t lost = 0, at = 0;
	struct buf text;

	for (size_t i = b->new.nparts; i-- > b->first;) {
		const struct cli_manifest_part *p = &b->new.part[i];

		lost += p->holes ? p->to - p->from : 0;
		at = p->holes ? p->from : at;
	}
	if (lost == 0 && problem.n == 0)
		return;
	buf_init(&text, 8 * KIB);
	buf_str(&text, problem);
	if (problem.n == 0)
		buf_printf(&text, "no backup has read %lld octets of it, the first at %lld",
		    (long long)lost, (long long)at);
	b->new.lost++;
	cli_progress_clear(&b->progress);
	(void)cli_fail(EX_DATAERR, "pack %lld is not whole in the backup: %s",
	    (long long)b->part.pack, buf_cstr(&text));
	buf_fini(&text);
}

/* With the hole that it may end in. */
static int stretch(struct backup *b)
{
	struct stat st;

	if (fstat(b->fd, &st) < 0 || (st.st_size < b->at && ftruncate(b->fd, b->at) < 0))
		return cli_backup_fail(b, "write", b->new.packs);
	return 0;
}

/* As far as it came: what is behind a hole or before the end of a file that was cut short is worth having. */
static int end_pack(struct backup *b, const struct record *r)
{
	end_range(b);
	if (b->fd >= 0 && stretch(b) < 0)
		return -1;
	keep_parts(b, b->there);
	tell_lost(b, r->problem);
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	return 0;
}

/* Of the database, which comes first, or a pack. */
static int take_data(struct backup *b, struct str bytes)
{
	if (b->new.nfiles > 0)
		return take_octets(b, bytes);
	if (cli_backup_write(b, bytes) < 0)
		return -1;
	return b->at == b->size ? end_database(b) : 0;
}

static int take(struct backup *b, const struct record *r)
{
	if (str_eq(r->type, STR("store")))
		return take_store(b, r);
	if (str_eq(r->type, STR("pack")))
		return begin_pack(b, r);
	if (str_eq(r->type, STR("seek")))
		return seek(b, r);
	if (str_eq(r->type, STR("end")))
		return end_pack(b, r);
	if (str_eq(r->type, STR("hole")))
		return take_hole(b, r->size);
	if (str_eq(r->type, STR("data")))
		return take_data(b, r->bytes);
	return 0;
}

static bool on_record(void *ctx, struct str bytes)
{
	struct backup *b = ctx;
	struct record r;

	read_record(bytes, &r);
	if (take(b, &r) < 0)
		return false;
	if (str_eq(r.type, STR("progress")))
		cli_progress_share(&b->progress, "reading the database", r.size, r.total);
	else
		cli_progress_share(&b->progress, "copied", b->copied, b->total);
	return true;
}

static void put_place(struct backup *b, int64_t pack, int64_t place)
{
	wire_i64(&b->places, pack);
	wire_i64(&b->places, place);
}

/* From and up to where parts are lacking, and from where on what is new is wanted. */
static void put_places(struct backup *b)
{
	int64_t end = 0;

	for (size_t i = 0, next; i < b->old.nparts; i = next) {
		int64_t pack = b->old.part[i].pack, there;

		next = cli_manifest_pack(&b->old, i, &end);
		there = cli_backup_has(b, pack, end);
		for (; i < next; i++) {
			if (!is_lacking(&b->old.part[i], there))
				continue;
			put_place(b, pack, b->old.part[i].from);
			put_place(b, pack, b->old.part[i].to);
		}
		put_place(b, pack, end);
	}
}

static size_t tell(void *ctx, uint8_t *p, size_t n, bool *last_r)
{
	struct backup *b = ctx;
	struct str part = str_sub(str_from(buf_view(&b->places), b->told), 0, n);

	if (part.n > 0)
		memcpy(p, part.p, part.n);
	b->told += part.n;
	*last_r = b->told == b->places.n;
	return part.n;
}

/* ---- the command ---- */

static int call(struct cli *cli, struct backup *b)
{
	struct admin_request request = {.command = ADMIN_BACKUP, .nargs = 2};
	struct buf text, store, mark;
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
	buf_init(&mark, 24);
	buf_i64(&mark, b->old.mark);
	request.args[0] = buf_view(&store);
	request.args[1] = buf_view(&mark);
	put_places(b);
	code = admin_call(&call);
	cli_progress_clear(&b->progress);
	if (b->failed)
		code = cli_fail(EX_CANTCREAT, "%s", b->e.text);
	else if (code != EX_OK)
		(void)cli_fail(code, "%s", buf_cstr(&text));
	buf_fini(&text);
	buf_fini(&store);
	buf_fini(&mark);
	return code;
}

/*
 * In this order: what the backup has is brought back only where it is missed, and the next backup forgets what the
 * store has given up.
 */
static void tell_cure(const struct backup *b)
{
	(void)cli_fail(EX_DATAERR,
	    "what is not whole in the backup is damaged in %s: `godwit store verify` names the messages. "
	    "See to the disk; then stop the server, run `godwit store repair`, bring back what a backup "
	    "has of them (`godwit restore %s --account ADDRESS`), and only then make another backup "
	    "into %s: it no longer has what the store has not",
	    b->data, b->path, b->path);
}

/*
 * Copied anew, with holes: the backup before, which may have read what the disk does not give now, is worth more. The
 * cure brings back what it has.
 */
static int give_up(struct backup *b)
{
	cli_backup_clean(b, &b->old);
	return cli_fail(EX_DATAERR,
	    "%s stays the backup that it was: the new one would not be whole, and has nothing of what the one "
	    "before has read. See to the disk of %s; then stop the server, run `godwit store repair`, bring "
	    "back what the backup has (`godwit restore %s --account ADDRESS`), and only then make another "
	    "backup into %s. Until then name another directory",
	    b->path, b->data, b->path, b->path);
}

static int complete(struct backup *b)
{
	struct err e = {""};
	struct buf size;

	if (syncfs(b->dirfd) < 0)
		return cli_fail(
		    EX_IOERR, "cannot write %s to the disk: %s", b->path, err_reason(errno));
	cli_backup_end(b);
	if (cli_manifest_write(&b->new, b->dirfd, &e) < 0)
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	cli_backup_clean_packs(b);
	cli_backup_clean(b, &b->new);
	buf_init(&size, 256);
	cli_text_bytes(&size, b->copied);
	buf_lit(&size, ") copied");
	if (b->new.lost)
		buf_lit(&size, "; some packs are not whole");
	cli_text_also(&size, b->left_out, "file is left out", "files are left out");
	printf("backup complete: %lld octets (%s\n", (long long)b->copied, buf_cstr(&size));
	buf_fini(&size);
	if (b->new.lost)
		tell_cure(b);
	return b->new.lost || b->left_out ? EX_DATAERR : EX_OK;
}

static int make(struct cli *cli, struct backup *b)
{
	int code;

	if ((!b->has_old && cli_backup_begin(b) < 0) || cli_backup_name_files(b) < 0)
		return cli_fail(EX_CANTCREAT, "%s", b->e.text);
	code = call(cli, b);
	if (code == EX_OK && cli_backup_copy_files(b) < 0)
		code = cli_fail(EX_IOERR, "%s", b->e.text);
	if (code != EX_OK)
		return code;
	return b->anew && b->has_old && b->new.lost ? give_up(b) : complete(b);
}

static int run(struct cli *cli, struct backup *b)
{
	int code = cli_backup_open(b);

	if (code != EX_OK)
		return code;
	cli_backup_drop_begun(b);
	if (b->has_old) /* else what is there may be all that is left of a backup whose manifest was lost */
		cli_backup_clean(b, &b->old);
	b->new.created = clock_now();
	if (b->has_old && b->new.created <= b->old.created)
		b->new.created = b->old.created + 1; /* names are new whatever the clock does */
	code = make(cli, b);
	if (!b->has_old && code != EX_OK)
		cli_backup_drop(b);
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
	buf_init(&b.places, 48 * (size_t)CLI_MANIFEST_PARTS);
	(void)gethostname(host, sizeof host - 1);
	b.new.hostname = str_of_c(host);
	code = run(cli, &b);
	if (b.fd >= 0)
		close(b.fd);
	if (b.dirfd >= 0)
		close(b.dirfd);
	XXH3_freeState(b.hash);
	buf_fini(&b.places);
	cli_manifest_fini(&b.old);
	cli_manifest_fini(&b.new);
	return code;
}
