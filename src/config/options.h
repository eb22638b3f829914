/*
 * The table of options: each declared once with name, type, default, range and a sentence. Parser,
 * default file, error messages, encoding and manual page all come from it.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "base/buf.h"
#include "base/ip.h"

enum option_type {
	OPTION_NUMBER,   /* int64_t */
	OPTION_SIZE,     /* int64_t octets; "50M" */
	OPTION_DURATION, /* int64_t milliseconds; "5m" */
	OPTION_BOOL,     /* int: true or false */
	OPTION_STRING,   /* struct str, printable UTF-8 */
	OPTION_FILE,     /* the same: a path, relative ones below the data directory */
	OPTION_HOST,     /* struct str: a domain name, lower case; empty where min is 0 */
	OPTION_DOMAIN,   /* the same, or "*" */
	OPTION_TARGET,   /* the same, or an address as text */
	OPTION_SENDER,   /* struct str: a domain, or local@domain, lower case; or empty */
	OPTION_ADDRESS,  /* struct str: local@domain as it is written; or empty */
	OPTION_SERVER,   /* struct str: an address, or address and port: "192.0.2.1@53"; or empty */
	OPTION_ENUM,     /* int: index into words */
	OPTION_IP,       /* struct ip */
	OPTION_NETWORK,  /* struct ip_net */
	OPTION_GROUP,    /* a struct of members, only in lists */
	OPTION_TYPES
};

struct option;

/* What a group consists of. Offsets of its members are in its struct, their names without the group's. */
struct group {
	const struct option *members; /* one without initial must be given */
	size_t count, size;
	const char *example;
	const char *(*check)(const void *at); /* of the whole: what is wrong, or NULL */
};

/* Another word for one of an enum's, taken but never written. */
struct option_synonym {
	const char *word;
	int means; /* index into words */
};

struct option {
	const char *name; /* "port_offset"; in a group: "ports.smtp" */
	enum option_type type;
	bool list;                 /* of that type: {pointer, count} in the snapshot */
	size_t offset;             /* in struct config_snapshot */
	const char *initial;       /* the default in the file's syntax; NULL: must be set */
	int64_t min, max;          /* of number, size, duration; of a text's octets */
	int64_t least, most;       /* elements of a list */
	const struct group *group; /* of a group */
	const char *const *words;  /* of an enum, NULL at the end */
	const char *chars;         /* of a string: octets it may hold; NULL: any */
	const char *sentence;
	const struct option_synonym *synonym; /* of an enum; NULL: none */
};

/* The options in the order of the default file; those of a group stand together. */
extern const struct option options[];
extern const size_t options_count;

/* The option of that full name, or NULL. */
const struct option *options_find(struct str name);

/* Is it the name of a group? */
bool options_is_group(struct str name);

/* The valid name nearest to one that is none; empty: nothing is near. */
struct str options_nearest(struct str name);

/* "ports" of "ports.smtp", empty for a name without group; and "smtp" of it. */
struct str option_group(const struct option *o);
struct str option_leaf(const struct option *o);

/* What is allowed, for people: "a size from 64K to 2047M in quotes, like \"50M\"". */
void option_put_range(const struct option *o, struct buf *out);

/* The same without the parts of a group, which are many words. */
void option_put_shape(const struct option *o, struct buf *out);

/* All options as a manual page's text: name, default, range and sentence of each. */
void options_put_manual(struct buf *out);

#endif
