/* What must be so after a crash in the middle of a command on whole directories (work_files.c). */
#ifndef CRASH_FILES_CHECK_H
#define CRASH_FILES_CHECK_H

#include "explore.h"

/* Of the runs that back up, restore, repair and salvage; in memory. */
explore_check files_check_backup, files_check_backup_again, files_check_restore, files_check_repair,
    files_check_salvage;

#endif
