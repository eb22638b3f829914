/*
 * Content fields: a first token (or two with a slash), then parameters. What is wrong in a
 * parameter costs that parameter only.
 */
#include "mime/mime_content.h"

#include "base/limits.h"
#include "mime/mime_lex.h"

static struct str unquoted(struct arena *a, struct str s)
{
	uint8_t *p = arena_alloc(a, s.n);

	return str_of(p, mime_lex_unquote(p, s));
}

static bool ends_plain_value(uint8_t c)
{
	return c == ';' || c == '(' || c == '\r' || c == '\n' || c == '\0';
}

/* The value behind "=": a quoted string, or all up to ";" or a comment, blanks at its ends gone. */
static struct str take_value(struct mime_lex *l, struct arena *a)
{
	const uint8_t *start;

	while (l->p < l->end && (*l->p == ' ' || *l->p == '\t' || *l->p == '\r' || *l->p == '\n'))
		l->p++;
	if (l->p < l->end && *l->p == '"')
		return unquoted(a, mime_lex_next(l).text);
	start = l->p;
	while (l->p < l->end && !ends_plain_value(*l->p))
		l->p++;
	return arena_str(a, str_trim(str_of(start, (size_t)(l->p - start))));
}

/* One parameter; *t: the token behind ";", then the one behind the parameter. False: unreadable. */
static bool take_param(
    struct mime_lex *l, struct arena *a, struct mime_lex_token *t, struct mime_param *param_r)
{
	struct str name = t->text;

	if (t->kind != MIME_LEX_WORD)
		return false;
	*t = mime_lex_next(l);
	if (!mime_lex_is(t, '='))
		return false;
	param_r->name = arena_lower(a, name);
	param_r->value = take_value(l, a);
	*t = mime_lex_next(l);
	return true;
}

/* *( ";" attribute "=" value ) [RFC 2045 5.1] */
static void take_params(struct mime_lex *l, struct arena *a, struct mime_params *ps)
{
	struct mime_param v[LIMIT_MIME_PARAMS];
	struct mime_lex_token t = mime_lex_next(l);
	size_t n = 0;

	while (t.kind != MIME_LEX_END && n < LIMIT_MIME_PARAMS) {
		bool separator = mime_lex_is(&t, ';');

		t = mime_lex_next(l);
		if (separator && take_param(l, a, &t, &v[n]))
			n++;
	}
	ps->v = arena_array(a, n, sizeof *v);
	ps->n = n;
	if (n)
		memcpy(ps->v, v, n * sizeof *v);
}

enum mime_content_status mime_content_type_parse(
    struct arena *a, struct str body, struct mime_content_type *type_r)
{
	struct mime_lex_token type, slash, subtype;
	struct mime_lex l;

	mime_lex_init(&l, body, MIME_LEX_CONTENT);
	type = mime_lex_next(&l);
	slash = mime_lex_next(&l);
	subtype = mime_lex_next(&l);
	if (type.kind != MIME_LEX_WORD || !mime_lex_is(&slash, '/') ||
	    subtype.kind != MIME_LEX_WORD)
		return MIME_CONTENT_BAD;
	type_r->type = arena_lower(a, type.text);
	type_r->subtype = arena_lower(a, subtype.text);
	take_params(&l, a, &type_r->params);
	return MIME_CONTENT_OK;
}

enum mime_content_status mime_content_disposition_parse(
    struct arena *a, struct str body, struct str *word_r, struct mime_params *params_r)
{
	struct mime_lex_token word;
	struct mime_lex l;

	mime_lex_init(&l, body, MIME_LEX_CONTENT);
	word = mime_lex_next(&l);
	if (word.kind != MIME_LEX_WORD)
		return MIME_CONTENT_BAD;
	*word_r = arena_lower(a, word.text);
	take_params(&l, a, params_r);
	return MIME_CONTENT_OK;
}

bool mime_params_get(const struct mime_params *ps, struct str name, struct str *value_r)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (!str_eq(ps->v[i].name, name))
			continue;
		*value_r = ps->v[i].value;
		return true;
	}
	return false;
}

static const struct str encoding_names[MIME_ENCODINGS] = {
    [MIME_ENCODING_7BIT] = STR_INIT("7bit"),
    [MIME_ENCODING_8BIT] = STR_INIT("8bit"),
    [MIME_ENCODING_BINARY] = STR_INIT("binary"),
    [MIME_ENCODING_QUOTED_PRINTABLE] = STR_INIT("quoted-printable"),
    [MIME_ENCODING_BASE64] = STR_INIT("base64"),
    [MIME_ENCODING_OTHER] = STR_INIT("binary"),
};

enum mime_encoding mime_encoding_parse(struct str body)
{
	struct mime_lex_token t;
	struct mime_lex l;

	mime_lex_init(&l, body, MIME_LEX_CONTENT);
	t = mime_lex_next(&l);
	for (unsigned e = 0; e < MIME_ENCODING_OTHER; e++)
		if (str_eq_i(t.text, encoding_names[e]))
			return (enum mime_encoding)e;
	return MIME_ENCODING_OTHER;
}

struct str mime_encoding_name(enum mime_encoding e)
{
	return encoding_names[e];
}
