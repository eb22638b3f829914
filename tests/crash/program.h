/* The godwit command as a function: its commands that read and write files of their own. */
#ifndef CRASH_PROGRAM_H
#define CRASH_PROGRAM_H

/* Runs one, words up to NULL, from the working directory, which stays; its exit code. */
int program_run(const char *const *words);

#endif
