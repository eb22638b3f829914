/*
 * Invariant: while somebody waits, something is reserved or in the link's output; its end calls
 * store_flow_move(). So nobody waits for ever.
 */
#include "proc/store_flow.h"

#include "base/mem.h"

void store_flow_init(struct store_flow *f)
{
	f->reserved = 0;
	list_init(&f->waiting);
}

void store_flow_turn_init(struct store_flow_turn *t, void (*go)(struct store_flow_turn *t))
{
	list_init(&t->link);
	t->reserved = 0;
	t->go = go;
}

static bool has_room(const struct store_flow *f, const struct ipc_link *link, size_t n)
{
	return f->reserved + ipc_link_waiting(link) + n <= LIMIT_STORE_LINK_OUT;
}

bool store_flow_take(
    struct store_flow *f, struct store_flow_turn *t, const struct ipc_link *link, size_t n)
{
	MUST(t->reserved == 0 && n > 0 && n <= LIMIT_STORE_LINK_OUT);
	list_remove(&t->link);
	if (!has_room(f, link, n)) {
		list_push(&f->waiting, &t->link);
		return false;
	}
	t->reserved = n;
	f->reserved += n;
	return true;
}

void store_flow_give(struct store_flow *f, struct store_flow_turn *t)
{
	MUST(t->reserved <= f->reserved);
	f->reserved -= t->reserved;
	t->reserved = 0;
	list_remove(&t->link);
}

void store_flow_move(struct store_flow *f, const struct ipc_link *link)
{
	/* one piece of any size is the least that helps: the first asks again, and may wait again */
	while (!list_is_empty(&f->waiting) && has_room(f, link, LIMIT_IPC_CREDIT)) {
		struct list *it = list_pop(&f->waiting);

		LIST_ENTRY(it, struct store_flow_turn, link)
		    ->go(LIST_ENTRY(it, struct store_flow_turn, link));
	}
}
