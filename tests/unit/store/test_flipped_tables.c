/*
 * As test_flipped.c, of the tables that say whose mail it is, where its octets lie, what became of it, and what
 * waits: a bit flips in each column, and either the damage is named, or the column is one of those
 * listed below with the reason why it is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chance.h"
#include "damage.h"

#include <string.h>

#include "base/clock.h"

static struct rig rig;

/* No other row tells it; whatever flips, the recipient is sent to, or his mail returned. */
#define QUEUED "how and when it is sent, and what its sender hears"

static const struct flip_column columns[] = {
    {"account", "id", NULL},
    {"account", "domain", NULL},
    {"account", "local", "another name: which is right nothing tells"},
    {"account", "state", "another state of those there are"},
    {"account", "send_only", "the other of two"},
    {"account", "created", "nothing but a date that is shown"},
    {"account", "modseq", "higher: numbers are left out"},
    {"account", "used_bytes", NULL},
    {"account", "used_messages", NULL},
    {"account", "quota_bytes", "another limit: no message goes"},
    {"account", "quota_messages", "another limit: no message goes"},
    {"account", "quota_warned", "warned once more, or not"},
    {"account", "language", "the language of reports"},
    {"credential", "account", "the password of another account that has none of that name"},
    {"credential", "kind", "a password more beside the main one"},
    {"credential", "name", "any name is one"},
    {"credential", "hash", "the password is refused, a new one is set"},
    {"credential", "created", "nothing but a date that is shown"},
    {"domain", "name", NULL},
    {"domain", "created", "nothing but a date, and which domain is the first"},
    {"domain", "used_bytes", NULL},
    {"domain", "used_messages", NULL},
    {"domain", "quota_bytes", "another limit: no message goes"},
    {"domain", "quota_messages", "another limit: no message goes"},
    {"domain", "quota_warned", "warned once more, or not"},
    {"domain", "relay", "another kind of those there are"},
    {"alias", "domain", "any name is one, as `alias list` shows it"},
    {"alias", "local", "any name is one, as `alias list` shows it"},
    {"alias", "target_domain", "any name is one, as `alias list` shows it"},
    {"alias", "target_local", "any name is one, as `alias list` shows it"},
    {"alias", "created", "nothing but a date that is shown"},
    {"blob", "id", NULL},
    {"blob", "pack", NULL},
    {"blob", "pos", NULL},
    {"blob", "length", NULL},
    {"blob", "refs", NULL},
    {"pack", "pack", NULL},
    {"pack", "generation", "of the start that wrote last: the next one has a higher one"},
    {"pack", "single", "of a pack with one blob: it is emptied in the other way"},
    {"pack", "end_offset", NULL},
    {"pack", "sequence", "a backup copies it once more"},
    {"change", "account", NULL},
    {"change", "modseq", NULL},
    {"change", "type", NULL},
    {"change", "id", NULL},
    {"change", "op", "clients ask for the message, whatever became of it"},
    {"message", "id", NULL},
    {"message", "accepted", "a date in the history"},
    {"message", "reverse_path", "an address in the history, and of reports"},
    {"message", "peer", "text of the history"},
    {"message", "helo", "text of the history"},
    {"message", "protocol", "text of the history"},
    {"message", "account", "whose submission it was, in the history"},
    {"message", "size", "a size in the history, and what a server is told before"},
    {"message", "blob", NULL},
    {"message", "recipients", NULL},
    {"message", "header_id", "text of the history"},
    {"message", "envid", "text of reports"},
    {"message", "ret", "how much a report returns"},
    {"message", "flags", "how it is sent on"},
    {"ledger", "message", NULL},
    {"ledger", "recipient", "another number: not of what waits"},
    {"ledger", "address", "an address in the history"},
    {"ledger", "state", "another end of those there are"},
    {"ledger", "account", "of what is in no mailbox any more"},
    {"ledger", "detail", "text of the history"},
    {"ledger", "time", "a date in the history"},
    {"ledger", "purged", "when it went, in the history"},
    {"ledger_day", "day", "the sums of another day: no recipient is lost"},
    {"ledger_day", "messages", "a number that nothing is balanced with"},
    {"ledger_day", "accepted", NULL},
    {"ledger_day", "mailbox", NULL},
    {"ledger_day", "relayed", NULL},
    {"ledger_day", "bounced", NULL},
    {"ledger_day", "discarded", NULL},
    {"queue", "shard", NULL},
    {"queue", "message", NULL},
    {"queue", "recipient", NULL},
    {"queue", "destination", NULL},
    {"queue", "address", QUEUED},
    {"queue", "accepted", QUEUED},
    {"queue", "not_before", QUEUED},
    {"queue", "token", NULL},
    {"queue", "bounce", QUEUED},
    {"queue", "held", QUEUED},
    {"queue", "report", QUEUED},
    {"queue", "warned", QUEUED},
    {"queue", "notify", QUEUED},
    {"queue", "orcpt", QUEUED},
    {"queue", "attempts", QUEUED},
    {"queue", "last_attempt", QUEUED},
    {"queue", "last_problem", QUEUED},
    {"queue", "last_status", QUEUED},
    {"queue", "last_reply", QUEUED},
    {"queue", "last_remote", QUEUED},
    {"queue", "priority", QUEUED},
    {"queue", "hold_until", QUEUED},
    {"queue", "by_kind", QUEUED},
    {"queue", "by_time", QUEUED},
    {"queue", "by_trace", QUEUED},
    {"queue", "tier", QUEUED},
    {"queue", "forwarder", QUEUED},
    {"meta", "name", NULL},
    {"meta", "value", "of a limit, or of a number higher than those given"},
    {"admin_log", "id", "of the last: the next one has a higher number"},
    {"admin_log", "time", "a date in the record"},
    {"admin_log", "who", "text of the record"},
    {"admin_log", "what", "text of the record"},
};

