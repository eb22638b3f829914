/* What writing and reading of mbox files share; nobody else includes it. */
#ifndef MIME_MBOX_FORM_H
#define MIME_MBOX_FORM_H

#include "base/buf.h"

#define MIME_MBOX_NAME_MAX ((size_t)64) /* of the names that matter */

/* Fields that mail programs add to the end of a header in an mbox file. name: with or without ":". */
bool mime_mbox_is_status(struct str name);

/* Those among them that say something wherever they stand. */
bool mime_mbox_is_telling(struct str name);

#endif
