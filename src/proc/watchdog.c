#include "proc/watchdog.h"

#define STEPS         4 /* ticks within a patience */
#define DOUBLED_MAX   4
#define ANSWERS_TRUST 64 /* answers in a row that take one doubling back */

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
	return w->asked && w->silent >= patience << w->doubled;
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
	if (w->doubled && ++w->answers >= ANSWERS_TRUST) {
		w->doubled--;
		w->answers = 0;
	}
	return true;
}

bool watchdog_is_machine(unsigned slow, unsigned watched)
{
	return slow > 1 && slow * 2 > watched;
}
