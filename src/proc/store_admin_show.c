/* The admin commands that tell: status, trace. */
#include <sysexits.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "proc/admin_address.h"
#include "proc/store_admin_job.h"
#include "store/aside.h"
#include "store/dialogue.h"
#include "store/trace_attempt.h"
#include "store/status.h"
#include "store/trace.h"

static void put_int(struct admin_job *j, const char *name, int64_t v)
{
	admin_record_number(&j->out, ADMIN_INT, name, v);
}

void admin_put_id_to(struct buf *out, const char *name, int64_t id)
{
	uint8_t text[ID_TEXT_LEN + 1];
	struct buf b = {.p = text, .cap = sizeof text, .max = ID_TEXT_LEN};

	id_put(&b, id);
	admin_record_text(out, name, buf_view(&b));
}

void admin_put_id(struct admin_job *j, const char *name, int64_t id)
{
	admin_put_id_to(&j->out, name, id);
}

/* ---- status ---- */

/* In a reader's thread: counting takes its time when there is much. */
struct asking {
	struct admin_read read;
	struct status status;
	int64_t aside, aside_octets; /* packs set aside */
};

static void put_packs(struct admin_job *j, const struct asking *a)
{
	struct blob_counts packs;

	blob_counts(j->ctx->store->blobs, &packs);
	put_int(j, "packs", packs.packs);
	admin_record_number(&j->out, ADMIN_BYTES, "pack_size", packs.bytes);
	if (a->aside) {
		put_int(j, "packs_aside", a->aside);
		admin_record_number(&j->out, ADMIN_BYTES, "packs_aside_size", a->aside_octets);
	}
	if (!j->ctx->online || j->ctx->dead < 0)
		return;
	admin_record_number(&j->out, ADMIN_BYTES, "pack_live",
	    packs.bytes > j->ctx->dead ? packs.bytes - j->ctx->dead : 0);
	admin_record_number(&j->out, ADMIN_BYTES, "pack_dead", j->ctx->dead);
}

static void put_lane(struct admin_job *j)
{
	struct lane_stats lane;

	store_lane_stats(j->ctx->store, &lane);
	put_int(j, "commits", lane.commits);
	put_int(j, "largest_batch", lane.batch_max);
	admin_record_number(&j->out, ADMIN_BYTES, "wal_size", lane.wal_bytes);
	put_int(j, "longest_checkpoint_ms", lane.checkpoint_max_ms);
	admin_record_number(&j->out, ADMIN_BOOL, "accepting", store_is_accepting(j->ctx->store));
	if (lane.closed)
		admin_record_text(&j->out, "trouble", str_of_c(lane.reason.text));
}

static void put_server(struct admin_job *j, const struct asking *a)
{
	const struct status *s = &a->status;
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "hostname", j->ctx->hostname);
	admin_record_text(&j->out, "version", STR(GODWIT_VERSION));
	admin_record_number(&j->out, ADMIN_BOOL, "running", j->ctx->online);
	if (j->ctx->online) {
		put_int(j, "pid", j->ctx->store->cfg.holder);
		admin_record_number(&j->out, ADMIN_TIME, "started", j->ctx->started);
	}
	put_int(j, "domains", s->domains);
	put_int(j, "accounts", s->accounts);
	put_int(j, "aliases", s->aliases);
	put_int(j, "mailbox_messages", s->mailbox_messages);
	admin_record_number(&j->out, ADMIN_BYTES, "mailbox_size", s->mailbox_octets);
	put_int(j, "queued_recipients", s->queue_recipients);
	if (s->queue_oldest)
		admin_record_number(&j->out, ADMIN_TIME, "queue_oldest", s->queue_oldest);
	if (j->ctx->online) {
		put_int(j, "connections", admit_counts(j->ctx->store->admit).open);
		put_int(j, "sessions", (int64_t)j->ctx->store->sessions.by_handle.count);
	}
	admin_record_number(
	    &j->out, ADMIN_BYTES, "disk_free", datadir_free_bytes(&j->ctx->store->dir));
	put_packs(j, a);
	put_lane(j);
	admin_record_end(&j->out, at);
}

static enum db_code status_run(struct reader_op *op, struct db *db)
{
	struct asking *a = LIST_ENTRY(op, struct asking, read.op);

	if (!aside_count(&a->read.job->ctx->store->dir.fs, &a->aside, &a->aside_octets, &op->err))
		return DB_IO;
	return status_read(db, &a->status);
}

static void asking_fini(struct admin_job *j)
{
	mem_free(j->stream);
}

