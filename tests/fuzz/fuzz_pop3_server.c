/*
 * Whole POP3 sessions of the server engine with results of all kinds. Octet 0 chooses options, octet 1 the
 * seed of the results, the rest is what the client sends. Each input is run in one piece and in small
 * ones; both must give the same output and effects. Checked besides: nothing but AUTH before login,
 * numbers within the mailbox, bounded output, DELETE of what exists and at the end only.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_server.h"

#define LOG_MAX  (64 * MIB)
#define MESSAGES 5u

struct run {
	struct pop3_server_config cfg;
	struct pop3_server *s;
	uint32_t dice;
	bool deleting; /* DELETE was seen: nothing may follow */
	struct buf log;
};

static uint32_t roll(struct run *r)
{
	r->dice = r->dice * 1664525u + 1013904223u;
	return r->dice >> 16;
}

static void start(struct run *r, uint8_t options, uint8_t seed)
{
	struct pop3_peer peer = {.tls = options & 1, .plaintext_auth = options & 2};

	*r = (struct run){.dice = seed};
	r->cfg.hostname = STR("mail.test");
	r->cfg.stls = options & 4;
	r->cfg.marks_seen = options & 32;
	r->cfg.max_errors = options & 8 ? 3 : 1000;
	r->cfg.max_auth_failures = options & 16 ? 1 : 1000;
	r->s = pop3_server_new(&r->cfg, &peer, 0);
	buf_init(&r->log, LOG_MAX);
}

static void drain(struct run *r)
{
	struct str out = pop3_server_out(r->s);

	MUST(out.n <= LIMIT_POP3_OUT);
	buf_str(&r->log, out);
	pop3_server_sent(r->s, out.n, 0);
}

static void give_entries(struct run *r, uint64_t first, uint64_t last)
{
	MUST(first >= 1 && first <= last && last <= MESSAGES);
	for (uint64_t n = first; n <= last && roll(r) % 16; n++) {
		struct pop3_entry e = {n, roll(r), STR("uid")};

		MUST(pop3_server_entries(r->s, &e, 1) == 1);
	}
}

static void give_content(struct run *r)
{
	static const char text[] = "Subject: .\r\n.\r\n\r\n.dots\r\n..\r\n.\r\nno end";
	struct str rest = str_of(text, roll(r) % sizeof text);

	while (rest.n)
		rest = str_from(rest, pop3_server_content(r->s, str_sub(rest, 0, 1 + roll(r) % 9)));
}

static void check_numbers(const struct ranges *numbers)
{
	MUST(numbers->n == 0 || numbers->v[0].first >= 1);
	MUST(numbers->n == 0 || numbers->v[numbers->n - 1].last <= MESSAGES);
}

static void check_leave(struct run *r, const struct pop3_effect *e)
{
	const struct ranges *deleted = e->u.leave.deleted, *seen = e->u.leave.seen;

	check_numbers(deleted);
	check_numbers(seen);
	MUST(deleted->n + seen->n > 0 && (seen->n == 0 || r->cfg.marks_seen));
	for (int64_t n = 1; n <= MESSAGES; n++)
		MUST(!ranges_has(deleted, n) || !ranges_has(seen, n));
	r->deleting = true;
}

static void answer(struct run *r, const struct pop3_effect *e)
{
	struct pop3_result result = {.count = MESSAGES, .octets = 1000};

	MUST(!r->deleting);
	MUST(pop3_server_is_logged_in(r->s) == (e->type >= POP3_LIST));
	if (e->type == POP3_AUTH)
		MUST(e->u.auth.authcid.n > 0 && e->u.auth.password.n > 0);
	if (e->type == POP3_LIST)
		give_entries(r, e->u.list.first, e->u.list.last);
	if (e->type == POP3_RETR)
		give_content(r);
	if (e->type == POP3_LEAVE)
		check_leave(r, e);
	if (roll(r) % 8 == 0)
		result.outcome = (enum pop3_outcome)(roll(r) % POP3_OUTCOMES);
	if (roll(r) % 2)
		result.text = STR("words\r\n+OK of mine");
	buf_byte(&r->log, (uint8_t)('0' + e->type));
	pop3_server_done(r->s, &result, 0);
}

static void turn(struct run *r)
{
	const struct pop3_effect *e;

	for (drain(r); (e = pop3_server_effect(r->s)); drain(r))
		answer(r, e);
}

/* The whole session in pieces of at most `piece` octets; the log is the caller's. */
static struct buf play(struct str in, uint8_t options, uint8_t seed, size_t piece)
{
	struct run r;

	start(&r, options, seed);
	turn(&r);
	while (in.n) {
		in = str_from(in, pop3_server_feed(r.s, str_sub(in, 0, piece), 0));
		turn(&r);
	}
	pop3_server_eof(r.s, 0);
	turn(&r);
	MUST(pop3_server_wants(r.s) == POP3_WANTS_CLOSE);
	pop3_server_free(&r.s);
	return r.log;
}

/* Input that TLS drops depends on where it was cut: no comparison then. */
static bool has_stls(const struct buf *log)
{
	return str_find_str(buf_view(log), STR("begin TLS")) < log->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf whole, pieces;

	if (size < 2)
		return 0;
	whole = play(str_from(in, 2), data[0], data[1], SIZE_MAX);
	pieces = play(str_from(in, 2), data[0], data[1], 1 + data[1] % 7);
	MUST(has_stls(&whole) || str_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
