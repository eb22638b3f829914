/*
 * What was said is gone through once, in order: "ask" makes what it is about unknown, "ok" known again. So of
 * a request that was asked for and not answered nothing is expected but that it is there as a whole or not at
 * all, which the tables' own rules and the comparison with the moments before it show.
 */
#include "promises.h"

#include <sqlite3.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/mem.h"
#include "store/db_internal.h"
#include "store/ledger.h"
#include "store/mailbox.h"

#define PEOPLE  3
#define LINE_N  1024
#define WORDS_N 40

/* Of one message in the mailboxes of one account. */
enum fate {
	FATE_NONE, /* it never was */
	FATE_UNKNOWN,
	FATE_LIVE,
	FATE_GONE,
};

struct sent {
	int64_t id;
	size_t size;
	int taken;    /* -1: not answered */
	bool later;   /* than it was accepted */
	bool history; /* the message row is due: a delivery */
	enum fate fates[PEOPLE];
	char words[PEOPLE][WORDS_N];
	bool told[PEOPLE]; /* its words are known */
};

struct saw {
	int64_t account, mailbox, uid, email;
};

struct settled {
	int64_t message, recipient;
	int state;
};

struct promises {
	struct sent *sents;
	struct saw *saws;
	struct settled *settled;
	size_t nsents, nsaws, nsettled, cap;
	int64_t quota[2]; /* of account 3; -1: unknown */
	uint64_t number;
};

/* ---- reading what was said ---- */

static struct sent *find(const struct promises *p, int64_t id)
{
	for (size_t i = p->nsents; i-- > 0;) {
		if (p->sents[i].id == id)
			return &p->sents[i];
	}
	return NULL;
}

static void hear_send(struct promises *p, const char *line)
{
	struct sent s = {.taken = -1, .history = true};
	long long id;
	unsigned who;
	int yes;

	if (sscanf(line, "ask send %lld %zu %u", &id, &s.size, &who) == 3) {
		s.id = id;
		for (unsigned i = 0; i < PEOPLE; i++)
			s.fates[i] = who >> i & 1 ? FATE_UNKNOWN : FATE_NONE;
		p->sents[p->nsents++] = s;
	} else if (sscanf(line, "ok send %lld %d", &id, &yes) == 2 && find(p, id)) {
		find(p, id)->taken = yes;
		for (unsigned i = 0; i < PEOPLE; i++) {
			if (find(p, id)->fates[i] != FATE_NONE)
				find(p, id)->fates[i] = !yes                 ? FATE_NONE
							: find(p, id)->later ? FATE_UNKNOWN
									     : FATE_LIVE;
		}
	}
}

/* Nobody can tell when it comes into a mailbox. */
static void hear_later(struct promises *p, const char *line)
{
	long long id;

	if (sscanf(line, "later %lld", &id) == 1 && find(p, id))
		find(p, id)->later = true;
}

static void hear_import(struct promises *p, const char *line)
{
	struct sent s = {.taken = -1};
	long long id, account;
	int yes;

	if (sscanf(line, "ask import %lld %lld %zu", &account, &id, &s.size) == 3) {
		s.id = id;
		s.fates[account - 1] = FATE_UNKNOWN;
		p->sents[p->nsents++] = s;
	} else if (sscanf(line, "ok import %lld %lld %d", &account, &id, &yes) == 3 &&
		   find(p, id)) {
		find(p, id)->taken = yes;
		find(p, id)->fates[account - 1] = yes ? FATE_LIVE : FATE_NONE;
	}
}

static void set_fate(struct promises *p, int64_t account, int64_t id, enum fate fate)
{
	struct sent *s = find(p, id);

	if (s) /* else a report */
		s->fates[account - 1] = fate;
}

static void hear_mailbox(struct promises *p, const char *line)
{
	long long account, id;
	int yes;

	if (sscanf(line, "ask expunge %lld %lld", &account, &id) == 2 ||
	    sscanf(line, "ask undelete %lld %lld", &account, &id) == 2)
		set_fate(p, account, id, FATE_UNKNOWN);
	else if (sscanf(line, "ok expunge %lld %lld", &account, &id) == 2)
		set_fate(p, account, id, FATE_GONE);
	else if (sscanf(line, "ok undelete %lld %lld %d", &account, &id, &yes) == 3)
		set_fate(p, account, id, yes ? FATE_LIVE : FATE_GONE);
}

/* A change that was not answered may have been made or not. */
static void hear_words(struct promises *p, const char *line)
{
	long long account, id;
	struct sent *s;
	int at = 0;
	bool asked = sscanf(line, "ask words %lld %lld %n", &account, &id, &at) == 2 && at;

	if (!asked && (sscanf(line, "words %lld %lld %n", &account, &id, &at) != 2 || at == 0) &&
	    (sscanf(line, "ok words %lld %lld %n", &account, &id, &at) != 2 || at == 0))
		return;
	s = find(p, id);
	if (!s) /* a report */
		return;
	snprintf(s->words[account - 1], WORDS_N, "%s", asked ? "" : line + at);
	s->told[account - 1] = !asked;
}

