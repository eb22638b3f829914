/* A directory of its own for each test, in memory where the machine allows. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include "store/db.h"

/* Makes a new empty directory and enters it; gives its absolute path, valid until scratch_leave. */
const char *scratch_enter(void);

/* Removes everything below it, not the directory itself. */
void scratch_wipe(void);

/* Removes it and goes back to where the process was. */
void scratch_leave(void);

/* Opens store.db in it as the writer, with the whole schema when it is new. Aborts on failure. */
struct db *scratch_db(void);

#endif
