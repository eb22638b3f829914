/*
 * Transcripts: sessions of a sans-IO engine in plain text, run against it whole, byte by byte and
 * with the client's octets cut in two at every place; the outcome must be the same each time. That
 * takes the square of their number: lines longer than a limit are little longer, in files of their own.
 *
 *   # comment
 *   @ word value         an option of the engine, before everything else
 *   C: text              the client sends the text and CRLF
 *   C| text              the same without CRLF
 *   S: text              the server sends this line
 *   > text               the engine asks for this effect
 *   < text               it is answered by this (none: by the empty text)
 *   ! word value         something happens to the engine: eof, tick 300000 ...
 *   --                   the client waits until everything above has happened
 *
 * With is_client the letters C and S change their places: the engine says the C lines.
 * In texts \r \n \t \0 \\ \xHH are escapes, and \{N:text} stands for the text N times.
 * The order of S and > lines is checked; the C lines between two of "--" and "!" are one run of octets.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "base/buf.h"

/* The engine under test. ctx: what open() gave. */
struct script_engine {
	/* A session; option() reads what stands behind "@ word", "" if it is not there. */
	void *(*open)(struct str (*option)(const char *word));
	void (*close)(void *ctx);
	size_t (*feed)(void *ctx, struct str in);
	struct str (*out)(void *ctx);
	void (*sent)(void *ctx, size_t n);
	/* Appends the pending effect as text; false: none. */
	bool (*effect)(void *ctx, struct buf *text);
	void (*done)(void *ctx, struct str result);
	/* "! word value" */
	void (*event)(void *ctx, struct str word, struct str value);
	/* Once at the end: the engine wants to close. Shown as "! closed" in the file. */
	bool (*is_closed)(void *ctx);
	bool is_client;
};

/* Runs one file in all ways; prints what differs. Returns the number of ways that failed. */
int script_run(const char *path, const struct script_engine *engine);

/* Runs all "*.txt" of a directory as a program: 0 if all went well and there was one at least. */
int script_main(const char *directory, const struct script_engine *engine);

#endif
