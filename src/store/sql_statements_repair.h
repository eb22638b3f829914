/*
 * What puts rows right (store/repair.c), in the order in which it is done; each changes nothing where
 * nothing is wrong. Part of sql_statements.h.
 */

/* ---- a message whose content is damaged or lost ---- */

SQL(REPAIR_EMAILS, "SELECT account, id, prefix FROM email WHERE blob = $1 ORDER BY account")

SQL(REPAIR_MEMBERS_DELETE, "DELETE FROM membership WHERE account = $1 AND email = $2")

SQL(REPAIR_EMAIL_DELETE, "DELETE FROM email WHERE account = $1 AND id = $2")

SQL(REPAIR_DISCARD_COPY, "UPDATE ledger SET state = 3, account = 0, detail = 'damaged', time = $3"
			 " WHERE message = $1 AND account = $2 AND state = 0 AND purged = 0")

SQL(REPAIR_DISCARD_QUEUED, "UPDATE ledger SET state = 3, detail = 'damaged', time = $2"
			   " WHERE message = $1 AND state = 4")

SQL(REPAIR_QUEUE_DELETE, "DELETE FROM queue WHERE shard = 0 AND message = $1")

SQL(REPAIR_TRACE_CUT, "UPDATE trace SET dialogue = 0 WHERE dialogue = $1")

/* Content that is held and not in the index. */
SQL(REPAIR_LOST,
    "SELECT u.blob FROM (SELECT blob FROM email UNION SELECT message FROM queue UNION"
    " SELECT dialogue FROM trace WHERE dialogue > 0) u LEFT JOIN blob b ON b.id = u.blob"
    " WHERE b.id IS NULL")

/* Content in the index that lies in no pack (store/aside.c). */
SQL(ASIDE_NOWHERE,
    "SELECT b.id FROM blob b LEFT JOIN pack p ON p.pack = b.pack WHERE b.refs > 0 AND p.pack IS NULL")

/* The same of messages that only a mailbox or the ledger still knows. */
SQL(REPAIR_LOST_COPIES,
    "SELECT u.id FROM (SELECT email AS id FROM membership UNION SELECT message FROM ledger"
    " WHERE state = 0 AND purged = 0) u LEFT JOIN blob b ON b.id = u.id WHERE b.id IS NULL")

SQL(REPAIR_PLACE, "UPDATE blob SET pack = $2, pos = $3, length = $4 WHERE id = $1")

/* Packs that have lost their row, or whose row ends before a blob in them. */
SQL(REPAIR_PACKS, "SELECT DISTINCT b.pack FROM blob b LEFT JOIN pack p ON p.pack = b.pack"
		  " WHERE p.pack IS NULL OR b.pos + b.length + 64 > p.end_offset ORDER BY b.pack")

/* Messages of accounts that are in no mailbox. */
SQL(REPAIR_HOMELESS,
    "SELECT e.account, e.id, e.size FROM email e JOIN account a ON a.id = e.account"
    " AND a.domain <> '' WHERE NOT EXISTS (SELECT 1 FROM membership m"
    " WHERE m.account = e.account AND m.email = e.id)")

/* ---- a database that is made anew (store/salvage.c) ---- */

SQL(SALVAGE_DROPPED, "SELECT pack FROM dropped WHERE pack = $1")

SQL(SALVAGE_LAST, "SELECT max(id) FROM message")

SQL(SALVAGE_BLOB_NOWHERE, "UPDATE blob SET pack = 0, pos = 0")

SQL(SALVAGE_BLOB_LOST, "DELETE FROM blob WHERE pos = 0")

/* $5: 1: it is sound. */
SQL(SALVAGE_BLOB, "INSERT INTO blob (id, pack, pos, length, refs) VALUES ($1, $2, $3, $4, 0)"
		  " ON CONFLICT (id) DO UPDATE SET pack = excluded.pack, pos = excluded.pos,"
		  " length = excluded.length WHERE $5 = CAST(1 AS bigint) OR blob.pos = 0")

