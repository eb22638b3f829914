/* Options of a connection, checked before anything is sent anywhere. */
#include "cli/cli_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_prompt.h"
#include "config/config.h"
#include "proc/admin_call.h"
#include "store/datadir.h"

#define NAME_MAX_LEN ((size_t)255)
#define GREETING_MS  (10 * SECOND_MS)
#define PORT_SMTP    25

static const struct {
	struct str word;
	enum cli_tls mode;
} tls_words[] = {
    {STR_INIT("none"), CLI_TLS_NONE},
    {STR_INIT("starttls"), CLI_TLS_STARTTLS},
    {STR_INIT("implicit"), CLI_TLS_IMPLICIT},
};

static int read_tls(struct cli_server *s, const struct cli *cli, bool implicit_port)
{
	const char *word = cli_args_value(&cli->args, "tls");

	s->tls = implicit_port ? CLI_TLS_IMPLICIT : CLI_TLS_STARTTLS;
	if (!word)
		return EX_OK;
	for (size_t i = 0; i < sizeof tls_words / sizeof *tls_words; i++) {
		if (!str_eq(str_of_c(word), tls_words[i].word))
			continue;
		s->tls = tls_words[i].mode;
		return EX_OK;
	}
	return cli_fail(EX_USAGE, "--tls must be none, starttls or implicit, not \"%s\"", word);
}

static int read_name(struct cli_server *s, const struct cli *cli, uint16_t *port)
{
	const char *text = cli_args_value(&cli->args, "server");
	struct str host;

	if (cli_args_has(&cli->args, "data"))
		return cli_fail(EX_USAGE, "say where with --server or with --data, not with both");
	if (!net_addr_split(str_of_c(text), &host, port) || host.n == 0 || host.n > NAME_MAX_LEN ||
	    *port == 0)
		return cli_fail(
		    EX_USAGE, "--server must be HOST:PORT or [IPV6]:PORT, not \"%s\"", text);
	buf_str(&s->name, host);
	return EX_OK;
}

static int look_up(struct cli_server *s, uint16_t port)
{
	struct err e;
	int n = net_addr_resolve(buf_cstr(&s->name), port, s->addrs, CLI_SERVER_ADDRS, &e);

	if (n < 0)
		return cli_fail(EX_NOHOST, "%s", e.text);
	s->naddrs = (size_t)n;
	return EX_OK;
}

/* ca: what --ca does not say otherwise; NULL: those that the system trusts */
static int make_context(struct cli_server *s, const struct cli *cli, const char *ca)
{
	const char *given = cli_args_value(&cli->args, "ca");
	struct err e;

	if (s->tls == CLI_TLS_NONE)
		return EX_OK;
	s->ctx = tls_client_new(given ? given : ca, &e);
	return s->ctx ? EX_OK : cli_fail(EX_NOINPUT, "%s", e.text);
}

/* ---- the server of a data directory ---- */

/* Where it listens; on all addresses: here. */
static int take_listener(struct cli_server *s, const struct config_snapshot *c, bool pop3)
{
	uint16_t port = config_port(c, pop3 ? c->ports.pop3s : c->ports.smtps);
	struct ip any4 = {0}, any6 = {0};

	ip_parse(STR("0.0.0.0"), &any4);
	if (!port)
		return cli_fail(EX_CONFIG,
		    "%s is 0 in the configuration: say where with --server HOST:PORT",
		    pop3 ? "ports.pop3s" : "ports.smtps");
	for (size_t i = 0; i < c->listen.n && s->naddrs < CLI_SERVER_ADDRS; i++) {
		struct ip ip = c->listen.v[i];

		if (ip_eq(&ip, &any4))
			ip_parse(STR("127.0.0.1"), &ip);
		else if (ip_eq(&ip, &any6))
			ip_parse(STR("::1"), &ip);
		s->addrs[s->naddrs++] = net_addr_ip(&ip, port);
	}
	return EX_OK;
}

/* Its own certificate is the one that is believed: who may write there may do anything. */
static int take_config(struct cli_server *s, const struct cli *cli, bool pop3)
{
	struct config_snapshot *c;
	struct buf certificate;
	struct err e;
	int code;

	if (datadir_lacks_lock(cli_data_dir(cli), &e) ||
	    config_load(cli_data_dir(cli), 0, &c, &e) < 0)
		return cli_fail(EX_CONFIG, "%s", e.text);
	buf_init(&certificate, 4 * KIB);
	config_path(c, c->tls_certificate, &certificate);
	buf_str(&s->name, c->hostname);
	(void)buf_cstr(&s->name); /* cli_dial.c reads it as such */
	code = read_tls(s, cli, true);
	if (code == EX_OK)
		code = take_listener(s, c, pop3);
	if (code == EX_OK)
		code = make_context(s, cli, buf_cstr(&certificate));
	buf_fini(&certificate);
	config_unref(&c);
	return code;
}

