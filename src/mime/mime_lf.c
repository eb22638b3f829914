/* Line ends, in pieces. */
#include "mime/mime_lf.h"

void mime_lf_put(struct mime_lf *lf, struct buf *out, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (lf->cr && bytes.p[i] != '\n')
			buf_byte(out, '\r');
		lf->cr = bytes.p[i] == '\r';
		if (!lf->cr)
			buf_byte(out, bytes.p[i]);
	}
}

void mime_lf_end(struct mime_lf *lf, struct buf *out)
{
	if (lf->cr)
		buf_byte(out, '\r');
	lf->cr = false;
}
