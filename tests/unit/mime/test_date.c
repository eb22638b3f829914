/* Dates: what is read, what is refused, and that what we print is read back. */
#include "mime_test.h"

#include "base/clock.h"
#include "mime/mime_date.h"

static const struct {
	const char *text;
	const char *iso; /* NULL: bad */
	int zone;
	bool unknown;
} cases[] = {
    {"Mon, 23 Nov 2026 19:54:33 +0000", "2026-11-23T19:54:33Z", 0, false},
    {"23 Nov 2026 19:54:33 +0000", "2026-11-23T19:54:33Z", 0, false},
    {" Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06Z", -360, false},
    {"Thu, 13 Feb 1969 23:32:54 -0330", "1969-02-14T03:02:54Z", -210, false},
    {"Thu,\r\n\t13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)",
	"1969-02-14T03:02:00Z", -210, false},
    {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06Z", -360, false},
    {"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z", 0, false},
    {"21 Nov 49 09:55:06 GMT", "2049-11-21T09:55:06Z", 0, false},
    {"21 Nov 50 09:55:06 GMT", "1950-11-21T09:55:06Z", 0, false},
    {"21 Nov 126 09:55:06 UT", "2026-11-21T09:55:06Z", 0, false},
    {"1 Jan 2000 00:00 EST", "2000-01-01T05:00:00Z", -300, false},
    {"1 Jan 2000 00:00 edt", "2000-01-01T04:00:00Z", -240, false},
    {"1 Jan 2000 00:00 PDT", "2000-01-01T07:00:00Z", -420, false},
    {"1 Jan 2000 00:00 Z", "2000-01-01T00:00:00Z", 0, true},
    {"1 Jan 2000 00:00 A", "2000-01-01T00:00:00Z", 0, true},
    {"1 Jan 2000 00:00 CEST", "2000-01-01T00:00:00Z", 0, true},
    {"1 Jan 2000 00:00 -0000", "2000-01-01T00:00:00Z", 0, true},
    {"1 Jan 2000 00:00", "2000-01-01T00:00:00Z", 0, true},
    {"1 Jan 2000 00:00:00+1400", "1999-12-31T10:00:00Z", 840, false},
    {"1 Jan 2000 00:00:00 -2359", "2000-01-01T23:59:00Z", -1439, false},
    {"29 Feb 2024 12:00 +0000", "2024-02-29T12:00:00Z", 0, false},
    {"29 Feb 2000 12:00 +0000", "2000-02-29T12:00:00Z", 0, false},
    {"31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z", 0, false},
    {"31 dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z", 0, false},
    {"Tue 3 Jun 2008 11:05:30 +0110", "2008-06-03T09:55:30Z", 70, false},
    {"29 Feb 2023 12:00 +0000", NULL, 0, false},
    {"29 Feb 1900 12:00 +0000", NULL, 0, false},
    {"30 Feb 2024 12:00 +0000", NULL, 0, false},
    {"31 Apr 2024 12:00 +0000", NULL, 0, false},
    {"0 Apr 2024 12:00 +0000", NULL, 0, false},
    {"32 Jan 2024 12:00 +0000", NULL, 0, false},
    {"1 Jan 2024 24:00 +0000", NULL, 0, false},
    {"1 Jan 2024 23:60 +0000", NULL, 0, false},
    {"1 Jan 2024 23:59:61 +0000", NULL, 0, false},
    {"1 Jan 2024 12:00 +2400", NULL, 0, false},
    {"1 Jan 2024 12:00 +0060", NULL, 0, false},
    {"1 Jan 2024 12:00 +000", NULL, 0, false},
    {"1 Jan 2024 12:00 +00000", NULL, 0, false},
    {"1 Jan 2024 12:00 +0000 tomorrow", NULL, 0, false},
    {"1 Jan 20240 12:00 +0000", NULL, 0, false},
    {"1 Jan 4 12:00 +0000", NULL, 0, false},
    {"1 Jan 1900 00:00 +0001", NULL, 0, false},
    {"31 Dec 9999 23:59 -0001", NULL, 0, false},
    {"1 Jan 1899 12:00 +0000", NULL, 0, false},
    {"1 Foo 2024 12:00 +0000", NULL, 0, false},
    {"1 1 2024 12:00 +0000", NULL, 0, false},
    {"99999999999999999999 Jan 2024 12:00 +0000", NULL, 0, false},
    {"1 Jan 2024 12 +0000", NULL, 0, false},
    {"Mon, 23 Nov 2026", NULL, 0, false},
    {"(((((", NULL, 0, false},
    {"", NULL, 0, false},
};

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct mime_date d = {.ms = 42};
		enum mime_date_status st = mime_date_parse(str_of_c(cases[i].text), &d);
		struct buf b;

		buf_init(&b, 100);
		if (st == MIME_DATE_OK)
			clock_put_iso(&b, d.ms);
		expect_text(cases[i].text, buf_view(&b), cases[i].iso ? cases[i].iso : "");
		if (st == MIME_DATE_OK) {
			assert_int_equal(d.zone, cases[i].zone);
			assert_int_equal(d.zone_unknown, cases[i].unknown);
		} else {
			assert_int_equal(d.ms, 42);
		}
		buf_fini(&b);
	}
}

static void test_put(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	mime_date_put(&b, INT64_C(1795463673999));
	expect_text("now", buf_view(&b), "Mon, 23 Nov 2026 19:54:33 +0000");
	buf_clear(&b);
	mime_date_put(&b, 0);
	expect_text("epoch", buf_view(&b), "Thu, 01 Jan 1970 00:00:00 +0000");
	buf_fini(&b);
}

/* What we print is read back, over 8000 years in uneven steps. */
static void test_round_trip(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	for (int64_t ms = INT64_C(-2208988800000); ms < INT64_C(253402300800000);
	     ms += 40009 * HOUR_MS + 61 * MINUTE_MS + 7 * SECOND_MS) {
		struct mime_date d;

		buf_clear(&b);
		mime_date_put(&b, ms);
		assert_int_equal(mime_date_parse(buf_view(&b), &d), MIME_DATE_OK);
		assert_true(d.ms == ms && d.zone == 0 && !d.zone_unknown);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
