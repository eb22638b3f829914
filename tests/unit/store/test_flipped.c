/*
 * A bit flips in a row of an email, of a copy in a mailbox, or of a mailbox: each column, seeded bits. Either
 * the damage is named, or the column is one of those listed below with the reason why it is not; and never is
 * a message handed out as other octets than it has. After a repair no message is gone, and nothing is found.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "damage.h"

#include <string.h>

#include "base/limits.h"
#include "store/email_seal.h"
#include "store/mailbox_keywords.h"
#include "store/mailbox_path.h"
#include "store/undelete.h"

#define MESSAGES 6
#define REPAIRED 3 /* of them */

static struct rig rig;
static struct arena *arena;
static int64_t accounts[2];

/* A message as it was written. */
static struct letter {
	int64_t account, email;
	struct str text;
} letters[2 * MESSAGES];
static size_t nletters;

/* ---- the store ---- */

static void keep(int64_t account)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, account, MAILBOX_INBOX);
	struct mailbox_message m;

	for (int64_t i = 1; i <= mailbox_snapshot_count(&s); i++) {
		assert_int_equal(mailbox_message(rig.db, arena, &s, i, &m), DB_ROW);
		letters[nletters++] = (struct letter){
		    account, m.email, rig_read(&rig, arena, &s, i)};
	}
	mailbox_snapshot_fini(&s);
}

static void add_keyword(void)
{
	struct mailbox_keywords k;

	mailbox_keywords_init(&k, accounts[0], MAILBOX_INBOX);
	ranges_add_range(&k.uids, 1, 2);
	k.add = STR("$flagged");
	k.op.done = rig_nothing;
	lane_run_one(rig.lane, &k.op, rig.now);
	assert_int_equal(k.changed.count, 2);
	mailbox_keywords_fini(&k);
}

static void add_mailbox(void)
{
	struct mailbox_make make;

	mailbox_make_init(&make, accounts[0], STR("Work/Plans"));
	make.op.done = rig_nothing;
	lane_run_one(rig.lane, &make.op, rig.now);
	assert_int_equal(make.op.result, LANE_DONE);
}

/* Two messages expunged, one of them brought back. */
static void expunge(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, accounts[0], MAILBOX_INBOX);
	struct undelete u = {.account = accounts[0], .op.done = rig_nothing};

	assert_int_equal(rig_expunge(&rig, &s, 3, 4), 2);
	mailbox_snapshot_fini(&s);
	u.email = rig_number(&rig, "SELECT max(email) FROM membership WHERE expunged_at > 0");
	undelete_init(&u);
	lane_run_one(rig.lane, &u.op, rig.now);
	assert_int_equal(u.restored, 1);
}

static void send_to(const char *to, const char *text)
{
	struct deliver *d = rig_message(&rig, "x@else.test", text);

	rig_add_summary(d);
	rig_to(d, to);
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
}

static int setup(void **state)
{
	char text[100];

	arena = arena_new();
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	accounts[0] = rig_account(&rig, "ann@a.test");
	accounts[1] = rig_account(&rig, "bob@a.test");
	for (int i = 0; i < 2 * MESSAGES; i++) {
		snprintf(text, sizeof text, "Subject: number %d\r\n\r\ntext %02d\r\n", i % 10, i);
		send_to(i % 2 ? "ann@a.test" : "bob@a.test", text);
	}
	nletters = 0;
	add_keyword();
	add_mailbox();
	keep(accounts[0]);
	keep(accounts[1]);
	expunge();
	chance_begin(7);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	arena_free(&arena);
	return 0;
}

/* ---- what is found, and handed out ---- */

static struct str text_of(int64_t account, int64_t email)
{
	for (size_t i = 0; i < nletters; i++)
		if (letters[i].account == account && letters[i].email == email)
			return letters[i].text;
	return STR("");
}

