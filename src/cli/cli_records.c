/*
 * A table's columns are the fields of its first record but those of several lines, which stand below
 * their row; later records are matched by name, so that a
 * field may be missing (an empty cell) or additional (not shown to people).
 */
#include "cli/cli_records.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "cli/cli_text.h"

#define FIELDS_MAX  ((size_t)64)
#define FLUSH_ABOVE (64 * KIB)
#define CARD_WIDTH  ((size_t)26)

struct fields {
	struct admin_field v[FIELDS_MAX];
	size_t n;
	struct str type; /* value of a leading field "type", else empty; not in v then */
};

void cli_records_view(struct cli_records *r, const struct cli_view *view)
{
	r->view = view;
}

void cli_records_always(struct cli_records *r, struct str type)
{
	r->always = type;
}

void cli_records_flush_stdout(struct buf *out)
{
	if (out->n)
		fwrite(out->p, 1, out->n, stdout);
	buf_clear(out);
}

void cli_records_init(struct cli_records *r, enum cli_records_shape shape, bool is_json,
    void (*flush)(struct buf *out))
{
	*r = (struct cli_records){
	    .shape = shape, .is_json = is_json, .arena = arena_new(), .flush = flush};
	buf_init(&r->out, LIMIT_CLI_OUT);
	cli_json_init(&r->json, &r->out);
}

static int read_fields(struct str record, struct fields *f)
{
	struct cur c = cur_of(record);
	struct admin_field field;
	int got;

	*f = (struct fields){0};
	while ((got = admin_field_next(&c, &field)) > 0) {
		if (f->n == 0 && f->type.n == 0 && field.kind == ADMIN_TEXT &&
		    str_eq(field.name, STR("type")))
			f->type = field.text;
		else if (f->n < FIELDS_MAX)
			f->v[f->n++] = field;
	}
	return got;
}

/* Else a record of a card belongs to a table. */
static bool begins_card(const struct cli_records *r, const struct fields *f)
{
	return r->shape != CLI_RECORDS_LIST &&
	       (r->count == 0 || (r->shape == CLI_RECORDS_CARDS && f->type.n == 0));
}

/* ---- for people ---- */

static void put_value(struct buf *b, const struct admin_field *f)
{
	switch (f->kind) {
	case ADMIN_TEXT:
	case ADMIN_LINES:
		cli_text_put(b, f->text);
		break;
	case ADMIN_TIME:
		if (f->number)
			cli_text_time(b, f->number);
		else
			buf_byte(b, '-');
		break;
	case ADMIN_BOOL:
		buf_c(b, f->number ? "yes" : "no");
		break;
	case ADMIN_BYTES:
		cli_text_bytes(b, f->number);
		break;
	default:
		buf_i64(b, f->number);
		break;
	}
}

/* "Mailbox messages        12" */
static void put_card(struct cli_records *r, const struct fields *f)
{
	for (size_t i = 0; i < f->n; i++) {
		size_t start = r->out.n;
		struct str name = f->v[i].name;

		for (size_t k = 0; k < name.n; k++)
			buf_byte(&r->out, name.p[k] == '_' ? ' ' : name.p[k]);
		if (r->out.n > start)
			r->out.p[start] = ascii_upper(r->out.p[start]);
		do
			buf_byte(&r->out, ' ');
		while (r->out.n - start < CARD_WIDTH);
		put_value(&r->out, &f->v[i]);
		buf_byte(&r->out, '\n');
	}
}

/* "11-23 19:54" of "2026-11-23 19:54:33" */
static void put_short_time(struct buf *b, int64_t ms)
{
	struct buf whole;

	buf_init(&whole, 32);
	cli_text_time(&whole, ms);
	buf_str(b, str_sub(buf_view(&whole), 5, 11));
	buf_fini(&whole);
}

static void put_cell(const struct cli_records *r, struct buf *b, const struct admin_field *f)
{
	if (r->view && f->kind == ADMIN_TIME && f->number)
		put_short_time(b, f->number);
	else
		put_value(b, f);
}

