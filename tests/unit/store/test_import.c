/* Messages that are no deliveries: charged, in the ledger, recognised when they come again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ann.h"
#include "damage.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/import.h"
#include "store/mailbox_at.h"
#include "store/mailbox_path.h"
#include "store/trace.h"

static struct import *message(const char *text)
{
	struct import *im = import_new();

	im->op.done = rig_nothing;
	im->account = ann;
	im->mailbox = MAILBOX_INBOX;
	im->id = id_make(&rig.ids, rig.now);
	im->address = STR("ann@a.test");
	im->name = STR("INBOX");
	im->protocol = STR("import");
	im->received = INT64_C(1000000000000);
	im->keywords = STR("$seen");
	im->data = str_of_c(text);
	return im;
}

/* Into a store whose books need not balance. */
static enum import_result run_on_damage(struct import *im)
{
	enum import_result result;

	import_prepare(im);
	lane_run_one(rig.lane, &im->op, rig.now);
	assert_int_equal(im->op.result, LANE_DONE);
	result = im->result;
	import_free(&im);
	return result;
}

static enum import_result run(struct import *im)
{
	enum import_result result = run_on_damage(im);

	rig_must_balance(&rig);
	return result;
}

/* Message `number` of the INBOX as text. */
static const char *text(int64_t number)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	const char *p = arena_cstr(arena, rig_read(&rig, arena, &s, number));

	mailbox_snapshot_fini(&s);
	return p;
}

static int64_t count(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s);

	mailbox_snapshot_fini(&s);
	return n;
}

static void is_taken(void **state)
{
	struct mailbox_at_row row;
	struct mailbox_at walk;
	struct import *im = message("S: x\r\n\r\nA\r\n");
	int64_t id = im->id;

	im->prefix = STR("P: y\r\n");
	assert_int_equal(run(im), IMPORT_TAKEN);
	assert_string_equal(text(1), "P: y\r\nS: x\r\n\r\nA\r\n");
	mailbox_at_begin(&walk, ann, MAILBOX_INBOX, MAILBOX_NOW);
	assert_int_equal(mailbox_at_next(rig.db, arena, &walk, &row), DB_ROW);
	assert_int_equal(row.kind, MAILBOX_AT_MESSAGE);
	assert_int_equal(row.received, INT64_C(1000000000000));
	assert_int_equal(row.message.email, id);
	assert_true(str_eq(row.keywords, STR("$seen")));
	assert_int_equal(rig_number(&rig, "SELECT used_bytes FROM account"), 17);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger WHERE state = 0"), 1);
	im = message("B\r\n");
	im->id = id; /* of something else by now */
	assert_int_equal(run(im), IMPORT_ID_USED);
	assert_int_equal(count(), 1);
}

static void keeps_the_quota(void **state)
{
	rig_quota(&rig, "ann@a.test", 5, 0);
	assert_int_equal(run(message("12345")), IMPORT_TAKEN);
	assert_int_equal(run(message("6")), IMPORT_NO_ROOM);
	rig_quota(&rig, "ann@a.test", 0, 0);
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "ann@a.test", NULL), "");
	assert_int_equal(run(message("6")), IMPORT_NO_ROOM);
	assert_int_equal(count(), 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 1);
}

static void needs_a_place(void **state)
{
	struct import *im = message("x");

	im->mailbox = 77;
	assert_int_equal(run(im), IMPORT_GONE);
	im = message("x");
	im->account = 77;
	assert_int_equal(run(im), IMPORT_GONE);
}

/* ---- ids of old ---- */

/* As a backup has the message `number`. */
static struct import *of_old(int64_t id, const char *prefix_and_text, size_t prefix)
{
	struct import *im = message(prefix_and_text + prefix);

	im->old = true;
	im->id = id;
	im->prefix = str_of(prefix_and_text, prefix);
	return im;
}

static size_t prefix_of(const char *p)
{
	return str_find_str(str_of_c(p), STR("text"));
}

/* A message to her and to another; its id. */
static int64_t send_to_two(void)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");
	int64_t id;

	(void)rig_account(&rig, "bob@a.test");
	rig_to(d, "ann@a.test");
	rig_to(d, "bob@a.test");
	assert_true(rig_run(&rig, d));
	id = d->message_id;
	deliver_free(&d);
	return id;
}

static void old_and_still_there(void **state)
{
	int64_t id;
	const char *p;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &id));
	p = text(1);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_THERE);
	assert_int_equal(count(), 1);
	rig_expunge_all(&rig, ann);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_TAKEN);
	assert_string_equal(text(1), p);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), 1);
	assert_int_equal(rig_number(&rig, "SELECT links FROM email"), 2);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_THERE);
}

