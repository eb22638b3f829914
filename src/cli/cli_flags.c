#include "cli/cli_flags.h"

#include "mime/mime_keywords.h"

/* What is a "$" keyword without being written so; "recent" and "deleted" are none here. */
static const char *const known[] = {
    "answered", "draft", "flagged", "forwarded", "junk", "mdnsent", "notjunk", "phishing", "seen"};
static const char *const not_here[] = {"deleted", "recent"};

static bool is_one_of(struct str word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_i(word, str_of_c(list[i])))
			return true;
	return false;
}

/* Without the backslash or dollar sign of what mail programs know. */
static struct str bare(struct str word)
{
	return word.n && (word.p[0] == '\\' || word.p[0] == '$') ? str_from(word, 1) : word;
}

static int put_word(struct buf *all, struct str word, struct err *e)
{
	struct str name = bare(word);
	bool is_known = is_one_of(name, known, sizeof known / sizeof *known);

	if (is_one_of(name, not_here, sizeof not_here / sizeof *not_here))
		return err_set(e,
		    "%.*s is no flag that is kept here: deleting is the mail program's, and "
		    "godwit undelete brings back",
		    STR_FMT(word));
	if (!is_known && !mime_keywords_are(word))
		return err_set(e,
		    "\"%.*s\" cannot be a flag: use letters, digits and signs other than "
		    "( ) { ] %% * \" \\, at most %zu",
		    STR_FMT(str_sub(word, 0, 100)), MIME_KEYWORD_MAX);
	buf_c(all, is_known ? " $" : " ");
	buf_str(all, is_known ? name : word);
	return 0;
}

int cli_flags_put(struct buf *b, struct str words, struct err *e)
{
	struct buf all;
	int code = 0;

	buf_init(&all, CLI_FLAGS_MAX);
	while (words.n > 0 && code == 0) {
		size_t n = 0;

		while (n < words.n && words.p[n] != ' ' && words.p[n] != ',')
			n++;
		if (n > 0)
			code = put_word(&all, str_sub(words, 0, n), e);
		words = str_from(words, n + 1);
	}
	if (code == 0 && (all.overflow || !mime_keywords_are(buf_view(&all))))
		code = err_set(e, "a message has at most %d flags, of %zu characters in all",
		    MIME_KEYWORDS_MAX, MIME_KEYWORDS_OUT);
	if (code == 0)
		mime_keywords_put(b, buf_view(&all));
	buf_fini(&all);
	return code;
}
