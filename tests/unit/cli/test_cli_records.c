#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_records.h"

static struct buf collected;

static void collect(struct buf *out)
{
	buf_str(&collected, buf_view(out));
	buf_clear(out);
}

/* Records are written by the functions of the other side. */
static void put(struct cli_records *r, void (*fill)(struct buf *))
{
	struct buf b;
	size_t begin;

	buf_init(&b, MIB);
	begin = admin_record_begin(&b);
	fill(&b);
	admin_record_end(&b, begin);
	assert_int_equal(cli_records_put(r, str_from(buf_view(&b), begin)), 0);
	buf_fini(&b);
}

static void account(struct buf *b)
{
	admin_record_text(b, "address", STR("bob@example.org"));
	admin_record_number(b, ADMIN_BYTES, "used_bytes", 1536);
	admin_record_number(b, ADMIN_BOOL, "send_only", 0);
	admin_record_number(b, ADMIN_TIME, "created", 0);
}

static void account_in_other_order(struct buf *b)
{
	admin_record_number(b, ADMIN_BOOL, "send_only", 1);
	admin_record_text(b, "address", STR("\x1b[31mred@example.org"));
	admin_record_text(b, "surplus", STR("x"));
}

static void server(struct buf *b)
{
	admin_record_text(b, "type", STR("server"));
	admin_record_text(b, "version", STR("1"));
	admin_record_number(b, ADMIN_INT, "mailbox_messages", 12);
}

static void process(struct buf *b)
{
	admin_record_text(b, "type", STR("process"));
	admin_record_text(b, "name", STR("store"));
	admin_record_number(b, ADMIN_INT, "pid", 77);
}

static void disk(struct buf *b)
{
	admin_record_text(b, "type", STR("disk"));
	admin_record_number(b, ADMIN_INT, "free", 5);
}

static void run(enum cli_records_shape shape, bool is_json, void (*const *fills)(struct buf *),
    const char *want)
{
	struct cli_records r;

	buf_init(&collected, MIB);
	cli_records_init(&r, shape, is_json, collect);
	while (*fills)
		put(&r, *fills++);
	cli_records_end(&r, true);
	assert_string_equal(buf_cstr(&collected), want);
	buf_fini(&collected);
}

static void (*const accounts[])(struct buf *) = {account, account_in_other_order, NULL};
static void (*const status[])(struct buf *) = {server, process, process, disk, NULL};
static void (*const none[])(struct buf *) = {NULL};

static void test_table(void **state)
{
	run(CLI_RECORDS_LIST, false, accounts,
	    "ADDRESS               USED BYTES  SEND ONLY  CREATED\n"
	    "bob@example.org           1.5 KB  no         -\n"
	    " [31mred@example.org              yes        \n");
}

static void test_json_list(void **state)
{
	run(CLI_RECORDS_LIST, true, accounts,
	    "[\n  {\"address\": \"bob@example.org\", \"used_bytes\": 1536, \"send_only\": false, "
	    "\"created\": null},\n"
	    "  {\"send_only\": true, \"address\": \"\\u001b[31mred@example.org\", "
	    "\"surplus\": \"x\"}\n]\n");
	run(CLI_RECORDS_LIST, true, none, "[]\n");
	run(CLI_RECORDS_LIST, false, none, "");
}

static void test_card(void **state)
{
	run(CLI_RECORDS_CARD, false, status,
	    "Version                   1\nMailbox messages          12\n\n"
	    "NAME   PID\nstore   77\nstore   77\n\nFREE\n   5\n");
}

static void test_json_card(void **state)
{
	run(CLI_RECORDS_CARD, true, status,
	    "{\n  \"version\": \"1\",\n  \"mailbox_messages\": 12,\n"
	    "  \"processes\": [{\"name\": \"store\", \"pid\": 77}, {\"name\": \"store\", \"pid\": 77}],\n"
	    "  \"disks\": [{\"free\": 5}]\n}\n");
	run(CLI_RECORDS_CARD, true, none, "{}\n");
}

