/*
 * The one reader of header fields, fed in chunks [RFC 5322 2.2, 4.5]. It decides where fields and
 * the header end; what stands in a field is for others.
 */
#ifndef MIME_FIELD_H
#define MIME_FIELD_H

#include "base/buf.h"

enum mime_field_status {
	MIME_FIELD_MORE,         /* all input consumed */
	MIME_FIELD_ONE,          /* *field_r is set; valid until the next call */
	MIME_FIELD_END,          /* the empty line was consumed: the body follows */
	MIME_FIELD_NO_SEPARATOR, /* the header ended at offset() without an empty line */
};

struct mime_field {
	struct str name; /* without blanks before the colon */
	struct str body; /* behind the colon, folds included, without the last line end */
	uint64_t offset; /* of the name's first octet */
	uint64_t size;   /* octets, line ends included */
	bool too_long;   /* above LIMIT_MIME_FIELD, or behind LIMIT_MIME_HEADER: body is empty */
};

struct mime_field_in {
	struct buf acc; /* the field at hand, as it came */
	uint8_t state;
	bool given;    /* acc holds a field that was handed out */
	bool too_long; /* its body was dropped from acc */
	size_t name_n;
	size_t body_at;
	uint64_t start;    /* offset of the header */
	uint64_t at;       /* offset of the next octet */
	uint64_t field_at; /* offset of what is in acc */
};

/* at: offset of the first octet that will be fed. */
void mime_field_in_init(struct mime_field_in *f, uint64_t at);
void mime_field_in_fini(struct mime_field_in *f);

/* Starts anew for the next header, keeping the memory. */
void mime_field_in_reset(struct mime_field_in *f, uint64_t at);

/*
 * Takes octets from the front of in until a field is complete (which shows at the first octet
 * behind it, not consumed) or the header ends; *used_r: octets consumed. Lines end with LF or CRLF.
 * A line that starts neither a field nor a fold ends the header: NO_SEPARATOR; some of its octets may
 * have been consumed already. "From " lines of mbox files are skipped. After END or
 * NO_SEPARATOR only reset or fini.
 */
enum mime_field_status mime_field_next(
    struct mime_field_in *f, struct str in, size_t *used_r, struct mime_field *field_r);

/*
 * End of the input: ONE for the last field, to be called again; then END, or NO_SEPARATOR if an
 * unfinished line is pending that is no field.
 */
enum mime_field_status mime_field_finish(struct mime_field_in *f, struct mime_field *field_r);

/* After NO_SEPARATOR: where the body begins. */
uint64_t mime_field_body_offset(const struct mime_field_in *f);

/*
 * Appends the body without its folds: line ends vanish, the blanks behind them stay, blanks at both
 * ends go; NUL and bare CR become a blank. [RFC 5322 2.2.3]
 */
void mime_field_unfold(struct buf *b, struct str body);

#endif
