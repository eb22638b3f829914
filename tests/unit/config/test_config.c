#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/config_file.h"
#include "config/options.h"
#include "queue/queue_policy.h"

#define HOST "hostname = \"mail.example.org\";\n"

static struct config_snapshot *parse(const char *text)
{
	struct config_snapshot *c = NULL;
	struct err e;

	if (config_parse("/data", "godwit.conf", str_of_c(text), 7, &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

/* ---- values ---- */
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
	    " { domain = \"x.test\"; sender = \"a.test\"; host = \"to-x-of-domain\"; port = 25; } );\n");
	static const struct {
		const char *domain, *sender, *host;
	} cases[] = {
	    {"y.test", "", "any"},
	    {"y.test", "bob@b.test", "any"},
	    {"y.test", "bob@a.test", "of-domain"},
	    {"y.test", "AL@a.test", "of-al"},
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
	       " { domain = \"y.test\"; tls = \"verify\"; lifetime = \"1d\"; delay_warning = [\"0\"]; } );\n"
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
	assert_null(config_destination(other, STR("z.test")));
	assert_int_equal(other->relay_source.n, 2);
	assert_string_equal(other->relay_helo.p, "out.a.test");
	config_put(other, false, &text);
	assert_non_null(strstr(buf_cstr(&text),
	    "{ domain = \"x.test\"; retry = [\"2m\", \"1h\"]; connections = 3; }"));
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

/* ---- errors: each names file and line, what is wrong, and what would be right ---- */
static const struct {
	const char *text, *want;
} errors[] = {
    {"", "f: hostname is not set; add hostname = \"mail.example.org\";"},
    {"hostnmae = \"a.b\";", "f:1: there is no option hostnmae; did you mean hostname?"},
    {HOST "\nzzzzzzzzz = 1;",
	"f:3: there is no option zzzzzzzzz; \"godwit check-config --all\" lists those there are"},
    {"ports = {\n smpt = 25; };", "f:2: there is no option ports.smpt; did you mean ports.smtp?"},
    {"port = { smtp = 25; };", "f:1: there is no option port; did you mean ports?"},
    {"submission = 25;", "f:1: there is no option submission; did you mean ports.submission?"},
    {"ports = 25;", "f:1: ports is a group: ports = { ... };"},
    {"ports = { smtp = { x = 1; }; };",
	"f:1: ports.smtp must be a number from 0 to 65535, and not a group { }; the default is 25"},
#define SERVER                                                                                     \
	"f:1: dns_server must be an address in quotes, with a port if it is not 53, like "         \
	"\"192.0.2.1\" or \"127.0.0.1@5300\"; or \"\", and not "
    {"dns_server = \"ns.test\";", SERVER "\"ns.test\"; the default is \"\""},
    {"dns_server = \"192.0.2.1@\";", SERVER "\"192.0.2.1@\"; the default is \"\""},
    {"dns_server = \"192.0.2.1@0\";", SERVER "\"192.0.2.1@0\"; the default is \"\""},
    {"dns_server = \"192.0.2.1@65536\";", SERVER "\"192.0.2.1@65536\"; the default is \"\""},
    {"dns_server = \"@53\";", SERVER "\"@53\"; the default is \"\""},
    {"dns_server = 53;", SERVER "53; the default is \"\""},
    {"port_offset = 70000;",
	"f:1: port_offset must be a number from 0 to 65535, and not 70000; the default is 0"},
    {"port_offset = \"5\";",
	"f:1: port_offset must be a number from 0 to 65535, and not \"5\"; the default is 0"},
    {"port_offset = 1.5;",
	"f:1: port_offset must be a number from 0 to 65535, and not 1.5; the default is 0"},
    {"port_offset = true;",
	"f:1: port_offset must be a number from 0 to 65535, and not true; the default is 0"},
    {"port_offset = [1];",
	"f:1: port_offset must be a number from 0 to 65535, and not a list; the default is 0"},
    {"port_offset = 5L;\nport_offset = 6;",
	"f:2: port_offset stands twice, first in line 1: write it once, and what belongs to a group into its one { }"},
    {"quota = {\n};\n\n  quota = { account_bytes = \"5G\"; };",
	"f:4: quota stands twice, first in line 1: write it once, and what belongs to a group into its one { }"},
    {"hostname = \"a.test\"; hostname = \"b.test\";", "f:1: an option stands twice here: write it once"},
    {"\nmessage_size_limit = \"50X\";",
	"f:2: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"\"50X\"; the default is \"50M\""},
    {"message_size_limit = \"1K\";",
	"f:1: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"\"1K\"; the default is \"50M\""},
    {"message_size_limit = \"99999999999999999999G\";",
	"f:1: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"\"99999999999999999999G\"; the default is \"50M\""},
    {"min_free = \"16777216T\";",
	"f:1: min_free must be a size from 0 to 1T in quotes, like \"50M\", and not "
	"\"16777216T\"; the default is \"100M\""},
    {"message_size_limit = 5000000000;",
	"f:1: the number 5000000000 is too large; write sizes like \"5G\""},
    {"undelete = 5;",
	"f:1: undelete must be a time from 0 to 3650d in quotes, like \"90s\", \"5m\", \"4h\" or "
	"\"14d\", and not 5; the default is \"14d\""},
    {"undelete = \"5\";",
	"f:1: undelete must be a time from 0 to 3650d in quotes, like \"90s\", \"5m\", \"4h\" or "
	"\"14d\", and not \"5\"; the default is \"14d\""},
    {"undelete = \"5 d\";",
	"f:1: undelete must be a time from 0 to 3650d in quotes, like \"90s\", \"5m\", \"4h\" or "
	"\"14d\", and not \"5 d\"; the default is \"14d\""},
    {"plaintext_auth = \"sometimes\";",
	"f:1: plaintext_auth must be one of \"never\", \"loopback\", \"always\", and not "
	"\"sometimes\"; the default is \"loopback\""},
    {"hostname = \"-a\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not \"-a\""},
    {"hostname = \"192.0.2.1\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not \"192.0.2.1\""},
    {"hostname = \"a..b\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not \"a..b\""},
    {"hostname = \"a.b.\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not \"a.b.\""},
    {"listen = [];",
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not a list; the default is [\"0.0.0.0\", \"::\"]"},
    {"listen = [\"0.0.0.0\",\n \"localhost\"];",
	"f:2: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not \"localhost\"; the default is [\"0.0.0.0\", \"::\"]"},
    {"trusted_networks = [\"10.0.0.1/8\"];",
	"f:1: trusted_networks must be a list in brackets of a network in quotes, like \"10.0.0.0/8\" "
	"or \"2001:db8::/32\", and not \"10.0.0.1/8\"; the default is []"},
    {"subaddress_separator = \"@\";",
	"f:1: subaddress_separator must be a text in quotes of at most 1 printable characters out of "
	"+-_=.#~, and not \"@\"; the default is \"+\""},
    {"user_net = \"\";",
	"f:1: user_net must be a text in quotes of 1 to 32 printable characters, and not \"\"; the "
	"default is \"godwit-net\""},
    {"postmaster = \"a\\x07\";",
	"f:1: postmaster must be a text in quotes of at most 320 printable characters, and not "
	"\"a\x07\"; the default is \"\""},
    {"hostname = mail.example.org;",
	"f:1: syntax error; an option is written as name = value; with texts in \"quotes\""},
    {"# one\n@include \"/etc/passwd\"",
	"f:2: @include is not supported: write all options into this file"},
    {"relay_allow_private = 1;",
	"f:1: relay_allow_private must be true or false, and not 1; the default is false"},
    {"relay_port = true;",
	"f:1: relay_port must be a number from 1 to 65535, and not true; the default is 25"},
    {"queue = { retry = \"5m\"; };",
	"f:1: queue.retry must be a list in brackets of at least 1, each a time from 1s to 1d in "
	"quotes, like \"90s\", \"5m\", \"4h\" or \"14d\", and not \"5m\"; the default is [\"5m\", "
	"\"15m\", \"30m\"]"},
    {"queue = { delay_warning = [\"61d\"]; };",
	"f:1: queue.delay_warning must be a list in brackets of a time from 1s to 60d in "
	"quotes, like \"90s\", \"5m\", \"4h\" or \"14d\", and not \"61d\"; the default is [\"4h\"]"},
    {HOST "queue = { retry = [\"5m\", \"1m\"]; };",
	"f:2: the times of queue.retry must not get shorter: put the shortest first"},
#define TOO_SHORT                                                                                  \
	"queue.lifetime is over before the first time of queue.retry: make it longer, or that "    \
	"time shorter"
    {HOST "queue = { lifetime = \"1m\"; };", "f:2: " TOO_SHORT},
    {HOST "queue = {\n retry = [\"1h\"];\n lifetime = \"1m\"; };", "f:4: " TOO_SHORT},
    {HOST "queue = {\n lifetime = \"1m\";\n retry = [\"1h\"]; };", "f:4: " TOO_SHORT},
    {"queue = {\n delay_warning = [\"2h\",\n \"1h\"]; };\n" HOST,
	"f:2: each time of queue.delay_warning must be longer than the one before it"},
    {"\nroutes = ( { domain = \"x.test\"; host = \"y.test\"; } );",
	"f:2: routes: port is missing; a group is written like { domain = \"example.org\"; host = \"192.0.2.1\"; port = 25; }"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; tls = \"no\"; } );",
	"f:1: routes: tls must be one of \"may\", \"require\", \"verify\", \"none\", and not \"no\""},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; user = \"u\"; } );",
	"f:1: routes: a login needs both user and password_file"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; user = \"u\"; "
     "password_file = \"f\"; tls = \"require\"; } );",
	"f:1: routes: a login needs tls = \"verify\", so that nobody else gets the password"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; prot = 25; } );",
	"f:1: routes: there is no \"prot\" in a group; did you mean port?"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 0; } );",
	"f:1: routes: port must be a number from 1 to 65535, and not 0"},
    {"routes = ( { domain = \"x.test\"; host = \"[::1]\"; port = 25; } );",
	"f:1: routes: host must be a host name in quotes, like \"mail.example.org\", or an address, "
	"like \"192.0.2.1\", and not \"[::1]\""},
    {"routes = ( { domain = \"-\"; host = \"y.test\"; port = 25; } );",
	"f:1: routes: domain must be a host name in quotes, like \"mail.example.org\", or \"*\", and "
	"not \"-\""},
    {"routes = ( { domain = \"*\"; host = \"y.test\"; port = 25; sender = \"@a.test\"; } );",
	"f:1: routes: sender must be a domain or an address in quotes, like \"example.org\" or "
	"\"alice@example.org\", and not \"@a.test\""},
    {HOST "destinations = ( { domain = \"x.test\"; lifetime = \"61d\"; } );",
	"f:2: destinations: lifetime must be a time from 0 to 60d in quotes, like \"90s\", \"5m\", "
	"\"4h\" or \"14d\", and not \"61d\""},
    {HOST "destinations = ( { domain = \"x.test\"; retry = [\"5m\", \"1m\"]; } );",
	"f:2: destinations, x.test, together with queue: the times of queue.retry must not get "
	"shorter: put the shortest first"},
    {HOST "destinations = (\n { domain = \"x.test\"; },\n { domain = \"y.test\";\n"
	  "lifetime = \"1m\"; },\n { domain = \"z.test\"; } );",
	"f:4: destinations, y.test, together with queue: " TOO_SHORT},
    {HOST "destinations = ( { domain = \"x.test\"; delay_warning = [\"0\", \"1h\"]; } );",
	"f:2: destinations: delay_warning = [\"0\"] stands for no warning, and alone"},
    {HOST "destinations = ( { domain = \"x.test\"; }, { domain = \"x.test\"; } );",
	"f:2: destinations has two entries for x.test"},
    {HOST "destinations = (\n { domain = \"x.test\"; },\n { domain = \"y.test\"; },\n"
	  "{ domain = \"X.test\"; } );",
	"f:5: destinations has two entries for x.test"},
    {HOST "relay_source = [\"192.0.2.1\",\n \"192.0.2.2\"];",
	"f:3: relay_source has two addresses of the same kind; give one of IPv4 and one of IPv6 at most"},
    {"listen = ( { domain = \"x\"; host = \"y\"; port = 25; } );",
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not a group { }; the default is [\"0.0.0.0\", \"::\"]"},
    {HOST "routes = ( { domain = \"x.test\"; host = \"y\"; port = 25; },\n"
	  "{ domain = \"X.test\"; host = \"z\"; port = 25; } );",
	"f:3: routes has two entries for the domain x.test"},
    {HOST "ports = { smtp = 465; };", "f:2: ports.smtp and ports.smtps are both 465"},
    {"ports = {\n lmtp = 24;\n smtp = 24; };\n" HOST, "f:3: ports.smtp and ports.lmtp are both 24"},
    {"ports = {\n smtp = 24;\n lmtp = 24; };\n" HOST, "f:3: ports.smtp and ports.lmtp are both 24"},
    {HOST "port_offset = 65000;",
	"f:2: ports.submission (587) with port_offset (65000) is 65587; ports end at 65535"},
    {HOST "port_offset = 40000;\nports = {\n pop3 = 30000;\n};",
	"f:4: ports.pop3 (30000) with port_offset (40000) is 70000; ports end at 65535"},
    {HOST "ports = {\n pop3 = 30000;\n};\nport_offset = 40000;",
	"f:5: ports.pop3 (30000) with port_offset (40000) is 70000; ports end at 65535"},
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct config_snapshot *c = NULL;
		struct err e = {{0}};

		if (config_parse("/d", "f", str_of_c(errors[i].text), 0, &c, &e) == 0)
			fail_msg("%s: accepted", errors[i].text);
		assert_null(c);
		assert_string_equal(e.text, errors[i].want);
	}
}

