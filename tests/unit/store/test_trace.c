/* Timelines, and finding a message by what a person knows of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include "base/clock.h"
#include "base/hash.h"
#include "store/trace.h"
#include "store/trace_attempt.h"

#define TEXT "Message-ID: <Tea@X.test>\r\n\r\nhello\r\n"

static struct rig rig;

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static int64_t send(const char *from, const char *to, const char *text)
{
	struct deliver *d = rig_message(&rig, from, text);
	int64_t id = d->message_id;

	d->may_relay = true;
	rig_to(d, to);
	if (!str_has_suffix_i(str_of_c(to), STR("@a.test")))
		d->plan.items[0].action = PLAN_RELAY;
	rig_add_summary(d);
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
	return id;
}

static void put_event(void *ctx, const struct trace_event *e)
{
	buf_printf(ctx, "%s %lld <%.*s> %.*s\n", trace_kind_name(e->kind), (long long)e->recipient,
	    STR_FMT(e->address), STR_FMT(e->text));
}

static enum db_code append(const struct trace_event *event)
{
	enum db_code code = db_begin(rig.db);

	if (code == DB_OK)
		code = trace_append(rig.db, event);
	return code == DB_OK ? db_commit(rig.db) : code;
}

static void tells_the_story_in_order(void **state)
{
	struct buf b;
	int64_t id = send("x@else.test", "ann@a.test", TEXT), other, attempts[2];
	struct trace_event event = {.kind = TRACE_ATTEMPT, .recipient = 0};
	struct ledger_row row = {.state = LEDGER_RELAYED, .detail = STR("mx.else.test")};
	bool changed;

	buf_init(&b, 4 * KIB);
	assert_int_equal(trace_message(rig.db, id, put_event, &b), DB_ROW);
	assert_string_equal(buf_cstr(&b),
	    "received -1 <x@else.test> received from client.test [192.0.2.1] with ESMTP, 35 octets,"
	    " for 1 recipient, Message-ID <Tea@X.test>\n"
	    "mailbox 0 <ann@a.test> delivered to the mailbox INBOX\n");
	other = send("ann@a.test", "y@else.test", "\r\n");
	event.message = row.message = other;
	for (int i = 0; i < 2; i++) {
		event.time = attempts[i] = rig.now + (i + 1) * MINUTE_MS;
		event.text = i ? STR("250 thanks") : STR("451 busy");
		assert_int_equal(append(&event), DB_OK);
	}
	buf_clear(&b);
	assert_int_equal(trace_message(rig.db, other, put_event, &b), DB_ROW);
	assert_string_equal(buf_cstr(&b),
	    "received -1 <ann@a.test> received from client.test [192.0.2.1] with ESMTP, 2 octets,"
	    " for 1 recipient\n"
	    "queued 0 <y@else.test> in the queue, for else.test\n"
	    "attempt 0 <y@else.test> 451 busy\n"
	    "attempt 0 <y@else.test> 250 thanks\n");
	row.time = attempts[1]; /* one commit for both */
	assert_int_equal(ledger_settle(rig.db, &row, &changed), DB_OK);
	buf_clear(&b);
	trace_message(rig.db, other, put_event, &b);
	assert_true(
	    str_has_suffix_i(buf_view(&b), STR("250 thanks\nrelayed 0 <y@else.test> handed over to "
					       "mx.else.test\n")));
	assert_int_equal(trace_message(rig.db, other + 1, put_event, &b), DB_OK);
	buf_fini(&b);
}

static void expect_attempt(const struct trace_attempt *a, const char *more, const char *want)
{
	struct trace_attempt is;
	struct buf b;

	buf_init(&b, KIB);
	trace_attempt_put(&b, a);
	assert_string_equal(buf_cstr(&b), want);
	buf_c(&b, more);
	assert_true(trace_attempt_read(buf_view(&b), &is));
	assert_int_equal(is.outcome, a->outcome);
	assert_int_equal(is.broken, a->broken);
	assert_true(str_eq(is.server, a->server));
	assert_true(str_eq(is.ip, a->ip));
	assert_true(str_eq(is.tls, a->tls));
	assert_int_equal(is.took, a->took);
	buf_fini(&b);
}

