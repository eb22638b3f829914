/* Who logs in, and in which language he is written to. */
#include "store/directory.h"

#include "base/buf.h"
#include "base/limits.h"
#include "mime/mime_idn.h"
#include "mime/mime_local.h"

static enum db_code first_domain(struct db *db, struct arena *a, struct str *domain_r)
{
	struct db_query *q = db_begin_query(db, SQL_DOMAIN_FIRST, DB_NO_ARGS);

	if (db_step(q) == DB_ROW)
		*domain_r = arena_str(a, db_col_str(q, 0));
	return db_end(q);
}

enum db_code directory_language(
    struct db *db, int64_t account, enum queue_lang *lang_r, bool *has_r)
{
	struct db_query *q = db_begin_query(db, SQL_ACCOUNT_LANGUAGE, DB_ARGS(db_int(account)));
	bool has = db_step(q) == DB_ROW && queue_lang_by_tag(db_col_str(q, 0), lang_r);
	enum db_code code = db_end(q);

	*has_r = has && code == DB_OK;
	return code;
}

/* As the directory has it. One that cannot be turned into ASCII is found nowhere. */
static struct str login_domain(struct arena *a, struct str text)
{
	struct buf b;
	struct str domain;

	buf_init(&b, LIMIT_SMTP_DOMAIN);
	domain = mime_idn_to_ascii(&b, text) == MIME_IDN_OK ? buf_view(&b) : text;
	domain = arena_lower(a, domain);
	buf_fini(&b);
	return domain;
}

enum db_code directory_login(
    struct db *db, struct arena *a, struct str name, struct directory_login *login_r)
{
	struct directory_login login = {0};
	size_t at = str_rfind(name, '@');
	struct str local = mime_local_key(a, str_sub(name, 0, at)),
		   domain = login_domain(a, str_from(name, at + 1));
	struct db_query *q;
	enum db_code code = at < name.n ? DB_OK : first_domain(db, a, &domain);

	if (code != DB_OK)
		return code;
	q = db_begin_query(db, SQL_ACCOUNT_LOGIN, DB_ARGS(db_text(domain), db_text(local)));
	if (db_step(q) == DB_ROW && domain.n) {
		login.account = db_col_int(q, 0);
		login.state = (enum directory_state)db_col_word(
		    q, 1, DIRECTORY_STATES, DIRECTORY_STATE_DISABLED);
		login.send_only = db_col_int(q, 2) != 0;
		login.hash = arena_str(a, db_col_str(q, 3));
		login.address = directory_text(a, local, domain);
	}
	code = db_end(q);
	if (code == DB_OK)
		*login_r = login;
	return code;
}
