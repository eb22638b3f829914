/* A folder of a Maildir that an export writes: what an earlier one has left in it, and messages until they have their names. */
#ifndef CLI_CLI_EXPORT_FOLDER_H
#define CLI_CLI_EXPORT_FOLDER_H

#include <dirent.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

struct cli_export_waiting;

struct cli_export_folder {
	struct buf path;     /* for sentences */
	int dir, tmp, cur;   /* open: whatever is put in their places leads nowhere */
	struct dirent **old; /* what cur/ held, in order */
	int nold;
	bool *met;           /* of each, whether the mailbox has its message */
	struct buf keywords; /* the list: "0 $junk" means that the letter a stands for $junk */
	uint32_t letters;    /* those that names in cur/ have, a bit each */
	struct stat list;    /* whose the list was; st_nlink 0: there was none */
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

/*
 * The names that a message of this one has there, with whatever host, size and flags: an export that was broken off and
 * other programs may leave several. They count as met.
 */
struct cli_export_names {
	int first, n;
};

struct cli_export_names cli_export_folder_old(struct cli_export_folder *f, struct str name);

/*
 * The one of them that holds all of a message that has so many octets with its lines ended by CRLF, the name itself
 * before others; NULL: none. Borrowed until it is closed.
 */
const char *cli_export_folder_whole(const struct cli_export_folder *f,
    const struct cli_export_names *names, struct str name, int64_t size);

/* Messages there that an export has written, and that were not met. */
int64_t cli_export_folder_gone(const struct cli_export_folder *f);

/*
 * The letter for a keyword, which is put into the list if need be, on the disk; *letter_r is 0 when that is full. 0, or
 * -1 with *e set.
 */
int cli_export_folder_letter(
    struct cli_export_folder *f, struct str keyword, uint8_t *letter_r, struct err *e);

/* A new file in tmp/ for the message. The descriptor, or -1 with *e set. */
int cli_export_folder_make(struct cli_export_folder *f, struct str name, struct err *e);
void cli_export_folder_drop(struct cli_export_folder *f, struct str name);

/*
 * The message gets its name once it is safe on the disk: the file that is whole under another one, or that in tmp/ when
 * whole is NULL. Of its old names no other stays then. 0, or -1 with *e set.
 */
int cli_export_folder_wait(struct cli_export_folder *f, const struct cli_export_names *old,
    const char *whole, struct str name, struct err *e);

/* All that wait get their names. After a failure none waits any more. 0, or -1 with *e set. */
int cli_export_folder_settle(struct cli_export_folder *f, struct err *e);

/* What still waits is dropped. It may be opened again. */
void cli_export_folder_close(struct cli_export_folder *f);
void cli_export_folder_fini(struct cli_export_folder *f);

#endif
