/*
 * Two passes over the fields: the first one finds which there are (Resent- recipients replace the
 * others, wherever they stand), the second one copies. Fields are copied as they came, octet by octet.
 */
#include "cli/cli_header.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_date.h"
#include "mime/mime_field.h"

enum field_trait {
	FIELD_FROM = 1,
	FIELD_DATE = 2,
	FIELD_MESSAGE_ID = 4,
	FIELD_RCPT = 8,
	FIELD_RESENT_RCPT = 16,
	FIELD_SECRET = 32, /* not to be sent on */
};

static const struct {
	struct str name;
	unsigned traits;
} known[] = {
    {STR_INIT("From"), FIELD_FROM},
    {STR_INIT("Date"), FIELD_DATE},
    {STR_INIT("Message-ID"), FIELD_MESSAGE_ID},
    {STR_INIT("To"), FIELD_RCPT},
    {STR_INIT("Cc"), FIELD_RCPT},
    {STR_INIT("Bcc"), FIELD_RCPT | FIELD_SECRET},
    {STR_INIT("Resent-To"), FIELD_RESENT_RCPT},
    {STR_INIT("Resent-Cc"), FIELD_RESENT_RCPT},
    {STR_INIT("Resent-Bcc"), FIELD_RESENT_RCPT | FIELD_SECRET},
};

struct work {
	struct str head;
	bool whole;
	const struct cli_header_wish *wish;
	struct arena *a;
	struct buf *out;
	unsigned present; /* traits of all fields there are */
	struct cli_header made;
	struct err *e;
};

static unsigned traits_of(struct str name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (str_eq_i(name, known[i].name))
			return known[i].traits;
	return 0;
}

/* Calls fn for each field; sets body_at. */
static enum cli_header_status each_field(
    struct work *w, enum cli_header_status (*fn)(struct work *w, const struct mime_field *f))
{
	enum cli_header_status result = CLI_HEADER_OK;
	enum mime_field_status got = MIME_FIELD_MORE;
	struct mime_field_in in;
	struct str rest = w->head;
	struct mime_field f;
	size_t used;

	mime_field_in_init(&in, 0);
	do {
		got = mime_field_next(&in, rest, &used, &f);
		rest = str_from(rest, used);
		if (got == MIME_FIELD_MORE)
			got = w->whole ? mime_field_finish(&in, &f) : MIME_FIELD_MORE;
		if (got == MIME_FIELD_ONE)
			result = fn(w, &f);
	} while (got == MIME_FIELD_ONE && result == CLI_HEADER_OK);
	if (got == MIME_FIELD_MORE) {
		err_set(
		    w->e, "the header of the message is longer than %zu octets", LIMIT_MIME_HEADER);
		result = CLI_HEADER_TOO_LONG;
	}
	w->made.body_at = got == MIME_FIELD_NO_SEPARATOR ? mime_field_body_offset(&in)
							 : w->head.n - rest.n;
	mime_field_in_fini(&in);
	return result;
}

static enum cli_header_status note_field(struct work *w, const struct mime_field *f)
{
	w->present |= traits_of(f->name);
	return CLI_HEADER_OK;
}

/* ---- recipients ---- */

static void keep_rcpt(struct work *w, const struct mime_address *from)
{
	struct mime_address_list *to = &w->made.rcpts;

	if (from->kind != MIME_ADDRESS_MAILBOX)
		return;
	if (!to->v)
		to->v = arena_array(w->a, LIMIT_SMTP_RCPT_MAX + 1, sizeof *to->v);
	if (to->n > LIMIT_SMTP_RCPT_MAX)
		to->truncated = true;
	else
		to->v[to->n++] = *from;
}

static enum cli_header_status take_rcpts(struct work *w, const struct mime_field *f)
{
	struct mime_address_list list;

	if (f->too_long) {
		err_set(w->e,
		    "the field %.*s has more than %zu octets, too many to take recipients from; leave "
		    "out -t and name the recipients as arguments",
		    STR_FMT(f->name), LIMIT_MIME_FIELD);
		return CLI_HEADER_TOO_LONG;
	}
	if (mime_address_parse(w->a, arena_str(w->a, f->body), LIMIT_SMTP_RCPT_MAX, &list) !=
	    MIME_ADDRESS_OK) {
		err_set(w->e, "the field %.*s holds something that is no address; nothing was sent",
		    STR_FMT(f->name));
		return CLI_HEADER_BAD_RECIPIENT;
	}
	for (size_t i = 0; i < list.n; i++)
		keep_rcpt(w, &list.v[i]);
	return CLI_HEADER_OK;
}

static enum cli_header_status copy_field(struct work *w, const struct mime_field *f)
{
	unsigned traits = traits_of(f->name);
	unsigned wanted = w->present & FIELD_RESENT_RCPT ? FIELD_RESENT_RCPT : FIELD_RCPT;

	if (!(traits & FIELD_SECRET))
		buf_str(w->out, str_sub(w->head, (size_t)f->offset, (size_t)f->size));
	if (w->wish->take_recipients && (traits & wanted))
		return take_rcpts(w, f);
	return CLI_HEADER_OK;
}

static void add_missing(struct work *w)
{
	if (!(w->present & FIELD_DATE)) {
		buf_lit(w->out, "Date: ");
		mime_date_put(w->out, w->wish->now);
		buf_lit(w->out, "\r\n");
	}
	if (!(w->present & FIELD_FROM)) {
		buf_lit(w->out, "From: ");
		mime_address_put(w->out, &w->wish->from);
		buf_lit(w->out, "\r\n");
	}
	if (!(w->present & FIELD_MESSAGE_ID)) {
		buf_lit(w->out, "Message-ID: <");
		buf_str(w->out, w->wish->message_id);
		buf_lit(w->out, ">\r\n");
	}
	buf_lit(w->out, "\r\n");
}

enum cli_header_status cli_header_make(struct str head, bool whole,
    const struct cli_header_wish *wish, struct arena *a, struct buf *out, struct cli_header *h_r,
    struct err *e)
{
	struct work w = {.head = head, .whole = whole, .wish = wish, .a = a, .out = out, .e = e};
	size_t before = out->n;
	enum cli_header_status status = each_field(&w, note_field);

	if (status == CLI_HEADER_OK)
		status = each_field(&w, copy_field);
	if (status != CLI_HEADER_OK) {
		out->n = before;
		return status;
	}
	add_missing(&w);
	MUST(!out->overflow);
	*h_r = w.made;
	return CLI_HEADER_OK;
}
