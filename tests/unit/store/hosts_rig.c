#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hosts_rig.h"

#include "base/mem.h"
#include "store/queue_change.h"

struct hosts hosts;

/* ---- the world ---- */

static struct queue_way_host host_of(char letter)
{
	return (struct queue_way_host){
	    str_of_c(hosts.names[letter - 'a']), (uint8_t)(letter - 'a')};
}

static size_t number_of(const struct queue_way_host *h)
{
	return str_eq(h->name, str_of_c(hosts.names[1]));
}

static struct qrig_answer world_answer(const struct queue_job *job, const struct queue_row *row)
{
	return hosts.answer;
}

int hosts_setup(void **state)
{
	queue_test_setup(state);
	hosts = (struct hosts){.names = {"mx.a", "mx.b"}, .answer = qrig_ok()};
	q.audits = false; /* of thousands of messages, after each step */
	q.world = world_answer;
	return 0;
}

void hosts_send(const char *letters, int n)
{
	char address[64];

	for (int i = 0; i < n; i++) {
		snprintf(address, sizeof address, "x@%s%d.test", letters, i);
		qrig_send_one(&q, "ann@a.test", address);
	}
}

/* ---- a relay ---- */

enum queue_way_answer hosts_ask(struct hosts_attempt *t, size_t from, bool told)
{
	struct queue_way *w = queue_way_new();
	enum queue_way_answer a;

	w->cfg = q.cfg;
	w->owner = HOSTS_OWNER;
	w->message = t->job.message.id;
	w->token = t->job.token;
	if (told) {
		w->failed = t->hosts[t->at].name;
		w->attempt = hosts.answer.attempt;
		w->text = str_of_c(hosts.answer.text);
		hosts.open[number_of(&t->hosts[t->at])]--;
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
		hosts.tries[h]++;
		hosts.open[h]++;
		hosts.most[h] = hosts.open[h] > hosts.most[h] ? hosts.open[h] : hosts.most[h];
	}
	queue_way_free(&w);
	return a;
}

struct hosts_attempt *hosts_keep(const struct queue_job *job)
{
	struct hosts_attempt *t = &hosts.attempts[hosts.nattempts++];
	struct str d = job->destination;

	*t = (struct hosts_attempt){.job = *job, .row = job->rows.v[0], .arena = arena_new()};
	t->job.rows.v = &t->row;
	t->job.rows.n = 1;
	t->job.destination = arena_str(t->arena, d);
	for (size_t i = 0; i < HOSTS_MAX && (d.p[i] == 'a' || d.p[i] == 'b'); i++)
		t->hosts[t->n++] = host_of((char)d.p[i]);
	return t;
}

void hosts_drop(struct hosts_attempt *t)
{
	arena_free(&t->arena);
	*t = hosts.attempts[--hosts.nattempts];
}

size_t hosts_begin(size_t room)
{
	size_t n = qrig_lease(&q, HOSTS_OWNER, room);

	for (size_t i = 0; i < n; i++) {
		struct hosts_attempt *t = hosts_keep(&q.lease.jobs[i]);

		if (hosts_ask(t, 0, false) == QUEUE_WAY_WAIT)
			hosts_drop(t);
	}
	return n;
}

void hosts_settle(struct hosts_attempt *t)
{
	assert_true(qrig_settle(&q, HOSTS_OWNER, &t->job));
	hosts_drop(t);
}

void hosts_go_on(void)
{
	struct hosts_attempt *t = &hosts.attempts[0];
	size_t h = number_of(&t->hosts[t->at]);

	if (hosts.down[h] || hosts.away[h] || hosts.refuses[h]) {
		hosts.answer = hosts.down[h]   ? qrig_problem(QUEUE_PROBLEM_TIMEOUT)
			       : hosts.away[h] ? qrig_reply(QUEUE_STAGE_GREETING, 421, "4.3.2 no")
					       : *hosts.refuses[h];
		if (hosts_ask(t, t->at + 1, true) != QUEUE_WAY_GO)
			hosts_settle(t);
		hosts.answer = qrig_ok();
		return;
	}
	hosts.open[h]--;
	hosts.delivered++;
	hosts.last = q.rig.now;
	hosts_settle(t);
}

void hosts_work(void)
{
	qrig_tend(&q);
	while (hosts_begin(QRIG_JOBS) > 0 || hosts.nattempts > 0)
		while (hosts.nattempts > 0)
			hosts_go_on();
}

void hosts_live(int64_t until)
{
	for (hosts_work();; hosts_work()) {
		int64_t wake = qrig_wake(&q);

		if (wake > until)
			break;
		assert_true(wake > q.rig.now);
		q.rig.now = wake;
	}
	q.rig.now = until;
}

void hosts_retry(const char *domain)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_RETRY, .who = STR("root")};

	c.filter.recipient = str_of_c(domain);
	queue_change_init(&c);
	qrig_run(&q, &c.op);
}