/* How many messages of the account open; each is what was written under its id. */
static int64_t open_all(int64_t account)
{
	struct mailbox_snapshot s;
	struct arena *a = arena_new();
	struct mailbox_message m;
	int64_t opened = 0;
	enum db_code there = mailbox_snapshot_begin(rig.db, account, MAILBOX_INBOX, &s);

	while (there == DB_ROW && !s.complete)
		assert_int_equal(mailbox_snapshot_scan(rig.db, &s, 100), DB_OK);
	if (there != DB_ROW) {
		arena_free(&a);
		return 0;
	}
	for (int64_t i = 1; i <= mailbox_snapshot_count(&s); i++) {
		struct mailbox_source *source = NULL;

		if (mailbox_message(rig.db, a, &s, i, &m) != DB_ROW ||
		    mailbox_source_open(rig.blobs, &m, 0, &source, NULL) != BLOB_OK)
			continue;
		mailbox_source_close(&source);
		opened++;
		if (!str_eq(rig_read(&rig, a, &s, i), text_of(account, m.email)))
			fail_msg("message %lld is handed out changed", (long long)i);
	}
	mailbox_snapshot_fini(&s);
	arena_free(&a);
	return opened;
}

static void read_all(void)
{
	(void)open_all(accounts[0]);
	(void)open_all(accounts[1]);
}

/* How many of the letters are in no mailbox. */
static int64_t gone(void)
{
	int64_t n = 0;
	char sql[200];

	for (size_t i = 0; i < nletters; i++) {
		snprintf(sql, sizeof sql,
		    "SELECT count(*) FROM membership WHERE account = %lld AND email = %lld"
		    " AND expunged_modseq = 0 AND uid > 0",
		    (long long)letters[i].account, (long long)letters[i].email);
		n += rig_number(&rig, sql) == 0;
	}
	return n;
}

/* ---- columns ---- */

static const struct flip_column columns[] = {
    {"email", "account", NULL},
    {"email", "id", NULL},
    {"email", "blob", NULL},
    {"email", "prefix", NULL},
    {"email", "thread", NULL},
    {"email", "received", NULL},
    {"email", "size", NULL},
    {"email", "keywords", NULL},
    {"email", "modseq", NULL},
    {"email", "links", NULL},
    {"email", "summary", NULL},
    {"email", "seal", NULL},
    {"membership", "account", NULL},
    {"membership", "mailbox", NULL},
    {"membership", "uid", "another uid that was given: the message is the same"},
    {"membership", "email", NULL},
    {"membership", "size", NULL},
    {"membership", "modseq", NULL},
    {"membership", "created", "moves the moment from which it is in the mailbox as of then"},
    {"membership", "origin", "of a purged row: what it brought back is gone"},
    {"membership", "expunged_modseq", NULL},
    {"membership", "expunged_at", "moves the end of its undelete window"},
    {"mailbox", "account", NULL},
    {"mailbox", "id", NULL},
    {"mailbox", "parent", "another mailbox that is there: no message changes its place"},
    {"mailbox", "name", "any name is one, but INBOX"},
    {"mailbox", "role", NULL},
    {"mailbox", "uidvalidity", NULL},
    {"mailbox", "uidnext", "higher: uids are left out"},
    {"mailbox", "modseq", "higher: clients ask once more"},
    {"mailbox", "messages", NULL},
    {"mailbox", "octets", NULL},
    {"mailbox", "created", "within the second that uidvalidity tells"},
};

static void keep_tables(void)
{
	flip_keep(&rig, "email");
	flip_keep(&rig, "membership");
	flip_keep(&rig, "mailbox");
}

static void each_column(void **state)
{
	keep_tables();
	damage_each_column(&rig, columns, sizeof columns / sizeof *columns, read_all);
}

