/* Facts from summaries. */
#include "store/summary.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mime/mime_summary.h"
#include "store/trace.h"

/* The thread that its references begin with, and their subject; its own when there are none. */
static int64_t thread_of(const struct mime_thread_key *key, int64_t id)
{
	static const struct hash_key fixed = {0x74687265616420, 0x6f662061207265};
	uint64_t parts[2] = {key->subject, key->n_refs ? key->refs[0] : key->id};
	int64_t thread = (int64_t)(hash_bytes(&fixed, str_of(parts, sizeof parts)) & INT64_MAX);

	return parts[1] && thread ? thread : id;
}

static struct str first_text(const struct mime_message *m, enum mime_text_field field)
{
	return m->n_parts && m->parts[0].envelope ? m->parts[0].envelope->text[field] : STR("");
}

void summary_facts(struct arena *a, struct str *summary, int64_t id, struct summary_facts *facts_r)
{
	struct mime_message m;
	struct str header_id;

	*facts_r = (struct summary_facts){id, STR("")};
	if (summary->n > LIMIT_SUMMARY || mime_summary_read(a, *summary, &m) != MIME_SUMMARY_OK) {
		*summary = STR("");
		return;
	}
	facts_r->thread = thread_of(&m.thread, id);
	header_id = trace_bare_id(first_text(&m, MIME_MESSAGE_ID));
	if (header_id.n <= LIMIT_SMTP_LINE && utf8_is_valid(header_id) && !str_has_cntrl(header_id))
		facts_r->header_id = header_id;
}

static struct str header_id_of(struct arena *a, struct str summary)
{
	struct summary_facts facts;

	summary_facts(a, &summary, 1, &facts);
	return facts.header_id;
}

bool summary_is_of(struct arena *a, struct str summary, struct str header_id)
{
	return str_eq_i(header_id_of(a, summary), header_id);
}

enum db_code summary_email_is_of(struct db *db, struct arena *a, int64_t account, int64_t email,
    struct str header_id, bool *is_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_EMAIL_SUMMARY, DB_ARGS(db_int(account), db_int(email)));
	struct str own = STR("");
	bool found = db_step(q) == DB_ROW, is;
	enum db_code code;

	if (found)
		own = header_id_of(a, db_col_str(q, 0));
	is = found && str_eq_i(own.n ? own : db_col_str(q, 1), header_id);
	code = db_end(q);
	if (code == DB_OK)
		*is_r = is;
	return code;
}