static void test_nul(void **state)
{
	struct config_snapshot *c = NULL;
	struct err e;

	assert_int_equal(config_parse("/d", "f", STR(HOST "\0x"), 0, &c, &e), -1);
	assert_string_equal(e.text, "f:2: the file holds a NUL octet: it is no text");
}

/* What the look before libconfig must not mistake for code. */
static void test_comments_and_strings(void **state)
{
	struct config_snapshot *c = parse("# @include 5000000000\n"
					  "// @ 5000000000\n"
					  "/* @ 5000000000 * / \n */\n"
					  "postmaster = \"a\\\"5000000000@b\\\\\";\n" HOST);

	assert_string_equal(c->postmaster.p, "a\"5000000000@b\\");
	config_unref(&c);
}

/* Any bytes: an error or a snapshot, nothing else. */
static void test_every_prefix(void **state)
{
	static const char text[] = HOST "ports = { smtp = 2525; };\nlisten = [\"::1\"]; # x\n"
					"/* c */ undelete = \"3d\";";

	for (size_t n = 0; n < sizeof text; n++) {
		struct config_snapshot *c = NULL;
		struct err e = {{0}};
		int rc = config_parse("/d", "f", str_of(text, n), 0, &c, &e);

		assert_true(rc == 0 ? c != NULL : e.text[0] != 0);
		config_unref(&c);
	}
}

