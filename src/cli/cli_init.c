/*
 * Makes what is missing, in an order that can be taken up again after any interruption: directory and
 * store, configuration, certificate, and last (as root) the ownership. What is there stays as it is.
 */
#include "cli/cli_init.h"

#include <errno.h>
#include <fts.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
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

struct init {
	const char *dir;
	struct config_initial initial;
	const char *listen[LISTEN_MAX + 1];
	struct config_snapshot *config;
	bool made_config, made_certificate, made_run;
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

static int make_store(const struct init *in, bool had_store)
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
	if (code == DATADIR_OK || (code == DATADIR_LOCKED && had_store))
		return EX_OK;
	return cli_fail(codes[code], "%s", e.text);
}

static int make_config(struct init *in)
{
	struct err e;

	if (!exists_in(in->dir, "godwit.conf")) {
		if (config_write_default(in->dir, &in->initial, &e) < 0)
			return cli_fail(EX_CANTCREAT, "%s", e.text);
		in->made_config = true;
	}
	if (config_load(in->dir, 0, &in->config, &e) < 0)
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
	if (c->tls_certificate.n && c->tls_certificate.p[0] != '/' && c->tls_key.p[0] != '/' &&
	    access(buf_cstr(&certificate), F_OK) < 0) {
		code = write_pair(in, buf_cstr(&certificate), buf_cstr(&key));
		in->made_certificate = code == EX_OK;
	}
	buf_fini(&certificate);
	buf_fini(&key);
	return code;
}

/* ---- ownership ---- */

/* The administrator's own files stay his: the configuration and the private key. */
static bool is_admins(const FTSENT *f)
{
	struct str name = str_of_c(f->fts_name);

	return f->fts_level == 1 && (str_eq(name, STR("godwit.conf")) || str_eq(name, STR("tls")));
}

/* The directory itself goes last: it tells that everything below was handed over. */
static int hand_over(const char *dir, const struct passwd *pw, struct err *e)
{
	char *copy = strdup(dir);
	char *const roots[] = {copy, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int result = fts ? 0 : err_sys(e, errno, "cannot read %s", dir);
	FTSENT *f;

	while (result == 0 && (f = fts_read(fts)) != NULL) {
		if (is_admins(f))
			fts_set(fts, f, FTS_SKIP);
		else if (f->fts_info != FTS_D && lchown(f->fts_accpath, pw->pw_uid, pw->pw_gid) < 0)
			result = err_sys(
			    e, errno, "cannot give %s to the user %s", f->fts_path, pw->pw_name);
	}
	if (fts)
		fts_close(fts);
	free(copy);
	return result;
}

/* The store's system user when started as root; NULL otherwise. Fails when there is no such user. */
static int find_owner(const struct init *in, const struct passwd **pw_r)
{
	struct str user = in->config->user_store;

	*pw_r = NULL;
	if (geteuid() != 0 || user.n == 0)
		return EX_OK;
	*pw_r = getpwnam((const char *)user.p);
	if (*pw_r)
		return EX_OK;
	return cli_fail(EX_CONFIG,
	    "there is no system user %.*s; make it with: useradd --system --user-group --no-create-home "
	    "--shell /usr/sbin/nologin %.*s, then run this command again",
	    STR_FMT(user), STR_FMT(user));
}

static int set_owner(const struct init *in)
{
	const struct passwd *pw;
	struct stat st;
	struct err e;
	int code = find_owner(in, &pw);

	if (code != EX_OK || !pw)
		return code;
	if (stat(in->dir, &st) == 0 && st.st_uid == pw->pw_uid)
		return EX_OK;
	return hand_over(in->dir, pw, &e) < 0 ? cli_fail(EX_NOPERM, "%s", e.text) : EX_OK;
}

int cli_init_set_owner(const char *dir)
{
	struct init in = {.dir = dir};
	struct err e;
	int code;

	if (config_load(dir, 0, &in.config, &e) < 0)
		return cli_fail(EX_CONFIG, "%s", e.text);
	code = set_owner(&in);
	config_unref(&in.config);
	return code;
}

/* ---- all of it ---- */

static void say_done(const struct init *in, bool had_store)
{
	if (had_store && !in->made_config && !in->made_certificate) {
		printf("%s is a data directory already; %s.\n", in->dir,
		    in->made_run ? DATADIR_RUN " was missing and was made, nothing else was changed"
				 : "nothing was changed");
		return;
	}
	printf("Made the data directory %s for %.*s.\n", in->dir, STR_FMT(in->config->hostname));
	if (in->made_certificate)
		printf(
		    "TLS works with a certificate signed by itself; the paths of your own go into "
		    "%s/godwit.conf.\n",
		    in->dir);
	printf(
	    "Next: godwit domain add DOMAIN --data %s; godwit account add USER@DOMAIN --data %s; "
	    "godwit serve --data %s\n",
	    in->dir, in->dir, in->dir);
}

static int make(struct init *in)
{
	bool had_store = exists_in(in->dir, DATADIR_DB);
	int code;

	in->made_run = !exists_in(in->dir, DATADIR_RUN);
	code = make_store(in, had_store);
	if (code == EX_OK)
		code = make_config(in);
	if (code == EX_OK)
		code = make_certificate(in);
	if (code == EX_OK)
		code = set_owner(in);
	if (code == EX_OK)
		say_done(in, had_store);
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
		code = check_present(&in, cli);
	return code == EX_OK ? make(&in) : code;
}
