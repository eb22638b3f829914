/*
 * The queue in the store: what its files share with each other and with whoever runs them. Rows of
 * recipients, of destinations, of messages that wait. docs/invariants/queue-entry.md, destination.md.
 *
 * A recipient waits for his destination, is under a lease while a relay tries him, or waits for his
 * report: then nothing is tried any more, and he goes with it.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "base/arena.h"
#include "base/clock.h"
#include "queue/queue_phrase.h"
#include "queue/queue_routing.h"
#include "queue/queue_schedule.h"
#include "store/blob.h"
#include "store/db.h"
#include "store/directory.h"

#define QUEUE_SHARD INT64_C(0)

/* Attempts that all relays together have under way. */
#define QUEUE_JOBS_MAX ((size_t)500)

/*
 * A destination for which nobody has been waiting for longer than QUEUE_YOUNG_MS goes before those that
 * have been due for less than QUEUE_FRESH_MS: what has just come is not behind the backlog of others, nor
 * the backlog ever behind it for longer than that.
 */
#define QUEUE_YOUNG_MS (10 * SECOND_MS)
#define QUEUE_FRESH_MS (60 * MINUTE_MS)

/* What the sender is to be told of a recipient whose attempts are over. Stored. */
enum queue_report_kind {
	QUEUE_REPORT_NONE,    /* he waits */
	QUEUE_REPORT_FAILED,  /* refused for good */
	QUEUE_REPORT_EXPIRED, /* his lifetime is over */
	QUEUE_REPORT_RELAYED, /* went to a server that does not report [RFC 3461 5.2.2] */
	QUEUE_REPORT_HERE, /* he waits, to be put into a mailbox here at his time: store/queue_here.c */
	QUEUE_REPORT_LATE,      /* not delivered by the time that the sender set */
	QUEUE_REPORT_DELIVERED, /* into a mailbox; the row only tells of it, as the next's */
	QUEUE_REPORT_EXPANDED,  /* an alias, sent on to several addresses [RFC 3461 5.2.7.3] */
	QUEUE_REPORT_KINDS
};

/* NOTIFY, a set of bits as in smtp/smtp_param.h; 0: not given. Stored. */
enum queue_notify {
	QUEUE_NOTIFY_NEVER = 1,
	QUEUE_NOTIFY_SUCCESS = 2,
	QUEUE_NOTIFY_FAILURE = 4,
	QUEUE_NOTIFY_DELAY = 8,
};

/* What the owner of the store tells the queue. Texts are borrowed for the life of what uses it. */
struct queue_config {
	struct queue_policy policy; /* of destinations about which routing says nothing */
	struct queue_routing routing;
	int64_t started;     /* since when all that is due can have been done: queue_run_since() */
	struct str hostname; /* of reports */
	int64_t return_size; /* octets; a message up to this is returned whole */
	enum queue_lang lang;
	struct queue_zone zone; /* of times in reports */
	const struct directory_config *directory;
};

/* The last attempt of a recipient, or of a destination. */
struct queue_last {
	enum queue_problem problem;
	struct queue_status status; /* class 0: there was none */
	struct str reply;           /* as queue_result_put_reply() has it */
	struct str remote;          /* name of the server; empty: none was reached */
};

/* A recipient. */
struct queue_row {
	int64_t message;
	int64_t recipient;
	struct str destination; /* empty: his attempts are over */
	struct str address;     /* as in an SMTP path */
	int64_t token;          /* of the lease he is under; 0: none */
	int64_t held;           /* since when an administrator holds him back; 0: he does not */
	enum queue_report_kind report;
	unsigned notify;
	struct str orcpt;
	struct queue_entry entry;
	struct queue_last last;
	int64_t priority; /* as MT-PRIORITY */
	bool by_trace;    /* whoever passes it on reports */
	/* the alias that it is sent on for, or, of one that is to be put into a mailbox here, the postmaster's
	 * address that leads there; empty: none */
	struct str forwarder;
};

struct queue_rows {
	struct queue_row *v;
	size_t n;
};

/* A destination. */
struct queue_place {
	struct str name;
	int64_t due;  /* when an attempt may be due */
	int64_t turn; /* token of its last lease */
	int64_t hold; /* not stored: queue_place_set() makes it due no earlier */
	struct queue_destination state;
	struct queue_last last; /* its reply is state.last_reply */
	struct str host;        /* at which its next attempt counts; empty: none is known */
};

