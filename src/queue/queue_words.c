/*
 * The words. Rows are tried from the top: those that can only mean one thing come first, so that
 * "blocked using a blocklist, user unknown" is about the blocklist. Any word of a row will do. Case
 * does not matter, and a blank stands for '-', '_' or a blank.
 */
#include "queue/queue_words.h"

#include "base/ascii.h"

#define WORDS 6

struct row {
	uint8_t class; /* 0: both */
	uint16_t but;  /* not where the status is of this subject, which says more; 0: always */
	struct queue_reason reason;
	const char *words[WORDS];
};

#define ROW(class, why, advice, ...) ROW_BUT(class, 0, why, advice, __VA_ARGS__)
#define ROW_BUT(class, but, why, advice, ...)                                                      \
	{                                                                                          \
		class, but, {QUEUE_PHRASE_WHY_##why, QUEUE_PHRASE_DO_##advice},                    \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct row rows[] = {
    ROW(0, GREYLISTED, SEND_LATER, "greylist", "graylist", "grey list", "gray list"),
    ROW(4, GREYLISTED, SEND_LATER, "first time sender", "deferred: try again"),
    ROW(0, VIRUS, CHECK_FILES, "virus", "malware", "infected", "potentially dangerous",
	"blocked for security reasons because"),
    ROW(0, VIRUS, CHECK_FILES, "phish", "suspicious attachment", "attachment type",
	"file type is not", "illegal attachment", "attachment not allowed"),
    ROW(0, BLOCKLISTED, ASK_OWN_ADMIN, "spamhaus", "block list", "blocklist", "black list",
	"blacklist", "dnsbl"),
    ROW(0, BLOCKLISTED, ASK_OWN_ADMIN, "blocked using", "barracuda", "spamcop", "deny list",
	"denylist", "banned sending ip"),
    ROW(0, BLOCKLISTED, ASK_OWN_ADMIN, "reputation of the sending ip", "poor reputation",
	"bad reputation", "part of their network is on", "ip address blocked"),
    ROW(0, BLOCKLISTED, ASK_OWN_ADMIN, "your ip has been", "ip is blocked", "client host blocked",
	"bad dns ip", "not in whitelist"),
    ROW(0, BLOCKLISTED, ASK_OWN_ADMIN, "ip you're using to send", "not accepted from this ip",
	"in an rbl", "on an rbl", "black ip"),
    ROW(0, UNPROVEN, ASK_OWN_ADMIN, "dmarc", "dkim", "sender policy framework", "unauthenticated",
	"spf check", "spf fail"),
    ROW(0, UNPROVEN, ASK_OWN_ADMIN, "spf record", "spf validation", "not pass authentication",
	"fails to pass auth", "requires authentication of all", "openspf"),
    ROW(0, IDENTITY, ASK_OWN_ADMIN, "reverse dns", "rdns", "ptr record", "reverse hostname",
	"dns ptr", "no ptr"),
    ROW(0, IDENTITY, ASK_OWN_ADMIN, "a ptr", "reverse lookup"),
    ROW(0, IDENTITY, ASK_OWN_ADMIN, "helo command rejected", "invalid helo", "ehlo/helo",
	"helo/ehlo", "helo name", "cannot find your"),
    ROW(0, TLS, ASK_OWN_ADMIN, "starttls command first", "must issue a starttls",
	"encryption required", "requires tls", "tls required", "session encryption is required"),
    ROW(0, MAILBOX_FULL, TELL_RECIPIENT, "over quota", "overquota", "quota exceeded",
	"mailbox full", "mailbox is full", "out of storage"),
    ROW(0, MAILBOX_FULL, TELL_RECIPIENT, "exceeded storage", "quota is exceeded",
	"exceeded their quota", "insufficient disk", "over its quota", "exceeds quota"),
    ROW(0, TOO_LARGE, MAKE_SMALLER, "message size exceeds", "message too large", "message too big",
	"size limit", "exceeded the maximum message size", "larger than the current"),
    ROW(0, TOO_MUCH, SEND_LATER, "rate limit", "ratelimit", "throttl", "too many connections",
	"too many messages", "receiving mail too quickly"),
    ROW(0, TOO_MUCH, SEND_LATER, "receiving mail at a rate", "unusual rate", "too many recipients",
	"exceeded the limit", "too many sessions", "sending too"),
    ROW(0, TOO_MUCH, SEND_LATER, "too many invalid", "too many unknown", "too many bad",
	"too many failed", "too many non", "unknown users"),
    ROW(0, TOO_MUCH, SEND_LATER, "receiving email at a rate", "receiving email too quickly",
	"frequency limited", "harvest", "dictionary attack", "bounce attack"),
    ROW(0, NO_RELAY, ASK_THEIR_ADMIN, "relay access denied", "relaying denied",
	"relay not permitted", "relaying not allowed", "unable to relay", "not permitted to relay"),
    ROW(0, NO_RELAY, ASK_THEIR_ADMIN, "relay denied", "we do not relay", "does not relay",
	"not a local domain", "not one of our domains", "relaying is not allowed"),
    ROW(0, NO_RELAY, ASK_THEIR_ADMIN, "rcpthosts"),
    ROW(0, LOOP, ASK_OWN_ADMIN, "too many hops", "mail loop", "routing loop", "hop count exceeded",
	"loops back to myself", "mail forwarding loop"),
    ROW(0, RESTRICTED, TELL_RECIPIENT, "not authorized to send", "restricted to", "members only",
	"only accepts", "not permitted to send to", "group only"),
    ROW(0, RESTRICTED, TELL_RECIPIENT, "not allowed to post", "not on the allow",
	"accepts mail from certain", "requires that all senders", "recipientnotallowed",
	"delivery to this group"),
    ROW(0, SENDER_ADDRESS, ASK_OWN_ADMIN, "sender address rejected", "sender verify",
	"sender rejected", "domain of sender", "sender domain", "from address"),
    ROW(0, SENDER_ADDRESS, ASK_OWN_ADMIN, "sender address has null mx", "signed return path"),
    ROW(0, NULL_MX, CHECK_DOMAIN, "null mx", "nullmx", "domain does not accept mail"),
    ROW(0, DISABLED, OTHER_ADDRESS, "disabled", "inactive", "suspended", "deactivated",
	"account closed", "no longer active"),
    ROW(5, NO_MAILBOX, CHECK_ADDRESS, "user unknown", "unknown user", "no such user",
	"does not exist", "doesn't exist", "doesn't have a"),
    ROW(5, NO_MAILBOX, CHECK_ADDRESS, "no such recipient", "invalid recipient", "unknown recipient",
	"recipient not found", "recipientnotfound", "not found by smtp address lookup"),
    ROW(5, NO_MAILBOX, CHECK_ADDRESS, "user not found", "mailbox not found", "no such mailbox",
	"no mailbox here", "mailbox unavailable", "address not found"),
    ROW(5, NO_MAILBOX, CHECK_ADDRESS, "not a valid mailbox", "no such address", "unknown address",
	"invalid mailbox", "not our customer", "unrouteable address"),
    ROW_BUT(5, 7, NO_MAILBOX, CHECK_ADDRESS, "recipient address rejected", "recipient rejected"),
    ROW(0, SPAM, TELL_RECIPIENT, "spam", "unsolicited", "junk mail", "bulk mail",
	"content rejected", "considered as bulk"),
    ROW(0, SPAM, TELL_RECIPIENT, "message content", "content filter", "likely suspicious",
	"suspicious due", "classified as", "rejected by our filter"),
    ROW(4, TOO_MUCH, SEND_LATER, "exceed", "too fast", "slow down", "try again later, closing",
	"temporarily deferred due to", "server busy"),
};

static uint8_t plain(uint8_t c)
{
	return c == '-' || c == '_' ? ' ' : ascii_lower(c);
}

static bool stands_at(struct str text, struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (plain(text.p[i]) != word.p[i])
			return false;
	return true;
}

static bool has_word(struct str text, struct str word)
{
	for (size_t i = 0; i + word.n <= text.n; i++)
		if (stands_at(str_from(text, i), word))
			return true;
	return false;
}

static bool has_any(struct str text, const char *const words[WORDS])
{
	for (size_t i = 0; i < WORDS && words[i]; i++)
		if (has_word(text, str_of_c(words[i])))
			return true;
	return false;
}

bool queue_words_find(struct str reply, struct queue_status status, struct queue_reason *reason_r)
{
	uint8_t class = status.class == 4 ? 4 : 5;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].class != 0 && rows[i].class != class)
			continue;
		if (rows[i].but != 0 && rows[i].but == status.subject)
			continue;
		if (has_any(reply, rows[i].words)) {
			*reason_r = rows[i].reason;
			return true;
		}
	}
	return false;
}
