/* Content fields; base 64 and quoted-printable, at every split. */
#include "mime_test.h"

#include "mime/mime_content.h"

static const struct {
	const char *text;
	const char *want; /* NULL: bad */
} types[] = {
    {"text/plain", "text/plain"},
    {"TEXT/Plain; Charset=UTF-8", "text/plain charset=UTF-8"},
    {"text/plain; charset=us-ascii (Plain text)", "text/plain charset=us-ascii"},
    {"text/plain; charset=\"us-ascii\"", "text/plain charset=us-ascii"},
    {" text / plain ;\r\n\tcharset = x ; format=flowed", "text/plain charset=x format=flowed"},
    {"multipart/mixed; boundary=----=_Part_1:2", "multipart/mixed boundary=----=_Part_1:2"},
    {"multipart/mixed; boundary=\"a b\\\"c\"", "multipart/mixed boundary=a b\"c"},
    {"a/b; x; y=1", "a/b y=1"},
    {"a/b; =x; y=1", "a/b y=1"},
    {"a/b; x=; y=1", "a/b x= y=1"},
    {"a/b;;; y=1;", "a/b y=1"},
    {"a/b y=1; z=2", "a/b z=2"},
    {"a/b; x=\"unclosed; y=1", "a/b x=unclosed; y=1"},
    {"a/b (c); (d) x (e) = (f) y", "a/b x="},
    {"message/rfc822", "message/rfc822"},
    {"text", NULL},
    {"text/", NULL},
    {"/plain", NULL},
    {"", NULL},
    {"\"text\"/plain", NULL},
};

static void test_type(void **state)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct mime_content_type t = {.type = STR_INIT("untouched")};
		struct arena *a = arena_new();
		struct buf b;

		buf_init(&b, 1000);
		if (mime_content_type_parse(a, str_of_c(types[i].text), &t) == MIME_CONTENT_OK) {
			buf_printf(&b, "%.*s/%.*s", STR_FMT(t.type), STR_FMT(t.subtype));
			for (size_t k = 0; k < t.params.n; k++)
				buf_printf(&b, " %.*s=%.*s", STR_FMT(t.params.v[k].name),
				    STR_FMT(t.params.v[k].value));
		} else {
			assert_true(str_eq(t.type, STR("untouched")));
		}
		expect_text(types[i].text, buf_view(&b), types[i].want ? types[i].want : "");
		buf_fini(&b);
		arena_free(&a);
	}
}

static void test_many_params(void **state)
{
	struct mime_content_type t;
	struct arena *a = arena_new();
	struct buf b;

	buf_init(&b, 10000);
	buf_lit(&b, "a/b");
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "; p%d=%d", i, i);
	assert_int_equal(mime_content_type_parse(a, buf_view(&b), &t), MIME_CONTENT_OK);
	assert_int_equal(t.params.n, LIMIT_MIME_PARAMS);
	buf_fini(&b);
	arena_free(&a);
}

static void test_encoding_names(void **state)
{
	for (unsigned e = 0; e < MIME_ENCODING_OTHER; e++)
		assert_int_equal(mime_encoding_parse(mime_encoding_name((enum mime_encoding)e)), e);
	assert_int_equal(mime_encoding_parse(STR(" Base64 (yes)\r\n")), MIME_ENCODING_BASE64);
	assert_int_equal(mime_encoding_parse(STR("x-uuencode")), MIME_ENCODING_OTHER);
	assert_int_equal(mime_encoding_parse(STR("")), MIME_ENCODING_OTHER);
}

