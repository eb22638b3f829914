/* The head of tests of one mailbox: a rig with the account ann@a.test, in these variables. */
#ifndef TESTS_ANN_H
#define TESTS_ANN_H

#include "rig.h"

extern struct rig rig;
extern struct arena *arena;
extern int64_t ann;

/* For cmocka_unit_test_setup_teardown; at the end the books must balance. */
int ann_setup(void **state);
int ann_teardown(void **state);

/* So many messages into her INBOX. */
void ann_send(int n);

/* Expunges numbers first to last of what is there now. */
void ann_expunge(int64_t first, int64_t last);

/* Messages in her INBOX. */
int64_t ann_live(void);

#endif
