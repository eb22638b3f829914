/*
 * The schema, in PostgreSQL's words (bigint, bytea, text only); sql_schema_sqlite() turns it into
 * SQLite's. Keys start with the account or the queue shard; no AUTOINCREMENT, no foreign keys.
 * Tables are keyed (clustered by their primary key) unless their rows are wide or their key is one
 * rising number.
 *
 * A local delivery appends to message, blob, ledger and email, whose new rows lie side by side for
 * all deliveries of a commit, and touches one page each of account, mailbox, membership and change.
 * What searching needs (trace_index) is made later, in idle slices.
 */
#include "store/sql.h"

/*
 * A change of what stands below, or of the format of packs, takes the next number and a migration
 * (store/migrate.c) that does the same to older databases; a test compares them.
 */
#define SCHEMA_VERSION 2

#define KEYED true
#define PLAIN false

static const struct sql_object objects[] = {
    /* How far each pack is committed; sequence: of the commit that last changed the row. */
    {"CREATE TABLE pack ("
     " pack bigint NOT NULL PRIMARY KEY,"
     " generation bigint NOT NULL,"
     " single bigint NOT NULL,"
     " end_offset bigint NOT NULL,"
     " sequence bigint NOT NULL)",
	PLAIN},

    /* Packs whose row is gone; the file may still be there until the next start. */
    {"CREATE TABLE dropped ("
     " pack bigint NOT NULL PRIMARY KEY)",
	PLAIN},

    /* Counters and marks of the whole store. rows_*: of the table's rows (store/rows.h). */
    {"CREATE TABLE meta ("
     " name text NOT NULL PRIMARY KEY,"
     " value bigint NOT NULL)",
	KEYED},

    /*
     * used_*: the sums of its accounts'. quota_*, quota_warned: as an account's. relay: enum
     * directory_kind.
     */
    {"CREATE TABLE domain ("
     " name text NOT NULL PRIMARY KEY,"
     " created bigint NOT NULL,"
     " used_bytes bigint NOT NULL,"
     " used_messages bigint NOT NULL,"
     " quota_bytes bigint NOT NULL,"
     " quota_messages bigint NOT NULL, quota_warned bigint NOT NULL DEFAULT 0,"
     " relay bigint NOT NULL DEFAULT 0)",
	KEYED},
    {"CREATE INDEX domain_warning ON domain (name) WHERE quota_warned = 1", PLAIN},

    /*
     * used_*: what is in its mailboxes and not expunged. A removed account has the domain ''.
     * quota_*: 0: the default of meta, -1: none; quota_warned: enum quota_warned (store/quota.h).
     * language: a tag, '': none set.
     */
    {"CREATE TABLE account ("
     " id bigint NOT NULL PRIMARY KEY,"
     " domain text NOT NULL,"
     " local text NOT NULL,"
     " state bigint NOT NULL,"
     " send_only bigint NOT NULL,"
     " created bigint NOT NULL,"
     " modseq bigint NOT NULL,"
     " used_bytes bigint NOT NULL,"
     " used_messages bigint NOT NULL,"
     " quota_bytes bigint NOT NULL,"
     " quota_messages bigint NOT NULL,"
     " quota_warned bigint NOT NULL,"
     " language text NOT NULL DEFAULT '',"
     " UNIQUE (domain, local))",
	PLAIN},
    {"CREATE INDEX account_warning ON account (id) WHERE quota_warned = 1", PLAIN},

    /* kind 0: the main password, name ''. */
    {"CREATE TABLE credential ("
     " account bigint NOT NULL,"
     " kind bigint NOT NULL,"
     " name text NOT NULL,"
     " hash text NOT NULL,"
     " created bigint NOT NULL,"
     " PRIMARY KEY (account, kind, name))",
	KEYED},

    /* local '': the catch-all of its domain; target_local '': the recipient's own local part. */
    {"CREATE TABLE alias ("
     " domain text NOT NULL,"
     " local text NOT NULL,"
     " target_domain text NOT NULL,"
     " target_local text NOT NULL,"
     " created bigint NOT NULL,"
     " PRIMARY KEY (domain, local, target_domain, target_local))",
	KEYED},

    {"CREATE TABLE mailbox ("
     " account bigint NOT NULL,"
     " id bigint NOT NULL,"
     " parent bigint NOT NULL,"
     " name text NOT NULL,"
     " role bigint NOT NULL,"
     " uidvalidity bigint NOT NULL,"
     " uidnext bigint NOT NULL,"
     " modseq bigint NOT NULL,"
     " messages bigint NOT NULL,"
     " octets bigint NOT NULL,"
     " created bigint NOT NULL,"
     " PRIMARY KEY (account, id),"
     " UNIQUE (account, parent, name))",
	KEYED},

    /* size: octets of prefix and blob; links: membership rows, expunged ones too. A delivered
     * email has the id of its message, and each the id of its blob. seal: store/email_seal.h. */
    {"CREATE TABLE email ("
     " account bigint NOT NULL,"
     " id bigint NOT NULL,"
     " blob bigint NOT NULL,"
     " prefix bytea NOT NULL,"
     " thread bigint NOT NULL,"
     " received bigint NOT NULL,"
     " size bigint NOT NULL,"
     " keywords text NOT NULL,"
     " modseq bigint NOT NULL,"
     " links bigint NOT NULL,"
     " summary bytea NOT NULL,"
     " seal bigint NOT NULL DEFAULT 0,"
     " PRIMARY KEY (account, id))",
	PLAIN},
    {"CREATE INDEX email_unsealed ON email (account, id) WHERE seal = 0 AND blob = id", PLAIN},

    /* size repeats the email's, which never changes: a listing reads this table only. created: when
     * it was put in; origin: the uid of the expunged row that this one brings back, 0: none. */
    {"CREATE TABLE membership ("
     " account bigint NOT NULL,"
     " mailbox bigint NOT NULL,"
     " uid bigint NOT NULL,"
     " email bigint NOT NULL,"
     " size bigint NOT NULL,"
     " modseq bigint NOT NULL,"
     " created bigint NOT NULL,"
     " origin bigint NOT NULL,"
     " expunged_modseq bigint NOT NULL,"
     " expunged_at bigint NOT NULL,"
     " PRIMARY KEY (account, mailbox, uid))",
	KEYED},
    {"CREATE INDEX membership_expunged ON membership (expunged_at, account, mailbox, uid)"
     " WHERE expunged_at > 0",
	PLAIN},
    {"CREATE INDEX membership_origin ON membership (account, mailbox, origin) WHERE origin > 0",
	PLAIN},

    {"CREATE TABLE change ("
     " account bigint NOT NULL,"
     " modseq bigint NOT NULL,"
     " type bigint NOT NULL,"
     " id bigint NOT NULL,"
     " op bigint NOT NULL,"
     " PRIMARY KEY (account, modseq, type, id))",
	KEYED},

    /* refs: emails, queue rows and trace events that hold it. */
    {"CREATE TABLE blob ("
     " id bigint NOT NULL PRIMARY KEY,"
     " pack bigint NOT NULL,"
     " pos bigint NOT NULL,"
     " length bigint NOT NULL,"
     " refs bigint NOT NULL)",
	PLAIN},
    {"CREATE INDEX blob_unused ON blob (id) WHERE refs = 0", PLAIN},
    {"CREATE INDEX blob_pack ON blob (pack, pos)", PLAIN},

    /* What was accepted; the id tells when it began. recipients: ledger rows. */
    {"CREATE TABLE message ("
     " id bigint NOT NULL PRIMARY KEY,"
     " accepted bigint NOT NULL,"
     " reverse_path text NOT NULL,"
     " peer text NOT NULL,"
     " helo text NOT NULL,"
     " protocol text NOT NULL,"
     " account bigint NOT NULL,"
     " size bigint NOT NULL,"
     " blob bigint NOT NULL,"
     " recipients bigint NOT NULL,"
     " header_id text NOT NULL,"
     " envid text NOT NULL,"
     " ret bigint NOT NULL,"
     " flags bigint NOT NULL)",
	PLAIN},

    /* One row for each accepted recipient. purged: the copy went after its undelete window. */
    {"CREATE TABLE ledger ("
     " message bigint NOT NULL,"
     " recipient bigint NOT NULL,"
     " address text NOT NULL,"
     " state bigint NOT NULL,"
     " account bigint NOT NULL,"
     " detail text NOT NULL,"
     " time bigint NOT NULL,"
     " purged bigint NOT NULL,"
     " PRIMARY KEY (message, recipient))",
	KEYED},

    /* A day's sums of ledger rows that are gone. */
    {"CREATE TABLE ledger_day ("
     " day bigint NOT NULL PRIMARY KEY,"
     " messages bigint NOT NULL,"
     " accepted bigint NOT NULL,"
     " mailbox bigint NOT NULL,"
     " relayed bigint NOT NULL,"
     " bounced bigint NOT NULL,"
     " discarded bigint NOT NULL)",
	PLAIN},

    /*
     * A recipient that waits. Its own not_before only: the rest is the destination's. token: of
     * the lease it is under, 0: none. held: since when an administrator holds it back, 0: he does not.
     * report: enum queue_report; last_*: of its own last attempt. What the sender wishes
     * (queue/queue_wish.h): hold_until: accepted is then that time; by_kind: enum queue_by. tier: those
     * with the same schedule (queue/queue_routing.h). forwarder: the alias that it is sent on for; of one
     * for a mailbox here: the postmaster whose mail it is; '': none.
     */
    {"CREATE TABLE queue ("
     " shard bigint NOT NULL,"
     " message bigint NOT NULL,"
     " recipient bigint NOT NULL,"
     " destination text NOT NULL,"
     " address text NOT NULL,"
     " accepted bigint NOT NULL,"
     " not_before bigint NOT NULL,"
     " token bigint NOT NULL,"
     " bounce bigint NOT NULL,"
     " held bigint NOT NULL,"
     " report bigint NOT NULL,"
     " warned bigint NOT NULL,"
     " notify bigint NOT NULL,"
     " orcpt text NOT NULL,"
     " attempts bigint NOT NULL,"
     " last_attempt bigint NOT NULL,"
     " last_problem bigint NOT NULL,"
     " last_status bigint NOT NULL,"
     " last_reply text NOT NULL,"
     " last_remote text NOT NULL,"
     " priority bigint NOT NULL DEFAULT 0,"
     " hold_until bigint NOT NULL DEFAULT 0,"
     " by_kind bigint NOT NULL DEFAULT 0,"
     " by_time bigint NOT NULL DEFAULT 0,"
     " by_trace bigint NOT NULL DEFAULT 0,"
     " tier bigint NOT NULL DEFAULT 0,"
     " forwarder text NOT NULL DEFAULT '',"
     " PRIMARY KEY (shard, message, recipient))",
	KEYED},
    {"CREATE INDEX queue_destination ON queue (shard, destination, token, priority, not_before)",
	PLAIN},
    {"CREATE INDEX queue_accepted ON queue (shard, tier, bounce, warned, accepted)"
     " WHERE report = 0 AND held = 0",
	PLAIN},
    {"CREATE INDEX queue_by ON queue (shard, by_time)"
     " WHERE by_kind > 0 AND by_kind < 3 AND report = 0 AND held = 0",
	PLAIN},

    /*
     * due: when an attempt may be due, INT64_MAX: not before something changes; turn: the token of
     * its last lease. sessions: how many it may have at once; last_*: of the last attempt. standing:
     * enum queue_standing; here as failures and last_try say, in a lease as it was when it was given.
     * host: the one that it went to last, or waits for; waits: until then at the latest, 0: it does not.
     */
    {"CREATE TABLE destination ("
     " shard bigint NOT NULL,"
     " name text NOT NULL,"
     " due bigint NOT NULL,"
     " turn bigint NOT NULL,"
     " sessions bigint NOT NULL,"
     " failures bigint NOT NULL,"
     " failing_since bigint NOT NULL,"
     " next_probe bigint NOT NULL,"
     " last_try bigint NOT NULL,"
     " last_problem bigint NOT NULL,"
     " last_status bigint NOT NULL,"
     " last_reply text NOT NULL,"
     " last_remote text NOT NULL,"
     " standing bigint NOT NULL DEFAULT 1,"
     " host text NOT NULL DEFAULT '',"
     " waits bigint NOT NULL DEFAULT 0,"
     " PRIMARY KEY (shard, name))",
	KEYED},
    {"CREATE INDEX destination_due ON destination (shard, standing, due, turn)", PLAIN},

    /*
     * A host that mail goes to, whatever destinations it serves: columns as in destination. tried_for:
     * the destination whose attempt told last. One without a row is as none ever tried.
     */
    {"CREATE TABLE host ("
     " shard bigint NOT NULL,"
     " name text NOT NULL,"
     " sessions bigint NOT NULL,"
     " failures bigint NOT NULL,"
     " failing_since bigint NOT NULL,"
     " next_probe bigint NOT NULL,"
     " last_try bigint NOT NULL,"
     " last_problem bigint NOT NULL,"
     " last_status bigint NOT NULL,"
     " last_reply text NOT NULL,"
     " tried_for text NOT NULL,"
     " PRIMARY KEY (shard, name))",
	KEYED},

    /* Destinations that wait for a host, in the order of their oldest mail. */
    {"CREATE TABLE host_wait ("
     " shard bigint NOT NULL,"
     " host text NOT NULL,"
     " since bigint NOT NULL,"
     " destination text NOT NULL,"
     " PRIMARY KEY (shard, host, since, destination))",
	KEYED},
    {"CREATE INDEX host_wait_destination ON host_wait (shard, destination)", PLAIN},

    /*
     * An attempt under way: recipients of one message for one destination. host: at which it counts, the
     * one it goes to or most likely will; empty: none is known yet.
     * reverse_path: that it goes with, '': its own.
     */
    {"CREATE TABLE lease ("
     " shard bigint NOT NULL,"
     " token bigint NOT NULL,"
     " owner bigint NOT NULL,"
     " message bigint NOT NULL,"
     " destination text NOT NULL,"
     " begun bigint NOT NULL,"
     " expiry bigint NOT NULL,"
     " standing bigint NOT NULL DEFAULT 0,"
     " reverse_path text NOT NULL DEFAULT '',"
     " host text NOT NULL DEFAULT '',"
     " PRIMARY KEY (shard, token))",
	KEYED},
    {"CREATE INDEX lease_destination ON lease (shard, destination)", PLAIN},
    {"CREATE INDEX lease_host ON lease (shard, host)", PLAIN},
    {"CREATE INDEX lease_standing ON lease (shard, standing)", PLAIN},

    /* Events that no other row tells. */
    {"CREATE TABLE trace ("
     " message bigint NOT NULL,"
     " seq bigint NOT NULL,"
     " time bigint NOT NULL,"
     " recipient bigint NOT NULL,"
     " kind bigint NOT NULL,"
     " text text NOT NULL,"
     " dialogue bigint NOT NULL,"
     " PRIMARY KEY (message, seq))",
	KEYED},

    /* Addresses and Message-IDs by hash, a region a day. */
    {"CREATE TABLE trace_index ("
     " day bigint NOT NULL,"
     " hash bigint NOT NULL,"
     " message bigint NOT NULL,"
     " PRIMARY KEY (day, hash, message))",
	KEYED},

    /*
     * What the server of a relay domain said of a recipient (store/callout.h); one that is lost costs a
     * question. verdict: enum callout_verdict; asked: when it said so; refresh: it is asked again from then on.
     */
    {"CREATE TABLE callout ("
     " domain text NOT NULL,"
     " local text NOT NULL,"
     " verdict bigint NOT NULL,"
     " reply text NOT NULL,"
     " asked bigint NOT NULL,"
     " refresh bigint NOT NULL,"
     " expires bigint NOT NULL,"
     " PRIMARY KEY (domain, local))",
	KEYED},
    {"CREATE INDEX callout_asked ON callout (domain, verdict, asked)", PLAIN},
    {"CREATE INDEX callout_expires ON callout (expires)", PLAIN},

    /* Who changed what in the directory. */
    {"CREATE TABLE admin_log ("
     " id bigint NOT NULL PRIMARY KEY,"
     " time bigint NOT NULL,"
     " who text NOT NULL,"
     " what text NOT NULL)",
	PLAIN},

    {"INSERT INTO meta (name, value) VALUES"
     " ('account', 0), ('admin', 0), ('folded', 0), ('lease', 0), ('trace_index', 0),"
     " ('rows_admin_log', 0), ('rows_alias', 0), ('rows_change', 0), ('rows_domain', 0),"
     " ('rows_mailbox', 0), ('rows_message', 0), ('rows_trace', 0), ('rows_trace_index', 0),"
     " ('quota_account_bytes', 9223372036854775807),"
     " ('quota_account_messages', 9223372036854775807),"
     " ('quota_domain_bytes', 9223372036854775807),"
     " ('quota_domain_messages', 9223372036854775807)",
	PLAIN},
};

const struct sql_schema *sql_schema(void)
{
	static const struct sql_schema schema = {
	    objects, sizeof objects / sizeof objects[0], SCHEMA_VERSION};

	return &schema;
}
