/* Options as text: the default file of init, and the effective values for a person. */
#include "base/mem.h"
#include "config/config_file.h"
#include "config/config_priv.h"

#define WIDTH ((size_t)90) /* comments are broken there */

void config_put_option(const struct config_snapshot *c, const struct option *o, struct buf *out)
{
	option_put_at(o, config_at_const(c, o), out);
}

/* ---- the effective values ---- */
static bool is_default(const struct config_snapshot *c, const struct option *o, struct buf *value)
{
	buf_clear(value);
	config_put_option(c, o, value);
	return o->initial && str_eq(buf_view(value), str_of_c(o->initial));
}

/* ---- groups ---- */
/* Options go out in the table's order; a group opens before its first and closes behind its last. */
struct file_out {
	struct buf *out;
	struct str group; /* open; empty: none */
	const char *gap;  /* behind a group */
};

static void leave_group(struct file_out *f)
{
	if (f->group.n)
		buf_printf(f->out, "};\n%s", f->gap);
	f->group = (struct str){NULL, 0};
}

/* Gives the indent of the option's line. */
static const char *enter_group(struct file_out *f, const struct option *o)
{
	struct str group = option_group(o);

	if (!str_eq(group, f->group)) {
		leave_group(f);
		if (group.n)
			buf_printf(f->out, "%.*s = {\n", STR_FMT(group));
		f->group = group;
	}
	return group.n ? "\t" : "";
}

static void put_line(struct file_out *f, const struct option *o, const char *value)
{
	const char *indent = enter_group(f, o);

	buf_printf(f->out, "%s%.*s = %s;\n", indent, STR_FMT(option_leaf(o)), value);
}

/* ---- whole files ---- */
void config_put(const struct config_snapshot *c, bool all, struct buf *out)
{
	struct file_out f = {.out = out, .gap = ""};
	struct buf value;

	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	for (size_t i = 0; i < options_count; i++)
		if (!is_default(c, &options[i], &value) || all)
			put_line(&f, &options[i], buf_cstr(&value));
	leave_group(&f);
	buf_fini(&value);
}

void config_each(const struct config_snapshot *c, bool all,
    void (*each)(const struct config_entry *entry, void *ctx), void *ctx)
{
	struct buf value, allowed;

	MUST(c || all);
	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	buf_init(&allowed, KIB);
	for (const struct option *o = options; o < options + options_count; o++) {
		if (c && is_default(c, o, &value) && !all)
			continue;
		buf_clear(&allowed);
		option_put_range(o, &allowed);
		each(&(const struct config_entry){.name = str_of_c(o->name),
			 .value = buf_view(&value),
			 .initial = o->initial,
			 .sentence = o->sentence,
			 .allowed = buf_view(&allowed)},
		    ctx);
	}
	buf_fini(&value);
	buf_fini(&allowed);
}

void config_put_defaults(struct buf *out)
{
	struct file_out f = {.out = out, .gap = ""};

	for (size_t i = 0; i < options_count; i++)
		if (options[i].initial)
			put_line(&f, &options[i], options[i].initial);
	leave_group(&f);
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
    struct file_out *f, const struct option *o, const struct config_snapshot *set)
{
	const char *indent = enter_group(f, o);
	struct buf text, value;
	bool commented;

	buf_init(&text, 2 * KIB);
	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	buf_printf(&text, "%s Allowed: ", o->sentence);
	option_put_range(o, &text);
	buf_byte(&text, '.');
	put_comment(indent, buf_view(&text), f->out);
	commented = is_default(set, o, &value);
	buf_printf(f->out, "%s%s%.*s = %s;\n%s", indent, commented ? "#" : "",
	    STR_FMT(option_leaf(o)), buf_cstr(&value), *indent ? "" : "\n");
	buf_fini(&text);
	buf_fini(&value);
}

static void put_all_explained(const struct config_snapshot *set, struct buf *out)
{
	struct file_out f = {.out = out, .gap = "\n"};

	buf_lit(out,
	    "# Configuration of the Godwit mail server. What is commented out is the default.\n"
	    "# \"godwit check-config\" checks this file; a running server reads it again on "
	    "SIGHUP.\n\n");
	for (size_t i = 0; i < options_count; i++)
		put_explained(&f, &options[i], set);
	leave_group(&f);
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

/* "given:1: hostname must be ...": there is no file, and no line to look at. */
static void leave_place_out(struct err *e)
{
	struct err whole = *e;
	struct str text = str_of_c(whole.text);
	size_t at = str_has_prefix(text, STR("given:")) ? str_find(text, ' ') + 1 : 0;

	if (at < text.n)
		err_set(e, "%s", whole.text + at);
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
	if (rc < 0) {
		leave_place_out(e);
		return -1;
	}
	put_all_explained(set, out);
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
