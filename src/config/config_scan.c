/*
 * The file's text before libconfig reads it, and again when it found a name twice. libconfig 1.5 cuts integers that
 * do not fit 32 bits without a word unless an L stands behind them, follows @include, and takes a name with a dot in it
 * for two: all three are looked for here, and texts without quotes, of which it says only that the syntax is wrong.
 * What the file's end, a NUL too, cuts off within a comment or a text in quotes it drops without a word.
 */
#include "base/ascii.h"
#include "config/config_priv.h"

#define BARE_MAX ((size_t)256) /* octets that are looked at for a text without quotes */

struct scan {
	const char *file;
	struct str text;
	size_t at;
	unsigned line;
	struct str name, group; /* the last word that is no number, and that before the last "{" */
	struct buf *out; /* the text up to copied as libconfig is to read it; NULL: nobody asks */
	size_t copied;
	struct err *e;
};

static int peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->text.n ? s->text.p[s->at + ahead] : -1;
}

static void step(struct scan *s)
{
	if (peek(s, 0) == '\n')
		s->line++;
	s->at++;
}

static void skip_line(struct scan *s)
{
	while (peek(s, 0) >= 0 && peek(s, 0) != '\n')
		step(s);
}

static int skip_comment(struct scan *s)
{
	unsigned begin = s->line;

	step(s);
	step(s);
	while (peek(s, 0) >= 0 && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
		step(s);
	if (peek(s, 0) < 0)
		return err_set(s->e,
		    "%s:%u: the comment that begins here is never closed: end it with */", s->file,
		    begin);
	step(s);
	step(s);
	return 0;
}

/* No option takes more than a line; libconfig would go on to the next quote, of another option. */
static int skip_string(struct scan *s)
{
	step(s);
	while (peek(s, 0) >= 0 && peek(s, 0) != '"' && peek(s, 0) != '\n') {
		if (peek(s, 0) == '\\' && peek(s, 1) != '\n')
			step(s);
		step(s);
	}
	if (peek(s, 0) != '"')
		return err_set(s->e,
		    "%s:%u: a text in quotes is not closed in this line: end it with \"", s->file,
		    s->line);
	step(s);
	return 0;
}

static bool is_word_char(int c)
{
	return c >= 0 && (ascii_is_alnum((uint8_t)c) || c == '_' || c == '.');
}

static struct str take_word(struct scan *s)
{
	size_t begin = s->at;

	while (is_word_char(peek(s, 0)))
		step(s);
	return str_sub(s->text, begin, s->at - begin);
}

/* The option whose value the scan is in, or NULL. */
static const struct option *option_at(const struct scan *s)
{
	struct buf full;
	const struct option *o;

	buf_init(&full, LIMIT_CONFIG_STRING);
	if (s->group.n)
		buf_printf(&full, "%.*s.", STR_FMT(str_sub(s->group, 0, 60)));
	buf_str(&full, str_sub(s->name, 0, 60));
	o = options_find(buf_view(&full));
	buf_fini(&full);
	return o;
}

/* Would the option take it in quotes? */
static bool is_text_of(const struct option *o, struct str s)
{
	struct arena *a = arena_new();
	union option_value v;
	bool taken = option_parse_text(o, s, a, &v);

	arena_free(&a);
	return taken;
}

static const char *cure_of(const struct option *o, struct str number, bool plain)
{
	if (is_text_of(o, number))
		return CONFIG_QUOTES;
	return o->type == OPTION_NUMBER && !plain ? CONFIG_WHOLE_NUMBER : "";
}

/* Of what stands in a list of groups. */
static int bad_number_of_member(const struct scan *s, struct str number, bool plain)
{
	if (plain)
		return err_set(s->e, "%s:%u: the number %.*s%s of %.*s%s is too large", s->file,
		    s->line, CONFIG_SHOWN_FMT(number), CONFIG_SHOWN_FMT(s->name));
	return err_set(s->e,
	    "%s:%u: %.*s%s of %.*s%s is no whole number with digits alone; write texts in quotes",
	    s->file, s->line, CONFIG_SHOWN_FMT(number), CONFIG_SHOWN_FMT(s->name));
}

/* plain: of digits alone, so it is too large. */
static int bad_number(const struct scan *s, struct str number, bool plain)
{
	const struct option *o = option_at(s);
	struct buf range;

	if (!o)
		return bad_number_of_member(s, number, plain);
	buf_init(&range, KIB);
	option_put_range(o, &range);
	err_set(s->e, "%s:%u: %s must be %s, and not %.*s%s%s%s%s", s->file, s->line, o->name,
	    buf_cstr(&range), CONFIG_SHOWN_FMT(number), cure_of(o, number, plain),
	    o->initial ? "; the default is " : "", o->initial ? o->initial : "");
	buf_fini(&range);
	return -1;
}

/* What somebody may have forgotten the quotes of; a comment ends it. */
static bool is_bare(const struct scan *s)
{
	int c = peek(s, 0), next = peek(s, 1);

	if (c == '/')
		return next != '/' && next != '*';
	return is_word_char(c) || c == ':' || c == '@' || c == '-';
}

static struct str bare_text(const struct scan *s)
{
	struct scan ahead = *s;

	while (ahead.at - s->at < BARE_MAX && is_bare(&ahead))
		step(&ahead);
	return str_sub(s->text, s->at, ahead.at - s->at);
}

/* "192.0.2.1", "::1", "192.0.2.1@53", "10.0.0.0/8": no value of libconfig's. */
static bool is_address(struct str s)
{
	size_t bits = str_find(s, '/'), port = str_find(s, '@');
	struct ip ip;

	return ip_parse(str_sub(s, 0, bits < port ? bits : port), &ip);
}

/* Eight digits fit 32 bits. What has more is marked as of 64. bare: the word, and what may belong to it. */
static int scan_number(struct scan *s, struct str word, struct str bare)
{
	size_t digits = 0;
	struct str mark;
	bool plain;
	uint64_t n;

	while (digits < word.n && ascii_is_digit(word.p[digits]))
		digits++;
	mark = str_from(word, digits);
	plain = mark.n == 0 || str_eq(mark, STR("L")) || str_eq(mark, STR("LL"));
	if (!(plain && bare.n == word.n) && option_at(s) && is_text_of(option_at(s), bare))
		return bad_number(s, bare, false);
	if (word.n <= 8)
		return 0;
	if (!plain || !str_to_u64(str_sub(word, 0, digits), INT64_MAX, &n))
		return bad_number(s, word, plain);
	if (s->out && mark.n == 0) {
		buf_str(s->out, str_sub(s->text, s->copied, s->at - s->copied));
		buf_byte(s->out, 'L');
		s->copied = s->at;
	}
	return 0;
}

static bool is_named(struct scan s)
{
	while (peek(&s, 0) == ' ' || peek(&s, 0) == '\t')
		step(&s);
	return peek(&s, 0) == '=' || peek(&s, 0) == ':';
}

/* "ports.smtp = 25;": as messages name it, not as it is written. */
static int dotted_name(const struct scan *s, struct str name)
{
	struct str leaf, group = str_split(name, '.', &leaf);

	if (!options_find(name))
		return config_no_option(s->file, s->line, name, s->e);
	return err_set(s->e, "%s:%u: %.*s is written in its group: %.*s = { %.*s = ...; };",
	    s->file, s->line, STR_FMT(name), STR_FMT(group), STR_FMT(leaf));
}

static int scan_word(struct scan *s)
{
	struct str bare = bare_text(s), word;

	if (is_address(bare))
		return bad_number(s, bare, false);
	word = take_word(s);
	if (ascii_is_digit(word.p[0]))
		return scan_number(s, word, bare);
	s->name = word;
	if (str_find(word, '.') < word.n && is_named(*s))
		return dotted_name(s, word);
	return 0;
}

/* One step over whatever stands here. 0, or -1 when it is something libconfig must not see. */
static int scan_one(struct scan *s)
{
	int c = peek(s, 0);

	if (c == '#' || (c == '/' && peek(s, 1) == '/')) {
		skip_line(s);
	} else if (c == '/' && peek(s, 1) == '*') {
		return skip_comment(s);
	} else if (c == '"') {
		return skip_string(s);
	} else if (is_word_char(c)) {
		return scan_word(s);
	} else if (c == ':' && is_address(bare_text(s))) {
		return bad_number(s, bare_text(s), false);
	} else if (c == '@') {
		return err_set(s->e,
		    "%s:%u: @include is not supported: write all options into this file", s->file,
		    s->line);
	} else {
		if (c == '{' || c == '}')
			s->group = c == '{' ? s->name : (struct str){NULL, 0};
		step(s);
	}
	return 0;
}

/* Anywhere, for libconfig takes it for the end. */
static int refuse_nul(struct scan s)
{
	size_t nul = str_find(s.text, 0);

	while (s.at < nul)
		step(&s);
	return nul == s.text.n ? 0
			       : err_set(s.e, "%s:%u: the file holds a NUL octet: it is no text",
				     s.file, s.line);
}

int config_scan(const char *file, struct str text, struct buf *out, struct err *e)
{
	struct scan s = {.file = file, .text = text, .line = 1, .out = out, .e = e};

	if (refuse_nul(s) < 0)
		return -1;
	while (s.at < text.n)
		if (scan_one(&s) < 0)
			return -1;
	buf_str(out, str_from(text, s.copied));
	return 0;
}

/* ---- names that there are not ---- */
int config_no_option(const char *file, unsigned line, struct str name, struct err *e)
{
	struct str leaf, near = options_nearest(name), group = str_split(near, '.', &leaf);

	if (!near.n)
		return err_set(e,
		    "%s:%u: there is no option %.*s%s; \"godwit check-config --all\" lists those there are",
		    file, line, CONFIG_SHOWN_FMT(name));
	if (leaf.n)
		return err_set(e,
		    "%s:%u: there is no option %.*s%s; did you mean %.*s in the group %.*s = { ... }?",
		    file, line, CONFIG_SHOWN_FMT(name), STR_FMT(leaf), STR_FMT(group));
	return err_set(e, "%s:%u: there is no option %.*s%s; did you mean %.*s%s?", file, line,
	    CONFIG_SHOWN_FMT(name), STR_FMT(near),
	    str_find(name, '.') < name.n ? ", which is in no group" : "");
}

/* ---- an option that stands twice ---- */

#define DEPTH 8 /* groups within groups: more than any option has */

/* The name of a setting, and where the group begins that it is in, 0: in none. */
struct named {
	struct str name;
	size_t group;
	unsigned line;
};

struct naming {
	struct scan scan;
	size_t groups[DEPTH];
	size_t depth;
};

static void count_group(struct naming *g, int c)
{
	if (c == '{' && g->depth++ < DEPTH)
		g->groups[g->depth - 1] = g->scan.at;
	else if (c == '}' && g->depth > 0)
		g->depth--;
}

/* The next name; false: there is none. */
static bool next_name(struct naming *g, struct named *named_r)
{
	while (g->scan.at < g->scan.text.n) {
		struct scan was = g->scan;
		size_t group = g->depth == 0
				   ? 0
				   : g->groups[g->depth < DEPTH ? g->depth - 1 : DEPTH - 1];

		count_group(g, peek(&was, 0));
		if (scan_one(&g->scan) < 0)
			return false;
		*named_r = (struct named){take_word(&was), group, was.line};
		if (named_r->name.n && is_named(g->scan))
			return true;
	}
	return false;
}

/* The first name in or behind a line, or (twin) the first that is that one again. False: there is none. */
static bool find_name(
    struct str text, unsigned line, const struct named *twin, struct named *named_r)
{
	struct naming g = {.scan = {.text = text, .line = 1}};

	while (next_name(&g, named_r))
		if (twin ? str_eq(named_r->name, twin->name) && named_r->group == twin->group
			 : named_r->line >= line)
			return true;
	return false;
}

int config_stands_twice(const char *file, struct str text, unsigned line, struct err *e)
{
	struct named second, first;

	if (!find_name(text, line, NULL, &second) || second.line != line ||
	    !find_name(text, 0, &second, &first) || first.line == line)
		return err_set(e, "%s:%u: an option stands twice here: write it once", file, line);
	return err_set(e,
	    "%s:%u: %.*s%s stands twice, first in line %u: write it once, and what belongs to a group into its "
	    "one { }",
	    file, line, CONFIG_SHOWN_FMT(second.name), first.line);
}
