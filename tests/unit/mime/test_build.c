/* Built messages, read back by the scanner; and that no text leaves its field. */
#include "mime_test.h"

#include "mime/mime_build.h"
#include "mime/mime_scan.h"
#include "mime/mime_word.h"

static struct mime_address al = {
    MIME_ADDRESS_MAILBOX, STR_INIT("Al"), STR_INIT("al"), STR_INIT("x.org")};
static struct mime_address bob = {
    MIME_ADDRESS_MAILBOX, STR_INIT("J\xc3\xbcrgen"), STR_INIT("bob"), STR_INIT("y.org")};

static const struct mime_build_message base = {
    .from = {.v = &al, .n = 1},
    .to = {.v = &bob, .n = 1},
    .subject = STR_INIT("Hi"),
    .message_id = STR_INIT("1@x.org"),
    .date = INT64_C(1795463673000),
    .text = STR_INIT("Hello\nBob"),
};

static void test_plain(void **state)
{
	struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(mime_build_put(&b, &base), MIME_BUILD_OK);
	expect_text("plain", buf_view(&b),
	    "Date: Mon, 23 Nov 2026 19:54:33 +0000\r\n"
	    "From: Al <al@x.org>\r\n"
	    "To: =?UTF-8?Q?J=C3=BCrgen?= <bob@y.org>\r\n"
	    "Subject: Hi\r\n"
	    "Message-ID: <1@x.org>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Hello\r\nBob\r\n");
	buf_fini(&b);
}

/* A message of another shape, of the same parts. */
static void test_parts(void **state)
{
	struct buf b;

	buf_init(&b, 10000);
	mime_build_header(&b, &base);
	assert_true(str_has_suffix_i(buf_view(&b), STR("MIME-Version: 1.0\r\n")));
	buf_clear(&b);
	mime_build_text(&b, STR("a\n"));
	expect_text("text", buf_view(&b),
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "a\r\n");
	buf_clear(&b);
	mime_build_text(&b, STR("--" MIME_BUILD_BOUNDARY "1\n"));
	assert_int_equal(
	    str_find_str(buf_view(&b), STR("--" MIME_BUILD_BOUNDARY)), buf_view(&b).n);
	buf_fini(&b);
}

/* The body of a part, decoded. */
static void decode_part(struct buf *out, struct str message, const struct mime_part *p)
{
	struct mime_decoder d;

	mime_decoder_init(&d, p->encoding);
	mime_decoder_feed(&d, str_sub(message, p->body_offset, p->body_size), out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void check_lines(struct str s)
{
	struct str rest;

	for (; s.n; s = rest) {
		struct str line = str_split(s, '\n', &rest);

		assert_true(line.n >= 1 && line.n <= LIMIT_MIME_LINE + 1);
		assert_int_equal(line.p[line.n - 1], '\r');
		assert_false(str_has_8bit(line));
	}
}

static const struct {
	const char *text;
	enum mime_encoding encoding;
	const char *want;
} texts[] = {
    {"", MIME_ENCODING_7BIT, ""},
    {"a\r\nb\r\n", MIME_ENCODING_7BIT, "a\r\nb\r\n"},
    {"\n\n", MIME_ENCODING_7BIT, "\r\n\r\n"},
    {"mostly ASCII, J\xc3\xbcrgen", MIME_ENCODING_QUOTED_PRINTABLE,
	"mostly ASCII, J\xc3\xbcrgen\r\n"},
    {"\xe4\xbd\xa0\xe5\xa5\xbd\n", MIME_ENCODING_BASE64, "\xe4\xbd\xa0\xe5\xa5\xbd\r\n"},
    {"not \xff UTF-8, but nearly, as you see", MIME_ENCODING_QUOTED_PRINTABLE,
	"not \xef\xbf\xbd UTF-8, but nearly, as you see\r\n"},
    {"bare \r CR in a line", MIME_ENCODING_QUOTED_PRINTABLE, "bare \r CR in a line\r\n"},
    {"--=_godwit_=--\nevil", MIME_ENCODING_QUOTED_PRINTABLE, "--=_godwit_=--\r\nevil\r\n"},
};

static void test_texts(void **state)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct mime_build_message msg = base;
		struct mime_scan *s = mime_scan_new();
		const struct mime_message *m;
		struct buf b, body;

		buf_init(&b, 10000);
		buf_init(&body, 10000);
		msg.text = str_of_c(texts[i].text);
		assert_int_equal(mime_build_put(&b, &msg), MIME_BUILD_OK);
		check_lines(buf_view(&b));
		mime_scan_feed(s, buf_view(&b));
		m = mime_scan_finish(s);
		assert_int_equal(m->parts[0].encoding, texts[i].encoding);
		decode_part(&body, buf_view(&b), &m->parts[0]);
		expect_text(texts[i].text, buf_view(&body), texts[i].want);
		buf_fini(&b);
		buf_fini(&body);
		mime_scan_free(&s);
	}
}

