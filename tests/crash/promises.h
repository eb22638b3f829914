/* What a run said, line by line (work*.c), as what must be in the tables. */
#ifndef CRASH_PROMISES_H
#define CRASH_PROMISES_H

#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

struct promises;

/* said: borrowed until the end. */
struct promises *promises_new(const char *said, size_t n);
void promises_free(struct promises **p); /* takes NULL, sets NULL */

/* A message more that was taken for an account, after what was said. */
void promises_add(struct promises *p, int64_t account, int64_t id, size_t size);

/* Length of the content of a message that was asked to be taken, of store_text(); 0: none of ours. */
size_t promises_size(const struct promises *p, int64_t id);

/* Different for different ones. */
uint64_t promises_number(const struct promises *p);

/* Ends in promises_broken() when one is broken. */
void promises_check(const struct promises *p, struct db *db);

/* Ends the process with the text on standard error, 1. "mailbox.md 6: ..." */
_Noreturn void promises_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
