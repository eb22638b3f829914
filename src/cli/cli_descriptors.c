#include "cli/cli_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

static bool had_stdout = true; /* until cli_descriptors_fill() has looked */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What is read from a closed standard input is an error and no empty message: that one is opened for writing. */
static bool fill(int fd)
{
	return is_open(fd) || open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDWR) == fd;
}

/* In this order: open(2) gives the lowest number that is free. */
bool cli_descriptors_fill(void)
{
	had_stdout = is_open(STDOUT_FILENO);
	return fill(STDIN_FILENO) && fill(STDOUT_FILENO) && fill(STDERR_FILENO);
}

bool cli_descriptors_had_stdout(void)
{
	return had_stdout;
}
