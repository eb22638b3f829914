/* Mailboxes by path ("Work/Projects"): finding, making, listing. */
#ifndef STORE_MAILBOX_PATH_H
#define STORE_MAILBOX_PATH_H

#include "base/arena.h"
#include "store/lane.h"

#define MAILBOX_PATH_MAX  ((size_t)1000)
#define MAILBOX_DEPTH_MAX 20

/*
 * The mailbox of that path. The first part may be one of the names other servers have for the usual
 * ones ("Sent Items", "Spam"), in any case. DB_ROW; DB_OK when there is none.
 */
enum db_code mailbox_path_find(struct db *db, int64_t account, struct str path, int64_t *mailbox_r);

/*
 * Why no mailbox can have that path, to go on from "the name": "is not UTF-8". NULL when one can: UTF-8 without
 * control characters, no empty part, within the limits.
 */
const char *mailbox_path_trouble(struct str path);

static inline bool mailbox_path_is_valid(struct str path)
{
	return !mailbox_path_trouble(path);
}

/* Finds it, or makes what is missing, as a request to the writer lane. */
struct mailbox_make {
	struct lane_op op; /* done is the caller's */
	int64_t account;
	struct str path; /* valid; borrowed */
	/* the answer */
	int64_t mailbox;
	bool missing; /* the account is gone */
};

void mailbox_make_init(struct mailbox_make *m, int64_t account, struct str path);

struct mailbox_listed {
	int64_t mailbox, parent;
	struct str name, path;
	bool lost; /* only messages that are in it tell of it: its name is made of its number */
};

#define MAILBOX_LOST_TEXT "the mailbox has lost its row in the database, and its name"

#define MAILBOX_HIDDEN_TEXT                                                                        \
	"mailboxes may be left out: rows in the database cannot be read, or there are more than "  \
	"100000"

/*
 * All mailboxes of an account, in the arena, parents before their children; behind them those that are lost.
 * *torn_r: there are others, or may be: pages could not be read, or there are more than are listed.
 */
enum db_code mailbox_path_list(struct db *db, struct arena *a, int64_t account,
    struct mailbox_listed **list_r, size_t *n_r, bool *torn_r);

#endif
