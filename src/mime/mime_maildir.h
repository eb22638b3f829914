/*
 * Names in a Maildir: of a message "UNIQUE:2,FLAGS", of a folder ".Work.Projects" (Maildir++) with
 * what is not ASCII in modified UTF-7 [RFC 3501 5.1.3]; and the keywords of a folder.
 */
#ifndef MIME_MAILDIR_H
#define MIME_MAILDIR_H

#include "base/buf.h"

#define MIME_MAILDIR_NAME_MAX ((size_t)255)

/*
 * Appends the name of a message: seconds, id and host make it unique, and the same ones give the same
 * name again; then its size, of lines with CRLF, and the letters for its keywords.
 */
void mime_maildir_name_put(struct buf *b, int64_t received, int64_t id, struct str host,
    uint64_t size, struct str keywords);

/*
 * What a name of others says: keywords in the form of mime_keywords_put(), with "$deleted" for the
 * flag T, appended to *keywords; *time_r the milliseconds it begins with, 0 when it begins otherwise.
 */
void mime_maildir_name_read(struct str name, struct buf *keywords, int64_t *time_r);

/*
 * A name of others in two parts: what stays the same when flags change, and the letters behind ":2,". File systems
 * without ":" have another sign before the 2; as that may be part of a host's name, only letters may follow it.
 */
struct str mime_maildir_base(struct str name);
struct str mime_maildir_letters(struct str name);

/*
 * The list of a folder's own keywords, "dovecot-keywords": a line "0 $junk" says that the letter a in names of its
 * messages stands for $junk, and so on to z. Lines that say nothing of the kind are passed over.
 */
#define MIME_MAILDIR_LETTERS 26

/* The keyword that a letter stands for; empty: none. */
struct str mime_maildir_keyword(struct str list, uint8_t letter);

/* The letter that stands for a keyword; 0: none. */
uint8_t mime_maildir_letter(struct str list, struct str keyword);

/*
 * Appends a keyword that has none to the list, under the letter behind those that are taken or, when that was z, under
 * one between them that no name has: names is a bit for each letter from a on that names have. 0: there is none.
 */
uint8_t mime_maildir_letter_add(struct buf *list, struct str keyword, uint32_t names);

/* Appends ".Work.Projects" for "Work/Projects" (UTF-8). */
void mime_maildir_folder_put(struct buf *b, struct str path);

/*
 * The inverse, also for names in plain UTF-8. False for what is no such name or holds control
 * characters or an empty part; what was appended then does not count.
 */
bool mime_maildir_folder_read(struct buf *b, struct str name);

#endif
