/*
 * The statements of the queue; a part of store/sql_statements.h, which includes it. $1 is the shard
 * throughout.
 */

/* Columns of a row as store/queue_rows.c reads them. */
#define QUEUE_COLUMNS                                                                              \
	"q.message, q.recipient, q.destination, q.address, q.accepted, q.not_before, q.token,"     \
	" q.bounce, q.report, q.warned, q.notify, q.orcpt, q.attempts, q.last_attempt,"            \
	" q.last_problem, q.last_status, q.last_reply, q.last_remote, q.held, q.priority,"         \
	" q.hold_until, q.by_kind, q.by_time, q.by_trace, q.forwarder"

/* ---- rows (store/queue_rows.c) ---- */

/* All of a message, behind recipient $3. */
SQL(QUEUE_OF_MESSAGE, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
		      " AND q.message = $2 AND q.recipient > $3 ORDER BY q.recipient LIMIT $4")

/* Under a lease. */
SQL(QUEUE_OF_LEASE, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
		    " AND q.message = $2 AND q.token = $3 ORDER BY q.recipient")

/* Of one priority, those that may go as far as they themselves are concerned. */
SQL(QUEUE_READY,
    "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
    " AND q.destination = $2 AND q.token = 0 AND q.priority = $3 AND q.not_before <= $4"
    " ORDER BY q.not_before, q.message, q.recipient LIMIT $5")

/* The priority below $3 of those that wait. */
SQL(QUEUE_PRIORITY, "SELECT priority FROM queue WHERE shard = $1 AND destination = $2"
		    " AND token = 0 AND priority < $3 ORDER BY priority DESC LIMIT 1")

/* That must be delivered, or its sender told, no later than $2. */
SQL(QUEUE_BY, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1 AND q.by_kind > 0"
	      " AND q.by_kind < 3 AND q.report = 0 AND q.held = 0 AND q.by_time <= $2"
	      " ORDER BY q.by_time, q.message, q.recipient LIMIT $3")

/* The first later than $2. */
SQL(QUEUE_BY_NEXT, "SELECT by_time FROM queue WHERE shard = $1 AND by_kind > 0 AND by_kind < 3"
		   " AND report = 0 AND held = 0 AND by_time > $2 ORDER BY by_time LIMIT 1")

/* Of tier $2, accepted from $5 until $6. */
SQL(QUEUE_ACCEPTED,
    "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1 AND q.tier = $2"
    " AND q.bounce = $3 AND q.warned = $4 AND q.report = 0 AND q.held = 0 AND q.accepted >= $5"
    " AND q.accepted <= $6 ORDER BY q.accepted, q.message, q.recipient LIMIT $7")

/* All, behind ($2, $3). */
SQL(QUEUE_ALL, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
	       " AND (q.message, q.recipient) > ($2, $3) ORDER BY q.message, q.recipient LIMIT $4")

/* Of those behind ($2, $3): accepted or tried later than $4. */
SQL(QUEUE_AHEAD, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
		 " AND (q.message, q.recipient) > ($2, $3)"
		 " AND (q.accepted > $4 OR q.last_attempt > $4)"
		 " ORDER BY q.message, q.recipient LIMIT $5")

/*
 * Of the newest, and of those that wait for no destination, how many lie later than $2 against their sender's wish.
 * Not of those that are held, whose times stand still.
 */
SQL(QUEUE_NEWEST_AHEAD,
    "SELECT count(*) FROM (SELECT n.* FROM (SELECT accepted, hold_until, last_attempt FROM queue"
    " WHERE shard = $1 AND held = 0 ORDER BY message DESC LIMIT 1000) n UNION ALL SELECT h.* FROM (SELECT accepted,"
    " hold_until, last_attempt FROM queue WHERE shard = $1 AND destination = '' AND held = 0 LIMIT 1000) h) q"
    " WHERE (q.accepted > $2 AND q.accepted <> q.hold_until) OR q.last_attempt > $2")

/* Those behind ($2, $3) that wait, accepted from $4 until $5. */
SQL(QUEUE_BETWEEN, "SELECT " QUEUE_COLUMNS " FROM queue q WHERE q.shard = $1"
		   " AND (q.message, q.recipient) > ($2, $3)"
		   " AND q.accepted >= $4 AND q.accepted <= $5 AND q.report IN (0, 4)"
		   " ORDER BY q.message, q.recipient LIMIT $6")

