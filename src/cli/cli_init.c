/*
 * Makes what is missing, in an order that can be taken up again after any interruption: directory and
 * store, configuration, certificate, and last (as root, whose directory it is until then) the ownership. What is
 * there stays as it is. In a directory that has an owner already root makes the store's part as its owner; and all
 * of it, where that is an ordinary user and not the server's.
 */
#include "cli/cli_init.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_owner.h"
#include "config/config.h"
#include "config/config_file.h"
#include "config/option_value.h"
#include "net/tls.h"
#include "store/store.h"

#define LISTEN_MAX ((size_t)16)
#define OFFSET_MAX ((uint64_t)(65535 - 995)) /* 995 is the highest of the standard ports */

const struct cli_option cli_init_options[] = {
    {"hostname", 0, "NAME", "The server's own name, as in mail.example.org."},
    {"listen", 0, "ADDR", "IP address to listen on; may be given several times (default: all).",
	.many = true},
    {"port-offset", 0, "N", "Ports are the standard ones plus N (default 0)."},
    {0},
};

/* Of the store, in the order of sentences. */
static const char *const parts[] = {
    DATADIR_DB, DATADIR_PACKS, DATADIR_RUN, DATADIR_LOCK, DATADIR_RESERVE};
#define PARTS (sizeof parts / sizeof *parts)

struct init {
	const char *dir;
	struct config_initial initial;
	const char *listen[LISTEN_MAX + 1];
	struct config_snapshot *config;
	bool had_config;
	bool had[PARTS];
	bool made_certificate;
};

/* As the option of the configuration that it becomes. */
static bool is_good(enum option_type type, const char *text)
{
	const struct option as = {.type = type};
	struct arena *a = arena_new();
	union option_value v;
	bool good = option_parse_text(&as, str_of_c(text), a, &v);

	arena_free(&a);
	return good;
}

static int read_listen(struct init *in, const struct cli *cli)
{
	size_t n = 0;
	const char *text;

	while ((text = cli_args_nth(&cli->args, "listen", n)) != NULL) {
		if (n == LISTEN_MAX)
			return cli_fail(EX_USAGE,
			    "--listen was given more than %zu times; leave it out to listen on all "
			    "addresses",
			    LISTEN_MAX);
		if (!is_good(OPTION_IP, text))
			return cli_fail(EX_USAGE,
			    "--listen must be an IP address like 192.0.2.1 or ::1, not \"%s\"",
			    text);
		for (size_t i = 0; i < n; i++)
			if (str_eq(str_of_c(in->listen[i]), str_of_c(text)))
				return cli_fail(
				    EX_USAGE, "--listen %s was given twice; once is enough", text);
		in->listen[n++] = text;
	}
	if (n)
		in->initial.listen = in->listen;
	return EX_OK;
}

