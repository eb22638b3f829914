/* Links between processes: pairs of ends in place of socket pairs. */
#ifndef SIM_PAIR_H
#define SIM_PAIR_H

#include "loop.h"
#include "proc/peer.h"

/* Two ends; each process gives its own to peer_new() as a descriptor. */
void sim_pair(int fds[2], struct sim_process *first, struct sim_process *second);

/* The process has died: the other sides of its links see that. */
void sim_pair_kill(const struct sim_process *process);

#endif
