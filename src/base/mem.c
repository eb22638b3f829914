#include "base/mem.h"

#include <stdint.h>
#include <unistd.h>

_Noreturn void mem_bug(const char *file, int line, const char *what)
{
	char text[256];
	int n = snprintf(text, sizeof text, "godwit: bug at %s:%d: %s\n", file, line, what);

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text) < 0)
		abort();
	abort();
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	MUST(p);
	return p;
}

void *mem_array(size_t count, size_t size)
{
	MUST(size == 0 || count <= SIZE_MAX / size);
	return mem_alloc(count * size);
}

void *mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	MUST(q);
	return q;
}

void mem_free(void *p)
{
	free(p);
}

void mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}
