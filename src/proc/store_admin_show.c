/* The admin commands that tell: status, trace, test-delivery. */
#include <sysexits.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "mime/mime_idn.h"
#include "mime/mime_scan.h"
#include "plan/accept.h"
#include "proc/admin_address.h"
#include "proc/delivered_before.h"
#include "proc/store_admin_job.h"
#include "smtp/smtp_path.h"
#include "store/aside.h"
#include "store/callout.h"
#include "store/dialogue.h"
#include "store/trace_attempt.h"
#include "store/forward.h"
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

/* ---- test-delivery: from, to, ip, header, size ---- */

/* The recipient, taken apart as RCPT does it; the domain as store knows it. */
struct wanted {
	struct str text, local, domain;
	bool nobody; /* at an address of this server, and not the postmaster */
};

/* At an address of this server [RFC 5321 4.5.1]. */
static bool is_here(const struct admin_job *j, const struct smtp_path *path)
{
	return path->is_literal &&
	       (own_list_has(j->ctx->own, &path->ip) ||
		   (smtp_path_is_postmaster(path) && ip_is_loopback(&path->ip)));
}

static bool put_domain(const struct admin_job *j, struct buf *b, const struct smtp_path *path)
{
	if (is_here(j, path))
		return true;
	if (!path->is_literal)
		return path->domain.n == 0 || mime_idn_to_ascii(b, path->domain) == MIME_IDN_OK;
	buf_byte(b, '[');
	ip_put(b, &path->ip);
	buf_byte(b, ']');
	return true;
}

static bool is_bracketed(struct str s)
{
	return s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>';
}

static bool take_apart(struct admin_job *j, struct wanted *w)
{
	struct str to = admin_arg(j, 1);
	struct smtp_path path = {.local = to};
	struct buf b;
	bool good;

	if (is_bracketed(to))
		path.local = to = str_sub(to, 1, to.n - 2);
	buf_init(&b, LIMIT_SMTP_DOMAIN);
	good = (str_eq_i(to, STR("postmaster")) ||
		   smtp_mailbox_parse(to, true, j->arena, &path) == SMTP_PATH_OK) &&
	       put_domain(j, &b, &path) && !b.overflow;
	*w = (struct wanted){to, path.local, arena_str(j->arena, buf_view(&b)),
	    is_here(j, &path) && !smtp_path_is_postmaster(&path)};
	buf_fini(&b);
	return good;
}

/* The recipient as store resolves it. False with the reply set. */
static bool resolve(struct admin_job *j, struct wanted *w, struct accept_recipient *r,
    struct directory_answer *answer)
{
	if (!take_apart(j, w))
		return admin_job_finish(j, EX_USAGE,
			   "--to: \"%.*s\" is no address; write it like bob@example.org",
			   STR_FMT(str_sub(w->text, 0, 80))) != ADMIN_STEP_DONE;
	if (w->nobody)
		*answer = (struct directory_answer){.class = ACCEPT_UNKNOWN};
	else if (directory_resolve(j->ctx->db, j->ctx->directory, j->arena, w->local, w->domain, 0,
		     clock_now(), answer) != DB_OK)
		return admin_job_db_failed(j) != ADMIN_STEP_DONE;
	r->address = w->text;
	r->class = answer->class;
	if (r->class == ACCEPT_REDIRECT || r->class == ACCEPT_RETURN)
		r->target = directory_text(
		    j->arena, answer->targets[0].local, answer->targets[0].domain);
	return true;
}

/* What the header says that acceptance asks about. */
static void read_header(struct admin_job *j, struct accept_input *in, struct accept_recipient *r)
{
	struct mime_scan *scan = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(scan, admin_arg(j, 3));
	m = mime_scan_finish(scan);
	in->received_fields = m->facts.received;
	delivered_before(r, 1, &m->facts);
	mime_scan_free(&scan);
}

static void put_sentence(struct admin_job *j, const char *kind, struct str text)
{
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "kind", str_of_c(kind));
	admin_record_text(&j->out, "text", str_trim(text));
	admin_record_end(&j->out, at);
}

static void put_lines(struct admin_job *j, const char *kind, struct str text)
{
	while (text.n)
		put_sentence(j, kind, str_split(text, '\n', &text));
}

/* With which reverse path it is sent on, if the recipient is an alias. */
static void put_sent_as(
    struct admin_job *j, const struct wanted *w, const struct directory_answer *answer)
{
	struct str path = STR("");
	struct forward_mail mail = {.message = id_make(j->ctx->ids, clock_now()),
	    .reverse_path = admin_arg(j, 0),
	    .forwarder = directory_text(j->arena, w->local, w->domain),
	    .accepted = clock_now()};
	struct buf b;
	bool away = false;

