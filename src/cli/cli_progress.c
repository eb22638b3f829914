/* The line is overwritten in place; its end is erased by the terminal's own code for that. */
#include "cli/cli_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli_text.h"

#define RENEW_MS 200

void cli_progress_init(struct cli_progress *p)
{
	*p = (struct cli_progress){.shown = isatty(STDERR_FILENO) == 1};
}

void cli_progress_show(struct cli_progress *p, const char *text, int64_t count, int64_t bytes)
{
	int64_t now;
	struct buf b;

	if (!p->shown)
		return;
	now = clock_mono();
	if (p->open && now - p->renewed < RENEW_MS)
		return;
	p->renewed = now;
	p->open = true;
	buf_init(&b, 256);
	cli_text_bytes(&b, bytes);
	if (count >= 0)
		fprintf(
		    stderr, "\r%s: %lld messages, %s\033[K", text, (long long)count, buf_cstr(&b));
	else
		fprintf(stderr, "\r%s: %s\033[K", text, buf_cstr(&b));
	fflush(stderr);
	buf_fini(&b);
}

void cli_progress_clear(struct cli_progress *p)
{
	if (!p->open)
		return;
	p->open = false;
	fprintf(stderr, "\r\033[K");
	fflush(stderr);
}
