/*
 * A copy of an email in a mailbox: the rows that deliveries, imports and undeleting have in common.
 * Only in the writer lane. docs/invariants/mailbox.md.
 */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include "store/db.h"

/* Where a copy goes. */
struct copy_place {
	int64_t account;
	int64_t mailbox; /* one of the account's */
	int64_t email;
	int64_t size;   /* octets of prefix and blob */
	int64_t origin; /* uid of the expunged row in this mailbox that it brings back; 0: none */
	int64_t now;
	bool no_quota; /* whatever the quota */
	bool closed;   /* also when the account takes no mail: disabled, send-only */
};

/* What an email's row holds beside. Its blob has the email's id. */
struct copy_email {
	struct str prefix;
	int64_t thread;
	int64_t received;    /* the moment that is shown as the date of its arrival */
	struct str keywords; /* sorted, separated by single spaces */
	struct str summary;
};

/*
 * Charges the account, gives the copy the next uid, and writes the change feed; the email's row is the
 * caller's. DB_ROW with *modseq_r; DB_OK when the account does not take it (quota, disabled, send-only):
 * nothing was written; else the failure.
 */
enum db_code copy_put_in(struct db *db, const struct copy_place *place, int64_t *modseq_r);

/* The same, with one link more in the row of an email that the account has, or had. */
enum db_code copy_link(struct db *db, const struct copy_place *place);

/* The email's row alone, with one link, sealed. Of the place account, email and size count. */
enum db_code copy_add_email(
    struct db *db, const struct copy_place *place, const struct copy_email *email, int64_t modseq);

/* copy_put_in() with a new email row that has this one link. */
enum db_code copy_add(
    struct db *db, const struct copy_place *place, const struct copy_email *email);

#endif
