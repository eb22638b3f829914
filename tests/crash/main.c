/*
 * crash_explore: the commands. "small" and "store" run the real store and explore it, all states or drawn
 * ones; "record" and "check" do the same for any program. README.md describes them.
 */
#include "explore.h"

#include <fcntl.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "memory.h"
#include "store_run.h"

#define LONGER       "CRASH_SECONDS" /* the long form of the tests: for so long */
#define SECOND_STEPS 5
#define SECOND_TRIES 40 /* states of each second crash */

struct options {
	uint64_t seed;
	int64_t seeds, seconds, steps, second_every;
	unsigned draws;
	const char *swallow, *state;
	const char *
	    fails; /* exit 0 when a state is wrong in these words (a pattern): the explorer's tests */
	bool keep; /* the directories, with the last state, to be looked at */
	char **command;
};

static char root[64], self[PATH_MAX];

/* Children count too. */
static struct counts {
	int64_t all, drawn, recordings, second;
} * counts;

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
	counts->recordings++;
	return record(dir, file, (char *[]){self, (char[]){"work"}, a, b, c, NULL}, true);
}

/* ---- the store ---- */

static uint64_t check_store(void *ctx, const char *said, size_t n, bool whole)
{
	return store_check(memory_fsio(), said, n, whole);
}

/* The seed of what happens after a state: the state itself. */
static uint64_t seed_after(const struct explore *x, struct disk *d)
{
	return x->seed * 1000003 + disk_number(d) % 1000003;
}

/* The store works on in a state, and the machine dies again. */
static bool second_crash(struct explore *first, struct disk *d, const char *said, size_t n,
    const char *second, char *name)
{
	const struct options *o = first->ctx;
	struct explore x = {.recording = places[SECOND],
	    .scratch = places[STATE],
	    .check = check_store,
	    .in_memory = true,
	    .seed = seed_after(first, d),
	    .said = said,
	    .said_n = n,
	    .sample = SECOND_TRIES,
	    .draws = 4,
	    .state = second,
	    .deadline = first->deadline};

	if (first->state ? !second : x.seed % (uint64_t)o->second_every != 0)
		return true;
	explore_wipe(places[SECOND_RUN]);
	disk_write(d, places[SECOND_RUN]);
	if (!record_store(places[SECOND_RUN], x.recording, x.seed, SECOND_STEPS, 1)) {
		fprintf(stderr, "the store does not work on after the crash\n");
		snprintf(name, EXPLORE_NAME, "run");
		return false;
	}
	(void)explore_run(&x);
	counts->drawn += x.states;
	counts->second++;
	if (x.failed) {
		fprintf(stderr, "%s(after a second crash)\n", x.words);
		snprintf(name, EXPLORE_NAME, "%s", x.name);
	}
	return !x.failed;
}

/* Is it wrong in the words that were expected? */
static bool is_expected(const struct options *o, const char *words)
{
	regex_t pattern;
	bool found;

	MUST(regcomp(&pattern, o->fails, REG_EXTENDED | REG_NOSUB) == 0);
	found = regexec(&pattern, words, 0, NULL, 0) == 0;
	regfree(&pattern);
	return found;
}

/* Exit status: 0, also when the failure that was expected was found; 1. */
static int judge(
    const struct options *o, const struct explore *x, const char *how, const char *what)
{
	if (!x->failed && !o->fails)
		return 0;
	if (!x->failed) {
		fprintf(stderr, "the mutation was not found\n");
		return 1;
	}
	if (o->fails && is_expected(o, x->words)) {
		printf("found: %sas expected\n", x->words);
		return 0;
	}
	fprintf(stderr,
	    "a crash leaves a wrong state%s: %sreplay: crash_explore %s%s%s --state %s%s\n",
	    o->fails ? ", but not as expected" : "", x->words, how, o->swallow ? " --swallow " : "",
	    o->swallow ? o->swallow : "", x->name, what);
	return 1;
}