/* The field of that name, NULL when the record has none. */
static const struct admin_field *find_field(const struct fields *f, struct str name)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->v[i].name, name))
			return &f->v[i];
	return NULL;
}

static void end_table(struct cli_records *r)
{
	if (r->in_table)
		cli_table_end(&r->table);
	r->in_table = false;
	r->ncolumns = 0;
}

static void add_column(struct cli_records *r, struct str name, enum admin_kind kind)
{
	r->columns[r->ncolumns++] = arena_str(r->arena, name);
	cli_table_column(&r->table, name, kind == ADMIN_INT || kind == ADMIN_BYTES);
}

static void all_columns(struct cli_records *r, const struct fields *f)
{
	for (size_t i = 0; i < f->n && i < CLI_TABLE_COLUMNS; i++)
		if (f->v[i].kind != ADMIN_LINES)
			add_column(r, f->v[i].name, f->v[i].kind);
}

static void view_columns(struct cli_records *r, const struct fields *f)
{
	for (struct str rest = r->view->columns; rest.n;) {
		struct str name = str_split(rest, ' ', &rest);
		const struct admin_field *field = find_field(f, name);
		enum admin_kind kind = field ? field->kind : ADMIN_TEXT;

		add_column(r, name, kind);
		if (kind == ADMIN_TEXT)
			cli_table_flexible(&r->table, CLI_VIEW_WIDTH);
	}
}

static void begin_table(struct cli_records *r, const struct fields *f)
{
	if (r->count)
		buf_byte(&r->out, '\n');
	arena_reset(r->arena, false);
	cli_table_init(&r->table, &r->out);
	if (r->view)
		view_columns(r, f);
	else
		all_columns(r, f);
	r->type = arena_str(r->arena, f->type);
	r->in_table = true;
}

/* Indented, an empty line behind them. */
static void put_lines(struct cli_records *r, struct str text)
{
	struct buf safe, lines;
	struct str rest;

	buf_init(&safe, LIMIT_IPC_PAYLOAD * 3);
	buf_init(&lines, LIMIT_IPC_PAYLOAD * 8);
	cli_text_put_lines(&safe, text);
	for (rest = buf_view(&safe); rest.n;) {
		buf_lit(&lines, "    ");
		buf_str(&lines, str_split(rest, '\n', &rest));
		buf_byte(&lines, '\n');
	}
	buf_byte(&lines, '\n');
	cli_table_below(&r->table, buf_view(&lines));
	buf_fini(&safe);
	buf_fini(&lines);
}

/* The view's text, in one line of what a terminal has. */
static void put_below(struct cli_records *r, const struct admin_field *f)
{
	struct buf safe, line;

	if (!f || f->text.n == 0)
		return;
	buf_init(&safe, LIMIT_IPC_PAYLOAD * 3);
	buf_init(&line, LIMIT_IPC_PAYLOAD * 3);
	cli_text_put(&safe, f->text);
	buf_lit(&line, "    ");
	buf_str(&line, cli_text_fit(buf_view(&safe), CLI_VIEW_WIDTH - 4));
	buf_byte(&line, '\n');
	cli_table_below(&r->table, buf_view(&line));
	buf_fini(&safe);
	buf_fini(&line);
}

static void put_row(struct cli_records *r, const struct fields *f)
{
	struct buf cell;

	buf_init(&cell, LIMIT_IPC_PAYLOAD * 3);
	for (size_t i = 0; i < r->ncolumns; i++) {
		const struct admin_field *field = find_field(f, r->columns[i]);

		buf_clear(&cell);
		if (field)
			put_cell(r, &cell, field);
		cli_table_cell(&r->table, buf_view(&cell));
	}
	if (r->view)
		put_below(r, find_field(f, r->view->below));
	for (size_t k = 0; k < f->n; k++)
		if (f->v[k].kind == ADMIN_LINES && f->v[k].text.n)
			put_lines(r, f->v[k].text);
	cli_table_row(&r->table);
	buf_fini(&cell);
}

