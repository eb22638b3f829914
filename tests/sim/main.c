/*
 * Days of the queue in seconds: each seed is a week of a whole world, in a process of its own. See
 * docs/simulation.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store.h"
#include "totals.h"
#include "traffic.h"

struct options {
	uint64_t seed, seeds; /* from seed on, so many */
	unsigned jobs;
	int64_t seconds; /* after which no further one is begun; 0: none */
	bool fails;      /* one of them is to fail */
};

static char scratch[64];

/* ---- one seed ---- */

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	MUST(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		MUST(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

static void copy_dir(const char *from, const char *to)
{
	DIR *d = opendir(from);

	MUST(d && mkdir(to, 0700) == 0);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		char a[600], b[600];

		if (e->d_name[0] == '.')
			continue;
		snprintf(a, sizeof a, "%s/%s", from, e->d_name);
		snprintf(b, sizeof b, "%s/%s", to, e->d_name);
		if (e->d_type == DT_DIR)
			copy_dir(a, b);
		else
			copy_file(a, b);
	}
	closedir(d);
}

static void remove_dir(const char *path)
{
	DIR *d = opendir(path);

	if (!d)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		char name[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_dir(name);
		else
			unlink(name);
	}
	closedir(d);
	rmdir(path);
}

/* Lives through the week; ends the process if something is wrong. */
static void live(uint64_t seed)
{
	char dir[128], template[128];

	snprintf(template, sizeof template, "%s/template", scratch);
	snprintf(dir, sizeof dir, "%s/%llu", scratch, (unsigned long long)seed);
	copy_dir(template, dir);
	MUST(chdir(dir) == 0);
	sim_loop_init(seed);
	sim_world_make();
	sim_check_begin();
	sim_store_start();
	sim_relay_start();
	sim_link();
	sim_traffic_plan();
	sim_run(sim_world.end, NULL);
	for (int second = 0; second < 60 && !sim_store(); second++) /* it was killed just now */
		sim_run(clock_mono() + SECOND_MS, NULL);
	sim_check_end();
}

/* ---- many ---- */

#define JOBS_MAX 64

struct worker {
	pid_t pid;
	uint64_t seed;
};

/* What all of them came to. */
struct run {
	struct worker workers[JOBS_MAX];
	struct sim_totals *parts; /* of each worker's week, shared with it */
	struct sim_totals sum;
	uint64_t count, failed;
	double cpu, worst; /* seconds of a processor */
	uint64_t slowest;  /* the seed of the worst */
};

static pid_t start(struct run *run, const struct worker *w)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		live(w->seed);
		sim_totals_take(&run->parts[w - run->workers]);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

/* True: the seed was well. */
static bool judge(const struct worker *w, int status)
{
	char dir[128];

	snprintf(dir, sizeof dir, "%s/%llu", scratch, (unsigned long long)w->seed);
	remove_dir(dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %llu: ended by signal %d\n", (unsigned long long)w->seed,
		    WTERMSIG(status));
	fprintf(stderr, "see it again, told step by step: tests/sim/sim --seed %llu -v\n",
	    (unsigned long long)w->seed);
	return false;
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static bool may_begin(
    const struct options *o, const struct timespec *begin, uint64_t next, bool failed)
{
	return next < o->seed + o->seeds && !(o->fails && failed) &&
	       (o->seconds == 0 || seconds_since(begin) < (double)o->seconds);
}

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* A week is over. */
static void count(struct run *run, struct worker *w, int status, const struct rusage *used)
{
	double cpu = seconds_of(&used->ru_utime) + seconds_of(&used->ru_stime);
	struct sim_totals *part = &run->parts[w - run->workers];

	run->count++;
	run->cpu += cpu;
	if (cpu > run->worst) {
		run->worst = cpu;
		run->slowest = w->seed;
	}
	if (judge(w, status))
		sim_totals_add(&run->sum, part);
	else
		run->failed++;
	*part = (struct sim_totals){0};
	w->pid = 0;
}

/* With `fails` it stops at the first that does. */
static void run_all(const struct options *o, const struct timespec *begin, struct run *run)
{
	uint64_t next = o->seed, running = 0;

	for (;;) {
		struct rusage used;
		int status;
		pid_t pid;
		struct worker *w = run->workers;

		while (running < o->jobs && may_begin(o, begin, next, run->failed)) {
			for (w = run->workers; w->pid; w++)
				;
			w->seed = next++;
			w->pid = start(run, w);
			running++;
		}
		if (running == 0)
			return;
		pid = wait4(-1, &status, 0, &used);
		MUST(pid > 0);
		for (w = run->workers; w->pid != pid; w++)
			;
		count(run, w, status, &used);
		running--;
	}
}

/* ---- the program ---- */

static uint64_t number(const char *text)
{
	uint64_t n;

	if (!str_to_u64(str_of_c(text ? text : ""), UINT32_MAX, &n)) {
		fprintf(stderr, "a number is missing\n");
		exit(2);
	}
	return n;
}

static struct options options_of(int argc, char **argv)
{
	struct options o = {.seed = 1, .seeds = 200, .jobs = 2};
	const char *seeds = getenv("SIM_SEEDS"), *seconds = getenv("SIM_SECONDS");

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0) {
			o.seed = number(argv[++i]);
			o.seeds = 1;
		} else if (strcmp(argv[i], "--seeds") == 0) {
			o.seeds = number(argv[++i]);
		} else if (strcmp(argv[i], "--jobs") == 0) {
			o.jobs = (unsigned)number(argv[++i]);
		} else if (strcmp(argv[i], "--fails") == 0) {
			o.fails = true;
		} else if (strcmp(argv[i], "-v") == 0) {
			sim_verbose = true;
		} else {
			fprintf(stderr,
			    "usage: sim [--seed FROM] [--seeds COUNT] [--jobs N] [--fails] [-v]\n");
			exit(2);
		}
	}
	if (seeds && !o.fails)
		o.seeds = number(seeds);
	if (seconds && !o.fails)
		o.seconds = (int64_t)number(seconds);
	if (o.jobs < 1 || o.jobs > JOBS_MAX)
		o.jobs = 2;
	return o;
}

/* The database is in memory: each seed, a process of its own, begins with what is there now. */
static void make_template(void)
{
	char path[128];

	snprintf(scratch, sizeof scratch, "%s/godwit-sim-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(scratch));
	snprintf(path, sizeof path, "%s/template", scratch);
	sim_loop_init(0);
	sim_store_template(path);
	MUST(chdir("/") == 0);
}

static void print(const struct run *run, const struct timespec *begin)
{
	printf("%llu weeks simulated, %.3f s of a processor each, at most %.3f s (seed %llu), "
	       "%.1f s in all\n",
	    (unsigned long long)run->count, run->cpu / (double)(run->count ? run->count : 1),
	    run->worst, (unsigned long long)run->slowest, seconds_since(begin));
	sim_totals_print(&run->sum);
}

int main(int argc, char **argv)
{
	struct options o = options_of(argc, argv);
	struct timespec begin;
	struct run run = {0};

	setenv("TZ", "UTC", 1);
	make_template();
	run.parts = mmap(NULL, JOBS_MAX * sizeof *run.parts, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(run.parts != MAP_FAILED);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	run_all(&o, &begin, &run);
	remove_dir(scratch);
	print(&run, &begin);
	if (o.fails && run.failed)
		printf("found: a week that fails\n");
	if (o.fails)
		return run.failed ? 0 : 1;
	printf("%llu passed, %llu failed\n", (unsigned long long)(run.count - run.failed),
	    (unsigned long long)run.failed);
	return run.failed || run.count == 0 ? 1 : 0;
}
