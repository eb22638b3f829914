/*
 * `queue explain`, read as a person reads it: the sentences that the administrator is shown are taken
 * apart again, and each one is held against what is known outside and what then happens. Times are as
 * exact as they were said: to the minute, or to the second when they are near.
 */
#include "explain.h"

#include <string.h>

#include "base/mem.h"
#include "here.h"
#include "proc/store_queue.h"
#include "store.h"
#include "store/queue_tell.h"

#define LATE_MS  (2 * MINUTE_MS) /* what is due has begun by then */
#define TOLD_MS  (5 * SECOND_MS) /* what is due to be told is written by then */
#define TOUCH_MS (5 * SECOND_MS) /* what an administrator wants is written by then */

/* ---- times ---- */

static bool take_number(struct str *s, int64_t *n_r)
{
	size_t n = 0;
	uint64_t value;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (!str_to_u64(str_sub(*s, 0, n), 9999, &value))
		return false;
	*n_r = (int64_t)value;
	*s = str_from(*s, n);
	return true;
}

static bool take_word(struct str *s, const char *word)
{
	struct str w = str_of_c(word);

	if (!str_has_prefix(*s, w))
		return false;
	*s = str_from(*s, w.n);
	return true;
}

static int month_of(struct str *s)
{
	static const char *const names[] = {"January", "February", "March", "April", "May", "June",
	    "July", "August", "September", "October", "November", "December"};

	for (int i = 0; i < 12; i++)
		if (take_word(s, names[i]))
			return i + 1;
	return 0;
}

/* "Saturday 28 November 2026 " */
static bool take_day(struct str *s, struct civil *c)
{
	int64_t day, year = c->year;

	*s = str_from(*s, str_find(*s, ' ') + 1);
	if (!take_number(s, &day) || !take_word(s, " "))
		return false;
	c->day = (int)day;
	c->month = month_of(s);
	if (c->month == 0 || !take_word(s, " "))
		return false;
	if (take_number(s, &year) && !take_word(s, " "))
		return false;
	c->year = (int)year;
	return true;
}

/* "at 14:05 UTC", "at 14:05:33 UTC", "on Saturday 28 November at 12:00 UTC" */
static struct sim_moment moment_in(struct str s)
{
	struct civil c = clock_civil(clock_now());
	struct sim_moment m = {0, MINUTE_MS};
	int64_t hour, minute, second = 0;

	if (take_word(&s, "on ") && !take_day(&s, &c))
		return (struct sim_moment){0, 0};
	if (!take_word(&s, "at ") || !take_number(&s, &hour) || !take_word(&s, ":") ||
	    !take_number(&s, &minute))
		return (struct sim_moment){0, 0};
	if (take_word(&s, ":")) {
		take_number(&s, &second);
		m.span = SECOND_MS;
	}
	c.hour = (int)hour;
	c.minute = (int)minute;
	c.second = (int)second;
	m.at = clock_from_civil(&c);
	return m;
}

struct sim_moment sim_moment_behind(struct str text, const char *words)
{
	size_t at = str_find_str(text, str_of_c(words));
	struct sim_moment m;

	if (at == text.n)
		return (struct sim_moment){0, 0};
	m = moment_in(str_from(text, at + strlen(words)));
	SIM_MUST(m.span, "no time follows \"%s\" in: %.*s", words, STR_FMT(text));
	return m;
}

bool sim_has(struct str text, const char *words)
{
	return str_find_str(text, str_of_c(words)) < text.n;
}

/* ---- sentences ---- */

/* That no attempt follows is said alone. */
static void check_never(struct str text)
{
	static const char *const words[] = {"An attempt with another message is under way",
	    "It goes as soon as ", "It is tried ", "The next attempt ",
	    "A further attempt follows "};

	if (!sim_has(text, "No further attempt is planned"))
		return;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		SIM_MUST(!sim_has(text, words[i]),
		    "explain says that an attempt follows, and that none does: %.*s",
		    STR_FMT(text));
}