SQL(SALVAGE_BLOB_KNOWN, "UPDATE blob SET pack = $2, pos = $3, length = $4 WHERE id = $1"
			" AND ($5 = CAST(1 AS bigint) OR pos = 0)")

/* ---- messages that no row holds (store/adopt.c) ---- */

SQL(ADOPT_NEXT, "SELECT id, pack, pos, length FROM blob WHERE refs = 0 AND id > $1"
		" ORDER BY id LIMIT 1")

/* The ledger knows what became of each recipient, and no copy is left. */
SQL(ADOPT_IS_OVER,
    "SELECT m.id FROM message m WHERE m.id = $1 AND m.recipients = (SELECT count(*) FROM ledger l"
    " WHERE l.message = m.id) AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.message = m.id"
    " AND (l.state = 4 OR (l.state = 0 AND l.purged = 0)))")

/* Messages that the ledger, or a mailbox and the feed of changes, say an account has, whose row is lost and whose
 * content is there: a number in a mailbox alone may be damaged, and that of another's message. */
SQL(ADOPT_LOST,
    "SELECT u.account, u.id, b.pack, b.pos, b.length FROM (SELECT account, email AS id FROM membership"
    " UNION SELECT account, message FROM ledger WHERE state = 0 AND purged = 0) u JOIN account a"
    " ON a.id = u.account AND a.domain <> '' JOIN blob b ON b.id = u.id LEFT JOIN email e"
    " ON e.account = u.account AND e.id = u.id WHERE e.id IS NULL AND (EXISTS (SELECT 1 FROM ledger l"
    " WHERE l.message = u.id AND l.account = u.account AND l.state = 0) OR EXISTS (SELECT 1 FROM change c"
    " WHERE c.account = u.account AND c.type = 1 AND c.id = u.id)) ORDER BY u.account, u.id")

SQL(ADOPT_ADDRESS, "SELECT coalesce((SELECT l.address FROM ledger l WHERE l.message = $1"
		   " AND l.account = $2 ORDER BY l.recipient LIMIT 1), a.local || '@' || a.domain)"
		   " FROM account a WHERE a.id = $2")

SQL(ADOPT_MESSAGE, "SELECT accepted, reverse_path FROM message WHERE id = $1")

/* ---- accounts that lost their row ---- */

/* Each with the address that most of its mail came for; some have none. */
SQL(REPAIR_ACCOUNTS,
    "SELECT o.account, (SELECT l.address FROM ledger l WHERE l.account = o.account AND l.state = 0"
    " GROUP BY l.address ORDER BY count(*) DESC, l.address LIMIT 1) FROM (SELECT account FROM email"
    " UNION SELECT account FROM mailbox UNION SELECT account FROM membership UNION SELECT account"
    " FROM credential) o LEFT JOIN account a ON a.id = o.account WHERE a.id IS NULL"
    " ORDER BY o.account")

SQL(REPAIR_ACCOUNT_ADDRESS, "SELECT id FROM account WHERE domain = $1 AND local = $2")

SQL(REPAIR_ACCOUNT_DOMAIN, "SELECT name FROM domain ORDER BY used_messages DESC, name LIMIT 1")

/* ---- all rows ---- */

SQL(REPAIR_META, "INSERT INTO meta (name, value) SELECT 'lease', coalesce(max(token), 0) + 1000000"
		 " FROM queue WHERE 1 = 1 ON CONFLICT DO NOTHING")

/* What a start has made anew has been told. */
SQL(REPAIR_META_LOST, "DELETE FROM meta WHERE name = 'lost'")

SQL(REPAIR_META_BACKUPS, "INSERT INTO meta (name, value) SELECT 'backups', 0 FROM meta"
			 " WHERE name = 'given' AND (value & 8) <> 0 ON CONFLICT DO NOTHING")

