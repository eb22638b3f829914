/* Taking messages: who gets a copy, who is refused, what is written, and that a hostile front gains nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include "base/mem.h"
#include "store/pack.h"

#define TEXT "From: a\r\n\r\nhello\r\n"

static struct rig rig;
static struct arena *arena;
static int64_t ann, bob;

static int setup(void **state)
{
	rig_open(&rig);
	arena = arena_new();
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	bob = rig_account(&rig, "bob@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_must_balance(&rig);
	arena_free(&arena);
	rig_close(&rig);
	return 0;
}

static int64_t count(const char *table)
{
	char select[128];

	snprintf(select, sizeof select, "SELECT count(*) FROM %s", table);
	return rig_number(&rig, select);
}

static int64_t refs(void)
{
	return rig_number(&rig, "SELECT sum(refs) FROM blob");
}

static int64_t messages_of(int64_t account, int64_t mailbox)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, account, mailbox);
	int64_t n = mailbox_snapshot_count(&s);

	mailbox_snapshot_fini(&s);
	return n;
}

/* "452 4.2.2" */
static const char *code_of(const struct plan_reject *r)
{
	static char text[32];

	snprintf(text, sizeof text, "%u %u.%u.%u", r->code, r->class, r->subject, r->detail);
	return text;
}

static void one_copy_is_prefix_and_blob(void **state)
{
	struct mailbox_snapshot s;
	struct mailbox_entry e;
	size_t n;
	int64_t id;

	assert_true(rig_send(&rig, "x@else.test", "Bob+tag@A.test", TEXT, &id));
	s = rig_snapshot(&rig, bob, MAILBOX_INBOX);
	assert_int_equal(mailbox_snapshot_count(&s), 1);
	assert_true(str_eq(rig_read(&rig, arena, &s, 1),
	    STR("Return-Path: <x@else.test>\r\nDelivered-To: Bob+tag@A.test\r\n" TEXT)));
	assert_int_equal(mailbox_entries(rig.db, &s, 1, &e, 1, &n), DB_OK);
	assert_int_equal(n, 1);
	assert_int_equal(e.email, id);
	assert_int_equal(e.size, s.octets);
	mailbox_snapshot_fini(&s);
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 0);
}

static void survives_a_restart(void **state)
{
	struct mailbox_snapshot s;

	rig_send(&rig, "", "ann@a.test", TEXT, NULL);
	rig_send(&rig, "", "ann@a.test", TEXT "more\r\n", NULL);
	rig_restart(&rig);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_true(str_has_suffix_i(rig_read(&rig, arena, &s, 2), STR("hello\r\nmore\r\n")));
	assert_true(str_has_prefix(rig_read(&rig, arena, &s, 1), STR("Return-Path: <>\r\n")));
	mailbox_snapshot_fini(&s);
}

static void one_blob_for_all_and_one_copy_each(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	rig_alias(&rig, "all@a.test", "ann@a.test");
	rig_alias(&rig, "all@a.test", "bob@a.test");
	rig_alias(&rig, "all@a.test", "out@else.test");
	rig_to(d, "ann@a.test");
	rig_to(d, "bob+x@a.test");
	rig_to(d, "all@a.test");
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->copies, 2);
	assert_int_equal(d->queued, 1);
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 1);
	assert_int_equal(messages_of(bob, MAILBOX_INBOX), 1);
	assert_int_equal(count("blob"), 1);
	assert_int_equal(refs(), 3);
	/* the three accepted ones and the address elsewhere; bob's copy is told of by his own row */
	assert_int_equal(count("ledger"), 4);
	deliver_free(&d);
}

static void a_taken_id_is_a_temporary_error(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	rig_to(d, "ann@a.test");
	assert_true(rig_run(&rig, d));
	assert_false(rig_run(&rig, d));
	assert_true(d->duplicate);
	assert_int_equal(d->refusal.code, 451);
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 1);
	deliver_free(&d);
}

