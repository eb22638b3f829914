/*
 * The admin command test-delivery: what would become of a message, decided by what decides it when one comes
 * (plan/accept.h). Arguments: from, to, ip, header, size, "json" for programs, and "bare-cr" when it has one.
 *
 * People read sentences. Programs get a record of the plan, then a record for each target and each fact.
 */
#include <sysexits.h>

#include "base/clock.h"
#include "base/id.h"
#include "mime/mime_idn.h"
#include "mime/mime_local.h"
#include "mime/mime_scan.h"
#include "plan/accept.h"
#include "proc/admin_address.h"
#include "proc/delivered_before.h"
#include "proc/store_admin_job.h"
#include "smtp/smtp_path.h"
#include "store/callout.h"
#include "store/forward.h"

/* ---- the recipient ---- */

/* The recipient, taken apart as RCPT does it; the domain as store knows it. */
struct wanted {
	struct str text, local, domain;
	bool nobody; /* at an address of this server, and not the postmaster */
};

/* A program of this machine, unless --ip says otherwise. */
static bool is_local_client(const struct admin_job *j)
{
	struct ip peer;

	return !ip_parse(admin_arg(j, 2), &peer) || ip_is_loopback(&peer);
}

/* At an address of this server [RFC 5321 4.5.1]; as front_smtp.c has it. */
static bool is_here(const struct admin_job *j, const struct smtp_path *path)
{
	return path->is_literal && (own_list_has(j->ctx->own, &path->ip) ||
				       (smtp_path_is_postmaster(path) &&
					   ip_is_loopback(&path->ip) && is_local_client(j)));
}

static bool put_domain(const struct admin_job *j, struct buf *b, const struct smtp_path *path)
{
	if (is_here(j, path))
		return true;
	if (!path->is_literal)
		return path->domain.n == 0 || mime_idn_to_ascii(b, path->domain) == MIME_IDN_OK;
	buf_byte(b, '[');
	ip_put(b, &path->ip);
	buf_byte(b, ']');
	return true;
}

static bool is_bracketed(struct str s)
{
	return s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>';
}

static bool take_apart(struct admin_job *j, struct wanted *w)
{
	struct str to = admin_arg(j, 1);
	struct smtp_path path = {.local = to};
	struct buf b;
	bool good;

	if (is_bracketed(to))
		path.local = to = str_sub(to, 1, to.n - 2);
	buf_init(&b, LIMIT_SMTP_DOMAIN);
	good = (str_eq_i(to, STR("postmaster")) ||
		   (smtp_mailbox_parse(to, true, j->arena, &path) == SMTP_PATH_OK &&
		       path.local.n <= LIMIT_SMTP_LOCAL_PART)) &&
	       put_domain(j, &b, &path) && !b.overflow;
	*w = (struct wanted){to, path.local, arena_str(j->arena, buf_view(&b)),
	    is_here(j, &path) && !smtp_path_is_postmaster(&path)};
	buf_fini(&b);
	return good;
}

/* The recipient as store resolves it. False with the reply set. */
static bool resolve(struct admin_job *j, struct wanted *w, struct accept_recipient *r,
    struct directory_answer *answer)
{
	if (!take_apart(j, w))
		return admin_job_finish(j, EX_USAGE,
			   "--to: \"%.*s\" is no address; write it like bob@example.org",
			   STR_FMT(str_sub(w->text, 0, 80))) != ADMIN_STEP_DONE;
	if (w->nobody)
		*answer = (struct directory_answer){.class = ACCEPT_UNKNOWN};
	else if (directory_resolve(j->ctx->db, j->ctx->directory, j->arena, w->local, w->domain, 0,
		     clock_now(), answer) != DB_OK)
		return admin_job_db_failed(j) != ADMIN_STEP_DONE;
	r->address = w->text;
	r->class = answer->class;
	if (r->class == ACCEPT_REDIRECT || r->class == ACCEPT_RETURN)
		r->target = directory_text(
		    j->arena, answer->targets[0].local, answer->targets[0].domain);
	return true;
}

/* What the header says that acceptance asks about. */
static void read_header(struct admin_job *j, struct accept_input *in, struct accept_recipient *r)
{
	struct mime_scan *scan = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(scan, admin_arg(j, 3));
	m = mime_scan_finish(scan);
	in->received_fields = m->facts.received;
	delivered_before(r, 1, &m->facts);
	mime_scan_free(&scan);
}

/* ---- the answer ---- */

static bool is_for_programs(const struct admin_job *j)
{
	return admin_arg(j, 5).n > 0;
}

