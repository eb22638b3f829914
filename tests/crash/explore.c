/*
 * For each moment (the end of each step of the recording) the state with everything in it gives the number
 * of what is there logically. Then the other states, all at moments just before a sync, an answer or the end, where
 * what is unsynced is most; elsewhere one of them, drawn. "All" needs no others: whatever is on the disk at
 * a moment may still be all that is there just before the next sync.
 *
 * A process of its own goes through all of it, and ends with the first wrong state; what it was at lies in
 * memory that is shared.
 */
#include "explore.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "memory.h"

struct progress {
	size_t moment;
	bool open; /* the state is made by choices, else by its variant */
	unsigned variant;
	struct choices choices;
	char second[EXPLORE_NAME];
	int64_t states;
	bool late;
};

struct run {
	struct explore *x;
	struct progress *at;
	struct recording recording;
	struct disk *disk;
	char *said;
	size_t said_n;
	size_t moment, first, answered; /* now, at the start, and at the last answer */
	uint64_t *sums;                 /* of each moment, everything kept */
	uint64_t *seen;                 /* numbers of images with what was said; a table, 0: free */
	size_t nseen, seen_cap;
	/* x->state, taken apart */
	size_t only_moment;
	const char *only_choices, *only_second;
	unsigned only_variant;
};

/* ---- processes and directories ---- */

static int remove_below(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level == 0 ? 0 : remove(name);
}

