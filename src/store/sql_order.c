/* The list; the test store/sql_order holds it to the texts of all statements. */
#include "store/sql_order.h"

#include "base/mem.h"

#define BEHIND(n, ...)                                                                             \
	{                                                                                          \
		SQL_ORDER_BEHIND, n,                                                               \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define FROM(n, ...)                                                                               \
	{                                                                                          \
		SQL_ORDER_FROM, n,                                                                 \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define BEFORE(n, ...)                                                                             \
	{                                                                                          \
		SQL_ORDER_BEFORE, n,                                                               \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/* Column and parameter. */
static const struct sql_order orders[SQL_COUNT] = {
    [SQL_ACCOUNT_LIST] = BEHIND(2, {1, 1}, {2, 2}),
    [SQL_ACCOUNT_LIST_OF] = BEHIND(1, {2, 2}),
    [SQL_ADMIN_LOG_LIST] = BEFORE(1, {0, 1}),
    [SQL_ADOPT_NEXT] = BEHIND(1, {0, 1}),
    [SQL_ALIAS_LIST] = BEHIND(4, {0, 1}, {1, 2}, {2, 3}, {3, 4}),
    [SQL_ALIAS_LIST_OF] = BEHIND(3, {1, 2}, {2, 3}, {3, 4}),
    [SQL_AUDIT_ACCOUNTS] = BEHIND(1, {0, 1}),
    [SQL_AUDIT_CONTENT] = BEHIND(1, {1, 2}),
    [SQL_AUDIT_MESSAGES] = BEHIND(1, {0, 1}),
    [SQL_AUDIT_PACK] = BEHIND(1, {0, 1}),
    [SQL_AUDIT_QUEUE] = BEHIND(2, {0, 1}, {1, 2}),
    [SQL_COMPACT_BLOBS] = BEHIND(1, {1, 2}),
    [SQL_COMPACT_NEXT] = BEHIND(1, {0, 1}),
    [SQL_DESTINATION_AHEAD] = BEHIND(1, {0, 2}),
    [SQL_DESTINATION_BEHIND] = BEHIND(1, {0, 2}),
    [SQL_DESTINATION_NEXT] = BEHIND(1, {0, 2}),
    [SQL_DOMAIN_LIST] = BEHIND(1, {0, 1}),
    [SQL_FOLD_NEXT] = BEHIND(1, {0, 1}),
    [SQL_HOST_AHEAD] = BEHIND(1, {0, 2}),
    [SQL_IMPORT_KNOWN] = BEHIND(1, {0, 3}),
    [SQL_KEYWORDS_LIST] = FROM(1, {0, 3}),
    [SQL_KEYWORDS_NEXT] = BEHIND(1, {0, 3}),
    [SQL_LEASE_LIST] = BEHIND(1, {0, 2}),
    [SQL_MAILBOX_AT_BEFORE] = BEFORE(1, {0, 4}),
    [SQL_MAILBOX_OF_MEMBERS] = BEHIND(1, {0, 2}),
    [SQL_MEMBERSHIP_LIST] = FROM(1, {0, 3}),
    [SQL_MESSAGE_NEXT] = BEHIND(1, {0, 1}),
    [SQL_QUEUE_ACCEPTED_NEXT] = BEHIND(1, {0, 5}),
    [SQL_QUEUE_AHEAD] = BEHIND(2, {0, 2}, {1, 3}),
    [SQL_QUEUE_ALL] = BEHIND(2, {0, 2}, {1, 3}),
    [SQL_QUEUE_BETWEEN] = BEHIND(2, {0, 2}, {1, 3}),
    [SQL_QUEUE_BY_NEXT] = BEHIND(1, {0, 2}),
    [SQL_QUEUE_CLASS_NEXT] = BEHIND(4, {0, 2}, {1, 3}, {2, 4}, {3, 5}),
    [SQL_QUEUE_FIRST] = BEHIND(2, {0, 3}, {1, 4}),
    [SQL_QUEUE_OF_MESSAGE] = BEHIND(1, {1, 3}),
    [SQL_QUEUE_PRIORITY] = BEFORE(1, {0, 3}),
    [SQL_QUEUE_TIER_NEXT] = BEHIND(1, {0, 2}),
    [SQL_QUOTA_WARNING_DUE] = BEHIND(1, {0, 1}),
    [SQL_SNAPSHOT_SCAN] = BEHIND(1, {0, 3}),
    [SQL_TRACE_INDEX_DAY] = BEFORE(1, {0, 1}),
    [SQL_UNDELETE_LIST] = BEHIND(2, {0, 2}, {1, 3}),
    [SQL_VERIFY_PACK_BLOBS] = FROM(1, {1, 2}),
    [SQL_VERIFY_PACK_NEXT] = BEHIND(1, {0, 1}),
    [SQL_VERIFY_SEALS] = BEHIND(2, {0, 1}, {1, 2}),
};

const struct sql_order *sql_order(enum sql_id id)
{
	BUG_ON((size_t)id >= SQL_COUNT);
	return &orders[id];
}
