/*
 * The statements of domains, accounts and aliases (store/directory*.c); a part of store/sql_statements.h, which
 * includes it.
 */

#define ACCOUNT_COLUMNS                                                                            \
	"SELECT a.id, a.state, a.send_only, a.used_bytes, a.used_messages, a.quota_bytes,"         \
	" a.quota_messages, a.local, a.domain, " ACCOUNT_BYTES_MAX ", " ACCOUNT_MESSAGES_MAX       \
	", d.used_bytes, d.used_messages, " DOMAIN_BYTES_MAX ", " DOMAIN_MESSAGES_MAX              \
	" FROM account a JOIN domain d ON d.name = a.domain "

SQL(DOMAIN_GET, "SELECT created FROM domain WHERE name = $1")

/* The only one with mailboxes here; no row when there are more. */
SQL(DOMAIN_FIRST, "SELECT name FROM domain WHERE relay = 0 ORDER BY created, name LIMIT 1")

/* enum directory_kind */
SQL(DOMAIN_KIND, "SELECT relay FROM domain WHERE name = $1")

SQL(DOMAIN_SET_KIND, "UPDATE domain SET relay = $2 WHERE name = $1")

SQL(DOMAIN_ADD, "INSERT INTO domain (name, created, used_bytes, used_messages, quota_bytes,"
		" quota_messages, relay) VALUES ($1, $2, 0, 0, 0, 0, $3)")

SQL(DOMAIN_DELETE, "DELETE FROM domain WHERE name = $1")

SQL(DOMAIN_ACCOUNTS, "SELECT count(*) FROM account WHERE domain = $1")

SQL(DOMAIN_ALIASES, "SELECT count(DISTINCT local) FROM alias WHERE domain = $1")

SQL(DOMAIN_LIST, "SELECT d.name, d.created,"
		 " (SELECT count(*) FROM account a WHERE a.domain = d.name),"
		 " (SELECT count(DISTINCT l.local) FROM alias l WHERE l.domain = d.name),"
		 " d.used_bytes, d.used_messages, " DOMAIN_BYTES_MAX ", " DOMAIN_MESSAGES_MAX
		 ", d.relay FROM domain d WHERE d.name > $1 ORDER BY d.name LIMIT $2")

SQL(ACCOUNT_BY_ADDRESS, ACCOUNT_COLUMNS "WHERE a.domain = $1 AND a.local = $2")

/* The same, when it has that number. */
SQL(ACCOUNT_KNOWN, ACCOUNT_COLUMNS "WHERE a.id = $1 AND a.domain = $2 AND a.local = $3")

/* The oldest that take mail. */
SQL(ACCOUNTS_FIRST, ACCOUNT_COLUMNS "WHERE a.state = 0 AND a.send_only = 0 ORDER BY a.id LIMIT $1")

/* The oldest that has mailboxes, disabled or one that only sends. */
SQL(ACCOUNT_ANY, ACCOUNT_COLUMNS "WHERE a.state < 2 ORDER BY a.id LIMIT 1")

SQL(ACCOUNT_LOGIN, "SELECT a.id, a.state, a.send_only, c.hash FROM account a"
		   " LEFT JOIN credential c ON c.account = a.id AND c.kind = 0 AND c.name = ''"
		   " WHERE a.domain = $1 AND a.local = $2")

SQL(ACCOUNT_ADD,
    "INSERT INTO account (id, domain, local, state, send_only, created, modseq, used_bytes,"
    " used_messages, quota_bytes, quota_messages, quota_warned)"
    " VALUES ($1, $2, $3, 0, $4, $5, 1, 0, 0, $6, $7, 0)")

SQL(ACCOUNT_SET_REMOVED, "UPDATE account SET domain = '', local = $2, state = $3,"
			 " used_bytes = 0, used_messages = 0 WHERE id = $1")

SQL(MAILBOX_RESET, "UPDATE mailbox SET messages = 0, octets = 0 WHERE account = $1")

SQL(ACCOUNT_SET_STATE, "UPDATE account SET state = $2 WHERE id = $1")

SQL(ACCOUNT_SET_LANGUAGE, "UPDATE account SET language = $2 WHERE id = $1")

SQL(ACCOUNT_ADDRESS, "SELECT local || '@' || domain FROM account WHERE id = $1")

SQL(ACCOUNT_LANGUAGE, "SELECT language FROM account WHERE id = $1")

