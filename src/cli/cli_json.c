/* One line per element of the outermost array or object, so that the output also reads in a pager. */
#include "cli/cli_json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

void cli_json_init(struct cli_json *j, struct buf *out)
{
	*j = (struct cli_json){.out = out};
}

static void put_char(struct buf *b, uint8_t c)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char named[] = "\"\\bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;

	if (at) {
		buf_byte(b, '\\');
		buf_byte(b, (uint8_t)named[at - plain]);
	} else if (c < 0x20 || c == 0x7f) {
		buf_lit(b, "\\u00");
		buf_hex(b, str_of(&c, 1));
	} else {
		buf_byte(b, c);
	}
}

static void put_string(struct buf *b, struct str s)
{
	buf_byte(b, '"');
	while (s.n) {
		size_t n = utf8_char(s);

		if (n > 1)
			buf_str(b, str_sub(s, 0, n));
		else if (n == 1)
			put_char(b, s.p[0]);
		else
			utf8_put(b, 0xfffd);
		s = str_from(s, n ? n : 1);
	}
	buf_byte(b, '"');
}

/* What stands before a value: comma, line, key. */
static void begin_value(struct cli_json *j, struct str key)
{
	if (j->some[j->depth])
		buf_byte(j->out, ',');
	if (j->depth == 1)
		buf_lit(j->out, "\n  ");
	else if (j->some[j->depth])
		buf_byte(j->out, ' ');
	j->some[j->depth] = true;
	if (key.n) {
		put_string(j->out, key);
		buf_lit(j->out, ": ");
	}
}

static void open_level(struct cli_json *j, struct str key, char open, char close)
{
	begin_value(j, key);
	MUST(j->depth < CLI_JSON_DEPTH);
	buf_byte(j->out, (uint8_t)open);
	j->close[j->depth++] = close;
	j->some[j->depth] = false;
}

void cli_json_object(struct cli_json *j, struct str key)
{
	open_level(j, key, '{', '}');
}

void cli_json_array(struct cli_json *j, struct str key)
{
	open_level(j, key, '[', ']');
}

void cli_json_end(struct cli_json *j)
{
	MUST(j->depth > 0);
	if (j->depth == 1 && j->some[1])
		buf_byte(j->out, '\n');
	buf_byte(j->out, (uint8_t)j->close[--j->depth]);
	if (j->depth == 0)
		buf_byte(j->out, '\n');
}

void cli_json_text(struct cli_json *j, struct str key, struct str text)
{
	begin_value(j, key);
	put_string(j->out, text);
}

void cli_json_int(struct cli_json *j, struct str key, int64_t number)
{
	begin_value(j, key);
	buf_i64(j->out, number);
}

void cli_json_bool(struct cli_json *j, struct str key, bool value)
{
	begin_value(j, key);
	buf_c(j->out, value ? "true" : "false");
}

void cli_json_time(struct cli_json *j, struct str key, int64_t ms)
{
	begin_value(j, key);
	if (ms == 0) {
		buf_lit(j->out, "null");
		return;
	}
	buf_byte(j->out, '"');
	clock_put_iso_ms(j->out, ms);
	buf_byte(j->out, '"');
}
