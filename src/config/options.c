#include "config/options.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/near.h"
#include "config/config.h"
#include "config/option_value.h"

/* A row's beginning: name, type, place. */
#define AT(member)       .offset = offsetof(struct config_snapshot, member)
#define NUMBER(lo, hi)   .type = OPTION_NUMBER, .min = (lo), .max = (hi)
#define SIZE(lo, hi)     .type = OPTION_SIZE, .min = (int64_t)(lo), .max = (int64_t)(hi)
#define DURATION(lo, hi) .type = OPTION_DURATION, .min = (lo), .max = (hi)
#define TEXT(t, lo, hi)  .type = (t), .min = (lo), .max = (int64_t)(hi)
#define ENUM(w)          .type = OPTION_ENUM, .words = (w)
#define BOOL             .type = OPTION_BOOL
#define GROUP(g)         .type = OPTION_GROUP, .group = &(g)
#define LIST(lo, hi)     .list = true, .least = (lo), .most = (int64_t)(hi)

#define PATH_LENGTH 1024
#define NAME_LENGTH 32

static const char *const plaintext_words[] = {"never", "loopback", "always", NULL};
static const char *const newline_words[] = {"refuse", "normalize", NULL};
static const char *const unverified_words[] = {"defer", "accept", NULL};
static const char *const dnssec_words[] = {"validate", "off", NULL};
static const char *const language_words[] = {"en", "zh-Hans", "zh-Hant", NULL};
static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};

static const char *const tls_words[] = {"may", "require", "verify", "none", NULL};
static const struct option_synonym tls_synonym = {"encrypt", CONFIG_ROUTE_REQUIRE};

/* ---- routes ---- */
#define IN(member) .offset = offsetof(struct config_route, member)

/* clang-format off */
static const struct option route_members[] = {
	{"domain", IN(domain), TEXT(OPTION_DOMAIN, 1, 253)},
	{"sender", IN(sender), TEXT(OPTION_SENDER, 0, LIMIT_ADDRESS), .initial = "\"\""},
	{"host", IN(host), TEXT(OPTION_TARGET, 1, 253)},
	{"port", IN(port), NUMBER(1, 65535)},
	{"tls", IN(tls), ENUM(tls_words), .synonym = &tls_synonym, .initial = "\"may\""},
	{"user", IN(user), TEXT(OPTION_STRING, 0, LIMIT_USER_NAME), .initial = "\"\""},
	{"password_file", IN(password_file), TEXT(OPTION_FILE, 0, PATH_LENGTH), .initial = "\"\""},
};
/* clang-format on */
#undef IN

/* A password goes over TLS only, and to nobody else: the name of the server must be checked. */
static const char *check_route(const void *at)
{
	const struct config_route *r = at;

	if ((r->user.n == 0) != (r->password_file.n == 0))
		return "a login needs both user and password_file";
	if (r->user.n && r->tls != CONFIG_ROUTE_VERIFY)
		return "a login needs tls = \"verify\", so that nobody else gets the password";
	return NULL;
}

static const struct group route_group = {
    .members = route_members,
    .count = sizeof route_members / sizeof *route_members,
    .size = sizeof(struct config_route),
    .example = "{ domain = \"example.org\"; host = \"192.0.2.1\"; port = 25; }",
    .check = check_route,
};

/* ---- destinations ---- */
#define IN(member) .offset = offsetof(struct config_destination, member)

/* What is not given is as in queue. */
/* clang-format off */
static const struct option destination_members[] = {
	{"domain", IN(domain), TEXT(OPTION_HOST, 1, 253)},
	{"tls", IN(tls), ENUM(tls_words), .synonym = &tls_synonym, .initial = "\"may\""},
	{"retry", IN(retry), DURATION(SECOND_MS, DAY_MS), LIST(0, LIMIT_QUEUE_STEPS), .initial = "[]"},
	{"lifetime", IN(lifetime), DURATION(0, 60 * DAY_MS), .initial = "\"0\""},
	{"delay_warning", IN(delay_warning), DURATION(0, 60 * DAY_MS), LIST(0, LIMIT_QUEUE_STEPS), .initial = "[]"},
	{"connections", IN(connections), NUMBER(1, CONFIG_DESTINATION_CONNECTIONS), .initial = "20"},
};
/* clang-format on */
#undef IN

