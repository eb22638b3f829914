/*
 * What a mailbox has: its rows by size, and a digest of the content of those that something of the same
 * size comes for. Memory: some 100 octets for each message of the mailbox.
 */
#include <sodium.h>

#include "base/mem.h"
#include "store/email_seal.h"
#include "store/import.h"

#define SCAN_ROWS 5000
#define PIECE     (64 * KIB)

/* Ids differ in their upper bits, where the time is; tables look at the lower ones. */
static uint64_t mix(int64_t n)
{
	uint64_t x = (uint64_t)n;

	x ^= x >> 22;
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

void import_known_init(struct import_known *k, int64_t account, int64_t mailbox)
{
	*k = (struct import_known){.account = account, .mailbox = mailbox};
	hash_init(&k->by_size);
	hash_init(&k->by_digest);
	hash_init(&k->by_email);
}

static void free_entry(struct hash_node *node, void *ctx)
{
	mem_free(HASH_ENTRY(node, struct import_entry, email_node));
}

void import_known_fini(struct import_known *k)
{
	hash_fini(&k->by_size);
	hash_fini(&k->by_digest);
	hash_each(&k->by_email, free_entry, NULL);
	hash_fini(&k->by_email);
}

/* ---- places ---- */

static uint64_t digest_hash(const uint8_t digest[IMPORT_DIGEST])
{
	uint64_t hash;

	memcpy(&hash, digest, sizeof hash);
	return hash;
}

static void take_out(struct import_known *k, struct import_entry *e)
{
	if (e->place == IMPORT_BY_SIZE)
		hash_remove(&k->by_size, &e->node);
	else if (e->place == IMPORT_BY_DIGEST)
		hash_remove(&k->by_digest, &e->node);
	e->place = IMPORT_APART;
}

static void put_by_size(struct import_known *k, struct import_entry *e)
{
	take_out(k, e);
	hash_insert(&k->by_size, &e->node, mix(e->size));
	e->place = IMPORT_BY_SIZE;
}

static void put_by_digest(struct import_known *k, struct import_entry *e)
{
	take_out(k, e);
	hash_insert(&k->by_digest, &e->node, digest_hash(e->digest));
	e->place = IMPORT_BY_DIGEST;
}

/* ---- rows ---- */

static struct import_entry *add(struct import_known *k, int64_t uid, int64_t email, int64_t size)
{
	struct import_entry *e = mem_new(struct import_entry);

	e->uid = uid;
	e->email = email;
	e->size = size;
	hash_insert(&k->by_email, &e->email_node, mix(email));
	return e;
}

/* Of several rows of an email the live one counts, else the last. */
static void take_row(struct import_known *k, struct db_query *q)
{
	bool expunged = db_col_int(q, 3) != 0, brought_back = db_col_int(q, 4) != 0;
	struct import_entry *e = import_known_email(k, db_col_int(q, 1));

	k->uid = db_col_int(q, 0);
	if (!e)
		e = add(k, k->uid, db_col_int(q, 1), db_col_int(q, 2));
	else if (brought_back)
		return;
	e->uid = k->uid;
	e->expunged = expunged;
	put_by_size(k, e);
}

enum db_code import_known_scan(struct db *db, struct import_known *k)
{
	struct db_query *q = db_begin_query(db, SQL_IMPORT_KNOWN,
	    DB_ARGS(db_int(k->account), db_int(k->mailbox), db_int(k->uid), db_int(SCAN_ROWS)));
	int rows = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; rows++)
		take_row(k, q);
	code = db_end(q);
	if (code == DB_OK)
		k->complete = rows < SCAN_ROWS;
	return code;
}

/* One of that size without a digest. */
static struct import_entry *first_of(const struct import_known *k, int64_t size)
{
	struct hash_node *n = hash_first(&k->by_size, mix(size));

	return n ? HASH_ENTRY(n, struct import_entry, node) : NULL;
}

bool import_known_lacks(const struct import_known *k, int64_t size)
{
	return first_of(k, size) != NULL;
}

