/*
 * DATA and BDAT [RFC 5321 4.1.1.4, 3030]: content from the framer to the driver, piece by piece.
 *
 * Invariants:
 * - Content always ends where the framer says; whatever is wrong with a message, it is read to its
 *   true end before the client is told, so that no part of it is ever taken for a command.
 * - While `dropping`, no BODY is emitted and ABORT has been or is being emitted.
 * - COMMIT is emitted once, after the last BODY, and only when nothing was wrong.
 * - The reply follows the result of COMMIT; the transaction ends with it either way.
 */
#include "smtp/smtp_session.h"

/* Octets above the size limit that are read before the connection is closed instead. */
#define OVERRUN (10 * MIB)

static enum flow content_step(struct smtp_server *s);

/* Without recipients there is nothing to send content for; LMTP knows but one code for that [RFC 2033 4.2]. */
static struct smtp_reply no_recipients(const struct smtp_server *s)
{
	if (s->state != AT_MAIL)
		return SMTP_REPLY(503, 5, 5, 1, "Say MAIL and RCPT first");
	if (!s->rcpt_refused)
		return SMTP_REPLY(503, 5, 5, 1, "Say RCPT first");
	return s->cfg->role == SMTP_ROLE_LMTP
		   ? SMTP_REPLY(503, 5, 5, 1, "No recipient was accepted")
		   : SMTP_REPLY(554, 5, 5, 1, "No recipient was accepted");
}

/* Content begins: with dots for DATA, without for BDAT. */
static void begin(struct smtp_server *s, bool dots)
{
	dot_in_init(&s->dot, dots, session_is_lenient(s));
	buf_clear(&s->chunk);
	buf_reserve(&s->chunk, 4 * KIB); /* most messages need no more: one allocation */
	s->octets = 0;
	s->ended = false;
	s->dropping = false;
	s->data_started = s->now;
}

/* Replies that wait for room: LMTP has one for each recipient [RFC 2033 4.2]. */
static enum flow put_replies(struct smtp_server *s)
{
	s->more = NULL;
	while (s->replies_put < s->tx.rcpt_count) {
		if (!session_has_room(s)) {
			s->more = put_replies;
			return FLOW_MORE;
		}
		smtp_session_reply(s, s->replies ? &s->replies[s->replies_put] : &s->verdict);
		s->replies_put++;
	}
	smtp_session_end_transaction(s);
	return FLOW_DONE;
}

/* The last word on the message, in s->verdict (LMTP: or s->replies); the transaction is over. */
static enum flow conclude(struct smtp_server *s)
{
	if (s->cfg->role == SMTP_ROLE_LMTP) {
		s->replies_put = 0;
		return put_replies(s);
	}
	smtp_session_reply(s, &s->verdict);
	smtp_session_end_transaction(s);
	return FLOW_DONE;
}

/*
 * A dropped message has been read to its end, or too far: then it is the end of the session, too.
 */
static enum flow conclude_dropped(struct smtp_server *s)
{
	enum flow flow;

	if (s->ended)
		return conclude(s);
	smtp_session_reply(s, &s->verdict);
	flow = smtp_session_close(s, (struct smtp_reply){0});
	smtp_session_end_transaction(s);
	return flow;
}

/* From now on the content is only read. */
static enum flow drop(struct smtp_server *s, const struct smtp_reply *why)
{
	s->dropping = true;
	s->verdict = smtp_reply_copy(s->arena, why);
	buf_clear(&s->chunk);
	return smtp_session_abort_refused(s, &s->verdict, content_step);
}

/* LMTP: keeps the result's replies until they have been put. */
static void keep_replies(struct smtp_server *s, const struct smtp_result *r)
{
	s->replies = NULL;
	if (s->cfg->role != SMTP_ROLE_LMTP || !r->replies)
		return;
	MUST(r->reply_count == s->tx.rcpt_count);
	s->replies = arena_array(s->arena, r->reply_count, sizeof *s->replies);
	for (size_t i = 0; i < r->reply_count; i++)
		s->replies[i] = smtp_reply_copy(s->arena, &r->replies[i]);
}

