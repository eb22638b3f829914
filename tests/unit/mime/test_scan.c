/* The scanner: each message fed whole, octet by octet and in two pieces at every place. */
#include "mime_test.h"

#include "mime/mime_scan.h"
#include "mime/mime_thread.h"

static const struct {
	const char *name;
	const char *text;
	const char *want;
} cases[] = {
    {"empty", "",
	"0 ^0 text/plain 7bit @0+0+0 0 lines\n"
	"0 octets, 0 lines, longest 0, 0 fields, 0 received, 0 from\n"},
    {"simple",
	"Received: by us\r\nFrom: Al <al@x.org>\r\nTo: bob@y.org\r\nSubject: Hi\r\n there\r\n"
	"Date: Mon, 23 Nov 2026 19:54:33 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello\r\nBob",
	"0 ^0 text/plain 7bit @0+134+10 2 lines\n"
	"  Subject: Hi there\n"
	"  Date: Mon, 23 Nov 2026 19:54:33 +0000\n"
	"  Message-ID: <1@x>\n"
	"  date 1795463673000 0\n"
	"  From: \"Al\" al@x.org\n"
	"  To: bob@y.org\n"
	"144 octets, 10 lines, longest 37, 6 fields, 1 received, 1 from, date, id\n"},
    {"bare LF, 8 bit", "From: \xfc\n\n\xff\n",
	"0 ^0 text/plain 7bit @0+9+2 1 lines\n"
	"  From: \xfc@\n"
	"11 octets, 3 lines, longest 7, 1 fields, 0 received, 1 from, 8bit header, 8bit body\n"},
    {"no separator", "From: a@b\r\nHello you\r\nBye\r\n",
	"0 ^0 text/plain 7bit @0+11+16 2 lines\n"
	"  From: a@b\n"
	"27 octets, 3 lines, longest 9, 1 fields, 0 received, 1 from, no separator\n"},
    {"8 bit in no field", "From: a@b\r\nF\xfc: x\r\n\r\n",
	"0 ^0 text/plain 7bit @0+11+9 2 lines\n"
	"  From: a@b\n"
	"20 octets, 3 lines, longest 9, 1 fields, 0 received, 1 from, 8bit body, no separator\n"},
    {"header only", "From: a@b\r\nDelivered-To: BOB@x.org\r\nDelivered-To: al@x.org",
	"0 ^0 text/plain 7bit @0+58+0 0 lines\n"
	"  From: a@b\n"
	"58 octets, 3 lines, longest 23, 3 fields, 0 received, 1 from, delivered to BOB@x.org, "
	"delivered to al@x.org\n"},
    {"fields twice",
	"From: a@b\r\nFrom: c@d\r\nTo: e@f\r\nTo: g@h\r\nSubject: one\r\nSubject: two\r\n"
	"Cc:\r\nCc: i@j\r\nDate: nonsense\r\nDate: 1 Jan 2000 00:00 Z\r\n\r\n",
	"0 ^0 text/plain 7bit @0+126+0 0 lines\n"
	"  Subject: one\n"
	"  Date: nonsense\n"
	"  From: a@b\n"
	"  To: e@f | g@h\n"
	"  Cc: i@j\n"
	"126 octets, 11 lines, longest 24, 10 fields, 0 received, 2 from, date\n"},
    {"multipart",
	"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\r\none\r\n"
	"--b  \r\nContent-Type: Image/PNG; name=x.png\r\nContent-Transfer-Encoding: BASE64\r\n"
	"Content-Disposition: attachment; filename=x.png\r\nContent-ID: <i@d>\r\n"
	"Content-Description: a picture\r\nContent-MD5: m\r\nContent-Language: en\r\n"
	"Content-Location: l\r\n\r\nAAAA\r\nBBBB\r\n\r\n--b--\r\nepilogue\r\n--b\r\nstill epilogue\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+47+314 21 lines boundary=b\n"
	"1 ^0 text/plain 7bit @62+2+3 1 lines\n"
	"2 ^0 image/png base64 @76+233+12 2 lines name=x.png\n"
	"  id: <i@d>\n"
	"  description: a picture\n"
	"  md5: m\n"
	"  language: en\n"
	"  location: l\n"
	"  disposition: attachment filename=x.png\n"
	"361 octets, 23 lines, longest 47, 1 fields, 0 received, 0 from\n"},
    {"nested, outer ends inner",
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n"
	"Content-Type: multipart/alternative; boundary=outin\r\n\r\n--outin\r\n\r\na\r\n"
	"--outin\r\nContent-Type: text/html\r\n\r\n<b>\r\n--out\r\n\r\nlast\r\n--out--\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+47+141 14 lines boundary=out\n"
	"1 ^0 multi multipart/alternative 7bit @54+55+53 7 lines boundary=outin\n"
	"2 ^1 text/plain 7bit @118+2+1 1 lines\n"
	"3 ^1 text/html 7bit @132+27+3 1 lines\n"
	"4 ^0 text/plain 7bit @171+2+4 1 lines\n"
	"188 octets, 16 lines, longest 51, 1 fields, 0 received, 0 from\n"},
    {"message in message",
	"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: inner\r\n"
	"From: in@x\r\n\r\nbody\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
	"0 ^0 multi multipart/digest 7bit @0+46+86 12 lines boundary=b\n"
	"1 ^0 message message/rfc822 7bit @51+2+36 4 lines\n"
	"2 ^1 text/plain 7bit @53+30+6 1 lines\n"
	"  Subject: inner\n"
	"  From: in@x\n"
	"3 ^0 text/plain 7bit @96+28+1 1 lines\n"
	"132 octets, 14 lines, longest 42, 1 fields, 0 received, 0 from\n"},
    {"encoded message is a leaf",
	"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDo=",
	"0 ^0 message/rfc822 base64 @0+67+12 1 lines\n"
	"79 octets, 4 lines, longest 33, 2 fields, 0 received, 0 from\n"},
    {"delimiters cut headers",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\nContent-Type: a/b\r\n--b\r\n"
	"Content-Type: message/rfc822\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+45+108 9 lines boundary=b\n"
	"1 ^0 text/plain 7bit @48+0+0 0 lines\n"
	"2 ^0 a/b 7bit @55+17+0 0 lines\n"
	"3 ^0 message message/rfc822 7bit @79+28+0 0 lines\n"
	"4 ^3 text/plain 7bit @107+0+0 0 lines\n"
	"5 ^0 message message/rfc822 7bit @114+30+0 0 lines\n"
	"6 ^5 text/plain 7bit @144+0+0 0 lines\n"
	"153 octets, 11 lines, longest 41, 1 fields, 0 received, 0 from\n"},
    {"message without separator",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n"
	"no field\r\n--b--\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+45+52 4 lines boundary=b\n"
	"1 ^0 message message/rfc822 7bit @50+30+8 1 lines\n"
	"2 ^1 text/plain 7bit @80+0+8 1 lines\n"
	"97 octets, 6 lines, longest 41, 1 fields, 0 received, 0 from\n"},
    {"not quite delimiters",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--bx\r\n--b-\r\n--b -\r\n"
	"--b---\r\n -b\r\n-\r\n--\r\n--b--x\r\n--b-- \t\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+45+63 11 lines boundary=b\n"
	"1 ^0 text/plain 7bit @50+2+45 8 lines\n"
	"108 octets, 13 lines, longest 41, 1 fields, 0 received, 0 from\n"},
    {"boundary with a colon",
	"Content-Type: multipart/mixed; boundary=\"=_:1\"\r\n\r\n--=_:1\r\nA: b\r\n--=_:1--\r\n",
	"0 ^0 multi multipart/mixed 7bit @0+50+24 3 lines boundary==_:1\n"
	"1 ^0 text/plain 7bit @58+4+0 0 lines\n"
	"74 octets, 5 lines, longest 46, 1 fields, 0 received, 0 from\n"},
    {"multipart without boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n----\r\n",
	"0 ^0 multipart/mixed 7bit @0+33+15 4 lines\n"
	"48 octets, 6 lines, longest 29, 1 fields, 0 received, 0 from\n"},
    {"ended by nothing", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\ny",
	"0 ^0 multi multipart/mixed 7bit @0+43+8 4 lines boundary=b\n"
	"1 ^0 text/plain 7bit @47+1+3 2 lines\n"
	"51 octets, 6 lines, longest 41, 1 fields, 0 received, 0 from\n"},
    {"inner and outer share a boundary",
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--b--\n",
	"0 ^0 multi multipart/mixed 7bit @0+43+66 8 lines boundary=b\n"
	"1 ^0 multi multipart/mixed 7bit @47+43+12 4 lines boundary=b\n"
	"2 ^1 text/plain 7bit @94+1+1 1 lines\n"
	"109 octets, 10 lines, longest 41, 1 fields, 0 received, 0 from\n"},
};

