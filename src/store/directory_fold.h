/* Names that were stored before they had the form of mime/mime_local.h. Inside of a transaction of the writer. */
#ifndef STORE_DIRECTORY_FOLD_H
#define STORE_DIRECTORY_FOLD_H

#include "base/err.h"
#include "store/db.h"

/* The targets of aliases in a domain that has just become ours; two of an alias may become one. One whose form
 * is longer than a local part may be is left: no name here can be what it names. */
enum db_code directory_fold_targets(struct db *db, struct str domain);

/*
 * The names of all accounts and aliases, and the targets in all domains of ours. DB_CONSTRAINT with e set
 * when two names would become one: whose mail that would be is not for a program to say; and when one would be longer
 * than LIMIT_SMTP_LOCAL_PART: nobody could name it any more.
 */
enum db_code directory_fold_names(struct db *db, struct err *e);

#endif
