/* How far a long command is: a line on a terminal that renews itself; nothing elsewhere. */
#ifndef CLI_CLI_PROGRESS_H
#define CLI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
	bool shown;      /* standard error is a terminal */
	bool open;       /* there is a line to take away */
	int64_t renewed; /* when */
	char text[40];   /* its beginning: what it tells of */
};

void cli_progress_init(struct cli_progress *p);

/* "text: count messages, bytes"; of the same text a few times a second at most. count < 0: without it. */
void cli_progress_show(struct cli_progress *p, const char *text, int64_t count, int64_t bytes);

/* "text: bytes of total"; likewise. */
void cli_progress_share(struct cli_progress *p, const char *text, int64_t bytes, int64_t total);

/* Takes the line away, before anything else is said. */
void cli_progress_clear(struct cli_progress *p);

#endif