static const char *check_destination(const void *at)
{
	const struct config_destination *d = at;

	for (size_t i = 0; i < d->delay_warning.n; i++)
		if (d->delay_warning.v[i] == 0 && d->delay_warning.n > 1)
			return "delay_warning = [\"0\"] stands for no warning, and alone";
	return NULL;
}

static const struct group destination_group = {
    .members = destination_members,
    .count = sizeof destination_members / sizeof *destination_members,
    .size = sizeof(struct config_destination),
    .example = "{ domain = \"example.org\"; tls = \"verify\"; lifetime = \"2d\"; }",
    .check = check_destination,
};

/* clang-format off */
const struct option options[] = {
	{"hostname", AT(hostname), TEXT(OPTION_HOST, 1, 253), .initial = NULL,
	    .sentence = "Name of this server as other servers see it: in greetings, Received fields and the certificate."},
	{"listen", AT(listen), .type = OPTION_IP, LIST(1, LIMIT_CONFIG_LIST), .initial = "[\"0.0.0.0\", \"::\"]",
	    .sentence = "Addresses to listen on."},
	{"ports.smtp", AT(ports.smtp), NUMBER(0, 65535), .initial = "25",
	    .sentence = "Mail from other servers (SMTP). 0 turns a port off."},
	{"ports.smtps", AT(ports.smtps), NUMBER(0, 65535), .initial = "465",
	    .sentence = "Mail from own users, TLS from the start."},
	{"ports.submission", AT(ports.submission), NUMBER(0, 65535), .initial = "587",
	    .sentence = "Mail from own users, TLS by STARTTLS."},
	{"ports.pop3", AT(ports.pop3), NUMBER(0, 65535), .initial = "110",
	    .sentence = "Users fetch mail (POP3), TLS by STLS."},
	{"ports.pop3s", AT(ports.pop3s), NUMBER(0, 65535), .initial = "995",
	    .sentence = "Users fetch mail (POP3), TLS from the start."},
	{"ports.lmtp", AT(ports.lmtp), NUMBER(0, 65535), .initial = "0",
	    .sentence = "Mail handed over by another server of yours (LMTP); keep it from strangers by a firewall, or by listen."},
	{"port_offset", AT(port_offset), NUMBER(0, 65535), .initial = "0",
	    .sentence = "Added to every port, for servers that are not started as root."},
	{"tls_certificate", AT(tls_certificate), TEXT(OPTION_FILE, 1, PATH_LENGTH), .initial = "\"tls/certificate.pem\"",
	    .sentence = "PEM file with the certificate, followed by its chain. A relative path is below the data directory."},
	{"tls_key", AT(tls_key), TEXT(OPTION_FILE, 1, PATH_LENGTH), .initial = "\"tls/key.pem\"",
	    .sentence = "PEM file with its key. Others must not be able to read it."},
	{"plaintext_auth", AT(plaintext_auth), ENUM(plaintext_words), .initial = "\"loopback\"",
	    .sentence = "Where passwords are taken without TLS: never, from this machine only, or always."},
	{"trusted_networks", AT(trusted_networks), .type = OPTION_NETWORK, LIST(0, LIMIT_CONFIG_LIST), .initial = "[]",
	    .sentence = "Networks that may send mail to anywhere without a password."},
	{"message_size_limit", AT(message_size_limit), SIZE(64 * KIB, 2047 * MIB), .initial = "\"50M\"",
	    .sentence = "The largest message that is taken."},
	{"recipients_max", AT(recipients_max), NUMBER(1, LIMIT_SMTP_RCPT_MAX), .initial = "1000",
	    .sentence = "Recipients of one message; a sender splits what is above."},
	{"bare_newline", AT(bare_newline), ENUM(newline_words), .initial = "\"refuse\"",
	    .sentence = "What happens to messages of own users and trusted networks whose lines do not end with CRLF; "
	        "those of strangers are always refused."},
	{"dns_server", AT(dns_server), TEXT(OPTION_SERVER, 0, NAME_LENGTH), .initial = "\"\"",
	    .sentence = "The DNS server to ask. Empty: those that /etc/resolv.conf names."},
	{"dnssec", AT(dnssec), ENUM(dnssec_words), .initial = "\"validate\"",
	    .sentence = "Whether signatures of the DNS are checked; the DNS server must hand them through."},
	{"subaddress_separator", AT(subaddress_separator), TEXT(OPTION_STRING, 0, 1), .chars = "+-_=.#~", .initial = "\"+\"",
	    .sentence = "Mail for bob+anything goes to bob. Empty: no such addresses."},
	{"srs", AT(srs), BOOL, .initial = "true",
	    .sentence = "Whether mail that an alias sends on to another server goes with a reverse path of this server "
	        "(SRS), so that SPF passes there; what is returned finds its sender."},
	{"postmaster", AT(postmaster), TEXT(OPTION_ADDRESS, 0, LIMIT_ADDRESS), .initial = "\"\"",
	    .sentence = "Address of the account that gets mail for postmaster. Empty: the first account."},
	{"pop3_marks_seen", AT(pop3_marks_seen), BOOL, .initial = "true",
	    .sentence = "Whether messages that a POP3 program has fetched whole and leaves here are marked as seen when it says goodbye."},
	{"timeouts.smtp_command", AT(timeouts.smtp_command), DURATION(SECOND_MS, HOUR_MS), .initial = "\"5m\"",
	    .sentence = "How long a sender may take for one command."},
	{"timeouts.smtp_data", AT(timeouts.smtp_data), DURATION(SECOND_MS, HOUR_MS), .initial = "\"10m\"",
	    .sentence = "How long a sender may be silent within a message."},
	{"timeouts.pop3", AT(timeouts.pop3), DURATION(SECOND_MS, HOUR_MS), .initial = "\"10m\"",
	    .sentence = "How long a user's program may be silent."},
	{"timeouts.relay_connect", AT(timeouts.relay_connect), DURATION(SECOND_MS, HOUR_MS), .initial = "\"30s\"",
	    .sentence = "How long another server may take to accept a connection, and for the TLS handshake."},
	{"timeouts.relay_command", AT(timeouts.relay_command), DURATION(SECOND_MS, HOUR_MS), .initial = "\"5m\"",
	    .sentence = "How long another server may take for its greeting and to answer one command. At a first attempt, "
			"while a hundred others are under way, it has 20 seconds for all up to the content."},
	{"timeouts.relay_data", AT(timeouts.relay_data), DURATION(SECOND_MS, HOUR_MS), .initial = "\"2m\"",
	    .sentence = "How long another server may take to ask for the content of a message."},
	{"timeouts.relay_body", AT(timeouts.relay_body), DURATION(SECOND_MS, HOUR_MS), .initial = "\"3m\"",
	    .sentence = "How long another server may take no octet of a message that is being sent to it."},
	{"timeouts.relay_end", AT(timeouts.relay_end), DURATION(SECOND_MS, HOUR_MS), .initial = "\"10m\"",
	    .sentence = "How long another server may take to say that it has a message; shorter times send mail twice."},
	{"timeouts.store", AT(timeouts.store), DURATION(SECOND_MS, HOUR_MS), .initial = "\"2m\"",
	    .sentence = "How long the mail store may take for one answer to a session, which is then ended."},
	{"timeouts.process", AT(timeouts.process), DURATION(SECOND_MS, HOUR_MS), .initial = "\"1m\"",
	    .sentence = "How long a process of the server may not answer before it is ended and started again; three times that when most do not."},
	{"limits.connections", AT(limits.connections), NUMBER(10, 1000000), .initial = "10000",
	    .sentence = "Connections at a time, in all."},
	{"limits.connections_per_address", AT(limits.connections_per_address), NUMBER(1, 1000000), .initial = "100",
	    .sentence = "Connections at a time from one address. This machine and trusted networks have no such limit."},
	{"limits.connections_per_network", AT(limits.connections_per_network), NUMBER(1, 1000000), .initial = "500",
	    .sentence = "Connections at a time from one network (IPv4 /24, IPv6 /56)."},
	{"limits.auth_failures", AT(limits.auth_failures), NUMBER(0, 1000000), .initial = "10",
	    .sentence = "Wrong passwords from one address within ban_time, then it is banned for that time. This machine and "
		"trusted networks never are. 0: nobody is."},
	{"limits.ban_time", AT(limits.ban_time), DURATION(SECOND_MS, 30 * DAY_MS), .initial = "\"15m\"",
	    .sentence = "How long an address that guesses passwords is kept out."},
	{"limits.gather", AT(limits.gather), SIZE(MIB, LIMIT_GATHER_BUDGET), .initial = "\"64M\"",
	    .sentence = "Memory in which one front process gathers messages; above it, senders wait."},
	{"queue.retry", AT(queue.retry), DURATION(SECOND_MS, DAY_MS), LIST(1, LIMIT_QUEUE_STEPS),
	    .initial = "[\"5m\", \"15m\", \"30m\"]",
	    .sentence = "How long to wait after the first, the second ... failed attempt to send a message on; the last one repeats."},
	{"queue.lifetime", AT(queue.lifetime), DURATION(SECOND_MS, 60 * DAY_MS), .initial = "\"5d\"",
	    .sentence = "How long a message is tried before it is returned to its sender."},
	{"queue.bounce_lifetime", AT(queue.bounce_lifetime), DURATION(SECOND_MS, 60 * DAY_MS), .initial = "\"2d\"",
	    .sentence = "How long a report without a sender is tried before it is given up."},
	{"queue.delay_warning", AT(queue.delay_warning), DURATION(SECOND_MS, 60 * DAY_MS), LIST(0, LIMIT_QUEUE_STEPS),
	    .initial = "[\"4h\"]",
	    .sentence = "How long after acceptance a sender is told that his message still waits. Empty: never."},
	{"queue.return_size", AT(queue.return_size), SIZE(0, LIMIT_DSN_ORIGINAL), .initial = "\"50K\"",
	    .sentence = "Messages up to this size are returned whole when they cannot be delivered, of larger ones the header."},
	{"quota.account_bytes", AT(quota.account_bytes), SIZE(0, 1024 * 1024 * 1024 * MIB), .initial = "\"0\"",
	    .sentence = "What an account's mailboxes may hold, unless the account has a quota of its own. 0: no limit."},
	{"quota.account_messages", AT(quota.account_messages), NUMBER(0, INT64_C(1000000000000)), .initial = "0",
	    .sentence = "How many messages an account's mailboxes may hold, likewise. 0: no limit."},
	{"quota.domain_bytes", AT(quota.domain_bytes), SIZE(0, 1024 * 1024 * 1024 * MIB), .initial = "\"0\"",
	    .sentence = "What all accounts of a domain may hold together, unless the domain has a quota of its own. 0: no limit."},
	{"quota.domain_messages", AT(quota.domain_messages), NUMBER(0, INT64_C(1000000000000)), .initial = "0",
	    .sentence = "How many messages they may hold, likewise. 0: no limit."},
	{"callout.wait", AT(callout.wait), DURATION(0, MINUTE_MS), .initial = "\"6s\"",
	    .sentence = "How long a sender waits while the server of a relay domain is asked for a recipient; then he is told "
	        "to try again later, and the answer is kept for him."},
	{"callout.unverified", AT(callout.unverified), ENUM(unverified_words), .initial = "\"defer\"",
	    .sentence = "What becomes of a recipient of a relay domain who is not known from before while its server cannot be "
	        "asked: defer (the sender keeps the message and tries again) or accept (it waits here, and is returned if "
	        "the recipient turns out not to exist)."},
	{"language", AT(language), ENUM(language_words), .initial = "\"en\"",
	    .sentence = "Language of reports to senders whose messages show no other one that is spoken here, and of "
	        "explanations of the queue."},
	{"relay_port", AT(relay_port), NUMBER(1, 65535), .initial = "25",
	    .sentence = "Port of other servers to which mail is sent."},
	{"relay_source", AT(relay_source), .type = OPTION_IP, LIST(0, LIMIT_RELAY_SOURCES), .initial = "[]",
	    .sentence = "Addresses of this machine from which mail is sent, at most one of IPv4 and one of IPv6. "
	        "Empty: as the system chooses."},
	{"relay_helo", AT(relay_helo), TEXT(OPTION_HOST, 0, 253), .initial = "\"\"",
	    .sentence = "Name by which this server greets those it sends mail to. Empty: hostname."},
	{"routes", AT(routes), GROUP(route_group), LIST(0, LIMIT_CONFIG_LIST), .initial = "()",
	    .sentence = "Servers to use for a domain in place of its MX; the domain \"*\" stands for every other one, as "
	        "where port 25 is closed and a provider takes the mail. With sender, only for mail from that address or domain."},
	{"destinations", AT(destinations), GROUP(destination_group), LIST(0, LIMIT_CONFIG_LIST), .initial = "()",
	    .sentence = "How mail to a domain is sent where it differs from all other: TLS, retries, lifetime, delay warning "
	        "([\"0\"]: none), and connections at a time."},
	{"relay_allow_private", AT(relay_allow_private), BOOL, .initial = "false",
	    .sentence = "Whether mail may be sent to servers at loopback, private and other special addresses that DNS names. "
	        "Those in routes always may."},
	{"min_free", AT(min_free), SIZE(0, 1024 * 1024 * MIB), .initial = "\"100M\"",
	    .sentence = "Free space of the disk below which no mail is taken; deleting still works."},
	{"undelete", AT(undelete), DURATION(0, 3650 * DAY_MS), .initial = "\"14d\"",
	    .sentence = "How long deleted messages can be brought back."},
	{"history", AT(history), DURATION(DAY_MS, 3650 * DAY_MS), .initial = "\"90d\"",
	    .sentence = "How long the trace of each message is kept."},
	{"compact_rate", AT(compact_rate), SIZE(0, 64 * 1024 * MIB), .initial = "\"8M\"",
	    .sentence = "How much is copied each second to free the space of deleted messages; 0: it is not freed."},
	{"pack_size", AT(pack_size), SIZE(MIB, 1024 * 1024 * MIB), .initial = "\"256M\"",
	    .sentence = "Size of the files in which messages lie together; a change holds for those that are begun after a restart."},
	{"user_store", AT(user_store), TEXT(OPTION_STRING, 1, NAME_LENGTH), .initial = "\"godwit\"",
	    .sentence = "System user that owns the data, when started as root."},
	{"user_net", AT(user_net), TEXT(OPTION_STRING, 1, NAME_LENGTH), .initial = "\"godwit-net\"",
	    .sentence = "System user of the processes that talk to the network, when started as root."},
	{"mx_processes", AT(mx_processes), NUMBER(1, 64), .initial = "1",
	    .sentence = "Processes that take mail from other servers."},
	{"user_processes", AT(user_processes), NUMBER(1, 64), .initial = "1",
	    .sentence = "Processes that serve own users."},
	{"log_level", AT(log_level), ENUM(log_words), .initial = "\"info\"",
	    .sentence = "What is logged: this and everything more serious."},
};
/* clang-format on */

