/*
 * Looks for damage: in the database itself, between its rows, and in every octet of the packs. Changes
 * nothing. Steps may run in any thread, one at a time, while the server works: what is compared between
 * rows is read in one transaction, and what was moved or removed meanwhile is not taken for damage.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "base/arena.h"
#include "store/ledger.h"
#include "store/pack_walk.h"

struct verify_finding {
	const char *what;     /* a sentence */
	struct str detail;    /* of the database's own check, of a file; may be empty */
	int64_t message;      /* 0: none that is known */
	struct str account;   /* address; empty: none */
	int64_t mailbox, uid; /* 0: none */
	struct str header_id; /* Message-ID without <>; empty: not known */
	struct str subject;   /* likewise */
	int64_t pack, offset; /* 0: not in a pack */
	bool compares;        /* stored and expected mean something */
	int64_t stored, expected;
};

enum verify_stage {
	VERIFY_DATABASE, /* SQLite's own check, and its schema: a table a step */
	VERIFY_ROWS,     /* a rule a step */
	VERIFY_SEALS,    /* rows of emails, a slice a step */
	VERIFY_LEDGER,
	VERIFY_PACKS,
	VERIFY_STAGES
};

struct verify {
	void (*on_finding)(
	    void *ctx, const struct verify_finding *f); /* its strings are borrowed */
	void *ctx;
	struct blob_store *blobs; /* borrowed */
	/* the answer */
	int64_t findings;
	int64_t beyond; /* of them, those that no repair helps against: only store/salvage.h does */
	int64_t indexes;       /* and those of indexes */
	int64_t no_credential; /* and accounts without a password: no repair gives one */
	bool complete;
	enum verify_stage stage;
	int64_t octets, octets_all; /* of the packs, read and to read */
	int64_t packs, packs_all;
	struct err err; /* why a step failed */
	/* verify.c's own */
	struct db *db;          /* a reader of its own */
	size_t at;              /* table, rule */
	int64_t account, email; /* whose seal was compared last */
	struct ledger_audit audit;
	struct pack_walk walk;
	int64_t pack;   /* 0: none at hand */
	int64_t walked; /* of it, that octets counts */
	bool rows_next; /* the pack was read; now the rows that lie in it */
	int64_t row_at;
	struct arena *arena; /* of a finding */
};

/* Zeroes it. Opens a connection of its own: db_name as for db_open. False with err set. */
bool verify_begin(struct verify *v, struct blob_store *blobs, const char *db_name);

/* Reads on, about so many octets of a pack, or a whole rule. DB_OK, or what failed: err says why. */
enum db_code verify_step(struct verify *v, int64_t octets);

void verify_end(struct verify *v);

/* ---- inside (verify.c, verify_rows.c) ---- */

/* Counts it, and adds account, Message-ID and subject as far as rows tell. */
void verify_found(struct verify *v, struct verify_finding f, int64_t account);

/* So many further rows of emails against their seals; behind the last one the stage is the next. */
enum db_code verify_seals(struct verify *v, int64_t rows);

/* One rule; *more_r: there are others. */
enum db_code verify_rule(struct verify *v, size_t i, bool *more_r);

#endif
