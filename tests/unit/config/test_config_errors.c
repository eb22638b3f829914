/* Each error names file and line, what is wrong, and what would be right. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "parse.h"

static const struct {
	const char *text, *want;
} errors[] = {
    {"", "f: hostname is not set; add hostname = \"mail.example.org\";"},
    {"hostnmae = \"a.b\";", "f:1: there is no option hostnmae; did you mean hostname?"},
    {HOST "\nzzzzzzzzz = 1;",
	"f:3: there is no option zzzzzzzzz; \"godwit check-config --all\" lists those there are"},
    {"ports = {\n smpt = 25; };",
	"f:2: there is no option ports.smpt; did you mean smtp in the group ports = { ... }?"},
    {"port = { smtp = 25; };", "f:1: there is no option port; did you mean ports?"},
    {"submission = 25;",
	"f:1: there is no option submission; did you mean submission in the group ports = { ... }?"},
    {"timeouts = {\n recipient_max = 5; };",
	"f:2: there is no option timeouts.recipient_max; did you mean recipients_max, which is in no group?"},
    {"smtp = 2525;",
	"f:1: there is no option smtp; did you mean smtp in the group ports = { ... }?"},
    {"ports.smtp = 2525;", "f:1: ports.smtp is written in its group: ports = { smtp = ...; };"},
    {HOST "ports = { smtp = 25; };\nports.smtp : 2525;",
	"f:3: ports.smtp is written in its group: ports = { smtp = ...; };"},
    {"ports = {\n ports.smtp = 2525; };",
	"f:2: ports.smtp is written in its group: ports = { smtp = ...; };"},
#define LONG60 "a23456789_b23456789_c23456789_d23456789_e23456789_f23456789_"
#define LONG   LONG60 LONG60 LONG60 LONG60 LONG60 LONG60 LONG60 LONG60 LONG60 LONG60
    {HOST LONG " = 1;", "f:2: there is no option " LONG60
			"...; \"godwit check-config --all\" lists those there are"},
    {HOST LONG60 " = 1;",
	"f:2: there is no option " LONG60 "; \"godwit check-config --all\" lists those there are"},
    {HOST LONG ".a = 1;", "f:2: there is no option " LONG60
			  "...; \"godwit check-config --all\" lists those there are"},
    {HOST "quota = {\n " LONG " = 1; };",
	"f:3: there is no option quota.a23456789_b23456789_c23456789_d23456789_e23456789_f234...; \"godwit check-config --all\" lists those there are"},
    {HOST LONG " = 1;\n" LONG " = 2;",
	"f:3: " LONG60
	"... stands twice, first in line 2: write it once, and what belongs to a group into its one { }"},
    {HOST "routes = ( { " LONG " = 1; } );",
	"f:2: routes: there is no \"" LONG60
	"...\" in a group like { domain = \"example.org\"; host = \"192.0.2.1\"; port = 25; }"},
    {HOST "routes = ( { " LONG " = 5000000000000000000000; } );",
	"f:2: the number 5000000000000000000000 of " LONG60 "... is too large"},
    {HOST "routes = ( { " LONG " = 1.000000000; } );",
	"f:2: 1.000000000 of " LONG60
	"... is no whole number with digits alone; write texts in quotes"},
    {"port.smtpp\t= 2525;",
	"f:1: there is no option port.smtpp; did you mean smtp in the group ports = { ... }?"},
    {"a.b.c = 1;",
	"f:1: there is no option a.b.c; \"godwit check-config --all\" lists those there are"},
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
	"f:1: port_offset must be a number from 0 to 65535, and not 1.5: write it as a whole number, with digits alone; "
	"the default is 0"},
    {"listen = [127.0.0.1];",
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like \"192.0.2.1\" or \"::1\", "
	"and not 127.0.0.1: write it in quotes; the default is [\"0.0.0.0\", \"::\"]"},
#define LISTEN                                                                                     \
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like "   \
	"\"192.0.2.1\" or \"::1\", and not "
#define LISTEN_QUOTES ": write it in quotes; the default is [\"0.0.0.0\", \"::\"]"
    {"listen = [0.0.0.0];", LISTEN "0.0.0.0" LISTEN_QUOTES},
    {"listen = [10.0.0.1];", LISTEN "10.0.0.1" LISTEN_QUOTES},
    {"listen = [ ::1 ];", LISTEN "::1" LISTEN_QUOTES},
    {"listen = [::];", LISTEN "::" LISTEN_QUOTES},
    {"listen:[fe80::1];", LISTEN "fe80::1" LISTEN_QUOTES},
    {"listen = [2001:db8:1:2:3:4:5:6];", LISTEN "2001:db8:1:2:3:4:5:6" LISTEN_QUOTES},
    {"listen = [::1/64];", LISTEN "::1/64; the default is [\"0.0.0.0\", \"::\"]"},
    {"listen = [10.0.0.256];", LISTEN "10.0.0.256; the default is [\"0.0.0.0\", \"::\"]"},
    {"dns_server = 1.1.1.1;", SERVER "1.1.1.1: write it in quotes; the default is \"\""},
    {"dns_server:1.1.1.1@53;", SERVER "1.1.1.1@53: write it in quotes; the default is \"\""},
    {"dns_server = ::1//;", SERVER "::1: write it in quotes; the default is \"\""},
    {"dns_server = ::1/**/;", SERVER "::1: write it in quotes; the default is \"\""},
    {"plaintext_auth = 127.0.0.1;",
	"f:1: plaintext_auth must be one of \"never\", \"loopback\", \"always\", and not 127.0.0.1; "
	"the default is \"loopback\""},
    {"hostname = 127.0.0.1;",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not 127.0.0.1"},
    {"hostname = 1-a.example.org;",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not "
	"1-a.example.org: write it in quotes"},
    {"port_offset = 1.1.1.1;",
	"f:1: port_offset must be a number from 0 to 65535, and not 1.1.1.1: write it as a whole number, "
	"with digits alone; the default is 0"},
    {"pop3_marks_seen = 123456789abc;",
	"f:1: pop3_marks_seen must be true or false, and not 123456789abc; the default is true"},
    {"queue = { retry = [10000000.5]; };",
	"f:1: queue.retry must be a list in brackets of at least 1, each a time from 1s to 1d in "
	"quotes, like \"90s\", \"5m\", \"4h\" or \"14d\", and not 10000000.5; the default is [\"5m\", "
	"\"15m\", \"30m\"]"},
    {"undelete = 14d;",
	"f:1: undelete must be a time from 0 to 3650d in quotes, like \"90s\", \"5m\", \"4h\" or "
	"\"14d\", and not 14d: write it in quotes; the default is \"14d\""},
    {"message_size_limit = 500000000M;",
	"f:1: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"500000000M; the default is \"50M\""},
    {"message_size_limit = 000000050M;",
	"f:1: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"000000050M: write it in quotes; the default is \"50M\""},
    {"routes = ( { domain = \"x.test\"; host = 127.0.0.1; port = 25; } );",
	"f:1: 127.0.0.1 of host is no whole number with digits alone; write texts in quotes"},
    {"routes = ( { domain = \"x.test\"; host = ::1; port = 25; } );",
	"f:1: ::1 of host is no whole number with digits alone; write texts in quotes"},
    {"recipients_max = 1e3;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 1000.0: write it as a whole number, "
	"with digits alone; the default is 1000"},
    {"recipients_max = 1000000.0;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 1000000.0: write it as a whole "
	"number, with digits alone; the default is 1000"},
    {"recipients_max = 0x00000010;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 0x00000010: write it as a whole "
	"number, with digits alone; the default is 1000"},
    {"recipients_max = 1000000000b = 5;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 1000000000b: write it as a whole "
	"number, with digits alone; the default is 1000"},
    {"recipients_max = 200000000;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 200000000; the default is 1000"},
    {"recipients_max = -4294967297;",
	"f:1: recipients_max must be a number from 1 to 10000, and not -4294967297; the default is 1000"},
    {"quota = { account_messages = 1000000000001; };",
	"f:1: quota.account_messages must be a number from 0 to 1000000000000, and not 1000000000001; the "
	"default is 0"},
    {"recipients_max = 9223372036854775808;",
	"f:1: recipients_max must be a number from 1 to 10000, and not 9223372036854775808; the default is "
	"1000"},
    {"port_offset = true;",
	"f:1: port_offset must be a number from 0 to 65535, and not true; the default is 0"},
    {"port_offset = [1];",
	"f:1: port_offset must be a number from 0 to 65535, and not a list; the default is 0"},
    {"port_offset = 5L;\nport_offset = 6;",
	"f:2: port_offset stands twice, first in line 1: write it once, and what belongs to a group into its one { }"},
    {"quota = {\n};\n\n  quota = { account_bytes = \"5G\"; };",
	"f:4: quota stands twice, first in line 1: write it once, and what belongs to a group into its one { }"},
    {"timeouts = {\n  /* port_offset = { */\n  port_offset = 1;\n};\nport_offset = 5;\nport_offset = 6;",
	"f:6: port_offset stands twice, first in line 5: write it once, and what belongs to a group into its one { }"},
    {"port_offset = 1;\nqueue = {\n  lifetime = \"1d\"; port_offset = \"{\";\n  port_offset = 2;\n};",
	"f:4: port_offset stands twice, first in line 3: write it once, and what belongs to a group into its one { }"},
    {"hostname = \"a.test\"; hostname = \"b.test\";",
	"f:1: an option stands twice here: write it once"},
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
	"f:1: message_size_limit must be a size from 64K to 2047M in quotes, like \"50M\", and not "
	"5000000000; the default is \"50M\""},
    {"port_offset = 5;\nrecipients_max = 99999999999999;",
	"f:2: recipients_max must be a number from 1 to 10000, and not 99999999999999; the default is 1000"},
    {"ports = { smtp = 25;\n  pop3 = 99999999999999; };",
	"f:2: ports.pop3 must be a number from 0 to 65535, and not 99999999999999; the default is 110"},
    {"ports = { smtp = 25; };\nrecipients_max : 99999999999999L;",
	"f:2: recipients_max must be a number from 1 to 10000, and not 99999999999999; the default is 1000"},
    {"routes = ( { port = 9223372036854775808; } );",
	"f:1: the number 9223372036854775808 of port is too large"},
    {"routes = ( { port = 25.000000; } );",
	"f:1: 25.000000 of port is no whole number with digits alone; write texts in quotes"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 4294967321; } );",
	"f:1: routes: port must be a number from 1 to 65535, and not 4294967321"},
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
    {"timeouts = { comand = \"5m\"; };",
	"f:1: there is no option timeouts.comand; did you mean smtp_command in the group timeouts = { ... }?"},
    {"timeouts = { relay_comand = \"5m\"; };",
	"f:1: there is no option timeouts.relay_comand; did you mean relay_command in the group timeouts = { ... }?"},
    {"listen = [];",
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not an empty list; the default is [\"0.0.0.0\", \"::\"]"},
    {"listen = [\"0.0.0.0\",\n \"localhost\"];",
	"f:2: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not \"localhost\"; the default is [\"0.0.0.0\", \"::\"]"},
    {"trusted_networks = [\"10.0.0.1/8\"];",
	"f:1: trusted_networks must be a list in brackets of a network in quotes, like \"10.0.0.0/8\" "
	"or \"2001:db8::/32\", and not \"10.0.0.1/8\": the bits behind its prefix "
	"must be 0, as in \"10.0.0.0/8\"; the default is []"},
    {"trusted_networks = [\"2001:db8::1/32\"];",
	"f:1: trusted_networks must be a list in brackets of a network in quotes, like \"10.0.0.0/8\" "
	"or \"2001:db8::/32\", and not \"2001:db8::1/32\": the bits behind its prefix must be 0, as in "
	"\"2001:db8::/32\"; the default is []"},
    {"trusted_networks = [\"10.0.0.1/33\"];",
	"f:1: trusted_networks must be a list in brackets of a network in quotes, like \"10.0.0.0/8\" "
	"or \"2001:db8::/32\", and not \"10.0.0.1/33\"; the default is []"},
#define NETWORKS                                                                                   \
	"f:1: trusted_networks must be a list in brackets of a network in quotes, like "           \
	"\"10.0.0.0/8\" or \"2001:db8::/32\", and not "
    {"trusted_networks = [10.0.0.0/8];",
	NETWORKS "10.0.0.0/8: write it in quotes; the default is []"},
    {"trusted_networks = [10.0.0.1/8];", NETWORKS "10.0.0.1/8; the default is []"},
    {"trusted_networks = \"10.0.0.0/8\";",
	NETWORKS "\"10.0.0.0/8\": write it in brackets, [\"10.0.0.0/8\"]; the default is []"},
    {"trusted_networks = \"10.0.0.1/8\";",
	NETWORKS "\"10.0.0.1/8\": the bits behind its prefix must be 0, as in \"10.0.0.0/8\"; the "
		 "default is []"},
    {"trusted_networks = \"home\";", NETWORKS "\"home\"; the default is []"},
    {"trusted_networks = ([\"10.0.0.0/8\"]);", NETWORKS "a list; the default is []"},
    {"listen = \"::1\";",
	"f:1: listen must be a list in brackets of at least 1, each an address in quotes, like "
	"\"192.0.2.1\" or \"::1\", and not \"::1\": write it in brackets, [\"::1\"]; the default is "
	"[\"0.0.0.0\", \"::\"]"},
    {"relay_source = \"192.0.2.1\";",
	"f:1: relay_source must be a list in brackets of an address in quotes, like \"192.0.2.1\" or "
	"\"::1\", and not \"192.0.2.1\": write it in brackets, [\"192.0.2.1\"]; the default is []"},
    {"subaddress_separator = \"@\";",
	"f:1: subaddress_separator must be a text in quotes of at most 1 printable characters out of "
	"+-_=.#~, and not \"@\"; the default is \"+\""},
    {"user_net = \"\";",
	"f:1: user_net must be a text in quotes of 1 to 32 printable characters, and not \"\"; the "
	"default is \"godwit-net\""},
#define POSTMASTER                                                                                 \
	"f:1: postmaster must be an address in quotes, like \"bob@example.org\", its domain in "   \
	"ASCII (xn--...); or \"\", and not "
    {"postmaster = \"a\\x07\";", POSTMASTER "\"a\\x07\"; the default is \"\""},
    {"postmaster = \"bob\";", POSTMASTER "\"bob\"; the default is \"\""},
    {"postmaster = \"@a.test\";", POSTMASTER "\"@a.test\"; the default is \"\""},
    {"postmaster = \"bob@\";", POSTMASTER "\"bob@\"; the default is \"\""},
    {"postmaster = \"bob@a_b\";", POSTMASTER "\"bob@a_b\"; the default is \"\""},
    {"postmaster = \"bob@\xc3\xa4.test\";",
	POSTMASTER "\"bob@\xc3\xa4.test\"; the default is \"\""},
    {"hostname = \"a\\nb\\\"\\xc3\xe2\x80\x8b\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not "
	"\"a\\x0ab\\\"\\xc3\\xe2\\x80\\x8b\""},
    {"hostname = \"A2345678901234567890123456789012345678901234567890123456789\xc3\xa4\";",
	"f:1: hostname must be a host name in quotes, like \"mail.example.org\", and not "
	"\"A2345678901234567890123456789012345678901234567890123456789\""},
    {"hostname = mail.example.org;",
	"f:1: syntax error; an option is written as name = value; with texts in \"quotes\""},
    {"# one\n@include \"/etc/passwd\"",
	"f:2: @include is not supported: write all options into this file"},
#define COMMENT "the comment that begins here is never closed: end it with */"
    {HOST "/* old\nplaintext_auth = \"never\";\n", "f:2: " COMMENT},
    {HOST "undelete = \"3d\"; /* one */ /* two\n\n", "f:2: " COMMENT},
    {HOST "\n/*", "f:3: " COMMENT},
    {HOST "/*/\n", "f:2: " COMMENT},
    {HOST "/* old *", "f:2: " COMMENT},
#define TEXT "a text in quotes is not closed in this line: end it with \""
    {HOST "\"plaintext_auth = never;", "f:2: " TEXT},
    {HOST "user_net = \"net;\nuser_store = \"store\";\n", "f:2: " TEXT},
    {HOST "user_net = \"net\\\";\n", "f:2: " TEXT},
    {HOST "user_net = \"net\\", "f:2: " TEXT},
    {HOST "user_net = \"net\\\n\";", "f:2: " TEXT},
    {"hostname = \"mail.example.org;\nuser_net = \"net\";\n", "f:1: " TEXT},
    {HOST "/* @include \"a */\n  @include \"b\"",
	"f:3: @include is not supported: write all options into this file"},
    {HOST "/* old\n@include \"b\"", "f:2: " COMMENT},
    {"relay_allow_private = 1;",
	"f:1: relay_allow_private must be true or false, and not 1; the default is false"},
    {"relay_port = true;",
	"f:1: relay_port must be a number from 1 to 65535, and not true; the default is 25"},
    {"queue = { retry = \"5m\"; };",
	"f:1: queue.retry must be a list in brackets of at least 1, each a time from 1s to 1d in "
	"quotes, like \"90s\", \"5m\", \"4h\" or \"14d\", and not \"5m\": write it in brackets, "
	"[\"5m\"]; the default is [\"5m\", \"15m\", \"30m\"]"},
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
#define NEVER(lifetime)                                                                            \
	"never comes, for a message is returned after " lifetime                                   \
	" at the latest: name a shorter time, "                                                    \
	"or make the lifetime longer"
    {HOST "queue = {\n delay_warning = [\"9d\"]; };", "f:3: the delay_warning of 9d " NEVER("5d")},
    {HOST "queue = {\n delay_warning = [\"5d\"]; };", "f:3: the delay_warning of 5d " NEVER("5d")},
    {HOST "queue = {\n delay_warning = [\"1h\",\n \"2h\",\n \"3h\"];\n lifetime = \"2h\"; };",
	"f:4: the delay_warning of 2h " NEVER("2h")},
    {HOST "queue = { delay_warning = [\"9d\"]; };\n"
	  "destinations = ( { domain = \"x.test\"; lifetime = \"9d\"; }, { domain = \"y.test\"; "
	  "lifetime = \"20d\"; delay_warning = [\"0\"]; } );",
	"f:2: the delay_warning of 9d " NEVER("9d")},
    {HOST "destinations = ( { domain = \"x.test\"; },\n"
	  "{ domain = \"y.test\"; delay_warning = [\"1d\", \"6d\"]; } );",
	"f:3: destinations, y.test: the delay_warning of 6d " NEVER("5d")},
    {HOST
	"queue = { lifetime = \"10d\"; };\n"
	"destinations = ( { domain = \"y.test\"; lifetime = \"2h\"; delay_warning = [\"6d\"]; } );",
	"f:3: destinations, y.test: the delay_warning of 6d " NEVER("2h")},
    {"\nroutes = ( { domain = \"x.test\"; host = \"y.test\"; } );",
	"f:2: routes: port is missing; a group is written like { domain = \"example.org\"; host = \"192.0.2.1\"; port = 25; }"},
#define ROUTES                                                                                     \
	"f:1: routes must be a list in parentheses of a group like { domain = \"example.org\"; "   \
	"host = \"192.0.2.1\"; port = 25; }, and not "
    {"routes = { domain = \"x.test\"; host = \"y.test\"; port = 25; };",
	ROUTES "a group { }: write it in parentheses, ( { ... } ); the default is ()"},
    {"routes = \"y.test\";", ROUTES "\"y.test\"; the default is ()"},
    {"routes = [\"y.test\"];", ROUTES "\"y.test\"; the default is ()"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; tls = \"no\"; } );",
	"f:1: routes: tls must be one of \"may\", \"require\" (or \"encrypt\"), \"verify\", \"none\", and "
	"not \"no\""},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; user = \"u\"; } );",
	"f:1: routes: a login needs both user and password_file"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; user = \"u\"; "
     "password_file = \"f\"; tls = \"require\"; } );",
	"f:1: routes: a login needs tls = \"verify\", so that nobody else gets the password"},
    {"routes = ( { domain = \"x.test\"; host = \"y.test\"; port = 25; user = \"u\"; "
     "password_file = \"f\"; tls = \"encrypt\"; } );",
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
    {HOST "listen = [\"127.0.0.1\",\n \"::1\",\n \"127.0.0.1\"];",
	"f:4: listen has 127.0.0.1 twice (it may be written with ::ffff: too); leave one of them out"},
    {HOST "listen = [\"::ffff:127.0.0.1\", \"127.0.0.1\"];",
	"f:2: listen has 127.0.0.1 twice (it may be written with ::ffff: too); leave one of them out"},
    {HOST "listen = [\"::1\", \"::1\"];", "f:2: listen has ::1 twice; leave one of them out"},
    {HOST
	"listen = [\"127.0.0.1\", \"127.0.0.2\", \"127.0.0.3\", \"127.0.0.4\", \"127.0.0.5\", \"127.0.0.6\", \"127.0.0.7\", "
	"\"127.0.0.8\", \"127.0.0.9\", \"127.0.0.10\", \"127.0.0.11\", \"127.0.0.12\", \"127.0.0.13\"];",
	"f:2: listen has 13 addresses, which makes 65 sockets with 5 ports; there may be 62: name fewer addresses, or "
	"\"0.0.0.0\" and \"::\" for all of this machine"},
    {HOST "listen = [\"::\", \"0.0.0.0\",\n \"127.0.0.1\"];",
	"f:3: listen has 0.0.0.0, which is all addresses of IPv4, and 127.0.0.1 beside it; leave one of them out"},
    {HOST "listen = [\"2001:db8::1\",\n \"::\"];",
	"f:3: listen has ::, which is all addresses of IPv6, and 2001:db8::1 beside it; leave one of them out"},
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
	static const struct str texts[] = {STR_INIT(HOST "\0x"), STR_INIT(HOST "# \0\n"),
	    STR_INIT(HOST "/* \0 */\nport_offset = x;"), STR_INIT(HOST "user_net = \"a\0\";")};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct config_snapshot *c = NULL;
		struct err e;

		assert_int_equal(config_parse("/d", "f", texts[i], 0, &c, &e), -1);
		assert_string_equal(e.text, "f:2: the file holds a NUL octet: it is no text");
	}
}

/* What the look before libconfig must not mistake for code. */
static void test_comments_and_strings(void **state)
{
	struct config_snapshot *c = parse("# @include 5000000000\n"
					  "// @ 5000000000\n"
					  "/* @ 5000000000 * / \n */\n"
					  "user_net = \"a\\\"5000000000@b\\\\\";\n" HOST);

	assert_string_equal(c->user_net.p, "a\"5000000000@b\\");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_comments_and_strings),
	    cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests_name("config/config_errors", tests, NULL, NULL);
}