SQL(REPAIR_META_ADMIN, "INSERT INTO meta (name, value) SELECT 'admin', coalesce(max(id), 0)"
		       " FROM admin_log WHERE 1 = 1 ON CONFLICT DO NOTHING")

SQL(REPAIR_META_ADMIN_LOW, "UPDATE meta SET value = (SELECT max(id) FROM admin_log)"
			   " WHERE name = 'admin' AND value < (SELECT max(id) FROM admin_log)")

SQL(REPAIR_META_INDEX, "INSERT INTO meta (name, value) SELECT 'trace_index', 0"
		       " WHERE 1 = 1 ON CONFLICT DO NOTHING")

SQL(REPAIR_META_ACCOUNT, "UPDATE meta SET value = (SELECT max(id) FROM account)"
			 " WHERE name = 'account' AND value < (SELECT max(id) FROM account)")

/* Days of the ledger that are lost, or do not hold, are written off. */
SQL(REPAIR_DAY, "UPDATE ledger_day SET accepted = mailbox + relayed + bounced + discarded"
		" WHERE accepted <> mailbox + relayed + bounced + discarded")

SQL(REPAIR_META_FOLDED, "INSERT INTO meta (name, value) SELECT 'folded',"
			" CAST(coalesce(sum(accepted), 0) AS bigint) FROM ledger_day WHERE 1 = 1"
			" ON CONFLICT (name) DO UPDATE SET value = excluded.value")

/* Of the rows that should be there, which are the last ones. */
SQL(REPAIR_ADMIN_LOG,
    "INSERT INTO admin_log (id, time, who, what) WITH RECURSIVE last (id, n) AS (SELECT m.value,"
    " coalesce((SELECT r.value FROM meta r WHERE r.name = 'rows_admin_log'), (SELECT m.value + 1 - min(l.id)"
    " FROM admin_log l), 0) FROM meta m WHERE m.name = 'admin'), n (i) AS (SELECT id + 1 - n FROM last"
    " UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT id FROM last)) SELECT n.i, 0, '', 'lost' FROM n, last"
    " WHERE n.i > 0 AND n.i <= last.id AND (SELECT count(*) FROM admin_log) < last.n"
    " AND NOT EXISTS (SELECT 1 FROM admin_log a WHERE a.id = n.i)")

SQL(REPAIR_DOMAIN,
    "INSERT INTO domain (name, created, used_bytes, used_messages, quota_bytes, quota_messages)"
    " SELECT domain, min(created), 0, 0, 0, 0 FROM account WHERE domain <> '' GROUP BY domain"
    " ON CONFLICT DO NOTHING")

SQL(REPAIR_DOMAIN_COUNTS,
    "UPDATE domain SET used_bytes = (SELECT CAST(coalesce(sum(a.used_bytes), 0) AS bigint)"
    " FROM account a WHERE a.domain = domain.name), used_messages ="
    " (SELECT CAST(coalesce(sum(a.used_messages), 0) AS bigint) FROM account a"
    " WHERE a.domain = domain.name)")

SQL(REPAIR_META_QUOTA,
    "INSERT INTO meta (name, value) VALUES ('quota_account_bytes', 9223372036854775807),"
    " ('quota_account_messages', 9223372036854775807), ('quota_domain_bytes', 9223372036854775807),"
    " ('quota_domain_messages', 9223372036854775807) ON CONFLICT DO NOTHING")

SQL(REPAIR_INBOX,
    "INSERT INTO mailbox (account, id, parent, name, role, uidvalidity, uidnext, modseq, messages,"
    " octets, created) SELECT a.id, 1, 0, 'INBOX', 1, $1, coalesce((SELECT max(m.uid)"
    " FROM membership m WHERE m.account = a.id AND m.mailbox = 1), 0) + 1, a.modseq, 0, 0,"
    " CAST($1 AS bigint) * 1000 FROM account a WHERE a.domain <> '' AND NOT EXISTS (SELECT 1 FROM mailbox b"
    " WHERE b.account = a.id AND b.id = 1)")

