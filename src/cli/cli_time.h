/* Moments as people write them. */
#ifndef CLI_CLI_TIME_H
#define CLI_CLI_TIME_H

#include "base/err.h"
#include "base/str.h"

/* Which way a span counts. */
enum cli_time_way {
	CLI_TIME_AGO,
	CLI_TIME_AHEAD
};

/*
 * "2026-11-23", "2026-11-23 19:54", "2026-11-23T19:54:33", in the local time zone or, with a Z at the end,
 * in UTC; or "90m", "12h", "3d": so long ago, or from now. 0 with *ms_r (milliseconds since 1970), or -1 with a
 * sentence in *e.
 */
int cli_time_parse(
    struct str text, int64_t now, enum cli_time_way way, int64_t *ms_r, struct err *e);

#endif