/* The first accepted later than $5. */
SQL(QUEUE_ACCEPTED_NEXT, "SELECT accepted FROM queue WHERE shard = $1 AND tier = $2"
			 " AND bounce = $3 AND warned = $4 AND report = 0 AND held = 0"
			 " AND accepted > $5 ORDER BY accepted LIMIT 1")

/* The first behind ($3, $4). */
SQL(QUEUE_FIRST, "SELECT priority, not_before FROM queue WHERE shard = $1 AND destination = $2"
		 " AND token = 0 AND (priority, not_before) > ($3, $4) ORDER BY priority, not_before LIMIT 1")

/* The class, its tier, kind and number of warnings, and when the first of it was accepted: behind ($2, $3, $4, $5). */
SQL(QUEUE_CLASS_NEXT,
    "SELECT tier, bounce, warned, accepted FROM queue WHERE shard = $1"
    " AND report = 0 AND held = 0 AND (tier, bounce, warned, accepted) > ($2, $3, $4, $5)"
    " ORDER BY tier, bounce, warned, accepted LIMIT 1")

/* The tier, above $2, that a row has. */
SQL(QUEUE_TIER_NEXT, "SELECT tier FROM queue WHERE shard = $1 AND report = 0 AND held = 0"
		     " AND tier > $2 ORDER BY tier LIMIT 1")

/* Rows of tier $2 become common. */
SQL(QUEUE_TIER_CLEAR,
    "UPDATE queue SET tier = 0 WHERE shard = $1 AND (message, recipient) IN (SELECT q.message,"
    " q.recipient FROM queue q WHERE q.shard = $1 AND q.tier = $2 AND q.report = 0 AND q.held = 0 LIMIT $3)")

/* Rows whose destination is from $2 on and below $3 become those of tier $4. */
SQL(QUEUE_TIER_SET,
    "UPDATE queue SET tier = $4 WHERE shard = $1 AND (message, recipient) IN (SELECT q.message,"
    " q.recipient FROM queue q WHERE q.shard = $1 AND q.destination >= $2 AND q.destination < $3"
    " AND q.tier <> $4 LIMIT $5)")

SQL(QUEUE_SET,
    "UPDATE queue SET destination = $4, accepted = $5, not_before = $6, token = $7, report = $8,"
    " warned = $9, attempts = $10, last_attempt = $11, last_problem = $12, last_status = $13,"
    " last_reply = $14, last_remote = $15, held = $16, hold_until = $17, by_kind = $18,"
    " priority = $19, forwarder = $20 WHERE shard = $1 AND message = $2 AND recipient = $3")

SQL(QUEUE_WARNED, "UPDATE queue SET warned = $4, by_kind = $5 WHERE shard = $1 AND message = $2"
		  " AND recipient = $3")

/* The recipient is in a mailbox: the row only tells, as number $4, of the address that he was given. */
SQL(QUEUE_TELL, "UPDATE queue SET recipient = $4, report = $5, not_before = 0,"
		" last_problem = 0, last_status = 0, last_reply = '', last_remote = '', address ="
		" (SELECT l.address FROM ledger l WHERE l.message = $2 AND l.recipient = $3)"
		" WHERE shard = $1 AND message = $2 AND recipient = $3")

SQL(QUEUE_STATE,
    "SELECT token, report, warned, by_kind FROM queue WHERE shard = $1 AND message = $2"
    " AND recipient = $3")

SQL(QUEUE_DELETE, "DELETE FROM queue WHERE shard = $1 AND message = $2 AND recipient = $3")

SQL(QUEUE_TAKE, "UPDATE queue SET token = $4 WHERE shard = $1 AND message = $2 AND recipient = $3"
		" AND token = 0")

SQL(QUEUE_FREE, "UPDATE queue SET token = 0 WHERE shard = $1 AND message = $2 AND token = $3")

SQL(QUEUE_MESSAGE,
    "SELECT m.accepted, m.reverse_path, m.size, m.envid, m.ret, m.flags, m.header_id,"
    " b.id, b.pack, b.pos, b.length, m.protocol, m.account FROM message m JOIN blob b ON b.id = m.blob WHERE m.id = $1")

/* ---- destinations (store/queue_rows.c) ---- */

SQL(DESTINATION_GET, "SELECT due, turn, sessions, failures, failing_since, next_probe, last_try,"
		     " last_problem, last_status, last_reply, last_remote, host, waits"
		     " FROM destination WHERE shard = $1 AND name = $2")