SQL(REPAIR_MAILBOX,
    "INSERT INTO mailbox (account, id, parent, name, role, uidvalidity, uidnext, modseq, messages,"
    " octets, created) SELECT m.account, m.mailbox, 0, 'Recovered ' || CAST(m.mailbox AS text), " MAILBOX_ROLE(
	"m.mailbox") ", $1, max(m.uid) + 1, max(m.modseq), 0, 0,"
		     " CAST($1 AS bigint) * 1000 FROM membership m WHERE NOT EXISTS"
		     " (SELECT 1 FROM mailbox b WHERE b.account = m.account AND b.id = m.mailbox)"
		     " GROUP BY m.account, m.mailbox")

/* One that holds a single blob may count as one for several: it is emptied before it goes. */
SQL(REPAIR_PACK_SINGLE, "UPDATE pack SET single = 0 WHERE single NOT IN (0, 1) OR (single = 1"
			" AND (SELECT count(*) FROM blob b WHERE b.pack = pack.pack) > 1)")

SQL(REPAIR_MESSAGE_BLOB,
    "UPDATE message SET blob = id WHERE blob NOT IN (0, id) OR (blob = 0 AND EXISTS"
    " (SELECT 1 FROM queue q WHERE q.message = message.id))")

/* Numbers of a few bits: those above are none of theirs. */
SQL(REPAIR_LEDGER_STATE,
    "UPDATE ledger SET state = CASE WHEN (state & 7) > 4 THEN 3 ELSE state & 7 END"
    " WHERE state < 0 OR state > 4")

SQL(REPAIR_ACCOUNT_WORDS,
    "UPDATE account SET state = state & 1, send_only = send_only & 1, quota_warned ="
    " CASE WHEN (quota_warned & 3) = 3 THEN 0 ELSE quota_warned & 3 END WHERE domain <> ''"
    " AND (state NOT IN (0, 1) OR send_only NOT IN (0, 1) OR quota_warned NOT IN (0, 1, 2))")

SQL(REPAIR_DOMAIN_WORDS,
    "UPDATE domain SET relay = CASE WHEN (relay & 3) = 3 THEN 1 ELSE relay & 3 END, quota_warned ="
    " CASE WHEN (quota_warned & 3) = 3 THEN 0 ELSE quota_warned & 3 END"
    " WHERE relay NOT IN (0, 1, 2) OR quota_warned NOT IN (0, 1, 2)")

/* The mailboxes of an account's birth were made when it was: of the two numbers one is right. */
SQL(REPAIR_VALIDITY_BIRTH,
    "UPDATE mailbox SET uidvalidity = created / 1000 WHERE uidvalidity <> created / 1000"
    " AND created = (SELECT a.created FROM account a WHERE a.id = mailbox.account)")

SQL(REPAIR_CREATED_BIRTH,
    "UPDATE mailbox SET created = (SELECT a.created FROM account a WHERE a.id = mailbox.account)"
    " WHERE uidvalidity <> created / 1000"
    " AND uidvalidity = (SELECT a.created / 1000 FROM account a WHERE a.id = mailbox.account)")

/* Of another, who knows uids of it must read it anew. */
SQL(REPAIR_VALIDITY, "UPDATE mailbox SET uidvalidity = $1, created = CAST($1 AS bigint) * 1000"
		     " WHERE uidvalidity <> created / 1000")

/* No other mailbox may have that name: its number is another than it was. */
SQL(REPAIR_INBOX_ID,
    "UPDATE mailbox SET id = 1 WHERE id <> 1 AND parent = 0 AND name = 'INBOX' AND NOT EXISTS"
    " (SELECT 1 FROM mailbox b WHERE b.account = mailbox.account AND b.id = 1)")

