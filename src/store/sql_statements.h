/*
 * Every SQL statement of the store: SQL(ID, text) where one text serves SQLite 3.40 and PostgreSQL
 * 15, SQL_PG(ID, sqlite, postgres) where that cannot be (say why above it). Parameters are $1, $2,
 * ... and each is used; types bigint, bytea, text; keys start with the account or the queue shard.
 * Included several times, by store/sql.h and sql.c, with its own meaning of SQL and SQL_PG.
 */

/* ---- packs: how far each is committed (store/pack.c, store/lane.c) ---- */

SQL(PACK_LIST, "SELECT pack, generation, single, end_offset, sequence FROM pack ORDER BY pack")

SQL(PACK_PUT, "INSERT INTO pack (pack, generation, single, end_offset, sequence)"
	      " VALUES ($1, $2, $3, $4, $5)"
	      " ON CONFLICT (pack) DO UPDATE SET generation = excluded.generation,"
	      " end_offset = excluded.end_offset, sequence = excluded.sequence")

SQL(PACK_DELETE, "DELETE FROM pack WHERE pack = $1")

/* ---- counters of the store ---- */

SQL(META_NEXT, "UPDATE meta SET value = value + 1 WHERE name = $1 RETURNING value")

SQL(META_GET, "SELECT value FROM meta WHERE name = $1")

SQL(META_SET, "UPDATE meta SET value = $2 WHERE name = $1")

/* ---- domains, accounts, aliases (store/directory*.c) ---- */

SQL(DOMAIN_GET, "SELECT created FROM domain WHERE name = $1")

/* The only one there is; no row when there are more. */
SQL(DOMAIN_ONLY, "SELECT min(name) FROM domain HAVING count(*) = 1")

SQL(DOMAIN_ADD, "INSERT INTO domain (name, created) VALUES ($1, $2)")

SQL(DOMAIN_DELETE, "DELETE FROM domain WHERE name = $1")

SQL(DOMAIN_ACCOUNTS, "SELECT count(*) FROM account WHERE domain = $1")

SQL(DOMAIN_ALIASES, "SELECT count(DISTINCT local) FROM alias WHERE domain = $1")

SQL(DOMAIN_LIST, "SELECT d.name, d.created,"
		 " (SELECT count(*) FROM account a WHERE a.domain = d.name),"
		 " (SELECT count(DISTINCT l.local) FROM alias l WHERE l.domain = d.name)"
		 " FROM domain d WHERE d.name > $1 ORDER BY d.name LIMIT $2")

SQL(ACCOUNT_BY_ADDRESS,
    "SELECT id, state, send_only, used_bytes, used_messages, quota_bytes, quota_messages,"
    " local, domain FROM account WHERE domain = $1 AND local = $2")

/* The oldest that takes mail. */
SQL(ACCOUNT_FIRST,
    "SELECT id, state, send_only, used_bytes, used_messages, quota_bytes, quota_messages,"
    " local, domain FROM account WHERE state = 0 AND send_only = 0 ORDER BY id LIMIT 1")

SQL(ACCOUNT_LOGIN, "SELECT a.id, a.state, a.send_only, c.hash FROM account a"
		   " LEFT JOIN credential c ON c.account = a.id AND c.kind = 0 AND c.name = ''"
		   " WHERE a.domain = $1 AND a.local = $2")

SQL(ACCOUNT_ADD,
    "INSERT INTO account (id, domain, local, state, send_only, created, modseq, used_bytes,"
    " used_messages, quota_bytes, quota_messages)"
    " VALUES ($1, $2, $3, 0, $4, $5, 1, 0, 0, $6, $7)")

SQL(ACCOUNT_RENAME, "UPDATE account SET domain = $2, local = $3, state = $4 WHERE id = $1")

SQL(ACCOUNT_SET_STATE, "UPDATE account SET state = $2 WHERE id = $1")

SQL(ACCOUNT_SET_SEND_ONLY, "UPDATE account SET send_only = $2 WHERE id = $1")

SQL(ACCOUNT_SET_QUOTA, "UPDATE account SET quota_bytes = $2, quota_messages = $3 WHERE id = $1")

/* $1: this domain only, or '' for all but the removed ones. */
SQL(ACCOUNT_LIST,
    "SELECT id, domain, local, state, send_only, created, used_bytes, used_messages, quota_bytes,"
    " quota_messages FROM account WHERE domain <> '' AND ($1 = '' OR domain = $1)"
    " AND (domain, local) > ($2, $3) ORDER BY domain, local LIMIT $4")

