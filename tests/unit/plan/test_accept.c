/* The pipeline: each stage's decisions by a table, and that its plans are always well-formed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "plan/accept.h"

static const struct {
	struct accept_recipient recipient;
	bool trusted, authenticated;
	const char *refusal;
	uint64_t size, size_limit;
	uint32_t received;
	enum plan_action action;
	unsigned code, class, subject, detail;
	const char *sender;
	bool bare;
} cases[] = {
    {{.class = ACCEPT_LOCAL}, .action = PLAN_MAILBOX},
    {{.class = ACCEPT_LOCAL}, .size = 100, .size_limit = 100, .received = 100,
	.action = PLAN_MAILBOX},
    {{.class = ACCEPT_LOCAL}, .size = 1u << 30, .action = PLAN_MAILBOX},
    {{.class = ACCEPT_REDIRECT, .target = STR_INIT("c@y.org")}, .action = PLAN_REDIRECT},
    {{.class = ACCEPT_RETURN, .target = STR_INIT("c@y.org")}, .action = PLAN_REDIRECT},
    {{.class = ACCEPT_RETURN, .target = STR_INIT("c@y.org")}, true, true, NULL, 0, 0, 0,
	PLAN_REJECT, 550, 5, 7, 1, "bob@x.org"},
    {{.class = ACCEPT_RETURN, .target = STR_INIT("c@y.org")}, false, false, NULL, 0, 0, 0,
	PLAN_REJECT, 550, 5, 7, 1, "bob@x.org"},
    {{.class = ACCEPT_FORGED}, true, true, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 1, 1},
    {{.class = ACCEPT_EXPIRED}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 1, 1},
    {{.class = ACCEPT_RELAY}, .trusted = true, .action = PLAN_RELAY},
    {{.class = ACCEPT_RELAY}, .authenticated = true, .action = PLAN_RELAY},
    {{.class = ACCEPT_RELAY}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 7, 1},
    {{.class = ACCEPT_BACKUP}, .action = PLAN_RELAY},
    {{.class = ACCEPT_UNVERIFIED}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 450, 4, 1, 1},
    {{.class = ACCEPT_REFUSED}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 1, 1},
    {{.class = ACCEPT_UNROUTED}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 450, 4, 4, 6},
    {{.class = ACCEPT_NO_POSTMASTER}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 451, 4, 3, 5},
    {{.class = ACCEPT_UNKNOWN}, true, true, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 1, 1},
    {{.class = ACCEPT_DISABLED}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 2, 1},
    {{.class = ACCEPT_SEND_ONLY}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 550, 5, 2, 1},
    {{.class = ACCEPT_OVER_QUOTA}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 452, 4, 2, 2},
    {{.class = ACCEPT_TOO_LARGE}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 552, 5, 2, 3},
    {{.class = ACCEPT_TROUBLE}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 451, 4, 3, 0},
    /* an alias whose target makes no sense is our trouble */
    {{.class = ACCEPT_REDIRECT}, false, false, NULL, 0, 0, 0, PLAN_REJECT, 451, 4, 3, 0},
    {{.class = ACCEPT_LOCAL}, false, false, NULL, 0, 0, 101, PLAN_REJECT, 554, 5, 4, 6},
    {{.class = ACCEPT_LOCAL, .delivered = true}, true, false, NULL, 0, 0, 1, PLAN_REJECT, 554, 5, 4,
	6},
    {{.class = ACCEPT_LOCAL}, false, false, NULL, 101, 100, 0, PLAN_REJECT, 552, 5, 3, 4},
    {{.class = ACCEPT_LOCAL}, true, false, NULL, 0, 0, 101, PLAN_REJECT, 550, 5, 6, 0, NULL, true},
    {{.class = ACCEPT_LOCAL}, false, false, "too many connections", 0, 0, 0, PLAN_REJECT, 451, 4, 7,
	0},
    /* the first stage that refuses is the one that is told */
    {{.class = ACCEPT_UNKNOWN}, false, false, "banned", 0, 0, 101, PLAN_REJECT, 451, 4, 7, 0},
    {{.class = ACCEPT_UNKNOWN}, false, false, NULL, 0, 0, 101, PLAN_REJECT, 550, 5, 1, 1},
};

#define CASES (sizeof cases / sizeof cases[0])

static struct accept_input input_of(size_t i)
{
	return (struct accept_input){
	    .refusal = str_of_c(cases[i].refusal),
	    .trusted = cases[i].trusted,
	    .authenticated = cases[i].authenticated,
	    .recipients = &cases[i].recipient,
	    .n = 1,
	    .size = cases[i].size,
	    .size_limit = cases[i].size_limit,
	    .received_fields = cases[i].received,
	    .reverse_path = str_of_c(cases[i].sender),
	    .bare = cases[i].bare,
	};
}

