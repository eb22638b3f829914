/*
 * Handles of authenticated sessions. A handle is 128 random bits bound to one link (a front
 * process): the same bits on another link open nothing. One thread uses a table.
 */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include "base/hash.h"
#include "base/list.h"

struct session_handle {
	uint8_t b[16];
};

struct session {
	struct hash_node node;
	struct list link_of_table;
	struct session_handle handle;
	uint64_t link; /* the front link that opened it */
	int64_t account;
};

struct session_table {
	struct hash_table by_handle;
	struct list all;
	size_t max;
};

/* At most max sessions at once. */
void session_table_init(struct session_table *t, size_t max);

/* Closes all. */
void session_table_fini(struct session_table *t);

/* A new session of the account on this link, or NULL when the table is full. */
struct session *session_open(struct session_table *t, uint64_t link, int64_t account);

/* The session, or NULL when there is none with this handle on this link. Constant-time compare. */
struct session *session_find(
    struct session_table *t, uint64_t link, const struct session_handle *handle);

/* Ends it; s is gone after. */
void session_close(struct session_table *t, struct session *s);

/* Ends every session of a link that died; of an account that was disabled or removed. How many. */
size_t session_close_link(struct session_table *t, uint64_t link);
size_t session_close_account(struct session_table *t, int64_t account);

#endif
