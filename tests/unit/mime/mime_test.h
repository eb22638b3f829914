/* What the tests of src/mime share. */
#ifndef TESTS_MIME_TEST_H
#define TESTS_MIME_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mime/mime_message.h"

/* Fails the test, showing both, unless got is want. */
void expect_text(const char *what, struct str got, const char *want);

/*
 * One line per part, and per envelope field; then the facts that are not nought:
 *   0 ^0 multipart/mixed 7bit @0+116+105 14 lines boundary=xx
 *     From: "Al" a@b.c
 */
void dump_message(struct buf *b, const struct mime_message *m);
void dump_addresses(struct buf *b, const struct mime_address_list *list);

/* Visible form: CR, LF and other controls as escapes, the rest as it is. */
void dump_text(struct buf *b, struct str s);

#endif