const size_t options_count = sizeof options / sizeof *options;

/* ---- names ---- */
struct str option_group(const struct option *o)
{
	struct str name = str_of_c(o->name), leaf, group = str_split(name, '.', &leaf);

	return group.n < name.n ? group : (struct str){NULL, 0};
}

struct str option_leaf(const struct option *o)
{
	struct str group = option_group(o);

	return str_from(str_of_c(o->name), group.n ? group.n + 1 : 0);
}

const struct option *options_find(struct str name)
{
	for (size_t i = 0; i < options_count; i++)
		if (str_eq(name, str_of_c(options[i].name)))
			return &options[i];
	return NULL;
}

bool options_is_group(struct str name)
{
	for (size_t i = 0; i < options_count; i++)
		if (name.n && str_eq(name, option_group(&options[i])))
			return true;
	return false;
}

/* The last part alone, for an option that was put in the wrong place. */
static struct str nearest_leaf(struct str name)
{
	struct near n;
	struct str leaf;

	near_init(&n, str_from(name, str_find(name, '.') < name.n ? str_find(name, '.') + 1 : 0));
	for (size_t i = 0; i < options_count; i++)
		near_offer(&n, option_leaf(&options[i]));
	leaf = near_found(&n);
	for (size_t i = 0; i < options_count && leaf.n; i++)
		if (option_leaf(&options[i]).p == leaf.p)
			return str_of_c(options[i].name);
	return leaf;
}

