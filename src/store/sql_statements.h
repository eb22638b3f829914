/*
 * Every SQL statement of the store: SQL(ID, text) where one text serves SQLite 3.40 and PostgreSQL
 * 15, SQL_PG(ID, sqlite, postgres) where that cannot be (say why above it). Parameters are $1, $2,
 * ... and each is used; types bigint, bytea, text; keys start with the account or the queue shard.
 * Included several times, by store/sql.h and sql.c, with its own meaning of SQL and SQL_PG.
 */

/* What of an email's row is sealed (store/email_seal.h). */
#define EMAIL_SEALED                                                                               \
	"e.account, e.id, e.blob, e.thread, e.received, e.prefix, e.keywords, e.summary, e.seal"

/* A row of a mailbox has the size of its email, and the feed tells of its coming: it is the email's. */
#define MEMBER_FITS                                                                                \
	"CASE WHEN m.size = e.size AND EXISTS (SELECT 1 FROM change c WHERE c.account = m.account" \
	" AND c.modseq = m.modseq AND c.type = 1 AND c.id = m.email) THEN 1 ELSE 0 END"

/* The role of the mailbox of that number (enum mailbox_role). */
#define MAILBOX_ROLE(id) "CASE WHEN " id " BETWEEN 1 AND 6 THEN " id " ELSE 0 END"

/*
 * What a row of account (a) or domain (d) may hold: its own limit, that of the configuration, which
 * stands in meta, or all there is (store/quota.h).
 */
#define QUOTA_OF(column, name)                                                                     \
	"(CASE WHEN " column " > 0 THEN " column " WHEN " column                                   \
	" < 0 THEN 9223372036854775807 ELSE (SELECT value FROM meta WHERE name = '" name "') END)"
#define ACCOUNT_BYTES_MAX    QUOTA_OF("a.quota_bytes", "quota_account_bytes")
#define ACCOUNT_MESSAGES_MAX QUOTA_OF("a.quota_messages", "quota_account_messages")
#define DOMAIN_BYTES_MAX     QUOTA_OF("d.quota_bytes", "quota_domain_bytes")
#define DOMAIN_MESSAGES_MAX  QUOTA_OF("d.quota_messages", "quota_domain_messages")

/* The mark of the warning for such usage: due from 90 %, given again only after less than 80 %. */
#define MARK_OF(mark, bytes, max_bytes, messages, max_messages)                                    \
	"CASE WHEN " mark " = 0 AND (" bytes " >= " max_bytes " - " max_bytes " / 10 OR " messages \
	" >= " max_messages " - " max_messages " / 10) THEN 1 WHEN " mark " <> 0 AND " bytes       \
	" < " max_bytes " - " max_bytes " / 5 AND " messages " < " max_messages " - " max_messages \
	" / 5 THEN 0 ELSE " mark " END"
#define QUOTA_MARK(bytes, messages)                                                                \
	MARK_OF("a.quota_warned", bytes, ACCOUNT_BYTES_MAX, messages, ACCOUNT_MESSAGES_MAX)
#define DOMAIN_MARK(bytes, messages)                                                               \
	MARK_OF("d.quota_warned", bytes, DOMAIN_BYTES_MAX, messages, DOMAIN_MESSAGES_MAX)

/* ---- packs: how far each is committed (store/pack.c, store/lane.c) ---- */

SQL(PACK_LIST, "SELECT pack, generation, single, end_offset, sequence FROM pack ORDER BY pack")

SQL(PACK_PUT, "INSERT INTO pack (pack, generation, single, end_offset, sequence)"
	      " VALUES ($1, $2, $3, $4, $5)"
	      " ON CONFLICT (pack) DO UPDATE SET generation = excluded.generation,"
	      " single = excluded.single, end_offset = excluded.end_offset,"
	      " sequence = excluded.sequence")

SQL(PACK_DELETE, "DELETE FROM pack WHERE pack = $1")

SQL(PACK_KNOWN, "SELECT pack FROM pack WHERE pack = $1")

/* The last blob in it, by its place. */
SQL(PACK_LAST, "SELECT pos, length FROM blob WHERE pack = $1 ORDER BY pos DESC LIMIT 1")

