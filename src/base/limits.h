/*
 * The one list of limits: everything a peer can make grow has its maximum here. A limit that an
 * administrator may change is an option (config/options.c) and only its bound stands here.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

/* SMTP [RFC 5321 4.5.3.1], with room for the parameters of every extension offered */
#define LIMIT_SMTP_LINE       ((size_t)4096)  /* command line with CRLF; the RFC asks 512 */
#define LIMIT_SMTP_AUTH_LINE  ((size_t)12288) /* line of an AUTH exchange [RFC 4954 4] */
#define LIMIT_SMTP_LOCAL_PART ((size_t)64)
#define LIMIT_SMTP_DOMAIN     ((size_t)255)
#define LIMIT_SMTP_PATH       ((size_t)1024) /* path in UTF-8, source route included */
#define LIMIT_SMTP_REPLY_LINE ((size_t)512)
#define LIMIT_SMTP_PARAM      ((size_t)500) /* ORCPT and ENVID [RFC 3461 5.4] */
#define LIMIT_SMTP_OUT        (64 * KIB)    /* replies waiting to be sent to a slow client */
#define LIMIT_SMTP_RCPT_MAX   10000         /* upper bound of the option recipients_max */
#define LIMIT_SMTP_CHUNK      (64 * KIB)    /* of content that we send by BDAT */
#define LIMIT_RECEIVED_FIELDS 100           /* loop limit [RFC 5321 6.3] */

/* POP3 [RFC 2449 4]: commands 255 octets with CRLF; a SASL response may be longer */
#define LIMIT_POP3_LINE       ((size_t)1024)
#define LIMIT_POP3_AUTH_LINE  ((size_t)12288)
#define LIMIT_POP3_OUT        (64 * KIB)
#define LIMIT_POP3_REPLY_LINE ((size_t)4096)  /* from a server; the RFC allows 512 */
#define LIMIT_POP3_RUNS       ((size_t)16384) /* separate intervals of messages deleted, or read */
#define LIMIT_POP3_IDS        ((size_t)512)   /* of listed messages that a session remembers */

/* credentials */
#define LIMIT_USER_NAME     ((size_t)320)
#define LIMIT_PASSWORD      ((size_t)1024)
#define LIMIT_PASSWORD_GOOD ((size_t)8)    /* characters: a new one that has fewer is warned of */
#define LIMIT_SASL_RESPONSE ((size_t)9216) /* decoded */

/* message handling */
#define LIMIT_BODY_CHUNK     (16 * KIB)  /* one piece of a message between engine and driver */
#define LIMIT_INLINE_MESSAGE (256 * KIB) /* larger ones are streamed to a file of their own */
#define LIMIT_GATHER_BUDGET  (64 * MIB)  /* all messages gathered in one front process */
#define LIMIT_FRONT_REFUSALS 64          /* handshakes under way of those whom a front refuses */
#define LIMIT_PREFIX         (16 * KIB)  /* per-copy header fields */
#define LIMIT_ENVELOPE       (1 * MIB)   /* all recipients of one transaction, as encoded */
#define LIMIT_ENVELOPES      (64 * MIB)  /* ... of all transactions in one front process */
#define LIMIT_PLAN           (256 * KIB) /* an encoded delivery plan */
#define LIMIT_RECEIVED       (4 * KIB)   /* our own Received field */
#define LIMIT_SUMMARY        (32 * KIB)  /* encoded summary of one message */
#define LIMIT_MESSAGE_SIZE   ((uint64_t)2 * 1024 * MIB - 1)

/* MIME */
#define LIMIT_MIME_FIELD        (64 * KIB) /* one header field that is parsed; longer: skipped */
#define LIMIT_MIME_HEADER       (1 * MIB)  /* all header fields of one part */
#define LIMIT_MIME_DEPTH        32
#define LIMIT_MIME_PARTS        256 /* parts described in a summary; more: not described */
#define LIMIT_MIME_ADDRESSES    256 /* addresses of one field kept in a summary */
#define LIMIT_MIME_FIELD_NAME   ((size_t)256)  /* a longer one is no field name */
#define LIMIT_MIME_BOUNDARY     ((size_t)255)  /* the RFC asks 70 [RFC 2046 5.1.1] */
#define LIMIT_MIME_PARAMS       32             /* parameters of one content field */
#define LIMIT_MIME_TEXT         ((size_t)2048) /* one text of an envelope or part, unfolded */
#define LIMIT_MIME_SCAN         (256 * KIB)    /* texts and addresses kept by one scan */
#define LIMIT_MIME_DELIVERED_TO 64
#define LIMIT_MIME_THREAD_REFS  16
#define LIMIT_MIME_LINE         ((size_t)998)  /* of what we write [RFC 5322 2.1.1] */
#define LIMIT_SUMMARY_MIN       ((size_t)1024) /* a summary degrades until it fits in this */

/* ipc */
#define LIMIT_IPC_CREDIT        (64 * KIB) /* bytes of chunks on the way per request */
#define LIMIT_IPC_CHUNK         (16 * KIB)
#define LIMIT_IPC_PAYLOAD       (2 * MIB)   /* any frame; most types allow far less */
#define LIMIT_IPC_OPEN_REQUESTS 65536       /* unanswered requests on one link */
#define LIMIT_IPC_UNREAD        131072      /* frames that wait for an asker who does not read */
#define LIMIT_IPC_UNREAD_BYTES  (128 * MIB) /* ... and their octets */

/* net */
#define LIMIT_NET_READ   (17 * KIB) /* one read: a whole TLS record */
#define LIMIT_NET_WRITE  (64 * KIB) /* a driver stops filling a stream's queue here */
#define LIMIT_NET_QUEUE  (4 * MIB)  /* octets waiting in one stream; more: it is closed */
#define LIMIT_NET_LINGER (4 * MIB)  /* octets read and dropped after the last words */

