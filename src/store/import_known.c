/*
 * What a mailbox has: its rows by size, and a digest of the content of those that something of the same
 * size comes for. Memory: some 100 octets for each message of the mailbox.
 */
#include <sodium.h>

#include "base/mem.h"
#include "store/import.h"

#define SCAN_ROWS 5000
#define PIECE     (64 * KIB)

void import_known_init(struct import_known *k, int64_t account, int64_t mailbox)
{
	*k = (struct import_known){.account = account, .mailbox = mailbox};
	hash_init(&k->by_size);
	hash_init(&k->by_email);
}

static void free_entry(struct hash_node *node, void *ctx)
{
	mem_free(HASH_ENTRY(node, struct import_entry, size_node));
}

void import_known_fini(struct import_known *k)
{
	hash_fini(&k->by_email);
	hash_each(&k->by_size, free_entry, NULL);
	hash_fini(&k->by_size);
}

static struct import_entry *add(struct import_known *k, int64_t uid, int64_t email, int64_t size)
{
	struct import_entry *e = mem_new(struct import_entry);

	e->uid = uid;
	e->email = email;
	e->size = size;
	hash_insert(&k->by_size, &e->size_node, (uint64_t)size);
	hash_insert(&k->by_email, &e->email_node, (uint64_t)email);
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

struct import_entry *import_known_next(
    const struct import_known *k, int64_t size, struct import_entry *before)
{
	struct hash_node *n = before ? hash_next(&before->size_node)
				     : hash_first(&k->by_size, (uint64_t)size);

	for (; n; n = hash_next(n)) {
		struct import_entry *e = HASH_ENTRY(n, struct import_entry, size_node);

		if (e->size == size && !e->expunged && !e->unreadable)
			return e;
	}
	return NULL;
}

struct import_entry *import_known_email(const struct import_known *k, int64_t email)
{
	struct hash_node *n = hash_first(&k->by_email, (uint64_t)email);

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
	if (!digest)
		return;
	memcpy(e->digest, digest, IMPORT_DIGEST);
	e->has_digest = true;
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

	if (found == DB_ROW)
		*m_r = (struct mailbox_message){.email = email,
		    .size = db_col_int(q, 0),
		    .prefix = arena_str(a, db_col_str(q, 1)),
		    .blob = db_col_int(q, 2),
		    .pos = {db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 5)}};
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

enum db_code import_digest(
    struct db *db, struct blob_store *blobs, int64_t account, struct import_entry *e)
{
	struct mailbox_message m = {0};
	struct arena *a = arena_new();
	enum db_code code = find(db, a, account, e->email, &m);

	if (code == DB_ROW)
		e->has_digest = digest_of(blobs, &m, e);
	e->unreadable = !e->has_digest && (code == DB_ROW || code == DB_OK);
	arena_free(&a);
	return code == DB_ROW ? DB_OK : code;
}
