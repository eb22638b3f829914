/* What happens to us: mail to be sent, deaths of our processes, jumps of the clock, an administrator. */
#ifndef SIM_TRAFFIC_H
#define SIM_TRAFFIC_H

#include <stddef.h>

struct deliver;
struct sim_rcpt;

/* Sets all events of the seed's week. */
void sim_traffic_plan(void);

/* A server has taken what a stranger wrote to r: now and then it sends a report to its reverse path. */
void sim_traffic_taken(struct sim_rcpt *r);

/* A message for n recipients, from outside, which is to be filled in; done is the caller's. */
struct deliver *sim_message_new(size_t n);

/* threads.c's commits: one in so many is the last thing that a process of ours does. */
void sim_traffic_committed(void);

/* admin.c: an administrator is at work in this week. */
void sim_admin_plan(void);

/* The relay reports: one in so many finds the store dying. */
void sim_traffic_reported(void);

#endif
