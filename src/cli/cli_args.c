/*
 * The option parser. Every word is looked at once, from left to right; a parse that fails leaves
 * nothing behind. Values are views of argv, never copies: argv outlives every command.
 */
#include "cli/cli_args.h"

#include "base/mem.h"
#include "base/near.h"

static const struct cli_option help_option = {"help", 'h', NULL, "Prints this help."};

struct parse {
	struct cli_args *a;
	char *const *argv;
	size_t count;
	size_t at; /* next word */
	struct err *e;
};

/* Calls fn for each declared option until it gives one. */
static const struct cli_option *find(const struct cli_option_sets *sets,
    bool (*is)(const struct cli_option *o, struct str want), struct str want)
{
	for (size_t i = 0; i < CLI_OPTION_SETS; i++)
		for (const struct cli_option *o = sets->list[i]; o && o->name; o++)
			if (is(o, want))
				return o;
	return is(&help_option, want) ? &help_option : NULL;
}

static bool has_name(const struct cli_option *o, struct str want)
{
	return str_eq(str_of_c(o->name), want);
}

static bool has_letter(const struct cli_option *o, struct str want)
{
	return o->letter && want.n && o->letter == (char)want.p[0];
}

static struct str nearest(const struct cli_option_sets *sets, struct str word)
{
	struct near n;

	near_init(&n, word);
	for (size_t i = 0; i < CLI_OPTION_SETS; i++)
		for (const struct cli_option *o = sets->list[i]; o && o->name; o++)
			near_offer(&n, str_of_c(o->name));
	near_offer(&n, str_of_c(help_option.name));
	return near_found(&n);
}

static enum cli_parsed unknown(struct parse *p, const char *word, struct str name)
{
	struct str meant = nearest(&p->a->sets, name);

	if (meant.n)
		err_set(p->e, "there is no option %s; did you mean --%.*s?", word, STR_FMT(meant));
	else
		err_set(p->e, "there is no option %s; --help lists the valid ones", word);
	return CLI_BAD_USAGE;
}

static bool was_given(const struct cli_args *a, const struct cli_option *o)
{
	for (size_t i = 0; i < a->ngiven; i++)
		if (a->given[i].option == o)
			return true;
	return false;
}

/* A flag said twice says the same; of two values one would be lost without a word. */
static enum cli_parsed give(struct parse *p, const struct cli_option *o, const char *value)
{
	const char *wrong = NULL;

	if (o->value && !o->many && was_given(p->a, o))
		wrong = "was given twice; give it once";
	else if (o->value && !o->may_be_empty && str_trim(str_of_c(value)).n == 0)
		wrong = "has an empty value; write";
	if (wrong) {
		err_set(p->e, "the option --%s %s: --%s %s", o->name, wrong, o->name, o->value);
		return CLI_BAD_USAGE;
	}
	p->a->given[p->a->ngiven++] = (struct cli_arg){o, value};
	return CLI_PARSED;
}

/* The value of an option that stands in the next word. */
static enum cli_parsed give_next(struct parse *p, const struct cli_option *o)
{
	const char *next = p->at < p->count ? p->argv[p->at] : NULL;

	if (!next || str_has_prefix(str_of_c(next), STR("--"))) {
		err_set(p->e, "the option --%s needs a value: --%s %s%s", o->name, o->name,
		    o->value, next ? " (write --option=value when it begins with dashes)" : "");
		return CLI_BAD_USAGE;
	}
	p->at++;
	return give(p, o, next);
}

static enum cli_parsed parse_long(struct parse *p, const char *word)
{
	struct str body = str_of_c(word + 2);
	size_t eq = str_find(body, '=');
	const struct cli_option *o = find(&p->a->sets, has_name, str_sub(body, 0, eq));

	if (!o)
		return unknown(p, word, str_sub(body, 0, eq));
	if (eq < body.n && !o->value) {
		err_set(p->e, "the option --%s takes no value", o->name);
		return CLI_BAD_USAGE;
	}
	if (o == &help_option)
		return CLI_WANTS_HELP;
	if (o->value && eq == body.n)
		return give_next(p, o);
	return give(p, o, o->value ? word + 2 + eq + 1 : "");
}

/* "-x", several flags in one word ("-xy"), a value behind its letter ("-fA") or in the next word. */
static enum cli_parsed parse_letters(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct cli_option *o = find(&p->a->sets, has_letter, str_of(c, 1));

		if (!o)
			return unknown(p, word, str_of_c(word + 1));
		if (o == &help_option)
			return CLI_WANTS_HELP;
		if (o->value && !c[1])
			return give_next(p, o);
		if (o->value)
			return give(p, o, c + 1);
		(void)give(p, o, ""); /* a flag is never wrong */
	}
	return CLI_PARSED;
}

static enum cli_parsed parse_words(struct parse *p)
{
	bool options = true;

	while (p->at < p->count) {
		const char *word = p->argv[p->at++];
		enum cli_parsed got = CLI_PARSED;

		if (!options || word[0] != '-' || !word[1])
			p->a->operands[p->a->noperands++] = word;
		else if (word[1] == '-' && !word[2])
			options = false;
		else if (word[1] == '-')
			got = parse_long(p, word);
		else
			got = parse_letters(p, word);
		if (got != CLI_PARSED)
			return got;
	}
	return CLI_PARSED;
}

/* How many options and operands the words can hold at most: letters of one word count each. */
static size_t room_for(size_t count, char *const *argv)
{
	size_t n = count;

	for (size_t i = 0; i < count; i++)
		n += strlen(argv[i]);
	return n;
}

enum cli_parsed cli_args_parse(struct cli_args *a_r, const struct cli_option_sets *sets,
    size_t count, char *const *argv, struct err *e)
{
	struct cli_args a = {.sets = *sets};
	struct parse p = {.a = &a, .argv = argv, .count = count, .e = e};
	enum cli_parsed got;

	a.given = mem_array(room_for(count, argv), sizeof *a.given);
	a.operands = mem_array(count + 1, sizeof *a.operands);
	got = parse_words(&p);
	if (got == CLI_PARSED)
		*a_r = a;
	else
		cli_args_fini(&a);
	return got;
}

void cli_args_fini(struct cli_args *a)
{
	mem_free(a->given);
	mem_free(a->operands);
	*a = (struct cli_args){0};
}

const char *cli_args_nth(const struct cli_args *a, const char *name, size_t index)
{
	const struct cli_option *o = find(&a->sets, has_name, str_of_c(name));

	MUST(o);
	for (size_t i = 0; i < a->ngiven; i++)
		if (a->given[i].option == o && index-- == 0)
			return a->given[i].value;
	return NULL;
}

bool cli_args_has(const struct cli_args *a, const char *name)
{
	return cli_args_nth(a, name, 0) != NULL;
}

const char *cli_args_value(const struct cli_args *a, const char *name)
{
	const char *last = NULL, *next;

	for (size_t i = 0; (next = cli_args_nth(a, name, i)) != NULL; i++)
		last = next;
	return last;
}

int cli_args_number(const struct cli_args *a, const char *name, uint64_t min, uint64_t max,
    uint64_t fallback, uint64_t *out_r, struct err *e)
{
	const char *text = cli_args_value(a, name);
	uint64_t got = fallback;

	if (text && (!str_to_u64(str_of_c(text), max, &got) || got < min))
		return err_set(e, "--%s must be a whole number from %llu to %llu, not \"%s\"", name,
		    (unsigned long long)min, (unsigned long long)max, text);
	*out_r = got;
	return 0;
}
