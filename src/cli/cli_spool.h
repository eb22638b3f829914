/*
 * A message from standard input, kept in an unnamed file with its line ends made CRLF: its size and
 * whether it is 8-bit are known before the first octet is sent.
 */
#ifndef CLI_CLI_SPOOL_H
#define CLI_CLI_SPOOL_H

#include "base/buf.h"
#include "base/err.h"

struct cli_spool {
	int fd;
	uint64_t size; /* octets */
	bool has_8bit;
	bool has_bare_cr; /* it came with a CR that had no LF behind it */
};

enum cli_spool_status {
	CLI_SPOOL_OK,
	CLI_SPOOL_TOO_LARGE, /* above LIMIT_MESSAGE_SIZE */
	CLI_SPOOL_FAILED,    /* reading or writing failed */
};

/*
 * Reads `in` to its end, or with dot_ends to a line that holds a single dot. Bare LF and bare CR
 * become CRLF, and a last line without end gets one. On success end with cli_spool_fini(); else *e
 * has the reason and *s_r is untouched.
 */
enum cli_spool_status cli_spool_read(struct cli_spool *s_r, int in, bool dot_ends, struct err *e);
void cli_spool_fini(struct cli_spool *s);

/* Appends at most max octets from offset `at` on; fewer only at the end. 0, or -1 when reading fails. */
int cli_spool_get(const struct cli_spool *s, uint64_t at, size_t max, struct buf *out);

#endif
