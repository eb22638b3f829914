/*
 * The hashing thread, its fair queue and the cache of verified logins.
 *
 * 1. A network with waiting jobs is in `turn` exactly once; the thread takes one job of the first
 *    network and puts the network behind the others.
 * 2. queued = jobs in all networks; it never passes queue_total, nor a network's queue_per_network.
 * 3. The cache belongs to the thread that submits and collects; the queue is under the mutex.
 * 4. A password is wiped as soon as its hash is known.
 */
#include "store/password.h"

#include <pthread.h>
#include <sodium.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/thread.h"

#define ARGON_OPS ((unsigned long long)2)
#define ARGON_MEM ((size_t)19 * MIB)

struct network {
	struct hash_node node;
	struct list turn;
	struct list jobs;
	size_t waiting;
	struct ip ip;
};

struct cached {
	struct hash_node node;
	struct list age; /* oldest first */
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	int64_t account;
	int64_t until;
};

struct password {
	struct password_config cfg;
	struct hash_key hash_key;
	uint8_t boot_key[crypto_auth_hmacsha256_KEYBYTES];
	/* the cache */
	struct hash_table cache;
	struct list age;
	/* the queue */
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	struct hash_table networks;
	struct list turn;
	struct list finished;
	size_t queued;
	bool stop;
};

void password_job_wipe(struct password_job *job)
{
	mem_wipe(job->password, sizeof job->password);
	job->password_n = 0;
}

/* ---- hashing ---- */

bool password_hash(struct str password, char hash_r[PASSWORD_HASH_MAX])
{
	char hash[crypto_pwhash_STRBYTES];

	_Static_assert(sizeof hash <= PASSWORD_HASH_MAX, "a stored hash fits");
	if (sodium_init() < 0 || crypto_pwhash_str_alg(hash, (const char *)password.p, password.n,
				     ARGON_OPS, ARGON_MEM, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return false;
	memcpy(hash_r, hash, sizeof hash);
	return true;
}

bool password_verify(const char *hash, struct str password)
{
	return sodium_init() >= 0 &&
	       crypto_pwhash_str_verify(hash, (const char *)password.p, password.n) == 0;
}

/* The same work as a verification, for nobody's password. */
static void hash_for_nobody(struct str password)
{
	static const uint8_t salt[crypto_pwhash_SALTBYTES] = {1};
	uint8_t out[32];

	if (crypto_pwhash(out, sizeof out, (const char *)password.p, password.n, salt, ARGON_OPS,
		ARGON_MEM, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return;
	mem_wipe(out, sizeof out);
}

static enum password_result job_work(struct password_job *job)
{
	struct str password = str_of(job->password, job->password_n);

	if (job->kind == PASSWORD_HASH)
		return password_hash(password, job->hash) ? PASSWORD_GOOD : PASSWORD_BUSY;
	if (job->hash[0])
		return password_verify(job->hash, password) ? PASSWORD_GOOD : PASSWORD_BAD;
	hash_for_nobody(password);
	return PASSWORD_BAD;
}

/* ---- cache ---- */

static void login_mac(const struct password *p, const struct password_job *job, uint8_t *mac_r)
{
	crypto_auth_hmacsha256_state st;
	uint64_t head[2] = {(uint64_t)job->account, strlen(job->hash)};

	crypto_auth_hmacsha256_init(&st, p->boot_key, sizeof p->boot_key);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)head, sizeof head);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)job->hash, head[1]);
	crypto_auth_hmacsha256_update(&st, job->password, job->password_n);
	crypto_auth_hmacsha256_final(&st, mac_r);
	mem_wipe(&st, sizeof st);
}

static uint64_t mac_hash(const uint8_t *mac)
{
	uint64_t hash;

	memcpy(&hash, mac, sizeof hash);
	return hash;
}

static struct cached *cache_find(const struct password *p, const uint8_t *mac)
{
	struct hash_node *n = hash_first(&p->cache, mac_hash(mac));