void explore_wipe(const char *directory)
{
	MUST(nftw(directory, remove_below, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

bool explore_child(void (*fn)(void *ctx), void *ctx)
{
	pid_t pid;
	int status = 0;

	fflush(NULL);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		fn(ctx);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		MUST(errno == EINTR);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void *explore_shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	return p;
}

/* ---- one state ---- */

_Noreturn static void wrong(const char *why)
{
	(void)!write(STDERR_FILENO, why, strlen(why));
	_exit(1);
}

struct attempt {
	struct run *run;
	bool whole;
	int pipe[2];
};

static void attempt_child(void *ctx)
{
	struct attempt *a = ctx;
	struct explore *x = a->run->x;
	uint64_t sum;

	MUST(chdir(x->scratch) == 0);
	sum = x->check(x->ctx, a->run->said, a->run->said_n, a->whole);
	MUST(write(a->pipe[1], &sum, sizeof sum) == sizeof sum);
}

/* In a directory. */
static uint64_t check_written(struct run *r, bool whole)
{
	struct attempt a = {.run = r, .whole = whole};
	uint64_t sum = 0;
	bool good;

	explore_wipe(r->x->scratch);
	disk_write(r->disk, r->x->scratch);
	MUST(pipe2(a.pipe, O_CLOEXEC) == 0);
	good = explore_child(attempt_child, &a);
	close(a.pipe[1]);
	good = good && read(a.pipe[0], &sum, sizeof sum) == sizeof sum;
	close(a.pipe[0]);
	if (!good)
		wrong("");
	return sum;
}

static uint64_t check_memory(struct run *r, bool whole)
{
	return r->x->check(r->x->ctx, r->said, r->said_n, whole);
}

/* The image chosen last. */
static uint64_t check(struct run *r, unsigned variant, bool whole)
{
	r->at->open = false;
	r->at->variant = variant;
	MUST(ftruncate(STDERR_FILENO, 0) == 0 && lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
	if (!r->x->in_memory)
		return check_written(r, whole);
	memory_load(r->disk);
	return check_memory(r, whole);
}

/* Has one of the moments since the last answer this content? */
static void must_be_known(const struct run *r, uint64_t sum)
{
	for (size_t i = r->answered; i <= r->moment; i++) {
		if (r->sums[i] == sum)
			return;
	}
	wrong("lane.md 3: neither as before the request nor as after it\n");
}

static bool is_late(struct run *r)
{
	return r->at->late = r->x->deadline && clock_mono() > r->x->deadline;
}

/* ---- states that were there already ---- */

static size_t slot_of(const struct run *r, uint64_t image)
{
	size_t at = image & (r->seen_cap - 1);

	while (r->seen[at] && r->seen[at] != image)
		at = (at + 1) & (r->seen_cap - 1);
	return at;
}

static void grow(struct run *r)
{
	uint64_t *old = r->seen;
	size_t n = r->seen_cap;

	r->seen_cap = n ? n * 2 : 4096;
	r->seen = mem_array(r->seen_cap, sizeof *r->seen);
	for (size_t i = 0; i < n; i++) {
		if (old[i])
			r->seen[slot_of(r, old[i])] = old[i];
	}
	mem_free(old);
}

/* What was said belongs to the state: it says what must be there. */
static bool is_new(struct run *r, uint64_t image)
{
	size_t at;

	if (r->nseen * 2 >= r->seen_cap)
		grow(r);
	image = (image ^ (r->said_n * 0x9e3779b97f4a7c15)) | 1;
	at = slot_of(r, image);
	if (r->seen[at])
		return false;
	r->seen[at] = image;
	r->nseen++;
	return true;
}

/* ---- moments ---- */

/* NULL: the end. */
static const struct event *next_event(const struct run *r)
{
	return r->moment < r->recording.n ? &r->recording.events[r->moment] : NULL;
}

static bool is_elsewhere(const struct run *r)
{
	const struct event *e = &r->recording.events[r->moment];
	const char *prefix = r->x->elsewhere;
	char name[256];

	snprintf(name, sizeof name, "%.*s", (int)e->head.name_n, e->name);
	if (e->head.kind == RECORD_SYNC)
		recording_name(&r->recording, r->moment, e->head.ino, name, sizeof name);
	return prefix && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Is the unsynced about to become less, or a promise made? */
static bool is_peak(const struct run *r)
{
	const struct event *event = next_event(r);
	uint32_t next = event ? event->head.kind : RECORD_SYNC_ALL;

	if (next == RECORD_SYNC || next == RECORD_SYNC_DIR)
		return !is_elsewhere(r);
	return next == RECORD_SYNC_ALL || next == RECORD_SAY ||
	       (r->moment && r->recording.events[r->moment - 1].head.kind == RECORD_SAY);
}

/* ---- drawn states ---- */

/* What happens after the state, if anything; false: the end. */
static bool go_on(struct run *r, const char *second)
{
	struct explore *x = r->x;
	struct explore_state state = {.disk = r->disk,
	    .variant = r->at->variant,
	    .moment = r->moment,
	    .next = next_event(r),
	    .said = r->said,
	    .said_n = r->said_n};

	if (x->after && !x->after(x, &state, second, r->at->second))
		wrong("");
	return true;
}

/* The number of the moment. False: nothing but words came since the one before. */
static bool sum_up(struct run *r, bool whole)
{
	uint64_t image = disk_choose(r->disk, DISK_ALL, r->x->seed + r->moment);

	if (!is_new(r, image)) {
		r->sums[r->moment] = r->moment ? r->sums[r->moment - 1] : 0;
		return false;
	}
	r->sums[r->moment] = check(r, DISK_ALL, whole);
	r->at->states += whole;
	return true;
}

/* False: the end. */
static bool visit(struct run *r, unsigned variant)
{
	struct explore *x = r->x;
	uint64_t sum;

	if (is_late(r))
		return false;
	r->at->variant = variant;
	if (variant == DISK_ALL && !x->sample) {
		bool different = sum_up(r, true);

		/* What it looks like may be as before, while more or less of it is synced. */
		return !(different || is_peak(r)) || go_on(r, NULL);
	}
	if (!is_new(r, disk_choose(r->disk, variant, x->seed + r->moment)))
		return true;
	sum = check(r, variant, true);
	r->at->states++;
	if (!x->sample && !x->peaks)
		must_be_known(r, sum);
	return go_on(r, NULL);
}

static unsigned variants(const struct run *r)
{
	size_t n = disk_pending(r->disk);

	return DISK_CANONICAL + (n <= DISK_SUBSETS ? 1u << n : r->x->draws);
}

static unsigned draw(const struct run *r, unsigned below)
{
	uint64_t z = (r->x->seed + 1) * 0x9e3779b97f4a7c15 ^ r->moment * 0xbf58476d1ce4e5b9;

	return (unsigned)((z ^ z >> 29) * 0x94d049bb133111eb >> 33) % below;
}

/* ---- all states ---- */

/* False: the end. */
static bool visit_all(struct run *r)
{
	r->at->choices.n = 0;
	r->at->open = true;
	do {
		if (is_late(r))
			return false;
		memory_load_open(r->disk, &r->at->choices, !r->x->no_tears);
		must_be_known(r, check_memory(r, true));
		r->at->states++;
	} while (choices_next(&r->at->choices));
	return true;
}

/* ---- one state by its name ---- */

static void parse_name(struct run *r)
{
	const char *name = r->x->state;
	static char choices[EXPLORE_NAME];
	unsigned long long moment = 0;
	int n = 0;

	if (!name)
		return;
	r->only_second = strchr(name, '/');
	r->only_second = r->only_second ? r->only_second + 1 : NULL;
	if (sscanf(name, "%llu.%u%n", &moment, &r->only_variant, &n) == 2 && n > 0) {
		r->only_moment = moment;
		return;
	}
	choices[0] = '\0';
	if (sscanf(name, "%llu:%2047[0-9,]", &moment, choices) < 1)
		wrong("there is no state of that name\n");
	r->only_moment = moment;
	r->only_choices = choices;
}

static bool visit_only(struct run *r)
{
	struct explore *x = r->x;
	uint64_t sum;

	if (!x->sample && !x->peaks)
		(void)sum_up(r, false);
	if (r->moment != r->only_moment)
		return true;
	if (r->only_choices) {
		r->at->open = true;
		MUST(choices_get(&r->at->choices, r->only_choices));
		memory_load_open(r->disk, &r->at->choices, !x->no_tears);
		sum = check_memory(r, true);
	} else {
		disk_choose(r->disk, r->only_variant, x->seed + r->moment);
		sum = check(r, r->only_variant, true);
	}
	r->at->states++;
	if (!x->sample && !x->peaks)
		must_be_known(r, sum);
	if (!r->only_choices)
		(void)go_on(r, r->only_second);
	return false;
}

/* ---- all that a moment has ---- */

static bool visit_sample(struct run *r)
{
	unsigned all = (unsigned)r->recording.n + 1;

	return draw(r, all) >= (unsigned)r->x->sample || visit(r, draw(r, variants(r)));
}

/* False: the end. */
static bool visit_moment(struct run *r)
{
	struct explore *x = r->x;
	bool go;

	r->at->moment = r->moment;
	if (x->state)
		return visit_only(r);
	if (x->sample)
		return visit_sample(r);
	if (x->answered && r->answered == r->first)
		return true;
	if (x->all) {
		(void)sum_up(r, false);
		return !is_peak(r) || visit_all(r);
	}
	if (x->peaks && !is_peak(r))
		return true;
	go = visit(r, DISK_ALL);
	if (go && !is_peak(r))
		return visit(r, 1 + draw(r, variants(r) - 1));
	for (unsigned v = 1; go && is_peak(r) && v < variants(r); v++)
		go = visit(r, v);
	return go;
}

static void hear(struct run *r, const struct event *e)
{
	size_t n = (size_t)e->head.n;

	r->said = mem_resize(r->said, r->said_n + n + 1);
	memcpy(r->said + r->said_n, e->data, n);
	r->said_n += n;
	if (n >= 3 && memcmp(e->data, "ok ", 3) == 0)
		r->answered = r->moment;
}

/* ---- the whole ---- */

/* What was there before the program is no crash. */
static void start(struct run *r)
{
	struct explore *x = r->x;

	r->disk = x->before ? x->before : disk_new();
	if (x->failed_sync)
		disk_fail_sync(r->disk, x->failed_sync, x->seed);
	if (x->before)
		disk_start_again(r->disk, &r->recording);
	do {
		MUST(r->moment < r->recording.n);
		if (!x->before)
			disk_do(r->disk, &r->recording.events[r->moment]);
	} while (r->recording.events[r->moment++].head.kind != RECORD_START);
	r->answered = r->first = r->moment;
}

struct work {
	struct explore *x;
	struct progress *at;
	int words;
};

/* In the process of its own; all that it has goes with it. */
static void work(void *ctx)
{
	struct work *w = ctx;
	struct explore *x = w->x;
	struct run r = {.x = x, .at = w->at};

	MUST(dup2(w->words, STDERR_FILENO) >= 0 && chdir(x->scratch) == 0);
	parse_name(&r);
	recording_read(&r.recording, x->recording);
	if (x->swallow)
		recording_swallow(&r.recording, x->swallow);
	r.sums = mem_array(r.recording.n + 1, sizeof *r.sums);
	r.said = mem_alloc(x->said_n + 1);
	if (x->said_n)
		memcpy(r.said, x->said, x->said_n);
	r.said_n = x->said_n;
	start(&r);
	if (x->in_memory)
		memory_take_sqlite(1);
	while (visit_moment(&r) && r.moment < r.recording.n) {
		const struct event *e = &r.recording.events[r.moment++];

		disk_do(r.disk, e);
		if (e->head.kind == RECORD_SAY)
			hear(&r, e);
	}
}

static void put_name(struct explore *x, const struct progress *at)
{
	int n = snprintf(
	    x->name, sizeof x->name, at->open ? "%zu:" : "%zu.%u", at->moment, at->variant);

	if (at->open)
		choices_put(&at->choices, x->name + n, sizeof x->name - (size_t)n);
	n = (int)strlen(x->name);
	if (at->second[0])
		snprintf(x->name + n, sizeof x->name - (size_t)n, "/%s", at->second);
}

bool explore_run(struct explore *x)
{
	struct work w = {.x = x,
	    .at = explore_shared(sizeof *w.at),
	    .words = memfd_create("words", MFD_CLOEXEC)};
	ssize_t n;

	MUST(w.words >= 0);
	x->failed = !explore_child(work, &w);
	x->states = w.at->states;
	x->moments = (int64_t)w.at->moment;
	x->late = w.at->late;
	if (x->failed) {
		n = pread(w.words, x->words, sizeof x->words - 1, 0);
		x->words[n > 0 ? n : 0] = '\0';
		put_name(x, w.at);
	}
	close(w.words);
	munmap(w.at, sizeof *w.at);
	return !x->failed;
}
