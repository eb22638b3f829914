/* Carries out an administrator's request: through the running server, or in this process when none runs. */
#ifndef PROC_ADMIN_CALL_H
#define PROC_ADMIN_CALL_H

#include "base/err.h"
#include "ipc/admin.h"

struct admin_call {
	const char *dir;                     /* the data directory */
	const struct admin_request *request; /* borrowed */

	/* Each record's inside, for admin_field_next(); false breaks it off. May be NULL. */
	bool (*record)(void *ctx, struct str record);
	void *ctx;

	/*
	 * A command with a stream that goes up: gives the next at most n octets of it; *last_r at its end. May
	 * be NULL.
	 */
	size_t (*feed)(void *ctx, uint8_t *p, size_t n, bool *last_r);

	/*
	 * The command reads or writes files of the caller: without a server it is carried out in a child
	 * process, so that this one keeps its user and its directory.
	 */
	bool apart;

	/* The answer: a sentence for a person, may be empty; init it, fini it. */
	struct buf *text;
	char who[40]; /* admin_call.c's own: the administrator, for the record of changes */
};

/*
 * Blocks until it is done. Gives the exit code: that of the reply, or EX_NOINPUT without a data
 * directory, EX_NOPERM without the right to use it, EX_UNAVAILABLE when the server does not answer;
 * text then says why and names the cure. Without a server the process becomes the data directory's
 * owner when it is root, and its working directory changes.
 */
int admin_call(struct admin_call *call);

/* EX_OK when the directory is there and may be used, else the exit code, with *e set. */
int admin_find_directory(const char *dir, struct err *e);

#endif
