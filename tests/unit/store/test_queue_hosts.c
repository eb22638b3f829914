/* Hosts that serve many domains: one probe for all of them, and no more connections than for one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_rig.h"

#include "base/mem.h"
#include "store/maintain.h"
#include "store/queue_change.h"
#include "store/queue_tell.h"
#include "store/queue_way.h"

#define OWNER 7
#define HOSTS 2

static struct qrig q;

/* ---- the world: "a3.test" goes by mx.a, "ab3.test" by mx.a and then mx.b, and so on ---- */

static struct {
	const char *names[HOSTS]; /* mx.a, mx.b */
	bool down[HOSTS];
	bool away[HOSTS];                         /* 421 in place of a greeting */
	const struct qrig_answer *refuses[HOSTS]; /* NULL: it does not */
	int64_t tries[HOSTS];
	int64_t open[HOSTS], most[HOSTS];
	int64_t refused; /* 4xx to recipients */
	int64_t delivered;
	int64_t last; /* when */
} world;

static struct queue_way_host hosts_of(char letter)
{
	return (struct queue_way_host){
	    str_of_c(world.names[letter - 'a']), (uint8_t)(letter - 'a')};
}

static struct qrig_answer answer;

static struct qrig_answer world_answer(const struct queue_job *job, const struct queue_row *row)
{
	return answer;
}

static int setup(void **state)
{
	qrig_open(&q);
	memset(&world, 0, sizeof world);
	world.names[0] = "mx.a";
	world.names[1] = "mx.b";
	q.audits = false; /* of thousands of messages, after each step */
	q.world = world_answer;
	answer = qrig_ok();
	return 0;
}

static int teardown(void **state)
{
	rig_must_balance(&q.rig);
	qrig_close(&q);
	return 0;
}

static void send_to(const char *hosts, int n)
{
	char address[64];

	for (int i = 0; i < n; i++) {
		snprintf(address, sizeof address, "x@%s%d.test", hosts, i);
		qrig_send_one(&q, "ann@a.test", address);
	}
}

/* ---- a relay: attempts that have begun, and how they go on ---- */

/* What a relay keeps of a job. */
struct attempt {
	struct queue_job job;
	struct queue_row row;
	struct queue_way_host hosts[HOSTS];
	size_t n, at;
	bool going; /* to hosts[at] */
	struct arena *arena;
};

static struct attempt attempts[QRIG_JOBS];
static size_t nattempts;

static size_t number_of(const struct queue_way_host *h)
{
	return str_eq(h->name, str_of_c(world.names[1]));
}

static enum queue_way_answer ask(struct attempt *t, size_t from, bool told)
{
	struct queue_way *w = queue_way_new();
	enum queue_way_answer a;

	w->cfg = q.cfg;
	w->owner = OWNER;
	w->message = t->job.message.id;
	w->token = t->job.token;
	if (told) {
		w->failed = t->hosts[t->at].name;
		w->attempt = answer.attempt;
		w->text = str_of_c(answer.text);
		world.open[number_of(&t->hosts[t->at])]--;
	}
	w->hosts = t->hosts + from;
	w->n = t->n - from;
	queue_way_prepare(w);
	qrig_run(&q, &w->op);
	a = w->answer;
	t->going = a == QUEUE_WAY_GO;
	if (t->going) {
		size_t h;

		t->at = from + w->chosen;
		h = number_of(&t->hosts[t->at]);
		world.tries[h]++;
		world.open[h]++;
		world.most[h] = world.open[h] > world.most[h] ? world.open[h] : world.most[h];
	}
	queue_way_free(&w);
	return a;
}

static struct attempt *keep(const struct queue_job *job)
{
	struct attempt *t = &attempts[nattempts++];
	struct str d = job->destination;

	*t = (struct attempt){.job = *job, .row = job->rows.v[0], .arena = arena_new()};
	t->job.rows.v = &t->row;
	t->job.rows.n = 1;
	t->job.destination = arena_str(t->arena, d);
	for (size_t i = 0; i < HOSTS && (d.p[i] == 'a' || d.p[i] == 'b'); i++)
		t->hosts[t->n++] = hosts_of((char)d.p[i]);
	return t;
}

