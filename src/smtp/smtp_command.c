/*
 * One table row per verb: its name and the parser of what stands behind it. Trailing white space is
 * tolerated everywhere [RFC 5321 4.1.1], and so is a space behind "FROM:" and "TO:", which many
 * clients send and which cannot be misread.
 */
#include "smtp/smtp_command.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/utf8.h"

struct verb {
	struct str name;
	enum smtp_syntax (*parse)(struct cur *c, struct arena *a, struct smtp_command *cmd);
};

/* Nothing but white space is left. */
static enum smtp_syntax finish(struct cur *c)
{
	cur_sp(c);
	return cur_done(c) ? SMTP_SYNTAX_OK : SMTP_SYNTAX_ARGUMENTS;
}

static enum smtp_syntax parse_nothing(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	return finish(c);
}

/* NOOP, HELP, EXPN: an argument may stand there and means nothing. */
static enum smtp_syntax parse_anything(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	return SMTP_SYNTAX_OK;
}

static enum smtp_syntax parse_string(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	cur_sp(c);
	return cur_left(c) ? SMTP_SYNTAX_OK : SMTP_SYNTAX_ARGUMENTS;
}

/* Domain or address literal, and what old devices send in their place, blanks too: no message is refused for
 * a name that tells nothing [RFC 5321 4.1.4]. */
static bool is_helo(uint8_t c)
{
	return c == ' ' || ascii_is_vchar(c);
}

static enum smtp_syntax parse_helo(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	cur_sp(c);
	cmd->helo = str_trim(cur_while(c, is_helo));
	if (cmd->helo.n == 0 || cmd->helo.n > LIMIT_SMTP_DOMAIN)
		cur_fail(c);
	return finish(c);
}

static enum smtp_syntax of_path(enum smtp_path_status status)
{
	if (status == SMTP_PATH_OK)
		return SMTP_SYNTAX_OK;
	return status == SMTP_PATH_TOO_LONG ? SMTP_SYNTAX_PATH_LONG : SMTP_SYNTAX_PATH;
}

static enum smtp_syntax of_param(enum smtp_param_status status)
{
	if (status == SMTP_PARAM_OK)
		return SMTP_SYNTAX_OK;
	return status == SMTP_PARAM_UNKNOWN ? SMTP_SYNTAX_PARAM_UNKNOWN : SMTP_SYNTAX_PARAM;
}

/* SP and "FROM:" or "TO:". */
static bool path_follows(struct cur *c, struct str keyword)
{
	cur_sp(c);
	cur_lit_i(c, keyword);
	cur_sp(c);
	return !c->bad;
}

static enum smtp_syntax parse_mail(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	enum smtp_syntax syntax;

	if (!path_follows(c, STR("FROM:")))
		return SMTP_SYNTAX_ARGUMENTS;
	syntax = of_path(smtp_path_reverse(c, true, a, &cmd->mail.path));
	return syntax ? syntax : of_param(smtp_param_mail(c, a, &cmd->mail.params));
}

static enum smtp_syntax parse_rcpt(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	enum smtp_syntax syntax;

	if (!path_follows(c, STR("TO:")))
		return SMTP_SYNTAX_ARGUMENTS;
	syntax = of_path(smtp_path_forward(c, true, a, &cmd->rcpt.path));
	return syntax ? syntax : of_param(smtp_param_rcpt(c, a, &cmd->rcpt.params));
}

/* BDAT SP chunk-size [ SP "LAST" ] [RFC 3030 2] */
static enum smtp_syntax parse_bdat(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	cur_sp(c);
	cmd->bdat.size = cur_number(c, INT64_MAX);
	if (cur_sp(c))
		cmd->bdat.last = cur_try_lit_i(c, STR("LAST"));
	return finish(c);
}

static bool is_mechanism(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* AUTH SP mechanism [ SP initial-response ] [RFC 4954 4] */
static enum smtp_syntax parse_auth(struct cur *c, struct arena *a, struct smtp_command *cmd)
{
	cur_sp(c);
	cmd->auth.mechanism = cur_while(c, is_mechanism);
	if (cmd->auth.mechanism.n == 0)
		cur_fail(c);
	if (cur_sp(c)) {
		cmd->auth.initial = cur_while(c, ascii_is_vchar);
		cmd->auth.has_initial = cmd->auth.initial.n > 0;
	}
	return finish(c);
}

static const struct verb verbs[SMTP_VERBS] = {
    [SMTP_VERB_NONE] = {STR_INIT("?"), NULL},
    [SMTP_EHLO] = {STR_INIT("EHLO"), parse_helo},
    [SMTP_HELO] = {STR_INIT("HELO"), parse_helo},
    [SMTP_LHLO] = {STR_INIT("LHLO"), parse_helo},
    [SMTP_MAIL] = {STR_INIT("MAIL"), parse_mail},
    [SMTP_RCPT] = {STR_INIT("RCPT"), parse_rcpt},
    [SMTP_DATA] = {STR_INIT("DATA"), parse_nothing},
    [SMTP_BDAT] = {STR_INIT("BDAT"), parse_bdat},
    [SMTP_RSET] = {STR_INIT("RSET"), parse_nothing},
    [SMTP_NOOP] = {STR_INIT("NOOP"), parse_anything},
    [SMTP_QUIT] = {STR_INIT("QUIT"), parse_nothing},
    [SMTP_VRFY] = {STR_INIT("VRFY"), parse_string},
    [SMTP_EXPN] = {STR_INIT("EXPN"), parse_anything},
    [SMTP_HELP] = {STR_INIT("HELP"), parse_anything},
    [SMTP_STARTTLS] = {STR_INIT("STARTTLS"), parse_nothing},
    [SMTP_AUTH] = {STR_INIT("AUTH"), parse_auth},
};

struct str smtp_verb_name(enum smtp_verb verb)
{
	return verbs[verb].name;
}

static enum smtp_verb find(struct str name)
{
	for (enum smtp_verb v = SMTP_VERB_NONE + 1; v < SMTP_VERBS; v++)
		if (str_eq_i(name, verbs[v].name))
			return v;
	return SMTP_VERB_NONE;
}

/* Only addresses may be other than ASCII [RFC 6531 3.1, 3.7.4.2]. */
static bool takes_utf8(enum smtp_verb verb)
{
	return verb == SMTP_MAIL || verb == SMTP_RCPT || verb == SMTP_VRFY;
}

static bool has_bad_octets(const struct smtp_command *cmd, struct str line)
{
	if (cmd->has_8bit && !takes_utf8(cmd->verb))
		return true;
	for (size_t i = 0; i < line.n; i++)
		if (ascii_is_cntrl(line.p[i]) && line.p[i] != '\t')
			return true;
	return !utf8_is_valid(line);
}

enum smtp_syntax smtp_command_parse(struct str line, struct arena *a, struct smtp_command *cmd_r)
{
	struct smtp_command cmd = {0};
	struct cur c = cur_of(line);
	enum smtp_syntax syntax;

	cmd.verb = cmd_r->verb = find(cur_while(&c, ascii_is_alpha));
	cmd.has_8bit = str_has_8bit(line);
	if (has_bad_octets(&cmd, line))
		return SMTP_SYNTAX_OCTETS;
	if (cmd.verb == SMTP_VERB_NONE || (cur_left(&c) && !ascii_is_wsp(*c.p)))
		return SMTP_SYNTAX_VERB;
	syntax = verbs[cmd.verb].parse(&c, a, &cmd);
	if (syntax == SMTP_SYNTAX_OK)
		*cmd_r = cmd;
	return syntax;
}