/* ---- round trips ---- */
static void assert_same(const struct config_snapshot *a, const struct config_snapshot *b)
{
	struct buf x, y;

	buf_init(&x, MIB);
	buf_init(&y, MIB);
	config_put(a, true, &x);
	config_put(b, true, &y);
	assert_string_equal(buf_cstr(&x), buf_cstr(&y));
	buf_fini(&x);
	buf_fini(&y);
}

static void test_wire(void **state)
{
	struct config_snapshot *c = parse(HOST "listen = [\"127.0.0.1\"]; trusted_networks = "
					       "[\"10.0.0.0/8\", \"::1\"]; postmaster = \"p@q\"; "
					       "routes = ( { domain = \"x.test\"; host = \"::1\"; "
					       "port = 65535; } ); relay_allow_private = true; "
					       "queue = { delay_warning = []; };");
	struct config_snapshot *d = NULL;
	struct buf bytes;

	buf_init(&bytes, MIB);
	config_encode(c, &bytes);
	assert_int_equal(config_decode(buf_view(&bytes), &d), 0);
	assert_int_equal(d->number, 7);
	assert_string_equal(d->dir.p, "/data");
	assert_same(c, d);
	config_unref(&d);
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(config_decode(str_of(bytes.p, n), &d), -1);
	bytes.p[1]++; /* of a program with other options */
	assert_int_equal(config_decode(buf_view(&bytes), &d), -1);
	bytes.p[1]--;
	buf_byte(&bytes, 0);
	assert_int_equal(config_decode(buf_view(&bytes), &d), -1);
	assert_null(d);
	buf_fini(&bytes);
	config_unref(&c);
}

