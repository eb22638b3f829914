/*
 * The generator's command line and its report: one JSON object on standard output, with the processor time
 * of its threads and the share that each took of one, so that a run in which the generator was the limit is seen.
 */
#include "bench/load.h"
#include "bench/options.h"

#include <sched.h>
#include <stddef.h>

#define CONNECTIONS_MAX 100000
#define SIZE_MAX_OCTETS (64 * MIB)
#define THREADS_MAX     1000
#define AT(member)      offsetof(struct load_settings, member)

static const struct bench_option table[] = {
    {"--to", BENCH_ADDRESS, AT(to), 0, "the server"},
    {"--connections", BENCH_NUMBER, AT(connections), CONNECTIONS_MAX, "at a time (1)"},
    {"--threads", BENCH_NUMBER, AT(threads), THREADS_MAX,
	"(as many as processors, but not more than connections)"},
    {"--messages", BENCH_NUMBER, AT(messages), UINT32_MAX, "smtp: of one connection (1)"},
    {"--total", BENCH_NUMBER, AT(total), UINT32_MAX, "messages (smtp) or sessions (pop3) in all"},
    {"--seconds", BENCH_NUMBER, AT(seconds), 86400,
	"then begin no more of them (5 without --total)"},
    {"--size", BENCH_NUMBER, AT(size), SIZE_MAX_OCTETS, "smtp: octets of a message (1024)"},
    {"--recipients", BENCH_NUMBER, AT(recipients), 10000, "smtp: of a message (1)"},
    {"--accounts", BENCH_NUMBER, AT(accounts), UINT32_MAX,
	"% in --rcpt and --user is 0 to N - 1 (1)"},
    {"--from", BENCH_TEXT, AT(from), 0, "smtp: sender (sender@load.test)"},
    {"--rcpt", BENCH_TEXT, AT(rcpt), 0, "smtp: recipient (user%@bench.test)"},
    {"--user", BENCH_TEXT, AT(user), 0, "pop3: login name (user%@bench.test)"},
    {"--password", BENCH_TEXT, AT(password), 0, "pop3: password of all of them (bench)"},
    {"--no-pipelining", BENCH_FLAG, AT(no_pipelining), 0, "smtp: one command a round trip"},
    {"--delete", BENCH_FLAG, AT(delete_after), 0, "pop3: DELE each message that was read"},
    {"--hold", BENCH_FLAG, AT(hold), 0, "stay idle after EHLO or login until standard input ends"},
    {NULL},
};

static const struct {
	const char *name;
	const struct load_protocol *protocol;
} protocols[] = {{"smtp", &load_smtp}, {"pop3", &load_pop3}};

static int usage(const char *complaint)
{
	if (complaint)
		fprintf(stderr, "load: %s\n", complaint);
	fprintf(stderr, "usage: load smtp|pop3 --to IP:PORT [options]; load --help\n");
	return 64;
}

static const struct load_protocol *find_protocol(const char *name)
{
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		if (strcmp(name, protocols[i].name) == 0)
			return protocols[i].protocol;
	return NULL;
}

/* Processors that this process may use. */
static uint64_t processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1; /* more than 1024 */
	return (uint64_t)CPU_COUNT(&set);
}

/* What was not given. */
static void complete(struct load_settings *s)
{
	if (s->connections == 0)
		s->connections = 1;
	if (s->threads == 0)
		s->threads = processors();
	if (s->threads > s->connections)
		s->threads = s->connections;
	if (s->messages == 0)
		s->messages = 1;
	if (s->recipients == 0)
		s->recipients = 1;
	if (s->accounts == 0)
		s->accounts = 1;
	if (s->hold)
		s->total = s->connections;
	else if (s->total == 0 && s->seconds == 0)
		s->seconds = 5;
}

static void print_latency(const char *name, struct samples *s)
{
	printf("\"%s_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ", name,
	    samples_percentile(s, 0.5) / 1e3, samples_percentile(s, 0.99) / 1e3,
	    samples_percentile(s, 1) / 1e3);
}

/* Text of a server, for JSON. */
static void print_text(struct str s)
{
	putchar('"');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == '\\')
			printf("\\u%04x", s.p[i]);
		else
			putchar(s.p[i]);
	putchar('"');
}

static void report(struct load *l)
{
	double seconds = (double)(l->last_us - l->begun_us) / 1e6;

	printf("{\"units\": %llu, \"messages\": %llu, \"octets_in\": %llu, \"seconds\": %.4f, ",
	    (unsigned long long)l->units, (unsigned long long)l->messages,
	    (unsigned long long)l->octets, seconds);
	print_latency(l->protocol->unit, &l->unit_latency);
	print_latency(l->protocol->step, &l->step_latency);
	printf("\"cpu_seconds\": %.3f, \"thread_shares\": [", l->cpu_seconds);
	for (uint64_t i = 0; i < l->settings->threads; i++)
		printf("%s%.3f", i ? ", " : "", l->workers[i].share);
	printf("], ");
	printf("\"errors\": %llu, \"first_error\": ", (unsigned long long)l->errors);
	print_text(str_of_c(l->first_error.text));
	printf("}\n");
}

static void report_held(struct load *l)
{
	printf("{\"held\": %llu, \"errors\": %llu, \"first_error\": ", (unsigned long long)l->held,
	    (unsigned long long)l->errors);
	print_text(str_of_c(l->first_error.text));
	printf("}\n");
	fflush(stdout);
	printf("{\"lost\": %llu}\n", (unsigned long long)load_wait_held(l));
}

int main(int argc, char **argv)
{
	struct load_settings settings = {.size = 1024,
	    .from = "sender@load.test",
	    .rcpt = "user%@bench.test",
	    .user = "user%@bench.test",
	    .password = "bench"};
	const struct load_protocol *protocol = argc > 1 ? find_protocol(argv[1]) : NULL;
	struct load load;
	struct err e;
	int status;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("usage: load smtp|pop3 --to IP:PORT [options]\n");
		bench_options_print(table);
		return 0;
	}
	if (!protocol)
		return usage(argc > 1 ? "the first word is smtp or pop3" : NULL);
	if (bench_options_read(table, argc - 2, argv + 2, &settings, &e) != 0)
		return usage(e.text);
	if (settings.to.sin_port == 0)
		return usage("--to is missing");
	complete(&settings);
	load_init(&load, &settings, protocol);
	status = load_run(&load, &e);
	if (settings.hold && status == 0)
		report_held(&load);
	else
		report(&load);
	if (status != 0)
		fprintf(stderr, "load: %s; first error: %s\n", e.text, load.first_error.text);
	load_fini(&load);
	return status == 0 ? 0 : 1;
}
