/* A configuration that must be accepted. Include it behind cmocka.h. */
#ifndef TESTS_UNIT_CONFIG_PARSE_H
#define TESTS_UNIT_CONFIG_PARSE_H

#include "config/config.h"

#define HOST "hostname = \"mail.example.org\";\n"

static struct config_snapshot *parse(const char *text)
{
	struct config_snapshot *c = NULL;
	struct err e;

	if (config_parse("/data", "godwit.conf", str_of_c(text), 7, &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

#endif
