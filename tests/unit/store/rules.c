#include "rules.h"

#include <sqlite3.h>

#include "base/mem.h"
#include "store/db_internal.h"

/* Each counts rows that must not be. */
static const struct {
	const char *rule, *select;
} rules[] = {
    {"mailbox.md 1: a uid is below uidnext",
	"membership m LEFT JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox"
	" WHERE b.id IS NULL OR m.uid >= b.uidnext"},
    {"mailbox.md 1: no change is above its account's modseq",
	"change c JOIN account a ON a.id = c.account WHERE c.modseq > a.modseq"},
    {"mailbox.md 2: messages and octets of a mailbox",
	"mailbox b WHERE (messages, octets) <> (SELECT count(*), coalesce(sum(size), 0) FROM"
	" membership m WHERE m.account = b.account AND m.mailbox = b.id AND expunged_modseq = 0)"},
    {"mailbox.md 2, quota.md 1: what an account uses",
	"account a WHERE domain <> '' AND (used_messages, used_bytes) <> (SELECT"
	" coalesce(sum(messages), 0), coalesce(sum(octets), 0) FROM mailbox WHERE account = a.id)"},
    {"mailbox.md 3: a copy has its email, of its size",
	"membership m LEFT JOIN email e ON e.account = m.account AND e.id = m.email"
	" WHERE e.id IS NULL OR e.size <> m.size"},
    {"mailbox.md 3: email.links",
	"email e WHERE links <> (SELECT count(*) FROM membership m WHERE m.account = e.account"
	" AND m.email = e.id)"},
    {"mailbox.md 3: email.size is prefix and blob",
	"email e LEFT JOIN blob b ON b.id = e.blob WHERE b.id IS NULL"
	" OR e.size <> length(e.prefix) + b.length"},
    {"mailbox.md 4: what an email has become is in the feed of changes",
	"email e WHERE NOT EXISTS (SELECT 1 FROM change c WHERE c.account = e.account"
	" AND c.modseq = e.modseq AND c.type = 1 AND c.id = e.id)"},
    {"mailbox.md 11: a modseq of a mailbox is none below those of what is in it",
	"membership m JOIN email e ON e.account = m.account AND e.id = m.email"
	" JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox"
	" WHERE m.expunged_modseq = 0 AND (e.modseq > b.modseq OR m.modseq > e.modseq)"},
    {"mailbox.md 10: an expunged row is brought back once",
	"membership a JOIN membership b ON b.account = a.account AND b.mailbox = a.mailbox"
	" AND b.origin = a.origin AND b.uid <> a.uid WHERE a.origin > 0"},
    {"mailbox.md 10: what is brought back is the same, and was expunged",
	"membership m JOIN membership o ON o.account = m.account AND o.mailbox = m.mailbox"
	" AND o.uid = m.origin WHERE m.origin > 0"
	" AND (o.email <> m.email OR o.expunged_modseq = 0)"},
    {"quota.md 1: what a domain uses",
	"domain d WHERE (used_messages, used_bytes) <> (SELECT coalesce(sum(used_messages), 0),"
	" coalesce(sum(used_bytes), 0) FROM account WHERE domain = d.name)"},
    {"message.md 3: a copy that is not purged has its email",
	"ledger l WHERE state = 0 AND purged = 0 AND NOT EXISTS (SELECT 1 FROM email e"
	" WHERE e.account = l.account AND e.id = l.message)"},
    {"message.md 3, queue-entry.md 1: a recipient is queued while his row waits",
	"ledger l WHERE (state = 4) <> EXISTS (SELECT 1 FROM queue q WHERE q.message = l.message"
	" AND q.recipient = l.recipient)"},
    {"message.md 2: message.recipients",
	"message m WHERE recipients <> (SELECT count(*) FROM ledger WHERE message = m.id)"},
    {"message.md 5: blob.refs",
	"blob b WHERE refs <> (SELECT count(*) FROM email WHERE blob = b.id)"
	" + (SELECT count(*) FROM queue q JOIN message m ON m.id = q.message WHERE m.blob = b.id)"
	" + (SELECT count(*) FROM trace WHERE dialogue = b.id)"},
    {"message.md 5: a queue row has its message and blob",
	"queue q LEFT JOIN message m ON m.id = q.message LEFT JOIN blob b ON b.id = m.blob"
	" WHERE b.id IS NULL"},
    {"message.md 5: a trace's dialogue is there",
	"trace t LEFT JOIN blob b ON b.id = t.dialogue WHERE t.dialogue <> 0 AND b.id IS NULL"},
    {"pack.md 1: a blob lies before the end of its pack",
	"blob b LEFT JOIN pack p ON p.pack = b.pack"
	" WHERE p.pack IS NULL OR b.pos + 64 + b.length > p.end_offset"},
    {"pack.md 5: a pack that is dropped has no row", "dropped d JOIN pack p ON p.pack = d.pack"},
    {"destination.md (failing): it waits for a probe exactly while it fails",
	"destination WHERE (failures > 0) <> (next_probe > 0)"},
    {"destination.md (failing): so does a host", "host WHERE (failures > 0) <> (next_probe > 0)"},
    {"destination.md (waiting): it does not fail", "destination WHERE failures > 0 AND waits <> 0"},
    {"destination.md 6: leases at a host",
	"(SELECT host FROM lease WHERE host <> '' AND begun > 0 GROUP BY shard, host"
	" HAVING count(*) > 20)"},
    {"lease.md 13: callouts at a host",
	"(SELECT host FROM lease WHERE host <> '' AND message = 0 GROUP BY shard, host"
	" HAVING count(*) > 4)"},
    {"lease.md 13: only callouts wait", "lease WHERE begun = 0 AND message <> 0"},
    {"destination.md 11: leases in all", "(SELECT count(*) AS n FROM lease) WHERE n > 500"},
    {"queue-entry.md 3, destination.md 1: a row has its destination",
	"queue q LEFT JOIN destination d ON d.shard = q.shard AND d.name = q.destination"
	" WHERE q.destination <> '' AND d.name IS NULL"},
    {"queue-entry.md (leased): a row has its lease",
	"queue q LEFT JOIN lease l ON l.shard = q.shard AND l.token = q.token"
	" WHERE q.token <> 0 AND (l.token IS NULL OR l.message <> q.message"
	" OR l.destination <> q.destination)"},
    {"queue-entry.md (leased): a lease has rows",
	"lease l WHERE l.message <> 0 AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.shard = l.shard"
	" AND q.message = l.message AND q.token = l.token)"},
    {"lease.md 2: no token is above the counter",
	"lease WHERE token > (SELECT value FROM meta WHERE name = 'lease')"},
    {"rows.md 1: tables have as many rows as meta says",
	"(SELECT 'rows_admin_log' AS name, count(*) AS n FROM admin_log UNION ALL SELECT 'rows_alias',"
	" count(*) FROM alias UNION ALL SELECT 'rows_change', count(*) FROM change UNION ALL"
	" SELECT 'rows_domain', count(*) FROM domain UNION ALL SELECT 'rows_mailbox', count(*) FROM"
	" mailbox UNION ALL SELECT 'rows_message', count(*) FROM message UNION ALL SELECT 'rows_trace',"
	" count(*) FROM trace UNION ALL SELECT 'rows_trace_index', count(*) FROM trace_index) c"
	" LEFT JOIN meta m ON m.name = c.name WHERE m.value IS NULL OR m.value <> c.n"},
    {"queue-entry.md 7: a held row", "queue WHERE held <> 0 AND (token <> 0 OR report <> 0)"},
    {"queue-entry.md 11: rows of a lease are sent on for the same",
	"queue a JOIN queue b ON b.shard = a.shard AND b.message = a.message AND b.token = a.token"
	" WHERE a.token <> 0 AND b.forwarder <> a.forwarder"},
    {"queue-entry.md 11: another reverse path is of what is sent on",
	"lease l JOIN queue q ON q.shard = l.shard AND q.message = l.message AND q.token = l.token"
	" WHERE l.reverse_path <> '' AND q.forwarder = ''"},
    {"queue-entry.md 8: an empty destination", "queue WHERE (destination = '') <> (report <> 0)"},
};