	for (size_t i = 0; i < answer->count; i++)
		away |= !answer->targets[i].account;
	if (!away || !j->ctx->directory->srs ||
	    forward_path(j->ctx->db, j->ctx->directory->hostname, j->arena, &mail, clock_now(),
		&path) != DB_OK ||
	    path.n == 0)
		return;
	buf_init(&b, 4 * LIMIT_ADDRESS);
	buf_lit(&b, "what is sent on goes with the reverse path ");
	buf_str(&b, path);
	put_sentence(j, "target", buf_view(&b));
	buf_fini(&b);
}

static void put_targets(struct admin_job *j, const struct directory_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		const struct directory_target *t = &answer->targets[i];
		struct buf b;

		buf_init(&b, 2 * LIMIT_ADDRESS);
		buf_c(&b, t->account ? "account " : "address elsewhere ");
		buf_str(&b, t->local);
		buf_byte(&b, '@');
		buf_str(&b, t->domain);
		put_sentence(j, "target", buf_view(&b));
		buf_fini(&b);
	}
}

/* Of a relay domain: what is known of the recipient, and what follows for a stranger. */
static void put_callout(struct admin_job *j, const struct wanted *w,
    const struct directory_answer *answer, bool may_relay)
{
	static const struct str follows[CALLOUT_VERDICTS] = {
	    [CALLOUT_NOTHING] = STR_INIT("; it is asked when mail comes for him"),
	    [CALLOUT_GOOD] = STR_INIT("; he is taken"),
	    [CALLOUT_REFUSED] = STR_INIT("; he is refused"),
	    [CALLOUT_UNSURE] = STR_INIT("; it is asked when mail comes for him"),
	};
	const struct directory_target *t = answer->targets;
	struct callout known = {.verdict = CALLOUT_NOTHING};
	struct buf b;

	if (answer->class != ACCEPT_BACKUP ||
	    callout_get(j->ctx->db, j->arena, t->domain, w->local, clock_now(), &known) != DB_OK)
		return;
	buf_init(&b, LIMIT_TRACE_TEXT);
	callout_put(&b, &known, answer->verified);
	if (answer->verified && may_relay)
		buf_lit(&b, "; who may relay is not kept waiting for that");
	else if (answer->verified)
		buf_str(&b, follows[known.verdict]);
	buf_lit(&b, ".");
	put_sentence(j, "fact", buf_view(&b));
	buf_fini(&b);
}

enum admin_step admin_test_delivery(struct admin_job *j)
{
	struct accept_recipient r = {0};
	struct directory_answer answer = {0};
	struct wanted w;
	struct accept_input in = {.reverse_path = admin_arg(j, 0), .recipients = &r, .n = 1};
	const struct config_nets *nets = j->ctx->trusted;
	struct plan plan;
	struct buf b;

	if (admin_arg(j, 2).n && !ip_parse(admin_arg(j, 2), &in.peer))
		return admin_job_finish(j, EX_USAGE,
		    "--ip must be an IP address like 192.0.2.1 or 2001:db8::1, not \"%.*s\"",
		    STR_FMT(str_sub(admin_arg(j, 2), 0, 80)));
	if (!str_to_u64(admin_arg(j, 4), LIMIT_MESSAGE_SIZE, &in.size))
		return admin_job_finish(j, EX_USAGE, "the size is not a number");
	if (!resolve(j, &w, &r, &answer))
		return ADMIN_STEP_DONE;
	for (size_t i = 0; admin_arg(j, 2).n && i < nets->n; i++)
		in.trusted |= ip_in(&in.peer, &nets->v[i]);
	in.size_limit = j->ctx->size_limit;
	read_header(j, &in, &r);
	plan = accept_run(&in, j->arena);
	buf_init(&b, 64 * KIB);
	accept_explain(&b, &in);
	put_lines(j, "fact", buf_view(&b));
	put_callout(j, &w, &answer, in.trusted || in.authenticated);
	buf_clear(&b);
	plan_item_put(&b, &plan.items[0], r.address);
	put_lines(j, "plan", buf_view(&b));
	if (plan.items[0].action == PLAN_MAILBOX || plan.items[0].action == PLAN_REDIRECT) {
		put_targets(j, &answer);
		put_sent_as(j, &w, &answer);
	}
	buf_fini(&b);
	return admin_job_finish(j, EX_OK, "%s", "");
}
