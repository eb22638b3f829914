/* Reply lines of POP3: their only writer and reader, one table of response codes between them. */
#include "pop3/pop3_reply.h"

#include "base/ascii.h"
#include "base/mem.h"

static const struct str code_names[POP3_CODES] = {
    [POP3_CODE_NONE] = STR_INIT(""),
    [POP3_CODE_AUTH] = STR_INIT("AUTH"),
    [POP3_CODE_IN_USE] = STR_INIT("IN-USE"),
    [POP3_CODE_LOGIN_DELAY] = STR_INIT("LOGIN-DELAY"),
    [POP3_CODE_SYS_TEMP] = STR_INIT("SYS/TEMP"),
    [POP3_CODE_SYS_PERM] = STR_INIT("SYS/PERM"),
};

struct str pop3_code_name(enum pop3_code code)
{
	MUST(code < POP3_CODES);
	return code_names[code];
}

void pop3_text_put(struct buf *out, struct str text, size_t max)
{
	text = str_sub(text, 0, max);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		buf_byte(out, c == ' ' || ascii_is_vchar(c) ? c : '?');
	}
}

void pop3_reply_put(struct buf *out, bool ok, enum pop3_code code, struct str text)
{
	size_t start = out->n;

	buf_c(out, ok ? "+OK " : "-ERR ");
	if (code != POP3_CODE_NONE) {
		buf_byte(out, '[');
		buf_str(out, pop3_code_name(code));
		buf_lit(out, "] ");
	}
	pop3_text_put(out, text, POP3_REPLY_MAX - 2 - (out->n - start));
	buf_lit(out, "\r\n");
}

/* "[CODE]" or "[CODE/more]" at the head of text, taken off it; codes form a hierarchy [RFC 3206 3]. */
static enum pop3_code take_code(struct str *text)
{
	size_t end = str_find(*text, ']');
	struct str inside;

	if (text->n == 0 || text->p[0] != '[' || end == text->n)
		return POP3_CODE_NONE;
	inside = str_sub(*text, 1, end - 1);
	for (unsigned i = POP3_CODE_NONE + 1; i < POP3_CODES; i++) {
		struct str name = code_names[i];

		if (!str_has_prefix_i(inside, name))
			continue;
		if (inside.n > name.n && inside.p[name.n] != '/')
			continue;
		*text = str_trim(str_from(*text, end + 1));
		return (enum pop3_code)i;
	}
	return POP3_CODE_NONE;
}

/* The status word at the head of a line; *rest_r: what follows it. */
static enum pop3_reply_status status_of(struct str line, struct str *rest_r)
{
	static const struct {
		struct str word;
		enum pop3_reply_status status;
	} words[] = {
	    {STR_INIT("+OK"), POP3_REPLY_OK},
	    {STR_INIT("-ERR"), POP3_REPLY_ERR},
	    {STR_INIT("+"), POP3_REPLY_MORE},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct str word = words[i].word;

		if (!str_has_prefix_i(line, word))
			continue;
		if (line.n > word.n && !ascii_is_wsp(line.p[word.n]))
			continue;
		*rest_r = str_from(line, word.n);
		return words[i].status;
	}
	return POP3_REPLY_BAD;
}

enum pop3_reply_status pop3_reply_parse(struct str line, enum pop3_code *code_r, struct str *text_r)
{
	struct str text;
	enum pop3_reply_status status = status_of(line, &text);

	if (status == POP3_REPLY_BAD)
		return status;
	text = str_trim(text);
	*code_r = status == POP3_REPLY_MORE ? POP3_CODE_NONE : take_code(&text);
	*text_r = text;
	return status;
}
