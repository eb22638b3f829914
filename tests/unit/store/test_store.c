/* The whole store: made, opened, locked, used with threads and without, closed, opened again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"
#include "store/deliver.h"
#include "store/status.h"
#include "store/store.h"

static int pipe_fds[2];
static bool finished;

static void wake(void *ctx)
{
	char c = 0;

	MUST(write(pipe_fds[1], &c, 1) == 1);
}

static int setup(void **state)
{
	scratch_enter();
	return pipe(pipe_fds);
}

static int teardown(void **state)
{
	scratch_leave();
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

static struct store *open_store(enum store_mode mode)
{
	struct store_config cfg = store_defaults(mode);
	enum datadir_code code;
	struct err e = {""};
	struct store *s;

	cfg.wake = wake;
	cfg.min_free = 0;
	s = store_open("data", &cfg, &code, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

/* Back to the scratch directory: the store made its own the working directory. */
static void close_store(struct store **s)
{
	store_close(s);
	MUST(chdir("..") == 0);
}

static void write_done(struct lane_op *op)
{
	finished = true;
}

/* Waits for what was submitted. */
static void await(struct store *s)
{
	char c;

	store_reap(s);
	while (!finished) {
		MUST(read(pipe_fds[0], &c, 1) == 1);
		store_reap(s);
	}
	finished = false;
}

static void must_change(struct store *s, struct directory_change *c)
{
	c->who = STR("test");
	c->hash = "$hash$";
	directory_change_init(c);
	c->op.done = write_done;
	finished = false;
	store_write(s, &c->op);
	await(s);
	assert_int_equal(c->op.result, LANE_DONE);
	assert_false(c->refused);
}

static void add_people(struct store *s)
{
	struct directory_change domain = {.verb = DIRECTORY_DOMAIN_ADD, .domain = STR("a.test")};
	struct directory_change account = {
	    .verb = DIRECTORY_ACCOUNT_ADD, .local = STR("ann"), .domain = STR("a.test")};

	must_change(s, &domain);
	must_change(s, &account);
}

struct status_op {
	struct reader_op op;
	struct status status;
};

static enum db_code read_status(struct reader_op *op, struct db *db)
{
	return status_read(db, &LIST_ENTRY(op, struct status_op, op)->status);
}

static void read_done(struct reader_op *op)
{
	finished = true;
}

static struct status status_of(struct store *s)
{
	struct status_op op = {.op = {.run = read_status, .done = read_done}};

	list_init(&op.op.link);
	finished = false;
	store_read(s, &op.op);
	await(s);
	assert_int_equal(op.op.result, DB_OK);
	return op.status;
}

static struct deliver *mail(int64_t id, void (*done)(struct lane_op *op))
{
	static const struct directory_config plain;
	struct deliver *d = deliver_new();

	d->op.done = done;
	d->directory = &plain;
	d->message_id = id;
	d->recipients = arena_obj(d->arena, struct deliver_recipient);
	*d->recipients = (struct deliver_recipient){
	    .local = STR("ann"), .domain = STR("a.test"), .address = STR("ann@a.test")};
	d->n = 1;
	d->plan = plan_new(d->arena, 1);
	d->data = STR("text\r\n");
	assert_true(deliver_prepare(d));
	return d;
}

static void send_one(struct store *s, int64_t id)
{
	struct deliver *d = mail(id, write_done);

	finished = false;
	store_write(s, &d->op);
	await(s);
	assert_int_equal(d->op.result, LANE_DONE);
	assert_true(d->accepted);
	deliver_free(&d);
}

static void ignore_password(struct password_job *job)
{
}

static int64_t left; /* mails without an answer yet */

static void count_and_free(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);

	MUST(op->result == LANE_DONE && d->accepted);
	deliver_free(&d);
	finished = --left == 0;
}

/* While the lane works on some, readers and the hashing thread have work too. */
static void many_at_once(void **state)
{
	struct password_job *job = mem_new(struct password_job);
	struct store_sizes sizes;
	struct err e = {""};
	struct store *s;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_SERVER);
	add_people(s);
	job->done = ignore_password;
	assert_false(store_password(s, job)); /* an unknown user's: the full hash */
	left = 300;
	for (int64_t id = 1; id <= 300; id++)
		store_write(s, &mail(id, count_and_free)->op);
	await(s);
	assert_int_equal(status_of(s).mailbox_messages, 300);
	store_sizes(s, &sizes);
	assert_true(sizes.database > 0 && sizes.log > 0);
	assert_true(sizes.packs >= 300 * 6);
	assert_int_equal(sizes.pack_files, 1);
	close_store(&s); /* answers the job, if it still waits */
	assert_int_not_equal(job->result, PASSWORD_GOOD);
	mem_free(job);
}

