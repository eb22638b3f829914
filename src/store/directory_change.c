/*
 * Changes of the directory: one table of verbs, each a function that runs in the writer lane. A
 * change that the directory refuses says why in one sentence and leaves nothing behind; one that is
 * done leaves a row in admin_log in the same commit.
 */
#include "store/directory.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_local.h"
#include "store/admin_log.h"
#include "store/directory_fold.h"
#include "store/mailbox.h"
#include "store/quota.h"

struct change {
	struct directory_change *c;
	struct db *db;
	struct arena *arena;
	int64_t now;
	enum db_code code;  /* the first failure of the database */
	struct str address; /* "local@domain", or "@domain" */
	struct str target;
	struct str target_local; /* as it is kept */
	struct err done;         /* what was done, for the record */
};

typedef enum lane_exec change_fn(struct change *x);

static enum lane_exec refuse_missing(struct change *x, enum directory_missing missing,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum lane_exec refuse_missing(
    struct change *x, enum directory_missing missing, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->c->why.text, sizeof x->c->why.text, fmt, ap);
	va_end(ap);
	x->c->refused = true;
	x->c->missing = missing;
	return LANE_UNDO;
}

#define refuse(x, ...) refuse_missing((x), DIRECTORY_MISSING_NOTHING, __VA_ARGS__)

static bool failed(struct change *x, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && x->code == DB_OK)
		x->code = code;
	return x->code != DB_OK;
}

/* The integer that a query gives for args, 0 when it gives no row. */
static int64_t number(struct change *x, enum sql_id id, const struct db_value *args, size_t n)
{
	int64_t value = 0;

	failed(x, db_get_int(x->db, id, args, n, &value));
	return value;
}

static bool exec(
    struct change *x, enum sql_id id, const struct db_value *args, size_t n, int64_t *changes_r)
{
	return !failed(x, db_exec(x->db, id, args, n, changes_r));
}

static bool domain_exists(struct change *x, struct str domain)
{
	int64_t created;
	enum db_code code = db_get_int(x->db, SQL_DOMAIN_GET, DB_ARGS(db_text(domain)), &created);

	failed(x, code);
	return code == DB_ROW;
}

/* Its id, 0 when there is none. */
static int64_t find_account(struct change *x)
{
	return number(
	    x, SQL_ACCOUNT_BY_ADDRESS, DB_ARGS(db_text(x->c->domain), db_text(x->c->local)));
}

/* What has no domain yet gets one first; else the name is wrong. */
static enum lane_exec no_domain_yet(struct change *x)
{
	return refuse_missing(x, DIRECTORY_MISSING_DOMAIN,
	    "there is no domain %.*s; add it with: godwit domain add %.*s", STR_FMT(x->c->domain),
	    STR_FMT(x->c->domain));
}

static enum lane_exec no_domain(struct change *x)
{
	return refuse_missing(x, DIRECTORY_MISSING_DOMAIN,
	    "there is no domain %.*s; those there are: godwit domain list", STR_FMT(x->c->domain));
}

static enum lane_exec no_account(struct change *x)
{
	return refuse_missing(x, DIRECTORY_MISSING_ACCOUNT,
	    "there is no account %.*s; those there are: godwit account list", STR_FMT(x->address));
}

/* ---- domains ---- */

static enum directory_kind domain_kind(struct change *x, struct str domain)
{
	return (enum directory_kind)db_word(
	    number(x, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain))), DIRECTORY_KINDS, DIRECTORY_LOCAL);
}

/* What is asked for needs mailboxes here, and its domain has none. */
static bool is_relay_domain(struct change *x)
{
	return domain_kind(x, x->c->domain) != DIRECTORY_LOCAL;
}

static enum lane_exec of_relay_domain(struct change *x, const char *what)
{
	return refuse(x,
	    "%.*s is a relay domain and has no %s: its mailboxes are on its own server; to have "
	    "them here, first: godwit domain change %.*s --local",
	    STR_FMT(x->c->domain), what, STR_FMT(x->c->domain));
}

