/* Callouts have connections as messages have: counted with these, and neither starves the other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hosts_rig.h"

#include "store/queue_callout.h"

static const struct queue_way_host at_a[] = {{STR_INIT("mx.a"), 0}};
static const struct queue_way_host at_both[] = {{STR_INIT("mx.a"), 0}, {STR_INIT("mx.b"), 1}};

static int64_t begin_for(const char *domain)
{
	struct queue_callout c = {.owner = HOSTS_OWNER, .destination = str_of_c(domain)};

	queue_callout_init(&c);
	qrig_run(&q, &c.op);
	return c.token;
}

static enum queue_way_answer ask_of(
    int64_t token, const struct queue_way_host *of, size_t n, size_t *chosen_r)
{
	struct queue_way *w = queue_way_new();
	enum queue_way_answer answer;

	w->cfg = q.cfg;
	w->owner = HOSTS_OWNER;
	w->token = token;
	w->hosts = of;
	w->n = n;
	queue_way_prepare(w);
	qrig_run(&q, &w->op);
	answer = w->answer;
	*chosen_r = w->chosen;
	queue_way_free(&w);
	return answer;
}

static enum queue_way_answer ask(int64_t token)
{
	size_t chosen;

	return ask_of(token, at_a, 1, &chosen);
}

static void end(int64_t token)
{
	struct queue_callout_end c = {.token = token};

	queue_callout_end_init(&c);
	qrig_run(&q, &c.op);
}

static int64_t going(void)
{
	return qrig_count(&q, "lease WHERE host = 'mx.a' AND begun > 0");
}

static void must_fit(void)
{
	assert_int_equal(qrig_count(&q, "host h WHERE sessions < (SELECT count(*) FROM lease l"
					" WHERE l.host = h.name AND l.begun > 0)"),
	    0);
}

/* So many are told to be open at mx.a, where that many may be. */
static void must_tell_open(int64_t limit, int64_t open)
{
	int64_t active = 0;

	assert_int_equal(queue_host_active(q.rig.db, STR("mx.a"), &active), DB_OK);
	assert_int_equal(queue_callout_open_at(q.rig.db, STR("mx.a"), limit, &active), DB_OK);
	assert_int_equal(active, open);
}

/* ---- tests ---- */

/* Mail that waits does not take the connection that a callout waits for, nor they all that mail could have. */
static void neither_starves(void **state)
{
	int64_t token = 0, answered = 0, asked = 0, steps = 0;

	hosts_send("a", 300);
	while (hosts_begin(QRIG_JOBS) > 0 || hosts.nattempts > 0) {
		if (token == 0)
			token = begin_for("a0.test");
		else if (ask(token) == QUEUE_WAY_GO) {
			must_fit();
			end(token);
			token = 0;
			answered++;
		}
		asked++;
		must_fit();
		hosts_go_on();
		steps++;
	}
	assert_int_equal(hosts.delivered, 300);
	assert_int_equal(steps, 300);
	assert_true(answered >= asked / 4);
}

/* There is room for five at first. */
static void few_at_a_host(void **state)
{
	int64_t tokens[6];
	enum queue_way_answer answers[6];

	for (size_t i = 0; i < 6; i++) {
		char domain[16];

		snprintf(domain, sizeof domain, "a%d.test", (int)i);
		tokens[i] = begin_for(domain);
		answers[i] = ask(tokens[i]);
	}
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(
		    answers[i], i < QUEUE_CALLOUTS_MAX ? QUEUE_WAY_GO : QUEUE_WAY_SOON);
	hosts_send("a", 10);
	hosts_begin(QRIG_JOBS);
	assert_int_equal(hosts.nattempts, 1);
	assert_int_equal(going(), QUEUE_SESSIONS_START);
	end(tokens[0]);
	assert_int_equal(ask(tokens[4]), QUEUE_WAY_GO);
	assert_int_equal(ask(tokens[5]), QUEUE_WAY_SOON);
	for (size_t i = 1; i < 6; i++)
		end(tokens[i]);
	hosts_work();
	assert_int_equal(hosts.delivered, 10);
	assert_int_equal(qrig_count(&q, "lease"), 0);
}

/* The place that one waits for is counted: what ends next makes room for it. */
static void waits_for_its_turn(void **state)
{
	int64_t token;

	hosts_send("a", 20);
	hosts_begin(QRIG_JOBS);
	assert_int_equal(going(), QUEUE_SESSIONS_START);
	token = begin_for("a0.test");
	assert_int_equal(ask(token), QUEUE_WAY_SOON);
	assert_int_equal(ask(token), QUEUE_WAY_SOON);
	must_tell_open(QUEUE_SESSIONS_START, QUEUE_SESSIONS_START);
	must_tell_open(QUEUE_SESSIONS_START - 1, QUEUE_SESSIONS_START);
	must_tell_open(QUEUE_SESSIONS_MAX, QUEUE_SESSIONS_START + 1);
	assert_int_equal(
	    qrig_count(&q, "lease WHERE message = 0 AND begun = 0 AND host = 'mx.a'"), 1);
	hosts_go_on(); /* from five to six, of which it has one */
	hosts_begin(QRIG_JOBS);
	assert_int_equal(going(), QUEUE_SESSIONS_START);
	assert_int_equal(ask(token), QUEUE_WAY_GO);
	assert_int_equal(going(), QUEUE_SESSIONS_START + 1);
	end(token);
	end(token);
	hosts_work();
	assert_int_equal(hosts.delivered, 20);
}

