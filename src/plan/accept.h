/*
 * The acceptance pipeline: facts about a connection, an envelope and a message in, a
 * delivery plan out. Pure, and the only place that decides what becomes of a message: the servers and
 * `godwit test-delivery` call the same function, so that what the one prints is what the other does.
 * Later stages (sender authentication, spam filter, scripts) are further rows of its table.
 */
#ifndef PLAN_ACCEPT_H
#define PLAN_ACCEPT_H

#include "base/ip.h"
#include "plan/plan.h"

/* What a recipient is to this server, as store resolved it. */
enum accept_class {
	ACCEPT_LOCAL,    /* resolves to mailboxes here, be it through aliases */
	ACCEPT_REDIRECT, /* an alias to one address elsewhere: target */
	ACCEPT_RELAY,    /* elsewhere; accepted only from those who may relay */
	ACCEPT_RETURN, /* the way back to the sender of what was sent on, target; for reports only */
	ACCEPT_FORGED,        /* looks like one, but was not made here */
	ACCEPT_EXPIRED,       /* it was, too long ago */
	ACCEPT_UNKNOWN,       /* our domain, no such user */
	ACCEPT_DISABLED,      /* the account takes no mail */
	ACCEPT_SEND_ONLY,     /* the account only sends */
	ACCEPT_OVER_QUOTA,    /* the mailbox is full */
	ACCEPT_TOO_LARGE,     /* the message is larger than all that the mailbox may hold */
	ACCEPT_NO_ROOM,       /* the disk is full, or no file or memory is to be had */
	ACCEPT_CLOSED,        /* the disk failed, and nothing is written until a restart */
	ACCEPT_TROUBLE,       /* store could not say: try again later */
	ACCEPT_BACKUP,        /* of a relay domain: taken from everybody, for its own server */
	ACCEPT_UNVERIFIED,    /* the same, but that server has not said yet that it knows him */
	ACCEPT_REFUSED,       /* the same, but that server refuses him */
	ACCEPT_UNROUTED,      /* the same, but there is no server to pass it on to */
	ACCEPT_NO_POSTMASTER, /* there is no account yet that could stand in for him */
	ACCEPT_CLASSES
};

struct accept_recipient {
	struct str address; /* as the sender wrote it */
	enum accept_class class;
	struct str target; /* ACCEPT_REDIRECT and ACCEPT_RETURN only */
	bool delivered;    /* the message has a Delivered-To field with this address: a loop */
};

/* Everything known; strings are borrowed and may be put into the plan. */
struct accept_input {
	/* connection */
	struct ip peer;
	struct str helo;
	struct str refusal; /* why admission refused the connection; empty: it did not */
	bool trusted;       /* may relay by its network or as a local user */
	bool authenticated; /* may relay by its password */
	/* envelope */
	struct str reverse_path; /* empty: null */
	const struct accept_recipient *recipients;
	size_t n;
	/* message */
	uint64_t size;            /* octets */
	uint64_t size_limit;      /* 0: none */
	uint32_t received_fields; /* Received fields it came with, ours not counted */
	bool bare; /* it has a bare CR or LF, and not from one for whom they become CRLF */
};

/*
 * Runs all stages over each recipient; the first refusal stands. The plan has in->n items, lives in a and
 * is well-formed whatever the input holds; its strings are static, borrowed from the input, or in a.
 */
struct plan accept_run(const struct accept_input *in, struct arena *a);

/* His mailbox is on another server: mail for him is passed on, or would be. */
bool accept_is_elsewhere(enum accept_class class);

/*
 * The refusal of a recipient of that class at RCPT, NULL when it is accepted. may_relay: trusted or
 * authenticated. report: its reverse-path is null. Static.
 */
const struct plan_reject *accept_refusal(enum accept_class class, bool may_relay, bool report);

/* Appends in plain sentences, a line each, what the pipeline is told and how many each stage refuses. */
void accept_explain(struct buf *out, const struct accept_input *in);

#endif