/* No octet of it, changed, may crash the reader. */
static void test_wire_damage(void **state)
{
	struct config_snapshot *c = parse(HOST), *d;
	struct buf bytes;

	buf_init(&bytes, MIB);
	config_encode(c, &bytes);
	for (size_t i = 0; i < bytes.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes.p[i] ^= (uint8_t)(1 << bit);
			d = NULL;
			if (config_decode(buf_view(&bytes), &d) == 0)
				config_unref(&d);
			bytes.p[i] ^= (uint8_t)(1 << bit);
		}
	buf_fini(&bytes);
	config_unref(&c);
}

static void test_references(void **state)
{
	struct config_snapshot *c = parse(HOST), *d = config_ref(c);

	config_unref(&c);
	assert_string_equal(d->hostname.p, "mail.example.org");
	config_unref(&d);
	config_unref(&d);
}

/* What is shown is a file that says the same. */
static void test_put_parses(void **state)
{
	struct config_snapshot *c = parse(
	    HOST "ports = { smtp = 26; lmtp = 24; }; min_free = \"1536M\"; "
		 "limits = { ban_time = \"3s\"; }; listen = [\"::1\"];"
		 "postmaster = \"a\\\"b\\\\@c\"; log_level = \"warn\"; relay_allow_private = true; "
		 "routes = ({ domain = \"*\"; host = \"a.b\"; port = 1; }, "
		 "{ domain = \"c\"; host = \"::2\"; port = 2; }); queue = { retry = [\"1s\"]; };");
	struct config_snapshot *d;
	struct buf text;

	buf_init(&text, MIB);
	for (int all = 0; all < 2; all++) {
		buf_clear(&text);
		config_put(c, all, &text);
		d = parse(buf_cstr(&text));
		assert_same(c, d);
		config_unref(&d);
	}
	buf_fini(&text);
	config_unref(&c);
}

