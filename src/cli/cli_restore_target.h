/* The directory that a restore of everything makes a data directory of. */
#ifndef CLI_CLI_RESTORE_TARGET_H
#define CLI_CLI_RESTORE_TARGET_H

#include "cli/cli_manifest.h"

struct cli_restore_target {
	const char *path;
	int dirfd, packs, tls;
	int mark;         /* held as long as the restore takes */
	struct buf names; /* of the files of a restore that was broken off */
	bool has_names;
	bool removing; /* what it has left */
};

void cli_restore_target_init(struct cli_restore_target *t, const char *path);

/*
 * Makes it, or takes one that is empty or has the mark of a restore that was broken off, whose files go, and nothing
 * else; puts the mark in it, for the files of the manifest. EX_OK, or what the command ends with; told. Close it in
 * both cases.
 */
int cli_restore_target_open(struct cli_restore_target *t, const struct cli_manifest *m);

/* Makes a file ("tls/key.pem") anew and opens it for writing: a descriptor, or -1 with errno. */
int cli_restore_target_file(const struct cli_restore_target *t, const char *name);

void cli_restore_target_remove(const struct cli_restore_target *t, const char *name);

void cli_restore_target_close(struct cli_restore_target *t);

#endif
