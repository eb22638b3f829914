/*
 * The file's text into a snapshot, by libconfig and the table of options. libconfig 1.5 cuts integers
 * that do not fit 32 bits without a word and follows @include; both are looked for before it reads.
 */
#include <libconfig.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "base/near.h"
#include "config/config_priv.h"

struct reader {
	struct config_box *box;
	const char *file;
	struct config_place *places; /* NULL: nobody asks */
	struct err *e;
};

/* ---- before libconfig ---- */
struct scan {
	struct str text;
	size_t at;
	unsigned line;
	struct str name, group; /* the last word that is no number, and that before the last "{" */
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

static void skip_comment(struct scan *s)
{
	step(s);
	step(s);
	while (peek(s, 0) >= 0 && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
		step(s);
	step(s);
	step(s);
}

static void skip_string(struct scan *s)
{
	step(s);
	while (peek(s, 0) >= 0 && peek(s, 0) != '"') {
		if (peek(s, 0) == '\\')
			step(s);
		step(s);
	}
	step(s);
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

/* Ten digits may be more than 32 bits hold; no option's number has as many. */
static bool is_long_number(struct str word)
{
	return word.n >= 9 && ascii_is_digit(word.p[0]);
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

static int too_large(const struct scan *s, const struct reader *r, struct str number)
{
	const struct option *o = option_at(s);
	struct buf range;

	number = str_sub(number, 0, 40);
	if (!o)
		return err_set(r->e, "%s:%u: the number %.*s of %.*s is too large", r->file,
		    s->line, STR_FMT(number), STR_FMT(str_sub(s->name, 0, 60)));
	buf_init(&range, KIB);
	option_put_range(o, &range);
	err_set(r->e, "%s:%u: %s must be %s, and not %.*s%s%s", r->file, s->line, o->name,
	    buf_cstr(&range), STR_FMT(number), o->initial ? "; the default is " : "",
	    o->initial ? o->initial : "");
	buf_fini(&range);
	return -1;
}

static int scan_word(struct scan *s, const struct reader *r)
{
	struct str word = take_word(s);

	if (is_long_number(word))
		return too_large(s, r, word);
	if (!ascii_is_digit(word.p[0]))
		s->name = word;
	return 0;
}

/* One step over whatever stands here. 0, or -1 when it is something libconfig must not see. */
static int scan_one(struct scan *s, const struct reader *r)
{
	int c = peek(s, 0);

	if (c == '#' || (c == '/' && peek(s, 1) == '/')) {
		skip_line(s);
	} else if (c == '/' && peek(s, 1) == '*') {
		skip_comment(s);
	} else if (c == '"') {
		skip_string(s);
	} else if (is_word_char(c)) {
		return scan_word(s, r);
	} else if (c == '@' || c == 0) {
		return err_set(r->e, "%s:%u: %s", r->file, s->line,
		    c ? "@include is not supported: write all options into this file"
		      : "the file holds a NUL octet: it is no text");
	} else {
		if (c == '{' || c == '}')
			s->group = c == '{' ? s->name : (struct str){NULL, 0};
		step(s);
	}
	return 0;
}

static int check_tokens(const struct reader *r, struct str text)
{
	struct scan s = {.text = text, .line = 1};

	while (s.at < text.n)
		if (scan_one(&s, r) < 0)
			return -1;
	return 0;
}

/* ---- values ---- */
/* What stands in the file, for the message. */
static void put_found(const config_setting_t *set, struct buf *out)
{
	const char *text = config_setting_get_string(set);

	switch (config_setting_type(set)) {
	case CONFIG_TYPE_STRING:
		buf_printf(out, "\"%.60s\"", text);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		buf_i64(out, config_setting_get_int64(set));
		break;
	case CONFIG_TYPE_FLOAT:
		buf_printf(out, "%g", config_setting_get_float(set));
		break;
	case CONFIG_TYPE_BOOL:
		buf_c(out, config_setting_get_bool(set) ? "true" : "false");
		break;
	case CONFIG_TYPE_GROUP:
		buf_lit(out, "a group { }");
		break;
	default:
		buf_c(out, config_setting_length(set) ? "a list" : "an empty list");
	}
}

/* group: the option that the one is a member of; NULL: none. */
static int wrong_value(const struct reader *r, const struct option *group, const struct option *o,
    const config_setting_t *set)
{
	struct buf found, range;

	buf_init(&found, 256);
	buf_init(&range, KIB);
	put_found(set, &found);
	option_put_range(o, &range);
	err_set(r->e, "%s:%u: %s%s%s must be %s, and not %s%s%s", r->file,
	    config_setting_source_line(set), group ? group->name : "", group ? ": " : "", o->name,
	    buf_cstr(&range), buf_cstr(&found), o->initial && !group ? "; the default is " : "",
	    o->initial && !group ? o->initial : "");
	buf_fini(&found);
	buf_fini(&range);
	return -1;
}

static bool read_single(
    const struct reader *r, const struct option *o, const config_setting_t *set, void *at)
{
	union option_value v;
	bool ok = false;

	switch (config_setting_type(set)) {
	case CONFIG_TYPE_STRING:
		ok = option_parse_text(
		    o, str_of_c(config_setting_get_string(set)), r->box->arena, &v);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		ok = option_parse_number(o, config_setting_get_int64(set), &v);
		break;
	case CONFIG_TYPE_BOOL:
		ok = option_parse_bool(o, config_setting_get_bool(set), &v);
		break;
	default:
		break;
	}
	if (ok)
		option_value_store(o->type, at, &v);
	return ok;
}

static int read_at(const struct reader *r, const struct option *group, const struct option *o,
    const config_setting_t *set, void *at);

/* ---- groups ---- */

static const struct option *find_member(const struct group *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (str_eq(str_of_c(g->members[i].name), str_of_c(name)))
			return &g->members[i];
	return NULL;
}

static int unknown_member(
    const struct reader *r, const struct option *o, const config_setting_t *member)
{
	struct near n;
	struct str found;

	near_init(&n, str_of_c(config_setting_name(member)));
	for (size_t i = 0; i < o->group->count; i++)
		near_offer(&n, str_of_c(o->group->members[i].name));
	found = near_found(&n);
	return err_set(r->e, "%s:%u: %s: there is no \"%s\" in a group%s%.*s%s", r->file,
	    config_setting_source_line(member), o->name, config_setting_name(member),
	    found.n ? "; did you mean " : " like ",
	    STR_FMT(found.n ? found : str_of_c(o->group->example)), found.n ? "?" : "");
}

/* Defaults of the members that are not given are read like what is. */
static int default_member(const struct reader *r, const struct option *o, const struct option *m,
    const config_setting_t *set, void *at)
{
	config_t lib;
	struct buf text;
	int rc;

	if (!m->initial)
		return err_set(r->e, "%s:%u: %s: %s is missing; a group is written like %s",
		    r->file, config_setting_source_line(set), o->name, m->name, o->group->example);
	config_init(&lib);
	buf_init(&text, LIMIT_CONFIG_STRING);
	buf_printf(&text, "%s = %s;", m->name, m->initial);
	MUST(config_read_string(&lib, buf_cstr(&text)) == CONFIG_TRUE);
	rc = read_at(r, o, m, config_lookup(&lib, m->name), at);
	buf_fini(&text);
	config_destroy(&lib);
	return rc;
}

static int read_members(
    const struct reader *r, const struct option *o, const config_setting_t *set, void *at)
{
	const char *wrong;

	for (int i = 0; i < config_setting_length(set); i++) {
		const config_setting_t *one = config_setting_get_elem(set, (unsigned)i);

		if (!find_member(o->group, config_setting_name(one)))
			return unknown_member(r, o, one);
	}
	for (size_t i = 0; i < o->group->count; i++) {
		const struct option *m = &o->group->members[i];
		const config_setting_t *one = config_setting_get_member(set, m->name);
		void *place = (char *)at + m->offset;

		if ((one ? read_at(r, o, m, one, place) : default_member(r, o, m, set, place)) < 0)
			return -1;
	}
	wrong = o->group->check(at);
	return wrong ? err_set(r->e, "%s:%u: %s: %s", r->file, config_setting_source_line(set),
			   o->name, wrong)
		     : 0;
}

/* ---- one value, or a list of them ---- */

static int read_element(const struct reader *r, const struct option *group, const struct option *o,
    const config_setting_t *set, void *at)
{
	if (o->type == OPTION_GROUP && config_setting_type(set) == CONFIG_TYPE_GROUP)
		return read_members(r, o, set, at);
	return read_single(r, o, set, at) ? 0 : wrong_value(r, group, o, set);
}

static bool is_sequence(const config_setting_t *set)
{
	return config_setting_type(set) == CONFIG_TYPE_ARRAY ||
	       config_setting_type(set) == CONFIG_TYPE_LIST;
}

static int read_at(const struct reader *r, const struct option *group, const struct option *o,
    const config_setting_t *set, void *at)
{
	struct config_list list = {0};
	int64_t n = is_sequence(set) ? config_setting_length(set) : -1;

	if (!o->list)
		return read_element(r, group, o, set, at);
	if (n < o->least || n > o->most)
		return wrong_value(r, group, o, set);
	list.v = arena_array(r->box->arena, (size_t)n, option_value_size(o));
	for (; list.n < (size_t)n; list.n++) {
		const config_setting_t *one = config_setting_get_elem(set, (unsigned)list.n);
		void *place = (char *)list.v + list.n * option_value_size(o);

		if (read_element(r, group, o, one, place) < 0)
			return -1;
	}
	memcpy(at, &list, sizeof list);
	return 0;
}

/* ---- names ---- */
static int unknown(const struct reader *r, struct str name, const config_setting_t *set)
{
	struct str near = options_nearest(name);
	unsigned line = config_setting_source_line(set);

	if (near.n)
		return err_set(r->e, "%s:%u: there is no option %.*s; did you mean %.*s?", r->file,
		    line, STR_FMT(name), STR_FMT(near));
	return err_set(r->e,
	    "%s:%u: there is no option %.*s; \"godwit check-config --all\" lists those there are",
	    r->file, line, STR_FMT(name));
}

static int read_group(const struct reader *r, const config_setting_t *group, struct str prefix);

/* For what is found wrong only when all is read. */
static void note_place(const struct reader *r, const struct option *o, const config_setting_t *set)
{
	unsigned n = is_sequence(set) ? (unsigned)config_setting_length(set) : 0;
	unsigned *element = arena_array(r->box->arena, n, sizeof *element);

	for (unsigned i = 0; i < n; i++)
		element[i] = config_setting_source_line(config_setting_get_elem(set, i));
	r->places[o - options] = (struct config_place){config_setting_source_line(set), element};
}

static int read_setting(const struct reader *r, struct str name, const config_setting_t *set)
{
	const struct option *o = options_find(name);

	if (o) {
		if (r->places)
			note_place(r, o, set);
		return read_at(r, NULL, o, set, config_at(&r->box->c, o));
	}
	if (!options_is_group(name))
		return unknown(r, name, set);
	if (config_setting_type(set) != CONFIG_TYPE_GROUP)
		return err_set(r->e, "%s:%u: %.*s is a group: %.*s = { ... };", r->file,
		    config_setting_source_line(set), STR_FMT(name), STR_FMT(name));
	return read_group(r, set, name);
}

/* Groups are one deep: no option's group has a dot. */
static int read_group(const struct reader *r, const config_setting_t *group, struct str prefix)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *set = config_setting_get_elem(group, (unsigned)i);
		struct buf name;
		int rc;

		buf_init(&name, 256);
		if (prefix.n) {
			buf_str(&name, prefix);
			buf_byte(&name, '.');
		}
		buf_c(&name, config_setting_name(set));
		rc = read_setting(r, buf_view(&name), set);
		buf_fini(&name);
		if (rc < 0)
			return -1;
	}
	return 0;
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
	const struct reader *reader;
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

static bool is_named(struct scan s)
{
	while (peek(&s, 0) == ' ' || peek(&s, 0) == '\t')
		step(&s);
	return peek(&s, 0) == '=' || peek(&s, 0) == ':';
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
		if (scan_one(&g->scan, g->reader) < 0)
			return false;
		*named_r = (struct named){take_word(&was), group, was.line};
		if (named_r->name.n && is_named(g->scan))
			return true;
	}
	return false;
}

/* The first name in or behind a line, or (twin) the first that is that one again. False: there is none. */
static bool find_name(const struct reader *r, struct str text, unsigned line,
    const struct named *twin, struct named *named_r)
{
	struct naming g = {.reader = r, .scan = {.text = text, .line = 1}};

	while (next_name(&g, named_r))
		if (twin ? str_eq(named_r->name, twin->name) && named_r->group == twin->group
			 : named_r->line >= line)
			return true;
	return false;
}

/* The second setting of a name stands in a line: tells where the first one is. */
static int stands_twice(const struct reader *r, struct str text, unsigned line)
{
	struct named second, first;

	if (!find_name(r, text, line, NULL, &second) || second.line != line ||
	    !find_name(r, text, 0, &second, &first) || first.line == line)
		return err_set(
		    r->e, "%s:%u: an option stands twice here: write it once", r->file, line);
	return err_set(r->e,
	    "%s:%u: %.*s stands twice, first in line %u: write it once, and what belongs to a group into its "
	    "one { }",
	    r->file, line, STR_FMT(second.name), first.line);
}

static int read_all(const struct reader *r, config_t *lib, const char *text)
{
	if (config_read_string(lib, text) != CONFIG_TRUE) {
		const char *why = config_error_text(lib);
		int line = config_error_line(lib);

		if (strstr(why, "duplicate"))
			return stands_twice(r, str_of_c(text), (unsigned)line);
		return err_set(r->e,
		    "%s:%d: %s; an option is written as name = value; with texts in "
		    "\"quotes\"",
		    r->file, line, why);
	}
	return read_group(r, config_root_setting(lib), (struct str){NULL, 0});
}

int config_read_text(struct config_box *box, const char *file, struct str text,
    struct config_place *places, struct err *e)
{
	const struct reader r = {box, file, places, e};
	config_t lib;
	int rc;

	if (check_tokens(&r, text) < 0)
		return -1;
	config_init(&lib);
	rc = read_all(&r, &lib, arena_cstr(box->arena, text));
	config_destroy(&lib);
	return rc;
}