static void old_and_purged(void **state)
{
	int64_t id;
	const char *p;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &id));
	p = text(1);
	rig_expunge_all(&rig, ann);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger WHERE purged > 0"), 1);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT id FROM email"), id);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger"), 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger WHERE purged > 0"), 0);
	assert_string_equal(text(1), p);
}

static void old_and_folded(void **state)
{
	int64_t id;
	const char *p;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &id));
	p = text(1);
	rig_expunge_all(&rig, ann);
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 0);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT id FROM email"), id);
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	rig_must_balance(&rig);
	assert_string_equal(text(1), p);
}

/* Another account has it still, and the ledger knows of neither: what comes back is told of one of two. */
static void old_and_folded_with_another(void **state)
{
	int64_t id = send_to_two(), faults[LEDGER_FAULTS];
	const char *p = text(1);

	rig_expunge_all(&rig, ann);
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 0);
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT refs FROM blob"), 2);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger"), 1);
	damage_must_be_none(&rig);
	rig_sql(&rig, "UPDATE blob SET refs = 0");
	rig_audit(&rig, faults);
	assert_int_equal(faults[LEDGER_REFERENCES], 1);
	rig_sql(&rig, "UPDATE blob SET refs = 3"); /* who counts them all sees it */
	rig_audit(&rig, faults);
	assert_int_equal(faults[LEDGER_REFERENCES], 0);
	assert_int_equal(damage_count(&rig), 1);
	rig_sql(&rig, "UPDATE blob SET refs = 2");
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	damage_must_be_none(&rig);
}

static void put_event(void *ctx, const struct trace_event *e)
{
	if (e->kind == TRACE_RECEIVED || e->kind == TRACE_NOTICE)
		buf_printf(ctx, "%.*s\n", STR_FMT(e->text));
}

/* What the trace tells of a message, but for its mailboxes. */
static struct str told(int64_t id)
{
	struct buf b;
	struct str s;

	buf_init(&b, 4 * KIB);
	assert_int_equal(trace_message(rig.db, id, put_event, &b), DB_ROW);
	s = str_of_c(arena_cstr(arena, buf_view(&b)));
	buf_fini(&b);
	return s;
}

/* As `restore` brings it. */
static struct import *restored(int64_t id, const char *p)
{
	struct import *im = of_old(id, p, prefix_of(p));

	im->protocol = STR("restore");
	im->back = STR("restored from a backup");
	return im;
}

/* Deleted, purged, of somebody else, folded: whatever is there of it. What is new says so with its first line. */
static void its_trace_says_so(void **state)
{
	static const char deleted[] = "deleted by ann@a.test, by POP3\n",
			  back[] = "restored from a backup into the mailbox INBOX of ann@a.test\n";
	struct import *im = message("M: x\r\n\r\nA\r\n");
	int64_t id = im->id;
	struct buf want;
	const char *p;

	assert_int_equal(run(im), IMPORT_TAKEN);
	assert_true(str_has_prefix_i(
	    told(id), STR("imported by an administrator, 11 octets, for 1 recipient")));
	rig_expunge_all(&rig, ann);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &id));
	p = text(1);
	buf_init(&want, KIB);
	buf_str(&want, told(id));
	rig_expunge_all(&rig, ann);
	assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
	buf_printf(&want, "%s%s", deleted, back);
	assert_true(str_eq(told(id), buf_view(&want)));
	assert_int_equal(run(restored(id, p)), IMPORT_THERE);
	rig_expunge_all(&rig, ann);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
	buf_printf(&want, "%s%s", deleted, back);
	assert_true(str_eq(told(id), buf_view(&want)));
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, 200 * DAY_MS, 90 * DAY_MS); /* the history goes, the mail stays */
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace"), 0);
	rig_expunge_all(&rig, ann);
	assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace"), 0);
	rig_expunge_all(&rig, ann);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
	assert_true(str_has_prefix_i(told(id), STR("restored from a backup, ")));
	buf_fini(&want);
}

