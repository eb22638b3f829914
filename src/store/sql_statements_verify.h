/*
 * What must hold between rows (store/verify_rows.c). Each gives the rows where it does not: account,
 * message, mailbox, uid (0 where there is none), what is stored, what should be. Part of
 * sql_statements.h. Accounts that were removed have the domain '' and are being cleared away.
 */

SQL(VERIFY_BLOB_REFS,
    "SELECT 0, b.id, 0, 0, b.refs, coalesce(r.n, 0) FROM blob b LEFT JOIN (SELECT u.blob AS blob,"
    " count(*) AS n FROM (SELECT blob FROM email UNION ALL SELECT message FROM queue UNION ALL"
    " SELECT dialogue FROM trace WHERE dialogue > 0) u GROUP BY u.blob) r ON r.blob = b.id"
    " WHERE b.refs <> coalesce(r.n, 0)")

SQL(VERIFY_BLOB_PACK,
    "SELECT 0, b.id, 0, 0, b.pos, coalesce(p.end_offset, 0) FROM blob b LEFT JOIN pack p"
    " ON p.pack = b.pack WHERE p.pack IS NULL OR b.pos < 64 OR b.length < 0"
    " OR b.pos + b.length + 64 > p.end_offset")

/* Rows of emails behind ($1, $2), to be compared with their seals. */
SQL(VERIFY_SEALS, "SELECT " EMAIL_SEALED " FROM email e WHERE (e.account, e.id) > ($1, $2)"
		  " ORDER BY e.account, e.id LIMIT $3")

/* One that counts as a pack for one blob alone goes with any of them. */
SQL(VERIFY_PACK_SINGLE,
    "SELECT 0, 0, 0, 0, p.single, 0 FROM pack p WHERE p.single NOT IN (0, 1) OR (p.single = 1"
    " AND (SELECT count(*) FROM blob b WHERE b.pack = p.pack) > 1)")

/* Its own, or none for a message that nobody has. */
SQL(VERIFY_MESSAGE_BLOB,
    "SELECT 0, m.id, 0, 0, m.blob, m.id FROM message m WHERE m.blob NOT IN (0, m.id)"
    " OR (m.blob = 0 AND EXISTS (SELECT 1 FROM queue q WHERE q.message = m.id))")

SQL(VERIFY_LEDGER_STATE, "SELECT 0, l.message, 0, 0, l.state, 0 FROM ledger l"
			 " WHERE l.state < 0 OR l.state > 4")

/* What stands for one of a few words (store/directory.h, quota.h). */
SQL(VERIFY_ACCOUNT_WORDS,
    "SELECT a.id, 0, 0, 0, 0, 0 FROM account a WHERE a.domain <> '' AND (a.state NOT IN (0, 1)"
    " OR a.send_only NOT IN (0, 1) OR a.quota_warned NOT IN (0, 1, 2))")

SQL(VERIFY_DOMAIN_WORDS, "SELECT 0, 0, 0, 0, d.relay, 0 FROM domain d"
			 " WHERE d.relay NOT IN (0, 1, 2) OR d.quota_warned NOT IN (0, 1, 2)")

SQL(VERIFY_EMAIL_BLOB, "SELECT e.account, e.id, 0, 0, e.blob, 0 FROM email e LEFT JOIN blob b"
		       " ON b.id = e.blob WHERE b.id IS NULL")

SQL(VERIFY_QUEUE_BLOB, "SELECT 0, q.message, 0, 0, q.recipient, 0 FROM queue q LEFT JOIN blob b"
		       " ON b.id = q.message WHERE b.id IS NULL")

SQL(VERIFY_TRACE_BLOB, "SELECT 0, t.message, 0, 0, t.dialogue, 0 FROM trace t LEFT JOIN blob b"
		       " ON b.id = t.dialogue WHERE t.dialogue > 0 AND b.id IS NULL")

SQL(VERIFY_EMAIL_ACCOUNT, "SELECT e.account, e.id, 0, 0, 0, 0 FROM email e LEFT JOIN account a"
			  " ON a.id = e.account WHERE a.id IS NULL")

SQL(VERIFY_EMAIL_LINKS,
    "SELECT e.account, e.id, 0, 0, e.links, coalesce(c.n, 0) FROM email e LEFT JOIN"
    " (SELECT account, email, count(*) AS n FROM membership GROUP BY account, email) c"
    " ON c.account = e.account AND c.email = e.id WHERE e.links <> coalesce(c.n, 0)")

