/* The admin commands that change domains, accounts, aliases: a hash if need be, then one lane op. */
#include <sysexits.h>

#include "base/clock.h"
#include "base/limits.h"
#include "proc/admin_address.h"
#include "proc/store_admin_job.h"

/* ---- names ---- */

static bool take_domain(struct admin_job *j, struct str text, struct str *domain_r)
{
	struct err e = {""};

	if (admin_domain_parse(j->arena, text, domain_r, &e))
		return true;
	admin_job_finish(j, EX_USAGE, "%s", e.text);
	return false;
}

bool admin_job_address(
    struct admin_job *j, struct str text, bool catch_all, struct str *local_r, struct str *domain_r)
{
	struct err e = {""};

	if (admin_address_parse(j->arena, text, catch_all, local_r, domain_r, &e))
		return true;
	admin_job_finish(j, EX_USAGE, "%s", e.text);
	return false;
}

int64_t admin_job_account(struct admin_job *j, struct str text)
{
	struct str local, domain;
	int64_t account = 0;
	enum db_code code;

	if (!admin_job_address(j, text, false, &local, &domain))
		return 0;
	code = db_get_int(
	    j->ctx->db, SQL_ACCOUNT_BY_ADDRESS, DB_ARGS(db_text(domain), db_text(local)), &account);
	if (code == DB_ROW)
		return account;
	if (code == DB_OK)
		admin_job_finish(j, EX_NOUSER,
		    "there is no account %.*s; those there are: godwit account list",
		    STR_FMT(str_sub(text, 0, 320)));
	else
		admin_job_db_failed(j);
	return 0;
}

/* ---- the change ---- */

/* What a done change says. */
static const char *done_text(enum directory_verb verb)
{
	static const char *const texts[DIRECTORY_VERBS] = {
	    [DIRECTORY_DOMAIN_ADD] = "domain added",
	    [DIRECTORY_DOMAIN_KIND] = "domain changed",
	    [DIRECTORY_DOMAIN_REMOVE] = "domain removed",
	    [DIRECTORY_ACCOUNT_ADD] = "account added",
	    [DIRECTORY_ACCOUNT_REMOVE] = "account removed",
	    [DIRECTORY_ACCOUNT_DISABLE] = "account disabled",
	    [DIRECTORY_ACCOUNT_ENABLE] = "account enabled",
	    [DIRECTORY_PASSWORD] = "password changed",
	    [DIRECTORY_QUOTA] = "quota set",
	    [DIRECTORY_DOMAIN_QUOTA] = "quota set",
	    [DIRECTORY_LANGUAGE] = "language set",
	    [DIRECTORY_SEND_ONLY] = "account changed",
	    [DIRECTORY_ALIAS_ADD] = "alias added",
	    [DIRECTORY_ALIAS_REMOVE] = "alias removed",
	};

	return texts[verb];
}

/* What ends with the change: logins that were verified before, sessions that are open. */
static void forget_logins(struct admin_job *j)
{
	if (!j->ctx->logins_over || !j->change.account)
		return;
	switch (j->change.verb) {
	case DIRECTORY_SEND_ONLY:
		if (!j->change.send_only)
			return;
		break;
	case DIRECTORY_PASSWORD:
	case DIRECTORY_ACCOUNT_DISABLE:
	case DIRECTORY_ACCOUNT_REMOVE:
		break;
	default:
		return;
	}
	password_forget(j->ctx->store->passwords, j->change.account);
	j->ctx->logins_over(j->ctx->user, j->change.account);
}

static uint8_t refusal_exit(enum directory_missing missing)
{
	static const uint8_t exits[] = {
	    [DIRECTORY_MISSING_NOTHING] = EX_DATAERR,
	    [DIRECTORY_MISSING_DOMAIN] = EX_NOHOST,
	    [DIRECTORY_MISSING_ACCOUNT] = EX_NOUSER,
	};

	return exits[missing];
}

static enum admin_step change_done(struct admin_job *j)
{
	const struct directory_change *c = &j->change;

	if (!j->ready)
		return admin_job_wait(j);
	if (c->op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "nothing was changed: %s", c->op.err.text);
	if (c->refused)
		return admin_job_finish(j, refusal_exit(c->missing), "%s", c->why.text);
	if (c->dry)
		return admin_job_finish(j, EX_OK, "%s", "");
	forget_logins(j);
	return admin_job_finish(j, EX_OK, "%s%s%s", done_text(c->verb),
	    c->warning.text[0] ? "\nwarning: " : "", c->warning.text);
}

