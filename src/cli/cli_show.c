/* Structure and fields come from mime/mime_scan; here is only what to show of them. */
#include "cli/cli_show.h"

#include "base/limits.h"
#include "cli/cli_text.h"
#include "mime/mime_charset.h"
#include "mime/mime_scan.h"
#include "mime/mime_word.h"

#define ONE_LINE_MAX (256 * KIB)

static const struct mime_envelope *envelope_of(const struct mime_message *m)
{
	return m->parts[0].envelope;
}

/* Name and address, or whichever there is. */
static void put_address(struct buf *b, const struct mime_address *a, bool name_only)
{
	if (a->name.n)
		mime_word_decode(b, a->name);
	if (a->name.n && name_only)
		return;
	if (a->name.n)
		buf_lit(b, " <");
	mime_address_put_spec(b, a);
	if (a->name.n)
		buf_byte(b, '>');
}

static void put_addresses(struct buf *b, const struct mime_address_list *list)
{
	bool some = false;

	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].kind != MIME_ADDRESS_MAILBOX)
			continue;
		if (some)
			buf_lit(b, ", ");
		put_address(b, &list->v[i], false);
		some = true;
	}
}

/* ---- one line ---- */

void cli_show_head_init(struct cli_show_head *h_r, struct str message)
{
	struct mime_scan *scan = mime_scan_new();
	const struct mime_envelope *env;

	*h_r = (struct cli_show_head){0};
	buf_init(&h_r->from, ONE_LINE_MAX);
	buf_init(&h_r->subject, ONE_LINE_MAX);
	mime_scan_feed(scan, message);
	env = envelope_of(mime_scan_finish(scan));
	if (env->address[MIME_FROM].n)
		put_address(&h_r->from, &env->address[MIME_FROM].v[0], true);
	mime_word_decode(&h_r->subject, env->text[MIME_SUBJECT]);
	if (env->has_date)
		h_r->date = env->date.ms;
	mime_scan_free(&scan);
}

void cli_show_head_fini(struct cli_show_head *h)
{
	buf_fini(&h->from);
	buf_fini(&h->subject);
}

/* ---- the fields ---- */

static void put_field(struct buf *out, const char *name, struct str decoded)
{
	if (decoded.n == 0)
		return;
	buf_c(out, name);
	buf_lit(out, ": ");
	cli_text_put(out, decoded);
	buf_byte(out, '\n');
}

static void put_fields(struct buf *out, const struct mime_envelope *env)
{
	static const struct {
		const char *name;
		enum mime_address_field field;
	} addresses[] = {
	    {"From", MIME_FROM}, {"Reply-To", MIME_REPLY_TO}, {"To", MIME_TO}, {"Cc", MIME_CC}};
	struct buf line;

	buf_init(&line, ONE_LINE_MAX);
	put_field(out, "Date", env->text[MIME_DATE]);
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		buf_clear(&line);
		put_addresses(&line, &env->address[addresses[i].field]);
		put_field(out, addresses[i].name, buf_view(&line));
	}
	buf_clear(&line);
	mime_word_decode(&line, env->text[MIME_SUBJECT]);
	put_field(out, "Subject", buf_view(&line));
	buf_fini(&line);
}

/* ---- the parts ---- */

static bool is_text(const struct mime_part *p, struct str subtype)
{
	return p->kind == MIME_PART_LEAF && str_eq(p->content.type, STR("text")) &&
	       str_eq(p->content.subtype, subtype) && !str_eq(p->disposition, STR("attachment"));
}

static struct str body_of(const struct mime_part *p, struct str message)
{
	return str_sub(message, (size_t)p->body_offset, (size_t)p->body_size);
}

static void put_text_part(struct buf *out, const struct mime_part *p, struct str message)
{
	struct str charset = {0}, body = body_of(p, message);
	struct mime_decoder decoder;
	struct buf decoded, utf8;

	buf_init(&decoded, body.n + LIMIT_MIME_LINE);
	buf_init(&utf8, 3 * (body.n + LIMIT_MIME_LINE));
	mime_decoder_init(&decoder, p->encoding);
	mime_decoder_feed(&decoder, body, &decoded);
	mime_decoder_finish(&decoder, &decoded);
	mime_decoder_fini(&decoder);
	mime_params_get(&p->content.params, STR("charset"), &charset);
	mime_charset_to_utf8(&utf8, mime_charset_by_name(charset), buf_view(&decoded));
	buf_byte(out, '\n');
	cli_text_put_lines(out, buf_view(&utf8));
	if (utf8.n && utf8.p[utf8.n - 1] != '\n')
		buf_byte(out, '\n');
	buf_fini(&decoded);
	buf_fini(&utf8);
}

/* "[photo.jpg, image/jpeg, 12 KB]" */
static void put_other_part(struct buf *out, const struct mime_part *p)
{
	struct buf name;

	buf_init(&name, 16 * KIB);
	if (!mime_word_param(&name, &p->disposition_params, STR("filename")))
		mime_word_param(&name, &p->content.params, STR("name"));
	buf_lit(out, "\n[");
	if (name.n) {
		cli_text_put(out, buf_view(&name));
		buf_lit(out, ", ");
	}
	cli_text_put(out, p->content.type);
	buf_byte(out, '/');
	cli_text_put(out, p->content.subtype);
	buf_lit(out, ", ");
	cli_text_bytes(out, (int64_t)p->body_size);
	buf_lit(out, "]\n");
	buf_fini(&name);
}

static bool has_plain_text(const struct mime_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (is_text(&m->parts[i], STR("plain")))
			return true;
	return false;
}

void cli_show_message(struct buf *out, struct str message)
{
	struct mime_scan *scan = mime_scan_new();
	const struct mime_message *m;
	struct str shown;

	mime_scan_feed(scan, message);
	m = mime_scan_finish(scan);
	shown = has_plain_text(m) ? STR("plain") : STR("html");
	put_fields(out, envelope_of(m));
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct mime_part *p = &m->parts[i];

		if (is_text(p, shown))
			put_text_part(out, p, message);
		else if (p->kind == MIME_PART_LEAF)
			put_other_part(out, p);
	}
	mime_scan_free(&scan);
}
