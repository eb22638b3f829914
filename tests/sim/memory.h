/*
 * SQLite's memory in a simulation.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <sqlite3.h>

/* For SQLITE_CONFIG_MALLOC. Static; for one thread. */
const sqlite3_mem_methods *sim_memory(void);

#endif
