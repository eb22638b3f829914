/*
 * What tests that let a queue live begin with: a rig and an arena for each test, the books balanced at its
 * end, and worlds of other servers.
 */
#ifndef TESTS_QUEUE_TEST_H
#define TESTS_QUEUE_TEST_H

#include "queue_rig.h"

extern struct qrig q;
extern struct arena *arena;

int queue_test_setup(void **state);
int queue_test_teardown(void **state);

/* A test of this kind, for a table of them. */
#define T(f) cmocka_unit_test_setup_teardown(f, queue_test_setup, queue_test_teardown)

bool has(struct str text, const char *part);

/* What is said of the first recipient of a message that waits (queue_tell); in the arena. */
struct str explained(int64_t message);

/* Lets ann's mailbox hold a message, and no other. */
void fill_anns_mailbox(void);

/* Worlds: all is taken; no connection; not now; no such user; and one where bob is known, carl not yet, and others
 * are not. */
qrig_world all_well, refused, greylisted, unknown, some;

#endif