SQL(VERIFY_EMAIL_SIZE,
    "SELECT e.account, e.id, 0, 0, e.size, length(e.prefix) + b.length FROM email e JOIN blob b"
    " ON b.id = e.blob WHERE e.size <> length(e.prefix) + b.length")

SQL(VERIFY_MEMBER_EMAIL,
    "SELECT m.account, m.email, m.mailbox, m.uid, 0, 0 FROM membership m LEFT JOIN email e"
    " ON e.account = m.account AND e.id = m.email WHERE e.id IS NULL")

SQL(VERIFY_MEMBER_SIZE,
    "SELECT m.account, m.email, m.mailbox, m.uid, m.size, e.size FROM membership m JOIN email e"
    " ON e.account = m.account AND e.id = m.email WHERE m.size <> e.size")

SQL(VERIFY_MEMBER_MAILBOX,
    "SELECT m.account, m.email, m.mailbox, m.uid, 0, 0 FROM membership m LEFT JOIN mailbox b"
    " ON b.account = m.account AND b.id = m.mailbox WHERE b.id IS NULL")

/* The first one is 1. */
SQL(VERIFY_MEMBER_UID, "SELECT m.account, m.email, m.mailbox, m.uid, m.uid, 0 FROM membership m"
		       " WHERE m.uid < 1")

SQL(VERIFY_MEMBER_EXPUNGED,
    "SELECT account, email, mailbox, uid, expunged_modseq, expunged_at FROM membership"
    " WHERE expunged_modseq < 0 OR expunged_at < 0"
    " OR CASE WHEN expunged_modseq = 0 THEN 0 ELSE 1 END"
    " <> CASE WHEN expunged_at = 0 THEN 0 ELSE 1 END")

/* What it brings back is expunged, of the same message, and was in the mailbox before; or is purged. */
SQL(VERIFY_MEMBER_ORIGIN,
    "SELECT m.account, m.email, m.mailbox, m.uid, m.origin, 0 FROM membership m LEFT JOIN membership s"
    " ON s.account = m.account AND s.mailbox = m.mailbox AND s.uid = m.origin WHERE m.origin < 0"
    " OR m.origin >= m.uid OR (m.origin > 0 AND s.uid IS NOT NULL"
    " AND (s.email <> m.email OR s.expunged_modseq = 0))")

/* INBOX has the number 1 and no other name; a role is that of the number. */
SQL(VERIFY_MAILBOX_ROLE,
    "SELECT b.account, 0, b.id, 0, b.role, " MAILBOX_ROLE("b.id") " FROM mailbox b WHERE b.role <> " MAILBOX_ROLE(
	"b.id") " OR b.id < 1 OR (b.id = 1 AND (b.role <> 1 OR b.parent <> 0 OR b.name <> 'INBOX'))")

SQL(VERIFY_MAILBOX_PARENT,
    "SELECT b.account, 0, b.id, 0, b.parent, 0 FROM mailbox b LEFT JOIN mailbox p"
    " ON p.account = b.account AND p.id = b.parent"
    " WHERE b.parent <> 0 AND (p.id IS NULL OR p.id >= b.id)")

/* Seconds since 1970, of the moment at which it was made. */
SQL(VERIFY_MAILBOX_VALIDITY,
    "SELECT b.account, 0, b.id, 0, b.uidvalidity, b.created / 1000 FROM mailbox b"
    " WHERE b.uidvalidity <> b.created / 1000")

SQL(VERIFY_MAILBOX_ACCOUNT, "SELECT b.account, 0, b.id, 0, 0, 0 FROM mailbox b LEFT JOIN account a"
			    " ON a.id = b.account WHERE a.id IS NULL")

SQL(VERIFY_MAILBOX_COUNTS,
    "SELECT b.account, 0, b.id, 0, b.messages, coalesce(c.n, 0) FROM mailbox b JOIN account a"
    " ON a.id = b.account AND a.domain <> '' LEFT JOIN (SELECT account, mailbox, count(*) AS n,"
    " sum(size) AS octets FROM membership WHERE expunged_modseq = 0 GROUP BY account, mailbox) c"
    " ON c.account = b.account AND c.mailbox = b.id"
    " WHERE b.messages <> coalesce(c.n, 0) OR b.octets <> coalesce(c.octets, 0)")

