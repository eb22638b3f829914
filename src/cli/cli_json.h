/* Writes JSON [RFC 8259] of any nesting up to CLI_JSON_DEPTH. Commas and escapes come by themselves. */
#ifndef CLI_CLI_JSON_H
#define CLI_CLI_JSON_H

#include "base/buf.h"

#define CLI_JSON_DEPTH ((size_t)16)

struct cli_json {
	struct buf *out;
	size_t depth;
	bool
	    some[CLI_JSON_DEPTH + 1]; /* at that depth something was written: a comma comes first */
	char close[CLI_JSON_DEPTH];
};

/* In an array and at the top, values have no name. */
#define CLI_JSON_NO_KEY ((struct str){NULL, 0})

/* Appends to out, which is borrowed. */
void cli_json_init(struct cli_json *j, struct buf *out);

/*
 * key: the member's name inside an object; in an array and at the top it must be CLI_JSON_NO_KEY.
 * _end closes the innermost object or array. Nesting too deep or ending too often aborts.
 */
void cli_json_object(struct cli_json *j, struct str key);
void cli_json_array(struct cli_json *j, struct str key);
void cli_json_end(struct cli_json *j);

/* Octets that are no UTF-8 become U+FFFD; control characters are escaped. */
void cli_json_text(struct cli_json *j, struct str key, struct str text);
void cli_json_int(struct cli_json *j, struct str key, int64_t number);
void cli_json_bool(struct cli_json *j, struct str key, bool value);

/* "2026-11-23T19:54:33.123Z" [RFC 3339]; null for 0. */
void cli_json_time(struct cli_json *j, struct str key, int64_t ms);

#endif
