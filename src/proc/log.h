/*
 * The log: one event, one line on stderr, key=value. Text from outside is escaped and cut; a line is
 * written with one write(2), so that lines of several processes do not mix. Where its reader stands still, lines
 * are left out, and a later one says how many. Passwords have no way in: there is no function that takes one.
 *
 *   log_open(LOG_INFO, "delivered"); log_id("id", id); log_str("to", to); log_close();
 */
#ifndef PROC_LOG_H
#define PROC_LOG_H

#include "base/ip.h"
#include "base/str.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/* Name of this process, put on every line, and the level from which lines are dropped. */
void log_setup(const char *process, enum log_level level);

/* Begins a line. One at a time in a thread. */
void log_open(enum log_level level, const char *event);
void log_str(const char *key, struct str value);
void log_text(const char *key, const char *value);
void log_num(const char *key, int64_t value);
void log_id(const char *key, int64_t id);
void log_ip(const char *key, const struct ip *ip);
void log_close(void);

/* A line with one sentence. */
void log_note(enum log_level level, const char *event, const char *text);

#endif
