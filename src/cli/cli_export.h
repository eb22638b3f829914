/* The command export: an account's mail as mbox files or as a Maildir. */
#ifndef CLI_CLI_EXPORT_H
#define CLI_CLI_EXPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"

extern const struct cli_option cli_export_options[];

int cli_export(struct cli *cli);

/* ---- inside: a format ---- */

struct cli_export_message {
	int64_t id, size, received;
	struct str keywords; /* borrowed until its end */
};

/* Where messages go. Functions give 0, or -1 with *e set: the export cannot go on. */
struct cli_export_format {
	int (*open)(void **state_r, const char *path, struct err *e);
	/* *other: the name it goes under where that is not made of its own as usual; else left as it is. */
	int (*mailbox)(void *state, struct str path, struct buf *other, struct err *e);
	/* *cut: whether keywords of it are left out. */
	int (*begin)(void *state, const struct cli_export_message *m, bool *cut, struct err *e);
	int (*data)(void *state, struct str bytes, struct err *e);
	int (*end)(void *state, bool whole, struct err *e); /* not whole: nothing of it may stay */
	int (*close)(void **state, bool whole, struct err *e);
	/* Messages of earlier exports where the mailbox at hand goes, of which it had none so far. NULL: never any. */
	int64_t (*gone)(const void *state);
	bool has_empty; /* a mailbox without messages is written, too */
};

extern const struct cli_export_format cli_export_mbox, cli_export_maildir;

#endif
