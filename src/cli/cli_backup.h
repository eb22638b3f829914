/* The commands backup and restore. */
#ifndef CLI_CLI_BACKUP_H
#define CLI_CLI_BACKUP_H

#include "cli/cli.h"
#include "cli/cli_manifest.h"

extern const struct cli_option cli_restore_options[];

int cli_backup(struct cli *cli);
int cli_restore(struct cli *cli);

/* ---- inside ---- */

/* In the backup: locked by who writes it, and shared by those who read it. */
#define CLI_BACKUP_LOCK "lock"

/* The mail of one account, or one message, into the data directory that is there. */
int cli_restore_mail(struct cli *cli, const struct cli_manifest *m, int source);

/* "DIR/0000000007.pack" relative to the backup. */
void cli_backup_pack_name(struct buf *b, struct str dir, int64_t pack);

#endif
