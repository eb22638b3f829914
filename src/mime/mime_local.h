/*
 * Local parts as names of mailboxes here: what people take for one name is one, however it is spelt and
 * encoded [RFC 6530 10.1, RFC 6532 3.1]. Whose server is elsewhere decides by himself what is one name: his are
 * sent on as they came. Part of the library "idn", for it needs libunistring.
 */
#ifndef MIME_LOCAL_H
#define MIME_LOCAL_H

#include "base/arena.h"

/*
 * The form by which local parts are compared, and in which the directory keeps and shows them; in the arena.
 * ASCII: in lower case. UTF-8: case-folded and in NFC (Unicode's canonical caseless matching), so that the sharp s
 * is "ss"; a sigma that ends a word is written as one. What is no UTF-8 has only its ASCII letters in lower
 * case. The form of a form is itself. At most nine times as long, and longer only beyond ASCII.
 */
struct str mime_local_key(struct arena *a, struct str local);

/*
 * The same for local@domain, split at the last "@": behind it stand the domain's A-labels, or if it has none,
 * its ASCII letters in lower case. Text without "@" is a local part.
 */
struct str mime_local_address_key(struct arena *a, struct str address);
bool mime_local_address_eq(struct str a, struct str b);

/*
 * The same of an address whose server is elsewhere: the local part as it is, for only he knows which are one
 * [RFC 5321 2.4].
 */
struct str mime_local_foreign_key(struct arena *a, struct str address);

enum mime_local_status {
	MIME_LOCAL_OK,
	MIME_LOCAL_NOT_UTF8,
	MIME_LOCAL_HIDDEN, /* a character that shows nothing, or changes how others show */
	MIME_LOCAL_UNASSIGNED, /* a code point that this version of Unicode says nothing of, nor its case */
};

/* Whether one may be given to a mailbox: people can tell it from others, and its form will not change. */
enum mime_local_status mime_local_check(struct str local);

#endif
