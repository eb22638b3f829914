/* Summaries: what goes in comes out; they always fit; nothing hostile gets past the reader. */
#include "mime_test.h"

#include "mime/mime_scan.h"
#include "mime/mime_summary.h"

static const char *const messages[] = {
    "",
    "From: Al <al@x.org>\r\nTo: g: b@x, c@y;, d@z\r\nSubject: Hi\r\n"
    "Date: 1 Jan 2000 00:00 -0330\r\n"
    "Message-ID: <1@x>\r\nReferences: <2@x> <3@x>\r\nIn-Reply-To: <3@x>\r\nDelivered-To: q@r\r\n"
    "Received: a\r\n\r\nHello \xff",
    "Date: 1 Jan 1900 00:00 +2359\r\nCc: broken broken, a@b\r\n\r\n",
    "Content-Type: multipart/mixed; boundary=b; x=\"\"\r\n\r\n--b\r\nContent-ID: <i>\r\n"
    "Content-Disposition: attachment; filename=\"a b\"\r\nContent-Description:\r\n\r\ntext\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@x\r\nDate: 1 Jan 2000 00:00 Z\r\n\r\n"
    "body\r\n--b--",
};

static void scan_to(struct buf *out, struct str text, struct buf *shown)
{
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;
	size_t before = out->n, added;

	mime_scan_feed(s, text);
	m = mime_scan_finish(s);
	added = mime_summary_put(out, m, LIMIT_SUMMARY);
	assert_int_equal(added, out->n - before);
	dump_message(shown, m);
	mime_scan_free(&s);
}

static void test_round_trip(void **state)
{
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct arena *a = arena_new();
		struct buf b, want, got;
		struct mime_message m;

		buf_init(&b, LIMIT_SUMMARY);
		buf_init(&want, 100000);
		buf_init(&got, 100000);
		scan_to(&b, str_of_c(messages[i]), &want);
		assert_int_equal(mime_summary_read(a, buf_view(&b), &m), MIME_SUMMARY_OK);
		dump_message(&got, &m);
		expect_text(messages[i], buf_view(&got), buf_cstr(&want));
		buf_fini(&b);
		buf_fini(&want);
		buf_fini(&got);
		arena_free(&a);
	}
}

/* The thread key is not in the dump. */
static void test_thread_key(void **state)
{
	struct mime_scan *s = mime_scan_new();
	struct arena *a = arena_new();
	const struct mime_message *m;
	struct mime_message back;
	struct buf b;

	buf_init(&b, LIMIT_SUMMARY);
	mime_scan_feed(s, str_of_c(messages[1]));
	m = mime_scan_finish(s);
	mime_summary_put(&b, m, LIMIT_SUMMARY);
	assert_int_equal(mime_summary_read(a, buf_view(&b), &back), MIME_SUMMARY_OK);
	assert_int_equal(m->thread.n_refs, 2);
	assert_true(m->thread.id != 0 && m->thread.subject != 0);
	assert_true(back.thread.subject == m->thread.subject && back.thread.id == m->thread.id);
	assert_int_equal(back.thread.n_refs, 2);
	assert_memory_equal(back.thread.refs, m->thread.refs, 2 * sizeof m->thread.refs[0]);
	buf_fini(&b);
	mime_scan_free(&s);
	arena_free(&a);
}

/* A message with as much of everything as the scanner keeps. */
static struct mime_scan *scan_huge(void)
{
	struct mime_scan *s = mime_scan_new();
	struct buf long_text;

	buf_init(&long_text, 10000);
	while (long_text.n < 1500)
		buf_lit(&long_text, "0123456789");
	mime_scan_feed(s, STR("Content-Type: multipart/mixed; boundary=b"));
	for (int i = 0; i < 30; i++)
		mime_scan_feed(s, STR("; parameter=some-value"));
	mime_scan_feed(s, STR("\r\nTo: group:"));
	for (int i = 0; i < 1000; i++)
		mime_scan_feed(s, STR("\"A long name\" <local-part@domain.example>,\r\n "));
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"References: ", "Subject: ", "Message-ID: "};

		mime_scan_feed(s, STR("\r\n"));
		mime_scan_feed(s, str_of_c(names[i]));
		mime_scan_feed(s, buf_view(&long_text));
	}
	for (int i = 0; i < 100; i++)
		mime_scan_feed(s, STR("\r\nDelivered-To: a-long-address@some.domain.example"));
	mime_scan_feed(s, STR("\r\n\r\n"));
	for (int i = 0; i < 300; i++) {
		mime_scan_feed(
		    s, STR("--b\r\nContent-Type: message/rfc822\r\nContent-ID: <x>\r\n\r\n"
			   "From: somebody@somewhere.example\r\nSubject: "));
		mime_scan_feed(s, str_sub(buf_view(&long_text), 0, 200));
		mime_scan_feed(s, STR("\r\n\r\nbody\r\n"));
	}
	buf_fini(&long_text);
	return s;
}

/*
 * Whatever room there is, down to the least: it fits, it can be read, the root's numbers are true.
 */