/* None is below 1: without its sign it has the one it had. */
SQL(REPAIR_MAILBOX_ID,
    "UPDATE mailbox SET id = id & 9223372036854775807 WHERE id < 0 AND (id & 9223372036854775807) > 0"
    " AND NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = mailbox.account"
    " AND b.id = (mailbox.id & 9223372036854775807))")

SQL(REPAIR_MAILBOX_INBOX, "UPDATE mailbox SET role = 1, parent = 0, name = 'INBOX'"
			  " WHERE id = 1 AND (role <> 1 OR parent <> 0 OR name <> 'INBOX')")

SQL(REPAIR_MAILBOX_ROLE,
    "UPDATE mailbox SET role = " MAILBOX_ROLE("id") " WHERE role <> " MAILBOX_ROLE("id"))

SQL(REPAIR_MAILBOX_PARENT,
    "UPDATE mailbox SET parent = 0, name = 'Recovered ' || CAST(id AS text) WHERE parent <> 0"
    " AND NOT EXISTS (SELECT 1 FROM mailbox p WHERE p.account = mailbox.account"
    " AND p.id = mailbox.parent AND p.id < mailbox.id)")

/* When it went cannot be known: now ($1). That it did the feed of changes tells (REPAIR_NOT_EXPUNGED before). */
SQL(REPAIR_EXPUNGED_AT, "UPDATE membership SET expunged_at = $1 WHERE expunged_modseq > 0"
			" AND expunged_at <= 0")

/* None is negative: without that sign it has the one it was given, unless another has that by now. */
SQL(REPAIR_UID,
    "UPDATE membership SET uid = uid & 9223372036854775807 WHERE uid < 0 AND"
    " (uid & 9223372036854775807) > 0 AND NOT EXISTS (SELECT 1 FROM membership o"
    " WHERE o.account = membership.account AND o.mailbox = membership.mailbox"
    " AND o.uid = (membership.uid & 9223372036854775807))")

/* Neither is the number of a mailbox. */
SQL(REPAIR_UID_MAILBOX,
    "UPDATE membership SET mailbox = mailbox & 9223372036854775807 WHERE mailbox < 0 AND"
    " (mailbox & 9223372036854775807) > 0 AND NOT EXISTS (SELECT 1 FROM membership o"
    " WHERE o.account = membership.account AND o.uid = membership.uid"
    " AND o.mailbox = (membership.mailbox & 9223372036854775807))")

/* Of the others the mailbox has them no more; a message that is in none comes to the INBOX. */
SQL(REPAIR_UID_NONE, "DELETE FROM membership WHERE uid < 1 OR mailbox < 1")

/* The feed of changes tells of each that went, in the same commit: one without time and without that did not. */
SQL(REPAIR_NOT_EXPUNGED,
    "UPDATE membership SET expunged_modseq = 0, expunged_at = 0 WHERE expunged_modseq < 0"
    " OR (expunged_modseq = 0 AND expunged_at <> 0) OR (expunged_modseq > 0 AND expunged_at = 0"
    " AND NOT EXISTS (SELECT 1 FROM change c WHERE c.account = membership.account"
    " AND c.modseq = membership.expunged_modseq AND c.type = 1 AND c.id = membership.email AND c.op = 3))")

SQL(REPAIR_ORIGIN,
    "UPDATE membership SET origin = 0 WHERE origin < 0 OR origin >= uid OR (origin > 0"
    " AND EXISTS (SELECT 1 FROM membership s WHERE s.account = membership.account"
    " AND s.mailbox = membership.mailbox AND s.uid = membership.origin"
    " AND (s.email <> membership.email OR s.expunged_modseq = 0)))")

/* ---- rows of emails that their seal does not fit (store/repair_emails.c) ---- */

/* A row made what was written; nothing when there is one already. */
SQL(REPAIR_EMAIL_MEND,
    "UPDATE email SET account = $3, id = $4, blob = $5, thread = $6, received = $7, prefix = $8,"
    " keywords = $9, summary = $10, seal = $11 WHERE account = $1 AND id = $2 AND NOT EXISTS"
    " (SELECT 1 FROM email o WHERE o.account = $3 AND o.id = $4 AND (o.account <> $1 OR o.id <> $2))")

