/* Names of files for mailboxes whose own no file can have. */
#ifndef CLI_CLI_EXPORT_NAME_H
#define CLI_CLI_EXPORT_NAME_H

#include "base/buf.h"
#include "base/hash.h"

#define CLI_EXPORT_NAME_MAX ((size_t)255) /* octets of one in a directory */

/* Whether what was made of a mailbox's path can be a name of at most max octets. */
bool cli_export_name_fits(struct str path, struct str name, size_t max);

/*
 * Appends another one, of at most max octets where that leaves room for the mark: the path, shortened and without
 * what a name cannot have, with "~" and a number behind it that is the same each time, as put() writes it. n: 0, 1
 * and so on, for mailboxes whose paths are the same.
 */
void cli_export_name_other(struct buf *name, struct str path, uint32_t n, size_t max,
    void (*put)(struct buf *b, struct str path));

/* Names that mailboxes have got. */
struct cli_export_made {
	struct hash_table table;
	bool fold; /* two cases of a letter are one */
};

void cli_export_made_init(struct cli_export_made *made, bool fold);
void cli_export_made_fini(struct cli_export_made *made);
void cli_export_made_add(struct cli_export_made *made, struct str name);
bool cli_export_made_has(const struct cli_export_made *made, struct str name);

#endif