/* In place of --server; one that nobody has named need not be there. */
static int find_directory(const struct cli *cli)
{
	struct err e;

	if (admin_find_directory(cli_data_dir(cli), &e) != EX_NOINPUT)
		return EX_OK; /* the configuration may be read by all */
	if (cli_args_has(&cli->args, "data"))
		return cli_fail(EX_NOINPUT, "%s", e.text);
	return cli_fail(EX_USAGE,
	    "which server? Say it with --server HOST:PORT, or with --data DIR that of a data directory");
}

static int read_login(struct cli_server *s, const struct cli *cli, bool needed)
{
	const char *user = cli_args_value(&cli->args, "user");

	s->user = str_of_c(user);
	if (user && (s->user.n == 0 || s->user.n > LIMIT_USER_NAME))
		return cli_fail(EX_USAGE, "--user must have 1 to %zu octets", LIMIT_USER_NAME);
	if (user)
		return cli_prompt_password(cli, CLI_PROMPT_LOGIN, user, &s->password);
	return needed ? cli_fail(EX_USAGE, "who are you? Say it with --user NAME") : EX_OK;
}

/* As --server says. */
static int read_named(struct cli_server *s, const struct cli *cli, uint16_t implicit_port)
{
	uint16_t port = 0;
	int code = read_name(s, cli, &port);

	if (code == EX_OK)
		code = read_tls(s, cli, port == implicit_port);
	if (code == EX_OK)
		code = look_up(s, port);
	if (code == EX_OK)
		code = make_context(s, cli, NULL);
	return code;
}

int cli_server_init(
    struct cli_server *s, const struct cli *cli, uint16_t implicit_port, bool login_needed)
{
	bool here = !cli_args_has(&cli->args, "server");
	int code;

	*s = (struct cli_server){.insecure = cli_args_has(&cli->args, "insecure")};
	buf_init(&s->name, NAME_MAX_LEN);
	buf_init(&s->password, LIMIT_PASSWORD);
	if (here) {
		code = find_directory(cli);
		if (code == EX_OK)
			code = take_config(s, cli, implicit_port == CLI_PORT_POP3S);
	} else {
		code = read_named(s, cli, implicit_port);
	}
	if (code == EX_OK)
		code = read_login(s, cli, login_needed);
	return code;
}

int cli_server_local(struct cli_server *s, const char *path)
{
	struct err e;

	*s = (struct cli_server){.tls = CLI_TLS_NONE, .naddrs = 1};
	buf_init(&s->name, NAME_MAX_LEN);
	buf_init(&s->password, LIMIT_PASSWORD);
	buf_lit(&s->name, "localhost");
	(void)buf_cstr(&s->name);
	if (net_addr_path(path, &s->addrs[0], &e) < 0)
		return cli_fail(EX_CONFIG, "%s", e.text);
	return EX_OK;
}

void cli_server_fini(struct cli_server *s)
{
	buf_fini(&s->name);
	buf_wipe(&s->password);
	tls_unref(&s->ctx);
}

bool cli_server_plaintext(const struct cli_server *s, const struct net_addr *to)
{
	return s->insecure || to->path[0] || ip_is_loopback(&to->ip);
}

/* May it be a server that speaks TLS from the start, which nobody expects? A Unix socket has none. */
static bool may_wait_for_tls(const struct cli_server *s)
{
	return s->tls != CLI_TLS_IMPLICIT && !s->addrs[0].path[0];
}

int64_t cli_server_patience(const struct cli_server *s, const struct net_addr *to)
{
	return may_wait_for_tls(s) && to->port != PORT_SMTP ? GREETING_MS : 0;
}

bool cli_server_mute(const struct cli_server *s, int *code_r)
{
	if (!may_wait_for_tls(s))
		return false;
	*code_r = cli_fail(EX_TEMPFAIL,
	    "the server does not greet: try again later, or, if this is a port with TLS from the start, "
	    "add --tls implicit");
	return true;
}

const char *cli_server_closed(const struct cli_server *s)
{
	return may_wait_for_tls(s)
		   ? "the server closed the connection; if it speaks TLS from the start, say --tls implicit"
		   : "the server closed the connection";
}