/* A mailbox or the ledger tells that the account has it: the row can be made from the content. */
SQL(REPAIR_EMAIL_KNOWN,
    "SELECT count(*) FROM (SELECT 1 AS one FROM membership WHERE account = $1 AND email = $2"
    " UNION ALL SELECT 1 FROM ledger WHERE message = $2 AND account = $1 AND state = 0"
    " AND purged = 0) k")

SQL(REPAIR_MEMBER_CHANGE,
    "INSERT INTO change (account, modseq, type, id, op) SELECT DISTINCT m.account, a.modseq + 1, 1,"
    " m.email, 3 FROM membership m JOIN account a ON a.id = m.account WHERE NOT EXISTS"
    " (SELECT 1 FROM email e WHERE e.account = m.account AND e.id = m.email)"
    " ON CONFLICT DO NOTHING")

SQL(REPAIR_MEMBER, "DELETE FROM membership WHERE NOT EXISTS (SELECT 1 FROM email e"
		   " WHERE e.account = membership.account AND e.id = membership.email)")

SQL(REPAIR_LEDGER_COPY,
    "UPDATE ledger SET state = 3, account = 0, detail = 'damaged' WHERE state = 0 AND purged = 0"
    " AND NOT EXISTS (SELECT 1 FROM email e WHERE e.account = ledger.account"
    " AND e.id = ledger.message)")

SQL(REPAIR_LEDGER_QUEUE,
    "UPDATE ledger SET state = 3, detail = 'damaged' WHERE state = 4 AND NOT EXISTS"
    " (SELECT 1 FROM queue q WHERE q.message = ledger.message AND q.recipient = ledger.recipient)")

SQL(REPAIR_QUEUE_FINAL,
    "DELETE FROM queue WHERE EXISTS (SELECT 1 FROM ledger l WHERE l.message = queue.message"
    " AND l.recipient = queue.recipient AND l.state <> 4)")

SQL(REPAIR_QUEUE_LEDGER,
    "INSERT INTO ledger (message, recipient, address, state, account, detail, time, purged)"
    " SELECT q.message, q.recipient, q.address, 4, 0, q.destination, q.accepted, 0 FROM queue q"
    " WHERE q.report < 6 ON CONFLICT DO NOTHING")

/* Numbers far behind those of recipients, one for each account. */
SQL(REPAIR_COPY_LEDGER,
    "INSERT INTO ledger (message, recipient, address, state, account, detail, time, purged)"
    " SELECT e.id, 1000000 + e.account, a.local || '@' || a.domain, 0, e.account, '', e.received, 0"
    " FROM message m JOIN email e ON e.id = m.id JOIN account a ON a.id = e.account"
    " WHERE m.recipients > (SELECT count(*) FROM ledger l WHERE l.message = m.id)"
    " AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.message = m.id AND l.account = e.account)"
    " ON CONFLICT DO NOTHING")

/* What an account has, and history has lost whole: $1: ids from which on nothing was folded. */
SQL(REPAIR_HISTORY,
    "INSERT INTO ledger (message, recipient, address, state, account, detail, time, purged)"
    " SELECT e.id, 1000000 + e.account, a.local || '@' || a.domain, 0, e.account, '', e.received, 0"
    " FROM email e JOIN account a ON a.id = e.account AND a.domain <> '' WHERE e.id >= $1 AND NOT EXISTS"
    " (SELECT 1 FROM message m WHERE m.id = e.id) AND NOT EXISTS (SELECT 1 FROM ledger l"
    " WHERE l.message = e.id AND l.account = e.account) ON CONFLICT DO NOTHING")

