/*
 * Two layers. The lower one cuts the input into lines and asks of each whether it is a delimiter;
 * only lines that begin with "-" are gathered for that, and only while a boundary is known. The
 * upper one is a stack of the multiparts and messages that are open, and the part whose header or
 * body is at hand.
 *
 * Invariants: parts of the stack are open and each is the parent of the next; open is the part at
 * hand or NONE (preamble, epilogue, or a part beyond the limit). An open part's lines holds the
 * count of lines before its body. A delimiter takes the line end before it with it.
 */
#include "mime/mime_scan.h"

#include "base/mem.h"
#include "mime/mime_collect.h"

#define SCAN_MAGIC 0x6d696d657363616eu
#define NONE       SIZE_MAX
/* "--", the boundary, "--", blanks behind it and a line end. */
#define CANDIDATE_MAX (LIMIT_MIME_BOUNDARY + 64)

struct level {
	size_t part;
	struct str boundary; /* empty: a message, or a multipart behind its last delimiter */
	bool digest;
};

struct mime_scan {
	uint64_t magic;
	struct arena *arena;
	struct mime_message msg;
	size_t cap;
	struct mime_collect collect;
	struct mime_field_in fields;
	struct level stack[LIMIT_MIME_DEPTH];
	size_t depth;
	size_t open;
	bool in_header;
	bool finished;

	uint64_t at;         /* offset behind the last octet that was looked at */
	uint64_t line_start; /* of the line at hand */
	uint64_t prev_start; /* of the line before it, and the end of its text */
	uint64_t prev_end;
	bool after_cr;  /* the octet before at is a CR */
	bool gathering; /* the line at hand is in candidate */
	struct buf candidate;
	uint64_t compared; /* octets compared with boundaries */
};

struct mime_scan *mime_scan_new(void)
{
	struct mime_scan *s = mem_new(struct mime_scan);

	s->magic = SCAN_MAGIC;
	s->arena = arena_new();
	buf_init(&s->candidate, CANDIDATE_MAX);
	mime_field_in_init(&s->fields, 0);
	mime_collect_init(&s->collect, s->arena, &s->msg);
	s->msg.parts = mem_array(1, sizeof *s->msg.parts);
	s->msg.n_parts = s->cap = 1;
	s->in_header = true;
	mime_collect_begin(&s->collect, &s->msg.parts[0], true);
	return s;
}

void mime_scan_free(struct mime_scan **sp)
{
	struct mime_scan *s = *sp;

	if (!s)
		return;
	MUST(s->magic == SCAN_MAGIC);
	s->magic = 0;
	mime_collect_fini(&s->collect);
	mime_field_in_fini(&s->fields);
	buf_fini(&s->candidate);
	mem_free(s->msg.parts);
	arena_free(&s->arena);
	mem_free(s);
	*sp = NULL;
}

/* A new part whose header begins at the line at hand; beyond the limit none is at hand. */
static void begin_part(struct mime_scan *s, size_t parent, bool is_message)
{
	struct mime_part *part;

	s->open = NONE;
	if (s->msg.n_parts == LIMIT_MIME_PARTS) {
		s->msg.incomplete = true;
		return;
	}
	if (s->msg.n_parts == s->cap) {
		s->cap *= 2;
		s->msg.parts = mem_resize(s->msg.parts, s->cap * sizeof *s->msg.parts);
	}
	s->open = s->msg.n_parts++;
	part = &s->msg.parts[s->open];
	*part = (struct mime_part){.parent = (uint16_t)parent, .header_offset = s->fields.at};
	mime_collect_begin(&s->collect, part, is_message);
	s->in_header = true;
}

/*
 * The part's body ends here: at a delimiter, or at the end of the message. The line end before a
 * delimiter is the delimiter's, even where it is that of the header [RFC 2046 5.1.1].
 */
static void end_part(struct mime_scan *s, size_t index, bool delimiter)
{
	struct mime_part *part = &s->msg.parts[index];
	uint64_t end = delimiter ? s->prev_end : s->at;
	uint64_t last = delimiter ? s->prev_end - s->prev_start : s->at - s->line_start;
	uint64_t lines = s->msg.lines - part->lines;

	if (part->header_offset > end)
		part->header_offset = end;
	if (part->body_offset > end)
		part->body_offset = end;
	part->body_size = end - part->body_offset;
	lines -= delimiter && lines > 0;
	part->lines = part->body_size ? lines + (last > 0) : 0;
}

static bool push(struct mime_scan *s, size_t part, struct str boundary, bool digest)
{
	if (s->depth == LIMIT_MIME_DEPTH) {
		s->msg.incomplete = true;
		return false;
	}
	s->stack[s->depth++] = (struct level){part, boundary, digest};
	return true;
}

