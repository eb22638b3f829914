/* Names of files for mailboxes whose own no file can have. */
#include "cli/cli_export_name.h"

#include <string.h>

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_text.h"
#include "store/mailbox_path.h"

bool cli_export_name_fits(struct str path, struct str name, size_t max)
{
	return mailbox_path_is_valid(path) && name.n <= max;
}

/* Without its last character, and a slash that is the last one then. */
static void cut(struct buf *text)
{
	while (text->n > 0 && (text->p[text->n - 1] & 0xc0) == 0x80)
		text->n--;
	text->n -= text->n > 0;
	while (text->n > 0 && text->p[text->n - 1] == '/')
		text->n--;
}

void cli_export_name_other(struct buf *name, struct str path, uint32_t n, size_t max,
    void (*put)(struct buf *b, struct str path))
{
	uint32_t mark = (uint32_t)hash_bytes(&(struct hash_key){0}, path) + n;
	size_t begin = name->n;
	struct buf head, whole;

	buf_init(&head, 16 * KIB);
	buf_init(&whole, 16 * KIB);
	cli_text_put(&head, path);
	for (;; cut(&head)) {
		buf_clear(&whole);
		buf_str(&whole, buf_view(&head));
		buf_printf(&whole, "~%08x", mark);
		name->n = begin;
		put(name, buf_view(&whole));
		if (name->n - begin <= max || head.n == 0)
			break;
	}
	buf_fini(&head);
	buf_fini(&whole);
}

/* ---- names that are taken ---- */

struct made {
	struct hash_node node;
	size_t n;
	uint8_t name[];
};

void cli_export_made_init(struct cli_export_made *made, bool fold)
{
	hash_init(&made->table);
	made->fold = fold;
}

static void free_one(struct hash_node *node, void *ctx)
{
	mem_free(HASH_ENTRY(node, struct made, node));
}

void cli_export_made_fini(struct cli_export_made *made)
{
	hash_each(&made->table, free_one, NULL);
	hash_fini(&made->table);
}

/* As it is looked for. */
static struct made *entry_of(const struct cli_export_made *made, struct str name)
{
	struct made *m = mem_alloc(sizeof *m + name.n);

	m->n = name.n;
	for (size_t i = 0; i < name.n; i++)
		m->name[i] = made->fold ? (uint8_t)ascii_lower(name.p[i]) : name.p[i];
	m->node.hash = hash_bytes(&(struct hash_key){0}, str_of(m->name, m->n));
	return m;
}

void cli_export_made_add(struct cli_export_made *made, struct str name)
{
	struct made *m = entry_of(made, name);

	hash_insert(&made->table, &m->node, m->node.hash);
}

bool cli_export_made_has(const struct cli_export_made *made, struct str name)
{
	struct made *wanted = entry_of(made, name);
	struct hash_node *node = hash_first(&made->table, wanted->node.hash);
	bool found = false;

	for (; node && !found; node = hash_next(node)) {
		const struct made *m = HASH_ENTRY(node, struct made, node);

		found = str_eq(str_of(m->name, m->n), str_of(wanted->name, wanted->n));
	}
	mem_free(wanted);
	return found;
}
