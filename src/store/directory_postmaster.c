/* Mail for the postmaster, which is always taken [RFC 5321 4.5.1]. */
#include "store/directory_walk.h"

#include "base/limits.h"
#include "mime/mime_local.h"

bool directory_postmaster_is_of_server(const struct directory_walk *w, struct str domain)
{
	return domain.n == 0 || str_eq_i(domain, w->cfg->hostname);
}

bool directory_postmaster_is(const struct directory_walk *w, const struct directory_address *a)
{
	return str_eq(a->local, STR("postmaster")) || /* in its form as all of the walk */
	       (directory_postmaster_is_of_server(w, a->domain) && str_eq(a->local, STR("root")));
}

void directory_postmaster_note(struct directory_walk *w, const struct directory_address *a)
{
	const struct directory_address *his = directory_postmaster_is(w, a)        ? a
					      : directory_postmaster_is(w, w->met) ? w->met
										   : NULL;

	w->postmaster = his ? directory_text(w->arena, his->local, his->domain) : STR("");
}

/* Mail for him may be the only way to hear what is wrong, so it is kept where there is no room or no reader. */
void directory_postmaster_add(struct directory_walk *w, const struct directory_found *row)
{
	struct directory_target target = directory_walk_target(w, row, STR(""));

	target.last_resort = true;
	directory_walk_add(w, target);
}

static bool find_configured(struct directory_walk *w, struct directory_found *r)
{
	struct str domain, local = str_split(w->cfg->postmaster, '@', &domain);

	return local.n &&
	       directory_walk_find(
		   w, mime_local_key(w->arena, local), arena_lower(w->arena, domain), r) &&
	       directory_walk_takes_mail(r);
}

/* The first account with room; else *full_r is the first of all, if there is one (id not 0). */
static bool find_first(
    struct directory_walk *w, struct directory_found *r, struct directory_found *full_r)
{
	struct db_query *q = db_begin_query(
	    w->db, SQL_ACCOUNTS_FIRST, DB_ARGS(db_int(LIMIT_POSTMASTER_ACCOUNTS)));
	bool found = false;

	full_r->id = 0;
	while (!found && directory_walk_step(w, q, r)) {
		found = directory_walk_takes_this(w, r);
		if (!found && full_r->id == 0)
			*full_r = *r;
	}
	return !directory_walk_failed(w, db_end(q)) && found;
}

/*
 * Who stands in for him: the configured account, the first that has room, the configured one though it is
 * full, the first that takes mail, the first that there is.
 */
static void stand_in(struct directory_walk *w)
{
	struct directory_found configured, row, full;
	bool has_configured = find_configured(w, &configured);

	if (has_configured && directory_walk_takes_this(w, &configured))
		directory_walk_add_account(w, &configured, STR(""));
	else if (find_first(w, &row, &full))
		directory_walk_add_account(w, &row, STR(""));
	else if (has_configured)
		directory_postmaster_add(w, &configured);
	else if (full.id)
		directory_postmaster_add(w, &full);
	else if (directory_walk_read(w, SQL_ACCOUNT_ANY, DB_NO_ARGS, &row))
		directory_postmaster_add(w, &row);
	else
		directory_walk_leave_out(w, ACCEPT_NO_POSTMASTER);
}

bool directory_postmaster_follow(struct directory_walk *w, const struct directory_address *from)
{
	if (!directory_postmaster_is(w, from))
		return false;
	stand_in(w);
	return true;
}

void directory_postmaster_rescue(struct directory_walk *w)
{
	w->over_quota = w->too_large = w->trouble = false;
	if (w->ntargets == 0 && w->code == DB_OK)
		stand_in(w);
}

/* An alias of his that leads to nobody who takes this. */
void directory_postmaster_rescue_asked(struct directory_walk *w)
{
	if (w->cfg->as_named || !directory_postmaster_is(w, w->met))
		return;
	directory_postmaster_note(w, w->met);
	directory_postmaster_rescue(w);
}
