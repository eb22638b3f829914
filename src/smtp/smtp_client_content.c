/*
 * One message's content. By DATA, with dots stuffed up to the final one, or, where CHUNKING is offered,
 * by BDAT [RFC 3030]: gathered into chunks that are sent whole, with PIPELINING without waiting for
 * the replies to those before.
 *
 * Invariants:
 * - The state is ON_END exactly when the final dot or the last chunk has been given to the output.
 * - A chunk that was refused decides for all; nothing more is sent, the replies to what was sent
 *   already are awaited, and a RSET comes next.
 */
#include "smtp/smtp_client_priv.h"

/* "BDAT 65536 LAST" and CRLF are shorter. */
#define BDAT_MAX 64

void smtp_client_content_begin(struct smtp_client *c)
{
	dot_out_init(&c->msg.dot, !c->msg.chunked);
	c->state = c->msg.chunked ? ON_CHUNKS : ON_CONTENT;
	smtp_client_content_pump(c);
}

/* ---- chunks ---- */

static bool is_last(const struct smtp_client *c)
{
	return c->msg.ended && c->msg.chunk.n <= c->cfg->chunk;
}

/*
 * A chunk is complete and may be sent now. LMTP: the last one waits for all replies, as nobody says
 * how many would answer it if one before it was refused.
 */
static bool may_send_chunk(const struct smtp_client *c)
{
	const struct client_message *g = &c->msg;
	bool alone = !(c->facts.extensions & SMTP_EXT_PIPELINING) || (c->cfg->lmtp && is_last(c));

	if (g->stopped || (alone && g->chunks > 0))
		return false;
	return (g->ended || g->chunk.n >= c->cfg->chunk) &&
	       buf_room(&c->out) >= c->cfg->chunk + BDAT_MAX;
}

static void send_chunk(struct smtp_client *c)
{
	struct client_message *g = &c->msg;
	struct str chunk = str_sub(buf_view(&g->chunk), 0, c->cfg->chunk);
	bool last = is_last(c);
	struct buf line;

	buf_init(&line, BDAT_MAX);
	buf_lit(&line, "BDAT ");
	buf_u64(&line, chunk.n);
	if (last)
		buf_lit(&line, " LAST");
	smtp_client_command(c, buf_view(&line), false);
	buf_fini(&line);
	buf_str(&c->out, chunk);
	buf_drop(&g->chunk, chunk.n);
	g->chunks += !last;
	if (last)
		c->state = ON_END;
}

/* Sends what may be sent; over when a chunk was refused and all have been answered. */
static void pump_chunks(struct smtp_client *c)
{
	struct client_message *g = &c->msg;

	while (c->state == ON_CHUNKS && may_send_chunk(c))
		send_chunk(c);
	if (c->state == ON_CHUNKS && g->stopped && g->chunks == 0 && !c->pending)
		smtp_client_message_report(c);
}

/* More content may come. */
static bool wants_body(const struct smtp_client *c)
{
	const struct client_message *g = &c->msg;

	if (c->pending || c->out.n > LIMIT_SMTP_OUT / 2 - KIB)
		return false;
	if (c->state == ON_CHUNKS)
		return !g->stopped && !g->ended && g->chunk.n < c->cfg->chunk;
	return c->state == ON_CONTENT;
}

void smtp_client_content_pump(struct smtp_client *c)
{
	if (c->state == ON_CHUNKS)
		pump_chunks(c);
	if (wants_body(c))
		smtp_client_wait(c, SMTP_CLIENT_BODY);
}

/*
 * The server, or a box before it, offers CHUNKING and does not know BDAT: what was sent may be read as
 * commands, so this connection is of no use any more. LMTP: the reply may be that of one recipient.
 */
static bool is_bdat_unknown(const struct smtp_client *c, const struct smtp_reply *r)
{
	const struct client_message *g = &c->msg;

	if (!g->chunked || g->chunk_taken || g->stopped || c->cfg->lmtp)
		return false;
	return r->code == 500 || r->code == 502 || r->code == 503 || r->code == 504;
}

static void fail_without_bdat(struct smtp_client *c, const struct smtp_verdict *v)
{
	bool ahead = smtp_client_is_ahead(c);

	c->facts.bdat_unknown = true;
	c->facts.taken_back |= ahead;
	c->msg.stopped = true;
	smtp_client_fail(c, v, !ahead); /* QUIT would stand in what was cut off */
}

void smtp_client_on_chunk(struct smtp_client *c, const struct smtp_reply *r)
{
	struct client_message *g = &c->msg;
	struct smtp_verdict v = smtp_client_verdict(g->arena, SMTP_STAGE_BODY, r);

	if (g->chunks == 0) {
		smtp_client_on_nothing(c, r);
		return;
	}
	if (is_bdat_unknown(c, r)) { /* it answers the command, whatever of the chunk has left */
		fail_without_bdat(c, &v);
		return;
	}
	if (g->chunks == 1 && c->state == ON_CHUNKS && smtp_client_is_ahead(c)) {
		smtp_client_on_early(c, r);
		return;
	}
	g->chunks--;
	if (v.outcome == SMTP_OUTCOME_ACCEPTED) {
		g->chunk_taken = true;
		return;
	}
	smtp_client_decide_all(c, &v);
	g->stopped = true;
}

/* ---- the content and its end ---- */

void smtp_client_body_done(struct smtp_client *c, const struct smtp_client_result *r)
{
	struct client_message *g = &c->msg;
	struct buf *to = g->chunked ? &g->chunk : &c->out;
	size_t used;

	if (r->failed && !g->stopped) {
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 3, 0},
		    r->text.n ? r->text : STR("the message could not be read"));
		return;
	}
	MUST(r->body.n <= LIMIT_BODY_CHUNK);
	if (!g->stopped) {
		dot_out_feed(&g->dot, r->body, &used, to);
		MUST(used == r->body.n); /* stuffing adds less than the room that was there */
	}
	if (!g->stopped && r->last) {
		dot_out_end(&g->dot, to);
		g->ended = true;
		c->state = g->chunked ? ON_CHUNKS : ON_END;
	}
	smtp_client_message_pump(c);
}

/* LMTP: the next recipient in order that was accepted; else all of them. */
void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r)
{
	struct client_message *g = &c->msg;
	struct smtp_verdict v = smtp_client_verdict(g->arena, SMTP_STAGE_BODY, r);

	if (g->chunks > 0) {
		smtp_client_on_chunk(c, r);
		return;
	}
	if (is_bdat_unknown(c, r)) {
		fail_without_bdat(c, &v);
		return;
	}
	if (smtp_client_is_ahead(c)) {
		smtp_client_on_early(c, r);
		return;
	}
	if (c->cfg->lmtp) {
		while (g->rcpts[g->end_at] != RCPT_ACCEPTED)
			g->end_at++;
		smtp_client_decide(c, g->end_at, &v);
	} else {
		smtp_client_decide_all(c, &v);
	}
	if (g->accepted > 0)
		return;
	c->dirty = g->stopped ||
		   (g->chunked && v.outcome != SMTP_OUTCOME_ACCEPTED); /* [RFC 3030 2] */
	smtp_client_message_report(c);
}

/* The reply to a content that was for nobody. */
void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r)
{
	c->dirty = false;
	smtp_client_message_report(c);
}
