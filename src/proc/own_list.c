#include "proc/own_list.h"

#include "base/limits.h"
#include "base/mem.h"
#include "ipc/super_child.h"
#include "net/net_own.h"

void own_list_take(struct own_list *list, struct str payload)
{
	struct cur c = cur_of(payload);
	struct ip ip;

	own_list_fini(list);
	list->v = mem_array(payload.n / sizeof ip, sizeof ip);
	while (cur_left(&c) && sc_own_next(&c, &ip))
		list->v[list->n++] = ip;
}

void own_list_find(struct own_list *list, const struct ip *listen, size_t count)
{
	own_list_fini(list);
	list->v = mem_array(LIMIT_OWN_ADDRESSES, sizeof *list->v);
	list->n = net_own_addresses(listen, count, list->v, LIMIT_OWN_ADDRESSES);
}

bool own_list_has(const struct own_list *list, const struct ip *ip)
{
	for (size_t i = 0; i < list->n; i++)
		if (ip_eq(&list->v[i], ip))
			return true;
	return false;
}

void own_list_fini(struct own_list *list)
{
	mem_free(list->v);
	*list = (struct own_list){0};
}