static void drop(struct attempt *t)
{
	arena_free(&t->arena);
	*t = attempts[--nattempts];
}

/* Jobs that may go somewhere stay. How many were given out. */
static size_t begin(size_t room)
{
	size_t n = qrig_lease(&q, OWNER, room);

	for (size_t i = 0; i < n; i++) {
		struct attempt *t = keep(&q.lease.jobs[i]);

		if (ask(t, 0, false) == QUEUE_WAY_WAIT)
			drop(t);
	}
	return n;
}

static void settle(struct attempt *t)
{
	assert_true(qrig_settle(&q, OWNER, &t->job));
	drop(t);
}

/* The first of them goes on: to its end, or to the next host. */
static void go_on(void)
{
	struct attempt *t = &attempts[0];
	size_t h = number_of(&t->hosts[t->at]);

	if (world.down[h] || world.away[h] || world.refuses[h]) {
		answer = world.down[h]   ? qrig_problem(QUEUE_PROBLEM_TIMEOUT)
			 : world.away[h] ? qrig_reply(QUEUE_STAGE_GREETING, 421, "4.3.2 no")
					 : *world.refuses[h];
		if (ask(t, t->at + 1, true) != QUEUE_WAY_GO)
			settle(t);
		answer = qrig_ok();
		return;
	}
	world.open[h]--;
	world.delivered++;
	world.last = q.rig.now;
	settle(t);
}

/* All that is due now, to its end. */
static void work(void)
{
	qrig_tend(&q);
	while (begin(QRIG_JOBS) > 0 || nattempts > 0)
		while (nattempts > 0)
			go_on();
}

static void live(int64_t until)
{
	for (work();; work()) {
		int64_t wake = qrig_wake(&q);

		if (wake > until)
			break;
		assert_true(wake > q.rig.now);
		q.rig.now = wake;
	}
	q.rig.now = until;
}

/* ---- tests ---- */

static void one_probe_for_all_domains(void **state)
{
	int64_t begun = q.rig.now, up;

	world.down[0] = true;
	send_to("a", 50);
	live(begun + DAY_MS);
	assert_in_range(world.tries[0], 40, 56);
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 1);
	send_to("a", 60); /* known to be down, and ten new ones with it */
	live(q.rig.now + HOUR_MS);
	assert_in_range(world.tries[0], 41, 59);
	world.down[0] = false;
	up = q.rig.now;
	live(up + DAY_MS);
	assert_int_equal(world.delivered, 110);
	assert_true(world.last < up + 33 * MINUTE_MS);
	assert_in_range(world.most[0], 2, QUEUE_SESSIONS_MAX);
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* Of a domain: also while its host is down, beside others that it serves. */
static void a_schedule_of_its_own(void **state)
{
	static const int64_t wanted[] = {10 * MINUTE_MS, 2 * HOUR_MS};
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};

	for (size_t i = 0; i < 2; i++) {
		int64_t begun = q.rig.now, steps = DAY_MS / wanted[i];

		special.policy = q.cfg.policy;
		special.policy.retry[0] = wanted[i];
		special.policy.n_retry = 1;
		q.cfg.routing.specials = &special;
		q.cfg.routing.n_specials = 1;
		world.down[0] = true;
		world.tries[0] = 0;
		send_to("a", 1);
		live(begun + DAY_MS);
		assert_in_range(world.tries[0], steps * 8 / 10, steps * 12 / 10 + 1);
		world.down[0] = false;
		live(q.rig.now + 3 * HOUR_MS);
		assert_int_equal(world.delivered, i + 1);
	}
	q.cfg.routing.n_specials = 0;
}

