/* A folder of a Maildir that an export writes: what an earlier one has left in it, and messages until they have their names. */
#ifndef CLI_CLI_EXPORT_FOLDER_H
#define CLI_CLI_EXPORT_FOLDER_H

#include <dirent.h>

#include "base/buf.h"
#include "base/err.h"

struct cli_export_waiting;

struct cli_export_folder {
	struct buf path;     /* for sentences */
	int dir, tmp, cur;   /* open: whatever is put in their places leads nowhere */
	struct dirent **old; /* what cur/ held, in order */
	int nold;
	struct buf keywords; /* the list: "0 $junk" means that the letter a stands for $junk */
	bool keywords_changed;
	struct cli_export_waiting *waiting;
	size_t nwaiting;
};

/* Holds nothing yet. */
void cli_export_folder_init(struct cli_export_folder *f);

/*
 * Opens it, made if need be, in the directory `at`: name there, "." for that itself; path is what it is called. No link
 * is followed. 0, or -1 with *e set.
 */
int cli_export_folder_open(
    struct cli_export_folder *f, int at, const char *name, struct str path, struct err *e);

/* The name that a message of this one has there, with whatever flags; NULL: none. Borrowed until it is closed. */
const char *cli_export_folder_old(const struct cli_export_folder *f, struct str name);

/* Whether a file of cur/ holds all of a message that has so many octets with its lines ended by CRLF. */
bool cli_export_folder_is_whole(const struct cli_export_folder *f, const char *name, int64_t size);

/* The letter for a keyword, which is put into the list if need be; 0 when that is full. */
uint8_t cli_export_folder_letter(struct cli_export_folder *f, struct str keyword);

/* A new file in tmp/ for the message. The descriptor, or -1 with *e set. */
int cli_export_folder_make(struct cli_export_folder *f, struct str name, struct err *e);
void cli_export_folder_drop(struct cli_export_folder *f, struct str name);

/*
 * The message gets its name once it is safe on the disk: the file in tmp/ (written), or the old one, of which nothing
 * stays under its name then. old: NULL when there is none. 0, or -1 with *e set.
 */
int cli_export_folder_wait(
    struct cli_export_folder *f, const char *old, struct str name, bool written, struct err *e);

/* All that wait get their names. After a failure none waits any more. 0, or -1 with *e set. */
int cli_export_folder_settle(struct cli_export_folder *f, struct err *e);

/* What still waits is dropped. It may be opened again. */
void cli_export_folder_close(struct cli_export_folder *f);
void cli_export_folder_fini(struct cli_export_folder *f);

#endif
