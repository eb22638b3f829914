/*
 * The properties. They are looked at behind every commit and every event, and at the end of a seed; the
 * first that does not hold fails it.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "store/queue.h"
#include "world.h"

/* Opens a connection of its own to the database in the working directory, which only looks. */
void sim_check_begin(void);

/* The store was opened: what its lane writes is seen. */
void sim_check_store(void);

/* threads.c: a batch was committed. */
void sim_committed(void);

/* Somebody asks now why he waits, if he does. */
void sim_check_ask(struct sim_rcpt *r);

/* Something happened after which what was explained need not come true. */
void sim_forget_claims(void);

/* Every few minutes: what should have happened by now. */
void sim_check_overdue(void);

/* Whether somebody waits who may go. At any time. */
void sim_check_idle(void);

/* The end: what became of everybody, and what their senders were told. */
void sim_check_end(void);

int64_t sim_commits(void);

/* All is well with the books. */
void sim_audit(void);

/* ---- taken.c ---- */

/* host.c: his server has taken a message for him; and nobody can know whether it did. */
void sim_taken(struct sim_rcpt *r);
void sim_excuse(struct sim_rcpt *r, enum sim_excuse why);

/* Our own store has put it into his mailbox. */
void sim_placed(struct sim_rcpt *r);

/* The relay is about to be killed: of what it has under way nobody will know. */
void sim_relay_dies(void);

/* ---- explain.c ---- */

/* What is known of his destination and of him. */
struct sim_facts {
	size_t active, sessions;
	int64_t out;  /* attempts under way, to whomever */
	int64_t most; /* at any time so far */
	int64_t failures, attempts;
};

/* What the queue says of a row now, as a claim; fails when a sentence is not true. */
struct sim_claim sim_explain(
    const struct sim_rcpt *r, const struct queue_row *row, const struct sim_facts *f);

/* The claim from before and that of now, when nothing has happened in between. */
void sim_compare_claims(
    const struct sim_rcpt *r, const struct sim_claim *was, const struct sim_claim *is);

/* He is being tried now. woken: his destination was, with the same commit. */
void sim_claim_tried(const struct sim_rcpt *r, bool woken);

/* His claim goes: whether the attempt that it named was made is looked at all the same (sim_check_overdue). */
void sim_claim_replaced(struct sim_rcpt *r);

/* His destination may be tried earlier than it was to be; he himself not before that time, by the wall. */
void sim_claim_woken(const struct sim_rcpt *r, int64_t not_before);

/* His sender was warned, as explained before, or he was returned because his time is over. */
void sim_claim_warned(const struct sim_rcpt *r);
void sim_claim_returned(const struct sim_rcpt *r);

/* It was put into his mailbox here, or was to be; or his report was tried, or he is gone without one. */
void sim_claim_settled(const struct sim_rcpt *r);

/* All our processes have been there since then, and for a moment before. */
bool sim_was_up_since(int64_t mono);

/* ---- mail.c ---- */

/* Reads what our senders were told. */
void sim_read_mail(void);

#endif
