/* The values of options, and what they decide. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/options.h"
#include "parse.h"
#include "queue/queue_policy.h"

static void test_defaults(void **state)
{
	struct config_snapshot *c = parse(HOST);
	struct buf path;

	assert_int_equal(c->number, 7);
	assert_string_equal(c->dir.p, "/data");
	assert_string_equal(c->hostname.p, "mail.example.org");
	assert_int_equal(c->listen.n, 2);
	assert_true(ip_is_v4(&c->listen.v[0]));
	assert_int_equal(c->ports.smtp, 25);
	assert_int_equal(c->ports.lmtp, 0);
	assert_int_equal(c->plaintext_auth, CONFIG_PLAINTEXT_LOOPBACK);
	assert_int_equal(c->message_size_limit, 50 * MIB);
	assert_int_equal(c->trusted_networks.n, 0);
	assert_int_equal(c->bare_newline, CONFIG_BARE_REFUSE);
	assert_int_equal(c->dns_server.n, 0);
	assert_int_equal(c->dnssec, CONFIG_DNSSEC_VALIDATE);
	assert_string_equal(c->subaddress_separator.p, "+");
	assert_int_equal(c->srs, true);
	assert_int_equal(c->postmaster.n, 0);
	assert_int_equal(c->timeouts.smtp_command, 5 * MINUTE_MS);
	/* [RFC 5321 4.5.3.2]; of opening a connection it says nothing */
	assert_int_equal(c->timeouts.relay_connect, 30 * SECOND_MS);
	assert_int_equal(c->timeouts.relay_command, 5 * MINUTE_MS);
	assert_int_equal(c->timeouts.relay_data, 2 * MINUTE_MS);
	assert_int_equal(c->timeouts.relay_body, 3 * MINUTE_MS);
	assert_int_equal(c->timeouts.relay_end, 10 * MINUTE_MS);
	assert_int_equal(c->relay_port, 25);
	assert_int_equal(c->relay_source.n, 0);
	assert_int_equal(c->relay_helo.n, 0);
	assert_false(c->relay_allow_private);
	assert_int_equal(c->routes.n, 0);
	assert_int_equal(c->limits.gather, 64 * MIB);
	assert_int_equal(c->undelete, 14 * DAY_MS);
	assert_int_equal(c->log_level, CONFIG_LOG_INFO);
	buf_init(&path, 100);
	assert_string_equal(config_path(c, c->tls_key, &path), "/data/tls/key.pem");
	assert_string_equal(config_path(c, STR("/etc/key"), &path), "/etc/key");
	buf_fini(&path);
	config_unref(&c);
	assert_null(c);
}

static void test_values(void **state)
{
	struct config_snapshot *c = parse(
	    "hostname = \"MAIL.Example.ORG\"\n"
	    "listen = [\"127.0.0.1\", \"::1\"];\n"
	    "ports = { smtp = 2525; lmtp = 24; };\n"
	    "port_offset = 0x10;\n"
	    "plaintext_auth = \"never\";\n"
	    "trusted_networks = (\"127.0.0.0/8\", \"2001:db8::/32\");\n"
	    "message_size_limit = 1048576;\n"
	    "min_free = \"3g\";\n"
	    "undelete = \"0\";\n"
	    "subaddress_separator = \"\";\n"
	    "srs = false;\n"
	    "limits : { ban_time = \"1500ms\"; };\n"
	    "dns_server = \"2001:DB8::1@5300\"; dnssec = \"off\";\n"
	    "bare_newline = \"normalize\"; log_level = \"debug\";\n");

	assert_string_equal(c->hostname.p, "mail.example.org");
	assert_int_equal(c->listen.n, 2);
	assert_true(ip_is_loopback(&c->listen.v[1]));
	assert_int_equal(config_port(c, c->ports.smtp), 2541);
	assert_int_equal(config_port(c, c->ports.pop3), 126);
	assert_int_equal(config_port(c, 0), 0);
	assert_int_equal(c->plaintext_auth, CONFIG_PLAINTEXT_NEVER);
	assert_int_equal(c->trusted_networks.n, 2);
	assert_int_equal(c->trusted_networks.v[0].bits, 104);
	assert_int_equal(c->message_size_limit, MIB);
	assert_int_equal(c->min_free, 3 * 1024 * MIB);
	assert_int_equal(c->undelete, 0);
	assert_string_equal(c->dns_server.p, "2001:db8::1@5300");
	assert_int_equal(c->dnssec, CONFIG_DNSSEC_OFF);
	assert_int_equal(c->subaddress_separator.n, 0);
	assert_int_equal(c->srs, false);
	assert_int_equal(c->limits.ban_time, 1500);
	assert_int_equal(c->bare_newline, CONFIG_BARE_NORMALIZE);
	assert_int_equal(c->log_level, CONFIG_LOG_DEBUG);
	config_unref(&c);
}