SQL(REPAIR_MESSAGE,
    "INSERT INTO message (id, accepted, reverse_path, peer, helo, protocol, account, size, blob,"
    " recipients, header_id, envid, ret, flags) SELECT l.message, min(l.time), '', '', '', '', 0, 0,"
    " l.message, count(*), '', '', 0, 0 FROM ledger l WHERE NOT EXISTS (SELECT 1 FROM message m"
    " WHERE m.id = l.message) GROUP BY l.message")

SQL(REPAIR_RECIPIENTS,
    "UPDATE message SET recipients = (SELECT count(*) FROM ledger l WHERE l.message = message.id)"
    " WHERE recipients <> (SELECT count(*) FROM ledger l WHERE l.message = message.id)")

SQL(REPAIR_TOKEN, "UPDATE queue SET token = 0 WHERE token <> 0 AND NOT EXISTS (SELECT 1 FROM lease l"
		  " WHERE l.shard = queue.shard AND l.token = queue.token)")

SQL(REPAIR_DESTINATION,
    "INSERT INTO destination (shard, name, due, turn, sessions, failures, failing_since,"
    " next_probe, last_try, last_problem, last_status, last_reply, last_remote)"
    " SELECT DISTINCT shard, destination, 0, 0, 1, 0, 0, 0, 0, 0, 0, '', '' FROM queue"
    " WHERE destination <> '' ON CONFLICT DO NOTHING")

SQL(REPAIR_EMAIL_SIZE,
    "UPDATE email SET size = length(prefix) + (SELECT b.length FROM blob b WHERE b.id = email.blob)"
    " WHERE EXISTS (SELECT 1 FROM blob b WHERE b.id = email.blob"
    " AND email.size <> length(email.prefix) + b.length)")

SQL(REPAIR_MEMBER_SIZE,
    "UPDATE membership SET size = (SELECT e.size FROM email e WHERE e.account = membership.account"
    " AND e.id = membership.email) WHERE EXISTS (SELECT 1 FROM email e"
    " WHERE e.account = membership.account AND e.id = membership.email"
    " AND e.size <> membership.size)")

SQL(REPAIR_LINKS,
    "UPDATE email SET links = (SELECT count(*) FROM membership m WHERE m.account = email.account"
    " AND m.email = email.id) WHERE id IN (SELECT e.id FROM email e LEFT JOIN (SELECT account,"
    " email, count(*) AS n FROM membership GROUP BY account, email) c ON c.account = e.account"
    " AND c.email = e.id WHERE e.links <> coalesce(c.n, 0))")

SQL(REPAIR_CHANGE_IN,
    "INSERT INTO change (account, modseq, type, id, op) SELECT m.account, m.modseq, 1, m.email, 1"
    " FROM membership m WHERE 1 = 1 ON CONFLICT DO NOTHING")

SQL(REPAIR_CHANGE_OUT,
    "INSERT INTO change (account, modseq, type, id, op) SELECT m.account, m.expunged_modseq, 1,"
    " m.email, 3 FROM membership m WHERE m.expunged_modseq > 0 ON CONFLICT DO NOTHING")

SQL(REPAIR_CHANGE_LAST,
    "INSERT INTO change (account, modseq, type, id, op) SELECT e.account, e.modseq, 1, e.id, 2"
    " FROM email e WHERE 1 = 1 ON CONFLICT DO NOTHING")

SQL(REPAIR_MODSEQ,
    "UPDATE account SET modseq = (SELECT max(c.modseq) FROM change c WHERE c.account = account.id)"
    " WHERE modseq < (SELECT max(c.modseq) FROM change c WHERE c.account = account.id)")

SQL(REPAIR_MAILBOX_MODSEQ,
    "UPDATE mailbox SET modseq = (SELECT a.modseq FROM account a WHERE a.id = mailbox.account)"
    " WHERE modseq < (SELECT max(e.modseq) FROM membership m JOIN email e ON e.account = m.account"
    " AND e.id = m.email WHERE m.account = mailbox.account AND m.mailbox = mailbox.id"
    " AND m.expunged_modseq = 0)")

