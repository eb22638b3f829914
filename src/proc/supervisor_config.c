/*
 * Configuration, certificate, keys, own addresses: read here, told to the children. What is read anew is
 * complete and tried before it takes the place of what was there.
 */
#include "base/mem.h"
#include "config/config_file.h"
#include "net/tls.h"
#include "proc/supervisor_priv.h"

static int read_pem(struct supervisor *sv, const struct config_snapshot *c, struct str name,
    enum config_file_kind kind, struct buf *out, struct err *e)
{
	struct buf path;
	int r;

	buf_init(&path, 4096);
	r = config_file_read(config_path(c, name, &path), kind, out, e);
	buf_fini(&path);
	return r;
}

/* Reads everything anew; on failure what was there stays. */
int supervisor_config_load(struct supervisor *sv, struct err *e)
{
	uint64_t number = sv->config ? sv->config->number + 1 : 1;
	struct config_snapshot *c = NULL;
	struct buf certificate, key;
	struct tls_ctx *trial = NULL;

	buf_init(&certificate, 128 * KIB);
	buf_init(&key, 128 * KIB);
	if (config_load(sv->dir, number, &c, e))
		return -1;
	if (read_pem(sv, c, c->tls_certificate, CONFIG_FILE_CERTIFICATE, &certificate, e) ||
	    read_pem(sv, c, c->tls_key, CONFIG_FILE_SECRET, &key, e) ||
	    !(trial = tls_server_new(
		  buf_view(&certificate), buf_view(&key), buf_view(&sv->tickets), e))) {
		config_unref(&c);
		buf_fini(&certificate);
		buf_wipe(&key);
		return -1;
	}
	tls_unref(&trial);
	config_unref(&sv->config);
	buf_fini(&sv->certificate);
	buf_wipe(&sv->key);
	sv->config = c;
	sv->certificate = certificate;
	sv->key = key;
	log_setup("supervisor", (enum log_level)c->log_level);
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
