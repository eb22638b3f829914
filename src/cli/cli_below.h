/*
 * What stands in a directory that may be another user's, who may be at work there: whatever he puts there, what is
 * opened lies in it. No link is followed, and nothing waits for the other end of a pipe.
 */
#ifndef CLI_CLI_BELOW_H
#define CLI_CLI_BELOW_H

#include "base/str.h"

/* For reading, below dirfd ("files-1/tls/key.pem"; empty: dirfd itself): a descriptor, or -1 with errno. */
int cli_below_open(int dirfd, struct str path);

/* The same of a directory; ENOTDIR for all else. */
int cli_below_directory(int dirfd, struct str path);

/* The same of a regular file; ENOTSUP for all else. */
int cli_below_file(int dirfd, struct str path);

/* What that errno value means. */
const char *cli_below_reason(int code);

#endif