static void lane_done(struct lane_op *op)
{
	admin_job_ready(LIST_ENTRY(op, struct admin_job, change.op));
}

static enum admin_step submit(struct admin_job *j, enum directory_verb verb)
{
	struct directory_change *c = &j->change;

	c->verb = verb;
	c->cfg = j->ctx->directory;
	c->who = j->who;
	directory_change_init(c);
	c->op.done = lane_done;
	j->ready = false;
	j->next = change_done;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}

/* ---- domains ---- */

const char *const admin_kind_words[DIRECTORY_KINDS] = {
    [DIRECTORY_LOCAL] = "local",
    [DIRECTORY_RELAY] = "relay",
    [DIRECTORY_RELAY_BLIND] = "relay-unverified",
};

static bool take_kind(struct admin_job *j, struct str word)
{
	for (int i = 0; i < DIRECTORY_KINDS; i++)
		if (str_eq(word, str_of_c(admin_kind_words[i]))) {
			j->change.kind = (enum directory_kind)i;
			return true;
		}
	admin_job_finish(j, EX_USAGE, "a domain is local, relay or relay-unverified");
	return false;
}

enum admin_step admin_change_domain(struct admin_job *j)
{
	static const enum directory_verb verbs[ADMIN_COMMANDS] = {
	    [ADMIN_DOMAIN_ADD] = DIRECTORY_DOMAIN_ADD,
	    [ADMIN_DOMAIN_KIND] = DIRECTORY_DOMAIN_KIND,
	    [ADMIN_DOMAIN_REMOVE] = DIRECTORY_DOMAIN_REMOVE,
	};
	bool remove = j->request.command == ADMIN_DOMAIN_REMOVE;

	if (!take_domain(j, admin_arg(j, 0), &j->change.domain) ||
	    (!remove && !take_kind(j, admin_arg(j, 1))))
		return ADMIN_STEP_DONE;
	return submit(j, verbs[j->request.command]);
}

/* ---- accounts ---- */
enum admin_step admin_change_account(struct admin_job *j)
{
	static const enum directory_verb verbs[ADMIN_COMMANDS] = {
	    [ADMIN_ACCOUNT_DISABLE] = DIRECTORY_ACCOUNT_DISABLE,
	    [ADMIN_ACCOUNT_ENABLE] = DIRECTORY_ACCOUNT_ENABLE,
	    [ADMIN_ACCOUNT_REMOVE] = DIRECTORY_ACCOUNT_REMOVE,
	};

	if (!admin_job_address(j, admin_arg(j, 0), false, &j->change.local, &j->change.domain))
		return ADMIN_STEP_DONE;
	return submit(j, verbs[j->request.command]);
}

static enum admin_step hash_done(struct admin_job *j)
{
	if (!j->ready)
		return admin_job_wait(j);
	if (j->password.result != PASSWORD_GOOD)
		return admin_job_finish(
		    j, EX_TEMPFAIL, "the server is busy checking passwords; try again in a moment");
	j->change.hash = j->password.hash;
	return submit(j,
	    j->request.command == ADMIN_ACCOUNT_ADD ? DIRECTORY_ACCOUNT_ADD : DIRECTORY_PASSWORD);
}

static void hashed(struct password_job *job)
{
	admin_job_ready(job->ctx);
}

/* account add and account passwd: the password is hashed first. */
enum admin_step admin_change_password(struct admin_job *j)
{
	struct str password = admin_arg(j, 1);
	struct password_job *p = &j->password;

	if (!admin_job_address(j, admin_arg(j, 0), false, &j->change.local, &j->change.domain))
		return ADMIN_STEP_DONE;
	if (password.n == 0 || password.n > LIMIT_PASSWORD || memchr(password.p, 0, password.n))
		return admin_job_finish(j, EX_USAGE,
		    "a password has 1 to %zu octets and no NUL; choose another one",
		    LIMIT_PASSWORD);
	j->change.send_only = str_eq(admin_arg(j, 2), STR("send-only"));
	p->kind = PASSWORD_HASH;
	ip_parse(STR("127.0.0.1"), &p->ip);
	memcpy(p->password, password.p, password.n);
	p->password_n = password.n;
	p->done = hashed;
	p->ctx = j;
	j->ready = false;
	j->next = hash_done;
	if (store_password(j->ctx->store, p))
		j->ready = true;
	return admin_job_wait(j);
}

