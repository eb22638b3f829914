/*
 * Loaded with LD_PRELOAD into a command: a disk with sectors that cannot be read. GODWIT_TEST_SECTORS names them as
 * INODE:OFFSET, with blanks between them; a read of that file that touches the 4096 octets there fails with EIO,
 * whatever its name has become. The file that GODWIT_TEST_FAILED names gets an octet for each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SECTOR 4096

/* The C library's function of the same name. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool is_bad(int fd, size_t n, int64_t off)
{
	const char *p = getenv("GODWIT_TEST_SECTORS");
	unsigned long long file;
	long long at;
	struct stat st;
	int used;

	if (!p || n == 0 || fstat(fd, &st) != 0)
		return false;
	for (; sscanf(p, " %llu:%lld%n", &file, &at, &used) == 2; p += used)
		if (st.st_ino == file && off < at + SECTOR && at < off + (int64_t)n)
			return true;
	return false;
}

static ssize_t fail(void)
{
	const char *name = getenv("GODWIT_TEST_FAILED");
	FILE *file = name ? fopen(name, "a") : NULL;

	if (file) {
		fputc('x', file);
		fclose(file);
	}
	errno = EIO;
	return -1;
}

ssize_t pread(int fd, void *p, size_t n, off_t off)
{
	if (!is_bad(fd, n, off))
		return REAL(pread)(fd, p, n, off);
	return fail();
}

ssize_t pread64(int fd, void *p, size_t n, off64_t off)
{
	if (!is_bad(fd, n, off))
		return REAL(pread64)(fd, p, n, off);
	return fail();
}

ssize_t read(int fd, void *p, size_t n)
{
	if (!is_bad(fd, n, getenv("GODWIT_TEST_SECTORS") ? lseek(fd, 0, SEEK_CUR) : -1))
		return REAL(read)(fd, p, n);
	return fail();
}