/* ---- the default file ---- */
static void test_default_text(void **state)
{
	static const char *const listen[] = {"127.0.0.1", NULL};
	const struct config_initial initial = {"mail.x.org", listen, 10000};
	struct config_snapshot *c, *want;
	struct buf text;
	struct err e;

	buf_init(&text, MIB);
	assert_int_equal(config_default_text(&initial, &text, &e), 0);
	c = parse(buf_cstr(&text));
	want = parse("hostname = \"mail.x.org\"; listen = [\"127.0.0.1\"]; port_offset = 10000;");
	assert_same(c, want);
	for (size_t i = 0; i < options_count; i++) {
		struct str leaf = option_leaf(&options[i]);

		assert_true(str_find_str(buf_view(&text), leaf) < text.n);
	}
	buf_fini(&text);
	config_unref(&c);
	config_unref(&want);
}

/* Taking every comment sign off gives a file that says the defaults, and is accepted. */
static void test_default_text_uncommented(void **state)
{
	const struct config_initial initial = {"mail.x.org", NULL, 0};
	struct config_snapshot *c, *want = parse("hostname = \"mail.x.org\";");
	struct buf text, plain;
	struct str rest;
	struct err e;

	buf_init(&text, MIB);
	buf_init(&plain, MIB);
	assert_int_equal(config_default_text(&initial, &text, &e), 0);
	rest = buf_view(&text);
	while (rest.n) {
		struct str line = str_trim(str_split(rest, '\n', &rest));

		if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ')
			line = str_from(line, 1);
		buf_str(&plain, line);
		buf_byte(&plain, '\n');
	}
	c = parse(buf_cstr(&plain));
	assert_same(c, want);
	config_unref(&c);
	config_unref(&want);
	buf_fini(&text);
	buf_fini(&plain);
}

