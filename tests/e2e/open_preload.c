/*
 * Loaded with LD_PRELOAD into the servers of an ordinary user who runs the tests: their processes do not close
 * themselves to him, so that he may look at their descriptors and take them over, as root may in any case.
 */
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...)
{
	unsigned long args[4];
	va_list more;

	va_start(more, option);
	for (unsigned i = 0; i < 4; i++)
		args[i] = va_arg(more, unsigned long);
	va_end(more);
	if (option == PR_SET_DUMPABLE)
		return 0;
	return (int)syscall(SYS_prctl, option, args[0], args[1], args[2], args[3]);
}
