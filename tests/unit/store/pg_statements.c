/*
 * Prints what tests/unit/store/pg_prepare feeds to psql: the schema, then for each statement a
 * marker line, PREPARE, and a description of its result.
 */
#include "store/sql.h"

/* The prepared statement's name: the parameters' types are looked up by it afterwards. */
static void print_statement(const struct sql_statement *s)
{
	printf("\\echo @ %s\n", s->name);
	printf("PREPARE \"%s\" AS %s;\n", s->name, s->postgres);
	printf("%s \\gdesc\n", s->postgres);
}

int main(void)
{
	const struct sql_schema *schema = sql_schema();

	for (size_t i = 0; i < schema->n; i++) {
		struct str text = str_of_c(schema->objects[i].text);
		size_t words = str_find(text, '(');

		printf("\\echo @ %.*s\n", (int)words, (const char *)text.p);
		printf("%s;\n", schema->objects[i].text);
	}
	for (enum sql_id id = 0; id < SQL_COUNT; id++)
		print_statement(sql_statement(id));
	printf("\\echo @ parameters\n"
	       "SELECT name || ' parameter|' || unnest(parameter_types)::text"
	       " FROM pg_prepared_statements;\n");
	return 0;
}