static void test_default_text_refuses(void **state)
{
	static const char *const listen[] = {"localhost", NULL};
	static const struct {
		struct config_initial initial;
		const char *want;
	} rows[] = {
	    {{"a_b", NULL, 0},
		"hostname must be a host name in quotes, like \"mail.example.org\", and not "
		"\"a_b\""},
	    {{"a\"; x", NULL, 0}, "a host name or address holds a quote or backslash"},
	    {{"a.b", listen, 0},
		"listen must be a list in brackets of at least 1, each an address in quotes, "
		"like \"192.0.2.1\" or \"::1\", and not \"localhost\"; the default is [\"0.0.0.0\", "
		"\"::\"]"},
	    {{"a.b", NULL, -1},
		"port_offset must be a number from 0 to 65535, and not -1; the default is 0"},
	};
	struct buf text;
	struct err e;

	buf_init(&text, MIB);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(config_default_text(&rows[i].initial, &text, &e), -1);
		assert_string_equal(e.text, rows[i].want);
		assert_int_equal(text.n, 0);
	}
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

static void test_put_changed(void **state)
{
	struct config_snapshot *c = parse(HOST "ports = { smtp = 26; }; min_free = \"1536M\";");
	struct buf text;

	buf_init(&text, MIB);
	config_put(c, false, &text);
	assert_string_equal(buf_cstr(&text),
	    "hostname = \"mail.example.org\";\nports = {\n\tsmtp = 26;\n};\nmin_free = \"1536M\";\n");
	buf_fini(&text);
	config_unref(&c);
}

/* ---- files ---- */
static char dir[] = "/tmp/godwit-config-XXXXXX";

static const char *in_dir(struct buf *b, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", dir, name);
	return buf_cstr(b);
}

static int make_dir(void **state)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"godwit.conf", "tls/certificate.pem", "tls/key.pem"};
	struct buf b;

	buf_init(&b, 256);
	for (size_t i = 0; i < 3; i++)
		unlink(in_dir(&b, names[i]));
	rmdir(in_dir(&b, "tls"));
	buf_fini(&b);
	return rmdir(dir);
}

