/*
 * Sessions of the client engine as transcripts: C: is what comes in, from the server; S: is what the engine
 * sends; effects are its events, answered by requests to queue ("retr 1; quit").
 */
#include "base/cur.h"
#include "base/mem.h"
#include "pop3/pop3_client.h"
#include "pop3/pop3_wants.h"
#include "script/script.h"

struct session {
	struct pop3_client_config cfg;
	struct pop3_client *client;
	int64_t now;
};

static const char *const verbs[POP3_REQUESTS] = {
    "stat", "list", "uidl", "retr", "top", "dele", "noop", "rset", "quit"};

/* Passwords that would end the line they stand on. */
static const struct {
	const char *word;
	struct str password;
} unfit[] = {
    {"CR", STR_INIT("a\rb")},
    {"LF", STR_INIT("a\nb")},
    {"NUL", STR_INIT("a\0b")},
};

static void *session_open(struct str (*option)(const char *word))
{
	struct session *s = mem_new(struct session);
	struct str policy = option("policy");

	s->cfg.tls_policy = str_eq(policy, STR("require")) ? POP3_TLS_REQUIRE
			    : str_eq(policy, STR("may"))   ? POP3_TLS_MAY
							   : POP3_TLS_NONE;
	s->cfg.tls = option("tls").n > 0;
	s->cfg.plaintext_auth = option("plaintext").n > 0;
	s->cfg.user = option("user").n ? option("user") : STR("bob");
	s->cfg.password = option("password").n ? option("password") : STR("secret");
	for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++)
		if (str_eq(option("unfit"), str_of_c(unfit[i].word)))
			s->cfg.password = unfit[i].password;
	s->now = 1000;
	s->client = pop3_client_new(&s->cfg, s->now);
	return s;
}

static void session_close(void *e)
{
	struct session *s = e;

	pop3_client_free(&s->client);
	mem_free(s);
}

static size_t session_feed(void *e, struct str in)
{
	struct session *s = e;

	return pop3_client_feed(s->client, in, s->now);
}

static struct str session_out(void *e)
{
	return pop3_client_out(((struct session *)e)->client);
}

static void session_sent(void *e, size_t n)
{
	struct session *s = e;

	pop3_client_sent(s->client, n, s->now);
}

static void put_words(struct buf *text, const struct pop3_client_event *v)
{
	if (v->code != POP3_CODE_NONE) {
		buf_lit(text, " [");
		buf_str(text, pop3_code_name(v->code));
		buf_lit(text, "]");
	}
	buf_byte(text, ' ');
	buf_str(text, v->text);
}

static void put_entries(struct buf *text, const struct pop3_client_event *v)
{
	for (size_t i = 0; i < v->n; i++) {
		buf_printf(text, " %ju:", (uintmax_t)v->entries[i].number);
		if (v->entries[i].uid.n)
			buf_str(text, v->entries[i].uid);
		else
			buf_printf(text, "%ju", (uintmax_t)v->entries[i].octets);
	}
}

static bool session_event_text(void *e, struct buf *text)
{
	const struct pop3_client_event *v = pop3_client_event(((struct session *)e)->client);

	if (!v)
		return false;
	switch (v->type) {
	case POP3_CLIENT_STLS:
		buf_lit(text, "stls");
		break;
	case POP3_CLIENT_READY:
		buf_lit(text, "ready");
		break;
	case POP3_CLIENT_ENTRIES:
		buf_printf(text, "entries of %s:", verbs[v->request.type]);
		put_entries(text, v);
		break;
	case POP3_CLIENT_CONTENT:
		buf_printf(text, "content of %s: ", verbs[v->request.type]);
		buf_str(text, v->content);
		break;
	case POP3_CLIENT_RESULT:
		buf_printf(text, "%s %s", verbs[v->request.type], v->ok ? "ok" : "err");
		if (v->request.type == POP3_REQ_STAT && v->ok)
			buf_printf(text, " %ju %ju", (uintmax_t)v->count, (uintmax_t)v->octets);
		put_words(text, v);
		break;
	case POP3_CLIENT_CLOSED:
		buf_c(text, v->ok ? "closed ok" : "closed");
		put_words(text, v);
		break;
	}
	return true;
}

/* "verb [number [lines]]" */
static void queue_request(struct session *s, struct str text)
{
	struct cur c = cur_of(str_trim(text));
	struct pop3_request r = {0};

	while (!cur_try_lit_i(&c, str_of_c(verbs[r.type])))
		MUST(++r.type < POP3_REQUESTS);
	if (cur_sp(&c))
		r.number = cur_number(&c, INT64_MAX);
	if (cur_sp(&c))
		r.lines = cur_number(&c, INT64_MAX);
	MUST(cur_done(&c));
	MUST(pop3_client_request(s->client, &r, s->now));
}

static void session_done(void *e, struct str result)
{
	struct session *s = e;

	pop3_client_done(s->client, s->now);
	while (result.n)
		queue_request(s, str_split(result, ';', &result));
}

static void session_happens(void *e, struct str word, struct str value)
{
	struct session *s = e;

	if (str_eq(word, STR("eof"))) {
		pop3_client_eof(s->client, s->now);
	} else if (str_eq(word, STR("ask"))) {
		queue_request(s, value);
	} else if (str_eq(word, STR("idle"))) {
		MUST(pop3_client_deadline(s->client) == POP3_NEVER);
	} else {
		MUST(str_eq(word, STR("tick")));
		MUST(pop3_client_deadline(s->client) != POP3_NEVER);
		s->now = pop3_client_deadline(s->client) - str_eq(value, STR("early"));
		pop3_client_tick(s->client, s->now);
	}
}

static bool session_is_closed(void *e)
{
	return pop3_client_wants(((struct session *)e)->client) & POP3_WANTS_CLOSE;
}

static const struct script_engine engine = {
    .open = session_open,
    .close = session_close,
    .feed = session_feed,
    .out = session_out,
    .sent = session_sent,
    .effect = session_event_text,
    .done = session_done,
    .event = session_happens,
    .is_closed = session_is_closed,
};

int main(int argc, char **argv)
{
	return argc == 2 ? script_main(argv[1], &engine) : 2;
}
