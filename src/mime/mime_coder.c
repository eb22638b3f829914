/*
 * Base 64 and quoted-printable, streaming [RFC 2045 6.7, 6.8]. The decoders take anything; the
 * encoders write lines of at most 76 characters. State between two calls is a few octets.
 */
#include "mime/mime_content.h"

#include "base/ascii.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"

#define LINE_CHARS 76

enum {
	QP_TEXT,
	QP_EQUALS, /* "=" */
	QP_HEX,    /* "=" and a digit, which is in hex */
	QP_BREAK,  /* "=" and blanks or CR, which are in blanks */
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding e)
{
	*d = (struct mime_decoder){.encoding = e};
	buf_init(&d->blanks, LIMIT_MIME_LINE);
}

void mime_decoder_fini(struct mime_decoder *d)
{
	buf_fini(&d->blanks);
}

static void base64_byte(struct mime_decoder *d, uint8_t c, struct buf *out)
{
	int v = base64_value(c);

	if (c == '=' && d->chars)
		d->ended = true;
	if (v < 0 || d->ended)
		return;
	d->bits = d->bits << 6 | (uint32_t)v;
	if (++d->chars < 4)
		return;
	buf_byte(out, (uint8_t)(d->bits >> 16));
	buf_byte(out, (uint8_t)(d->bits >> 8));
	buf_byte(out, (uint8_t)d->bits);
	d->chars = 0;
	d->bits = 0;
}

/* Two or three characters of a last group give one or two octets. */
static void base64_finish(struct mime_decoder *d, struct buf *out)
{
	if (d->chars >= 2)
		buf_byte(out, (uint8_t)(d->bits >> (d->chars * 6 - 8)));
	if (d->chars == 3)
		buf_byte(out, (uint8_t)(d->bits >> 2));
}

static void flush_blanks(struct mime_decoder *d, struct buf *out)
{
	buf_str(out, buf_view(&d->blanks));
	buf_clear(&d->blanks);
}

static void hold_blank(struct mime_decoder *d, uint8_t c, struct buf *out)
{
	if (buf_room(&d->blanks) == 0)
		flush_blanks(d, out);
	buf_byte(&d->blanks, c);
}

static void qp_text(struct mime_decoder *d, uint8_t c, struct buf *out)
{
	if (ascii_is_wsp(c)) {
		hold_blank(d, c, out);
		return;
	}
	if (c == '\r' || c == '\n')
		buf_clear(&d->blanks);
	flush_blanks(d, out);
	if (c == '=')
		d->state = QP_EQUALS;
	else
		buf_byte(out, c);
}

/* What began like an escape is none: it stays as it came. */
static void qp_undo(struct mime_decoder *d, struct buf *out)
{
	buf_byte(out, '=');
	if (d->state == QP_HEX)
		buf_byte(out, d->hex);
	flush_blanks(d, out);
	d->state = QP_TEXT;
}

/* An octet behind "=". False: it does not belong to the escape. */
static bool qp_escape(struct mime_decoder *d, uint8_t c, struct buf *out)
{
	bool blank = ascii_is_wsp(c) || c == '\r';

	if (d->state == QP_HEX) {
		if (ascii_hex(c) < 0)
			return false;
		buf_byte(out, (uint8_t)(ascii_hex(d->hex) << 4 | ascii_hex(c)));
		d->state = QP_TEXT;
	} else if (d->state == QP_EQUALS && ascii_hex(c) >= 0) {
		d->hex = c;
		d->state = QP_HEX;
	} else if (c == '\n') {
		buf_clear(&d->blanks);
		d->state = QP_TEXT;
	} else if (blank && buf_room(&d->blanks) > 0) {
		buf_byte(&d->blanks, c);
		d->state = QP_BREAK;
	} else {
		return false;
	}
	return true;
}

static void qp_byte(struct mime_decoder *d, uint8_t c, struct buf *out)
{
	if (d->state != QP_TEXT && qp_escape(d, c, out))
		return;
	if (d->state != QP_TEXT)
		qp_undo(d, out);
	qp_text(d, c, out);
}

