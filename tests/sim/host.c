/*
 * Hosts that speak SMTP, or what they take for it. What a host does wrong is its destination's fault of
 * the moment; what it took is written down at the moment it took it, whether its reply arrives or not.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "net.h"
#include "smtp/smtp_client.h"
#include "traffic.h"
#include "world.h"

#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"

#define GREY_MS   (5 * MINUTE_MS)
#define TARPIT_MS MINUTE_MS
#define END_MS    (10 * MINUTE_MS) /* so long is waited for the answer to the final dot */
#define RCPTS_MAX ((size_t)100)    /* as many as a job has */

struct sim_session {
	struct sim_conn *conn;
	struct sim_host *host;
	struct buf line;
	bool tls, mail, deaf;
	bool login;
	bool data;           /* content by DATA */
	bool chunk;          /* a chunk by BDAT */
	bool last;           /* ... the last one */
	bool refuse;         /* ... of nobody's */
	size_t left;         /* octets of it that are to come */
	bool broken;         /* nothing more is said */
	char path[80];       /* the reverse path of the message at hand */
	struct sim_rcpt *to; /* the first recipient that it named; NULL: none yet */
	struct sim_rcpt *rcpts[RCPTS_MAX];
	size_t nrcpts;
	/* taken, and the reply is on its way until then */
	struct sim_rcpt *taken[RCPTS_MAX];
	size_t ntaken;
	int64_t taken_at, told_at;
};

/* ---- who is where ---- */

static struct sim_host *host_at(const struct ip *ip)
{
	for (size_t i = 0; i < sim_world.ndests; i++)
		for (size_t k = 0; k < sim_world.dests[i].nhosts; k++) {
			struct sim_host *h = &sim_world.dests[i].hosts[k];

			if (ip_eq(&h->ip[0], ip) || (h->v6 && ip_eq(&h->ip[1], ip)))
				return h;
		}
	return NULL;
}

/* ---- saying ---- */

static void keep_reply(struct sim_dest *d, struct str line)
{
	size_t n = line.n < sizeof d->replies[0] ? line.n : sizeof d->replies[0] - 1;
	char *to;

	for (size_t i = 0; i < d->nreplies; i++)
		if (str_eq(line, str_of_c(d->replies[i])))
			return;
	MUST(d->nreplies < SIM_REPLIES);
	to = d->replies[d->nreplies++];
	memcpy(to, line.p, n);
	to[n] = 0;
}

/* To whom it was said: to the message at hand, or to anybody who comes. */
static void keep_words(struct sim_session *s, const char *line)
{
	struct sim_dest *d = s->host->dest;
	const char **v = s->to ? s->to->heard : d->early;
	size_t *n = s->to ? &s->to->nheard : &d->nearly;

	for (size_t i = 0; i < *n; i++)
		if (strcmp(v[i], line) == 0)
			return;
	MUST(*n < (s->to ? SIM_HEARD : SIM_REPLIES));
	v[(*n)++] = line;
}

static int64_t pause(const struct sim_session *s)
{
	const struct sim_fault *f = sim_fault_at(s->host->dest, SIM_STAGES);

	if (f && f->kind == SIM_F_SLOW)
		return sim_between(5 * SECOND_MS, 100 * SECOND_MS);
	return sim_between(0, 30);
}

static void say_bytes(struct sim_session *s, struct str text)
{
	const struct sim_fault *f = sim_fault_at(s->host->dest, SIM_STAGES);

	if (s->broken)
		return;
	if (!f || f->kind != SIM_F_TARPIT) {
		sim_net_send(s->conn, text, pause(s));
		return;
	}
	for (size_t i = 0; i < text.n; i++)
		sim_net_send(s->conn, str_sub(text, i, 1), (int64_t)(i + 1) * TARPIT_MS);
}

static void say(struct sim_session *s, const char *line)
{
	struct buf b;

	keep_reply(s->host->dest, str_of_c(line));
	keep_words(s, line);
	buf_init(&b, KIB);
	buf_c(&b, line);
	buf_lit(&b, "\r\n");
	say_bytes(s, buf_view(&b));
	buf_fini(&b);
}

