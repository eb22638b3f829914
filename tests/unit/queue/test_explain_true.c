/* Explanations: in simulated weeks what they say then happens. */
#include "queue_sim.h"

#include "base/mem.h"
#include "queue/queue_explain.h"

static void expect_phrase(const struct buf *text, const char *before, const struct queue_explain *x,
    int64_t time, const char *behind)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_c(&want, before);
	queue_phrase_put_time(&want, x->lang, time, x->now, &x->zone);
	buf_c(&want, behind);
	if (str_find_str(buf_view(text), buf_view(&want)) == text->n)
		fail_msg("\"%s\" is not in: %.*s", buf_cstr(&want), STR_FMT(buf_view(text)));
	buf_fini(&want);
}

/* What the sentences say at this moment, against what a copy then goes through. */
static void expect_true(const struct sim *s, bool own)
{
	struct queue_explain x = {.recipient = STR("bob@b.test"),
	    .sender = STR("alice@a.test"),
	    .domain = STR("b.test"),
	    .notify_failure = true};
	struct sim *future = sim_new(0);
	struct buf text;

	*future = *s;
	future->n_attempts = future->n_warnings = 0;
	sim_run(future, SIM_START + 30 * DAY_MS);
	x.entry = s->entry;
	x.destination = s->destination;
	x.policy = &s->policy;
	x.last_reply = STR("450 4.2.0 come back");
	x.now = s->time;
	buf_init(&text, 100000);
	queue_explain_put(&text, &x);
	if (future->n_attempts)
		expect_phrase(&text,
		    own ? "The next attempt is " : "The next attempt to reach b.test is ", &x,
		    future->attempts[0], ".");
	expect_phrase(&text,
	    future->n_attempts
		? "If none succeeds, it will be returned to alice@a.test "
		: "No further attempt is planned; it will be returned to alice@a.test ",
	    &x, future->returned, ".");
	if (future->n_warnings)
		expect_phrase(&text, "If it still waits ", &x, future->warnings[0],
		    ", alice@a.test is told of the delay.");
	else
		assert_int_equal(str_find_str(buf_view(&text), STR("told")), text.n);
	buf_fini(&text);
	sim_free(&future);
}

static void expect_true_week(uint64_t seed, bool own)
{
	struct sim *s = sim_new(seed);

	s->answer = own ? sim_greylisted : sim_refused;
	for (int64_t at = SIM_START + MINUTE_MS; !s->returned; at += 47 * MINUTE_MS) {
		sim_run(s, at);
		if (!s->returned)
			expect_true(s, own);
	}
	assert_int_equal(s->returned, SIM_START + 5 * DAY_MS);
	sim_free(&s);
}

static void test_true(void **state)
{
	for (uint64_t seed = 0; seed < 4; seed++) {
		expect_true_week(seed, false);
		expect_true_week(seed, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
