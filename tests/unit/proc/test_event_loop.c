/* A process that gets no event loop ends, and says why. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "proc/event_loop.h"

static long until_failure; /* allocations */

static bool fails(void)
{
	return until_failure-- == 0;
}

static void *allocate(size_t n)
{
	return fails() ? NULL : malloc(n);
}

static void *reallocate(void *p, size_t n)
{
	return fails() ? NULL : realloc(p, n);
}

static void *allocate_zeros(size_t count, size_t n)
{
	return fails() ? NULL : calloc(count, n);
}

/* Sanitizers need descriptors at the end. */
static void give_back(void)
{
	struct rlimit room;

	getrlimit(RLIMIT_NOFILE, &room);
	room.rlim_cur = room.rlim_max;
	setrlimit(RLIMIT_NOFILE, &room);
}

static _Noreturn void child(long n, rlim_t files, int says)
{
	struct rlimit room;

	signal(SIGSEGV, SIG_DFL); /* cmocka would go on with the next test */
	dup2(says, STDERR_FILENO);
	atexit(give_back);
	until_failure = n;
	uv_replace_allocator(allocate, reallocate, allocate_zeros, free);
	getrlimit(RLIMIT_NOFILE, &room);
	room.rlim_cur = files;
	setrlimit(RLIMIT_NOFILE, &room);
	_exit(event_loop() != event_loop());
}

/* With so many allocations that go well, and descriptors below so many. What it said; its status, as of waitpid(). */
static int begin_with(long n, rlim_t files, char *text, size_t room)
{
	int says[2], status;
	pid_t pid;

	memset(text, 0, room);
	assert_int_equal(pipe(says), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(n, files, says[1]);
	close(says[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(read(says[0], text, room - 1) >= 0);
	close(says[0]);
	return status;
}

/* libuv itself gives up without a word at some. */
static void without_memory(void **state)
{
	char text[512];
	long n, told = 0;
	int status;

	for (n = 0; (status = begin_with(n, 1024, text, sizeof text)) != 0; n++) {
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		told += strstr(text, "out of memory") != NULL;
	}
	assert_in_range(told, 1, n);
}

static void without_descriptors(void **state)
{
	char text[512];
	int status, told = 0;

	for (rlim_t files = 3; (status = begin_with(1000, files, text, sizeof text)) != 0;
	     files++) {
		bool tells = strstr(text, "raise the limit of open files") != NULL;

		assert_int_equal(
		    tells ? WEXITSTATUS(status) : WTERMSIG(status), tells ? EX_OSERR : SIGABRT);
		told += tells;
	}
	assert_true(told > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_memory),
	    cmocka_unit_test(without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
