/*
 * What must be so after a crash. Three views: the tables against each other (store_rules), the tables
 * and packs against what was promised before the crash, and the store's own audit.
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
#include "rig.h"
#include "store/db_internal.h"
#include "store_text.h"

#define LATER INT64_C(1827000000000) /* a year after the runs */
#define ROOM  1000000

static struct rig rig;

_Noreturn static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *format, ...)
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

/* ---- the tables by themselves ---- */

/* Each counts rows that must not be. */
static const struct {
	const char *rule, *select;
} store_rules[] = {
    {"mailbox.md 1: a uid is below uidnext",
	"membership m LEFT JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox"
	" WHERE b.id IS NULL OR m.uid >= b.uidnext"},
    {"mailbox.md 1: no change is above its account's modseq",
	"change c JOIN account a ON a.id = c.account WHERE c.modseq > a.modseq"},
    {"mailbox.md 2: messages and octets of a mailbox",
	"mailbox b WHERE (messages, octets) <> (SELECT count(*), coalesce(sum(size), 0) FROM"
	" membership m WHERE m.account = b.account AND m.mailbox = b.id AND expunged_modseq = 0)"},
    {"mailbox.md 2: what an account uses",
	"account a WHERE domain <> '' AND (used_messages, used_bytes) <> (SELECT"
	" coalesce(sum(messages), 0), coalesce(sum(octets), 0) FROM mailbox WHERE account = a.id)"},
    {"mailbox.md 3: a copy has its email, of its size",
	"membership m LEFT JOIN email e ON e.account = m.account AND e.id = m.email"
	" WHERE e.id IS NULL OR e.size <> m.size"},
    {"mailbox.md 3: email.links",
	"email e WHERE links <> (SELECT count(*) FROM membership m WHERE m.account = e.account"
	" AND m.email = e.id)"},
    {"mailbox.md 3: email.size is prefix and blob",
	"email e LEFT JOIN blob b ON b.id = e.blob WHERE b.id IS NULL"
	" OR e.size <> length(e.prefix) + b.length"},
    {"message.md 2: message.recipients",
	"message m WHERE recipients <> (SELECT count(*) FROM ledger WHERE message = m.id)"},
    {"message.md 5: blob.refs",
	"blob b WHERE refs <> (SELECT count(*) FROM email WHERE blob = b.id)"
	" + (SELECT count(*) FROM queue q JOIN message m ON m.id = q.message WHERE m.blob = b.id)"
	" + (SELECT count(*) FROM trace WHERE dialogue = b.id)"},
    {"message.md 5: a queue row has its message and blob",
	"queue q LEFT JOIN message m ON m.id = q.message LEFT JOIN blob b ON b.id = m.blob"
	" WHERE b.id IS NULL"},
    {"message.md 5: a trace's dialogue is there",
	"trace t LEFT JOIN blob b ON b.id = t.dialogue WHERE t.dialogue <> 0 AND b.id IS NULL"},
    {"pack.md 1: a blob lies before the end of its pack",
	"blob b LEFT JOIN pack p ON p.pack = b.pack"
	" WHERE p.pack IS NULL OR b.pos + 64 + b.length > p.end_offset"},
    {"queue-entry.md 3: a row has its destination",
	"queue q LEFT JOIN destination d ON d.shard = q.shard AND d.name = q.destination"
	" WHERE q.destination <> '' AND d.name IS NULL"},
    {"queue-entry.md: a leased row has its lease",
	"queue q LEFT JOIN lease l ON l.shard = q.shard AND l.token = q.token"
	" WHERE q.token <> 0 AND (l.token IS NULL OR l.message <> q.message)"},
    {"queue-entry.md: a lease has rows",
	"lease l WHERE NOT EXISTS (SELECT 1 FROM queue q WHERE q.shard = l.shard"
	" AND q.message = l.message AND q.token = l.token)"},
    {"queue-entry.md 7: a held row", "queue WHERE held <> 0 AND (token <> 0 OR report <> 0)"},
    {"queue-entry.md 8: an empty destination", "queue WHERE (destination = '') <> (report <> 0)"},
};

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(rig.db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		wrong("%s: %s", sql, sqlite3_errmsg(rig.db->sqlite));
	return stmt;
}

