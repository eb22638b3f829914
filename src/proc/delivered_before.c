/* The form of each address is made once: recipients and fields may both be many. */
#include "proc/delivered_before.h"

#include "mime/mime_local.h"

typedef struct str key_fn(struct arena *a, struct str address);

static struct str *keys_of(struct arena *a, const struct mime_facts *facts, key_fn *key)
{
	struct str *keys = arena_array(a, facts->n_delivered_to, sizeof *keys);

	for (size_t i = 0; i < facts->n_delivered_to; i++)
		keys[i] = key(a, facts->delivered_to[i]);
	return keys;
}

static bool is_among(struct str key, const struct str *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(key, keys[i]))
			return true;
	return false;
}

void delivered_before(struct accept_recipient *v, size_t n, const struct mime_facts *facts)
{
	static key_fn *const forms[] = {mime_local_address_key, mime_local_foreign_key};
	struct str *keys[2];
	struct arena *a;

	if (facts->n_delivered_to == 0)
		return;
	a = arena_new();
	for (size_t i = 0; i < 2; i++)
		keys[i] = keys_of(a, facts, forms[i]);
	for (size_t i = 0; i < n; i++) {
		size_t form = accept_is_elsewhere(v[i].class);

		if (is_among(forms[form](a, v[i].address), keys[form], facts->n_delivered_to))
			v[i].delivered = true;
	}
	arena_free(&a);
}
