#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "repair_rig.h"

#include <fcntl.h>
#include <unistd.h>

struct rig rig;
struct store store; /* the rig, as the repair sees it */
struct arena *arena;
int64_t ann, ids[MESSAGES];
struct str before[MESSAGES];
struct repair last;

struct fault fault;

struct str content(int64_t number)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct str text = rig_read(&rig, arena, &s, number);

	mailbox_snapshot_fini(&s);
	return text;
}

int64_t live(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s);

	mailbox_snapshot_fini(&s);
	return n;
}

int setup(void **state)
{
	char text[64];

	arena = arena_new();
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	rig_alias(&rig, "alias@a.test", "ann@a.test");
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof text, "Subject: %d\r\n\r\ntext\r\n", i);
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text, &ids[i]));
		before[i] = content(i + 1);
	}
	return 0;
}

int teardown(void **state)
{
	rig_close(&rig);
	arena_free(&arena);
	return 0;
}

void prepare(bool (*recover)(void *ctx))
{
	store = damage_store(&rig);
	last = (struct repair){
	    .recover = recover, .who = STR("repair_rig.c"), .what = STR("repair")};
}

void run(bool (*recover)(void *ctx))
{
	prepare(recover);
	if (!repair_run(&last, &store))
		fail_msg("%s", last.err.text);
}

/* All messages but one of that index (-1: all), as they were. */
void must_have_all_but(int lost)
{
	int64_t number = 0;

	assert_int_equal(live(), MESSAGES - (lost >= 0));
	for (int i = 0; i < MESSAGES; i++)
		if (i != lost)
			assert_true(str_eq(content(++number), before[i]));
}

/* All, and one behind them. */
void must_have_and_one(void)
{
	assert_int_equal(live(), MESSAGES + 1);
	for (int i = 0; i < MESSAGES; i++)
		assert_true(str_eq(content(i + 1), before[i]));
}

void flip_in(const char *name, int64_t at)
{
	uint8_t octet;
	int fd = open(name, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= 4;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	close(fd);
}

bool is_there(const char *name)
{
	return access(name, F_OK) == 0;
}

/* A large message, and one behind it; of the large one a block in the middle fails to be read. */
void fail_a_block(int error)
{
	static char large[16 * 1024];

	memset(large, 'x', sizeof large - 1);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", large, NULL));
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "behind\r\n", NULL));
	fault_init(&fault);
	rig.fault = &fault;
	rig_restart(&rig);
	fault_block(&fault, "packs/0000000001.pack",
	    rig_number(&rig, "SELECT pos + 8192 FROM blob ORDER BY length DESC LIMIT 1"), error);
}

void end_fault(void)
{
	fault.bad_file = 0;
	rig.fault = NULL;
	rig_restart(&rig);
	fault_fini(&fault);
}
