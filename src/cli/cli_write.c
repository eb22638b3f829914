#include "cli/cli_write.h"

#include <errno.h>
#include <unistd.h>

int cli_write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			s = str_from(s, (size_t)n);
	}
	return 0;
}
