/*
 * The mbox format: messages in one file, each behind a line "From sender date", lines that begin with
 * any number of ">" and "From " quoted by one more ">" (mboxrd), a blank line behind each message
 * [RFC 4155]. Written exactly so, read with tolerance.
 *
 * Flags travel in fields at the end of the header, as other programs write them (Status, X-Status,
 * X-Keywords), behind our own X-Godwit-Status. Without that such fields are read wherever they stand in the header, for
 * some programs write others behind theirs; those that are not at its end stay in the message, and do not mark it as
 * deleted. Where ours stands, reading takes out it and what follows and nothing else, so that what we wrote comes back octet by octet; but for what the format cannot say: a
 * last line without an end comes back with one. And readers look at no line's whole length: one with more than a
 * thousand ">" in front of "From " comes back with one more.
 */
#ifndef MIME_MBOX_H
#define MIME_MBOX_H

#include "base/buf.h"

/* ---- writing ---- */

struct mime_mbox_writer {
	struct buf *out;
	struct buf name;     /* of the header field at hand */
	struct str keywords; /* borrowed */
	bool in_header, line_empty, cr;
	bool first_seen, guard; /* a reader takes out the first field, or reads flags from one */
	bool matching;          /* at the beginning of a line that may have to be quoted */
	size_t quotes;          /* ">" held back while matching */
	size_t matched;         /* octets of "From " held back while matching */
};

/*
 * Begins a message in *out: the line "From sender date". sender may be empty. keywords: in the form of
 * mime_keywords_put(). Both are borrowed until the end.
 */
void mime_mbox_write_begin(struct mime_mbox_writer *w, struct buf *out, struct str sender,
    int64_t date, struct str keywords);

/* Further octets of the message, in any pieces; CRLF becomes LF. Adds at most twice as many. */
void mime_mbox_write(struct mime_mbox_writer *w, struct str bytes);

/* Ends it with a blank line. */
void mime_mbox_write_end(struct mime_mbox_writer *w);

/* ---- reading ---- */

struct mime_mbox_reader;

/*
 * What the reader finds, in order: begin, bytes ..., end with the keywords; or drop in place of end, where it turned
 * out that it is no mail but the notes of UW-IMAP in front of it. date is that of the "From "
 * line in milliseconds, MIME_MBOX_NO_DATE where it has none that can be read. keywords: in the form of
 * mime_keywords_put(), "$deleted" among them for a message that a program has only marked so. Views
 * live in the call.
 */
#define MIME_MBOX_NO_DATE INT64_MIN

struct mime_mbox_sink {
	void (*begin)(void *ctx, struct str sender, int64_t date);
	void (*bytes)(void *ctx, struct str bytes);
	void (*end)(void *ctx, struct str keywords);
	void (*drop)(void *ctx);
	void *ctx;
};

/* Free with mime_mbox_reader_free(). */
struct mime_mbox_reader *mime_mbox_reader_new(const struct mime_mbox_sink *sink);
void mime_mbox_reader_free(struct mime_mbox_reader **r); /* takes NULL, sets NULL */

/*
 * The next octets of the file, in any pieces. False, with nothing given to the sink any more, when it
 * is no mbox: something stands before the first "From ". Lines end with LF, CRLF or CR and are given
 * with CRLF. A line "From " begins a message where it stands behind a blank line and, unless the very
 * first one had none either, has a date.
 */
bool mime_mbox_feed(struct mime_mbox_reader *r, struct str bytes);

/* The end of the file. */
void mime_mbox_finish(struct mime_mbox_reader *r);

#endif