static void only_one(struct queue_special *special)
{
	*special = (struct queue_special){.domain = STR("a0.test"), .sessions = 1};
	special->policy = q.cfg.policy;
	q.cfg.routing.specials = special;
	q.cfg.routing.n_specials = 1;
}

/* Where one may go at a time, callouts and mail take turns. */
static void one_at_a_time(void **state)
{
	struct queue_special special;
	int64_t first, second;

	only_one(&special);
	first = begin_for("a0.test");
	second = begin_for("a0.test");
	assert_int_equal(ask(first), QUEUE_WAY_GO);
	assert_int_equal(ask(second), QUEUE_WAY_SOON);
	for (int i = 0; i < 3; i++)
		hosts_send("a", 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), 0);
	end(first);
	assert_int_equal(hosts_begin(QRIG_JOBS), 1); /* the second did not wait in its way */
	assert_int_equal(ask(second), QUEUE_WAY_SOON);
	hosts_go_on();
	assert_int_equal(hosts_begin(QRIG_JOBS), 0); /* it does now */
	assert_int_equal(ask(second), QUEUE_WAY_GO);
	end(second);
	hosts_work();
	assert_int_equal(hosts.delivered, 3);
	q.cfg.routing.n_specials = 0;
}

/* A host that is down is passed over, and learns nothing of it. */
static void not_where_it_is_down(void **state)
{
	int64_t token, other;
	size_t chosen = 7;

	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	token = begin_for("ab9.test");
	other = begin_for("ab8.test");
	assert_int_equal(ask_of(token, at_both, 2, &chosen), QUEUE_WAY_GO);
	assert_int_equal(chosen, 1);
	assert_int_equal(ask(token), QUEUE_WAY_NONE);
	assert_int_equal(qrig_count(&q, "lease WHERE host <> ''"), 0);
	q.rig.now += HOUR_MS; /* its probe is mail's */
	assert_int_equal(ask(token), QUEUE_WAY_NONE);
	rig_sql(&q.rig, "DELETE FROM host_wait"); /* as where that was removed */
	assert_int_equal(ask(token), QUEUE_WAY_GO);
	assert_int_equal(ask(other), QUEUE_WAY_NONE); /* one at a time */
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 1);
	end(token);
	assert_int_equal(ask(other), QUEUE_WAY_GO);
	end(other);
}

/* A destination whose last attempt failed, and that has mail, is asked by that. */
static void mail_finds_out(void **state)
{
	int64_t token;

	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	q.rig.now += HOUR_MS;
	rig_sql(&q.rig, "DELETE FROM host_wait");
	rig_sql(&q.rig, "DELETE FROM host");
	token = begin_for("a0.test");
	assert_int_equal(ask(token), QUEUE_WAY_SOON);
	assert_int_equal(qrig_count(&q, "lease WHERE host <> ''"), 0);
	end(token);
}

/* Near the end of what there is in all, who has none goes first: callouts are not what a destination has. */
static void no_share_of_mail(void **state)
{
	int64_t token = begin_for("a0.test");

	assert_int_equal(ask(token), QUEUE_WAY_GO);
	for (int i = 0; i < (int)QUEUE_JOBS_MAX - 50; i++)
		assert_true(begin_for("b0.test") > 0);
	hosts_send("a", 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), 1);
	assert_int_equal(hosts.nattempts, 1);
	hosts_go_on();
	assert_int_equal(qrig_release(&q, NULL, 0), QUEUE_JOBS_MAX - 49);
}

/* Only its owner asks with it; when he is no more, it is taken back. */
static void leases_as_others(void **state)
{
	int64_t token = begin_for("a0.test"), other = HOSTS_OWNER + 1;

	hosts_send("a", 1);
	hosts_begin(QRIG_JOBS);
	end(hosts.attempts[0].job.token); /* it is none of a callout */
	assert_int_equal(qrig_count(&q, "lease"), 2);
	assert_int_equal(ask(token + 100), QUEUE_WAY_STALE);
	assert_int_equal(ask(token), QUEUE_WAY_GO);
	assert_int_equal(qrig_release(&q, &other, 1), 2);
	assert_int_equal(ask(token), QUEUE_WAY_STALE);
	hosts_drop(&hosts.attempts[0]);
	hosts_work();
}

static void no_more_than_in_all(void **state)
{
	int64_t first = begin_for("a0.test"), last = first;

	while (qrig_count(&q, "lease") < (int64_t)QUEUE_JOBS_MAX)
		last = begin_for("a0.test");
	assert_true(last > 0);
	assert_int_equal(begin_for("a0.test"), 0);
	hosts_send("b", 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), 0);
	end(first);
	assert_int_equal(hosts_begin(QRIG_JOBS), 1);
	assert_int_equal(begin_for("a0.test"), 0);
	hosts_go_on();
	assert_int_equal(qrig_release(&q, NULL, 0), QUEUE_JOBS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOSTS_CASE(neither_starves),
	    HOSTS_CASE(few_at_a_host),
	    HOSTS_CASE(waits_for_its_turn),
	    HOSTS_CASE(one_at_a_time),
	    HOSTS_CASE(not_where_it_is_down),
	    HOSTS_CASE(mail_finds_out),
	    HOSTS_CASE(no_share_of_mail),
	    HOSTS_CASE(leases_as_others),
	    HOSTS_CASE(no_more_than_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