static void test_degrades(void **state)
{
	struct mime_scan *s = scan_huge();
	const struct mime_message *m = mime_scan_finish(s);
	size_t last_parts = 0;

	assert_int_equal(m->n_parts, LIMIT_MIME_PARTS);
	for (size_t max = LIMIT_SUMMARY_MIN; max <= 256 * KIB; max *= 2) {
		struct arena *a = arena_new();
		struct mime_message back;
		struct buf b;

		buf_init(&b, max + 100);
		buf_lit(&b, "in front");
		assert_true(mime_summary_put(&b, m, max) <= max);
		assert_int_equal(
		    mime_summary_read(a, str_from(buf_view(&b), 8), &back), MIME_SUMMARY_OK);
		assert_true(back.incomplete && back.size == m->size && back.lines == m->lines);
		assert_true(back.parts[0].body_size == m->parts[0].body_size);
		assert_true(back.thread.subject == m->thread.subject);
		assert_true(back.n_parts >= last_parts);
		last_parts = back.n_parts;
		buf_fini(&b);
		arena_free(&a);
	}
	assert_int_equal(last_parts, LIMIT_MIME_PARTS);
	mime_scan_free(&s);
}

/* A cut group is closed. */
static void test_degraded_group(void **state)
{
	struct mime_scan *s = scan_huge();
	const struct mime_message *m = mime_scan_finish(s);
	struct arena *a = arena_new();
	struct mime_address_list *to;
	struct mime_message back;
	struct buf b;

	buf_init(&b, LIMIT_SUMMARY);
	mime_summary_put(&b, m, 4 * KIB);
	assert_int_equal(mime_summary_read(a, buf_view(&b), &back), MIME_SUMMARY_OK);
	to = &back.parts[0].envelope->address[MIME_TO];
	assert_true(to->truncated && to->n >= 2 && to->n < 256);
	assert_int_equal(to->v[0].kind, MIME_ADDRESS_GROUP_BEGIN);
	assert_int_equal(to->v[to->n - 1].kind, MIME_ADDRESS_GROUP_END);
	buf_fini(&b);
	mime_scan_free(&s);
	arena_free(&a);
}

/* Every prefix is bad; a longer one too; another version is told apart. */
static void test_damage(void **state)
{
	struct arena *a = arena_new();
	struct mime_message m = {.size = 42};
	struct buf b, shown;

	buf_init(&b, LIMIT_SUMMARY);
	buf_init(&shown, 100000);
	scan_to(&b, str_of_c(messages[3]), &shown);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(
		    mime_summary_read(a, str_sub(buf_view(&b), 0, n), &m), MIME_SUMMARY_BAD);
	buf_byte(&b, 0);
	assert_int_equal(mime_summary_read(a, buf_view(&b), &m), MIME_SUMMARY_BAD);
	b.p[0]++;
	assert_int_equal(mime_summary_read(a, buf_view(&b), &m), MIME_SUMMARY_VERSION);
	assert_int_equal(m.size, 42);
	buf_fini(&b);
	buf_fini(&shown);
	arena_free(&a);
}

static void check_text(const struct mime_message *m, struct str s)
{
	assert_true(s.n == 0 || (!memchr(s.p, 0, s.n) && !memchr(s.p, '\n', s.n)));
	assert_true(s.n <= m->size + LIMIT_SUMMARY);
}

/* What a user of a summary relies on. */
static void check_sound(const struct mime_message *m)
{
	assert_true(m->n_parts >= 1 && m->n_parts <= LIMIT_MIME_PARTS);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct mime_part *p = &m->parts[i];

		assert_true(i == 0 ? p->parent == 0 : p->parent < i);
		assert_true(p->header_offset <= p->body_offset);
		assert_true(p->body_offset + p->body_size <= m->size);
		assert_true(p->kind < MIME_PART_KINDS && p->encoding < MIME_ENCODINGS);
		check_text(m, p->content.type);
		check_text(m, p->description);
	}
	assert_non_null(m->parts[0].envelope);
	for (int f = 0; f < MIME_TEXT_FIELDS; f++)
		check_text(m, m->parts[0].envelope->text[f]);
}

/* Each octet changed in turn to many values: read as bad, or as something sound. */
static void test_mutations(void **state)
{
	size_t good = 0, bad = 0;
	struct buf b, shown;

	buf_init(&b, LIMIT_SUMMARY);
	buf_init(&shown, 100000);
	scan_to(&b, str_of_c(messages[3]), &shown);
	for (size_t i = 0; i < b.n; i++) {
		uint8_t was = b.p[i];

		for (unsigned v = 0; v < 256; v += (v < 8 || v > 120) ? 1 : 7) {
			struct arena *a = arena_new();
			struct mime_message m;

			b.p[i] = (uint8_t)v;
			if (mime_summary_read(a, buf_view(&b), &m) == MIME_SUMMARY_OK) {
				check_sound(&m);
				good++;
			} else {
				bad++;
			}
			assert_true(arena_used(a) <= 100 * b.n + 65536);
			arena_free(&a);
		}
		b.p[i] = was;
	}
	assert_true(good > 1000 && bad > 1000);
	buf_fini(&b);
	buf_fini(&shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_thread_key),
	    cmocka_unit_test(test_degrades),
	    cmocka_unit_test(test_degraded_group),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
