/* Command lines of tests, written as one string. */
#ifndef TESTS_CLI_WORDS_H
#define TESTS_CLI_WORDS_H

#include <stddef.h>

#define MAX_WORDS 12

/* Splits at blanks; the words point into line, which is changed. Gives how many there are. */
static inline size_t split_words(char *line, char *words[MAX_WORDS])
{
	size_t n = 0;

	for (char *p = line; *p && n < MAX_WORDS; p++) {
		if (p == line || p[-1] == 0)
			words[n++] = p;
		if (*p == ' ')
			*p = 0;
	}
	return n;
}

#endif
