/* What a column is the schema says; what the keys are does not come in one integer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "flip.h"

#include <stdio.h>
#include <string.h>

#define SQL_MAX ((size_t)1200)

int64_t flip_number(struct rig *r, const char *format, ...)
{
	char sql[SQL_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sql, sizeof sql, format, ap);
	va_end(ap);
	return rig_number(r, sql);
}

void flip_change(struct rig *r, const char *sql)
{
	assert_int_equal(db_begin(r->db), DB_OK);
	rig_sql(r, sql);
	assert_int_equal(db_commit(r->db), DB_OK);
}

static const char *key_of(const char *table)
{
	static const struct {
		const char *table, *key;
	} keys[] = {
	    {"account", "id"},
	    {"admin_log", "id"},
	    {"alias", "domain, local, target_domain, target_local"},
	    {"blob", "id"},
	    {"change", "account, modseq, type, id"},
	    {"credential", "account, kind, name"},
	    {"destination", "shard, name"},
	    {"domain", "name"},
	    {"email", "account, id"},
	    {"ledger", "message, recipient"},
	    {"ledger_day", "day"},
	    {"mailbox", "account, id"},
	    {"membership", "account, mailbox, uid"},
	    {"message", "id"},
	    {"meta", "name"},
	    {"pack", "pack"},
	    {"queue", "shard, message, recipient"},
	    {"trace", "message, seq"},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (strcmp(keys[i].table, table) == 0)
			return keys[i].key;
	fail_msg("no key of %s", table);
	return "";
}

static bool is_of_type(struct rig *r, const struct flip_column *c, const char *type)
{
	return flip_number(r,
		   "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'"
		   " AND lower(type) = '%s'",
		   c->table, c->name, type) == 1;
}

/* Those that have something to flip, as what follows FROM. */
static void put_rows(char *out, size_t size, const struct flip_column *c, bool is_number)
{
	if (is_number)
		snprintf(out, size, "%s", c->table);
	else
		snprintf(out, size, "%s WHERE length(%s) > 0", c->table, c->name);
}

static void put_number(char *out, size_t size, const struct flip_column *c, bool sign)
{
	long long bit = sign ? INT64_MIN
			     : (long long)(INT64_C(1) << chance_pick(c->unnamed ? 63 : 40));

	snprintf(out, size, "((%s | %lld) - (%s & %lld))", c->name, bit, c->name, bit);
}

static void put_text(struct rig *r, char *out, size_t size, const struct flip_column *c,
    const char *rows, long long row)
{
	int64_t octets = flip_number(
	    r, "SELECT length(CAST(%s AS BLOB)) FROM %s LIMIT 1 OFFSET %lld", c->name, rows, row);
	long long at = (long long)chance_pick((uint64_t)octets);
	int64_t octet = flip_number(r,
	    "SELECT 16 * instr('123456789ABCDEF', substr(h, 1, 1)) +"
	    " instr('123456789ABCDEF', substr(h, 2, 1)) FROM (SELECT hex(substr(CAST(%s AS"
	    " BLOB), %lld, 1)) AS h FROM %s LIMIT 1 OFFSET %lld)",
	    c->name, at + 1, rows, row);

	octet ^= INT64_C(1) << chance_pick(8);
	snprintf(out, size,
	    "CAST(substr(CAST(%s AS BLOB), 1, %lld) || x'%02x' || substr(CAST(%s AS BLOB), %lld) AS %s)",
	    c->name, at, (unsigned)octet, c->name, at + 2,
	    is_of_type(r, c, "blob") ? "BLOB" : "TEXT");
}

void flip_one(struct rig *r, const struct flip_column *c, bool sign)
{
	char flipped[400], rows[200], sql[SQL_MAX];
	bool is_number = is_of_type(r, c, "integer");
	long long row;
	int64_t n;

	put_rows(rows, sizeof rows, c, is_number);
	n = flip_number(r, "SELECT count(*) FROM %s", rows);
	if (n == 0)
		fail_msg("%s.%s has nothing to flip", c->table, c->name);
	row = (long long)chance_pick((uint64_t)n);
	if (is_number)
		put_number(flipped, sizeof flipped, c, sign);
	else
		put_text(r, flipped, sizeof flipped, c, rows, row);
	snprintf(sql, sizeof sql,
	    "UPDATE OR IGNORE %s SET %s = %s WHERE (%s) IN (SELECT %s FROM %s LIMIT 1 OFFSET %lld)",
	    c->table, c->name, flipped, key_of(c->table), key_of(c->table), rows, row);
	flip_change(r, sql);
}

void flip_keep(struct rig *r, const char *table)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof sql, "CREATE TABLE kept_%s AS SELECT * FROM %s", table, table);
	flip_change(r, sql);
}

bool flip_differs(struct rig *r, const char *table)
{
	return flip_number(r,
		   "SELECT count(*) FROM (SELECT * FROM %s EXCEPT SELECT * FROM kept_%s)", table,
		   table) > 0;
}

void flip_put_back(struct rig *r, const char *table)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof sql, "DELETE FROM %s; INSERT INTO %s SELECT * FROM kept_%s", table,
	    table, table);
	flip_change(r, sql);
}