static void hear_rest(struct promises *p, const char *line)
{
	struct saw w;
	struct settled t;
	long long a, b, c, d;

	if (sscanf(line, "saw %lld %lld %lld %lld", &a, &b, &c, &d) == 4) {
		w = (struct saw){a, b, c, d};
		p->saws[p->nsaws++] = w;
	} else if (sscanf(line, "state %lld %lld %lld", &a, &b, &c) == 3 && c != LEDGER_QUEUED) {
		t = (struct settled){a, b, (int)c};
		p->settled[p->nsettled++] = t;
	} else if (sscanf(line, "ask quota 3 %lld %lld", &a, &b) == 2) {
		p->quota[0] = p->quota[1] = -1;
	} else if (sscanf(line, "ok quota 3 %lld %lld", &a, &b) == 2) {
		p->quota[0] = a;
		p->quota[1] = b;
	}
}

static void hear(struct promises *p, const char *line)
{
	hear_send(p, line);
	hear_later(p, line);
	hear_import(p, line);
	hear_mailbox(p, line);
	hear_words(p, line);
	hear_rest(p, line);
}

static size_t count_lines(const char *said, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += said[i] == '\n';
	return lines;
}

struct promises *promises_new(const char *said, size_t n)
{
	struct promises *p = mem_new(struct promises);
	char line[LINE_N];

	p->number = XXH3_64bits(said, n);
	p->cap = count_lines(said, n) + 8;
	p->sents = mem_array(p->cap, sizeof *p->sents);
	p->saws = mem_array(p->cap, sizeof *p->saws);
	p->settled = mem_array(p->cap, sizeof *p->settled);
	p->quota[0] = p->quota[1] = -1;
	for (const char *end = said + n, *nl; said < end; said = nl + 1) {
		nl = memchr(said, '\n', (size_t)(end - said));
		if (!nl)
			break;
		MUST(nl - said < LINE_N);
		memcpy(line, said, (size_t)(nl - said));
		line[nl - said] = '\0';
		hear(p, line);
	}
	return p;
}

void promises_free(struct promises **pp)
{
	struct promises *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	mem_free(p->sents);
	mem_free(p->saws);
	mem_free(p->settled);
	mem_free(p);
}

void promises_add(struct promises *p, int64_t account, int64_t id, size_t size)
{
	struct sent s = {.id = id, .size = size, .taken = 1, .history = true};

	MUST(p->nsents < p->cap);
	p->number = XXH3_64bits_withSeed(&id, sizeof id, p->number);
	s.fates[account - 1] = FATE_LIVE;
	p->sents[p->nsents++] = s;
}

uint64_t promises_number(const struct promises *p)
{
	return p->number;
}

size_t promises_size(const struct promises *p, int64_t id)
{
	const struct sent *s = find(p, id);

	return s ? s->size : 0;
}

/* ---- asking the tables ---- */

struct question {
	sqlite3_stmt *stmt;
};

static struct question ask(struct db *db, const char *sql)
{
	struct question q = {NULL};

	if (sqlite3_prepare_v2(db->sqlite, sql, -1, &q.stmt, NULL) != SQLITE_OK)
		promises_broken("%s: %s", sql, sqlite3_errmsg(db->sqlite));
	return q;
}

