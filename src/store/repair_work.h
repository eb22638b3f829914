/* What the files of the repair share (repair.c and repair_*.c). */
#ifndef STORE_REPAIR_WORK_H
#define STORE_REPAIR_WORK_H

#include "store/repair.h"

struct repair_list {
	int64_t *v;
	size_t n, cap;
};

/* A sound record where its row does not say; or without a row. */
struct repair_place {
	int64_t id;
	struct blob_pos pos;
	size_t number; /* the younger, the higher */
};

struct repair_work {
	struct repair *r;
	struct store *s;
	struct repair_list bad;   /* blobs that are not where their rows say */
	struct repair_list lost;  /* of these, and without a row: what is nowhere else */
	bool failed;              /* the database, in the middle of a pack: err says how */
	struct repair_list packs; /* that are damaged */
	struct repair_place *found;
	size_t nfound, found_cap;
	struct lane_op op;
	enum db_code (*run)(struct repair_work *w, struct db *db, int64_t now);
	int64_t blob;            /* being given up */
	struct blob_point point; /* of a pack whose row is made */
	size_t part;             /* of the database, whose indexes are made */
};

/* One more; not twice in a row. */
void repair_add(struct repair_list *l, int64_t n);

/* One commit; false with the repair's err set. */
bool repair_change(
    struct repair_work *w, enum db_code (*run)(struct repair_work *w, struct db *db, int64_t now));

/* DB_OK; else false with the repair's err set. */
bool repair_db_good(struct repair_work *w, enum db_code code);

/* Makes indexes anew that are not what their tables say. False, the repair's beyond set, where pages are damaged. */
bool repair_database(struct repair_work *w);

/* Rows of emails that their seal does not fit: become what was written, or go, to be made from the content. */
bool repair_emails(struct repair_work *w);

/* Packs that were set aside and hold what is missed: are packs again, with their rows. */
bool repair_return_packs(struct repair_work *w);

/* Rows of packs that blobs name and that are lost. */
bool repair_name_packs(struct repair_work *w);

/* Reads all packs: what is damaged, and what lies where no row says. */
bool repair_read_packs(struct repair_work *w);

/* In a change: rows of blobs that lie elsewhere, or have none; what is nowhere is lost. */
enum db_code repair_index(struct repair_work *w, struct db *db, int64_t now);

/* In a change: accounts that own something and have lost their row. */
enum db_code repair_accounts(struct repair_work *w, struct db *db, int64_t now);

#endif