static const char *const tables[] = {"account", "credential", "domain", "alias", "blob", "pack",
    "change", "message", "ledger", "ledger_day", "queue", "meta", "admin_log"};

#define TABLES (sizeof tables / sizeof *tables)

/* ---- the store ---- */

static void relay_to(const char *to)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", "Subject: out\r\n\r\ntext\r\n");

	d->may_relay = true;
	d->envid = STR("E1");
	rig_to(d, to)->action = PLAN_RELAY;
	d->recipients[0].orcpt = STR("rfc822;x@else.test");
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
}

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	(void)rig_account(&rig, "ann@a.test");
	(void)rig_account(&rig, "bob@a.test");
	rig_alias(&rig, "all@a.test", "bob@a.test");
	for (int i = 0; i < 3; i++)
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "old\r\n", NULL));
	rig.now += 100 * DAY_MS;
	(void)rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	rig_alias(&rig, "some@a.test", "ann@a.test");
	for (int i = 0; i < 3; i++) {
		assert_true(rig_send(
		    &rig, "x@else.test", "ann@a.test", "Message-ID: <1@x>\r\n\r\ntext\r\n", NULL));
		assert_true(rig_send(&rig, "y@else.test", "bob@a.test", "text\r\n", NULL));
	}
	relay_to("x@else.test");
	relay_to("y@else.test");
	flip_change(&rig,
	    "UPDATE account SET language = 'de' WHERE id = 1;"
	    "INSERT INTO credential SELECT account, 1, 'phone', hash, created FROM credential;"
	    "UPDATE message SET header_id = '<1@x>', peer = '::1', helo = 'h', protocol = 'ESMTP';"
	    "UPDATE ledger SET detail = 'text';"
	    "UPDATE queue SET last_reply = '451 no', last_remote = '::1', forwarder = 'all@a.test'");
	for (size_t i = 0; i < TABLES; i++)
		flip_keep(&rig, tables[i]);
	chance_begin(11);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static void each_column(void **state)
{
	damage_each_column(&rig, columns, sizeof columns / sizeof *columns, NULL);
}

/* No column is left out. */
static void all_columns_are_listed(void **state)
{
	for (size_t i = 0; i < TABLES; i++) {
		int64_t n = 0;

		for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
			n += strcmp(columns[c].table, tables[i]) == 0;
		assert_int_equal(
		    flip_number(&rig, "SELECT count(*) FROM pragma_table_info('%s')", tables[i]),
		    n);
	}
}

/* What stands for one of a few words, and became none of them: the higher bits are no part of it. */
static void what_is_no_word_becomes_the_one_it_was(void **state)
{
	static const struct {
		const char *table, *damage;
	} all[] = {
	    {"account", "UPDATE account SET state = state + 64 WHERE id = 1"},
	    {"account", "UPDATE account SET state = 2 WHERE id = 1"},
	    {"account", "UPDATE account SET send_only = send_only - 2 WHERE id = 2"},
	    {"account", "UPDATE account SET quota_warned = quota_warned + 4"},
	    {"domain", "UPDATE domain SET relay = relay + 1024"},
	    {"domain", "UPDATE domain SET quota_warned = 3"},
	    {"message", "UPDATE message SET blob = (SELECT min(id) FROM blob)"},
	    {"message", "UPDATE message SET blob = 0 WHERE id IN (SELECT message FROM queue)"},
	    {"ledger", "UPDATE ledger SET state = state + 8"},
	    {"blob", "UPDATE blob SET pos = pos - 9223372036854775807 - 1"},
	    {"pack", "UPDATE pack SET single = 1"},
	    {"pack", "UPDATE pack SET single = 4"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		flip_change(&rig, all[i].damage);
		if (damage_count(&rig) == 0)
			fail_msg("not found: %s", all[i].damage);
		assert_int_equal(damage_repair(&rig).damaged, 0);
		if (flip_differs(&rig, all[i].table))
			fail_msg("not what it was: %s", all[i].damage);
		assert_int_equal(damage_count(&rig), 0);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(all_columns_are_listed),
	    T(each_column),
	    T(what_is_no_word_becomes_the_one_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