static void scan(struct buf *out, struct str text, size_t step, size_t cut)
{
	struct mime_scan *s = mime_scan_new();

	for (size_t i = 0, n; i < text.n; i += n) {
		n = step ? step : (i == 0 && cut ? cut : text.n - i);
		mime_scan_feed(s, str_sub(text, i, n));
	}
	dump_message(out, mime_scan_finish(s));
	mime_scan_free(&s);
}

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str text = str_of_c(cases[i].text);

		for (size_t cut = 0; cut <= text.n + 1; cut++) {
			struct buf b;

			buf_init(&b, 100000);
			scan(&b, text, cut > text.n, cut);
			expect_text(cases[i].name, buf_view(&b), cases[i].want);
			buf_fini(&b);
		}
	}
}

/* Bodies are what the offsets say: the octets of each part, cut out of the message. */
static void test_bodies(void **state)
{
	static const struct str text = STR_INIT(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\n"
	    "two\r\n\r\n--b\r\n\r\n\r\n--b--\r\n");
	static const char *const bodies[] = {NULL, "one", "two\r\n", ""};
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(s, text);
	m = mime_scan_finish(s);
	assert_int_equal(m->n_parts, 4);
	for (size_t i = 1; i < 4; i++)
		expect_text("body", str_sub(text, m->parts[i].body_offset, m->parts[i].body_size),
		    bodies[i]);
	mime_scan_free(&s);
}

