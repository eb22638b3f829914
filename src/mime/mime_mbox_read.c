/*
 * Reading mbox files: bytes to lines, lines to messages, headers held back until the fields of other
 * programs are out of them.
 *
 * 1. A blank line is held back: in front of a "From " line it belongs to the format.
 * 2. A line is held as far as LINE_HELD; a longer one is text, whatever it begins with.
 * 3. Of a header that is longer than what can be held back, the fields of flags at its end are.
 * 4. What other fields tell of flags is noted line by line, so that it is the same however the file is cut.
 */
#include "mime/mime_mbox.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_date.h"
#include "mime/mime_keywords.h"
#include "mime/mime_mbox_form.h"

#define LINE_HELD  ((size_t)1024)
#define WORDS_HELD ((size_t)8192)
#define FIELDS     ((size_t)12) /* of other programs, and ours */

struct mime_mbox_reader {
	struct mime_mbox_sink sink;
	struct buf line;           /* the one at hand, without its end */
	struct buf header;         /* of the message at hand, until it is complete */
	struct buf words;          /* its keywords, raw: what the fields say that are taken out */
	struct buf others[FIELDS]; /* what all fields of a name say, by lines that are held whole */
	bool cr;                   /* a LF next belongs to the line end before */
	bool long_line;            /* its beginning was let go */
	bool open;                 /* inside a message */
	bool in_header;
	bool torn;         /* the beginning of the header was given */
	bool inside;       /* what is held of it begins inside of a line */
	bool first;        /* no message is before it */
	bool none;         /* it is no message */
	unsigned internal; /* which fields of no message it has */
	struct buf *list;  /* where the field at hand lists words, in further lines too; or NULL */
	unsigned taken;    /* names of fields, by bits, that say all where they are taken out */
	bool blank;        /* a blank line is held back */
	bool loose;        /* "From " lines of this file have no date that can be read */
	bool bad;
};

struct mime_mbox_reader *mime_mbox_reader_new(const struct mime_mbox_sink *sink)
{
	struct mime_mbox_reader *r = mem_new(struct mime_mbox_reader);

	r->sink = *sink;
	r->first = true;
	buf_init(&r->line, LINE_HELD);
	buf_init(&r->header, LIMIT_MIME_HEADER);
	buf_init(&r->words, WORDS_HELD);
	for (size_t i = 0; i < FIELDS; i++)
		buf_init(&r->others[i], WORDS_HELD);
	return r;
}

void mime_mbox_reader_free(struct mime_mbox_reader **rp)
{
	struct mime_mbox_reader *r = *rp;

	if (!r)
		return;
	buf_fini(&r->line);
	buf_fini(&r->header);
	buf_fini(&r->words);
	for (size_t i = 0; i < FIELDS; i++)
		buf_fini(&r->others[i]);
	mem_free(r);
	*rp = NULL;
}

/* ---- the fields of other programs ---- */

static const struct str own = STR_INIT("X-Godwit-Status");

static const struct {
	struct str name;
	bool telling; /* something, wherever it stands */
} fields[FIELDS] = {
    {STR_INIT("X-Godwit-Status"), true},
    {STR_INIT("Status"), true},
    {STR_INIT("X-Status"), true},
    {STR_INIT("X-Keywords"), true},
    {STR_INIT("Content-Length"), false},
    {STR_INIT("Lines"), false},
    {STR_INIT("X-UID"), false},
    {STR_INIT("X-IMAP"), true},
    {STR_INIT("X-IMAPbase"), true},
    {STR_INIT("X-Mozilla-Status"), true},
    {STR_INIT("X-Mozilla-Status2"), false},
    {STR_INIT("X-Mozilla-Keys"), true},
};

/* Its place among them, or FIELDS. */
static size_t place_of(struct str name)
{
	size_t i = 0;

	name = str_sub(name, 0, str_find(name, ':'));
	while (i < FIELDS && !str_eq_i(name, fields[i].name))
		i++;
	return i;
}

bool mime_mbox_is_status(struct str name)
{
	return place_of(name) < FIELDS;
}

bool mime_mbox_is_telling(struct str name)
{
	size_t at = place_of(name);

	return at < FIELDS && fields[at].telling;
}

static bool is_named(struct str field, struct str name)
{
	return str_eq_i(str_sub(field, 0, str_find(field, ':')), name);
}

/* X-Mozilla-Status is a number in hexadecimal. */
static void words_of_mozilla(struct buf *words, struct str value)
{
	static const struct {
		unsigned bit;
		const char *words;
	} bits[] = {{1, " $seen"}, {2, " $answered"}, {4, " $flagged"}, {8, " $deleted"},
	    {0x1000, " $forwarded"}};
	unsigned n = 0;

	for (size_t i = 0; i < value.n && i < 8 && ascii_hex(value.p[i]) >= 0; i++)
		n = n * 16 + (unsigned)ascii_hex(value.p[i]);
	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
		if (n & bits[i].bit)
			buf_c(words, bits[i].words);
	}
}

