/*
 * Commands after login [RFC 1939 5 to 7, RFC 2449]. The mailbox is known by its count only: entries and
 * messages are asked of the driver and stream through, so that its size costs no memory. DELE only marks a
 * number; the sizes of marked messages are fetched when STAT needs them (uncounted is a subset of deleted).
 * The +OK line of a multi-line reply is written with its first octets: until then a failure can still be
 * told by -ERR, afterwards only by closing.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_session.h"

#define LINE_ROOM (POP3_REPLY_MAX + 20 + 1 + POP3_UID_MAX + 2) /* +OK and a line of LIST or UIDL */

/* Messages that are there and not marked. */
static uint64_t left(const struct pop3_server *s)
{
	return s->count - (uint64_t)s->deleted.count;
}

/* "text number" as a reply. */
static enum pop3_step reply_number(struct pop3_server *s, bool ok, struct str text, uint64_t n)
{
	struct buf b;

	buf_init(&b, POP3_REPLY_MAX);
	buf_str(&b, text);
	buf_u64(&b, n);
	pop3_reply_put(&s->out, ok, POP3_CODE_NONE, buf_view(&b));
	buf_fini(&b);
	return POP3_STEP_DONE;
}

/* The message can be named: it is there and not marked. If not, the reply is written. */
static bool is_there(struct pop3_server *s, uint64_t number)
{
	if (number < 1 || number > s->count)
		reply_number(s, false, STR("no such message, the last is "), s->count);
	else if (ranges_has(&s->deleted, (int64_t)number))
		reply_number(s, false, STR("deleted already: "), number);
	else
		return true;
	return false;
}

/* The end of a reply that reads entries or content has gone wrong. */
static enum pop3_step broken(struct pop3_server *s, const struct pop3_result *r, struct str words)
{
	if (!s->read.begun)
		return pop3_err_result(s, r, words);
	return pop3_end(s, "source failed in the middle of a reply");
}

static enum pop3_step emit_list(struct pop3_server *s, uint64_t first, uint64_t last,
    pop3_entry_taker *take, pop3_resume *resume)
{
	s->read = (struct pop3_reading){.take = take};
	s->effect.u.list.first = first;
	s->effect.u.list.last = last;
	return pop3_emit(s, POP3_LIST, resume);
}

size_t pop3_server_entries(struct pop3_server *s, const struct pop3_entry *entries, size_t n)
{
	size_t i;

	if (s->ended)
		return n; /* for nobody any more */
	MUST(s->has_effect && s->effect.type == POP3_LIST);
	for (i = 0; i < n && buf_room(&s->out) >= POP3_ROOM + LINE_ROOM; i++) {
		const struct pop3_entry *e = &entries[i];

		MUST(e->number >= s->effect.u.list.first && e->number <= s->effect.u.list.last);
		MUST(e->uid.n >= 1 && e->uid.n <= POP3_UID_MAX);
		s->read.seen = true;
		s->read.take(s, e);
	}
	return i;
}

/* STAT: "+OK count octets" [RFC 1939 5]. */
static enum pop3_step reply_stat(struct pop3_server *s)
{
	buf_lit(&s->out, "+OK ");
	buf_u64(&s->out, left(s));
	buf_byte(&s->out, ' ');
	buf_u64(&s->out, s->octets - s->deleted_octets);
	buf_lit(&s->out, "\r\n");
	return POP3_STEP_DONE;
}

static void take_sum(struct pop3_server *s, const struct pop3_entry *e)
{
	if (ranges_has(&s->uncounted, (int64_t)e->number))
		s->read.sum += e->octets;
}

static enum pop3_step resume_stat(struct pop3_server *s, const struct pop3_result *r)
{
	uint64_t rest;

	if (r->outcome != POP3_OK)
		return broken(s, r, STR("the sizes cannot be read"));
	rest = s->octets - s->deleted_octets;
	s->deleted_octets += s->read.sum < rest ? s->read.sum : rest;
	ranges_clear(&s->uncounted);
	return reply_stat(s);
}

enum pop3_step pop3_cmd_stat(struct pop3_server *s, const struct pop3_args *args)
{
	const struct ranges *u = &s->uncounted;

	if (u->count == 0)
		return reply_stat(s);
	return emit_list(
	    s, (uint64_t)u->v[0].first, (uint64_t)u->v[u->n - 1].last, take_sum, resume_stat);
}