static const char *kind_text(enum directory_kind kind)
{
	static const char *const texts[DIRECTORY_KINDS] = {
	    [DIRECTORY_LOCAL] = "a domain with mailboxes here",
	    [DIRECTORY_RELAY] = "a relay domain whose recipients are verified",
	    [DIRECTORY_RELAY_BLIND] = "a relay domain whose recipients are not verified",
	};

	return texts[kind];
}

/* What aliases have led to elsewhere is named as ours are. */
static void become_ours(struct change *x)
{
	if (x->c->kind == DIRECTORY_LOCAL)
		failed(x, directory_fold_targets(x->db, x->c->domain));
}

static enum lane_exec domain_add(struct change *x)
{
	if (domain_exists(x, x->c->domain))
		return refuse(x, "the domain %.*s is there already; nothing was changed",
		    STR_FMT(x->c->domain));
	exec(x, SQL_DOMAIN_ADD, DB_ARGS(db_text(x->c->domain), db_int(x->now), db_int(x->c->kind)),
	    NULL);
	become_ours(x);
	if (x->c->kind == DIRECTORY_LOCAL)
		err_set(&x->done, "domain %.*s added", STR_FMT(x->c->domain));
	else
		err_set(&x->done, "domain %.*s added as %s", STR_FMT(x->c->domain),
		    kind_text(x->c->kind));
	return LANE_KEEP;
}

/* One alias that leads to or into something; empty when there is none. */
static struct str leading(struct change *x, enum sql_id id, const struct db_value *args, size_t n)
{
	struct str found = STR("");
	struct db_query *q = db_begin_query(x->db, id, args, n);

	if (db_step(q) == DB_ROW)
		found = directory_text(x->arena, db_col_str(q, 0), db_col_str(q, 1));
	failed(x, db_end(q));
	return found;
}

/* It has no accounts and aliases; else the refusal is set. */
static bool domain_is_empty(struct change *x, struct str name)
{
	int64_t accounts = number(x, SQL_DOMAIN_ACCOUNTS, DB_ARGS(db_text(name)));
	int64_t aliases = number(x, SQL_DOMAIN_ALIASES, DB_ARGS(db_text(name)));

	if (accounts > 0)
		refuse(x,
		    "the domain %.*s still has %lld account%s; first: godwit account remove ADDRESS",
		    STR_FMT(name), (long long)accounts, accounts == 1 ? "" : "s");
	else if (aliases > 0)
		refuse(x,
		    "the domain %.*s still has %lld alias%s; first: godwit alias remove ADDRESS",
		    STR_FMT(name), (long long)aliases, aliases == 1 ? "" : "es");
	return accounts == 0 && aliases == 0;
}

static enum lane_exec change_kind(struct change *x)
{
	struct str name = x->c->domain;

	if (!domain_exists(x, name))
		return no_domain(x);
	if (domain_kind(x, name) == x->c->kind)
		return refuse(x, "%.*s is %s already; nothing was changed", STR_FMT(name),
		    kind_text(x->c->kind));
	if (x->c->kind != DIRECTORY_LOCAL && !domain_is_empty(x, name))
		return LANE_UNDO;
	exec(x, SQL_DOMAIN_SET_KIND, DB_ARGS(db_text(name), db_int(x->c->kind)), NULL);
	become_ours(x);
	err_set(&x->done, "domain %.*s is %s now", STR_FMT(name), kind_text(x->c->kind));
	return LANE_KEEP;
}

static enum lane_exec domain_remove(struct change *x)
{
	struct str name = x->c->domain, alias;

	if (!domain_exists(x, name))
		return no_domain(x);
	if (!domain_is_empty(x, name))
		return LANE_UNDO;
	alias = leading(x, SQL_ALIAS_LEADING_INTO, DB_ARGS(db_text(name)));
	if (alias.n)
		return refuse(x,
		    "the alias %.*s still leads into the domain %.*s; remove it first with: "
		    "godwit alias remove %.*s",
		    STR_FMT(alias), STR_FMT(name), STR_FMT(alias));
	exec(x, SQL_DOMAIN_DELETE, DB_ARGS(db_text(name)), NULL);
	err_set(&x->done, "domain %.*s removed", STR_FMT(name));
	return LANE_KEEP;
}

