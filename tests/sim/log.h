/* What the program under test writes into its log, for the checks. */
#ifndef SIM_LOG_H
#define SIM_LOG_H

#include "proc/log.h"
#include "world.h"

enum sim_number {
	SIM_DELIVERED,
	SIM_FAILED,
	SIM_WAITING,
	SIM_ENDED,
	SIM_WARNED,
	SIM_NUMBERS
};

struct sim_event {
	enum log_level level;
	const char *name, *why;
	int64_t id;          /* of the message */
	struct sim_rcpt *to; /* whom it is about */
	bool here;           /* what was wrong with his attempt was on our side */
	int64_t numbers[SIM_NUMBERS];
};

/* check.c: called for each line. */
void sim_logged(const struct sim_event *event);

#endif
