/*
 * stdio under the recorder: the C library's streams write without calling the write that is to be seen. So
 * streams that a program opens are made here, on functions that call it, and standard output is replaced by
 * one that hands on each line. What a stream has not handed on yet is no write, as it is without this.
 */
#include "record.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAMS 256

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* fileno() of a stream with functions is -1: those that were made here are kept. */
static struct stream {
	FILE *stream;
	int fd;
} streams[STREAMS];

static ssize_t on_read(void *ctx, char *p, size_t n)
{
	return read(((struct stream *)ctx)->fd, p, n);
}

static ssize_t on_write(void *ctx, const char *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t put = write(((struct stream *)ctx)->fd, p + at, n - at);

		if (put < 0 && errno != EINTR)
			return at ? (ssize_t)at : 0;
		at += put > 0 ? (size_t)put : 0;
	}
	return (ssize_t)n;
}

static int on_seek(void *ctx, off64_t *at, int whence)
{
	off64_t to = lseek64(((struct stream *)ctx)->fd, *at, whence);

	if (to < 0)
		return -1;
	*at = to;
	return 0;
}

static int on_close(void *ctx)
{
	struct stream *s = ctx;
	int fd = s->fd;

	s->stream = NULL;
	return close(fd);
}

static FILE *make(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {on_read, on_write, on_seek, on_close};

	for (size_t i = 0; i < STREAMS; i++) {
		if (streams[i].stream)
			continue;
		streams[i].fd = fd;
		streams[i].stream = fopencookie(&streams[i], mode, functions);
		return streams[i].stream;
	}
	errno = EMFILE;
	return NULL;
}

static int flags_of(const char *mode)
{
	int flags = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;

	if (mode[0] == 'w')
		flags |= O_CREAT | O_TRUNC;
	if (mode[0] == 'a')
		flags |= O_CREAT | O_APPEND;
	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	if (strchr(mode, 'e'))
		flags |= O_CLOEXEC;
	return flags;
}

FILE *fdopen(int fd, const char *mode)
{
	return make(fd, mode);
}

FILE *fopen(const char *name, const char *mode)
{
	int fd = open(name, flags_of(mode), 0666);
	FILE *stream = fd < 0 ? NULL : make(fd, mode);

	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

FILE *fopen64(const char *name, const char *mode)
{
	return fopen(name, mode);
}

int fileno(FILE *stream)
{
	for (size_t i = 0; i < STREAMS; i++) {
		if (streams[i].stream == stream)
			return streams[i].fd;
	}
	return REAL(fileno)(stream);
}

int fileno_unlocked(FILE *stream)
{
	return fileno(stream);
}

__attribute__((constructor)) static void replace_output(void)
{
	FILE *out = getenv(RECORD_FILE) ? make(STDOUT_FILENO, "w") : NULL;

	if (!out)
		return;
	setvbuf(out, NULL, _IOLBF, BUFSIZ);
	stdout = out;
}
