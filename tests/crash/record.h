/*
 * A recording: what a program did to the files below a directory, in the order in which the calls
 * returned, and what it said on its standard output meanwhile. A head, then the path (name_n octets;
 * of a rename both, a zero between them), then for RECORD_WRITE and RECORD_SAY n octets of data.
 * Paths are relative to the directory. In the byte order of the machine: recordings are not kept.
 */
#ifndef CRASH_RECORD_H
#define CRASH_RECORD_H

#include <stdint.h>

enum record_kind {
	RECORD_MAKE,     /* a new file, number ino, without a name yet */
	RECORD_NAME,     /* the file gets a name */
	RECORD_UNNAME,   /* a name goes */
	RECORD_RENAME,   /* from one to the other, as one step */
	RECORD_MKDIR,    /* a directory */
	RECORD_WRITE,    /* n octets at off */
	RECORD_SIZE,     /* cut or enlarged to n */
	RECORD_ALLOCATE, /* at least n octets long from now on */
	RECORD_SYNC,     /* the file's octets and size are on the disk */
	RECORD_SYNC_DIR, /* the names in this directory are ('' is the topmost) */
	RECORD_SYNC_ALL, /* everything is */
	RECORD_SAY,      /* the program wrote this to its standard output */
	RECORD_START,    /* what came before was there when the program started */
	RECORD_KINDS
};

struct record_head {
	uint32_t kind;
	uint32_t name_n;
	uint64_t ino;
	int64_t off;
	int64_t n;
};

#define RECORD_FILE  "CRASH_RECORD" /* environment: where the recording goes (absolute) */
#define RECORD_BELOW "CRASH_BELOW"  /* environment: the directory watched (absolute, resolved) */

#endif
