#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/limits.h"
#include "store/queue_tell.h"

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

struct str explained(int64_t message)
{
	struct queue_rows rows;
	struct queue_message m;
	struct buf b;
	struct str text;

	assert_int_equal(
	    queue_rows_get(q.rig.db, arena, q.rig.now, SQL_QUEUE_OF_MESSAGE,
		DB_ARGS(db_int(QUEUE_SHARD), db_int(message), db_int(-1), db_int(1)), &rows),
	    DB_OK);
	assert_int_equal(rows.n, 1);
	assert_int_equal(queue_message_get(q.rig.db, arena, message, &m), DB_ROW);
	buf_init(&b, 16 * KIB);
	queue_tell(&b, q.rig.db, &q.cfg, rows.v, &m, q.rig.now);
	text = arena_str(arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

void fill_anns_mailbox(void)
{
	qrig_send_one(&q, "carl@b.test", "ann@a.test");
	rig_quota(&q.rig, "ann@a.test", 0, 1);
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
