/* Both directions; what an address cannot hold is read from the message that it names. */
#include "store/forward.h"

#include <sodium.h>

#include "base/limits.h"
#include "mime/mime_idn.h"
#include "store/directory.h"
#include "store/given.h"

#define KEPT_MS (7 * DAY_MS) /* from its acceptance on its address bears that day */

static const struct str key_names[2] = {STR_INIT("srs_0"), STR_INIT("srs_1")};

/* ---- the key ---- */

/* DB_ROW: there is one; DB_OK: there is none. */
static enum db_code get_key(struct db *db, struct hash_key *key_r)
{
	int64_t part[2];
	enum db_code code = DB_ROW;

	for (int i = 0; i < 2 && code == DB_ROW; i++)
		code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(key_names[i])), &part[i]);
	if (code == DB_ROW)
		*key_r = (struct hash_key){(uint64_t)part[0], (uint64_t)part[1]};
	return code;
}

enum db_code forward_key_make(struct db *db)
{
	struct hash_key key;
	int64_t part[2];
	enum db_code code = get_key(db, &key);

	if (code == DB_ROW)
		return given_note(db, GIVEN_SRS, true);
	if (code == DB_OK)
		code = given_note(db, GIVEN_SRS, false);
	if (code != DB_OK)
		return code;
	randombytes_buf(part, sizeof part);
	for (int i = 0; i < 2 && code == DB_OK; i++)
		code = db_exec(
		    db, SQL_META_PUT, DB_ARGS(db_text(key_names[i]), db_int(part[i])), NULL);
	return code;
}

/* ---- there ---- */

/* "local@domain" with the domain as the directory knows it. False: it has none. */
static bool split(struct arena *a, struct str path, struct str *local_r, struct str *domain_r)
{
	size_t at = str_rfind(path, '@');
	struct str domain = str_from(path, at + 1);
	struct buf b;
	bool good;

	*local_r = str_sub(path, 0, at);
	*domain_r = domain;
	if (domain.n && domain.p[0] == '[')
		return true;
	buf_init(&b, LIMIT_SMTP_DOMAIN);
	good = domain.n && mime_idn_to_ascii(&b, domain) == MIME_IDN_OK;
	*domain_r = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return good;
}

/* DB_ROW: it is ours. A relay domain is not: we send its mail on, and its SPF need not name us. */
static enum db_code is_ours(struct db *db, struct str hostname, struct str domain)
{
	int64_t kind = DIRECTORY_LOCAL;
	enum db_code code = DB_ROW;

	if (!str_eq_i(domain, hostname))
		code = db_get_int(db, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain)), &kind);
	return code == DB_ROW && kind != DIRECTORY_LOCAL ? DB_OK : code;
}

enum db_code forward_path(struct db *db, struct str hostname, struct arena *a,
    const struct forward_mail *mail, int64_t now, struct str *path_r)
{
	int64_t time = now - mail->accepted > KEPT_MS ? now : mail->accepted;
	struct str local, domain;
	struct hash_key key;
	enum db_code code;
	struct buf b;

	*path_r = STR("");
	if (mail->forwarder.n == 0 || mail->reverse_path.n == 0)
		return DB_OK;
	if (split(a, mail->reverse_path, &local, &domain)) {
		code = is_ours(db, hostname, domain);
		if (code != DB_OK)
			return code == DB_ROW ? DB_OK : code;
	}
	code = get_key(db, &key);
	if (code == DB_OK)
		return db_damaged(db, "the key of return addresses is not there");
	if (code != DB_ROW)
		return code;
	buf_init(&b, LIMIT_SMTP_PATH);
	(void)queue_srs_put(&b, &key, mail->reverse_path, mail->message,
	    str_from(mail->forwarder, str_rfind(mail->forwarder, '@') + 1), time);
	*path_r = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return DB_OK;
}

/* ---- and back ---- */

static enum db_code sender_of(
    struct db *db, struct arena *a, enum queue_srs_status *status_r, struct queue_srs_origin *o)
{
	struct db_query *q = db_begin_query(db, SQL_MESSAGE_SENDER, DB_ARGS(db_int(o->message)));
	struct str path = STR("");
	bool found = db_step(q) == DB_ROW;
	enum db_code code;

	if (found)
		path = arena_str(a, db_col_str(q, 0));
	code = db_end(q);
	*status_r = QUEUE_SRS_ADDRESS;
	if (!found)
		*status_r = QUEUE_SRS_EXPIRED;
	else if (!split(a, path, &o->local, &o->domain))
		*status_r = QUEUE_SRS_BAD;
	return code;
}

enum db_code forward_origin(struct db *db, struct arena *a, struct str local, int64_t now,
    enum queue_srs_status *status_r, struct queue_srs_origin *origin_r)
{
	struct hash_key key = {0, 0};
	enum db_code code;

	*status_r = queue_srs_read(&key, local, now, a, origin_r);
	if (*status_r == QUEUE_SRS_NONE) /* most are none: without a look at the database */
		return DB_OK;
	*status_r = QUEUE_SRS_BAD;
	code = get_key(db, &key);
	if (code != DB_ROW)
		return code;
	*status_r = queue_srs_read(&key, local, now, a, origin_r);
	return *status_r == QUEUE_SRS_MESSAGE ? sender_of(db, a, status_r, origin_r) : DB_OK;
}
