#include "queue_test.h"

struct qrig q;
struct arena *arena;

int queue_test_setup(void **state)
{
	qrig_open(&q);
	arena = arena_new();
	return 0;
}

int queue_test_teardown(void **state)
{
	rig_must_balance(&q.rig);
	arena_free(&arena);
	qrig_close(&q);
	return 0;
}

bool has(struct str text, const char *part)
{
	return str_find_str(text, str_of_c(part)) < text.n;
}

struct qrig_answer all_well(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_ok();
}

struct qrig_answer refused(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_REFUSED);
}

struct qrig_answer greylisted(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.0 greylisted");
}

struct qrig_answer unknown(const struct queue_job *job, const struct queue_row *row)
{
	struct qrig_answer a = qrig_reply(QUEUE_STAGE_RCPT, 550, "no such user");

	a.attempt.status = (struct queue_status){5, 1, 1};
	return a;
}

struct qrig_answer some(const struct queue_job *job, const struct queue_row *row)
{
	if (has(row->address, "bob"))
		return qrig_ok();
	return has(row->address, "carl") ? greylisted(job, row) : unknown(job, row);
}
