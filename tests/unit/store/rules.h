/* The numbered invariants of docs/invariants that can be asked of the tables by themselves. */
#ifndef TESTS_RULES_H
#define TESTS_RULES_H

#include "base/err.h"
#include "store/db.h"

/* False when one does not hold: e names it, and a row against it. */
bool rules_hold(struct db *db, struct err *e);

#endif
