/*
 * A run on the real store: some requests drawn by a seed, or a small run, in which few requests of a kind
 * follow each other and every state can be looked at.
 */
#include "work.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "memory.h"
#include "store_run.h"

#define NOON INT64_C(1795435200000)

struct qrig work;
const char *const work_people[WORK_PEOPLE] = {"ann@a.test", "bob@a.test", "cat@a.test"};

void work_say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	MUST(n > 0 && (size_t)n < sizeof line);
	MUST(write(STDOUT_FILENO, line, (size_t)n) == n);
}

static void nothing(struct lane_op *op)
{
}

void work_reopen(void)
{
	struct lane_stats stats;

	lane_stats(work.rig.lane, &stats);
	if (!stats.closed)
		return;
	work_say("closed: %s\n", stats.reason.text);
	qrig_restart(&work);
}

bool work_run(struct lane_op *op)
{
	op->done = nothing;
	lane_run_one(work.rig.lane, op, work.rig.now);
	if (op->result == LANE_CLOSED) {
		work_reopen();
		return false;
	}
	if (op->result != LANE_DONE)
		mem_bug(__FILE__, __LINE__, op->err.text);
	return true;
}

/* What is there already is refused, which is as good. */
static void add_people(void)
{
	work_say("ask people\n");
	rig_change(&work.rig, DIRECTORY_DOMAIN_ADD, "a.test", NULL);
	for (size_t i = 0; i < WORK_PEOPLE; i++)
		rig_change(&work.rig, DIRECTORY_ACCOUNT_ADD, work_people[i], NULL);
	rig_change(&work.rig, DIRECTORY_ALIAS_ADD, WORK_ALIAS, "far@d0.test");
	work_say("ok people\n");
}

static void begin(uint64_t seed, int generation)
{
	struct fsio fs;

	seed = seed * 0x9e3779b97f4a7c15 + (uint64_t)generation + 1;
	chance_begin(seed);
	memory_fix_chance((uint32_t)(seed >> 32));
	fsio_init(&fs, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	work = (struct qrig){.world = work_world, .rig.pack_size = STORE_PACK};
	rig_begin(&work.rig, fs);
	work.rig.now = NOON + generation * DAY_MS;
	qrig_configure(&work);
}

_Noreturn static void end(void)
{
	work_say("end\n");
	_exit(0); /* as a machine ends: nothing is closed */
}

/* ---- drawn runs ---- */

static const struct chance_step steps[] = {
    {18, work_send_batch},
    {9, work_send_many},
    {5, work_send_large},
    {4, work_send_fill},
    {3, work_send_marked},
    {4, work_send_wish},
    {3, work_send_on},
    {4, work_full},
    {11, work_expunge},
    {5, work_keywords},
    {4, work_leave},
    {6, work_undelete},
    {5, work_import},
    {2, work_quota},
    {2, work_warn},
    {5, work_lease},
    {6, work_settle},
    {4, work_way},
    {3, work_reports},
    {1, work_release},
    {3, work_change_queue},
    {5, work_time},
    {4, work_checkpoint},
    {2, work_compact},
    {1, work_backup},
    {2, work_restart},
};

void store_work(uint64_t seed, int n, int generation)
{
	begin(seed, generation);
	add_people();
	for (int i = 0; i < n; i++)
		chance_run(steps, sizeof steps / sizeof *steps);
	end();
}

/* ---- a data directory of an earlier version ---- */

static struct str read_file(const char *path, uint8_t *p, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, p, max);

	MUST(n >= 0 && (size_t)n < max);
	close(fd);
	p[n] = '\0';
	return str_of(p, (size_t)n);
}

