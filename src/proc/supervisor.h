/* The supervisor: configuration, keys, listening sockets, children. It parses nothing from outside. */
#ifndef PROC_SUPERVISOR_H
#define PROC_SUPERVISOR_H

/*
 * Serves the data directory in the foreground until SIGTERM or SIGINT; SIGHUP reloads configuration
 * and certificate. Gives the exit code (sysexits.h); the reason of a failure is on the log.
 */
int supervisor_main(const char *dir);

#endif