/* The wait is over, and it has not gone anywhere yet: the host that it waited for is what held it up. */
static void told_of_the_host_that_it_waited_for(void **state)
{
	struct arena *a = arena_new();
	struct str mail;

	world.down[0] = true;
	qrig_send_one(&q, "", "x@a0.test");
	work();
	qrig_send_one(&q, "ann@a.test", "x@a1.test");
	work();
	assert_int_equal(qrig_count(&q, "destination WHERE name = 'a1.test' AND waits > 0"), 1);
	q.rig.now += 4 * HOUR_MS;
	qrig_tend(&q);
	assert_int_equal(q.reports, 1);
	mail = qrig_mail(&q, a);
	assert_true(str_find_str(mail, STR("Action: delayed")) < mail.n);
	assert_true(str_find_str(mail, STR("could not be reached")) < mail.n);
	assert_int_equal(str_find_str(mail, STR("had its turn")), mail.n);
	arena_free(&a);
}

static void never_more_connections_than_to_one(void **state)
{
	send_to("a", 300);
	begin(QRIG_JOBS);
	assert_int_equal(nattempts, QUEUE_SESSIONS_START);
	while (nattempts > 0) {
		go_on();
		begin(QRIG_JOBS);
	}
	assert_int_equal(world.delivered, 300); /* at once, one after the other */
	assert_int_equal(world.most[0], QUEUE_SESSIONS_MAX);
}

/* The next of a line goes as soon as there is room, with few rows in each commit. */
static void a_long_line_costs_little(void **state)
{
	int64_t changed, most = 0;

	world.down[0] = true;
	send_to("a", 1000);
	work();
	assert_int_equal(qrig_count(&q, "host_wait"), 1000);
	world.down[0] = false;
	q.rig.now += 6 * MINUTE_MS;
	begin(1);
	while (nattempts > 0) {
		changed = rig_number(&q.rig, "SELECT total_changes()");
		go_on();
		changed = rig_number(&q.rig, "SELECT total_changes()") - changed;
		most = changed > most ? changed : most;
		begin(QRIG_JOBS);
	}
	assert_int_equal(world.delivered, 1000);
	assert_in_range(most, 5, 100);
}

static void another_host_does_not_wait(void **state)
{
	world.down[0] = true;
	send_to("a", 3);
	send_to("ab", 20);
	work();
	live(q.rig.now + 2 * MINUTE_MS);
	assert_int_equal(world.delivered, 20);
	assert_in_range(world.tries[0], 1, QUEUE_SESSIONS_START);
	send_to("ab", 20); /* it is known to be down: nobody asks it */
	work();
	assert_int_equal(world.delivered, 40);
	assert_in_range(world.tries[0], 1, QUEUE_SESSIONS_START);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0 AND name LIKE 'ab%'"), 0);
	world.down[1] = true;
	send_to("ab", 20);
	work();
	assert_int_equal(world.delivered, 40);
	world.down[1] = false; /* one of the two is enough */
	live(q.rig.now + 33 * MINUTE_MS);
	assert_int_equal(world.delivered, 60);
	assert_int_equal(qrig_count(&q, "queue"), 3);
}

static void a_recipient_says_nothing_about_the_host(void **state)
{
	send_to("a", 2);
	assert_int_equal(begin(1), 1);
	answer = qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.1 not now");
	settle(&attempts[0]);
	answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	world.open[0] = 0;
	work();
	assert_int_equal(world.delivered, 1);
}

/* What a domain requires, and the host does not give, is nothing to the others that it serves. */
static void what_one_requires_is_not_about_the_host(void **state)
{
	send_to("a", 2);
	assert_int_equal(begin(1), 1);
	answer = qrig_problem(QUEUE_PROBLEM_TLS);
	assert_int_equal(ask(&attempts[0], attempts[0].n, true), QUEUE_WAY_NONE);
	settle(&attempts[0]);
	answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 1);
	work();
	assert_int_equal(world.delivered, 1);
}

/*
 * Where all mail of a host is by a route that asks for a login or for TLS: one attempt at each step, not one for
 * each domain; mail that goes there without is not held up.
 */
