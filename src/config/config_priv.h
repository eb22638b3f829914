/* The inside of a snapshot, shared by the files of this folder and by no other. */
#ifndef CONFIG_PRIV_H
#define CONFIG_PRIV_H

#include "base/arena.h"
#include "config/config.h"
#include "config/option_value.h"
#include "config/options.h"

/* A snapshot under construction, then with its references. */
struct config_box {
	uint32_t magic;
	unsigned refs;
	struct arena *arena; /* everything the snapshot points to */
	struct config_snapshot c;
};

/* An empty one with one reference: dir copied, every option still zero. */
struct config_box *config_box_new(const char *dir, uint64_t number);
void config_box_free(struct config_box **box);

/* Where an option's value, or its list, stands. */
static inline void *config_at(struct config_snapshot *c, const struct option *o)
{
	return (char *)c + o->offset;
}

static inline const void *config_at_const(const struct config_snapshot *c, const struct option *o)
{
	return (const char *)c + o->offset;
}

/* Where in a file an option stands. Lines count from 1. */
struct config_place {
	unsigned line;           /* of its name; 0: it is not there */
	const unsigned *element; /* of each element, where it is a list; in the box's arena */
};

/*
 * Sets what the text says (libconfig's syntax), leaves the rest. places: options_count of them, set for
 * each option met; may be NULL. 0, or -1 with file, line and a sentence.
 */
int config_read_text(struct config_box *box, const char *file, struct str text,
    struct config_place *places, struct err *e);

/* ---- config_scan.c ---- */

/* A name or a number as messages show it, for "%.*s%s": cut, and marked where it is. */
#define CONFIG_SHOWN_MAX ((size_t)60)
#define CONFIG_SHOWN_FMT(s)                                                                        \
	STR_FMT(str_sub(s, 0, CONFIG_SHOWN_MAX)), (s).n > CONFIG_SHOWN_MAX ? "..." : ""

/* Said behind a number that is written in another way. */
#define CONFIG_WHOLE_NUMBER ": write it as a whole number, with digits alone"
#define CONFIG_QUOTES       ": write it in quotes"

/*
 * Looks for what libconfig must not see. 0, and the text as libconfig is to read it behind what out has,
 * at most twice as long and in the same lines; or -1 with file, line and a sentence.
 */
int config_scan(const char *file, struct str text, struct buf *out, struct err *e);

/* Says that there is no option of that name in the line, and which one may be meant. Gives -1. */
int config_no_option(const char *file, unsigned line, struct str name, struct err *e);

/* Says of the line, where libconfig found a name for the second time, where the first one is. Gives -1. */
int config_stands_twice(const char *file, struct str text, unsigned line, struct err *e);

/* The value of one option in the file's syntax. */
void config_put_option(const struct config_snapshot *c, const struct option *o, struct buf *out);

/* All defaults as a file's text. */
void config_put_defaults(struct buf *out);

#endif
