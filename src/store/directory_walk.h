/* Inside of a walk over addresses (directory.c): what it carries, reads and finds. */
#ifndef STORE_DIRECTORY_WALK_H
#define STORE_DIRECTORY_WALK_H

#include "store/directory.h"

struct directory_address {
	struct str local; /* as mailboxes are named */
	struct str domain;
	unsigned depth;   /* aliases passed on the way here */
	struct str spelt; /* the local part as it came: for who knows whether it is another one */
};

struct directory_walk {
	struct db *db;
	const struct directory_config *cfg;
	struct arena *arena;
	int64_t size, now;
	struct str asked;      /* the local part, letters as they came */
	struct str postmaster; /* his address, when what is met now is his mail; else empty */
	struct directory_address *met;
	size_t nmet, capacity;
	struct directory_target *targets;
	size_t ntargets, target_capacity;
	size_t left_out;
	bool over_quota;
	bool too_large;           /* for an account or its domain, were they empty */
	bool trouble;             /* a circle, or a limit reached */
	bool is_return;           /* back to the sender of what was sent on */
	enum directory_kind kind; /* of the domain met last that is ours */
	enum accept_class
	    failure;       /* of the first target that takes nothing; ACCEPT_CLASSES: none */
	enum db_code code; /* the first failure of the database */
};

struct directory_usage {
	int64_t bytes, messages, max_bytes, max_messages;
};

/* An account as ACCOUNT_BY_ADDRESS reads it. */
struct directory_found {
	int64_t id;
	enum directory_state state;
	bool send_only;
	struct directory_usage own, domains;
	struct str local, domain; /* in the arena */
};

/* ---- what it finds ---- */

void directory_walk_add(struct directory_walk *w, struct directory_target target);

/* One that takes nothing; the first names the class of the answer when nobody takes the message. */
void directory_walk_leave_out(struct directory_walk *w, enum accept_class class);

/* Neither disabled nor for sending only. */
bool directory_walk_takes_mail(const struct directory_found *row);

/* The same, and there is room for this message. */
bool directory_walk_takes_this(struct directory_walk *w, const struct directory_found *row);

struct directory_target directory_walk_target(
    const struct directory_walk *w, const struct directory_found *row, struct str detail);

/* As a target, once; or noted for what it takes nothing. */
void directory_walk_add_account(
    struct directory_walk *w, const struct directory_found *row, struct str detail);

/* ---- what it reads ---- */

/* Remembers the first failure of the database; true when there is one by now. */
bool directory_walk_failed(struct directory_walk *w, enum db_code code);

/* The next row of a query with the columns of ACCOUNT_BY_ADDRESS; false: there is none. */
bool directory_walk_step(struct directory_walk *w, struct db_query *q, struct directory_found *r);

/* The first row of such a query; false: there is none, or the database failed. */
bool directory_walk_read(struct directory_walk *w, enum sql_id id, const struct db_value *args,
    size_t n, struct directory_found *r);

/* The account of that name, which is in the directory's form. */
bool directory_walk_find(
    struct directory_walk *w, struct str local, struct str domain, struct directory_found *r);

/* Sets the walk's kind. */
bool directory_walk_is_ours(struct directory_walk *w, struct str domain);

/* ---- the postmaster (directory_postmaster.c) [RFC 5321 4.5.1] ---- */

/* <postmaster> without a domain, or an address at the server's own name, which is no mail domain. */
bool directory_postmaster_is_of_server(const struct directory_walk *w, struct str domain);

/* What this machine's own programs write to, as cron does, is for him too. */
bool directory_postmaster_is(const struct directory_walk *w, const struct directory_address *a);

/* An account of his that is full or takes no mail. */
void directory_postmaster_add(struct directory_walk *w, const struct directory_found *row);

/* Whoever stands in for him when `from` is his address; false: it is not. */
bool directory_postmaster_follow(struct directory_walk *w, const struct directory_address *from);

/* Whose mail it is that comes to `a`: his who has that address, or his who was asked for. */
void directory_postmaster_note(struct directory_walk *w, const struct directory_address *a);

/* Whoever takes this has it, else the one who stands in. */
void directory_postmaster_rescue(struct directory_walk *w);

/* The same at the end of a walk from an address of his; of others nothing. */
void directory_postmaster_rescue_asked(struct directory_walk *w);

#endif