/* Another account has it: one blob, one ledger row more. */
static void old_and_with_another(void **state)
{
	int64_t bob = rig_account(&rig, "bob@a.test"), id;
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");

	rig_to(d, "bob@a.test");
	assert_true(rig_run(&rig, d));
	id = d->message_id;
	deliver_free(&d);
	assert_int_equal(run(of_old(id, "text\r\n", 0)), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT refs FROM blob"), 2);
	assert_int_equal(rig_number(&rig, "SELECT recipients FROM message"), 2);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger"), 2);
	assert_string_equal(text(1), "text\r\n");
	assert_true(bob > 0);
	assert_int_equal(run(of_old(id + 1, "text\r\n", 0)), IMPORT_TAKEN);
}

/* The newest that trace finds by what is given; 0: none. */
static int64_t found(const char *what)
{
	int64_t id = 0;
	size_t n;

	assert_int_equal(trace_find(rig.db, str_of_c(what), &id, 1, &n), DB_OK);
	return n ? id : 0;
}

/* Its account was made anew, and it had come by another address; the index knows the message. */
static void found_by_whom_it_has_come_to(void **state)
{
	int64_t id;
	const char *p;

	rig_alias(&rig, "info@a.test", "ann@a.test");
	assert_true(rig_send(&rig, "x@else.test", "info@a.test", "text\r\n", &id));
	p = text(1);
	rig_maintain(&rig, 14 * DAY_MS, 90 * DAY_MS);
	assert_int_equal(found("info@a.test"), id);
	assert_int_equal(found("ann@a.test"), 0);
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_REMOVE, "info@a.test", NULL), "");
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL), "");
	rig_maintain(&rig, 14 * DAY_MS, 90 * DAY_MS);
	ann = rig_account(&rig, "ann@a.test");
	assert_int_equal(run(of_old(id, p, prefix_of(p))), IMPORT_TAKEN);
	assert_int_equal(found("ann@a.test"), id);
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, 14 * DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace_index"), 0);
}

/* The id of other content is never used. */
static void old_but_other(void **state)
{
	int64_t id;

	(void)rig_account(&rig, "bob@a.test");
	assert_true(rig_send(&rig, "x@else.test", "bob@a.test", "text\r\n", &id));
	assert_int_equal(run(of_old(id, "other text\r\n", 0)), IMPORT_ID_USED);
	assert_int_equal(count(), 0);
}

/* ---- ids whose history is damaged ---- */

#define OF_ANN " WHERE account = (SELECT id FROM account WHERE local = 'ann');"

/* Both have it, and the ledger has the one row of each. */
static void must_be_of_two(const char *p)
{
	assert_string_equal(text(1), p);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), 2);
	assert_int_equal(rig_number(&rig, "SELECT recipients FROM message"), 2);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM ledger WHERE state = 0 AND purged = 0"), 2);
	damage_must_be_none(&rig);
}

/* The repair counts one recipient; that one has the number 1. */
static void old_and_a_gap_in_the_ledger(void **state)
{
	int64_t id = send_to_two();
	const char *p = text(1);

	flip_change(&rig, "DELETE FROM ledger WHERE recipient = 0;"
			  "DELETE FROM email" OF_ANN "DELETE FROM membership" OF_ANN);
	(void)damage_repair(&rig);
	assert_int_equal(rig_number(&rig, "SELECT recipient FROM ledger"), 1);
	assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT max(recipient) FROM ledger"), 2);
	must_be_of_two(p);
}

/* The ledger says that she has it. */
static void old_without_message_row(void **state)
{
	int64_t id = send_to_two();
	const char *p = text(1);

	flip_change(
	    &rig, "DELETE FROM message; DELETE FROM email" OF_ANN "DELETE FROM membership" OF_ANN);
	assert_int_equal(run_on_damage(restored(id, p)), IMPORT_TAKEN);
	assert_int_equal(rig_number(&rig, "SELECT recipients FROM message"), 2);
	(void)damage_repair(&rig);
	must_be_of_two(p);
}

/* The ledger says that she had it, or nothing of her. */
static void old_and_purged_without_message_row(void **state)
{
	static const char *const changes[] = {
	    "DELETE FROM message", "DELETE FROM message; DELETE FROM ledger WHERE recipient = 0"};

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		int64_t id = send_to_two();
		const char *p = text(1);

		rig_expunge_all(&rig, ann);
		rig.now += 2 * DAY_MS;
		rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
		flip_change(&rig, changes[i]);
		rig_count_rows(&rig);
		assert_int_equal(run(restored(id, p)), IMPORT_TAKEN);
		must_be_of_two(p);
		ann_teardown(NULL);
		ann_setup(NULL);
	}
}

/* ---- what is known ---- */