/* ---- accounts ---- */

static bool set_password(struct change *x, int64_t account)
{
	return exec(x, SQL_CREDENTIAL_SET,
	    DB_ARGS(db_int(account), db_int(0), db_text(STR("")), db_text(str_of_c(x->c->hash)),
		db_int(x->now)),
	    NULL);
}

/* What is to be a name here, people must be able to tell from others, today and with the next Unicode. */
static bool is_fit(struct change *x, struct str local)
{
	static const char *const wrong[] = {
	    [MIME_LOCAL_OK] = NULL,
	    [MIME_LOCAL_NOT_UTF8] = "octets that are not UTF-8",
	    [MIME_LOCAL_HIDDEN] = "a character that nobody sees",
	    [MIME_LOCAL_UNASSIGNED] = "a code point that Unicode has not assigned to a character",
	};
	const char *why = wrong[mime_local_check(local)];

	if (why)
		refuse(x, "the part before the @ holds %s; choose another name", why);
	return !why;
}

/* The name is an alias that would keep all mail from the account. */
static bool alias_hides_account(struct change *x)
{
	struct db_query *q = db_begin_query(
	    x->db, SQL_ALIAS_TARGETS, DB_ARGS(db_text(x->c->domain), db_text(x->c->local)));
	bool any = false, self = false;

	while (db_step(q) == DB_ROW) {
		any = true;
		self = self || (str_eq(db_col_str(q, 0), x->c->local) &&
				   str_eq(db_col_str(q, 1), x->c->domain));
	}
	failed(x, db_end(q));
	return any && !self;
}

static enum lane_exec account_add(struct change *x)
{
	struct directory_change *c = x->c;

	if (!is_fit(x, c->local))
		return LANE_UNDO;
	if (!domain_exists(x, c->domain))
		return no_domain_yet(x);
	if (is_relay_domain(x))
		return of_relay_domain(x, "accounts here");
	if (find_account(x))
		return refuse(x,
		    "the account %.*s is there already; its password is changed with: "
		    "godwit account passwd %.*s",
		    STR_FMT(x->address), STR_FMT(x->address));
	if (alias_hides_account(x))
		return refuse(x,
		    "%.*s is an alias, which would keep all mail from the account; remove it "
		    "first with: godwit alias remove %.*s",
		    STR_FMT(x->address), STR_FMT(x->address));
	c->account = number(x, SQL_META_NEXT, DB_ARGS(db_text(STR("account"))));
	if (!exec(x, SQL_ACCOUNT_ADD,
		DB_ARGS(db_int(c->account), db_text(c->domain), db_text(c->local),
		    db_int(c->send_only), db_int(x->now), db_int(c->quota_bytes),
		    db_int(c->quota_messages)),
		NULL) ||
	    !set_password(x, c->account))
		return LANE_BROKEN;
	if (c->disabled)
		exec(x, SQL_ACCOUNT_SET_STATE,
		    DB_ARGS(db_int(c->account), db_int(DIRECTORY_STATE_DISABLED)), NULL);
	if (c->language.n)
		exec(x, SQL_ACCOUNT_SET_LANGUAGE, DB_ARGS(db_int(c->account), db_text(c->language)),
		    NULL);
	failed(x, mailbox_create_all(x->db, c->account, x->now));
	err_set(&x->done, "account %.*s added", STR_FMT(x->address));
	return LANE_KEEP;
}

/* The row goes to the domain '' under its number, so that the name is free at once; nothing counts
 * its mail any more, and store/maintain.c takes it away. */
static enum lane_exec account_remove(struct change *x)
{
	struct directory_change *c = x->c;
	struct str alias = leading(
	    x, SQL_ALIAS_LEADING_TO, DB_ARGS(db_text(c->domain), db_text(c->local)));
	char name[24];

