/* What a person asks for when he sends: later, before others, in time, and of which he wants to hear. */
#ifndef CLI_CLI_WISH_H
#define CLI_CLI_WISH_H

#include "base/arena.h"
#include "base/err.h"
#include "smtp/smtp_client.h"

/* As written on the command line; NULL: not given. */
struct cli_wish {
	const char *hold_until, *deliver_by,
	    *tell_by;                     /* a moment as of cli_time.h, or "2h": in 2 hours */
	const char *priority;             /* -9 to 9 */
	const char *notify, *ret, *envid; /* as of NOTIFY, RET; any printable text */
};

/*
 * Puts it into the message, whose recipients may move into the arena. 0, or -1 with a sentence in *e. A
 * server that does not offer what is asked for leaves it out, but for hold_until.
 */
int cli_wish_apply(const struct cli_wish *w, struct arena *a, int64_t now,
    struct smtp_client_message *m, struct err *e);

#endif