/* ---- the end of a session ---- */

static void session_over(struct sim_session *s)
{
	s->conn->session = NULL;
	s->host->open--;
	s->host->dest->sessions--;
	buf_fini(&s->line);
	mem_free(s);
}

/* Whoever breaks off now, we cannot know of what was taken a moment ago. */
static void excuse(struct sim_session *s)
{
	for (size_t i = 0; i < s->ntaken; i++)
		sim_excuse(s->taken[i], SIM_E_BROKE_OFF);
	s->ntaken = 0;
}

static void drop(struct sim_session *s)
{
	s->broken = true;
	sim_net_reset(s->conn, 0);
	session_over(s);
}

void sim_host_end(struct sim_conn *c)
{
	struct sim_session *s = c->session;

	if (s->ntaken > 0 && clock_mono() - c->delay <= s->told_at) {
		SIM_MUST(c->killed || clock_mono() - c->delay == s->told_at ||
			     clock_mono() - s->taken_at >= END_MS - SECOND_MS,
		    "we break off behind the final dot, and %s was to answer", s->host->name);
		excuse(s);
	}
	session_over(s);
}

bool sim_host_handshake(struct sim_conn *c)
{
	const struct sim_fault *f = sim_fault_at(c->session->host->dest, SIM_STAGES);

	c->session->tls = !(f && f->kind == SIM_F_TLS);
	return c->session->tls;
}

/* ---- faults at a stage ---- */

/* True: the fault is all that comes of it. False: go on as though there were none. */
static bool fails(struct sim_session *s, enum sim_stage stage)
{
	const struct sim_fault *f = sim_fault_at(s->host->dest, stage);

	if (!f || (f->percent && !sim_chance(f->percent)))
		return false;
	switch (f->kind) {
	case SIM_F_REPLY:
		say(s, f->text);
		return true;
	case SIM_F_GARBAGE:
		say(s, "HTTP/1.1 400 Bad Request");
		return true;
	case SIM_F_SILENT:
		s->deaf = true;
		return true;
	case SIM_F_HALF_CLOSE:
		s->deaf = true;
		sim_net_end(s->conn, 0);
		return true;
	case SIM_F_DROP:
		drop(s);
		return true;
	default:
		return false;
	}
}

/* ---- commands ---- */

static void ehlo(struct sim_session *s)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
	    {SMTP_EXT_PIPELINING, "250-PIPELINING\r\n"},
	    {SMTP_EXT_8BITMIME, "250-8BITMIME\r\n"},
	    {SMTP_EXT_SIZE, "250-SIZE 50000000\r\n"},
	    {SMTP_EXT_DSN, "250-DSN\r\n"},
	    {SMTP_EXT_ENHANCED, "250-ENHANCEDSTATUSCODES\r\n"},
	    {SMTP_EXT_CHUNKING, "250-CHUNKING\r\n"},
	    {SMTP_EXT_PRIORITY, "250-MT-PRIORITY\r\n"},
	    {SMTP_EXT_DELIVERBY, "250-DELIVERBY\r\n"},
	};
	struct buf b;

	if (fails(s, SIM_EHLO) || fails(s, SIM_HELO))
		return;
	buf_init(&b, 4 * KIB);
	buf_printf(&b, "250-%s\r\n", s->host->name);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (s->host->extensions & words[i].bit)
			buf_c(&b, words[i].word);
	if ((s->host->extensions & SMTP_EXT_STARTTLS) && !s->tls)
		buf_lit(&b, "250-STARTTLS\r\n");
	if ((s->host->extensions & SMTP_EXT_AUTH) && s->tls)
		buf_lit(&b, "250-AUTH PLAIN LOGIN\r\n");
	buf_lit(&b, "250 HELP\r\n");
	say_bytes(s, buf_view(&b));
	buf_fini(&b);
}

static void helo(struct sim_session *s)
{
	if (!fails(s, SIM_HELO))
		say(s, "250 hello");
}

