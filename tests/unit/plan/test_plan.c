/* Plans: what is well-formed, the way to octets and back, hostile octets, the sentences. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"
#include "plan/plan.h"

#define MAILBOX(role_, name_, flags_)                                                              \
	{                                                                                          \
		.action = PLAN_MAILBOX, .u.mailbox = { role_, STR_INIT(name_), flags_ }            \
	}
#define REJECT(code_, class_, subject_, detail_, text_)                                            \
	{                                                                                          \
		.action = PLAN_REJECT, .u.reject = {                                               \
			code_,                                                                     \
			class_,                                                                    \
			subject_,                                                                  \
			detail_,                                                                   \
			STR_INIT(text_)                                                            \
		}                                                                                  \
	}
#define REDIRECT(address_)                                                                         \
	{                                                                                          \
		.action = PLAN_REDIRECT, .u.address = STR_INIT(address_)                           \
	}
#define DISCARD(reason_)                                                                           \
	{                                                                                          \
		.action = PLAN_DISCARD, .u.reason = STR_INIT(reason_)                              \
	}
#define RELAY                                                                                      \
	{                                                                                          \
		.action = PLAN_RELAY                                                               \
	}

static const struct {
	struct plan_item item;
	const char *sentence; /* NULL: the item is not well-formed */
} cases[] = {
    {MAILBOX(PLAN_ROLE_INBOX, "", 0), "delivered to the mailbox INBOX"},
    {MAILBOX(PLAN_ROLE_JUNK, "", PLAN_FLAG_JUNK), "delivered to the mailbox Junk, marked as junk"},
    {MAILBOX(PLAN_ROLE_ARCHIVE, "", PLAN_FLAGS),
	"delivered to the mailbox Archive, marked as seen and flagged and junk"},
    {MAILBOX(PLAN_ROLE_TRASH, "", PLAN_FLAG_SEEN),
	"delivered to the mailbox Trash, marked as seen"},
    {MAILBOX(PLAN_ROLE_NAMED, "Work/K\xc3\xa4se", 0), "delivered to the mailbox Work/K\xc3\xa4se"},
    {MAILBOX(PLAN_ROLE_NAMED, "", 0), NULL},
    {MAILBOX(PLAN_ROLE_NAMED, "a\nb", 0), NULL},
    {MAILBOX(PLAN_ROLE_NAMED, "\xff", 0), NULL},
    {MAILBOX(PLAN_ROLE_INBOX, "name", 0), NULL},
    {MAILBOX(PLAN_ROLES, "", 0), NULL},
    {MAILBOX(PLAN_ROLE_INBOX, "", 8), NULL},
    {RELAY, "queued and sent to the mail server of that domain"},
    {REDIRECT("carol@example.net"), "redirected to carol@example.net"},
    {REDIRECT(""), NULL},
    {REDIRECT("carol"), NULL},
    {REDIRECT("@example.net"), NULL},
    {REDIRECT("carol@"), NULL},
    {REDIRECT("carol@example.net\r\nBcc: x"), NULL},
    {DISCARD("the sender is blocked"), "accepted and discarded: the sender is blocked"},
    {DISCARD(""), NULL},
    {DISCARD("two\nlines"), NULL},
    {REJECT(550, 5, 1, 1, "no such user"), "refused with 550 5.1.1: no such user"},
    {REJECT(452, 4, 2, 2, "full"), "refused for now with 452 4.2.2: full"},
    {REJECT(599, 5, 999, 999, "x"), "refused with 599 5.999.999: x"},
    {REJECT(250, 2, 0, 0, "x"), NULL},
    {REJECT(399, 3, 0, 0, "x"), NULL},
    {REJECT(600, 6, 0, 0, "x"), NULL},
    {REJECT(550, 4, 1, 1, "x"), NULL},
    {REJECT(550, 5, 1000, 1, "x"), NULL},
    {REJECT(550, 5, 1, 1000, "x"), NULL},
    {REJECT(550, 5, 1, 1, ""), NULL},
    {REJECT(550, 5, 1, 1, "x\r\n250 ok"), NULL},
    {{.action = PLAN_ACTIONS}, NULL},
};

#define CASES (sizeof cases / sizeof cases[0])

static void test_validity(void **state)
{
	for (size_t i = 0; i < CASES; i++)
		assert_int_equal(plan_item_is_valid(&cases[i].item), cases[i].sentence != NULL);
}

/* Texts exactly at their limits, and one octet above. */
static void test_limits(void **state)
{
	uint8_t octets[PLAN_NAME_MAX + 1];
	struct plan_item item = {.action = PLAN_DISCARD};

	memset(octets, 'x', sizeof octets);
	item.u.reason = str_of(octets, PLAN_TEXT_MAX);
	assert_true(plan_item_is_valid(&item));
	item.u.reason.n++;
	assert_false(plan_item_is_valid(&item));

	item = (struct plan_item){.action = PLAN_MAILBOX};
	item.u.mailbox.role = PLAN_ROLE_NAMED;
	item.u.mailbox.name = str_of(octets, PLAN_NAME_MAX);
	assert_true(plan_item_is_valid(&item));
	item.u.mailbox.name.n++;
	assert_false(plan_item_is_valid(&item));

	octets[10] = '@';
	item = (struct plan_item){.action = PLAN_REDIRECT};
	item.u.address = str_of(octets, LIMIT_ADDRESS);
	assert_true(plan_item_is_valid(&item));
	item.u.address.n++;
	assert_false(plan_item_is_valid(&item));
}

