/* Wishes: values in their range, and their encoding. */
#include "queue/queue_wish.h"

#include "base/wire.h"

int64_t queue_wish_release(const struct queue_wish *w, int64_t accepted)
{
	int64_t when = w->hold_for ? accepted + w->hold_for : w->hold_until;
	int64_t last = accepted + QUEUE_HOLD_MAX;

	if (when > last)
		when = last;
	return when > accepted ? when : 0;
}

bool queue_wish_is_valid(const struct queue_wish *w)
{
	int64_t by_most = QUEUE_BY_MAX * SECOND_MS;

	if (w->hold_for < 0 || w->hold_for > QUEUE_HOLD_MAX || w->hold_until < 0 ||
	    (w->hold_for && w->hold_until))
		return false;
	if (w->priority < QUEUE_PRIORITY_LAST || w->priority > QUEUE_PRIORITY_MOST)
		return false;
	return w->by < QUEUE_BY_TOLD && w->by_time >= -by_most && w->by_time <= by_most &&
	       (w->by != QUEUE_BY_RETURN || w->by_time > 0);
}

void queue_wish_put(struct buf *b, const struct queue_wish *w)
{
	wire_i64(b, w->hold_for);
	wire_i64(b, w->hold_until);
	wire_i64(b, w->priority);
	wire_bool(b, w->has_priority);
	wire_u8(b, (uint8_t)w->by);
	wire_i64(b, w->by_time);
	wire_bool(b, w->by_trace);
}

struct queue_wish queue_wish_get(struct cur *c)
{
	struct queue_wish w = {0};
	int64_t priority;

	w.hold_for = cur_i64(c);
	w.hold_until = cur_i64(c);
	priority = cur_i64(c);
	w.has_priority = cur_bool(c);
	w.by = (enum queue_by)cur_enum(c, QUEUE_BY_KINDS);
	w.by_time = cur_i64(c);
	w.by_trace = cur_bool(c);
	if (priority < QUEUE_PRIORITY_LAST || priority > QUEUE_PRIORITY_MOST)
		cur_fail(c);
	else
		w.priority = (int8_t)priority;
	if (!queue_wish_is_valid(&w))
		cur_fail(c);
	return w;
}
