/* The story of a failure: one sentence for a person, that names the cure where there is one. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/limits.h"
#include "base/str.h"

struct err {
	char text[LIMIT_ERR_TEXT];
};

/* Sets the text (cut at its size) and gives -1, so that `return err_set(e, ...)` reads well. e may be NULL. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What stands around a text that is named: quotes, unless it has some itself. For ERR_QUOTED. */
static inline const char *err_quote(struct str s)
{
	return str_find(s, '"') < s.n ? "" : "\"";
}

/* Arguments of "%s%.*s%s". */
#define ERR_QUOTED(s) err_quote(s), STR_FMT(s), err_quote(s)

/*
 * What an errno value means, and what helps where that is known: "Permission denied (let this user do it,
 * or run this as root)".
 */
const char *err_reason(int code);

/* err_set() with ": " and the reason of an errno value behind it. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