/* What 32 bits do not hold, with libconfig's mark and without; and what only looks like it. */
static void test_large_numbers(void **state)
{
	struct config_snapshot *c = parse(
	    HOST "quota = { account_messages = 200000000; domain_messages = 1000000000000;\n"
		 "account_bytes = 5000000000; domain_bytes = 1125899906842624L; };\n"
		 "message_size_limit = 524288000\nmin_free = 000000001000LL;\n"
		 "pack_size = /* 1 */ +1073741824; # 9999999999 ::1\n"
		 "compact_rate=0x10000/* 1.1.1.1 */;undelete:\"3d\";port_offset:1;\n"
		 "postmaster = \"4294967297@b\";");

	assert_int_equal(c->quota.account_messages, 200000000);
	assert_int_equal(c->quota.domain_messages, INT64_C(1000000000000));
	assert_int_equal(c->quota.account_bytes, INT64_C(5000000000));
	assert_int_equal(c->quota.domain_bytes, INT64_C(1) << 50);
	assert_int_equal(c->message_size_limit, 524288000);
	assert_int_equal(c->min_free, 1000);
	assert_int_equal(c->pack_size, 1073741824);
	assert_int_equal(c->compact_rate, 65536);
	assert_int_equal(c->port_offset, 1);
	assert_string_equal(c->postmaster.p, "4294967297@b");
	config_unref(&c);
}

static void test_queue(void **state)
{
	struct config_snapshot *c = parse(
	    HOST "queue = { retry = [\"1m\", \"2m\"]; lifetime = \"1d\"; "
		 "delay_warning = [\"1h\", \"6h\", \"12h\"]; };\n");
	struct queue_policy policy, initial;

	config_queue_policy(c, NULL, &policy);
	assert_int_equal(policy.n_retry, 2);
	assert_int_equal(policy.retry[1], 2 * MINUTE_MS);
	assert_int_equal(policy.lifetime, DAY_MS);
	assert_int_equal(policy.bounce_lifetime, 2 * DAY_MS);
	assert_int_equal(policy.n_warn, 3);
	assert_int_equal(policy.warn[2], 12 * HOUR_MS);
	config_unref(&c);
	c = parse(HOST);
	config_queue_policy(c, NULL, &policy);
	queue_policy_init(&initial);
	assert_memory_equal(&policy, &initial, sizeof policy);
	assert_int_equal(c->relay_port, 25);
	assert_false(c->relay_allow_private);
	assert_null(config_route(c, STR("x.test"), STR("")));
	config_unref(&c);
}

