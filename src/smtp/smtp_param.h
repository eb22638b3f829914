/*
 * Parameters of MAIL and RCPT: SIZE [RFC 1870], BODY [RFC 6152], SMTPUTF8 [RFC 6531],
 * AUTH [RFC 4954 5], RET, ENVID, NOTIFY, ORCPT [RFC 3461 4, 6533 3], HOLDFOR, HOLDUNTIL [RFC 4865 4],
 * MT-PRIORITY [RFC 6710 3], BY [RFC 2852 4].
 */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"

enum smtp_body {
	SMTP_BODY_7BIT, /* also when nothing was said */
	SMTP_BODY_8BITMIME,
};

enum smtp_ret {
	SMTP_RET_NONE,
	SMTP_RET_FULL,
	SMTP_RET_HDRS,
};

/* NOTIFY, a set of bits; 0: not given. NEVER stands alone. */
enum smtp_notify {
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8,
};

/* Seconds. */
#define SMTP_HOLD_MAX   999999999
#define SMTP_HOLD_LIMIT (60 * 86400) /* of what our server grants */
#define SMTP_BY_MAX     999999999

/* What is to happen to a message that is not delivered in time. */
enum smtp_by {
	SMTP_BY_NONE,
	SMTP_BY_RETURN,
	SMTP_BY_NOTIFY,
};

struct smtp_mail_params {
	uint64_t size; /* declared octets, 0: not declared */
	enum smtp_body body;
	enum smtp_ret ret;
	bool smtputf8;
	bool has_auth;
	struct str auth;  /* decoded mailbox of AUTH=, empty for AUTH=<> */
	struct str envid; /* decoded: printable ASCII; empty: none */
	int64_t hold_for; /* seconds, 0: not given */
	int64_t
	    hold_until; /* milliseconds since 1970, 0: not given; never together with hold_for */
	bool has_priority;
	int8_t priority; /* -9 to 9 */
	enum smtp_by by;
	int32_t by_time; /* seconds; above 0 for RETURN */
	bool by_trace;
};

struct smtp_rcpt_params {
	uint8_t notify;        /* enum smtp_notify */
	struct str orcpt_type; /* "rfc822", "utf-8", ... as given, of any case; empty: no ORCPT */
	struct str orcpt;      /* decoded address, UTF-8 without control characters */
};

enum smtp_param_status {
	SMTP_PARAM_OK,
	SMTP_PARAM_UNKNOWN, /* a keyword that is not offered: 555 */
	SMTP_PARAM_BAD,     /* wrong or missing value, or given twice: 501 */
};

/*
 * Parse all that is left of the cursor: nothing, or parameters each behind SP. Strings are
 * allocated in a; *params_r is untouched on failure.
 */
enum smtp_param_status smtp_param_mail(
    struct cur *c, struct arena *a, struct smtp_mail_params *params_r);
enum smtp_param_status smtp_param_rcpt(
    struct cur *c, struct arena *a, struct smtp_rcpt_params *params_r);

/* "2026-11-28T12:00:00Z" as HOLDUNTIL has it [RFC 3339 5.6], as milliseconds; false: it is none, or before 1970. */
bool smtp_param_time(struct str s, int64_t *ms_r);

/* Append what a client sends, each with a leading space. _dsn: RET and ENVID [RFC 3461 4]. */
void smtp_param_put_dsn(struct buf *out, const struct smtp_mail_params *p);
void smtp_param_put_hold(struct buf *out, const struct smtp_mail_params *p);
void smtp_param_put_priority(struct buf *out, const struct smtp_mail_params *p);
void smtp_param_put_by(struct buf *out, const struct smtp_mail_params *p);
void smtp_param_put_rcpt(struct buf *out, const struct smtp_rcpt_params *p);

#endif
