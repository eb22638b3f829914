/*
 * Domains, accounts and aliases: who is ours, and where mail for an address goes.
 *
 * Domains are given in A-label form, lower case. Local parts are kept and compared in the form of
 * mime/mime_local.h, but for those of targets elsewhere: they are as they were given. An
 * alias has any number of targets; with an empty local part it is the domain's catch-all, and a
 * target with an empty local part keeps the recipient's ("@a.org -> @b.org" makes a.org another name
 * of b.org). An alias goes before an account of the same name; its own address among its targets
 * means that account. A relay domain has neither: its mail is taken for its own server.
 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "base/arena.h"
#include "base/err.h"
#include "plan/accept.h"
#include "queue/queue_lang.h"
#include "store/lane.h"

struct directory_config {
	char separator;        /* between local part and detail, as '+'; 0: no subaddresses */
	struct str postmaster; /* address of the account for postmaster; empty: the first one */
	struct str hostname;   /* of the server: its postmaster and root are that account too */
	bool no_quota;         /* full mailboxes take it too */
	int64_t message;       /* who has a copy of it needs no room for another; 0: none */
	bool as_named;         /* an alias of postmaster that leads nowhere is not stood in for */
	bool srs; /* what an alias sends on has a reverse path of ours (store/forward.h) */
};

/* What a domain is to this server. Stored. */
enum directory_kind {
	DIRECTORY_LOCAL,       /* its mailboxes are here */
	DIRECTORY_RELAY,       /* mail is taken for its own server, which is asked for recipients */
	DIRECTORY_RELAY_BLIND, /* the same, and it is not asked */
	DIRECTORY_KINDS
};

/* ---- where mail goes ---- */

struct directory_target {
	int64_t account;  /* 0: an address elsewhere */
	struct str local; /* of the account, or of the address elsewhere (as in an SMTP path) */
	struct str domain;
	struct str detail; /* "x" of bob+x; empty without one */
	bool last_resort;  /* of postmaster: kept though there is no room, or it takes no mail */
	struct str postmaster; /* an account's: his address, for whom this is; empty: for another */
};

struct directory_answer {
	/* LOCAL also when some of the targets are elsewhere; REDIRECT when all are; TROUBLE when
	 * aliases lead nowhere but in a circle, or too far; RELAY when the domain is not ours;
	 * RETURN when it is the way back to a sender whose mail was sent on; BACKUP when it is a
	 * relay domain. */
	enum accept_class class;
	struct directory_target *targets; /* of those five; in the arena, each once */
	size_t count;
	size_t left_out; /* accounts among several that are disabled or take no mail */
	bool verified;   /* BACKUP: its server is asked first */
};

/*
 * Where mail of `size` octets (0: unknown) for local@domain goes. An empty domain is that of
 * <postmaster>; postmaster of a local domain is taken as soon as there is any account, be it full or disabled
 * [RFC 5321 4.5.1], wherever his aliases lead; ACCEPT_NO_POSTMASTER before. At most LIMIT_ALIAS_TARGETS
 * addresses are looked at, LIMIT_POSTMASTER_ACCOUNTS for one with room. now: for addresses that expire.
 * DB_OK, or the class of the database's failure with *answer_r untouched.
 */
enum db_code directory_resolve(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, int64_t now,
    struct directory_answer *answer_r);

/*
 * The same of one account's own address, whatever aliases there are: LOCAL with one target, or what it is
 * refused for.
 */
enum db_code directory_account(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, struct directory_answer *answer_r);

/*
 * The accounts that have the mail of a postmaster (directory_target.postmaster) now: as directory_resolve(), but
 * nobody elsewhere, also where the address is no more one of ours. LOCAL, or ACCEPT_NO_POSTMASTER without targets.
 */
enum db_code directory_postmaster(struct db *db, const struct directory_config *cfg,
    struct arena *a, struct str address, int64_t size, int64_t now,
    struct directory_answer *answer_r);

/* ---- who logs in ---- */

enum directory_state {
	DIRECTORY_ACTIVE,
	DIRECTORY_STATE_DISABLED,
	DIRECTORY_REMOVED, /* its mail is being purged; its name is free again */
	DIRECTORY_STATES
};

struct directory_login {
	int64_t account; /* 0: unknown, and all else empty */
	enum directory_state state;
	bool send_only;
	struct str address; /* canonical, in the arena */
	struct str hash;    /* of the main password */
};

/*
 * The account behind a login name: its address, or its local part alone for the domain that was added first, so
 * that one more domain takes nobody's name away. DB_OK also for an unknown one.
 */
enum db_code directory_login(
    struct db *db, struct arena *a, struct str name, struct directory_login *login_r);

/*
 * The language of an account, in which its owner is written to; *has_r: it is set. DB_OK also for one that
 * is not there.
 */
enum db_code directory_language(
    struct db *db, int64_t account, enum queue_lang *lang_r, bool *has_r);

/* ---- changes ---- */

