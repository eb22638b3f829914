/* One table: what is waited for, and the option that says how long [RFC 5321 4.5.3.2]. */
#include "proc/relay_times.h"

#include "base/clock.h"

#include <stddef.h>

#define WAIT(member)   offsetof(struct relay_times, member)
#define OPTION(member) offsetof(struct config_timeouts, member)

static const struct {
	size_t wait, option;
	bool in_callout;
} rows[] = {
    {WAIT(connect), OPTION(relay_connect), true}, {WAIT(tls), OPTION(relay_connect), true},
    {WAIT(talk.greeting), OPTION(relay_command), true}, /* 4.5.3.2.1 */
    {WAIT(talk.helo), OPTION(relay_command), true},
    {WAIT(talk.mail), OPTION(relay_command), true}, /* 4.5.3.2.2 */
    {WAIT(talk.rcpt), OPTION(relay_command), true}, /* 4.5.3.2.3 */
    {WAIT(talk.data), OPTION(relay_data), false},   /* 4.5.3.2.4 */
    {WAIT(talk.body), OPTION(relay_body), false},   /* 4.5.3.2.5 */
    {WAIT(talk.end), OPTION(relay_end), false},     /* 4.5.3.2.6 */
};

#define RATE_MIN 16 /* octets of content in a millisecond, about 16 KiB a second */

int64_t relay_times_message(uint64_t size)
{
	return HOUR_MS + (int64_t)(size / RATE_MIN);
}

struct relay_times relay_times_of(const struct config_timeouts *configured, bool callout)
{
	struct smtp_client_config defaults;
	struct relay_times times;

	smtp_client_config_init(&defaults);
	times.talk = defaults.timeouts;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t ms = *(const int64_t *)((const char *)configured + rows[i].option);

		if (callout && rows[i].in_callout && ms > RELAY_BRIEF_MS)
			ms = RELAY_BRIEF_MS;
		*(int64_t *)((char *)&times + rows[i].wait) = ms;
	}
	return times;
}
