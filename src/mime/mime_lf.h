/* Line ends of a message as the files of other programs have them: CRLF becomes LF. */
#ifndef MIME_LF_H
#define MIME_LF_H

#include "base/buf.h"

struct mime_lf {
	bool cr; /* the last octet was one */
};

/* Appends the bytes, in any pieces, with CRLF as LF; other CRs stay. Zeroed at first. */
void mime_lf_put(struct mime_lf *lf, struct buf *out, struct str bytes);
void mime_lf_end(struct mime_lf *lf, struct buf *out);

#endif