	c->account = find_account(x);
	if (!c->account)
		return no_account(x);
	if (alias.n)
		return refuse(x,
		    "the alias %.*s still leads to %.*s; remove it first with: "
		    "godwit alias remove %.*s %.*s",
		    STR_FMT(alias), STR_FMT(x->address), STR_FMT(alias), STR_FMT(x->address));
	snprintf(name, sizeof name, "%lld", (long long)c->account);
	exec(x, SQL_CREDENTIAL_DELETE, DB_ARGS(db_int(c->account)), NULL);
	exec(x, SQL_DOMAIN_REFUND_ALL, DB_ARGS(db_text(c->domain), db_int(c->account)), NULL);
	exec(x, SQL_DOMAIN_MARK_QUOTA, DB_ARGS(db_text(c->domain)), NULL);
	exec(x, SQL_MAILBOX_RESET, DB_ARGS(db_int(c->account)), NULL);
	exec(x, SQL_ACCOUNT_SET_REMOVED,
	    DB_ARGS(db_int(c->account), db_text(str_of_c(name)), db_int(DIRECTORY_REMOVED)), NULL);
	err_set(&x->done, "account %.*s removed", STR_FMT(x->address));
	return LANE_KEEP;
}

static enum lane_exec set_state(struct change *x, enum directory_state state, const char *word)
{
	x->c->account = find_account(x);
	if (!x->c->account)
		return no_account(x);
	exec(x, SQL_ACCOUNT_SET_STATE, DB_ARGS(db_int(x->c->account), db_int(state)), NULL);
	err_set(&x->done, "account %.*s %s", STR_FMT(x->address), word);
	return LANE_KEEP;
}

static enum lane_exec account_disable(struct change *x)
{
	return set_state(x, DIRECTORY_STATE_DISABLED, "disabled");
}

static enum lane_exec account_enable(struct change *x)
{
	return set_state(x, DIRECTORY_ACTIVE, "enabled");
}

static enum lane_exec change_password(struct change *x)
{
	x->c->account = find_account(x);
	if (!x->c->account)
		return no_account(x);
	set_password(x, x->c->account);
	err_set(&x->done, "password of %.*s changed", STR_FMT(x->address));
	return LANE_KEEP;
}

static enum lane_exec change_send_only(struct change *x)
{
	x->c->account = find_account(x);
	if (!x->c->account)
		return no_account(x);
	exec(x, SQL_ACCOUNT_SET_SEND_ONLY, DB_ARGS(db_int(x->c->account), db_int(x->c->send_only)),
	    NULL);
	err_set(&x->done, "account %.*s %s", STR_FMT(x->address),
	    x->c->send_only ? "takes no more mail" : "takes mail again");
	return LANE_KEEP;
}

static void put_quota(struct err *text, const char *what, int64_t limit)
{
	struct err before = *text;

	if (limit == QUOTA_KEEP)
		return;
	if (limit > 0)
		err_set(text, "%s %s %lld", before.text, what, (long long)limit);
	else
		err_set(text, "%s %s %s", before.text, what,
		    limit == QUOTA_DEFAULT ? "default" : "none");
}

static void note_quota(struct change *x, struct str of)
{
	err_set(&x->done, "quota of %.*s set:", STR_FMT(of));
	put_quota(&x->done, "bytes", x->c->quota_bytes);
	put_quota(&x->done, "messages", x->c->quota_messages);
}

static enum lane_exec change_quota(struct change *x)
{
	x->c->account = find_account(x);
	if (!x->c->account)
		return no_account(x);
	exec(x, SQL_ACCOUNT_SET_QUOTA,
	    DB_ARGS(db_int(x->c->account), db_int(x->c->quota_bytes), db_int(x->c->quota_messages)),
	    NULL);
	exec(x, SQL_ACCOUNT_MARK_QUOTA, DB_ARGS(db_int(x->c->account)), NULL);
	note_quota(x, x->address);
	return LANE_KEEP;
}

static enum lane_exec change_domain_quota(struct change *x)
{
	if (!domain_exists(x, x->c->domain))
		return no_domain(x);
	if (is_relay_domain(x))
		return of_relay_domain(x, "quota here");
	exec(x, SQL_DOMAIN_SET_QUOTA,
	    DB_ARGS(db_text(x->c->domain), db_int(x->c->quota_bytes), db_int(x->c->quota_messages)),
	    NULL);
	exec(x, SQL_DOMAIN_MARK_QUOTA, DB_ARGS(db_text(x->c->domain)), NULL);
	note_quota(x, x->c->domain);
	return LANE_KEEP;
}

