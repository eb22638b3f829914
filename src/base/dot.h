/*
 * The one place that does and undoes dot-stuffing and decides where a message ends, for SMTP DATA,
 * POP3 responses and (without dots) the line rules of BDAT [RFC 5321 4.5.2, 2.3.8; RFC 1939 3].
 * Only CRLF "." CRLF ends a message. A bare CR or LF is noted, never a line end for the framing.
 */
#ifndef BASE_DOT_H
#define BASE_DOT_H

#include "base/buf.h"

enum dot_status {
	DOT_MORE, /* all input consumed or the output is full: look at the consumed count */
	DOT_END,  /* the terminating line was consumed */
};

struct dot_in {
	uint8_t state;
	bool dots;      /* undo dot-stuffing and look for the end; false: line rules only */
	bool normalize; /* turn a bare LF or CR into CRLF instead of only noting it */
	bool bare;      /* a bare CR or LF was seen */
	bool bare_cr;   /* a bare CR */
};

void dot_in_init(struct dot_in *d, bool dots, bool normalize);

/*
 * Decodes from in, appending content to out while at least 4 octets of room are left; *used_r:
 * octets consumed. The content ends with the CRLF before the dot line.
 */
enum dot_status dot_in_feed(struct dot_in *d, struct str in, size_t *used_r, struct buf *out);

/*
 * End of a BDAT message: settles a CR that came last (bare) and says in *midline_r whether the
 * content ended without CRLF. May append up to 2 octets.
 */
void dot_in_finish(struct dot_in *d, struct buf *out, bool *midline_r);

struct dot_out {
	bool dots;    /* stuff them and end with a dot line; false: content as it is */
	bool midline; /* the last octet was no LF */
};

void dot_out_init(struct dot_out *d, bool dots);

/* Appends content; consumes while out has room, *used_r: octets consumed. */
void dot_out_feed(struct dot_out *d, struct str in, size_t *used_r, struct buf *out);

/*
 * Appends a CRLF if the content did not end with one, then with dots the terminating line: up to 5
 * octets.
 */
void dot_out_end(struct dot_out *d, struct buf *out);

#endif
