/*
 * Snapshots of mailboxes and what is read through them.
 *
 * 1. uids holds exactly the rows with uid <= uid_limit that were live at modseq, up to `scanned`.
 * 2. A scan may go on in another transaction: a row expunged in between carries a higher modseq and
 *    counts as live, a row added in between has a uid above uid_limit. Only one that was expunged and
 *    purged in between is missing: where `undelete` is shorter than the scan.
 */
#include "store/mailbox.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/email_seal.h"

static const char *const role_names[MAILBOX_ROLES] = {
    [MAILBOX_NO_ROLE] = "",
    [MAILBOX_INBOX] = "INBOX",
    [MAILBOX_DRAFTS] = "Drafts",
    [MAILBOX_SENT] = "Sent",
    [MAILBOX_JUNK] = "Junk",
    [MAILBOX_TRASH] = "Trash",
    [MAILBOX_ARCHIVE] = "Archive",
};

const char *mailbox_role_name(enum mailbox_role role)
{
	MUST((size_t)role < MAILBOX_ROLES);
	return role_names[role];
}

enum db_code mailbox_create_all(struct db *db, int64_t account, int64_t now)
{
	enum db_code code = DB_OK;

	for (int role = MAILBOX_INBOX; role < MAILBOX_ROLES && code == DB_OK; role++)
		code = db_exec(db, SQL_MAILBOX_ADD,
		    DB_ARGS(db_int(account), db_int(role), db_text(str_of_c(role_names[role])),
			db_int(role), db_int(now / SECOND_MS), db_int(now)),
		    NULL);
	return code;
}

/* ---- snapshots ---- */

enum db_code mailbox_snapshot_begin(
    struct db *db, int64_t account, int64_t mailbox, struct mailbox_snapshot *s_r)
{
	struct mailbox_snapshot s = {.account = account, .mailbox = mailbox};
	struct db_query *q = db_begin_query(
	    db, SQL_SNAPSHOT_BEGIN, DB_ARGS(db_int(account), db_int(mailbox)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW) {
		s.uid_limit = db_col_int(q, 0) - 1;
		s.modseq = db_col_int(q, 1);
		s.counted = db_col_int(q, 2);
	}
	code = db_end(q);
	if (code != DB_OK || found != DB_ROW)
		return code;
	ranges_init(&s.uids);
	s.complete = s.uid_limit == 0;
	*s_r = s;
	return DB_ROW;
}

static bool was_live(const struct mailbox_snapshot *s, int64_t expunged_modseq)
{
	return expunged_modseq == 0 || expunged_modseq > s->modseq;
}

enum db_code mailbox_snapshot_scan(struct db *db, struct mailbox_snapshot *s, int64_t max_rows)
{
	struct db_query *q = db_begin_query(db, SQL_SNAPSHOT_SCAN,
	    DB_ARGS(db_int(s->account), db_int(s->mailbox), db_int(s->scanned),
		db_int(s->uid_limit), db_int(max_rows)));
	int64_t rows = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; rows++) {
		s->scanned = db_col_int(q, 0);
		if (!was_live(s, db_col_int(q, 2)))
			continue;
		ranges_add(&s->uids, s->scanned);
		s->octets += db_col_int(q, 1);
	}
	code = db_end(q);
	if (code != DB_OK)
		return code;
	s->complete = rows < max_rows;
	if (s->complete)
		ranges_seal(&s->uids);
	return DB_OK;
}

enum db_code mailbox_snapshot_short(
    struct db *db, const struct mailbox_snapshot *s, struct mailbox_short *short_r)
{
	struct mailbox_snapshot now;
	enum db_code code;

	MUST(s->complete);
	if (s->uids.count >= s->counted)
		return DB_OK;
	code = mailbox_snapshot_begin(db, s->account, s->mailbox, &now);
	if (code != DB_ROW)
		return code;
	code = mailbox_snapshot_scan(db, &now, INT64_MAX);
	if (code == DB_OK && now.uids.count < now.counted) {
		*short_r = (struct mailbox_short){now.counted, now.uids.count};
		code = DB_ROW;
	}
	mailbox_snapshot_fini(&now);
	return code;
}

void mailbox_snapshot_fini(struct mailbox_snapshot *s)
{
	ranges_fini(&s->uids);
	s->complete = false;
}

/* ---- entries ---- */

/* Walks the members of a snapshot, forwards. */
struct member {
	const struct ranges *r;
	size_t at;   /* interval */
	int64_t uid; /* 0: none left */
	int64_t number;
};

static struct member member_at(const struct ranges *r, int64_t number)
{
	struct member m = {.r = r, .number = number};

	if (!ranges_find(r, number, &m.at, &m.uid))
		m.uid = 0;
	return m;
}

/* On to a number at or behind the present one: a step for each interval in between. */
static void member_forward(struct member *m, int64_t number)
{
	while (m->uid && m->number < number) {
		int64_t left = m->r->v[m->at].last - m->uid;

		if (number - m->number <= left) {
			m->uid += number - m->number;
			m->number = number;
		} else {
			m->number += left + 1;
			m->uid = ++m->at < m->r->n ? m->r->v[m->at].first : 0;
		}
	}
}