/* What became of him is told. */
static bool is_over(struct str text)
{
	return sim_has(text, " cannot be delivered") ||
	       sim_has(text, " could not be delivered in time");
}

/* When a report that found no room is tried again, or he leaves without one. */
static void read_again(struct str text, struct sim_claim *c)
{
	struct sim_moment m = sim_moment_behind(
	    text, " could not be delivered yet; it is tried again ");

	if (!m.span)
		m = sim_moment_behind(text, "It leaves the queue ");
	if (!m.span && is_over(text))
		m = sim_moment_behind(text, "it will be given up ");
	SIM_MUST(!m.span || m.at + m.span + SECOND_MS > clock_now(),
	    "explain tells of a report that is to come, and of a time that is over: %.*s",
	    STR_FMT(text));
	c->again_at = m.at;
	c->again_span = m.span;
}

static void read_next(const struct sim_rcpt *r, struct str text, struct sim_claim *c)
{
	static const struct {
		const char *words;
		enum sim_next next;
	} table[] = {
	    {"is being delivered: the attempt began", SIM_N_UNDER_WAY},
	    {"was held back by an administrator", SIM_N_HELD},
	    {" cannot be delivered", SIM_N_ENDING},
	    {" could not be delivered in time", SIM_N_ENDING},
	    {"It is now being returned", SIM_N_ENDING},
	    {"It is now being given up", SIM_N_ENDING},
	    {" is now being made", SIM_N_ENDING},
	    {" could not be delivered yet; it is tried again ", SIM_N_ENDING},
	    {"It leaves the queue ", SIM_N_ENDING},
	    {"An attempt with another message is under way", SIM_N_PROBE},
	    {"It goes as soon as one of them is free", SIM_N_SESSION},
	    {"It goes as soon as this server may open another connection", SIM_N_SESSION},
	    {"The next attempt is due now", SIM_N_NOW},
	    {" goes into the mailbox as soon as ", SIM_N_NOW},
	    {"one follows at once if ", SIM_N_HOST},
	    {"No further attempt is planned", SIM_N_NEVER},
	};
	char reach[120];
	struct sim_moment m;

	check_never(text);
	c->late = sim_has(text, "Its time ended while the server was not running");
	c->wakes = sim_has(text, " answers for another domain.");
	c->follows = sim_has(text, "An attempt with another message is under way");
	c->earliest = sim_moment_behind(text, "It is tried ").at;
	read_again(text, c);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (sim_has(text, table[i].words) && !(table[i].next == SIM_N_PROBE && c->wakes)) {
			c->next = table[i].next;
			return;
		}
	snprintf(reach, sizeof reach, "The next attempt to reach %s is ",
	    r->dest->example == SIM_X_ROUTED ? r->dest->server->hosts[0].name : r->dest->name);
	m = sim_moment_behind(text, reach);
	if (!m.span)
		m = sim_moment_behind(text, "The next attempt is ");
	if (!m.span)
		m = sim_moment_behind(text, "wants it to be delivered ");
	c->turn = sim_has(text, "Its turn comes ");
	if (c->turn)
		m = sim_moment_behind(text, "Its turn comes ");
	if (!m.span && c->late) { /* no attempt is left to be told of */
		c->next = SIM_N_NEVER;
		return;
	}
	SIM_MUST(m.span, "explain does not say what is next: %.*s", STR_FMT(text));
	c->next = SIM_N_AT;
	c->next_at = m.at;
	c->next_span = m.span;
	c->own = !c->wakes && !sim_has(text, reach);
	c->if_able = sim_has(text, "can be reached by then") || sim_has(text, "is free by then");
}