static void what_a_route_requires_is_probed_once(void **state)
{
	const struct qrig_answer kinds[] = {
	    qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?"),
	    qrig_reply(QUEUE_STAGE_AUTH, 454, "4.7.0 not now"),
	    qrig_problem(QUEUE_PROBLEM_NO_AUTH),
	    qrig_problem(QUEUE_PROBLEM_TLS),
	};

	world.names[0] = "mx.a as us";
	world.names[1] = "mx.a";
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		int64_t before = world.delivered, tried = world.tries[0], begun = q.rig.now;

		world.refuses[0] = &kinds[i];
		send_to("a", 50);
		send_to("b", 50);
		work();
		assert_in_range(world.tries[0] - tried, 1, QUEUE_SESSIONS_MAX);
		assert_int_equal(world.delivered - before, 50);
		live(begun + DAY_MS);
		assert_in_range(world.tries[0] - tried, 40, 50 + QUEUE_SESSIONS_MAX);
		assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 1);
		world.refuses[0] = NULL;
		live(q.rig.now + 33 * MINUTE_MS);
		assert_int_equal(world.delivered - before, 100);
	}
}

/* What has the right password now is tried at once for one domain, and then goes for all. */
static void a_login_that_is_right_again(void **state)
{
	const struct qrig_answer refused = qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?");
	struct queue_change c = {.verb = QUEUE_CHANGE_RETRY, .who = STR("root")};

	world.names[0] = "mx.a as us";
	world.refuses[0] = &refused;
	send_to("a", 20);
	live(q.rig.now + 3 * HOUR_MS);
	assert_int_equal(world.delivered, 0);
	world.refuses[0] = NULL;
	c.filter.recipient = STR("a7.test");
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	work();
	assert_int_equal(world.delivered, 20);
}

/* Whoever it was for, a probe of the login that ends for haste was the probe. */
static void haste_in_a_login(void **state)
{
	const struct qrig_answer refused = qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?");

	world.names[0] = "mx.a as us";
	world.refuses[0] = &refused;
	send_to("a", 1);
	work();
	q.rig.now += DAY_MS;
	assert_int_equal(begin(1), 1);
	answer = qrig_problem(QUEUE_PROBLEM_BRIEF);
	answer.attempt.stage = QUEUE_STAGE_AUTH;
	settle(&attempts[0]);
	answer = qrig_ok();
	assert_int_equal(rig_number(&q.rig, "SELECT failures FROM host"), 2);
	assert_true(rig_number(&q.rig, "SELECT next_probe FROM host") > q.rig.now);
}

/* One that was silent for the short time of a first attempt may be well; one that was down has been probed. */
static void haste_takes_no_host_for_down(void **state)
{
	send_to("a", 1);
	assert_int_equal(begin(1), 1);
	answer = qrig_problem(QUEUE_PROBLEM_BRIEF);
	settle(&attempts[0]);
	assert_int_equal(qrig_count(&q, "destination WHERE failures = 1"), 1);
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	for (int failures = 1; failures <= 2; failures++) {
		q.rig.now += DAY_MS;
		assert_int_equal(begin(1), 1);
		answer = qrig_problem(failures == 1 ? QUEUE_PROBLEM_TIMEOUT : QUEUE_PROBLEM_BRIEF);
		if (failures == 1)
			assert_int_equal(ask(&attempts[0], attempts[0].n, true), QUEUE_WAY_NONE);
		settle(&attempts[0]);
		assert_int_equal(rig_number(&q.rig, "SELECT failures FROM host"), failures);
		assert_true(rig_number(&q.rig, "SELECT next_probe FROM host") > q.rig.now);
	}
	answer = qrig_ok();
}

/* No relay of ours does so; but it counts there all the same. */
static void a_host_that_failed_is_named_again(void **state)
{
	send_to("a", 1);
	assert_int_equal(begin(1), 1);
	answer = qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.1 not now");
	assert_int_equal(ask(&attempts[0], 0, true), QUEUE_WAY_GO);
	answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "lease WHERE host <> ''"), 1);
	work();
	assert_int_equal(world.delivered, 1);
}

