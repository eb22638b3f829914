/*
 * Writing mbox files. A line is held back as long as it may still turn out to begin with ">...From ":
 * that is a count of each, whatever the line's length.
 */
#include "mime/mime_mbox.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/limits.h"
#include "mime/mime_keywords.h"
#include "mime/mime_mbox_form.h"

static const struct str from_ = STR_INIT("From ");

/* A token without blanks: what stands there ends with the first one. Readers have their limits too. */
static void put_sender(struct buf *b, struct str sender)
{
	if (sender.n == 0)
		buf_lit(b, "MAILER-DAEMON");
	sender = str_sub(sender, 0, LIMIT_ADDRESS);
	for (size_t i = 0; i < sender.n; i++)
		buf_byte(b, sender.p[i] <= 0x20 || sender.p[i] == 0x7f ? '-' : sender.p[i]);
}

/* As asctime() writes it, in UTC [RFC 4155]. */
static void put_date(struct buf *b, int64_t ms)
{
	struct civil c = clock_civil(ms);

	buf_add(b, &"SunMonTueWedThuFriSat"[3 * c.weekday], 3);
	buf_byte(b, ' ');
	buf_add(b, &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (c.month - 1)], 3);
	buf_byte(b, ' ');
	if (c.day < 10)
		buf_byte(b, ' ');
	buf_i64(b, c.day);
	buf_byte(b, ' ');
	buf_u64_pad(b, (uint64_t)c.hour, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.minute, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.second, 2);
	buf_byte(b, ' ');
	buf_u64_pad(b, (uint64_t)(c.year > 0 ? c.year : 0), 4);
}

static void begin_line(struct mime_mbox_writer *w)
{
	w->line_empty = w->matching = true;
	w->quotes = w->matched = 0;
}

void mime_mbox_write_begin(struct mime_mbox_writer *w, struct buf *out, struct str sender,
    int64_t date, struct str keywords)
{
	*w = (struct mime_mbox_writer){.out = out, .keywords = keywords, .in_header = true};
	buf_init(&w->name, MIME_MBOX_NAME_MAX);
	buf_str(out, from_);
	put_sender(out, sender);
	buf_byte(out, ' ');
	put_date(out, date);
	buf_byte(out, '\n');
	begin_line(w);
}

/* ---- the fields of the flags ---- */

static void put_letters(
    struct mime_mbox_writer *w, const char *name, enum mime_letters format, const char *more)
{
	size_t before = w->out->n, empty;

	buf_c(w->out, name);
	empty = w->out->n;
	mime_keywords_letters(w->out, format, w->keywords);
	buf_c(w->out, more);
	if (w->out->n == empty)
		w->out->n = before;
	else
		buf_byte(w->out, '\n');
}

/* Also without flags where a reader would take out something, or read anything from it. */
static void end_header(struct mime_mbox_writer *w)
{
	w->in_header = false;
	if (w->keywords.n > 0 || w->guard || mime_mbox_is_status(buf_view(&w->name))) {
		buf_lit(w->out, "X-Godwit-Status: ");
		buf_str(w->out, w->keywords);
		buf_byte(w->out, '\n');
		put_letters(w, "Status: ", MIME_LETTERS_STATUS, "O");
		put_letters(w, "X-Status: ", MIME_LETTERS_XSTATUS, "");
	}
	buf_fini(&w->name);
}

/* The name of the field at hand: what stands before the colon of a line that begins one. */
static void note_name(struct mime_mbox_writer *w, uint8_t c)
{
	if (w->line_empty && c != ' ' && c != '\t')
		buf_clear(&w->name);
	else if (w->line_empty)
		return; /* goes on with the field before */
	if (!w->name.overflow && str_find(buf_view(&w->name), ':') == w->name.n)
		buf_byte(&w->name, c);
}

/* ---- lines ---- */

/* What was held back is no "From " line, or quoted: is_from. */
static void let_go(struct mime_mbox_writer *w, bool is_from)
{
	for (size_t i = 0; i < w->quotes + is_from; i++)
		buf_byte(w->out, '>');
	buf_str(w->out, str_sub(from_, 0, w->matched));
	w->matching = false;
	w->quotes = w->matched = 0;
}

/* An octet of a line that may have to be quoted; false: it does not match. */
static bool match(struct mime_mbox_writer *w, uint8_t c)
{
	if (w->matched == 0 && c == '>')
		w->quotes++;
	else if (c == from_.p[w->matched])
		w->matched++;
	else
		return false;
	if (w->matched == from_.n)
		let_go(w, true);
	return true;
}

static void put_octet(struct mime_mbox_writer *w, uint8_t c)
{
	if (w->in_header)
		note_name(w, c);
	w->line_empty = false;
	if (w->matching && match(w, c))
		return;
	if (w->matching)
		let_go(w, false);
	buf_byte(w->out, c);
}

static void end_line(struct mime_mbox_writer *w)
{
	if (w->matching)
		let_go(w, false);
	if (w->in_header && w->line_empty)
		end_header(w);
	else if (w->in_header)
		w->guard = w->guard || mime_mbox_is_telling(buf_view(&w->name)) ||
			   (!w->first_seen && mime_mbox_is_status(buf_view(&w->name)));
	w->first_seen = true;
	buf_byte(w->out, '\n');
	begin_line(w);
}

void mime_mbox_write(struct mime_mbox_writer *w, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		uint8_t c = bytes.p[i];

		if (w->cr && c != '\n')
			put_octet(w, '\r');
		w->cr = c == '\r';
		if (c == '\n')
			end_line(w);
		else if (c != '\r')
			put_octet(w, c);
	}
}

void mime_mbox_write_end(struct mime_mbox_writer *w)
{
	if (w->cr)
		put_octet(w, '\r');
	if (!w->line_empty)
		end_line(w);
	if (w->in_header)
		end_header(w);
	buf_byte(w->out, '\n');
}
