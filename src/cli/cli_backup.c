/*
 * Backup: takes from the server what the directory does not have and puts a new manifest in the place of
 * the old one when all of it is on the disk. Until then everything the old one names stays as it is: packs
 * only grow behind its ends, all else has new names.
 */
#include "cli/cli_backup_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wire.h"
#include "cli/cli_text.h"
#include "proc/admin_call.h"

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
	if (cli_backup_make_dir(b, b->new.packs) < 0)
		return -1;
	return begin_database(b);
}

/* ---- packs ---- */

/* The parts that are there already and stay. How far all that are there reach. */
static int64_t keep_parts(struct backup *b, const struct record *r)
{
	int64_t end = 0;

	while (!b->anew && b->old_at < b->old.nparts && b->old.part[b->old_at].pack <= r->pack) {
		const struct cli_manifest_part *p = &b->old.part[b->old_at++];

		if (p->pack != r->pack)
			continue;
		end = p->to;
		if (p->to <= r->from)
			cli_manifest_add_part(&b->new, p);
	}
	return end;
}

/* Behind the end lies what an interrupted backup left. */
static int cut_file(struct backup *b, int64_t end)
{
	struct stat st;

	if (fstat(b->fd, &st) < 0 || (st.st_size > end && ftruncate(b->fd, end) < 0))
		return cli_backup_fail(b, "write", b->new.packs);
	b->kept = st.st_size < end ? st.st_size : end;
	return 0;
}

static int begin_pack(struct backup *b, const struct record *r)
{
	int64_t end = keep_parts(b, r);
	struct buf name;

	b->part = (struct cli_manifest_part){.pack = r->pack,
	    .generation = r->generation,
	    .from = r->from,
	    .single = r->single != 0};
	b->at = r->from;
	b->kept = 0;
	XXH3_64bits_reset(b->hash);
	if (r->from == r->end)
		return 0;
	buf_init(&name, 64);
	cli_backup_pack_name(&name, STR(""), r->pack);
	b->fd = cli_backup_file(b, b->new.packs, buf_cstr(&name) + 1, true);
	buf_fini(&name);
	return b->fd < 0 ? -1 : cut_file(b, end);
}

/* What the server's disk does not give: as an earlier backup read it, else zeros. */
static int take_hole(struct backup *b, int64_t size)
{
	uint8_t bytes[4096];

	b->part.holes = true;
	while (size > 0) {
		size_t n = size < (int64_t)sizeof bytes ? (size_t)size : sizeof bytes;

		memset(bytes, 0, n);
		if (pread(b->fd, bytes, n, b->at) < 0)
			memset(bytes, 0, n);
		if (cli_backup_write(b, str_of(bytes, n)) < 0)
			return -1;
		size -= (int64_t)n;
	}
	return 0;
}

/* As far as it came: what is behind a hole or before the end of a file that was cut short is worth having. */
static int end_pack(struct backup *b, const struct record *r)
{
	if (r->problem.n) {
		b->new.lost++;
		cli_progress_clear(&b->progress);
		(void)cli_fail(EX_DATAERR, "pack %lld is not whole in the backup: %.*s",
		    (long long)b->part.pack, STR_FMT(r->problem));
	}
	if (b->at < b->kept && take_hole(b, b->kept - b->at) < 0)
		return -1;
	b->part.to = b->at;
	if (b->part.from < b->part.to) {
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
	if (str_eq(r->type, STR("hole")))
		return take_hole(b, r->size);
	if (!str_eq(r->type, STR("data")))
		return 0;
	if (cli_backup_write(b, r->bytes) < 0)
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
	if (str_eq(r.type, STR("progress")))
		cli_progress_show(&b->progress, "reading the database", -1, r.size);
	else
		cli_progress_show(&b->progress, "copied", -1, b->copied);
	return true;
}

/* Pack and end of what is there without holes, in order. */
static void put_have(struct backup *b)
{
	int64_t end = 0;

	for (size_t i = 0; i < b->old.nparts;) {
		int64_t pack = b->old.part[i].pack, sound = cli_manifest_sound_end(&b->old, i);

		i = cli_manifest_pack(&b->old, i, &end);
		wire_i64(&b->have, pack);
		wire_i64(&b->have, cli_backup_has(b, pack, end) ? sound : 0);
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
		    EX_IOERR, "cannot write %s to the disk: %s", b->path, err_reason(errno));
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
		(void)cli_fail(EX_DATAERR,
		    "what is not whole in the backup is damaged in %s: `godwit store verify` names the "
		    "messages; stop the server and run `godwit store repair`, then make another backup",
		    b->data);
	return b->new.lost || b->left_out ? EX_DATAERR : EX_OK;
}

static int run(struct cli *cli, struct backup *b)
{
	int code = cli_backup_open(b);

	if (code != EX_OK)
		return code;
	cli_backup_clean(b, &b->old);
	b->new.created = clock_now();
	if (b->has_old && b->new.created <= b->old.created)
		b->new.created = b->old.created + 1; /* names are new whatever the clock does */
	code = cli_backup_name_files(b) < 0 ? cli_fail(EX_CANTCREAT, "%s", b->e.text)
					    : call(cli, b);
	if (code == EX_OK && cli_backup_copy_files(b) < 0)
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
