/*
 * Asks through the resolver's own client with other keys than the root's.
 * usage: dns_direct SERVER KEYS|- TYPE NAME [TYPE NAME ...]
 */
#include "base/mem.h"
#include "dns_print.h"
#include "proc/dns_client.h"

struct question {
	struct dns_ask ask;
	struct str name;
	enum dns_type type;
};

static size_t open_questions;

static void on_done(struct dns_ask *ask, const struct dns_result *result)
{
	struct question *q = LIST_ENTRY(ask, struct question, ask);

	dns_print(q->name, q->type, result);
	mem_free(q);
	open_questions--;
}

static void on_started(void *user, enum dns_client_start how)
{
	fprintf(stderr, "started: %d\n", (int)how);
}

static void ask(struct dns_client *c, const char *type, const char *name)
{
	struct question *q = mem_new(struct question);

	MUST(dns_type_parse(str_of_c(type), &q->type));
	q->name = str_of_c(name);
	q->ask.done = on_done;
	open_questions++;
	dns_client_ask(c, q->name, q->type, &q->ask);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct dns_client *c = dns_client_new(loop, on_started, NULL);
	struct dns_client_config config = {.server = argv[1]};
	struct err e;

	MUST(argc > 2);
	config.anchors = strcmp(argv[2], "-") ? argv[2] : NULL;
	if (dns_client_set(c, &config, &e)) {
		fprintf(stderr, "dns_direct: %s\n", e.text);
		return 1;
	}
	for (int i = 3; i + 1 < argc; i += 2)
		ask(c, argv[i], argv[i + 1]);
	while (open_questions)
		uv_run(loop, UV_RUN_ONCE);
	dns_client_free(&c);
	uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop) ? 2 : 0;
}
