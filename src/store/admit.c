/*
 * Limits on connections and logins.
 *
 * 1. An entry stands for an address or a network; it exists while connections are open from it or
 *    while its past (connects of this minute, failures, a ban) still matters.
 * 2. Entries without open connections are in `idle`, oldest first, and go when the table is full:
 *    memory is bounded by LIMIT_ADMIT_ENTRIES plus the open connections.
 * 3. sum(open of addresses) = sum(open of networks) = counts.open.
 */
#include "store/admit.h"

#include <sodium.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"

enum scope {
	SCOPE_ADDRESS,
	SCOPE_NETWORK,
};

struct entry {
	struct hash_node node;
	struct list idle; /* in admit.idle while open is 0 */
	struct {
		struct ip ip;
		uint8_t scope;
	} key;
	int64_t open;
	int64_t minute;       /* start of the rate window */
	int64_t connects;     /* in that window */
	int64_t failures;     /* failed logins, each within ban_ms of the one before */
	int64_t failed_at;    /* the last one */
	int64_t failed_as;    /* its account */
	int64_t failures_as;  /* those that were as this account, back to one that was not */
	int64_t banned_until; /* 0: not banned */
};

struct admit {
	struct admit_config cfg;
	struct hash_key hash_key;
	struct hash_table entries;
	struct list idle;
	struct admit_counts counts;
};

struct admit *admit_new(const struct admit_config *cfg)
{
	struct admit *a = mem_new(struct admit);

	a->cfg = *cfg;
	randombytes_buf(&a->hash_key, sizeof a->hash_key);
	hash_init(&a->entries);
	list_init(&a->idle);
	return a;
}

static void entry_free(struct hash_node *node, void *ctx)
{
	mem_free(HASH_ENTRY(node, struct entry, node));
}

void admit_configure(struct admit *a, const struct admit_config *cfg)
{
	a->cfg = *cfg;
}

void admit_free(struct admit **a)
{
	if (!*a)
		return;
	hash_each(&(*a)->entries, entry_free, NULL);
	hash_fini(&(*a)->entries);
	mem_free(*a);
	*a = NULL;
}

static struct ip cut(const struct ip *ip, enum scope scope)
{
	return scope == SCOPE_ADDRESS ? ip_network(ip, 32, 64) : ip_network(ip, 24, 56);
}

static uint64_t entry_hash(const struct admit *a, const struct ip *net, enum scope scope)
{
	uint8_t key[sizeof net->b + 1];

	memcpy(key, net->b, sizeof net->b);
	key[sizeof net->b] = (uint8_t)scope;
	return hash_bytes(&a->hash_key, str_of(key, sizeof key));
}

static struct entry *entry_find(const struct admit *a, const struct ip *ip, enum scope scope)
{
	struct ip net = cut(ip, scope);
	struct hash_node *n = hash_first(&a->entries, entry_hash(a, &net, scope));

	for (; n; n = hash_next(n)) {
		struct entry *e = HASH_ENTRY(n, struct entry, node);

		if (e->key.scope == scope && ip_eq(&e->key.ip, &net))
			return e;
	}
	return NULL;
}

/* Makes room for a new entry: the one that has been idle longest goes. */
static void make_room(struct admit *a)
{
	struct list *oldest;

	if (a->entries.count < LIMIT_ADMIT_ENTRIES || !(oldest = list_pop(&a->idle)))
		return;
	hash_remove(&a->entries, &LIST_ENTRY(oldest, struct entry, idle)->node);
	mem_free(LIST_ENTRY(oldest, struct entry, idle));
}

static struct entry *entry_get(struct admit *a, const struct ip *ip, enum scope scope)
{
	struct entry *e = entry_find(a, ip, scope);

	if (e)
		return e;
	make_room(a);
	e = mem_new(struct entry);
	e->key.ip = cut(ip, scope);
	e->key.scope = (uint8_t)scope;
	list_push(&a->idle, &e->idle);
	hash_insert(&a->entries, &e->node, entry_hash(a, &e->key.ip, scope));
	return e;
}

/* Youngest of the idle ones again. */
static void entry_touch(struct admit *a, struct entry *e)
{
	if (e->open > 0)
		return;
	list_remove(&e->idle);
	list_push(&a->idle, &e->idle);
}

static void entry_opened(struct entry *e)
{
	if (e->open++ == 0)
		list_remove(&e->idle);
}

static void entry_closed(struct admit *a, struct entry *e)
{
	MUST(e && e->open > 0);
	if (--e->open == 0)
		list_push(&a->idle, &e->idle);
}

static bool reached(int64_t limit, int64_t value)
{
	return limit > 0 && value >= limit;
}

/* Counts the attempt in the minute's window; false when the window is full. */
static bool rate_allows(const struct admit *a, struct entry *e, int64_t now)
{
	if (e->connects == 0 || now - e->minute >= MINUTE_MS || now < e->minute) {
		e->minute = now;
		e->connects = 0;
	}
	if (reached(a->cfg.rate, e->connects))
		return false;
	e->connects++;
	return true;
}

