/* The work is libidn2's, by mime/mime_idn. */
#include "proc/path_ascii.h"

#include "base/buf.h"
#include "base/limits.h"
#include "mime/mime_idn.h"

void path_ascii_make(struct arena *a, struct smtp_path *path)
{
	struct buf domain;

	if (!path->needs_utf8 || str_has_8bit(path->local))
		return;
	buf_init(&domain, LIMIT_SMTP_DOMAIN);
	if (mime_idn_to_ascii(&domain, path->domain) == MIME_IDN_OK && !domain.overflow) {
		path->domain = arena_str(a, buf_view(&domain));
		path->needs_utf8 = false;
	}
	buf_fini(&domain);
}