static void read_end(const struct sim_rcpt *r, struct str text, struct sim_claim *c)
{
	char words[80] = "it will be given up ";
	struct sim_moment m;

	if (is_over(text))
		return;
	m = sim_moment_behind(text, words);
	if (!m.span && (r->sender >= 0 || r->stranger)) {
		if (r->stranger)
			snprintf(words, sizeof words, "returned to %s ", r->stranger->address);
		else
			snprintf(words, sizeof words, "returned to %s@" SIM_DOMAIN " ",
			    sim_senders[r->sender]);
		if (!c->late)
			m = sim_moment_behind(text, words);
	}
	if (!m.span)
		m = sim_moment_behind(text, "at the latest ");
	c->ends_at = m.at;
	c->ends_span = m.span;
	SIM_MUST(m.span || c->next == SIM_N_ENDING || c->next == SIM_N_HELD ||
		     c->next == SIM_N_UNDER_WAY || sim_has(text, " into the mailbox"),
	    "explain does not say how it ends: %.*s", STR_FMT(text));
	m = sim_moment_behind(text, "If it still waits ");
	c->warns_at = m.at;
	c->warns_span = m.span;
}

/* ---- why ---- */

static bool has_said(const struct sim_dest *d, struct str quote)
{
	for (size_t i = 0; i < d->nreplies; i++)
		if (str_eq(quote, str_of_c(d->replies[i])))
			return true;
	return false;
}

/* What is quoted was said by one of his hosts. */
static void check_quote(const struct sim_rcpt *r, struct str text)
{
	size_t at = str_find_str(text, STR("it answered \"")), end;
	const struct sim_dest *d = r->dest;
	struct str quote;

	if (at == text.n || d->example == SIM_X_LIES)
		return;
	quote = str_from(text, at + 13);
	end = str_find(quote, '"');
	quote = str_sub(quote, 0, end);
	if (has_said(r->dest, quote) || has_said(sim_server_of(r->dest), quote) ||
	    (r->dest->old && has_said(r->dest->old, quote)))
		return;
	sim_fail("%s never answered what explain quotes: %.*s", d->name, STR_FMT(text));
}

/* "3 attempts, last at 14:05 UTC" was when an attempt to his destination ended. */
static void check_last(const struct sim_rcpt *r, struct str text, bool failing)
{
	struct sim_moment m = sim_moment_behind(text, "last ");
	const struct sim_dest *d = r->dest;

	if (!m.span || !failing || sim_world.jumps || d->last_result == 0 ||
	    sim_has(text, SIM_BY_ROUTE)) /* that of its server, with whichever mail */
		return;
	if (sim_has(text, "could not be reached") || sim_has(text, "could not be used") ||
	    sim_has(text, "takes no mail at present"))
		SIM_MUST(m.at <= d->last_result && d->last_result < m.at + m.span + SECOND_MS,
		    "the last attempt to reach %s was at %lld, and explain says: %.*s", d->name,
		    (long long)d->last_result, STR_FMT(text));
}

/* The mail server that is named is one of his, and serves the domain that is named with it. */
static void check_host(const struct sim_rcpt *r, struct sim_claim *c, struct str text)
{
	size_t at = str_find_str(text, STR("its mail server "));
	struct str name = str_from(text, at + 16), other;
	const struct sim_host *h;
	const struct sim_dest *d;
	size_t n = 0;

	if (at == text.n)
		return;
	other = str_from(name, str_find_str(name, STR(", which also serves ")) + 20);
	name = str_sub(name, 0, str_find(name, ' '));
	name.n -= name.p[name.n - 1] == ',';
	while ((h = sim_dest_host(r->dest, n)) && !str_eq(name, str_of_c(h->name)))
		n++;
	SIM_MUST(h || r->dest->example == SIM_X_LIES, "%.*s is no server of %s: %.*s",
	    STR_FMT(name), r->dest->name, STR_FMT(text));
	if (sim_has(text, " that server answers for another domain"))
		c->host = h;
	if (!sim_has(text, ", which also serves ") || !h)
		return;
	d = sim_dest_find(str_sub(other, 0, str_find(other, ',')));
	SIM_MUST(d && d != r->dest && sim_dest_uses(d, h->dest), "%s serves no such domain: %.*s",
	    h->name, STR_FMT(text));
}

