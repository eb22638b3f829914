/* The command import: mbox files and Maildirs into an account. */
#ifndef CLI_CLI_IMPORT_H
#define CLI_CLI_IMPORT_H

#include "cli/cli.h"
#include "cli/cli_feed.h"

extern const struct cli_option cli_import_options[];

int cli_import(struct cli *cli);

/* ---- inside: what is to be imported ---- */

enum cli_import_kind {
	CLI_IMPORT_MBOX,
	CLI_IMPORT_MAILDIR, /* the directory that has cur/ and new/ */
};

struct cli_import_source {
	enum cli_import_kind kind;
	char *path;        /* for sentences */
	const char *below; /* the end of it, below what was named; empty: that itself */
	char *mailbox;     /* where its messages go */
};

struct cli_import_sources {
	struct cli_import_source *v;
	size_t n, cap;
	int64_t
	    left_out; /* what has no name that a mailbox can have or cannot be read; each was told */
	int top;      /* what was named, open */
	size_t prefix; /* octets of its name */
};

/*
 * Finds what there is: a file, a Maildir with its folders, or a directory of such and of mbox files. For a
 * single one `mailbox` is where it goes; else what it is called there stands below it ("" for the top).
 * What was named may be a link; below it none is followed, for the tree may be another user's than the one who
 * imports it. What cannot be a mailbox by its name, cannot be read or is a link is told and counted. 0, or -1 with
 * *e set.
 */
int cli_import_find(
    struct cli_import_sources *s, const char *path, const char *mailbox, struct err *e);
void cli_import_sources_fini(struct cli_import_sources *s);

/* Tells that a file or a directory is left out. */
void cli_import_say_left_out(const char *path, const char *why);

/* ---- inside ---- */

/* Opens a source to read it: a descriptor, or -1 with errno as from cli_below_open(). */
int cli_import_open_source(
    const struct cli_import_sources *s, const struct cli_import_source *source);

/* ---- inside: a Maildir's files, cli_import_list.c ---- */

/*
 * Files of a Maildir, "cur/..." and "new/...", each sorted; ends with NULL. What another program moves from new to cur
 * meanwhile is in either. NULL with *e set on failure.
 */
char **cli_import_list(int maildir, struct err *e);
void cli_import_list_free(char **list);

/* "cur/..." of a message that has another name there now than in the list; NULL: none. Free with mem_free(). */
char *cli_import_list_moved(int maildir, const char *file);

#endif
