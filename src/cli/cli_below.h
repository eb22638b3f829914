/*
 * Files in a directory that may be another user's, who may be at work there: whatever he puts there, what is opened
 * lies in it. No link is followed, and nothing waits for the other end of a pipe.
 */
#ifndef CLI_CLI_BELOW_H
#define CLI_CLI_BELOW_H

#include "base/str.h"

/* A directory below dirfd ("files-1"; empty: itself): a descriptor, or -1 with errno. */
int cli_below_directory(int dirfd, struct str path);

/* A regular file below dirfd ("files-1/tls/key.pem"), for reading: a descriptor, or -1 with errno; ELOOP for others. */
int cli_below_file(int dirfd, struct str path);

/* What that errno value means. */
const char *cli_below_reason(int code);

#endif