/* What became of him is as his server knows it, unless nobody can know. */
static void check_fate(const struct sim_rcpt *r, struct str text)
{
	if (sim_has(text, "cannot be delivered") || sim_has(text, "could not be delivered in time"))
		SIM_MUST(r->taken == 0 || r->excused || r->touched,
		    "his server has taken it for %s, and explain says: %.*s", r->address,
		    STR_FMT(text));
	if (sim_has(text, "was delivered into the mailbox"))
		SIM_MUST(sim_is_here(r->dest) && r->taken > 0,
		    "%s does not have it in his mailbox, and explain says: %.*s", r->address,
		    STR_FMT(text));
	SIM_MUST(!sim_has(text, "was sent on to all addresses behind it") || r->tells,
	    "%s is not an alias: %.*s", r->address, STR_FMT(text));
	if (sim_has(text, "was taken by the next server"))
		SIM_MUST(r->taken > 0, "nobody has taken it for %s, and explain says: %.*s",
		    r->address, STR_FMT(text));
}

/* A route is told of with its host, wherever that is why mail waits; and where there is none, nowhere. */
static void check_route(const struct sim_rcpt *r, struct str text)
{
	bool waits = sim_has(text, " could not be reached (") ||
		     sim_has(text, " could not be used (") ||
		     sim_has(text, " takes no mail at present ");
	const struct sim_dest *d = r->dest;
	char words[160];

	if (d->example != SIM_X_ROUTED) {
		SIM_MUST(
		    !sim_has(text, SIM_BY_ROUTE), "%s has no route: %.*s", d->name, STR_FMT(text));
		return;
	}
	snprintf(words, sizeof words, "the server %s" SIM_BY_ROUTE "%s is sent",
	    d->server->hosts[0].name, sim_dest_domain(r->dest)->name);
	SIM_MUST(sim_has(text, waits ? words : "") &&
		     sim_has(text, words) == sim_has(text, SIM_BY_ROUTE),
	    "%s goes by %s: %.*s", d->name, d->server->hosts[0].name, STR_FMT(text));
}

static void check_why(const struct sim_rcpt *r, struct sim_claim *c, struct str text, size_t active,
    size_t sessions, bool failing)
{
	check_quote(r, text);
	check_last(r, text, failing);
	check_host(r, c, text);
	check_route(r, text);
	if (c->next == SIM_N_SESSION && !sim_has(text, "its mail server") &&
	    !sim_has(text, SIM_BY_ROUTE) &&
	    !sim_has(text, "It goes as soon as this server may open another connection"))
		SIM_MUST(active >= sessions && active > 0,
		    "%zu of %zu connections are in use, and explain says: %.*s", active, sessions,
		    STR_FMT(text));
	if (c->follows)
		SIM_MUST((failing || c->wakes) && active > 0,
		    "nobody tries %s, and explain says: %.*s", r->dest->name, STR_FMT(text));
	if (c->next == SIM_N_UNDER_WAY)
		SIM_MUST(r->token, "%s is not being tried, and explain says: %.*s", r->address,
		    STR_FMT(text));
	else
		SIM_MUST(!r->token, "%s is being tried, and explain says: %.*s", r->address,
		    STR_FMT(text));
}

/* That it is sent on is said of what an alias sends on, with the reverse path that his server sees. */
static void check_sent_on(const struct sim_rcpt *r, const struct sim_claim *c,
    const struct queue_row *row, struct str text)
{
	bool says = sim_has(text, "It is sent on for ");

	SIM_MUST(!says || row->forwarder.n, "%s: explain says that it is sent on: %.*s", r->address,
	    STR_FMT(text));
	SIM_MUST(says || row->forwarder.n == 0 || c->next != SIM_N_AT,
	    "%s: explain does not say that it is sent on: %.*s", r->address, STR_FMT(text));
	if (says && r->path[0] && !r->touched && !sim_world.jumps)
		SIM_MUST(sim_has(text, r->path),
		    "%s saw the reverse path %s, and explain says: %.*s", r->dest->name, r->path,
		    STR_FMT(text));
}