static int64_t number(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int64_t number(const char *format, ...)
{
	char sql[1024];
	sqlite3_stmt *stmt;
	va_list args;
	int64_t n;
	int rc;

	va_start(args, format);
	vsnprintf(sql, sizeof sql, format, args);
	va_end(args);
	stmt = prepare(sql);
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		wrong("%s: %s", sql, sqlite3_errmsg(rig.db->sqlite));
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* One of the rows, for people. */
_Noreturn static void wrong_row(const char *rule, const char *select)
{
	char sql[1024], text[400] = "";
	sqlite3_stmt *stmt;
	size_t at = 0;

	snprintf(sql, sizeof sql, "SELECT * FROM %s", select);
	stmt = prepare(sql);
	(void)sqlite3_step(stmt);
	for (int i = 0; i < sqlite3_column_count(stmt) && at < sizeof text - 64; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, " %s=%.30s",
		    sqlite3_column_name(stmt, i), (const char *)sqlite3_column_text(stmt, i));
	wrong("%s: against it:%s", rule, text);
}

static void check_tables(void)
{
	sqlite3_stmt *stmt = prepare("PRAGMA integrity_check");

	MUST(sqlite3_step(stmt) == SQLITE_ROW);
	if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		wrong("the database is damaged: %s", sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	for (size_t i = 0; i < sizeof store_rules / sizeof *store_rules; i++) {
		int64_t n = number("SELECT count(*) FROM %s", store_rules[i].select);

		if (n)
			wrong_row(store_rules[i].rule, store_rules[i].select);
	}
}

/* All rows of all tables but the packs' own, which every start changes. */
static uint64_t content(void)
{
	sqlite3_stmt *tables = prepare("SELECT name FROM sqlite_schema WHERE type = 'table'"
				       " AND name <> 'pack' ORDER BY name");
	uint64_t sum = 0;

	while (sqlite3_step(tables) == SQLITE_ROW) {
		char sql[256];
		sqlite3_stmt *rows;

		snprintf(sql, sizeof sql, "SELECT * FROM %s", sqlite3_column_text(tables, 0));
		rows = prepare(sql);
		while (sqlite3_step(rows) == SQLITE_ROW) {
			for (int i = 0; i < sqlite3_column_count(rows); i++) {
				const void *p = sqlite3_column_blob(rows, i); /* numbers as text */
				size_t n = (size_t)sqlite3_column_bytes(rows, i);

				sum = XXH3_64bits_withSeed(p ? p : "", n, sum + 1);
			}
		}
		sqlite3_finalize(rows);
	}
	sqlite3_finalize(tables);
	return sum;
}

/* ---- every octet ---- */

static void check_blob(int64_t id, struct blob_pos pos, size_t told)
{
	static char got[ROOM], want[ROOM];
	struct err e = {""};

	if (blob_get(rig.blobs, id, pos, got, sizeof got, &e) != BLOB_OK)
		wrong("pack.md 1: blob %lld: %s", (long long)id, e.text);
	if (!told)
		return;
	store_text(id, want, told);
	if ((size_t)pos.length != told || memcmp(got, want, told) != 0)
		wrong("message %lld is not what was sent", (long long)id);
}

/* Sizes by message id, as asked for. */
struct sent {
	int64_t id;
	size_t size;
	unsigned who;
	int answer; /* -1: none */
};

static struct sent *sents;
static size_t nsents;

static struct sent *find_sent(int64_t id)
{
	for (size_t i = 0; i < nsents; i++) {
		if (sents[i].id == id)
			return &sents[i];
	}
	return NULL;
}

static void check_blobs(void)
{
	sqlite3_stmt *stmt = prepare("SELECT id, pack, pos, length FROM blob");
	struct blob_counts counts;

	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const struct sent *sent = find_sent(sqlite3_column_int64(stmt, 0));

		check_blob(sqlite3_column_int64(stmt, 0),
		    (struct blob_pos){sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
			sqlite3_column_int64(stmt, 3)},
		    sent ? sent->size : 0);
	}
	sqlite3_finalize(stmt);
	blob_counts(rig.blobs, &counts);
	if (counts.missing)
		wrong("pack.md 1: %lld packs are missing or cut short", (long long)counts.missing);
}

/* ---- promises ---- */

#define LINE_MAX_N 256

struct promises {
	char (*lines)[LINE_MAX_N];
	size_t n;
};

static void split_lines(struct promises *p, const char *said, size_t n)
{
	size_t cap = 0;

	for (const char *end = said + n, *nl; said < end; said = nl + 1) {
		nl = memchr(said, '\n', (size_t)(end - said));
		if (!nl)
			return;
		if (p->n == cap) {
			cap = cap ? cap * 2 : 64;
			p->lines = mem_resize(p->lines, cap * sizeof *p->lines);
		}
		MUST(nl - said < LINE_MAX_N);
		memcpy(p->lines[p->n], said, (size_t)(nl - said));
		p->lines[p->n++][nl - said] = '\0';
	}
}

static void find_sents(const struct promises *p)
{
	struct sent s = {.answer = -1};
	long long id;
	int yes;

	sents = mem_array(p->n + 2, sizeof *sents);
	for (size_t i = 0; i < p->n; i++) {
		if (sscanf(p->lines[i], "ask send %lld %zu %u", &id, &s.size, &s.who) == 3) {
			s.id = id;
			sents[nsents++] = s;
		} else if (sscanf(p->lines[i], "ok send %lld %d", &id, &yes) == 2) {
			MUST(find_sent(id));
			find_sent(id)->answer = yes;
		}
	}
}

static bool was_said(const struct promises *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool was_said(const struct promises *p, const char *format, ...)
{
	char line[LINE_MAX_N];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->lines[i], line) == 0)
			return true;
	}
	return false;
}

