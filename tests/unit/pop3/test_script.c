/* Whole sessions of the server engine as transcripts; their effects are answered as the files say. */
#include "base/cur.h"
#include "base/mem.h"
#include "pop3/pop3_server.h"
#include "script/script.h"

struct session {
	struct pop3_server_config cfg;
	struct pop3_peer peer;
	struct pop3_server *server;
	int64_t now;
};

static bool has_option(struct str (*option)(const char *word), const char *word)
{
	return option(word).n > 0;
}

static void *session_open(struct str (*option)(const char *word))
{
	struct session *s = mem_new(struct session);
	uint64_t n;

	s->cfg.hostname = STR("mail.example.org");
	s->cfg.stls = has_option(option, "stls");
	s->cfg.marks_seen = has_option(option, "seen");
	s->cfg.implementation = option("implementation");
	if (str_to_u64(option("max_errors"), 1000, &n))
		s->cfg.max_errors = (unsigned)n;
	s->peer.tls = has_option(option, "tls");
	s->peer.plaintext_auth = has_option(option, "plaintext");
	s->now = 1000;
	s->server = pop3_server_new(&s->cfg, &s->peer, s->now);
	return s;
}

static void session_close(void *e)
{
	struct session *s = e;

	pop3_server_free(&s->server);
	mem_free(s);
}

static size_t session_feed(void *e, struct str in)
{
	struct session *s = e;

	return pop3_server_feed(s->server, in, s->now);
}

static struct str session_out(void *e)
{
	return pop3_server_out(((struct session *)e)->server);
}

static void session_sent(void *e, size_t n)
{
	struct session *s = e;

	pop3_server_sent(s->server, n, s->now);
}

static void put_ranges(struct buf *text, const char *what, const struct ranges *r)
{
	buf_c(text, r->n ? what : "");
	for (size_t i = 0; i < r->n; i++) {
		buf_byte(text, i ? ',' : ' ');
		buf_i64(text, r->v[i].first);
		if (r->v[i].last == r->v[i].first)
			continue;
		buf_byte(text, '-');
		buf_i64(text, r->v[i].last);
	}
}

static bool session_effect(void *e, struct buf *text)
{
	const struct pop3_effect *f = pop3_server_effect(((struct session *)e)->server);
	static const char *const names[] = {"admit", "stls", "auth", "list", "retr", ""};

	if (!f)
		return false;
	buf_c(text, names[f->type]);
	if (f->type == POP3_AUTH) {
		const struct str words[] = {
		    f->u.auth.mechanism, f->u.auth.authzid, f->u.auth.authcid, f->u.auth.password};

		for (size_t i = 0; i < 4; i++) {
			buf_lit(text, " ");
			buf_str(text, words[i].n ? words[i] : STR("-"));
		}
	} else if (f->type == POP3_LIST) {
		buf_printf(text, " %ju %ju", (uintmax_t)f->u.list.first, (uintmax_t)f->u.list.last);
	} else if (f->type == POP3_RETR) {
		buf_printf(
		    text, " %ju %jd", (uintmax_t)f->u.retr.number, (intmax_t)f->u.retr.top_lines);
	} else if (f->type == POP3_LEAVE) {
		put_ranges(text, "delete", f->u.leave.deleted);
		put_ranges(text, f->u.leave.deleted->n ? " seen" : "seen", f->u.leave.seen);
	}
	return true;
}

static enum pop3_outcome outcome_of(struct str word)
{
	static const struct str words[POP3_OUTCOMES] = {STR_INIT("ok"), STR_INIT("failed"),
	    STR_INIT("temporary"), STR_INIT("disabled"), STR_INIT("in-use"),
	    STR_INIT("login-delay")};

	for (unsigned i = 0; i < POP3_OUTCOMES; i++)
		if (str_eq(word, words[i]))
			return (enum pop3_outcome)i;
	fprintf(stderr, "unknown outcome %.*s\n", STR_FMT(word));
	abort();
}

/* "number:octets:uid" */
static struct pop3_entry entry_of(struct str text)
{
	struct cur c = cur_of(text);
	struct pop3_entry entry = {.number = cur_number(&c, INT64_MAX)};

	cur_byte(&c, ':');
	entry.octets = cur_number(&c, INT64_MAX);
	cur_byte(&c, ':');
	entry.uid = cur_rest(&c);
	MUST(!c.bad);
	return entry;
}

static void give_entries(struct session *s, struct str text)
{
	while (text.n) {
		struct pop3_entry entry = entry_of(str_split(text, ' ', &text));

		MUST(pop3_server_entries(s->server, &entry, 1) == 1);
	}
}

/* A message in small pieces of changing size. */
static void give_content(struct session *s, struct str text)
{
	for (size_t size = 1; text.n; size = size % 7 + 1) {
		size_t used = pop3_server_content(s->server, str_sub(text, 0, size));

		MUST(used > 0);
		text = str_from(text, used);
	}
}

static void session_done(void *e, struct str result)
{
	struct session *s = e;
	const struct pop3_effect *f = pop3_server_effect(s->server);
	struct str rest, octets;
	struct pop3_result r = {.outcome = outcome_of(str_split(result, ' ', &rest))};

	if (f->type == POP3_LIST) {
		give_entries(s, rest);
	} else if (f->type == POP3_RETR) {
		give_content(s, rest);
	} else if (f->type == POP3_AUTH && r.outcome == POP3_OK) {
		MUST(str_to_u64(str_split(rest, ' ', &octets), INT64_MAX, &r.count));
		MUST(str_to_u64(octets, INT64_MAX, &r.octets));
	} else {
		r.text = rest;
	}
	pop3_server_done(s->server, &r, s->now);
}

/* eof, shutdown, no-store, logout, tick early (not yet), tick due */
static void session_event(void *e, struct str word, struct str value)
{
	struct session *s = e;

	if (str_eq(word, STR("eof"))) {
		pop3_server_eof(s->server, s->now);
	} else if (str_eq(word, STR("shutdown"))) {
		pop3_server_shutdown(s->server, s->now);
	} else if (str_eq(word, STR("no-store"))) {
		pop3_server_no_store(s->server, s->now);
	} else if (str_eq(word, STR("logout"))) {
		pop3_server_logout(s->server, s->now);
	} else {
		MUST(str_eq(word, STR("tick")));
		s->now = pop3_server_deadline(s->server) - str_eq(value, STR("early"));
		pop3_server_tick(s->server, s->now);
	}
}

static bool session_is_closed(void *e)
{
	return pop3_server_wants(((struct session *)e)->server) & POP3_WANTS_CLOSE;
}

static const struct script_engine engine = {
    .open = session_open,
    .close = session_close,
    .feed = session_feed,
    .out = session_out,
    .sent = session_sent,
    .effect = session_effect,
    .done = session_done,
    .event = session_event,
    .is_closed = session_is_closed,
};

int main(int argc, char **argv)
{
	return argc == 2 ? script_main(argv[1], &engine) : 2;
}
