/*
 * Where mail for an address goes, and who logs in.
 *
 * Resolving is a walk over addresses, breadth first: `met` holds every address once, in the order it
 * was met, and is the queue of the walk too. An address met a second time stands for its account
 * alone, so a circle of aliases ends, and an alias may keep a copy for the account of its own name.
 */
#include "store/directory.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/mime_address.h"
#include "mime/mime_idn.h"
#include "store/forward.h"

struct address {
	struct str local, domain;
	unsigned depth; /* aliases passed on the way here */
};

struct walk {
	struct db *db;
	const struct directory_config *cfg;
	struct arena *arena;
	int64_t size, now;
	struct str asked;      /* the local part, letters as they came */
	struct str postmaster; /* his address, when what is met now is his mail; else empty */
	struct address *met;
	size_t nmet, capacity;
	struct directory_target *targets;
	size_t ntargets, target_capacity;
	size_t left_out;
	bool over_quota;
	bool too_large;           /* for an account or its domain, were they empty */
	bool trouble;             /* a circle, or a limit reached */
	bool is_return;           /* back to the sender of what was sent on */
	enum directory_kind kind; /* of the domain met last that is ours */
	enum accept_class
	    failure;       /* of the first target that takes nothing; ACCEPT_CLASSES: none */
	enum db_code code; /* the first failure of the database */
};

struct usage {
	int64_t bytes, messages, max_bytes, max_messages;
};

/* An account as ACCOUNT_BY_ADDRESS reads it. */
struct account_row {
	int64_t id;
	enum directory_state state;
	bool send_only;
	struct usage own, domains;
	struct str local, domain; /* in the arena */
};

/* ---- what the walk found ---- */

static void *grow(struct arena *a, void *v, size_t n, size_t *capacity, size_t size)
{
	void *wider;

	if (n < *capacity)
		return v;
	*capacity = *capacity ? *capacity * 2 : 8;
	wider = arena_array(a, *capacity, size);
	if (n)
		memcpy(wider, v, n * size);
	return wider;
}

static void add_target(struct walk *w, struct directory_target target)
{
	w->targets = grow(
	    w->arena, w->targets, w->ntargets, &w->target_capacity, sizeof *w->targets);
	w->targets[w->ntargets++] = target;
}

static void leave_out(struct walk *w, enum accept_class class)
{
	w->left_out++;
	if (w->failure == ACCEPT_CLASSES)
		w->failure = class;
}

/* A message of unknown size is taken for one octet: nothing fits into a full mailbox. */
static bool has_room(const struct usage *u, int64_t size)
{
	return u->bytes + (size ? size : 1) <= u->max_bytes && u->messages < u->max_messages;
}

static bool is_full(const struct walk *w, const struct account_row *row)
{
	return !w->cfg->no_quota &&
	       (!has_room(&row->own, w->size) || !has_room(&row->domains, w->size));
}

static void note_full(struct walk *w, const struct account_row *row)
{
	w->over_quota = true;
	if (w->size > row->own.max_bytes || w->size > row->domains.max_bytes)
		w->too_large = true;
}

static bool takes_mail(const struct account_row *row)
{
	return row->state == DIRECTORY_ACTIVE && !row->send_only;
}

static bool takes_this(const struct walk *w, const struct account_row *row)
{
	return takes_mail(row) && !is_full(w, row);
}

static struct directory_target target_of(
    const struct walk *w, const struct account_row *row, struct str detail)
{
	return (struct directory_target){.account = row->id,
	    .local = row->local,
	    .domain = row->domain,
	    .detail = detail,
	    .postmaster = w->postmaster};
}

static void add_account(struct walk *w, const struct account_row *row, struct str detail)
{
	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account == row->id)
			return;
	}
	if (row->state != DIRECTORY_ACTIVE)
		leave_out(w, ACCEPT_DISABLED);
	else if (row->send_only)
		leave_out(w, ACCEPT_SEND_ONLY);
	else if (is_full(w, row))
		note_full(w, row);
	else
		add_target(w, target_of(w, row, detail));
}

/* ---- one look at the database each ---- */

static bool failed(struct walk *w, enum db_code code)
{
	if (code != DB_OK && w->code == DB_OK)
		w->code = code;
	return w->code != DB_OK;
}

