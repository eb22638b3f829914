/*
 * What is known of a message without reading it again: its parts, its envelope fields, facts for
 * acceptance. Made by mime_scan, packed and unpacked by mime_summary. Types only.
 *
 * Offsets count from the first octet of the blob, which begins with our own Received field. Texts
 * are as they stand in the message (unfolded, encoded words not decoded), may hold any octet but
 * NUL, CR and LF, and live as long as the object that handed them out says.
 */
#ifndef MIME_MESSAGE_H
#define MIME_MESSAGE_H

#include "base/limits.h"
#include "mime/mime_address.h"
#include "mime/mime_content.h"
#include "mime/mime_date.h"

/* Envelope fields that hold addresses, and those that hold text. */
enum mime_address_field {
	MIME_FROM,
	MIME_SENDER,
	MIME_REPLY_TO,
	MIME_TO,
	MIME_CC,
	MIME_BCC,
	MIME_ADDRESS_FIELDS,
};

enum mime_text_field {
	MIME_SUBJECT,
	MIME_DATE, /* the text; the moment is in date */
	MIME_MESSAGE_ID,
	MIME_IN_REPLY_TO,
	MIME_REFERENCES,
	MIME_TEXT_FIELDS,
};

struct mime_envelope {
	/* Of the first field of that name; p is NULL without one. */
	struct str text[MIME_TEXT_FIELDS];
	/* Of the first field; To, Cc and Bcc: of all of them [RFC 5322 4.5.3]. */
	struct mime_address_list address[MIME_ADDRESS_FIELDS];
	bool has_date; /* the Date could be read */
	struct mime_date date;
};

enum mime_part_kind {
	MIME_PART_LEAF,
	MIME_PART_MULTIPART, /* its parts are the children */
	MIME_PART_MESSAGE,   /* message/rfc822 or message/global: one child, the message in it */
	MIME_PART_KINDS,
};

struct mime_part {
	uint16_t parent; /* index in parts; the root (0) is its own parent */
	enum mime_part_kind kind;
	enum mime_encoding encoding;
	uint64_t header_offset;
	uint64_t body_offset; /* header_offset plus the header with its blank line */
	uint64_t body_size;   /* octets, as encoded; without the line end before a boundary */
	uint64_t lines;       /* of the body; a last line without end counts */
	/* Defaults filled in: text/plain, in a digest message/rfc822. */
	struct mime_content_type content;
	/* Content-ID and so on; p is NULL without one. */
	struct str id, description, md5, language, location;
	struct str disposition; /* "attachment"; p is NULL without one */
	struct mime_params disposition_params;
	/* Of the root and of a MIME_PART_MESSAGE's child (NULL if it was too much); else NULL. */
	struct mime_envelope *envelope;
};

/* What acceptance asks about the header of the message, nested ones not counted. */
struct mime_facts {
	uint32_t fields;   /* header fields in all */
	uint32_t received; /* Received fields, our own included */
	uint32_t from;     /* From fields: more than one is suspicious */
	bool has_date;     /* a field of the name is there, readable or not */
	bool has_message_id;
	bool has_8bit_header;
	bool has_8bit_part_header; /* that of a part, or of a message in it; not in summaries */
	bool has_8bit_body;
	bool has_nul;
	bool no_separator; /* the body began without an empty line */
	bool too_long;     /* a field above LIMIT_MIME_FIELD or a header above LIMIT_MIME_HEADER */
	uint32_t priorities;      /* MT-Priority fields */
	bool has_priority;        /* there is one of them, and it is well-formed */
	int8_t priority;          /* what it says, -9 to 9 */
	uint64_t longest_line;    /* octets without the line end */
	struct str *delivered_to; /* as they stand there, at most LIMIT_MIME_DELIVERED_TO */
	size_t n_delivered_to;
};

/*
 * Messages belong to one thread when their subject is the same and they share an id [RFC 8621 3].
 * Both are hashes: of the base subject [RFC 5256 2.1] in lower case, and of message ids.
 */
struct mime_thread_key {
	uint64_t subject;
	uint64_t id;                           /* of its own Message-ID; 0 without one */
	uint64_t refs[LIMIT_MIME_THREAD_REFS]; /* References, In-Reply-To: root, then newest */
	size_t n_refs;
};

struct mime_message {
	uint64_t size;  /* octets */
	uint64_t lines; /* LF-terminated ones, and a last one without end */
	/* At least one; in order of the message, parents before their children. */
	struct mime_part *parts;
	size_t n_parts;
	bool incomplete; /* parts, addresses or texts beyond a limit are missing */
	struct mime_facts facts;
	struct mime_thread_key thread;
};

#endif
