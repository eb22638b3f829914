/*
 * Runs a target over its kept corpus: each file of the directories given, and each prefix of it.
 * Fails when there is no file, so that a lost corpus is noticed.
 */
#include "fuzz.h"

#include <dirent.h>

#include "base/buf.h"
#include "base/mem.h"

#define INPUT_MAX (4 * 1024 * 1024)
/* Longer inputs are cut at so many places. */
#define PREFIXES ((size_t)512)

static void run(struct str s)
{
	/* exact memory of its own, so that the sanitizer sees each octet read past the end */
	uint8_t *copy = mem_alloc(s.n);

	if (s.n)
		memcpy(copy, s.p, s.n);
	LLVMFuzzerTestOneInput(copy, s.n);
	mem_free(copy);
}

static bool run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b;
	size_t step;
	int c;

	if (!f)
		return false;
	buf_init(&b, INPUT_MAX);
	while ((c = getc(f)) != EOF)
		buf_byte(&b, (uint8_t)c);
	fclose(f);
	MUST(!b.overflow);
	step = b.n / PREFIXES + 1;
	for (size_t n = 0; n < b.n; n += step)
		run(str_sub(buf_view(&b), 0, n));
	run(buf_view(&b));
	buf_fini(&b);
	return true;
}

/* How many files of the directory were run. */
static size_t run_directory(const char *name)
{
	DIR *d = opendir(name);
	const struct dirent *entry;
	size_t n = 0;

	if (!d) {
		fprintf(stderr, "there is no corpus %s\n", name);
		return 0;
	}
	while ((entry = readdir(d))) {
		struct buf path;

		if (entry->d_name[0] == '.')
			continue;
		buf_init(&path, 4096);
		buf_printf(&path, "%s/%s", name, entry->d_name);
		n += run_file(buf_cstr(&path));
		buf_fini(&path);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		n += run_directory(argv[i]);
	printf("%zu inputs\n", n);
	return n == 0;
}
