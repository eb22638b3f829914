/*
 * Requests after login: a ring of open ones, the oldest is the one whose reply is read. With
 * PIPELINING all open requests are on their way; without, the oldest only. One table says what is
 * said for each and how its reply is read.
 */
#include "base/cur.h"
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client_state.h"

static void read_nothing(struct pop3_client *c);
static void read_stat(struct pop3_client *c);
static void read_entries(struct pop3_client *c);
static void read_content(struct pop3_client *c);

static const struct {
	const char *verb;
	bool number; /* may be followed by a number; 0 stands for none */
	bool lines;
	pop3_next *read; /* goes on after +OK */
} requests[POP3_REQUESTS] = {
    [POP3_REQ_STAT] = {"STAT", false, false, read_stat},
    [POP3_REQ_LIST] = {"LIST", true, false, read_entries},
    [POP3_REQ_UIDL] = {"UIDL", true, false, read_entries},
    [POP3_REQ_RETR] = {"RETR", true, false, read_content},
    [POP3_REQ_TOP] = {"TOP", true, true, read_content},
    [POP3_REQ_DELE] = {"DELE", true, false, read_nothing},
    [POP3_REQ_NOOP] = {"NOOP", false, false, read_nothing},
    [POP3_REQ_RSET] = {"RSET", false, false, read_nothing},
    [POP3_REQ_QUIT] = {"QUIT", false, false, read_nothing},
};

static const struct pop3_request *oldest(const struct pop3_client *c)
{
	return &c->open[c->open_at];
}

static void say_request(struct pop3_client *c, const struct pop3_request *r)
{
	struct buf line;

	buf_init(&line, POP3_REPLY_MAX);
	buf_c(&line, requests[r->type].verb);
	if (requests[r->type].number && r->number) {
		buf_byte(&line, ' ');
		buf_u64(&line, r->number);
	}
	if (requests[r->type].lines) {
		buf_byte(&line, ' ');
		buf_u64(&line, r->lines);
	}
	pop3_client_say(c, buf_view(&line), pop3_client_expect_result);
	buf_fini(&line);
}

void pop3_client_send_open(struct pop3_client *c)
{
	unsigned allowed = c->capa.pipelining ? POP3_CLIENT_OPEN_MAX : 1;

	while (c->open_sent < c->open_n && c->open_sent < allowed) {
		say_request(c, &c->open[(c->open_at + c->open_sent) % POP3_CLIENT_OPEN_MAX]);
		c->open_sent++;
	}
}

bool pop3_client_request(struct pop3_client *c, const struct pop3_request *r, int64_t now)
{
	MUST(r->type < POP3_REQUESTS);
	if (!c->ready || c->over || c->quitting || c->open_n == POP3_CLIENT_OPEN_MAX)
		return false;
	if (c->open_n == 0)
		c->heard = now;
	c->open[(c->open_at + c->open_n++) % POP3_CLIENT_OPEN_MAX] = *r;
	c->quitting = r->type == POP3_REQ_QUIT;
	pop3_client_send_open(c);
	return true;
}

static void close_session(struct pop3_client *c)
{
	pop3_client_emit(c, POP3_CLIENT_CLOSED, NULL);
	c->event.ok = true;
	c->over = true;
}

/* The oldest request has ended with RESULT; the next one's reply follows. */
static void emit_result(struct pop3_client *c, bool ok)
{
	const struct pop3_request r = *oldest(c);

	pop3_client_emit(
	    c, POP3_CLIENT_RESULT, r.type == POP3_REQ_QUIT ? close_session : pop3_client_send_open);
	c->event.request = r;
	c->event.ok = ok;
	c->event.code = c->code;
	c->event.text = buf_view(&c->text);
	c->open_at = (c->open_at + 1) % POP3_CLIENT_OPEN_MAX;
	c->open_n--;
	c->open_sent--;
	if (c->open_sent == 0)
		c->expect = NULL;
}

static void emit_ok(struct pop3_client *c)
{
	emit_result(c, true);
}

void pop3_client_expect_result(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status == POP3_REPLY_MORE) {
		pop3_client_fail(c, POP3_CODE_NONE, "the server sent a challenge", r->text);
		return;
	}
	buf_clear(&c->text);
	pop3_text_put(&c->text, r->text, buf_room(&c->text));
	c->code = r->code;
	c->entries_n = 0;
	if (r->status == POP3_REPLY_OK)
		requests[oldest(c)->type].read(c);
	else
		emit_result(c, false);
}

static void malformed(struct pop3_client *c, struct str line)
{
	pop3_client_fail(c, POP3_CODE_NONE, "the server's answer makes no sense", line);
}

static void read_nothing(struct pop3_client *c)
{
	emit_result(c, true);
}

/* "count octets", then whatever [RFC 1939 5] */
static void read_stat(struct pop3_client *c)
{
	struct cur in = cur_of(buf_view(&c->text));
	uint64_t count = cur_number(&in, UINT64_MAX), octets;

	if (!cur_sp(&in))
		cur_fail(&in);
	octets = cur_number(&in, UINT64_MAX);
	if (in.bad) {
		malformed(c, buf_view(&c->text));
		return;
	}
	emit_result(c, true);
	c->event.count = count;
	c->event.octets = octets;
}

static void emit_entries(struct pop3_client *c, pop3_next *after)
{
	pop3_client_emit(c, POP3_CLIENT_ENTRIES, after);
	c->event.request = *oldest(c);
	c->event.entries = c->entries;
	c->event.n = c->entries_n;
	c->entries_n = 0;
}

/* Adds "number octets" or "number uid"; false for anything else. */
static bool add_entry(struct pop3_client *c, struct str line)
{
	struct cur in = cur_of(line);
	struct pop3_entry e = {.number = cur_number(&in, UINT64_MAX)};
	struct str word;

	if (!cur_sp(&in))
		return false;
	word = str_trim(cur_rest(&in));
	word = str_split(word, ' ', &(struct str){0});
	if (oldest(c)->type == POP3_REQ_LIST) {
		if (!str_to_u64(word, UINT64_MAX, &e.octets))
			return false;
	} else {
		if (word.n < 1 || word.n > POP3_UID_MAX)
			return false;
		memcpy(c->uids[c->entries_n], word.p, word.n);
		e.uid = str_of(c->uids[c->entries_n], word.n);
	}
	c->entries[c->entries_n++] = e;
	return true;
}

static void entry_line(struct pop3_client *c, struct str line)
{
	if (!add_entry(c, line))
		malformed(c, line);
	else if (c->entries_n == POP3_CLIENT_ENTRIES_MAX)
		emit_entries(c, NULL);
}

static void entries_end(struct pop3_client *c)
{
	if (c->entries_n)
		emit_entries(c, emit_ok);
	else
		emit_result(c, true);
}

/* One entry stands in the reply itself, all of them on lines of their own. */
static void read_entries(struct pop3_client *c)
{
	if (oldest(c)->number) {
		if (add_entry(c, buf_view(&c->text)))
			emit_entries(c, emit_ok);
		else
			malformed(c, buf_view(&c->text));
		return;
	}
	c->reading = POP3_READ_LINES;
	c->on_line = entry_line;
	c->on_end = entries_end;
}

static void read_content(struct pop3_client *c)
{
	c->reading = POP3_READ_CONTENT;
	c->on_end = emit_ok;
	dot_in_init(&c->dots, true, false);
	buf_clear(&c->content);
}
