/* What people do with their mailboxes. */
#include "work.h"

#include "base/mem.h"
#include "store/import.h"
#include "store/mailbox_keywords.h"
#include "store/quota.h"
#include "store/undelete.h"
#include "store_text.h"

static int64_t anybody(void)
{
	return 1 + (int64_t)chance_pick(WORK_PEOPLE);
}

/* What a client has seen of a mailbox it may keep by its uid for ever. */
static void tell_uids(const struct mailbox_snapshot *s)
{
	struct mailbox_entry v[8];
	size_t got, at = 0;

	do {
		MUST(mailbox_entries(work.rig.db, s, (int64_t)at + 1, v, 8, &got) == DB_OK);
		for (size_t i = 0; i < got; i++)
			work_say("saw %lld %lld %lld %lld\n", (long long)s->account,
			    (long long)s->mailbox, (long long)v[i].uid, (long long)v[i].email);
		at += got;
	} while (got > 0);
}

static void say_expunge(
    const char *what, const struct mailbox_snapshot *s, const struct mailbox_entry *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		work_say(
		    "%s expunge %lld %lld\n", what, (long long)s->account, (long long)v[i].email);
}

static void expunge(struct mailbox_snapshot *s, int64_t first, int64_t last)
{
	struct mailbox_entry v[8];
	size_t n;

	MUST(mailbox_entries(work.rig.db, s, first, v, (size_t)(last - first + 1), &n) == DB_OK);
	say_expunge("ask", s, v, n);
	rig_expunge(&work.rig, s, first, last);
	say_expunge("ok", s, v, n);
}

void work_expunge(void)
{
	struct mailbox_snapshot s = rig_snapshot(
	    &work.rig, anybody(), chance_pick(4) ? MAILBOX_INBOX : MAILBOX_ARCHIVE);
	int64_t n = mailbox_snapshot_count(&s), first, last;

	tell_uids(&s);
	if (n > 0) {
		first = 1 + (int64_t)chance_pick((uint64_t)n);
		last = first + (int64_t)chance_pick(4);
		expunge(&s, first, last > n ? n : last);
	}
	mailbox_snapshot_fini(&s);
}

/* All but the first of what ann has. */
void work_expunge_most(void)
{
	struct mailbox_snapshot s = rig_snapshot(&work.rig, 1, MAILBOX_INBOX);

	expunge(&s, 2, mailbox_snapshot_count(&s));
	mailbox_snapshot_fini(&s);
}

/* ---- keywords ---- */

static const char *const words[] = {"", "$seen", "$answered $seen", "$flagged project"};

/* What the first messages have from now on, as the client is told. */
static void say_words(const char *what, const struct mailbox_snapshot *s,
    const struct mailbox_entry *v, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		work_say("%s words %lld %lld %s\n", what, (long long)s->account,
		    (long long)v[i].email, text);
}

/* Of some messages, which have these and no others then. */
void work_keywords(void)
{
	struct mailbox_snapshot s = rig_snapshot(&work.rig, anybody(), MAILBOX_INBOX);
	const char *text = words[chance_pick(sizeof words / sizeof *words)];
	struct mailbox_keywords k;
	struct mailbox_entry v[3];
	size_t n;

	mailbox_keywords_init(&k, s.account, s.mailbox);
	k.replace = true;
	k.add = str_of_c(text);
	MUST(mailbox_entries(work.rig.db, &s, 1, v, 1 + chance_pick(3), &n) == DB_OK);
	for (size_t i = 0; i < n; i++)
		ranges_add(&k.uids, v[i].uid);
	say_words("ask", &s, v, n, text);
	if (n && work_run(&k.op)) {
		MUST(!mailbox_keywords_go_on(&k));
		say_words("ok", &s, v, n, text);
	}
	mailbox_keywords_fini(&k);
	mailbox_snapshot_fini(&s);
}

/* What a POP3 session does as it ends: deletes its first messages and marks those behind them, in one commit. */
static void leave(const struct mailbox_snapshot *s, const struct mailbox_entry *v, size_t n)
{
	size_t deleted = 1 + chance_pick(n - 1);
	struct mailbox_expunge x;
	struct mailbox_keywords k;

	mailbox_expunge_init(&x, s->account, s->mailbox, "POP3");
	mailbox_keywords_init(&k, s->account, s->mailbox);
	k.replace = true;
	k.add = STR("$seen");
	for (size_t i = 0; i < n; i++)
		ranges_add(i < deleted ? &x.uids : &k.uids, v[i].uid);
	mailbox_keywords_after(&k, &x);
	say_expunge("ask", s, v, deleted);
	say_words("ask", s, v + deleted, n - deleted, "$seen");
	if (work_run(&k.op)) {
		MUST(!mailbox_keywords_go_on(&k));
		say_expunge("ok", s, v, deleted);
		say_words("ok", s, v + deleted, n - deleted, "$seen");
	}
	mailbox_expunge_fini(&x);
	mailbox_keywords_fini(&k);
}

