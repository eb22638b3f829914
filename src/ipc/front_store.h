/*
 * The edge between a front and store. The front asks; it may be taken over one day, so every request
 * names the session it is for, and everything beyond "take this message for one of us" carries a
 * handle that store gave out. Two tables share the type numbers: what mx may not send, a store link
 * to mx refuses as a violation.
 */
#ifndef IPC_FRONT_STORE_H
#define IPC_FRONT_STORE_H

#include "base/cur.h"
#include "base/ip.h"
#include "base/ranges.h"
#include "ipc/link.h"
#include "plan/accept.h"
#include "queue/queue_wish.h"

enum fs_type {
	FS_ADMIT,       /* a connection has come: may it be served? */
	FS_LEAVE,       /* event: it has gone */
	FS_AUTH,        /* user name and password */
	FS_RCPT,        /* is this recipient ours, or may it be relayed? */
	FS_UPLOAD,      /* a large message, streamed up */
	FS_UPLOAD_DROP, /* event: the upload of this message will not be delivered */
	FS_DELIVER,     /* take this message: replied once it is durable */
	FS_TAKEN,       /* did the store before this one take this message of ours? */
	FS_OPEN,        /* snapshot of the INBOX behind a handle */
	FS_LIST,        /* entries of the snapshot, streamed down */
	FS_READ,        /* one message, streamed down */
	FS_EXPUNGE,     /* delete these numbers and mark those as seen */
	FS_RELEASE,     /* event: the handle is no longer used */
	FS_FLOOR,       /* event of store: ids of messages are to be above this one */
	FS_ENDED,       /* event of store: the login behind this handle is over */
	FS_TYPES
};

extern const struct ipc_edge fs_edge_mx;
extern const struct ipc_edge fs_edge_user;

/* A random 128-bit capability given by store; all zero means none. */
struct fs_handle {
	uint8_t b[16];
};

bool fs_handle_is_none(const struct fs_handle *h);
bool fs_handle_eq(const struct fs_handle *a, const struct fs_handle *b);

enum fs_listener {
	FS_LISTENER_SMTP,       /* 25, mx */
	FS_LISTENER_LMTP,       /* mx, off by default */
	FS_LISTENER_SUBMISSION, /* 587 */
	FS_LISTENER_SMTPS,      /* 465 */
	FS_LISTENER_POP3,       /* 110 */
	FS_LISTENER_POP3S,      /* 995 */
	FS_LISTENER_SENDMAIL,   /* Unix socket of local users */
	FS_LISTENERS
};

/* How store answers where a person is told the reason. */
enum fs_verdict {
	FS_OK,
	FS_TEMPORARY, /* try again later */
	FS_REFUSED,   /* for good */
	FS_DISABLED,  /* AUTH, OPEN: the account may not do this */
	FS_VERDICTS
};

#define FS_TEXT_MAX ((size_t)400)

struct fs_admit {
	uint32_t session; /* chosen by the front, unique on the link while the session lives */
	enum fs_listener listener;
	struct ip peer; /* unused on FS_LISTENER_SENDMAIL */
	/* with the accepted socket when the front believes the peer to be trusted */
};

struct fs_admit_reply {
	enum fs_verdict verdict;
	struct str text; /* why not */
	struct fs_handle
	    handle;      /* given when the kernel says the peer is trusted: relaying allowed */
	struct str user; /* address of the local user on FS_LISTENER_SENDMAIL */
};

struct fs_auth {
	uint32_t session;
	struct str mechanism;
	struct str authzid;
	struct str authcid;
	struct str password;
};

struct fs_auth_reply {
	enum fs_verdict verdict;
	struct fs_handle handle;
	struct str address; /* of the account */
	struct str text;
};

struct fs_rcpt {
	uint32_t session;
	struct fs_handle handle;
	struct str local;
	struct str domain; /* A-label form, lower case; empty: postmaster; "[...]": literal */
	uint64_t size;     /* octets that the message was announced with; 0: unknown */
};

/* A reply of SMTP. */
struct fs_status {
	uint16_t code;
	uint8_t class, subject, detail;
	struct str text;
};

struct fs_rcpt_reply {
	enum accept_class class;
	struct str target; /* ACCEPT_REDIRECT */
	struct str said;   /* ACCEPT_REFUSED: by the other server */
};

/* The reply to FS_UPLOAD; after any verdict but FS_OK nothing is kept: FS_TEMPORARY says that there is no
 * room, FS_REFUSED that it cannot be done now. */
struct fs_upload_reply {
	enum fs_verdict verdict;
	uint64_t upload;
	uint64_t size;
	struct str text;
};

struct fs_recipient {
	struct str local;
	struct str domain;  /* as in fs_rcpt */
	struct str address; /* as the sender wrote it, for people and headers */
	uint8_t notify;     /* bits NEVER, SUCCESS, FAILURE, DELAY as in smtp/smtp_param.h */
	struct str orcpt;
};

/* A message to take. The recipients follow as an encoded list, read by fs_recipient_next(). */
struct fs_deliver {
	uint32_t session;
	struct fs_handle handle;
	int64_t message_id;
	struct str reverse_path; /* empty: null */
	struct str helo;
	struct str protocol; /* word of the Received field */
	struct str envid;
	uint8_t ret; /* as in smtp/smtp_param.h */
	bool utf8;   /* its header needs SMTPUTF8 */
	bool eightbit;
	struct queue_wish wish;
	uint32_t recipient_count;
	struct str recipients; /* encoded */
	struct str plan;       /* encoded, plan/plan.h */
	struct str summary;    /* encoded, mime/mime_summary.h */
	uint64_t upload;       /* 0: the message is in data */
	struct str data;
};