/* What a field says about flags; true when it lists words. */
static bool words_of(struct buf *words, struct str field)
{
	struct str value = str_trim(str_from(field, str_find(field, ':') + 1));

	if (is_named(field, STR("Status"))) {
		mime_keywords_of_letters(words, MIME_LETTERS_STATUS, value);
	} else if (is_named(field, STR("X-Status"))) {
		mime_keywords_of_letters(words, MIME_LETTERS_XSTATUS, value);
		if (str_find(value, 'D') < value.n)
			buf_lit(words, " $deleted");
	} else if (is_named(field, STR("X-Mozilla-Status"))) {
		words_of_mozilla(words, value);
	} else if (is_named(field, own) || is_named(field, STR("X-Keywords")) ||
		   is_named(field, STR("X-Mozilla-Keys"))) {
		buf_byte(words, ' ');
		buf_str(words, value);
		return true;
	}
	return false;
}

/* Where the last field of a header, which may lack its line end, begins; its n when it is empty. */
static size_t last_field(struct str header)
{
	size_t at = header.n;

	while (at > 0) {
		size_t line = header.p[at - 1] == '\n' ? at - 2 : at; /* in front of the CRLF */

		while (line > 0 && header.p[line - 1] != '\n')
			line--;
		at = line;
		if (!ascii_is_wsp(header.p[at]))
			break;
	}
	return at;
}

/* The same; n also when that field is none of flags. */
static size_t last_status(const struct mime_mbox_reader *r, struct str header)
{
	size_t at = last_field(header);

	if (at == header.n || (at == 0 && r->inside))
		return header.n;
	return mime_mbox_is_status(str_from(header, at)) ? at : header.n;
}

/* A field that stands where a program puts its own. */
static void take(struct mime_mbox_reader *r, struct str field)
{
	(void)words_of(&r->words, field);
	r->taken |= 1u << place_of(field);
}

/* The trailing fields are taken off; true when ours was among them: what stands before is the message's. */
static bool take_trailing(struct mime_mbox_reader *r, struct str *header)
{
	while (header->n > 0) {
		size_t at = last_status(r, *header);
		struct str field = str_from(*header, at);

		if (field.n == 0)
			return false;
		if (is_named(field, own))
			buf_clear(&r->words); /* it says all */
		take(r, field);
		*header = str_sub(*header, 0, at);
		if (is_named(field, own))
			return true;
	}
	return false;
}

/* Thunderbird puts its fields first. */
static void take_leading(struct mime_mbox_reader *r, struct str *header)
{
	while (header->n > 0) {
		struct str field = str_sub(*header, 0, str_find(*header, '\n') + 1);

		if (!str_has_prefix_i(field, STR("X-Mozilla-")) || !mime_mbox_is_status(field))
			return;
		take(r, field);
		*header = str_from(*header, field.n);
	}
}

/*
 * UW-IMAP and Alpine keep what they must remember of a mailbox in front of its mail, in the form of a message that no
 * user is to see. All three fields, each at its place in a set of bits.
 */
#define INTERNAL 7u

static unsigned internal_of(struct str line)
{
	struct str value = str_trim(str_from(line, str_find(line, ':') + 1));

	if (is_named(line, STR("X-IMAP")) || is_named(line, STR("X-IMAPbase")))
		return 1;
	if (is_named(line, STR("Subject")) &&
	    str_eq(value, STR("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")))
		return 2;
	if (is_named(line, STR("From")) && str_has_prefix(value, STR("Mail System Internal Data ")))
		return 4;
	return 0;
}

/* A line of the header. */
static void note_line(struct mime_mbox_reader *r, struct str line)
{
	size_t at;

	if (!ascii_is_wsp(line.p[0])) {
		at = place_of(line);
		r->list = at < FIELDS && words_of(&r->others[at], line) ? &r->others[at] : NULL;
		r->internal |= internal_of(line);
	} else if (r->list) {
		buf_byte(r->list, ' ');
		buf_str(r->list, line);
	}
}

/*
 * The fields that stay count as well. They may be of the message's own sender: none counts beside one of its name that
 * a program has put in its place, and they do not mark it as deleted, for what is marked so may be left out.
 */