/* The one number; -1: no row. *text_r (WORDS_N octets, may be NULL): the second column. */
static int64_t answer(struct question *q, int64_t a, int64_t b, int64_t c, char *text_r)
{
	const int64_t args[] = {a, b, c};
	int64_t n = -1;
	int rc;

	for (int i = 0; i < sqlite3_bind_parameter_count(q->stmt); i++)
		sqlite3_bind_int64(q->stmt, i + 1, args[i]);
	rc = sqlite3_step(q->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		promises_broken("lane.md (recovery): the database cannot be read");
	if (rc == SQLITE_ROW)
		n = sqlite3_column_int64(q->stmt, 0);
	if (rc == SQLITE_ROW && text_r)
		snprintf(text_r, WORDS_N, "%s", (const char *)sqlite3_column_text(q->stmt, 1));
	sqlite3_reset(q->stmt);
	return n;
}

static int64_t answer_once(struct db *db, const char *sql, int64_t a, int64_t b, int64_t c)
{
	struct question q = ask(db, sql);
	int64_t n = answer(&q, a, b, c, NULL);

	sqlite3_finalize(q.stmt);
	return n;
}

/* ---- what must be there ---- */

struct questions {
	struct question live, email, message, parts;
};

static void check_copy(struct questions *q, const struct sent *s, int account)
{
	enum fate fate = s->fates[account - 1];
	int64_t live = answer(&q->live, account, s->id, 0, NULL);
	long long id = s->id;
	char words[WORDS_N] = "";

	if (fate == FATE_GONE && live)
		promises_broken("mailbox.md 6: %lld was deleted from %d and is back", id, account);
	if (fate == FATE_LIVE && live == 0)
		promises_broken(
		    "lane.md 1: %lld was accepted and is not in mailbox %d", id, account);
	if (live > 1)
		promises_broken(
		    "message.md 4: %lld is %lld times in mailbox %d", id, (long long)live, account);
	if (fate == FATE_NONE && live)
		promises_broken(
		    "message.md 6: %lld is in mailbox %d of somebody else", id, account);
	if (s->told[account - 1] && live &&
	    (answer(&q->email, account, s->id, 0, words) != 1 ||
		strcmp(words, s->words[account - 1]) != 0))
		promises_broken(
		    "mailbox.md 4: keywords of %lld in %d are \"%s\"", id, account, words);
}

/* One that was not answered is there as a whole or not at all. */
static void check_message(struct questions *q, const struct sent *s)
{
	int64_t rows = answer(&q->message, s->id, 0, 0, NULL);
	int64_t parts = answer(&q->parts, s->id, 0, 0, NULL);
	long long id = s->id;

	if (s->taken == 1 && s->history && rows != 1)
		promises_broken("lane.md 1: %lld was accepted and is lost", id);
	if (s->taken != 1 && rows == 0 && parts)
		promises_broken("lane.md 3: %lld was not taken, but in part is here", id);
	if (s->taken == 0 && rows)
		promises_broken("lane.md 2: %lld was refused and is here", id);
	for (int account = 1; account <= PEOPLE; account++)
		check_copy(q, s, account);
}

static void check_messages(const struct promises *p, struct db *db)
{
	struct questions q = {
	    .live = ask(db, "SELECT count(*) FROM membership WHERE account = ? AND email = ?"
			    " AND expunged_modseq = 0"),
	    .email = ask(db, "SELECT 1, keywords FROM email WHERE account = ? AND id = ?"),
	    .message = ask(db, "SELECT count(*) FROM message WHERE id = ?"),
	    .parts = ask(db, "SELECT (SELECT count(*) FROM ledger WHERE message = ?1)"
			     " + (SELECT count(*) FROM email WHERE id = ?1)"
			     " + (SELECT count(*) FROM queue WHERE message = ?1)"),
	};

	for (size_t i = 0; i < p->nsents; i++)
		check_message(&q, &p->sents[i]);
	sqlite3_finalize(q.live.stmt);
	sqlite3_finalize(q.email.stmt);
	sqlite3_finalize(q.message.stmt);
	sqlite3_finalize(q.parts.stmt);
}

/* A uid that was seen stands for the same email for ever. */
static void check_uids(const struct promises *p, struct db *db)
{
	struct question other = ask(db, "SELECT email FROM membership WHERE account = ?"
					" AND mailbox = ? AND uid = ?");
	struct question next = ask(db, "SELECT uidnext FROM mailbox WHERE account = ? AND id = ?");

	for (size_t i = 0; i < p->nsaws; i++) {
		const struct saw *w = &p->saws[i];
		int64_t email = answer(&other, w->account, w->mailbox, w->uid, NULL);

		if ((email != -1 && email != w->email) ||
		    answer(&next, w->account, w->mailbox, 0, NULL) <= w->uid)
			promises_broken("mailbox.md 1: uid %lld of account %lld is given again",
			    (long long)w->uid, (long long)w->account);
	}
	sqlite3_finalize(other.stmt);
	sqlite3_finalize(next.stmt);
}

static void check_settled(const struct promises *p, struct db *db)
{
	struct question q = ask(db, "SELECT state FROM ledger WHERE message = ? AND recipient = ?");

	for (size_t i = 0; i < p->nsettled; i++) {
		const struct settled *t = &p->settled[i];

		if (answer(&q, t->message, t->recipient, 0, NULL) != t->state)
			promises_broken("queue-entry.md 6: the result of %lld %lld is lost",
			    (long long)t->message, (long long)t->recipient);
	}
	sqlite3_finalize(q.stmt);
}

/* What was set is in force. */
static void check_quota(const struct promises *p, struct db *db)
{
	if (p->quota[0] >= 0 && answer_once(db,
				    "SELECT count(*) FROM account WHERE id = 3 AND quota_bytes = ?"
				    " AND quota_messages = ?",
				    p->quota[0], p->quota[1], 0) != 1)
		promises_broken("lane.md 1: a quota that was set is lost");
}

void promises_check(const struct promises *p, struct db *db)
{
	check_messages(p, db);
	check_uids(p, db);
	check_settled(p, db);
	check_quota(p, db);
}
