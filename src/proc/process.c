#include "proc/process.h"

#include <sysexits.h>

int process_main(const char *role)
{
	for (int i = 0; i < SC_ROLES; i++) {
		if (strcmp(role, sc_role_name((enum sc_role)i)))
			continue;
		switch ((enum sc_role)i) {
		case SC_ROLE_STORE:
			return store_main();
		case SC_ROLE_RESOLVER:
			return resolver_main();
		case SC_ROLE_RELAY:
			return relay_main();
		default:
			return front_main((enum sc_role)i);
		}
	}
	fprintf(stderr, "godwit: there is no process role %s; this command is for the supervisor\n",
	    role);
	return EX_USAGE;
}