/* ---- compaction (store/compact.c) ---- */

/* The next one that counts as shared; which is appended to no row tells. */
SQL(COMPACT_NEXT, "SELECT pack, end_offset FROM pack WHERE pack > $1 AND single = 0"
		  " ORDER BY pack LIMIT 1")

/* Records begin at multiples of 8. */
SQL(COMPACT_LIVE, "SELECT count(*), CAST(coalesce(sum((length + 7) / 8 * 8), 0) AS bigint)"
		  " FROM blob WHERE pack = $1")

SQL(COMPACT_BLOBS, "SELECT id, pos, length FROM blob WHERE pack = $1 AND pos > $2"
		   " ORDER BY pos LIMIT $3")

/* Only from where it was read. */
SQL(BLOB_MOVE, "UPDATE blob SET pack = $4, pos = $5 WHERE id = $1 AND pack = $2 AND pos = $3")

SQL(PACK_USED, "SELECT id FROM blob WHERE pack = $1 LIMIT 1")

/* A message without content that a mailbox should have, or that waits. */
SQL(NEEDED_WITHOUT_ROW,
    "SELECT l.message FROM ledger l WHERE l.message = $1 AND l.state = 0 AND l.purged = 0 UNION ALL"
    " SELECT q.message FROM queue q WHERE q.shard = 0 AND q.message = $1 LIMIT 1")

/* Whether anything lies in a pack. */
SQL(BLOB_OF_PACK, "SELECT id FROM blob WHERE pack = $1 LIMIT 1")

SQL(DROPPED_ADD, "INSERT INTO dropped (pack) VALUES ($1) ON CONFLICT DO NOTHING")

SQL(DROPPED_LIST, "SELECT pack FROM dropped ORDER BY pack")

SQL(DROPPED_OLD, "SELECT pack FROM dropped WHERE pack < (SELECT max(p.pack) FROM pack p)"
		 " ORDER BY pack LIMIT $1")

SQL(DROPPED_KNOWN, "DELETE FROM dropped WHERE pack IN (SELECT p.pack FROM pack p)")

SQL(DROPPED_FORGET, "DELETE FROM dropped WHERE pack = $1")

/* ---- counters of the store ---- */

SQL(META_NEXT, "UPDATE meta SET value = value + 1 WHERE name = $1 RETURNING value")

SQL(META_ADD, "UPDATE meta SET value = value + $2 WHERE name = $1")

SQL(META_GET, "SELECT value FROM meta WHERE name = $1")

SQL(META_SET, "UPDATE meta SET value = $2 WHERE name = $1")

/* ---- recipients of relay domains (store/callout.c) ---- */

SQL(CALLOUT_GET, "SELECT verdict, reply, asked, refresh, expires FROM callout"
		 " WHERE domain = $1 AND local = $2")

SQL(CALLOUT_SET, "INSERT INTO callout (domain, local, verdict, reply, asked, refresh, expires)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (domain, local) DO UPDATE SET"
		 " verdict = excluded.verdict, reply = excluded.reply, asked = excluded.asked,"
		 " refresh = excluded.refresh, expires = excluded.expires")

SQL(CALLOUT_LATER, "UPDATE callout SET refresh = $3 WHERE domain = $1 AND local = $2")

/* Of those of a verdict all but the $3 that were asked last; some of them. */
SQL(CALLOUT_EVICT,
    "DELETE FROM callout WHERE domain = $1 AND local IN (SELECT c.local FROM callout c"
    " WHERE c.domain = $1 AND c.verdict = $2 ORDER BY c.asked DESC LIMIT 8 OFFSET $3)")

SQL(CALLOUT_FORGET, "DELETE FROM callout WHERE (domain, local) IN (SELECT c.domain, c.local"
		    " FROM callout c WHERE c.expires < $1 ORDER BY c.expires LIMIT $2)")

/* Of domains that are not verified any more. */
SQL(CALLOUT_FORGET_OTHERS,
    "DELETE FROM callout WHERE (domain, local) IN (SELECT c.domain, c.local FROM callout c"
    " WHERE c.domain NOT IN (SELECT d.name FROM domain d WHERE d.relay = 1) LIMIT $1)")

