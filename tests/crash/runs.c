/* The runs of the store: recorded, explored, and after some states recorded and explored again. */
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "files_check.h"
#include "store_run.h"

#define SECOND_STEPS 5
#define SECOND_TRIES 20 /* states of each second crash */

static bool record_store(const char *dir, const char *file, uint64_t seed, int64_t n, int times)
{
	char a[32], b[32], c[32];

	snprintf(a, sizeof a, "%llu", (unsigned long long)seed);
	snprintf(b, sizeof b, "%lld", (long long)n);
	snprintf(c, sizeof c, "%d", times);
	main_counts->recordings++;
	return main_record(dir, file, (char *[]){main_self, (char[]){"work"}, a, b, c, NULL}, true);
}

/* ---- the store ---- */

static uint64_t check_store(void *ctx, const char *said, size_t n, bool whole)
{
	return store_check(said, n, whole);
}

/* The seed of what happens after a state: the state itself, and when it was. */
static uint64_t seed_after(const struct explore *x, const struct explore_state *state)
{
	return x->seed * 1000003 + disk_number(state->disk) % 1000003 + state->moment * 7919;
}

/* The program was killed, and the machine lived on? */
static bool is_killed(const struct explore_state *state)
{
	return state->variant == DISK_ALL;
}

/* At a sync of a file? That is when most may be lost, and the program may have been killed by its failure. */
static bool is_killed_at_sync(const struct explore_state *state)
{
	const struct event *e = state->next;

	return is_killed(state) && e &&
	       (e->head.kind == RECORD_SYNC || e->head.kind == RECORD_SYNC_ALL);
}

/* Every second of those had failed. */
static const struct event *failed_sync(const struct explore_state *state, uint64_t seed)
{
	bool failed = is_killed_at_sync(state) && (seed * 0x9e3779b97f4a7c15) >> 63;

	return failed ? state->next : NULL;
}

static bool is_wanted(const struct options *o, const struct explore_state *state, uint64_t seed)
{
	int64_t every = is_killed_at_sync(state) ? o->killed_every : o->second_every;

	return seed % (uint64_t)every == 0;
}

static void count_second(const struct explore *x)
{
	main_counts->drawn += x->states;
	main_counts->second++;
	main_counts->killed += x->before != NULL;
	main_counts->failed += x->failed_sync != NULL;
}

/* The store works on in a state, and the machine dies, for the second time unless it lived on. */
static bool second_crash(
    struct explore *first, const struct explore_state *state, const char *second, char *name)
{
	const struct options *o = first->ctx;
	uint64_t seed = seed_after(first, state);
	struct explore x = {.recording = main_places[SECOND],
	    .scratch = main_places[STATE],
	    .check = check_store,
	    .in_memory = true,
	    .seed = seed,
	    .said = state->said,
	    .said_n = state->said_n,
	    .sample = SECOND_TRIES,
	    .draws = 4,
	    .state = second,
	    .swallow = o->second_swallow,
	    .before = is_killed(state) ? state->disk : NULL,
	    .failed_sync = failed_sync(state, seed),
	    .deadline = first->deadline};

	if (first->state ? !second : !is_wanted(o, state, seed))
		return true;
	explore_wipe(main_places[SECOND_RUN]);
	disk_write(state->disk, main_places[SECOND_RUN]);
	if (!record_store(main_places[SECOND_RUN], x.recording, x.seed, SECOND_STEPS, 1)) {
		fprintf(stderr, "the store does not work on after the crash\n");
		snprintf(name, EXPLORE_NAME, "run");
		return false;
	}
	(void)explore_run(&x);
	count_second(&x);
	if (x.failed) {
		fprintf(stderr, "%s(after a second crash%s)\n", x.words,
		    x.failed_sync ? ", and a sync that failed before the first" : "");
		snprintf(name, EXPLORE_NAME, "%s", x.name);
	}
	return !x.failed;
}

static void fail_run(struct explore *x)
{
	snprintf(x->words, sizeof x->words, "the run itself failed\n");
	x->failed = true;
}

