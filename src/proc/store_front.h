/* Inside of the store process: the state of one link to a front, shared by the files that serve it. */
#ifndef PROC_STORE_FRONT_H
#define PROC_STORE_FRONT_H

#include "proc/store.h"
#include "proc/store_flow.h"
#include "store/mailbox.h"

struct store_front {
	struct list link; /* in the process's list */
	struct store_process *sp;
	struct peer *peer; /* NULL once the link is down; the object stays until nothing is busy */
	enum sc_role role;
	uint16_t node;
	uint64_t id;                /* names the link to the session table */
	struct hash_table conns;    /* of struct store_conn, by session number */
	struct hash_table views;    /* of struct store_view, by handle */
	struct hash_table views_of; /* the same, by account */
	struct list uploads;        /* of struct store_upload */
	size_t upload_count;
	struct store_flow flow; /* mail on its way out */
	size_t busy;            /* requests handed to other threads */
	size_t deliver_bytes;   /* of messages on their way into the lane */
};

/* One connection that the front holds and store counted. */
struct store_conn {
	struct hash_node node;
	uint32_t session;
	enum fs_listener listener;
	struct ip ip;
	bool counted;
	int64_t uid;              /* of a local user who was let in, else -1 */
	struct fs_handle trusted; /* what the kernel vouches for; none: all zero */
	struct fs_handle login;   /* the last one */
};

/* The INBOX as one POP3 session sees it. Used by reader threads while refs > 0. */
struct store_view {
	struct hash_node node;
	struct hash_node node_of; /* by account */
	struct fs_handle handle;
	unsigned refs;
	bool expunging;              /* one request at a time */
	bool kept;                   /* in the table of its front */
	bool ready;                  /* the snapshot is whole */
	struct store_stream *stream; /* what is being listed or read: one at a time */
	struct mailbox_snapshot snapshot;
};

struct store_conn *store_front_conn(struct store_front *f, uint32_t session);

/* The mailbox behind a handle, open or about to be; NULL also when its account was removed or disabled
 * since. */
struct store_view *store_front_view(struct store_front *f, const struct fs_handle *handle);

/* Keeps the view for its handle's session, unless the account has LIMIT_STORE_VIEWS; lets it go again. */
bool store_front_keep_view(struct store_front *f, struct store_view *v, int64_t account);
void store_front_drop_view(struct store_front *f, struct store_view *v);
void store_view_unref(struct store_view *v);

/* The session behind a handle of this link, NULL when there is none. */
struct session *store_front_session(struct store_front *f, const struct fs_handle *handle);

/* A login was had and is over: its account was disabled or removed, its password changed. */
bool store_front_has_ended(struct store_front *f, const struct fs_handle *handle);

/* A request goes to another thread; its answer is back (f may be freed by this). */
void store_front_hold(struct store_front *f);
void store_front_unhold(struct store_front *f);

/* Ends a request with FS_LIST, FS_READ, FS_EXPUNGE's reply. */
void store_front_done(struct ipc_request *r, enum fs_verdict verdict, const char *text);

/* ---- the requests, each in the file that serves it ---- */
void store_take_upload(struct store_front *f, struct ipc_request *r, struct str payload);
void store_take_upload_drop(struct store_front *f, struct str payload);
void store_take_deliver(struct store_front *f, struct ipc_request *r, struct str payload);

/* Hands the messages that came since to the lane. */
void store_take_submit(struct store_process *sp);

void store_take_taken(struct store_front *f, struct ipc_request *r, struct str payload);
void store_take_link_down(struct store_front *f);

void store_mailbox_open(struct store_front *f, struct ipc_request *r, struct str payload);
void store_mailbox_list(struct store_front *f, struct ipc_request *r, struct str payload);
void store_mailbox_read(struct store_front *f, struct ipc_request *r, struct str payload);
void store_leave_expunge(struct store_front *f, struct ipc_request *r, struct str payload);

/*
 * What a handle opens, NULL when it is nothing: a session ends also when its account is disabled or
 * removed.
 */
struct store_view *store_mailbox_view(struct store_front *f, const struct fs_handle *handle);

#endif