/* config */
#define LIMIT_CONFIG_FILE     (1 * MIB)
#define LIMIT_CONFIG_STRING   ((size_t)4096)
#define LIMIT_CONFIG_LIST     1000
#define LIMIT_RELAY_SOURCES   2 /* one address of each family */
#define LIMIT_CONFIG_SNAPSHOT (1 * MIB)
#define LIMIT_LISTENERS       ((size_t)62) /* addresses times ports that are listened on */

/* store */
#define LIMIT_ADMIT_ENTRIES       ((size_t)65536) /* addresses and networks remembered */
#define LIMIT_ALIAS_DEPTH         10              /* aliases that lead to aliases */
#define LIMIT_ALIAS_TARGETS       1000           /* addresses met while one recipient is resolved */
#define LIMIT_POSTMASTER_ACCOUNTS 100            /* among which one with room is looked for */
#define LIMIT_SLICE_ROWS          500            /* rows of one commit of maintenance */
#define LIMIT_TRACE_TEXT          ((size_t)1024) /* one event's sentence */
#define LIMIT_LIST_PAGE           ((size_t)256)  /* rows of one page of a listing */
#define LIMIT_LANE_BATCH          512            /* requests in one commit */
#define LIMIT_LANE_BYTES          (16 * MIB) /* ... and the content that they bring, but for the last */
#define LIMIT_WAL_CHECKPOINT      (16 * MIB)  /* write-ahead log that is checkpointed at once */
#define LIMIT_WAL_THROTTLE        (256 * MIB) /* ... that makes writers wait */
#define LIMIT_READER_THREADS      8
#define LIMIT_READER_MS           50         /* a read transaction should end within this */
#define LIMIT_RESERVE             (64 * MIB) /* given back when the disk is full */

/* store: questions to the servers of relay domains (proc/store_callout.c) */
#define LIMIT_CALLOUTS        ((size_t)500)
#define LIMIT_CALLOUT_DOMAIN  ((size_t)50)   /* about one domain */
#define LIMIT_CALLOUT_NETWORK ((size_t)10)   /* for clients of one network (IPv4 /24, IPv6 /56) */
#define LIMIT_CALLOUT_WAITERS ((size_t)2000) /* recipients that wait for an answer */

/* store: what one link to a front or relay may make it hold, should its process be taken over */
#define LIMIT_STORE_LINK_OUT (4 * MIB)        /* of mail on its way out, read or to be sent */
#define LIMIT_STORE_UPLOADS  ((size_t)2048)   /* messages on their way in, LIMIT_IPC_CREDIT each */
#define LIMIT_STORE_DELIVER  (256 * MIB)      /* of messages on their way into the lane */
#define LIMIT_STORE_CONNS    ((size_t)100000) /* connections that a front reports */
#define LIMIT_STORE_LOCAL    ((size_t)250) /* those of them of one local user, at one front process */
#define LIMIT_STORE_VIEWS    ((size_t)200) /* times it has the mailbox of one account open */

/* queue */
#define LIMIT_QUEUE_DESTINATION ((size_t)600) /* name of a destination: domain, and by which host */
#define LIMIT_QUEUE_STEPS       ((size_t)32)  /* elements of a list of waits */
#define LIMIT_QUEUE_REPLY       ((size_t)900) /* a reply as rows and reports keep it, one line */
#define LIMIT_DSN_RECIPIENTS    ((size_t)1000) /* recipients in one report */
#define LIMIT_DSN_ORIGINAL      (1 * MIB)      /* a message that a report returns whole */
#define LIMIT_DSN_HEADER        (32 * KIB)     /* of a header that a report returns */
#define LIMIT_DSN               (24 * MIB)     /* a report */
#define LIMIT_DSN_POSTMASTER    100 /* in a day, of mail without a sender: strangers may cause it */
#define LIMIT_QUEUE_HOSTS       10  /* of a domain that are tried [RFC 5321 5.1] */
#define LIMIT_QUEUE_ADDRESSES   20  /* of them all, in one attempt */
#define LIMIT_OWN_ADDRESSES     ((size_t)4096) /* of this machine */

/* DNS */
#define LIMIT_DNS_ANSWERS ((size_t)64)   /* of one lookup that are kept */
#define LIMIT_DNS_ANSWER  ((size_t)2048) /* octets of one; a TXT with a key of RSA 4096 has 800 */
#define LIMIT_DNS_NAME    ((size_t)253)  /* as text, without final dot [RFC 1035 2.3.4] */
#define LIMIT_DNS_WHY     ((size_t)256)
#define LIMIT_DNS_CNAMES  16 /* steps from one name to another */
#define LIMIT_DNS_PACKET  ((size_t)65535)
#define LIMIT_DNS_LOOKUPS ((size_t)1000) /* at a time; more are answered with SERVFAIL */
#define LIMIT_DNS_TIME    10000          /* milliseconds for one, all tries included */
#define LIMIT_DNS_TTL     86400u         /* seconds */

/* command line */
#define LIMIT_CLI_MESSAGE     (128 * MIB)   /* a message that is built or shown whole */
#define LIMIT_CLI_TEXT        (32 * MIB)    /* text of a new message */
#define LIMIT_CLI_ATTACHMENTS ((size_t)100) /* files of a new message */
#define LIMIT_CLI_OUT         (512 * MIB)   /* output kept before it is written */

/* administration */
#define LIMIT_ADDRESS   ((size_t)320) /* local part, "@", domain, in UTF-8 octets */
#define LIMIT_LOG_VALUE ((size_t)256)
#define LIMIT_LOG_LINE  ((size_t)2048)
#define LIMIT_ERR_TEXT  ((size_t)512)

#endif
