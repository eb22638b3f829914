/* Wishes of the command line as parameters of MAIL and RCPT. */
#include "cli/cli_wish.h"

#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cli/cli_time.h"

static int moment(const char *option, const char *text, int64_t now, int64_t *ms_r, struct err *e)
{
	int64_t ms;
	struct err why;

	if (cli_time_parse(str_of_c(text), now, CLI_TIME_AHEAD, &ms, &why) < 0)
		return err_set(e, "%s: %s", option, why.text);
	if (ms <= now)
		return err_set(e, "%s: %s has passed", option, text);
	*ms_r = ms;
	return 0;
}

/* Reads " KEYWORD=value" as a server would. */
static bool take(struct arena *a, const char *keyword, const char *value, bool of_mail,
    struct smtp_mail_params *mail, struct smtp_rcpt_params *rcpt)
{
	struct buf b;
	struct cur c;
	bool good;

	buf_init(&b, KIB);
	buf_byte(&b, ' ');
	buf_c(&b, keyword);
	buf_byte(&b, '=');
	buf_c(&b, value);
	c = cur_of(buf_view(&b));
	good = !b.overflow && (of_mail ? smtp_param_mail(&c, a, mail) == SMTP_PARAM_OK
				       : smtp_param_rcpt(&c, a, rcpt) == SMTP_PARAM_OK);
	buf_fini(&b);
	return good;
}

static int take_times(
    const struct cli_wish *w, int64_t now, struct smtp_mail_params *p, struct err *e)
{
	const char *by = w->deliver_by ? w->deliver_by : w->tell_by;
	int64_t when;

	if (w->deliver_by && w->tell_by)
		return err_set(e, "--deliver-by and --tell-by exclude each other: say what is to "
				  "become of the message at one time");
	if (w->hold_until && moment("--hold-until", w->hold_until, now, &p->hold_until, e) < 0)
		return -1;
	if (!by)
		return 0;
	if (moment(w->deliver_by ? "--deliver-by" : "--tell-by", by, now, &when, e) < 0)
		return -1;
	when = (when - now + SECOND_MS - 1) / SECOND_MS;
	p->by = w->deliver_by ? SMTP_BY_RETURN : SMTP_BY_NOTIFY;
	p->by_time = (int32_t)(when > SMTP_BY_MAX ? SMTP_BY_MAX : when);
	return 0;
}

static int take_envid(const char *text, struct smtp_mail_params *p, struct err *e)
{
	struct str id = str_of_c(text);

	if (id.n == 0 || id.n > 100 || str_has_cntrl(id) || str_has_8bit(id))
		return err_set(e, "the envelope id has 1 to 100 printable ASCII characters");
	p->envid = id;
	return 0;
}

static int take_notify(
    struct arena *a, const char *text, struct smtp_client_message *m, struct err *e)
{
	struct smtp_client_rcpt *rcpts = arena_array(a, m->rcpt_count, sizeof *rcpts);
	struct smtp_rcpt_params wanted = {0};

	if (!take(a, "NOTIFY", text, false, NULL, &wanted))
		return err_set(e,
		    "%s says not of what to tell you; it is never, or some of success,failure,delay",
		    text);
	memcpy(rcpts, m->rcpts, m->rcpt_count * sizeof *rcpts);
	for (size_t i = 0; i < m->rcpt_count; i++)
		rcpts[i].params.notify = wanted.notify;
	m->rcpts = rcpts;
	return 0;
}

int cli_wish_apply(const struct cli_wish *w, struct arena *a, int64_t now,
    struct smtp_client_message *m, struct err *e)
{
	struct smtp_mail_params read = {0};

	if (take_times(w, now, &m->params, e) < 0)
		return -1;
	if (w->priority && !take(a, "MT-PRIORITY", w->priority, true, &read, NULL))
		return err_set(e, "%s is no priority; it goes from -9 to 9, 0 is that of most mail",
		    w->priority);
	if (w->priority)
		m->params.priority = read.priority;
	m->params.has_priority = w->priority;
	if (w->ret && !take(a, "RET", w->ret, true, &read, NULL))
		return err_set(e,
		    "%s says not how much of the message is returned; it is full or hdrs", w->ret);
	if (w->ret)
		m->params.ret = read.ret;
	if (w->envid && take_envid(w->envid, &m->params, e) < 0)
		return -1;
	return w->notify ? take_notify(a, w->notify, m, e) : 0;
}
