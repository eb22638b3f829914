/*
 * What must be so after a crash. Three views: the tables against each other (unit/store/rules.c), the
 * tables and packs against what was promised before the crash (promises.c), and the store's own audit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store_run.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "memory.h"
#include "promises.h"
#include "rig.h"
#include "rules.h"
#include "store/db_internal.h"
#include "store/db_vfs.h"
#include "store_text.h"

#define LATER INT64_C(1827000000000) /* a year after the runs */
#define ROOM  1000000

static struct rig rig;

void promises_broken(const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text - 1, format, args);
	va_end(args);
	n = n > (int)sizeof text - 2 ? (int)sizeof text - 2 : n;
	text[n++] = '\n';
	(void)!write(STDERR_FILENO, text, (size_t)n);
	_exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(rig.db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		promises_broken("%s: %s", sql, sqlite3_errmsg(rig.db->sqlite));
	return stmt;
}

/* lane.md, recovery: SQLite has replayed its log, and what it holds is sound. */
static void check_integrity(void)
{
	sqlite3_stmt *stmt = prepare("PRAGMA integrity_check");

	MUST(sqlite3_step(stmt) == SQLITE_ROW);
	if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		promises_broken("lane.md (recovery): the database is damaged: %s",
		    sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
}

static void check_rules(void)
{
	struct err e = {""};

	if (!rules_hold(rig.db, &e))
		promises_broken("%s", e.text);
}

static uint64_t sum_rows(const char *table, uint64_t sum)
{
	char sql[256];
	sqlite3_stmt *rows;

	snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
	rows = prepare(sql);
	while (sqlite3_step(rows) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(rows); i++) {
			const void *p = sqlite3_column_blob(rows, i); /* numbers as text */
			size_t n = (size_t)sqlite3_column_bytes(rows, i);

			sum = XXH3_64bits_withSeed(p ? p : "", n, sum + 1);
		}
	}
	sqlite3_finalize(rows);
	return sum;
}

/* All rows of all tables but the packs' own, which every start changes. */
static uint64_t content(void)
{
	sqlite3_stmt *tables = prepare("SELECT name FROM sqlite_schema WHERE type = 'table'"
				       " AND name <> 'pack' ORDER BY name");
	uint64_t sum = 0;

	while (sqlite3_step(tables) == SQLITE_ROW)
		sum = sum_rows((const char *)sqlite3_column_text(tables, 0), sum);
	sqlite3_finalize(tables);
	return sum;
}

/* ---- every octet ---- */

static void check_blob(int64_t id, struct blob_pos pos, size_t told)
{
	static char got[ROOM], want[ROOM];
	struct err e = {""};

	if (blob_get(rig.blobs, id, pos, got, sizeof got, &e) != BLOB_OK)
		promises_broken("pack.md 1: blob %lld: %s", (long long)id, e.text);
	if (!told)
		return;
	store_text(id, want, told);
	if ((size_t)pos.length != told || memcmp(got, want, told) != 0)
		promises_broken("pack.md 3: message %lld is not what was sent", (long long)id);
}

static void check_blobs(const struct promises *p)
{
	sqlite3_stmt *stmt = prepare("SELECT id, pack, pos, length FROM blob");
	struct blob_counts counts;

	while (sqlite3_step(stmt) == SQLITE_ROW)
		check_blob(sqlite3_column_int64(stmt, 0),
		    (struct blob_pos){sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
			sqlite3_column_int64(stmt, 3)},
		    promises_size(p, sqlite3_column_int64(stmt, 0)));
	sqlite3_finalize(stmt);
	blob_counts(rig.blobs, &counts);
	if (counts.missing)
		promises_broken(
		    "pack.md 1: %lld packs are missing or cut short", (long long)counts.missing);
}

static void check_audit(void)
{
	int64_t faults[LEDGER_FAULTS], sum = 0;
	struct ledger_day total = rig_audit(&rig, faults);

	for (int i = 0; i < LEDGER_FAULTS; i++) {
		if (faults[i])
			promises_broken("message.md 2: the audit: %s", ledger_fault_text(i));
	}
	for (int i = 0; i < LEDGER_STATES; i++)
		sum += total.in[i];
	if (sum != total.accepted)
		promises_broken("message.md 2: the sums do not balance");
}