static void starttls(struct sim_session *s)
{
	if (!fails(s, SIM_STARTTLS))
		say(s, "220 2.0.0 go ahead");
}

/* "\0" SIM_USER "\0" SIM_PASSWORD in base 64 [RFC 4616 2] */
static void auth(struct sim_session *s, struct str line)
{
	SIM_MUST(s->tls && str_eq(line, STR("AUTH PLAIN AHVzZXIAc2VjcmV0")),
	    "%s is logged in to by other words, or in the clear", s->host->name);
	if (fails(s, SIM_AUTH))
		return;
	s->login = true;
	say(s, "235 2.7.0 welcome");
}

static struct str path_of(struct str line)
{
	size_t a = str_find(line, '<'), b = str_find(line, '>');

	return a < b && b < line.n ? str_sub(line, a + 1, b - a - 1) : STR("");
}

static void mail(struct sim_session *s, struct str line)
{
	s->to = NULL;
	if (fails(s, SIM_MAIL))
		return;
	s->mail = true;
	s->nrcpts = 0;
	snprintf(s->path, sizeof s->path, "%.*s", STR_FMT(path_of(line)));
	say(s, "250 2.1.0 ok");
}

/*
 * What an alias sends on has a reverse path of the alias's domain, the same at each attempt; all else has its
 * sender's.
 */
static void check_path(const struct sim_session *s, struct sim_rcpt *r)
{
	struct str path = str_of_c(s->path);
	char domain[32];

	if (!r->stranger) {
		SIM_MUST(path.n == 0 || str_has_suffix_i(path, STR("@" SIM_DOMAIN)),
		    "%s gets mail of his sender with the reverse path %s", r->address, s->path);
		return;
	}
	snprintf(domain, sizeof domain, "@d%zu." SIM_ALIASES, (size_t)(r->dest - sim_world.dests));
	SIM_MUST(str_has_prefix(path, STR("SRS0=")) && str_has_suffix_i(path, str_of_c(domain)),
	    "%s gets what was sent on with the reverse path %s", r->address, s->path);
	if (!r->path[0])
		snprintf(r->path, sizeof r->path, "%s", s->path);
	SIM_MUST(str_eq(path, str_of_c(r->path)) || r->touched || sim_world.jumps,
	    "%s gets it with the reverse path %s, which was %s before", r->address, s->path,
	    r->path);
}

static bool is_grey(const struct sim_session *s, struct sim_rcpt *r)
{
	const struct sim_fault *f = sim_fault_at(s->host->dest, SIM_STAGES);

	if (r->seen == 0)
		r->seen = clock_mono();
	return f && f->kind == SIM_F_GREYLIST && clock_mono() - r->seen < GREY_MS;
}

static void refuse_rcpt(struct sim_session *s, struct sim_rcpt *r, const char *line)
{
	if (line[0] == '4')
		r->refused_at = clock_mono();
	say(s, line);
}

static void rcpt(struct sim_session *s, struct str line)
{
	struct sim_rcpt *r = sim_rcpt_find(path_of(line));

	if (!r) {
		say(s, "550 5.1.1 nobody of that name was ever written to");
		return;
	}
	if (!s->to)
		s->to = r;
	if (fails(s, SIM_RCPT))
		return;
	if (s->mail)
		check_path(s, r);
	SIM_MUST(r->dest->login == s->login, "%s is named %s login", r->address,
	    s->login ? "behind a" : "without a");
	if (r->dest != s->host->dest && r->dest->server != s->host->dest)
		say(s, "550 5.7.1 relaying denied");
	else if (!s->mail)
		say(s, "503 5.5.1 MAIL first");
	else if (s->host->rcpt_max && s->nrcpts >= s->host->rcpt_max)
		say(s, "452 4.5.3 too many recipients");
	else if (r->destiny == SIM_UNKNOWN)
		refuse_rcpt(s, r, "550 5.1.1 no such user here");
	else if (r->destiny == SIM_FULL)
		refuse_rcpt(s, r, "452 4.2.2 the mailbox is full");
	else if (is_grey(s, r))
		refuse_rcpt(s, r, "451 4.7.1 greylisted, come back later");
	else {
		s->rcpts[s->nrcpts++] = r;
		say(s, "250 2.1.5 ok");
	}
}

