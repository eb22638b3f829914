/*
 * A hostile SMTP server. Octet 0 chooses the client's options, octet 1 how the input is cut, the
 * rest is what the server says; an octet 0xff hangs up there and then. Checked: the order of
 * effects, a verdict for each recipient, bounded output, a bounded dialogue of whole lines, an end.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp_client.h"

#define RCPTS        3
#define DIALOGUE_MAX 512

struct run {
	struct smtp_client_config cfg;
	struct smtp_dialogue dialogue;
	struct smtp_client *c;
	struct arena *arena;
	struct smtp_client_message message;
	struct smtp_client_rcpt rcpts[RCPTS];
	uint8_t options;
	bool sending;  /* a message is under way */
	size_t pieces; /* of its content */
	size_t sent;
	bool closed;
};

static void start(struct run *r, uint8_t options)
{
	*r = (struct run){.options = options, .arena = arena_new()};
	smtp_client_config_init(&r->cfg);
	smtp_dialogue_init(&r->dialogue, DIALOGUE_MAX);
	r->cfg.dialogue = &r->dialogue;
	r->cfg.helo = STR("client.test");
	r->cfg.lmtp = options & 1;
	r->cfg.tls = options & 2 ? SMTP_TLS_REQUIRE : SMTP_TLS_MAY;
	r->cfg.tls_active = options & 4;
	r->cfg.plaintext_auth = options & 8;
	if (options & 128)
		r->cfg.chunk = 3;
	if (options & 16) {
		r->cfg.user = STR("bob");
		r->cfg.password = STR("secret");
	}
	r->message.reverse.is_null = true;
	r->message.params.size = 100;
	r->message.params.priority = 3;
	r->message.params.by = SMTP_BY_RETURN;
	r->message.params.by_time = 60;
	r->message.rcpts = r->rcpts;
	r->message.rcpt_count = RCPTS;
	for (size_t i = 0; i < RCPTS; i++)
		MUST(smtp_mailbox_parse(i ? STR("bob@x.org") : STR("b\xc3\xb6@x.org"), true,
			 r->arena, &r->rcpts[i].path) == SMTP_PATH_OK);
	r->c = smtp_client_new(&r->cfg, 0);
}

static void check_report(struct run *r, const struct smtp_client_effect *e)
{
	MUST(r->sending && e->verdict_count == RCPTS);
	for (size_t i = 0; i < RCPTS; i++) {
		const struct smtp_verdict *v = &e->verdicts[i];

		MUST(v->outcome != SMTP_OUTCOME_ACCEPTED ||
		     v->stage == (r->message.no_content ? SMTP_STAGE_RCPT : SMTP_STAGE_BODY));
		MUST(v->outcome != SMTP_OUTCOME_UNSURE || !r->message.no_content);
		MUST(v->outcome != SMTP_OUTCOME_UNSURE || v->reply.code == 0);
		MUST(v->reply.code || v->reply.text.n);
	}
	r->sending = false;
}

/* Carries out the pending effect, in the order the header promises. */
static void answer(struct run *r, const struct smtp_client_effect *e)
{
	struct smtp_client_result result = {0};

	MUST(!r->closed);
	switch (e->kind) {
	case SMTP_CLIENT_STARTTLS:
		result.failed = r->options & 32;
		break;
	case SMTP_CLIENT_READY:
		MUST(!r->sending);
		r->sending = r->sent++ < 3;
		r->message.no_content = r->sent == 2;
		result.next = r->sending ? &r->message : NULL;
		r->pieces = 0;
		break;
	case SMTP_CLIENT_BODY:
		MUST(r->sending && !r->message.no_content);
		result.body = STR(".x\r\n");
		result.last = ++r->pieces == 3;
		result.failed = r->options & 64 && r->pieces == 2;
		break;
	case SMTP_CLIENT_REPORT:
		check_report(r, e);
		break;
	case SMTP_CLIENT_CLOSED:
		MUST(!r->sending);
		r->closed = true;
		break;
	}
	smtp_client_done(r->c, &result, 0);
}

static void turn(struct run *r)
{
	const struct smtp_client_effect *e;

	do {
		MUST(smtp_client_out(r->c).n <= LIMIT_SMTP_OUT + LIMIT_SMTP_CHUNK);
		smtp_client_sent(r->c, smtp_client_out(r->c).n, 0);
		e = smtp_client_effect(r->c);
		if (e)
			answer(r, e);
	} while (e);
}

static void say(struct run *r, struct str in, size_t piece)
{
	while (in.n) {
		size_t used = smtp_client_feed(r->c, str_sub(in, 0, piece), 0);

		in = str_from(in, used);
		turn(r);
		if (r->closed)
			break;
	}
}

static void check_dialogue(struct run *r)
{
	struct str text = smtp_dialogue_text(&r->dialogue);
	size_t marks = 0;

	MUST(text.n <= DIALOGUE_MAX && (text.n == 0 || text.p[text.n - 1] == '\n'));
	while (text.n) {
		struct str line = str_split(text, '\n', &text);
		bool mark = str_has_prefix(line, STR("* lines left out: "));

		MUST(mark || str_has_prefix(line, STR("C: ")) || str_has_prefix(line, STR("S: ")));
		marks += mark;
	}
	MUST(marks <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct run r;

	if (size < 2)
		return 0;
	start(&r, data[0]);
	turn(&r);
	in = str_from(in, 2);
	say(&r, str_sub(in, 0, str_find(in, 0xff)), data[1] ? data[1] : SIZE_MAX);
	smtp_client_eof(r.c, 0);
	turn(&r);
	MUST(r.closed && smtp_client_wants(r.c) == SMTP_WANTS_CLOSE);
	check_dialogue(&r);
	smtp_client_free(&r.c);
	smtp_dialogue_fini(&r.dialogue);
	arena_free(&r.arena);
	return 0;
}
