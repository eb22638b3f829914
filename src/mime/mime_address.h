/*
 * Addresses in header fields: From, To, Cc and their like, with display names, groups, comments
 * and the obsolete forms [RFC 5322 3.4, 4.4; RFC 6532 3.2]. Not the parser of the SMTP envelope.
 */
#ifndef MIME_ADDRESS_H
#define MIME_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"

enum mime_address_kind {
	MIME_ADDRESS_MAILBOX,
	MIME_ADDRESS_GROUP_BEGIN, /* name is the group's; local and domain are empty */
	MIME_ADDRESS_GROUP_END,
};

struct mime_address {
	enum mime_address_kind kind;
	struct str name;   /* display name, unquoted, blanks joined; encoded words as they came */
	struct str local;  /* local part, unquoted; never empty in a mailbox */
	struct str domain; /* as written, without comments, literals in brackets; may be empty */
};

struct mime_address_list {
	struct mime_address *v;
	size_t n;
	size_t cap;     /* elements that v has room for; only mime_address_append() asks */
	size_t bad;     /* elements left out because no address could be read from them */
	bool truncated; /* more elements than the maximum: parsing stopped there */
};

enum mime_address_status {
	MIME_ADDRESS_OK,        /* everything read; an empty list is OK */
	MIME_ADDRESS_SOME_BAD,  /* bad > 0; the rest is in the list */
	MIME_ADDRESS_TRUNCATED, /* the list is full; bad may be > 0 too */
};

/*
 * Reads the body of an address field, folds included. At most max elements are kept, a group's
 * begin and end counting one each. A group that is open at the end is closed, if there is room. A
 * comment behind an address without display name becomes its name, as in "bob@x.org (Bob)".
 * Elements and their text live in the arena. Linear in body.n; memory at most about body.n plus max
 * elements. [RFC 5322 3.4, 4.4]
 */
enum mime_address_status mime_address_parse(
    struct arena *a, struct str body, size_t max, struct mime_address_list *list_r);

/*
 * Adds the elements of a further field to a list, which has been zeroed or filled by one of these
 * two with the same arena; max counts all. [RFC 5322 4.5.3]
 */
enum mime_address_status mime_address_append(
    struct arena *a, struct str body, size_t max, struct mime_address_list *list);

/* Octets the parser looked at for this body: for tests of linear time. */
size_t mime_address_steps(struct str body, size_t max);

/*
 * Appends one element in a form any parser reads back: display names quoted where needed, as
 * encoded words [RFC 2047] when not ASCII; local parts quoted where needed. A group's begin gives
 * "Name:", its end ";". CR, LF and NUL in any part become blanks.
 */
void mime_address_put(struct buf *b, const struct mime_address *addr);

/*
 * The whole list, comma separated, folded [RFC 5322 2.2.3] so that lines stay within 78 columns
 * where the addresses allow. column: octets that stand before it on its line.
 */
void mime_address_list_put(struct buf *b, const struct mime_address_list *list, size_t column);

/* "local@domain" alone, quoted where needed; what an SMTP path holds. */
void mime_address_put_spec(struct buf *b, const struct mime_address *addr);

#endif