SQL(DESTINATION_SET,
    "UPDATE destination SET due = $3, turn = $4, sessions = $5, failures = $6, failing_since = $7,"
    " next_probe = $8, last_try = $9, last_problem = $10, last_status = $11, last_reply = $12,"
    " last_remote = $13, standing = $14, host = $15, waits = $16 WHERE shard = $1 AND name = $2")

/* Whose turn it is, of those with the standing $2. */
SQL(DESTINATION_READY, "SELECT name, due, turn FROM destination WHERE shard = $1 AND standing = $2"
		       " AND due <= $3 ORDER BY due, turn, name LIMIT 1")

/* How many of the standing $2 that are due at $3 have their turn before it: up to $7. */
SQL(DESTINATION_BEFORE,
    "SELECT count(*) FROM (SELECT 1 FROM destination WHERE shard = $1 AND standing = $2"
    " AND due <= $3 AND (due, turn, name) < ($4, $5, $6) LIMIT $7) AS b")

SQL(DESTINATION_WAKE, "SELECT due FROM destination WHERE shard = $1 AND standing = $2"
		      " ORDER BY due LIMIT 1")

/* Behind the name $2. */
SQL(DESTINATION_NEXT, "SELECT name FROM destination WHERE shard = $1 AND name > $2"
		      " ORDER BY name LIMIT 1")

/* Tried in what is now the future: the clock was set back. */
SQL(DESTINATION_AHEAD, "SELECT name FROM destination WHERE shard = $1 AND name > $2"
		       " AND last_try > $3 ORDER BY name LIMIT 1")
SQL(DESTINATION_BEHIND, "SELECT name FROM destination WHERE shard = $1 AND name > $2"
			" AND last_try <= $3 ORDER BY name LIMIT 1")

/* Nothing waits for it, and it was not tried since $2. */
SQL(DESTINATION_FORGET,
    "DELETE FROM destination WHERE shard = $1 AND name IN (SELECT d.name FROM destination d"
    " WHERE d.shard = $1 AND d.due = 9223372036854775807 AND d.last_try < $2"
    " AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.shard = $1 AND q.destination = d.name)"
    " ORDER BY d.name LIMIT $3)")

/* Who waits for a destination, held or not; the first message is the oldest, by its id. */
SQL(DESTINATION_SUMS, "SELECT count(*), coalesce(min(message), 0) FROM queue WHERE shard = $1"
		      " AND destination = $2")

/* ---- hosts (store/queue_host.c) ---- */

SQL(HOST_GET, "SELECT sessions, failures, failing_since, next_probe, last_try, last_problem,"
	      " last_status, last_reply, tried_for FROM host WHERE shard = $1 AND name = $2")

SQL(HOST_SET,
    "INSERT INTO host (shard, name, sessions, failures, failing_since, next_probe, last_try,"
    " last_problem, last_status, last_reply, tried_for)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    " ON CONFLICT (shard, name) DO UPDATE SET sessions = excluded.sessions,"
    " failures = excluded.failures, failing_since = excluded.failing_since,"
    " next_probe = excluded.next_probe, last_try = excluded.last_try,"
    " last_problem = excluded.last_problem, last_status = excluded.last_status,"
    " last_reply = excluded.last_reply, tried_for = excluded.tried_for")

/* Behind the name $2. */
SQL(HOST_AHEAD, "SELECT name FROM host WHERE shard = $1 AND name > $2 AND last_try > $3"
		" ORDER BY name LIMIT 1")

/* Nobody waits for it, and it was not tried since $2. */
SQL(HOST_FORGET, "DELETE FROM host WHERE shard = $1 AND name IN (SELECT h.name FROM host h"
		 " WHERE h.shard = $1 AND h.last_try < $2 AND NOT EXISTS (SELECT 1 FROM host_wait w"
		 " WHERE w.shard = $1 AND w.host = h.name) ORDER BY h.name LIMIT $3)")

/* In lines for hosts, of destinations that are forgotten. */
SQL(HOST_WAIT_FORGET, "DELETE FROM host_wait WHERE shard = $1 AND destination IN"
		      " (SELECT w.destination FROM host_wait w LEFT JOIN destination d"
		      " ON d.shard = w.shard AND d.name = w.destination WHERE w.shard = $1"
		      " AND d.name IS NULL ORDER BY w.destination LIMIT $2)")

SQL(HOST_WAIT_ADD, "INSERT INTO host_wait (shard, host, since, destination)"
		   " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")

