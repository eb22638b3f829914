/* One attempt after another until a connection stands; what happens on it is the engine's business. */
#include "cli/cli_dial.h"

#include "base/mem.h"
#include "proc/event_loop.h"

static void try_next(struct cli_dial *d)
{
	d->to = d->to ? d->to + 1 : d->server->addrs;
	d->drive = net_drive_connect(&d->loop, d->to, NULL, d->engine, d->ctx);
}

void cli_dial_run(struct cli_dial *d, const struct cli_server *server,
    const struct net_drive_engine *engine, void *ctx, void (*begin)(void *ctx))
{
	*d = (struct cli_dial){.server = server, .engine = engine, .ctx = ctx, .begin = begin};
	event_loop_init(&d->loop);
	try_next(d);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&d->loop) == 0);
}

static void begin(struct cli_dial *d)
{
	d->started = true;
	d->begin(d->ctx);
	net_drive_start(d->drive);
}

void cli_dial_start_tls(struct cli_dial *d)
{
	const struct cli_server *s = d->server;
	struct net_tls_start start = {
	    .ctx = s->ctx,
	    .name = (const char *)s->name.p,
	    .verify = !s->insecure,
	};

	net_drive_start_tls(d->drive, &start);
}

void cli_dial_connected(struct cli_dial *d)
{
	if (d->server->tls == CLI_TLS_IMPLICIT)
		cli_dial_start_tls(d);
	else
		begin(d);
}

static bool has(struct str text, struct str part)
{
	return str_find_str(text, part) < text.n;
}

/* A certificate of another name may well be trusted: --ca does not help. */
static void explain_tls(struct cli_dial *d, const struct net_tls_info *info)
{
	struct str why = str_of_c(info->why);
	const char *name = (const char *)d->server->name.p;

	d->failed = EX_UNAVAILABLE;
	if (has(why, STR("certificate")) && has(why, STR("mismatch")))
		err_set(&d->why,
		    "TLS with %s failed: %s (write --server NAME:%u with a name that the certificate has, or "
		    "trust any with --insecure)",
		    name, info->why, d->to->port);
	else
		err_set(&d->why, "TLS with %s failed: %s%s", name, info->why,
		    has(why, STR("certificate"))
			? " (trust it with --ca FILE, or any with --insecure)"
			: "");
}

bool cli_dial_secured(struct cli_dial *d, const struct net_tls_info *info)
{
	d->tls = info->ok;
	if (!info->ok)
		explain_tls(d, info);
	if (d->started)
		return true;
	if (info->ok)
		begin(d);
	return false;
}

/* "localhost (127.0.0.1:25)", or the path of a socket. */
static void put_target(struct buf *b, const struct cli_dial *d)
{
	if (!d->to->path[0])
		buf_printf(b, "%s (", (const char *)d->server->name.p);
	net_addr_put(b, d->to);
	if (!d->to->path[0])
		buf_byte(b, ')');
}

/* What to do about a server that cannot be reached. */
static void put_cure(struct buf *b, const struct cli_dial *d, const char *why)
{
	if (!d->to->path[0])
		buf_lit(b, "does it run, and is the port right?");
	else if (str_eq(str_of_c(why), str_of_c(uv_strerror(UV_EACCES))))
		buf_printf(b,
		    "it may well run: a mode on the way keeps you out; \"namei -l %s\" shows which, and its "
		    "owner lets you through a directory with chmod a+x",
		    d->to->path);
	else
		buf_lit(b,
		    "start it with \"godwit serve\", or name its data directory with --data DIR");
}

void cli_dial_closed(struct cli_dial *d, enum net_end end, const char *why)
{
	struct buf target, cure;

	d->drive = NULL;
	if (end == NET_END_CONNECT && d->to + 1 < d->server->addrs + d->server->naddrs) {
		try_next(d);
		return;
	}
	if (end == NET_END_LOCAL || d->failed)
		return;
	d->failed = EX_TEMPFAIL;
	buf_init(&target, LIMIT_ERR_TEXT);
	buf_init(&cure, LIMIT_ERR_TEXT);
	put_target(&target, d);
	put_cure(&cure, d, why);
	if (end == NET_END_CONNECT)
		err_set(&d->why, "cannot reach the server at %s: %s; %s", buf_cstr(&target), why,
		    buf_cstr(&cure));
	else
		err_set(&d->why, "the connection to %s broke: %s", buf_cstr(&target), why);
	buf_fini(&target);
	buf_fini(&cure);
}
