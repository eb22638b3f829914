/* A bit that flips in a column of a row, by the numbers of chance.h; and the rows as they were before. */
#ifndef TESTS_FLIP_H
#define TESTS_FLIP_H

#include "rig.h"

struct flip_column {
	const char *table, *name;
	/* Why a flip is not named, NULL: it is. What is named in spite of it is right too. */
	const char *unnamed;
};

/* The one integer of a SELECT. */
int64_t flip_number(struct rig *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Statements, in a commit. */
void flip_change(struct rig *r, const char *sql);

/*
 * One bit of one row; of a number that must be named none of the highest but the sign, which `sign` asks for. A row
 * that would be another's stays.
 */
void flip_one(struct rig *r, const struct flip_column *c, bool sign);

/* Keeps the table's rows for those below. */
void flip_keep(struct rig *r, const char *table);
bool flip_differs(struct rig *r, const char *table);
void flip_put_back(struct rig *r, const char *table);

#endif