static bool step_account(struct walk *w, struct db_query *q, struct account_row *r)
{
	if (db_step(q) != DB_ROW)
		return false;
	r->id = db_col_int(q, 0);
	r->state = (enum directory_state)db_col_int(q, 1);
	r->send_only = db_col_int(q, 2) != 0;
	r->own = (struct usage){
	    db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 9), db_col_int(q, 10)};
	r->domains = (struct usage){
	    db_col_int(q, 11), db_col_int(q, 12), db_col_int(q, 13), db_col_int(q, 14)};
	r->local = arena_str(w->arena, db_col_str(q, 7));
	r->domain = arena_str(w->arena, db_col_str(q, 8));
	return true;
}

static bool read_account(
    struct walk *w, enum sql_id id, const struct db_value *args, size_t n, struct account_row *r)
{
	struct db_query *q = db_begin_query(w->db, id, args, n);
	bool found = step_account(w, q, r);

	return !failed(w, db_end(q)) && found;
}

static bool find_account(struct walk *w, struct str local, struct str domain, struct account_row *r)
{
	return read_account(w, SQL_ACCOUNT_BY_ADDRESS, DB_ARGS(db_text(domain), db_text(local)), r);
}

/* Sets the walk's kind. */
static bool domain_is_ours(struct walk *w, struct str domain)
{
	int64_t kind = DIRECTORY_LOCAL;
	enum db_code code = db_get_int(w->db, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain)), &kind);

	if (code == DB_ROW)
		w->kind = (enum directory_kind)kind;
	else
		failed(w, code);
	return code == DB_ROW;
}

/* ---- the walk ---- */

static bool was_met(const struct walk *w, const struct address *a)
{
	for (size_t i = 0; i < w->nmet; i++) {
		if (str_eq(w->met[i].local, a->local) && str_eq(w->met[i].domain, a->domain))
			return true;
	}
	return false;
}

static void meet(struct walk *w, struct address a)
{
	if (w->nmet >= LIMIT_ALIAS_TARGETS || a.depth > LIMIT_ALIAS_DEPTH) {
		w->trouble = true;
		return;
	}
	w->met = grow(w->arena, w->met, w->nmet, &w->capacity, sizeof *w->met);
	w->met[w->nmet++] = a;
}

/* A target met a second time: its account, or nothing but the circle. */
static void meet_again(struct walk *w, const struct address *a)
{
	struct account_row row;

	if (find_account(w, a->local, a->domain, &row))
		add_account(w, &row, STR(""));
	else if (w->failure == ACCEPT_CLASSES)
		w->failure = ACCEPT_TROUBLE;
}

/* Follows the alias name@domain on the way of `from`; false when there is no such alias. */
static bool follow_alias(struct walk *w, const struct address *from, struct str name)
{
	struct address *to = NULL;
	size_t n = 0, capacity = 0;
	struct db_query *q = db_begin_query(
	    w->db, SQL_ALIAS_TARGETS, DB_ARGS(db_text(from->domain), db_text(name)));

	while (db_step(q) == DB_ROW && n < LIMIT_ALIAS_TARGETS) {
		struct str local = db_col_str(q, 0);

		to = grow(w->arena, to, n, &capacity, sizeof *to);
		to[n].local = local.n ? arena_lower(w->arena, local) : from->local;
		to[n].domain = arena_str(w->arena, db_col_str(q, 1));
		to[n++].depth = from->depth + 1;
	}
	if (failed(w, db_end(q)))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (was_met(w, &to[i]))
			meet_again(w, &to[i]);
		else
			meet(w, to[i]);
	}
	return n > 0;
}

/* <postmaster> without a domain, or an address at the server's own name, which is no mail domain. */
static bool is_of_server(const struct walk *w, struct str domain)
{
	return domain.n == 0 || str_eq_i(domain, w->cfg->hostname);
}

/* What this machine's own programs write to, as cron does, is for him too. */
static bool is_postmaster(const struct walk *w, const struct address *a)
{
	return str_eq(a->local, STR("postmaster")) || /* in lower case as all of the walk */
	       (is_of_server(w, a->domain) && str_eq(a->local, STR("root")));
}

/* Whose mail it is that comes to `a`: his who has that address, or his who was asked for. */
static void note_postmaster(struct walk *w, const struct address *a)
{
	const struct address *his = is_postmaster(w, a)        ? a
				    : is_postmaster(w, w->met) ? w->met
							       : NULL;

	w->postmaster = his ? directory_text(w->arena, his->local, his->domain) : STR("");
}

