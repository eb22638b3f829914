/* The command line of the filler. */
#include "bench/fill.h"
#include "bench/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define AT(member) offsetof(struct fill_settings, member)
#define MANY       UINT32_MAX

static const struct bench_option table[] = {
    {"--data", BENCH_TEXT, AT(data), 0, "the data directory; no server runs on it"},
    {"--messages", BENCH_NUMBER, AT(messages), MANY, "mailbox, queue: how many (1000)"},
    {"--size", BENCH_NUMBER, AT(size), 1 << 20, "mailbox, queue: octets of each (300)"},
    {"--hours", BENCH_NUMBER, AT(hours), 1000, "mailbox, queue: since when they came (1)"},
    {"--from", BENCH_TEXT, AT(from), 0, "mailbox, queue: sender (sender@load.test)"},
    {"--account", BENCH_TEXT, AT(account), 0, "mailbox: whose (user0@bench.test)"},
    {"--accounts", BENCH_NUMBER, AT(accounts), MANY, "accounts: how many (1000)"},
    {"--first", BENCH_NUMBER, AT(first), MANY, "accounts: number in the name of the first (0)"},
    {"--domain", BENCH_TEXT, AT(domain), 0,
	"accounts, queue: user0, user1, ... there (bench.test)"},
    {"--password", BENCH_TEXT, AT(password), 0, "accounts: of all of them (bench)"},
    {"--destinations", BENCH_NUMBER, AT(destinations), MANY,
	"queue: to so many domains d0.live.test, ... in place of one"},
    {"--dead", BENCH_NUMBER, AT(dead), 100, "queue: of each 100 of them so many end in .dead.test"},
    {NULL},
};

static const struct {
	const char *name;
	int (*what)(struct filling *f);
} verbs[] = {{"accounts", fill_accounts}, {"mailbox", fill_mailbox}, {"queue", fill_queue}};

static int usage(const char *complaint)
{
	fprintf(stderr, "fill: %s\nusage: fill accounts|mailbox|queue --data DIR [options]\n",
	    complaint);
	return 64;
}

int main(int argc, char **argv)
{
	struct fill_settings settings = {.messages = 1000,
	    .size = 300,
	    .hours = 1,
	    .from = "sender@load.test",
	    .account = "user0@bench.test",
	    .accounts = 1000,
	    .domain = "bench.test",
	    .password = "bench"};
	int64_t begun = clock_mono();
	uint64_t made = 0;
	struct err e;
	int status;
	size_t i = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("usage: fill accounts|mailbox|queue --data DIR [options]\n");
		bench_options_print(table);
		return 0;
	}
	while (argc > 1 && i < sizeof verbs / sizeof *verbs && strcmp(argv[1], verbs[i].name) != 0)
		i++;
	if (argc < 2 || i == sizeof verbs / sizeof *verbs)
		return usage("the first word says what to fill");
	if (bench_options_read(table, argc - 2, argv + 2, &settings, &e) != 0)
		return usage(e.text);
	if (!settings.data)
		return usage("--data is missing");
	status = fill_run(&settings, verbs[i].what, &made, &e);
	printf("{\"made\": %llu, \"seconds\": %.3f}\n", (unsigned long long)made,
	    (double)(clock_mono() - begun) / 1e3);
	if (status != 0)
		fprintf(stderr, "fill: %s\n", e.text);
	return status == 0 ? 0 : 1;
}
