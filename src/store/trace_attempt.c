/* Put and read side by side: one who reads a sentence of older programs finds less in it. */
#include "store/trace_attempt.h"

#include "base/clock.h"
#include "base/ip.h"

/* How long it took, when it was taken and when not; older programs put the first for both. */
#define WITHIN ", within "
#define AFTER  ", after "

/* Instead of "refused for now by "; older programs put that for both. */
#define BROKEN "broken off with "

/* With a server that was spoken to, and without. */
static const struct {
	const char *with, *without;
} words[QUEUE_OUTCOMES] = {
    [QUEUE_DELIVERED] = {"taken by ", "taken"},
    [QUEUE_RETRY] = {"refused for now by ", "not delivered"},
    [QUEUE_RETRY_HOST] = {"no service at ", "the destination cannot be reached"},
    [QUEUE_RETRY_NOW] = {"left for the next transaction with ", "left for the next transaction"},
    [QUEUE_FAILED] = {"refused for good by ", "cannot be delivered"},
};

void trace_attempt_put_server(struct buf *b, struct str server, struct str ip)
{
	buf_str(b, server);
	if (ip.n && !str_eq(server, ip)) {
		buf_c(b, server.n ? " [" : "[");
		buf_str(b, ip);
		buf_byte(b, ']');
	}
}

void trace_attempt_put(struct buf *b, const struct trace_attempt *a)
{
	bool server = a->server.n || a->ip.n;

	if (server && a->broken)
		buf_lit(b, BROKEN);
	else
		buf_c(b, server ? words[a->outcome].with : words[a->outcome].without);
	trace_attempt_put_server(b, a->server, a->ip);
	if (a->tls.n) {
		buf_lit(b, " over ");
		buf_str(b, a->tls);
	}
	if (a->took >= 0) {
		buf_c(b, a->outcome == QUEUE_DELIVERED ? WITHIN : AFTER);
		buf_i64(b, a->took / SECOND_MS);
		buf_byte(b, '.');
		buf_u64_pad(b, (uint64_t)(a->took % SECOND_MS), 3);
		buf_lit(b, " s");
	}
}

/* ---- reading ---- */

static bool take(struct str *s, const char *word)
{
	struct str w = str_of_c(word);

	if (!str_has_prefix(*s, w))
		return false;
	*s = str_from(*s, w.n);
	return true;
}

/* Up to where the first of these stands; NULL ends them. */
static struct str until(struct str *s, const char *const *ends)
{
	struct str found = *s;

	for (; *ends; ends++)
		found = str_sub(found, 0, str_find_str(found, str_of_c(*ends)));
	*s = str_from(*s, found.n);
	return found;
}

static bool read_words(struct str *s, struct trace_attempt *a, bool *server_r)
{
	*server_r = a->broken = take(s, BROKEN);
	a->outcome = QUEUE_RETRY;
	if (a->broken)
		return true;
	for (int i = 0; i < QUEUE_OUTCOMES; i++) {
		a->outcome = (enum queue_outcome)i;
		*server_r = take(s, words[i].with);
		if (*server_r || take(s, words[i].without))
			return true;
	}
	return false;
}

/* "mx.b.test [192.0.2.1]", "[192.0.2.1]", "192.0.2.1" */
static void read_server(struct str *s, struct trace_attempt *a)
{
	static const char *const ends[] = {" ", ",", NULL};
	struct ip ip;

	a->server = until(s, ends);
	/* the reply follows, unless it is the last of "2001:db8::" */
	if (str_has_suffix_i(a->server, STR(":")) && !ip_parse(a->server, &ip)) {
		a->server.n--;
		*s = STR("");
	}
	if (take(s, " [")) {
		a->ip = str_sub(*s, 0, str_find(*s, ']'));
		*s = str_from(*s, a->ip.n + 1);
	} else if (str_has_prefix(a->server, STR("["))) {
		a->ip = str_sub(a->server, 1, a->server.n - 2);
		a->server = STR("");
	} else if (ip_parse(a->server, &ip)) {
		a->ip = a->server;
	}
}

static int64_t read_took(struct str s)
{
	struct str seconds = str_sub(s, 0, str_find(s, '.')), rest = str_from(s, seconds.n + 1);
	uint64_t whole, part;

	if (!str_has_prefix(str_from(rest, 3), STR(" s")) ||
	    !str_to_u64(seconds, INT64_MAX / SECOND_MS - 1, &whole) ||
	    !str_to_u64(str_sub(rest, 0, 3), SECOND_MS - 1, &part))
		return -1;
	return (int64_t)whole * SECOND_MS + (int64_t)part;
}

bool trace_attempt_read(struct str text, struct trace_attempt *a_r)
{
	static const char *const ends[] = {WITHIN, AFTER, ", sent on for ", ": ", NULL};
	struct trace_attempt a = {.took = -1};
	bool server;

	if (!read_words(&text, &a, &server))
		return false;
	if (server)
		read_server(&text, &a);
	if (take(&text, " over "))
		a.tls = until(&text, ends);
	if (take(&text, WITHIN) || take(&text, AFTER))
		a.took = read_took(text);
	*a_r = a;
	return true;
}