/* A refusal for one recipient, in the words of a reply code. */
static void refusals(void **state)
{
	static const struct {
		const char *to, *want;
	} rows[] = {
	    {"nobody@a.test", "550 5.1.1"}, {"x@else.test", "550 5.7.1"},
	    {"off@a.test", "550 5.2.1"}, {"send@a.test", "550 5.2.1"},
	    {"full@a.test", "552 5.2.3"}, /* nor will it ever */
	};

	rig_account(&rig, "off@a.test");
	rig_account(&rig, "send@a.test");
	rig_account(&rig, "full@a.test");
	rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "off@a.test", NULL);
	rig_sql(&rig, "UPDATE account SET send_only = 1 WHERE local = 'send'");
	rig_quota(&rig, "full@a.test", 10, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

		rig_to(d, rows[i].to);
		assert_false(rig_run(&rig, d));
		assert_string_equal(code_of(&d->refusal), rows[i].want);
		deliver_free(&d);
	}
	assert_int_equal(count("message"), 0);
	assert_int_equal(count("blob"), 0);
}

static void quota_is_exact(void **state)
{
	struct mailbox_snapshot s;
	int64_t size;

	rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	size = s.octets;
	rig_quota(&rig, "ann@a.test", 3 * size - 1, 0);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	assert_false(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	rig_quota(&rig, "ann@a.test", 3 * size, 0);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	assert_int_equal(rig_expunge(&rig, &s, 1, 1), 1);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	assert_false(rig_send(&rig, "x@else.test", "ann@a.test", TEXT, NULL));
	mailbox_snapshot_fini(&s);
}

static void all_or_none_with_one_reply(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	rig_quota(&rig, "bob@a.test", 10, 0);
	rig_to(d, "ann@a.test");
	rig_to(d, "bob@a.test");
	assert_false(rig_run(&rig, d));
	assert_string_equal(code_of(&d->refusal), "552 5.2.3");
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 0);
	d->each = true;
	assert_true(rig_run(&rig, d));
	assert_true(d->results[0].accepted);
	assert_false(d->results[1].accepted);
	assert_string_equal(code_of(&d->results[1].refusal), "552 5.2.3");
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 1);
	assert_int_equal(count("ledger"), 1);
	deliver_free(&d);
}

static void reject_item(struct plan_item *item)
{
	item->action = PLAN_REJECT;
	item->u.reject = (struct plan_reject){554, 5, 4, 6, STR("a loop")};
}

/* To ann, and to bob whom the plan refuses; where his row went. */
static enum ledger_state refuse_beside_accepted(const char *from, bool may_relay)
{
	struct deliver *d = rig_message(&rig, from, TEXT);
	int64_t id = d->message_id;
	char select[128];

	d->may_relay = may_relay;
	rig_to(d, "ann@a.test");
	reject_item(rig_to(d, "bob@a.test"));
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
	snprintf(select, sizeof select,
	    "SELECT state FROM ledger WHERE recipient = 1 AND message = %lld", (long long)id);
	return (enum ledger_state)rig_number(&rig, select);
}

/* One reply cannot tell of a refusal of some: it waits to be returned, unless there is nobody to return
 * it to, or the session may not cause mail to others. */
static void refused_for_good_beside_accepted(void **state)
{
	struct deliver *d;

	assert_int_equal(refuse_beside_accepted("x@else.test", true), LEDGER_QUEUED);
	assert_int_equal(count("queue WHERE destination = '' AND report = 1"
			       " AND last_status = 5004006 AND last_reply = '554 5.4.6 a loop'"),
	    1);
	assert_int_equal(refuse_beside_accepted("", true), LEDGER_DISCARDED);
	assert_int_equal(refuse_beside_accepted("x@else.test", false), LEDGER_DISCARDED);
	assert_int_equal(count("queue"), 1);
	d = rig_message(&rig, "x@else.test", TEXT);
	reject_item(rig_to(d, "bob@a.test"));
	assert_false(rig_run(&rig, d));
	assert_string_equal(code_of(&d->refusal), "554 5.4.6");
	deliver_free(&d);
}

/* Accepted at RCPT, removed since: the sender comes again and is told there. */
static void a_recipient_removed_meanwhile(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "bob@a.test", NULL);
	rig_to(d, "ann@a.test");
	rig_to(d, "bob@a.test");
	assert_false(rig_run(&rig, d));
	assert_string_equal(code_of(&d->refusal), "451 4.3.0");
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 0);
	deliver_free(&d);
}

