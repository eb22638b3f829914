/*
 * The admin commands repair and salvage: store/repair.h on a store that nobody else uses. For the second
 * one the database was made anew before it was opened (admin_call.c), and what only the packs hold is
 * taken in in between.
 */
#include <sodium.h>
#include <sysexits.h>

#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/adopt.h"
#include "store/repair.h"

struct repairing {
	struct admin_job *job;
	struct repair repair;
	struct adopt adopt;
	struct str local, domain; /* salvage: who gets what has no owner */
	bool made;                /* his account */
};

static void on_message(void *ctx, int64_t message, int64_t account, const char *file)
{
	struct repairing *x = ctx;
	struct admin_job *j = x->job;
	size_t at;

	if (j->out.n > LIMIT_IPC_PAYLOAD - 64 * KIB)
		return; /* the files in quarantine/ tell as well */
	at = admin_record_begin(&j->out);
	admin_record_text(&j->out, "type", STR("given-up"));
	admin_put_id(j, "id", message);
	admin_record_number(&j->out, ADMIN_INT, "account", account);
	admin_record_text(&j->out, "file", str_of_c(file));
	admin_record_end(&j->out, at);
}

/* ---- salvage ---- */

static void nothing(struct lane_op *op)
{
}

static bool change(struct repairing *x, enum directory_verb verb, const char *hash)
{
	struct directory_change c = {.verb = verb,
	    .cfg = x->job->ctx->directory,
	    .who = x->job->who,
	    .local = verb == DIRECTORY_DOMAIN_ADD ? STR("") : x->local,
	    .domain = x->domain,
	    .hash = hash};

	directory_change_init(&c);
	c.op.done = nothing;
	store_write(x->job->ctx->store, &c.op);
	if (c.op.result != LANE_DONE || c.refused)
		err_set(&x->repair.err, "%s", c.refused ? c.why.text : c.op.err.text);
	else if (verb == DIRECTORY_ACCOUNT_ADD)
		x->adopt.account = c.account;
	return c.op.result == LANE_DONE && !c.refused;
}

/* With a password that nobody knows: the administrator sets another. */
static bool make_account(struct repairing *x)
{
	char hash[PASSWORD_HASH_MAX];
	uint8_t secret[32];
	struct db_query *q;
	bool has_domain;

	q = db_begin_query(x->job->ctx->db, SQL_DOMAIN_GET, DB_ARGS(db_text(x->domain)));
	has_domain = db_step(q) == DB_ROW;
	(void)db_end(q);
	randombytes_buf(secret, sizeof secret);
	if (!password_hash(str_of(secret, sizeof secret), hash)) {
		err_set(&x->repair.err, "there is not enough memory to make a password");
		return false;
	}
	if (!has_domain && !change(x, DIRECTORY_DOMAIN_ADD, NULL))
		return false;
	x->made = change(x, DIRECTORY_ACCOUNT_ADD, hash);
	return x->made;
}

static bool recover(void *ctx)
{
	struct repairing *x = ctx;
	enum db_code code = db_get_int(x->job->ctx->db, SQL_ACCOUNT_BY_ADDRESS,
	    DB_ARGS(db_text(x->domain), db_text(x->local)), &x->adopt.account);

	if (code != DB_ROW && code != DB_OK) {
		err_set(&x->repair.err, "%s", db_error(x->job->ctx->db));
		return false;
	}
	if (code == DB_OK && !make_account(x))
		return false;
	x->adopt.address = directory_text(x->job->arena, x->local, x->domain);
	if (adopt_run(&x->adopt, x->job->ctx->store))
		return true;
	x->repair.err = x->adopt.err;
	return false;
}

/* ---- both ---- */

static void repairing_fini(struct admin_job *j)
{
	mem_free(j->stream);
}

static void put_repaired(struct buf *b, const struct repair *r)
{
	buf_printf(b,
	    "%lld messages were damaged and are in quarantine/, %lld were found again, %lld damaged "
	    "packs were emptied",
	    (long long)r->damaged, (long long)(r->indexed + r->remade + r->mended),
	    (long long)r->moved);
	if (r->reindexed)
		buf_printf(
		    b, "; the indexes of %lld tables were made anew", (long long)r->reindexed);
	if (r->returned)
		buf_printf(
		    b, "; %lld packs that were set aside are in use again", (long long)r->returned);
	if (r->accounts)
		buf_printf(b,
		    "; %lld accounts have their row again, with the address that most of their mail "
		    "came for: look at `godwit account list`",
		    (long long)r->accounts);
}

