/* The table behind store/sql.h, and the translation of the schema into SQLite's words. */
#include "store/sql.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/mem.h"

static const struct sql_statement statements[] = {
#define SQL(id, text)              [SQL_##id] = {#id, text, text},
#define SQL_PG(id, text, postgres) [SQL_##id] = {#id, text, postgres},
#include "store/sql_statements.h"
#undef SQL
#undef SQL_PG
};

const struct sql_statement *sql_statement(enum sql_id id)
{
	BUG_ON((size_t)id >= SQL_COUNT);
	return &statements[id];
}

static bool is_word(uint8_t c)
{
	return ascii_is_alnum(c) || c == '_';
}

static struct str sqlite_word(struct str word)
{
	if (str_eq(word, STR("bigint")))
		return STR("integer");
	if (str_eq(word, STR("bytea")))
		return STR("blob");
	return word;
}

/* Copies the text word by word; quoted parts hold no type names. */
static void put_object(struct buf *out, struct str text)
{
	struct cur c = cur_of(text);

	while (cur_left(&c)) {
		struct str word = cur_while(&c, is_word);

		buf_str(out, word.n ? sqlite_word(word) : cur_take(&c, 1));
	}
}

void sql_schema_sqlite(struct buf *out, const struct sql_schema *schema)
{
	for (size_t i = 0; i < schema->n; i++) {
		struct str text = str_of_c(schema->objects[i].text);

		put_object(out, text);
		if (str_has_prefix(text, STR("CREATE TABLE")))
			buf_c(out, schema->objects[i].keyed ? " STRICT, WITHOUT ROWID" : " STRICT");
		buf_lit(out, ";\n");
	}
}
