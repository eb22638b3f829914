/*
 * The SMTP client engine on a connection: compose at the first READY, content piece by piece, verdicts
 * at REPORT. At the next READY the recipients for whom the server had no room get a transaction of their
 * own; when there are none, QUIT.
 */
#include "cli/cli_submit.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_text.h"

struct session {
	struct cli_dial dial;
	struct cli_submit *job;
	struct smtp_client_config cfg;
	struct smtp_client *client;
	struct buf helo;
	bool composed, reported, handshake;
	bool again; /* the transaction is not the message's first */
	struct smtp_client_message message;
	struct cli_content content;
	uint64_t at;                   /* octets of the content that are sent */
	struct smtp_client_rcpt *left; /* for another transaction; in the job's arena */
	size_t n_left;
	int code;
};

uint64_t cli_content_size(const struct cli_content *c)
{
	return c->head.n + (c->spool ? c->spool->size - c->spool_at : 0);
}

/* ---- verdicts ---- */

/* A refusal for good, by the subject and detail of its status. 0xffff: any detail. */
static const struct {
	uint16_t subject, detail;
	int code;
} exits[] = {
    {1, 2, EX_NOHOST},
    {1, 10, EX_NOHOST},
    {1, 0xffff, EX_NOUSER},
    {2, 1, EX_NOUSER},
    {6, 0xffff, EX_DATAERR},
    {7, 0xffff, EX_NOPERM},
};

int cli_submit_exit(const struct smtp_verdict *v)
{
	const struct smtp_status *s = &v->reply.status;

	if (v->outcome != SMTP_OUTCOME_PERMANENT)
		return EX_TEMPFAIL;
	for (size_t i = 0; s->class && i < sizeof exits / sizeof *exits; i++)
		if (exits[i].subject == s->subject &&
		    (exits[i].detail == 0xffff || exits[i].detail == s->detail))
			return exits[i].code;
	if (v->stage == SMTP_STAGE_AUTH)
		return EX_NOPERM;
	return v->stage == SMTP_STAGE_RCPT && !s->class ? EX_NOUSER : EX_UNAVAILABLE;
}

/* The engine does not know how the server was named. */
static bool put_too_large(const struct session *s, struct buf *b, const struct smtp_reply *r)
{
	if (r->code || r->status.subject != 3 || r->status.detail != 4)
		return false;
	buf_printf(b, "it has %llu octets, and %s takes no more than %llu",
	    (unsigned long long)s->message.params.size, (const char *)s->job->server->name.p,
	    (unsigned long long)smtp_client_facts(s->client)->size_limit);
	return true;
}

/* "550 5.1.1 no such mailbox", or our own side's sentence. */
static void put_reply(struct buf *b, const struct smtp_reply *r)
{
	if (r->code)
		buf_printf(b, "%u ", r->code);
	if (r->code && r->status.class)
		buf_printf(b, "%u.%u.%u ", r->status.class, r->status.subject, r->status.detail);
	cli_text_put(b, r->text);
}

/* Permanent refusals weigh more than temporary ones: trying again would not help. */
static void note_code(struct session *s, const struct smtp_verdict *v)
{
	int code = cli_submit_exit(v);

	if (s->code == EX_OK || s->code == EX_TEMPFAIL)
		s->code = code;
}

/* "the message to bob@example.org and the 9 behind it"; n 0: to all that it was for. */
static void put_message_to(struct buf *b, const struct smtp_client_rcpt *rcpts, size_t n)
{
	buf_lit(b, "the message");
	if (n > 0) {
		buf_lit(b, " to ");
		smtp_path_put(b, &rcpts[0].path);
	}
	if (n > 1)
		buf_printf(b, " and the %zu behind it", n - 1);
}

static void refuse(
    struct session *s, const struct smtp_client_rcpt *rcpts, size_t n, const struct smtp_verdict *v)
{
	static const char *const words[] = {
	    [SMTP_OUTCOME_TEMPORARY] = "was not accepted for now",
	    [SMTP_OUTCOME_PERMANENT] = "was refused",
	    [SMTP_OUTCOME_UNSURE] = "may or may not have been accepted",
	};
	struct buf what, why;

