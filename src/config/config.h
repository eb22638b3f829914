/*
 * The configuration: DATA/godwit.conf read into a numbered snapshot that never changes. The
 * supervisor reads it and hands it to its children encoded; a new file makes a new snapshot, and
 * connections keep the one they began with. Every option is declared once, in config/options.c.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"

enum config_plaintext_auth {
	CONFIG_PLAINTEXT_NEVER,
	CONFIG_PLAINTEXT_LOOPBACK,
	CONFIG_PLAINTEXT_ALWAYS,
};

enum config_bare_newline {
	CONFIG_BARE_REFUSE,
	CONFIG_BARE_NORMALIZE,
};

enum config_dnssec {
	CONFIG_DNSSEC_VALIDATE,
	CONFIG_DNSSEC_OFF,
};

/* The same order as enum log_level (proc/log.h). */
enum config_log_level {
	CONFIG_LOG_ERROR,
	CONFIG_LOG_WARN,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

struct config_ips {
	const struct ip *v;
	size_t n;
};

struct config_nets {
	const struct ip_net *v;
	size_t n;
};

struct config_durations {
	const int64_t *v;
	size_t n;
};

/* How far TLS is asked of a server that mail goes to. */
enum config_route_tls {
	CONFIG_ROUTE_MAY,     /* when it is offered and works */
	CONFIG_ROUTE_REQUIRE, /* else nothing is sent */
	CONFIG_ROUTE_VERIFY,  /* the same, and its certificate must be valid for its name */
	CONFIG_ROUTE_NONE,
	CONFIG_ROUTE_TLS_WORDS
};

/* Where mail for a domain goes in place of its MX. */
struct config_route {
	struct str domain; /* "*": every other one */
	struct str sender; /* only for mail from this address or domain; empty: for all */
	struct str host;   /* a name, or an address as text */
	int64_t port;
	int tls;         /* enum config_route_tls */
	struct str user; /* to log in there with; empty: no login */
	struct str
	    password_file; /* holds his password and nothing else; a relative path is below dir */
};

struct config_routes {
	const struct config_route *v;
	size_t n;
};

#define CONFIG_DESTINATION_CONNECTIONS 20

/* How mail to a domain is sent where that differs. */
struct config_destination {
	struct str domain;
	int tls; /* enum config_route_tls; what is demanded holds with a route too, else the route's counts */
	struct config_durations retry;         /* empty: as queue.retry */
	int64_t lifetime;                      /* 0: as queue.lifetime */
	struct config_durations delay_warning; /* empty: as queue.delay_warning; one 0: none */
	int64_t connections;                   /* at a time */
};

struct config_destinations {
	const struct config_destination *v;
	size_t n;
};

/* Times in milliseconds; config_queue_policy() gives them to the queue. */
struct config_queue {
	struct config_durations retry;
	int64_t lifetime, bounce_lifetime;
	struct config_durations delay_warning;
	int64_t return_size; /* octets; larger messages are not returned whole */
};

/* What becomes of a recipient of a relay domain whose server cannot be asked. */
enum config_unverified {
	CONFIG_UNVERIFIED_DEFER,
	CONFIG_UNVERIFIED_ACCEPT,
};

struct config_callout {
	int64_t wait;   /* milliseconds */
	int unverified; /* enum config_unverified */
};

/* 0: no limit. */
struct config_quota {
	int64_t account_bytes, account_messages;
	int64_t domain_bytes, domain_messages;
};

/* Port numbers as configured, 0 = off; config_port() adds the offset. */
struct config_ports {
	int64_t smtp, smtps, submission, pop3, pop3s, lmtp;
};

struct config_limits {
	int64_t connections, connections_per_address, connections_per_network;
	int64_t auth_failures;
	int64_t ban_time; /* milliseconds */
	int64_t gather;   /* octets */
};

/* Milliseconds. */
struct config_timeouts {
	int64_t smtp_command, smtp_data, pop3;
	int64_t relay_connect, relay_command, relay_data, relay_body, relay_end;
	int64_t store, process;
};

/*
 * Strings end with a NUL that is not counted. Sizes are octets, times milliseconds. Everything
 * lives as long as the snapshot.
 */
struct config_snapshot {
	uint64_t number;
	struct str dir;      /* the data directory, as it was given */
	struct str hostname; /* lower case */
	struct config_ips listen;
	struct config_ports ports;
	int64_t port_offset;
	struct str tls_certificate, tls_key; /* paths; relative ones are below dir */
	int plaintext_auth;                  /* enum config_plaintext_auth */
	int64_t message_size_limit;
	int64_t recipients_max;
	struct config_nets trusted_networks;
	int bare_newline;                /* enum config_bare_newline */
	struct str dns_server;           /* "192.0.2.1@53"; empty: the system's */
	int dnssec;                      /* enum config_dnssec */
	struct str subaddress_separator; /* one character or empty */
	int srs;                         /* what aliases send on has a reverse path of ours */
	struct str postmaster;
	struct config_timeouts timeouts;
	struct config_limits limits;
	struct config_queue queue;
	struct config_quota quota;
	struct config_callout callout;
	int language; /* enum queue_lang (queue/queue_phrase.h) */
	int64_t relay_port;
	struct config_ips relay_source; /* at most one of each family */
	struct str relay_helo;          /* empty: hostname */
	struct config_routes routes;
	struct config_destinations destinations;
	int relay_allow_private; /* a truth value */
	int pop3_marks_seen;     /* a truth value */
	int64_t min_free;
	int64_t undelete;
	int64_t history;
	int64_t compact_rate; /* octets a second; 0: never */
	int64_t pack_size;    /* octets of a file of messages */
	struct str user_store, user_net;
	int64_t mx_processes, user_processes;
	int log_level; /* enum config_log_level */
};

/*
 * Reads DIR/godwit.conf. 0 and the first reference in *snapshot_r; or -1 with a sentence that names
 * file and line, what is wrong and what would be right. The file must not be writable by others.
 * number: of the server's configurations, from 1; 0: of a command, which acts as the owner of the directory,
 * so that what is another user's does not lead root.
 */
int config_load(
    const char *dir, uint64_t number, struct config_snapshot **snapshot_r, struct err *e);

/* The same for a command, of a directory that is open and that sentences call dir; the file may not be a link. */
int config_load_at(int dirfd, const char *dir, struct config_snapshot **snapshot_r, struct err *e);

/* The same from text, named as file in errors. */
int config_parse(const char *dir, const char *file, struct str text, uint64_t number,
    struct config_snapshot **snapshot_r, struct err *e);

/* References; the memory goes with the last one. _unref takes NULL, sets NULL. */
struct config_snapshot *config_ref(struct config_snapshot *c);
void config_unref(struct config_snapshot **c);

/*
 * For another process of the same program. decode gives 0 and the first reference, or -1 when the
 * bytes are not what encode made.
 */
void config_encode(const struct config_snapshot *c, struct buf *out);
int config_decode(struct str bytes, struct config_snapshot **snapshot_r);

/* The options as a file's text, without comments: all or those that differ from their default. */
void config_put(const struct config_snapshot *c, bool all, struct buf *out);

/* One option, for a program. Values are in the file's syntax: they may be written into it as they are. */
struct config_entry {
	struct str name;                /* in a group: "ports.smtp" */
	struct str value;               /* empty: of no snapshot */
	const char *initial, *sentence; /* initial is NULL where the option must be set */
	struct str allowed;
};

/* Calls back for each option, or for those that differ from their default; c may be NULL with all. The entry
 * is borrowed for the call. */
void config_each(const struct config_snapshot *c, bool all,
    void (*each)(const struct config_entry *entry, void *ctx), void *ctx);

/* What init knows. */
struct config_initial {
	const char *hostname;
	const char *const *listen; /* addresses, NULL at the end; NULL: the default */
	int64_t port_offset;
};

/*
 * Writes DIR/godwit.conf, mode 0644: every option with its sentence and default as a comment, the
 * initial ones set. Never replaces a file. 0, or -1 with a sentence (also for a bad initial value).
 */
int config_write_default(const char *dir, const struct config_initial *initial, struct err *e);

/* The text of that file. */
int config_default_text(const struct config_initial *initial, struct buf *out, struct err *e);

struct queue_policy;

/* The queue's part, as queue/queue_policy.h wants it; d: of that destination, NULL: of all others. */
void config_queue_policy(const struct config_snapshot *c, const struct config_destination *d,
    struct queue_policy *policy_r);

/*
 * The route of mail to a domain (A-label form, lower case) from a reverse-path (in the form of
 * mime_local_address_key(); empty: null): the first
 * of these that there is: domain and sender's address, domain and sender's domain, domain, "*" and
 * sender's address, "*" and sender's domain, "*"; else NULL.
 */
const struct config_route *config_route(
    const struct config_snapshot *c, struct str domain, struct str reverse_path);

/* What is said of that destination, or NULL. */
const struct config_destination *config_destination(
    const struct config_snapshot *c, struct str domain);

/* A port with the offset added; 0 stays 0. */
uint16_t config_port(const struct config_snapshot *c, int64_t port);

/* path, made absolute below the data directory when it is relative; with a NUL behind it. */
const char *config_path(const struct config_snapshot *c, struct str path, struct buf *out);

#endif