static enum admit_verdict judge(struct admit *a, const struct ip *ip, struct entry *address,
    const struct entry *network, int64_t now)
{
	if (reached(a->cfg.total, a->counts.open))
		return ADMIT_TOTAL;
	if (admit_is_exempt(a, ip))
		return ADMIT_OK;
	if (address->banned_until > now)
		return ADMIT_BANNED;
	if (reached(a->cfg.per_address, address->open))
		return ADMIT_ADDRESS;
	if (reached(a->cfg.per_network, network->open))
		return ADMIT_NETWORK;
	return rate_allows(a, address, now) ? ADMIT_OK : ADMIT_RATE;
}

enum admit_verdict admit_open(struct admit *a, const struct ip *ip, int64_t now)
{
	struct entry *address = entry_get(a, ip, SCOPE_ADDRESS), *network;
	enum admit_verdict verdict;

	entry_touch(a, address); /* so that making the network's entry cannot push it out */
	network = entry_get(a, ip, SCOPE_NETWORK);
	entry_touch(a, network);
	verdict = judge(a, ip, address, network, now);
	a->counts.verdicts[verdict]++;
	if (verdict != ADMIT_OK)
		return verdict;
	entry_opened(address);
	entry_opened(network);
	a->counts.open++;
	return ADMIT_OK;
}

void admit_close(struct admit *a, const struct ip *ip)
{
	entry_closed(a, entry_find(a, ip, SCOPE_ADDRESS));
	entry_closed(a, entry_find(a, ip, SCOPE_NETWORK));
	a->counts.open--;
}

bool admit_is_exempt(const struct admit *a, const struct ip *ip)
{
	if (ip_is_loopback(ip))
		return true;
	for (size_t i = 0; i < a->cfg.trusted_n; i++) {
		if (ip_in(ip, &a->cfg.trusted[i]))
			return true;
	}
	return false;
}

static void forget_failures(struct entry *e)
{
	e->failures = 0;
	e->failures_as = 0;
}

static void count_failure(struct entry *e, int64_t account)
{
	if (e->failed_as != account)
		e->failures_as = 0;
	e->failed_as = account;
	e->failures_as++;
	e->failures++;
}

bool admit_auth_failed(struct admit *a, const struct ip *ip, int64_t account, int64_t now)
{
	struct entry *e;

	if (admit_is_exempt(a, ip) || a->cfg.auth_failures <= 0)
		return false;
	e = entry_get(a, ip, SCOPE_ADDRESS);
	entry_touch(a, e);
	if (now - e->failed_at > a->cfg.ban_ms)
		forget_failures(e);
	e->failed_at = now;
	count_failure(e, account);
	if (e->failures < a->cfg.auth_failures || e->banned_until > now)
		return false;
	e->banned_until = now + a->cfg.ban_ms;
	forget_failures(e);
	a->counts.banned++;
	return true;
}

void admit_auth_good(struct admit *a, const struct ip *ip, int64_t account)
{
	struct entry *e = entry_find(a, ip, SCOPE_ADDRESS);

	if (!e || e->failed_as != account)
		return;
	e->failures -= e->failures_as;
	e->failures_as = 0;
}

bool admit_is_banned(const struct admit *a, const struct ip *ip, int64_t now)
{
	const struct entry *e = entry_find(a, ip, SCOPE_ADDRESS);

	return e && e->banned_until > now && !admit_is_exempt(a, ip);
}

static void put_ban(const struct admit *a, struct buf *b, const struct ip *ip, int64_t now)
{
	const struct entry *e = entry_find(a, ip, SCOPE_ADDRESS);
	int64_t left = e && e->banned_until > now ? e->banned_until - now : 0;

	buf_lit(b, "too many failed logins from your address; try again in ");
	buf_i64(b, (left + MINUTE_MS - 1) / MINUTE_MS);
	buf_lit(b, " minutes");
}

static void put_limit(struct buf *b, const char *before, int64_t limit, const char *after)
{
	buf_c(b, before);
	buf_i64(b, limit);
	buf_c(b, after);
}

void admit_put_reason(const struct admit *a, struct buf *b, enum admit_verdict verdict,
    const struct ip *ip, int64_t now)
{
	switch (verdict) {
	case ADMIT_TOTAL:
		put_limit(b, "all ", a->cfg.total,
		    " connections of this server are in use; try again later");
		break;
	case ADMIT_ADDRESS:
		put_limit(b, "your address has ", a->cfg.per_address,
		    " connections open, which is the limit; close one first");
		break;
	case ADMIT_NETWORK:
		put_limit(b, "your network has ", a->cfg.per_network,
		    " connections open, which is the limit; try again later");
		break;
	case ADMIT_RATE:
		put_limit(b, "your address made ", a->cfg.rate,
		    " connections within a minute, which is the limit; try again in a minute");
		break;
	case ADMIT_BANNED:
		put_ban(a, b, ip, now);
		break;
	case ADMIT_OK:
	case ADMIT_VERDICTS:
		mem_bug(__FILE__, __LINE__, "no refusal");
	}
}

struct admit_counts admit_counts(const struct admit *a)
{
	struct admit_counts c = a->counts;

	c.entries = (int64_t)a->entries.count;
	return c;
}
