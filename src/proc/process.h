/* The main functions of the processes that the supervisor starts (`godwit process ROLE`). */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include "ipc/super_child.h"

/* Runs the role until the supervisor ends it; gives the exit status. Descriptor 3 is the link. */
int process_main(const char *role);

int front_main(enum sc_role role);
int store_main(void);
int resolver_main(void);
int relay_main(void);

#endif
