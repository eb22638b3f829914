/*
 * Writes every report of dsn_sample.c to standard output, each behind "name octets eightbit utf8"
 * LF.
 */
#include <stdio.h>

#include "base/mem.h"
#include "dsn_sample.h"

int main(void)
{
	for (size_t i = 0; i < dsn_changes_count; i++) {
		struct dsn_sample *s = dsn_sample_new();
		struct queue_dsn_facts facts;
		struct buf b;

		buf_init(&b, LIMIT_DSN);
		dsn_changes[i].change(s);
		MUST(queue_dsn_put(&b, &s->dsn, &facts) == QUEUE_DSN_OK);
		printf("%s %zu %d %d\n", dsn_changes[i].name, b.n, facts.eightbit, facts.utf8);
		fwrite(b.p, 1, b.n, stdout);
		buf_fini(&b);
		dsn_sample_free(&s);
	}
	return fflush(stdout) != 0;
}
