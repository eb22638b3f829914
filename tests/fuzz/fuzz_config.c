/*
 * The configuration file, and its encoding for other processes: what is accepted prints to a file that
 * says the same, and encodes to what decodes to the same; the rest has a sentence.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "config/config.h"

/* libconfig 1.5 loses a text that a syntax error follows. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

#define TEXT_MAX (8 * MIB)

static void print(const struct config_snapshot *c, struct buf *out)
{
	buf_init(out, TEXT_MAX);
	config_put(c, true, out);
	MUST(!out->overflow);
}

static void same(const struct config_snapshot *c, const struct config_snapshot *d)
{
	struct buf a, b;

	print(c, &a);
	print(d, &b);
	MUST(str_eq(buf_view(&a), buf_view(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

static void reparse(const struct config_snapshot *c)
{
	struct config_snapshot *d;
	struct buf text;

	print(c, &text);
	MUST(config_parse("/d", "again", buf_view(&text), c->number, &d, NULL) == 0);
	same(c, d);
	config_unref(&d);
	buf_fini(&text);
}

static void reencode(const struct config_snapshot *c)
{
	struct config_snapshot *d;
	struct buf bytes;

	buf_init(&bytes, TEXT_MAX);
	config_encode(c, &bytes);
	MUST(!bytes.overflow && config_decode(buf_view(&bytes), &d) == 0);
	same(c, d);
	config_unref(&d);
	buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_snapshot *c = NULL;
	struct err e = {{0}};

	if (config_parse("/d", "fuzz", str_of(data, size), 1, &c, &e) == 0) {
		reparse(c);
		reencode(c);
	} else {
		MUST(c == NULL && e.text[0]);
	}
	config_unref(&c);
	if (config_decode(str_of(data, size), &c) == 0)
		config_unref(&c);
	return 0;
}
