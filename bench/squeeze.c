/*
 * What compressing messages would gain and cost: each file given is a message, compressed by itself as
 * a store would have to. For each level: octets in and out, and processor time a MB for both ways.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "base/limits.h"
#include "base/mem.h"

#define ROUNDS 3

struct file {
	uint8_t *p;
	size_t n;
};

struct cost {
	size_t in, out;
	double packing, unpacking; /* seconds of this thread */
};

static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct file read_file(const char *name)
{
	struct file f = {NULL, 0};
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0) {
		fprintf(stderr, "squeeze: cannot read %s\n", name);
		_exit(66);
	}
	f.n = (size_t)st.st_size;
	f.p = mem_alloc(f.n + 1);
	MUST(read(fd, f.p, f.n) == (ssize_t)f.n);
	close(fd);
	return f;
}

static void measure(struct cost *c, const struct file *f, int level, ZSTD_CCtx *packer,
    ZSTD_DCtx *unpacker, uint8_t *packed, uint8_t *again)
{
	double begun = cpu_now(), middle;
	size_t n = ZSTD_compressCCtx(packer, packed, ZSTD_compressBound(f->n), f->p, f->n, level);

	MUST(!ZSTD_isError(n));
	middle = cpu_now();
	MUST(ZSTD_decompressDCtx(unpacker, again, f->n + 1, packed, n) == f->n);
	c->in += f->n;
	c->out += n < f->n ? n : f->n;
	c->packing += middle - begun;
	c->unpacking += cpu_now() - middle;
}

int main(int argc, char **argv)
{
	static const int levels[] = {-5, -1, 1, 3, 6};
	ZSTD_CCtx *packer = ZSTD_createCCtx();
	ZSTD_DCtx *unpacker = ZSTD_createDCtx();
	struct file *files = mem_array((size_t)argc, sizeof *files);
	size_t largest = 0;
	uint8_t *packed, *again;

	MUST(packer && unpacker);
	for (int i = 1; i < argc; i++) {
		files[i] = read_file(argv[i]);
		largest = files[i].n > largest ? files[i].n : largest;
	}
	packed = mem_alloc(ZSTD_compressBound(largest));
	again = mem_alloc(largest + 1);
	printf("[");
	for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
		struct cost c = {0};

		for (int round = 0; round < ROUNDS; round++)
			for (int i = 1; i < argc; i++)
				measure(&c, &files[i], levels[l], packer, unpacker, packed, again);
		printf("%s{\"level\": %d, \"in\": %zu, \"out\": %zu, \"pack_us_per_mb\": %.0f, "
		       "\"unpack_us_per_mb\": %.0f}",
		    l ? ", " : "", levels[l], c.in / ROUNDS, c.out / ROUNDS,
		    c.packing / (double)c.in * 1e12, c.unpacking / (double)c.in * 1e12);
	}
	printf("]\n");
	for (int i = 1; i < argc; i++)
		mem_free(files[i].p);
	mem_free(files);
	mem_free(packed);
	mem_free(again);
	ZSTD_freeCCtx(packer);
	ZSTD_freeDCtx(unpacker);
	return 0;
}
