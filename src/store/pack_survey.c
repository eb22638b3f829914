/* A walk to the end of the file, of which nothing counts from where a generation falls. */
#include "store/pack_survey.h"

#include <fcntl.h>

#include "base/mem.h"
#include "store/pack_walk.h"

struct surveying {
	struct pack_survey *s;
	bool ended;
};

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct surveying *x = ctx;

	x->ended = x->ended || r->generation < x->s->generation;
	if (x->ended)
		return;
	x->s->generation = r->generation;
	x->s->end = r->offset + pack_record_size(r->length);
	x->s->records++;
	if (x->s->on_record)
		x->s->on_record(x->s->ctx, r, good);
}

static int64_t file_size(struct fsio *fs, const char *dir, int64_t pack)
{
	char name[PACK_NAME_MAX];
	int64_t size;
	int fd;

	pack_name_put(name, dir, pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	size = fs->ops->size(fs, fd);
	fs->ops->close(fs, fd);
	return size;
}

static void read_head(struct pack_survey *s, struct blob_store *blobs, int64_t pack)
{
	uint8_t bytes[PACK_HEAD];
	struct pack_head head;

	if (blob_raw(blobs, pack, 0, bytes, sizeof bytes, NULL) != BLOB_OK ||
	    !pack_head_get(bytes, &head) || head.pack != pack)
		return;
	s->has_head = true;
	s->single = head.single;
}

enum blob_code pack_survey(struct pack_survey *s, struct fsio *fs, const char *dir,
    struct blob_store *blobs, int64_t pack, struct err *e)
{
	struct surveying x = {.s = s};
	struct pack_walk *walk;
	enum blob_code code = BLOB_OK;
	bool done = false;

	s->end = (int64_t)PACK_HEAD;
	s->generation = s->records = 0;
	s->has_head = s->single = false;
	s->size = file_size(fs, dir, pack);
	if (s->size < 0) {
		err_sys(e, (int)-s->size, "packs: cannot read pack %lld", (long long)pack);
		return BLOB_IO;
	}
	if (s->size < (int64_t)PACK_HEAD)
		return BLOB_OK;
	read_head(s, blobs, pack);
	walk = mem_new(struct pack_walk);
	walk->on_record = on_record;
	walk->ctx = &x;
	walk->blobs = blobs;
	pack_walk_begin(walk, pack, s->size);
	while (code == BLOB_OK && !done && !x.ended)
		code = pack_walk_step(walk, (int64_t)MIB, &done, e);
	pack_walk_fini(walk);
	mem_free(walk);
	return code;
}