static enum admin_step status_next(struct admin_job *j)
{
	const struct asking *a = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	if (a->read.op.result != DB_OK)
		return admin_job_finish(
		    j, EX_IOERR, "the database cannot be read: %s", a->read.op.err.text);
	put_server(j, a);
	for (size_t i = 0; i < j->ctx->process_count; i++) {
		const struct sc_process *p = &j->ctx->processes[i];
		size_t at = admin_record_begin(&j->out);

		admin_record_text(&j->out, "type", STR("process"));
		admin_record_text(&j->out, "role", str_of_c(sc_role_name(p->role)));
		put_int(j, "pid", p->pid);
		put_int(j, "restarts", p->restarts);
		admin_record_number(&j->out, ADMIN_TIME, "started", p->started);
		admin_record_end(&j->out, at);
	}
	return admin_job_finish(j, EX_OK, "%s", "");
}

enum admin_step admin_status(struct admin_job *j)
{
	struct asking *a = mem_new(struct asking);

	j->stream = a;
	j->stream_fini = asking_fini;
	return admin_job_read(j, &a->read, status_run, status_next);
}

/* ---- trace ---- */

#define DIALOGUES_MAX (LIMIT_IPC_PAYLOAD / 2) /* octets of one message's answer */

/* The dialogue of an attempt, below the first of its events. */
static void put_dialogue(struct admin_job *j, int64_t id)
{
	struct buf text;

	if (!j->dialogues || id == 0 || id == j->dialogue)
		return;
	j->dialogue = id;
	if (j->out.n > DIALOGUES_MAX) {
		admin_record_lines(&j->out, "dialogue", STR("(left out: there are too many)"));
		return;
	}
	buf_init(&text, DIALOGUE_MAX);
	if (dialogue_read(j->ctx->db, j->ctx->store->blobs, id, &text) == DIALOGUE_OK)
		admin_record_lines(&j->out, "dialogue", buf_view(&text));
	else
		admin_record_lines(&j->out, "dialogue", STR("(it cannot be read)"));
	buf_fini(&text);
}

/* What its sentence says, for programs. */
static void put_attempt(struct admin_job *j, const struct trace_event *e)
{
	struct trace_attempt a;
	struct str version, cipher;

	if (e->kind != TRACE_ATTEMPT || !trace_attempt_read(e->text, &a))
		return;
	if (a.took >= 0)
		admin_record_number(&j->out, ADMIN_TIME, "began", e->time - a.took);
	version = str_split(a.tls, ' ', &cipher);
	cipher = str_split(cipher, ',', &(struct str){NULL, 0});
	admin_record_text(&j->out, "server", a.server);
	admin_record_text(&j->out, "ip", a.ip);
	admin_record_text(&j->out, "tls", version);
	admin_record_text(&j->out, "cipher", cipher);
	admin_record_number(&j->out, ADMIN_BOOL, "verified",
	    str_has_suffix_i(a.tls, STR(", certificate verified")));
}

static void put_event(void *ctx, const struct trace_event *e)
{
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);

	admin_put_id(j, "id", e->message);
	admin_record_number(&j->out, ADMIN_TIME, "time", e->time);
	admin_record_text(&j->out, "event", str_of_c(trace_kind_name(e->kind)));
	admin_record_text(&j->out, "address", e->address);
	admin_record_text(&j->out, "text", e->text);
	put_attempt(j, e);
	put_dialogue(j, e->dialogue);
	admin_record_end(&j->out, at);
}

static enum admin_step trace_next(struct admin_job *j)
{
	enum db_code code;

	if (j->at == j->nids)
		return admin_job_finish(j, EX_OK, "%s", "");
	code = trace_message(j->ctx->db, j->ids[j->at++], put_event, j);
	return code == DB_OK || code == DB_ROW ? ADMIN_STEP_MORE : admin_job_db_failed(j);
}

/* As it was given, for it may be a Message-ID; else as the address that it may be otherwise spelt. */
static enum db_code find_messages(struct admin_job *j, struct str what, size_t limit)
{
	struct str spelt = admin_address_spelt(j->arena, what);
	enum db_code code = trace_find(j->ctx->db, what, j->ids, limit, &j->nids);

	if (code != DB_OK || j->nids > 0 || str_eq(spelt, what))
		return code;
	return trace_find(j->ctx->db, spelt, j->ids, limit, &j->nids);
}

enum admin_step admin_trace(struct admin_job *j)
{
	uint64_t limit = 20;

	if (admin_arg(j, 1).n &&
	    (!str_to_u64(admin_arg(j, 1), ADMIN_TRACE_MAX, &limit) || limit == 0))
		return admin_job_finish(
		    j, EX_USAGE, "the limit is a number from 1 to %zu", ADMIN_TRACE_MAX);
	if (find_messages(j, admin_arg(j, 0), (size_t)limit) != DB_OK)
		return admin_job_db_failed(j);
	if (j->nids == 0 && admin_arg(j, 0).n)
		return admin_job_finish(j, EX_NOINPUT,
		    "no message matches %.*s; give a message id, an address or a Message-ID",
		    STR_FMT(str_sub(admin_arg(j, 0), 0, 255)));
	j->dialogues = j->nids == 1 || admin_arg(j, 2).n;
	j->next = trace_next;
	return ADMIN_STEP_MORE;
}
