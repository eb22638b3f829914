/* The addresses at which a server of this machine is reached: what must not be taken for another's. */
#ifndef NET_OWN_H
#define NET_OWN_H

#include <stddef.h>

#include "base/ip.h"

/* Some address of listen means all that the machine has ("0.0.0.0", "::"), and they may change. */
bool net_own_is_open(const struct ip *listen, size_t count);

/*
 * Writes the addresses that listen means: each as it is, and for one that means all the addresses of
 * its family among those of the interfaces. At most max, each once. Gives their number.
 */
size_t net_own_expand(const struct ip *listen, size_t count, const struct ip *interfaces,
    size_t interface_count, struct ip *out_r, size_t max);

/* The same with the interfaces of this machine as they are now. Opens a descriptor meanwhile. */
size_t net_own_addresses(const struct ip *listen, size_t count, struct ip *out_r, size_t max);

#endif
