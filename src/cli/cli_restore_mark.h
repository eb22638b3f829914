/*
 * What the mark of a restore (store/restore.h) says: the files that the restore makes, by the names that the manifest
 * gives them. It is on the disk before the first of them is made. docs/invariants/backup.md, 6.
 */
#ifndef CLI_CLI_RESTORE_MARK_H
#define CLI_CLI_RESTORE_MARK_H

#include "base/buf.h"
#include "cli/cli_manifest.h"

#define CLI_RESTORE_MARK_NEW "restoring.new" /* one that is being written */
#define CLI_RESTORE_MARK_MAX (64 * MIB)      /* octets of one, at most */

enum cli_restore_mark_code {
	CLI_RESTORE_MARK_NAMES,
	CLI_RESTORE_MARK_BEGUN,   /* empty: nothing was made yet */
	CLI_RESTORE_MARK_FOREIGN, /* no mark of a restore */
	CLI_RESTORE_MARK_UNREAD,  /* errno */
};

/* Reads the mark that fd is; its names go into the empty buffer, a line for each, only with _NAMES. */
enum cli_restore_mark_code cli_restore_mark_read(int fd, struct buf *names);

/* Is it one of those names? */
bool cli_restore_mark_has(const struct buf *names, struct str name);

/*
 * Puts a mark with the files of the manifest in the place of the one that is in the directory, on the disk when it
 * is: it, locked, or -1 with errno. There is no CLI_RESTORE_MARK_NEW before.
 */
int cli_restore_mark_write(int dirfd, const struct cli_manifest *m);

#endif
