/* One table says of each letter whether it has a value and what it means here; most mean nothing. */
#include "cli/cli_sendmail_args.h"

#include <string.h>

enum meaning {
	IGNORED,
	TAKE_RECIPIENTS,
	DOT_IS_CONTENT,
	FROM,
	FULL_NAME,
	REPORTS_OF,
	RETURN,
	ENVELOPE_ID,
	MODE,   /* -bm is the only one that sends */
	OPTION, /* -oi, -oXvalue */
	NOTHING,
};

enum value {
	NO_VALUE,
	ATTACHED, /* in the same word, may be empty */
	NEEDED,   /* in the same word or in the next one */
};

static const struct {
	char letter;
	enum value value;
	enum meaning meaning;
} letters[] = {
    {'t', NO_VALUE, TAKE_RECIPIENTS},
    {'i', NO_VALUE, DOT_IS_CONTENT},
    {'f', NEEDED, FROM},
    {'r', NEEDED, FROM},
    {'F', NEEDED, FULL_NAME},
    {'b', ATTACHED, MODE},
    {'o', ATTACHED, OPTION},
    {'I', NO_VALUE, NOTHING},
    {'q', ATTACHED, NOTHING},
    {'A', ATTACHED, IGNORED},
    {'B', NEEDED, IGNORED},
    {'C', NEEDED, IGNORED},
    {'D', NEEDED, IGNORED},
    {'d', ATTACHED, IGNORED},
    {'E', NO_VALUE, IGNORED},
    {'e', ATTACHED, IGNORED},
    {'G', NO_VALUE, IGNORED},
    {'h', NEEDED, IGNORED},
    {'L', NEEDED, IGNORED},
    {'m', NO_VALUE, IGNORED},
    {'M', NEEDED, IGNORED},
    {'N', NEEDED, REPORTS_OF},
    {'n', NO_VALUE, IGNORED},
    {'O', NEEDED, IGNORED},
    {'p', NEEDED, IGNORED},
    {'R', NEEDED, RETURN},
    {'s', NO_VALUE, IGNORED},
    {'U', NO_VALUE, IGNORED},
    {'V', NEEDED, ENVELOPE_ID},
    {'v', NO_VALUE, IGNORED},
    {'X', NEEDED, IGNORED},
    {'x', NO_VALUE, IGNORED},
};

struct parse {
	struct cli_sendmail_args a;
	char *const *argv;
	size_t count, at;
	bool nothing;
	struct err *e;
};

static int set_mode(struct parse *p, const char *value)
{
	if (value[0] == 'm' && !value[1])
		return 0;
	if (value[0] == 'i' && !value[1]) {
		p->nothing = true;
		return 0;
	}
	return err_set(p->e,
	    "sendmail -b%s is not done here: this command only sends mail; the server is "
	    "\"godwit serve\"",
	    value);
}

static int apply(struct parse *p, enum meaning meaning, const char *value)
{
	switch (meaning) {
	case TAKE_RECIPIENTS:
		p->a.take_recipients = true;
		return 0;
	case DOT_IS_CONTENT:
		p->a.dot_is_content = true;
		return 0;
	case FROM:
		p->a.from = value;
		return 0;
	case FULL_NAME:
		p->a.full_name = value;
		return 0;
	case REPORTS_OF:
		p->a.wish.notify = value;
		return 0;
	case RETURN:
		p->a.wish.ret = value;
		return 0;
	case ENVELOPE_ID:
		p->a.wish.envid = value;
		return 0;
	case MODE:
		return set_mode(p, value);
	case OPTION:
		p->a.dot_is_content |= value[0] == 'i';
		return 0;
	case NOTHING:
		p->nothing = true;
		return 0;
	case IGNORED:
		break;
	}
	return 0;
}

static int row_of(char letter)
{
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (letters[i].letter == letter)
			return (int)i;
	return -1;
}

/* One word of letters: "-t", "-ti", "-fbob@example.org", "-oi". */
static int parse_letters(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		int row = row_of(*c);
		const char *value = c + 1;

		if (row < 0)
			return err_set(p->e,
			    "sendmail has no option -%c; sendmail --help lists those it has", *c);
		if (letters[row].value == NO_VALUE) {
			apply(p, letters[row].meaning, "");
			continue;
		}
		if (letters[row].value == NEEDED && !*value) {
			if (p->at == p->count)
				return err_set(
				    p->e, "sendmail's option -%c needs a value behind it", *c);
			value = p->argv[p->at++];
		}
		return apply(p, letters[row].meaning, value);
	}
	return 0;
}

static int parse_long(struct parse *p, const char *word)
{
	const struct {
		const char *name, *word;
		const char **value;
	} options[] = {
	    {"--data", "DIR", &p->a.data},
	    {"--hold-until", "WHEN", &p->a.wish.hold_until},
	    {"--deliver-by", "WHEN", &p->a.wish.deliver_by},
	    {"--tell-by", "WHEN", &p->a.wish.tell_by},
	    {"--priority", "N", &p->a.wish.priority},
	};
	struct str value, name = str_split(str_of_c(word), '=', &value);

	if (str_eq(str_of_c(word), STR("--help"))) {
		p->a.help = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		if (!str_eq(name, str_of_c(options[i].name)))
			continue;
		*options[i].value = strchr(word, '=')  ? strchr(word, '=') + 1
				    : p->at < p->count ? p->argv[p->at++]
						       : "";
		if (**options[i].value)
			return 0;
		return err_set(p->e, "the option %s has no value; write: %s %s", options[i].name,
		    options[i].name, options[i].word);
	}
	return err_set(p->e,
	    "sendmail has no option %s; of long ones it has --data DIR, --hold-until, --deliver-by, "
	    "--tell-by, --priority and --help",
	    word);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* Options end at the first recipient: what stands behind it may come from a stranger. */
static int parse_words(struct parse *p)
{
	bool any = false; /* behind "--", a recipient may look like an option */

	while (p->at < p->count && !any && is_option(p->argv[p->at])) {
		const char *word = p->argv[p->at++];

		if (word[1] == '-' && !word[2])
			any = true;
		else if ((word[1] == '-' ? parse_long(p, word) : parse_letters(p, word)) < 0)
			return -1;
	}
	for (size_t i = p->at; i < p->count && !any; i++)
		if (is_option(p->argv[i]))
			return err_set(p->e,
			    "%s stands behind a recipient: options come first, and an address that "
			    "begins with a dash behind --",
			    p->argv[i]);
	p->a.rcpts = p->argv + p->at;
	p->a.nrcpts = p->count - p->at;
	return 0;
}

enum cli_sendmail_parsed cli_sendmail_args_parse(
    struct cli_sendmail_args *a_r, size_t count, char *const *argv, struct err *e)
{
	struct parse p = {.argv = argv, .count = count, .e = e};

	if (parse_words(&p) < 0)
		return CLI_SENDMAIL_BAD;
	*a_r = p.a;
	return p.nothing && !p.a.take_recipients && p.a.nrcpts == 0 ? CLI_SENDMAIL_NOTHING
								    : CLI_SENDMAIL_SEND;
}
