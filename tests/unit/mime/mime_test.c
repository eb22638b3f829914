/* Dumps of parsed messages as text, for tables of want and got. */
#include "mime_test.h"

void expect_text(const char *what, struct str got, const char *want)
{
	if (str_eq(got, str_of_c(want)))
		return;
	print_error("case: %s\n---- got\n%.*s\n---- want\n%s\n----\n", what, STR_FMT(got), want);
	fail();
}

void dump_text(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r')
			buf_lit(b, "\\r");
		else if (s.p[i] == '\n')
			buf_lit(b, "\\n");
		else if (s.p[i] < ' ')
			buf_printf(b, "\\x%02x", s.p[i]);
		else
			buf_byte(b, s.p[i]);
	}
}

void dump_addresses(struct buf *b, const struct mime_address_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct mime_address *a = &list->v[i];

		if (i > 0)
			buf_lit(b, " | ");
		if (a->kind == MIME_ADDRESS_GROUP_END)
			buf_byte(b, ';');
		if (a->name.n)
			buf_printf(b, "\"%.*s\" ", STR_FMT(a->name));
		if (a->kind == MIME_ADDRESS_GROUP_BEGIN)
			buf_byte(b, ':');
		if (a->local.n || a->domain.n)
			buf_printf(b, "%.*s@%.*s", STR_FMT(a->local), STR_FMT(a->domain));
	}
	if (list->bad)
		buf_printf(b, " (%zu bad)", list->bad);
	if (list->truncated)
		buf_lit(b, " (truncated)");
}

static void dump_params(struct buf *b, const struct mime_params *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		buf_printf(b, " %.*s=%.*s", STR_FMT(ps->v[i].name), STR_FMT(ps->v[i].value));
}

static void dump_opt(struct buf *b, const char *name, struct str s)
{
	if (s.p)
		buf_printf(b, "  %s: %.*s\n", name, STR_FMT(s));
}

static void dump_envelope(struct buf *b, const struct mime_envelope *e)
{
	static const char *const texts[] = {
	    "Subject", "Date", "Message-ID", "In-Reply-To", "References"};
	static const char *const lists[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};

	for (int i = 0; i < MIME_TEXT_FIELDS; i++)
		dump_opt(b, texts[i], e->text[i]);
	if (e->has_date)
		buf_printf(b, "  date %lld %d%s\n", (long long)e->date.ms, e->date.zone,
		    e->date.zone_unknown ? " unknown" : "");
	for (int i = 0; i < MIME_ADDRESS_FIELDS; i++) {
		const struct mime_address_list *list = &e->address[i];

		if (!list->n && !list->bad && !list->truncated)
			continue;
		buf_printf(b, "  %s: ", lists[i]);
		dump_addresses(b, list);
		buf_byte(b, '\n');
	}
}

static void dump_part(struct buf *b, const struct mime_part *p, size_t i)
{
	static const char *const kinds[] = {"", "multi ", "message "};

	buf_printf(b, "%zu ^%u %s%.*s/%.*s %.*s @%llu+%llu+%llu %llu lines", i, p->parent,
	    kinds[p->kind], STR_FMT(p->content.type), STR_FMT(p->content.subtype),
	    STR_FMT(mime_encoding_name(p->encoding)), (unsigned long long)p->header_offset,
	    (unsigned long long)(p->body_offset - p->header_offset),
	    (unsigned long long)p->body_size, (unsigned long long)p->lines);
	dump_params(b, &p->content.params);
	buf_byte(b, '\n');
	dump_opt(b, "id", p->id);
	dump_opt(b, "description", p->description);
	dump_opt(b, "md5", p->md5);
	dump_opt(b, "language", p->language);
	dump_opt(b, "location", p->location);
	if (p->disposition.p) {
		buf_printf(b, "  disposition: %.*s", STR_FMT(p->disposition));
		dump_params(b, &p->disposition_params);
		buf_byte(b, '\n');
	}
	if (p->envelope)
		dump_envelope(b, p->envelope);
}

static void dump_facts(struct buf *b, const struct mime_message *m)
{
	const struct mime_facts *f = &m->facts;

	buf_printf(b, "%llu octets, %llu lines, longest %llu, %u fields, %u received, %u from",
	    (unsigned long long)m->size, (unsigned long long)m->lines,
	    (unsigned long long)f->longest_line, f->fields, f->received, f->from);
	buf_c(b, f->has_date ? ", date" : "");
	buf_c(b, f->has_message_id ? ", id" : "");
	buf_c(b, f->has_8bit_header ? ", 8bit header" : "");
	buf_c(b, f->has_8bit_body ? ", 8bit body" : "");
	buf_c(b, f->has_nul ? ", nul" : "");
	buf_c(b, f->no_separator ? ", no separator" : "");
	buf_c(b, f->too_long ? ", too long" : "");
	buf_c(b, m->incomplete ? ", incomplete" : "");
	for (size_t i = 0; i < f->n_delivered_to; i++)
		buf_printf(b, ", delivered to %.*s", STR_FMT(f->delivered_to[i]));
	buf_byte(b, '\n');
}

void dump_message(struct buf *b, const struct mime_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++)
		dump_part(b, &m->parts[i], i);
	dump_facts(b, m);
}