/* LIST and UIDL: lines of a number and a size or a uid. */
static void put_octets(struct buf *out, const struct pop3_entry *e)
{
	buf_u64(out, e->number);
	buf_byte(out, ' ');
	buf_u64(out, e->octets);
	buf_lit(out, "\r\n");
}

static void put_uid(struct buf *out, const struct pop3_entry *e)
{
	buf_u64(out, e->number);
	buf_byte(out, ' ');
	buf_str(out, e->uid);
	buf_lit(out, "\r\n");
}

static void begin_lines(struct pop3_server *s)
{
	if (!s->read.begun)
		reply_number(s, true, STR("messages: "), left(s));
	s->read.begun = true;
}

static void take_lines(struct pop3_server *s, const struct pop3_entry *e,
    void (*put)(struct buf *, const struct pop3_entry *))
{
	begin_lines(s);
	if (!ranges_has(&s->deleted, (int64_t)e->number))
		put(&s->out, e);
}

static void take_octets(struct pop3_server *s, const struct pop3_entry *e)
{
	take_lines(s, e, put_octets);
}

static void take_uids(struct pop3_server *s, const struct pop3_entry *e)
{
	take_lines(s, e, put_uid);
}

static enum pop3_step end_lines(struct pop3_server *s)
{
	begin_lines(s);
	buf_lit(&s->out, ".\r\n");
	return POP3_STEP_DONE;
}

static enum pop3_step resume_lines(struct pop3_server *s, const struct pop3_result *r)
{
	if (r->outcome != POP3_OK)
		return broken(s, r, STR("the list cannot be read"));
	return end_lines(s);
}

/* The same for one message: the line is the reply. */
static void take_one(struct pop3_server *s, const struct pop3_entry *e,
    void (*put)(struct buf *, const struct pop3_entry *))
{
	MUST(!s->read.begun);
	s->read.begun = true;
	buf_lit(&s->out, "+OK ");
	put(&s->out, e);
}

static void take_one_octets(struct pop3_server *s, const struct pop3_entry *e)
{
	take_one(s, e, put_octets);
}

static void take_one_uid(struct pop3_server *s, const struct pop3_entry *e)
{
	take_one(s, e, put_uid);
}

static enum pop3_step resume_one(struct pop3_server *s, const struct pop3_result *r)
{
	static const struct pop3_result missing = {.outcome = POP3_TEMPORARY};

	if (s->read.begun)
		return POP3_STEP_DONE; /* the reply is whole whatever came after */
	return broken(s, r->outcome == POP3_OK ? &missing : r, STR("the message cannot be read"));
}

static enum pop3_step list_command(struct pop3_server *s, const struct pop3_args *args,
    pop3_entry_taker *all, pop3_entry_taker *one)
{
	if (args->has_number) {
		if (!is_there(s, args->number))
			return POP3_STEP_DONE;
		return emit_list(s, args->number, args->number, one, resume_one);
	}
	if (left(s) > 0)
		return emit_list(s, 1, s->count, all, resume_lines);
	s->read = (struct pop3_reading){0};
	return end_lines(s);
}

enum pop3_step pop3_cmd_list(struct pop3_server *s, const struct pop3_args *args)
{
	return list_command(s, args, take_octets, take_one_octets);
}

enum pop3_step pop3_cmd_uidl(struct pop3_server *s, const struct pop3_args *args)
{
	return list_command(s, args, take_uids, take_one_uid);
}

/* RETR and TOP: the message with dots stuffed. */
static void begin_content(struct pop3_server *s)
{
	if (!s->read.begun)
		pop3_ok(s, STR("message follows"));
	s->read.begun = true;
}

size_t pop3_server_content(struct pop3_server *s, struct str content)
{
	struct pop3_top wanted = s->read.top;
	size_t n, used;

	if (s->ended)
		return content.n; /* for nobody any more */
	MUST(s->has_effect && s->effect.type == POP3_RETR);
	if (content.n == 0 || buf_room(&s->out) < 2 * POP3_ROOM)
		return 0;
	begin_content(s);
	n = pop3_top_take(&wanted, str_sub(content, 0, buf_room(&s->out) - POP3_ROOM));
	s->out.max -= POP3_ROOM;
	dot_out_feed(&s->read.dots, str_sub(content, 0, n), &used, &s->out);
	s->out.max += POP3_ROOM;
	pop3_top_take(&s->read.top, str_sub(content, 0, used));
	return s->read.top.full ? content.n : used;
}

