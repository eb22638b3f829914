/*
 * Delivery plans from an enemy. Octet 0 is the number of recipients, the rest the plan: refused, or
 * every item is valid, has its sentence, and the plan encodes to the same octets.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "plan/plan.h"

static void check(const struct plan *p, struct str bytes)
{
	struct buf again, text;

	buf_init(&again, 2 * MIB);
	buf_init(&text, 8 * MIB);
	plan_encode(&again, p);
	MUST(str_eq(buf_view(&again), bytes));
	for (size_t i = 0; i < p->n; i++) {
		MUST(p->items[i].recipient == i && plan_item_is_valid(&p->items[i]));
		buf_clear(&text);
		plan_item_put(&text, &p->items[i], STR("bob@x.org"));
		MUST(!text.overflow && str_find(buf_view(&text), '\n') == text.n - 1);
	}
	buf_fini(&again);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct plan p = {0};

	if (size > 0) {
		struct str bytes = str_of(data + 1, size - 1);

		if (plan_decode(bytes, data[0], a, &p) == PLAN_OK)
			check(&p, bytes);
		else
			MUST(p.items == NULL);
	}
	arena_free(&a);
	return 0;
}