/* What the sentence about an attempt says can be read from it, whatever the server has said. */
static void attempts_are_read_again(void **state)
{
	struct trace_attempt a = {.outcome = QUEUE_RETRY,
	    .server = STR("mx.b.test"),
	    .ip = STR("2001:db8::7"),
	    .tls = STR("TLSv1.3 TLS_AES_128_GCM_SHA256, certificate verified"),
	    .took = 31204};
	const char *said = ": 450 over TLSv9 X, certificate not verified, within 1.000 s";

	expect_attempt(&a, said,
	    "refused for now by mx.b.test [2001:db8::7] over TLSv1.3 TLS_AES_128_GCM_SHA256,"
	    " certificate verified, after 31.204 s");
	a.tls = STR("");
	a.broken = true;
	expect_attempt(
	    &a, ": no answer in time", "broken off with mx.b.test [2001:db8::7], after 31.204 s");
	a.broken = false;
	a.took = -1;
	expect_attempt(&a, said, "refused for now by mx.b.test [2001:db8::7]");
	a.outcome = QUEUE_DELIVERED;
	a.server = STR("");
	a.took = 7;
	expect_attempt(&a, said, "taken by [2001:db8::7], within 0.007 s");
	a.server = a.ip;
	expect_attempt(&a, said, "taken by 2001:db8::7, within 0.007 s");
	a.took = -1;
	expect_attempt(&a, said, "taken by 2001:db8::7");
	a.server = STR("mx.b.test");
	a.ip = STR("");
	expect_attempt(
	    &a, ", sent on for x@a.test with the reverse path y@a.test", "taken by mx.b.test");
	expect_attempt(&a, said, "taken by mx.b.test");
	a.server = STR("");
	for (int i = 0; i < QUEUE_OUTCOMES; i++) {
		struct trace_attempt read;
		struct buf b;

		a.outcome = (enum queue_outcome)i;
		a.took = i;
		buf_init(&b, KIB);
		trace_attempt_put(&b, &a);
		buf_c(&b, said);
		for (size_t n = 0; n <= b.n; n++) /* every prefix */
			(void)trace_attempt_read(str_sub(buf_view(&b), 0, n), &read);
		assert_true(trace_attempt_read(buf_view(&b), &read));
		assert_int_equal(read.outcome, i);
		assert_int_equal(read.took, i);
		assert_true(read.server.n == 0 && read.ip.n == 0 && read.tls.n == 0);
		buf_fini(&b);
	}
	assert_false(trace_attempt_read(STR("451 busy"), &a));
}

/* The last colon of "2001:db8::" is the address's own. */
static void addresses_that_end_with_a_colon(void **state)
{
	struct trace_attempt a = {.outcome = QUEUE_DELIVERED,
	    .server = STR("2001:db8::"),
	    .ip = STR("2001:db8::"),
	    .took = -1};

	expect_attempt(&a, "", "taken by 2001:db8::");
	expect_attempt(&a, ": 250 thanks", "taken by 2001:db8::");
	a.tls = STR("TLSv1.3 TLS_AES_128_GCM_SHA256, certificate verified");
	expect_attempt(&a, ": 250 thanks",
	    "taken by 2001:db8:: over TLSv1.3 TLS_AES_128_GCM_SHA256, certificate verified");
	a.took = 7;
	a.tls = STR("");
	expect_attempt(&a, ": 250 thanks", "taken by 2001:db8::, within 0.007 s");
	a.server = STR("");
	expect_attempt(&a, ": 250 thanks", "taken by [2001:db8::], within 0.007 s");
}

/* "within" stood in all of them. */
static void sentences_of_older_programs_are_read(void **state)
{
	static const char *const texts[] = {
	    "refused for now by mx.b.test [192.0.2.7] over TLSv1.3 X, certificate not verified, within "
	    "31.204 s: 450 busy, after 1.000 s",
	    "refused for now by mx.b.test [192.0.2.7] over TLSv1.3 X, certificate not verified, after "
	    "31.204 s: 450 busy, within 1.000 s",
	    "refused for now by mx.b.test [192.0.2.7] over TLSv1.3 X, certificate not verified, within "
	    "31.204 s, sent on for x@a.test with the reverse path y@a.test: 450 busy",
	};
	struct trace_attempt a;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_true(trace_attempt_read(str_of_c(texts[i]), &a));
		assert_int_equal(a.outcome, QUEUE_RETRY);
		assert_true(str_eq(a.server, STR("mx.b.test")));
		assert_true(str_eq(a.ip, STR("192.0.2.7")));
		assert_true(str_eq(a.tls, STR("TLSv1.3 X, certificate not verified")));
		assert_int_equal(a.took, 31204);
	}
	assert_true(trace_attempt_read(STR("not delivered, within 30.001 s"), &a));
	assert_int_equal(a.took, 30001);
}