/* mx may be taken over: no plan makes it relay. */
static void a_plan_never_relays_for_mx(void **state)
{
	struct deliver *d;
	static const enum plan_action actions[] = {PLAN_RELAY, PLAN_MAILBOX, PLAN_DISCARD};

	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		struct plan_item *item;

		d = rig_message(&rig, "x@else.test", TEXT);
		item = rig_to(d, "victim@else.test");
		item->action = actions[i];
		if (actions[i] == PLAN_DISCARD)
			item->u.reason = STR("because");
		assert_false(rig_run(&rig, d));
		assert_string_equal(code_of(&d->refusal), "550 5.7.1");
		deliver_free(&d);
	}
	d = rig_message(&rig, "x@else.test", TEXT);
	*rig_to(d, "ann@a.test") = (struct plan_item){
	    .action = PLAN_REDIRECT, .u.address = STR("victim@else.test")};
	assert_false(rig_run(&rig, d));
	assert_string_equal(code_of(&d->refusal), "550 5.7.1");
	deliver_free(&d);
	assert_int_equal(count("queue"), 0);
}

static void relays_for_those_who_may(void **state)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", TEXT);

	d->may_relay = true;
	d->account = ann;
	for (int i = 0; i < 3; i++)
		rig_to(d, i < 2 ? "x@Else.test" : "y@other.test")->action = PLAN_RELAY;
	rig_to(d, "bob@a.test")->action = PLAN_RELAY; /* ours after all */
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->queued, 3);
	assert_int_equal(d->copies, 1);
	assert_int_equal(count("destination"), 2);
	assert_int_equal(refs(), 4);
	deliver_free(&d);
}

static void follows_redirects_that_are_permitted(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	rig_alias(&rig, "out@a.test", "o@else.test");
	*rig_to(d, "out@a.test") = (struct plan_item){
	    .action = PLAN_REDIRECT, .u.address = STR("O@else.test")};
	*rig_to(d, "ann@a.test") = (struct plan_item){
	    .recipient = 1, .action = PLAN_REDIRECT, .u.address = STR("bob@a.test")};
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->queued, 1);
	assert_int_equal(messages_of(bob, MAILBOX_INBOX), 1);
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 0);
	deliver_free(&d);
}

static void chooses_mailbox_and_flags(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);
	struct plan_item *item = rig_to(d, "ann@a.test");

	item->u.mailbox.role = PLAN_ROLE_JUNK;
	item->u.mailbox.flags = PLAN_FLAG_SEEN | PLAN_FLAG_JUNK;
	item = rig_to(d, "bob@a.test");
	item->u.mailbox.role = PLAN_ROLE_NAMED;
	item->u.mailbox.name = STR("Archive");
	assert_true(rig_run(&rig, d));
	assert_int_equal(messages_of(ann, MAILBOX_JUNK), 1);
	assert_int_equal(messages_of(ann, MAILBOX_INBOX), 0);
	assert_int_equal(messages_of(bob, MAILBOX_ARCHIVE), 1);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM email WHERE keywords = '$junk $seen'"), 1);
	deliver_free(&d);
	d = rig_message(&rig, "x@else.test", TEXT);
	item = rig_to(d, "bob@a.test");
	item->u.mailbox.role = PLAN_ROLE_NAMED;
	item->u.mailbox.name = STR("no such thing");
	assert_true(rig_run(&rig, d));
	assert_int_equal(messages_of(bob, MAILBOX_INBOX), 1);
	deliver_free(&d);
}

static void discards_with_a_reason(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);
	struct plan_item *item = rig_to(d, "ann@a.test");
	int64_t faults[LEDGER_FAULTS];

	item->action = PLAN_DISCARD;
	item->u.reason = STR("the owner's rule");
	assert_true(rig_run(&rig, d));
	assert_int_equal(count("blob"), 0);
	assert_int_equal(rig_audit(&rig, faults).in[LEDGER_DISCARDED], 1);
	deliver_free(&d);
}

static void spoil(struct deliver *d, int how)
{
	switch (how) {
	case 0:
		d->reverse_path = STR("a\r\nb");
		break;
	case 1:
		d->reverse_path = STR("\xff");
		break;
	case 2:
		d->helo = STR("a\0b");
		break;
	case 3:
		d->message_id = 0;
		break;
	case 4:
		d->n = 0;
		break;
	case 5:
		d->plan.n = 2;
		break;
	case 6:
		d->plan.items[0].recipient = 1;
		break;
	case 7:
		d->recipients[0].address = STR("");
		break;
	case 8:
		d->recipients[0].local = STR("a\0b");
		break;
	case 9:
		d->data = STR("");
		break;
	case 10:
		d->plan.items[0].action = PLAN_ACTIONS;
		break;
	case 11:
		d->recipients[0].orcpt = STR("\xff");
		break;
	case 12:
		d->envid = STR("\n");
		break;
	}
}