static sqlite3_stmt *prepare(struct db *db, const char *select)
{
	char sql[1024];
	sqlite3_stmt *stmt = NULL;

	snprintf(sql, sizeof sql, "SELECT * FROM %s LIMIT 1", select);
	if (sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		mem_bug(__FILE__, __LINE__, sqlite3_errmsg(db->sqlite));
	return stmt;
}

/* For people. */
static void put_row(struct err *e, const char *rule, sqlite3_stmt *stmt)
{
	char text[400] = "";
	size_t at = 0;

	for (int i = 0; i < sqlite3_column_count(stmt) && at < sizeof text - 64; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, " %s=%.30s",
		    sqlite3_column_name(stmt, i), (const char *)sqlite3_column_text(stmt, i));
	err_set(e, "%s: against it:%s", rule, text);
}

bool rules_hold(struct db *db, struct err *e)
{
	bool good = true;

	for (size_t i = 0; i < sizeof rules / sizeof *rules && good; i++) {
		sqlite3_stmt *stmt = prepare(db, rules[i].select);
		int rc = sqlite3_step(stmt);

		good = rc == SQLITE_DONE;
		if (rc == SQLITE_ROW)
			put_row(e, rules[i].rule, stmt);
		else if (!good)
			err_set(e, "%s: %s", rules[i].rule, sqlite3_errmsg(db->sqlite));
		sqlite3_finalize(stmt);
	}
	return good;
}