static void long_texts_are_cut_between_characters(void **state)
{
	struct trace_event event = {.message = 7, .kind = TRACE_NOTICE, .recipient = -1};
	uint8_t text[LIMIT_TRACE_TEXT + 2];

	memset(text, 'x', sizeof text);
	memcpy(text + LIMIT_TRACE_TEXT - 1, "\xc3\xa4", 2);
	event.text = str_of(text, sizeof text);
	assert_int_equal(append(&event), DB_OK);
	assert_int_equal(
	    rig_number(&rig, "SELECT length(CAST(text AS blob)) FROM trace"), LIMIT_TRACE_TEXT - 1);
}

/* The ids found, as "1 2 3" in the order they were sent. */
static const char *found(const char *what, const int64_t *sent, size_t n)
{
	static char text[64];
	int64_t ids[8];
	size_t count = 0, at = 0;

	text[0] = 0;
	assert_int_equal(trace_find(rig.db, str_of_c(what), ids, 8, &count), DB_OK);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < n; k++) {
			if (ids[i] == sent[k])
				at += (size_t)snprintf(text + at, sizeof text - at, "%zu ", k);
		}
	}
	return text;
}

static void tells_whose_account_it_was(void **state)
{
	int64_t id = send("x@else.test", "ann@a.test", TEXT);
	struct buf b;

	buf_init(&b, 4 * KIB);
	trace_message(rig.db, id, put_event, &b);
	assert_null(strstr(buf_cstr(&b), "of the account"));
	rig_sql(&rig, "UPDATE message SET account = (SELECT id FROM account WHERE local = 'ann')");
	buf_clear(&b);
	trace_message(rig.db, id, put_event, &b);
	assert_non_null(strstr(buf_cstr(&b), ", of the account ann@a.test"));
	rig_sql(&rig, "UPDATE message SET account = 4711");
	buf_clear(&b);
	trace_message(rig.db, id, put_event, &b);
	assert_non_null(strstr(buf_cstr(&b), ", of the account that was removed since"));
	buf_fini(&b);
}

static void finds_by_what_one_knows(void **state)
{
	int64_t sent[4];
	struct buf id;

	buf_init(&id, 32);
	sent[0] = send("x@else.test", "Ann@a.test", TEXT);
	rig.now += DAY_MS;
	sent[1] = send("ann@a.test", "bob@a.test", "Message-ID: <2@x>\r\n\r\n");
	rig.now += DAY_MS;
	sent[2] = send("ann@a.test", "y@else.test", "\r\n");
	id_put(&id, sent[1]);
	/* the same before, between and after the index has them */
	for (int round = 0; round < 3; round++) {
		assert_string_equal(found("", sent, 3), "2 1 0 ");
		assert_string_equal(found("ANN@a.test", sent, 3), "2 1 0 ");
		assert_string_equal(found("bob@a.test", sent, 3), "1 ");
		assert_string_equal(found("y@else.test", sent, 3), "2 ");
		assert_string_equal(found("<tea@x.test>", sent, 3), "0 ");
		assert_string_equal(found("Tea@X.test", sent, 3), "0 ");
		assert_string_equal(found("nobody@a.test", sent, 3), "");
		assert_string_equal(found(buf_cstr(&id), sent, 3), "1 ");
		if (round == 0)
			rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
		if (round == 1)
			sent[3] = send("bob@else.test", "ann+z@a.test", "\r\n");
	}
	assert_string_equal(found("bob@else.test", sent, 4), "3 ");
	assert_true(rig_number(&rig, "SELECT count(*) FROM trace_index") == 8);
	buf_fini(&id);
}