static void check_copy(const struct promises *p, const struct sent *s, int account)
{
	long long id = s->id;
	bool meant = s->who >> (account - 1) & 1;
	bool asked = was_said(p, "ask expunge %d %lld", account, id);
	bool gone = was_said(p, "ok expunge %d %lld", account, id);
	int64_t live = number("SELECT count(*) FROM membership WHERE account = %d AND email = %lld"
			      " AND expunged_modseq = 0",
	    account, id);

	if (gone && live)
		wrong("mailbox.md 6: %lld was deleted from %d and is back", id, account);
	if (s->answer == 1 && meant && !asked && live != 1)
		wrong("message.md: %lld was accepted and is %lld times in mailbox %d", id,
		    (long long)live, account);
	if (!meant && live)
		wrong("%lld is in mailbox %d of somebody else", id, account);
}

/* One that was not answered is there as a whole or not at all. */
static void check_message(const struct promises *p, const struct sent *s)
{
	long long id = s->id;
	int64_t rows = number("SELECT count(*) FROM message WHERE id = %lld", id);
	int64_t parts = number("SELECT (SELECT count(*) FROM ledger WHERE message = %lld)"
			       " + (SELECT count(*) FROM email WHERE id = %lld)"
			       " + (SELECT count(*) FROM queue WHERE message = %lld)",
	    id, id, id);

	if (s->answer == 1 && rows != 1)
		wrong("message.md: %lld was accepted and is lost", id);
	if (s->answer != 1 && rows == 0 && parts)
		wrong("message.md 1: %lld was not taken, but in part is here", id);
	if (s->answer == 0 && rows)
		wrong("message.md 6: %lld was refused and is here", id);
	for (int account = 1; rows && account <= 3; account++)
		check_copy(p, s, account);
}

/* A uid that was seen stands for the same email for ever; a settled recipient stays settled. */
static void check_told(const struct promises *p)
{
	long long a, b, c;
	int state;

	for (size_t i = 0; i < p->n; i++) {
		if (sscanf(p->lines[i], "saw %lld %lld %lld", &a, &b, &c) == 3 &&
		    (number("SELECT count(*) FROM membership WHERE account = %lld AND mailbox = %d"
			    " AND uid = %lld AND email <> %lld",
			 a, MAILBOX_INBOX, b, c) ||
			number("SELECT count(*) FROM mailbox WHERE account = %lld AND id = %d"
			       " AND uidnext > %lld",
			    a, MAILBOX_INBOX, b) != 1))
			wrong("mailbox.md 1: uid %lld of account %lld is given again", b, a);
		if (sscanf(p->lines[i], "state %lld %lld %d", &a, &b, &state) == 3 &&
		    state != LEDGER_QUEUED &&
		    number("SELECT state FROM ledger WHERE message = %lld AND recipient = %lld", a,
			b) != state)
			wrong("queue-entry.md 1: the result of %lld %lld is lost", a, b);
	}
}

static void check_audit(void)
{
	int64_t faults[LEDGER_FAULTS], sum = 0;
	struct ledger_day total = rig_audit(&rig, faults);

	for (int i = 0; i < LEDGER_FAULTS; i++) {
		if (faults[i])
			wrong("message.md 2: %s", ledger_fault_text(i));
	}
	for (int i = 0; i < LEDGER_STATES; i++)
		sum += total.in[i];
	if (sum != total.accepted)
		wrong("message.md 2: the sums do not balance");
}

/* ---- the whole ---- */

static void start(void)
{
	rig.directory.separator = '+';
	rig.now = LATER;
	id_maker_init(&rig.ids, 1, 0);
	fsio_init(&rig.fs, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	(void)rig.fs.ops->make_dir(&rig.fs, "packs", 0700);
	rig_restart(&rig);
}

/* Mail goes on, and a start later it is there. */
static void goes_on(const struct promises *p)
{
	struct deliver *d;
	char text[STORE_TEXT_MIN * 9];
	int64_t id;

	rig_change(&rig, DIRECTORY_DOMAIN_ADD, "a.test", NULL);
	rig_change(&rig, DIRECTORY_ACCOUNT_ADD, "ann@a.test", NULL);
	d = rig_message(&rig, "ann@a.test", "");
	id = d->message_id;
	store_text(id, text, sizeof text);
	d->data = arena_str(d->arena, str_of(text, sizeof text));
	rig_to(d, "ann@a.test");
	if (!rig_run(&rig, d))
		wrong("after the start no message is taken");
	deliver_free(&d);
	rig_restart(&rig);
	if (number("SELECT count(*) FROM email WHERE id = %lld", (long long)id) != 1)
		wrong("a message taken after the start is lost at the next");
	sents[nsents++] = (struct sent){id, sizeof text, 1, 1};
	check_blobs();
	check_tables();
	for (size_t i = 0; i < nsents; i++)
		check_message(p, &sents[i]);
	check_audit();
}

uint64_t store_check(const char *said, size_t n)
{
	struct promises p = {0};
	uint64_t sum;

	split_lines(&p, said, n);
	find_sents(&p);
	start();
	sum = content();
	check_tables();
	check_blobs();
	for (size_t i = 0; i < nsents; i++)
		check_message(&p, &sents[i]);
	check_told(&p);
	check_audit();
	goes_on(&p);
	return sum;
}