static void explore_store(const struct options *o, struct explore *x, uint64_t seed)
{
	*x = (struct explore){.recording = main_places[FIRST],
	    .scratch = main_places[STATE],
	    .check = check_store,
	    .ctx = (void *)(uintptr_t)o,
	    .in_memory = true,
	    .seed = seed,
	    .swallow = o->swallow,
	    .draws = o->draws,
	    .state = o->state,
	    .answered = o->answered,
	    .deadline = o->seconds ? x->deadline : 0,
	    .after = o->second_every ? second_crash : NULL,
	    .peaks = o->fails};
	explore_wipe(main_places[RUN]);
	if (!record_store(main_places[RUN], x->recording, seed, o->steps, 0)) {
		fail_run(x);
		return;
	}
	(void)explore_run(x);
	main_counts->drawn += x->states;
}

int runs_store(const struct options *o)
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
		printf("%lld crash states explored, drawn: %lld recordings, %lld second crashes"
		       " (after a kill: %lld, and a failed sync: %lld)\n",
		    (long long)main_counts->drawn, (long long)main_counts->recordings,
		    (long long)main_counts->second, (long long)main_counts->killed,
		    (long long)main_counts->failed);
	snprintf(how, sizeof how, "store --steps %lld --draws %u --seed %llu", (long long)o->steps,
	    o->draws, (unsigned long long)seed - 1);
	return main_judge(o, &x, how, "");
}

/* ---- small runs, all states ---- */

/* Runs what comes before the small run; what it said. */
static char *prepare_small(const char *name, size_t *n_r)
{
	struct recording r;
	char *said;
	size_t n = 0;

	explore_wipe(main_places[RUN]);
	if (!main_record(main_places[RUN], main_places[SECOND],
		(char *[]){main_self, (char[]){"before"}, (char *)(uintptr_t)name, NULL}, true))
		return NULL;
	recording_read(&r, main_places[SECOND]);
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

static uint64_t check_migration(void *ctx, const char *said, size_t n, bool whole)
{
	store_check_old();
	return store_check(said, n, whole);
}

static explore_check *const checks[STORE_SUBJECTS] = {
    [STORE_REQUESTS] = check_store,
    [STORE_MIGRATES] = check_migration,
    [STORE_BACKUP] = files_check_backup,
    [STORE_BACKUP_AGAIN] = files_check_backup_again,
    [STORE_RESTORE] = files_check_restore,
    [STORE_REPAIR] = files_check_repair,
    [STORE_SALVAGE] = files_check_salvage,
};

/* The second half of a small run. */
static bool record_small(const char *name)
{
	main_counts->recordings++;
	return main_record(main_places[RUN], main_places[FIRST],
	    (char *[]){main_self, (char[]){"small"}, (char *)(uintptr_t)name, NULL}, true);
}

static void explore_small(const struct options *o, struct explore *x, const char *name)
{
	enum store_subject subject = store_small_subject(name);
	bool longer = getenv(LONGER) && !o->fails && !o->state;
	size_t n = 0;
	char *said = prepare_small(name, &n);

	*x = (struct explore){.recording = main_places[FIRST],
	    .scratch = main_places[STATE],
	    .check = checks[subject],
	    .elsewhere = subject == STORE_BACKUP || subject == STORE_BACKUP_AGAIN ? "data" : NULL,
	    .ctx = (void *)(uintptr_t)o,
	    .in_memory = true,
	    .all = !o->drawn,
	    .draws = o->draws,
	    .seed = o->seed,
	    .no_tears = o->no_tears && !(longer && o->long_tears),
	    .peaks = o->fails || o->drawn,
	    .answered = o->answered,
	    .said = said,
	    .said_n = n,
	    .swallow = o->swallow,
	    .state = o->state};
	if (!said || !record_small(name))
		fail_run(x);
	else
		(void)explore_run(x);
	*(x->all ? &main_counts->all : &main_counts->drawn) += x->states;
	mem_free(said);
}

/* Names behind a + are for the long form only. */
int runs_small(const struct options *o)
{
	struct explore x = {0};
	char what[64] = "", how[64] = "small";

	if (o->drawn)
		snprintf(how, sizeof how, "small --draws %u --seed %llu", o->drawn,
		    (unsigned long long)o->seed);
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
		printf("%lld crash states explored, %s of %lld small runs\n",
		    (long long)(main_counts->all + main_counts->drawn),
		    main_counts->drawn ? "drawn:" : "all", (long long)main_counts->recordings);
	return main_judge(o, &x, how, what);
}