static enum lane_exec change_language(struct change *x)
{
	x->c->account = find_account(x);
	if (!x->c->account)
		return no_account(x);
	exec(x, SQL_ACCOUNT_SET_LANGUAGE, DB_ARGS(db_int(x->c->account), db_text(x->c->language)),
	    NULL);
	err_set(&x->done, "language of %.*s set: %.*s", STR_FMT(x->address),
	    STR_FMT(x->c->language.n ? x->c->language : STR("as its messages show")));
	return LANE_KEEP;
}

/* ---- aliases ---- */

static enum accept_class resolve(struct change *x, struct str local, struct str domain)
{
	struct directory_config cfg = {.separator = x->c->separator, .as_named = true};
	struct directory_answer answer = {.class = ACCEPT_TROUBLE};

	failed(x, directory_resolve(x->db, &cfg, x->arena, local, domain, 0, x->now, &answer));
	return answer.class;
}

/* A local part that stands for all of them; no account has a space in its name. */
static struct str probe(struct str local)
{
	return local.n ? local : STR("any one");
}

/* Mailboxes there are named as ours are. */
static bool is_here(struct change *x, struct str domain)
{
	int64_t kind = DIRECTORY_KINDS;

	failed(x, db_get_int(x->db, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain)), &kind));
	return kind == DIRECTORY_LOCAL;
}

/* The target as it is kept: in the form of our names, or as the alias has it already, or as it was given. */
static void settle_target(struct change *x)
{
	struct directory_change *c = x->c;
	struct db_query *q;

	if (is_here(x, c->target_domain)) {
		x->target_local = mime_local_key(x->arena, c->target_local);
		x->target = directory_text(x->arena, x->target_local, c->target_domain);
		return;
	}
	q = db_begin_query(
	    x->db, SQL_ALIAS_TARGETS, DB_ARGS(db_text(c->domain), db_text(c->local)));
	while (db_step(q) == DB_ROW) {
		if (str_eq_i(db_col_str(q, 0), c->target_local) &&
		    str_eq(db_col_str(q, 1), c->target_domain))
			x->target_local = arena_str(x->arena, db_col_str(q, 0));
	}
	failed(x, db_end(q));
}

/* It may be meant so, to lead mail elsewhere; but whoever has the mailbox gets nothing more. */
static void warn_of_hidden(struct change *x)
{
	if (!find_account(x) || !alias_hides_account(x))
		return;
	err_set(&x->c->warning,
	    "%.*s is an account and no longer gets its mail; to keep a copy: "
	    "godwit alias add %.*s %.*s",
	    STR_FMT(x->address), STR_FMT(x->address), STR_FMT(x->address));
}

/* Tried by doing: the new row is there when its ways are walked, and undone with the refusal. */
static enum lane_exec alias_add(struct change *x)
{
	struct directory_change *c = x->c;
	int64_t added = 0;

	if (!is_fit(x, c->local) || !is_fit(x, c->target_local))
		return LANE_UNDO;
	if (!domain_exists(x, c->domain))
		return no_domain_yet(x);
	if (is_relay_domain(x))
		return of_relay_domain(x, "aliases here");
	settle_target(x);
	exec(x, SQL_ALIAS_ADD,
	    DB_ARGS(db_text(c->domain), db_text(c->local), db_text(c->target_domain),
		db_text(x->target_local), db_int(x->now)),
	    &added);
	if (added == 0 && x->code == DB_OK)
		return refuse(x, "the alias %.*s leads to %.*s already; nothing was changed",
		    STR_FMT(x->address), STR_FMT(x->target));
	if (x->target_local.n && resolve(x, x->target_local, c->target_domain) == ACCEPT_UNKNOWN)
		return refuse_missing(x, DIRECTORY_MISSING_ACCOUNT,
		    "there is no account or alias %.*s; add it first with: "
		    "godwit account add %.*s",
		    STR_FMT(x->target), STR_FMT(x->target));
	if (resolve(x, probe(c->local), c->domain) == ACCEPT_TROUBLE)
		return refuse(x,
		    "an alias %.*s to %.*s would lead in a circle, or too far; name another "
		    "target",
		    STR_FMT(x->address), STR_FMT(x->target));
	warn_of_hidden(x);
	err_set(&x->done, "alias %.*s to %.*s added", STR_FMT(x->address), STR_FMT(x->target));
	return LANE_KEEP;
}