static void recognises(void **state)
{
	struct import_known k;
	struct import_entry *e;
	struct import_hash *h = import_hash_new();
	uint8_t digest[IMPORT_DIGEST];
	int64_t id;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", &id));
	assert_int_equal(run(message("12345\r\n")), IMPORT_TAKEN);
	assert_int_equal(run(message("12346\r\n")), IMPORT_TAKEN);
	import_known_init(&k, ann, MAILBOX_INBOX);
	while (!k.complete)
		assert_int_equal(import_known_scan(rig.db, &k), DB_OK);
	assert_false(import_known_lacks(&k, 8));
	assert_int_equal(import_known_email(&k, id)->uid, 1);
	assert_null(import_known_email(&k, 4711));
	assert_true(import_known_lacks(&k, 7));
	assert_int_equal(import_known_digest(&k, rig.db, rig.blobs, 7), DB_OK);
	assert_false(import_known_lacks(&k, 7));
	import_hash_feed(h, STR("123"));
	import_hash_feed(h, STR("46\r\n"));
	import_hash_end(&h, digest);
	e = import_known_alike(&k, 7, digest);
	assert_non_null(e);
	assert_int_equal(e->uid, 3);
	assert_null(import_known_alike(&k, 8, digest));
	digest[15] ^= 1;
	assert_null(import_known_alike(&k, 7, digest));
	import_known_add(&k, 99, 8, digest);
	assert_int_equal(import_known_alike(&k, 8, digest)->email, 99);
	import_known_fini(&k);
	rig_expunge_all(&rig, ann);
	import_known_init(&k, ann, MAILBOX_INBOX);
	assert_int_equal(import_known_scan(rig.db, &k), DB_OK);
	assert_true(import_known_lacks(&k, 7));
	assert_true(import_known_email(&k, id)->expunged);
	import_known_fini(&k);
}

/* What was deleted; a live one comes before it, and one that is back is live. */
static void recognises_what_was_deleted(void **state)
{
	struct import_known k;
	struct import_entry *e;
	struct import_hash *h = import_hash_new();
	uint8_t digest[IMPORT_DIGEST];
	struct import *im = message("12345\r\n");
	int64_t id = im->id;

	import_hash_feed(h, STR("12345\r\n"));
	import_hash_end(&h, digest);
	assert_int_equal(run(im), IMPORT_TAKEN);
	rig_expunge_all(&rig, ann);
	import_known_init(&k, ann, MAILBOX_INBOX);
	assert_int_equal(import_known_scan(rig.db, &k), DB_OK);
	assert_true(import_known_lacks(&k, 7));
	assert_int_equal(import_known_digest(&k, rig.db, rig.blobs, 7), DB_OK);
	e = import_known_alike(&k, 7, digest);
	assert_true(e && e->expunged && e->email == id && e->uid == 1);
	for (int64_t n = 99; n < 102; n++) {
		import_known_add(&k, n, 7, digest);
		assert_false(import_known_alike(&k, 7, digest)->expunged);
	}
	import_known_fini(&k);

	im = of_old(
	    id, "12345\r\n", 0); /* as from a backup of another store: its own content comes back */
	im->origin = 1;
	im->stored = true;
	im->data = STR("");
	assert_int_equal(run(im), IMPORT_TAKEN);
	assert_string_equal(text(1), "12345\r\n");
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM membership WHERE origin = 1"), 1);
	import_known_init(&k, ann, MAILBOX_INBOX);
	assert_int_equal(import_known_scan(rig.db, &k), DB_OK);
	assert_int_equal(import_known_digest(&k, rig.db, rig.blobs, 7), DB_OK);
	e = import_known_alike(&k, 7, digest);
	assert_true(e && !e->expunged && e->email == id);
	import_known_fini(&k);

	rig_expunge_all(&rig, ann);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	im = of_old(id, "12345\r\n", 0); /* purged meanwhile */
	im->stored = true;
	im->data = STR("");
	assert_int_equal(run(im), IMPORT_ID_USED);
	assert_int_equal(count(), 0);
}

/* ---- mailboxes ---- */

static int64_t make(const char *path)
{
	struct mailbox_make m;

	mailbox_make_init(&m, ann, str_of_c(path));
	m.op.done = rig_nothing;
	lane_run_one(rig.lane, &m.op, rig.now);
	assert_int_equal(m.op.result, LANE_DONE);
	assert_false(m.missing);
	return m.mailbox;
}