/* ---- what administrators change (store/admin_log.c) ---- */

/* The newest before $1. */
SQL(ADMIN_LOG_LIST, "SELECT id, time, who, what FROM admin_log WHERE id < $1"
		    " ORDER BY id DESC LIMIT $2")

/* Up to the first that is not before the moment $1, at most $2: those that stay have no gap. */
SQL(ADMIN_LOG_FORGET,
    "DELETE FROM admin_log WHERE id IN (SELECT l.id FROM admin_log l ORDER BY l.id LIMIT $2)"
    " AND id < coalesce((SELECT k.id FROM admin_log k WHERE k.time >= $1 ORDER BY k.id LIMIT 1),"
    " 9223372036854775807)")

SQL(ADMIN_LOG_ADD, "INSERT INTO admin_log (id, time, who, what) VALUES ($1, $2, $3, $4)")

SQL(ADMIN_LOG_PUT, "UPDATE admin_log SET what = $2 WHERE id = $1")

/* ---- mailboxes (store/mailbox*.c) ---- */

SQL(MAILBOX_ADD,
    "INSERT INTO mailbox (account, id, parent, name, role, uidvalidity, uidnext, modseq, messages,"
    " octets, created) VALUES ($1, $2, 0, $3, $4, $5, 1, 1, 0, 0, $6)")

/* Rows from before rows were sealed. */
SQL(EMAIL_UNSEALED, "SELECT " EMAIL_SEALED " FROM email e WHERE e.seal = 0 AND e.blob = e.id"
		    " ORDER BY e.account, e.id LIMIT $1")

SQL(EMAIL_SEAL, "UPDATE email SET seal = $3 WHERE account = $1 AND id = $2")

/* Of a removed account rows go before their mailbox: it counts none. */
SQL(SNAPSHOT_BEGIN,
    "SELECT m.uidnext, a.modseq, CASE WHEN a.domain = '' THEN 0 ELSE m.messages END"
    " FROM mailbox m JOIN account a ON a.id = m.account WHERE m.account = $1 AND m.id = $2")

SQL(SNAPSHOT_SCAN, "SELECT uid, size, expunged_modseq FROM membership"
		   " WHERE account = $1 AND mailbox = $2 AND uid > $3 AND uid <= $4"
		   " ORDER BY uid LIMIT $5")