/* Only a warning that somebody wrote must come, and to one destination is enough. */
static void test_warnings_that_never_come(void **state)
{
	static const char *const texts[] = {
	    HOST "queue = { lifetime = \"2h\"; };",
	    HOST "queue = { lifetime = \"2h\"; retry = [\"1m\"]; delay_warning = [\"119m\"]; };",
	    HOST "queue = { lifetime = \"2h\"; delay_warning = []; };",
	    HOST "queue = { delay_warning = [\"3d\"]; bounce_lifetime = \"1d\"; };",
	    HOST "queue = { delay_warning = [\"3d\"]; };\n"
		 "destinations = ( { domain = \"x.test\"; lifetime = \"2h\"; } );",
	    HOST "queue = { delay_warning = [\"9d\"]; };\n"
		 "destinations = ( { domain = \"x.test\"; lifetime = \"10d\"; } );",
	    HOST "destinations = ( { domain = \"x.test\"; lifetime = \"10d\"; delay_warning = "
		 "[\"9d\"]; }, { domain = \"y.test\"; delay_warning = [\"0\"]; } );",
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct config_snapshot *c = parse(texts[i]);

		config_unref(&c);
	}
}

static void test_routes(void **state)
{
	struct config_snapshot *c = parse(
	    HOST "relay_port = 2525; relay_allow_private = true;\n"
		 "routes = ( { domain = \"*\"; host = \"Smart.Example.ORG\"; port = 587; },\n"
		 "           { domain = \"X.test\"; host = \"::1\"; port = 2526; } );\n");
	const struct config_route *r = config_route(c, STR("x.test"), STR(""));

	assert_int_equal(c->relay_port, 2525);
	assert_true(c->relay_allow_private);
	assert_int_equal(c->routes.n, 2);
	assert_string_equal(r->host.p, "::1");
	assert_int_equal(r->port, 2526);
	r = config_route(c, STR("y.test"), STR(""));
	assert_string_equal(r->host.p, "smart.example.org");
	assert_int_equal(r->port, 587);
	assert_int_equal(r->tls, CONFIG_ROUTE_MAY);
	config_unref(&c);
}

