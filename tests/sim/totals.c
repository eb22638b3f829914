#include "totals.h"

#include <stdio.h>

#define WEEKS 200 /* with fewer it is chance what is explained */

/* Recipients of one message were made one after the other. */
void sim_totals_take(struct sim_totals *t)
{
	int64_t message = 0;

	*t = (struct sim_totals){
	    .weeks = 1, .deaths = sim_world.deaths, .connections = sim_world.connections};
	for (int i = 0; i < SIM_EXCUSES; i++)
		t->twice[i] = sim_world.twice[i];
	for (int i = 0; i < SIM_SENTENCES; i++)
		t->told[i] = sim_told[i];
	for (size_t i = 0; i < sim_world.nrcpts; i++) {
		const struct sim_rcpt *r = sim_world.rcpts[i];

		if (r->message == 0 || r->tells)
			continue; /* the store died before it was taken; or those behind him count */
		t->messages += r->message != message;
		message = r->message;
		t->recipients++;
		t->ended[r->state]++;
		t->warned += r->told_delayed;
	}
}

void sim_totals_add(struct sim_totals *sum, const struct sim_totals *t)
{
	sum->weeks += t->weeks;
	sum->messages += t->messages;
	sum->recipients += t->recipients;
	for (int i = 0; i < SIM_STATES; i++)
		sum->ended[i] += t->ended[i];
	sum->warned += t->warned;
	for (int i = 0; i < SIM_EXCUSES; i++)
		sum->twice[i] += t->twice[i];
	for (int i = 0; i < SIM_SENTENCES; i++)
		sum->told[i] += t->told[i];
	sum->deaths += t->deaths;
	sum->connections += t->connections;
}

static void print_untold(const struct sim_totals *sum)
{
	const char *words, *between = "not explained in these weeks:";

	for (size_t i = 0; sum->weeks >= WEEKS && (words = sim_sentence(i)); i++) {
		if (sum->told[i] > 0)
			continue;
		printf("%s \"%s\"", between, words);
		between = ",";
	}
	printf("%s", between[0] == ',' ? "\n" : "");
}

void sim_totals_print(const struct sim_totals *sum)
{
	int64_t twice = 0;

	for (int i = 0; i < SIM_EXCUSES; i++)
		twice += sum->twice[i];
	printf(
	    "in these weeks: %lld messages to %lld recipients: %lld delivered, %lld bounced, %lld "
	    "discarded; %lld told of a delay; %lld duplicates",
	    (long long)sum->messages, (long long)sum->recipients,
	    (long long)(sum->ended[SIM_S_RELAYED] + sum->ended[SIM_S_DELIVERED]),
	    (long long)sum->ended[SIM_S_BOUNCED], (long long)sum->ended[SIM_S_DISCARDED],
	    (long long)sum->warned, (long long)twice);
	for (int i = 0; i < SIM_EXCUSES; i++)
		printf("%s%lld because %s", i ? ", " : " (", (long long)sum->twice[i],
		    sim_excuse_text((enum sim_excuse)i));
	printf("); %lld kills, %lld connections\n", (long long)sum->deaths,
	    (long long)sum->connections);
	print_untold(sum);
}
