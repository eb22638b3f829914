/* Results of lookups as JSON, a line each, for the tests in Python. */
#ifndef TESTS_DNS_PRINT_H
#define TESTS_DNS_PRINT_H

#include "dns/dns.h"

void dns_print(struct str name, enum dns_type type, const struct dns_result *result);

#endif
