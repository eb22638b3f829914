/* Options as text: the default file of init, and the effective values for a person. */
#include "base/mem.h"
#include "config/config_file.h"
#include "config/config_priv.h"

#define WIDTH ((size_t)90) /* comments are broken there */

void config_put_option(const struct config_snapshot *c, const struct option *o, struct buf *out)
{
	const struct config_list *list = config_at_const(c, o);
	union option_value v;

	if (!o->list) {
		option_value_load(o->type, config_at_const(c, o), &v);
		option_put_value(o, &v, out);
		return;
	}
	buf_byte(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		option_value_load(
		    o->type, (const char *)list->v + i * option_value_size(o->type), &v);
		buf_c(out, i ? ", " : "");
		option_put_value(o, &v, out);
	}
	buf_byte(out, ']');
}

/* ---- the effective values ---- */
static bool is_default(const struct config_snapshot *c, const struct option *o, struct buf *value)
{
	buf_clear(value);
	config_put_option(c, o, value);
	return o->initial && str_eq(buf_view(value), str_of_c(o->initial));
}

void config_put(const struct config_snapshot *c, bool all, struct buf *out)
{
	struct buf value;

	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	for (size_t i = 0; i < options_count; i++)
		if (!is_default(c, &options[i], &value) || all)
			buf_printf(out, "%s = %s;\n", options[i].name, buf_cstr(&value));
	buf_fini(&value);
}

/* ---- whole files ---- */
/* One option's lines; the indent is that of its group. */
typedef void put_line(const struct option *o, const char *indent, struct buf *out, const void *ctx);

static void put_file(put_line *put, const void *ctx, struct buf *out)
{
	struct str group = {NULL, 0};

	for (size_t i = 0; i <= options_count; i++) {
		struct str next = i < options_count ? option_group(&options[i])
						    : (struct str){NULL, 0};

		if (group.n && !str_eq(group, next))
			buf_lit(out, "};\n\n");
		if (next.n && !str_eq(group, next))
			buf_printf(out, "%.*s = {\n", STR_FMT(next));
		group = next;
		if (i < options_count)
			put(&options[i], group.n ? "\t" : "", out, ctx);
	}
}

static void put_default_line(
    const struct option *o, const char *indent, struct buf *out, const void *ctx)
{
	if (o->initial)
		buf_printf(out, "%.*s = %s;\n", STR_FMT(option_leaf(o)), o->initial);
}

void config_put_defaults(struct buf *out)
{
	put_file(put_default_line, NULL, out);
}

/* A comment, broken at spaces. */
static void put_comment(const char *indent, struct str text, struct buf *out)
{
	while (text.n) {
		struct str line = text;

		if (line.n > WIDTH) {
			line.n = str_rfind(str_sub(text, 0, WIDTH), ' ');
			MUST(line.n > 0 && line.n < WIDTH);
		}
		buf_printf(out, "%s# %.*s\n", indent, STR_FMT(line));
		text = str_trim(str_from(text, line.n));
	}
}

static void put_explained(
    const struct option *o, const char *indent, struct buf *out, const void *ctx)
{
	const struct config_snapshot *set = ctx;
	struct buf text, value;

	buf_init(&text, 2 * KIB);
	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	buf_printf(&text, "%s Allowed: ", o->sentence);
	option_put_range(o, &text);
	buf_byte(&text, '.');
	put_comment(indent, buf_view(&text), out);
	if (is_default(set, o, &value))
		buf_printf(out, "%s#%.*s = %s;\n", indent, STR_FMT(option_leaf(o)), o->initial);
	else
		buf_printf(
		    out, "%s%.*s = %s;\n", indent, STR_FMT(option_leaf(o)), buf_cstr(&value));
	buf_c(out, *indent ? "" : "\n");
	buf_fini(&text);
	buf_fini(&value);
}

static void put_initial(const struct config_initial *initial, struct buf *out)
{
	buf_printf(out, "hostname = \"%s\";\nport_offset = %lld;\n", initial->hostname,
	    (long long)initial->port_offset);
	if (!initial->listen)
		return;
	buf_lit(out, "listen = [");
	for (const char *const *a = initial->listen; *a; a++)
		buf_printf(out, "%s\"%s\"", a == initial->listen ? "" : ", ", *a);
	buf_lit(out, "];\n");
}

/* A quote would end the text it stands in. */
static bool is_plain(const char *s)
{
	return !s[strcspn(s, "\"\\\n\r")];
}

static int check_plain(const struct config_initial *initial, struct err *e)
{
	bool ok = is_plain(initial->hostname);

	for (const char *const *a = initial->listen; a && *a; a++)
		ok = ok && is_plain(*a);
	return ok ? 0 : err_set(e, "a host name or address holds a quote or backslash");
}

int config_default_text(const struct config_initial *initial, struct buf *out, struct err *e)
{
	struct config_snapshot *set;
	struct buf text;
	int rc;

	if (check_plain(initial, e) < 0)
		return -1;
	buf_init(&text, LIMIT_CONFIG_FILE);
	put_initial(initial, &text);
	rc = config_parse(".", "given", buf_view(&text), 0, &set, e);
	buf_fini(&text);
	if (rc < 0)
		return -1;
	buf_lit(out,
	    "# Configuration of the Godwit mail server. What is commented out is the default.\n"
	    "# \"godwit check-config\" checks this file; a running server reads it again on SIGHUP.\n\n");
	put_file(put_explained, set, out);
	config_unref(&set);
	return out->overflow ? err_set(e, "the configuration is too long") : 0;
}

int config_write_default(const char *dir, const struct config_initial *initial, struct err *e)
{
	struct buf path, text;
	int rc;

	buf_init(&path, LIMIT_CONFIG_STRING);
	buf_init(&text, LIMIT_CONFIG_FILE);
	buf_printf(&path, "%s/godwit.conf", dir);
	rc = config_default_text(initial, &text, e);
	if (rc == 0)
		rc = config_file_create(buf_cstr(&path), 0644, buf_view(&text), e);
	buf_fini(&path);
	buf_fini(&text);
	return rc;
}
