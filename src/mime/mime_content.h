/*
 * The content fields of a part: Content-Type, -Transfer-Encoding and -Disposition [RFC 2045 5, 6;
 * RFC 2183], and the coders for base 64 and quoted-printable bodies.
 */
#ifndef MIME_CONTENT_H
#define MIME_CONTENT_H

#include "base/arena.h"
#include "base/buf.h"

struct mime_param {
	struct str name;  /* lower case; RFC 2231 marks ("filename*0*") kept */
	struct str value; /* unquoted, otherwise as it came */
};

struct mime_params {
	struct mime_param *v;
	size_t n;
};

struct mime_content_type {
	struct str type;    /* lower case: "text" */
	struct str subtype; /* lower case: "plain" */
	struct mime_params params;
};

enum mime_content_status {
	MIME_CONTENT_OK,
	MIME_CONTENT_BAD, /* not even the first token could be read; *_r untouched */
};

enum mime_encoding {
	MIME_ENCODING_7BIT,
	MIME_ENCODING_8BIT,
	MIME_ENCODING_BINARY,
	MIME_ENCODING_QUOTED_PRINTABLE,
	MIME_ENCODING_BASE64,
	MIME_ENCODING_OTHER,
	MIME_ENCODINGS,
};

/*
 * Reads the body of a Content-Type field; result in the arena. Parameters that cannot be read are
 * left out, at most LIMIT_MIME_PARAMS kept. A value without quotes goes up to ";" or "(", for many
 * are sent so that ought to be quoted. [RFC 2045 5.1]
 */
enum mime_content_status mime_content_type_parse(
    struct arena *a, struct str body, struct mime_content_type *type_r);

/*
 * The same for Content-Disposition: *word_r is "attachment", "inline" ... in lower case. [RFC 2183
 * 2]
 */
enum mime_content_status mime_content_disposition_parse(
    struct arena *a, struct str body, struct str *word_r, struct mime_params *params_r);

/* Value of the parameter with this name (lower case), exactly so named; false: none. */
bool mime_params_get(const struct mime_params *ps, struct str name, struct str *value_r);

/* Reads the body of Content-Transfer-Encoding; anything unknown is OTHER. [RFC 2045 6.1] */
enum mime_encoding mime_encoding_parse(struct str body);

/* "base64"; OTHER has the name "binary", for it can only be passed on as it is. */
struct str mime_encoding_name(enum mime_encoding e);

/* A streaming decoder of a part's body. */
struct mime_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base 64: collected bits and how many characters they came from */
	uint8_t chars;
	bool ended;        /* base 64: padding seen */
	uint8_t state;     /* quoted-printable: what was begun */
	uint8_t hex;       /* its first digit */
	struct buf blanks; /* quoted-printable: white space that vanishes if the line ends here */
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding e);
void mime_decoder_fini(struct mime_decoder *d);

/*
 * Decodes all of in and appends it to out (at most in.n octets plus LIMIT_MIME_LINE). Never fails:
 * what is no base 64 character is skipped, "=" without hexadecimal digits stays as it is
 * [RFC 2045 6.7, 6.8]. 7bit, 8bit, binary and OTHER pass unchanged.
 */
void mime_decoder_feed(struct mime_decoder *d, struct str in, struct buf *out);

/* End of the body: appends what is complete of the last group. */
void mime_decoder_finish(struct mime_decoder *d, struct buf *out);

/*
 * A streaming encoder: BASE64 in lines of 76 characters, or QUOTED_PRINTABLE for text with CRLF
 * lines.
 */
struct mime_encoder {
	enum mime_encoding encoding;
	uint8_t held[3]; /* octets of an unfinished group; quoted-printable: a blank, a CR */
	uint8_t n;
	uint8_t column;
};

/* e: BASE64 or QUOTED_PRINTABLE; aborts on others. */
void mime_encoder_init(struct mime_encoder *e, enum mime_encoding encoding);
void mime_encoder_feed(struct mime_encoder *e, struct str in, struct buf *out);

/* Ends the last line with CRLF if it holds anything. */
void mime_encoder_finish(struct mime_encoder *e, struct buf *out);

#endif
