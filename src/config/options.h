/*
 * The table of options: each declared once with name, type, default, range and a sentence. Parser,
 * default file, error messages, encoding and manual page all come from it.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "base/buf.h"

enum option_type {
	OPTION_NUMBER,   /* int64_t */
	OPTION_SIZE,     /* int64_t octets; "50M" */
	OPTION_DURATION, /* int64_t milliseconds; "5m" */
	OPTION_STRING,   /* struct str; min and max bound its length */
	OPTION_FILE,     /* the same: a path, relative ones below the data directory */
	OPTION_HOST,     /* struct str: a domain name, lower case */
	OPTION_ENUM,     /* int: index into words */
	OPTION_IP,       /* struct ip */
	OPTION_NETWORK,  /* struct ip_net */
	OPTION_TYPES
};

struct option {
	const char *name; /* "port_offset"; in a group: "ports.smtp" */
	enum option_type type;
	bool list;           /* of that type: {pointer, count} in the snapshot */
	size_t offset;       /* in struct config_snapshot */
	const char *initial; /* the default in the file's syntax; NULL: must be set */
	int64_t min, max; /* of number, size, duration; of a list's count; of a string's length */
	const char *const *words; /* of an enum, NULL at the end */
	const char *sentence;
};

/* The options in the order of the default file; those of a group stand together. */
extern const struct option options[];
extern const size_t options_count;

/* The option of that full name, or NULL. */
const struct option *options_find(struct str name);

/* The valid name nearest to one that is none, within the group that begins it; NULL: nothing is near. */
const char *options_nearest(struct str name);

/* "ports" of "ports.smtp", empty for a name without group; and "smtp" of it. */
struct str option_group(const struct option *o);
struct str option_leaf(const struct option *o);

/* What is allowed, for people: "a size from 64K to 2G, like \"50M\"". */
void option_put_range(const struct option *o, struct buf *out);

/* All options as a manual page's text, one paragraph each. */
void options_put_manual(struct buf *out);

#endif
