/* What the servers of recipients, and our own log, say of a message: that it was taken, once, and not too late. */
#include <string.h>

#include "check.h"
#include "leap.h"
#include "log.h"
#include "traffic.h"

const char *sim_excuse_text(enum sim_excuse why)
{
	static const char *const words[SIM_EXCUSES] = {
	    [SIM_E_BROKE_OFF] = "the connection broke off behind the final dot",
	    [SIM_E_RELAY_DIED] = "the relay died before its report",
	};

	return words[why];
}

void sim_excuse(struct sim_rcpt *r, enum sim_excuse why)
{
	sim_say("check  %s: taken, and nobody can know: %s", r->address, sim_excuse_text(why));
	r->excused++;
	r->excuse = why;
}

/* Of a recipient whose server is well: how long he waited since he might go. */
static void check_wait(const struct sim_rcpt *r)
{
	int64_t since = r->released > r->accepted ? r->released : r->accepted;
	int64_t limit = 20 * SECOND_MS + (r->hold ? sim_world.shifted + sim_leapt_back() : 0);

	SIM_MUST(clock_mono() - since < limit || !sim_was_up_since(since),
	    "%s waited for %lld seconds, though nothing was wrong with his server", r->address,
	    (long long)((clock_mono() - since) / SECOND_MS));
}

static void count(struct sim_rcpt *r)
{
	r->taken++;
	r->taken_at = clock_mono();
	sim_world.taken++;
	SIM_MUST(clock_mono() >= r->accepted || sim_world.jumps || r->touched,
	    "%s has got the message %lld s before the time that its sender set", r->address,
	    (long long)((r->accepted - clock_mono()) / SECOND_MS));
}

void sim_placed(struct sim_rcpt *r)
{
	count(r);
	sim_say("check  %s: in his mailbox", r->address);
	SIM_MUST(r->taken == 1, "%s has got the message %d times", r->address, r->taken);
	if (r->unsure)
		return;
	SIM_MUST(r->destiny != SIM_UNKNOWN, "%s has no mailbox any more, and the message is in it",
	    r->address);
	SIM_MUST(r->destiny != SIM_FULL || r->room_at <= clock_mono(),
	    "the mailbox of %s is full, and the message is in it", r->address);
	if (r->destiny == SIM_WELCOME)
		check_wait(r);
}

void sim_taken(struct sim_rcpt *r)
{
	count(r);
	sim_say("check  %s: taken by his server", r->address);
	SIM_MUST(
	    r->taken <= 1 + r->excused, "%s has got the message %d times", r->address, r->taken);
	sim_world.twice[r->excuse] += r->taken > 1;
	if (sim_dest_is_well(r->dest) && r->taken == 1)
		check_wait(r);
}

void sim_relay_dies(void)
{
	LIST_FOREACH(&sim_world.queued, it)
	{
		struct sim_rcpt *r = LIST_ENTRY(it, struct sim_rcpt, link);

		if (r->token && r->taken > r->excused)
			sim_excuse(r, SIM_E_RELAY_DIED);
		r->reported = -1;
	}
}

void sim_logged(const struct sim_event *event)
{
	static const char *const never[] = {
	    "queue-failed", "job-malformed", "relay-refused", "read-failed"};

	if (event->to) {
		event->to->reported = event->here ? -1 : clock_mono();
		sim_traffic_reported();
	}
	if (strcmp(event->name, "clock-set-back") == 0)
		sim_world.moved = clock_mono();
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		SIM_MUST(strcmp(event->name, never[i]) != 0, "%s: %s", event->name,
		    event->why ? event->why : "");
}
