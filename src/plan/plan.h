/*
 * A delivery plan: what is to become of a message, one item for each recipient of its transaction. It
 * is made by the acceptance pipeline (plan/accept.h), travels encoded to store, which checks it against
 * what the session may do and executes it, and is printed by `godwit test-delivery`.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "base/arena.h"
#include "base/buf.h"

enum plan_action {
	PLAN_MAILBOX,  /* into a mailbox of each account the recipient resolves to */
	PLAN_RELAY,    /* to the recipient's own domain, by the queue */
	PLAN_REDIRECT, /* to another address, by the queue */
	PLAN_DISCARD,  /* to nobody, for a reason that is kept */
	PLAN_REJECT,   /* not accepted: the sender is told */
	PLAN_ACTIONS
};

/* Which mailbox: by its role, so that a plan does not depend on its name, or by name. */
enum plan_role {
	PLAN_ROLE_INBOX,
	PLAN_ROLE_JUNK,
	PLAN_ROLE_ARCHIVE,
	PLAN_ROLE_TRASH,
	PLAN_ROLE_NAMED, /* by its name; INBOX when there is none of that name */
	PLAN_ROLES
};

/* Flags the copy is born with. */
enum {
	PLAN_FLAG_SEEN = 1,
	PLAN_FLAG_FLAGGED = 2,
	PLAN_FLAG_JUNK = 4,
	PLAN_FLAGS = 7,
};

/* A refusal as SMTP says it; code 400 to 599, class = code / 100. */
struct plan_reject {
	uint16_t code;
	uint8_t class;
	uint16_t subject, detail; /* enhanced status code, 0 to 999 each */
	struct str text;          /* UTF-8, one line, 1 to PLAN_TEXT_MAX octets */
};

struct plan_item {
	uint32_t recipient; /* its number in the transaction, from 0 */
	enum plan_action action;
	union {
		struct {
			enum plan_role role;
			struct str name; /* of PLAN_ROLE_NAMED: UTF-8, 1 to PLAN_NAME_MAX octets */
			uint8_t flags;
		} mailbox;
		struct str
		    address;       /* PLAN_REDIRECT: "local@domain", at most LIMIT_ADDRESS octets */
		struct str reason; /* PLAN_DISCARD: as the text of a reject */
		struct plan_reject reject;
	} u;
};

#define PLAN_TEXT_MAX ((size_t)400)
#define PLAN_NAME_MAX ((size_t)1024)

/* Item i is for recipient i: as many items as the transaction has recipients. */
struct plan {
	struct plan_item *items;
	size_t n;
};

/* A plan for n recipients (at most LIMIT_SMTP_RCPT_MAX), all into INBOX, in arena a. */
struct plan plan_new(struct arena *a, size_t n);

/* Appends the encoding. The plan must be well-formed: aborts when it is not. */
void plan_encode(struct buf *out, const struct plan *p);

enum plan_status {
	PLAN_OK,
	PLAN_BAD, /* not the encoding of any plan; *plan_r untouched */
};

/*
 * Reads an encoded plan that may have been made by an enemy: every field is checked, the number of
 * items must be `recipients`. Items go to arena a, whose growth is bounded by recipients; the strings
 * view into bytes. PLAN_OK means that plan_encode() would give the same bytes again.
 */
enum plan_status plan_decode(
    struct str bytes, size_t recipients, struct arena *a, struct plan *plan_r);

/* "mailbox", "relay" ... */
const char *plan_action_name(enum plan_action action);

/* The mailbox of a PLAN_MAILBOX: "INBOX". Static, or the item's. */
struct str plan_mailbox_name(const struct plan_item *item);

/* The item is in itself well-formed: every enum, code and string within its limits. */
bool plan_item_is_valid(const struct plan_item *item);

/*
 * Appends the item in one plain sentence with LF: "bob@example.org: delivered to the mailbox INBOX."
 * recipient: his address. Control characters in it become "?".
 */
void plan_item_put(struct buf *out, const struct plan_item *item, struct str recipient);

#endif