SQL(REPAIR_UIDNEXT,
    "UPDATE mailbox SET uidnext = (SELECT coalesce(max(m.uid), 0) + 1 FROM membership m"
    " WHERE m.account = mailbox.account AND m.mailbox = mailbox.id) WHERE uidnext <="
    " (SELECT coalesce(max(m.uid), 0) FROM membership m WHERE m.account = mailbox.account"
    " AND m.mailbox = mailbox.id)")

SQL(REPAIR_MAILBOX_COUNTS,
    "UPDATE mailbox SET messages = (SELECT count(*) FROM membership m"
    " WHERE m.account = mailbox.account AND m.mailbox = mailbox.id AND m.expunged_modseq = 0),"
    " octets = (SELECT CAST(coalesce(sum(m.size), 0) AS bigint) FROM membership m"
    " WHERE m.account = mailbox.account AND m.mailbox = mailbox.id AND m.expunged_modseq = 0)"
    " WHERE EXISTS (SELECT 1 FROM account a WHERE a.id = mailbox.account AND a.domain <> '')")

SQL(REPAIR_ACCOUNT_COUNTS,
    "UPDATE account SET used_messages = (SELECT CAST(coalesce(sum(b.messages), 0) AS bigint)"
    " FROM mailbox b WHERE b.account = account.id), used_bytes ="
    " (SELECT CAST(coalesce(sum(b.octets), 0) AS bigint) FROM mailbox b"
    " WHERE b.account = account.id) WHERE domain <> ''")

SQL(REPAIR_REFS_NONE,
    "UPDATE blob SET refs = 0 WHERE refs <> 0 AND id NOT IN (SELECT blob FROM email UNION ALL"
    " SELECT message FROM queue UNION ALL SELECT dialogue FROM trace)")

SQL(REPAIR_REFS,
    "UPDATE blob SET refs = r.n FROM (SELECT u.blob AS id, count(*) AS n FROM (SELECT blob FROM email"
    " UNION ALL SELECT message FROM queue UNION ALL SELECT dialogue FROM trace WHERE dialogue > 0) u"
    " GROUP BY u.blob) r WHERE r.id = blob.id AND blob.refs <> r.n")

/* When it is not what it should be, or messages were lost or found again: it is made anew, in slices. */
SQL(REPAIR_TRACE_INDEX,
    "DELETE FROM trace_index WHERE (SELECT count(*) FROM trace_index) <> coalesce((SELECT value FROM meta"
    " WHERE name = 'rows_trace_index'), -1) OR (SELECT count(*) FROM message) <> coalesce((SELECT value"
    " FROM meta WHERE name = 'rows_message'), -1) OR (SELECT count(*) FROM trace) <> coalesce((SELECT value"
    " FROM meta WHERE name = 'rows_trace'), -1)")

SQL(REPAIR_TRACE_MARK, "UPDATE meta SET value = 0 WHERE name = 'trace_index' AND NOT EXISTS"
		       " (SELECT 1 FROM trace_index)")

/* What is there from now on counts as all there should be. */
SQL(REPAIR_ROWS,
    "INSERT INTO meta (name, value) SELECT c.name, c.n FROM (SELECT 'rows_admin_log' AS name, count(*) AS n"
    " FROM admin_log UNION ALL SELECT 'rows_alias', count(*) FROM alias UNION ALL SELECT 'rows_change',"
    " count(*) FROM change UNION ALL SELECT 'rows_domain', count(*) FROM domain UNION ALL"
    " SELECT 'rows_mailbox', count(*) FROM mailbox UNION ALL SELECT 'rows_message', count(*) FROM message"
    " UNION ALL SELECT 'rows_trace', count(*) FROM trace UNION ALL SELECT 'rows_trace_index', count(*)"
    " FROM trace_index) c WHERE 1 = 1 ON CONFLICT (name) DO UPDATE SET value = excluded.value")
