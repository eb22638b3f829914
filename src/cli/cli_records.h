/*
 * Prints a stream of the admin edge's records (ipc/admin.h) for people or as JSON, without knowing
 * what they mean: names and types come with them.
 */
#ifndef CLI_CLI_RECORDS_H
#define CLI_CLI_RECORDS_H

#include "base/arena.h"
#include "cli/cli_json.h"
#include "cli/cli_table.h"
#include "ipc/admin.h"

enum cli_records_shape {
	CLI_RECORDS_LIST, /* all alike: a table; JSON: an array of objects */
	CLI_RECORDS_CARD, /* the first one: a line per field; JSON: an object. Further ones: tables,
			   * one for each value of their field "type"; JSON: arrays inside the
			   * object, named with the plural of the type */
	CLI_RECORDS_CARDS, /* any number of cards: each record without a type begins one; JSON: an
			    * array of such objects */
};

/* What of a list's records people see, where all of it would be wider than a terminal. */
struct cli_view {
	struct str columns; /* names of fields, with a blank between them */
	struct str below;   /* one that stands below its row, unless it is empty */
};

#define CLI_VIEW_WIDTH ((size_t)100)

struct cli_records {
	enum cli_records_shape shape;
	const struct cli_view *view; /* NULL: people see all of the fields */
	bool is_json;
	size_t count; /* records so far */
	bool is_open; /* JSON: its first bracket was written */
	struct buf out;
	struct cli_json json;
	struct cli_table table;
	bool in_table;
	struct arena *arena; /* names of this table's columns, its type */
	struct str columns[CLI_TABLE_COLUMNS];
	size_t ncolumns;
	struct str type;
	struct str always;
	void (*flush)(struct buf *out); /* takes what is ready and clears it */
};

/* flush: called now and then, and at the end. */
void cli_records_init(struct cli_records *r, enum cli_records_shape shape, bool is_json,
    void (*flush)(struct buf *out));

/* Before the first record: people see this of each. borrowed; programs get everything all the same. Moments
 * are given to the minute, without the year, and texts are cut where a line would be too long. */
void cli_records_view(struct cli_records *r, const struct cli_view *view);

/* Before the first record: a card's JSON has an array of this type even when there is none of it. borrowed */
void cli_records_always(struct cli_records *r, struct str type);

/* Prints one record (its inside). 0, or -1 when it is malformed: then nothing of it is printed. */
int cli_records_put(struct cli_records *r, struct str record);

/*
 * Ends the output, flushes it and frees the memory. ok: the answer was complete; else, without any
 * record, nothing is printed, not even an empty list.
 */
void cli_records_end(struct cli_records *r, bool ok);

/* Writes the buffer to standard output and clears it. */
void cli_records_flush_stdout(struct buf *out);

#endif
