/*
 * Statements that go through rows a slice at a time, each from where the last one ended. In a damaged database
 * rows may lie out of order: then such a statement gives rows that lie before its beginning, and who goes on
 * from the last row would go round for ever. The connection looks at each row (store/db.c).
 */
#ifndef STORE_SQL_ORDER_H
#define STORE_SQL_ORDER_H

#include "store/sql.h"

#define SQL_ORDER_KEYS 4

enum sql_order_kind {
	SQL_ORDER_NONE,   /* it goes on from nothing */
	SQL_ORDER_BEHIND, /* rows are behind the key it is given */
	SQL_ORDER_FROM,   /* or have that very key */
	SQL_ORDER_BEFORE, /* rows are before it: it goes backwards */
};

struct sql_order {
	uint8_t kind; /* enum sql_order_kind */
	uint8_t n;    /* columns of the key */
	struct {
		uint8_t col;   /* of the row, from 0 */
		uint8_t param; /* $1: 1 */
	} key[SQL_ORDER_KEYS];
};

/* Never NULL. */
const struct sql_order *sql_order(enum sql_id id);

#endif