/* The last word of "smtp_command". */
static struct str last_word(struct str leaf)
{
	for (size_t i = leaf.n; i > 0; i--)
		if (leaf.p[i - 1] == '_')
			return str_from(leaf, i);
	return leaf;
}

/* Within a group that there is: its own name counts for nothing, or a short leaf is near to all. */
static struct str nearest_in_group(
    struct str group, struct str leaf, struct str (*part)(struct str))
{
	struct near n;
	struct str found;

	near_init(&n, leaf);
	for (size_t i = 0; i < options_count; i++)
		if (str_eq(option_group(&options[i]), group))
			near_offer(&n, part(option_leaf(&options[i])));
	found = near_found(&n);
	for (size_t i = 0; i < options_count && found.n; i++)
		if (part(option_leaf(&options[i])).p == found.p)
			return str_of_c(options[i].name);
	return found;
}

static struct str whole(struct str leaf)
{
	return leaf;
}

struct str options_nearest(struct str name)
{
	struct near n;
	struct str found, leaf, group = str_split(name, '.', &leaf);

	if (leaf.n && options_is_group(group)) {
		found = nearest_in_group(group, leaf, whole);
		if (!found.n)
			found = nearest_in_group(group, leaf, last_word);
		return found.n ? found : nearest_leaf(name);
	}
	near_init(&n, name);
	for (size_t i = 0; i < options_count; i++) {
		near_offer(&n, str_of_c(options[i].name));
		if (option_group(&options[i]).n)
			near_offer(&n, option_group(&options[i]));
	}
	found = near_found(&n);
	return found.n ? found : nearest_leaf(name);
}

