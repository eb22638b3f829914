/*
 * The trace fields we add: Received at the front of each blob [RFC 5321 4.4], Return-Path and
 * Delivered-To at the front of each delivered copy. Peer text cannot break out of them.
 */
#ifndef MIME_TRACE_H
#define MIME_TRACE_H

#include "base/buf.h"

struct mime_trace_received {
	struct str helo; /* argument of HELO/EHLO/LHLO; may be empty */
	struct str ip;   /* peer's address as text, without brackets; empty for a local socket */
	struct str hostname; /* ours */
	struct str protocol; /* "ESMTPS" ... [RFC 3848, 6531 4.3] */
	struct str tls;      /* "TLSv1.3"; empty without TLS */
	struct str cipher;   /* "TLS_AES_256_GCM_SHA384" */
	struct str id;       /* message id as text */
	struct str for_path; /* the only recipient's path without <>; empty if there are more */
	int64_t date;        /* milliseconds since 1970 */
	bool has_priority;   /* the sender said one [RFC 6710 4.1] */
	int8_t priority;
};

/*
 * Appends "Received: from ... ; date" with its CRLFs: lines of at most 998 octets, LIMIT_RECEIVED
 * in all. What a domain cannot hold becomes "?" in helo; UTF-8 stays only if the protocol is one of
 * the UTF8 ones and the text well-formed. Domains are cut at 255 octets, paths at 512, other texts
 * at 64. [RFC 5321 4.4; RFC 6531 3.7.3]
 */
void mime_trace_received(struct buf *b, const struct mime_trace_received *t);

/*
 * For whom the message was taken that begins with our Received field of this id: the path that
 * mime_trace_received() wrote, a view into head. Empty when it does not begin with that field (it is another
 * server's, or the id differs), or when there were several recipients.
 */
struct str mime_trace_for(struct str head, struct str id);

/* Appends "Delivered-To: address" alone, which stands before what is sent on. */
void mime_trace_delivered(struct buf *b, struct str delivered_to);

/*
 * Appends the fields that stand before the blob in one copy: "Return-Path: <reverse_path>" and
 * "Delivered-To: address", both as they stand in SMTP paths, without <>; an empty reverse_path is
 * the null one. Control characters become "?". Within LIMIT_PREFIX. [RFC 5321 4.4]
 */
void mime_trace_prefix(struct buf *b, struct str reverse_path, struct str delivered_to);

#endif
