/* What a server begins with, tried as far as it can be without starting: serve, its reload and check-config alike. */
#ifndef PROC_PREFLIGHT_H
#define PROC_PREFLIGHT_H

#include "base/buf.h"
#include "config/config.h"

struct preflight {
	struct config_snapshot *config;
	struct buf certificate, key; /* in PEM */
};

/*
 * Reads the configuration of the data directory, number as config_load() wants it, certificate and key.
 * These two must belong together; for root the system users must be there, two of them, the directory the
 * store's. 0 and *p_r, which preflight_fini() ends; or -1 with a sentence that names file and cure.
 */
int preflight_load(const char *dir, uint64_t number, struct preflight *p_r, struct err *e);

/* The configuration's reference goes, the key is wiped. Does nothing for one of zeros. */
void preflight_fini(struct preflight *p);

#endif