struct import_entry *import_known_alike(
    const struct import_known *k, int64_t size, const uint8_t digest[IMPORT_DIGEST])
{
	struct hash_node *n = hash_first(&k->by_digest, digest_hash(digest));
	struct import_entry *deleted = NULL;

	for (; n; n = hash_next(n)) {
		struct import_entry *e = HASH_ENTRY(n, struct import_entry, node);

		if (e->size != size || memcmp(e->digest, digest, IMPORT_DIGEST) != 0)
			continue;
		if (!e->expunged)
			return e;
		deleted = e;
	}
	return deleted;
}

struct import_entry *import_known_email(const struct import_known *k, int64_t email)
{
	struct hash_node *n = hash_first(&k->by_email, mix(email));

	for (; n; n = hash_next(n)) {
		struct import_entry *e = HASH_ENTRY(n, struct import_entry, email_node);

		if (e->email == email)
			return e;
	}
	return NULL;
}

void import_known_add(
    struct import_known *k, int64_t email, int64_t size, const uint8_t digest[IMPORT_DIGEST])
{
	struct import_entry *e = import_known_email(k, email);

	if (!e)
		e = add(k, 0, email, size);
	e->expunged = false;
	memcpy(e->digest, digest, IMPORT_DIGEST);
	put_by_digest(k, e);
}

/* ---- digests ---- */

struct import_hash {
	crypto_generichash_state state;
};

struct import_hash *import_hash_new(void)
{
	struct import_hash *h = mem_new(struct import_hash);

	crypto_generichash_init(&h->state, NULL, 0, IMPORT_DIGEST);
	return h;
}

void import_hash_feed(struct import_hash *h, struct str bytes)
{
	crypto_generichash_update(&h->state, bytes.p, bytes.n);
}

void import_hash_end(struct import_hash **h, uint8_t digest_r[IMPORT_DIGEST])
{
	crypto_generichash_final(&(*h)->state, digest_r, IMPORT_DIGEST);
	mem_free(*h);
	*h = NULL;
}

/* Where an email's content lies. DB_OK: it has none. */
static enum db_code find(
    struct db *db, struct arena *a, int64_t account, int64_t email, struct mailbox_message *m_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_EMAIL_PLACE, DB_ARGS(db_int(account), db_int(email)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW) {
		struct email_row row = email_row_of(q, 4);

		*m_r = (struct mailbox_message){.email = email,
		    .size = db_col_int(q, 0),
		    .prefix = arena_str(a, row.prefix),
		    .blob = row.blob,
		    .pos = {db_col_int(q, 1), db_col_int(q, 2), db_col_int(q, 3)},
		    .changed = !email_seal_fits(&row)};
	}
	code = db_end(q);
	return code == DB_OK ? found : code;
}

static bool digest_of(
    struct blob_store *blobs, const struct mailbox_message *m, struct import_entry *e)
{
	struct import_hash *h = import_hash_new();
	struct mailbox_source *source = NULL;
	uint8_t *piece = mem_alloc(PIECE);
	size_t got = 1;
	bool good = mailbox_source_open(blobs, m, 0, &source, NULL) == BLOB_OK;

	while (good && got > 0) {
		good = mailbox_source_read(source, piece, PIECE, &got) == BLOB_OK;
		if (good)
			import_hash_feed(h, str_of(piece, got));
	}
	mailbox_source_close(&source);
	mem_free(piece);
	import_hash_end(&h, e->digest);
	return good;
}

static enum db_code digest(
    struct import_known *k, struct db *db, struct blob_store *blobs, struct import_entry *e)
{
	struct mailbox_message m = {0};
	struct arena *a = arena_new();
	enum db_code code = find(db, a, k->account, e->email, &m);

	if (code == DB_ROW && digest_of(blobs, &m, e))
		put_by_digest(k, e);
	else if (code == DB_ROW || code == DB_OK)
		take_out(k, e); /* it cannot be read */
	arena_free(&a);
	return code == DB_ROW ? DB_OK : code;
}

enum db_code import_known_digest(
    struct import_known *k, struct db *db, struct blob_store *blobs, int64_t size)
{
	struct import_entry *e;
	enum db_code code = DB_OK;

	for (int i = 0; i < IMPORT_DIGESTS && code == DB_OK && (e = first_of(k, size)); i++)
		code = digest(k, db, blobs, e);
	return code;
}