void work_leave(void)
{
	struct mailbox_snapshot s = rig_snapshot(&work.rig, anybody(), MAILBOX_INBOX);
	struct mailbox_entry v[4];
	size_t n;

	MUST(mailbox_entries(work.rig.db, &s, 1, v, 2 + chance_pick(3), &n) == DB_OK);
	if (n > 1)
		leave(&s, v, n);
	mailbox_snapshot_fini(&s);
}

/* ---- bringing back ---- */

/* Any email of the account that was deleted; 0: none. */
static int64_t deleted(int64_t account)
{
	char select[256];
	const char *from = "FROM membership m WHERE expunged_modseq > 0 AND NOT EXISTS (SELECT 1"
			   " FROM membership l WHERE l.account = m.account AND l.email = m.email"
			   " AND l.expunged_modseq = 0) AND account";
	int64_t n;

	snprintf(select, sizeof select, "SELECT count(*) %s = %lld", from, (long long)account);
	n = rig_number(&work.rig, select);
	if (n == 0)
		return 0;
	snprintf(select, sizeof select, "SELECT email %s = %lld LIMIT 1 OFFSET %d", from,
	    (long long)account, (int)chance_pick((uint64_t)n));
	return rig_number(&work.rig, select);
}

void work_undelete(void)
{
	int64_t account = anybody();
	struct undelete u = {.account = account, .email = deleted(account)};

	if (!u.email)
		return;
	work_say("ask undelete %lld %lld\n", (long long)account, (long long)u.email);
	undelete_init(&u);
	if (work_run(&u.op))
		work_say("ok undelete %lld %lld %d\n", (long long)account, (long long)u.email,
		    u.restored > 0);
}

/* ---- taking in ---- */

static void import(struct import *im, size_t size)
{
	char *text = arena_alloc(im->arena, size);

	store_text(im->id, text, size);
	im->data = str_of(text, size);
	work_say("ask import %lld %lld %zu\n", (long long)im->account, (long long)im->id, size);
	import_prepare(im);
	if (!work_run(&im->op))
		return;
	work_say("ok import %lld %lld %d\n", (long long)im->account, (long long)im->id,
	    im->result == IMPORT_TAKEN);
	if (im->result == IMPORT_TAKEN)
		work_say("words %lld %lld %.*s\n", (long long)im->account, (long long)im->id,
		    STR_FMT(im->keywords));
}

/* A message from elsewhere, with its keywords, into the archive. */
void work_import(void)
{
	struct import *im = import_new();

	im->account = anybody();
	im->mailbox = MAILBOX_ARCHIVE;
	im->id = id_make(&work.rig.ids, work.rig.now);
	im->address = str_of_c(work_people[im->account - 1]);
	im->name = STR("Archive");
	im->protocol = STR("import");
	im->received = work.rig.now;
	im->keywords = chance_pick(2) ? STR("$seen") : STR("$answered $seen project");
	import(im, STORE_TEXT_MIN + chance_pick(500));
	import_free(&im);
}

/* ---- quota ---- */

void work_quota(void)
{
	int64_t octets = 2000 + (int64_t)chance_pick(20000),
		messages = 4 + (int64_t)chance_pick(20);

	work_say("ask quota 3 %lld %lld\n", (long long)octets, (long long)messages);
	rig_quota(&work.rig, work_people[2], octets, messages);
	work_say("ok quota 3 %lld %lld\n", (long long)octets, (long long)messages);
}

void work_warn(void)
{
	struct quota_warning *w = NULL;
	int64_t after = 0;

	while (quota_warning_next(work.rig.db, &work.cfg, after,
		   id_make(&work.rig.ids, work.rig.now), work.rig.now, &w) == DB_ROW) {
		after = w->account;
		work_say("ask warn %lld\n", (long long)w->account);
		if (work_run(&w->op))
			work_say("ok warn %lld %d\n", (long long)after, w->told);
		quota_warning_free(&w);
	}
}
