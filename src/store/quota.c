/* Defaults of the configuration: rows of meta, so that a charge finds its limits in one statement. */
#include "store/quota.h"

/* Writes nothing where it is so already: a full disk is no trouble then. */
static enum db_code set(struct db *db, struct str name, int64_t limit)
{
	int64_t value = limit > 0 ? limit : QUOTA_INFINITE, before = 0;
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(name)), &before);

	if (code == DB_ROW && before == value)
		return DB_OK;
	if (code != DB_OK && code != DB_ROW)
		return code;
	return db_exec(db, SQL_META_PUT, DB_ARGS(db_text(name), db_int(value)), NULL);
}

enum db_code quota_set_defaults(struct db *db, const struct quota_defaults *d)
{
	enum db_code code = set(db, STR("quota_account_bytes"), d->account_bytes);

	if (code == DB_OK)
		code = set(db, STR("quota_account_messages"), d->account_messages);
	if (code == DB_OK)
		code = set(db, STR("quota_domain_bytes"), d->domain_bytes);
	if (code == DB_OK)
		code = set(db, STR("quota_domain_messages"), d->domain_messages);
	return code;
}

static enum lane_exec change_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct quota_change *c = LIST_ENTRY(op, struct quota_change, op);

	return quota_set_defaults(db, &c->defaults) == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void quota_change_init(struct quota_change *c, const struct quota_defaults *defaults)
{
	*c = (struct quota_change){.defaults = *defaults};
	list_init(&c->op.link);
	c->op.exec = change_exec;
}
