/*
 * The manifest of a backup: a text file that says what belongs to it, with sizes and checksums
 * (XXH3-64). What it does not name does not belong to the backup, and it names only what is whole and on
 * the disk. docs/invariants/backup.md.
 */
#ifndef CLI_CLI_MANIFEST_H
#define CLI_CLI_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define CLI_MANIFEST_NAME  "manifest"
#define CLI_MANIFEST_PARTS 10000000 /* at most */

/* Octets of a pack that one backup added: from, to in its file, which is the pack's name. */
struct cli_manifest_part {
	int64_t pack, generation, from, to;
	bool single;
	uint64_t sum; /* of a hole nothing */
	bool
	    holes; /* no backup has read it, and nothing is said of what is there: the next asks for it again */
};

struct cli_manifest_file {
	struct str name; /* "store.db", "godwit.conf", "tls/key.pem" */
	int64_t size;
	unsigned mode;
	uint64_t sum;
};

struct cli_manifest {
	struct arena *arena; /* of the strings */
	int64_t store;       /* the identity of what was backed up */
	int64_t mark;        /* of the moment, in its history; 0: none */
	int64_t created;
	struct str hostname;
	struct str packs; /* directory of the packs */
	struct str files; /* directory of the files */
	struct cli_manifest_file *file;
	size_t nfiles, files_cap;
	struct cli_manifest_part *part; /* by pack, then from */
	size_t nparts, parts_cap;
	int64_t lost; /* packs that could not be read in full */
};

void cli_manifest_init(struct cli_manifest *m);
void cli_manifest_fini(struct cli_manifest *m);

/* A file that a manifest may name: right in the data directory or in tls/, and none of the store's but its database. */
bool cli_manifest_is_name(struct str s);

/* What lies right in a data directory under this name has a meaning of its own to a restore, or to whoever opens it. */
bool cli_manifest_is_reserved(struct str s);

/* name is copied. */
void cli_manifest_add_file(struct cli_manifest *m, const struct cli_manifest_file *f);
void cli_manifest_add_part(struct cli_manifest *m, const struct cli_manifest_part *p);

/* How far pack i's parts reach: the index behind them, *end_r where the last one ends. */
size_t cli_manifest_pack(const struct cli_manifest *m, size_t i, int64_t *end_r);

enum cli_manifest_code {
	CLI_MANIFEST_OK,
	CLI_MANIFEST_NONE, /* there is none: no backup, or none that was completed */
	CLI_MANIFEST_BAD,  /* damaged, or of another format; *e says which */
};

/* Reads the one in the directory dirfd; *m is initialised and empty before. path: for sentences. */
enum cli_manifest_code cli_manifest_read(
    struct cli_manifest *m, int dirfd, const char *path, struct err *e);

/* Puts it in the place of the one that is there, at once; both are on the disk after. 0 or -1. */
int cli_manifest_write(const struct cli_manifest *m, int dirfd, struct err *e);

#endif
