/* The admin command undelete: slices of the lane until everything that fits is back. */
#include <sysexits.h>

#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/undelete.h"

struct undeleting {
	struct undelete slice;
	struct admin_tally tally; /* what was brought back */
	struct admin_job *job;
	int64_t left;
};

static void undeleting_fini(struct admin_job *j)
{
	mem_free(j->stream);
}

static enum admin_step over(struct admin_job *j)
{
	const struct undeleting *u = j->stream;
	long long restored = u->tally.count;

	if (u->left)
		return admin_job_finish(j, EX_CANTCREAT,
		    "%lld %s brought back; for %lld more the account has no room (or it is disabled, or "
		    "may only send): see godwit account list, then run this again",
		    restored, restored == 1 ? "message was" : "messages were", (long long)u->left);
	if (restored == 0)
		return admin_job_finish(j, EX_NOINPUT,
		    "nothing that fits was deleted within the time that deleted mail is kept (undelete in "
		    "godwit.conf), or it is back already");
	return admin_job_finish(j, EX_OK, "%lld %s brought back", restored,
	    restored == 1 ? "message was" : "messages were");
}

static enum admin_step slice_done(struct admin_job *j)
{
	struct undeleting *u = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	if (u->slice.op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "%lld messages were brought back, then: %s",
		    (long long)u->tally.count, u->slice.op.err.text);
	admin_tally_go_on(&u->tally);
	u->left += u->slice.left;
	if (!u->slice.more)
		return over(j);
	u->slice.after = u->slice.next;
	j->ready = false;
	j->out_there++;
	store_write(j->ctx->store, &u->slice.op);
	return admin_job_wait(j);
}

static void lane_done(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct undeleting, slice.op)->job);
}

enum admin_step admin_undelete(struct admin_job *j)
{
	int64_t account = admin_job_account(j, admin_arg(j, 0)), email;
	struct str header_id;
	struct undeleting *u;

	if (account == 0 || !admin_job_choose(j, 1, &email, &header_id))
		return ADMIN_STEP_DONE;
	u = mem_new(struct undeleting);
	u->job = j;
	u->slice.account = account;
	u->slice.since = admin_arg_number(j, 2);
	u->slice.email = email;
	u->slice.header_id = header_id;
	u->slice.tally = &u->tally;
	u->tally.who = j->who;
	u->tally.noun = STR("deleted message");
	u->tally.whose = admin_arg(j, 0);
	u->tally.tail = STR("brought back");
	undelete_init(&u->slice);
	u->slice.op.done = lane_done;
	j->stream = u;
	j->stream_fini = undeleting_fini;
	j->ready = false;
	j->out_there++;
	j->next = slice_done;
	store_write(j->ctx->store, &u->slice.op);
	return admin_job_wait(j);
}