static void test_sentences(void **state)
{
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < CASES; i++) {
		struct buf want;

		if (!cases[i].sentence)
			continue;
		buf_init(&want, 4096);
		buf_lit(&want, "b?b@x.org: ");
		buf_c(&want, cases[i].sentence);
		buf_lit(&want, ".\n");
		buf_clear(&out);
		plan_item_put(&out, &cases[i].item, STR("b\nb@x.org"));
		assert_int_equal(out.n, want.n);
		assert_memory_equal(out.p, want.p, want.n);
		buf_fini(&want);
	}
	buf_fini(&out);
}

/* A plan of all well-formed cases. */
static struct plan full_plan(struct arena *a)
{
	struct plan p = plan_new(a, CASES);

	p.n = 0;
	for (size_t i = 0; i < CASES; i++) {
		if (!cases[i].sentence)
			continue;
		p.items[p.n] = cases[i].item;
		p.items[p.n].recipient = (uint32_t)p.n;
		p.n++;
	}
	return p;
}

static void test_round_trip(void **state)
{
	struct arena *a = arena_new();
	struct plan p = full_plan(a), q;
	struct buf one, two;

	buf_init(&one, MIB);
	buf_init(&two, MIB);
	plan_encode(&one, &p);
	assert_int_equal(plan_decode(buf_view(&one), p.n, a, &q), PLAN_OK);
	assert_int_equal(q.n, p.n);
	for (size_t i = 0; i < p.n; i++) {
		assert_int_equal(q.items[i].action, p.items[i].action);
		assert_int_equal(q.items[i].recipient, i);
	}
	plan_encode(&two, &q);
	assert_int_equal(one.n, two.n);
	assert_memory_equal(one.p, two.p, one.n);
	buf_fini(&one);
	buf_fini(&two);
	arena_free(&a);
}

/* Cut short, too long, for another number of recipients: refused, nothing touched. */
static void test_wrong_length(void **state)
{
	struct arena *a = arena_new();
	struct plan p = full_plan(a), q = {0};
	struct buf b;

	buf_init(&b, MIB);
	plan_encode(&b, &p);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(plan_decode(str_sub(buf_view(&b), 0, n), p.n, a, &q), PLAN_BAD);
	assert_int_equal(plan_decode(buf_view(&b), p.n - 1, a, &q), PLAN_BAD);
	assert_int_equal(plan_decode(buf_view(&b), p.n + 1, a, &q), PLAN_BAD);
	buf_byte(&b, 0);
	assert_int_equal(plan_decode(buf_view(&b), p.n, a, &q), PLAN_BAD);
	assert_null(q.items);
	buf_fini(&b);
	arena_free(&a);
}

/* Every octet changed to every value: refused, or a plan that encodes to just that. */
static void test_changed_octets(void **state)
{
	struct arena *a = arena_new();
	struct plan p = full_plan(a);
	unsigned refused = 0;
	struct buf b, again;

	buf_init(&b, MIB);
	buf_init(&again, MIB);
	plan_encode(&b, &p);
	for (size_t at = 0; at < b.n; at++) {
		uint8_t good = b.p[at];

		for (unsigned v = 0; v < 256; v++) {
			struct arena *scratch = arena_new();
			struct plan q;

			b.p[at] = (uint8_t)v;
			if (plan_decode(buf_view(&b), p.n, scratch, &q) == PLAN_OK) {
				buf_clear(&again);
				plan_encode(&again, &q);
				assert_int_equal(again.n, b.n);
				assert_memory_equal(again.p, b.p, b.n);
			} else {
				refused++;
			}
			arena_free(&scratch);
		}
		b.p[at] = good;
	}
	assert_true(refused > b.n * 100);
	buf_fini(&b);
	buf_fini(&again);
	arena_free(&a);
}

/* A huge claim in few octets takes no memory. */
static void test_huge_claim(void **state)
{
	struct arena *a = arena_new();
	size_t before = arena_used(a);
	struct plan q = {0};
	struct buf b;

	buf_init(&b, 100);
	wire_u8(&b, 1);
	wire_u32(&b, LIMIT_SMTP_RCPT_MAX);
	assert_int_equal(plan_decode(buf_view(&b), LIMIT_SMTP_RCPT_MAX, a, &q), PLAN_BAD);
	assert_int_equal(arena_used(a), before);
	buf_fini(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_validity),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_sentences),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_wrong_length),
	    cmocka_unit_test(test_changed_octets),
	    cmocka_unit_test(test_huge_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
