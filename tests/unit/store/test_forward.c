/* Mail that aliases send on: with which reverse path, and whom that leads back to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/limits.h"
#include "store/forward.h"
#include "store/queue_change.h"
#include "store/trace.h"

#define OWNER   77
#define BOB     "bob@s.test"
#define LONG    "a23456789b123456789c123456789d123456789e123456789@s.test"
#define LETTER  "Subject: hello\r\n\r\nwords\r\n"
#define REFUSED "5.1.1 who?"

static void make_key(void)
{
	assert_int_equal(db_begin(q.rig.db), DB_OK);
	assert_int_equal(forward_key_make(q.rig.db), DB_OK);
	assert_int_equal(db_commit(q.rig.db), DB_OK);
}

static void add_relay_domain(const char *name)
{
	struct directory_change c = {.verb = DIRECTORY_DOMAIN_ADD,
	    .who = STR("test"),
	    .domain = str_of_c(name),
	    .kind = DIRECTORY_RELAY};

	directory_change_init(&c);
	c.op.done = rig_nothing;
	lane_run_one(q.rig.lane, &c.op, q.rig.now);
	assert_false(c.refused);
}

static int setup(void **state)
{
	queue_test_setup(state);
	q.rig.directory.srs = true;
	q.rig.directory.hostname = STR("mx.a.test");
	make_key();
	rig_domain(&q.rig, "b.test");
	rig_alias(&q.rig, "info@a.test", "out@else.test");
	rig_alias(&q.rig, "team@b.test", "other@else.test");
	add_relay_domain("r.test");
	rig_alias(&q.rig, "backup@a.test", "out@r.test");
	return 0;
}

/* A message of a stranger, who may not relay, to addresses here (NULL at the end). */
static int64_t comes(const char *from, const char *const *to)
{
	struct deliver *d = rig_message(&q.rig, from, LETTER);
	int64_t id = d->message_id;

	for (size_t i = 0; to[i]; i++)
		rig_to(d, to[i]);
	assert_true(rig_run(&q.rig, d));
	deliver_free(&d);
	return id;
}

static int64_t comes_to(const char *from, const char *to)
{
	return comes(from, (const char *const[]){to, NULL});
}

/* The reverse path with which the only message that waits goes; it waits on. */
static struct str path(void)
{
	struct str s;
	const struct queue_job *job;

	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
	job = q.lease.jobs;
	s = arena_str(arena, job->reverse_path);
	qrig_release(&q, NULL, 0);
	return s;
}

static struct str path_of(const char *from, const char *to)
{
	struct str s;

	comes_to(from, to);
	s = path();
	q.world = NULL;
	rig_sql(&q.rig, "UPDATE ledger SET state = 3; DELETE FROM blob; DELETE FROM queue");
	return s;
}

/* What an address is: its class, with the first target. */
static struct directory_answer resolve(struct str address)
{
	size_t at = str_rfind(address, '@');
	struct directory_answer answer;

	assert_int_equal(
	    directory_resolve(q.rig.db, &q.rig.directory, arena, str_sub(address, 0, at),
		str_from(address, at + 1), 0, q.rig.now, &answer),
	    DB_OK);
	return answer;
}

static void leads_to(struct str address, struct str want)
{
	struct directory_answer answer = resolve(address);

	assert_int_equal(answer.class, ACCEPT_RETURN);
	assert_int_equal(answer.count, 1);
	assert_true(
	    str_eq(directory_text(arena, answer.targets[0].local, answer.targets[0].domain), want));
}

/* ---- there ---- */

