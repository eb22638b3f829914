/*
 * crash_explore: the commands. "store" runs the real store and explores it; "record" and "check" do the
 * same for any program. README.md describes them.
 */
#include "explore.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_run.h"

#define SECOND_EVERY 60 /* states between two from which the store works on and dies again */
#define SECOND_STEPS 5
#define SECOND_TRIES 8 /* states of each second crash */

struct options {
	uint64_t seed;
	int64_t seeds, seconds, steps;
	unsigned draws;
	const char *swallow, *state;
	bool keep;  /* the directories, with the last state, to be looked at */
	bool fails; /* exit 0 when a wrong state is found: the tests of the explorer */
	char **command;
};

static char root[64], self[PATH_MAX];
static int64_t states, recordings, seconds_crashes;

/* Below the root; directories first. */
enum place {
	RUN,
	STATE,
	SECOND_RUN,
	DIRECTORIES,
	FIRST = DIRECTORIES,
	SECOND,
	SAID,
	PLACES
};

static char places[PLACES][PATH_MAX];

/* ---- recording ---- */

struct recorded {
	const char *directory, *file;
	char *const *argv;
	bool quiet; /* what it says goes to the recording only */
};

static void preload(const struct recorded *c)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char text[1024], lib[PATH_MAX + 32], *dir = realpath(c->directory, NULL);

	snprintf(
	    lib, sizeof lib, "%.*s/libcrash_record.so", (int)(strrchr(self, '/') - self), self);
	snprintf(text, sizeof text, "%s:verify_asan_link_order=0", asan ? asan : "");
	MUST(dir && setenv(RECORD_BELOW, dir, 1) == 0 && setenv(RECORD_FILE, c->file, 1) == 0);
	MUST(setenv("LD_PRELOAD", lib, 1) == 0 && setenv("ASAN_OPTIONS", text, 1) == 0);
	MUST(access(lib, R_OK) == 0);
	free(dir);
}

static void record_child(void *ctx)
{
	const struct recorded *c = ctx;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	preload(c);
	MUST(chdir(c->directory) == 0 && (!c->quiet || dup2(null, STDOUT_FILENO) >= 0));
	execvp(c->argv[0], c->argv);
	_exit(127);
}

static bool record(const char *directory, const char *file, char *const *argv, bool quiet)
{
	recording_begin(file, directory);
	return explore_child(record_child, &(struct recorded){directory, file, argv, quiet});
}

static bool record_store(const char *dir, const char *file, uint64_t seed, int64_t n, int times)
{
	char a[32], b[32], c[32];

	snprintf(a, sizeof a, "%llu", (unsigned long long)seed);
	snprintf(b, sizeof b, "%lld", (long long)n);
	snprintf(c, sizeof c, "%d", times);
	recordings++;
	return record(dir, file, (char *[]){self, (char[]){"work"}, a, b, c, NULL}, true);
}

/* ---- the store ---- */

static uint64_t check_store(void *ctx, const char *said, size_t n)
{
	return store_check(said, n);
}

/* The store works on in a state, and the machine dies again. */
static bool second_crash(struct explore *first, struct disk *d, const char *said, size_t n)
{
	struct explore x = {.recording = places[SECOND],
	    .scratch = places[STATE],
	    .check = check_store,
	    .seed = first->seed + (uint64_t)first->states,
	    .said = said,
	    .said_n = n,
	    .sample = SECOND_TRIES,
	    .draws = 4,
	    .only_moment = -1,
	    .deadline = first->deadline,
	    .quiet = first->quiet};

	if (first->only_moment < 0 && first->states % SECOND_EVERY)
		return true;
	explore_wipe(places[SECOND_RUN]);
	disk_write(d, places[SECOND_RUN]);
	if (!record_store(places[SECOND_RUN], x.recording, x.seed, SECOND_STEPS, 1) ||
	    !explore_run(&x)) {
		fprintf(stderr, "(after a first crash)\n");
		first->failed = true;
	}
	first->late |= x.late;
	states += x.states;
	seconds_crashes++;
	return !first->failed;
}

static void set_state(struct explore *x, const char *state)
{
	unsigned variant = 0;
	long long moment = -1;

	if (state && sscanf(state, "%lld.%u", &moment, &variant) != 2) {
		fprintf(stderr, "--state is MOMENT.VARIANT, as a failure prints it.\n");
		exit(2);
	}
	x->only_moment = moment;
	x->only_variant = variant;
}

static bool explore_store(const struct options *o, uint64_t seed, int64_t deadline, bool *late_r)
{
	struct explore x = {.recording = places[FIRST],
	    .scratch = places[STATE],
	    .check = check_store,
	    .seed = seed,
	    .swallow = o->swallow,
	    .draws = o->draws,
	    .deadline = deadline,
	    .after = o->fails ? NULL : second_crash,
	    .quiet = o->fails};

	set_state(&x, o->state);
	explore_wipe(places[RUN]);
	if (!record_store(places[RUN], x.recording, seed, o->steps, 0)) {
		fprintf(stderr, "seed %llu: the run itself failed\n", (unsigned long long)seed);
		return false;
	}
	(void)explore_run(&x);
	states += x.states;
	*late_r = x.late;
	return !x.failed;
}

