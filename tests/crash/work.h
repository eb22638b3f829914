/* What the steps of a run on the real store share. Each says what it asks for and what was answered. */
#ifndef CRASH_WORK_H
#define CRASH_WORK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "queue_rig.h"

#define WORK_UNDELETE (2 * HOUR_MS)
#define WORK_PEOPLE   3 /* accounts 1 to 3: ann, bob, cat; cat has a quota */

#define WORK_ALIAS "on@a.test" /* leads elsewhere */

extern struct qrig work;
extern const char *const work_people[WORK_PEOPLE];

/* A line of what is promised. */
void work_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a request; false: the lane is closed, the store was started again, and nobody knows what remains. */
bool work_run(struct lane_op *op);

/* After a batch that was run otherwise: starts again when the lane is closed. */
void work_reopen(void);

/* work_mail.c */
void work_send_one(void);
void work_send_wish(void);
void work_send_later(void);
void work_send_on(void);
void work_send_two(void);
void work_send_away(void);
void work_send_batch(void);
void work_send_many(void);
void work_send_large(void);
void work_send_pages(void);
void work_send_fill(void);
void work_send_marked(void);
void work_full(void);

/* work_mailbox.c */
void work_expunge(void);
void work_expunge_most(void);
void work_keywords(void);
void work_leave(void);
void work_undelete(void);
void work_import(void);
void work_quota(void);
void work_warn(void);

/* work_queue.c */
void work_lease(void);
void work_settle(void);
void work_way(void);
void work_reports(void);
void work_release(void);
void work_change_queue(void);
void work_cancel(void);
qrig_world work_world;

/* work_files.c: whole directories */
void work_enter(void); /* data/, which is made when it is not there */
void work_backup_all(void);
void work_backup_larger(void);
void work_restore_all(void);
void work_spoil_message(void);
void work_spoil_database(void);
void work_lose_database(void);
void work_repair(void);
void work_salvage(void);

/* work_store.c */
void work_time(void);
void work_forget(void);
void work_checkpoint(void);
void work_compact(void);
void work_compact_first(void);
void work_backup(void);
void work_restart(void);

#endif
