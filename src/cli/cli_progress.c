/* The line is overwritten in place; its end is erased by the terminal's own code for that. */
#include "cli/cli_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli_text.h"

#define RENEW_MS 200

void cli_progress_init(struct cli_progress *p)
{
	*p = (struct cli_progress){.shown = isatty(STDERR_FILENO) == 1};
}

/* Is it time for another one? One of another kind does not wait. */
static bool is_due(struct cli_progress *p, const char *text)
{
	int64_t now;

	if (!p->shown)
		return false;
	now = clock_mono();
	if (p->open && now - p->renewed < RENEW_MS &&
	    strncmp(p->text, text, sizeof p->text - 1) == 0)
		return false;
	p->renewed = now;
	snprintf(p->text, sizeof p->text, "%s", text);
	return p->open = true;
}

static void put_line(const char *text, const char *how_far)
{
	fprintf(stderr, "\r%s: %s\033[K", text, how_far);
	fflush(stderr);
}

void cli_progress_show(struct cli_progress *p, const char *text, int64_t count, int64_t bytes)
{
	struct buf b;

	if (!is_due(p, text))
		return;
	buf_init(&b, 256);
	if (count >= 0)
		buf_printf(&b, "%lld messages, ", (long long)count);
	cli_text_bytes(&b, bytes);
	put_line(text, buf_cstr(&b));
	buf_fini(&b);
}

void cli_progress_share(struct cli_progress *p, const char *text, int64_t bytes, int64_t total)
{
	struct buf b;

	if (!is_due(p, text))
		return;
	buf_init(&b, 256);
	cli_text_bytes(&b, bytes);
	buf_lit(&b, " of ");
	cli_text_bytes(&b, total);
	put_line(text, buf_cstr(&b));
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