static int command_store(const struct options *o)
{
	int64_t deadline = o->seconds ? clock_mono() + o->seconds * 1000 : 0;
	bool good = true, late = false;
	uint64_t seed = o->seed;

	do
		good = explore_store(o, seed++, deadline, &late);
	while (good && !late && (o->seconds || seed < o->seed + (uint64_t)o->seeds));
	printf("%lld crash states explored, %lld recordings, %lld second crashes\n",
	    (long long)states, (long long)recordings, (long long)seconds_crashes);
	if (o->fails && good)
		fprintf(stderr, "the mutation was not found\n");
	return good == o->fails;
}

/* ---- any program ---- */

struct foreign {
	char **command;
};

static uint64_t check_foreign(void *ctx, const char *said, size_t n)
{
	struct foreign *f = ctx;
	int fd = open(places[SAID], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid;
	int status;

	MUST(fd >= 0 && write(fd, said, n) == (ssize_t)n);
	close(fd);
	MUST(setenv("CRASH_SAID", places[SAID], 1) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		execvp(f->command[0], f->command);
		_exit(127);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		_exit(1);
	return 0;
}

static int command_check(const struct options *o, const char *file)
{
	struct foreign f = {o->command};
	struct explore x = {.recording = file,
	    .scratch = places[STATE],
	    .check = check_foreign,
	    .ctx = &f,
	    .seed = o->seed,
	    .draws = o->draws,
	    .deadline = o->seconds ? clock_mono() + o->seconds * 1000 : 0,
	    .quiet = o->fails};
	bool good;

	set_state(&x, o->state);
	good = explore_run(&x);
	printf("%lld crash states explored\n", (long long)x.states);
	return good == o->fails;
}

/* ---- arguments ---- */

static void usage(void)
{
	fprintf(stderr, "usage: crash_explore store [OPTION...]\n"
			"       crash_explore record FILE DIRECTORY -- COMMAND...\n"
			"       crash_explore check FILE [OPTION...] -- COMMAND...\n"
			"tests/crash/README.md explains them.\n");
	exit(2);
}

static int64_t number_of(const char *text)
{
	long long n = 0;

	if (sscanf(text, "%lld", &n) != 1)
		usage();
	return n;
}

static void parse(struct options *o, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--") == 0) {
			o->command = argv + i + 1;
			return;
		}
		o->fails |= strcmp(argv[i], "--fails") == 0;
		o->keep |= strcmp(argv[i], "--keep") == 0;
		if (strcmp(argv[i], "--fails") == 0 || strcmp(argv[i], "--keep") == 0)
			continue;
		i++;
		if (strcmp(argv[i - 1], "--seed") == 0)
			o->seed = (uint64_t)number_of(value);
		else if (strcmp(argv[i - 1], "--seeds") == 0)
			o->seeds = number_of(value);
		else if (strcmp(argv[i - 1], "--seconds") == 0)
			o->seconds = number_of(value);
		else if (strcmp(argv[i - 1], "--steps") == 0)
			o->steps = number_of(value);
		else if (strcmp(argv[i - 1], "--draws") == 0)
			o->draws = (unsigned)number_of(value);
		else if (strcmp(argv[i - 1], "--state") == 0)
			o->state = value;
		else if (strcmp(argv[i - 1], "--swallow") == 0)
			o->swallow = value;
		else
			usage();
	}
}

static void make_root(void)
{
	static const char *const names[PLACES] = {
	    "run", "state", "second-run", "first.recording", "second.recording", "said"};
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	MUST(n > 0);
	snprintf(root, sizeof root, "%s/godwit-crash-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(root));
	for (size_t i = 0; i < PLACES; i++) {
		MUST(snprintf(places[i], sizeof places[i], "%s/%s", root, names[i]) < PATH_MAX);
		MUST(i >= DIRECTORIES || mkdir(places[i], 0700) == 0);
	}
}

int main(int argc, char **argv)
{
	const char *longer = getenv("CRASH_SECONDS");
	struct options o = {.seed = 1, .seeds = 1, .steps = 30, .draws = 3};
	int result = 2;

	if (argc == 5 && strcmp(argv[1], "work") == 0)
		store_work(
		    (uint64_t)number_of(argv[2]), (int)number_of(argv[3]), (int)number_of(argv[4]));
	if (argc < 2)
		usage();
	make_root();
	if (strcmp(argv[1], "store") == 0) {
		parse(&o, argc - 2, argv + 2);
		if (longer && o.seconds && !o.fails)
			o.seconds = number_of(longer);
		result = command_store(&o);
	} else if (argc > 5 && strcmp(argv[1], "record") == 0) {
		parse(&o, argc - 4, argv + 4);
		result = o.command ? !record(argv[3], argv[2], o.command, false) : 2;
	} else if (argc > 4 && strcmp(argv[1], "check") == 0) {
		parse(&o, argc - 3, argv + 3);
		result = o.command ? command_check(&o, argv[2]) : 2;
	}
	if (o.keep) {
		fprintf(stderr, "kept: %s\n", root);
		return result;
	}
	explore_wipe(root);
	(void)rmdir(root);
	if (result == 2)
		usage();
	return result;
}
