/* A store with six messages of one account, and its repair. */
#ifndef TESTS_UNIT_STORE_REPAIR_RIG_H
#define TESTS_UNIT_STORE_REPAIR_RIG_H

#include "damage.h"
#include "fault.h"
#include "store/repair.h"

#define MESSAGES 6

extern struct rig rig;
extern struct store store; /* the rig, as the repair sees it */
extern struct arena *arena;
extern int64_t ann, ids[MESSAGES];
extern struct str before[MESSAGES];
extern struct repair last;
extern struct fault fault; /* fail_a_block()'s */

struct str content(int64_t number); /* of the message of that number in the INBOX */
int64_t live(void);                 /* messages there */
int setup(void **state);
int teardown(void **state);
void prepare(bool (*recover)(void *ctx));
void run(bool (*recover)(void *ctx));

/* All messages but one of that index (-1: all), as they were. */
void must_have_all_but(int lost);

/* All, and one behind them. */
void must_have_and_one(void);

void flip_in(const char *name, int64_t at);

/* A large message, and one behind it; of the large one a block in the middle fails to be read. */
void fail_a_block(int error);
void end_fault(void);
bool is_there(const char *name);

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
