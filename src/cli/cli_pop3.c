/* The POP3 client engine on a connection. Requests are queued between its events, never inside. */
#include "cli/cli_pop3.h"

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_text.h"

struct cli_pop3 {
	struct cli_dial dial;
	const struct cli_server *server;
	const struct cli_pop3_handler *handler;
	void *ctx;
	struct pop3_client_config cfg;
	struct pop3_client *client;
	bool handshake, ready, ended;
	bool broken_off; /* by us */
	int code;
};

bool cli_pop3_ask(struct cli_pop3 *p, enum pop3_request_type type, uint64_t number, uint64_t lines)
{
	struct pop3_request r = {.type = type, .number = number, .lines = lines};

	return pop3_client_request(p->client, &r, clock_mono());
}

void cli_pop3_break_off(struct cli_pop3 *p)
{
	p->ended = p->broken_off = true;
	net_drive_close(p->dial.drive);
}

const struct pop3_capa *cli_pop3_capa(const struct cli_pop3 *p)
{
	return pop3_client_capa(p->client);
}

int cli_pop3_refused(int code, const char *what, const struct pop3_client_event *e)
{
	struct buf text;

	buf_init(&text, 16 * KIB);
	cli_text_put(&text, str_sub(e->text, 0, 4 * KIB));
	cli_fail(code, "%s%s", what, buf_cstr(&text));
	buf_fini(&text);
	return code;
}

int cli_pop3_exit(enum pop3_code code, int otherwise)
{
	switch (code) {
	case POP3_CODE_NONE:
		return otherwise;
	case POP3_CODE_AUTH:
		return EX_NOPERM;
	case POP3_CODE_SYS_PERM:
		return EX_UNAVAILABLE;
	default:
		return EX_TEMPFAIL;
	}
}

static void ended(struct cli_pop3 *p, const struct pop3_client_event *e)
{
	p->ended = true;
	if (e->ok || p->broken_off || p->dial.failed)
		return;
	if (e->mute && cli_server_mute(p->server, &p->code))
		return;
	p->code = cli_pop3_exit(e->code, e->foreign ? EX_UNAVAILABLE : EX_TEMPFAIL);
	cli_pop3_refused(p->code, e->foreign ? "this is no port for reading mail: " : "", e);
}

static void tell(struct cli_pop3 *p, const struct pop3_client_event *e)
{
	switch (e->type) {
	case POP3_CLIENT_READY:
		p->ready = true;
		break;
	case POP3_CLIENT_ENTRIES:
		for (size_t i = 0; p->handler->entry && i < e->n; i++)
			p->handler->entry(p->ctx, &e->entries[i]);
		break;
	case POP3_CLIENT_CONTENT:
		if (p->handler->content)
			p->handler->content(p->ctx, e->content);
		break;
	case POP3_CLIENT_RESULT:
		p->handler->result(p->ctx, e);
		break;
	case POP3_CLIENT_CLOSED:
		ended(p, e);
		break;
	case POP3_CLIENT_STLS:
		break;
	}
}

/* Of what came with the octets behind which it was broken off, nobody wants to hear. */
static void handle(struct cli_pop3 *p, const struct pop3_client_event *e)
{
	if (!p->broken_off)
		tell(p, e);
	pop3_client_done(p->client, clock_mono());
	if (p->ready && !p->ended)
		p->handler->more(p->ctx, p);
}

static void effects(void *ctx)
{
	struct cli_pop3 *p = ctx;
	const struct pop3_client_event *e;

	while (!p->handshake && (e = pop3_client_event(p->client)) != NULL) {
		if (e->type == POP3_CLIENT_STLS) {
			p->handshake = true;
			cli_dial_start_tls(&p->dial);
		} else {
			handle(p, e);
		}
	}
}

/* ---- the drive's callbacks ---- */

static struct pop3_client *engine_of(void *ctx)
{
	return ((struct cli_pop3 *)ctx)->client;
}

NET_DRIVE_CALLBACKS(pop3_client, engine_of)

static void connected(void *ctx)
{
	cli_dial_connected(&((struct cli_pop3 *)ctx)->dial);
}

/* A handshake that failed ends the connection, and the engine hears of that. */
static void secured(void *ctx, const struct net_tls_info *info)
{
	struct cli_pop3 *p = ctx;

	if (!cli_dial_secured(&p->dial, info) || !info->ok)
		return;
	p->handshake = false;
	pop3_client_done(p->client, clock_mono());
}

static void closed(void *ctx, enum net_end end, const char *why)
{
	cli_dial_closed(&((struct cli_pop3 *)ctx)->dial, end, why);
}

static const struct net_drive_engine engine = {
    NET_DRIVE_CALLBACKS_INIT,
    .effects = effects,
    .connected = connected,
    .secured = secured,
    .closed = closed,
};

static void begin(void *ctx)
{
	struct cli_pop3 *p = ctx;

	p->cfg = (struct pop3_client_config){
	    .tls_policy = p->server->tls == CLI_TLS_STARTTLS ? POP3_TLS_REQUIRE : POP3_TLS_NONE,
	    .tls = p->dial.tls,
	    .plaintext_auth = cli_server_plaintext(p->server, p->dial.to),
	    .greeting_timeout = cli_server_patience(p->server, p->dial.to),
	    .user = p->server->user,
	    .password = buf_view(&p->server->password),
	};
	p->client = pop3_client_new(&p->cfg, clock_mono());
}

int cli_pop3_run(const struct cli_server *server, const struct cli_pop3_handler *handler, void *ctx)
{
	struct cli_pop3 p = {.server = server, .handler = handler, .ctx = ctx};

	cli_dial_run(&p.dial, server, &engine, &p, begin);
	if (p.dial.failed || !p.ended)
		p.code = cli_fail(p.dial.failed ? p.dial.failed : EX_TEMPFAIL, "%s",
		    p.dial.failed ? p.dial.why.text : cli_server_closed(server));
	pop3_client_free(&p.client);
	return p.code;
}
