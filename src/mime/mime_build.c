/*
 * New messages. Everything that comes from the caller passes the printers of mime_address and
 * mime_word or an encoder, so that no text can end its field and no line is too long. The boundary
 * holds a character that stands in no base 64 body, and text that holds the boundary is encoded.
 */
#include "mime/mime_build.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "mime/mime_charset.h"
#include "mime/mime_content.h"
#include "mime/mime_date.h"
#include "mime/mime_word.h"

static const struct str boundary = STR_INIT(MIME_BUILD_BOUNDARY);

/* "Name: " and what put adds. */
static void put_list_field(struct buf *b, struct str name, const struct mime_address_list *list)
{
	if (list->n == 0)
		return;
	buf_str(b, name);
	buf_lit(b, ": ");
	mime_address_list_put(b, list, name.n + 2);
	buf_lit(b, "\r\n");
}

static void put_text_field(struct buf *b, struct str name, struct str text)
{
	if (!text.p)
		return;
	buf_str(b, name);
	buf_lit(b, ": ");
	mime_word_encode(b, text, name.n + 2);
	buf_lit(b, "\r\n");
}

/* An id in its brackets; what no id may hold is left out. */
static void put_id_field(struct buf *b, struct str name, struct str id)
{
	if (id.n == 0)
		return;
	buf_str(b, name);
	buf_lit(b, ": <");
	for (size_t i = 0; i < id.n && i < LIMIT_MIME_LINE / 2; i++)
		if (ascii_is_vchar(id.p[i]) && id.p[i] != '<' && id.p[i] != '>')
			buf_byte(b, id.p[i]);
	buf_lit(b, ">\r\n");
}

/* Well-formed UTF-8 with CRLF lines, the last one ended; NUL becomes a blank. */
static void put_normal(struct buf *b, struct str text)
{
	size_t start = b->n;

	while (text.n) {
		struct str rest;
		struct str line = str_split(text, '\n', &rest);

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		mime_charset_to_utf8(b, MIME_CHARSET_UTF8, line);
		buf_lit(b, "\r\n");
		text = rest;
	}
	for (size_t i = start; i < b->n; i++)
		if (b->p[i] == '\0')
			b->p[i] = ' ';
}

static void encode(struct buf *b, struct str bytes, enum mime_encoding how)
{
	struct mime_encoder e;

	if (how == MIME_ENCODING_7BIT) {
		buf_str(b, bytes);
		return;
	}
	mime_encoder_init(&e, how);
	mime_encoder_feed(&e, bytes, b);
	mime_encoder_finish(&e, b);
}

/* ASCII in lines that may be sent as they are, without the boundary or a bare CR? */
static bool is_7bit(struct str text)
{
	if (str_has_8bit(text) || str_find_str(text, boundary) < text.n)
		return false;
	while (text.n) {
		struct str rest;
		struct str line = str_split(text, '\n', &rest);

		line.n--;
		if (line.n > LIMIT_MIME_LINE || str_find(line, '\r') < line.n)
			return false;
		text = rest;
	}
	return true;
}

/* Whichever is shorter; equal: the one a person can read. */
static enum mime_encoding choose(struct str text)
{
	size_t quoted = 0;

	if (is_7bit(text))
		return MIME_ENCODING_7BIT;
	for (size_t i = 0; i < text.n; i++)
		quoted += (text.p[i] >= 0x80 || text.p[i] == '=') ? 3 : 1;
	return quoted <= text.n * 4 / 3 ? MIME_ENCODING_QUOTED_PRINTABLE : MIME_ENCODING_BASE64;
}

static void put_encoding(struct buf *b, enum mime_encoding how)
{
	buf_lit(b, "Content-Transfer-Encoding: ");
	buf_str(b, mime_encoding_name(how));
	buf_lit(b, "\r\n\r\n");
}

void mime_build_text(struct buf *b, struct str text)
{
	enum mime_encoding how;
	struct buf normal;

	buf_init(&normal, b->max);
	put_normal(&normal, text);
	how = choose(buf_view(&normal));
	buf_lit(b, "Content-Type: text/plain; charset=utf-8\r\n");
	put_encoding(b, how);
	encode(b, buf_view(&normal), how);
	b->overflow |= normal.overflow;
	buf_fini(&normal);
}

/* "type/subtype" of tokens, and not too long? */
static bool is_type(struct str type)
{
	size_t slash = str_find(type, '/');

	if (slash == 0 || slash + 1 >= type.n || type.n > LIMIT_MIME_BOUNDARY)
		return false;
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_is_alnum(type.p[i]) && !memchr("-+._/", type.p[i], 5))
			return false;
	return true;
}

static void put_delimiter(struct buf *b, bool last)
{
	buf_lit(b, "--");
	buf_str(b, boundary);
	buf_str(b, last ? STR("--\r\n") : STR("\r\n"));
}

static void put_file(struct buf *b, const struct mime_build_file *f)
{
	put_delimiter(b, false);
	buf_lit(b, "Content-Type: ");
	buf_str(b, is_type(f->type) ? f->type : STR("application/octet-stream"));
	buf_lit(b, "\r\nContent-Disposition: attachment");
	if (f->name.n)
		mime_word_put_param(b, STR("filename"), f->name);
	buf_lit(b, "\r\n");
	put_encoding(b, MIME_ENCODING_BASE64);
	encode(b, f->bytes, MIME_ENCODING_BASE64);
}

void mime_build_header(struct buf *b, const struct mime_build_message *m)
{
	buf_lit(b, "Date: ");
	mime_date_put(b, m->date);
	buf_lit(b, "\r\n");
	put_list_field(b, STR("From"), &m->from);
	put_list_field(b, STR("To"), &m->to);
	put_list_field(b, STR("Cc"), &m->cc);
	put_text_field(b, STR("Subject"), m->subject);
	put_id_field(b, STR("Message-ID"), m->message_id);
	put_id_field(b, STR("In-Reply-To"), m->in_reply_to);
	put_id_field(b, STR("References"), m->in_reply_to);
	buf_lit(b, "MIME-Version: 1.0\r\n");
}

enum mime_build_status mime_build_put(struct buf *b, const struct mime_build_message *m)
{
	size_t before = b->n;

	mime_build_header(b, m);
	if (m->n_files) {
		buf_lit(b, "Content-Type: multipart/mixed; boundary=\"");
		buf_str(b, boundary);
		buf_lit(b, "\"\r\n\r\n");
		put_delimiter(b, false);
	}
	mime_build_text(b, m->text);
	for (size_t i = 0; i < m->n_files; i++)
		put_file(b, &m->files[i]);
	if (m->n_files)
		put_delimiter(b, true);
	if (!b->overflow)
		return MIME_BUILD_OK;
	b->n = before;
	b->overflow = false;
	return MIME_BUILD_TOO_LARGE;
}