/* Mail for him may be the only way to hear what is wrong, so it is kept where there is no room or no reader. */
static void add_last_resort(struct walk *w, const struct account_row *row)
{
	struct directory_target target = target_of(w, row, STR(""));

	target.last_resort = true;
	add_target(w, target);
}

/* The alias, or else the account, of that name. */
static bool follow_name(
    struct walk *w, const struct address *from, struct str name, struct str detail)
{
	struct account_row row;

	if (follow_alias(w, from, name))
		return true;
	if (!find_account(w, name, from->domain, &row))
		return w->code != DB_OK;
	if (!is_postmaster(w, from) || takes_this(w, &row))
		add_account(w, &row, detail);
	else if (takes_mail(&row))
		add_last_resort(w, &row); /* full: it is his all the same */
	else
		return false; /* he is stood in for [RFC 5321 4.5.1] */
	return true;
}

/*
 * The way back to whoever sent what was sent on. A bad address of that form may be one that another server
 * makes for the domain, if this one makes none.
 */
static bool follow_return(struct walk *w, const struct address *from)
{
	struct queue_srs_origin origin;
	struct address to;
	enum queue_srs_status status = QUEUE_SRS_NONE;

	if (from->depth > 0 ||
	    failed(w, forward_origin(w->db, w->arena, w->asked, w->now, &status, &origin)))
		return w->code != DB_OK;
	if (status == QUEUE_SRS_NONE || (status == QUEUE_SRS_BAD && !w->cfg->srs))
		return false;
	if (status != QUEUE_SRS_ADDRESS) {
		leave_out(w, status == QUEUE_SRS_EXPIRED ? ACCEPT_EXPIRED : ACCEPT_FORGED);
		return true;
	}
	to = (struct address){origin.local, origin.domain, 1};
	if (domain_is_ours(w, to.domain)) /* by now */
		to.local = arena_lower(w->arena, to.local);
	w->is_return = true;
	meet(w, to);
	return true;
}

/* bob+x as bob; only the first separator counts. */
static bool follow_base(struct walk *w, const struct address *from)
{
	size_t at = w->cfg->separator ? str_find(from->local, (uint8_t)w->cfg->separator) : 0;

	if (at == 0 || at >= from->local.n)
		return false;
	return follow_name(w, from, str_sub(from->local, 0, at), str_from(from->local, at + 1));
}

static bool find_configured(struct walk *w, struct account_row *r)
{
	struct str domain, local = str_split(w->cfg->postmaster, '@', &domain);

	return local.n &&
	       find_account(w, arena_lower(w->arena, local), arena_lower(w->arena, domain), r) &&
	       takes_mail(r);
}

/* The first account with room; else *full_r is the first of all, if there is one (id not 0). */
static bool find_first(struct walk *w, struct account_row *r, struct account_row *full_r)
{
	struct db_query *q = db_begin_query(
	    w->db, SQL_ACCOUNTS_FIRST, DB_ARGS(db_int(LIMIT_POSTMASTER_ACCOUNTS)));
	bool found = false;

	full_r->id = 0;
	while (!found && step_account(w, q, r)) {
		found = takes_this(w, r);
		if (!found && full_r->id == 0)
			*full_r = *r;
	}
	return !failed(w, db_end(q)) && found;
}

/*
 * Who stands in for him: the configured account, the first that has room, the configured one though it is
 * full, the first that takes mail, the first that there is.
 */
static void stand_in(struct walk *w)
{
	struct account_row configured, row, full;
	bool has_configured = find_configured(w, &configured);

	if (has_configured && takes_this(w, &configured))
		add_account(w, &configured, STR(""));
	else if (find_first(w, &row, &full))
		add_account(w, &row, STR(""));
	else if (has_configured)
		add_last_resort(w, &configured);
	else if (full.id)
		add_last_resort(w, &full);
	else if (read_account(w, SQL_ACCOUNT_ANY, DB_NO_ARGS, &row))
		add_last_resort(w, &row);
	else
		leave_out(w, ACCEPT_NO_POSTMASTER);
}

static bool follow_postmaster(struct walk *w, const struct address *from)
{
	if (!is_postmaster(w, from))
		return false;
	stand_in(w);
	return true;
}

