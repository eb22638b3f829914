/*
 * OpenSSL without memory, at each allocation of making it ready, a context or a stream: the process ends and says
 * so, or goes without. It never calls that a bug of ours, and never forgets whom it should talk to.
 */
#include "net_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "net/net_tls.h"

#define FIRST 60 /* allocations: OpenSSL makes a context of its own with so many */

enum outcome {
	DONE,
	REFUSED,
	OUT_OF_MEMORY
};

static long until_failure = -1; /* allocations; below 0: none fails */
static bool failed;

static bool fails(void)
{
	bool now = until_failure == 0;

	until_failure -= until_failure >= 0;
	failed |= now;
	return now;
}

static void *allocate(size_t n, const char *file, int line)
{
	return fails() ? NULL : malloc(n);
}

static void *reallocate(void *p, size_t n, const char *file, int line)
{
	return fails() ? NULL : realloc(p, n);
}

static void release(void *p, const char *file, int line)
{
	free(p);
}

/* ---- what is done without memory ---- */
struct work {
	struct identity id;
	struct tls_ctx *server, *client;
};

static int warm_up(const struct work *w)
{
	tls_warm_up();
	return DONE;
}

static int make_client(const struct work *w)
{
	struct err e = {0};
	struct tls_ctx *ctx = tls_client_new(w->id.path, &e);
	int outcome = ctx ? DONE : REFUSED;

	tls_unref(&ctx);
	return outcome;
}

static int make_server(const struct work *w)
{
	struct err e = {0};
	struct tls_ctx *ctx = tls_server_new((struct tls_pem){buf_view(&w->id.certificate), "C"},
	    (struct tls_pem){buf_view(&w->id.key), "K"}, STR(""), &e);
	int outcome = ctx ? DONE : REFUSED;

	tls_unref(&ctx);
	return outcome;
}

/* Carries the octets of two streams to and fro. DONE: the client takes the server for the one it wants. */
static int shake_hands(struct net_tls *client, struct net_tls *server, struct buf out[2])
{
	struct err e = {0};
	enum net_tls_status status = NET_TLS_MORE;

	for (int i = 0; i < 10 && status == NET_TLS_MORE; i++) {
		struct str to_client = buf_view(&out[1]), to_server;

		status = net_tls_handshake(client, &to_client, &e);
		buf_clear(&out[1]);
		to_server = buf_view(&out[0]);
		net_tls_handshake(server, &to_server, &e);
		buf_clear(&out[0]);
	}
	return status == NET_TLS_OK ? DONE : REFUSED;
}

/* A client's stream is made without memory; then there is some, and it meets a server of another name. */
static int meet(const struct work *w, const char *name)
{
	const struct net_tls_start ours = {.ctx = w->client, .name = name, .verify = true};
	const struct net_tls_start theirs = {.ctx = w->server};
	struct buf out[2];
	struct net_tls *client, *server;
	long planned = until_failure;
	int outcome;

	until_failure = -1;
	buf_init(&out[0], MIB);
	buf_init(&out[1], MIB);
	server = net_tls_new(&theirs, &out[1]);
	until_failure = planned;
	client = net_tls_new(&ours, &out[0]);
	until_failure = -1;
	outcome = shake_hands(client, server, out);
	net_tls_free(&client);
	net_tls_free(&server);
	buf_fini(&out[0]);
	buf_fini(&out[1]);
	return outcome;
}

static int meet_friend(const struct work *w)
{
	return meet(w, "mail.x.test");
}

static int meet_stranger(const struct work *w)
{
	return meet(w, "mail.y.test");
}

static int meet_address(const struct work *w)
{
	return meet(w, "192.0.2.1");
}

/* ---- each in a process of its own ---- */
static _Noreturn void child(
    int (*act)(const struct work *w), const struct work *w, long n, int says)
{
	signal(SIGSEGV, SIG_DFL); /* cmocka would go on with the next test */
	dup2(says, STDERR_FILENO);
	until_failure = n;
	failed = false;
	_exit(act(w) << 1 | failed);
}

/* *failed_r: whether an allocation failed; false: there are fewer. */
static enum outcome act_without(
    int (*act)(const struct work *w), const struct work *w, long n, bool *failed_r)
{
	char text[512] = "";
	int says[2], status;
	pid_t pid;

	assert_int_equal(pipe(says), 0);
	pid = fork();
	if (pid == 0)
		child(act, w, n, says[1]);
	close(says[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(read(says[0], text, sizeof text - 1) >= 0);
	close(says[0]);
	if (WIFEXITED(status)) {
		*failed_r = WEXITSTATUS(status) & 1;
		return WEXITSTATUS(status) >> 1;
	}
	if (!strstr(text, "out of memory"))
		fail_msg("allocation %ld: %s", n, text);
	*failed_r = true;
	return OUT_OF_MEMORY;
}

/*
 * Each of the first allocations fails once, and then each so-manieth, as a context makes thousands. How often each
 * outcome was seen when one did; without any failure: want.
 */
static void act_without_each(int (*act)(const struct work *w), const struct work *w, long step,
    enum outcome want, size_t seen[OUT_OF_MEMORY + 1])
{
	bool more = true;

	memset(seen, 0, (OUT_OF_MEMORY + 1) * sizeof *seen);
	for (long n = 0; more; n += n < FIRST ? 1 : step) {
		enum outcome outcome = act_without(act, w, n, &more);

		if (more)
			seen[outcome]++;
		else
			assert_int_equal(outcome, want);
	}
	assert_true(seen[OUT_OF_MEMORY] > 0);
}

static int setup(void **state)
{
	struct work *w = mem_new(struct work);

	tls_warm_up();
	identity_init(&w->id);
	w->server = identity_server(&w->id);
	w->client = identity_client(&w->id);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct work *w = *state;

	tls_unref(&w->server);
	tls_unref(&w->client);
	identity_fini(&w->id);
	mem_free(w);
	return 0;
}

/* Before anything else, as OpenSSL is made ready once in a process. */
static void test_warm_up(void **state)
{
	size_t seen[OUT_OF_MEMORY + 1];

	act_without_each(warm_up, NULL, 17, DONE, seen);
}

static void test_contexts(void **state)
{
	size_t seen[OUT_OF_MEMORY + 1];

	act_without_each(make_client, *state, 17, DONE, seen);
	assert_true(seen[REFUSED] > 0);
	act_without_each(make_server, *state, 17, DONE, seen);
	assert_true(seen[REFUSED] > 0);
}

static void test_streams(void **state)
{
	size_t seen[OUT_OF_MEMORY + 1];

	act_without_each(meet_friend, *state, 1, DONE, seen);
	act_without_each(meet_stranger, *state, 1, REFUSED, seen);
	assert_int_equal(seen[DONE], 0);
	act_without_each(meet_address, *state, 1, REFUSED, seen);
	assert_int_equal(seen[DONE], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_warm_up),
	    cmocka_unit_test_setup_teardown(test_contexts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
	};

	if (!CRYPTO_set_mem_functions(allocate, reallocate, release))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
