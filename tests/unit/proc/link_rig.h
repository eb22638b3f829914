/* Links between two sides of the same test, without a socket. */
#ifndef LINK_RIG_H
#define LINK_RIG_H

#include "ipc/link.h"

/* Everything that waits on one side comes to the other. True: there was something. */
bool link_rig_carry(struct ipc_link *from, struct ipc_link *to);

#endif
