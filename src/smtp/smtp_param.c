/*
 * One table row per parameter: keyword, where it may stand, how its value is read. A parameter is
 * SP esmtp-keyword ["=" esmtp-value] [RFC 5321 4.1.2]; each may stand once.
 */
#include "smtp/smtp_param.h"

#include "base/ascii.h"
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

static bool read_size(struct target *t, struct str value)
{
	return str_to_u64(value, INT64_MAX, &t->mail->size);
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

static bool lower(struct buf *out, struct str s)
{
	buf_lower(out, s);
	return true;
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

/* addr-type ";" xtext, or utf-8 ";" utf-8-addr-xtext or -unitext [RFC 3461 4.2, 6533 3]. */
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
	return decode(t->a, type, lower, &t->rcpt->orcpt_type);
}

static const struct param params[] = {
    {STR_INIT("SIZE"), true, true, read_size},
    {STR_INIT("BODY"), true, true, read_body},
    {STR_INIT("SMTPUTF8"), true, false, read_smtputf8},
    {STR_INIT("AUTH"), true, true, read_auth},
    {STR_INIT("RET"), true, true, read_ret},
    {STR_INIT("ENVID"), true, true, read_envid},
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