/* Whoever takes this has it, else the one who stands in. */
static void rescue(struct walk *w)
{
	w->over_quota = w->too_large = w->trouble = false;
	if (w->ntargets == 0 && w->code == DB_OK)
		stand_in(w);
}

/* An alias of his that leads to nobody who takes this. */
static void rescue_postmaster(struct walk *w)
{
	if (w->cfg->as_named || !is_postmaster(w, w->met))
		return;
	note_postmaster(w, w->met);
	rescue(w);
}

/* As it stands in an SMTP path: quoted where it must be. */
static struct str quoted(struct walk *w, const struct address *from)
{
	struct mime_address address = {.local = from->local, .domain = STR("")};
	struct buf b;
	struct str text;

	buf_init(&b, 2 * LIMIT_SMTP_PATH);
	mime_address_put_spec(&b, &address);
	text = arena_str(w->arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

static void add_elsewhere(struct walk *w, const struct address *a)
{
	add_target(w, (struct directory_target){
			  .local = w->is_return ? a->local : quoted(w, a), .domain = a->domain});
}

static void visit(struct walk *w, struct address a)
{
	note_postmaster(w, &a);
	if (!domain_is_ours(w, a.domain)) {
		if (!is_of_server(w, a.domain) && w->code == DB_OK)
			add_elsewhere(w, &a);
		else if (!follow_postmaster(w, &a))
			leave_out(w, ACCEPT_UNKNOWN);
		return;
	}
	if (w->kind != DIRECTORY_LOCAL) {
		add_elsewhere(w, &a);
		return;
	}
	if (follow_name(w, &a, a.local, STR("")) || follow_return(w, &a) || follow_base(w, &a) ||
	    follow_alias(w, &a, STR("")) || follow_postmaster(w, &a))
		return;
	leave_out(w, ACCEPT_UNKNOWN);
}

static enum accept_class judge(const struct walk *w)
{
	if (w->trouble)
		return ACCEPT_TROUBLE;
	if (w->over_quota)
		return w->too_large ? ACCEPT_TOO_LARGE : ACCEPT_OVER_QUOTA;
	if (w->ntargets == 0)
		return w->failure == ACCEPT_CLASSES ? ACCEPT_TROUBLE : w->failure;
	if (w->is_return)
		return ACCEPT_RETURN;
	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account)
			return ACCEPT_LOCAL;
	}
	if (w->nmet > 1)
		return ACCEPT_REDIRECT;
	return w->kind == DIRECTORY_LOCAL ? ACCEPT_RELAY : ACCEPT_BACKUP;
}

static void walk_from(struct walk *w, struct str local, struct str domain)
{
	meet(w, (struct address){arena_lower(w->arena, local), arena_lower(w->arena, domain), 0});
	for (size_t i = 0; i < w->nmet && w->code == DB_OK && !w->trouble; i++)
		visit(w, w->met[i]);
}

enum db_code directory_resolve(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, int64_t now,
    struct directory_answer *answer_r)
{
	struct walk w = {.db = db,
	    .cfg = cfg,
	    .arena = a,
	    .size = size,
	    .now = now,
	    .asked = local,
	    .failure = ACCEPT_CLASSES};

	walk_from(&w, local, domain);
	rescue_postmaster(&w);
	if (w.code != DB_OK)
		return w.code;
	*answer_r = (struct directory_answer){
	    judge(&w), w.targets, w.ntargets, w.left_out, w.kind == DIRECTORY_RELAY};
	if (accept_refusal(answer_r->class, true, true))
		answer_r->count = 0;
	return DB_OK;
}

enum db_code directory_account(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, struct directory_answer *answer_r)
{
	struct walk w = {.db = db, .cfg = cfg, .arena = a, .size = size, .failure = ACCEPT_CLASSES};
	struct account_row row;

	if (find_account(&w, arena_lower(a, local), arena_lower(a, domain), &row))
		add_account(&w, &row, STR(""));
	else
		leave_out(&w, ACCEPT_UNKNOWN);
	if (w.code == DB_OK)
		*answer_r = (struct directory_answer){
		    judge(&w), w.targets, w.ntargets, w.left_out, false};
	return w.code;
}

static void drop_elsewhere(struct walk *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account)
			w->targets[n++] = w->targets[i];
	}
	w->ntargets = n;
}

