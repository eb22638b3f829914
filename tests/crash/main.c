/*
 * crash_explore: the commands. "small" and "store" run the real store and explore it, all states or drawn
 * ones; "record" and "check" do the same for any program. README.md describes them.
 */
#include "main.h"

#include <fcntl.h>
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

char main_root[64], main_self[PATH_MAX], main_places[PLACES][PATH_MAX];
struct counts *main_counts;

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

	snprintf(lib, sizeof lib, "%.*s/libcrash_record.so",
	    (int)(strrchr(main_self, '/') - main_self), main_self);
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

bool main_record(const char *directory, const char *file, char *const *argv, bool quiet)
{
	recording_begin(file, directory);
	return explore_child(record_child, &(struct recorded){directory, file, argv, quiet});
}

/* ---- how it went ---- */

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
int main_judge(const struct options *o, const struct explore *x, const char *how, const char *what)
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
	fprintf(stderr, "a crash leaves a wrong state%s: %sreplay: crash_explore %s",
	    o->fails ? ", but not as expected" : "", x->words, how);
	if (o->swallow)
		fprintf(stderr, " --swallow %s", o->swallow);
	if (o->no_tears)
		fprintf(stderr, " --no-tears");
	if (o->second_swallow)
		fprintf(stderr, " --second-swallow %s", o->second_swallow);
	fprintf(stderr, " --state %s%s\n", x->name, what);
	return 1;
}

/* ---- any program ---- */

struct foreign {
	char **command;
};

static uint64_t check_foreign(void *ctx, const char *said, size_t n, bool whole)
{
	struct foreign *f = ctx;
	int fd = open(main_places[SAID], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid;
	int status;

	MUST(fd >= 0 && write(fd, said, n) == (ssize_t)n);
	close(fd);
	MUST(setenv("CRASH_SAID", main_places[SAID], 1) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		execvp(f->command[0], f->command);
		_exit(127);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "the check ended with status %d\n",
		    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		_exit(1);
	}
	return 0;
}

static int command_check(const struct options *o, const char *file)
{
	struct foreign f = {o->command};
	struct explore x = {.recording = file,
	    .scratch = main_places[STATE],
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
	return main_judge(o, &x, how, " -- COMMAND...");
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
	else if (strcmp(name, "--killed-every") == 0)
		o->killed_every = number_of(value);
	else if (strcmp(name, "--draws") == 0)
		o->draws = o->drawn = (unsigned)number_of(value);
	else if (strcmp(name, "--state") == 0)
		o->state = value;
	else if (strcmp(name, "--swallow") == 0)
		o->swallow = value;
	else if (strcmp(name, "--second-swallow") == 0)
		o->second_swallow = value;
	else if (strcmp(name, "--fails") == 0)
		o->fails = value;
	else
		usage();
}

static bool parse_flag(struct options *o, const char *name)
{
	const struct {
		const char *name;
		bool *on;
	} flags[] = {{"--keep", &o->keep}, {"--no-tears", &o->no_tears},
	    {"--tears-in-long", &o->long_tears}, {"--answered", &o->answered}};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (strcmp(name, flags[i].name) == 0)
			return *flags[i].on = true;
	}
	return false;
}

static void parse(struct options *o, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			o->command = argv + i + 1;
			return;
		}
		if (parse_flag(o, argv[i]))
			continue;
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
	ssize_t n = readlink("/proc/self/exe", main_self, sizeof main_self - 1);

	MUST(n > 0);
	snprintf(main_root, sizeof main_root, "%s/godwit-crash-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(main_root));
	for (size_t i = 0; i < PLACES; i++) {
		MUST(snprintf(main_places[i], sizeof main_places[i], "%s/%s", main_root, names[i]) <
		     PATH_MAX);
		MUST(i >= DIRECTORIES || mkdir(main_places[i], 0700) == 0);
	}
}

/* Programs run in other directories. */
static const char *absolute(const char *path)
{
	static char out[2 * PATH_MAX];
	char here[PATH_MAX];

	if (path[0] == '/')
		return path;
	MUST(getcwd(here, sizeof here));
	snprintf(out, sizeof out, "%s/%s", here, path);
	return out;
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
		return runs_store(o);
	}
	if (strcmp(argv[1], "small") == 0) {
		parse(o, argc - 2, argv + 2);
		return o->command && *o->command ? runs_small(o) : 2;
	}
	if (argc > 5 && strcmp(argv[1], "record") == 0) {
		parse(o, argc - 4, argv + 4);
		return o->command ? !main_record(argv[3], absolute(argv[2]), o->command, false) : 2;
	}
	if (argc > 4 && strcmp(argv[1], "check") == 0) {
		parse(o, argc - 3, argv + 3);
		return o->command ? command_check(o, absolute(argv[2])) : 2;
	}
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = {
	    .seed = 1, .seeds = 1, .steps = 30, .draws = 3, .second_every = 60, .killed_every = 2};
	int result;

	work(argc, argv);
	if (argc < 2)
		usage();
	make_root();
	main_counts = explore_shared(sizeof *main_counts);
	result = command(&o, argc, argv);
	if (o.keep) {
		fprintf(stderr, "kept: %s\n", main_root);
		return result;
	}
	explore_wipe(main_root);
	(void)rmdir(main_root);
	if (result == 2)
		usage();
	return result;
}