/* Whichever way the domain was spelt, then or now. */
static void finds_by_both_spellings_of_a_domain(void **state)
{
	int64_t sent[4];

	sent[0] = send("x@else.test",
	    "y@b\xc3\xbc"
	    "cher.test",
	    "\r\n");
	sent[1] = send("Y@XN--bcher-kva.test", "ann@a.test", "\r\n");
	sent[2] = send("x@else.test", "z@xn--bcher-kva.test", "\r\n");
	sent[3] = send("y@b\xc3\xbc"
		       "cher.test",
	    "y@xn--bcher-kva.test", "\r\n");
	for (int round = 0; round < 2; round++) {
		assert_string_equal(found("y@b\xc3\xbc"
					  "cher.test",
					sent, 4),
		    "3 1 0 ");
		assert_string_equal(found("Y@B\xc3\x9c"
					  "cher.Test",
					sent, 4),
		    "3 1 0 ");
		assert_string_equal(found("y@xn--bcher-kva.test", sent, 4), "3 1 0 ");
		assert_string_equal(found("z@b\xc3\xbc"
					  "cher.test",
					sent, 4),
		    "2 ");
		rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	}
}

/* ... or the local part; also by rows of an index that knew the case of ASCII letters alone. */
static void finds_by_any_spelling(void **state)
{
	static const struct hash_key fixed = {0x74726163655f6b65, 0x79206f66206d7367};
	struct str before = STR("jo\u0308rg@else.test");
	int64_t sent[2];
	struct buf sql;

	sent[0] = send("JO\u0308rg@else.test", "ann@a.test", "\r\n");
	sent[1] = send("x@else.test", "j\u00f6rg@else.test", "\r\n");
	for (int round = 0; round < 2; round++) {
		assert_string_equal(found("j\u00f6rg@else.test", sent, 2), "1 0 ");
		assert_string_equal(found("J\u00d6RG@ELSE.test", sent, 2), "1 0 ");
		assert_string_equal(found("jorg@else.test", sent, 2), "");
		rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	}
	buf_init(&sql, KIB);
	buf_printf(&sql,
	    "UPDATE trace_index SET hash = %lld WHERE message = %lld AND hash IN"
	    " (SELECT hash FROM trace_index WHERE message = %lld)",
	    (long long)(hash_bytes(&fixed, before) & INT64_MAX), (long long)sent[0],
	    (long long)sent[1]);
	rig_sql(&rig, buf_cstr(&sql));
	assert_string_equal(found("j\u00f6rg@else.test", sent, 2), "1 ");
	assert_int_equal(db_begin(rig.db), DB_OK);
	assert_int_equal(trace_index_fold(rig.db), DB_OK);
	assert_int_equal(db_commit(rig.db), DB_OK);
	assert_string_equal(found("j\u00f6rg@else.test", sent, 2), "1 0 ");
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace_index"), 4);
	buf_fini(&sql);
}

/* Ids are given at MAIL: one may commit behind the index's mark. */
static void a_late_message_is_found(void **state)
{
	struct deliver *late = rig_message(&rig, "late@else.test", "\r\n");
	int64_t id = late->message_id;

	send("x@else.test", "ann@a.test", "\r\n");
	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	rig_to(late, "ann@a.test");
	assert_true(rig_run(&rig, late));
	deliver_free(&late);
	assert_string_equal(found("late@else.test", &id, 1), "0 ");
	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	assert_string_equal(found("late@else.test", &id, 1), "0 ");
}

/* What is blank is not "any". */
static void chooses_by_what_is_written(void **state)
{
	static const struct {
		const char *which;
		bool good;
		int64_t id;
		const char *header_id;
	} rows[] = {
	    {"", true, 0, ""},
	    {"0000000000001", true, 1, ""},
	    {" 0000000000001\t", true, 1, ""},
	    {"<0000000000001>", true, 0, "0000000000001"},
	    {" <Tea@x> ", true, 0, "Tea@x"},
	    {"Tea@x", true, 0, "Tea@x"},
	    {"<>", true, 0, "<>"},
	    {"< >", true, 0, " "},
	    {" ", false, 0, ""},
	    {"\t\r\n", false, 0, ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t id = 7;
		struct str header_id = STR("before");

		assert_int_equal(
		    trace_choose(str_of_c(rows[i].which), &id, &header_id), rows[i].good);
		assert_int_equal(id, rows[i].id);
		assert_true(str_eq(header_id, str_of_c(rows[i].header_id)));
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(tells_the_story_in_order),
	    T(attempts_are_read_again),
	    T(addresses_that_end_with_a_colon),
	    T(sentences_of_older_programs_are_read),
	    T(long_texts_are_cut_between_characters),
	    T(tells_whose_account_it_was),
	    T(finds_by_what_one_knows),
	    T(finds_by_both_spellings_of_a_domain),
	    T(finds_by_any_spelling),
	    T(a_late_message_is_found),
	    T(chooses_by_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
