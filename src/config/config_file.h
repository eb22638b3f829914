/* Files an administrator owns: read whole, with their mode checked. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "base/buf.h"
#include "base/err.h"

enum config_file_kind {
	CONFIG_FILE_CERTIFICATE, /* as the next, but named by tls_certificate */
	CONFIG_FILE_PUBLIC,      /* others may read, none but the owner and root may write */
	CONFIG_FILE_OPTIONS, /* the same; from here on root, who acts on them, reads his own only */
	CONFIG_FILE_SECRET,  /* others may not read; the group may */
	CONFIG_FILE_PASSWORD, /* the same, of a route */
};

/*
 * Appends the file's content to out, within out's maximum. 0, or -1 with a sentence that names the
 * cure; out is then as it was. Only regular files.
 */
int config_file_read(const char *path, enum config_file_kind kind, struct buf *out, struct err *e);

/* The same of a name right in the directory dirfd, which may not be a link; sentences call the file path. */
int config_file_read_at(int dirfd, const char *name, const char *path, enum config_file_kind kind,
    struct buf *out, struct err *e);

/*
 * Creates a file (never replaces one) with this mode, written and synced: whole or, whatever interrupts it, not at
 * all. 0, or -1 with a sentence.
 */
int config_file_create(const char *path, unsigned mode, struct str content, struct err *e);

#endif