struct sim_claim sim_explain(
    const struct sim_rcpt *r, const struct queue_row *row, const struct sim_facts *f)
{
	struct sim_claim c = {.made = clock_mono()};
	struct arena *a = arena_new();
	struct queue_config cfg = store_queue_config(sim_store()->queue, a);
	struct queue_message m;
	struct buf text;

	buf_init(&text, 16 * KIB);
	MUST(queue_message_get(sim_store()->db, a, row->message, &m) == DB_ROW);
	queue_tell(&text, sim_store()->db, &cfg, row, &m, clock_now());
	if (sim_verbose)
		sim_say("explain %.*s", STR_FMT(buf_view(&text)));
	read_next(r, buf_view(&text), &c);
	read_end(r, buf_view(&text), &c);
	check_why(r, &c, buf_view(&text), f->active, f->sessions, f->failures > 0);
	check_sent_on(r, &c, row, buf_view(&text));
	check_fate(r, buf_view(&text));
	sim_check_words(r, &c, buf_view(&text), f);
	sim_check_languages(&cfg, row, &m, buf_view(&text));
	buf_fini(&text);
	arena_free(&a);
	return c;
}

/* ---- what was said, and what then happened ---- */

static int64_t mono_of(int64_t wall)
{
	return clock_mono() - (clock_now() - wall);
}

/* What a lost relay had, or is given as long as its store believes in it, comes back with its leases. */
static bool is_lost_one_gone(int64_t mono)
{
	return sim_world.lost_at == 0 || sim_world.lost_at + SIM_LOST_MS + MINUTE_MS < mono;
}

bool sim_was_up_since(int64_t mono)
{
	return is_lost_one_gone(mono) && sim_world.down_since == 0 &&
	       sim_world.last_start + 2 * SECOND_MS < mono;
}

/*
 * An administrator has had his will since, or all that waits was moved along with a clock that was set back; or
 * just before, and it was about to be written.
 */
static bool is_touched(const struct sim_claim *c)
{
	return sim_world.touched + TOUCH_MS >= c->made || sim_world.moved + TOUCH_MS >= c->made;
}

/* A mail server has answered since. */
static bool is_good(const struct sim_host *h, const struct sim_claim *c)
{
	return h->good >= c->made;
}

/* The one that he waited for, or any of his: as it was said. */
static bool is_any_good(const struct sim_rcpt *r)
{
	const struct sim_claim *c = &r->claim;
	const struct sim_host *h;

	if (!c->follows && (c->host || !c->wakes))
		return c->host && is_good(c->host, c);
	for (size_t i = 0; (h = sim_dest_host(r->dest, i)); i++)
		if (is_good(h, c))
			return true;
	return false;
}

void sim_claim_woken(const struct sim_rcpt *r, int64_t not_before)
{
	const struct sim_claim *c = &r->claim;

	if (c->next == SIM_N_UNKNOWN || is_touched(c))
		return;
	SIM_MUST(c->next != SIM_N_NEVER || not_before >= c->ends_at,
	    "%s may go, though explain said that no attempt would follow", r->address);
	SIM_MUST(c->next != SIM_N_HOST || is_any_good(r),
	    "%s may go, though none of his mail servers has answered", r->address);
	if (c->next == SIM_N_AT && !c->own && clock_now() < c->next_at)
		SIM_MUST(is_any_good(r), "%s may go %lld s before the time that explain said",
		    r->address, (long long)((c->next_at - clock_now()) / SECOND_MS));
}

