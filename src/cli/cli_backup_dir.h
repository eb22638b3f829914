/* Inside of the command backup: what its files share. */
#ifndef CLI_CLI_BACKUP_DIR_H
#define CLI_CLI_BACKUP_DIR_H

#include <xxhash.h>

#include "cli/cli_backup.h"
#include "cli/cli_progress.h"

struct backup {
	const char *path, *data;
	int dirfd;
	bool made, made_lock; /* the directory and the lock in it, by this backup */
	struct cli_manifest old, new;
	bool has_old, anew;
	size_t old_at; /* parts of the old one that were looked at */
	struct cli_progress progress;
	int64_t copied, total; /* octets; total: that the server sends */

	/* the file at hand */
	int fd;
	XXH3_state_t *hash;
	struct cli_manifest_part part;
	int64_t size; /* of the database's copy */
	int64_t at;
	int64_t there;    /* the size that the pack's file had */
	int64_t pack_end; /* in the server */
	int64_t to;       /* of what is asked for */
	int64_t kept;     /* up to there the file has had something in its place */
	size_t first;     /* of the pack's parts in the new manifest */

	/* what the server is told: pairs of a pack and a place, from or up to which it is asked for */
	struct buf places;
	size_t told; /* of it */

	int64_t left_out; /* of the administrator's files; they have been named */
	bool failed;
	struct err e;
};

/* Sets the failure from errno; gives -1. */
int cli_backup_fail(struct backup *b, const char *what, struct str name);

/* A file below the backup, to be written; empty unless append. -1 with the failure set. */
int cli_backup_file(struct backup *b, struct str dir, const char *name, bool append);

/* Writes at b->at of b->fd and into the checksum; 0 or -1. */
int cli_backup_write(struct backup *b, struct str s);

/* Makes a directory below it, unless it is there; 0 or -1. */
int cli_backup_make_dir(struct backup *b, struct str name);

/*
 * Makes, opens and locks the directory and reads its manifest. The exit code; a failure has been told.
 * The lock is held until the process ends.
 */
int cli_backup_open(struct backup *b);

/* Is a directory below another one, or that itself? */
bool cli_backup_is_inside(int dirfd, const char *path);

/* Directories of ours that the manifest does not name go: of backups before, or broken off. */
void cli_backup_clean(struct backup *b, const struct cli_manifest *m);

/*
 * A first backup, of which no manifest says yet what belongs to it, is marked as under way from before it makes
 * anything (0, or -1 with the failure set) until before its manifest is put in its place. What one that was
 * broken off has left goes at the beginning of the next.
 */
int cli_backup_begin(struct backup *b);
void cli_backup_end(struct backup *b);
void cli_backup_drop_begun(struct backup *b);

/* What a first backup made that has failed goes, with the directory and its lock, unless there is a manifest. */
void cli_backup_drop(struct backup *b);

/* Files of packs that the new manifest, which is on the disk, does not name go. */
void cli_backup_clean_packs(struct backup *b);

/* How long the file of a pack is that ends there by the old manifest. That it is missing or shorter is told. */
int64_t cli_backup_has(struct backup *b, int64_t pack, int64_t end);

/* The directory for the files of this backup; then godwit.conf, tls/ and what it names beside itself into it. 0 or -1. */
int cli_backup_name_files(struct backup *b);
int cli_backup_copy_files(struct backup *b);

#endif
