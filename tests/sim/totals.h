/*
 * What all weeks together came to: each is a process of its own, which leaves its sums where the first one finds
 * them.
 */
#ifndef SIM_TOTALS_H
#define SIM_TOTALS_H

#include "explain.h"

struct sim_totals {
	int64_t weeks, messages, recipients;
	int64_t ended[SIM_STATES]; /* recipients, by what became of them */
	int64_t warned;            /* delays of which senders were told */
	int64_t twice[SIM_EXCUSES];
	int64_t deaths, connections;
	int64_t told
	    [SIM_SENTENCES]; /* explanations that had each sentence, of those that were translated */
};

/* Of the week that has been lived through in this process. */
void sim_totals_take(struct sim_totals *t);

void sim_totals_add(struct sim_totals *sum, const struct sim_totals *t);

/* A line, and one of the sentences that no explanation had. */
void sim_totals_print(const struct sim_totals *sum);

#endif
