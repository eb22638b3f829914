/*
 * When a recipient that waits is tried next, when his sender is warned, when the message is
 * returned: a pure function of what the rows say.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include "queue/queue_destination.h"
#include "queue/queue_wish.h"

/* Later than any time: it does not happen. */
#define QUEUE_NEVER INT64_MAX

/*
 * A recipient's row. attempts counts the temporary refusals of himself; those of the host are
 * counted by the destination. not_before 0: at once (a new row, or one that an administrator wants
 * retried).
 */
struct queue_entry {
	int64_t accepted;
	int64_t not_before;
	int64_t last_attempt; /* of those in attempts; 0: none */
	uint32_t attempts;
	uint32_t warnings; /* elements of the policy's warn that are done with */
	bool bounce;       /* the reverse-path is null */
	bool warn; /* the sender wants to hear of delays: NOTIFY has DELAY or is not given */
	int64_t hold_until; /* his life, accepted, begins then, as the sender wishes; 0: it began */
	enum queue_by by;   /* what happens at by_time */
	int64_t by_time;
	uint64_t seed; /* of his jitter: a hash of message and recipient */
};

struct queue_schedule {
	int64_t next_attempt; /* below now: overdue. QUEUE_NEVER: none before it expires */
	int64_t expires;      /* the message is returned */
	int64_t next_warning; /* or QUEUE_NEVER */
};

/*
 * d: where he goes to, settled as the entry is. started: since when the scheduler has been running and the
 * clock has not gone ahead: what could not be done before is made up for. A warning that has become due meanwhile waits
 * for the first step of the policy behind it, and a life that ended meanwhile goes on for two attempts.
 *
 * next_attempt is not before the entry's not_before nor, while the destination fails, its next probe, nor
 * before the end of its wait for a host, and always before expires.
 *
 * With QUEUE_BY_RETURN both are bound by by_time too, strictly: nothing is sent behind it. With
 * QUEUE_BY_NOTIFY by_time is a time of warning beside those of the policy.
 */
struct queue_schedule queue_schedule_of(const struct queue_policy *p, const struct queue_entry *e,
    const struct queue_destination *d, int64_t started);

/* Until when he is tried, and returned then: accepted + lifetime, or what is said above; or the earlier end that his sender
 * set. */
int64_t queue_schedule_end(
    const struct queue_policy *p, const struct queue_entry *e, int64_t started);

/* What is due now, in this order; one at a time. */
enum queue_due {
	QUEUE_DUE_NOTHING,
	QUEUE_DUE_RETURN,
	QUEUE_DUE_WARNING,
	QUEUE_DUE_ATTEMPT, /* as far as queue_destination_hold() lets him */
	QUEUE_DUE_PLACE,   /* the same of one who has a mailbox here: store/queue_due.h */
};

enum queue_due queue_schedule_due(const struct queue_schedule *s, int64_t now);

/*
 * Whether a start gives time to whoever was accepted then under that policy, for his life was over before it or ends near
 * it. If so nothing of him is due before *until_r, nor of those who were accepted between him and *last_r, but for a time
 * that his sender set.
 */
bool queue_schedule_is_spared(const struct queue_policy *p, bool bounce, int64_t accepted,
    int64_t started, int64_t *until_r, int64_t *last_r);

/* The first moment at which anything is due. */
int64_t queue_schedule_wake(const struct queue_schedule *s);

/* He was refused for now (QUEUE_RETRY): one attempt more, and a new not_before. */
void queue_schedule_refused(struct queue_entry *e, const struct queue_policy *p, int64_t now);

/*
 * An attempt broke off for a reason of our own: one more, and soon another. Not to be used again for the next
 * attempt: what breaks off each time is better tried seldom.
 */
void queue_schedule_interrupted(struct queue_entry *e, const struct queue_policy *p, int64_t now);

/* Our side could not even begin: soon again, as often as that happens, and no attempt more. */
void queue_schedule_postponed(struct queue_entry *e, int64_t now);

/* Does he wait for the time that his sender set? */
bool queue_schedule_is_held(const struct queue_entry *e, int64_t now);

/* The sender was warned: all warnings due by now are done with, QUEUE_BY_NOTIFY among them. */
void queue_schedule_warned(struct queue_entry *e, const struct queue_policy *p, int64_t now);

/*
 * After the clock was set back: times in the future move so that what was left of a wait is left,
 * and so that the lifetime ends. True: something changed and the row is to be written.
 */
bool queue_schedule_settle(struct queue_entry *e, int64_t now);

/* The clock, which was behind, has gone ahead by so much since he was accepted: his lifetime ends so much later. */
void queue_schedule_move_on(struct queue_entry *e, int64_t by, int64_t now);

#endif
