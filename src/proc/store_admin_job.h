/* Inside of the admin commands: the job, and what its files share. */
#ifndef PROC_STORE_ADMIN_JOB_H
#define PROC_STORE_ADMIN_JOB_H

#include <stdarg.h>

#include "proc/store_admin.h"
#include "store/admin_log.h"
#include "store/ledger.h"
#include "store/queue_change.h"

/* Says what helps when nothing is found but accounts without a password: a long long, how many. */
#define ADMIN_NO_PASSWORD                                                                          \
	"%lld findings, named above: accounts without a password, which no repair gives back; "    \
	"`godwit account passwd` sets one"

#define ADMIN_PAGE        ((size_t)100)
#define ADMIN_TRACE_MAX   ((size_t)1000)
#define ADMIN_CHANGED_MAX ((size_t)1000) /* recipients that a change of the queue names */

struct admin_job {
	const struct admin_context *ctx;
	struct arena *arena;
	struct admin_request request; /* its strings are in the arena */
	struct str who;
	enum admin_step (*next)(struct admin_job *j);
	void (*woken)(void *user);
	void *user;
	bool waiting;
	bool ready;     /* what the job waits for has come */
	bool abandoned; /* nobody wants its answer: it submits nothing any more */
	struct buf out;
	struct buf text;
	uint8_t exit_code;

	/* commands that change something */
	struct directory_change change;
	struct password_job password;

	/* lists: the key of the last row */
	struct str after[4];

	/* trace */
	int64_t ids[ADMIN_TRACE_MAX];
	size_t nids, at;
	int64_t before, left; /* ledger: of the row before; rows that are still wanted */
	bool dialogues;       /* are shown */
	int64_t dialogue;     /* the one shown last: events of one attempt share it */

	/* queue */
	struct queue_filter filter;
	struct queue_at queue_at;
	int64_t shown; /* the message shown last */
	struct queue_change queue_change;
	int64_t changed, busy, kept; /* by all slices of the change */
	struct queue_changed *list;  /* the first of those that were changed; in the arena */
	size_t nlist, told;
	int64_t found;

	/* streams: what came up and was not taken yet, and the command's own */
	struct buf in;
	size_t in_from;     /* what is in front of it was taken */
	size_t in_taken;    /* since the last credit */
	bool in_ended;      /* nothing more comes */
	bool wants_in;      /* it waits for more of it */
	unsigned burst;     /* small pieces that it may do in one step, beyond the first */
	unsigned out_there; /* requests to the lane or the readers that have not ended */
	struct admin_log note;
	void *stream;
	void (*stream_fini)(struct admin_job *j);
};

/* Argument i, empty when it was not given. */
static inline struct str admin_arg(const struct admin_job *j, size_t i)
{
	return i < j->request.nargs ? j->request.args[i] : (struct str){NULL, 0};
}

/* Sets the reply. */
enum admin_step admin_job_finish(struct admin_job *j, uint8_t code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum admin_step admin_job_db_failed(struct admin_job *j);

/* Between submitting something and going on when admin_job_ready() was called for it. */
enum admin_step admin_job_wait(struct admin_job *j);
void admin_job_ready(struct admin_job *j);

/* The same for more of what comes up, or its end. */
enum admin_step admin_job_wait_in(struct admin_job *j);

/* What came up; the first n octets of it were dealt with. */
static inline struct str admin_job_in(const struct admin_job *j)
{
	return str_from(buf_view(&j->in), j->in_from);
}
void admin_job_take(struct admin_job *j, size_t n);

/* A request of the job has ended: from its done. */
void admin_job_back(struct admin_job *j);

/* A request of a job to the readers: embedded in the command's own. */
struct admin_read {
	struct reader_op op;
	struct admin_job *job;
};

/* Runs it in a reader's thread, then goes on with `next`. */
enum admin_step admin_job_read(struct admin_job *j, struct admin_read *r,
    enum db_code (*run)(struct reader_op *op, struct db *db),
    enum admin_step (*next)(struct admin_job *j));

/*
 * Writes what is done into the record of administrators, in the place of what the job wrote before, then goes on with
 * `next`.
 */
enum admin_step admin_job_note(struct admin_job *j, enum admin_step (*next)(struct admin_job *j),
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* An address, or with catch_all also "@domain", in the job's arena. False with the reply set. */
bool admin_job_address(struct admin_job *j, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r);

/* A quota as of ADMIN_ACCOUNT_QUOTA. False with the reply set. */
bool admin_job_limit(struct admin_job *j, struct str text, int64_t *limit_r);

/* The account of an address, 0 with the reply set. */
int64_t admin_job_account(struct admin_job *j, struct str text);

/* Argument i as trace_choose() takes it. False with the reply set. */
bool admin_job_choose(struct admin_job *j, size_t i, int64_t *id_r, struct str *header_id_r);

/* Argument i as a decimal number, 0 when it is none. */
int64_t admin_arg_number(const struct admin_job *j, size_t i);

/* For a sentence: "217 KB", from 1 MB on "3 MB". */
struct admin_size {
	char text[32];
};

struct admin_size admin_size(int64_t octets);

/* "local", "relay" ... by enum directory_kind. */
extern const char *const admin_kind_words[DIRECTORY_KINDS];

/* The commands. */
enum admin_step admin_status(struct admin_job *j);
enum admin_step admin_change_domain(struct admin_job *j);
enum admin_step admin_change_account(struct admin_job *j);
enum admin_step admin_change_password(struct admin_job *j);
enum admin_step admin_change_quota(struct admin_job *j);
enum admin_step admin_change_language(struct admin_job *j);
enum admin_step admin_change_send_only(struct admin_job *j);
enum admin_step admin_check_account(struct admin_job *j);
enum admin_step admin_ledger(struct admin_job *j);
enum admin_step admin_change_alias(struct admin_job *j);
enum admin_step admin_list_domains(struct admin_job *j);
enum admin_step admin_list_accounts(struct admin_job *j);
enum admin_step admin_list_aliases(struct admin_job *j);
enum admin_step admin_trace(struct admin_job *j);
enum admin_step admin_audit(struct admin_job *j);
enum admin_step admin_test_delivery(struct admin_job *j);
enum admin_step admin_queue_list(struct admin_job *j);
enum admin_step admin_queue_show(struct admin_job *j);
enum admin_step admin_queue_explain(struct admin_job *j);
enum admin_step admin_queue_summary(struct admin_job *j);
enum admin_step admin_queue_change(struct admin_job *j);
enum admin_step admin_undelete(struct admin_job *j);
enum admin_step admin_flags(struct admin_job *j);
enum admin_step admin_export(struct admin_job *j);
enum admin_step admin_import(struct admin_job *j);
enum admin_step admin_backup(struct admin_job *j);
enum admin_step admin_verify(struct admin_job *j);
enum admin_step admin_repair(struct admin_job *j);
enum admin_step admin_salvage(struct admin_job *j);
enum admin_step admin_aside(struct admin_job *j);
enum admin_step admin_discard(struct admin_job *j);

/* A field with an id. */
void admin_put_id(struct admin_job *j, const char *name, int64_t id);
void admin_put_id_to(struct buf *out, const char *name, int64_t id);

#endif
