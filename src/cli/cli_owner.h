/*
 * Whose a data directory is that root makes: the user's that its configuration names, unless it was somebody's
 * before. None of these does anything for others than root. They give an exit code; told.
 */
#ifndef CLI_CLI_OWNER_H
#define CLI_CLI_OWNER_H

#include "config/config.h"

/* Before anything is made: in the directory of an ordinary user, and not the server's, goes on as he. */
int cli_owner_become_user(const char *dir);

/*
 * Links of others on the way to a path, which root is not to follow where he makes something, not by his own links
 * either; what: of the cure, "the data directory". Whose a directory above is can put another in its place later.
 */
int cli_owner_check_links(const char *path, const char *what);

/* All but the administrator's files to the store's user, where the directory is root's so far. */
int cli_owner_give(const char *dir, const struct config_snapshot *c);

/*
 * The same of one that is open, which sentences call dir, and in which all was made by root, who may have found it
 * empty and another's; also where its configuration is not accepted, which is not told here.
 */
int cli_owner_give_restored(int dirfd, const char *dir);

/* Whether there is that user: as soon as the configuration is there. */
int cli_owner_check_restored(int dirfd, const char *dir);

#endif
