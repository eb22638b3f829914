/*
 * Addresses and domains as administrators write them, international ones too, in the form that the
 * directory keeps. For the store process and for the command that asks before it sends.
 */
#ifndef PROC_ADMIN_ADDRESS_H
#define PROC_ADMIN_ADDRESS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* The domain in lower case with A-labels, in the arena. False with e set when it is none. */
bool admin_domain_parse(struct arena *a, struct str text, struct str *domain_r, struct err *e);

/* The same for "local@domain"; catch_all: "@domain" will do too, with an empty local part. */
bool admin_address_parse(struct arena *a, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r, struct err *e);

/*
 * A mail address, with or without <>, as envelopes and rows have it: its local part in quotes only where it must be.
 * What is no address stays as it is. In the arena, or the text itself.
 */
struct str admin_address_spelt(struct arena *a, struct str text);

#endif
