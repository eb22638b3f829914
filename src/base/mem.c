#include "base/mem.h"

#include <poll.h>
#include <stdint.h>
#include <unistd.h>

/* n: what snprintf() gave. Nobody waits for a reader who stands still. */
static _Noreturn void last_words(const char *text, size_t room, int n)
{
	struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (n > 0 && poll(&to, 1, 0) != 0 &&
	    write(STDERR_FILENO, text, (size_t)n < room ? (size_t)n : room) < 0)
		abort();
	abort();
}

_Noreturn void mem_bug(const char *file, int line, const char *what)
{
	char text[256];

	last_words(text, sizeof text,
	    snprintf(text, sizeof text, "godwit: bug at %s:%d: %s\n", file, line, what));
}

_Noreturn void mem_out(size_t n)
{
	char text[256];

	last_words(text, sizeof text,
	    snprintf(text, sizeof text,
		"godwit: out of memory (%zu octets were asked for): this process ends and a new one is "
		"started; give the machine more memory, or lower limits.connections in godwit.conf\n",
		n));
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		mem_out(n);
	return p;
}

void *mem_array(size_t count, size_t size)
{
	MUST(size == 0 || count <= SIZE_MAX / size);
	return mem_alloc(count * size);
}

void *mem_grow(void *v, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return v;
	*capacity = *capacity ? *capacity * 2 : 8;
	MUST(*capacity <= SIZE_MAX / 2 / size);
	return mem_resize(v, *capacity * size);
}

void *mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		mem_out(n);
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