/* The nearest fits: an address before its domain, a domain before all others. */
static void test_routes_of_senders(void **state)
{
	struct config_snapshot *c = parse(HOST
	    "routes = ( { domain = \"*\"; host = \"any\"; port = 25; },\n"
	    " { domain = \"*\"; sender = \"a.test\"; host = \"of-domain\"; port = 25; },\n"
	    " { domain = \"*\"; sender = \"Al@A.test\"; host = \"of-al\"; port = 25; },\n"
	    " { domain = \"x.test\"; host = \"to-x\"; port = 25; },\n"
	    " { domain = \"*\"; sender = \"JO\u0308RG@A.test\"; host = \"of-joerg\"; port = 25; },\n"
	    " { domain = \"x.test\"; sender = \"a.test\"; host = \"to-x-of-domain\"; port = 25; } );\n");
	static const struct {
		const char *domain, *sender, *host;
	} cases[] = {
	    {"y.test", "", "any"},
	    {"y.test", "bob@b.test", "any"},
	    {"y.test", "bob@a.test", "of-domain"},
	    {"y.test", "AL@a.test", "of-al"},
	    {"y.test", "j\u00f6rg@a.test", "of-joerg"},
	    {"x.test", "", "to-x"},
	    {"x.test", "bob@b.test", "to-x"},
	    {"x.test", "bob@A.TEST", "to-x-of-domain"},
	    {"x.test", "al@a.test", "to-x-of-domain"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(
		    config_route(c, str_of_c(cases[i].domain), str_of_c(cases[i].sender))->host.p,
		    cases[i].host);
	config_unref(&c);
}

/* What a destination does not say is as in queue; all of it reaches the other processes. */
static void test_destinations(void **state)
{
	struct config_snapshot *
	    c = parse(HOST
	       "queue = { retry = [\"1m\"]; lifetime = \"2d\"; delay_warning = [\"1h\"]; };\n"
	       "destinations = ( { domain = \"X.test\"; retry = [\"2m\", \"1h\"]; connections = 3; },\n"
	       " { domain = \"y.test\"; tls = \"verify\"; lifetime = \"1d\"; delay_warning = [\"0\"]; },\n"
	       " { domain = \"w.test\"; tls = \"encrypt\"; } );\n"
	       "relay_source = [\"192.0.2.7\", \"2001:db8::7\"]; relay_helo = \"Out.a.test\";"),
	   *other;
	struct queue_policy policy;
	struct buf wire, text;

	buf_init(&wire, MIB);
	buf_init(&text, MIB);
	config_encode(c, &wire);
	assert_int_equal(config_decode(buf_view(&wire), &other), 0);
	config_queue_policy(other, config_destination(other, STR("x.test")), &policy);
	assert_int_equal(policy.n_retry, 2);
	assert_int_equal(policy.retry[1], HOUR_MS);
	assert_int_equal(policy.lifetime, 2 * DAY_MS);
	assert_int_equal(policy.n_warn, 1);
	assert_int_equal(config_destination(other, STR("x.test"))->connections, 3);
	config_queue_policy(other, config_destination(other, STR("y.test")), &policy);
	assert_int_equal(policy.n_retry, 1);
	assert_int_equal(policy.lifetime, DAY_MS);
	assert_int_equal(policy.n_warn, 0);
	assert_int_equal(config_destination(other, STR("y.test"))->tls, CONFIG_ROUTE_VERIFY);
	assert_int_equal(config_destination(other, STR("w.test"))->tls, CONFIG_ROUTE_REQUIRE);
	assert_null(config_destination(other, STR("z.test")));
	assert_int_equal(other->relay_source.n, 2);
	assert_string_equal(other->relay_helo.p, "out.a.test");
	config_put(other, false, &text);
	assert_non_null(strstr(buf_cstr(&text),
	    "{ domain = \"x.test\"; retry = [\"2m\", \"1h\"]; connections = 3; }"));
	assert_non_null(strstr(buf_cstr(&text), "{ domain = \"w.test\"; tls = \"require\"; }"));
	config_unref(&c);
	config_unref(&other);
	buf_fini(&wire);
	buf_fini(&text);
}

/* A login is kept through the file's form and the other process's. */
static void test_login_of_a_route(void **state)
{
	struct config_snapshot *
	    c = parse(HOST
	       "routes = ( { domain = \"*\"; host = \"smart.test\"; port = 587; tls = \"verify\";\n"
	       " user = \"me@a.test\"; password_file = \"secret\"; } );\n"),
	   *other;
	const struct config_route *r;
	struct buf wire, text;

	buf_init(&wire, MIB);
	buf_init(&text, MIB);
	config_encode(c, &wire);
	assert_int_equal(config_decode(buf_view(&wire), &other), 0);
	r = config_route(other, STR("x.test"), STR(""));
	assert_int_equal(r->tls, CONFIG_ROUTE_VERIFY);
	assert_string_equal(r->user.p, "me@a.test");
	assert_string_equal(r->password_file.p, "secret");
	config_put(other, false, &text);
	assert_non_null(
	    strstr(buf_cstr(&text), "port = 587; tls = \"verify\"; user = \"me@a.test\"; "
				    "password_file = \"secret\"; }"));
	config_unref(&c);
	config_unref(&other);
	buf_fini(&wire);
	buf_fini(&text);
}

/* ---- the table ---- */
static void test_manual(void **state)
{
	struct buf text;

	buf_init(&text, MIB);
	options_put_manual(&text);
	for (size_t i = 0; i < options_count; i++) {
		const struct option *o = &options[i];

		assert_true(str_find_str(buf_view(&text), str_of_c(o->name)) < text.n);
		assert_true(str_find_str(buf_view(&text), str_of_c(o->sentence)) < text.n);
		assert_int_equal(o->sentence[strlen(o->sentence) - 1], '.');
		assert_ptr_equal(options_find(str_of_c(o->name)), o);
	}
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_large_numbers),
	    cmocka_unit_test(test_queue),
	    cmocka_unit_test(test_warnings_that_never_come),
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_routes_of_senders),
	    cmocka_unit_test(test_destinations),
	    cmocka_unit_test(test_login_of_a_route),
	    cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests_name("config/config", tests, NULL, NULL);
}
