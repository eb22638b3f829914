/* The addresses of this server, as a process of it knows them. */
#ifndef PROC_OWN_LIST_H
#define PROC_OWN_LIST_H

#include "base/ip.h"
#include "base/str.h"

/* All zero: none is known. */
struct own_list {
	struct ip *v;
	size_t n;
};

/* Takes those that the supervisor tells, in the place of those before. payload: of SC_OWN. */
void own_list_take(struct own_list *list, struct str payload);

/* Those that a configuration listens on, as they are now. Opens a descriptor meanwhile. */
void own_list_find(struct own_list *list, const struct ip *listen, size_t count);

bool own_list_has(const struct own_list *list, const struct ip *ip);

/* Frees the memory; none is known after. */
void own_list_fini(struct own_list *list);

#endif