/* ---- states that differ only in what nobody sees ---- */

#define KNOWN ((size_t)1 << 16)

static uint64_t known[KNOWN]; /* a table; 0: free */

/*
 * Rules, promises and audit see nothing but rows and what was said: where those were the same and good,
 * they are good again. True when they were not seen yet.
 */
static bool is_news(uint64_t rows)
{
	size_t at = rows % KNOWN, looked = 0;

	for (; known[at] && looked < 64; at = (at + 1) % KNOWN, looked++) {
		if (known[at] == rows)
			return false;
	}
	known[at] = rows;
	return true;
}

/* sum: of the content. */
static void check_all(const struct promises *p, uint64_t sum)
{
	check_integrity();
	check_blobs(p);
	if (!is_news(sum_rows("pack", sum) ^ promises_number(p)))
		return;
	check_rules();
	promises_check(p, rig.db);
	check_audit();
}

/* ---- the whole ---- */

/* The address of account 1, which is made when there is none. */
static void first_account(char to[64])
{
	sqlite3_stmt *stmt;

	rig_change(&rig, DIRECTORY_DOMAIN_ADD, "a.test", NULL);
	rig_change(&rig, DIRECTORY_ACCOUNT_ADD, "ann@a.test", NULL);
	stmt = prepare("SELECT local || '@' || domain FROM account WHERE id = 1");
	MUST(sqlite3_step(stmt) == SQLITE_ROW);
	snprintf(to, 64, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
}

/* Mail goes on, and a start later it is there. */
static void goes_on(struct promises *p)
{
	struct deliver *d;
	char text[STORE_TEXT_MIN * 9], to[64];

	first_account(to);
	id_maker_init(&rig.ids, 1, deliver_newest_id(rig.db));
	d = rig_message(&rig, "ann@a.test", "");
	store_text(d->message_id, text, sizeof text);
	d->data = str_of(text, sizeof text);
	rig_to(d, to);
	if (!rig_run(&rig, d))
		promises_broken("lane.md (recovery): after the start no message is taken");
	promises_add(p, 1, d->message_id, sizeof text);
	deliver_free(&d);
	rig_restart(&rig);
	check_all(p, content());
}

/* ---- migrations ---- */

static int64_t ask_file(const char *file, const char *sql)
{
	sqlite3 *raw = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t n = -1;

	if (sqlite3_open_v2(file, &raw, SQLITE_OPEN_READWRITE, db_vfs_name()) == SQLITE_OK &&
	    sqlite3_prepare_v2(raw, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
	return n;
}

/* versions.md 3: the old version or the new one, and never the new one without a whole copy of the old. */
void store_check_old(void)
{
	int64_t version = ask_file("store.db", "PRAGMA user_version");

	if (version != 1 && version != sql_schema()->version)
		promises_broken("versions.md 3: the database has version %lld", (long long)version);
	if (version == 1)
		return;
	if (ask_file("store.db.version-1", "PRAGMA user_version") != 1 ||
	    ask_file("store.db.version-1",
		"SELECT integrity_check = 'ok' FROM pragma_integrity_check") != 1 ||
	    ask_file("store.db.version-1", "SELECT count(*) FROM account") < 1)
		promises_broken("versions.md 3: the copy of the database is not whole");
}

uint64_t store_check(const char *said, size_t n, bool whole)
{
	struct promises *p;
	struct fsio fs;
	uint64_t sum;

	fsio_init(&fs, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	rig = (struct rig){.pack_size = STORE_PACK};
	rig_begin(&rig, fs);
	rig.now = LATER;
	sum = content();
	if (whole) {
		p = promises_new(said, n);
		check_all(p, sum);
		if (!memory_is_torn()) /* those are many, and alike */
			goes_on(p);
		promises_free(&p);
	}
	rig_end(&rig);
	close(fs.dirfd);
	return sum;
}
