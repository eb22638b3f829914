/* Inside of the SMTP side of a front: a session's transaction, shared by the files that serve it. */
#ifndef PROC_FRONT_SMTP_H
#define PROC_FRONT_SMTP_H

#include "mime/mime_scan.h"
#include "plan/accept.h"
#include "proc/front.h"

enum body_mode {
	BODY_INLINE,
	BODY_UPLOADING, /* the upload call is open */
	BODY_UPLOADED,  /* store holds the whole message */
	BODY_REFUSED,   /* store would not take it: reply holds why */
};

struct front_smtp {
	struct front_session *session;
	struct smtp_server *engine;
	bool trusted;

	/* the transaction */
	struct arena *arena;
	int64_t message_id;
	struct buf recipients; /* encoded struct fs_recipient */
	struct accept_recipient *classes;
	size_t count, cap;
	size_t envelope; /* what the process counts for them */

	/* its message */
	struct mime_scan *scan;
	uint64_t size;
	struct buf gather;
	size_t gathered; /* what the process's budget counts for us */
	enum body_mode mode;
	struct ipc_call upload;
	size_t upload_off; /* of gather: what is sent already */
	bool last_sent;
	uint64_t upload_id;
	bool unsure; /* store went before it said whether it has taken it: the next one knows */
	struct smtp_reply refusal;
	bool has_priority; /* one was said */
	int8_t priority;   /* that counts */
	bool lowered;      /* the message asks for more than its client may */
};

/* The reply while store is away. */
extern const struct smtp_reply front_smtp_store_away;

/* Answer the pending effect; _later: in a turn of its own, so that the driver goes on. */
void front_smtp_answer(struct front_session *s, const struct smtp_result *r);
void front_smtp_answer_reply(struct front_session *s, struct smtp_reply reply);
void front_smtp_answer_later(struct front_session *s, struct smtp_reply reply);

/* The session holds a handle that lets it relay. */
bool front_smtp_may_relay(const struct front_session *s);

/* ---- front_message.c: from DATA to the end of the transaction ---- */
void front_message_data(struct front_session *s, const struct smtp_effect *e);
void front_message_body(struct front_session *s, const struct smtp_effect *e);
void front_message_commit(struct front_session *s, const struct smtp_effect *e);

/* The upload waits for store. */
bool front_message_waits(const struct front_session *s);

/* Asks the store that is here now what became of a message that the one before was to take. */
void front_message_store_back(struct front_session *s);

/* Nobody will say: the answer is that of a store that is away. */
void front_message_lose(struct front_session *s);

/* Logs that the message is refused as a whole; or broken off, and why. */
void front_message_log_refused(struct front_session *s, const struct smtp_reply *reply);
void front_message_log_broken(struct front_session *s, const char *why);

/* Content has come, or was to, that no answer was given to yet. */
bool front_message_is_open(const struct front_session *s);

/* Forgets the message and the transaction; an upload in store is dropped. */
void front_message_reset(struct front_session *s);

#endif