void mime_decoder_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
	void (*byte)(struct mime_decoder *, uint8_t,
	    struct buf *) = d->encoding == MIME_ENCODING_BASE64             ? base64_byte
			    : d->encoding == MIME_ENCODING_QUOTED_PRINTABLE ? qp_byte
									    : NULL;

	if (!byte)
		buf_str(out, in);
	for (size_t i = 0; byte && i < in.n; i++)
		byte(d, in.p[i], out);
}

void mime_decoder_finish(struct mime_decoder *d, struct buf *out)
{
	if (d->encoding == MIME_ENCODING_BASE64)
		base64_finish(d, out);
	else if (d->state == QP_EQUALS || d->state == QP_BREAK)
		buf_clear(&d->blanks);
	else if (d->state == QP_HEX)
		qp_undo(d, out);
	*d = (struct mime_decoder){.encoding = d->encoding, .blanks = d->blanks};
	buf_clear(&d->blanks);
}

void mime_encoder_init(struct mime_encoder *e, enum mime_encoding encoding)
{
	MUST(encoding == MIME_ENCODING_BASE64 || encoding == MIME_ENCODING_QUOTED_PRINTABLE);
	*e = (struct mime_encoder){.encoding = encoding};
}

/* The held octets, padded to a group; none are left. */
static void put_group(struct mime_encoder *e, struct buf *out)
{
	base64_encode(out, str_of(e->held, e->n));
	e->n = 0;
	e->column = (uint8_t)(e->column + 4);
	if (e->column == LINE_CHARS) {
		buf_lit(out, "\r\n");
		e->column = 0;
	}
}

static void base64_put(struct mime_encoder *e, uint8_t c, struct buf *out)
{
	e->held[e->n++] = c;
	if (e->n == 3)
		put_group(e, out);
}

/* One octet, escaped or not, behind a soft line break if the line is full. */
static void qp_put(struct mime_encoder *e, uint8_t c, bool escape, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned width = escape ? 3 : 1;

	if (e->column + width > LINE_CHARS - 1) {
		buf_lit(out, "=\r\n");
		e->column = 0;
	}
	e->column = (uint8_t)(e->column + width);
	if (!escape) {
		buf_byte(out, c);
		return;
	}
	buf_byte(out, '=');
	buf_byte(out, (uint8_t)digits[c >> 4]);
	buf_byte(out, (uint8_t)digits[c & 15]);
}

/* Writes what was held: at the end of a line a blank is escaped, elsewhere a CR. */
static void qp_release(struct mime_encoder *e, bool line_end, struct buf *out)
{
	for (unsigned i = 0; i < e->n; i++) {
		bool blank = ascii_is_wsp(e->held[i]);

		if (blank || !line_end)
			qp_put(e, e->held[i], blank ? line_end : true, out);
	}
	e->n = 0;
}

static void quoted_put(struct mime_encoder *e, uint8_t c, struct buf *out)
{
	bool after_cr = e->n && e->held[e->n - 1] == '\r';

	if (c == '\n' && after_cr) {
		qp_release(e, true, out);
		buf_lit(out, "\r\n");
		e->column = 0;
		return;
	}
	if (after_cr || (e->n && c != '\r'))
		qp_release(e, false, out);
	if (ascii_is_wsp(c) || c == '\r')
		e->held[e->n++] = c;
	else
		qp_put(e, c, !ascii_is_vchar(c) || c == '=', out);
}

void mime_encoder_feed(struct mime_encoder *e, struct str in, struct buf *out)
{
	bool base64 = e->encoding == MIME_ENCODING_BASE64;

	for (size_t i = 0; i < in.n; i++) {
		if (base64)
			base64_put(e, in.p[i], out);
		else
			quoted_put(e, in.p[i], out);
	}
}

void mime_encoder_finish(struct mime_encoder *e, struct buf *out)
{
	if (e->encoding == MIME_ENCODING_BASE64 && e->n)
		put_group(e, out);
	if (e->encoding == MIME_ENCODING_QUOTED_PRINTABLE && e->n) {
		bool cr = e->held[e->n - 1] == '\r';

		qp_release(e, !cr, out);
	}
	if (e->column)
		buf_lit(out, "\r\n");
	e->column = 0;
}
