/*
 * Plain-text transcripts of sessions, for every engine that is fed with octets and gives back octets and
 * effects. A file is lines:
 *
 *     # comment
 *     = option               handed to open(), before anything else
 *     C: text                the client sends it, with CRLF
 *     C- text                the client sends it, without CRLF
 *     S: text                the server sends it, with CRLF
 *     > effect => result     the engine shows this effect; this is its answer
 *     ! action               handed to act(); octets above it are fed before
 *     ! pause                nothing but that: ends a segment, for what must come in a read of its own
 *     ! closed  ! open       the engine wants, or does not want, to close now
 *
 * In texts \r \n \t \0 \\ and \xHH stand for octets. A transcript is run with its client octets fed whole,
 * octet by octet, and cut in two at every place: the server's octets and the effects must always
 * be the same, and come in the same order.
 */
#ifndef SCRIPT_TRANSCRIPT_H
#define SCRIPT_TRANSCRIPT_H

#include "base/buf.h"

/* An engine and its driver under test. The functions abort the test themselves when something is wrong. */
struct transcript_engine {
	void *(*open)(const struct str *options, size_t n);
	size_t (*feed)(void *e, struct str in);
	struct str (*out)(void *e);
	void (*sent)(void *e, size_t n);
	bool (*effect)(void *e, struct buf *text); /* false: none is pending */
	void (*done)(void *e, struct str result);
	void (*act)(void *e, struct str action);
	bool (*wants_close)(void *e);
	void (*close)(void *e);
};

/* Runs one file in all ways. Fails the cmocka test with file, line and cut when something differs. */
void transcript_run(const char *path, const struct transcript_engine *engine);

/* All *.txt files of a folder, in order of names; fails when there is none. */
void transcript_run_all(const char *folder, const struct transcript_engine *engine);

#endif