	buf_init(&what, 8 * LIMIT_SMTP_PATH);
	buf_init(&why, 4 * SMTP_REPLY_MAX);
	put_message_to(&what, rcpts, n);
	if (!put_too_large(s, &why, &v->reply))
		put_reply(&why, &v->reply);
	if (v->reply.code == 530 && s->job->server->user.n == 0 && !s->dial.to->path[0])
		buf_lit(&why, " (log in with --user NAME)");
	note_code(s, v);
	cli_fail(s->code, "%s %s: %s", buf_cstr(&what), words[v->outcome], buf_cstr(&why));
	buf_fini(&what);
	buf_fini(&why);
}

/* Too many recipients for one transaction: the others go in another one [RFC 5321 4.5.3.1.10]. */
static bool is_left(const struct smtp_verdict *v)
{
	const struct smtp_status *status = &v->reply.status;

	return v->outcome == SMTP_OUTCOME_TEMPORARY && v->stage == SMTP_STAGE_RCPT &&
	       (v->reply.code == 552 || (status->subject == 5 && status->detail == 3));
}

/* Unless nobody else was decided about: then another transaction would go no better. */
static void keep_left(struct session *s, const struct smtp_client_effect *e)
{
	s->left = arena_array(s->job->arena, e->verdict_count, sizeof *s->left);
	s->n_left = 0;
	for (size_t i = 0; i < e->verdict_count; i++)
		if (is_left(&e->verdicts[i]))
			s->left[s->n_left++] = s->message.rcpts[i];
	if (s->n_left == e->verdict_count)
		s->n_left = 0;
}

static bool is_same_refusal(const struct smtp_verdict *a, const struct smtp_verdict *b)
{
	return a->stage == b->stage && a->outcome == b->outcome && a->reply.code == b->reply.code &&
	       str_eq(a->reply.text, b->reply.text);
}

/* What the message as a whole was refused with, several recipients or not; NULL: it was not. */
static const struct smtp_verdict *common_refusal(const struct smtp_client_effect *e)
{
	const struct smtp_verdict *first = NULL;

	for (size_t i = 0; i < e->verdict_count; i++) {
		const struct smtp_verdict *v = &e->verdicts[i];

		if (is_left(v))
			continue;
		if (v->outcome == SMTP_OUTCOME_ACCEPTED || v->stage == SMTP_STAGE_RCPT ||
		    (first && !is_same_refusal(first, v)))
			return NULL;
		first = v;
	}
	return e->verdict_count > 1 ? first : NULL;
}

/* The server's words, once for each transaction. */
static void note_accepted(struct session *s, const struct smtp_reply *r)
{
	struct buf text;

	buf_init(&text, s->job->accepted.n + 1 + 4 * SMTP_REPLY_MAX);
	buf_str(&text, s->job->accepted);
	if (text.n)
		buf_byte(&text, '\n');
	put_reply(&text, r);
	s->job->accepted = arena_str(s->job->arena, buf_view(&text));
	buf_fini(&text);
}

static void report_each(struct session *s, const struct smtp_client_effect *e)
{
	bool accepted = false;

	for (size_t i = 0; i < e->verdict_count; i++) {
		const struct smtp_verdict *v = &e->verdicts[i];

		if (v->outcome == SMTP_OUTCOME_ACCEPTED) {
			if (!accepted)
				note_accepted(s, &v->reply);
			accepted = true;
		} else if (s->n_left == 0 || !is_left(v)) {
			refuse(s, &s->message.rcpts[i], 1, v);
		}
	}
}

static void report(struct session *s, const struct smtp_client_effect *e)
{
	const struct smtp_verdict *common = common_refusal(e);

	s->reported = true;
	if (!common || common->outcome == SMTP_OUTCOME_UNSURE)
		keep_left(s, e);
	if (common)
		refuse(s, s->message.rcpts, s->again ? e->verdict_count - s->n_left : 0, common);
	else
		report_each(s, e);
}