static enum lane_exec alias_remove(struct change *x)
{
	struct directory_change *c = x->c;
	int64_t removed = 0;

	if (c->target_domain.n)
		settle_target(x);
	if (c->target_domain.n)
		exec(x, SQL_ALIAS_DELETE,
		    DB_ARGS(db_text(c->domain), db_text(c->local), db_text(c->target_domain),
			db_text(x->target_local)),
		    &removed);
	else
		exec(x, SQL_ALIAS_DELETE_ALL, DB_ARGS(db_text(c->domain), db_text(c->local)),
		    &removed);
	if (removed == 0 && c->target_domain.n)
		return refuse_missing(x, DIRECTORY_MISSING_ACCOUNT,
		    "there is no alias %.*s to %.*s; those there are: godwit alias list",
		    STR_FMT(x->address), STR_FMT(x->target));
	if (removed == 0)
		return refuse_missing(x, DIRECTORY_MISSING_ACCOUNT,
		    "there is no alias %.*s; those there are: godwit alias list",
		    STR_FMT(x->address));
	warn_of_hidden(x);
	err_set(&x->done, "alias %.*s removed", STR_FMT(x->address));
	return LANE_KEEP;
}

/* ---- the request ---- */

static change_fn *const verbs[DIRECTORY_VERBS] = {
    [DIRECTORY_DOMAIN_ADD] = domain_add,
    [DIRECTORY_DOMAIN_KIND] = change_kind,
    [DIRECTORY_DOMAIN_REMOVE] = domain_remove,
    [DIRECTORY_ACCOUNT_ADD] = account_add,
    [DIRECTORY_ACCOUNT_REMOVE] = account_remove,
    [DIRECTORY_ACCOUNT_DISABLE] = account_disable,
    [DIRECTORY_ACCOUNT_ENABLE] = account_enable,
    [DIRECTORY_PASSWORD] = change_password,
    [DIRECTORY_SEND_ONLY] = change_send_only,
    [DIRECTORY_QUOTA] = change_quota,
    [DIRECTORY_LANGUAGE] = change_language,
    [DIRECTORY_DOMAIN_QUOTA] = change_domain_quota,
    [DIRECTORY_ALIAS_ADD] = alias_add,
    [DIRECTORY_ALIAS_REMOVE] = alias_remove,
};

static void record(struct change *x)
{
	failed(x, admin_log_add(x->db, x->now, x->c->who, str_of_c(x->done.text)));
}

static enum lane_exec change_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct directory_change *c = LIST_ENTRY(op, struct directory_change, op);
	struct change x = {.c = c, .db = db, .arena = arena_new(), .now = now};
	enum lane_exec result;

	c->refused = false;
	c->warning = (struct err){""};
	c->account = 0;
	x.address = directory_text(x.arena, c->local, c->domain);
	x.target_local = c->target_local;
	x.target = directory_text(x.arena, c->target_local, c->target_domain);
	result = verbs[c->verb](&x);
	if (result == LANE_KEEP && c->dry)
		result = LANE_UNDO;
	if (result == LANE_KEEP && x.code == DB_OK)
		record(&x);
	arena_free(&x.arena);
	return x.code == DB_OK ? result : LANE_BROKEN;
}

void directory_change_init(struct directory_change *c)
{
	MUST(c->verb < DIRECTORY_VERBS);
	list_init(&c->op.link);
	c->op.exec = change_exec;
	c->op.frees = c->verb == DIRECTORY_ACCOUNT_REMOVE;
	c->separator = c->cfg ? c->cfg->separator : 0;
	c->refused = false;
	c->account = 0;
}