static void test_long_line(void **state)
{
	for (size_t n = LIMIT_MIME_LINE; n <= LIMIT_MIME_LINE + 1; n++) {
		struct mime_build_message msg = base;
		struct buf text, b;

		buf_init(&text, 10000);
		buf_init(&b, 10000);
		while (text.n < n)
			buf_byte(&text, 'x');
		msg.text = buf_view(&text);
		assert_int_equal(mime_build_put(&b, &msg), MIME_BUILD_OK);
		check_lines(buf_view(&b));
		assert_int_equal(
		    str_find_str(buf_view(&b), STR("7bit")) < b.n, n == LIMIT_MIME_LINE);
		buf_fini(&text);
		buf_fini(&b);
	}
}

static void test_files(void **state)
{
	const struct mime_build_file files[] = {
	    {STR_INIT("\xe4\xbd\xa0\xe5\xa5\xbd.png"), STR_INIT("image/png"),
		STR_INIT("\x89PNG\r\n\0x")},
	    {STR_INIT("evil\"\r\nX: y"), STR_INIT("text/html\r\nX: y"), STR_INIT("")},
	};
	struct mime_build_message msg = base;
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;
	struct buf b, out;

	buf_init(&b, 10000);
	buf_init(&out, 10000);
	msg.files = files;
	msg.n_files = 2;
	assert_int_equal(mime_build_put(&b, &msg), MIME_BUILD_OK);
	check_lines(buf_view(&b));
	mime_scan_feed(s, buf_view(&b));
	m = mime_scan_finish(s);
	assert_int_equal(m->n_parts, 4);
	decode_part(&out, buf_view(&b), &m->parts[1]);
	expect_text("text", buf_view(&out), "Hello\r\nBob");
	buf_clear(&out);
	decode_part(&out, buf_view(&b), &m->parts[2]);
	assert_true(str_eq(buf_view(&out), files[0].bytes));
	buf_clear(&out);
	mime_word_param(&out, &m->parts[2].disposition_params, STR("filename"));
	expect_text("name", buf_view(&out), "\xe4\xbd\xa0\xe5\xa5\xbd.png");
	expect_text("type", m->parts[3].content.type, "application");
	assert_int_equal(m->parts[3].body_size, 0);
	assert_true(str_find_str(buf_view(&b), STR("\nX: y")) == b.n);
	buf_fini(&b);
	buf_fini(&out);
	mime_scan_free(&s);
}

static void test_injection(void **state)
{
	struct mime_address evil = {MIME_ADDRESS_MAILBOX, STR_INIT("a\r\nX: y"),
	    STR_INIT("b\r\nX: y"), STR_INIT("c\r\nX: y")};
	struct mime_build_message msg = {
	    .from = {.v = &evil, .n = 1},
	    .subject = STR_INIT("s\r\nX: y\n\nbody"),
	    .message_id = STR_INIT("i>\r\nX: y"),
	    .in_reply_to = STR_INIT("j\nX: y"),
	};
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;
	struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(mime_build_put(&b, &msg), MIME_BUILD_OK);
	assert_true(str_find_str(buf_view(&b), STR("\nX: y")) == b.n);
	mime_scan_feed(s, buf_view(&b));
	m = mime_scan_finish(s);
	assert_int_equal(m->facts.fields, 9);
	assert_int_equal(m->parts[0].body_size, 0);
	buf_fini(&b);
	mime_scan_free(&s);
}

static void test_too_large(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	buf_lit(&b, "before");
	assert_int_equal(mime_build_put(&b, &base), MIME_BUILD_TOO_LARGE);
	expect_text("untouched", buf_view(&b), "before");
	assert_false(b.overflow);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_injection),
	    cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
