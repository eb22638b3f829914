/* The statements of ledger, trace and audit; a part of store/sql_statements.h, which includes it. */

/* ---- ledger (store/ledger.c) ---- */

SQL(LEDGER_ADD, "INSERT INTO ledger (message, recipient, address, state, account, detail, time,"
		" purged) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)")

/* $3: the state it must have. */
SQL(LEDGER_SETTLE, "UPDATE ledger SET state = $4, account = $5, detail = $6, time = $7"
		   " WHERE message = $1 AND recipient = $2 AND state = $3")

/* ---- trace (store/trace.c) ---- */

/* One row of values, for which SQLite sets no savepoint. */
SQL(TRACE_ADD, "INSERT INTO trace (message, seq, time, recipient, kind, text, dialogue)"
	       " VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM trace WHERE message = $1),"
	       " $2, $3, $4, $5, $6)")

SQL(MESSAGE_GET,
    "SELECT accepted, reverse_path, peer, helo, protocol, account, size, recipients,"
    " header_id, coalesce((SELECT a.local || '@' || a.domain FROM account a"
    " WHERE a.id = message.account AND a.domain <> ''), '') FROM message WHERE id = $1")

/* Ledger and events of a message in one order: time, ledger first, number in its table. But the attempt
 * (kind 6) that ends a recipient's way has the time of what the ledger says of it (anything but
 * state 4, queued), and comes before. */
SQL(TRACE_TIMELINE,
    "SELECT time, 0, recipient, recipient, state, address, detail, 0, 1 FROM ledger"
    " WHERE message = $1"
    " UNION ALL SELECT t.time, 1, t.seq, t.recipient, t.kind, coalesce(l.address, ''), t.text,"
    " t.dialogue, CASE WHEN t.kind = 6 AND l.state <> 4 THEN 0 ELSE 2 END"
    " FROM trace t LEFT JOIN ledger l ON l.message = t.message"
    " AND l.recipient = t.recipient WHERE t.message = $1 ORDER BY 1, 9, 3")

SQL(MESSAGE_NEWEST, "SELECT id FROM message ORDER BY id DESC LIMIT $1")

/* What is searched in those that the index, whose mark is $1, does not know yet. */
SQL(MESSAGES_LATE,
    "SELECT m.id, m.reverse_path, m.header_id, coalesce(l.address, '') FROM message m"
    " LEFT JOIN ledger l ON l.message = m.id WHERE m.id > $1 UNION ALL"
    " SELECT t.message, '', '', t.text FROM trace t WHERE t.message > $1 AND t.kind = 8"
    " ORDER BY 1 DESC")

/* ... and in those that it knows. */
SQL(MESSAGES_KEYS, "SELECT id, reverse_path, header_id FROM message WHERE id <= $1")

SQL(LEDGERS_ADDRESSES, "SELECT message, address FROM ledger WHERE message <= $1")

SQL(TRACE_INDEX_DAY, "SELECT day FROM trace_index WHERE day < $1 ORDER BY day DESC LIMIT 1")

SQL(TRACE_INDEX_FIND, "SELECT message FROM trace_index WHERE day = $1 AND hash = $2"
		      " ORDER BY message DESC")

SQL(TRACE_INDEX_ADD, "INSERT INTO trace_index (day, hash, message) VALUES ($1, $2, $3)"
		     " ON CONFLICT DO NOTHING")

SQL(TRACE_INDEX_DELETE, "DELETE FROM trace_index WHERE day = $1 AND hash = $2 AND message = $3")

SQL(MESSAGE_NEXT, "SELECT id FROM message WHERE id > $1 ORDER BY id LIMIT 1")

SQL(MESSAGE_KEYS, "SELECT reverse_path, header_id FROM message WHERE id = $1")

SQL(NEWEST_ID, "SELECT CAST(coalesce(max(id), 0) AS bigint) FROM (SELECT max(id) AS id FROM message"
	       " UNION ALL SELECT max(id) AS id FROM blob) AS newest")

SQL(LEDGER_HAS, "SELECT time FROM ledger WHERE message = $1 AND recipient = $2")

/* Addresses that recipients were written to as, and those that it was sent on to (kind 8: of their aliases). */
SQL(RECIPIENT_KEYS, "SELECT address FROM ledger WHERE message = $1 UNION ALL"
		    " SELECT text FROM trace WHERE message = $1 AND kind = 8")

/* ---- audit (store/ledger_audit.c) ---- */

/* And the sum of all that was folded, for a day that is not there is told by nothing else. */
SQL(LEDGER_DAYS,
    "SELECT d.day, d.messages, d.accepted, d.mailbox, d.relayed, d.bounced, d.discarded,"
    " m.value FROM (SELECT 1 AS one) o LEFT JOIN ledger_day d ON 1 = 1"
    " LEFT JOIN meta m ON m.name = 'folded' ORDER BY d.day")

SQL(AUDIT_MESSAGES, "SELECT id, recipients FROM message WHERE id > $1 ORDER BY id LIMIT $2")

