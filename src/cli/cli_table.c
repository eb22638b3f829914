/*
 * Rows are cells in order, `columns` of them each, the head being the first row; behind the cells of a
 * row, but not of the head, its lines below. Kept cells live in one buffer; a cell that is too wide once
 * streaming has begun only pushes its own row's rest.
 */
#include "cli/cli_table.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"
#include "cli/cli_text.h"

#define TABLE_MAX (64 * MIB)
#define KEPT_MAX  (8 * MIB) /* a row more still fits into TABLE_MAX */
#define GAP       ((size_t)2)
#define NARROWEST ((size_t)8)

static const struct str ellipsis = STR_INIT("\xe2\x80\xa6"); /* one column wide */

void cli_table_init(struct cli_table *t, struct buf *out)
{
	*t = (struct cli_table){.out = out};
	buf_init(&t->cells, TABLE_MAX);
	buf_init(&t->below, TABLE_MAX);
}

static void print_blanks(struct buf *out, size_t n)
{
	while (n--)
		buf_byte(out, ' ');
}

static void print_cell(struct cli_table *t, size_t column, struct str text)
{
	bool cut = t->flexible[column] && cli_text_width(text) > t->width[column];
	struct str shown = cut ? cli_text_fit(text, t->width[column] - 1) : text;
	size_t width = cli_text_width(shown) + cut;
	size_t pad = width < t->width[column] ? t->width[column] - width : 0;

	if (t->right[column])
		print_blanks(t->out, pad);
	buf_str(t->out, shown);
	if (cut)
		buf_str(t->out, ellipsis);
	if (column + 1 == t->columns) {
		buf_byte(t->out, '\n');
		return;
	}
	print_blanks(t->out, GAP + (t->right[column] ? 0 : pad));
}

static void keep_cell(struct cli_table *t, size_t column, struct str text)
{
	size_t width = cli_text_width(text);

	if (width > t->width[column])
		t->width[column] = width;
	wire_str(&t->cells, text);
}

void cli_table_column(struct cli_table *t, struct str name, bool right)
{
	struct buf head;

	if (t->columns == CLI_TABLE_COLUMNS)
		return;
	buf_init(&head, name.n);
	for (size_t i = 0; i < name.n; i++)
		buf_byte(&head, name.p[i] == '_' ? ' ' : ascii_upper(name.p[i]));
	t->right[t->columns] = right;
	keep_cell(t, t->columns++, buf_view(&head));
	buf_fini(&head);
}

void cli_table_flexible(struct cli_table *t, size_t limit)
{
	MUST(t->columns > 0);
	t->flexible[t->columns - 1] = true;
	t->limit = limit;
}

void cli_table_cell(struct cli_table *t, struct str text)
{
	if (t->column == t->columns)
		return;
	if (t->streaming)
		print_cell(t, t->column, text);
	else
		keep_cell(t, t->column, text);
	t->column++;
}

static size_t widest_flexible(const struct cli_table *t)
{
	size_t widest = t->columns;

	for (size_t i = 0; i < t->columns; i++)
		if (t->flexible[i] && t->width[i] > NARROWEST &&
		    (widest == t->columns || t->width[i] > t->width[widest]))
			widest = i;
	return widest;
}

/* Makes flexible columns narrower, always the widest one, until a line fits. */
static void shrink(struct cli_table *t)
{
	size_t line = 0, i;

	for (i = 0; i < t->columns; i++)
		line += t->width[i] + (i ? GAP : 0);
	while (line > t->limit && (i = widest_flexible(t)) < t->columns) {
		t->width[i]--;
		line--;
	}
}

/* Prints and forgets the kept rows; from here on rows are printed at once. */
static void stream(struct cli_table *t)
{
	struct cur c = cur_of(buf_view(&t->cells));

	if (t->limit)
		shrink(t);
	for (bool head = true; cur_left(&c); head = false) {
		for (size_t i = 0; i < t->columns; i++)
			print_cell(t, i, cur_str(&c, TABLE_MAX));
		if (!head)
			buf_str(t->out, cur_str(&c, TABLE_MAX));
	}
	buf_clear(&t->cells);
	t->streaming = true;
}

void cli_table_below(struct cli_table *t, struct str lines)
{
	buf_str(&t->below, lines);
}

void cli_table_row(struct cli_table *t)
{
	while (t->column < t->columns)
		cli_table_cell(t, STR(""));
	t->column = 0;
	if (t->streaming)
		buf_str(t->out, buf_view(&t->below));
	else
		wire_str(&t->cells, buf_view(&t->below));
	buf_clear(&t->below);
	if (!t->streaming && (++t->rows == CLI_TABLE_MEASURED || t->cells.n > KEPT_MAX))
		stream(t);
}

void cli_table_end(struct cli_table *t)
{
	if (!t->streaming)
		stream(t);
	buf_fini(&t->cells);
	buf_fini(&t->below);
}