static void explore_store(const struct options *o, struct explore *x, uint64_t seed)
{
	*x = (struct explore){.recording = places[FIRST],
	    .scratch = places[STATE],
	    .check = check_store,
	    .ctx = (void *)(uintptr_t)o,
	    .in_memory = true,
	    .seed = seed,
	    .swallow = o->swallow,
	    .draws = o->draws,
	    .state = o->state,
	    .deadline = o->seconds ? x->deadline : 0,
	    .after = o->second_every ? second_crash : NULL,
	    .peaks = o->fails};
	explore_wipe(places[RUN]);
	if (!record_store(places[RUN], x->recording, seed, o->steps, 0)) {
		snprintf(x->words, sizeof x->words, "the run itself failed\n");
		x->failed = true;
		return;
	}
	(void)explore_run(x);
	counts->drawn += x->states;
}

static int command_store(const struct options *o)
{
	struct explore x = {.deadline = clock_mono() + o->seconds * 1000};
	int64_t deadline = x.deadline;
	uint64_t seed = o->seed;
	char how[256];

	do {
		x.deadline = deadline;
		explore_store(o, &x, seed++);
	} while (!x.failed && !x.late && !o->state &&
		 (o->seconds || seed < o->seed + (uint64_t)o->seeds));
	if (!o->fails)
		printf("%lld crash states explored, drawn: %lld recordings, %lld second crashes\n",
		    (long long)counts->drawn, (long long)counts->recordings,
		    (long long)counts->second);
	snprintf(how, sizeof how, "store --steps %lld --draws %u --seed %llu", (long long)o->steps,
	    o->draws, (unsigned long long)seed - 1);
	return judge(o, &x, how, "");
}

/* ---- small runs, all states ---- */

/* Runs what comes before the small run; what it said. */
static char *prepare_small(const char *name, size_t *n_r)
{
	struct recorded before = {.directory = places[RUN],
	    .file = places[SECOND],
	    .argv = (char *[]){self, (char[]){"before"}, (char *)(uintptr_t)name, NULL},
	    .quiet = true};
	struct recording r;
	char *said;
	size_t n = 0;

	explore_wipe(places[RUN]);
	recording_begin(places[SECOND], places[RUN]);
	if (!explore_child(record_child, &before))
		return NULL;
	recording_read(&r, places[SECOND]);
	said = mem_alloc(1);
	for (size_t i = 0; i < r.n; i++) {
		size_t more = (size_t)r.events[i].head.n;

		if (r.events[i].head.kind != RECORD_SAY)
			continue;
		said = mem_resize(said, n + more);
		memcpy(said + n, r.events[i].data, more);
		n += more;
	}
	recording_free(&r);
	*n_r = n;
	return said;
}

static void explore_small(const struct options *o, struct explore *x, const char *name)
{
	size_t n = 0;
	char *said = prepare_small(name, &n);

	*x = (struct explore){.recording = places[FIRST],
	    .scratch = places[STATE],
	    .check = check_store,
	    .ctx = (void *)(uintptr_t)o,
	    .in_memory = true,
	    .all = true,
	    .said = said,
	    .said_n = n,
	    .swallow = o->swallow,
	    .state = o->state};
	if (!said ||
	    !record(places[RUN], x->recording,
		(char *[]){self, (char[]){"small"}, (char *)(uintptr_t)name, NULL}, true)) {
		snprintf(x->words, sizeof x->words, "the run itself failed\n");
		x->failed = true;
	} else {
		(void)explore_run(x);
	}
	counts->recordings++;
	counts->all += x->states;
	mem_free(said);
}

