/*
 * Addresses that need SMTPUTF8 only for their domain need it not at all: any server knows the domain by
 * the name that DNS has.
 */
#ifndef PROC_PATH_ASCII_H
#define PROC_PATH_ASCII_H

#include "base/arena.h"
#include "smtp/smtp_path.h"

/*
 * The domain gets A-labels [RFC 5890 2.3.2.1], allocated in a, if the local part is ASCII. A path that is
 * ASCII already, or whose domain is none in DNS, stays as it is.
 */
void path_ascii_make(struct arena *a, struct smtp_path *path);

#endif