static void test_decisions(void **state)
{
	for (size_t i = 0; i < CASES; i++) {
		struct arena *a = arena_new();
		const struct accept_input in = input_of(i);
		struct plan p = accept_run(&in, a);
		const struct plan_reject *r = &p.items[0].u.reject;

		assert_int_equal(p.n, 1);
		assert_true(plan_item_is_valid(&p.items[0]));
		assert_int_equal(p.items[0].action, cases[i].action);
		if (cases[i].action == PLAN_REJECT) {
			assert_int_equal(r->code, cases[i].code);
			assert_int_equal(r->class, cases[i].class);
			assert_int_equal(r->subject, cases[i].subject);
			assert_int_equal(r->detail, cases[i].detail);
		}
		if (cases[i].action == PLAN_REDIRECT)
			assert_true(str_eq(p.items[0].u.address, STR("c@y.org")));
		arena_free(&a);
	}
}

/* The reply at RCPT is the one the plan would give for the envelope. */
static void test_refusals_agree(void **state)
{
	for (unsigned class = 0; class < ACCEPT_CLASSES; class ++) {
		for (int rights = 0; rights < 4; rights++) {
			bool may_relay = rights & 1, report = rights & 2;
			struct arena *a = arena_new();
			const struct accept_recipient r = {
			    .class = (enum accept_class) class, .target = STR("c@y.org")};
			const struct accept_input in = {.trusted = may_relay,
			    .reverse_path = report ? STR("") : STR("bob@x.org"),
			    .recipients = &r,
			    .n = 1};
			struct plan p = accept_run(&in, a);
			const struct plan_reject *refusal = accept_refusal(
			    (enum accept_class) class, may_relay, report);

			assert_int_equal(refusal != NULL, p.items[0].action == PLAN_REJECT);
			if (refusal)
				assert_int_equal(refusal->code, p.items[0].u.reject.code);
			arena_free(&a);
		}
	}
}

/* Words of an admission that no reply could carry: made safe, cut between characters. */
static void test_refusal_text_is_safe(void **state)
{
	static const struct accept_recipient r = {.class = ACCEPT_LOCAL};
	uint8_t octets[PLAN_TEXT_MAX * 2];
	struct accept_input in = {.recipients = &r, .n = 1};
	struct arena *a = arena_new();
	struct plan p;

	in.refusal = STR("two\r\nlines \xff and \xc3\xa4");
	p = accept_run(&in, a);
	assert_true(str_eq(p.items[0].u.reject.text, STR("two??lines ? and \xc3\xa4")));

	for (size_t i = 0; i < sizeof octets; i += 2)
		memcpy(octets + i, "\xc3\xa4", 2);
	for (size_t skip = 0; skip < 2; skip++) {
		in.refusal = str_of(octets + skip, sizeof octets - skip);
		p = accept_run(&in, a);
		assert_true(plan_item_is_valid(&p.items[0]));
		assert_in_range(p.items[0].u.reject.text.n, PLAN_TEXT_MAX - 1, PLAN_TEXT_MAX);
	}
	arena_free(&a);
}

/* 10 000 recipients of all classes: one item each, in order, and they encode. */
static void test_many(void **state)
{
	struct accept_recipient *r = mem_array(LIMIT_SMTP_RCPT_MAX, sizeof *r);
	struct accept_input in = {.recipients = r, .n = LIMIT_SMTP_RCPT_MAX};
	struct arena *a = arena_new();
	struct plan p, q;
	struct buf b;

	for (size_t i = 0; i < in.n; i++)
		r[i].class = (enum accept_class)(i % ACCEPT_CLASSES);
	p = accept_run(&in, a);
	buf_init(&b, 4 * MIB);
	plan_encode(&b, &p);
	assert_false(b.overflow);
	assert_int_equal(plan_decode(buf_view(&b), in.n, a, &q), PLAN_OK);
	for (size_t i = 0; i < in.n; i++)
		assert_int_equal(q.items[i].action == PLAN_MAILBOX, r[i].class == ACCEPT_LOCAL);
	buf_fini(&b);
	arena_free(&a);
	mem_free(r);
}

static void test_explain(void **state)
{
	static const struct accept_recipient r[] = {
	    {.class = ACCEPT_LOCAL}, {.class = ACCEPT_UNKNOWN}, {.class = ACCEPT_RELAY}};
	struct accept_input in = {
	    .helo = STR("mail\nx"),
	    .reverse_path = STR("alice@a.test"),
	    .recipients = r,
	    .n = 3,
	    .size = 1234,
	    .received_fields = 2,
	};
	static const char want[] = "The client 192.0.2.1 calls itself mail?x and may not relay.\n"
				   "The sender is <alice@a.test>.\n"
				   "The message has 1234 octets and 2 Received fields.\n"
				   "Stage connection refuses 0 of 3 recipients.\n"
				   "Stage envelope refuses 2 of 3 recipients.\n"
				   "Stage data refuses 0 of 3 recipients.\n";
	struct buf b;

	assert_true(ip_parse(STR("192.0.2.1"), &in.peer));
	buf_init(&b, 4096);
	accept_explain(&b, &in);
	assert_string_equal(buf_cstr(&b), want);
	buf_clear(&b);
	in.trusted = true;
	in.helo = STR("");
	in.received_fields = 101;
	accept_explain(&b, &in);
	assert_non_null(strstr(buf_cstr(&b), "calls itself nothing, is trusted and may relay.\n"));
	assert_non_null(strstr(buf_cstr(&b), "Stage data refuses 2 of 3 recipients.\n"));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decisions),
	    cmocka_unit_test(test_refusals_agree),
	    cmocka_unit_test(test_refusal_text_is_safe),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