/* The session ended before they had their turn. */
static void give_up_left(struct session *s, const struct smtp_verdict *v)
{
	if (s->n_left)
		refuse(s, s->left, s->n_left, v);
	s->n_left = 0;
}

/* ---- effects ---- */

/* The same message once more, to those who are left. */
static void begin_again(struct session *s, struct smtp_client_result *result)
{
	s->again = true;
	s->message.rcpts = s->left;
	s->message.rcpt_count = s->n_left;
	s->n_left = 0;
	s->at = 0;
	result->next = &s->message;
}

/* The first word of the greeting is the server's name [RFC 5321 4.2]. */
static void ready(struct session *s, struct smtp_client_result *result)
{
	struct str rest, name;

	if (s->n_left)
		begin_again(s, result);
	if (s->composed)
		return;
	s->composed = true;
	name = str_split(smtp_client_facts(s->client)->greeting, ' ', &rest);
	s->code = s->job->compose(s->job->ctx, name, &s->message, &s->content);
	if (s->code == EX_OK)
		result->next = &s->message;
	else
		s->reported = true;
}

/* The next piece of content into out. 0, or -1 when the spool cannot be read. */
static int next_piece(struct session *s, struct buf *out)
{
	const struct cli_content *c = &s->content;
	struct str head = str_from(c->head, s->at < c->head.n ? (size_t)s->at : c->head.n);

	buf_str(out, str_sub(head, 0, LIMIT_BODY_CHUNK));
	if (c->spool && cli_spool_get(c->spool, c->spool_at + (s->at + out->n - c->head.n),
			    head.n < LIMIT_BODY_CHUNK ? LIMIT_BODY_CHUNK - out->n : 0, out) < 0)
		return -1;
	s->at += out->n;
	return 0;
}

static void give_piece(struct session *s, struct buf *piece, struct smtp_client_result *result)
{
	if (next_piece(s, piece) < 0) {
		result->failed = true;
		result->text = STR("the message cannot be read back from its temporary file");
		return;
	}
	result->body = buf_view(piece);
	result->last = s->at == cli_content_size(&s->content);
}

/* The end of one that never greeted in SMTP: what is wrong is the port. False: it is not so. */
static bool is_wrong_port(struct session *s, const struct smtp_verdict *v)
{
	const struct smtp_status *status = &v->reply.status;

	if (v->stage != SMTP_STAGE_CONNECT || v->reply.code || s->dial.to->path[0])
		return false;
	if (status->subject == 4) /* the network: an end, or silence [RFC 3463 3.5] */
		return cli_server_mute(s->job->server, &s->code);
	if (status->subject != 5)
		return false;
	s->code = cli_fail(
	    EX_UNAVAILABLE, "this is no port for sending mail: %.*s", STR_FMT(v->reply.text));
	return true;
}

static void closed_early(struct session *s, const struct smtp_client_effect *e)
{
	if (!s->dial.failed)
		give_up_left(s, &e->verdict);
	if (!s->reported && !s->dial.failed && !is_wrong_port(s, &e->verdict))
		refuse(s, NULL, 0, &e->verdict);
	s->reported |= !s->dial.failed;
}

static void carry_out(struct session *s, const struct smtp_client_effect *e)
{
	struct smtp_client_result result = {0};
	struct buf piece;
	bool over;

	buf_init(&piece, LIMIT_BODY_CHUNK);
	switch (e->kind) {
	case SMTP_CLIENT_READY:
		ready(s, &result);
		break;
	case SMTP_CLIENT_BODY:
		give_piece(s, &piece, &result);
		break;
	case SMTP_CLIENT_REPORT:
		report(s, e);
		break;
	case SMTP_CLIENT_CLOSED:
		closed_early(s, e);
		break;
	case SMTP_CLIENT_STARTTLS:
		break;
	}
	over = e->kind == SMTP_CLIENT_CLOSED;
	smtp_client_done(s->client, &result, clock_mono());
	buf_fini(&piece);
	if (over && smtp_client_facts(s->client)->taken_back && s->dial.drive)
		net_drive_close(
		    s->dial.drive); /* or what is said to have failed went out whole yet */
}