static void whose_path_is_ours(void **state)
{
	static const struct {
		const char *from, *to;
		const char *domain; /* that it goes with; NULL: as it came */
	} cases[] = {
	    {BOB, "info@a.test", "a.test"},
	    {BOB, "Info+x@a.test", "a.test"},
	    {BOB, "team@b.test", "b.test"},
	    {"\"b b\"@s.test", "info@a.test", "a.test"},
	    {"b\303\266b@\303\244.test", "info@a.test", "a.test"},
	    {LONG, "info@a.test", "a.test"},
	    /* domains that are only kept for another server: its SPF need not name us, and it asks for ours */
	    {"ann@r.test", "info@a.test", "a.test"},
	    {BOB, "backup@a.test", "a.test"},
	    {"ann@r.test", "backup@a.test", "a.test"},
	    {"", "info@a.test", NULL},
	    {"ann@a.test", "info@a.test", NULL},
	    {"ann@B.test", "info@a.test", NULL},
	    {"root@mx.a.test", "info@a.test", NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str got = path_of(cases[i].from, cases[i].to);

		if (!cases[i].domain) {
			assert_true(str_eq(got, str_of_c(cases[i].from)));
			continue;
		}
		assert_true(str_has_prefix(got, STR("SRS0=")));
		assert_true(
		    str_eq(str_from(got, str_rfind(got, '@') + 1), str_of_c(cases[i].domain)));
	}
}

static void only_what_is_sent_on(void **state)
{
	qrig_send_one(&q, BOB, "carl@else.test");
	assert_true(str_eq(path(), STR(BOB)));
	assert_int_equal(qrig_count(&q, "queue WHERE forwarder = ''"), 1);
	q.rig.directory.srs = false;
	rig_sql(&q.rig, "UPDATE queue SET not_before = 9000000000000000");
	assert_true(str_eq(path_of(BOB, "info@a.test"), STR(BOB)));
	q.rig.directory.srs = true;
	rig_sql(
	    &q.rig, "DELETE FROM ledger; DELETE FROM message; DELETE FROM blob; DELETE FROM email");
	rig_count_rows(&q.rig);
}

/* Servers that greylist see the same one, as long as the message is young. */
static void the_same_for_a_week(void **state)
{
	struct str first;

	comes_to(BOB, "info@a.test");
	first = path();
	q.rig.now += 7 * DAY_MS - HOUR_MS;
	rig_sql(&q.rig, "UPDATE queue SET by_kind = 0");
	q.cfg.policy.lifetime = 60 * DAY_MS;
	assert_true(str_eq(path(), first));
	q.rig.now += 30 * DAY_MS;
	assert_int_equal(resolve(first).class, ACCEPT_EXPIRED);
	leads_to(path(), STR(BOB));
}

/* What is sent differs by the alias: for each a job of its own, with all its recipients. */
static void a_job_for_each_alias(void **state)
{
	size_t of_info = 0, of_team = 0;

	rig_alias(&q.rig, "info@a.test", "out2@else.test");
	rig_alias(&q.rig, "team@b.test", "other2@else.test");
	comes(BOB, (const char *const[]){"info@a.test", "team@b.test", NULL});
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 2);
	for (size_t i = 0; i < 2; i++) {
		const struct queue_job *job = &q.lease.jobs[i];
		struct str forwarder = job->rows.v[0].forwarder;

		for (size_t k = 0; k < job->rows.n; k++)
			assert_true(str_eq(job->rows.v[k].forwarder, forwarder));
		assert_true(str_has_suffix_i(
		    job->reverse_path, str_from(forwarder, str_find(forwarder, '@'))));
		of_info += str_eq(forwarder, STR("info@a.test")) ? job->rows.n : 0;
		of_team += str_eq(forwarder, STR("team@b.test")) ? job->rows.n : 0;
	}
	assert_int_equal(of_info, 2);
	assert_int_equal(of_team, 2);
	qrig_release(&q, NULL, 0);
}

/* ---- and back ---- */