void sim_claim_tried(const struct sim_rcpt *r, bool woken)
{
	const struct sim_claim *c = &r->claim;

	if (c->next == SIM_N_UNKNOWN || is_touched(c))
		return;
	SIM_MUST(clock_now() >= c->earliest, "%s is tried %lld s before his own time, says explain",
	    r->address, (long long)((c->earliest - clock_now()) / SECOND_MS));
	if (woken && !c->own && is_any_good(r))
		return;
	SIM_MUST(c->next != SIM_N_NEVER && c->next != SIM_N_ENDING && c->next != SIM_N_HELD &&
		     c->next != SIM_N_HOST,
	    "%s is tried, though explain said that no attempt would follow", r->address);
	if (c->next != SIM_N_AT)
		return;
	SIM_MUST(clock_now() >= c->next_at, "%s is tried %lld s before the time that explain said",
	    r->address, (long long)((c->next_at - clock_now()) / SECOND_MS));
}

/* Both of the same moment as far as they say it. */
static bool agree(int64_t a, int64_t a_span, int64_t b, int64_t b_span)
{
	return a < b + b_span && b < a + a_span;
}

void sim_compare_claims(
    const struct sim_rcpt *r, const struct sim_claim *was, const struct sim_claim *is)
{
	if (was->next == SIM_N_UNKNOWN || r->dest->touched > was->made)
		return;
	if (was->next == SIM_N_AT && is->next == SIM_N_AT)
		SIM_MUST(agree(was->next_at, was->next_span, is->next_at, is->next_span),
		    "explain said another time for the next attempt of %s before, and nothing happened",
		    r->address);
	if (was->next == SIM_N_AT && is->next == SIM_N_NOW)
		SIM_MUST(clock_now() >= was->next_at,
		    "the next attempt of %s is due now, and explain said a later time", r->address);
	if (was->ends_span && is->ends_span && !was->late && !is->late)
		SIM_MUST(agree(was->ends_at, was->ends_span, is->ends_at, is->ends_span),
		    "explain said another end for %s before, and nothing happened", r->address);
}

/* What is due at a time is done by its end, if all of us were there. */
static void check_moment(const struct sim_rcpt *r, int64_t at, int64_t span, const char *what)
{
	if (span == 0 || r->claim.next == SIM_N_UNKNOWN)
		return;
	SIM_MUST(clock_now() >= at, "%s %s %lld s before the time that explain said", r->address,
	    what, (long long)((at - clock_now()) / SECOND_MS));
	SIM_MUST(clock_now() < at + span + LATE_MS || !sim_was_up_since(mono_of(at)),
	    "%s %s %lld s after the time that explain said", r->address, what,
	    (long long)((clock_now() - at) / SECOND_MS));
}

/* It counts as told, and nobody is. */
static bool is_sender_gone(const struct sim_rcpt *r)
{
	return sim_sender_refuses(r) || (r->sender == SIM_SHUT && sim_shut()->unsure);
}

void sim_claim_warned(const struct sim_rcpt *r)
{
	const struct sim_claim *c = &r->claim;

	if (c->next == SIM_N_UNKNOWN || c->next == SIM_N_UNDER_WAY || is_sender_gone(r))
		return;
	if (c->warns_span)
		check_moment(r, c->warns_at, c->warns_span, "was told of the delay");
	else /* it was due while he was tried or held, or we were not there, and is told at once */
		SIM_MUST(clock_mono() < c->made + TOLD_MS || !sim_was_up_since(c->made),
		    "the delay of %s was told, and explain did not say that before", r->address);
}

void sim_claim_settled(const struct sim_rcpt *r)
{
	const struct sim_claim *c = &r->claim;

	if (is_touched(c))
		return;
	if (c->next == SIM_N_AT)
		check_moment(r, c->next_at, c->next_span, "had his turn");
	check_moment(r, c->again_at, c->again_span, "had his report");
}

