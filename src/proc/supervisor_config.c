/*
 * Configuration, certificate, keys, own addresses: read here, told to the children. What is read anew is
 * complete and tried before it takes the place of what was there.
 */
#include "base/mem.h"
#include "proc/preflight.h"
#include "proc/supervisor_priv.h"

/* Reads everything anew; on failure what was there stays. */
int supervisor_config_load(struct supervisor *sv, struct err *e)
{
	uint64_t number = sv->config ? sv->config->number + 1 : 1;
	struct preflight fresh;

	if (preflight_load(sv->dir, number, &fresh, e))
		return -1;
	config_unref(&sv->config);
	buf_fini(&sv->certificate);
	buf_wipe(&sv->key);
	sv->config = fresh.config;
	sv->certificate = fresh.certificate;
	sv->key = fresh.key;
	log_setup("supervisor", (enum log_level)sv->config->log_level);
	return 0;
}

static void put_start(struct supervisor *sv, const struct spawn *s, struct buf *b)
{
	struct sc_start start = {.role = s->role, .node = s->node, .number = sv->config->number};
	struct buf snapshot;

	buf_init(&snapshot, 256 * KIB);
	config_encode(sv->config, &snapshot);
	start.snapshot = buf_view(&snapshot);
	if (supervisor_roles[s->role].listens) {
		start.certificate = buf_view(&sv->certificate);
		start.key = buf_view(&sv->key);
		start.tickets = buf_view(&sv->tickets);
	}
	buf_init(b, 1 * MIB);
	sc_start_put(b, &start);
	buf_fini(&snapshot);
}

void supervisor_config_tell(struct supervisor *sv, struct spawn *s, uint16_t type)
{
	struct buf b;

	put_start(sv, s, &b);
	spawn_tell(s, type, buf_view(&b), -1);
	buf_wipe(&b);
}

void supervisor_config_tell_all(struct supervisor *sv)
{
	supervisor_config_tell(sv, &sv->store, SC_CONFIG);
	for (size_t i = 0; i < sv->child_count; i++)
		if (sv->children[i].running)
			supervisor_config_tell(sv, &sv->children[i], SC_CONFIG);
}

void supervisor_config_tell_own(struct supervisor *sv, struct spawn *s)
{
	if (s->running && supervisor_roles[s->role].knows_own)
		spawn_tell(s, SC_OWN, buf_view(&sv->own.list), -1);
}

void supervisor_config_own_changed(struct own_watch *own)
{
	struct supervisor *sv = LIST_ENTRY(own, struct supervisor, own);

	supervisor_config_tell_own(sv, &sv->store);
	for (size_t i = 0; i < sv->child_count; i++)
		supervisor_config_tell_own(sv, &sv->children[i]);
}