/* As tests/data has it: the database as SQL, and its pack. */
static void make_version_1(void)
{
	uint8_t *bytes = mem_alloc(MIB);
	sqlite3 *raw = NULL;
	struct str pack;
	int fd;

	MUST(sqlite3_open("store.db", &raw) == SQLITE_OK);
	MUST(sqlite3_exec(raw, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL", NULL,
		 NULL, NULL) == SQLITE_OK);
	(void)read_file(CRASH_VERSION_1 "/store.sql", bytes, MIB);
	MUST(sqlite3_exec(raw, (const char *)bytes, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(raw);
	pack = read_file(CRASH_VERSION_1 "/0000000001.pack", bytes, MIB);
	fd = mkdir("packs", 0700) == 0
		 ? open("packs/0000000001.pack", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
		 : -1;
	MUST(fd >= 0 && write(fd, pack.p, pack.n) == (ssize_t)pack.n);
	close(fd);
	mem_free(bytes);
}

static void open_version_1(void)
{
	work_say("ask migrate\n");
	begin(1, 1);
	work_say("ok migrate\n");
}

/* ---- small runs ---- */

#define SMALL_STEPS 8

/* before: what is done first and not explored. */
static const struct small {
	const char *name;
	enum store_subject subject;
	void (*before[SMALL_STEPS])(void);
	void (*steps[SMALL_STEPS])(void);
} smalls[] = {
    {"people", STORE_REQUESTS, {work_checkpoint}, {add_people}},
    {"send", STORE_REQUESTS, {add_people, work_send_one}, {work_send_one}},
    {"marked", STORE_REQUESTS, {add_people}, {work_send_marked}},
    {"large", STORE_REQUESTS, {add_people}, {work_send_large}},
    {"fill", STORE_REQUESTS, {add_people, work_send_fill, work_send_fill},
	{work_send_fill, work_send_fill}},
    {"mailbox", STORE_REQUESTS, {add_people, work_send_one, work_send_one},
	{work_expunge, work_undelete, work_import}},
    {"keywords", STORE_REQUESTS, {add_people, work_send_marked, work_send_two},
	{work_keywords, work_keywords}},
    {"leave", STORE_REQUESTS, {add_people, work_send_two}, {work_leave, work_leave}},
    {"queue", STORE_REQUESTS, {add_people, work_send_away}, {work_lease, work_settle}},
    {"way", STORE_REQUESTS, {add_people, work_send_away, work_send_away}, {work_way, work_settle}},
    {"reports", STORE_REQUESTS, {add_people, work_send_many},
	{work_lease, work_settle, work_reports}},
    {"checkpoint", STORE_REQUESTS, {add_people, work_send_one}, {work_checkpoint, work_send_one}},
    {"compact", STORE_REQUESTS,
	{add_people, work_send_fill, work_send_fill, work_send_fill, work_send_fill, work_send_fill,
	    work_expunge_most, work_forget},
	{work_compact_first}},
    {"wishes", STORE_REQUESTS, {add_people, work_send_later}, {work_send_later, work_cancel}},
    {"forward", STORE_REQUESTS, {add_people}, {work_send_on, work_lease, work_settle}},
    {"quota", STORE_REQUESTS, {add_people, work_send_two}, {work_quota, work_warn}},
    {"migrate", STORE_MIGRATES, {make_version_1}, {open_version_1}},
    {"backup-first", STORE_BACKUP, {add_people, work_send_one}, {work_backup_all}},
    {"backup-next", STORE_BACKUP,
	{add_people, work_send_one, work_send_large, work_backup_all, work_expunge, work_send_one},
	{work_backup_all}},
    {"backup-again", STORE_BACKUP_AGAIN,
	{add_people, work_send_one, work_backup_all, work_expunge, work_send_large},
	{work_backup_all}},
    {"restore", STORE_RESTORE,
	{add_people, work_send_one, work_backup_all, work_send_pages, work_backup_larger},
	{work_restore_all}},
    {"repair", STORE_REPAIR, {add_people, work_send_one, work_send_one, work_spoil_message},
	{work_repair}},
    {"salvage", STORE_SALVAGE, {add_people, work_send_one, work_send_one, work_spoil_database},
	{work_salvage}},
    {"salvage-lost", STORE_SALVAGE, {add_people, work_send_one, work_send_one, work_lose_database},
	{work_salvage}},
};

/* ---- small runs, by name ---- */

static void run_steps(void (*const *v)(void))
{
	for (size_t i = 0; i < SMALL_STEPS && v[i]; i++)
		v[i]();
}

static const struct small *find(const char *name)
{
	size_t i = 0;

	while (i < sizeof smalls / sizeof *smalls && strcmp(smalls[i].name, name) != 0)
		i++;
	MUST(i < sizeof smalls / sizeof *smalls);
	return &smalls[i];
}

enum store_subject store_small_subject(const char *name)
{
	return find(name)->subject;
}

void store_small(const char *name, bool before)
{
	const struct small *small = find(name);

	if (small->subject > STORE_MIGRATES)
		work_enter();
	if (small->subject != STORE_MIGRATES && (before || small->subject < STORE_CLOSED))
		begin(1 + (uint64_t)(small - smalls), !before);
	run_steps(before ? small->before : small->steps);
	if (before)
		_exit(0);
	end();
}