/* ---- for people ---- */
static void put_bounds(const struct option *o, const char *what, struct buf *out)
{
	buf_c(out, what);
	buf_lit(out, " from ");
	option_put_plain(o->type, &(union option_value){.number = o->min}, out);
	buf_lit(out, " to ");
	option_put_plain(o->type, &(union option_value){.number = o->max}, out);
}

static void put_text_range(const struct option *o, struct buf *out)
{
	buf_lit(out, "a text in quotes of ");
	if (o->min) {
		buf_i64(out, o->min);
		buf_lit(out, " to ");
	} else {
		buf_lit(out, "at most ");
	}
	buf_i64(out, o->max);
	buf_lit(out, " printable characters");
	if (o->chars) {
		buf_lit(out, " out of ");
		buf_c(out, o->chars);
	}
}

static void put_words(const struct option *o, struct buf *out)
{
	buf_lit(out, "one of ");
	for (int i = 0; o->words[i]; i++) {
		buf_printf(out, "%s\"%s\"", i == 0 ? "" : ", ", o->words[i]);
		if (o->synonym && o->synonym->means == i)
			buf_printf(out, " (or \"%s\")", o->synonym->word);
	}
}

static void put_members(const struct group *g, struct buf *out)
{
	const char *gap = "; its parts are ";

	for (size_t i = 0; i < g->count; i++) {
		buf_printf(out, "%s%s (", gap, g->members[i].name);
		option_put_range(&g->members[i], out);
		buf_byte(out, ')');
		gap = ", ";
	}
}