static void put_sentence(struct admin_job *j, const char *kind, struct str text)
{
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, is_for_programs(j) ? "type" : "kind", str_of_c(kind));
	admin_record_text(&j->out, "text", str_trim(text));
	admin_record_end(&j->out, at);
}

static void put_lines(struct admin_job *j, const char *kind, struct str text)
{
	while (text.n)
		put_sentence(j, kind, str_split(text, '\n', &text));
}

/* With which reverse path it is sent on, if the recipient is an alias; empty: with its own, or not at all. */
static struct str sent_as(
    struct admin_job *j, const struct wanted *w, const struct directory_answer *answer)
{
	struct str path = STR("");
	struct forward_mail mail = {.message = id_make(j->ctx->ids, clock_now()),
	    .reverse_path = admin_address_spelt(j->arena, admin_arg(j, 0)),
	    .forwarder = directory_text(j->arena, w->local, w->domain),
	    .accepted = clock_now()};
	bool away = false;

	for (size_t i = 0; i < answer->count; i++)
		away |= !answer->targets[i].account;
	if (!away || !j->ctx->directory->srs ||
	    forward_path(j->ctx->db, j->ctx->directory->hostname, j->arena, &mail, clock_now(),
		&path) != DB_OK)
		return STR("");
	return path;
}

static void put_sent_as(struct admin_job *j, struct str path)
{
	struct buf b;

	if (path.n == 0)
		return;
	buf_init(&b, 4 * LIMIT_ADDRESS);
	buf_lit(&b, "what is sent on goes with the reverse path ");
	buf_str(&b, path);
	put_sentence(j, "target", buf_view(&b));
	buf_fini(&b);
}

static void put_targets(struct admin_job *j, const struct directory_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		const struct directory_target *t = &answer->targets[i];
		struct buf b;

		buf_init(&b, 2 * LIMIT_ADDRESS);
		buf_c(&b, t->account ? "account " : "address elsewhere ");
		buf_str(&b, t->local);
		buf_byte(&b, '@');
		buf_str(&b, t->domain);
		put_sentence(j, "target", buf_view(&b));
		buf_fini(&b);
	}
}

/* Of a relay domain: what is known of the recipient, and what follows for a stranger. */
static void put_callout(struct admin_job *j, const struct wanted *w,
    const struct directory_answer *answer, bool may_relay)
{
	static const struct str follows[CALLOUT_VERDICTS] = {
	    [CALLOUT_NOTHING] = STR_INIT("; it is asked when mail comes for him"),
	    [CALLOUT_GOOD] = STR_INIT("; he is taken"),
	    [CALLOUT_REFUSED] = STR_INIT("; he is refused"),
	    [CALLOUT_UNSURE] = STR_INIT("; it is asked when mail comes for him"),
	};
	const struct directory_target *t = answer->targets;
	struct callout known = {.verdict = CALLOUT_NOTHING};
	struct buf b;

	if (answer->class != ACCEPT_BACKUP ||
	    callout_get(j->ctx->db, j->arena, t->domain, w->local, clock_now(), &known) != DB_OK)
		return;
	buf_init(&b, LIMIT_TRACE_TEXT);
	callout_put(&b, &known, answer->verified);
	if (answer->verified && may_relay)
		buf_lit(&b, "; who may relay is not kept waiting for that");
	else if (answer->verified)
		buf_str(&b, follows[known.verdict]);
	buf_lit(&b, ".");
	put_sentence(j, "fact", buf_view(&b));
	buf_fini(&b);
}

static void put_facts(struct admin_job *j, const struct accept_input *in, const struct wanted *w,
    const struct directory_answer *answer)
{
	struct buf b;

	buf_init(&b, 64 * KIB);
	accept_explain(&b, in);
	put_lines(j, "fact", buf_view(&b));
	put_callout(j, w, answer, in->trusted || in->authenticated);
	buf_fini(&b);
}

static void put_for_people(struct admin_job *j, const struct accept_input *in,
    const struct plan_item *item, const struct wanted *w, const struct directory_answer *answer)
{
	struct buf b;

	put_facts(j, in, w, answer);
	buf_init(&b, 64 * KIB);
	plan_item_put(&b, item, w->text);
	put_lines(j, "plan", buf_view(&b));
	buf_fini(&b);
	if (item->action != PLAN_MAILBOX && item->action != PLAN_REDIRECT)
		return;
	put_targets(j, answer);
	put_sent_as(j, sent_as(j, w, answer));
}

/* ---- for programs ---- */