enum db_code mailbox_entries(struct db *db, const struct mailbox_snapshot *s, int64_t first,
    struct mailbox_entry *v, size_t max, size_t *n_r)
{
	struct member m = member_at(&s->uids, first);
	struct db_query *q;
	size_t n = 0;
	enum db_code code;

	if (m.uid == 0 || max == 0) {
		*n_r = 0;
		return DB_OK;
	}
	q = db_begin_query(db, SQL_MEMBERSHIP_LIST,
	    DB_ARGS(db_int(s->account), db_int(s->mailbox), db_int(m.uid), db_int(s->uid_limit),
		db_int(s->modseq)));
	while (n < max && db_step(q) == DB_ROW) {
		int64_t uid = db_col_int(q, 0);

		while (m.uid && m.uid < uid)
			member_forward(&m, m.number + 1); /* purged while the session was open */
		if (m.uid == uid)
			v[n++] = (struct mailbox_entry){
			    m.number, uid, db_col_int(q, 1), db_col_int(q, 2)};
	}
	code = db_end(q);
	if (code == DB_OK)
		*n_r = n;
	return code;
}

/* Adds members of `from` by their numbers: an interval at a time. */
static void add_members(struct ranges *to, const struct ranges *from, struct range numbers)
{
	struct member m = member_at(from, numbers.first);

	while (m.uid && m.number <= numbers.last) {
		int64_t more = from->v[m.at].last - m.uid;

		if (more > numbers.last - m.number)
			more = numbers.last - m.number;
		ranges_add_range(to, m.uid, m.uid + more);
		member_forward(&m, m.number + more + 1);
	}
}

bool mailbox_snapshot_uids(
    const struct mailbox_snapshot *s, const struct ranges *numbers, struct ranges *uids)
{
	for (size_t i = 0; i < numbers->n; i++) {
		if (numbers->v[i].first < 1 || numbers->v[i].last > s->uids.count)
			return false;
	}
	for (size_t i = 0; i < numbers->n; i++)
		add_members(uids, &s->uids, numbers->v[i]);
	return true;
}

/* ---- contents ---- */

enum db_code mailbox_message(struct db *db, struct arena *a, const struct mailbox_snapshot *s,
    int64_t number, struct mailbox_message *m_r)
{
	struct mailbox_message m = {0};
	int64_t uid = ranges_nth(&s->uids, number);
	struct db_query *q;
	enum db_code found, code;

	if (uid < 0)
		return DB_OK;
	q = db_begin_query(
	    db, SQL_MESSAGE_PLACE, DB_ARGS(db_int(s->account), db_int(s->mailbox), db_int(uid)));
	found = db_step(q);
	if (found == DB_ROW) {
		struct email_row row = email_row_of(q, 5);

		m.email = row.id;
		m.size = db_col_int(q, 0);
		m.prefix = arena_str(a, row.prefix);
		m.blob = row.blob;
		m.pos = (struct blob_pos){db_col_int(q, 1), db_col_int(q, 2), db_col_int(q, 3)};
		m.changed = db_col_int(q, 4) == 0 || !email_seal_fits(&row);
	}
	code = db_end(q);
	if (code != DB_OK || found != DB_ROW)
		return code;
	*m_r = m;
	return DB_ROW;
}

struct mailbox_source {
	struct blob_store *blobs;
	struct blob_reader *reader;
	struct str prefix; /* what is left of it */
};

enum blob_code mailbox_source_open(struct blob_store *blobs, const struct mailbox_message *m,
    int64_t offset, struct mailbox_source **source_r, struct err *e)
{
	int64_t in_blob = offset - (int64_t)m->prefix.n;
	struct blob_reader *reader = NULL;
	enum blob_code code;

	MUST(offset >= 0);
	if (m->changed || m->size != (int64_t)m->prefix.n + m->pos.length || offset > m->size) {
		err_set(e, "the rows of the message in the database are not what was written: run"
			   " `godwit store verify`");
		return BLOB_DAMAGED;
	}
	code = blob_open(blobs, m->blob, m->pos, &reader, e);
	if (code == BLOB_OK && in_blob > 0)
		code = blob_seek(blobs, reader, in_blob);
	if (code != BLOB_OK) {
		blob_close(blobs, &reader);
		return code;
	}
	*source_r = mem_new(struct mailbox_source);
	(*source_r)->blobs = blobs;
	(*source_r)->reader = reader;
	(*source_r)->prefix = str_from(m->prefix, (size_t)offset);
	return BLOB_OK;
}

enum blob_code mailbox_source_read(struct mailbox_source *s, void *p, size_t n, size_t *got_r)
{
	struct str piece = str_sub(s->prefix, 0, n);

	if (piece.n == 0)
		return blob_read(s->blobs, s->reader, p, n, got_r);
	memcpy(p, piece.p, piece.n);
	s->prefix = str_from(s->prefix, piece.n);
	*got_r = piece.n;
	return BLOB_OK;
}

void mailbox_source_close(struct mailbox_source **s)
{
	if (!*s)
		return;
	blob_close((*s)->blobs, &(*s)->reader);
	mem_free(*s);
	*s = NULL;
}