static void put_single_range(const struct option *o, struct buf *out)
{
	switch (o->type) {
	case OPTION_NUMBER:
		put_bounds(o, "a number", out);
		break;
	case OPTION_SIZE:
		put_bounds(o, "a size", out);
		buf_lit(out, " in quotes, like \"50M\"");
		break;
	case OPTION_DURATION:
		put_bounds(o, "a time", out);
		buf_lit(out, " in quotes, like \"90s\", \"5m\", \"4h\" or \"14d\"");
		break;
	case OPTION_ENUM:
		put_words(o, out);
		break;
	case OPTION_BOOL:
		buf_lit(out, "true or false");
		break;
	case OPTION_GROUP:
		buf_printf(out, "a group like %s", o->group->example);
		break;
	case OPTION_HOST:
	case OPTION_DOMAIN:
	case OPTION_TARGET:
		buf_lit(out, "a host name in quotes, like \"mail.example.org\"");
		buf_c(out, o->type == OPTION_DOMAIN   ? ", or \"*\""
			   : o->type == OPTION_TARGET ? ", or an address, like \"192.0.2.1\""
						      : "");
		buf_c(out, o->min ? "" : ", or \"\"");
		break;
	case OPTION_SENDER:
		buf_lit(out, "a domain or an address in quotes, like \"example.org\" or "
			     "\"alice@example.org\"");
		break;
	case OPTION_ADDRESS:
		buf_lit(out, "an address in quotes, like \"bob@example.org\", its domain in ASCII "
			     "(xn--...); or \"\"");
		break;
	case OPTION_SERVER:
		buf_lit(out,
		    "an address in quotes, with a port if it is not 53, like \"192.0.2.1\" or "
		    "\"127.0.0.1@5300\"; or \"\"");
		break;
	case OPTION_IP:
		buf_lit(out, "an address in quotes, like \"192.0.2.1\" or \"::1\"");
		break;
	case OPTION_NETWORK:
		buf_lit(out, "a network in quotes, like \"10.0.0.0/8\" or \"2001:db8::/32\"");
		break;
	default:
		put_text_range(o, out);
	}
}

void option_put_shape(const struct option *o, struct buf *out)
{
	if (o->list) {
		buf_c(out, o->type == OPTION_GROUP ? "a list in parentheses of "
						   : "a list in brackets of ");
		if (o->least)
			buf_printf(out, "at least %lld, each ", (long long)o->least);
	}
	put_single_range(o, out);
}

void option_put_range(const struct option *o, struct buf *out)
{
	option_put_shape(o, out);
	if (o->type == OPTION_GROUP)
		put_members(o->group, out);
}

void options_put_manual(struct buf *out)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option *o = &options[i];

		buf_printf(out, "%s\n\t%s\n\tAllowed: ", o->name, o->sentence);
		option_put_range(o, out);
		buf_printf(
		    out, "; %s%s.\n\n", o->initial ? "default: " : "must be set", o->initial ?: "");
	}
}
