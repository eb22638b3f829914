/* Handles: random, bound to a link, found by hash and compared in constant time. */
#include "store/session.h"

#include <sodium.h>

#include "base/mem.h"

void session_table_init(struct session_table *t, size_t max)
{
	hash_init(&t->by_handle);
	list_init(&t->all);
	t->max = max;
}

void session_table_fini(struct session_table *t)
{
	while (!list_is_empty(&t->all))
		session_close(t, LIST_ENTRY(t->all.next, struct session, link_of_table));
	hash_fini(&t->by_handle);
}

/* The handle is random: its first octets are hash enough, and no peer can choose them. */
static uint64_t handle_hash(const struct session_handle *h)
{
	uint64_t hash;

	memcpy(&hash, h->b, sizeof hash);
	return hash;
}

struct session *session_open(struct session_table *t, uint64_t link, int64_t account)
{
	struct session *s;

	if (t->by_handle.count >= t->max)
		return NULL;
	s = mem_new(struct session);
	randombytes_buf(s->handle.b, sizeof s->handle.b);
	s->link = link;
	s->account = account;
	list_push(&t->all, &s->link_of_table);
	hash_insert(&t->by_handle, &s->node, handle_hash(&s->handle));
	return s;
}

struct session *session_find(
    struct session_table *t, uint64_t link, const struct session_handle *handle)
{
	struct hash_node *n = hash_first(&t->by_handle, handle_hash(handle));

	for (; n; n = hash_next(n)) {
		struct session *s = HASH_ENTRY(n, struct session, node);

		if (sodium_memcmp(s->handle.b, handle->b, sizeof handle->b) == 0)
			return s->link == link ? s : NULL;
	}
	return NULL;
}

void session_close(struct session_table *t, struct session *s)
{
	hash_remove(&t->by_handle, &s->node);
	list_remove(&s->link_of_table);
	mem_wipe(s, sizeof *s);
	mem_free(s);
}

size_t session_close_link(struct session_table *t, uint64_t link)
{
	size_t n = 0;

	LIST_FOREACH(&t->all, it)
	{
		struct session *s = LIST_ENTRY(it, struct session, link_of_table);

		if (s->link == link) {
			session_close(t, s);
			n++;
		}
	}
	return n;
}

size_t session_close_account(struct session_table *t, int64_t account)
{
	size_t n = 0;

	LIST_FOREACH(&t->all, it)
	{
		struct session *s = LIST_ENTRY(it, struct session, link_of_table);

		if (s->account == account) {
			session_close(t, s);
			n++;
		}
	}
	return n;
}
