/*
 * The log of the program under test: told with -v; and what the checks want to know of it is kept.
 * Linked in the place of proc/log.c.
 */
#include "proc/log.h"

#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "log.h"
#include "loop.h"

static struct buf line;
static struct sim_event event;

void log_setup(const char *process, enum log_level level)
{
}

void log_open(enum log_level level, const char *name)
{
	event = (struct sim_event){.level = level, .name = name};
	if (line.max == 0)
		buf_init(&line, 4 * LIMIT_LOG_LINE);
	buf_clear(&line);
	buf_c(&line, name);
}

static void put(const char *key, struct str value)
{
	buf_byte(&line, ' ');
	buf_c(&line, key);
	buf_byte(&line, '=');
	buf_str(&line, value);
}

void log_str(const char *key, struct str value)
{
	put(key, value);
	if (strcmp(key, "to") == 0)
		event.to = sim_rcpt_find(value);
	if (strcmp(key, "reply") == 0)
		event.here = str_has_prefix(value, STR("trouble on this side")) ||
			     str_has_prefix(value, STR("no resolver on this server"));
}

void log_text(const char *key, const char *value)
{
	put(key, str_of_c(value));
	if (strcmp(key, "why") == 0)
		event.why = value;
}

void log_num(const char *key, int64_t value)
{
	static const char *const kept[] = {"delivered", "failed", "waiting", "ended", "warned"};

	buf_byte(&line, ' ');
	buf_c(&line, key);
	buf_byte(&line, '=');
	buf_i64(&line, value);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (strcmp(key, kept[i]) == 0)
			event.numbers[i] = value;
}

void log_id(const char *key, int64_t id)
{
	buf_byte(&line, ' ');
	buf_c(&line, key);
	buf_byte(&line, '=');
	id_put(&line, id);
	if (strcmp(key, "id") == 0)
		event.id = id;
}

void log_ip(const char *key, const struct ip *ip)
{
	buf_byte(&line, ' ');
	buf_c(&line, key);
	buf_byte(&line, '=');
	ip_put(&line, ip);
}

void log_close(void)
{
	sim_say("%-6s %.*s", sim_self->name, STR_FMT(buf_view(&line)));
	sim_logged(&event);
}

void log_note(enum log_level level, const char *name, const char *text)
{
	log_open(level, name);
	log_text("why", text);
	log_close();
}