static void mailboxes_by_path(void **state)
{
	struct mailbox_listed *list;
	int64_t deep, found = 0;
	bool torn;
	size_t n;

	assert_int_equal(make("inbox"), MAILBOX_INBOX);
	assert_int_equal(make("Sent Items"), MAILBOX_SENT);
	assert_int_equal(mailbox_path_find(rig.db, ann, STR("Work/A/B"), &found), DB_OK);
	deep = make("Work/A/B");
	assert_int_equal(make("Work/A/B"), deep);
	assert_int_equal(make("Work/A"), deep - 1);
	assert_int_equal(make("Work/Sent"), deep + 1);
	assert_int_equal(mailbox_path_find(rig.db, ann, STR("Work/A/B"), &found), DB_ROW);
	assert_int_equal(found, deep);
	assert_int_equal(mailbox_path_list(rig.db, arena, ann, &list, &n, &torn), DB_OK);
	assert_int_equal(n, MAILBOX_ROLES - 1 + 4);
	assert_false(torn);
	assert_true(str_eq(list[n - 2].path, STR("Work/A/B")));
}

static void what_no_mailbox_can_be_called(void **state)
{
	static const struct {
		const char *path, *trouble;
	} cases[] = {
	    {"a", NULL},
	    {"a/b", NULL},
	    {"Entw\xc3\xbcrfe", NULL},
	    {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20", NULL},
	    {"", "empty"},
	    {"/", "empty part"},
	    {"/a", "empty part"},
	    {"a//b", "empty part"},
	    {"a/", "empty part"},
	    {"a\n", "control characters"},
	    {"Entw\xfcrfe", "not UTF-8"},
	    {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21", "20 parts"},
	};
	uint8_t longest[MAILBOX_PATH_MAX + 1];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str path = str_of_c(cases[i].path);
		const char *trouble = mailbox_path_trouble(path);

		assert_int_equal(mailbox_path_is_valid(path), !cases[i].trouble);
		assert_int_equal(!trouble, !cases[i].trouble);
		if (trouble && !strstr(trouble, cases[i].trouble))
			fail_msg("%s: %s", cases[i].path, trouble);
	}
	memset(longest, 'a', sizeof longest);
	assert_true(mailbox_path_is_valid(str_of(longest, MAILBOX_PATH_MAX)));
	assert_non_null(mailbox_path_trouble(str_of(longest, sizeof longest)));
}

/* Those of roles, lost and not made again: their numbers stay free. */
static void a_mailbox_has_no_number_of_a_role(void **state)
{
	flip_change(&rig, "DELETE FROM mailbox WHERE id > 1");
	(void)damage_repair(&rig);
	assert_int_equal(make("Work"), MAILBOX_ROLES);
	assert_int_equal(make("Work/A"), MAILBOX_ROLES + 1);
	damage_must_be_none(&rig);
}

/* How many there were. */
static int64_t at(int64_t moment)
{
	struct mailbox_at_row row;
	struct mailbox_at walk;
	int64_t n = 0;

	mailbox_at_begin(&walk, ann, MAILBOX_INBOX, moment);
	while (mailbox_at_next(rig.db, arena, &walk, &row) == DB_ROW)
		n += row.kind == MAILBOX_AT_MESSAGE;
	return n;
}

static void as_of_a_moment(void **state)
{
	int64_t t0 = rig.now, t1, t2;

	rig.now += HOUR_MS;
	assert_int_equal(
	    run(message("1")), IMPORT_TAKEN); /* its date is years ago: that is not asked */
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", NULL));
	t1 = rig.now;
	rig.now += HOUR_MS;
	rig_expunge_all(&rig, ann);
	t2 = rig.now;
	rig.now += HOUR_MS;
	assert_int_equal(run(message("1")), IMPORT_TAKEN);
	assert_int_equal(at(t0), 0);
	assert_int_equal(at(t1), 2);
	assert_int_equal(at(t2), 0);
	assert_int_equal(at(rig.now), 1);
	assert_int_equal(at(MAILBOX_NOW), 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, ann_setup, ann_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(is_taken),
	    T(keeps_the_quota),
	    T(needs_a_place),
	    T(old_and_still_there),
	    T(old_and_purged),
	    T(old_and_folded),
	    T(old_and_folded_with_another),
	    T(found_by_whom_it_has_come_to),
	    T(its_trace_says_so),
	    T(old_and_with_another),
	    T(old_but_other),
	    T(old_and_a_gap_in_the_ledger),
	    T(old_without_message_row),
	    T(old_and_purged_without_message_row),
	    T(recognises),
	    T(recognises_what_was_deleted),
	    T(mailboxes_by_path),
	    T(what_no_mailbox_can_be_called),
	    T(a_mailbox_has_no_number_of_a_role),
	    T(as_of_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
