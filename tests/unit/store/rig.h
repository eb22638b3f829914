/* The model on a lane without threads, in a scratch directory, on a clock of its own. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "base/id.h"
#include "fault.h"
#include "store/deliver.h"
#include "store/fsio.h"
#include "store/ledger.h"
#include "store/mailbox.h"
#include "store/maintain.h"

struct rig {
	struct db *db;
	struct fsio fs;
	struct blob_store *blobs;
	struct lane *lane;
	struct directory_config directory;
	struct id_maker ids;
	int64_t now;
	bool disk_full; /* for rig_maintain() */
	int64_t pack_size;
	struct fault
	    *fault; /* NULL, or what the packs' files go through from the next restart on */
};

/* A new store with no domain in it, and its end. The time is 2026-11-23 12:00:00 UTC. */
void rig_open(struct rig *r);
void rig_close(struct rig *r);

/* The same on these files, new or not, with r->pack_size (0: 1 MiB); and their end. */
void rig_begin(struct rig *r, struct fsio fs);
void rig_end(struct rig *r);

/* Closes and opens what is on disk again: what is committed is there, nothing else. */
void rig_restart(struct rig *r);

/* The same in two steps: in between nothing of the store is open, and the process may fork. */
void rig_pause(struct rig *r);
void rig_resume(struct rig *r);

/* Changes of the directory that must be done; the account's number. */
void rig_domain(struct rig *r, const char *name);
int64_t rig_account(struct rig *r, const char *address);
void rig_alias(struct rig *r, const char *address, const char *target);
void rig_quota(struct rig *r, const char *address, int64_t bytes, int64_t messages);

void rig_domain_quota(struct rig *r, const char *domain, int64_t bytes, int64_t messages);

/* Any change; target may be NULL. The refusal, or "" when it was done; valid until the next call. */
const char *rig_change(
    struct rig *r, enum directory_verb verb, const char *address, const char *target);

/* What the last rig_change() warned of, or "". */
const char *rig_warning(void);

/* A message from `from` with the text, to nobody yet, id and time from the rig. */
struct deliver *rig_message(struct rig *r, const char *from, const char *text);

/* One recipient more, with the plan to put it into a mailbox. Its plan item, to be changed. */
struct plan_item *rig_to(struct deliver *d, const char *address);

/* Gives it the summary that a front makes of its text. */
void rig_add_summary(struct deliver *d);

/* Runs it through the lane; op.result is LANE_DONE. accepted. */
bool rig_run(struct rig *r, struct deliver *d);

/* All of that for one recipient: accepted. *id_r (may be NULL): the message's id. */
bool rig_send(struct rig *r, const char *from, const char *to, const char *text, int64_t *id_r);

/* A large message to one of ours, in a pack of its own; the pack's number. */
int64_t rig_send_large(struct rig *r, const char *to);

/* The finished snapshot of an account's mailbox. */
struct mailbox_snapshot rig_snapshot(struct rig *r, int64_t account, int64_t mailbox);

/* The octets of message `number`; in the arena. */
struct str rig_read(
    struct rig *r, struct arena *a, const struct mailbox_snapshot *s, int64_t number);

/* Expunges numbers first to last of the snapshot; how many went. */
int64_t rig_expunge(struct rig *r, const struct mailbox_snapshot *s, int64_t first, int64_t last);

/* Expunges all of an account's INBOX. */
void rig_expunge_all(struct rig *r, int64_t account);

/* Slices of maintenance until there is nothing to do; their number. */
int rig_maintain(struct rig *r, int64_t undelete_ms, int64_t history_ms);

/* A whole audit; faults_r[fault]: how often. */
struct ledger_day rig_audit(struct rig *r, int64_t faults_r[LEDGER_FAULTS]);

/* The audit balances and finds nothing. */
void rig_must_balance(struct rig *r);

/* The one integer of a SELECT, by hand. */
int64_t rig_number(struct rig *r, const char *select);

/* A done that does nothing. */
void rig_nothing(struct lane_op *op);

/*
 * A request that must fail without each of the tables (by names, up to a NULL), and leave nothing: the number
 * that `fingerprint` selects stays. Then it must be done, and change that number.
 */
void rig_run_without(struct rig *r, enum lane_result (*request)(void), const char *const *tables,
    const char *fingerprint);

/* Any statements, by hand. */
void rig_sql(struct rig *r, const char *sql);

/* What was added or removed by hand, or without a lane, counts as if it had come in earnest. */
void rig_count_rows(struct rig *r);

#endif
