#include "proc/event_loop.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/mem.h"

void event_loop_init(uv_loop_t *loop)
{
	int code = uv_loop_init(loop);

	if (code == 0)
		return;
	MEM_MUST(code != UV_ENOMEM);
	fprintf(stderr,
	    "godwit: the system gives no event loop (%s): raise the limit of open files, or end other "
	    "programs\n",
	    uv_strerror(code));
	exit(EX_OSERR);
}

/* Not uv_default_loop(): without memory that is none, and nobody is told why. */
uv_loop_t *event_loop(void)
{
	static uv_loop_t loop;
	static bool ready;

	if (!ready)
		event_loop_init(&loop);
	ready = true;
	return &loop;
}