/* A message, as far as sending it on needs it. */
struct queue_message {
	int64_t id;
	int64_t accepted;
	struct str reverse_path;
	int64_t size;
	struct str envid;
	uint8_t ret;
	bool utf8, eightbit;
	bool has_priority; /* it was said, be it 0 */
	int8_t priority;
	bool hold_for;        /* the time to be sent at was said as a span */
	struct str header_id; /* its Message-ID without <> */
	struct str protocol;  /* by which it came */
	int64_t account;      /* who sent it, logged in; 0: nobody did */
	int64_t blob;
	struct blob_pos pos;
};

/* The protocol of reports that are made here. */
#define QUEUE_PROTOCOL_REPORT STR_INIT("report")

/*
 * Appends the header field that stands before what is sent on, so that a server that gets it again knows the
 * loop; nothing without a forwarder.
 */
void queue_forward_put_prefix(struct buf *b, struct str forwarder);

/* If it fails the postmaster is told: a report of ours that cannot be delivered. */
bool queue_message_is_report(const struct queue_message *m);

/* The policy of mail to that destination. */
const struct queue_policy *queue_config_policy(const struct queue_config *cfg, struct str name);

/* A status as a row keeps it, and back. */
int64_t queue_status_number(struct queue_status s);
struct queue_status queue_status_of(int64_t number);

/*
 * The rows that a statement of QUEUE_COLUMNS gives, texts in the arena, clocks settled at now: what was
 * written while the clock was ahead reads as it should be.
 */
enum db_code queue_rows_get(struct db *db, struct arena *a, int64_t now, enum sql_id id,
    const struct db_value *args, size_t n, struct queue_rows *rows_r);

/* Of whose mail his is: his destination's domain or, where his attempts are over, his address's; in the arena. */
struct str queue_row_domain(struct arena *a, const struct queue_row *row);

/* His attempts are over: he waits for his report. To be written with queue_row_set(). */
void queue_row_finish(struct queue_row *row, enum queue_report_kind report);

/*
 * Holds him back, as far as nothing else is under way: he is neither tried nor returned, nor is his
 * sender warned, and the time does not count. Let go, he may be tried at once.
 */
void queue_row_hold(struct queue_row *row, int64_t now);
void queue_row_let_go(struct queue_row *row, int64_t now);

/* Before the time that his sender set. */
void queue_row_send_now(struct queue_row *row, int64_t now);

/* Writes what may change of a row. Only in the writer lane, as what follows. */
enum db_code queue_row_set(struct db *db, const struct queue_row *row);

/*
 * A row that only tells: its recipient was settled when it was made. It has a number of its own, that
 * no row of the ledger has.
 */
static inline bool queue_row_only_tells(const struct queue_row *row)
{
	return row->report >= QUEUE_REPORT_DELIVERED;
}

/* Does he wait for the time that his sender set, whose attempts are not over? */
static inline bool queue_row_is_scheduled(const struct queue_row *row, int64_t now)
{
	return (row->report == QUEUE_REPORT_NONE || row->report == QUEUE_REPORT_HERE) &&
	       queue_schedule_is_held(&row->entry, now);
}

/*
 * The earliest not_before of those that wait for a destination, unleased; DB_OK: nobody does. Of those
 * whose attempts are over or who wait for a mailbox here it is '', and their priority always 0.
 */
enum db_code queue_first(struct db *db, struct str destination, int64_t *first_r);

/* The row goes, its reference to the blob with it. */
enum db_code queue_row_delete(struct db *db, const struct queue_row *row, int64_t blob);

/* DB_ROW and *place_r, settled at now, texts in the arena; DB_OK: there is none of that name. */
enum db_code queue_place_get(
    struct db *db, struct arena *a, int64_t now, struct str name, struct queue_place *place_r);

/* Leases that are out for a destination. */
enum db_code queue_place_active(struct db *db, struct str name, int64_t *active_r);

/* The last attempt, as columns from col on have it; text in the arena. */
struct queue_last queue_last_get(struct db_query *q, struct arena *a, int col);

/* The seed of a place or a host. */
uint64_t queue_name_seed(struct str name);

/* Writes it, with due as it follows from its state, its leases and who waits. */
enum db_code queue_place_set(struct db *db, struct queue_place *place, int64_t now);

/* DB_ROW and *m_r, texts in the arena; DB_OK: there is none, or it has no content any more. */
enum db_code queue_message_get(
    struct db *db, struct arena *a, int64_t id, struct queue_message *m_r);

/* Until when he is or was tried (queue_schedule_end()); of who is held, or is over, nothing that was missed counts. */
int64_t queue_row_end(const struct queue_config *cfg, struct arena *a, const struct queue_row *row);

/* The next attempt, warning or return of a recipient; place: where he goes to, NULL: unknown. */
struct queue_schedule queue_row_schedule(
    const struct queue_config *cfg, const struct queue_row *row, const struct queue_place *place);

#endif
