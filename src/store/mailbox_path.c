/* Mailboxes by path. A name is unique among the children of its parent; 0 is the parent of the top. */
#include "store/mailbox_path.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/change.h"
#include "store/mailbox.h"

#define LISTED_MAX ((size_t)100000)

/* What other servers call them. */
static const struct {
	struct str name;
	enum mailbox_role role;
} usual[] = {
    {STR_INIT("INBOX"), MAILBOX_INBOX},
    {STR_INIT("Drafts"), MAILBOX_DRAFTS},
    {STR_INIT("Sent"), MAILBOX_SENT},
    {STR_INIT("Sent Items"), MAILBOX_SENT},
    {STR_INIT("Sent Messages"), MAILBOX_SENT},
    {STR_INIT("Junk"), MAILBOX_JUNK},
    {STR_INIT("Junk E-mail"), MAILBOX_JUNK},
    {STR_INIT("Spam"), MAILBOX_JUNK},
    {STR_INIT("Trash"), MAILBOX_TRASH},
    {STR_INIT("Deleted Items"), MAILBOX_TRASH},
    {STR_INIT("Deleted Messages"), MAILBOX_TRASH},
    {STR_INIT("Archive"), MAILBOX_ARCHIVE},
    {STR_INIT("Archives"), MAILBOX_ARCHIVE},
};

_Static_assert(MAILBOX_PATH_MAX == 1000 && MAILBOX_DEPTH_MAX == 20, "the texts say so");

const char *mailbox_path_trouble(struct str path)
{
	int parts = 1;

	if (path.n == 0)
		return "is empty";
	if (path.n > MAILBOX_PATH_MAX)
		return "is longer than 1000 octets";
	if (!utf8_is_valid(path))
		return "is not UTF-8";
	if (str_has_cntrl(path))
		return "has control characters";
	if (path.p[0] == '/' || path.p[path.n - 1] == '/' || str_find_str(path, STR("//")) < path.n)
		return "has an empty part, before, behind or between its slashes";
	for (size_t i = 0; i < path.n; i++)
		parts += path.p[i] == '/';
	return parts > MAILBOX_DEPTH_MAX ? "has more than 20 parts" : NULL;
}

/* A child of parent; DB_OK when there is none. */
static enum db_code find_child(
    struct db *db, int64_t account, int64_t parent, struct str name, int64_t *child_r)
{
	enum db_code code = db_get_int(db, SQL_MAILBOX_CHILD,
	    DB_ARGS(db_int(account), db_int(parent), db_text(name)), child_r);

	for (size_t i = 0; i < sizeof usual / sizeof *usual && code == DB_OK && parent == 0; i++) {
		if (str_eq_i(name, usual[i].name))
			return db_get_int(db, SQL_MAILBOX_BY_ROLE,
			    DB_ARGS(db_int(account), db_int(usual[i].role)), child_r);
	}
	return code;
}

/* As far as there are mailboxes; *rest_r: the parts that there are none for. */
static enum db_code walk(
    struct db *db, int64_t account, struct str path, int64_t *mailbox_r, struct str *rest_r)
{
	enum db_code code = DB_ROW;

	*mailbox_r = 0;
	while (path.n > 0 && code == DB_ROW) {
		struct str after, name = str_split(path, '/', &after);

		code = find_child(db, account, *mailbox_r, name, mailbox_r);
		if (code == DB_ROW)
			path = after;
	}
	*rest_r = path;
	return code;
}

enum db_code mailbox_path_find(struct db *db, int64_t account, struct str path, int64_t *mailbox_r)
{
	struct str rest;

	return walk(db, account, path, mailbox_r, &rest);
}

/* ---- making ---- */

/* Never the number of a role, even where those mailboxes were lost. */
static int64_t number_behind(int64_t last)
{
	return last < MAILBOX_ROLES ? MAILBOX_ROLES : last + 1;
}

static enum db_code make_child(struct db *db, const struct mailbox_make *m, struct str name,
    int64_t modseq, int64_t now, int64_t *mailbox)
{
	int64_t last = 0, number;
	enum db_code code = db_get_int(db, SQL_MAILBOX_LAST, DB_ARGS(db_int(m->account)), &last);

	if (code != DB_ROW)
		return code == DB_OK ? DB_ERROR : code;
	number = number_behind(last);
	code = db_exec(db, SQL_MAILBOX_ADD_CHILD,
	    DB_ARGS(db_int(m->account), db_int(number), db_int(*mailbox), db_text(name),
		db_int(now / SECOND_MS), db_int(modseq), db_int(now)),
	    NULL);
	*mailbox = number;
	if (code == DB_OK)
		code = db_exec(db, SQL_CHANGE_ADD,
		    DB_ARGS(db_int(m->account), db_int(modseq), db_int(CHANGE_MAILBOX),
			db_int(*mailbox), db_int(CHANGE_CREATED)),
		    NULL);
	return code;
}