static void put_salvaged(struct buf *b, const struct repairing *x)
{
	const struct salvage *s = x->job->ctx->salvaged;

	buf_printf(b, "the database was made anew: %lld rows of the old one, ", (long long)s->rows);
	if (s->tables)
		buf_printf(
		    b, "of which %lld tables could not be read in full, ", (long long)s->tables);
	buf_printf(b,
	    "%lld records in %lld packs; %lld messages that no row knew are in mailboxes "
	    "\"" ADOPT_MAILBOX "\", %lld of them of their owners, the others of %.*s; ",
	    (long long)s->records, (long long)s->packs, (long long)x->adopt.taken,
	    (long long)x->adopt.owned, STR_FMT(x->adopt.address));
	if (s->orphans)
		buf_printf(b,
		    "%lld packs that were set aside (packs/*.orphan) are not, for others have their "
		    "numbers; ",
		    (long long)s->orphans);
}

static enum admin_step over(struct admin_job *j)
{
	struct repairing *x = j->stream;
	struct buf b;
	enum admin_step step;

	if (!j->ready)
		return admin_job_wait(j);
	buf_init(&b, LIMIT_ERR_TEXT);
	if (j->ctx->salvaged)
		put_salvaged(&b, x);
	put_repaired(&b, &x->repair);
	if (x->made)
		buf_printf(&b, "; set a password with `godwit account passwd %.*s`",
		    STR_FMT(x->adopt.address));
	step = admin_job_finish(j, EX_OK, "%s%s; run `godwit store verify` to see what is left",
	    j->ctx->salvaged ? "" : "repaired: ", buf_cstr(&b));
	buf_fini(&b);
	return step;
}

static enum admin_step failed(const struct repairing *x, const char *what)
{
	if (!x->job->ctx->salvaged &&
	    (x->repair.beyond || db_error_code(x->job->ctx->store->db) == DB_CORRUPT))
		return admin_job_finish(x->job, EX_DATAERR,
		    "the database itself is damaged: %s; run `godwit store salvage ADDRESS`",
		    x->repair.err.text);
	return admin_job_finish(
	    x->job, EX_IOERR, "not all is %s, run this again: %s", what, x->repair.err.text);
}

static enum admin_step run(struct repairing *x)
{
	struct admin_job *j = x->job;
	const char *what = j->ctx->salvaged ? "salvaged" : "repaired";

	x->repair.on_message = on_message;
	x->repair.ctx = x;
	x->repair.who = j->who;
	x->repair.what = j->ctx->salvaged ? STR(SALVAGE_BEGUN) : STR("store repair begun");
	x->repair.record = j->ctx->salvaged ? j->ctx->salvaged->record : 0;
	j->stream = x;
	j->stream_fini = repairing_fini;
	if (!repair_run(&x->repair, j->ctx->store))
		return failed(x, what);
	j->note.id = x->repair.record; /* which what was done takes the place of */
	if (j->ctx->salvaged)
		return admin_job_note(j, over,
		    "store salvaged: %lld messages recovered, %lld given up",
		    (long long)x->adopt.taken, (long long)x->repair.damaged);
	return admin_job_note(j, over, "store repaired: %lld messages given up, %lld found again",
	    (long long)x->repair.damaged,
	    (long long)(x->repair.indexed + x->repair.remade + x->repair.mended));
}

static enum admin_step server_runs(struct admin_job *j)
{
	return admin_job_finish(
	    j, EX_UNAVAILABLE, "the server is running: stop it, then run this again");
}

enum admin_step admin_repair(struct admin_job *j)
{
	struct repairing *x;

	if (j->ctx->online)
		return server_runs(j);
	x = mem_new(struct repairing);
	x->job = j;
	return run(x);
}

enum admin_step admin_salvage(struct admin_job *j)
{
	struct repairing *x;
	struct str local, domain;

	if (j->ctx->online)
		return server_runs(j);
	MUST(j->ctx->salvaged);
	if (!admin_job_address(j, admin_arg(j, 0), false, &local, &domain))
		return ADMIN_STEP_DONE;
	x = mem_new(struct repairing);
	x->job = j;
	x->local = local;
	x->domain = domain;
	x->repair.recover = recover;
	return run(x);
}
