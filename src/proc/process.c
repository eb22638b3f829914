#include "proc/process.h"

#include <sys/stat.h>
#include <sysexits.h>

#include "proc/child.h"

/* The socket to the supervisor is there. */
static bool is_child(void)
{
	struct stat st;

	return fstat(CHILD_LINK_FD, &st) == 0 && S_ISSOCK(st.st_mode);
}

int process_main(const char *role)
{
	for (int i = 0; i < SC_ROLES && is_child(); i++) {
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
	fprintf(stderr,
	    "godwit: %s is no role, or nobody supervises it: this command is the supervisor's own; start a "
	    "server with \"godwit serve\"\n",
	    role);
	return EX_USAGE;
}