static bool is_embedded_message(const struct mime_part *part)
{
	return str_eq(part->content.type, STR("message")) &&
	       part->encoding <= MIME_ENCODING_BINARY &&
	       (str_eq(part->content.subtype, STR("rfc822")) ||
		   str_eq(part->content.subtype, STR("global")));
}

/* The part at hand is a message in a message: its header is next. */
static void open_message(struct mime_scan *s)
{
	size_t parent = s->open;

	if (s->msg.n_parts == LIMIT_MIME_PARTS) {
		s->msg.incomplete = true;
		return;
	}
	if (!push(s, parent, STR(""), false))
		return;
	s->msg.parts[parent].kind = MIME_PART_MESSAGE;
	mime_field_in_reset(&s->fields, s->msg.parts[parent].body_offset);
	begin_part(s, parent, true);
}

static void open_multipart(struct mime_scan *s)
{
	struct mime_part *part = &s->msg.parts[s->open];
	struct str boundary;

	if (!mime_params_get(&part->content.params, STR("boundary"), &boundary))
		return;
	boundary = str_trim(boundary);
	if (boundary.n == 0 || boundary.n > LIMIT_MIME_BOUNDARY)
		return;
	if (!push(s, s->open, boundary, str_eq(part->content.subtype, STR("digest"))))
		return;
	part->kind = MIME_PART_MULTIPART;
	s->open = NONE;
}

/* The header at hand has ended; lines: how many lie before the body. */
static void end_header(struct mime_scan *s, uint64_t body_offset, uint64_t lines)
{
	struct mime_part *part = &s->msg.parts[s->open];
	bool digest = s->depth && s->stack[s->depth - 1].digest;

	s->in_header = false;
	part->body_offset = body_offset;
	part->lines = lines;
	mime_collect_end(&s->collect, part, digest);
	if (is_embedded_message(part))
		open_message(s);
	else if (str_eq(part->content.type, STR("multipart")))
		open_multipart(s);
}

/*
 * The header at hand ends at a line that is no field, or where nothing follows. If that makes its
 * part a message, the header of this ends there too.
 */
static void end_headers(struct mime_scan *s, uint64_t body_offset)
{
	while (s->in_header)
		end_header(s, body_offset, s->msg.lines);
}

/* Are there octets above 127? */
static void note_8bit(bool *flag, struct str bytes)
{
	*flag = *flag || str_has_8bit(bytes);
}

/* In a header: that of a part is in the body of the message too. */
static void note_8bit_header(struct mime_scan *s, struct str bytes)
{
	struct mime_facts *facts = &s->msg.facts;

	if (s->open == 0) {
		note_8bit(&facts->has_8bit_header, bytes);
	} else {
		note_8bit(&facts->has_8bit_part_header, bytes);
		facts->has_8bit_body |= facts->has_8bit_part_header;
	}
}

/*
 * Octets of the line at hand, which is no delimiter, for the header at hand and the body behind it.
 */
static void header_bytes(struct mime_scan *s, struct str bytes)
{
	while (bytes.n && s->in_header) {
		struct mime_field field;
		size_t used;
		enum mime_field_status st = mime_field_next(&s->fields, bytes, &used, &field);

		note_8bit_header(s, str_sub(bytes, 0, used));
		bytes = str_from(bytes, used);
		if (st == MIME_FIELD_ONE) {
			mime_collect_field(&s->collect, &s->msg.parts[s->open], &field);
		} else if (st == MIME_FIELD_END) {
			end_header(s, s->fields.at, s->msg.lines + 1);
		} else if (st == MIME_FIELD_NO_SEPARATOR) {
			s->msg.facts.no_separator |= s->open == 0;
			end_headers(s, mime_field_body_offset(&s->fields));
		}
	}
	note_8bit(&s->msg.facts.has_8bit_body, bytes);
}

/* The header at hand is cut off by a delimiter, or by the end of the message. */
static void cut_header(struct mime_scan *s)
{
	struct mime_field field;
	enum mime_field_status st;

	while ((st = mime_field_finish(&s->fields, &field)) == MIME_FIELD_ONE)
		mime_collect_field(&s->collect, &s->msg.parts[s->open], &field);
	end_headers(
	    s, st == MIME_FIELD_NO_SEPARATOR ? mime_field_body_offset(&s->fields) : s->fields.at);
}

/* Ends the part at hand and those of the stack above the level. */
static void close_above(struct mime_scan *s, size_t level, bool delimiter)
{
	if (s->in_header)
		cut_header(s);
	if (s->open != NONE)
		end_part(s, s->open, delimiter);
	s->open = NONE;
	for (; s->depth > level; s->depth--)
		end_part(s, s->stack[s->depth - 1].part, delimiter);
}