/* The destination waits for no host any more. */
SQL(HOST_WAIT_LEAVE, "DELETE FROM host_wait WHERE shard = $1 AND destination = $2")

/* Whose turn it is. */
SQL(HOST_WAIT_FIRST, "SELECT destination FROM host_wait WHERE shard = $1 AND host = $2"
		     " ORDER BY since, destination LIMIT 1")

/* What the destination waits for. */
SQL(HOST_WAIT_OF, "SELECT DISTINCT host FROM host_wait WHERE shard = $1 AND destination = $2"
		  " ORDER BY host LIMIT $3")

/* Another destination than $3 that is being tried there. */
SQL(HOST_SERVES, "SELECT destination FROM lease WHERE shard = $1 AND host = $2"
		 " AND destination <> $3 LIMIT 1")

/* ---- leases (store/queue_lease.c) ---- */

SQL(LEASE_ADD, "INSERT INTO lease (shard, token, owner, message, destination, begun, expiry,"
	       " standing, reverse_path, host) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")

/* It goes to another host than it was thought. */
SQL(LEASE_HOST, "UPDATE lease SET host = $3 WHERE shard = $1 AND token = $2")

SQL(LEASE_COUNT_HOST, "SELECT count(*) FROM lease WHERE shard = $1 AND host = $2")

SQL(LEASE_STANDINGS, "SELECT standing, count(*) FROM lease WHERE shard = $1 GROUP BY standing")

SQL(LEASE_GET, "SELECT token, owner, message, destination, begun, expiry, reverse_path, host"
	       " FROM lease"
	       " WHERE shard = $1 AND token = $2")

/* The alias that it goes through; all its recipients have the same. */
SQL(LEASE_FORWARDER, "SELECT forwarder FROM queue WHERE shard = $1 AND message = $2 AND token = $3"
		     " LIMIT 1")

SQL(LEASE_DELETE, "DELETE FROM lease WHERE shard = $1 AND token = $2")

/* By the index of destinations, for which they are joined in this order: SQLite would look at all that there are. */
#define LEASES_OF                                                                                  \
	" FROM lease d CROSS JOIN lease l WHERE d.shard = $1 AND d.destination = $2"               \
	" AND l.shard = d.shard AND l.token = d.token"
/* Of callouts those that are on their way to a host. */
SQL(LEASE_COUNT, "SELECT count(*)" LEASES_OF " AND (l.message <> 0 OR l.host <> '')")

SQL(LEASE_COUNT_MESSAGES, "SELECT count(*)" LEASES_OF " AND l.message <> 0")
#undef LEASES_OF

/* Those that go; and the callouts, going or waiting; beside one of these. */
#define LEASE_CALLOUTS                                                                             \
	"SELECT coalesce(sum(CASE WHEN begun > 0 THEN 1 ELSE 0 END), 0),"                          \
	" coalesce(sum(CASE WHEN message = 0 AND host <> '' THEN 1 ELSE 0 END), 0) FROM lease"

SQL(LEASE_CALLOUTS, LEASE_CALLOUTS " WHERE shard = $1 AND destination = $2 AND token <> $3")

SQL(LEASE_CALLOUTS_HOST, LEASE_CALLOUTS " WHERE shard = $1 AND host = $2 AND token <> $3")

/* Callouts that count, and wait. */
SQL(LEASE_WAITING, "SELECT count(*) FROM lease WHERE shard = $1 AND destination = $2"
		   " AND host <> '' AND begun = 0")

SQL(LEASE_WAITING_HOST, "SELECT count(*) FROM lease WHERE shard = $1 AND host = $2 AND begun = 0")

SQL(LEASE_CALLOUT_MOVE, "UPDATE lease SET host = $3, begun = $4 WHERE shard = $1 AND token = $2")

#undef LEASE_CALLOUTS

SQL(LEASE_EXTEND, "UPDATE lease SET expiry = $4 WHERE shard = $1 AND token = $2 AND owner = $3"
		  " AND message = $5")

SQL(LEASE_LIST, "SELECT token, owner, message, destination, begun, expiry, reverse_path, host"
		" FROM lease"
		" WHERE shard = $1 AND token > $2 ORDER BY token LIMIT $3")

/* Without an order: a sorter costs more than all else that is asked in a turn. */
SQL(LEASE_WAKE, "SELECT coalesce(min(expiry), 9223372036854775807) FROM lease WHERE shard = $1")