static void test_file(void **state)
{
	const struct config_initial initial = {"mail.x.org", NULL, 5};
	struct config_snapshot *c;
	struct buf path;
	struct stat st;
	struct err e;

	buf_init(&path, 256);
	assert_int_equal(config_load(dir, 1, &c, &e), -1);
	assert_non_null(strstr(e.text, "godwit.conf does not exist"));
	assert_int_equal(config_write_default(dir, &initial, &e), 0);
	assert_int_equal(stat(in_dir(&path, "godwit.conf"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(config_load(dir, 1, &c, &e), 0);
	assert_int_equal(c->port_offset, 5);
	config_unref(&c);
	assert_int_equal(config_write_default(dir, &initial, &e), -1);
	assert_non_null(strstr(e.text, "is there already; it is left as it is"));
	chmod(buf_cstr(&path), 0666);
	assert_int_equal(config_load(dir, 1, &c, &e), -1);
	assert_non_null(
	    strstr(e.text, "can be changed by others than its owner (mode 0666): run chmod go-w"));
	buf_fini(&path);
}

static void test_check(void **state)
{
	const struct config_initial initial = {"mail.x.org", NULL, 5};
	struct config_snapshot *c = NULL;
	struct buf path, report;
	struct err e;

	buf_init(&path, 256);
	buf_init(&report, MIB);
	assert_int_equal(config_write_default(dir, &initial, &e), 0);
	assert_int_equal(config_check(dir, &c, &e), -1);
	assert_non_null(strstr(e.text, "/tls/certificate.pem does not exist"));
	assert_int_equal(mkdir(in_dir(&path, "tls"), 0700), 0);
	assert_int_equal(
	    config_file_create(in_dir(&path, "tls/certificate.pem"), 0644, STR("c"), &e), 0);
	assert_int_equal(config_file_create(in_dir(&path, "tls/key.pem"), 0644, STR("k"), &e), 0);
	assert_int_equal(config_check(dir, &c, &e), -1);
	assert_non_null(strstr(e.text, "can be read by everybody (mode 0644): run chmod 600"));
	assert_null(c);
	chmod(in_dir(&path, "tls/key.pem"), 0640);
	assert_int_equal(config_check(dir, &c, &e), 0);
	config_put(c, false, &report);
	config_unref(&c);
	assert_string_equal(buf_cstr(&report), "hostname = \"mail.x.org\";\nport_offset = 5;\n");
	buf_fini(&path);
	buf_fini(&report);
}

static void test_file_limits(void **state)
{
	struct buf path, content;
	struct err e;

	buf_init(&path, 256);
	buf_init(&content, 8);
	buf_lit(&content, "ab");
	assert_int_equal(
	    config_file_create(in_dir(&path, "godwit.conf"), 0600, STR("1234567"), &e), 0);
	assert_int_equal(config_file_read(buf_cstr(&path), CONFIG_FILE_SECRET, &content, &e), -1);
	assert_non_null(strstr(e.text, "is too long: at most 8 octets"));
	assert_int_equal(content.n, 2);
	buf_clear(&content);
	assert_int_equal(config_file_read(buf_cstr(&path), CONFIG_FILE_SECRET, &content, &e), 0);
	assert_int_equal(content.n, 7);
	assert_int_equal(config_file_read(dir, CONFIG_FILE_PUBLIC, &content, &e), -1);
	assert_non_null(strstr(e.text, "is no regular file"));
	buf_fini(&content);
	buf_fini(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_queue),
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_routes_of_senders),
	    cmocka_unit_test(test_destinations),
	    cmocka_unit_test(test_login_of_a_route),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_comments_and_strings),
	    cmocka_unit_test(test_every_prefix),
	    cmocka_unit_test(test_wire),
	    cmocka_unit_test(test_wire_damage),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_put_parses),
	    cmocka_unit_test(test_default_text),
	    cmocka_unit_test(test_default_text_uncommented),
	    cmocka_unit_test(test_default_text_refuses),
	    cmocka_unit_test(test_manual),
	    cmocka_unit_test(test_put_changed),
	    cmocka_unit_test_setup_teardown(test_file, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_check, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_file_limits, make_dir, remove_dir),
	};

	return cmocka_run_group_tests_name("config/config", tests, NULL, NULL);
}
