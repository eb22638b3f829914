/*
 * A job is a request with a next function: each call does a bounded piece and names what comes next
 * by setting job->next. A command that needs the password thread or the lane waits; their callbacks
 * set job->ready and wake the job. Output is a stream of records.
 */
#include "proc/store_admin.h"

#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/trace.h"

/* ---- replies ---- */
enum admin_step admin_job_finish(struct admin_job *j, uint8_t code, const char *fmt, ...)
{
	va_list ap;
	char text[LIMIT_ERR_TEXT];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_clear(&j->text);
	buf_c(&j->text, text);
	j->exit_code = code;
	return ADMIN_STEP_DONE;
}

enum admin_step admin_job_db_failed(struct admin_job *j)
{
	return admin_job_finish(j, EX_IOERR, "the database cannot be read: %s%s",
	    db_error(j->ctx->db), db_cure(j->ctx->db));
}

struct admin_size admin_size(int64_t octets)
{
	bool small = octets < (int64_t)MIB;
	struct admin_size size;

	snprintf(size.text, sizeof size.text, "%lld %s",
	    (long long)(octets / (int64_t)(small ? KIB : MIB)), small ? "KB" : "MB");
	return size;
}

int64_t admin_arg_number(const struct admin_job *j, size_t i)
{
	uint64_t n = 0;

	(void)str_to_u64(admin_arg(j, i), INT64_MAX, &n);
	return (int64_t)n;
}

bool admin_job_choose(struct admin_job *j, size_t i, int64_t *id_r, struct str *header_id_r)
{
	if (trace_choose(admin_arg(j, i), id_r, header_id_r))
		return true;
	admin_job_finish(j, EX_USAGE, "which message? write its id here, or its Message-ID");
	return false;
}

/* ---- waiting ---- */
enum admin_step admin_job_wait(struct admin_job *j)
{
	if (j->ready)
		return ADMIN_STEP_MORE; /* answered already: offline, or from a cache */
	j->waiting = true;
	return ADMIN_STEP_WAIT;
}

void admin_job_ready(struct admin_job *j)
{
	bool was_waiting = j->waiting;

	j->ready = true;
	j->waiting = j->wants_in = false;
	if (was_waiting)
		j->woken(j->user);
}

void admin_job_back(struct admin_job *j)
{
	MUST(j->out_there > 0);
	j->out_there--;
	admin_job_ready(j);
}

static void read_back(struct reader_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct admin_read, op)->job);
}

enum admin_step admin_job_read(struct admin_job *j, struct admin_read *r,
    enum db_code (*run)(struct reader_op *op, struct db *db),
    enum admin_step (*next)(struct admin_job *j))
{
	list_init(&r->op.link);
	r->op.run = run;
	r->op.done = read_back;
	r->job = j;
	j->ready = false;
	j->out_there++;
	j->next = next;
	store_read(j->ctx->store, &r->op);
	return admin_job_wait(j);
}

/* ---- the record ---- */
static void noted(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct admin_job, note.op));
}

enum admin_step admin_job_note(
    struct admin_job *j, enum admin_step (*next)(struct admin_job *j), const char *fmt, ...)
{
	int64_t before = j->note.op.result == LANE_DONE ? j->note.id : 0;
	struct err text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text.text, sizeof text.text, fmt, ap);
	va_end(ap);
	admin_log_init(&j->note, j->who, arena_str(j->arena, str_of_c(text.text)));
	j->note.replaces = before;
	j->note.op.done = noted;
	j->ready = false;
	j->next = next;
	j->out_there++;
	store_write(j->ctx->store, &j->note.op);
	return admin_job_wait(j);
}

/* ---- streams ---- */
enum admin_step admin_job_wait_in(struct admin_job *j)
{
	MUST(!j->in_ended);
	j->waiting = j->wants_in = true;
	return ADMIN_STEP_WAIT;
}

void admin_job_take(struct admin_job *j, size_t n)
{
	MUST(n <= admin_job_in(j).n);
	j->in_from += n;
	j->in_taken += n;
}

void admin_job_feed(struct admin_job *j, struct str bytes, bool last)
{
	buf_drop(&j->in, j->in_from); /* not with each frame of it: many are small */
	j->in_from = 0;
	buf_str(&j->in, bytes);
	MUST(!j->in.overflow);
	j->in_ended = j->in_ended || last;
	if (!j->wants_in || (bytes.n == 0 && !last))
		return;
	j->waiting = j->wants_in = false;
	j->woken(j->user);
}

size_t admin_job_taken(struct admin_job *j)
{
	size_t n = j->in_taken;

	if (n < LIMIT_IPC_CHUNK && !j->wants_in)
		return 0; /* later, with more of it: each credit is a frame of its own */
	j->in_taken = 0;
	return n;
}

bool admin_job_abandon(struct admin_job *j)
{
	j->abandoned = true;
	if (j->wants_in)
		j->waiting = j->wants_in = false;
	j->waiting = j->waiting || j->out_there > 0;
	return !j->waiting;
}

bool admin_job_is_stream(const struct admin_job *j)
{
	return j->stream != NULL;
}

