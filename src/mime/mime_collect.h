/*
 * What header fields say, put into the part, envelope and facts they are about. Serves mime_scan.
 */
#ifndef MIME_COLLECT_H
#define MIME_COLLECT_H

#include "mime/mime_field.h"
#include "mime/mime_message.h"

struct mime_collect {
	struct arena *arena; /* of all texts and lists; about LIMIT_MIME_SCAN octets at most */
	struct mime_message *msg;
	struct buf text;                   /* the field at hand, unfolded */
	struct mime_thread_key replied_to; /* In-Reply-To, which counts behind References */
	bool has_encoding;                 /* the header at hand had a Content-Transfer-Encoding */
	uint64_t steps;                    /* octets of fields that were parsed */
};

/* The arena and the message are the caller's and stay. */
void mime_collect_init(struct mime_collect *c, struct arena *arena, struct mime_message *msg);
void mime_collect_fini(struct mime_collect *c);

/*
 * A header begins: gives an envelope to a part that is_message. Texts beyond LIMIT_MIME_SCAN are
 * left out from then on and the message is incomplete.
 */
void mime_collect_begin(struct mime_collect *c, struct mime_part *part, bool is_message);

/* One of its fields; of a name that may stand once only the first counts. */
void mime_collect_field(struct mime_collect *c, struct mime_part *part, const struct mime_field *f);

/* The header has ended: fills in what is said by its silence [RFC 2045 5.2; RFC 2046 5.1.5]. */
void mime_collect_end(struct mime_collect *c, struct mime_part *part, bool in_digest);

#endif