bool pop3_server_content_full(const struct pop3_server *s)
{
	return s->has_effect && s->effect.type == POP3_RETR && s->read.top.full;
}

/* Of scattered ones beyond the limit nothing is noted: they stay unseen, which nobody loses mail by. */
static void note_seen(struct pop3_server *s, int64_t number)
{
	if (s->cfg->marks_seen && s->seen.n < LIMIT_POP3_RUNS)
		ranges_add(&s->seen, number);
}

static enum pop3_step resume_content(struct pop3_server *s, const struct pop3_result *r)
{
	if (r->outcome != POP3_OK)
		return broken(s, r, STR("the message cannot be read"));
	begin_content(s);
	dot_out_end(&s->read.dots, &s->out);
	if (s->read.whole)
		note_seen(s, (int64_t)s->read.whole);
	return POP3_STEP_DONE;
}

static enum pop3_step emit_content(struct pop3_server *s, uint64_t number, int64_t lines)
{
	if (!is_there(s, number))
		return POP3_STEP_DONE;
	s->read = (struct pop3_reading){0};
	dot_out_init(&s->read.dots, true);
	pop3_top_init(&s->read.top, lines);
	s->read.whole = lines < 0 ? number : 0;
	s->effect.u.retr.number = number;
	s->effect.u.retr.top_lines = lines;
	return pop3_emit(s, POP3_RETR, resume_content);
}

enum pop3_step pop3_cmd_retr(struct pop3_server *s, const struct pop3_args *args)
{
	return emit_content(s, args->number, -1);
}

enum pop3_step pop3_cmd_top(struct pop3_server *s, const struct pop3_args *args)
{
	return emit_content(s, args->number, (int64_t)args->lines);
}

enum pop3_step pop3_cmd_dele(struct pop3_server *s, const struct pop3_args *args)
{
	if (!is_there(s, args->number))
		return POP3_STEP_DONE;
	if (s->deleted.n >= LIMIT_POP3_RUNS)
		return pop3_err(s, POP3_CODE_SYS_TEMP,
		    STR("too many scattered deletions: QUIT to carry them out, then log in again"));
	ranges_add(&s->deleted, (int64_t)args->number);
	ranges_add(&s->uncounted, (int64_t)args->number);
	return pop3_ok(s, STR("marked for deletion at QUIT"));
}

enum pop3_step pop3_cmd_noop(struct pop3_server *s, const struct pop3_args *args)
{
	return pop3_ok(s, STR("nothing done"));
}

enum pop3_step pop3_cmd_rset(struct pop3_server *s, const struct pop3_args *args)
{
	ranges_clear(&s->deleted);
	ranges_clear(&s->uncounted);
	s->deleted_octets = 0;
	return reply_number(s, true, STR("nothing is marked, messages: "), s->count);
}

static enum pop3_step goodbye(struct pop3_server *s)
{
	pop3_ok(s, STR("goodbye"));
	return pop3_end(s, "quit");
}

/* That nothing could be marked is no error of QUIT: -ERR means messages not removed [RFC 1939 6]. */
static enum pop3_step resume_leave(struct pop3_server *s, const struct pop3_result *r)
{
	if (s->deleted.count == 0)
		return goodbye(s);
	if (r->outcome != POP3_OK) {
		pop3_err_result(
		    s, r, STR("not all of them could be deleted, what is still there was kept"));
		return pop3_end(s, "quit, deletion failed");
	}
	reply_number(s, true, STR("goodbye, deleted: "), (uint64_t)s->deleted.count);
	return pop3_end(s, "quit");
}

/* The only way to delete and to mark: nothing but QUIT leads into UPDATE [RFC 1939 6]. */
enum pop3_step pop3_cmd_quit(struct pop3_server *s, const struct pop3_args *args)
{
	ranges_subtract(&s->seen, &s->deleted);
	if (s->deleted.count == 0 && s->seen.count == 0)
		return goodbye(s);
	s->state = POP3_UPDATE;
	s->effect.u.leave.deleted = &s->deleted;
	s->effect.u.leave.seen = &s->seen;
	return pop3_emit(s, POP3_LEAVE, resume_leave);
}
