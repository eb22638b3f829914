/* The floor's command line. */
#include "bench/floor.h"
#include "bench/options.h"

#include <signal.h>
#include <sys/prctl.h>

#define AT(member) offsetof(struct floor_settings, member)

static const struct bench_option table[] = {
    {"--listen", BENCH_ADDRESS, AT(listen), 0, "where to take mail"},
    {"--log", BENCH_TEXT, AT(log), 0, "append messages to this file, synced before each 250"},
    {"--counters", BENCH_TEXT, AT(counters), 0,
	"show what was done in this file (struct floor_counters)"},
    {NULL},
};

int main(int argc, char **argv)
{
	struct floor_settings settings = {0};
	struct err e;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("usage: floor --listen IP:PORT [options]\n");
		bench_options_print(table);
		return 0;
	}
	if (bench_options_read(table, argc - 1, argv + 1, &settings, &e) != 0) {
		fprintf(stderr, "floor: %s\n", e.text);
		return 64;
	}
	if (settings.listen.sin_port == 0) {
		fprintf(stderr, "floor: --listen is missing\n");
		return 64;
	}
	/* Nobody looks after it once the benchmark is gone. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	floor_run(&settings, &e);
	fprintf(stderr, "floor: %s\n", e.text);
	return 69;
}
