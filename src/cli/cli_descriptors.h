/* Descriptors 0 to 2 of the command, which are never those of a socket or of a file of ours. */
#ifndef CLI_CLI_DESCRIPTORS_H
#define CLI_CLI_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Opens /dev/null in the place of each that is closed. Once, before anything else is opened. False with errno
 * when that fails.
 */
bool cli_descriptors_fill(void);

/* Standard output was open when the command was started; else what is printed reaches nobody. */
bool cli_descriptors_had_stdout(void);

#endif