static void back_to_the_sender(void **state)
{
	static const char *const senders[][2] = {
	    {BOB, BOB},
	    {"Bob.B@S.test", "Bob.B@s.test"},
	    {LONG, LONG},
	    {"\"b b\"@s.test", "\"b b\"@s.test"},
	    {"\"b@b\"@s.test", "\"b@b\"@s.test"},
	    {"bob@[192.0.2.1]", "bob@[192.0.2.1]"},
	    {"b\303\266b@\303\244.test", "b\303\266b@xn--4ca.test"},
	    {"SRS0=aaaa=bb=s.test=bob@f.test", "SRS0=aaaa=bb=s.test=bob@f.test"},
	    {"SRS1=cccc=f.test==aaaa=bb=s.test=bob@g.test", "SRS0=aaaa=bb=s.test=bob@f.test"},
	};

	for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++)
		leads_to(path_of(senders[i][0], "info@a.test"), str_of_c(senders[i][1]));
}

static struct str with(struct str s, size_t at, uint8_t c)
{
	struct buf b;

	buf_init(&b, LIMIT_SMTP_PATH);
	buf_str(&b, s);
	b.p[at] = c;
	s = arena_str(arena, buf_view(&b));
	buf_fini(&b);
	return s;
}

static void only_what_was_made_here(void **state)
{
	struct str good = path_of(BOB, "info@a.test"), at_b, bad = with(good, 20, 'x');

	at_b = with(good, good.n - 6, 'b');
	leads_to(at_b, STR(BOB)); /* any domain of ours */
	assert_int_equal(resolve(bad).class, ACCEPT_FORGED);
	assert_int_equal(resolve(with(good, good.n - 6, 'c')).class, ACCEPT_RELAY);
	rig_alias(&q.rig, "@a.test", "ann@a.test"); /* takes all else */
	assert_int_equal(resolve(bad).class, ACCEPT_FORGED);
	leads_to(good, STR(BOB));
	assert_int_equal(resolve(STR("srs0@a.test")).class, ACCEPT_LOCAL);
	/* one that another server makes for the domain */
	q.rig.directory.srs = false;
	assert_int_equal(resolve(bad).class, ACCEPT_LOCAL);
	leads_to(good, STR(BOB));
	q.rig.directory.srs = true;
	q.rig.now += (QUEUE_SRS_DAYS + 1) * DAY_MS;
	assert_int_equal(resolve(good).class, ACCEPT_EXPIRED);
}

/* Nobody has a way through us for ever, to a forwarder who sees to no day. */
static void not_for_ever_to_others(void **state)
{
	struct str good = path_of("SRS0=aaaa=bb=s.test=bob@f.test", "info@a.test");

	leads_to(good, STR("SRS0=aaaa=bb=s.test=bob@f.test"));
	q.rig.now += (QUEUE_SRS_DAYS + 1) * DAY_MS;
	assert_int_equal(resolve(good).class, ACCEPT_EXPIRED);
}

/* A separator of subaddresses that stands in it too. */
static void before_subaddresses(void **state)
{
	struct str good;

	rig_account(&q.rig, "srs0@a.test");
	good = path_of(BOB, "info@a.test");
	q.rig.directory.separator = '=';
	leads_to(good, STR(BOB));
	q.rig.directory.separator = '+';
}

static void a_message_that_was_forgotten(void **state)
{
	struct str good = path_of(LONG, "info@a.test");

	leads_to(good, STR(LONG));
	rig_sql(&q.rig, "DELETE FROM message; DELETE FROM ledger");
	rig_count_rows(&q.rig);
	assert_int_equal(resolve(good).class, ACCEPT_EXPIRED);
}

/* His domain has moved here meanwhile. */
static void a_sender_who_is_ours_by_now(void **state)
{
	struct str good = path_of("Bob@s.test", "info@a.test");
	struct directory_answer answer;

	rig_domain(&q.rig, "s.test");
	assert_int_equal(resolve(good).class, ACCEPT_UNKNOWN);
	rig_account(&q.rig, BOB);
	answer = resolve(good);
	assert_int_equal(answer.class, ACCEPT_RETURN);
	assert_true(answer.count == 1 && answer.targets[0].account);
}

