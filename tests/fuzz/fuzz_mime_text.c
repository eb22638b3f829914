/*
 * Encoded words, parameters and bodies. Octet 0 is a place to cut at. Whatever comes is decoded to
 * well-formed UTF-8 within its bound; what is encoded is one ASCII field and comes back; decoders
 * do not care about pieces.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/mime_content.h"
#include "mime/mime_thread.h"
#include "mime/mime_word.h"

#define OUT_MAX (8 * MIB)

static void words(struct str s, size_t column)
{
	struct buf text, field, again;

	buf_init(&text, 3 * s.n);
	buf_init(&field, OUT_MAX);
	buf_init(&again, OUT_MAX);
	mime_word_decode(&text, s);
	MUST(!text.overflow && utf8_is_valid(buf_view(&text)) && !str_has_cntrl(buf_view(&text)));
	mime_word_encode(&field, buf_view(&text), column);
	MUST(!str_has_8bit(buf_view(&field)));
	mime_word_decode(&again, buf_view(&field));
	MUST(str_eq(buf_view(&text), buf_view(&again)));
	buf_fini(&text);
	buf_fini(&field);
	buf_fini(&again);
}

static void params(struct str s)
{
	struct mime_content_type type = {.type = {NULL, 0}};
	struct arena *a = arena_new();
	struct buf b;

	buf_init(&b, OUT_MAX);
	if (mime_content_type_parse(a, s, &type) == MIME_CONTENT_OK) {
		MUST(type.params.n <= LIMIT_MIME_PARAMS);
		mime_word_param(&b, &type.params, STR("name"));
		MUST(utf8_is_valid(buf_view(&b)) && !str_has_cntrl(buf_view(&b)));
		buf_clear(&b);
		buf_lit(&b, "a/b");
		mime_word_put_param(&b, STR("name"), s);
		MUST(!str_has_8bit(buf_view(&b)));
		MUST(mime_content_type_parse(a, buf_view(&b), &type) == MIME_CONTENT_OK);
		MUST(type.params.n >= 1 || s.n == 0);
	}
	buf_fini(&b);
	arena_free(&a);
}

static void decode(struct buf *out, enum mime_encoding e, struct str s, size_t cut)
{
	struct mime_decoder d;

	mime_decoder_init(&d, e);
	mime_decoder_feed(&d, str_sub(s, 0, cut), out);
	mime_decoder_feed(&d, str_from(s, cut), out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void bodies(enum mime_encoding e, struct str s, size_t cut)
{
	struct mime_encoder c;
	struct buf one, two;

	buf_init(&one, OUT_MAX);
	buf_init(&two, OUT_MAX);
	decode(&one, e, s, 0);
	decode(&two, e, s, cut);
	MUST(str_eq(buf_view(&one), buf_view(&two)) && one.n <= s.n);
	buf_clear(&one);
	buf_clear(&two);
	mime_encoder_init(&c, e);
	mime_encoder_feed(&c, str_sub(s, 0, cut), &one);
	mime_encoder_feed(&c, str_from(s, cut), &one);
	mime_encoder_finish(&c, &one);
	decode(&two, e, buf_view(&one), cut);
	MUST(str_has_prefix(buf_view(&two), s));
	buf_fini(&one);
	buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data + 1, size ? size - 1 : 0);
	size_t cut = size ? data[0] : 0;
	struct mime_thread_key key = {.n_refs = 0};

	words(s, cut % 80);
	params(s);
	bodies(MIME_ENCODING_BASE64, s, cut);
	bodies(MIME_ENCODING_QUOTED_PRINTABLE, s, cut);
	mime_thread_subject(s);
	mime_thread_add_refs(&key, s);
	MUST(key.n_refs <= LIMIT_MIME_THREAD_REFS);
	return 0;
}
