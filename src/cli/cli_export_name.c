/* Names of files for mailboxes whose own no file can have. */
#include "cli/cli_export_name.h"

#include "base/hash.h"
#include "base/limits.h"
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