	for (; n; n = hash_next(n)) {
		struct cached *c = HASH_ENTRY(n, struct cached, node);

		if (sodium_memcmp(c->mac, mac, sizeof c->mac) == 0)
			return c;
	}
	return NULL;
}

static void cache_drop(struct password *p, struct cached *c)
{
	hash_remove(&p->cache, &c->node);
	list_remove(&c->age);
	mem_wipe(c, sizeof *c);
	mem_free(c);
}

static bool cache_answers(struct password *p, const struct password_job *job, int64_t now)
{
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	struct cached *c;

	if (job->kind != PASSWORD_VERIFY || !job->hash[0])
		return false;
	login_mac(p, job, mac);
	c = cache_find(p, mac);
	if (!c)
		return false;
	if (c->until > now)
		return true;
	cache_drop(p, c);
	return false;
}

static void cache_add(struct password *p, const uint8_t *mac, int64_t account, int64_t now)
{
	struct cached *c = cache_find(p, mac);

	if (c)
		cache_drop(p, c);
	if (p->cfg.cache_entries == 0)
		return;
	while (p->cache.count >= p->cfg.cache_entries)
		cache_drop(p, LIST_ENTRY(p->age.next, struct cached, age));
	c = mem_new(struct cached);
	memcpy(c->mac, mac, sizeof c->mac);
	c->account = account;
	c->until = now + p->cfg.cache_ms;
	hash_insert(&p->cache, &c->node, mac_hash(mac));
	list_push(&p->age, &c->age);
}

void password_forget(struct password *p, int64_t account)
{
	LIST_FOREACH(&p->age, it)
	{
		struct cached *c = LIST_ENTRY(it, struct cached, age);

		if (c->account == account)
			cache_drop(p, c);
	}
}

/* ---- queue; all with the lock held ---- */

static struct network *network_find(const struct password *p, const struct ip *cut, uint64_t hash)
{
	struct hash_node *n = hash_first(&p->networks, hash);

	while (n && !ip_eq(&HASH_ENTRY(n, struct network, node)->ip, cut))
		n = hash_next(n);
	return n ? HASH_ENTRY(n, struct network, node) : NULL;
}

/* NULL: nobody waits there and none is to be made. */
static struct network *network_get(struct password *p, const struct ip *ip, bool make)
{
	struct ip cut = ip_network(ip, 24, 56);
	uint64_t hash = hash_bytes(&p->hash_key, str_of(cut.b, sizeof cut.b));
	struct network *net = network_find(p, &cut, hash);

	if (net || !make)
		return net;
	net = mem_new(struct network);
	net->ip = cut;
	list_init(&net->jobs);
	list_push(&p->turn, &net->turn);
	hash_insert(&p->networks, &net->node, hash);
	return net;
}

static bool queue_push(struct password *p, struct password_job *job)
{
	struct network *net;

	if (p->stop || p->queued >= p->cfg.queue_total)
		return false;
	net = network_get(p, &job->ip, true);
	if (net->waiting >= p->cfg.queue_per_network)
		return false;
	list_push(&net->jobs, &job->link);
	net->waiting++;
	p->queued++;
	return true;
}

static void network_free(struct password *p, struct network *net)
{
	hash_remove(&p->networks, &net->node);
	mem_free(net);
}

static struct password_job *queue_pop(struct password *p)
{
	struct list *first = list_pop(&p->turn);
	struct network *net;
	struct list *job;

	if (!first)
		return NULL;
	net = LIST_ENTRY(first, struct network, turn);
	job = list_pop(&net->jobs);
	p->queued--;
	if (--net->waiting > 0) {
		list_push(&p->turn, &net->turn);
	} else {
		network_free(p, net);
	}
	return LIST_ENTRY(job, struct password_job, link);
}

static bool is_alike(const struct password_job *a, const struct password_job *b)
{
	return a->kind == b->kind && a->account == b->account && strcmp(a->hash, b->hash) == 0 &&
	       a->password_n == b->password_n &&
	       sodium_memcmp(a->password, b->password, a->password_n) == 0;
}