static void who_is_turned_away_waits_for_a_connection(void **state)
{
	send_to("a", 4);
	begin(QRIG_JOBS);
	assert_int_equal(nattempts, 4);
	world.away[0] = true;
	go_on(); /* there are three others: it takes no more than these */
	assert_int_equal(qrig_count(&q, "host WHERE failures = 0 AND sessions < 4"), 1);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 0);
	assert_int_equal(qrig_count(&q, "host_wait"), 1);
	assert_int_equal(begin(QRIG_JOBS), 0);
	world.away[0] = false;
	work();
	assert_int_equal(world.delivered, 4);
}

static void the_dead_leave_their_place(void **state)
{
	send_to("a", 40);
	begin(QRIG_JOBS);
	assert_int_equal(qrig_release(&q, NULL, 0), QUEUE_SESSIONS_START);
	while (nattempts)
		drop(&attempts[0]);
	world.open[0] = 0;
	work();
	assert_int_equal(world.delivered, 40);
}

static void who_has_nothing_to_send_holds_up_nobody(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_HOLD, .who = STR("root")};

	world.down[0] = true;
	send_to("a", 30);
	work();
	c.filter.recipient = STR("a1.test");
	for (char name[16], i = 1; i < 30; i++) {
		snprintf(name, sizeof name, "a%d.test", i);
		c.filter.recipient = str_of_c(name);
		queue_change_init(&c);
		if (i % 2)
			qrig_run(&q, &c.op);
	}
	world.down[0] = false;
	live(q.rig.now + 6 * MINUTE_MS);
	assert_int_equal(world.delivered, 15);
}

static void an_administrator_has_it_tried(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_RETRY, .who = STR("root")};

	world.down[0] = true;
	send_to("a", 3);
	live(q.rig.now + 3 * HOUR_MS);
	world.down[0] = false;
	c.filter.recipient = STR("a2.test");
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	work();
	assert_int_equal(world.delivered, 3);
}

/* Also where several attempts had begun before the first of them failed. */
static void who_fails_at_once_waits_in_line(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_RETRY, .who = STR("root")};

	world.down[0] = true;
	for (int i = 0; i < QUEUE_SESSIONS_START; i++)
		send_to("a", 1);
	assert_int_equal(begin(QRIG_JOBS), QUEUE_SESSIONS_START);
	answer = qrig_problem(QUEUE_PROBLEM_REFUSED);
	for (size_t i = 0; i < nattempts; i++)
		assert_int_equal(ask(&attempts[i], attempts[i].n, true), QUEUE_WAY_NONE);
	while (nattempts > 0)
		settle(&attempts[0]);
	answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host_wait"), 1);
	assert_int_equal(
	    qrig_count(&q, "destination d JOIN host h ON h.next_probe = d.next_probe"), 1);
	world.down[0] = false;
	q.rig.now += SECOND_MS;
	c.filter.recipient = STR("a0.test");
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	work();
	assert_int_equal(world.delivered, QUEUE_SESSIONS_START);
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
}

/* What one domain wants is not held against the others that a host serves. */
static void hosts_have_the_common_schedule(void **state)
{
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};

	queue_policy_init(&special.policy);
	for (size_t i = 0; i < special.policy.n_retry; i++)
		special.policy.retry[i] = 12 * HOUR_MS;
	q.cfg.routing = (struct queue_routing){.specials = &special, .n_specials = 1};
	world.down[0] = true;
	send_to("a", 1);
	work();
	assert_in_range(
	    rig_number(&q.rig, "SELECT next_probe FROM host"), q.rig.now + 1, q.rig.now + HOUR_MS);
	q.cfg.routing = (struct queue_routing){0};
}

/* Whoever has waited out his time at a host that is full asks anew: he may have other hosts by now. */
static void a_place_in_line_has_its_time(void **state)
{
	send_to("a", QUEUE_SESSIONS_START + 1);
	assert_int_equal(begin(QRIG_JOBS), QUEUE_SESSIONS_START + 1);
	assert_int_equal(nattempts, QUEUE_SESSIONS_START);
	assert_int_equal(begin(QRIG_JOBS), 0);
	q.rig.now += 3 * MINUTE_MS;
	assert_int_equal(begin(QRIG_JOBS), 1);
	assert_int_equal(nattempts, QUEUE_SESSIONS_START); /* it has none */
	while (nattempts > 0) {
		go_on();
		begin(QRIG_JOBS);
	}
	assert_int_equal(world.delivered, QUEUE_SESSIONS_START + 1);
}