static void without_the_key(void **state)
{
	struct str good = path_of(BOB, "info@a.test");
	int64_t key = rig_number(&q.rig, "SELECT value FROM meta WHERE name = 'srs_0'");
	int64_t faults[LEDGER_FAULTS];

	make_key(); /* there is one */
	assert_true(rig_number(&q.rig, "SELECT value FROM meta WHERE name = 'srs_0'") == key);
	qrig_restart(&q);
	leads_to(good, STR(BOB));
	rig_sql(&q.rig, "DELETE FROM meta WHERE name = 'srs_1'");
	assert_int_equal(resolve(good).class, ACCEPT_FORGED);
	rig_audit(&q.rig, faults);
	assert_int_equal(faults[LEDGER_NO_GIVEN], 1);
	make_key();
	rig_audit(&q.rig, faults);
	assert_int_equal(faults[LEDGER_NO_GIVEN], 1);
	rig_sql(&q.rig, "DELETE FROM meta WHERE name = 'lost'"); /* as a repair */
	assert_int_equal(resolve(good).class, ACCEPT_FORGED);
	leads_to(path_of(BOB, "info@a.test"), STR(BOB));
}

/* ---- who may send there ---- */

/* The code of the refusal; 0: it is taken. */
static unsigned answered(const char *from, struct str to)
{
	struct deliver *d = rig_message(&q.rig, from, LETTER);
	struct plan_item *item = rig_to(d, arena_cstr(arena, to));
	struct directory_answer answer = resolve(to);
	unsigned code;

	if (answer.count) {
		item->action = PLAN_REDIRECT;
		item->u.address = directory_text(
		    arena, answer.targets[0].local, answer.targets[0].domain);
	}
	code = rig_run(&q.rig, d) ? 0 : d->refusal.code;
	deliver_free(&d);
	return code;
}

static void reports_only(void **state)
{
	struct str good = path_of(BOB, "info@a.test");

	assert_int_equal(answered("carl@c.test", good), 550);
	assert_int_equal(answered("", with(good, 20, 'x')), 550);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(answered("", good), 0);
	assert_int_equal(qrig_count(&q, "queue WHERE address = '" BOB "' AND destination = 's.test'"
					" AND forwarder LIKE 'SRS0=%@a.test'"),
	    1);
	assert_int_equal(path().n, 0);
}

/* ---- what is told ---- */

static void take_text(void *ctx, const struct trace_event *e)
{
	struct buf *b = ctx;

	buf_str(b, e->text);
	buf_byte(b, '\n');
}

static struct str traced(int64_t message)
{
	struct buf b;
	struct str text;