/* ---- the table ---- */
static const struct {
	size_t min_args, max_args;
	enum admin_step (*start)(struct admin_job *j);
} commands[ADMIN_COMMANDS] = {
    [ADMIN_STATUS] = {0, 0, admin_status},
    [ADMIN_DOMAIN_ADD] = {2, 2, admin_change_domain},
    [ADMIN_DOMAIN_KIND] = {2, 2, admin_change_domain},
    [ADMIN_DOMAIN_LIST] = {0, 0, admin_list_domains},
    [ADMIN_DOMAIN_REMOVE] = {1, 1, admin_change_domain},
    [ADMIN_ACCOUNT_ADD] = {2, 3, admin_change_password},
    [ADMIN_ACCOUNT_LIST] = {0, 1, admin_list_accounts},
    [ADMIN_ACCOUNT_PASSWD] = {2, 2, admin_change_password},
    [ADMIN_ACCOUNT_DISABLE] = {1, 1, admin_change_account},
    [ADMIN_ACCOUNT_ENABLE] = {1, 1, admin_change_account},
    [ADMIN_ACCOUNT_REMOVE] = {1, 1, admin_change_account},
    [ADMIN_ALIAS_ADD] = {2, 2, admin_change_alias},
    [ADMIN_ALIAS_LIST] = {0, 1, admin_list_aliases},
    [ADMIN_ALIAS_REMOVE] = {1, 2, admin_change_alias},
    [ADMIN_TRACE] = {0, 3, admin_trace},
    [ADMIN_AUDIT] = {0, 0, admin_audit},
    [ADMIN_TEST_DELIVERY] = {5, 7, admin_test_delivery},
    [ADMIN_QUEUE_LIST] = {0, 4, admin_queue_list},
    [ADMIN_QUEUE_EXPLAIN] = {0, 4, admin_queue_explain},
    [ADMIN_QUEUE_RETRY] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_HOLD] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_RELEASE] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_REMOVE] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_CANCEL] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_BOUNCE] = {0, 4, admin_queue_change},
    [ADMIN_QUEUE_SUMMARY] = {0, 0, admin_queue_summary},
    [ADMIN_BACKUP] = {2, 2, admin_backup},
    [ADMIN_UNDELETE] = {3, 3, admin_undelete},
    [ADMIN_EXPORT] = {3, 3, admin_export},
    [ADMIN_IMPORT] = {8, 8, admin_import},
    [ADMIN_ACCOUNT_QUOTA] = {3, 3, admin_change_quota},
    [ADMIN_LEDGER] = {1, 1, admin_ledger},
    [ADMIN_DOMAIN_QUOTA] = {3, 3, admin_change_quota},
    [ADMIN_ACCOUNT_LANGUAGE] = {2, 2, admin_change_language},
    [ADMIN_QUEUE_SHOW] = {0, 4, admin_queue_show},
    [ADMIN_VERIFY] = {1, 1, admin_verify},
    [ADMIN_ACCOUNT_SEND_ONLY] = {2, 2, admin_change_send_only},
    [ADMIN_ACCOUNT_CHECK] = {2, 2, admin_check_account},
    [ADMIN_FLAGS] = {5, 5, admin_flags},
    [ADMIN_REPAIR] = {0, 0, admin_repair},
    [ADMIN_SALVAGE] = {1, 1, admin_salvage},
    [ADMIN_ASIDE] = {0, 0, admin_aside},
    [ADMIN_DISCARD] = {1, 1, admin_discard},
};

struct admin_job *admin_job_new(const struct admin_context *ctx, struct str request, struct str who,
    void (*woken)(void *user), void *user)
{
	struct admin_request r;
	struct admin_job *j;

	if (!admin_request_get(request, &r) || r.nargs < commands[r.command].min_args ||
	    r.nargs > commands[r.command].max_args)
		return NULL;
	j = mem_new(struct admin_job);
	j->ctx = ctx;
	j->arena = arena_new();
	j->request.command = r.command;
	j->request.nargs = r.nargs;
	for (size_t i = 0; i < r.nargs; i++)
		j->request.args[i] = arena_str(j->arena, r.args[i]);
	j->who = arena_str(j->arena, who);
	j->woken = woken;
	j->user = user;
	j->next = commands[r.command].start;
	buf_init(&j->in, LIMIT_IPC_CREDIT);
	buf_init(&j->out, LIMIT_IPC_PAYLOAD);
	buf_init(&j->text, LIMIT_ERR_TEXT);
	return j;
}

void admin_job_free(struct admin_job **jp)
{
	struct admin_job *j = *jp;

	if (!j)
		return;
	MUST(!j->waiting && j->out_there == 0);
	if (j->stream)
		j->stream_fini(j);
	password_job_wipe(&j->password);
	arena_reset(j->arena, true); /* arguments may be passwords */
	arena_free(&j->arena);
	buf_fini(&j->in);
	buf_fini(&j->out);
	buf_fini(&j->text);
	mem_free(j);
	*jp = NULL;
}

enum admin_step admin_job_step(struct admin_job *j)
{
	enum admin_step step = j->next(j);

	for (unsigned i = 0; i < j->burst && step == ADMIN_STEP_MORE; i++)
		step = j->next(j);
	return step;
}

struct buf *admin_job_out(struct admin_job *j)
{
	return &j->out;
}

struct admin_reply admin_job_reply(const struct admin_job *j)
{
	return (struct admin_reply){j->exit_code, buf_view(&j->text)};
}