static void test_facts(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(s, STR("A: b\0\r\n\r\n\xff\r\n"));
	m = mime_scan_finish(s);
	assert_true(m->facts.has_nul && m->facts.has_8bit_body && !m->facts.has_8bit_header);
	mime_scan_free(&s);
}

/* A header of a part, or of a message in one, is told from a body [RFC 6532 3]. */
static void test_8bit_part_header(void **state)
{
	static const struct {
		const char *part;
		bool header, body;
	} rows[] = {
	    {"A: b\r\n\r\nc", false, false},
	    {"A: b\r\n\r\n\xc3\xb6", false, true},
	    {"A: \xc3\xb6\r\n\r\nc", true, true},
	    {"Content-Type: message/rfc822\r\n\r\nA: \xc3\xb6\r\n\r\nc", true, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mime_scan *s = mime_scan_new();
		const struct mime_facts *f;

		mime_scan_feed(s, STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"));
		mime_scan_feed(s, str_of_c(rows[i].part));
		mime_scan_feed(s, STR("\r\n--x--\r\n"));
		f = &mime_scan_finish(s)->facts;
		assert_int_equal(f->has_8bit_part_header, rows[i].header);
		assert_int_equal(f->has_8bit_body, rows[i].body);
		assert_false(f->has_8bit_header);
		mime_scan_free(&s);
	}
}

/* [RFC 6758 4]: of one that is well-formed; two say nothing, nor does one of a nested message. */
static void test_priority(void **state)
{
	static const struct {
		const char *header;
		uint32_t fields;
		bool has;
		int8_t is;
	} rows[] = {
	    {"A: b\r\n", 0, false, 0},
	    {"MT-Priority: 4 (ultra)\r\n", 1, true, 4},
	    {"mt-priority:\r\n (a)\r\n -3\r\n", 1, true, -3},
	    {"MT-Priority:0\r\n", 1, true, 0},
	    {"MT-Priority: -0\r\n", 1, false, 0},
	    {"MT-Priority: 10\r\n", 1, false, 0},
	    {"MT-Priority: +1\r\n", 1, false, 0},
	    {"MT-Priority: - 1\r\n", 1, false, 0},
	    {"MT-Priority: 1 2\r\n", 1, false, 0},
	    {"MT-Priority: \"1\"\r\n", 1, false, 0},
	    {"MT-Priority: high\r\n", 1, false, 0},
	    {"MT-Priority:\r\n", 1, false, 0},
	    {"MT-Priority: 3\r\nMT-Priority: 3\r\n", 2, false, 0},
	    {"Content-Type: message/rfc822\r\n\r\nMT-Priority: 3\r\n", 0, false, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mime_scan *s = mime_scan_new();
		const struct mime_facts *f;

		mime_scan_feed(s, str_of_c(rows[i].header));
		mime_scan_feed(s, STR("\r\nx\r\n"));
		f = &mime_scan_finish(s)->facts;
		if (f->priorities != rows[i].fields || f->has_priority != rows[i].has ||
		    (f->has_priority && f->priority != rows[i].is))
			fail_msg("%s: %u fields, %d", rows[i].header, f->priorities, f->priority);
		mime_scan_free(&s);
	}
}

/* The root of References comes first, in whatever order the fields stand. */
static void test_thread_root(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(
	    s, STR("In-Reply-To: <b>\r\nReferences: <a> <b>\r\nMessage-ID: <c>\r\n\r\n"));
	m = mime_scan_finish(s);
	assert_int_equal(m->thread.n_refs, 2);
	assert_true(m->thread.refs[0] == mime_thread_id(STR("<a>")));
	assert_true(m->thread.refs[1] == mime_thread_id(STR("<b>")));
	assert_true(m->thread.id == mime_thread_id(STR("<c>")));
	mime_scan_free(&s);
}

/* Ten thousand levels: bounded depth, parts and memory; the sizes of what is described are true. */
static void test_depth(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;
	struct buf b;

	buf_init(&b, MIB);
	for (int i = 0; i < 10000; i++) {
		buf_clear(&b);
		buf_printf(
		    &b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
		mime_scan_feed(s, buf_view(&b));
	}
	m = mime_scan_finish(s);
	assert_true(m->incomplete);
	assert_int_equal(m->n_parts, LIMIT_MIME_DEPTH + 1);
	assert_true(m->parts[0].body_offset + m->parts[0].body_size == m->size);
	assert_int_equal(m->parts[LIMIT_MIME_DEPTH].kind, MIME_PART_LEAF);
	buf_fini(&b);
	mime_scan_free(&s);
}

static void test_nested_messages(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	for (int i = 0; i < 10000; i++)
		mime_scan_feed(s, STR("Content-Type: message/rfc822\r\n\r\n"));
	m = mime_scan_finish(s);
	assert_true(m->incomplete);
	assert_int_equal(m->n_parts, LIMIT_MIME_DEPTH + 1);
	mime_scan_free(&s);
}

/* More parts than are described: the rest is skipped, the whole still ends where it ends. */
static void test_many_parts(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(s, STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
	for (int i = 0; i < 10000; i++)
		mime_scan_feed(s, STR("--b\r\nContent-ID: x\r\n\r\ntext\r\n"));
	mime_scan_feed(s, STR("--b--\r\n"));
	m = mime_scan_finish(s);
	assert_true(m->incomplete);
	assert_int_equal(m->n_parts, LIMIT_MIME_PARTS);
	assert_int_equal(m->parts[LIMIT_MIME_PARTS - 1].body_size, 4);
	assert_true(m->parts[0].body_offset + m->parts[0].body_size == m->size);
	mime_scan_free(&s);
}

static void test_many_fields(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	for (int i = 0; i < 100000; i++)
		mime_scan_feed(s, STR("Received: x\r\nTo: a@b, c@d\r\nContent-ID: e\r\n"));
	m = mime_scan_finish(s);
	assert_int_equal(m->facts.fields, 300000);
	assert_int_equal(m->facts.received, 100000);
	assert_true(m->facts.too_long && m->incomplete);
	assert_int_equal(m->parts[0].envelope->address[MIME_TO].n, LIMIT_MIME_ADDRESSES);
	mime_scan_free(&s);
}

static const char *const patterns[] = {
    "To: a@b, c@d <e@f>\r\n",
    "Subject: =?a?=?q?=?=?\r\n =?utf-8?q?x?=",
    "References: <a@b> <c@d>\r\n <",
    "Content-Type: multipart/mixed; boundary=bbbbbbbbbbbb\r\n\r\n--bbbbbbbbbbbb\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b-",
    "--b\r\n",
    "-",
    "\r",
    "\n",
    "x",
    " ",
    "From ",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: a/b; c=\"d\"; e\r\n",
    "To: \"((((<,;\r\n",
};

/* Twice the input, at most twice the steps; in odd pieces. */
static void test_linear(void **state)
{
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		uint64_t steps[2];

		for (unsigned k = 0; k < 2; k++) {
			struct mime_scan *s = mime_scan_new();

			for (size_t n = 0; n < (MIB / 4) << k; n += strlen(patterns[i]))
				mime_scan_feed(s, str_of_c(patterns[i]));
			mime_scan_finish(s);
			steps[k] = mime_scan_steps(s);
			mime_scan_free(&s);
		}
		if (steps[1] > 2 * steps[0] + 10000)
			fail_msg("%s: %llu, %llu steps", patterns[i], (unsigned long long)steps[0],
			    (unsigned long long)steps[1]);
	}
}

/* A field of a megabyte is skipped, and said to be. */
static void test_long_field(void **state)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;

	mime_scan_feed(s, STR("From: a@b\r\nTo: "));
	for (int i = 0; i < 100000; i++)
		mime_scan_feed(s, STR("bob@x.org, "));
	mime_scan_feed(s, STR("\r\nSubject: hi\r\n\r\n"));
	m = mime_scan_finish(s);
	assert_true(m->facts.too_long && m->incomplete);
	assert_int_equal(m->parts[0].envelope->address[MIME_TO].n, 0);
	assert_int_equal(m->parts[0].envelope->address[MIME_FROM].n, 1);
	assert_int_equal(m->facts.longest_line, 4 + 11 * 100000);
	mime_scan_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_8bit_part_header),
	    cmocka_unit_test(test_priority),
	    cmocka_unit_test(test_thread_root),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_nested_messages),
	    cmocka_unit_test(test_many_parts),
	    cmocka_unit_test(test_many_fields),
	    cmocka_unit_test(test_linear),
	    cmocka_unit_test(test_long_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