	buf_init(&b, 64 * KIB);
	assert_int_equal(trace_message(q.rig.db, message, take_text, &b), DB_ROW);
	text = arena_str(arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

static struct qrig_answer refuses(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_reply(
	    QUEUE_STAGE_RCPT, str_eq(row->destination, STR("s.test")) ? 450 : 550, REFUSED);
}

static void explained_and_traced(void **state)
{
	int64_t id = comes_to(BOB, "info@a.test"), null = comes_to("", "info@a.test");
	const char *now;

	assert_true(
	    has(explained(id), "It is sent on for info@a.test with the reverse path SRS0="));
	assert_true(has(explained(null),
	    "It is sent on for info@a.test with the reverse path that it came with."));
	qrig_lease(&q, OWNER, QRIG_JOBS);
	now = arena_cstr(arena, q.lease.jobs[0].reverse_path);
	q.rig.directory.srs = false; /* what is under way is under way */
	assert_true(has(explained(id), now));
	q.world = refuses;
	for (size_t i = 0; i < q.lease.n; i++)
		qrig_settle(&q, OWNER, &q.lease.jobs[i]);
	q.rig.directory.srs = true;
	assert_true(has(traced(id), "sent on for info@a.test with the reverse path SRS0="));
	assert_true(has(traced(id), now));
	assert_false(has(traced(null), "with the reverse path"));
	assert_false(has(explained(id), "sent on")); /* it is returned now */
	qrig_tend(&q);
}

/* Our own report goes straight to the sender. */
static void our_report_goes_straight(void **state)
{
	int64_t id;

	q.world = refuses;
	id = comes_to(BOB, "info@a.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 1);
	assert_int_equal(qrig_count(&q, "queue WHERE address = '" BOB "' AND destination = 's.test'"
					" AND bounce = 1 AND forwarder = ''"),
	    1);
}

/* A field of its own before the content, as it came in the octets that were announced. */
static void the_mark_of_the_forwarder(void **state)
{
	struct buf b;

	buf_init(&b, KIB);
	queue_forward_put_prefix(&b, STR(""));
	assert_int_equal(b.n, 0);
	queue_forward_put_prefix(&b, STR("info@a.test"));
	assert_true(str_eq(buf_view(&b), STR("Delivered-To: info@a.test\r\n")));
	buf_fini(&b);
	comes_to(BOB, "Info+x@a.test");
	assert_int_equal(qrig_count(&q, "queue WHERE forwarder = 'Info+x@a.test'"), 1);
}

/* ---- the address that was written to ---- */

static void count_row(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	++*(int *)ctx;
}

/* How many rows of the queue fit it. */
static int listed(const char *to)
{
	struct queue_filter by_recipient = {.recipient = str_of_c(to)};
	struct queue_filter by_any = {.text = str_of_c(to)};
	struct queue_at at = queue_filter_start(&by_any);
	int n = 0, any = 0;
	bool more;

	assert_int_equal(
	    queue_list(q.rig.db, &by_recipient, q.rig.now, 100, &at, &more, count_row, &n), DB_OK);
	at = queue_filter_start(&by_any);
	assert_int_equal(
	    queue_list(q.rig.db, &by_any, q.rig.now, 100, &at, &more, count_row, &any), DB_OK);
	assert_int_equal(n, any);
	return n;
}

static void the_queue_is_listed_by_it(void **state)
{
	rig_alias(&q.rig, "info@a.test", "out2@else.test");
	comes(BOB, (const char *const[]){"Info@a.test", "team@b.test", NULL});
	qrig_send_one(&q, BOB, "carl@else.test");
	assert_int_equal(listed("info@a.test"), 2);
	assert_int_equal(listed("out2@else.test"), 1);
	assert_int_equal(listed("team@b.test"), 1);
	assert_int_equal(listed("a.test"), 2);
	assert_int_equal(listed("else.test"), 4);
	assert_int_equal(listed("nobody@a.test"), 0);
}

/* Is this the message, the only one, that is found? */
static bool is_found(const char *by, int64_t message)
{
	int64_t ids[4];
	size_t n = 0;

	assert_int_equal(trace_find(q.rig.db, str_of_c(by), ids, 4, &n), DB_OK);
	return n == 1 && ids[0] == message;
}

/* Whatever became of it, until its history ends. */
static void the_trace_is_found_by_it(void **state)
{
	int64_t id = comes_to(BOB, "Info@a.test"), other = comes_to(BOB, "team@b.test");

	for (int i = 0; i < 2; i++) {
		assert_true(is_found("info@A.test", id) && is_found("out@else.test", id));
		assert_true(is_found("team@b.test", other));
		assert_false(is_found("nobody@a.test", id));
		rig_maintain(&q.rig, INT64_MAX / 2, INT64_MAX / 2); /* indexed */
	}
	assert_true(has(traced(id), "\nin the queue, for else.test\nsent on for Info@a.test\n"));
	q.world = all_well;
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_true(is_found("info@a.test", id));
	assert_true(has(traced(id), "sent on for Info@a.test\n"));
	q.rig.now += 2 * DAY_MS;
	rig_maintain(&q.rig, DAY_MS, DAY_MS);
	assert_int_equal(qrig_count(&q, "message"), 0);
	assert_int_equal(qrig_count(&q, "trace"), 0);
	assert_int_equal(qrig_count(&q, "trace_index"), 0);
}

/* One whose id lies behind the index's mark is in the index at once. */
static void the_trace_of_a_late_one_is_found_by_it(void **state)
{
	struct deliver *late = rig_message(&q.rig, BOB, LETTER);
	int64_t id = late->message_id;

	comes_to(BOB, "team@b.test");
	rig_maintain(&q.rig, INT64_MAX / 2, INT64_MAX / 2);
	rig_to(late, "info@a.test");
	assert_true(rig_run(&q.rig, late));
	deliver_free(&late);
	assert_true(is_found("info@a.test", id));
}

/* A message of ann to an alias, with ORCPT (empty: none), is refused there: what she is told. */
static struct str told(const char *to, struct str orcpt)
{
	struct deliver *d = rig_message(&q.rig, "ann@a.test", LETTER);

	rig_to(d, to);
	d->recipients[0].orcpt = orcpt;
	assert_true(rig_run(&q.rig, d));
	deliver_free(&d);
	q.world = refuses;
	qrig_work(&q);
	return qrig_mail(&q, arena);
}

static void the_report_names_it(void **state)
{
	struct str report = told("Info@a.test", STR(""));

	assert_true(has(report, "Original-Recipient: rfc822;Info@a.test\r\n"
				"Final-Recipient: rfc822; out@else.test\r\n"));
	assert_true(has(report, "The message was written to Info@a.test, which sends its"));
	report = told("info@a.test", STR("rfc822;first@x.test"));
	assert_true(has(report, "Original-Recipient: rfc822;first@x.test\r\n"));
	assert_true(has(report, "The message was written to info@a.test, which sends its"));
	rig_alias(&q.rig, "j\u00f6rg@a.test", "out@else.test");
	report = told("j\u00f6rg@a.test", STR(""));
	assert_true(has(report, "Original-Recipient: utf-8;j\u00f6rg@a.test\r\n"
				"Final-Recipient: rfc822; out@else.test\r\n"));
}

/* Only where it goes to another address, of others as well as of ours. */
static void the_row_keeps_it(void **state)
{
	struct deliver *d = rig_message(&q.rig, "ann@a.test", LETTER);

	rig_alias(&q.rig, "all@a.test", "ann@a.test");
	d->may_relay = true;
	d->wish.hold_until = q.rig.now + HOUR_MS;
	rig_to(d, "all@a.test");
	rig_to(d, "ann@a.test");
	rig_to(d, "info@a.test");
	rig_to(d, "carl@else.test")->action = PLAN_RELAY;
	assert_true(rig_run(&q.rig, d));
	deliver_free(&d);
	assert_int_equal(qrig_count(&q, "queue WHERE orcpt = 'rfc822;all@a.test'"), 1);
	assert_int_equal(qrig_count(&q, "queue WHERE orcpt = 'rfc822;info@a.test'"), 1);
	assert_int_equal(qrig_count(&q, "queue WHERE orcpt = ''"), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, queue_test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(whose_path_is_ours),
	    TEST(only_what_is_sent_on),
	    TEST(the_same_for_a_week),
	    TEST(a_job_for_each_alias),
	    TEST(back_to_the_sender),
	    TEST(only_what_was_made_here),
	    TEST(not_for_ever_to_others),
	    TEST(before_subaddresses),
	    TEST(a_message_that_was_forgotten),
	    TEST(a_sender_who_is_ours_by_now),
	    TEST(without_the_key),
	    TEST(reports_only),
	    TEST(explained_and_traced),
	    TEST(our_report_goes_straight),
	    TEST(the_mark_of_the_forwarder),
	    TEST(the_queue_is_listed_by_it),
	    TEST(the_trace_is_found_by_it),
	    TEST(the_trace_of_a_late_one_is_found_by_it),
	    TEST(the_report_names_it),
	    TEST(the_row_keeps_it),
	};

	return cmocka_run_group_tests_name("store/forward", tests, NULL, NULL);
}
