/*
 * A day of one account (day.h) in a process whose n-th allocation fails, our own or one inside of SQLite: the
 * process goes on without, or ends by our own decision, and what it answered holds in the next one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "day.h"

#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the two processes share. */
static struct shared {
	struct day day;
	bool armed;
	int64_t seen, at; /* the allocation that fails, from 1 */
	bool fired;
} * shared;

static sqlite3_mem_methods sqlite_memory;

/* The linker leads the calls of our own code here (--wrap). */
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

static bool strikes(void)
{
	if (!shared || !shared->armed || ++shared->seen != shared->at)
		return false;
	return shared->fired = true;
}

void *__wrap_calloc(size_t count, size_t n)
{
	return strikes() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	return strikes() ? NULL : __real_realloc(p, n);
}

static void *sqlite_malloc(int n)
{
	return strikes() ? NULL : sqlite_memory.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
	return strikes() ? NULL : sqlite_memory.xRealloc(p, n);
}

/* Before SQLite is used for the first time. */
static int watch_memory(void **state)
{
	sqlite3_mem_methods ours;

	MUST(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) == SQLITE_OK);
	ours = sqlite_memory;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	MUST(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK);
	shared = mmap(
	    NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static _Noreturn void child(struct rig *r, int64_t account)
{
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(quiet, STDERR_FILENO); /* its last words are expected */
	signal(SIGABRT, SIG_DFL);
	rig_resume(r);
	shared->armed = true;
	day_live(&shared->day, r, account);
	shared->armed = false;
	_exit(0);
}

/* One day; *ended_r: how many processes ended themselves. False: there is no n-th allocation. */
static bool day_without(int64_t n, int64_t *ended_r)
{
	struct rig rig;
	int64_t account;
	int status;
	pid_t pid;

	*shared = (struct shared){.at = n};
	rig_open(&rig);
	account = day_account(&rig);
	rig_pause(&rig);
	pid = fork();
	if (pid == 0)
		child(&rig, account);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	shared->armed = false;
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGABRT : WEXITSTATUS(status) != 0)
		fail_msg("allocation %lld failing: status %x", (long long)n, status);
	*ended_r += WIFSIGNALED(status);
	rig_resume(&rig);
	day_check(&shared->day, &rig, account);
	if (!shared->fired)
		assert_true(day_was_good(&shared->day));
	rig_close(&rig);
	return shared->fired;
}

static void any_allocation_may_fail(void **state)
{
	int64_t n = 1, ended = 0, days = 0;

	for (; day_without(n, &ended); n += 1 + n / 16)
		days++;
	print_message("of %lld days with less than %lld allocations %lld ended early\n",
	    (long long)days, (long long)n, (long long)ended);
	assert_true(days > 40 && ended > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_allocation_may_fail)};

	return cmocka_run_group_tests(tests, watch_memory, NULL);
}
