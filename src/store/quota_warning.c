/*
 * Warnings of mailboxes that are nearly full, and to the postmaster of a domain that is.
 *
 * 1. That one is due is written by the commit that fills the mailbox; that it was given, by the commit
 *    that places it. So each crossing has one warning, whatever happens in between.
 * 2. One that is refused for good is given up; one that is refused for now stays due.
 */
#include "store/quota.h"

#include "base/id.h"
#include "base/mem.h"
#include "queue/queue_quota.h"

struct due {
	int64_t account;          /* 0: the domain is nearly full */
	struct str local, domain; /* to whom */
	struct queue_quota facts;
	enum queue_lang lang; /* of the account, if it has one */
	bool has_lang;
};

static enum db_code read_due(struct db *db, struct arena *a, int64_t after, struct due *d)
{
	struct db_query *q = db_begin_query(db, SQL_QUOTA_WARNING_DUE, DB_ARGS(db_int(after)));
	bool found = db_step(q) == DB_ROW;
	enum db_code code;

	if (found) {
		d->account = db_col_int(q, 0);
		d->local = arena_str(a, db_col_str(q, 1));
		d->domain = arena_str(a, db_col_str(q, 2));
		d->facts.used_bytes = db_col_int(q, 3);
		d->facts.used_messages = db_col_int(q, 4);
		d->facts.max_bytes = db_col_int(q, 5);
		d->facts.max_messages = db_col_int(q, 6);
	}
	code = db_end(q);
	if (code == DB_OK && found)
		code = directory_language(db, d->account, &d->lang, &d->has_lang);
	return code == DB_OK && found ? DB_ROW : code;
}

static enum db_code read_domain_due(struct db *db, struct arena *a, struct due *d)
{
	struct db_query *q = db_begin_query(db, SQL_QUOTA_DOMAIN_DUE, DB_NO_ARGS);
	bool found = db_step(q) == DB_ROW;
	enum db_code code;

	if (found) {
		d->local = STR("postmaster");
		d->domain = arena_str(a, db_col_str(q, 0));
		d->facts.of_domain = true;
		d->facts.used_bytes = db_col_int(q, 1);
		d->facts.used_messages = db_col_int(q, 2);
		d->facts.max_bytes = db_col_int(q, 3);
		d->facts.max_messages = db_col_int(q, 4);
	}
	code = db_end(q);
	return code == DB_OK && found ? DB_ROW : code;
}

/* That it was given. */
static enum db_code mark(struct db *db, const struct quota_warning *w, int64_t *changes_r)
{
	if (w->account)
		return db_exec(db, SQL_QUOTA_WARNED,
		    DB_ARGS(db_int(w->account), db_int(QUOTA_DUE), db_int(QUOTA_TOLD)), changes_r);
	return db_exec(db, SQL_QUOTA_DOMAIN_WARNED,
	    DB_ARGS(
		db_text(w->deliver->recipients[0].domain), db_int(QUOTA_DUE), db_int(QUOTA_TOLD)),
	    changes_r);
}

static enum lane_exec warning_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct quota_warning *w = LIST_ENTRY(op, struct quota_warning, op);
	struct deliver *d = w->deliver;
	int64_t changes = 0;

	w->told = w->temporary = false;
	if (mark(db, w, &changes) != DB_OK)
		return LANE_BROKEN;
	err_set(&w->why, "the mailbox is not nearly full any more");
	if (changes == 0)
		return LANE_UNDO;
	if (w->prepared && d->op.exec(&d->op, db, now) == LANE_BROKEN)
		return LANE_BROKEN;
	w->told = d->accepted;
	w->temporary = w->prepared && !d->accepted && (d->duplicate || d->refusal.code < 500);
	if (!d->accepted)
		err_set(&w->why, "%.*s", STR_FMT(d->refusal.text));
	return w->temporary ? LANE_UNDO : LANE_KEEP;
}

static void address_it(struct deliver *d, const struct due *due, const struct queue_config *cfg)
{
	d->directory = cfg->directory;
	d->helo = arena_str(d->arena, cfg->hostname);
	d->peer = STR("local");
	d->protocol = STR("quota");
	d->may_relay = true; /* an alias of that name may lead elsewhere */
	d->no_quota = true;
	d->recipients = arena_array(d->arena, 1, sizeof *d->recipients);
	d->recipients[0] = (struct deliver_recipient){
	    .local = due->local, .domain = due->domain, .address = due->facts.address};
	d->n = 1;
	d->plan = plan_new(d->arena, 1);
	d->routing = &cfg->routing;
}

static void compose(struct deliver *d, struct due *due, const struct queue_config *cfg, int64_t now)
{
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	id_put(&b, d->message_id);
	buf_byte(&b, '@');
	buf_str(&b, cfg->hostname);
	due->facts.message_id = arena_str(d->arena, buf_view(&b));
	due->facts.address = directory_text(d->arena, due->local, due->domain);
	due->facts.hostname = cfg->hostname;
	due->facts.lang = due->has_lang ? due->lang : cfg->lang;
	due->facts.date = now;
	buf_clear(&b);
	queue_quota_put(&b, &due->facts);
	d->utf8 = str_has_8bit(due->facts.address);
	d->eightbit = d->utf8;
	d->data = arena_str(d->arena, buf_view(&b));
	buf_fini(&b);
}

enum db_code quota_warning_next(struct db *db, const struct queue_config *cfg, int64_t after,
    int64_t id, int64_t now, struct quota_warning **w_r)
{
	struct deliver *d = deliver_new();
	struct due due = {0};
	struct quota_warning *w;
	bool prepared;
	enum db_code code = read_due(db, d->arena, after, &due);

	if (code == DB_OK)
		code = read_domain_due(db, d->arena, &due);
	if (code != DB_ROW) {
		deliver_free(&d);
		return code;
	}
	d->message_id = id;
	compose(d, &due, cfg, now);
	address_it(d, &due, cfg);
	prepared = deliver_prepare(d);
	d->header_message_id = due.facts.message_id;
	w = mem_new(struct quota_warning);
	list_init(&w->op.link);
	w->deliver = d;
	w->account = due.account;
	w->address = due.facts.address;
	w->message_id = id;
	w->op.exec = warning_exec;
	w->prepared = prepared;
	w->op.blobs = prepared ? d->op.blobs : NULL;
	w->op.nblobs = prepared ? d->op.nblobs : 0;
	*w_r = w;
	return DB_ROW;
}

void quota_warning_free(struct quota_warning **w)
{
	if (!*w)
		return;
	deliver_free(&(*w)->deliver);
	mem_free(*w);
	*w = NULL;
}
