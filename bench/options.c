/* Reading of command lines by table. */
#include "bench/options.h"

#include "base/str.h"

#include <arpa/inet.h>

static int set_address(struct str text, struct sockaddr_in *address_r)
{
	struct str port, host = str_split(text, ':', &port);
	struct sockaddr_in a = {.sin_family = AF_INET};
	char name[INET_ADDRSTRLEN];
	uint64_t number;

	if (host.n >= sizeof name || !str_to_u64(port, UINT16_MAX, &number))
		return -1;
	snprintf(name, sizeof name, "%.*s", STR_FMT(host));
	if (inet_pton(AF_INET, name, &a.sin_addr) != 1)
		return -1;
	a.sin_port = htons((uint16_t)number);
	*address_r = a;
	return 0;
}

static int set_value(const struct bench_option *o, const char *text, void *place, struct err *e)
{
	switch (o->type) {
	case BENCH_NUMBER:
		if (!str_to_u64(str_of_c(text), o->max, place))
			return err_set(e, "%s needs a number up to %llu, not %s", o->name,
			    (unsigned long long)o->max, text);
		return 0;
	case BENCH_ADDRESS:
		if (set_address(str_of_c(text), place) != 0)
			return err_set(
			    e, "%s needs an address like 127.0.0.1:2525, not %s", o->name, text);
		return 0;
	default:
		*(const char **)place = text;
		return 0;
	}
}

static const struct bench_option *find(const struct bench_option *table, const char *name)
{
	for (const struct bench_option *o = table; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

int bench_options_read(
    const struct bench_option *table, int argc, char **argv, void *values, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		const struct bench_option *o = find(table, argv[i]);

		if (!o)
			return err_set(e, "there is no option %s", argv[i]);
		if (o->type == BENCH_FLAG) {
			*(bool *)((char *)values + o->offset) = true;
			continue;
		}
		if (++i == argc)
			return err_set(e, "%s needs a value", o->name);
		if (set_value(o, argv[i], (char *)values + o->offset, e) != 0)
			return -1;
	}
	return 0;
}

void bench_options_print(const struct bench_option *table)
{
	static const char *const kinds[] = {"", " N", " TEXT", " IP:PORT"};

	for (const struct bench_option *o = table; o->name; o++) {
		int n = printf("  %s%s", o->name, kinds[o->type]);

		printf("%*s%s\n", n < 24 ? 24 - n : 1, "", o->sentence);
	}
}
