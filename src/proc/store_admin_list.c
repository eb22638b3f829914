/* The admin commands that list: a page a step, behind the key of the row before. */
#include <sysexits.h>

#include "proc/admin_address.h"
#include "proc/store_admin_job.h"

static void put_address(struct admin_job *j, const char *name, struct str local, struct str domain)
{
	struct buf b;

	buf_init(&b, LIMIT_ADDRESS);
	buf_str(&b, local);
	buf_byte(&b, '@');
	buf_str(&b, domain);
	admin_record_text(&j->out, name, buf_view(&b));
	buf_fini(&b);
}

/* After a page: fewer rows than asked for means the end. */
static enum admin_step page_done(struct admin_job *j, enum db_code code, size_t n)
{
	if (code != DB_OK)
		return admin_job_db_failed(j);
	return n < ADMIN_PAGE ? admin_job_finish(j, EX_OK, "%s", "") : ADMIN_STEP_MORE;
}

/* Limits in effect; 0: none. */
static void put_quota(struct admin_job *j, int64_t bytes, int64_t messages)
{
	admin_record_number(
	    &j->out, ADMIN_BYTES, "quota_size", bytes == QUOTA_INFINITE ? 0 : bytes);
	admin_record_number(
	    &j->out, ADMIN_INT, "quota_messages", messages == QUOTA_INFINITE ? 0 : messages);
}

/* ---- domains ---- */
static void put_domain(void *ctx, const struct directory_domain_row *row)
{
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "domain", row->name);
	admin_record_text(&j->out, "kind", str_of_c(admin_kind_words[row->kind]));
	admin_record_number(&j->out, ADMIN_INT, "accounts", row->accounts);
	admin_record_number(&j->out, ADMIN_INT, "aliases", row->aliases);
	admin_record_number(&j->out, ADMIN_INT, "messages", row->used_messages);
	admin_record_number(&j->out, ADMIN_BYTES, "size", row->used_bytes);
	put_quota(j, row->quota_bytes, row->quota_messages);
	admin_record_number(&j->out, ADMIN_TIME, "created", row->created);
	admin_record_end(&j->out, at);
	j->after[0] = arena_str(j->arena, row->name);
}

enum admin_step admin_list_domains(struct admin_job *j)
{
	size_t n = 0;
	enum db_code code = directory_domains(
	    j->ctx->db, j->after[0], ADMIN_PAGE, &n, put_domain, j);

	return page_done(j, code, n);
}

/* The domain that a list is limited to; "" is all. False with the reply set. */
static bool take_filter(struct admin_job *j, struct str *domain_r)
{
	struct err e = {""};
	int64_t created;
	enum db_code code;

	*domain_r = STR("");
	if (admin_arg(j, 0).n == 0)
		return true;
	if (!admin_domain_parse(j->arena, admin_arg(j, 0), domain_r, &e)) {
		admin_job_finish(j, EX_USAGE, "%s", e.text);
		return false;
	}
	code = db_get_int(j->ctx->db, SQL_DOMAIN_GET, DB_ARGS(db_text(*domain_r)), &created);
	if (code == DB_OK)
		admin_job_finish(j, EX_NOHOST,
		    "there is no domain %.*s; those there are: godwit domain list",
		    STR_FMT(*domain_r));
	else if (code != DB_ROW)
		admin_job_db_failed(j);
	return code == DB_ROW;
}

/* ---- accounts ---- */
static void put_account(void *ctx, const struct directory_account_row *row)
{
	static const char *const states[DIRECTORY_STATES] = {"active", "disabled", "removed"};
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);

	put_address(j, "account", row->local, row->domain);
	admin_record_text(&j->out, "state", str_of_c(states[row->state]));
	admin_record_number(&j->out, ADMIN_BOOL, "send_only", row->send_only);
	admin_record_number(&j->out, ADMIN_INT, "messages", row->used_messages);
	admin_record_number(&j->out, ADMIN_BYTES, "size", row->used_bytes);
	put_quota(j, row->quota_bytes, row->quota_messages);
	admin_record_text(&j->out, "language", row->language.n ? row->language : STR("auto"));
	admin_record_number(&j->out, ADMIN_TIME, "created", row->created);
	admin_record_end(&j->out, at);
	j->after[0] = arena_str(j->arena, row->domain);
	j->after[1] = arena_str(j->arena, row->local);
}

enum admin_step admin_list_accounts(struct admin_job *j)
{
	struct str domain;
	size_t n = 0;
	enum db_code code;

	if (!take_filter(j, &domain))
		return ADMIN_STEP_DONE;
	code = directory_accounts(
	    j->ctx->db, domain, j->after[0], j->after[1], ADMIN_PAGE, &n, put_account, j);
	return page_done(j, code, n);
}

/* ---- aliases ---- */
static void put_alias(void *ctx, const struct directory_alias_row *row)
{
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);

	put_address(j, "alias", row->local, row->domain);
	put_address(j, "target", row->target_local, row->target_domain);
	admin_record_number(&j->out, ADMIN_TIME, "created", row->created);
	admin_record_end(&j->out, at);
	j->after[0] = arena_str(j->arena, row->domain);
	j->after[1] = arena_str(j->arena, row->local);
	j->after[2] = arena_str(j->arena, row->target_domain);
	j->after[3] = arena_str(j->arena, row->target_local);
}

enum admin_step admin_list_aliases(struct admin_job *j)
{
	struct directory_alias_row after = {.domain = j->after[0],
	    .local = j->after[1],
	    .target_domain = j->after[2],
	    .target_local = j->after[3]};
	struct str domain;
	size_t n = 0;
	enum db_code code;

	if (!take_filter(j, &domain))
		return ADMIN_STEP_DONE;
	code = directory_aliases(j->ctx->db, domain, &after, ADMIN_PAGE, &n, put_alias, j);
	return page_done(j, code, n);
}

/* ---- what administrators changed ---- */
static void put_change(void *ctx, int64_t id, int64_t time, struct str who, struct str what)
{
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);

	admin_record_number(&j->out, ADMIN_TIME, "time", time);
	admin_record_text(&j->out, "who", who);
	admin_record_text(&j->out, "what", what);
	admin_record_end(&j->out, at);
	j->before = id;
}

static enum admin_step ledger_next(struct admin_job *j)
{
	size_t max = j->left < (int64_t)ADMIN_PAGE ? (size_t)j->left : ADMIN_PAGE, n = 0;

	if (admin_log_list(j->ctx->db, j->before, max, &n, put_change, j) != DB_OK)
		return admin_job_db_failed(j);
	j->left -= (int64_t)n;
	return n < max || j->left == 0 ? admin_job_finish(j, EX_OK, "%s", "") : ADMIN_STEP_MORE;
}

enum admin_step admin_ledger(struct admin_job *j)
{
	j->left = admin_arg_number(j, 0);
	if (j->left <= 0)
		return admin_job_finish(j, EX_USAGE, "the limit is a number above 0");
	j->before = INT64_MAX;
	j->next = ledger_next;
	return ADMIN_STEP_MORE;
}