static void a_clock_that_is_set_back(void **state)
{
	struct queue_clock clock;

	world.down[0] = true;
	send_to("a", 10);
	live(q.rig.now + 6 * HOUR_MS);
	world.down[0] = false;
	q.rig.now -= 5 * HOUR_MS;
	queue_clock_init(&clock);
	qrig_run(&q, &clock.op);
	queue_clock_fini(&clock);
	live(q.rig.now + 34 * MINUTE_MS);
	assert_int_equal(world.delivered, 10);
}

static void a_stale_question_changes_nothing(void **state)
{
	struct attempt *t;

	send_to("a", 1);
	assert_int_equal(qrig_lease(&q, OWNER, 1), 1);
	t = keep(&q.lease.jobs[0]);
	t->job.token++;
	assert_int_equal(ask(t, 0, false), QUEUE_WAY_STALE);
	t->job.token--;
	assert_int_equal(ask(t, 0, false), QUEUE_WAY_GO);
	go_on();
	assert_int_equal(world.delivered, 1);
}

/* Hosts that nobody waits for are forgotten, and lines of who is. */
static void hosts_are_forgotten(void **state)
{
	struct maintain_config cfg = {
	    .undelete_ms = DAY_MS, .history_ms = DAY_MS, .blobs = q.rig.blobs};
	struct maintain m;

	send_to("a", 1);
	work();
	assert_int_equal(qrig_count(&q, "host"), 1);
	rig_sql(&q.rig, "INSERT INTO host_wait VALUES (0, 'mx.a', 1, 'nobody.test')");
	for (int i = 0; i < 3; i++) {
		q.rig.now += 2 * DAY_MS;
		maintain_init(&m, &cfg);
		do
			qrig_run(&q, &m.op);
		while (m.rows > 0 || m.more);
	}
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
	assert_int_equal(qrig_count(&q, "host"), 0);
}

/* ---- what is told ---- */

static void expect(const char *name, const char *want)
{
	struct arena *a = arena_new();
	struct queue_rows rows = {NULL, 0};
	struct queue_message m;
	struct buf text;
	bool found = false;

	buf_init(&text, 16 * KIB);
	assert_int_equal(
	    queue_rows_get(q.rig.db, a, q.rig.now, SQL_QUEUE_ALL,
		DB_ARGS(db_int(QUEUE_SHARD), db_int(0), db_int(0), db_int(1000)), &rows),
	    DB_OK);
	for (size_t i = 0; i < rows.n && !found; i++) {
		if (!str_eq(rows.v[i].destination, str_of_c(name)) || rows.v[i].token)
			continue;
		assert_int_equal(queue_message_get(q.rig.db, a, rows.v[i].message, &m), DB_ROW);
		queue_tell(&text, q.rig.db, &q.cfg, &rows.v[i], &m, q.rig.now);
		found = true;
	}
	assert_true(found);
	if (str_find_str(buf_view(&text), str_of_c(want)) == text.n)
		fail_msg("%s\nis not in\n%s", want, buf_cstr(&text));
	buf_fini(&text);
	arena_free(&a);
}

static void it_is_told_who_holds_up_whom(void **state)
{
	send_to("a", 6);
	begin(QRIG_JOBS);
	expect("a5.test",
	    "x@a5.test waits because its mail server mx.a, which also serves a0.test, has as "
	    "many connections as it may have at present (5 connections). It goes as soon "
	    "as one of them is free. If none succeeds, it will be returned to ann@a.test");
	while (nattempts)
		go_on();
	work();
	world.down[0] = true;
	send_to("a", 1);
	work();
	send_to("a", 2); /* a1 has its turn while it is known */
	work();
	expect("a1.test",
	    "x@a1.test waits because its mail server mx.a, which also serves a0.test, could not "
	    "be reached (no answer in time, 1 attempt, last ");
	expect("a1.test", ", or as soon as that server answers for another domain.");
	expect("a0.test",
	    "x@a0.test waits because a0.test could not be reached (no answer in time, 1 "
	    "attempt, last ");
	expect("a0.test", ", or as soon as one of its mail servers answers for another domain.");
}