SQL(MEMBERSHIP_LIST, "SELECT uid, email, size FROM membership"
		     " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		     " AND (expunged_modseq = 0 OR expunged_modseq > $5) ORDER BY uid")

SQL(MESSAGE_PLACE, "SELECT e.size, b.pack, b.pos, b.length, " MEMBER_FITS ", " EMAIL_SEALED
		   " FROM membership m JOIN email e ON e.account = m.account AND e.id = m.email"
		   " JOIN blob b ON b.id = e.blob"
		   " WHERE m.account = $1 AND m.mailbox = $2 AND m.uid = $3")

SQL(ACCOUNT_NEXT_MODSEQ, "UPDATE account SET modseq = modseq + 1 WHERE id = $1 RETURNING modseq")

SQL(ACCOUNT_REFUND,
    "UPDATE account AS a SET used_bytes = a.used_bytes - $2,"
    " used_messages = a.used_messages - $3,"
    " quota_warned = " QUOTA_MARK("a.used_bytes - $2", "a.used_messages - $3") " WHERE a.id = $1")

/* $2 and $3 may be negative: what came in. */
SQL(DOMAIN_REFUND,
    "UPDATE domain AS d SET used_bytes = d.used_bytes - $2,"
    " used_messages = d.used_messages - $3, quota_warned = " DOMAIN_MARK("d.used_bytes - $2",
	"d.used_messages - $3") " WHERE d.name ="
				" (SELECT a.domain FROM account a WHERE a.id = $1)")

SQL(DOMAIN_REFUND_ALL,
    "UPDATE domain SET used_bytes = used_bytes"
    " - (SELECT a.used_bytes FROM account a WHERE a.id = $2), used_messages = used_messages"
    " - (SELECT a.used_messages FROM account a WHERE a.id = $2) WHERE name = $1")

SQL(MAILBOX_TAKE_OUT, "UPDATE mailbox SET modseq = $3, messages = messages - $4,"
		      " octets = octets - $5 WHERE account = $1 AND id = $2")

SQL(EXPUNGE_RANGE, "UPDATE membership SET expunged_modseq = $5, expunged_at = $6"
		   " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		   " AND expunged_modseq = 0")

SQL(EXPUNGE_LIVE, "SELECT uid, email, size, (SELECT count(*) FROM message x WHERE x.id = email)"
		  " FROM membership WHERE account = $1 AND mailbox = $2"
		  " AND uid >= $3 AND uid <= $4 AND expunged_modseq = 0")

SQL(EXPUNGE_ONE, "UPDATE membership SET expunged_modseq = $4, expunged_at = $5"
		 " WHERE account = $1 AND mailbox = $2 AND uid = $3")

SQL(EXPUNGE_SUM, "SELECT count(*), CAST(coalesce(sum(size), 0) AS bigint) FROM membership"
		 " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		 " AND expunged_modseq = $5")

SQL(EXPUNGE_NAMES, "SELECT email FROM membership WHERE account = $1 AND mailbox = $2"
		   " AND uid >= $3 AND uid <= $4 AND expunged_modseq = $5 ORDER BY uid LIMIT $6")

SQL(EXPUNGE_CHANGES, "INSERT INTO change (account, modseq, type, id, op)"
		     " SELECT account, expunged_modseq, $6, email, $7 FROM membership"
		     " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		     " AND expunged_modseq = $5")

/* The trace of those that still have a history: one without would never be forgotten. */
SQL(EXPUNGE_TELL,
    "INSERT INTO trace (message, seq, time, recipient, kind, text, dialogue)"
    " SELECT s.email, (SELECT coalesce(max(t.seq), 0) + 1 FROM trace t WHERE t.message = s.email),"
    " $6, -1, $7, $8, 0 FROM (SELECT DISTINCT email FROM membership"
    " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4 AND expunged_modseq = $5) s"
    " JOIN message x ON x.id = s.email")

/* ---- what a message says of itself (store/summary.c) ---- */

/* And the Message-ID that its history has, as long as that is kept. */
SQL(EMAIL_SUMMARY,
    "SELECT e.summary, coalesce((SELECT h.header_id FROM message h WHERE h.id = e.id), '')"
    " FROM email e WHERE e.account = $1 AND e.id = $2")

/* ---- keywords (store/mailbox_keywords.c) ---- */

SQL(KEYWORDS_LIST,
    "SELECT m.uid, e.id, e.modseq, e.links, e.keywords, e.seal FROM membership m JOIN email e"
    " ON e.account = m.account AND e.id = m.email WHERE m.account = $1 AND m.mailbox = $2"
    " AND m.uid >= $3 AND m.uid <= $4 AND m.expunged_modseq = 0 ORDER BY m.uid LIMIT $5")

/* Behind uid $3; $4: only this email, 0: any. */
SQL(KEYWORDS_NEXT,
    "SELECT m.uid, e.id, e.received, e.size, e.keywords FROM membership m JOIN email e"
    " ON e.account = m.account AND e.id = m.email WHERE m.account = $1 AND m.mailbox = $2"
    " AND m.uid > $3 AND m.expunged_modseq = 0 AND (m.email = $4 OR $4 = 0)"
    " ORDER BY m.uid LIMIT 1")

/* Nothing when it was changed with this modseq already. */
SQL(KEYWORDS_PUT, "UPDATE email SET keywords = $3, modseq = $4, seal = $5 WHERE account = $1"
		  " AND id = $2 AND modseq < $4")

/* $4: 1: all mailboxes of the account. */
SQL(MAILBOX_CHANGED, "UPDATE mailbox SET modseq = $3 WHERE account = $1"
		     " AND (id = $2 OR $4 = CAST(1 AS bigint))")

/* ---- bringing back (store/copy.c, undelete.c) ---- */

/* Expunged rows behind ($2, $3) that no other row brings back. */
SQL(UNDELETE_LIST,
    "SELECT m.mailbox, m.uid, m.email, m.size, (SELECT count(*) FROM message h WHERE h.id = m.email)"
    " FROM membership m WHERE m.account = $1"
    " AND (m.mailbox, m.uid) > ($2, $3) AND m.expunged_at > 0 AND m.expunged_at >= $4"
    " AND (m.email = $5 OR $5 = 0)"
    " AND NOT EXISTS (SELECT 1 FROM membership s WHERE s.account = m.account"
    " AND s.mailbox = m.mailbox AND s.origin = m.uid AND s.origin > 0)"
    " ORDER BY m.mailbox, m.uid LIMIT $6")

SQL(EMAIL_LINK, "UPDATE email SET links = links + 1, modseq = $3 WHERE account = $1 AND id = $2")

/* ---- mailboxes by path, and as of a moment (store/mailbox_path.c, mailbox_at.c) ---- */

SQL(MAILBOX_CHILD, "SELECT id FROM mailbox WHERE account = $1 AND parent = $2 AND name = $3")

SQL(MAILBOX_LAST, "SELECT max(id) FROM mailbox WHERE account = $1")

SQL(MAILBOX_ADD_CHILD,
    "INSERT INTO mailbox (account, id, parent, name, role, uidvalidity, uidnext, modseq, messages,"
    " octets, created) VALUES ($1, $2, $3, $4, 0, $5, 1, $6, 0, 0, $7)")

SQL(MAILBOX_LIST, "SELECT id, parent, name FROM mailbox WHERE account = $1 ORDER BY id")

/* The next one behind $2 that messages are in. */
SQL(MAILBOX_OF_MEMBERS, "SELECT mailbox FROM membership WHERE account = $1 AND mailbox > $2"
			" ORDER BY mailbox LIMIT 1")

/* Rows behind uid $3 as they lie, $4 of them, from number $5 on. */
SQL(MAILBOX_AT_ROWS,
    "SELECT uid, email, size, modseq, created, expunged_modseq, expunged_at FROM membership"
    " WHERE account = $1 AND mailbox = $2 AND uid > $3 ORDER BY uid LIMIT $4 OFFSET $5")

/* The last one between these uids: one that lies above a damaged page is found from behind. */
SQL(MAILBOX_AT_BEFORE,
    "SELECT uid, email, size, modseq, created, expunged_modseq, expunged_at FROM membership"
    " WHERE account = $1 AND mailbox = $2 AND uid > $3 AND uid < $4 ORDER BY uid DESC LIMIT 1")

SQL(MAILBOX_AT_COUNTS, "SELECT messages, uidnext FROM mailbox WHERE account = $1 AND id = $2")

/* The message of such a row, which has the size $3 and came with the change $4 (MEMBER_FITS). */
SQL(MAILBOX_AT_EMAIL,
    "SELECT CASE WHEN e.size = $3 AND EXISTS (SELECT 1 FROM change c WHERE c.account = e.account"
    " AND c.modseq = $4 AND c.type = 1 AND c.id = e.id) THEN 1 ELSE 0 END, " EMAIL_SEALED
    ", b.pack, b.pos, b.length FROM email e LEFT JOIN blob b ON b.id = e.blob"
    " WHERE e.account = $1 AND e.id = $2")

/* ---- taking in what is no delivery (store/import.c) ---- */

SQL(IMPORT_KNOWN,
    "SELECT m.uid, m.email, m.size, m.expunged_modseq, CASE WHEN EXISTS"
    " (SELECT 1 FROM membership s WHERE s.account = m.account AND s.mailbox = m.mailbox"
    " AND s.origin = m.uid AND s.origin > 0) THEN 1 ELSE 0 END FROM membership m"
    " WHERE m.account = $1 AND m.mailbox = $2 AND m.uid > $3 ORDER BY m.uid LIMIT $4")

SQL(EMAIL_PLACE, "SELECT e.size, b.pack, b.pos, b.length, " EMAIL_SEALED " FROM email e"
		 " JOIN blob b ON b.id = e.blob WHERE e.account = $1 AND e.id = $2")

SQL(EMAIL_IS_LIVE, "SELECT count(*) FROM membership WHERE account = $1 AND email = $2"
		   " AND expunged_modseq = 0")

SQL(MEMBERSHIP_EXPUNGED, "SELECT email FROM membership WHERE account = $1 AND mailbox = $2"
			 " AND uid = $3 AND expunged_modseq > 0")

SQL(BLOB_REF, "UPDATE blob SET refs = refs + 1 WHERE id = $1 AND length = $2 RETURNING refs")

SQL(LEDGER_UNPURGED, "UPDATE ledger SET purged = 0 WHERE message = $1 AND account = $2"
		     " AND state = 0")

SQL(MESSAGE_RECIPIENT, "UPDATE message SET recipients = recipients + 1 WHERE id = $1")

SQL(LEDGER_RECIPIENTS, "SELECT count(*) FROM ledger WHERE message = $1")

SQL(META_PUT, "INSERT INTO meta (name, value) VALUES ($1, $2)"
	      " ON CONFLICT (name) DO UPDATE SET value = excluded.value")

/* ---- warnings of a mailbox that is nearly full (store/quota*.c) ---- */

SQL(QUOTA_WARNING_DUE,
    "SELECT a.id, a.local, a.domain, a.used_bytes, a.used_messages, " ACCOUNT_BYTES_MAX
    ", " ACCOUNT_MESSAGES_MAX " FROM account a WHERE a.quota_warned = 1 AND a.id > $1"
    " ORDER BY a.id LIMIT 1")

SQL(QUOTA_DOMAIN_DUE,
    "SELECT d.name, d.used_bytes, d.used_messages, " DOMAIN_BYTES_MAX ", " DOMAIN_MESSAGES_MAX
    " FROM domain d WHERE d.quota_warned = 1 ORDER BY d.name LIMIT 1")

SQL(QUOTA_DOMAIN_WARNED,
    "UPDATE domain SET quota_warned = $3 WHERE name = $1 AND quota_warned = $2")

/* From the mark $2 to $3. */
SQL(QUOTA_WARNED, "UPDATE account SET quota_warned = $3 WHERE id = $1 AND quota_warned = $2")

/* ---- maintenance (store/maintain.c) ---- */

SQL(PURGE_EXPUNGED, "SELECT account, mailbox, uid, email, expunged_at FROM membership"
		    " WHERE expunged_at > 0 AND expunged_at < $1"
		    " ORDER BY expunged_at, account, mailbox, uid LIMIT $2")

SQL(PURGE_ACCOUNT,
    "SELECT account, mailbox, uid, email, expunged_at FROM membership WHERE account = $1"
    " ORDER BY mailbox, uid LIMIT $2")

SQL(MEMBERSHIP_DELETE, "DELETE FROM membership WHERE account = $1 AND mailbox = $2 AND uid = $3")

SQL(EMAIL_UNLINK, "UPDATE email SET links = links - 1 WHERE account = $1 AND id = $2"
		  " RETURNING links")

SQL(EMAIL_DELETE, "DELETE FROM email WHERE account = $1 AND id = $2 RETURNING blob")

SQL(LEDGER_PURGED, "UPDATE ledger SET purged = $3 WHERE message = $1 AND account = $2")

SQL(BLOB_UNREF, "UPDATE blob SET refs = refs - 1 WHERE id = $1 RETURNING refs")

SQL(BLOB_DELETE, "DELETE FROM blob WHERE id = $1 RETURNING pack")

SQL(PACK_SINGLE, "SELECT pack FROM pack WHERE pack = $1 AND single = 1")

/* For compaction to look at. */
SQL(PACK_SHARED, "UPDATE pack SET single = 0 WHERE pack = $1")

SQL(BLOB_UNUSED, "SELECT id FROM blob WHERE refs = 0 ORDER BY id LIMIT $1")

SQL(ACCOUNT_REMOVED, "SELECT id FROM account WHERE domain = '' ORDER BY local LIMIT 1")

SQL(CHANGE_FIRST, "SELECT modseq FROM change WHERE account = $1 ORDER BY modseq LIMIT 1")

SQL(CHANGE_DELETE, "DELETE FROM change WHERE account = $1 AND modseq < $2")

SQL(MAILBOX_DELETE_ALL, "DELETE FROM mailbox WHERE account = $1")

SQL(ACCOUNT_DELETE, "DELETE FROM account WHERE id = $1")

/* The next one behind $1, and before $2, that has nothing queued. */
SQL(FOLD_NEXT,
    "SELECT m.id, m.recipients FROM message m WHERE m.id > $1 AND m.id < $2 AND NOT EXISTS"
    " (SELECT 1 FROM ledger l WHERE l.message = m.id AND l.state = 4)"
    " ORDER BY m.id LIMIT 1")

#define FOLD_STATES                                                                                \
	"count(CASE WHEN l.state = 0 THEN 1 END), count(CASE WHEN l.state = 1 THEN 1 END),"        \
	" count(CASE WHEN l.state = 2 THEN 1 END), count(CASE WHEN l.state = 3 THEN 1 END)"

#define FOLD_ADD                                                                                   \
	" ON CONFLICT (day) DO UPDATE SET messages = ledger_day.messages + excluded.messages,"     \
	" accepted = ledger_day.accepted + excluded.accepted,"                                     \
	" mailbox = ledger_day.mailbox + excluded.mailbox,"                                        \
	" relayed = ledger_day.relayed + excluded.relayed,"                                        \
	" bounced = ledger_day.bounced + excluded.bounced,"                                        \
	" discarded = ledger_day.discarded + excluded.discarded"

SQL(FOLD_DAY,
    "INSERT INTO ledger_day (day, messages, accepted, mailbox, relayed, bounced, discarded)"
    " SELECT $1, 1, max(m.recipients), " FOLD_STATES
    " FROM message m LEFT JOIN ledger l ON l.message = m.id WHERE m.id = $2" FOLD_ADD)

SQL(TRACE_FIRST, "SELECT seq, dialogue, kind, text FROM trace WHERE message = $1"
		 " ORDER BY seq LIMIT $2")

SQL(TRACE_DELETE, "DELETE FROM trace WHERE message = $1 AND seq <= $2")

SQL(LEDGER_LAST, "SELECT recipient, address FROM ledger WHERE message = $1"
		 " ORDER BY recipient DESC LIMIT $2")

SQL(LEDGER_DELETE, "DELETE FROM ledger WHERE message = $1 AND recipient >= $2")

SQL(FOLD_RECIPIENTS,
    "INSERT INTO ledger_day (day, messages, accepted, mailbox, relayed, bounced, discarded)"
    " SELECT $1, 0, count(*), " FOLD_STATES
    " FROM ledger l WHERE l.message = $2 AND l.recipient >= $3"
    " HAVING count(*) > 0" FOLD_ADD)

SQL(MESSAGE_FEWER, "UPDATE message SET recipients = recipients - $2 WHERE id = $1")

SQL(MESSAGE_DELETE, "DELETE FROM message WHERE id = $1")

/* ---- status (store/status.c) ---- */

SQL(STATUS_DIRECTORY, "SELECT (SELECT count(*) FROM domain),"
		      " (SELECT count(*) FROM account WHERE domain <> ''),"
		      " (SELECT count(*) FROM (SELECT DISTINCT domain, local FROM alias) AS a)")

/* The sums of the mailboxes, kept with each domain. */
SQL(STATUS_MAILBOXES, "SELECT CAST(coalesce(sum(used_messages), 0) AS bigint),"
		      " CAST(coalesce(sum(used_bytes), 0) AS bigint) FROM domain")

SQL(STATUS_QUEUE, "SELECT count(*) FROM queue")

/* The oldest by its id, which is that of its acceptance. */
SQL(STATUS_QUEUE_OLDEST, "SELECT accepted FROM queue WHERE shard = 0 ORDER BY message LIMIT 1")

#include "store/sql_statements_delivery.h"
#include "store/sql_statements_directory.h"
#include "store/sql_statements_ledger.h"
#include "store/sql_statements_queue.h"
#include "store/sql_statements_repair.h"
#include "store/sql_statements_verify.h"

#undef EMAIL_SEALED
#undef MEMBER_FITS
#undef QUOTA_OF
#undef ACCOUNT_BYTES_MAX
#undef ACCOUNT_MESSAGES_MAX
#undef DOMAIN_BYTES_MAX
#undef DOMAIN_MESSAGES_MAX
#undef MARK_OF
#undef QUOTA_MARK
#undef DOMAIN_MARK
