/* Which children hang: proc/watchdog counts, here is what is done about it. */
#include "base/clock.h"
#include "proc/supervisor_priv.h"

static struct spawn *nth_child(struct supervisor *sv, size_t i)
{
	return i < sv->child_count ? &sv->children[i] : &sv->store;
}

static bool is_watched(const struct spawn *s)
{
	return s->running && s->ready && !s->draining;
}

static void end_hung(struct spawn *s)
{
	supervisor_child_log(LOG_ERROR, "process-hung", s);
	log_num("silent_ms", s->watch.silent);
	log_text("cure",
	    "it is started again; if it happens again, look at the disk and the load of "
	    "the machine, or raise timeouts.process");
	log_close();
	watch_ended(&s->watch);
	spawn_kill(s);
}

static void judge(struct supervisor *sv, struct watch *const *watched, size_t count)
{
	int64_t patience = sv->config->timeouts.process;

	if (watchdog_judge(watched, count, patience))
		log_note(LOG_WARN, "machine-slow",
		    "most processes do not answer at the same time: the machine may have no time "
		    "for them, so they are given three times as long before they are ended");
	for (size_t i = 0; i <= sv->child_count; i++) {
		struct spawn *s = nth_child(sv, i);

		if (is_watched(s) && watch_is_hung(&s->watch, patience))
			end_hung(s);
	}
}

static void on_watch(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;
	struct watch *watched[SUPERVISOR_CHILDREN + 1];
	int64_t patience = sv->config->timeouts.process;
	int64_t passed = watchdog_tick(&sv->watchdog, clock_mono(), patience);
	size_t count = 0;

	uv_timer_start(timer, on_watch, (uint64_t)watchdog_step(patience), 0);
	for (size_t i = 0; i <= sv->child_count; i++) {
		struct spawn *s = nth_child(sv, i);

		if (!is_watched(s))
			continue;
		if (watch_pass(&s->watch, passed))
			spawn_tell(s, SC_PING, (struct str){NULL, 0}, -1);
		watched[count++] = &s->watch;
	}
	judge(sv, watched, count);
}

void supervisor_watch_start(struct supervisor *sv)
{
	on_watch(&sv->watch);
}