/* What the ledger says of each recipient, and whether the rows are there that it speaks of. */
SQL(AUDIT_LEDGER,
    "SELECT l.recipient, l.state, l.account, l.purged,"
    " CASE WHEN e.id IS NULL THEN 0 ELSE 1 END, CASE WHEN q.message IS NULL THEN 0 ELSE 1 END,"
    " CASE WHEN b.id IS NULL THEN 0 ELSE 1 END FROM ledger l"
    " LEFT JOIN email e ON e.account = l.account AND e.id = l.message AND l.state = 0"
    " LEFT JOIN queue q ON q.shard = 0 AND q.message = l.message AND q.recipient = l.recipient"
    " LEFT JOIN blob b ON b.id = l.message WHERE l.message = $1")

SQL(AUDIT_STRAYS, "SELECT DISTINCT l.message FROM ledger l WHERE l.message > $1 AND l.message <= $2"
		  " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = l.message)")

/* With whether they have a password. */
SQL(AUDIT_ACCOUNTS,
    "SELECT id, used_messages, used_bytes, CASE WHEN EXISTS (SELECT 1 FROM credential c"
    " WHERE c.account = account.id AND c.kind = 0) THEN 1 ELSE 0 END FROM account"
    " WHERE id > $1 AND domain <> '' ORDER BY id LIMIT $2")

/*
 * How many rows refer to the message's content, and how many it knows of. Of most messages no account has a copy: the
 * list of accounts, for which SQLite makes a table each time, is asked for where there is one.
 */
SQL(AUDIT_REFERENCES,
    "SELECT (SELECT count(*) FROM queue q WHERE q.shard = 0 AND q.message = b.id)"
    " + CASE WHEN EXISTS (SELECT 1 FROM ledger l WHERE l.message = b.id AND l.account <> 0)"
    " THEN (SELECT count(*) FROM email e WHERE e.id = b.id AND e.account IN (SELECT l.account"
    " FROM ledger l WHERE l.message = b.id)) ELSE 0 END, b.refs FROM blob b WHERE b.id = $1")

/* What waits behind ($1, $2), with whether its destination is there, and the lease if it is under one. */
SQL(AUDIT_QUEUE,
    "SELECT q.message, q.recipient, CASE WHEN q.destination = '' OR EXISTS (SELECT 1 FROM destination d"
    " WHERE d.shard = q.shard AND d.name = q.destination) THEN 1 ELSE 0 END,"
    " CASE WHEN q.token = 0 OR EXISTS (SELECT 1 FROM lease l WHERE l.shard = q.shard"
    " AND l.token = q.token) THEN 1 ELSE 0 END FROM queue q"
    " WHERE q.shard = 0 AND (q.message, q.recipient) > ($1, $2) ORDER BY q.message, q.recipient LIMIT $3")

/* The next pack behind $1 that blobs lie in, with whether it has a row. */
SQL(AUDIT_PACK,
    "SELECT n.pack, CASE WHEN EXISTS (SELECT 1 FROM pack p WHERE p.pack = n.pack) THEN 1 ELSE 0 END"
    " FROM (SELECT pack FROM blob WHERE pack > $1 ORDER BY pack LIMIT 1) n")

SQL(AUDIT_CONTENT,
    "SELECT id, pos, refs FROM blob WHERE pack = $1 AND pos > $2 ORDER BY pos LIMIT $3")

/* Whose sums are not those of their accounts. */
SQL(AUDIT_DOMAINS, "SELECT d.name FROM domain d WHERE d.used_bytes <>"
		   " (SELECT CAST(coalesce(sum(a.used_bytes), 0) AS bigint) FROM account a"
		   " WHERE a.domain = d.name) OR d.used_messages <>"
		   " (SELECT CAST(coalesce(sum(a.used_messages), 0) AS bigint) FROM account a"
		   " WHERE a.domain = d.name) ORDER BY d.name")

SQL(AUDIT_LOST_ACCOUNTS, "SELECT DISTINCT b.account FROM mailbox b LEFT JOIN account a"
			 " ON a.id = b.account WHERE a.id IS NULL ORDER BY b.account")

/* Messages whose mailboxes are not as many as they say. */
SQL(AUDIT_LINKS,
    "SELECT e.id FROM email e LEFT JOIN (SELECT m.email AS id, count(*) AS n FROM membership m"
    " WHERE m.account = $1 GROUP BY m.email) c ON c.id = e.id WHERE e.account = $1"
    " AND e.links <> coalesce(c.n, 0) ORDER BY e.id")

SQL(LEDGER_LAST_DAY, "SELECT max(day) FROM ledger_day HAVING count(*) > 0")

/*
 * What was taken and has no row: the index of the trace knows it, or an account has it, and its id is from $1
 * on, where nothing was folded yet.
 */
SQL(AUDIT_GONE,
    "SELECT t.message FROM trace_index t WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = t.message)"
    " AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.message = t.message) UNION SELECT e.id FROM email e"
    " WHERE e.id >= $1 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = e.id)"
    " AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.message = e.id) ORDER BY 1")

SQL(AUDIT_MAILBOXES, "SELECT m.messages, m.octets,"
		     " (SELECT count(*) FROM membership s WHERE s.account = m.account"
		     " AND s.mailbox = m.id AND s.expunged_modseq = 0),"
		     " (SELECT CAST(coalesce(sum(s.size), 0) AS bigint) FROM membership s"
		     " WHERE s.account = m.account AND s.mailbox = m.id AND s.expunged_modseq = 0)"
		     " FROM mailbox m WHERE m.account = $1")