void sim_claim_returned(const struct sim_rcpt *r)
{
	if (r->claim.next != SIM_N_UNDER_WAY && !r->claim.late)
		check_moment(r, r->claim.ends_at, r->claim.ends_span, "was returned");
}

/* ---- what should have happened by now ---- */

static void check_waiting(const struct sim_rcpt *r)
{
	const struct sim_claim *c = &r->claim;
	int64_t due = c->if_able             ? INT64_MAX
		      : c->next == SIM_N_AT  ? mono_of(c->next_at + c->next_span)
		      : c->next == SIM_N_NOW ? c->since
		      : c->next == SIM_N_ENDING && !c->again_span ? c->since
								  : INT64_MAX;

	if (due == INT64_MAX || clock_mono() < due + LATE_MS || !sim_was_up_since(due))
		return;
	SIM_MUST(r->dest->touched > due,
	    "%s was to be tried %lld s ago, explain said, and nothing has happened", r->address,
	    (long long)((clock_mono() - due) / SECOND_MS));
}

void sim_claim_replaced(struct sim_rcpt *r)
{
	const struct sim_claim *c = &r->claim;

	if (c->next != SIM_N_AT || !c->wakes || c->turn || clock_now() < c->next_at ||
	    is_touched(c) || r->promised_by)
		return;
	r->promised = c->made;
	r->promised_by = clock_mono();
}

static bool is_any_tried(const struct sim_dest *d, int64_t since)
{
	const struct sim_host *h;

	for (size_t i = 0; (h = sim_dest_host(d, i)); i++)
		if (h->last_try >= since || h->told >= since)
			return true;
	return false;
}

/* The time that explain named has come: a server of his was tried, if it was for another domain. */
static void check_promise(struct sim_rcpt *r)
{
	int64_t by = r->promised_by;

	if (by == 0 || (clock_mono() < by + LATE_MS && !is_any_tried(r->dest, r->promised)))
		return;
	r->promised_by = 0;
	if (!sim_was_up_since(by) || r->touched || r->dest->ndns > 0 || sim_jumped() > r->jumped)
		return;
	SIM_MUST(is_any_tried(r->dest, r->promised),
	    "%s was to be tried %lld s ago, explain said, and no server of his was", r->address,
	    (long long)((clock_mono() - by) / SECOND_MS));
}

/* What explain said would be told or returned, and it stands: so nothing of it has happened. */
static void check_untold(const struct sim_rcpt *r, int64_t at, int64_t span, const char *what)
{
	int64_t due = mono_of(at + span);

	if (r->claim.next == SIM_N_UNKNOWN || span == 0 || clock_mono() < due + LATE_MS ||
	    !sim_was_up_since(due))
		return;
	sim_fail("%s was to be %s %lld s ago, explain said", r->address, what,
	    (long long)((clock_mono() - due) / SECOND_MS));
}

static void check_under_way(const struct sim_rcpt *r)
{
	int64_t before = clock_mono() - MINUTE_MS;

	if (sim_world.down_since || sim_world.last_start + 2 * SECOND_MS >= before)
		return;
	if (!is_lost_one_gone(before))
		before = clock_mono() - SIM_LEASE_MS;
	if (r->leased < before)
		SIM_MUST(sim_relay_has(r->message),
		    "nobody tries %s, and explain says that he is being tried", r->address);
}

void sim_check_overdue(void)
{
	LIST_FOREACH(&sim_world.queued, it)
	{
		struct sim_rcpt *r = LIST_ENTRY(it, struct sim_rcpt, link);

		check_promise(r);
		if (r->token) {
			check_under_way(r);
			continue;
		}
		check_waiting(r);
		check_untold(r, r->claim.warns_at, r->claim.warns_span, "told of as late");
		check_untold(r, r->claim.ends_at, r->claim.ends_span, "returned");
		check_untold(r, r->claim.again_at, r->claim.again_span, "reported again");
	}
}
