/* Command lines of the measuring tools: one table of options, --name value. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_option_type {
	BENCH_FLAG,    /* bool; takes no value */
	BENCH_NUMBER,  /* uint64_t */
	BENCH_TEXT,    /* const char *; of argv */
	BENCH_ADDRESS, /* struct sockaddr_in: 127.0.0.1:2525 */
};

struct bench_option {
	const char *name; /* with its dashes; NULL ends a table */
	enum bench_option_type type;
	size_t offset; /* of the value in the struct that is filled */
	uint64_t max;  /* of a number */
	const char *sentence;
};

/*
 * Fills values from argv[0] .. argv[argc - 1]. 0, or -1 and a sentence in *e; values that came before the
 * mistake are set then.
 */
int bench_options_read(
    const struct bench_option *table, int argc, char **argv, void *values, struct err *e);

/* The table as help text, on standard output. */
void bench_options_print(const struct bench_option *table);

#endif
