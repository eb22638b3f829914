/*
 * Loaded with LD_PRELOAD into a server: memory that runs out in one of its processes, when a test says so through
 * the page that world_preload.c shares too. Not with AddressSanitizer, which brings an allocator of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE   4096
#define OFFSET 2048 /* in the page: world.py */

struct memory {
	char role[16];
	_Atomic int64_t after; /* allocations that still go well, then one does not */
	_Atomic int64_t fired;
};

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

static struct memory *memory;
static char role[16];

/* The third word of the command line: "godwit process ROLE". */
static void find_role(void)
{
	char line[64] = {0};
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	const char *word = line;

	if (fd < 0 || read(fd, line, sizeof line - 1) < 0)
		return;
	close(fd);
	for (int i = 0; i < 2; i++)
		word += strlen(word) + 1;
	snprintf(role, sizeof role, "%s", word);
}

static __attribute__((constructor)) void begin(void)
{
	const char *path = getenv("GODWIT_TEST_WORLD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	char *page = fd >= 0 ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (page == MAP_FAILED)
		return;
	find_role();
	memory = (struct memory *)(void *)(page + OFFSET);
}

static bool strikes(void)
{
	if (!memory || strcmp(memory->role, role) != 0 || atomic_fetch_sub(&memory->after, 1) != 0)
		return false;
	memory->fired++;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return strikes() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	return strikes() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	return strikes() ? NULL : __libc_realloc(p, n);
}
