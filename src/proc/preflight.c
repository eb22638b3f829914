#include "proc/preflight.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_file.h"
#include "net/tls.h"
#include "store/datadir.h"

#define PEM_MAX (128 * KIB)

/* ---- certificate and key ---- */
/* A file that an option names, for sentences about it too. */
struct pem_file {
	struct buf *content;
	struct buf name; /* "/var/lib/godwit/tls/key.pem (tls_key)" */
};

static int read_pem(const struct config_snapshot *c, struct str path, const char *option,
    enum config_file_kind kind, struct pem_file *file, struct err *e)
{
	struct buf full;
	int rc;

	buf_init(&full, 2 * LIMIT_CONFIG_STRING);
	rc = config_file_read(config_path(c, path, &full), kind, file->content, e);
	buf_printf(&file->name, "%s (%s)", buf_cstr(&full), option);
	buf_fini(&full);
	return rc;
}

static struct tls_pem pem_of(struct pem_file *file)
{
	return (struct tls_pem){buf_view(file->content), buf_cstr(&file->name)};
}

static int try_pair(struct pem_file *certificate, struct pem_file *key, struct err *e)
{
	struct tls_ctx *trial = tls_server_new(
	    pem_of(certificate), pem_of(key), (struct str){NULL, 0}, e);
	int rc = trial ? 0 : -1;

	tls_unref(&trial);
	return rc;
}

static int load_tls(struct preflight *p, struct err *e)
{
	const struct config_snapshot *c = p->config;
	struct pem_file certificate = {.content = &p->certificate}, key = {.content = &p->key};
	int rc;

	buf_init(&certificate.name, 3 * LIMIT_CONFIG_STRING);
	buf_init(&key.name, 3 * LIMIT_CONFIG_STRING);
	rc = read_pem(
	    c, c->tls_certificate, "tls_certificate", CONFIG_FILE_CERTIFICATE, &certificate, e);
	if (rc == 0)
		rc = read_pem(c, c->tls_key, "tls_key", CONFIG_FILE_SECRET, &key, e);
	if (rc == 0)
		rc = try_pair(&certificate, &key, e);
	buf_fini(&certificate.name);
	buf_fini(&key.name);
	return rc;
}

/* ---- system users ---- */
static const struct passwd *find_user(
    const struct config_snapshot *c, const char *option, struct str name, struct err *e)
{
	const struct passwd *pw = getpwnam((const char *)name.p);

	if (pw && pw->pw_uid != 0)
		return pw;
	if (pw)
		err_set(e,
		    "%s/godwit.conf: %s names %s, who may do everything; name a user of the server's own",
		    (const char *)c->dir.p, option, pw->pw_name);
	else
		err_set(e,
		    "%s/godwit.conf: %s: there is no system user %.*s; create it with: useradd --system "
		    "--shell /usr/sbin/nologin %.*s",
		    (const char *)c->dir.p, option, STR_FMT(name), STR_FMT(name));
	return NULL;
}

/* Who talks to the network must not be who owns the mail. */
static int check_users(const struct config_snapshot *c, struct err *e)
{
	const char *dir = (const char *)c->dir.p;
	const struct passwd *pw;
	struct stat st;
	uid_t store;

	if (geteuid() != 0)
		return 0;
	pw = find_user(c, "user_store", c->user_store, e);
	if (!pw)
		return -1;
	store = pw->pw_uid;
	if (stat(dir, &st) == 0 && st.st_uid != store)
		return err_set(e,
		    "%s does not belong to the user %s; cure: chown -R %s %s && chown -R root "
		    "%s/godwit.conf %s/tls",
		    dir, pw->pw_name, pw->pw_name, dir, dir, dir);
	pw = find_user(c, "user_net", c->user_net, e);
	if (!pw)
		return -1;
	if (pw->pw_uid == store)
		return err_set(e,
		    "%s/godwit.conf: user_store and user_net are both %s; name two users, so that the "
		    "processes that talk to the network cannot read the mail",
		    dir, pw->pw_name);
	return 0;
}

int preflight_load(const char *dir, uint64_t number, struct preflight *p_r, struct err *e)
{
	struct preflight p = {NULL};

	if (datadir_lacks_lock(dir, e) || config_load(dir, number, &p.config, e) < 0)
		return -1;
	buf_init(&p.certificate, PEM_MAX);
	buf_init(&p.key, PEM_MAX);
	if (load_tls(&p, e) < 0 || check_users(p.config, e) < 0) {
		preflight_fini(&p);
		return -1;
	}
	*p_r = p;
	return 0;
}

void preflight_fini(struct preflight *p)
{
	config_unref(&p->config);
	buf_fini(&p->certificate);
	buf_wipe(&p->key);
}
