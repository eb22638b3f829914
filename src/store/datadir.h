/*
 * The data directory: what lies in it, who may use it (one server or one offline command, by a lock
 * on the file "lock"), and whether there is room.
 *
 *   godwit.conf   tls/     the administrator's; not the store's business
 *   lock                   held by whoever uses the directory; holds the id of the process that is to be stopped
 *   reserve                64 MB given back when the disk is full, so that deleting still commits
 *   store.db[-wal,-shm]    the database
 *   backup.db              a copy of the database while a backup makes it
 *   packs/                 the blobs
 *   run/                   sockets
 */
#ifndef STORE_DATADIR_H
#define STORE_DATADIR_H

#include <sys/types.h>

#include "base/err.h"
#include "store/fsio.h"

#define DATADIR_DB       "store.db"
#define DATADIR_COPY     "backup.db"
#define DATADIR_SALVAGED "salvaged.db" /* of a salvage that a crash broke off: store.db to be */
#define DATADIR_PACKS    "packs"
#define DATADIR_RUN      "run"
#define DATADIR_LOCK     "lock"
#define DATADIR_RESERVE  "reserve"

/* Of what others pass through, to the sockets in run/ and to the certificate, seeing nothing on the way. */
#define DATADIR_MODE 0711

enum datadir_reserve {
	RESERVE_NONE,  /* there never was room for one */
	RESERVE_HELD,  /* the file is there */
	RESERVE_GIVEN, /* given back to a full file system */
};

struct datadir {
	struct fsio fs; /* the real file system below it */
	int dirfd;
	int lockfd;
	_Atomic(enum datadir_reserve) reserve;
};

enum datadir_code {
	DATADIR_OK,
	DATADIR_MISSING, /* no such directory, or it may not be read */
	DATADIR_FOREIGN, /* something is there, but no data directory */
	DATADIR_LOCKED,  /* another process uses it */
	DATADIR_FAILED,  /* anything else */
};

/*
 * Makes the directory (mode 0711: others may pass through to run/) and what belongs in it, or
 * completes one that is empty or was made before, as its owner. Not packs/, which the store makes
 * where it knows of no mail in it. Sets e on failure; a directory with foreign files is DATADIR_FOREIGN.
 */
enum datadir_code datadir_create(const char *path, struct err *e);

/* A restore into it did not end, or the lock beside its database was lost. e is set then, with the cure. */
bool datadir_lacks_lock(const char *path, struct err *e);

/* Who the process was before it became the directory's owner. */
struct datadir_self {
	uid_t uid;
	gid_t gid;
};

/*
 * As root, the process is the owner of the directory, for what it makes and what it may, from here to
 * datadir_become_self(): nothing in it becomes root's that its owner must use, and no link in it leads root
 * elsewhere. Else does nothing. 0, or -1 with e set and nothing changed. dirfd may be AT_FDCWD. No other
 * thread runs.
 */
int datadir_become_owner(int dirfd, struct datadir_self *self_r, struct err *e);

/* Aborts when that fails. */
void datadir_become_self(const struct datadir_self *self);

/*
 * Makes run/ where it is missing, in its mode whatever the umask, and, as root, for the directory's owner. 0,
 * or -1 with e set. No other thread runs.
 */
int datadir_make_run(int dirfd, struct err *e);

/*
 * Opens and locks it, which sentences call name, makes it the working directory of the process, and makes
 * the reserve when it is missing and there is room. Removes the mark of a restore, which is complete where there is a
 * lock. whom: the process that those who find it locked are
 * told to stop. *d_r is untouched on failure; e names the cure.
 */
enum datadir_code datadir_open(
    const char *path, const char *name, pid_t whom, struct datadir *d_r, struct err *e);

/* Gives up the lock and closes. */
void datadir_close(struct datadir *d);

enum datadir_room {
	DATADIR_ACCEPTING,
	DATADIR_FULL, /* less than min_free left, or the reserve is given back */
};

/*
 * Looks at the file system; min_free in bytes. Remakes a given-back reserve when there is room again.
 * One thread at a time; datadir_release_reserve may run in another.
 */
enum datadir_room datadir_room(struct datadir *d, int64_t min_free);

/* Gives the reserve back to the file system; true when there was one. */
bool datadir_release_reserve(struct datadir *d);

/* Bytes free for an ordinary user, -1 when that cannot be found out. */
int64_t datadir_free_bytes(struct datadir *d);

#endif