static void put_text(struct cli_records *r, const struct fields *f)
{
	bool card = begins_card(r, f);

	if (r->in_table && (card || !str_eq(r->type, f->type)))
		end_table(r);
	if (card) {
		if (r->count)
			buf_byte(&r->out, '\n');
		put_card(r, f);
		return;
	}
	if (!r->in_table)
		begin_table(r, f);
	put_row(r, f);
}

/* ---- JSON ---- */

static void json_value(struct cli_json *j, const struct admin_field *f)
{
	switch (f->kind) {
	case ADMIN_TEXT:
	case ADMIN_LINES:
		cli_json_text(j, f->name, f->text);
		break;
	case ADMIN_TIME:
		cli_json_time(j, f->name, f->number);
		break;
	case ADMIN_BOOL:
		cli_json_bool(j, f->name, f->number != 0);
		break;
	default:
		cli_json_int(j, f->name, f->number);
		break;
	}
}

static void open_json(struct cli_records *r)
{
	if (r->is_open)
		return;
	r->is_open = true;
	if (r->shape == CLI_RECORDS_CARD)
		cli_json_object(&r->json, CLI_JSON_NO_KEY);
	else
		cli_json_array(&r->json, CLI_JSON_NO_KEY);
}

/* The one before, with what is inside it. */
static void end_json_card(struct cli_records *r)
{
	if (r->in_table)
		cli_json_end(&r->json);
	r->in_table = false;
	if (r->shape == CLI_RECORDS_CARDS && r->count)
		cli_json_end(&r->json);
}

/* Begins the array of a type unless it is open: "process" gives "processes". */
static void json_group(struct cli_records *r, struct str type)
{
	struct buf plural;

	if (r->in_table && str_eq(r->type, type))
		return;
	if (r->in_table)
		cli_json_end(&r->json);
	arena_reset(r->arena, false);
	r->type = arena_str(r->arena, type);
	buf_init(&plural, type.n + 8);
	buf_str(&plural, type.n ? type : STR("record"));
	buf_c(&plural, str_has_suffix_i(type, STR("s")) ? "es" : "s");
	cli_json_array(&r->json, buf_view(&plural));
	buf_fini(&plural);
	r->in_table = true;
}

static void close_json(struct cli_records *r)
{
	open_json(r);
	if (r->always.n && r->count == 1)
		json_group(r, r->always);
	end_json_card(r);
	cli_json_end(&r->json);
}

static void put_json(struct cli_records *r, const struct fields *f)
{
	bool card = begins_card(r, f);
	bool inside = !card || r->shape == CLI_RECORDS_CARDS; /* an object within another */

	open_json(r);
	if (card)
		end_json_card(r);
	else if (r->shape != CLI_RECORDS_LIST)
		json_group(r, f->type);
	if (inside)
		cli_json_object(&r->json, CLI_JSON_NO_KEY);
	if (r->shape == CLI_RECORDS_LIST && f->type.n)
		cli_json_text(&r->json, STR("type"), f->type);
	for (size_t i = 0; i < f->n; i++)
		json_value(&r->json, &f->v[i]);
	if (!card)
		cli_json_end(&r->json);
}

/* ---- both ---- */

int cli_records_put(struct cli_records *r, struct str record)
{
	struct fields f;

	if (read_fields(record, &f) < 0)
		return -1;
	if (r->is_json)
		put_json(r, &f);
	else
		put_text(r, &f);
	r->count++;
	if (r->out.n > FLUSH_ABOVE)
		r->flush(&r->out);
	return 0;
}

void cli_records_end(struct cli_records *r, bool ok)
{
	if (!r->is_json)
		end_table(r);
	else if (ok || r->is_open)
		close_json(r);
	r->flush(&r->out);
	buf_fini(&r->out);
	arena_free(&r->arena);
}