SQL(VERIFY_ACCOUNT_COUNTS,
    "SELECT a.id, 0, 0, 0, a.used_bytes, CAST(coalesce(c.octets, 0) AS bigint) FROM account a"
    " LEFT JOIN (SELECT account, sum(messages) AS n, sum(octets) AS octets FROM mailbox"
    " GROUP BY account) c ON c.account = a.id WHERE a.domain <> ''"
    " AND (a.used_messages <> coalesce(c.n, 0) OR a.used_bytes <> coalesce(c.octets, 0))")

SQL(VERIFY_UIDNEXT,
    "SELECT b.account, 0, b.id, coalesce(max(m.uid), 0), b.uidnext, coalesce(max(m.uid), 0) + 1"
    " FROM mailbox b LEFT JOIN membership m ON m.account = b.account AND m.mailbox = b.id"
    " GROUP BY b.account, b.id, b.uidnext HAVING b.uidnext <= coalesce(max(m.uid), 0)")

SQL(VERIFY_MODSEQ, "SELECT a.id, 0, 0, 0, a.modseq, max(c.modseq) FROM account a"
		   " JOIN change c ON c.account = a.id GROUP BY a.id, a.modseq"
		   " HAVING a.modseq < max(c.modseq)")

SQL(VERIFY_CHANGE_IN,
    "SELECT m.account, m.email, m.mailbox, m.uid, m.modseq, 0 FROM membership m JOIN account a"
    " ON a.id = m.account AND a.domain <> '' WHERE NOT EXISTS (SELECT 1 FROM change c"
    " WHERE c.account = m.account AND c.modseq = m.modseq AND c.id = m.email)")

SQL(VERIFY_CHANGE_OUT,
    "SELECT m.account, m.email, m.mailbox, m.uid, m.expunged_modseq, 0 FROM membership m"
    " JOIN account a ON a.id = m.account AND a.domain <> '' WHERE m.expunged_modseq > 0"
    " AND NOT EXISTS (SELECT 1 FROM change c WHERE c.account = m.account"
    " AND c.modseq = m.expunged_modseq AND c.id = m.email)")

SQL(VERIFY_CHANGE_LAST,
    "SELECT e.account, e.id, 0, 0, e.modseq, 0 FROM email e JOIN account a ON a.id = e.account"
    " AND a.domain <> '' WHERE NOT EXISTS (SELECT 1 FROM change c WHERE c.account = e.account"
    " AND c.modseq = e.modseq AND c.type = 1 AND c.id = e.id)")

SQL(VERIFY_MAILBOX_MODSEQ,
    "SELECT b.account, 0, b.id, 0, b.modseq, max(e.modseq) FROM mailbox b JOIN membership m"
    " ON m.account = b.account AND m.mailbox = b.id AND m.expunged_modseq = 0 JOIN email e"
    " ON e.account = m.account AND e.id = m.email GROUP BY b.account, b.id, b.modseq"
    " HAVING b.modseq < max(e.modseq)")

SQL(VERIFY_INBOX,
    "SELECT a.id, 0, 1, 0, 0, 0 FROM account a LEFT JOIN mailbox b ON b.account = a.id"
    " AND b.id = 1 WHERE a.domain <> '' AND b.id IS NULL")

SQL(VERIFY_CREDENTIAL,
    "SELECT a.id, 0, 0, 0, 0, 0 FROM account a LEFT JOIN credential c ON c.account = a.id"
    " AND c.kind = 0 WHERE a.domain <> '' AND c.account IS NULL")

SQL(VERIFY_DOMAIN, "SELECT a.id, 0, 0, 0, 0, 0 FROM account a LEFT JOIN domain d"
		   " ON d.name = a.domain WHERE a.domain <> '' AND d.name IS NULL")

SQL(VERIFY_QUEUE_LEDGER, "SELECT 0, q.message, 0, 0, q.recipient, 0 FROM queue q LEFT JOIN ledger l"
			 " ON l.message = q.message AND l.recipient = q.recipient AND l.state = 4"
			 " WHERE l.message IS NULL AND q.report < 6")

SQL(VERIFY_QUEUE_DESTINATION,
    "SELECT 0, q.message, 0, 0, q.recipient, 0 FROM queue q LEFT JOIN destination d"
    " ON d.shard = q.shard AND d.name = q.destination"
    " WHERE q.destination <> '' AND d.name IS NULL")

