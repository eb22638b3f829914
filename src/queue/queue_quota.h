/*
 * The message that warns the owner of a mailbox, or the postmaster of a domain, that is nearly full. From
 * typed fields only.
 */
#ifndef QUEUE_QUOTA_H
#define QUEUE_QUOTA_H

#include "queue/queue_phrase.h"

struct queue_quota {
	enum queue_lang lang;
	bool of_domain;        /* all accounts of the address's domain together are meant */
	struct str address;    /* of the account: "local@domain"; of the domain's postmaster */
	struct str hostname;   /* ours; from its postmaster */
	struct str message_id; /* without <>, unique */
	int64_t date;          /* milliseconds since 1970 */
	int64_t used_bytes, used_messages;
	int64_t max_bytes, max_messages; /* above 0; INT64_MAX: no limit */
};

/* Appends the message, with CRLF lines. The buffer's maximum is to be 64 KiB or more. */
void queue_quota_put(struct buf *b, const struct queue_quota *q);

#endif