/* An array that is expected stands there empty, but only behind a card. */
static void test_json_card_without_records(void **state)
{
	static const struct {
		void (*fills[3])(struct buf *);
		const char *want;
	} rows[] = {
	    {{server},
		"{\n  \"version\": \"1\",\n  \"mailbox_messages\": 12,\n  \"disks\": []\n}\n"},
	    {{server, disk}, "{\n  \"version\": \"1\",\n  \"mailbox_messages\": 12,\n"
			     "  \"disks\": [{\"free\": 5}]\n}\n"},
	    {{NULL}, "{}\n"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cli_records r;

		buf_init(&collected, MIB);
		cli_records_init(&r, CLI_RECORDS_CARD, true, collect);
		cli_records_always(&r, STR("disk"));
		for (size_t k = 0; rows[i].fills[k]; k++)
			put(&r, rows[i].fills[k]);
		cli_records_end(&r, true);
		assert_string_equal(buf_cstr(&collected), rows[i].want);
		buf_fini(&collected);
	}
}

static void message(struct buf *b)
{
	admin_record_text(b, "id", STR("0anz00000000"));
	admin_record_number(b, ADMIN_INT, "size", 7);
}

/* Each without a type begins one, with what follows it inside. */
static void test_cards(void **state)
{
	static void (*const two[])(struct buf *) = {
	    message, process, process, disk, message, process, NULL};

	run(CLI_RECORDS_CARDS, false, two,
	    "Id                        0anz00000000\nSize                      7\n\n"
	    "NAME   PID\nstore   77\nstore   77\n\nFREE\n   5\n\n"
	    "Id                        0anz00000000\nSize                      7\n\n"
	    "NAME   PID\nstore   77\n");
	run(CLI_RECORDS_CARDS, true, two,
	    "[\n  {\"id\": \"0anz00000000\", \"size\": 7, "
	    "\"processes\": [{\"name\": \"store\", \"pid\": 77}, {\"name\": \"store\", \"pid\": 77}], "
	    "\"disks\": [{\"free\": 5}]},\n"
	    "  {\"id\": \"0anz00000000\", \"size\": 7, \"processes\": [{\"name\": \"store\", \"pid\": 77}]}\n]\n");
	run(CLI_RECORDS_CARDS, true, none, "[]\n");
	run(CLI_RECORDS_CARDS, false, none, "");
}

static void waiting(struct buf *b)
{
	admin_record_text(b, "id", STR("0anz00000000"));
	admin_record_text(b, "note", STR("nobody sees this"));
	admin_record_number(b, ADMIN_TIME, "since", (int64_t)1779566073 * 1000);
	admin_record_text(b, "recipient", STR("bob@example.org"));
	admin_record_text(b, "reply", STR("450 \x1b[31mlater"));
}

static void silent(struct buf *b)
{
	admin_record_text(b, "recipient", STR("carl@example.org"));
	admin_record_text(b, "id", STR("0anz00000001"));
	admin_record_number(b, ADMIN_TIME, "since", 0);
	admin_record_text(b, "reply", STR(""));
}

static void test_view(void **state)
{
	static const struct cli_view view = {
	    STR_INIT("id since recipient none"), STR_INIT("reply")};
	struct cli_records r;

	setenv("TZ", "UTC", 1);
	buf_init(&collected, MIB);
	cli_records_init(&r, CLI_RECORDS_LIST, false, collect);
	cli_records_view(&r, &view);
	put(&r, waiting);
	put(&r, silent);
	cli_records_end(&r, true);
	assert_string_equal(buf_cstr(&collected),
	    "ID            SINCE        RECIPIENT         NONE\n"
	    "0anz00000000  05-23 19:54  bob@example.org   \n"
	    "    450  [31mlater\n"
	    "0anz00000001  -            carl@example.org  \n");
	buf_clear(&collected);

	cli_records_init(&r, CLI_RECORDS_LIST, true, collect);
	cli_records_view(&r, &view);
	put(&r, waiting);
	cli_records_end(&r, true);
	assert_non_null(strstr(buf_cstr(&collected), "nobody sees this"));
	buf_fini(&collected);
}

static void test_failure_prints_nothing(void **state)
{
	struct cli_records r;

	buf_init(&collected, MIB);
	cli_records_init(&r, CLI_RECORDS_LIST, true, collect);
	cli_records_end(&r, false);
	assert_int_equal(collected.n, 0);

	cli_records_init(&r, CLI_RECORDS_LIST, true, collect);
	put(&r, process);
	cli_records_end(&r, false);
	assert_string_equal(buf_cstr(&collected),
	    "[\n  {\"type\": \"process\", \"name\": \"store\", \"pid\": 77}\n]\n");
	buf_fini(&collected);
}

static void test_malformed(void **state)
{
	struct cli_records r;

	buf_init(&collected, MIB);
	cli_records_init(&r, CLI_RECORDS_LIST, false, collect);
	assert_int_equal(cli_records_put(&r, STR("\x09nonsense")), -1);
	cli_records_end(&r, true);
	assert_int_equal(collected.n, 0);
	buf_fini(&collected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_json_list),
	    cmocka_unit_test(test_card),
	    cmocka_unit_test(test_json_card),
	    cmocka_unit_test(test_json_card_without_records),
	    cmocka_unit_test(test_cards),
	    cmocka_unit_test(test_view),
	    cmocka_unit_test(test_failure_prints_nothing),
	    cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests_name("cli/records", tests, NULL, NULL);
}