static void take_others(struct mime_mbox_reader *r)
{
	struct buf all, kept;

	buf_init(&all, MIME_KEYWORDS_OUT);
	buf_init(&kept, MIME_KEYWORDS_OUT);
	for (size_t i = 0; i < FIELDS; i++) {
		if (r->taken & 1u << i)
			continue;
		buf_clear(&all);
		buf_clear(&kept);
		mime_keywords_put(&all, buf_view(&r->others[i]));
		(void)mime_keywords_change(&kept, buf_view(&all), STR("$deleted"), STR(""));
		buf_byte(&r->words, ' ');
		buf_str(&r->words, buf_view(&kept));
	}
	buf_fini(&all);
	buf_fini(&kept);
}

/* ---- messages ---- */

static void give(struct mime_mbox_reader *r, struct str bytes)
{
	if (bytes.n > 0 && !r->none)
		r->sink.bytes(r->sink.ctx, bytes);
}

/* It is complete, or what is held of it is its end. */
static void end_header(struct mime_mbox_reader *r)
{
	struct str header = buf_view(&r->header);

	r->in_header = false;
	if (!take_trailing(r, &header)) {
		if (!r->torn)
			take_leading(r, &header);
		take_others(r);
		r->none = r->first && r->internal == INTERNAL && !r->torn;
	}
	give(r, header);
	buf_clear(&r->header);
}

/* The first n octets that are held of a header are the message's, whatever follows. */
static void tear(struct mime_mbox_reader *r, size_t n)
{
	if (n == 0)
		return;
	give(r, str_sub(buf_view(&r->header), 0, n));
	r->torn = true;
	r->inside = r->header.p[n - 1] != '\n';
	buf_drop(&r->header, n);
}

/* All but the fields of flags at its end. */
static size_t behind_other_fields(const struct mime_mbox_reader *r)
{
	struct str rest = buf_view(&r->header);
	size_t at;

	while ((at = last_status(r, rest)) < rest.n)
		rest = str_sub(rest, 0, at);
	return rest.n;
}

/* A piece of the header, of which there may be more than can be held. */
static void hold(struct mime_mbox_reader *r, struct str bytes)
{
	if (bytes.n > buf_room(&r->header))
		tear(r, behind_other_fields(r));
	if (bytes.n > buf_room(&r->header))
		tear(r, r->header.n);
	for (; bytes.n > buf_room(&r->header); bytes = str_from(bytes, buf_room(&r->header))) {
		give(r, str_sub(bytes, 0, buf_room(&r->header)));
		r->torn = r->inside = true;
	}
	buf_str(&r->header, bytes);
}

/* A piece of the message, line ends included. */
static void put(struct mime_mbox_reader *r, struct str bytes)
{
	if (r->in_header)
		hold(r, bytes);
	else
		give(r, bytes);
}

static void put_blank(struct mime_mbox_reader *r)
{
	if (!r->blank)
		return;
	r->blank = false;
	if (r->in_header)
		end_header(r);
	put(r, STR("\r\n"));
}

static void end_message(struct mime_mbox_reader *r)
{
	struct buf keywords;

	if (!r->open)
		return;
	if (r->in_header)
		end_header(r);
	buf_init(&keywords, MIME_KEYWORDS_OUT);
	mime_keywords_put(&keywords, buf_view(&r->words));
	r->open = r->blank = r->first = false;
	if (r->none)
		r->sink.drop(r->sink.ctx);
	else
		r->sink.end(r->sink.ctx, buf_view(&keywords));
	buf_fini(&keywords);
}

/* ---- "From " lines ---- */

static const struct str days = STR_INIT("SunMonTueWedThuFriSat");
static const struct str months = STR_INIT("JanFebMarAprMayJunJulAugSepOctNovDec");

static bool is_one_of(struct str s, struct str names)
{
	for (size_t i = 0; s.n == 3 && i < names.n; i += 3) {
		if (str_eq_i(s, str_sub(names, i, 3)))
			return true;
	}
	return false;
}

static struct str next_token(struct str *s)
{
	struct str word;

	*s = str_trim(*s);
	word = str_split(*s, ' ', s);
	return word;
}

/*
 * "Nov 26 12:34:56 2026", with a zone before the year or behind it or not, put as header fields have it
 * for the one reader of dates.
 */
static int64_t read_date(struct str s)
{
	struct str month = next_token(&s), day = next_token(&s), time = next_token(&s), word;
	struct str year = STR(""), zone = STR("+0000");
	struct mime_date date;
	struct buf b;
	uint64_t n;
	bool good = is_one_of(month, months);

	while ((word = next_token(&s)).n > 0) {
		if (year.n == 0 && word.n == 4 && str_to_u64(word, 9999, &n))
			year = word;
		else
			zone = word;
	}
	buf_init(&b, LINE_HELD + 64);
	buf_str(&b, day);
	buf_byte(&b, ' ');
	buf_str(&b, month);
	buf_byte(&b, ' ');
	buf_str(&b, year);
	buf_byte(&b, ' ');
	buf_str(&b, time);
	buf_byte(&b, ' ');
	buf_str(&b, zone);
	good = good && year.n && mime_date_parse(buf_view(&b), &date) == MIME_DATE_OK;
	buf_fini(&b);
	return good ? date.ms : MIME_MBOX_NO_DATE;
}

