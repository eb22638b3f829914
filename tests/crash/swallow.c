/* A recording from which a kind of sync is taken out: the disk never saw it. */
#include "disk.h"

#include <stdio.h>

#include "base/mem.h"

void recording_name(const struct recording *r, size_t until, uint64_t ino, char *out, size_t max)
{
	out[0] = '\0';
	for (size_t i = until; i-- > 0;) {
		const struct event *e = &r->events[i];

		if (e->head.ino != ino)
			continue;
		if (e->head.kind == RECORD_NAME)
			snprintf(out, max, "%.*s", (int)e->head.name_n, e->name);
		if (e->head.kind == RECORD_NAME || e->head.kind == RECORD_MAKE)
			return;
	}
}

static const struct {
	const char *kind, *prefix;
} swallows[] = {
    {"pack", "packs/"}, {"upload", ""}, {"log", "store.db-wal"}, {"database", "store.db"}};

static bool is_swallowed(const struct recording *r, size_t at, const char *kind)
{
	const struct event *e = &r->events[at];
	char name[256];

	if (e->head.kind == RECORD_SYNC_DIR)
		return strcmp(kind, e->head.name_n ? "packs-names" : "top-names") == 0;
	if (e->head.kind != RECORD_SYNC)
		return false;
	recording_name(r, at, e->head.ino, name, sizeof name);
	for (size_t i = 0; i < sizeof swallows / sizeof *swallows; i++) {
		size_t n = strlen(swallows[i].prefix);

		if (strcmp(swallows[i].kind, kind) == 0)
			return strcmp(name, swallows[i].prefix) == 0 ||
			       (n && name[n - 1] == '/' &&
				   strncmp(name, swallows[i].prefix, n) == 0);
	}
	return false;
}

void recording_swallow(struct recording *r, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += is_swallowed(r, i, kind);
	if (n == 0)
		mem_bug(__FILE__, __LINE__, "the recording has no such sync to swallow");
	for (size_t i = 0; i < r->n; i++) {
		if (is_swallowed(r, i, kind)) {
			r->events[i].head = (struct record_head){.kind = RECORD_SAY};
			r->events[i].name = "";
		}
	}
}