/* The same right password from the same network, as a program sends it that opens several connections at once. */
static void answer_alike(struct password *p, const struct password_job *good)
{
	struct network *net = network_get(p, &good->ip, false);

	if (!net)
		return;
	LIST_FOREACH(&net->jobs, it)
	{
		struct password_job *job = LIST_ENTRY(it, struct password_job, link);

		if (!is_alike(job, good))
			continue;
		list_remove(it);
		job->result = PASSWORD_GOOD;
		list_push(&p->finished, it);
		p->queued--;
		net->waiting--;
	}
	if (net->waiting > 0)
		return;
	list_remove(&net->turn);
	network_free(p, net);
}

/* ---- the thread ---- */

static void finish(struct password *p, struct password_job *job)
{
	list_push(&p->finished, &job->link);
	pthread_mutex_unlock(&p->lock);
	if (p->cfg.wake)
		p->cfg.wake(p->cfg.wake_ctx);
	pthread_mutex_lock(&p->lock);
}

static void *thread_main(void *arg)
{
	struct password *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct password_job *job = queue_pop(p);

		if (!job) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		job->result = job_work(job);
		pthread_mutex_lock(&p->lock);
		if (job->kind == PASSWORD_VERIFY && job->result == PASSWORD_GOOD)
			answer_alike(p, job);
		finish(p, job);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct password *password_new(const struct password_config *cfg)
{
	struct password *p;

	if (sodium_init() < 0)
		return NULL;
	p = mem_new(struct password);
	p->cfg = *cfg;
	randombytes_buf(&p->hash_key, sizeof p->hash_key);
	randombytes_buf(p->boot_key, sizeof p->boot_key);
	hash_init(&p->cache);
	hash_init(&p->networks);
	list_init(&p->age);
	list_init(&p->turn);
	list_init(&p->finished);
	thread_lock_init(&p->lock, &p->work);
	if (thread_start(&p->thread, thread_main, p) == 0)
		return p;
	thread_lock_fini(&p->lock, &p->work);
	mem_free(p);
	return NULL;
}

static void stop_thread(struct password *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
}

void password_free(struct password **pp)
{
	struct password *p = *pp;
	struct password_job *job;

	if (!p)
		return;
	stop_thread(p);
	while ((job = queue_pop(p))) {
		job->result = PASSWORD_BUSY;
		list_push(&p->finished, &job->link);
	}
	password_collect(p, INT64_MIN / 2);
	while (!list_is_empty(&p->age))
		cache_drop(p, LIST_ENTRY(p->age.next, struct cached, age));
	hash_fini(&p->cache);
	hash_fini(&p->networks);
	thread_lock_fini(&p->lock, &p->work);
	mem_wipe(p, sizeof *p);
	mem_free(p);
	*pp = NULL;
}

bool password_submit(struct password *p, struct password_job *job, int64_t now)
{
	bool queued;

	list_init(&job->link);
	job->result = PASSWORD_GOOD;
	if (cache_answers(p, job, now)) {
		password_job_wipe(job);
		return true;
	}
	pthread_mutex_lock(&p->lock);
	queued = queue_push(p, job);
	if (queued)
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (queued)
		return false;
	job->result = PASSWORD_BUSY;
	password_job_wipe(job);
	return true;
}

/* A verified login is remembered before its password is wiped. */
static void remember(struct password *p, struct password_job *job, int64_t now)
{
	uint8_t mac[crypto_auth_hmacsha256_BYTES];

	if (job->kind == PASSWORD_VERIFY && job->result == PASSWORD_GOOD) {
		login_mac(p, job, mac);
		cache_add(p, mac, job->account, now);
	}
	password_job_wipe(job);
}

size_t password_collect(struct password *p, int64_t now)
{
	struct list done;
	size_t n = 0;

	list_init(&done);
	pthread_mutex_lock(&p->lock);
	list_append(&done, &p->finished);
	pthread_mutex_unlock(&p->lock);
	for (struct list *it; (it = list_pop(&done)); n++) {
		struct password_job *job = LIST_ENTRY(it, struct password_job, link);

		remember(p, job, now);
		job->done(job);
	}
	return n;
}