static void data(struct sim_session *s)
{
	if (fails(s, SIM_DATA))
		return;
	if (s->nrcpts == 0) {
		say(s, "554 5.5.1 no valid recipients");
		return;
	}
	s->data = true;
	say(s, "354 go on");
}

static void take(struct sim_session *s)
{
	s->ntaken = s->nrcpts;
	s->taken_at = clock_mono();
	for (size_t i = 0; i < s->nrcpts; i++) {
		s->taken[i] = s->rcpts[i];
		sim_taken(s->rcpts[i]);
		if (s->rcpts[i]->stranger)
			sim_traffic_taken(s->rcpts[i]);
	}
	s->nrcpts = 0;
	s->mail = false;
}

static void dot(struct sim_session *s)
{
	const struct sim_fault *f = sim_fault_at(s->host->dest, SIM_DOT);

	s->data = false;
	if (f && f->kind == SIM_F_TAKE_AND_DROP && (!f->percent || sim_chance(f->percent))) {
		take(s);
		excuse(s);
		drop(s);
		return;
	}
	if (fails(s, SIM_DOT))
		return;
	take(s);
	say(s, "250 2.0.0 taken");
	s->told_at = s->conn->last;
}

/* "BDAT 1000 LAST" */
static void bdat(struct sim_session *s, struct str line)
{
	struct str rest, number = str_split(str_from(line, 5), ' ', &rest);
	uint64_t n;

	if (!str_to_u64(number, MIB, &n)) {
		say(s, "501 5.5.4 how many octets?");
		return;
	}
	s->chunk = true;
	s->left = (size_t)n;
	s->last = str_eq_i(rest, STR("LAST"));
	s->refuse = s->nrcpts == 0;
}

static void chunk_over(struct sim_session *s)
{
	s->chunk = false;
	if (fails(s, SIM_BDAT))
		return;
	if (s->refuse)
		say(s, "554 5.5.1 no valid recipients");
	else if (s->last)
		dot(s);
	else if (!fails(s, SIM_DATA))
		say(s, "250 2.0.0 go on");
}

static void rset(struct sim_session *s)
{
	if (fails(s, SIM_RSET))
		return;
	s->mail = false;
	s->nrcpts = 0;
	say(s, "250 2.0.0 forgotten");
}

static void quit(struct sim_session *s)
{
	say(s, "221 2.0.0 bye");
	sim_net_end(s->conn, 1);
	s->deaf = true;
}

static void command(struct sim_session *s, struct str line)
{
	if (str_has_prefix_i(line, STR("EHLO")))
		ehlo(s);
	else if (str_has_prefix_i(line, STR("HELO")))
		helo(s);
	else if (str_has_prefix_i(line, STR("STARTTLS")))
		starttls(s);
	else if (str_has_prefix_i(line, STR("AUTH")))
		auth(s, line);
	else if (str_has_prefix_i(line, STR("MAIL")))
		mail(s, line);
	else if (str_has_prefix_i(line, STR("RCPT")))
		rcpt(s, line);
	else if (str_has_prefix_i(line, STR("DATA")))
		data(s);
	else if (str_has_prefix_i(line, STR("BDAT ")))
		bdat(s, line);
	else if (str_has_prefix_i(line, STR("RSET")))
		rset(s);
	else if (str_has_prefix_i(line, STR("QUIT")))
		quit(s);
	else
		say(s, "500 5.5.2 what?");
}

/* ---- octets ---- */

/* What a piece of input is taken off by; false: it is not complete yet. */
static bool next_content(struct sim_session *s)
{
	struct str in = buf_view(&s->line);
	bool empty = str_has_prefix(in, STR(".\r\n"));
	size_t at = empty ? 0 : str_find_str(in, STR("\r\n.\r\n"));

	if (at == in.n)
		return false;
	if (s->nrcpts && s->rcpts[0]->stranger)
		SIM_MUST(str_has_prefix(in, STR("Delivered-To: r")),
		    "%s gets what was sent on, and it does not say so", s->rcpts[0]->address);
	buf_drop(&s->line, at + (empty ? 3 : 5));
	dot(s);
	return true;
}