SQL(CREDENTIAL_SET,
    "INSERT INTO credential (account, kind, name, hash, created) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (account, kind, name)"
    " DO UPDATE SET hash = excluded.hash, created = excluded.created")

SQL(CREDENTIAL_DELETE, "DELETE FROM credential WHERE account = $1")

SQL(ALIAS_TARGETS, "SELECT target_local, target_domain FROM alias"
		   " WHERE domain = $1 AND local = $2 ORDER BY target_domain, target_local")

SQL(ALIAS_ADD, "INSERT INTO alias (domain, local, target_domain, target_local, created)"
	       " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")

SQL(ALIAS_DELETE, "DELETE FROM alias WHERE domain = $1 AND local = $2"
		  " AND target_domain = $3 AND target_local = $4")

SQL(ALIAS_DELETE_ALL, "DELETE FROM alias WHERE domain = $1 AND local = $2")

/* An alias elsewhere that leads to this address. */
SQL(ALIAS_LEADING_TO, "SELECT local, domain FROM alias WHERE target_domain = $1"
		      " AND target_local = $2 AND NOT (domain = $1 AND local = $2) LIMIT 1")

/* An alias elsewhere that leads into this domain. */
SQL(ALIAS_LEADING_INTO, "SELECT local, domain FROM alias WHERE target_domain = $1"
			" AND domain <> $1 LIMIT 1")

SQL(ALIAS_LIST, "SELECT domain, local, target_domain, target_local, created FROM alias"
		" WHERE ($1 = '' OR domain = $1)"
		" AND (domain, local, target_domain, target_local) > ($2, $3, $4, $5)"
		" ORDER BY domain, local, target_domain, target_local LIMIT $6")

SQL(ADMIN_LOG_ADD, "INSERT INTO admin_log (id, time, who, what) VALUES ($1, $2, $3, $4)")

/* ---- mailboxes (store/mailbox*.c) ---- */

SQL(MAILBOX_ADD,
    "INSERT INTO mailbox (account, id, parent, name, role, uidvalidity, uidnext, modseq, messages,"
    " octets, created) VALUES ($1, $2, 0, $3, $4, $5, 1, 1, 0, 0, $6)")

SQL(SNAPSHOT_BEGIN, "SELECT m.uidnext, a.modseq FROM mailbox m JOIN account a ON a.id = m.account"
		    " WHERE m.account = $1 AND m.id = $2")

SQL(SNAPSHOT_SCAN, "SELECT uid, size, expunged_modseq FROM membership"
		   " WHERE account = $1 AND mailbox = $2 AND uid > $3 AND uid <= $4"
		   " ORDER BY uid LIMIT $5")

SQL(MEMBERSHIP_LIST, "SELECT uid, email, size FROM membership"
		     " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		     " AND (expunged_modseq = 0 OR expunged_modseq > $5) ORDER BY uid")

SQL(MESSAGE_PLACE, "SELECT e.id, e.size, e.prefix, e.blob, b.pack, b.pos, b.length"
		   " FROM membership m JOIN email e ON e.account = m.account AND e.id = m.email"
		   " JOIN blob b ON b.id = e.blob"
		   " WHERE m.account = $1 AND m.mailbox = $2 AND m.uid = $3")

SQL(ACCOUNT_NEXT_MODSEQ, "UPDATE account SET modseq = modseq + 1 WHERE id = $1 RETURNING modseq")

SQL(ACCOUNT_REFUND, "UPDATE account SET used_bytes = used_bytes - $2,"
		    " used_messages = used_messages - $3 WHERE id = $1")

SQL(MAILBOX_TAKE_OUT, "UPDATE mailbox SET modseq = $3, messages = messages - $4,"
		      " octets = octets - $5 WHERE account = $1 AND id = $2")

SQL(EXPUNGE_RANGE, "UPDATE membership SET expunged_modseq = $5, expunged_at = $6"
		   " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		   " AND expunged_modseq = 0")

SQL(EXPUNGE_SUM, "SELECT count(*), CAST(coalesce(sum(size), 0) AS bigint) FROM membership"
		 " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		 " AND expunged_modseq = $5")

SQL(EXPUNGE_CHANGES, "INSERT INTO change (account, modseq, type, id, op)"
		     " SELECT account, expunged_modseq, $6, email, $7 FROM membership"
		     " WHERE account = $1 AND mailbox = $2 AND uid >= $3 AND uid <= $4"
		     " AND expunged_modseq = $5")