/* Names behind a + are for the long form only. */
static int command_small(const struct options *o)
{
	struct explore x = {0};
	char what[64] = "";

	for (char **name = o->command; *name && !x.failed; name++) {
		bool more = strcmp(*name, "+") == 0;

		if (more && !getenv(LONGER))
			break;
		if (more)
			continue;
		explore_small(o, &x, *name);
		snprintf(what, sizeof what, " -- %s", *name);
	}
	if (!o->fails)
		printf("%lld crash states explored, all of %lld small runs\n",
		    (long long)counts->all, (long long)counts->recordings);
	return judge(o, &x, "small", what);
}

/* ---- any program ---- */

struct foreign {
	char **command;
};

static uint64_t check_foreign(void *ctx, const char *said, size_t n, bool whole)
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
	    .state = o->state,
	    .deadline = o->seconds ? clock_mono() + o->seconds * 1000 : 0};
	char how[PATH_MAX + 128];

	(void)explore_run(&x);
	if (!o->fails)
		printf("%lld states explored\n", (long long)x.states);
	snprintf(how, sizeof how, "check %s --draws %u --seed %llu", file, o->draws,
	    (unsigned long long)o->seed);
	return judge(o, &x, how, " -- COMMAND...");
}

/* ---- arguments ---- */

static void usage(void)
{
	fprintf(stderr, "usage: crash_explore store [OPTION...]\n"
			"       crash_explore small [OPTION...] -- NAME...\n"
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

/* With a value each. */
static void parse_one(struct options *o, const char *name, const char *value)
{
	if (strcmp(name, "--seed") == 0)
		o->seed = (uint64_t)number_of(value);
	else if (strcmp(name, "--seeds") == 0)
		o->seeds = number_of(value);
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = number_of(value);
	else if (strcmp(name, "--steps") == 0)
		o->steps = number_of(value);
	else if (strcmp(name, "--second-every") == 0)
		o->second_every = number_of(value);
	else if (strcmp(name, "--draws") == 0)
		o->draws = (unsigned)number_of(value);
	else if (strcmp(name, "--state") == 0)
		o->state = value;
	else if (strcmp(name, "--swallow") == 0)
		o->swallow = value;
	else if (strcmp(name, "--fails") == 0)
		o->fails = value;
	else
		usage();
}

static void parse(struct options *o, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			o->command = argv + i + 1;
			return;
		}
		if (strcmp(argv[i], "--keep") == 0) {
			o->keep = true;
			continue;
		}
		if (i + 1 == argc)
			usage();
		parse_one(o, argv[i], argv[i + 1]);
		i++;
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

/* The halves of a run, in processes of their own. */
static void work(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "work") == 0)
		store_work(
		    (uint64_t)number_of(argv[2]), (int)number_of(argv[3]), (int)number_of(argv[4]));
	if (argc == 3 && (strcmp(argv[1], "before") == 0 || strcmp(argv[1], "small") == 0))
		store_small(argv[2], argv[1][0] == 'b');
}

static int command(struct options *o, int argc, char **argv)
{
	const char *longer = getenv(LONGER);

	if (strcmp(argv[1], "store") == 0) {
		parse(o, argc - 2, argv + 2);
		if (longer && o->seconds && !o->fails)
			o->seconds = number_of(longer);
		return command_store(o);
	}
	if (strcmp(argv[1], "small") == 0) {
		parse(o, argc - 2, argv + 2);
		return o->command && *o->command ? command_small(o) : 2;
	}
	if (argc > 5 && strcmp(argv[1], "record") == 0) {
		parse(o, argc - 4, argv + 4);
		return o->command ? !record(argv[3], argv[2], o->command, false) : 2;
	}
	if (argc > 4 && strcmp(argv[1], "check") == 0) {
		parse(o, argc - 3, argv + 3);
		return o->command ? command_check(o, argv[2]) : 2;
	}
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .seeds = 1, .steps = 30, .draws = 3, .second_every = 60};
	int result;

	work(argc, argv);
	if (argc < 2)
		usage();
	make_root();
	counts = explore_shared(sizeof *counts);
	result = command(&o, argc, argv);
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