/* One that wants to be tried seldom goes as soon as its host answers another. */
static void who_fails_goes_when_it_is_told(void **state)
{
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};
	int64_t begun = q.rig.now;

	special.policy = q.cfg.policy;
	special.policy.retry[0] = 8 * HOUR_MS;
	special.policy.n_retry = 1;
	q.cfg.routing.specials = &special;
	q.cfg.routing.n_specials = 1;
	world.down[0] = true;
	send_to("a", 2);
	live(begun + HOUR_MS);
	expect("a0.test", "The next attempt to reach a0.test is ");
	expect("a0.test", ", or as soon as one of its mail servers answers for another domain.");
	world.down[0] = false;
	live(begun + 2 * HOUR_MS);
	assert_int_equal(world.delivered, 2);
	q.cfg.routing.n_specials = 0;
}

/* The newest mail that ann has, and what must be in it and what not. */
static void must_tell(const char *part, const char *status, const char * not )
{
	struct arena *a = arena_new();
	struct str mail = qrig_mail(&q, a);

	assert_true(str_find_str(mail, str_of_c(part)) < mail.n);
	assert_true(str_find_str(mail, str_of_c(status)) < mail.n);
	assert_true(str_find_str(mail, str_of_c(not )) == mail.n);
	arena_free(&a);
}

/* Why a domain waits for its host, though it has answered it before; it never answered the other. */
static void reports_tell_of_the_host(void **state)
{
	answer = qrig_reply(QUEUE_STAGE_BODY, 250, "taken for carl");
	qrig_send_one(&q, "", "carl@a1.test");
	work();
	world.away[0] = true;
	qrig_send_one(&q, "", "x@a0.test");
	work();
	assert_int_equal(world.tries[0], 2);
	for (int i = 1; i <= 2; i++) {
		qrig_send_one(&q, "ann@a.test", i == 1 ? "bob@a1.test" : "bob@a2.test");
		work();
		q.rig.now += 4 * HOUR_MS;
		rig_sql(&q.rig, "UPDATE host SET next_probe = next_probe + 18000000");
		rig_sql(&q.rig, "UPDATE destination SET waits = waits + 18000000 WHERE waits > 0");
		qrig_tend(&q);
		assert_int_equal(q.warnings, i);
		must_tell("> 421 4.3.2 no",
		    "Action: delayed\r\nStatus: 4.3.2\r\nRemote-MTA: dns; mx.a\r\n", "carl");
	}
	assert_int_equal(world.tries[0], 2); /* nothing of their own */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(one_probe_for_all_domains),
	    CASE(a_schedule_of_its_own),
	    CASE(told_of_the_host_that_it_waited_for),
	    CASE(never_more_connections_than_to_one),
	    CASE(a_long_line_costs_little),
	    CASE(another_host_does_not_wait),
	    CASE(a_recipient_says_nothing_about_the_host),
	    CASE(what_one_requires_is_not_about_the_host),
	    CASE(what_a_route_requires_is_probed_once),
	    CASE(a_login_that_is_right_again),
	    CASE(haste_in_a_login),
	    CASE(haste_takes_no_host_for_down),
	    CASE(a_host_that_failed_is_named_again),
	    CASE(who_is_turned_away_waits_for_a_connection),
	    CASE(the_dead_leave_their_place),
	    CASE(who_has_nothing_to_send_holds_up_nobody),
	    CASE(an_administrator_has_it_tried),
	    CASE(who_fails_at_once_waits_in_line),
	    CASE(a_clock_that_is_set_back),
	    CASE(hosts_have_the_common_schedule),
	    CASE(a_place_in_line_has_its_time),
	    CASE(a_stale_question_changes_nothing),
	    CASE(hosts_are_forgotten),
	    CASE(it_is_told_who_holds_up_whom),
	    CASE(who_fails_goes_when_it_is_told),
	    CASE(reports_tell_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