SQL(VERIFY_QUEUE_LEASE,
    "SELECT 0, q.message, 0, 0, q.token, 0 FROM queue q LEFT JOIN lease l ON l.shard = q.shard"
    " AND l.token = q.token WHERE q.token <> 0 AND l.token IS NULL")

SQL(VERIFY_META,
    "SELECT 0, 0, 0, 0, count(*), 17 FROM meta WHERE name IN ('account',"
    " 'admin', 'folded', 'lease', 'trace_index', 'quota_account_bytes', 'quota_account_messages',"
    " 'quota_domain_bytes', 'quota_domain_messages', 'rows_admin_log', 'rows_alias',"
    " 'rows_change', 'rows_domain', 'rows_mailbox', 'rows_message', 'rows_trace',"
    " 'rows_trace_index') HAVING count(*) < 17")

/* What a store is given once (store/given.h): it is not there, or was made anew. */
SQL(VERIFY_META_GIVEN,
    "SELECT 0, 0, 0, 0, 0, g.value FROM meta g WHERE g.name = 'given' AND (((g.value & 1) <> 0"
    " AND NOT EXISTS (SELECT 1 FROM meta m WHERE m.name = 'store')) OR ((g.value & 2) <> 0"
    " AND (SELECT count(*) FROM meta m WHERE m.name IN ('srs_0', 'srs_1')) < 2) OR ((g.value & 4) <> 0"
    " AND NOT EXISTS (SELECT 1 FROM meta m WHERE m.name = 'purged')) OR ((g.value & 8) <> 0"
    " AND NOT EXISTS (SELECT 1 FROM meta m WHERE m.name = 'backups')))"
    " UNION ALL SELECT 0, 0, 0, 0, 0, l.value FROM meta l WHERE l.name = 'lost' AND l.value <> 0")

SQL(VERIFY_META_ACCOUNT, "SELECT max(a.id), 0, 0, 0, m.value, max(a.id) FROM account a, meta m"
			 " WHERE m.name = 'account' GROUP BY m.value HAVING max(a.id) > m.value")

SQL(VERIFY_META_ADMIN, "SELECT 0, 0, 0, 0, m.value, max(l.id) FROM admin_log l, meta m"
		       " WHERE m.name = 'admin' GROUP BY m.value HAVING max(l.id) > m.value")

/* ---- rows that are counted (store/rows.c): how many there are, and should be ---- */

#define ROWS_OF(table)                                                                             \
	"SELECT (SELECT count(*) FROM " table                                                      \
	"), (SELECT value FROM meta WHERE name = 'rows_" table "')"

SQL(ROWS_ADMIN_LOG, ROWS_OF("admin_log"))

SQL(ROWS_ALIAS, ROWS_OF("alias"))

SQL(ROWS_CHANGE, ROWS_OF("change"))

SQL(ROWS_DOMAIN, ROWS_OF("domain"))

SQL(ROWS_MAILBOX, ROWS_OF("mailbox"))

SQL(ROWS_MESSAGE, ROWS_OF("message"))

SQL(ROWS_TRACE, ROWS_OF("trace"))

SQL(ROWS_TRACE_INDEX, ROWS_OF("trace_index"))

#undef ROWS_OF

/* ---- what a finding is about (store/verify.c) ---- */

/* A page of blobs, with those that hold them. */
SQL(VERIFY_PACK_NEXT, "SELECT pack, end_offset FROM pack WHERE pack > $1 ORDER BY pack LIMIT 1")

SQL(VERIFY_PACK_SUM, "SELECT count(*), CAST(coalesce(sum(end_offset), 0) AS bigint) FROM pack")

/* Blobs whose records lie in a part of a pack. */
SQL(VERIFY_PACK_BLOBS, "SELECT id, pos, length FROM blob WHERE pack = $1 AND pos >= $2 AND pos < $3"
		       " ORDER BY pos")

/* Where the blob of a message is in use: by the key of email that each account has. */
SQL(VERIFY_BLOB_EMAILS,
    "SELECT e.account, e.id, e.summary, a.local, a.domain FROM account a JOIN email e"
    " ON e.account = a.id AND e.id = $1")

SQL(VERIFY_ACCOUNT_NAME, "SELECT local, domain FROM account WHERE id = $1")

SQL(VERIFY_EMAIL, "SELECT summary FROM email WHERE account = $1 AND id = $2")

SQL(VERIFY_MESSAGE, "SELECT header_id, reverse_path FROM message WHERE id = $1")
