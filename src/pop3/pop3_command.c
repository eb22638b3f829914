/*
 * The shapes of arguments. Trailing spaces are tolerated, but for passwords, where every octet
 * counts; so are several spaces between arguments.
 */
#include "pop3/pop3_command.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/limits.h"
#include "base/utf8.h"

struct str pop3_command_split(struct str line, struct str *rest_r)
{
	return str_split(line, ' ', rest_r);
}

/* Commits args when the cursor has come to its end. */
static enum pop3_args_status finish(
    struct cur *c, const struct pop3_args *args, struct pop3_args *args_r)
{
	cur_sp(c);
	if (!cur_done(c))
		return POP3_ARGS_BAD;
	*args_r = *args;
	return POP3_ARGS_OK;
}

static bool is_word(uint8_t c)
{
	return ascii_is_vchar(c);
}

enum pop3_args_status pop3_args_none(struct str rest, struct pop3_args *args_r)
{
	struct cur c = cur_of(rest);

	return finish(&c, &(struct pop3_args){0}, args_r);
}

enum pop3_args_status pop3_args_number(struct str rest, struct pop3_args *args_r)
{
	struct cur c = cur_of(rest);
	struct pop3_args args = {.has_number = true};

	cur_sp(&c);
	args.number = cur_number(&c, INT64_MAX);
	return finish(&c, &args, args_r);
}

enum pop3_args_status pop3_args_maybe_number(struct str rest, struct pop3_args *args_r)
{
	if (str_trim(rest).n == 0)
		return pop3_args_none(rest, args_r);
	return pop3_args_number(rest, args_r);
}

enum pop3_args_status pop3_args_top(struct str rest, struct pop3_args *args_r)
{
	struct cur c = cur_of(rest);
	struct pop3_args args = {.has_number = true};

	cur_sp(&c);
	args.number = cur_number(&c, INT64_MAX);
	if (!cur_sp(&c))
		cur_fail(&c);
	args.lines = cur_number(&c, INT64_MAX);
	return finish(&c, &args, args_r);
}

enum pop3_args_status pop3_args_name(struct str rest, struct pop3_args *args_r)
{
	struct str name = str_trim(rest);

	if (name.n == 0 || name.n > LIMIT_USER_NAME || str_has_cntrl(name) || !utf8_is_valid(name))
		return POP3_ARGS_BAD;
	*args_r = (struct pop3_args){.text = name};
	return POP3_ARGS_OK;
}

enum pop3_args_status pop3_args_password(struct str rest, struct pop3_args *args_r)
{
	if (rest.n == 0 || rest.n > LIMIT_PASSWORD || !utf8_is_valid(rest))
		return POP3_ARGS_BAD;
	*args_r = (struct pop3_args){.text = rest};
	return POP3_ARGS_OK;
}

enum pop3_args_status pop3_args_auth(struct str rest, struct pop3_args *args_r)
{
	struct cur c = cur_of(rest);
	struct pop3_args args = {0};

	args.text = cur_while(&c, is_word);
	if (args.text.n == 0)
		cur_fail(&c);
	if (cur_sp(&c)) {
		args.initial = cur_while(&c, is_word);
		args.has_initial = args.initial.n > 0;
	}
	return finish(&c, &args, args_r);
}
