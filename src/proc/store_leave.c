/*
 * The end of a POP3 session: what it deletes and what it marks as seen is one request to the lane, in slices,
 * answered when the last one is durable. A view has one at a time.
 */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_front.h"
#include "store/mailbox_keywords.h"

struct expunge_task {
	struct mailbox_expunge expunge;
	struct mailbox_keywords seen;
	struct store_front *front;
	struct ipc_request *request;
	struct store_view *view;
};

static void expunge_end(struct expunge_task *x, enum fs_verdict verdict, const char *text)
{
	struct store_front *f = x->front;

	store_front_done(x->request, verdict, text);
	mailbox_expunge_fini(&x->expunge);
	mailbox_keywords_fini(&x->seen);
	x->view->expunging = false;
	store_view_unref(x->view);
	mem_free(x);
	store_front_unhold(f);
}

/* A line for each message of a slice that was committed; of many, the first ones and how many more. */
static void log_slice(const char *event, const struct mailbox_named *named, int64_t messages)
{
	struct str address = mailbox_named_address(named);
	int64_t more = messages - (int64_t)named->n;

	for (size_t i = 0; i < named->n; i++) {
		log_open(LOG_INFO, event);
		log_id("id", named->ids[i]);
		log_str("account", address);
		log_close();
	}
	if (more <= 0)
		return;
	log_open(LOG_INFO, event);
	log_str("account", address);
	log_num("more_messages", more);
	log_close();
}

static void expunge_done(struct lane_op *op)
{
	struct expunge_task *x = LIST_ENTRY(op, struct expunge_task, seen.op);

	if (op->result == LANE_DONE) {
		log_slice("deleted", &x->expunge.named, x->expunge.slice);
		log_slice("marked-seen", &x->seen.named, x->seen.changed.count);
	}
	if (op->result == LANE_DONE && mailbox_keywords_go_on(&x->seen)) {
		store_write(x->front->sp->store, op);
		return;
	}
	if (op->result != LANE_DONE) {
		log_note(
		    LOG_ERROR, x->expunge.uids.n ? "delete-failed" : "mark-failed", op->err.text);
		expunge_end(x, FS_TEMPORARY,
		    x->expunge.expunged ? "not all was deleted, try again later"
					: "nothing was deleted, try again later");
	} else if (x->seen.missing) {
		expunge_end(x, FS_REFUSED, "the mailbox is gone");
	} else {
		expunge_end(x, FS_OK, "");
	}
}

/* The uids of encoded numbers of a view; false when they are none of it. */
static bool take_numbers(const struct store_view *v, struct str encoded, struct ranges *uids)
{
	struct ranges numbers;
	bool good;

	ranges_init(&numbers);
	good = fs_ranges_get(encoded, &numbers) &&
	       mailbox_snapshot_uids(&v->snapshot, &numbers, uids);
	ranges_fini(&numbers);
	return good;
}

static struct expunge_task *expunge_begin(
    struct store_front *f, struct ipc_request *r, struct store_view *v)
{
	struct expunge_task *x = mem_new(struct expunge_task);

	x->front = f;
	x->request = r;
	x->view = v;
	v->expunging = true;
	v->refs++;
	store_front_hold(f);
	mailbox_expunge_init(&x->expunge, v->snapshot.account, v->snapshot.mailbox, "POP3");
	mailbox_keywords_init(&x->seen, v->snapshot.account, v->snapshot.mailbox);
	x->seen.add = STR("$seen");
	x->seen.op.done = expunge_done;
	return x;
}

void store_leave_expunge(struct store_front *f, struct ipc_request *r, struct str payload)
{
	struct expunge_task *x;
	struct store_view *v;
	struct fs_expunge m;

	v = fs_expunge_get(payload, &m) ? store_mailbox_view(f, &m.handle) : NULL;
	if (!v) {
		store_front_done(r, FS_REFUSED, "no such mailbox is open");
		return;
	}
	if (v->expunging) {
		store_front_done(r, FS_TEMPORARY, "messages are being deleted, try again later");
		return;
	}
	x = expunge_begin(f, r, v);
	if (!take_numbers(v, m.numbers, &x->expunge.uids) ||
	    !take_numbers(v, m.seen, &x->seen.uids)) {
		expunge_end(x, FS_REFUSED, "no such messages");
		return;
	}
	if (x->expunge.uids.n > 0)
		mailbox_keywords_after(&x->seen, &x->expunge);
	store_write(f->sp->store, &x->seen.op);
}