enum db_code directory_postmaster(struct db *db, const struct directory_config *cfg,
    struct arena *a, struct str address, int64_t size, int64_t now,
    struct directory_answer *answer_r)
{
	struct walk w = {.db = db,
	    .cfg = cfg,
	    .arena = a,
	    .size = size,
	    .now = now,
	    .asked = STR(""),
	    .failure = ACCEPT_CLASSES};
	struct str domain, local = str_split(address, '@', &domain);

	walk_from(&w, local, domain);
	drop_elsewhere(&w);
	rescue(&w);
	if (w.code == DB_OK)
		*answer_r = (struct directory_answer){
		    judge(&w), w.targets, w.ntargets, w.left_out, false};
	return w.code;
}

/* ---- who logs in ---- */

static enum db_code only_domain(struct db *db, struct arena *a, struct str *domain_r)
{
	struct db_query *q = db_begin_query(db, SQL_DOMAIN_ONLY, DB_NO_ARGS);

	if (db_step(q) == DB_ROW)
		*domain_r = arena_str(a, db_col_str(q, 0));
	return db_end(q);
}

struct str directory_text(struct arena *a, struct str local, struct str domain)
{
	struct buf b;
	struct str text;

	buf_init(&b, local.n + 1 + domain.n);
	buf_str(&b, local);
	buf_byte(&b, '@');
	buf_str(&b, domain);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
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
	struct str local = arena_lower(a, str_sub(name, 0, at)),
		   domain = login_domain(a, str_from(name, at + 1));
	struct db_query *q;
	enum db_code code = at < name.n ? DB_OK : only_domain(db, a, &domain);

	if (code != DB_OK)
		return code;
	q = db_begin_query(db, SQL_ACCOUNT_LOGIN, DB_ARGS(db_text(domain), db_text(local)));
	if (db_step(q) == DB_ROW && domain.n) {
		login.account = db_col_int(q, 0);
		login.state = (enum directory_state)db_col_int(q, 1);
		login.send_only = db_col_int(q, 2) != 0;
		login.hash = arena_str(a, db_col_str(q, 3));
		login.address = directory_text(a, local, domain);
	}
	code = db_end(q);
	if (code == DB_OK)
		*login_r = login;
	return code;
}

/* ---- addresses of administrators ---- */

static bool is_domain_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.';
}

bool directory_is_domain(struct str s)
{
	struct str rest = s, label = {NULL, 0};
	uint64_t n;

	if (s.n == 0 || s.n > LIMIT_SMTP_DOMAIN || s.p[s.n - 1] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_domain_octet(s.p[i]))
			return false;
	}
	while (rest.n) {
		label = str_split(rest, '.', &rest);
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
	}
	return !str_to_u64(label, UINT64_MAX, &n);
}

/* What may stand in a path without quotes: atoms and dots [RFC 5321 4.1.2; RFC 6531 3.3]. */
static bool is_plain_local(struct str s)
{
	static const struct str special = STR_INIT(" \"(),:;<>@[\\]");

	if (str_has_cntrl(s) || !utf8_is_valid(s) || str_find_str(s, STR("..")) < s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (str_find(special, s.p[i]) < special.n)
			return false;
	}
	return s.n == 0 || (s.p[0] != '.' && s.p[s.n - 1] != '.');
}

bool directory_address(struct arena *a, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r, struct err *e)
{
	size_t at = str_rfind(text, '@');
	struct str local = str_sub(text, 0, at), domain = str_from(text, at + 1);

	if (at == text.n)
		err_set(e, "\"%.*s\" is no address; write it like bob@example.org", STR_FMT(text));
	else if (local.n == 0 && !catch_all)
		err_set(e, "\"%.*s\" has nothing before the @; write it like bob@example.org",
		    STR_FMT(text));
	else if (local.n > LIMIT_SMTP_LOCAL_PART)
		err_set(e, "the part before the @ is longer than %zu octets; choose a shorter one",
		    LIMIT_SMTP_LOCAL_PART);
	else if (!is_plain_local(local))
		err_set(e,
		    "\"%.*s\" cannot stand before the @ of an address; write it like bob@example.org",
		    STR_FMT(local));
	else if (!directory_is_domain(domain))
		err_set(
		    e, "\"%.*s\" is no domain name; write it like example.org", STR_FMT(domain));
	else {
		*local_r = arena_lower(a, local);
		*domain_r = arena_lower(a, domain);
		return true;
	}
	return false;
}
