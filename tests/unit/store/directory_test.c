#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "directory_test.h"

struct rig rig;
struct arena *arena;

int directory_test_setup(void **state)
{
	rig_open(&rig);
	arena = arena_new();
	return 0;
}

int directory_test_teardown(void **state)
{
	arena_free(&arena);
	rig_close(&rig);
	return 0;
}

struct directory_answer resolve(const char *address, int64_t size)
{
	struct str text = str_of_c(address);
	size_t at = str_rfind(text, '@');
	struct directory_answer answer;

	assert_int_equal(directory_resolve(rig.db, &rig.directory, arena, str_sub(text, 0, at),
			     str_from(text, at + 1), size, rig.now, &answer),
	    DB_OK);
	return answer;
}

const char *told(const char *address)
{
	static const char *const classes[ACCEPT_CLASSES] = {"local", "redirect", "relay", "return",
	    "forged", "expired", "unknown", "disabled", "send-only", "over-quota", "too-large",
	    "no-room", "closed", "trouble", "backup", "unverified", "refused", "unrouted",
	    "no-postmaster"};
	struct directory_answer answer = resolve(address, 0);
	struct buf b;
	const char *text;

	buf_init(&b, KIB);
	buf_c(&b, classes[answer.class]);
	for (size_t i = 0; i < answer.count; i++) {
		const struct directory_target *t = &answer.targets[i];

		buf_byte(&b, ' ');
		buf_c(&b, t->account ? "" : ">");
		buf_str(&b, t->local);
		buf_c(&b, t->detail.n ? "+" : "");
		buf_str(&b, t->detail);
		buf_byte(&b, '@');
		buf_str(&b, t->domain);
	}
	text = arena_cstr(arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

void people(void)
{
	rig_domain(&rig, "a.test");
	rig_domain(&rig, "b.test");
	rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	rig_account(&rig, "cat@b.test");
}

const char *set_kind(enum directory_verb verb, const char *domain, enum directory_kind kind)
{
	static struct err why;
	struct directory_change c = {.verb = verb,
	    .cfg = &rig.directory,
	    .who = STR("test"),
	    .domain = str_of_c(domain),
	    .kind = kind};

	directory_change_init(&c);
	c.op.done = rig_nothing;
	lane_run_one(rig.lane, &c.op, rig.now);
	assert_int_equal(c.op.result, LANE_DONE);
	why = c.why;
	return c.refused ? why.text : "";
}
