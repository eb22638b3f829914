/*
 * Address lists. Octet 0 is the maximum of elements, the rest the body of a field: groups are
 * closed, the maximum holds, the work is linear, and what is printed is read back as the same list.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_address.h"

#define OUT_MAX (4 * MIB)

static void check_order(const struct mime_address_list *list)
{
	bool in_group = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct mime_address *a = &list->v[i];

		if (a->kind == MIME_ADDRESS_MAILBOX) {
			MUST(a->local.n > 0);
			continue;
		}
		MUST(in_group == (a->kind == MIME_ADDRESS_GROUP_END));
		in_group = !in_group;
	}
	MUST(!in_group);
}

/* Names that are not ASCII come back encoded; all else is as it was. */
static void check_same(const struct mime_address_list *list, const struct mime_address_list *again)
{
	MUST(again->n == list->n && again->bad == 0 && !again->truncated);
	for (size_t i = 0; i < list->n; i++) {
		const struct mime_address *a = &list->v[i], *b = &again->v[i];

		MUST(a->kind == b->kind && str_eq(a->local, b->local) &&
		     str_eq(a->domain, b->domain));
		MUST(str_has_8bit(a->name) || str_eq(a->name, b->name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = str_of(data + 1, size ? size - 1 : 0);
	struct mime_address_list list, again;
	struct arena *a = arena_new();
	struct buf b;

	if (size > 0) {
		buf_init(&b, OUT_MAX);
		mime_address_parse(a, body, data[0], &list);
		MUST(list.n <= data[0]);
		MUST(mime_address_steps(body, data[0]) <= 3 * body.n + 16);
		check_order(&list);
		mime_address_list_put(&b, &list, data[0] % 80);
		MUST(!b.overflow);
		mime_address_parse(a, buf_view(&b), SIZE_MAX / 2, &again);
		check_same(&list, &again);
		buf_fini(&b);
	}
	arena_free(&a);
	return 0;
}