/* Text of a line without its end and the blanks before it [RFC 2046 5.1.1: transport padding]. */
static struct str line_text(struct str line)
{
	while (line.n && memchr(" \t\r\n", line.p[line.n - 1], 4))
		line.n--;
	return line;
}

/* The innermost level whose delimiter the line is; NONE: it is none. */
static size_t find_level(struct mime_scan *s, struct str line, bool *last_r)
{
	struct str text = str_from(line_text(line), 2);

	for (size_t i = s->depth; i-- > 0;) {
		struct str boundary = s->stack[i].boundary;
		bool last = text.n == boundary.n + 2;

		if (boundary.n == 0 || (text.n != boundary.n && !last))
			continue;
		s->compared += text.n;
		if (!str_has_prefix(text, boundary))
			continue;
		if (last && !str_eq(str_from(text, boundary.n), STR("--")))
			continue;
		*last_r = last;
		return i;
	}
	return NONE;
}

/* The gathered line is a delimiter of the level: ends what it ends, begins the next part. */
static void take_delimiter(struct mime_scan *s, size_t level, bool last)
{
	close_above(s, level + 1, true);
	s->in_header = false;
	if (last) {
		s->stack[level].boundary = STR("");
		return;
	}
	mime_field_in_reset(&s->fields, s->at);
	begin_part(s, s->stack[level].part, false);
}

/* Octets of a line that is no delimiter (any more). */
static void line_bytes(struct mime_scan *s, struct str bytes)
{
	s->msg.facts.has_nul = s->msg.facts.has_nul || memchr(bytes.p, 0, bytes.n);
	if (s->in_header)
		header_bytes(s, bytes);
	else
		note_8bit(&s->msg.facts.has_8bit_body, bytes);
}

/* Offset where the text of the line at hand ends, its LF being the last octet looked at. */
static void end_line(struct mime_scan *s, bool crlf)
{
	uint64_t end = s->at - (crlf ? 2 : 1);

	if (end - s->line_start > s->msg.facts.longest_line)
		s->msg.facts.longest_line = end - s->line_start;
	s->prev_start = s->line_start;
	s->prev_end = end;
	s->line_start = s->at;
	s->msg.lines++;
}

/* The gathered octets turn out not to be a delimiter line. */
static void release(struct mime_scan *s)
{
	s->gathering = false;
	line_bytes(s, buf_view(&s->candidate));
	buf_clear(&s->candidate);
}

/* A whole line was gathered, or the last one without end. */
static void judge_candidate(struct mime_scan *s)
{
	bool last = false;
	struct str line = buf_view(&s->candidate);
	size_t level = str_has_prefix(line, STR("--")) ? find_level(s, line, &last) : NONE;

	if (level == NONE) {
		release(s);
		return;
	}
	s->gathering = false;
	buf_clear(&s->candidate);
	take_delimiter(s, level, last);
}

/* Up to one line from the front of in; gives the octets taken. */
static size_t take_line(struct mime_scan *s, struct str in)
{
	size_t n = str_find(in, '\n');
	bool whole = n < in.n;
	bool crlf = whole && (n > 0 ? in.p[n - 1] == '\r' : s->after_cr);
	struct str bytes = str_sub(in, 0, whole ? n + 1 : n);

	if (s->at == s->line_start)
		s->gathering = s->depth > 0 && in.p[0] == '-';
	s->at += bytes.n;
	s->after_cr = bytes.p[bytes.n - 1] == '\r';
	if (s->gathering && bytes.n > buf_room(&s->candidate))
		release(s);
	if (!s->gathering) {
		line_bytes(s, bytes);
	} else {
		buf_str(&s->candidate, bytes);
		if (whole)
			judge_candidate(s);
	}
	if (whole)
		end_line(s, crlf);
	return bytes.n;
}

void mime_scan_feed(struct mime_scan *s, struct str bytes)
{
	MUST(s->magic == SCAN_MAGIC && !s->finished);
	while (bytes.n)
		bytes = str_from(bytes, take_line(s, bytes));
}

const struct mime_message *mime_scan_finish(struct mime_scan *s)
{
	MUST(s->magic == SCAN_MAGIC && !s->finished);
	s->finished = true;
	if (s->gathering)
		judge_candidate(s);
	close_above(s, 0, false);
	if (s->at > s->line_start) {
		if (s->at - s->line_start > s->msg.facts.longest_line)
			s->msg.facts.longest_line = s->at - s->line_start;
		s->msg.lines++;
	}
	s->msg.size = s->at;
	return &s->msg;
}

uint64_t mime_scan_steps(const struct mime_scan *s)
{
	return s->at + s->compared + s->collect.steps;
}