/* No column is left out. */
static void all_columns_are_listed(void **state)
{
	assert_int_equal(
	    flip_number(&rig, "SELECT (SELECT count(*) FROM pragma_table_info('email'))"
			      " + (SELECT count(*) FROM pragma_table_info('membership'))"
			      " + (SELECT count(*) FROM pragma_table_info('mailbox'))"),
	    sizeof columns / sizeof *columns);
}

/* ---- the repair ---- */

/* Whatever flips of what is sealed becomes what was written, the octet. */
static void one_bit_is_put_back(void **state)
{
	struct repair r;

	keep_tables();
	for (size_t i = 0; i < 2 * (sizeof columns / sizeof *columns); i++) {
		const struct flip_column *c = &columns[i / 2];
		bool counted = strcmp(c->name, "size") == 0 || strcmp(c->name, "modseq") == 0 ||
			       strcmp(c->name, "links") == 0;

		if (strcmp(c->table, "email") != 0 || counted)
			continue;
		flip_one(&rig, c, i % 2 == 0);
		if (!flip_differs(&rig, "email"))
			continue;
		r = damage_repair(&rig);
		assert_int_equal(r.mended, 1);
		assert_int_equal(r.damaged, 0);
		if (flip_differs(&rig, "email"))
			fail_msg("email.%s is not what it was", c->name);
		assert_int_equal(damage_count(&rig), 0);
	}
}

/*
 * What the repair must put right. Not here: rows of emails (one_bit_is_put_back); another account, which gets a
 * name and no password; another message that a copy then names.
 */
static bool is_repaired(const struct flip_column *c)
{
	return strcmp(c->table, "email") != 0 && strcmp(c->name, "account") != 0 &&
	       strcmp(c->name, "email") != 0;
}

/* Whatever flips: no letter is gone that was there, and nothing is left to find. */
static void one_bit_takes_no_letter(void **state)
{
	struct repair r;

	for (size_t i = 0; i < REPAIRED * sizeof columns / sizeof *columns; i++) {
		const struct flip_column *c = &columns[i / REPAIRED];

		if (!is_repaired(c))
			continue;
		teardown(state);
		setup(state);
		chance_begin(i);
		flip_one(&rig, c, i % REPAIRED == 0);
		r = damage_repair(&rig);
		assert_int_equal(r.damaged, 0);
		if (gone() > 1)
			fail_msg("%s.%s changed, and a letter is gone", c->table, c->name);
		if (damage_count(&rig))
			fail_msg("%s.%s changed, and is not repaired", c->table, c->name);
		read_all();
	}
}

/* The INBOX gets its number again, with all that is in it. */
static void the_inbox_has_another_number(void **state)
{
	int64_t before = open_all(accounts[0]);

	keep_tables();
	flip_change(&rig, "UPDATE mailbox SET id = 33 WHERE account = 1 AND id = 1");
	(void)damage_repair(&rig);
	if (flip_differs(&rig, "mailbox"))
		fail_msg("its mailboxes are others");
	assert_int_equal(open_all(accounts[0]), before);
	assert_int_equal(damage_count(&rig), 0);
}

/* Drafts is Drafts, with whatever role; one made anew for its copies has it too. */
static void a_role_is_that_of_the_number(void **state)
{
	keep_tables();
	for (int role = 0; role < MAILBOX_ROLES; role++) {
		char sql[100];

		snprintf(sql, sizeof sql, "UPDATE mailbox SET role = %d WHERE id = 2", role);
		flip_change(&rig, sql);
		assert_int_equal(damage_count(&rig), role == MAILBOX_DRAFTS ? 0 : 2);
		(void)damage_repair(&rig);
		assert_false(flip_differs(&rig, "mailbox"));
	}
	flip_change(&rig,
	    "UPDATE membership SET mailbox = 2 WHERE account = 1; DELETE FROM mailbox WHERE id = 2");
	(void)damage_repair(&rig);
	assert_int_equal(
	    flip_number(&rig, "SELECT count(*) FROM mailbox WHERE id = 2 AND role = 2"), 1);
	assert_int_equal(damage_count(&rig), 0);
}

