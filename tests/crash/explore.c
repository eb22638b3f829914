/*
 * For each moment (the end of each step of the recording) the state with everything in it gives the number
 * of what is there logically. Then the other states, all at moments just before a sync, an answer or the end, where
 * what is unsynced is most; elsewhere one of them, drawn.
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

struct run {
	struct explore *x;
	struct recording recording;
	struct disk *disk;
	char *said;
	size_t said_n;
	size_t moment, answered; /* now, and at the last answer */
	uint64_t *sums;          /* of each moment, everything kept */
	uint64_t *seen;          /* numbers of images with what was said; a table, 0: free */
	size_t nseen, seen_cap;
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

/* ---- one state ---- */

struct attempt {
	struct run *run;
	int pipe[2];
	int words; /* where standard error goes */
};

static void attempt_child(void *ctx)
{
	struct attempt *a = ctx;
	struct explore *x = a->run->x;
	uint64_t sum;

	MUST(chdir(x->scratch) == 0 && dup2(a->words, STDERR_FILENO) >= 0);
	sum = x->check(x->ctx, a->run->said, a->run->said_n);
	MUST(write(a->pipe[1], &sum, sizeof sum) == sizeof sum);
}

static void show(int words)
{
	char text[4096];
	ssize_t n = pread(words, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	fprintf(stderr, "%s", text);
}

static bool fail(struct run *r, unsigned variant, const char *why, int words)
{
	r->x->failed = true;
	if (r->x->quiet)
		return false;
	fprintf(stderr, "a crash at moment %zu, variant %u: %s\n", r->moment, variant, why);
	show(words);
	fprintf(stderr, "replay: --seed %llu --state %zu.%u\n", (unsigned long long)r->x->seed,
	    r->moment, variant);
	return false;
}

/* Has one of the moments since the last answer this content? */
static bool is_known(const struct run *r, uint64_t sum)
{
	for (size_t i = r->answered; i <= r->moment; i++) {
		if (r->sums[i] == sum)
			return true;
	}
	return false;
}

static bool judge(struct run *r, unsigned variant)
{
	struct attempt a = {.run = r, .words = memfd_create("words", 0)};
	uint64_t sum = 0;
	bool good;

	explore_wipe(r->x->scratch);
	disk_write(r->disk, r->x->scratch);
	MUST(pipe2(a.pipe, O_CLOEXEC) == 0 && a.words >= 0);
	good = explore_child(attempt_child, &a);
	close(a.pipe[1]);
	if (good)
		good = read(a.pipe[0], &sum, sizeof sum) == sizeof sum;
	close(a.pipe[0]);
	r->x->states++;
	if (!good)
		fail(r, variant, "wrong", a.words);
	else if (variant == DISK_ALL)
		r->sums[r->moment] = sum;
	else if (!r->x->sample && !r->x->quiet && !is_known(r, sum))
		good = fail(r, variant, "neither as before the request nor as after it", a.words);
	close(a.words);
	return good;
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

/* False: the end. */
static bool visit(struct run *r, unsigned variant)
{
	struct explore *x = r->x;
	bool first = is_new(r, disk_choose(r->disk, variant, x->seed + r->moment));

	if (!first && x->only_moment < 0) {
		if (variant == DISK_ALL && r->moment > 0) /* nothing but words came */
			r->sums[r->moment] = r->sums[r->moment - 1];
		return true;
	}
	if (x->deadline && clock_mono() > x->deadline) {
		x->late = true;
		return false;
	}
	if (!judge(r, variant))
		return false;
	return !x->after || x->after(x, r->disk, r->said, r->said_n);
}

static unsigned variants(const struct run *r)
{
	size_t n = disk_pending(r->disk);

	return DISK_CANONICAL + (n <= DISK_SUBSETS ? 1u << n : r->x->draws);
}

/* Is the unsynced about to become less, or a promise made? */
static bool is_peak(const struct run *r)
{
	uint32_t next;

	if (r->moment == r->recording.n)
		return true;
	next = r->recording.events[r->moment].head.kind;
	return next == RECORD_SYNC || next == RECORD_SYNC_DIR || next == RECORD_SAY ||
	       (r->moment && r->recording.events[r->moment - 1].head.kind == RECORD_SAY);
}

static unsigned draw(const struct run *r, unsigned below)
{
	uint64_t z = (r->x->seed + 1) * 0x9e3779b97f4a7c15 ^ r->moment * 0xbf58476d1ce4e5b9;

	return (unsigned)((z ^ z >> 29) * 0x94d049bb133111eb >> 33) % below;
}

static bool visit_moment(struct run *r)
{
	struct explore *x = r->x;
	size_t all = r->recording.n + 1;
	bool go;

	if (x->only_moment >= 0) {
		if (r->moment != (size_t)x->only_moment)
			return x->sample || visit(r, DISK_ALL);
		return (x->sample || visit(r, DISK_ALL)) && visit(r, x->only_variant);
	}
	if (x->sample && draw(r, (unsigned)all) >= (unsigned)x->sample)
		return true;
	if (x->sample)
		return visit(r, draw(r, variants(r)));
	if (x->quiet && !is_peak(r))
		return true; /* a failure is sure to come: the rules are enough */
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

/* ---- swallowed syncs ---- */

/* The name a file has at the moment, '' while it has none. */
static void name_of(const struct recording *r, size_t until, uint64_t ino, char *out, size_t max)
{
	out[0] = '\0';
	for (size_t i = until; i-- > 0;) {
		const struct event *e = &r->events[i];

		if (e->head.ino != ino)
			continue;
		if (e->head.kind == RECORD_NAME)
			snprintf(out, max, "%.*s", (int)e->head.name_n, e->name);
		if (e->head.kind == RECORD_NAME || e->head.kind == RECORD_MAKE)
			return;
	}
}

static const struct {
	const char *kind, *prefix;
} swallows[] = {
    {"pack", "packs/"}, {"upload", ""}, {"log", "store.db-wal"}, {"database", "store.db"}};

static bool is_swallowed(const struct recording *r, size_t at, const char *kind)
{
	const struct event *e = &r->events[at];
	char name[256];

	if (e->head.kind == RECORD_SYNC_DIR)
		return strcmp(kind, e->head.name_n ? "packs-names" : "top-names") == 0;
	if (e->head.kind != RECORD_SYNC)
		return false;
	name_of(r, at, e->head.ino, name, sizeof name);
	for (size_t i = 0; i < sizeof swallows / sizeof *swallows; i++) {
		size_t n = strlen(swallows[i].prefix);

		if (strcmp(swallows[i].kind, kind) == 0)
			return strcmp(name, swallows[i].prefix) == 0 ||
			       (n && name[n - 1] == '/' &&
				   strncmp(name, swallows[i].prefix, n) == 0);
	}
	return false;
}

/* The steps stay where they are, so that moments keep their numbers. */
static void swallow(struct recording *r, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += is_swallowed(r, i, kind);
	if (n == 0)
		mem_bug(__FILE__, __LINE__, "the recording has no such sync to swallow");
	for (size_t i = 0; i < r->n; i++) {
		if (is_swallowed(r, i, kind)) {
			r->events[i].head = (struct record_head){.kind = RECORD_SAY};
			r->events[i].name = "";
		}
	}
}

/* ---- the whole ---- */

/* What was there before the program is no crash. */
static void start(struct run *r)
{
	do {
		MUST(r->moment < r->recording.n);
		disk_do(r->disk, &r->recording.events[r->moment]);
	} while (r->recording.events[r->moment++].head.kind != RECORD_START);
	r->answered = r->moment;
}

bool explore_run(struct explore *x)
{
	struct run r = {.x = x};

	recording_read(&r.recording, x->recording);
	if (x->swallow)
		swallow(&r.recording, x->swallow);
	r.disk = disk_new();
	r.sums = mem_array(r.recording.n + 1, sizeof *r.sums);
	r.said = mem_alloc(x->said_n + 1);
	if (x->said_n)
		memcpy(r.said, x->said, x->said_n);
	r.said_n = x->said_n;
	x->moments += (int64_t)r.recording.n;
	start(&r);
	while (visit_moment(&r) && r.moment < r.recording.n) {
		const struct event *e = &r.recording.events[r.moment++];

		disk_do(r.disk, e);
		if (e->head.kind == RECORD_SAY)
			hear(&r, e);
	}
	disk_free(&r.disk);
	mem_free(r.said);
	mem_free(r.sums);
	mem_free(r.seen);
	recording_free(&r.recording);
	return !x->failed;
}
