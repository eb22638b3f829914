/* Values of options: one element, from and to text. Pure. */
#ifndef CONFIG_OPTION_VALUE_H
#define CONFIG_OPTION_VALUE_H

#include "base/arena.h"
#include "config/config.h"
#include "config/options.h"

/* A list in a snapshot, whatever its element. */
struct config_list {
	void *v;
	size_t n;
};

/* One element; which member counts follows from the option's type. */
union option_value {
	int64_t number;  /* NUMBER, SIZE, DURATION */
	struct str text; /* STRING, FILE, HOST, SERVER */
	int word;        /* ENUM, BOOL */
	struct ip ip;
	struct ip_net net;
};

/* Octets of one element in the snapshot. */
size_t option_value_size(const struct option *o);

/* To and from its place in the snapshot; not for groups. */
void option_value_store(enum option_type type, void *at, const union option_value *v);
void option_value_load(enum option_type type, const void *at, union option_value *v_r);

/*
 * Reads the text in quotes, or a number, as the option's type, within its range. False: it is none;
 * *v_r untouched. Texts are copied into the arena with a NUL behind them.
 */
bool option_parse_text(
    const struct option *o, struct str s, struct arena *a, union option_value *v_r);
bool option_parse_number(const struct option *o, int64_t n, union option_value *v_r);

/* Which of the enum's words is it, or is another word for? False: none. */
bool option_find_word(const struct option *o, struct str s, int *word_r);

/* true or false, as an OPTION_BOOL. */
bool option_parse_bool(const struct option *o, bool b, union option_value *v_r);

/* The value without quotes: 25, 50M, 5m, text. Neither enums nor groups. */
void option_put_plain(enum option_type type, const union option_value *v, struct buf *out);

/* The value of an option, or its list, that stands at `at`, in the file's syntax. */
void option_put_at(const struct option *o, const void *at, struct buf *out);

#endif
