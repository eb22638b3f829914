/* Rows that lie out of order, as in a damaged database: nothing goes round for ever. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "store/queue_change.h"
#include "store/sql_order.h"

#define PAGE 4096

static int setup(void **state)
{
	qrig_open(&q);
	q.audits = false;
	arena = arena_new();
	return 0;
}

/* The books of a damaged store need not balance. */
static int teardown(void **state)
{
	arena_free(&arena);
	qrig_close(&q);
	return 0;
}

/* ---- the list ---- */

/* "a.domain, a.local" of an "ORDER BY" that is the last word but LIMIT; false: there is none. */
static bool order_of(const char *text, struct str *keys_r, bool *down_r)
{
	struct str all = str_of_c(text), rest;
	size_t at = str_find_str(all, STR("ORDER BY "));

	if (at == all.n)
		return false;
	rest = str_from(all, at + strlen("ORDER BY "));
	rest = str_sub(rest, 0, str_find_str(rest, STR(" LIMIT")));
	*down_r = str_find_str(rest, STR(" DESC")) < rest.n;
	*keys_r = str_sub(rest, 0, str_find_str(rest, STR(" DESC")));
	return true;
}

/* Where a statement compares its keys, as `sign` says, with parameters: behind the sign; or -1. */
static ptrdiff_t compared(const char *text, struct str keys, const char *sign)
{
	bool many = str_find(keys, ',') < keys.n;
	struct str all = str_of_c(text), want;
	struct buf b;
	size_t at;

	buf_init(&b, KIB);
	buf_printf(&b, "%s%.*s%s %s %s$", many ? "(" : " ", STR_FMT(keys), many ? ")" : "", sign,
	    many ? "(" : "");
	want = buf_view(&b);
	at = str_find_str(all, want);
	buf_fini(&b);
	return at < all.n ? (ptrdiff_t)(at + want.n - 1) : -1;
}

static void must_be_listed(const struct sql_statement *s, const struct sql_order *o,
    enum sql_order_kind kind, const char *params, struct str keys)
{
	sqlite3 *raw = NULL;
	sqlite3_stmt *stmt = NULL;

	if (o->kind != kind)
		fail_msg("%s goes on from a key, and store/sql_order.c says nothing", s->name);
	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(raw, s->sqlite, -1, &stmt, NULL), SQLITE_OK);
	for (size_t i = 0; keys.n > 0; i++) {
		struct str key = str_trim(str_split(keys, ',', &keys));
		size_t dot = str_find(key, '.');

		if (i >= o->n || params[1] - '0' != o->key[i].param ||
		    !str_eq(str_of_c(sqlite3_column_name(stmt, o->key[i].col)),
			dot < key.n ? str_from(key, dot + 1) : key))
			fail_msg("%s goes on from other columns or parameters", s->name);
		params = strchr(params + 1, '$');
		assert_true(params || keys.n == 0);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
}

static void each_statement_is_known(void **state)
{
	size_t known = 0, listed = 0;

	for (enum sql_id id = 0; id < SQL_COUNT; id++) {
		const struct sql_statement *s = sql_statement(id);
		const struct sql_order *o = sql_order(id);
		enum sql_order_kind kind = SQL_ORDER_BEHIND;
		struct str keys;
		bool down = false;
		ptrdiff_t at;

		listed += o->kind != SQL_ORDER_NONE;
		if (strncmp(s->sqlite, "SELECT ", 7) != 0 || !order_of(s->sqlite, &keys, &down))
			continue;
		at = compared(s->sqlite, keys, down ? "<" : ">");
		if (down)
			kind = SQL_ORDER_BEFORE;
		if (at < 0 && !down && (at = compared(s->sqlite, keys, ">=")) >= 0)
			kind = SQL_ORDER_FROM;
		if (at < 0 || id == SQL_EXPUNGE_NAMES) /* of one interval, all at once */
			continue;
		if (id ==
		    SQL_MAILBOX_AT_ROWS) /* rows as they lie: store/mailbox_at.c looks itself */
			continue;
		must_be_listed(s, o, kind, s->sqlite + at, keys);
		known++;
	}
	assert_int_equal(known, listed);
	assert_true(known > 30);
}

/* ---- damage ---- */

