#include "store/queue_tiers.h"

#include "base/buf.h"
#include "base/mem.h"

/* One run of the request. */
struct sorting {
	struct queue_tiers *t;
	struct db *db;
	enum db_code code;
};

static bool is_full(const struct sorting *s)
{
	return s->code != DB_OK || s->t->moved >= LIMIT_SLICE_ROWS;
}

static int64_t room(const struct sorting *s)
{
	return LIMIT_SLICE_ROWS - s->t->moved;
}

static void change(struct sorting *s, enum sql_id id, const struct db_value *args, size_t n)
{
	int64_t changed = 0;
	enum db_code code = db_exec(s->db, id, args, n, &changed);

	if (code != DB_OK)
		s->code = code;
	else
		s->t->moved += changed;
}

/* Those of destinations that are no more than any other. */
static void clear_unknown(struct sorting *s)
{
	int64_t tier = 0;

	while (!is_full(s)) {
		enum db_code code = db_get_int(
		    s->db, SQL_QUEUE_TIER_NEXT, DB_ARGS(db_int(QUEUE_SHARD), db_int(tier)), &tier);

		if (code != DB_ROW) {
			s->code = code;
			return;
		}
		if (!queue_routing_of_tier(&s->t->routing, tier))
			change(s, SQL_QUEUE_TIER_CLEAR,
			    DB_ARGS(db_int(QUEUE_SHARD), db_int(tier), db_int(room(s))));
	}
}

/* "x.test" and "x.test via host": no other name lies between, as "!" follows the space. */
static void set_known(struct sorting *s, const struct queue_special *special)
{
	struct buf end;

	buf_init(&end, LIMIT_QUEUE_DESTINATION);
	buf_str(&end, special->domain);
	buf_byte(&end, '!');
	change(s, SQL_QUEUE_TIER_SET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(special->domain), db_text(buf_view(&end)),
		db_int(queue_routing_tier(&s->t->routing, special->domain)), db_int(room(s))));
	buf_fini(&end);
}

static enum lane_exec tiers_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct sorting s = {.t = LIST_ENTRY(op, struct queue_tiers, op), .db = db};

	s.t->moved = 0;
	clear_unknown(&s);
	for (size_t i = 0; i < s.t->routing.n_specials && !is_full(&s); i++)
		set_known(&s, &s.t->routing.specials[i]);
	s.t->more = s.t->moved >= LIMIT_SLICE_ROWS;
	return s.code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_tiers_init(struct queue_tiers *t)
{
	list_init(&t->op.link);
	t->op.exec = tiers_exec;
}