static void what_one_mode_writes_the_other_reads(void **state)
{
	struct err e = {""};
	struct store *s;
	struct status st;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_OFFLINE);
	add_people(s);
	send_one(s, 1);
	close_store(&s);
	s = open_store(STORE_SERVER);
	send_one(s, 2);
	st = status_of(s);
	assert_int_equal(st.domains, 1);
	assert_int_equal(st.accounts, 1);
	assert_int_equal(st.mailbox_messages, 2);
	assert_int_equal(st.queue_recipients, 0);
	assert_true(store_is_accepting(s));
	close_store(&s);
	s = open_store(STORE_OFFLINE);
	assert_int_equal(status_of(s).mailbox_messages, 2);
	close_store(&s);
}

static void creating_again_changes_nothing(void **state)
{
	struct err e = {""};
	struct store *s;
	struct stat st;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_OFFLINE);
	add_people(s);
	close_store(&s);
	assert_int_equal(store_create("data", &e), DATADIR_OK);
	assert_int_equal(access("data", F_OK), 0); /* the caller stands where he stood */
	assert_int_equal(stat("data", &st), 0);
	assert_int_equal(st.st_mode & 0066, 0); /* others read nothing */
	s = open_store(STORE_OFFLINE);
	assert_int_equal(status_of(s).accounts, 1);
	close_store(&s);
}

static void only_one_uses_it(void **state)
{
	struct err e = {""};
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	enum datadir_code code = DATADIR_OK;
	struct store *s;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_OFFLINE);
	assert_null(store_open(".", &cfg, &code, &e));
	assert_int_equal(code, DATADIR_LOCKED);
	close_store(&s);
	assert_null(store_open("nowhere", &cfg, &code, &e));
	assert_int_equal(code, DATADIR_MISSING);
	assert_true(e.text[0]);
}

/* An emptied database is no new store: its packs would be freed. */
static void an_emptied_database_is_refused(void **state)
{
	struct err e = {""};
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	enum datadir_code code = DATADIR_OK;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	assert_int_equal(truncate("data/" DATADIR_DB, 0), 0);
	assert_null(store_open("data", &cfg, &code, &e));
	assert_int_equal(code, DATADIR_FAILED);
	assert_non_null(strstr(e.text, DATADIR_DB));
	MUST(chdir("..") == 0);
}

/* Nor is one that is gone, and looking for it makes none. */
static void a_missing_database_is_refused(void **state)
{
	struct err e = {""};
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	enum datadir_code code = DATADIR_OK;
	struct stat st;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	assert_int_equal(stat("data/" DATADIR_PACKS, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(unlink("data/" DATADIR_DB), 0);
	assert_null(store_open("data", &cfg, &code, &e));
	assert_int_equal(code, DATADIR_FAILED);
	assert_non_null(strstr(e.text, DATADIR_DB " is missing or empty; "));
	assert_int_equal(stat(DATADIR_DB, &st), -1);
	MUST(chdir("..") == 0);
	assert_int_equal(store_create("data", &e), DATADIR_OK);
	close_store(&(struct store *){open_store(STORE_OFFLINE)});
}

static void full_below_min_free(void **state)
{
	struct err e = {""};
	struct store *s;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_OFFLINE);
	s->cfg.min_free = INT64_MAX;
	assert_false(store_is_accepting(s));
	close_store(&s);
}

static void passwords_in_both_modes(void **state)
{
	struct err e = {""};
	struct password_job *job = mem_new(struct password_job);
	struct store *s;

	assert_int_equal(store_create("data", &e), DATADIR_OK);
	s = open_store(STORE_OFFLINE);
	job->kind = PASSWORD_HASH;
	job->password_n = 3;
	memcpy(job->password, "tea", 3);
	assert_true(store_password(s, job));
	assert_int_equal(job->result, PASSWORD_GOOD);
	job->kind = PASSWORD_VERIFY;
	job->password_n = 4;
	memcpy(job->password, "milk", 4);
	assert_true(store_password(s, job));
	assert_int_equal(job->result, PASSWORD_BAD);
	close_store(&s);
	mem_free(job);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_one_mode_writes_the_other_reads),
	    T(many_at_once),
	    T(creating_again_changes_nothing),
	    T(only_one_uses_it),
	    T(an_emptied_database_is_refused),
	    T(a_missing_database_is_refused),
	    T(full_below_min_free),
	    T(passwords_in_both_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
