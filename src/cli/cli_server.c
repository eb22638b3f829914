/* Options of a connection, checked before anything is sent anywhere. */
#include "cli/cli_server.h"

#include "base/limits.h"
#include "cli/cli_prompt.h"

#define NAME_MAX_LEN ((size_t)255)

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

	if (!text)
		return cli_fail(EX_USAGE, "which server? Say it with --server HOST:PORT");
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

static int make_context(struct cli_server *s, const struct cli *cli)
{
	struct err e;

	if (s->tls == CLI_TLS_NONE)
		return EX_OK;
	s->ctx = tls_client_new(cli_args_value(&cli->args, "ca"), &e);
	return s->ctx ? EX_OK : cli_fail(EX_NOINPUT, "%s", e.text);
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

int cli_server_init(
    struct cli_server *s, const struct cli *cli, uint16_t implicit_port, bool login_needed)
{
	uint16_t port = 0;
	int code;

	*s = (struct cli_server){.insecure = cli_args_has(&cli->args, "insecure")};
	buf_init(&s->name, NAME_MAX_LEN);
	buf_init(&s->password, LIMIT_PASSWORD);
	code = read_name(s, cli, &port);
	if (code == EX_OK)
		code = read_tls(s, cli, port == implicit_port);
	if (code == EX_OK)
		code = look_up(s, port);
	if (code == EX_OK)
		code = make_context(s, cli);
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