/* The mailboxes of an account's birth were made when it was: no client need read them anew. */
static void a_uidvalidity_is_known_by_the_account(void **state)
{
	keep_tables();
	flip_change(&rig, "UPDATE mailbox SET uidvalidity = uidvalidity + 4096 WHERE id = 1;"
			  "UPDATE mailbox SET created = created + 4096000 WHERE id = 2");
	assert_int_equal(damage_count(&rig), 4);
	(void)damage_repair(&rig);
	assert_false(flip_differs(&rig, "mailbox"));
	assert_int_equal(damage_count(&rig), 0);
}

/* One that was made later gets another: which of the two numbers is right is not known. */
static void a_uidvalidity_that_nothing_tells_is_another(void **state)
{
	int64_t made = rig.now / 1000 - 5000;

	flip_change(&rig,
	    "UPDATE mailbox SET created = created - 5000000, uidvalidity = uidvalidity - 904"
	    " WHERE id = 8");
	(void)damage_repair(&rig);
	assert_int_equal(flip_number(&rig,
			     "SELECT count(*) FROM mailbox WHERE id = 8 AND uidvalidity NOT IN"
			     " (%lld, %lld)",
			     (long long)made, (long long)made + 4096),
	    1);
	assert_int_equal(damage_count(&rig), 0);
}

/* One that is there, and looks as if it had gone at a time that is lost. */
static void a_live_copy_is_not_taken_for_one_that_went(void **state)
{
	flip_change(
	    &rig, "UPDATE membership SET expunged_modseq = 4096 WHERE account = 2 AND uid = 2");
	assert_int_equal(gone(), 2);
	(void)damage_repair(&rig);
	assert_int_equal(gone(), 1);
	assert_int_equal(open_all(accounts[1]), MESSAGES);
	assert_int_equal(damage_count(&rig), 0);
}

/* One that went stays so: the feed of changes tells it. */
static void a_copy_that_went_stays_gone(void **state)
{
	int64_t before = open_all(accounts[0]);

	flip_change(&rig, "UPDATE membership SET expunged_at = 0 WHERE expunged_at > 0");
	(void)damage_repair(&rig);
	assert_int_equal(open_all(accounts[0]), before);
	assert_int_equal(damage_count(&rig), 0);
}

/* No client could ask for it, and no delivery would come after it. */
static void no_uid_is_negative(void **state)
{
	int64_t before = open_all(accounts[1]);
	int64_t low = INT64_MIN;
	char sql[200];

	snprintf(sql, sizeof sql,
	    "UPDATE membership SET uid = uid + (%lld) WHERE account = 2 AND uid = 2;"
	    "UPDATE mailbox SET uidnext = uidnext + (%lld) WHERE id = 3",
	    (long long)low, (long long)low);
	flip_change(&rig, sql);
	assert_int_equal(open_all(accounts[1]), before - 1);
	assert_true(damage_count(&rig) >= 3);
	assert_int_equal(damage_repair(&rig).damaged, 0);
	assert_int_equal(open_all(accounts[1]), before);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM membership WHERE account = 2 AND uid = 2"), 1);
	assert_int_equal(damage_count(&rig), 0);
}

/* A number that flips may be that of another's message, which is none of his. */
static void a_message_of_another_account_is_not_his(void **state)
{
	flip_change(&rig,
	    "UPDATE membership SET email = (SELECT min(email) FROM membership WHERE account = 1)"
	    " WHERE account = 2 AND uid = 2");
	(void)damage_repair(&rig);
	assert_int_equal(open_all(accounts[1]), MESSAGES);
	assert_int_equal(damage_count(&rig), 0);
}

