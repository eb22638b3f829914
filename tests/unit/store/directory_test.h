/* What tests of the directory begin with: a rig and an arena for each test, people, and where their mail goes. */
#ifndef TESTS_DIRECTORY_TEST_H
#define TESTS_DIRECTORY_TEST_H

#include "rig.h"

extern struct rig rig;
extern struct arena *arena;

int directory_test_setup(void **state);
int directory_test_teardown(void **state);

/* A test of this kind, for a table of them. */
#define T(f) cmocka_unit_test_setup_teardown(f, directory_test_setup, directory_test_teardown)

/* ann and bob in a.test, cat in b.test. */
void people(void);

/* Where mail for an address goes that has so many octets. */
struct directory_answer resolve(const char *address, int64_t size);

/* The same in words, of an empty one: "class target target ...", ">" before those elsewhere; in the arena. */
const char *told(const char *address);

/* A domain of that kind is added, or becomes of it. The refusal, or "" when it was done; valid until the next call. */
const char *set_kind(enum directory_verb verb, const char *domain, enum directory_kind kind);

#endif