/* Whatever a front sends: refused before the lane sees it. */
static void nonsense_is_refused(void **state)
{
	for (int how = 0; how < 13; how++) {
		struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

		rig_to(d, "ann@a.test");
		assert_true(deliver_prepare(d));
		spoil(d, how);
		if (deliver_prepare(d))
			fail_msg("case %d was taken", how);
		assert_int_equal(d->refusal.code, 554);
		deliver_free(&d);
	}
}

static int64_t thread_of(const char *text)
{
	struct deliver *d = rig_message(&rig, "x@else.test", text);
	int64_t thread;

	rig_to(d, "ann@a.test");
	rig_add_summary(d);
	assert_true(rig_run(&rig, d));
	thread = d->thread;
	deliver_free(&d);
	return thread;
}

static void threads_and_message_ids(void **state)
{
	int64_t first = thread_of("Subject: tea\r\nMessage-ID: <1@x>\r\n\r\n");
	int64_t reply = thread_of(
	    "Subject: Re: tea\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\n");
	int64_t other = thread_of(
	    "Subject: milk\r\nMessage-ID: <3@x>\r\nReferences: <1@x>\r\n\r\n");
	struct deliver *d = rig_message(&rig, "x@else.test", TEXT);

	assert_int_equal(first, reply);
	assert_int_not_equal(first, other);
	rig_to(d, "ann@a.test");
	d->summary = STR("no summary at all");
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->summary.n, 0);
	assert_int_equal(d->thread, d->message_id);
	deliver_free(&d);
}

static void ten_thousand_recipients(void **state)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", TEXT);
	char address[64];

	d->may_relay = true;
	for (int i = 0; i < LIMIT_SMTP_RCPT_MAX; i++) {
		snprintf(address, sizeof address, "u%d@else.test", i);
		rig_to(d, address)->action = PLAN_RELAY;
	}
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->queued, LIMIT_SMTP_RCPT_MAX);
	assert_int_equal(count("queue"), LIMIT_SMTP_RCPT_MAX);
	assert_int_equal(refs(), LIMIT_SMTP_RCPT_MAX);
	deliver_free(&d);
}

static void a_large_message_has_its_own_pack(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "");
	struct blob_upload *u = NULL;
	struct mailbox_snapshot s;
	struct err e = {""};
	uint8_t block[4096];

	memset(block, 'x', sizeof block);
	assert_int_equal(blob_upload_begin(rig.blobs, d->message_id, BLOB_PLAIN, &u, &e), BLOB_OK);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
		    blob_upload_write(rig.blobs, u, str_of(block, sizeof block), &e), BLOB_OK);
	assert_int_equal(blob_upload_finish(rig.blobs, u, &d->upload_pos, &e), BLOB_OK);
	d->upload = u;
	rig_to(d, "ann@a.test");
	assert_true(rig_run(&rig, d));
	blob_upload_free(rig.blobs, &u);
	deliver_free(&d);
	rig_restart(&rig);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_true(s.octets > 100 * (int64_t)sizeof block);
	assert_int_equal(rig_read(&rig, arena, &s, 1).n, s.octets);
	/* expunged and past its window, the pack's file goes */
	assert_int_equal(rig_expunge(&rig, &s, 1, 1), 1);
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, INT64_MAX / 2);
	rig_maintain(&rig, 0, INT64_MAX / 2);
	assert_int_equal(count("blob"), 0);
	{
		struct blob_counts c;

		blob_counts(rig.blobs, &c);
		assert_true(c.bytes < (int64_t)sizeof block);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(one_copy_is_prefix_and_blob),
	    T(survives_a_restart),
	    T(one_blob_for_all_and_one_copy_each),
	    T(a_taken_id_is_a_temporary_error),
	    T(refusals),
	    T(quota_is_exact),
	    T(all_or_none_with_one_reply),
	    T(refused_for_good_beside_accepted),
	    T(a_recipient_removed_meanwhile),
	    T(a_plan_never_relays_for_mx),
	    T(relays_for_those_who_may),
	    T(follows_redirects_that_are_permitted),
	    T(chooses_mailbox_and_flags),
	    T(discards_with_a_reason),
	    T(nonsense_is_refused),
	    T(threads_and_message_ids),
	    T(ten_thousand_recipients),
	    T(a_large_message_has_its_own_pack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