/* More than a bit: the row is made from the content. */
static void a_torn_row_is_made_anew(void **state)
{
	struct repair r;

	flip_change(&rig, "UPDATE email SET prefix = x'1234', size = size + 2 - length(prefix)");
	assert_int_equal(open_all(accounts[1]), 0);
	assert_true(damage_count(&rig) >= 2 * MESSAGES);
	r = damage_repair(&rig);
	assert_int_equal(r.remade, 2 * MESSAGES);
	assert_int_equal(damage_count(&rig), 0);
	assert_int_equal(open_all(accounts[1]), MESSAGES);
	assert_int_equal(open_all(accounts[0]), MESSAGES - 1);
}

/* One that neither a mailbox nor the ledger knows keeps what is left of its row. */
static void a_torn_row_that_nothing_else_tells_stays(void **state)
{
	flip_change(&rig,
	    "DELETE FROM membership WHERE account = 2; DELETE FROM ledger WHERE account = 2;"
	    "UPDATE email SET received = 4711 WHERE account = 2");
	(void)damage_repair(&rig);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM email WHERE account = 2"), MESSAGES);
	assert_int_equal(damage_count(&rig), 0);
	assert_int_equal(open_all(accounts[1]), MESSAGES);
}

/* A copy that names another message of its account, of the same size. */
static void another_message_is_not_handed_out(void **state)
{
	flip_change(&rig,
	    "UPDATE membership SET email = (SELECT m.email FROM membership m WHERE m.account = 2"
	    " AND m.uid = 2) WHERE account = 2 AND uid = 1");
	assert_int_equal(open_all(accounts[1]), MESSAGES - 1);
	assert_true(damage_count(&rig) > 0);
}

/* Rows from before version 2 have no seal, and are read. */
static void without_a_seal(void **state)
{
	flip_change(&rig, "UPDATE email SET seal = 0");
	assert_int_equal(damage_count(&rig), 0);
	assert_int_equal(open_all(accounts[1]), MESSAGES);
	flip_change(&rig, "UPDATE email SET keywords = '' WHERE keywords <> ''");
	add_keyword();
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email WHERE seal <> 0"), 0);
}

/* Which of its two numbers is wrong a mailbox or the ledger tells. */
static void without_a_seal_it_has_its_numbers_again(void **state)
{
	static const char *const wrong[] = {"id = id + 1", "blob = blob - 2", "blob = 4711"};
	struct repair r;

	flip_change(&rig, "UPDATE email SET seal = 0");
	keep_tables();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char sql[200];

		snprintf(sql, sizeof sql,
		    "UPDATE email SET %s WHERE account = 2 AND id = (SELECT max(id) FROM email"
		    " WHERE account = 2)",
		    wrong[i]);
		flip_change(&rig, sql);
		assert_true(damage_count(&rig) > 0);
		r = damage_repair(&rig);
		assert_int_equal(r.mended, 1);
		assert_int_equal(r.damaged, 0);
		if (flip_differs(&rig, "email") || flip_differs(&rig, "membership"))
			fail_msg("%s: the row is not what it was", wrong[i]);
		assert_int_equal(damage_count(&rig), 0);
	}
	assert_int_equal(open_all(accounts[1]), MESSAGES);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(all_columns_are_listed),
	    T(each_column),
	    T(one_bit_is_put_back),
	    T(one_bit_takes_no_letter),
	    T(the_inbox_has_another_number),
	    T(a_role_is_that_of_the_number),
	    T(a_uidvalidity_is_known_by_the_account),
	    T(a_uidvalidity_that_nothing_tells_is_another),
	    T(a_live_copy_is_not_taken_for_one_that_went),
	    T(a_copy_that_went_stays_gone),
	    T(no_uid_is_negative),
	    T(a_message_of_another_account_is_not_his),
	    T(a_torn_row_is_made_anew),
	    T(a_torn_row_that_nothing_else_tells_stays),
	    T(another_message_is_not_handed_out),
	    T(without_a_seal),
	    T(without_a_seal_it_has_its_numbers_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
