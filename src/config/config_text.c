/* The file's text into a snapshot, by config_scan, libconfig and the table of options. */
#include <libconfig.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/utf8.h"
#include "config/config_priv.h"

struct reader {
	struct config_box *box;
	const char *file;
	struct config_place *places; /* NULL: nobody asks */
	struct err *e;
};

/* ---- values ---- */
/* 1e3 is no whole number to libconfig, so it must not look like one. */
static void put_float(double number, struct buf *out)
{
	struct str text;

	buf_printf(out, "%g", number);
	text = buf_view(out);
	if (str_find(text, '.') == text.n && str_find(text, 'e') == text.n &&
	    str_find(text, 'n') == text.n)
		buf_lit(out, ".0");
}

/* The text's beginning, of whole characters. */
static void put_text(struct str text, struct buf *out)
{
	size_t n = text.n < CONFIG_SHOWN_MAX ? text.n : CONFIG_SHOWN_MAX;

	while (n && n < text.n && (text.p[n] & 0xc0) == 0x80)
		n--;
	utf8_put_quoted(out, str_sub(text, 0, n));
}

/* What stands in the file, for the message. */
static void put_found(const config_setting_t *set, struct buf *out)
{
	switch (config_setting_type(set)) {
	case CONFIG_TYPE_STRING:
		put_text(str_of_c(config_setting_get_string(set)), out);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		buf_i64(out, config_setting_get_int64(set));
		break;
	case CONFIG_TYPE_FLOAT:
		put_float(config_setting_get_float(set), out);
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

/* What makes of a value that is nearly right a right one. */
static void put_cure(
    const struct reader *r, const struct option *o, const config_setting_t *set, struct buf *out)
{
	int type = config_setting_type(set);
	union option_value v;

	if (type == CONFIG_TYPE_FLOAT && o->type == OPTION_NUMBER) {
		buf_lit(out, CONFIG_WHOLE_NUMBER);
	} else if (type == CONFIG_TYPE_GROUP && o->type == OPTION_GROUP) {
		buf_lit(out, ": write it in parentheses, ( { ... } )");
	} else if (o->list && read_single(r, o, set, &v)) {
		buf_lit(out, ": write it in brackets, [");
		put_found(set, out);
		buf_byte(out, ']');
	} else if (type == CONFIG_TYPE_STRING && o->type == OPTION_NETWORK &&
		   ip_net_parse_masked(str_of_c(config_setting_get_string(set)), &v.net)) {
		buf_lit(out, ": the bits behind its prefix must be 0, as in \"");
		option_put_plain(OPTION_NETWORK, &v, out);
		buf_byte(out, '"');
	}
}

/* group: the option that the one is a member of; NULL: none. */
static int wrong_value(const struct reader *r, const struct option *group, const struct option *o,
    const config_setting_t *set)
{
	struct buf found, range;

	buf_init(&found, KIB);
	buf_init(&range, KIB);
	put_found(set, &found);
	put_cure(r, o, set, &found);
	option_put_shape(o, &range);
	err_set(r->e, "%s:%u: %s%s%s must be %s, and not %s%s%s", r->file,
	    config_setting_source_line(set), group ? group->name : "", group ? ": " : "", o->name,
	    buf_cstr(&range), buf_cstr(&found), o->initial && !group ? "; the default is " : "",
	    o->initial && !group ? o->initial : "");
	buf_fini(&found);
	buf_fini(&range);
	return -1;
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
	struct str name = str_of_c(config_setting_name(member)), found;
	struct near n;

	near_init(&n, name);
	for (size_t i = 0; i < o->group->count; i++)
		near_offer(&n, str_of_c(o->group->members[i].name));
	found = near_found(&n);
	return err_set(r->e, "%s:%u: %s: there is no \"%.*s%s\" in a group%s%.*s%s", r->file,
	    config_setting_source_line(member), o->name, CONFIG_SHOWN_FMT(name),
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

/* ---- settings ---- */
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
		return config_no_option(r->file, config_setting_source_line(set), name, r->e);
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

		buf_init(&name, LIMIT_CONFIG_FILE); /* a name is as long as its text */
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

static int read_all(const struct reader *r, config_t *lib, const char *text)
{
	if (config_read_string(lib, text) != CONFIG_TRUE) {
		const char *why = config_error_text(lib);
		int line = config_error_line(lib);

		if (strstr(why, "duplicate"))
			return config_stands_twice(r->file, str_of_c(text), (unsigned)line, r->e);
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
	struct buf scanned;
	config_t lib;
	int rc;

	buf_init(&scanned, 2 * text.n); /* a mark for each number of nine digits */
	rc = config_scan(file, text, &scanned, e);
	if (rc == 0) {
		config_init(&lib);
		rc = read_all(&r, &lib, buf_cstr(&scanned));
		config_destroy(&lib);
	}
	buf_fini(&scanned);
	return rc;
}