/* Before somebody is asked for a password: a change that is refused is refused now. */
enum admin_step admin_check_account(struct admin_job *j)
{
	bool add = str_eq(admin_arg(j, 1), STR("add"));

	if (!admin_job_address(j, admin_arg(j, 0), false, &j->change.local, &j->change.domain))
		return ADMIN_STEP_DONE;
	j->change.dry = true;
	return submit(j, add ? DIRECTORY_ACCOUNT_ADD : DIRECTORY_PASSWORD);
}

/* ---- send-only ---- */

enum admin_step admin_change_send_only(struct admin_job *j)
{
	struct str word = admin_arg(j, 1);

	if (!admin_job_address(j, admin_arg(j, 0), false, &j->change.local, &j->change.domain))
		return ADMIN_STEP_DONE;
	j->change.send_only = str_eq(word, STR("on"));
	if (!j->change.send_only && !str_eq(word, STR("off")))
		return admin_job_finish(j, EX_USAGE,
		    "\"%.*s\" is neither on nor off; on: mail to the account is refused, off: it is taken",
		    STR_FMT(str_sub(word, 0, 64)));
	return submit(j, DIRECTORY_SEND_ONLY);
}

/* ---- quota ---- */

bool admin_job_limit(struct admin_job *j, struct str text, int64_t *limit_r)
{
	uint64_t n = 0;

	*limit_r = QUOTA_KEEP;
	if (str_eq(text, STR("none")))
		*limit_r = QUOTA_NONE;
	else if (str_eq(text, STR("default")))
		*limit_r = QUOTA_DEFAULT;
	else if (text.n && str_to_u64(text, INT64_MAX / 2, &n) && n > 0)
		*limit_r = (int64_t)n;
	else if (text.n)
		admin_job_finish(j, EX_USAGE,
		    "\"%.*s\" is no quota; give a number above 0 (octets with K, M, G or T behind "
		    "it if you like), \"none\" or \"default\"",
		    STR_FMT(str_sub(text, 0, 64)));
	return text.n == 0 || *limit_r != QUOTA_KEEP;
}

enum admin_step admin_change_quota(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	bool domain = j->request.command == ADMIN_DOMAIN_QUOTA;

	if (!(domain ? take_domain(j, admin_arg(j, 0), &c->domain)
		     : admin_job_address(j, admin_arg(j, 0), false, &c->local, &c->domain)) ||
	    !admin_job_limit(j, admin_arg(j, 1), &c->quota_bytes) ||
	    !admin_job_limit(j, admin_arg(j, 2), &c->quota_messages))
		return ADMIN_STEP_DONE;
	return submit(j, domain ? DIRECTORY_DOMAIN_QUOTA : DIRECTORY_QUOTA);
}

/* ---- language ---- */

/* The word that is kept for a language that is spoken here. */
static const char *const language_words[QUEUE_LANGS] = {
    [QUEUE_LANG_EN] = "en",
    [QUEUE_LANG_ZH_HANS] = "zh-hans",
    [QUEUE_LANG_ZH_HANT] = "zh-hant",
};

enum admin_step admin_change_language(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	struct str word = admin_arg(j, 1);
	enum queue_lang lang;

	if (!admin_job_address(j, admin_arg(j, 0), false, &c->local, &c->domain))
		return ADMIN_STEP_DONE;
	if (queue_lang_by_tag(word, &lang))
		c->language = str_of_c(language_words[lang]);
	else if (!str_eq(word, STR("auto")))
		return admin_job_finish(j, EX_USAGE,
		    "%.*s is no language that is spoken here; say en, zh-hans, zh-hant or auto",
		    STR_FMT(str_sub(word, 0, 64)));
	return submit(j, DIRECTORY_LANGUAGE);
}

/* ---- aliases ---- */
enum admin_step admin_change_alias(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	bool add = j->request.command == ADMIN_ALIAS_ADD;
	struct str target = admin_arg(j, 1);

	if (!admin_job_address(j, admin_arg(j, 0), true, &c->local, &c->domain))
		return ADMIN_STEP_DONE;
	if ((add || target.n) &&
	    !admin_job_address(j, target, true, &c->target_local, &c->target_domain))
		return ADMIN_STEP_DONE;
	c->target_local = str_sub(target, 0, target.n ? str_rfind(target, '@') : 0);
	return submit(j, add ? DIRECTORY_ALIAS_ADD : DIRECTORY_ALIAS_REMOVE);
}
