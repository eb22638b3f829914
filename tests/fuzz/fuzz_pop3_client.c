/*
 * The POP3 client engine against servers of all kinds. Octet 0 chooses options, octet 1 the seed of the
 * requests, the rest is what the server sends. Run in one piece and in small ones: the same events.
 * Checked besides: the password stays where it must, content in bounded pieces, results in the order of
 * the requests, an end after eof.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client.h"

#define LOG_MAX (64 * MIB)

struct run {
	struct pop3_client_config cfg;
	struct pop3_client *c;
	uint32_t dice;
	bool secured;
	uint32_t asked, answered; /* a request carries its count as the number */
	struct buf log;           /* events */
};

static uint32_t roll(struct run *r)
{
	r->dice = r->dice * 1664525u + 1013904223u;
	return r->dice >> 16;
}

static void start(struct run *r, uint8_t options, uint8_t seed)
{
	*r = (struct run){.dice = seed};
	r->cfg.tls_policy = (enum pop3_client_tls)((options & 3) % 3);
	r->cfg.tls = options & 4;
	r->cfg.plaintext_auth = options & 8;
	r->cfg.user = STR("bob");
	r->cfg.password = STR("hunter2");
	r->c = pop3_client_new(&r->cfg, 0);
	buf_init(&r->log, LOG_MAX);
}

/* Nothing of the password without TLS, unless it may. */
static void drain(struct run *r)
{
	struct str out = pop3_client_out(r->c);
	bool safe = r->secured || r->cfg.tls || r->cfg.plaintext_auth;

	MUST(safe || str_find_str(out, STR("hunter2")) == out.n);
	MUST(safe || str_find_str(out, STR("AUTH")) == out.n);
	MUST(out.n <= LIMIT_POP3_OUT);
	pop3_client_sent(r->c, out.n, 0);
}

static void ask(struct run *r)
{
	struct pop3_request q = {.lines = 1};

	for (unsigned n = roll(r) % 4; n > 0; n--) {
		q.type = (enum pop3_request_type)(roll(r) % POP3_REQ_QUIT);
		q.number = r->asked + 1;
		if (pop3_client_request(r->c, &q, 0))
			r->asked++;
	}
}

static void check_result(struct run *r, const struct pop3_client_event *v)
{
	r->answered++;
	MUST(v->request.number == r->answered && r->answered <= r->asked);
	buf_u64(&r->log, v->count);
	buf_u64(&r->log, v->octets);
}

static void take_event(struct run *r, const struct pop3_client_event *v)
{
	if (v->type != POP3_CLIENT_CONTENT)
		buf_byte(&r->log, (uint8_t)('0' + v->type));
	buf_str(&r->log, v->text);
	buf_str(&r->log, v->content);
	MUST(v->content.n <= LIMIT_BODY_CHUNK && v->n <= POP3_CLIENT_ENTRIES_MAX);
	for (size_t i = 0; i < v->n; i++) {
		buf_u64(&r->log, v->entries[i].number);
		buf_u64(&r->log, v->entries[i].octets);
		MUST(v->entries[i].uid.n <= POP3_UID_MAX);
		buf_str(&r->log, v->entries[i].uid);
	}
	if (v->type == POP3_CLIENT_STLS)
		r->secured = true;
	if (v->type == POP3_CLIENT_RESULT)
		check_result(r, v);
}

static void turn(struct run *r)
{
	const struct pop3_client_event *v;

	for (drain(r); (v = pop3_client_event(r->c)); drain(r)) {
		bool asks = v->type == POP3_CLIENT_READY || v->type == POP3_CLIENT_RESULT;

		take_event(r, v);
		pop3_client_done(r->c, 0);
		if (asks)
			ask(r);
	}
}

static struct buf play(struct str in, uint8_t options, uint8_t seed, size_t piece)
{
	struct run r;

	start(&r, options, seed);
	while (in.n) {
		in = str_from(in, pop3_client_feed(r.c, str_sub(in, 0, piece), 0));
		turn(&r);
	}
	pop3_client_eof(r.c, 0);
	turn(&r);
	MUST(pop3_client_wants(r.c) == POP3_WANTS_CLOSE);
	pop3_client_free(&r.c);
	return r.log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf whole, pieces;

	if (size < 2)
		return 0;
	whole = play(str_from(in, 2), data[0], data[1], SIZE_MAX);
	pieces = play(str_from(in, 2), data[0], data[1], 1 + data[1] % 7);
	/* what comes behind the reply to STLS is an injection in one read, TLS in the next */
	MUST((data[0] & 3) % 3 || str_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