static void effects(void *ctx)
{
	struct session *s = ctx;
	const struct smtp_client_effect *e;

	while (!s->handshake && (e = smtp_client_effect(s->client)) != NULL) {
		if (e->kind == SMTP_CLIENT_STARTTLS) {
			s->handshake = true;
			cli_dial_start_tls(&s->dial);
		} else {
			carry_out(s, e);
		}
	}
}

/* ---- the drive's callbacks ---- */

static struct smtp_client *engine_of(void *ctx)
{
	return ((struct session *)ctx)->client;
}

NET_DRIVE_CALLBACKS(smtp_client, engine_of)

static void on_unsent(void *ctx, size_t n)
{
	smtp_client_unsent(engine_of(ctx), n);
}

static void connected(void *ctx)
{
	cli_dial_connected(&((struct session *)ctx)->dial);
}

static void secured(void *ctx, const struct net_tls_info *info)
{
	struct session *s = ctx;
	struct smtp_client_result result = {.failed = !info->ok, .text = str_of_c(info->why)};

	if (!cli_dial_secured(&s->dial, info))
		return;
	s->handshake = false;
	smtp_client_done(s->client, &result, clock_mono());
}

static void closed(void *ctx, enum net_end end, const char *why)
{
	cli_dial_closed(&((struct session *)ctx)->dial, end, why);
}

static const struct net_drive_engine engine = {
    NET_DRIVE_CALLBACKS_INIT,
    .unsent = on_unsent,
    .effects = effects,
    .connected = connected,
    .secured = secured,
    .closed = closed,
};

/* ---- running ---- */

/* Our name for EHLO: this machine's, when it is a name at all. */
static void find_helo(struct buf *helo)
{
	char name[256] = "";
	struct arena *a = arena_new();
	struct smtp_path parsed;

	if (gethostname(name, sizeof name - 1) == 0 &&
	    smtp_domain_parse(str_of_c(name), false, a, &parsed) == SMTP_PATH_OK)
		buf_c(helo, name);
	else
		buf_lit(helo, "localhost");
	arena_free(&a);
}

static void begin(void *ctx)
{
	struct session *s = ctx;
	const struct cli_server *server = s->job->server;

	int64_t patience = cli_server_patience(server, s->dial.to);

	smtp_client_config_init(&s->cfg);
	if (patience)
		s->cfg.timeouts.greeting = patience;
	s->cfg.helo = buf_view(&s->helo);
	s->cfg.chunk =
	    0; /* some offer CHUNKING and do not know BDAT, and nobody comes back here with DATA */
	s->cfg.tls = server->tls == CLI_TLS_STARTTLS ? SMTP_TLS_REQUIRE : SMTP_TLS_NONE;
	s->cfg.tls_active = s->dial.tls;
	s->cfg.plaintext_auth = cli_server_plaintext(server, s->dial.to);
	s->cfg.user = server->user;
	s->cfg.password = buf_view(&server->password);
	s->client = smtp_client_new(&s->cfg, clock_mono());
}

int cli_submit_run(struct cli_submit *job)
{
	struct session s = {.job = job};
	struct smtp_verdict broken = {.outcome = SMTP_OUTCOME_TEMPORARY};

	buf_init(&s.helo, 256);
	find_helo(&s.helo);
	cli_dial_run(&s.dial, job->server, &engine, &s, begin);
	if (!s.reported)
		s.code = cli_fail(s.dial.failed ? s.dial.failed : EX_TEMPFAIL, "%s",
		    s.dial.failed ? s.dial.why.text : cli_server_closed(job->server));
	broken.reply.text = str_of_c(s.dial.why.text);
	give_up_left(&s, &broken);
	smtp_client_free(&s.client);
	buf_fini(&s.helo);
	return s.code;
}
