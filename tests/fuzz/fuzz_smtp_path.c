/* Addresses, parameters and xtext: whatever is accepted prints to what parses to the same. */
#include "fuzz.h"

#include "base/mem.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_xtext.h"

#define OUT_MAX ((size_t)65536)

static void round_trip(struct arena *a, const struct smtp_path *path)
{
	struct smtp_path again = {0};
	struct buf b;
	struct cur c;

	buf_init(&b, OUT_MAX);
	smtp_path_put_angle(&b, path);
	MUST(!str_has_cntrl(buf_view(&b)));
	c = cur_of(buf_view(&b));
	if (path->is_null || path->domain.n > 0)
		MUST(smtp_path_reverse(&c, true, a, &again) == SMTP_PATH_OK);
	else
		MUST(smtp_path_forward(&c, true, a, &again) == SMTP_PATH_OK);
	MUST(cur_done(&c) && smtp_path_eq(path, &again) && path->needs_utf8 == again.needs_utf8);
	buf_fini(&b);
}

static void paths(struct arena *a, struct str s, bool utf8)
{
	struct smtp_path path;
	struct cur c = cur_of(s);

	if (smtp_path_reverse(&c, utf8, a, &path) == SMTP_PATH_OK)
		round_trip(a, &path);
	c = cur_of(s);
	if (smtp_path_forward(&c, utf8, a, &path) == SMTP_PATH_OK)
		round_trip(a, &path);
	if (smtp_mailbox_parse(s, utf8, a, &path) == SMTP_PATH_OK)
		round_trip(a, &path);
	if (smtp_domain_parse(s, utf8, a, &path) == SMTP_PATH_OK)
		MUST(path.local.n == 0 && path.domain.n > 0);
}

static void coder(struct str s, void (*encode)(struct buf *, struct str),
    bool (*decode)(struct buf *, struct str))
{
	struct buf text, code, again;

	buf_init(&text, OUT_MAX);
	buf_init(&code, 8 * OUT_MAX);
	buf_init(&again, OUT_MAX);
	if (decode(&text, s)) {
		encode(&code, buf_view(&text));
		MUST(decode(&again, buf_view(&code)));
		MUST(str_eq(buf_view(&text), buf_view(&again)));
	}
	buf_fini(&text);
	buf_fini(&code);
	buf_fini(&again);
}

/* What MAIL says of later, before others and in time is in its range, and means the same when written. */
static void wishes(struct arena *a, struct str s)
{
	struct smtp_mail_params p, again;
	struct cur c = cur_of(s);
	struct buf b;

	if (smtp_param_mail(&c, a, &p) != SMTP_PARAM_OK)
		return;
	MUST(p.hold_for >= 0 && p.hold_for <= SMTP_HOLD_MAX && p.hold_until >= 0);
	MUST(!p.hold_for || !p.hold_until);
	MUST(p.priority >= -9 && p.priority <= 9 && p.by_time >= -SMTP_BY_MAX &&
	     p.by_time <= SMTP_BY_MAX && (p.by != SMTP_BY_RETURN || p.by_time > 0));
	buf_init(&b, OUT_MAX);
	smtp_param_put_hold(&b, &p);
	smtp_param_put_priority(&b, &p);
	smtp_param_put_by(&b, &p);
	c = cur_of(buf_view(&b));
	MUST(smtp_param_mail(&c, a, &again) == SMTP_PARAM_OK);
	MUST(again.hold_for == p.hold_for && again.hold_until == p.hold_until &&
	     again.priority == p.priority && again.by == p.by && again.by_time == p.by_time &&
	     again.by_trace == p.by_trace);
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct str s = str_of(data, size < 8192 ? size : 8192);
	struct smtp_command cmd;

	paths(a, s, true);
	paths(a, s, false);
	coder(s, smtp_xtext_encode, smtp_xtext_decode);
	coder(s, smtp_utf8_xtext_encode, smtp_utf8_xtext_decode);
	if (smtp_command_parse(s, a, &cmd) == SMTP_SYNTAX_OK)
		MUST(cmd.verb != SMTP_VERB_NONE);
	wishes(a, s);
	arena_free(&a);
	return 0;
}
