/*
 * Aligned columns for people. The widths come from the first CLI_TABLE_MEASURED rows, which are kept
 * until then; later rows are printed as they come, so that a list of any length needs little memory.
 */
#ifndef CLI_CLI_TABLE_H
#define CLI_CLI_TABLE_H

#include "base/buf.h"

#define CLI_TABLE_COLUMNS  ((size_t)24)
#define CLI_TABLE_MEASURED ((size_t)500)

struct cli_table {
	struct buf *out;
	struct buf cells;                 /* kept cells, each with its 32-bit length before it */
	struct buf below;                 /* lines below this row */
	size_t width[CLI_TABLE_COLUMNS];  /* columns on the terminal */
	bool right[CLI_TABLE_COLUMNS];    /* numbers stand at the right */
	size_t columns, column;           /* in all; the next one of this row */
	bool flexible[CLI_TABLE_COLUMNS]; /* may be narrower than its cells, which are cut then */
	size_t limit;                     /* of a whole line; 0: none */
	size_t rows;                      /* kept ones */
	bool streaming;
};

/* A table that appends to out whatever is ready; out is borrowed. */
void cli_table_init(struct cli_table *t, struct buf *out);

/* Names the next column: before the first cell. More than CLI_TABLE_COLUMNS are ignored. */
void cli_table_column(struct cli_table *t, struct str name, bool right);

/* The last column that was named may be cut, so that a line has at most limit columns on the terminal. A
 * cell that was cut ends with an ellipsis. */
void cli_table_flexible(struct cli_table *t, size_t limit);

/* The next cell of this row, already safe to print; cells beyond the columns are ignored. */
void cli_table_cell(struct cli_table *t, struct str text);

/* Lines that stand below this row as they are, each with its line end; already safe to print. */
void cli_table_below(struct cli_table *t, struct str lines);

/* Ends the row; missing cells are empty. */
void cli_table_row(struct cli_table *t);

/* Prints what is kept, and frees the memory. */
void cli_table_end(struct cli_table *t);

#endif
