/*
 * Whole SMTP sessions with results of all kinds. Octet 0 chooses role and options, octet 1 the seed
 * of the results, the rest is what the client sends. Each input is run in one piece and in small
 * ones; both must give the same output and effects. Checked besides: the order of effects, content
 * with CRLF lines only, bounded output, an end after eof.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_server.h"

#define LOG_MAX (64 * MIB)

struct run {
	struct smtp_server_config cfg;
	struct smtp_server *s;
	uint32_t dice;
	bool open;    /* a transaction, as the effects tell */
	bool midline; /* of the content */
	bool cr;
	struct buf log; /* output, and a mark per effect */
};

static uint32_t roll(struct run *r)
{
	r->dice = r->dice * 1664525u + 1013904223u;
	return r->dice >> 16;
}

static void start(struct run *r, uint8_t options, uint8_t seed)
{
	static const enum smtp_role roles[] = {
	    SMTP_ROLE_MX, SMTP_ROLE_SUBMISSION, SMTP_ROLE_LMTP, SMTP_ROLE_LOCAL};
	struct smtp_peer peer = {.ip = STR("192.0.2.1"), .plaintext_auth = options & 4};

	*r = (struct run){.dice = seed};
	smtp_server_config_init(&r->cfg, roles[options & 3]);
	r->cfg.hostname = STR("mail.test");
	r->cfg.starttls = options & 8;
	r->cfg.normalize = options & 16;
	r->cfg.size_limit = options & 32 ? 100 : 1 * MIB;
	r->cfg.rcpt_max = options & 64 ? 2 : 100;
	r->s = smtp_server_new(&r->cfg, &peer, 0);
	buf_init(&r->log, LOG_MAX);
}

/* Content may hold anything but a CR or LF that stands alone. */
static void check_body(struct run *r, struct str body)
{
	MUST(body.n > 0 && body.n <= LIMIT_BODY_CHUNK);
	for (size_t i = 0; i < body.n; i++) {
		r->midline = r->midline || body.p[i] != '\n';
		if (body.p[i] == '\n')
			r->midline = !r->cr;
		r->cr = body.p[i] == '\r';
	}
}

/* The order the header promises. */
static void check_effect(struct run *r, const struct smtp_effect *e, bool refused)
{
	bool inside = e->kind == SMTP_EFFECT_RCPT || e->kind == SMTP_EFFECT_DATA ||
		      e->kind == SMTP_EFFECT_BODY || e->kind == SMTP_EFFECT_COMMIT ||
		      e->kind == SMTP_EFFECT_ABORT;
	const struct smtp_transaction *t = smtp_server_transaction(r->s);

	MUST(r->open == inside);
	MUST((t != NULL) == (inside || e->kind == SMTP_EFFECT_MAIL));
	if (e->kind == SMTP_EFFECT_DATA)
		MUST(t->rcpt_count > 0 && t->rcpt_count <= r->cfg.rcpt_max);
	if (e->kind == SMTP_EFFECT_BODY)
		check_body(r, e->body);
	if (e->kind == SMTP_EFFECT_COMMIT)
		MUST(!r->midline && !r->cr);
	if (e->kind == SMTP_EFFECT_MAIL && !refused) {
		r->open = true;
		r->midline = r->cr = false;
	}
	if (e->kind == SMTP_EFFECT_COMMIT || e->kind == SMTP_EFFECT_ABORT)
		r->open = false;
}

static void answer(struct run *r, const struct smtp_effect *e)
{
	struct smtp_reply many[LIMIT_BODY_CHUNK / 64];
	struct smtp_result result = {.trusted = r->dice & 0x10000, .account = STR("bob@x.org")};
	const struct smtp_transaction *t = smtp_server_transaction(r->s);
	bool refused = roll(r) % 8 == 0;

	if (refused)
		result.reply = roll(r) % 2 ? SMTP_REPLY(451, 4, 3, 0, "Later\nor never")
					   : SMTP_REPLY(550, 5, 7, 1, "N\xc3\xb6");
	if (e->kind == SMTP_EFFECT_COMMIT && r->cfg.role == SMTP_ROLE_LMTP && roll(r) % 2) {
		for (size_t i = 0; i < t->rcpt_count; i++)
			many[i] = SMTP_REPLY(250, 2, 0, 0, "Each");
		result.replies = many;
		result.reply_count = t->rcpt_count;
	}
	check_effect(r, e, refused);
	buf_byte(&r->log, (uint8_t)('0' + e->kind));
	smtp_server_done(r->s, &result, 0);
}

static void turn(struct run *r)
{
	const struct smtp_effect *e;
	struct str out;

	do {
		out = smtp_server_out(r->s);
		MUST(out.n <= LIMIT_SMTP_OUT);
		buf_str(&r->log, out);
		smtp_server_sent(r->s, out.n, 0);
		e = smtp_server_effect(r->s);
		if (e)
			answer(r, e);
	} while (e || smtp_server_out(r->s).n);
}

/* The whole session in pieces of at most `piece` octets; the log is the caller's. */
static struct buf play(struct str in, uint8_t options, uint8_t seed, size_t piece)
{
	struct run r;

	start(&r, options, seed);
	turn(&r);
	while (in.n) {
		size_t used = smtp_server_feed(r.s, str_sub(in, 0, piece), 0);

		in = str_from(in, used);
		turn(&r);
	}
	smtp_server_eof(r.s, 0);
	turn(&r);
	MUST(smtp_server_wants(r.s) == SMTP_WANTS_CLOSE && !r.open);
	smtp_server_free(&r.s);
	return r.log;
}

/* Input that TLS drops depends on where it was cut: no comparison then. */
static bool has_starttls(const struct buf *log)
{
	return str_find_str(buf_view(log), STR("Go ahead with TLS")) < log->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf whole, pieces;

	if (size < 2)
		return 0;
	whole = play(str_from(in, 2), data[0], data[1], SIZE_MAX);
	pieces = play(str_from(in, 2), data[0], data[1], 1 + data[1] % 7);
	MUST(has_starttls(&whole) || str_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