static enum flow commit_resume(struct smtp_server *s, const struct smtp_result *r)
{
	s->tx_open = false;
	s->verdict = SMTP_REPLY(250, 2, 0, 0, "Message accepted");
	if (r->reply.code)
		s->verdict = smtp_reply_copy(s->arena, &r->reply);
	if (!session_is_refused(r))
		s->commands = 0;
	keep_replies(s, r);
	return conclude(s);
}

static enum flow body_resume(struct smtp_server *s, const struct smtp_result *r)
{
	if (session_is_refused(r))
		return drop(s, &r->reply);
	buf_clear(&s->chunk);
	return content_step(s);
}

/* Why the content so far cannot be accepted; code 0: it can. */
static struct smtp_reply fault(const struct smtp_server *s)
{
	if (s->octets > session_size_limit(s))
		return session_too_large();
	if (s->dot.bare && !s->dot.normalize)
		return SMTP_REPLY(550, 5, 6, 0,
		    "The message has a bare CR or LF, end each line with CRLF [RFC 5321 2.3.8]");
	return (struct smtp_reply){0};
}

/* End of a BDAT message: a CR left over is settled, a last line without end is ended. */
static void finish_chunks(struct smtp_server *s)
{
	size_t before = s->chunk.n;
	bool midline;

	dot_in_finish(&s->dot, &s->chunk, &midline);
	if (midline)
		buf_lit(&s->chunk, "\r\n");
	s->octets += s->chunk.n - before;
	s->ended = true;
}

/* The chunk at hand is complete, but more chunks follow. */
static enum flow chunk_done(struct smtp_server *s)
{
	struct smtp_reply r = {.code = 250, .status = {2, 0, 0}};
	struct buf text;

	s->expect = EXPECT_COMMAND;
	s->waiting = s->now;
	if (s->dropping) {
		smtp_session_reply(s, &s->verdict);
		return FLOW_DONE;
	}
	buf_init(&text, LIMIT_SMTP_REPLY_LINE);
	buf_u64(&text, s->chunk_size);
	buf_lit(&text, " octets received");
	r.text = buf_view(&text);
	smtp_session_reply(s, &r);
	buf_fini(&text);
	return FLOW_DONE;
}

/* What is due now that input was taken or an effect is done; ends in the one thing to do next. */
static enum flow content_step(struct smtp_server *s)
{
	bool chunks = s->expect == EXPECT_CHUNK;
	bool full = buf_room(&s->chunk) < 4; /* the framer needs as much, and so does the end */
	bool last = chunks && s->chunk_left == 0 && s->chunk_last;

	if (last && !s->ended && (!full || s->dropping)) {
		if (s->dropping)
			buf_clear(&s->chunk);
		finish_chunks(s);
	}
	if (!s->dropping) {
		struct smtp_reply why = fault(s);

		if (why.code)
			return drop(s, &why);
		if (s->chunk.n > 0 && (s->ended || full)) {
			s->effect.body = buf_view(&s->chunk);
			return smtp_session_wait(s, SMTP_EFFECT_BODY, body_resume);
		}
		if (s->ended)
			return smtp_session_wait(s, SMTP_EFFECT_COMMIT, commit_resume);
	}
	if (s->dropping && (s->ended || s->octets > session_size_limit(s) + OVERRUN))
		return conclude_dropped(s);
	return chunks && s->chunk_left == 0 ? chunk_done(s) : FLOW_DONE;
}

/* Content through the framer. */
static enum dot_status decode(struct smtp_server *s, struct str in, size_t *used_r)
{
	enum dot_status status;
	size_t before;

	if (s->dropping)
		buf_clear(&s->chunk);
	before = s->chunk.n;
	status = dot_in_feed(&s->dot, in, used_r, &s->chunk);
	s->octets += s->chunk.n - before;
	s->waiting = s->now;
	return status;
}

