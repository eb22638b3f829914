/* The change feed of an account: change(account, modseq, type, id, op), one modseq a commit. */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

enum change_type {
	CHANGE_EMAIL = 1,
	CHANGE_MAILBOX = 2,
};

enum change_op {
	CHANGE_CREATED = 1,
	CHANGE_UPDATED = 2,
	CHANGE_DESTROYED = 3,
};

#endif
