/* Trace fields: their form, and that no peer text leaves its place. */
#include "mime_test.h"

#include "base/limits.h"
#include "mime/mime_scan.h"
#include "mime/mime_trace.h"

static const struct mime_trace_received plain = {
    .helo = STR_INIT("client.example"),
    .ip = STR_INIT("192.0.2.7"),
    .hostname = STR_INIT("mail.example.org"),
    .protocol = STR_INIT("ESMTPS"),
    .tls = STR_INIT("TLSv1.3"),
    .cipher = STR_INIT("TLS_AES_256_GCM_SHA384"),
    .id = STR_INIT("01jd3q6y2k0ab"),
    .for_path = STR_INIT("bob@example.org"),
    .date = INT64_C(1795463673000),
};

static void check(const char *what, const struct mime_trace_received *t, const char *want)
{
	struct buf b;

	buf_init(&b, LIMIT_RECEIVED);
	mime_trace_received(&b, t);
	expect_text(what, buf_view(&b), want);
	buf_fini(&b);
}

static void test_received(void **state)
{
	struct mime_trace_received t = plain;

	check("all", &t,
	    "Received: from client.example ([192.0.2.7])\r\n"
	    "\tby mail.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
	    "\tid 01jd3q6y2k0ab\r\n"
	    "\tfor <bob@example.org>;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
	t.has_priority = true;
	t.priority = -3;
	check("priority", &t,
	    "Received: from client.example ([192.0.2.7])\r\n"
	    "\tby mail.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
	    "\tid 01jd3q6y2k0ab\r\n"
	    "\tfor <bob@example.org>\r\n"
	    "\tpriority -3;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
	t.has_priority = false;
	t.tls = t.for_path = t.ip = t.helo = (struct str){NULL, 0};
	t.protocol = STR("SMTP");
	check("least", &t,
	    "Received: from unknown\r\n"
	    "\tby mail.example.org with SMTP\r\n"
	    "\tid 01jd3q6y2k0ab;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
	t.ip = STR("2001:db8::1");
	t.helo = STR("[IPv6:2001:db8::1]");
	check("IPv6", &t,
	    "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"
	    "\tby mail.example.org with SMTP\r\n"
	    "\tid 01jd3q6y2k0ab;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
}

static void test_utf8(void **state)
{
	struct mime_trace_received t = plain;

	t.tls = (struct str){NULL, 0};
	t.protocol = STR("UTF8SMTP");
	t.helo = STR("\xc3\xbc.example");
	t.for_path = STR("\xc3\xbc@example.org");
	check("UTF8SMTP", &t,
	    "Received: from \xc3\xbc.example ([192.0.2.7])\r\n"
	    "\tby mail.example.org with UTF8SMTP\r\n"
	    "\tid 01jd3q6y2k0ab\r\n"
	    "\tfor <\xc3\xbc@example.org>;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
	t.protocol = STR("ESMTP");
	t.for_path = STR("\xfc@example.org");
	check("ESMTP", &t,
	    "Received: from ??.example ([192.0.2.7])\r\n"
	    "\tby mail.example.org with ESMTP\r\n"
	    "\tid 01jd3q6y2k0ab\r\n"
	    "\tfor <?@example.org>;\r\n"
	    "\tMon, 23 Nov 2026 19:54:33 +0000\r\n");
}

/* Every octet in every text: always one field, read back as one, lines within the limit. */
static void test_hostile(void **state)
{
	uint8_t bytes[3000];
	struct str evil = {bytes, sizeof bytes};
	struct mime_trace_received t = {
	    evil, evil, evil, evil, evil, evil, evil, evil, INT64_C(1795463673000)};
	struct mime_scan *s = mime_scan_new();
	const struct mime_message *m;
	struct buf b;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + 10);
	buf_init(&b, LIMIT_RECEIVED);
	mime_trace_received(&b, &t);
	assert_false(b.overflow);
	mime_scan_feed(s, buf_view(&b));
	m = mime_scan_finish(s);
	assert_int_equal(m->facts.fields, 1);
	assert_int_equal(m->facts.received, 1);
	assert_true(m->parts[0].body_size == 0 && !m->facts.has_nul);
	assert_true(m->facts.longest_line <= LIMIT_MIME_LINE);
	mime_scan_free(&s);
	buf_fini(&b);
}

static void test_prefix(void **state)
{
	struct buf b;

	buf_init(&b, LIMIT_PREFIX);
	mime_trace_prefix(&b, STR("al@x.org"), STR("bob@y.org"));
	expect_text("both", buf_view(&b), "Return-Path: <al@x.org>\r\nDelivered-To: bob@y.org\r\n");
	buf_clear(&b);
	mime_trace_prefix(&b, STR(""), STR("bob@y.org\r\nX-Evil: yes"));
	expect_text("null, injection", buf_view(&b),
	    "Return-Path: <>\r\nDelivered-To: bob@y.org??X-Evil: yes\r\n");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_received),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