struct fs_deliver_reply {
	struct fs_status status;
	struct str per_recipient; /* encoded statuses, one a recipient, read by fs_status_get() */
};

/* The reply is that of FS_DELIVER. */
struct fs_taken {
	int64_t message_id;
	uint32_t each; /* recipients that have a reply each; 0: there is one for all */
};

struct fs_open_reply {
	enum fs_verdict verdict;
	uint64_t count;
	uint64_t octets;
	struct str text;
};

struct fs_list {
	struct fs_handle handle;
	uint64_t first, last; /* message numbers, 1-based, inclusive */
};

/* FS_LIST streams these, FS_ENTRY_SIZE octets each, in order, never split over chunks. */
struct fs_entry {
	uint64_t number;
	uint64_t octets;
	int64_t email_id;
};

#define FS_ENTRY_SIZE ((size_t)24)

struct fs_read {
	struct fs_handle handle;
	uint64_t number;
};

struct fs_expunge {
	struct fs_handle handle;
	struct str numbers; /* encoded ranges, read by fs_ranges_get() */
	struct str seen;    /* the same: those that are to have the keyword $seen */
};

/* Reply of FS_LIST, FS_READ, FS_EXPUNGE. */
struct fs_done {
	enum fs_verdict verdict;
	struct str text;
};

/* Writers and readers. A reader gives false for anything malformed and leaves *_r untouched; strings
 * in what it gives point into the payload. */
void fs_admit_put(struct buf *b, const struct fs_admit *m);
bool fs_admit_get(struct str payload, struct fs_admit *m_r);
void fs_admit_reply_put(struct buf *b, const struct fs_admit_reply *m);
bool fs_admit_reply_get(struct str payload, struct fs_admit_reply *m_r);
void fs_leave_put(struct buf *b, uint32_t session);
bool fs_leave_get(struct str payload, uint32_t *session_r);
void fs_upload_put(struct buf *b, int64_t message_id); /* the content follows as chunks */
bool fs_upload_get(struct str payload, int64_t *message_id_r);
void fs_auth_put(struct buf *b, const struct fs_auth *m);
bool fs_auth_get(struct str payload, struct fs_auth *m_r);
void fs_auth_reply_put(struct buf *b, const struct fs_auth_reply *m);
bool fs_auth_reply_get(struct str payload, struct fs_auth_reply *m_r);
void fs_rcpt_put(struct buf *b, const struct fs_rcpt *m);
bool fs_rcpt_get(struct str payload, struct fs_rcpt *m_r);
void fs_rcpt_reply_put(struct buf *b, const struct fs_rcpt_reply *m);
bool fs_rcpt_reply_get(struct str payload, struct fs_rcpt_reply *m_r);
void fs_upload_drop_put(struct buf *b, int64_t message_id);
bool fs_upload_drop_get(struct str payload, int64_t *message_id_r);
void fs_upload_reply_put(struct buf *b, const struct fs_upload_reply *m);
bool fs_upload_reply_get(struct str payload, struct fs_upload_reply *m_r);
void fs_deliver_put(struct buf *b, const struct fs_deliver *m);
bool fs_deliver_get(struct str payload, struct fs_deliver *m_r);
void fs_recipient_put(struct buf *b, const struct fs_recipient *r);
bool fs_recipient_next(struct cur *recipients, struct fs_recipient *r_r);
void fs_status_put(struct buf *b, const struct fs_status *s);
bool fs_status_get(struct cur *c, struct fs_status *s_r);
void fs_floor_put(struct buf *b, int64_t id);
bool fs_floor_get(struct str payload, int64_t *id_r);
void fs_taken_put(struct buf *b, const struct fs_taken *m);
bool fs_taken_get(struct str payload, struct fs_taken *m_r);
void fs_deliver_reply_put(struct buf *b, const struct fs_deliver_reply *m);
bool fs_deliver_reply_get(struct str payload, struct fs_deliver_reply *m_r);
/* FS_OPEN, FS_RELEASE, FS_ENDED */
void fs_handle_put(struct buf *b, const struct fs_handle *h);
bool fs_handle_get(struct str payload, struct fs_handle *h_r);
void fs_open_reply_put(struct buf *b, const struct fs_open_reply *m);
bool fs_open_reply_get(struct str payload, struct fs_open_reply *m_r);
void fs_list_put(struct buf *b, const struct fs_list *m);
bool fs_list_get(struct str payload, struct fs_list *m_r);
void fs_entry_put(struct buf *b, const struct fs_entry *e);
bool fs_entry_get(struct cur *c, struct fs_entry *e_r);
void fs_read_put(struct buf *b, const struct fs_read *m);
bool fs_read_get(struct str payload, struct fs_read *m_r);
void fs_ranges_put(struct buf *b, const struct ranges *r);
bool fs_ranges_get(struct str encoded, struct ranges *r_r); /* r_r: initialised, empty */
void fs_expunge_put(struct buf *b, const struct fs_expunge *m);
bool fs_expunge_get(struct str payload, struct fs_expunge *m_r);
void fs_done_put(struct buf *b, const struct fs_done *m);
bool fs_done_get(struct str payload, struct fs_done *m_r);

#endif