SQL(ACCOUNT_SET_SEND_ONLY, "UPDATE account SET send_only = $2 WHERE id = $1")

/* -2: as it is (QUOTA_KEEP). */
SQL(ACCOUNT_SET_QUOTA,
    "UPDATE account SET quota_bytes = CASE WHEN $2 = CAST(-2 AS bigint) THEN quota_bytes ELSE $2 END,"
    " quota_messages = CASE WHEN $3 = CAST(-2 AS bigint) THEN quota_messages ELSE $3 END WHERE id = $1")

SQL(DOMAIN_SET_QUOTA,
    "UPDATE domain SET quota_bytes = CASE WHEN $2 = CAST(-2 AS bigint) THEN quota_bytes ELSE $2 END,"
    " quota_messages = CASE WHEN $3 = CAST(-2 AS bigint) THEN quota_messages ELSE $3 END WHERE name = $1")

SQL(DOMAIN_MARK_QUOTA, "UPDATE domain AS d SET quota_warned = " DOMAIN_MARK(
			   "d.used_bytes", "d.used_messages") " WHERE d.name = $1")

SQL(ACCOUNT_MARK_QUOTA, "UPDATE account AS a SET quota_warned = " QUOTA_MARK(
			    "a.used_bytes", "a.used_messages") " WHERE a.id = $1")

/* All but the removed ones. */
#define ACCOUNT_LIST_COLUMNS                                                                       \
	"SELECT a.id, a.domain, a.local, a.state, a.send_only, a.created, a.used_bytes,"           \
	" a.used_messages, " ACCOUNT_BYTES_MAX ", " ACCOUNT_MESSAGES_MAX                           \
	", a.language FROM account a "
SQL(ACCOUNT_LIST, ACCOUNT_LIST_COLUMNS "WHERE a.domain <> '' AND (a.domain, a.local) > ($1, $2)"
				       " ORDER BY a.domain, a.local LIMIT $3")

/* Those of the domain $1, as the others. */
SQL(ACCOUNT_LIST_OF, ACCOUNT_LIST_COLUMNS "WHERE a.domain = $1 AND a.local > $2"
					  " ORDER BY a.local LIMIT $3")

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

/* Those that lead into the domain $1. */
SQL(ALIAS_INTO, "SELECT domain, local, target_local, created FROM alias WHERE target_domain = $1")

/* Every name of an account or alias. */
SQL(DIRECTORY_NAMES, "SELECT domain, local FROM account WHERE domain <> '' UNION"
		     " SELECT domain, local FROM alias")

/* How many there are of that name. */
SQL(DIRECTORY_NAMED, "SELECT (SELECT count(*) FROM account WHERE domain = $1 AND local = $2)"
		     " + (SELECT count(*) FROM alias WHERE domain = $1 AND local = $2)")

SQL(ACCOUNT_RENAME, "UPDATE account SET local = $3 WHERE domain = $1 AND local = $2")

SQL(ALIAS_RENAME, "UPDATE alias SET local = $3 WHERE domain = $1 AND local = $2")

SQL(DOMAINS_OF_KIND, "SELECT name FROM domain WHERE relay = $1")

/* An alias elsewhere that leads to this address. */
SQL(ALIAS_LEADING_TO, "SELECT local, domain FROM alias WHERE target_domain = $1"
		      " AND target_local = $2 AND NOT (domain = $1 AND local = $2) LIMIT 1")

/* An alias elsewhere that leads into this domain. */
SQL(ALIAS_LEADING_INTO, "SELECT local, domain FROM alias WHERE target_domain = $1"
			" AND domain <> $1 LIMIT 1")

SQL(ALIAS_LIST, "SELECT domain, local, target_domain, target_local, created FROM alias"
		" WHERE (domain, local, target_domain, target_local) > ($1, $2, $3, $4)"
		" ORDER BY domain, local, target_domain, target_local LIMIT $5")

/* Those of the domain $1. */
SQL(ALIAS_LIST_OF, "SELECT domain, local, target_domain, target_local, created FROM alias"
		   " WHERE domain = $1 AND (local, target_domain, target_local) > ($2, $3, $4)"
		   " ORDER BY local, target_domain, target_local LIMIT $5")

#undef ACCOUNT_COLUMNS
#undef ACCOUNT_LIST_COLUMNS