struct from {
	struct str sender;
	int64_t date;
};

/* The sender is what stands before the name of the day. */
static struct from read_from(struct str line)
{
	struct str rest = str_from(line, 5), whole = rest;
	struct from from = {str_trim(rest), MIME_MBOX_NO_DATE};

	while (from.date == MIME_MBOX_NO_DATE && rest.n > 0) {
		size_t at = whole.n - rest.n;
		struct str after, word = str_split(rest, ' ', &after);

		if (is_one_of(word, days))
			from.date = read_date(after);
		if (from.date != MIME_MBOX_NO_DATE)
			from.sender = str_trim(str_sub(whole, 0, at));
		rest = after;
	}
	return from;
}

/* ---- lines ---- */

static bool is_from(struct str line)
{
	return str_has_prefix(line, STR("From "));
}

/* Does this line begin a message? */
static bool begins(struct mime_mbox_reader *r, struct str line)
{
	struct from from;

	if (!is_from(line) || (r->open && !r->blank))
		return false;
	from = read_from(line);
	if (!r->open && from.date == MIME_MBOX_NO_DATE)
		r->loose = true;
	if (!r->loose && from.date == MIME_MBOX_NO_DATE)
		return false;
	end_message(r);
	r->open = r->in_header = true;
	r->torn = r->inside = r->none = false;
	r->list = NULL;
	r->internal = r->taken = 0;
	buf_clear(&r->words);
	for (size_t i = 0; i < FIELDS; i++)
		buf_clear(&r->others[i]);
	r->sink.begin(r->sink.ctx, from.sender, from.date);
	return true;
}

/* One level of quoting is taken off. */
static struct str unquote(struct str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	return n > 0 && is_from(str_from(line, n)) ? str_from(line, 1) : line;
}

static void take_text(struct mime_mbox_reader *r, struct str line)
{
	put_blank(r);
	put(r, unquote(line));
}

/* The beginning of a line that is not held whole: a field of the header is none that lists words. */
static void take_long_text(struct mime_mbox_reader *r, struct str line)
{
	take_text(r, line);
	if (r->in_header && !ascii_is_wsp(line.p[0]))
		r->list = NULL;
}

static void end_line(struct mime_mbox_reader *r)
{
	struct str line = buf_view(&r->line);

	if (r->long_line) {
		put(r, line);
		put(r, STR("\r\n"));
	} else if (begins(r, line)) {
		/* the sink has been told */
	} else if (!r->open) {
		r->bad = line.n > 0; /* blank lines at the head do no harm */
	} else if (line.n == 0) {
		put_blank(r);
		r->blank = true;
	} else {
		take_text(r, line);
		if (r->in_header)
			note_line(r, line);
		put(r, STR("\r\n"));
	}
	r->long_line = false;
	buf_clear(&r->line);
}

/* Octets of a line. */
static void add(struct mime_mbox_reader *r, struct str bytes)
{
	if (!r->long_line) {
		size_t held = buf_room(&r->line) < bytes.n ? buf_room(&r->line) : bytes.n;

		buf_str(&r->line, str_sub(bytes, 0, held));
		bytes = str_from(bytes, held);
	}
	if (bytes.n == 0)
		return;
	if (!r->open) {
		r->bad = true;
		return;
	}
	if (!r->long_line)
		take_long_text(r, buf_view(&r->line));
	r->long_line = true;
	buf_clear(&r->line);
	put(r, bytes);
}

bool mime_mbox_feed(struct mime_mbox_reader *r, struct str bytes)
{
	while (bytes.n > 0 && !r->bad) {
		size_t n = 0;

		if (r->cr && bytes.p[0] == '\n')
			bytes = str_from(bytes, 1);
		r->cr = false;
		while (n < bytes.n && bytes.p[n] != '\n' && bytes.p[n] != '\r')
			n++;
		add(r, str_sub(bytes, 0, n));
		if (n < bytes.n && !r->bad) {
			r->cr = bytes.p[n] == '\r';
			end_line(r);
			n++;
		}
		bytes = str_from(bytes, n);
	}
	return !r->bad;
}

void mime_mbox_finish(struct mime_mbox_reader *r)
{
	if (r->bad)
		return;
	if (r->line.n > 0 || r->long_line)
		end_line(r);
	end_message(r);
}
