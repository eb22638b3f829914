/*
 * A disk as a recording leaves it: what is certainly on it, and what was done since and may be on it in
 * whole, in part, in any order or not at all when the power goes. README.md has the rules.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct event {
	struct record_head head;
	const char *name; /* name_n octets */
	const uint8_t *data;
};

struct recording {
	uint8_t *bytes;
	struct event *events;
	size_t n;
};

/* Begins a recording with what lies in the directory; the program is run after that. */
void recording_begin(const char *file, const char *directory);

/* Reads a recording whole; a cut or senseless one aborts. */
void recording_read(struct recording *r, const char *file);
void recording_free(struct recording *r);

/* The name that a file has after the events until there, "" while it has none. */
void recording_name(const struct recording *r, size_t until, uint64_t ino, char *out, size_t max);

/*
 * Takes a kind of sync out of it ("log", "pack" ...); a recording without any aborts. The steps stay where
 * they are, so that moments keep their numbers.
 */
void recording_swallow(struct recording *r, const char *kind);

/* What of the unsynced is kept. The first ones are the canonical states of every moment. */
enum disk_variant {
	DISK_ALL,       /* everything: the program was killed, the machine lived on */
	DISK_NONE,      /* nothing that was not synced */
	DISK_NO_NAMES,  /* octets but no names */
	DISK_NO_DATA,   /* names, but no octets and no sizes */
	DISK_ZEROS,     /* names and sizes; where no octets were, zeros */
	DISK_RUBBISH,   /* the same with the remains of others in place of zeros */
	DISK_CANONICAL, /* from here on: all subsets while they are few, else drawn by seed */
};

/* Unsynced steps up to which every subset of them is a state. */
#define DISK_SUBSETS 5

struct disk;

/* An empty one. */
struct disk *disk_new(void);
void disk_free(struct disk **d);

/* One step more was done. The recording must outlive the disk. */
void disk_do(struct disk *d, const struct event *e);

/* How many steps are not synced. */
size_t disk_pending(const struct disk *d);

/*
 * Makes an image of the state; the same (variant, seed) always gives the same. The number of the image's
 * content, equal for equal ones, and the image to be written by disk_write.
 */
uint64_t disk_choose(struct disk *d, unsigned variant, uint64_t seed);

/* The number of the image chosen last. */
uint64_t disk_number(struct disk *d);

/* Writes the image chosen last into an empty directory. */
void disk_write(struct disk *d, const char *directory);

/*
 * A program starts on the image chosen last, which was DISK_ALL, while the machine lives on: what is not synced stays
 * so. From here on files have the numbers of its recording; what that holds before RECORD_START is not to be done.
 */
void disk_start_again(struct disk *d, const struct recording *r);

/*
 * This sync fails, of a file or of all. The kernel counts the steps as written all the same: what the disk has of them,
 * which is drawn, is all it will ever get, unless somebody writes the octets once more. Of the image only the names are left.
 */
void disk_fail_sync(struct disk *d, const struct event *e, uint64_t seed);

#endif