enum directory_verb {
	DIRECTORY_DOMAIN_ADD,    /* domain, kind */
	DIRECTORY_DOMAIN_KIND,   /* domain, kind; relay: refused while it has accounts or aliases */
	DIRECTORY_DOMAIN_REMOVE, /* domain; refused while it has accounts or aliases */
	DIRECTORY_ACCOUNT_ADD, /* address, hash, send_only, quota, language, disabled; makes its mailboxes */
	DIRECTORY_ACCOUNT_REMOVE,  /* address; mail goes in the slices of store/maintain.h */
	DIRECTORY_ACCOUNT_DISABLE, /* address */
	DIRECTORY_ACCOUNT_ENABLE,  /* address */
	DIRECTORY_PASSWORD,        /* address, hash */
	DIRECTORY_SEND_ONLY,       /* address, send_only */
	DIRECTORY_QUOTA,           /* address, quota */
	DIRECTORY_LANGUAGE,        /* address, language: of what is written to it */
	DIRECTORY_DOMAIN_QUOTA,    /* domain, quota: of all its accounts together */
	DIRECTORY_ALIAS_ADD,       /* address, target */
	DIRECTORY_ALIAS_REMOVE,    /* address, target or nothing: all its targets */
	DIRECTORY_VERBS
};

/* What a refused change was asked of, and is not there. */
enum directory_missing {
	DIRECTORY_MISSING_NOTHING, /* it was refused for another reason */
	DIRECTORY_MISSING_DOMAIN,
	DIRECTORY_MISSING_ACCOUNT, /* or alias */
};

/* One change of the directory as a request to the writer lane. Zero it, set the inputs, then
 * directory_change_init(). Strings are borrowed until done. */
struct directory_change {
	struct lane_op op;
	enum directory_verb verb;
	const struct directory_config *cfg; /* borrowed by directory_change_init(); may be NULL */
	struct str who;                     /* the administrator, for the record of changes */
	struct str local, domain; /* the address; local is empty for a catch-all or a domain */
	struct str target_local;  /* as it was given */
	struct str target_domain;
	const char *hash; /* of the password */
	bool send_only;
	bool dry; /* it is only asked whether it would be refused: what is done is undone again */
	bool disabled; /* DIRECTORY_ACCOUNT_ADD: from the beginning */
	enum directory_kind kind;
	int64_t quota_bytes, quota_messages; /* limits, or QUOTA_DEFAULT ... (store/quota.h) */
	struct str
	    language; /* a tag that queue_lang_by_tag() knows; empty: as each message shows */
	/* the answer */
	bool refused; /* nothing was changed; why tells in one sentence */
	struct err why;
	enum directory_missing missing;
	struct err warning; /* of what follows from a change that was made; empty: nothing */
	int64_t account;    /* the one that was added or changed */
	char separator;     /* directory_change.c's own */
};

/* Sets op.exec and the defaults of the answer. op.done is the caller's to set. */
void directory_change_init(struct directory_change *c);

/*
 * A-label form: letters, digits and hyphens in labels of 1 to 63 octets [RFC 1034 3.5]; a last label
 * that is a number would make it an address.
 */
bool directory_is_domain(struct str s);

/*
 * Splits "local@domain" (or "@domain") at the last "@" and puts the local part in the form of
 * mime_local_key() and the domain in lower case into the arena; the domain must be in A-label form. False
 * with e set when it cannot be an address here.
 */
bool directory_address(struct arena *a, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r, struct err *e);

/* "local@domain" in the arena. */
struct str directory_text(struct arena *a, struct str local, struct str domain);

/* ---- listings: pages of at most `max` rows behind a key, in the order of the key ---- */

struct directory_domain_row {
	struct str name; /* valid in the call */
	int64_t created;
	int64_t accounts;
	int64_t aliases;                     /* alias addresses */
	int64_t used_bytes, used_messages;   /* by all accounts */
	int64_t quota_bytes, quota_messages; /* in effect; QUOTA_INFINITE: none */
	enum directory_kind kind;
};

struct directory_account_row {
	struct str local, domain; /* valid in the call */
	int64_t account;
	enum directory_state state;
	bool send_only;
	int64_t created;
	int64_t used_bytes, used_messages;
	int64_t quota_bytes, quota_messages; /* in effect; QUOTA_INFINITE: none */
	struct str language;                 /* empty: none set */
};

struct directory_alias_row {
	struct str local, domain, target_local, target_domain; /* valid in the call */
	int64_t created;
};

typedef void directory_domain_fn(void *ctx, const struct directory_domain_row *row);
typedef void directory_account_fn(void *ctx, const struct directory_account_row *row);
typedef void directory_alias_fn(void *ctx, const struct directory_alias_row *row);

/* Domains behind `after` (empty: from the first). *n_r: rows given; fewer than max: the last page. */
enum db_code directory_domains(
    struct db *db, struct str after, size_t max, size_t *n_r, directory_domain_fn *fn, void *ctx);

/* Accounts behind (after_domain, after_local); only: this domain's, or all when empty. */
enum db_code directory_accounts(struct db *db, struct str only, struct str after_domain,
    struct str after_local, size_t max, size_t *n_r, directory_account_fn *fn, void *ctx);

/* The same for aliases, with the whole key. */
enum db_code directory_aliases(struct db *db, struct str only,
    const struct directory_alias_row *after, size_t max, size_t *n_r, directory_alias_fn *fn,
    void *ctx);

#endif
