#include "proc/process.h"

#include <sysexits.h>

int process_main(const char *role)
{
	for (int i = 0; i < SC_ROLES; i++) {
		if (strcmp(role, sc_role_name((enum sc_role)i)))
			continue;
		return i == SC_ROLE_STORE ? store_main() : front_main((enum sc_role)i);
	}
	fprintf(stderr, "godwit: there is no process role %s; this command is for the supervisor\n",
	    role);
	return EX_USAGE;
}