static int read_options(struct init *in, const struct cli *cli)
{
	struct err e;
	uint64_t offset;
	int code;

	in->dir = cli_data_dir(cli);
	in->initial.hostname = cli_args_value(&cli->args, "hostname");
	if (!in->initial.hostname)
		return cli_fail(
		    EX_USAGE, "what is the server's name? Say it with --hostname mail.example.org");
	if (!is_good(OPTION_HOST, in->initial.hostname))
		return cli_fail(EX_USAGE,
		    "--hostname must be a host name like mail.example.org, not \"%s\"",
		    in->initial.hostname);
	if ((code = read_listen(in, cli)) != EX_OK)
		return code;
	if (cli_args_number(&cli->args, "port-offset", 0, OFFSET_MAX, 0, &offset, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	in->initial.port_offset = (int64_t)offset;
	return EX_OK;
}

/* Wrong values are found before anything is made. */
static int check_initial(const struct init *in)
{
	struct buf text;
	struct err e;
	int code = EX_OK;

	buf_init(&text, MIB);
	if (config_default_text(&in->initial, &text, &e) < 0)
		code = cli_fail(EX_USAGE, "%s", e.text);
	buf_fini(&text);
	return code;
}

static bool exists_in(const char *dir, const char *name)
{
	struct buf path;
	bool found;

	buf_init(&path, 4096);
	buf_printf(&path, "%s/%s", dir, name);
	found = access(buf_cstr(&path), F_OK) == 0;
	buf_fini(&path);
	return found;
}

/* As the option of the configuration: in the form that it has there. */
static bool is_named(const struct config_snapshot *c, const char *hostname)
{
	return str_eq_i(c->hostname, str_of_c(hostname));
}

static bool listens_on(const struct config_snapshot *c, const char *text)
{
	struct ip ip;

	for (size_t i = 0; ip_parse(str_of_c(text), &ip) && i < c->listen.n; i++)
		if (ip_eq(&c->listen.v[i], &ip))
			return true;
	return false;
}

static bool is_asked(const struct init *in, const struct ip *listen)
{
	struct ip ip;

	for (size_t i = 0; in->listen[i]; i++)
		if (ip_parse(str_of_c(in->listen[i]), &ip) && ip_eq(&ip, listen))
			return true;
	return false;
}

/* --listen says the same addresses as the configuration, whatever their order and form; or nothing. */
static bool has_listen(const struct init *in, const struct config_snapshot *c)
{
	for (size_t i = 0; in->listen[i]; i++)
		if (!listens_on(c, in->listen[i]))
			return false;
	for (size_t i = 0; in->listen[0] && i < c->listen.n; i++)
		if (!is_asked(in, &c->listen.v[i]))
			return false;
	return true;
}

/* The option that says something else than the configuration that is there; NULL: none does. */
static const char *differing(
    const struct init *in, const struct cli *cli, const struct config_snapshot *c)
{
	if (!is_named(c, in->initial.hostname))
		return "hostname";
	if (!has_listen(in, c))
		return "listen";
	if (cli_args_has(&cli->args, "port-offset") && in->initial.port_offset != c->port_offset)
		return "port-offset";
	return NULL;
}

/* Nobody is to believe that this changed what was made before. One that cannot be read is told of later. */
static int check_present(const struct init *in, const struct cli *cli)
{
	struct config_snapshot *c = NULL;
	struct err e;
	const char *option;
	int code = EX_OK;

	if (datadir_lacks_lock(in->dir, &e))
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	if (!exists_in(in->dir, "godwit.conf") || config_load(in->dir, 0, &c, &e) < 0)
		return EX_OK;
	option = differing(in, cli, c);
	if (option)
		code = cli_fail(EX_CANTCREAT,
		    "%s is the data directory of %.*s already, and its configuration says something "
		    "else than --%s, so nothing was changed; to change it, edit %s/godwit.conf",
		    in->dir, STR_FMT(c->hostname), option, in->dir);
	config_unref(&c);
	return code;
}

/* What is there before anything is made. */
static void look(struct init *in)
{
	in->had_config = exists_in(in->dir, "godwit.conf");
	for (size_t i = 0; i < PARTS; i++)
		in->had[i] = exists_in(in->dir, parts[i]);
}

/* It has a database. */
static bool had_store(const struct init *in)
{
	return in->had[0];
}

static int make_store(const struct init *in)
{
	static const int codes[] = {
	    [DATADIR_MISSING] = EX_CANTCREAT,
	    [DATADIR_FOREIGN] = EX_CANTCREAT,
	    [DATADIR_LOCKED] = EX_TEMPFAIL,
	    [DATADIR_FAILED] = EX_CANTCREAT,
	};
	struct err e;
	enum datadir_code code = store_create(in->dir, &e);

	/* who holds the lock has opened the store: there is nothing to complete */
	if (code == DATADIR_OK || (code == DATADIR_LOCKED && had_store(in)))
		return EX_OK;
	return cli_fail(codes[code], "%s", e.text);
}

static int make_config(struct init *in)
{
	struct err e;

	if (!exists_in(in->dir, "godwit.conf") &&
	    config_write_default(in->dir, &in->initial, &e) < 0)
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	/* root, who makes files where it says, reads his own only, as for a start */
	if (config_load(in->dir, geteuid() == 0, &in->config, &e) < 0)
		return cli_fail(EX_CONFIG, "%s", e.text);
	return EX_OK;
}

/* ---- certificate ---- */

/* Makes the directory a file will stand in. Programs of others find the certificate there, and see no more. */
static int make_parent(const char *path, struct err *e)
{
	struct str s = str_of_c(path);
	mode_t before = umask(0); /* the caller's could lock them out */
	struct buf parent;
	int result = 0;

	buf_init(&parent, 4096);
	buf_str(&parent, str_sub(s, 0, str_rfind(s, '/')));
	if (mkdir(buf_cstr(&parent), DATADIR_MODE) < 0 && errno != EEXIST)
		result = err_sys(e, errno, "cannot make the directory %s", buf_cstr(&parent));
	umask(before);
	buf_fini(&parent);
	return result;
}

/* A key that is there is used: it may be the administrator's, who waits for its certificate. */
static int sign_with(
    const char *key, struct str hostname, struct buf *certificate_pem, struct err *e)
{
	struct buf key_pem;
	int result;

	buf_init(&key_pem, TLS_PEM_MAX);
	result = config_file_read(key, CONFIG_FILE_SECRET, &key_pem, e);
	if (result == 0)
		result = tls_self_signed_with(hostname, clock_now(),
		    (struct tls_pem){buf_view(&key_pem), key}, certificate_pem, e);
	buf_wipe(&key_pem);
	return result;
}

static int make_key(
    const char *key, struct str hostname, struct buf *certificate_pem, struct err *e)
{
	struct buf key_pem;
	int result;

	buf_init(&key_pem, TLS_PEM_MAX);
	result = tls_self_signed(hostname, clock_now(), certificate_pem, &key_pem, e);
	if (result == 0)
		result = make_parent(key, e);
	if (result == 0)
		result = config_file_create(key, 0600, buf_view(&key_pem), e);
	buf_wipe(&key_pem);
	return result;
}

/* The key first: broken off between the two, this goes on with it. */
static int write_pair(const struct init *in, const char *certificate, const char *key)
{
	struct buf certificate_pem;
	struct stat st;
	struct err e;
	int result;

	buf_init(&certificate_pem, TLS_PEM_MAX);
	if (lstat(key, &st) == 0)
		result = sign_with(key, in->config->hostname, &certificate_pem, &e);
	else
		result = make_key(key, in->config->hostname, &certificate_pem, &e);
	if (result == 0)
		result = make_parent(certificate, &e);
	if (result == 0)
		result = config_file_create(certificate, 0644, buf_view(&certificate_pem), &e);
	buf_fini(&certificate_pem);
	return result == 0 ? EX_OK : cli_fail(EX_CANTCREAT, "%s", e.text);
}

static int make_pair(struct init *in, const char *certificate, const char *key)
{
	struct stat st;
	int why, code;

	if (access(certificate, F_OK) == 0)
		return EX_OK;
	why = errno;
	code = cli_owner_check_links(certificate, "the certificate");
	if (code == EX_OK)
		code = cli_owner_check_links(key, "its key");
	if (code == EX_OK && lstat(certificate, &st) == 0)
		code = cli_fail(EX_CANTCREAT,
		    "%s is a link, and where it leads there is no file that can be read: %s; put the certificate "
		    "there, or remove the link",
		    certificate, err_reason(why));
	if (code == EX_OK)
		code = write_pair(in, certificate, key);
	in->made_certificate = code == EX_OK;
	return code;
}

/* A self-signed one, unless there is one already or the administrator keeps his elsewhere. */
static int make_certificate(struct init *in)
{
	const struct config_snapshot *c = in->config;
	struct buf certificate, key;
	int code = EX_OK;

	buf_init(&certificate, 4096);
	buf_init(&key, 4096);
	config_path(c, c->tls_certificate, &certificate);
	config_path(c, c->tls_key, &key);
	if (c->tls_certificate.n && c->tls_certificate.p[0] != '/' && c->tls_key.p[0] != '/')
		code = make_pair(in, buf_cstr(&certificate), buf_cstr(&key));
	buf_fini(&certificate);
	buf_fini(&key);
	return code;
}

/* ---- all of it ---- */

static void put_made(struct buf *made, size_t *n, const char *name)
{
	buf_printf(made, "%s%s", *n ? ", " : "", name);
	++*n;
}

/* Of a directory that was one already. */
static void say_completed(const struct init *in)
{
	struct buf made;
	size_t n = 0;

	buf_init(&made, 8 * KIB);
	for (size_t i = 0; i < PARTS; i++)
		if (!in->had[i] && exists_in(in->dir, parts[i]))
			put_made(&made, &n, parts[i]);
	if (in->made_certificate)
		put_made(&made, &n, (const char *)in->config->tls_certificate.p);
	if (n == 0)
		printf("%s is a data directory already; nothing was changed.\n", in->dir);
	else
		printf(
		    "%s is a data directory already; %s %s missing and %s made, nothing else was "
		    "changed.\n",
		    in->dir, buf_cstr(&made), n > 1 ? "were" : "was", n > 1 ? "were" : "was");
	buf_fini(&made);
}

static void say_done(const struct init *in)
{
	bool is_new = !had_store(in) || !in->had_config;

	if (is_new)
		printf("Made the data directory %s for %.*s.\n", in->dir,
		    STR_FMT(in->config->hostname));
	else
		say_completed(in);
	if (in->made_certificate)
		printf(
		    "TLS works with a certificate signed by itself; the paths of your own go into "
		    "%s/godwit.conf.\n",
		    in->dir);
	if (is_new)
		printf(
		    "Next: godwit domain add DOMAIN --data %s; godwit account add USER@DOMAIN --data %s; "
		    "godwit serve --data %s\n",
		    in->dir, in->dir, in->dir);
}

static int make(struct init *in)
{
	int code;

	look(in);
	code = make_store(in);
	if (code == EX_OK)
		code = make_config(in);
	if (code == EX_OK)
		code = make_certificate(in);
	if (code == EX_OK)
		code = cli_owner_give(in->dir, in->config);
	if (code == EX_OK)
		say_done(in);
	config_unref(&in->config);
	return code;
}

int cli_init(struct cli *cli)
{
	struct init in = {0};
	int code = read_options(&in, cli);

	if (code == EX_OK)
		code = check_initial(&in);
	if (code == EX_OK)
		code = cli_owner_become_user(in.dir);
	if (code == EX_OK)
		code = cli_owner_check_links(in.dir, "the data directory");
	if (code == EX_OK)
		code = check_present(&in, cli);
	return code == EX_OK ? make(&in) : code;
}