enum flow smtp_session_take_data(struct smtp_server *s, struct str in, size_t *used_r)
{
	s->ended = decode(s, in, used_r) == DOT_END;
	return content_step(s);
}

/* A BDAT command where none may be: its octets are swallowed, then it is answered. */
static enum flow take_orphan(struct smtp_server *s, struct str in, size_t *used_r)
{
	struct smtp_reply why = s->verdict;

	*used_r = s->chunk_left < in.n ? (size_t)s->chunk_left : in.n;
	s->chunk_left -= *used_r;
	s->octets += *used_r;
	s->waiting = s->now;
	if (s->octets > session_size_limit(s) + OVERRUN)
		return smtp_session_close(s, session_too_large());
	if (s->chunk_left > 0)
		return FLOW_DONE;
	s->orphan = false;
	s->expect = EXPECT_COMMAND;
	return smtp_session_refuse(s, why);
}

enum flow smtp_session_take_chunk(struct smtp_server *s, struct str in, size_t *used_r)
{
	if (s->orphan)
		return take_orphan(s, in, used_r);
	in = str_sub(in, 0, s->chunk_left < in.n ? (size_t)s->chunk_left : in.n);
	decode(s, in, used_r);
	s->chunk_left -= *used_r;
	return content_step(s);
}

/* The driver refused the content before it came. */
static enum flow end_refused(struct smtp_server *s)
{
	smtp_session_end_transaction(s);
	return FLOW_DONE;
}

static enum flow data_resume(struct smtp_server *s, const struct smtp_result *r)
{
	if (session_is_refused(r)) {
		smtp_session_reply(s, &r->reply);
		return smtp_session_abort_refused(s, &r->reply, end_refused);
	}
	smtp_session_reply(s, &SMTP_REPLY(354, 0, 0, 0, "End the message with <CRLF>.<CRLF>"));
	begin(s, true);
	s->expect = EXPECT_DATA;
	return FLOW_DONE;
}

enum flow smtp_session_data(struct smtp_server *s, const struct smtp_command *cmd)
{
	if (s->tx.rcpt_count == 0)
		return smtp_session_refuse(s, no_recipients(s));
	return smtp_session_wait(s, SMTP_EFFECT_DATA, data_resume);
}

/* Of the chunk, at most what may still come is awaited. */
static enum flow await_chunk(struct smtp_server *s)
{
	if (!s->dropping && s->octets + s->chunk_left > session_size_limit(s)) {
		struct smtp_reply why = session_too_large();

		return drop(s, &why);
	}
	return s->chunk_left == 0 ? content_step(s) : FLOW_DONE;
}

static enum flow bdat_resume(struct smtp_server *s, const struct smtp_result *r)
{
	s->state = AT_CHUNKS;
	begin(s, false);
	s->expect = EXPECT_CHUNK;
	if (session_is_refused(r))
		return drop(s, &r->reply);
	return await_chunk(s);
}

static enum flow begin_orphan(struct smtp_server *s)
{
	size_t used;

	s->orphan = true;
	s->octets = 0;
	s->data_started = s->now;
	s->verdict = no_recipients(s);
	s->expect = EXPECT_CHUNK;
	return s->chunk_left == 0 ? take_orphan(s, STR(""), &used) : FLOW_DONE;
}

enum flow smtp_session_bdat(struct smtp_server *s, const struct smtp_command *cmd)
{
	s->chunk_size = s->chunk_left = cmd->bdat.size;
	s->chunk_last = cmd->bdat.last;
	if (s->state != AT_CHUNKS && s->tx.rcpt_count == 0)
		return begin_orphan(s);
	if (s->state != AT_CHUNKS)
		return smtp_session_wait(s, SMTP_EFFECT_DATA, bdat_resume);
	s->expect = EXPECT_CHUNK;
	return await_chunk(s);
}
