/*
 * Passwords: what verifies, what the cache answers, whose turn it is. Where the order matters the
 * thread is held in its wake-up call until the queue is as the test wants it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/password.h"

static int pipe_fds[2];
static struct password *passwords;
static char hash[PASSWORD_HASH_MAX];
static char order[64]; /* letters of the jobs in the order of their answers */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wake(void *ctx)
{
	char c = 0;

	MUST(write(pipe_fds[1], &c, 1) == 1);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static struct password_config config(void)
{
	return (struct password_config){.queue_total = 6,
	    .queue_per_network = 3,
	    .cache_entries = 2,
	    .cache_ms = 1000,
	    .wake = wake};
}

static int setup(void **state)
{
	struct password_config cfg = config();

	MUST(pipe(pipe_fds) == 0);
	if (!hash[0])
		assert_true(password_hash(STR("secret"), hash));
	order[0] = 0;
	passwords = password_new(&cfg);
	return passwords ? 0 : -1;
}

static int teardown(void **state)
{
	password_free(&passwords);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

static void done(struct password_job *job)
{
	size_t n = strlen(order);

	order[n] = *(const char *)job->ctx;
	order[n + 1] = 0;
}

static struct password_job *job_of(
    const char *ip, int64_t account, const char *stored, const char *password, const char *letter)
{
	struct password_job *job = mem_new(struct password_job);

	assert_true(ip_parse(str_of_c(ip), &job->ip));
	job->account = account;
	memcpy(job->hash, stored, strlen(stored) + 1);
	job->password_n = strlen(password);
	memcpy(job->password, password, job->password_n);
	job->done = done;
	job->ctx = (void *)(uintptr_t)letter;
	return job;
}

/* Waits until n jobs are answered. */
static void collect(size_t n, int64_t now)
{
	while (n > 0) {
		struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
		char c;
		size_t got = password_collect(passwords, now);

		MUST(got <= n);
		n -= got;
		if (n > 0 && got == 0 && poll(&p, 1, -1) == 1)
			MUST(read(pipe_fds[0], &c, 1) == 1);
	}
}

/* Submits and waits; cached_r: it was answered at once. */
static enum password_result verify(
    int64_t account, const char *stored, const char *password, int64_t now, bool *cached_r)
{
	struct password_job *job = job_of("192.0.2.1", account, stored, password, "v");
	enum password_result result;

	*cached_r = password_submit(passwords, job, now);
	if (!*cached_r)
		collect(1, now);
	result = job->result;
	for (size_t i = 0; i < sizeof job->password; i++)
		assert_int_equal(job->password[i], 0);
	mem_free(job);
	return result;
}

static void right_wrong_and_unknown(void **state)
{
	bool cached;

	assert_true(str_has_prefix(str_of_c(hash), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
	assert_int_equal(verify(1, hash, "secret", 0, &cached), PASSWORD_GOOD);
	assert_int_equal(verify(1, hash, "Secret", 0, &cached), PASSWORD_BAD);
	assert_int_equal(verify(1, hash, "", 0, &cached), PASSWORD_BAD);
	assert_int_equal(verify(0, "", "secret", 0, &cached), PASSWORD_BAD);
	assert_false(cached); /* an unknown user costs the hash */
	assert_int_equal(verify(1, "no hash", "secret", 0, &cached), PASSWORD_BAD);
}

static void remembers_for_its_time(void **state)
{
	bool cached;

	verify(1, hash, "secret", 0, &cached);
	assert_false(cached);
	assert_int_equal(verify(1, hash, "secret", 999, &cached), PASSWORD_GOOD);
	assert_true(cached);
	assert_int_equal(verify(2, hash, "secret", 999, &cached), PASSWORD_GOOD);
	assert_false(cached); /* another account */
	verify(1, hash, "secret", 1000, &cached);
	assert_false(cached); /* its time is over */
	verify(1, hash, "wrong", 1000, &cached);
	assert_int_equal(verify(1, hash, "wrong", 1000, &cached), PASSWORD_BAD);
	assert_false(cached); /* wrong ones are never remembered */
	password_forget(passwords, 1);
	verify(1, hash, "secret", 1000, &cached);
	assert_false(cached);
	verify(1, hash, "secret", 1000, &cached);
	assert_true(cached);
}

static void a_new_credential_misses(void **state)
{
	char other[PASSWORD_HASH_MAX];
	bool cached;

	assert_true(password_hash(STR("secret"), other));
	verify(1, hash, "secret", 0, &cached);
	assert_int_equal(verify(1, other, "secret", 0, &cached), PASSWORD_GOOD);
	assert_false(cached);
}

static void the_cache_is_bounded(void **state)
{
	bool cached;

	for (int64_t account = 1; account <= 3; account++)
		verify(account, hash, "secret", 0, &cached);
	verify(2, hash, "secret", 0, &cached);
	assert_true(cached);
	verify(1, hash, "secret", 0, &cached);
	assert_false(cached); /* the oldest went */
}

/* Submits a job and waits until the thread, done with it, stands at the gate. */
static struct password_job *hold_thread(void)
{
	struct password_job *job = job_of("127.0.0.1", 0, "", "x", "g");
	char c;

	pthread_mutex_lock(&gate);
	assert_false(password_submit(passwords, job, 0));
	MUST(read(pipe_fds[0], &c, 1) == 1);
	return job;
}

static void let_thread_go(void)
{
	pthread_mutex_unlock(&gate);
}

/* One network fills its queue; the logins of others come between its own. */
static void turns_are_fair(void **state)
{
	static const struct {
		const char *ip, *letter;
	} rows[] = {
	    {"192.0.2.1", "a"},
	    {"192.0.2.2", "b"},
	    {"192.0.2.3", "c"},
	    {"192.0.2.4", "d"},
	    {"198.51.100.1", "X"},
	    {"203.0.113.1", "Y"},
	};
	struct password_job *jobs[6], *first = hold_thread();

	for (size_t i = 0; i < 6; i++) {
		jobs[i] = job_of(rows[i].ip, 0, "", "x", rows[i].letter);
		assert_int_equal(password_submit(passwords, jobs[i], 0), i == 3);
	}
	assert_int_equal(jobs[3]->result, PASSWORD_BUSY); /* the fourth of its network */
	let_thread_go();
	collect(6, 0);
	assert_string_equal(order, "gaXYbc");
	for (size_t i = 0; i < 6; i++)
		mem_free(jobs[i]);
	mem_free(first);
}

/* One hash for all that ask the same, and only for them. */
static void equals_are_answered_at_once(void **state)
{
	static const struct {
		const char *ip;
		int64_t account;
		const char *password, *letter;
		enum password_result result;
	} rows[] = {
	    {"192.0.2.1", 1, "secret", "a", PASSWORD_GOOD},
	    {"192.0.2.1", 1, "Secret", "b", PASSWORD_BAD},
	    {"192.0.2.2", 1, "secret", "c", PASSWORD_GOOD},
	    {"198.51.100.1", 2, "secret", "X", PASSWORD_GOOD},
	    {"203.0.113.1", 1, "secret", "Y", PASSWORD_GOOD}, /* elsewhere */
	};
	struct password_job *jobs[5], *first = hold_thread();

	for (size_t i = 0; i < 5; i++) {
		jobs[i] = job_of(
		    rows[i].ip, rows[i].account, hash, rows[i].password, rows[i].letter);
		assert_false(password_submit(passwords, jobs[i], 0));
	}
	let_thread_go();
	collect(6, 0);
	assert_string_equal(order, "gcaXYb");
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(jobs[i]->result, rows[i].result);
		mem_free(jobs[i]);
	}
	mem_free(first);
}

/* The last of a network: nobody is left to have a turn. */
static void equals_may_be_all(void **state)
{
	struct password_job *jobs[2], *first = hold_thread();
	bool cached;

	for (size_t i = 0; i < 2; i++) {
		jobs[i] = job_of("192.0.2.1", 1, hash, "secret", "a");
		assert_false(password_submit(passwords, jobs[i], 0));
	}
	let_thread_go();
	collect(3, 0);
	assert_string_equal(order, "gaa");
	assert_int_equal(verify(3, hash, "secret", 0, &cached), PASSWORD_GOOD);
	for (size_t i = 0; i < 2; i++)
		mem_free(jobs[i]);
	mem_free(first);
}

static void a_full_queue_is_busy(void **state)
{
	struct password_job *jobs[12], *first = hold_thread();
	char ip[32];

	for (size_t i = 0; i < 12; i++) {
		snprintf(ip, sizeof ip, "10.0.%zu.1", i / 2);
		jobs[i] = job_of(ip, 0, "", "x", "j");
		assert_int_equal(password_submit(passwords, jobs[i], 0), i >= 6);
	}
	let_thread_go();
	collect(7, 0);
	for (size_t i = 0; i < 12; i++)
		mem_free(jobs[i]);
	mem_free(first);
}

static void ending_answers_what_waits(void **state)
{
	struct password_job *jobs[5];

	for (size_t i = 0; i < 5; i++) {
		char ip[32];

		snprintf(ip, sizeof ip, "10.0.%zu.1", i);
		jobs[i] = job_of(ip, 0, "", "x", "j");
		assert_false(password_submit(passwords, jobs[i], 0));
	}
	password_free(&passwords);
	assert_string_equal(order, "jjjjj");
	for (size_t i = 0; i < 5; i++)
		mem_free(jobs[i]);
}

static void makes_hashes(void **state)
{
	struct password_job *job = job_of("127.0.0.1", 0, "", "tea", "h");

	job->kind = PASSWORD_HASH;
	assert_false(password_submit(passwords, job, 0));
	collect(1, 0);
	assert_int_equal(job->result, PASSWORD_GOOD);
	assert_true(password_verify(job->hash, STR("tea")));
	assert_false(password_verify(job->hash, STR("milk")));
	mem_free(job);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(right_wrong_and_unknown),
	    T(remembers_for_its_time),
	    T(a_new_credential_misses),
	    T(the_cache_is_bounded),
	    T(turns_are_fair),
	    T(equals_are_answered_at_once),
	    T(equals_may_be_all),
	    T(a_full_queue_is_busy),
	    T(ending_answers_what_waits),
	    T(makes_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