/* Changes octets on the page of a table that has one. */
static void damage(const char *table, const void *from, const void *to, size_t n)
{
	uint8_t page[PAGE], *found;
	int times = 0;
	int64_t number;
	char select[128];
	bool all;
	int fd;

	snprintf(
	    select, sizeof select, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
	number = rig_number(&q.rig, select);
	assert_int_equal(db_checkpoint(q.rig.db, &all), DB_OK);
	assert_true(all);
	fd = open("store.db", O_RDWR);
	assert_int_equal(pread(fd, page, PAGE, (number - 1) * PAGE), PAGE);
	while ((found = memmem(page, PAGE, from, n)) != NULL) {
		memcpy(found, to, n);
		times++;
	}
	assert_true(times > 0);
	assert_int_equal(pwrite(fd, page, PAGE, (number - 1) * PAGE), PAGE);
	close(fd);
	qrig_restart(&q);
}

/* The key of a message's only row becomes another. */
static void damage_message(const char *table, int64_t from, int64_t to)
{
	uint64_t a = __builtin_bswap64((uint64_t)from), b = __builtin_bswap64((uint64_t)to);

	damage(table, &a, &b, sizeof a);
}

/* A slice that ends where it began: a session that opens the mailbox is told so. */
static void walks_over_numbers_end(void **state)
{
	struct mailbox_snapshot s;
	uint8_t from[9] = {4}, to[9] = {0};
	int64_t id = 0;
	enum db_code code = DB_OK;

	for (int i = 0; i < 5; i++)
		assert_true(rig_send(
		    &q.rig, "bob@b.test", "ann@a.test", "\r\ntext\r\n", i == 3 ? &id : NULL));
	for (int i = 0; i < 8; i++)
		from[8 - i] = to[8 - i] = (uint8_t)(id >> 8 * i);
	damage("membership", from, to, sizeof from);
	assert_int_equal(mailbox_snapshot_begin(q.rig.db, 1, MAILBOX_INBOX, &s), DB_ROW);
	for (int slices = 0; !s.complete && code == DB_OK; slices++) {
		code = mailbox_snapshot_scan(q.rig.db, &s, 4);
		assert_true(slices < 10);
	}
	mailbox_snapshot_fini(&s);
	assert_int_equal(code, DB_CORRUPT);
	assert_non_null(strstr(db_error(q.rig.db), "SNAPSHOT_SCAN: rows lie out of order"));
	assert_non_null(strstr(db_cure(q.rig.db), "godwit store"));
}

static void walks_over_names_end(void **state)
{
	const char *names[] = {"b.test", "c.test", "d.test"};
	struct str after = STR("");
	enum db_code code = DB_OK;

	for (size_t i = 0; i < 3; i++)
		rig_domain(&q.rig, names[i]);
	damage("domain", "d.test", "0.test", 6);
	for (int slices = 0; code == DB_OK; slices++) {
		struct db_query *list = db_begin_query(
		    q.rig.db, SQL_DOMAIN_LIST, DB_ARGS(db_text(after), db_int(4)));

		while (db_step(list) == DB_ROW)
			after = arena_str(arena, db_col_str(list, 0));
		code = db_end(list);
		assert_true(slices < 10);
	}
	assert_int_equal(code, DB_CORRUPT);
	assert_int_equal(db_error_code(q.rig.db), DB_CORRUPT);
}

/* An index has what is not found by its key: it is not given out, and its turn does not come at once. */
static void what_is_in_an_index_only_waits(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test"), other;

	other = qrig_send_one(&q, "ann@a.test", "carl@c.test");
	damage_message("queue", id, id - 1);
	assert_int_equal(qrig_lease(&q, 1, 10), 1);
	assert_int_equal(q.lease.jobs[0].message.id, other);
	assert_int_equal(qrig_lease(&q, 1, 10), 0);
	assert_true(qrig_wake(&q) > q.rig.now);
}

static void reports_in_an_index_only_wait(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test");

	q.world = unknown;
	assert_int_equal(qrig_lease(&q, 1, 10), 1);
	assert_true(qrig_settle(&q, 1, &q.lease.jobs[0]));
	assert_int_equal(qrig_wake(&q), q.rig.now);
	damage_message("queue", id, id - 1);
	assert_true(qrig_wake(&q) > q.rig.now);
}

/* ---- what is told ---- */

static void change(struct queue_change *c, enum queue_change_verb verb)
{
	*c = (struct queue_change){.verb = verb, .who = STR("root")};
	queue_change_init(c);
	c->op.done = rig_nothing;
	lane_run_one(q.rig.lane, &c->op, q.rig.now);
}

static void damage_is_told_with_its_cure(void **state)
{
	struct queue_change c;

	(void)qrig_send_one(&q, "ann@a.test", "bob@b.test");
	rig_sql(&q.rig, "DELETE FROM message");
	change(&c, QUEUE_CHANGE_HOLD);
	assert_int_equal(c.op.result, LANE_FAILED);
	assert_non_null(strstr(c.op.err.text, "a message that is queued is not there"));
	assert_non_null(strstr(c.op.err.text, "godwit store repair"));
}

#undef T
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_statement_is_known),
	    T(walks_over_numbers_end),
	    T(walks_over_names_end),
	    T(what_is_in_an_index_only_waits),
	    T(reports_in_an_index_only_wait),
	    T(damage_is_told_with_its_cure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
