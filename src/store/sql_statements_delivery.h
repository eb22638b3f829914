/* The statements of delivery (store/deliver*.c); a part of store/sql_statements.h, which includes it. */

SQL(MESSAGE_ACCEPTED, "SELECT accepted FROM message WHERE id = $1")

SQL(MESSAGE_SENDER, "SELECT reverse_path FROM message WHERE id = $1")

SQL(MESSAGE_ADD,
    "INSERT INTO message (id, accepted, reverse_path, peer, helo, protocol, account, size, blob,"
    " recipients, header_id, envid, ret, flags)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")

SQL(BLOB_GET, "SELECT pack, pos, length FROM blob WHERE id = $1")

SQL(BLOB_ADD, "INSERT INTO blob (id, pack, pos, length, refs) VALUES ($1, $2, $3, $4, $5)")

/*
 * Takes room in the account, or gives no row when there is none. $3: 1: whatever the quota; $4: 1: also
 * when it takes no mail.
 */
SQL(ACCOUNT_CHARGE,
    "UPDATE account AS a SET modseq = a.modseq + 1, used_bytes = a.used_bytes + $2,"
    " used_messages = a.used_messages + 1,"
    " quota_warned = " QUOTA_MARK("a.used_bytes + $2",
	"a.used_messages + 1") " WHERE a.id = $1 AND ((a.state = 0 AND a.send_only = 0)"
			       " OR ($4 = CAST(1 AS bigint) AND a.domain <> '')) AND ($3 = CAST(1 AS bigint) OR (a.used_bytes + $2 <= " ACCOUNT_BYTES_MAX
			       " AND a.used_messages < " ACCOUNT_MESSAGES_MAX
			       " AND EXISTS (SELECT 1 FROM domain d WHERE d.name = a.domain AND d.used_bytes + $2 <= " DOMAIN_BYTES_MAX
			       " AND d.used_messages < " DOMAIN_MESSAGES_MAX "))) RETURNING modseq")

SQL(MAILBOX_BY_ROLE, "SELECT id FROM mailbox WHERE account = $1 AND role = $2 ORDER BY id LIMIT 1")

SQL(MAILBOX_BY_NAME,
    "SELECT id FROM mailbox WHERE account = $1 AND parent = 0 AND name = $2 ORDER BY id LIMIT 1")

SQL(MAILBOX_PUT_IN,
    "UPDATE mailbox SET uidnext = uidnext + 1, modseq = $3, messages = messages + 1,"
    " octets = octets + $4 WHERE account = $1 AND id = $2 RETURNING uidnext")

SQL(EMAIL_MODSEQ, "SELECT modseq FROM email WHERE account = $1 AND id = $2")

SQL(EMAIL_ADD,
    "INSERT INTO email (account, id, blob, prefix, thread, received, size, keywords, modseq,"
    " links, summary, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11)")

SQL(MEMBERSHIP_ADD,
    "INSERT INTO membership (account, mailbox, uid, email, size, modseq, created, origin,"
    " expunged_modseq, expunged_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)")

SQL(CHANGE_ADD, "INSERT INTO change (account, modseq, type, id, op) VALUES ($1, $2, $3, $4, $5)")

SQL(QUEUE_ADD,
    "INSERT INTO queue (shard, message, recipient, destination, address, accepted, not_before,"
    " token, bounce, held, report, warned, notify, orcpt, attempts, last_attempt, last_problem,"
    " last_status, last_reply, last_remote, priority, hold_until, by_kind, by_time, by_trace,"
    " tier, forwarder)"
    " VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, 0, $8, $9, $10, $11, 0, 0, 0, $12, $13, '', $14, $15,"
    " $16, $17, $18, $19, $20)")

/*
 * Makes it known at $3, or has it looked at when it waits for longer. $5: since when it counts as due:
 * before those for which more is waiting already (QUEUE_FRESH_MS).
 */
SQL(DESTINATION_ADD,
    "INSERT INTO destination (shard, name, due, turn, sessions, failures, failing_since,"
    " next_probe, last_try, last_problem, last_status, last_reply, last_remote, standing)"
    " VALUES ($1, $2, $5, 0, $4, 0, 0, 0, 0, 0, 0, '', '', 1)"
    " ON CONFLICT (shard, name) DO UPDATE SET due = CASE WHEN destination.failures > 0"
    " AND destination.next_probe > $3 THEN destination.next_probe"
    " WHEN destination.waits > $3 THEN destination.waits ELSE excluded.due END WHERE destination.due > $3")
