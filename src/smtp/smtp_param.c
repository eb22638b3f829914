/*
 * One table row per parameter: keyword, where it may stand, how its value is read. A parameter is
 * SP esmtp-keyword ["=" esmtp-value] [RFC 5321 4.1.2]; each may stand once.
 */
#include "smtp/smtp_param.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/cur.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_xtext.h"

/* What a value is read into: of MAIL or of RCPT. */
struct target {
	struct arena *a;
	struct smtp_mail_params *mail;
	struct smtp_rcpt_params *rcpt;
};

struct param {
	struct str keyword;
	bool of_mail;
	bool has_value;
	bool (*read)(struct target *t, struct str value);
};

static bool is_keyword(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* esmtp-value, with the octets of UTF-8 that [RFC 6531 3.3] adds */
static bool is_value(uint8_t c)
{
	return c > 127 || (ascii_is_vchar(c) && c != '=');
}

/* Up to twenty digits [RFC 1870 5]; more than can be counted is more than any limit. */
static bool read_size(struct target *t, struct str value)
{
	struct cur c = cur_of(value);

	if (str_to_u64(value, INT64_MAX, &t->mail->size))
		return true;
	t->mail->size = INT64_MAX;
	return value.n > 0 && value.n <= 20 && cur_while(&c, ascii_is_digit).n == value.n;
}

static bool read_body(struct target *t, struct str value)
{
	bool eight = str_eq_i(value, STR("8BITMIME"));

	t->mail->body = eight ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	return eight || str_eq_i(value, STR("7BIT"));
}

static bool read_smtputf8(struct target *t, struct str value)
{
	t->mail->smtputf8 = true;
	return true;
}

static bool read_ret(struct target *t, struct str value)
{
	bool full = str_eq_i(value, STR("FULL"));

	t->mail->ret = full ? SMTP_RET_FULL : SMTP_RET_HDRS;
	return full || str_eq_i(value, STR("HDRS"));
}

/* Decodes by the given function into the arena; false for too long or malformed. */
static bool decode(
    struct arena *a, struct str s, bool (*fn)(struct buf *out, struct str s), struct str *out_r)
{
	struct buf b;
	bool good;

	if (s.n > LIMIT_SMTP_PARAM)
		return false;
	buf_init(&b, LIMIT_SMTP_PARAM);
	good = fn(&b, s);
	if (good)
		*out_r = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return good;
}

static bool is_printable(struct str s)
{
	return !str_has_cntrl(s) && !str_has_8bit(s);
}

/* At most 100 octets of xtext, that hide printable ASCII only [RFC 3461 4.4]. */
static bool read_envid(struct target *t, struct str value)
{
	return value.n > 0 && value.n <= 100 &&
	       decode(t->a, value, smtp_xtext_decode, &t->mail->envid) &&
	       is_printable(t->mail->envid);
}

/* xtext of a mailbox, or "<>" [RFC 4954 5]. */
static bool read_auth(struct target *t, struct str value)
{
	struct smtp_path path;

	t->mail->has_auth = true;
	if (str_eq(value, STR("<>")))
		return true;
	return decode(t->a, value, smtp_xtext_decode, &t->mail->auth) &&
	       smtp_mailbox_parse(t->mail->auth, true, t->a, &path) == SMTP_PATH_OK;
}

/* [1-9] *8DIGIT [RFC 4865 4.2.3] */
static bool read_hold_for(struct target *t, struct str value)
{
	uint64_t seconds;

	if (value.n == 0 || value.p[0] == '0' || !str_to_u64(value, SMTP_HOLD_MAX, &seconds))
		return false;
	t->mail->hold_for = (int64_t)seconds;
	return true;
}

static bool read_hold_until(struct target *t, struct str value)
{
	return smtp_param_time(value, &t->mail->hold_until);
}

/* ["-"] %x31-39 / "0" [RFC 6710 3] */
static bool read_priority(struct target *t, struct str value)
{
	bool minus = value.n == 2 && value.p[0] == '-';
	uint8_t digit = value.n ? value.p[value.n - 1] : 0;

	if (value.n != (minus ? 2 : 1) || digit < (minus ? '1' : '0') || digit > '9')
		return false;
	t->mail->has_priority = true;
	t->mail->priority = (int8_t)(minus ? '0' - digit : digit - '0');
	return true;
}

/* by-time ";" by-mode [by-trace], by-time = ["-" / "+"] 1*9DIGIT [RFC 2852 4] */
static bool read_by(struct target *t, struct str value)
{
	struct str mode;
	struct str time = str_split(value, ';', &mode);
	bool minus = time.n && time.p[0] == '-';
	uint64_t seconds;

	if (minus || (time.n && time.p[0] == '+'))
		time = str_from(time, 1);
	if (time.n < 1 || time.n > 9 || !str_to_u64(time, SMTP_BY_MAX, &seconds) || mode.n < 1 ||
	    mode.n > 2)
		return false;
	t->mail->by = ascii_lower(mode.p[0]) == 'r' ? SMTP_BY_RETURN : SMTP_BY_NOTIFY;
	t->mail->by_time = minus ? -(int32_t)seconds : (int32_t)seconds;
	t->mail->by_trace = mode.n == 2;
	if (t->mail->by == SMTP_BY_RETURN && t->mail->by_time <= 0)
		return false;
	return (t->mail->by == SMTP_BY_RETURN || ascii_lower(mode.p[0]) == 'n') &&
	       (mode.n == 1 || ascii_lower(mode.p[1]) == 't');
}

static uint8_t notify_bit(struct str word)
{
	static const struct {
		struct str word;
		uint8_t bit;
	} words[] = {
	    {STR_INIT("NEVER"), SMTP_NOTIFY_NEVER},
	    {STR_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS},
	    {STR_INIT("FAILURE"), SMTP_NOTIFY_FAILURE},
	    {STR_INIT("DELAY"), SMTP_NOTIFY_DELAY},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_eq_i(word, words[i].word))
			return words[i].bit;
	return 0;
}

/* "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) [RFC 3461 4.1] */
static bool read_notify(struct target *t, struct str value)
{
	uint8_t set = 0;
	bool more = true;

	while (more) {
		size_t comma = str_find(value, ',');
		uint8_t bit = notify_bit(str_sub(value, 0, comma));

		if (bit == 0 || set & bit)
			return false;
		set |= bit;
		more = comma < value.n;
		value = str_from(value, comma + 1);
	}
	t->rcpt->notify = set;
	return !(set & SMTP_NOTIFY_NEVER) || set == SMTP_NOTIFY_NEVER;
}

/*
 * Passed on as it was given [RFC 3461 5.2.1]. addr-type ";" xtext, or utf-8 ";" utf-8-addr-xtext or -unitext
 * [RFC 3461 4.2, 6533 3].
 */
static bool read_orcpt(struct target *t, struct str value)
{
	struct cur c = cur_of(value);
	struct str type = cur_while(&c, is_keyword);
	bool utf8 = str_eq_i(type, STR("utf-8"));
	struct str address;

	if (type.n == 0 || !cur_byte(&c, ';') || value.n > LIMIT_SMTP_PARAM)
		return false;
	if (!decode(
		t->a, cur_rest(&c), utf8 ? smtp_utf8_xtext_decode : smtp_xtext_decode, &address))
		return false;
	if (address.n == 0 || str_has_cntrl(address) || (!utf8 && str_has_8bit(address)))
		return false;
	t->rcpt->orcpt = address;
	t->rcpt->orcpt_type = arena_str(t->a, type);
	return true;
}

static const struct param params[] = {
    {STR_INIT("SIZE"), true, true, read_size},
    {STR_INIT("BODY"), true, true, read_body},
    {STR_INIT("SMTPUTF8"), true, false, read_smtputf8},
    {STR_INIT("AUTH"), true, true, read_auth},
    {STR_INIT("RET"), true, true, read_ret},
    {STR_INIT("ENVID"), true, true, read_envid},
    {STR_INIT("HOLDFOR"), true, true, read_hold_for},
    {STR_INIT("HOLDUNTIL"), true, true, read_hold_until},
    {STR_INIT("MT-PRIORITY"), true, true, read_priority},
    {STR_INIT("BY"), true, true, read_by},
    {STR_INIT("NOTIFY"), false, true, read_notify},
    {STR_INIT("ORCPT"), false, true, read_orcpt},
};

#define PARAMS (sizeof params / sizeof *params)

static size_t find(struct str keyword, bool of_mail)
{
	size_t i = 0;

	while (
	    i < PARAMS && (params[i].of_mail != of_mail || !str_eq_i(keyword, params[i].keyword)))
		i++;
	return i;
}

/* One parameter behind its SP. */
static enum smtp_param_status one(struct cur *c, struct target *t, unsigned *seen)
{
	struct str keyword = cur_while(c, is_keyword);
	bool has_value = cur_try(c, '=');
	struct str value = has_value ? cur_while(c, is_value) : STR("");
	size_t i = find(keyword, t->mail != NULL);

	if (keyword.n == 0 || keyword.p[0] == '-' || (cur_left(c) && !ascii_is_wsp(*c->p)))
		return SMTP_PARAM_BAD;
	if (i == PARAMS)
		return SMTP_PARAM_UNKNOWN;
	if (*seen & 1u << i || has_value != params[i].has_value)
		return SMTP_PARAM_BAD;
	*seen |= 1u << i;
	return params[i].read(t, value) ? SMTP_PARAM_OK : SMTP_PARAM_BAD;
}

static enum smtp_param_status all(struct cur *c, struct target *t)
{
	enum smtp_param_status status = SMTP_PARAM_OK;
	unsigned seen = 0;

	while (status == SMTP_PARAM_OK && cur_left(c)) {
		if (!cur_sp(c))
			return SMTP_PARAM_BAD;
		if (cur_left(c))
			status = one(c, t, &seen);
	}
	return status;
}

enum smtp_param_status smtp_param_mail(
    struct cur *c, struct arena *a, struct smtp_mail_params *params_r)
{
	struct smtp_mail_params p = {0};
	enum smtp_param_status status = all(c, &(struct target){.a = a, .mail = &p});

	if (status == SMTP_PARAM_OK && p.hold_for && p.hold_until)
		status = SMTP_PARAM_BAD; /* one of them */
	if (status == SMTP_PARAM_OK)
		*params_r = p;
	return status;
}

enum smtp_param_status smtp_param_rcpt(
    struct cur *c, struct arena *a, struct smtp_rcpt_params *params_r)
{
	struct smtp_rcpt_params p = {0};
	enum smtp_param_status status = all(c, &(struct target){.a = a, .rcpt = &p});

	if (status == SMTP_PARAM_OK)
		*params_r = p;
	return status;
}

void smtp_param_put_dsn(struct buf *out, const struct smtp_mail_params *p)
{
	if (p->ret != SMTP_RET_NONE)
		buf_c(out, p->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (p->envid.n == 0)
		return;
	buf_lit(out, " ENVID=");
	smtp_xtext_encode(out, p->envid);
}

void smtp_param_put_hold(struct buf *out, const struct smtp_mail_params *p)
{
	if (p->hold_for) {
		buf_lit(out, " HOLDFOR=");
		buf_i64(out, p->hold_for);
	}
	if (p->hold_until) {
		buf_lit(out, " HOLDUNTIL=");
		clock_put_iso(out, p->hold_until);
	}
}

void smtp_param_put_priority(struct buf *out, const struct smtp_mail_params *p)
{
	if (!p->has_priority)
		return;
	buf_lit(out, " MT-PRIORITY=");
	buf_i64(out, p->priority);
}

void smtp_param_put_by(struct buf *out, const struct smtp_mail_params *p)
{
	if (p->by == SMTP_BY_NONE)
		return;
	buf_lit(out, " BY=");
	buf_i64(out, p->by_time);
	buf_c(out, p->by == SMTP_BY_RETURN ? ";R" : ";N");
	if (p->by_trace)
		buf_byte(out, 'T');
}

static void put_notify(struct buf *out, uint8_t notify)
{
	static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
	const char *lead = " NOTIFY=";

	for (unsigned i = 0; i < 4; i++) {
		if (!(notify & 1u << i))
			continue;
		buf_c(out, lead);
		buf_c(out, words[i]);
		lead = ",";
	}
}

void smtp_param_put_rcpt(struct buf *out, const struct smtp_rcpt_params *p)
{
	put_notify(out, p->notify);
	if (p->orcpt_type.n == 0)
		return;
	buf_lit(out, " ORCPT=");
	buf_str(out, p->orcpt_type);
	buf_byte(out, ';');
	if (str_eq_i(p->orcpt_type, STR("utf-8")))
		smtp_utf8_xtext_encode(out, p->orcpt);
	else
		smtp_xtext_encode(out, p->orcpt);
}
