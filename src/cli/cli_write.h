#ifndef CLI_WRITE_H
#define CLI_WRITE_H

#include "base/str.h"

/* All of s, at the file's offset. 0, or -1 with errno; some of it may be written then. */
int cli_write_all(int fd, struct str s);

#endif