static void put_refusal(struct admin_job *j, const struct plan_item *item)
{
	const struct plan_reject none = {.text = STR("")};
	const struct plan_reject *no = item->action == PLAN_REJECT ? &item->u.reject : &none;
	struct buf status;

	buf_init(&status, 16);
	if (no->code)
		buf_printf(&status, "%u.%u.%u", (unsigned)no->class, (unsigned)no->subject,
		    (unsigned)no->detail);
	admin_record_number(&j->out, ADMIN_INT, "code", no->code);
	admin_record_text(&j->out, "status", buf_view(&status));
	admin_record_text(
	    &j->out, "reason", item->action == PLAN_DISCARD ? item->u.reason : no->text);
	buf_fini(&status);
}

static void put_plan(struct admin_job *j, const struct accept_input *in,
    const struct plan_item *item, const struct wanted *w, struct str sent)
{
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "recipient", w->text);
	admin_record_text(&j->out, "sender", in->reverse_path);
	admin_record_text(&j->out, "ip", admin_arg(j, 2));
	admin_record_number(&j->out, ADMIN_BOOL, "may_relay", in->trusted || in->authenticated);
	admin_record_number(&j->out, ADMIN_INT, "size", (int64_t)in->size);
	admin_record_text(&j->out, "action", str_of_c(plan_action_name(item->action)));
	admin_record_text(
	    &j->out, "mailbox", item->action == PLAN_MAILBOX ? plan_mailbox_name(item) : STR(""));
	put_refusal(j, item);
	admin_record_text(&j->out, "sent_on_as", sent);
	admin_record_end(&j->out, at);
}

/* Whither in the queue: to the servers of the domain, or to a host that is named for it. */
static void put_target(
    struct admin_job *j, const struct directory_target *t, const struct accept_input *in)
{
	const struct queue_routing *routing = &j->ctx->queue.routing;
	struct str sender = mime_local_address_key(j->arena, in->reverse_path), none = STR("");
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "type", STR("target"));
	admin_record_text(&j->out, "kind", t->account ? STR("account") : STR("elsewhere"));
	admin_record_text(&j->out, "address", directory_text(j->arena, t->local, t->domain));
	admin_record_text(&j->out, "destination",
	    t->account ? none : queue_routing_name(routing, j->arena, t->domain, sender));
	admin_record_text(
	    &j->out, "host", t->account ? none : queue_routing_host(routing, t->domain, sender));
	admin_record_end(&j->out, at);
}

static void put_for_programs(struct admin_job *j, const struct accept_input *in,
    const struct plan_item *item, const struct wanted *w, const struct directory_answer *answer)
{
	bool taken = item->action != PLAN_REJECT && item->action != PLAN_DISCARD;

	put_plan(
	    j, in, item, w, taken && item->action != PLAN_RELAY ? sent_as(j, w, answer) : STR(""));
	for (size_t i = 0; taken && i < answer->count; i++)
		put_target(j, &answer->targets[i], in);
	put_facts(j, in, w, answer);
}

enum admin_step admin_test_delivery(struct admin_job *j)
{
	struct accept_recipient r = {0};
	struct directory_answer answer = {0};
	struct wanted w;
	struct accept_input in = {.recipients = &r, .n = 1};
	const struct config_nets *nets = j->ctx->trusted;
	struct plan plan;

	in.reverse_path = admin_address_spelt(j->arena, admin_arg(j, 0));
	if (admin_arg(j, 2).n && !ip_parse(admin_arg(j, 2), &in.peer))
		return admin_job_finish(j, EX_USAGE,
		    "--ip must be an IP address like 192.0.2.1 or 2001:db8::1, not \"%.*s\"",
		    STR_FMT(str_sub(admin_arg(j, 2), 0, 80)));
	if (!str_to_u64(admin_arg(j, 4), LIMIT_MESSAGE_SIZE, &in.size))
		return admin_job_finish(j, EX_USAGE, "the size is not a number");
	if (!resolve(j, &w, &r, &answer))
		return ADMIN_STEP_DONE;
	for (size_t i = 0; admin_arg(j, 2).n && i < nets->n; i++)
		in.trusted |= ip_in(&in.peer, &nets->v[i]);
	in.size_limit = j->ctx->size_limit;
	in.bare = admin_arg(j, 6).n > 0 && !(in.trusted && j->ctx->normalize);
	read_header(j, &in, &r);
	plan = accept_run(&in, j->arena);
	(is_for_programs(j) ? put_for_programs : put_for_people)(
	    j, &in, &plan.items[0], &w, &answer);
	return admin_job_finish(j, EX_OK, "%s", "");
}