static const struct {
	enum mime_encoding encoding;
	const char *in;
	const char *want;
} bodies[] = {
    {MIME_ENCODING_7BIT, "a=3D\r\n", "a=3D\r\n"},
    {MIME_ENCODING_OTHER, "a=3D\r\n", "a=3D\r\n"},
    {MIME_ENCODING_BASE64, "SGVsbG8=", "Hello"},
    {MIME_ENCODING_BASE64, "SGVs\r\nbG8=\r\n", "Hello"},
    {MIME_ENCODING_BASE64, "S G!V*s\tbG8", "Hello"},
    {MIME_ENCODING_BASE64, "SGVsbG8h", "Hello!"},
    {MIME_ENCODING_BASE64, "SGVsbA==SGVsbA==", "Hell"},
    {MIME_ENCODING_BASE64, "S", ""},
    {MIME_ENCODING_BASE64, "====", ""},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a=3Db", "a=b"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a=3db=C3=BC", "a=b\xc3\xbc"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "long=\r\n line", "long line"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "long=  \t\r\nline", "longline"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "long=\nline", "longline"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "blanks  \t\r\nvanish \t", "blanks\r\nvanish"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "blanks =20\r\nstay", "blanks  \r\nstay"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a b  c", "a b  c"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a=zb=4=x", "a=zb=4=x"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a== 3D=3D=", "a== 3D="},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a=3", "a=3"},
    {MIME_ENCODING_QUOTED_PRINTABLE, "a=\rb", "a=\rb"},
};

static void decode(struct buf *out, enum mime_encoding e, struct str in, size_t step, size_t cut)
{
	struct mime_decoder d;

	mime_decoder_init(&d, e);
	for (size_t i = 0, n; i < in.n; i += n) {
		n = step ? step : (i == 0 && cut ? cut : in.n - i);
		mime_decoder_feed(&d, str_sub(in, i, n), out);
	}
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void test_decode(void **state)
{
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct str in = str_of_c(bodies[i].in);

		for (size_t cut = 0; cut <= in.n + 1; cut++) {
			struct buf b;

			buf_init(&b, 1000);
			decode(&b, bodies[i].encoding, in, cut > in.n, cut);
			expect_text(bodies[i].in, buf_view(&b), bodies[i].want);
			buf_fini(&b);
		}
	}
}

static void encode(struct buf *out, enum mime_encoding e, struct str in, size_t step)
{
	struct mime_encoder c;

	mime_encoder_init(&c, e);
	for (size_t i = 0; i < in.n; i += step)
		mime_encoder_feed(&c, str_sub(in, i, step), out);
	mime_encoder_finish(&c, out);
}

static void test_encode(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	encode(&b, MIME_ENCODING_BASE64, STR("Hello"), 9);
	expect_text("base64", buf_view(&b), "SGVsbG8=\r\n");
	buf_clear(&b);
	encode(&b, MIME_ENCODING_QUOTED_PRINTABLE, STR("a=b \r\n\xc3\xbc\tx\rz\n \t\r\n"), 1);
	expect_text("quoted", buf_view(&b), "a=3Db=20\r\n=C3=BC\tx=0Dz=0A =09\r\n");
	buf_fini(&b);
}

/* Lines of at most 76 characters and a CRLF at the end of each. */
static void check_lines(struct str s)
{
	struct str rest;

	for (; s.n; s = rest) {
		struct str line = str_split(s, '\n', &rest);

		assert_true(line.n >= 1 && line.n <= 77 && line.p[line.n - 1] == '\r');
	}
}

/* Octets of all values in lines of all lengths: encoded and decoded they are what they were. */
static void test_round_trip(void **state)
{
	static const enum mime_encoding both[] = {
	    MIME_ENCODING_BASE64, MIME_ENCODING_QUOTED_PRINTABLE};
	uint32_t random = 1;
	struct buf in, mid, out;

	buf_init(&in, 100000);
	buf_init(&mid, 100000);
	buf_init(&out, 100000);
	for (size_t length = 0; length < 200; length++) {
		buf_clear(&in);
		for (size_t i = 0; i < length; i++) {
			random = random * 1103515245 + 12345;
			buf_byte(&in, (uint8_t)(random >> 16 & (length % 2 ? 0xff : 0x3f)));
		}
		buf_lit(&in, "\r\n");
		for (int k = 0; k < 2; k++) {
			buf_clear(&mid);
			buf_clear(&out);
			encode(&mid, both[k], buf_view(&in), 1 + length % 7);
			check_lines(buf_view(&mid));
			decode(&out, both[k], buf_view(&mid), 1 + length % 5, 0);
			assert_true(str_eq(buf_view(&in), buf_view(&out)));
		}
	}
	buf_fini(&in);
	buf_fini(&mid);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_type),
	    cmocka_unit_test(test_many_params),
	    cmocka_unit_test(test_encoding_names),
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_encode),
	    cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
