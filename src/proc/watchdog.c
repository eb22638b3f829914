#include "proc/watchdog.h"

#define STEPS         4 /* ticks within a patience */
#define DOUBLED_MAX   4
#define ANSWERS_TRUST 64 /* answers in a row that take one doubling back */
#define EXCUSED_TIMES 3  /* its patience that an excused one has */

int64_t watchdog_step(int64_t patience)
{
	return patience / STEPS + 1;
}

int64_t watchdog_tick(struct watchdog *d, int64_t now, int64_t patience)
{
	int64_t passed = d->ticked ? now - d->ticked : 0;

	d->ticked = now;
	return passed > 2 * watchdog_step(patience) ? 0 : passed;
}

void watch_begin(struct watch *w)
{
	w->asked = false;
	w->excused = false;
	w->silent = 0;
	w->answers = 0;
}

bool watch_pass(struct watch *w, int64_t passed)
{
	if (w->asked) {
		w->silent += passed;
		return false;
	}
	w->asked = true;
	w->silent = 0;
	return true;
}

bool watch_is_hung(const struct watch *w, int64_t patience)
{
	return w->asked && w->silent >= (patience << w->doubled) * (w->excused ? EXCUSED_TIMES : 1);
}

bool watch_is_slow(const struct watch *w, int64_t patience)
{
	return w->asked && w->silent * 2 >= patience << w->doubled;
}

void watch_ended(struct watch *w)
{
	if (w->doubled < DOUBLED_MAX)
		w->doubled++;
	watch_begin(w);
}

bool watch_answered(struct watch *w)
{
	if (!w->asked)
		return false;
	w->asked = false;
	w->excused = false;
	if (w->doubled && ++w->answers >= ANSWERS_TRUST) {
		w->doubled--;
		w->answers = 0;
	}
	return true;
}

/* So many at once say something about the machine; one alone never does. */
static bool is_machine(struct watch *const *w, size_t count, int64_t patience)
{
	size_t slow = 0, hung = 0;

	for (size_t i = 0; i < count; i++) {
		slow += watch_is_slow(w[i], patience);
		hung += watch_is_hung(w[i], patience);
	}
	return hung && slow > 1 && slow * 2 > count;
}

bool watchdog_judge(struct watch *const *w, size_t count, int64_t patience)
{
	bool excused = false;

	if (!is_machine(w, count, patience))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!watch_is_slow(w[i], patience) || w[i]->excused)
			continue;
		w[i]->excused = true;
		excused = true;
	}
	return excused;
}