static bool next_chunk(struct sim_session *s)
{
	size_t n = s->line.n < s->left ? s->line.n : s->left;

	buf_drop(&s->line, n);
	s->left -= n;
	if (s->left > 0)
		return false;
	chunk_over(s);
	return true;
}

static bool next_command(struct sim_session *s)
{
	struct str in = buf_view(&s->line);
	size_t at = str_find_str(in, STR("\r\n"));
	struct arena *a;

	if (at == in.n)
		return false;
	a = arena_new();
	in = arena_str(a, str_sub(in, 0, at));
	buf_drop(&s->line, at + 2);
	command(s, in);
	arena_free(&a);
	return true;
}

void sim_host_feed(struct sim_conn *c, struct str bytes)
{
	struct sim_session *s = c->session;
	bool more = true;

	if (s->deaf)
		return;
	buf_str(&s->line, bytes);
	while (more && c->session && !s->deaf)
		more = s->chunk ? next_chunk(s) : s->data ? next_content(s) : next_command(s);
}

/* ---- the beginning ---- */

static struct sim_session *session_new(struct sim_conn *c, struct sim_host *h)
{
	struct sim_session *s = mem_new(struct sim_session);

	s->conn = c;
	s->host = h;
	buf_init(&s->line, MIB);
	c->session = s;
	h->open++;
	h->dest->sessions++;
	sim_world.connections++;
	if (h->open > h->most)
		h->most = h->open;
	return s;
}

static void greet(struct sim_session *s, const struct sim_fault *all)
{
	if (all && all->kind == SIM_F_BUSY && s->host->open > all->limit) {
		say(s, "421 4.7.0 too many connections from you");
		sim_net_end(s->conn, 1);
		s->deaf = true;
	} else if (!fails(s, SIM_GREETING)) {
		say(s, "220 ready");
	}
}

/*
 * One that comes and goes: while it is away it has what was under way when it went, and then one attempt at
 * each step, by each of its addresses.
 */
static void count_away(struct sim_host *h)
{
	const struct sim_fault *f = &h->dest->faults[0];
	int64_t since = clock_mono() - f->from, steps;

	if (h->dest->example != SIM_X_FLAPPING || since < 0 ||
	    since % f->period >= f->until - f->from)
		return;
	if (since / f->period != h->phase) {
		h->phase = since / f->period;
		h->phase_tries = 0;
	}
	steps = 3 + since % f->period / (20 * MINUTE_MS);
	SIM_MUST(++h->phase_tries <= SESSIONS_MAX + (1 + h->v6) * steps +
					 6 * (sim_world.deaths + sim_world.touches),
	    "%s was tried %lld times in %lld minutes while it was away", h->name,
	    (long long)h->phase_tries, (long long)(since % f->period / MINUTE_MS));
}

enum sim_welcome sim_host_connect(struct sim_conn *c, const struct ip *to)
{
	struct sim_host *h = host_at(to);
	const struct sim_fault *f;

	if (!h)
		return SIM_NO_ROUTE;
	c->host = h;
	h->tries++;
	h->last_try = clock_mono();
	h->probes += sim_dest_is_down(h->dest);
	count_away(h);
	f = sim_fault_at(h->dest, SIM_STAGES);
	switch (f ? f->kind : SIM_F_NONE) {
	case SIM_F_REFUSE:
		return SIM_REFUSE;
	case SIM_F_NO_ANSWER:
		return SIM_NO_ANSWER;
	case SIM_F_NO_ROUTE:
		return SIM_NO_ROUTE;
	case SIM_F_RESET:
		drop(session_new(c, h));
		return SIM_ACCEPT;
	default:
		greet(session_new(c, h), f);
		return SIM_ACCEPT;
	}
}
