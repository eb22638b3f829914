/* What a disk is made of: for disk.c, for drawing a state of it, and for leaving a state open. */
#ifndef CRASH_DISK_INTERNAL_H
#define CRASH_DISK_INTERNAL_H

#include "disk.h"

/* What is torn when the power goes is torn here. */
#define SECTOR 512

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

struct steps {
	const struct event **v;
	size_t n, cap;
};

struct file {
	uint64_t ino; /* 0: nobody can name it any more */
	struct bytes synced;
	struct steps since;
	struct bytes image;
	bool used; /* by a name of the image */
};

struct name {
	char *path;
	size_t file;
	bool is_dir;
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct disk {
	struct file *files;
	size_t n, cap;
	struct names synced, image;
	struct steps since; /* of names */
	size_t *step_files; /* for each of them */
	size_t step_cap;
};

/* Sets the length; what is new is filled. */
void bytes_resize(struct bytes *b, size_t n, int fill);
void bytes_put(struct bytes *b, size_t off, const uint8_t *p, size_t n);
void bytes_copy(struct bytes *to, const struct bytes *from);

/* A step of a file, as a whole. */
void bytes_apply(struct bytes *b, const struct event *e);

/* The length of a file of length n after a step. */
size_t size_after(const struct event *e, size_t n);

/* The image's names begin as the synced ones; a step of names is done to them. */
void names_begin(struct disk *d);
void names_apply(struct names *names, const struct event *e, size_t file);

/* NULL: there is none. */
const struct name *names_find(const struct names *names, const char *path);

/* Would the step make a difference to the image's names? */
bool names_can_apply(struct disk *d, const struct event *e);

/* Is every directory above this name of the image in it too? */
bool names_has_parent(struct disk *d, const char *path);

#endif
