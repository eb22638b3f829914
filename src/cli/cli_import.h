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
	char *path;
	char *mailbox; /* where its messages go */
};

struct cli_import_sources {
	struct cli_import_source *v;
	size_t n, cap;
	int64_t left_out; /* what has no name that a mailbox can have; each was told */
};

/*
 * Finds what there is: a file, a Maildir with its folders, or a directory of such and of mbox files. For a
 * single one `mailbox` is where it goes; else what it is called there stands below it ("" for the top).
 * What cannot be a mailbox by its name is told and counted. 0, or -1 with *e set.
 */
int cli_import_find(
    struct cli_import_sources *s, const char *path, const char *mailbox, struct err *e);
void cli_import_sources_fini(struct cli_import_sources *s);

/* Tells that a file or a directory is left out. */
void cli_import_say_left_out(const char *path, const char *why);

/* Files of a Maildir, "cur/..." and "new/...", sorted; ends with NULL. NULL with *e set on failure. */
char **cli_import_list(const char *maildir, struct err *e);
void cli_import_list_free(char **list);

#endif