static enum lane_exec make_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct mailbox_make *m = LIST_ENTRY(op, struct mailbox_make, op);
	int64_t modseq = 0;
	struct str rest;
	enum db_code code = walk(db, m->account, m->path, &m->mailbox, &rest);

	m->missing = false;
	if (code == DB_ROW)
		return LANE_UNDO; /* all is there */
	if (code == DB_OK)
		code = db_get_int(
		    db, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(m->account)), &modseq);
	m->missing = code == DB_OK;
	code = code == DB_ROW ? DB_OK : code;
	if (m->missing)
		return LANE_UNDO;
	while (rest.n > 0 && code == DB_OK) {
		struct str name = str_split(rest, '/', &rest);

		code = make_child(db, m, name, modseq, now, &m->mailbox);
	}
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void mailbox_make_init(struct mailbox_make *m, int64_t account, struct str path)
{
	MUST(mailbox_path_is_valid(path));
	*m = (struct mailbox_make){.account = account, .path = path};
	list_init(&m->op.link);
	m->op.exec = make_exec;
}

/* ---- listing ---- */

struct listing {
	struct arena *a;
	struct mailbox_listed *v;
	size_t n, cap;
	size_t rows;    /* of them: the first ones */
	bool unordered; /* rows do not ascend, as in a damaged database */
	bool full;      /* and there are more */
};

static int by_mailbox(const void *a, const void *b)
{
	int64_t left = ((const struct mailbox_listed *)a)->mailbox;
	int64_t right = ((const struct mailbox_listed *)b)->mailbox;

	return (left > right) - (left < right);
}

/* A row of the list; NULL: none. */
static const struct mailbox_listed *find_row(const struct listing *l, int64_t mailbox)
{
	struct mailbox_listed key = {.mailbox = mailbox};

	if (!l->unordered)
		return l->rows ? bsearch(&key, l->v, l->rows, sizeof *l->v, by_mailbox) : NULL;
	for (size_t i = 0; i < l->rows; i++)
		if (l->v[i].mailbox == mailbox)
			return &l->v[i];
	return NULL;
}

/* "parent's path/name"; a parent that is not there counts as the top. */
static struct str path_of(const struct listing *l, int64_t parent, struct str name)
{
	const struct mailbox_listed *up = parent ? find_row(l, parent) : NULL;
	struct buf b;
	struct str path;

	buf_init(&b, 2 * MAILBOX_PATH_MAX);
	if (up) {
		buf_str(&b, up->path);
		buf_byte(&b, '/');
	}
	buf_str(&b, name);
	path = arena_str(l->a, buf_view(&b));
	buf_fini(&b);
	return path;
}

/* False when the list is full. */
static bool has_room(struct listing *l)
{
	l->full = l->n == LISTED_MAX;
	return !l->full;
}

static struct mailbox_listed *add(struct listing *l)
{
	l->v = mem_grow(l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n] = (struct mailbox_listed){0};
	return &l->v[l->n++];
}

/* As what a repair makes of it. */
static void add_lost(struct listing *l, int64_t mailbox)
{
	struct mailbox_listed *m = add(l);
	struct buf b;

	buf_init(&b, 64);
	buf_printf(&b, "Recovered %lld", (long long)mailbox);
	m->mailbox = mailbox;
	m->name = m->path = arena_str(l->a, buf_view(&b));
	m->lost = true;
	buf_fini(&b);
}

static enum db_code list_rows(struct db *db, struct listing *l, int64_t account)
{
	struct db_query *q = db_begin_query(db, SQL_MAILBOX_LIST, DB_ARGS(db_int(account)));

	while (db_step(q) == DB_ROW && has_room(l)) {
		struct mailbox_listed *m = add(l);

		m->mailbox = db_col_int(q, 0);
		m->parent = db_col_int(q, 1);
		m->name = arena_str(l->a, db_col_str(q, 2));
		m->path = path_of(l, m->parent, m->name);
		l->unordered = l->unordered || (l->rows && by_mailbox(m - 1, m) >= 0);
		l->rows = l->n;
	}
	return db_end(q);
}

static enum db_code list_lost(struct db *db, struct listing *l, int64_t account)
{
	int64_t mailbox = INT64_MIN, next = 0;
	enum db_code code = DB_ROW;

	while (code == DB_ROW && !l->full) {
		code = db_get_int(
		    db, SQL_MAILBOX_OF_MEMBERS, DB_ARGS(db_int(account), db_int(mailbox)), &next);
		mailbox = next;
		if (code == DB_ROW && !find_row(l, mailbox) && has_room(l))
			add_lost(l, mailbox);
	}
	return code == DB_ROW ? DB_OK : code;
}

/* Of pages: that is told, and the list goes on without them. */
static enum db_code pass_over(enum db_code code, bool *torn)
{
	if (code != DB_CORRUPT && code != DB_IO)
		return code;
	*torn = true;
	return DB_OK;
}

enum db_code mailbox_path_list(struct db *db, struct arena *a, int64_t account,
    struct mailbox_listed **list_r, size_t *n_r, bool *torn_r)
{
	struct listing l = {.a = a};
	bool torn = false;
	enum db_code code = pass_over(list_rows(db, &l, account), &torn);

	if (code == DB_OK)
		code = pass_over(list_lost(db, &l, account), &torn);
	*list_r = arena_array(a, l.n ? l.n : 1, sizeof **list_r);
	if (l.n)
		memcpy(*list_r, l.v, l.n * sizeof *l.v);
	*n_r = l.n;
	*torn_r = torn || l.full;
	mem_free(l.v);
	return code;
}
