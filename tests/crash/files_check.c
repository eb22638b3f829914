/*
 * The command is run again on what is left, as an administrator would, and what it makes is looked at by
 * the same checks as every other state (store_check.c).
 */
#include "files_check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "memory.h"
#include "program.h"
#include "promises.h"
#include "store/store.h"
#include "store_run.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What was said, or a part of it. */
struct said {
	char *p;
	size_t n;
};

static char told[1024]; /* by the command that ran last, on standard error */
static int nowhere = -1;

/* What it tells is kept; what it prints is nobody's. */
static int run(const char *const *words)
{
	ssize_t n;
	int code;

	if (nowhere < 0) {
		nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		MUST(nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0);
	}
	MUST(ftruncate(STDERR_FILENO, 0) == 0 && lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
	code = program_run(words);
	n = pread(STDERR_FILENO, told, sizeof told - 1, 0);
	told[n > 0 ? n : 0] = '\0';
	MUST(ftruncate(STDERR_FILENO, 0) == 0 && lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
	return code;
}

static void must_run(const char *invariant, const char *const *words)
{
	int code = run(words);

	if (code != EX_OK)
		promises_broken("%s: %s ends with %d: %s", invariant, words[0], code, told);
}

static bool is_there(const char *name)
{
	return access(name, F_OK) == 0;
}

/* The store in a directory, against what was said. */
static void check_in(const char *dir, const struct said *said)
{
	MUST(chdir(dir) == 0);
	(void)store_check(said->p, said->n, true);
	MUST(chdir("..") == 0);
}

/* ---- what was said ---- */

static bool has_said(const struct said *said, const char *line)
{
	return memmem(said->p, said->n, line, strlen(line));
}

/* Behind the last line of these words; 0: there is none. */
static size_t behind(const struct said *said, const char *line)
{
	size_t n = strlen(line), at = 0;

	for (size_t i = 0; i + n <= said->n; i++) {
		if (memcmp(said->p + i, line, n) == 0)
			at = i + n;
	}
	return at;
}

/* What the last backup that was answered must have: all until then. Of what came later it may have any. */
static struct said said_by_backup(const struct said *said)
{
	struct said out = {mem_alloc(said->n + 1), behind(said, "ok backup\n")};

	memcpy(out.p, said->p, out.n);
	for (size_t i = out.n, n; i < said->n; i += n) {
		const char *end = memchr(said->p + i, '\n', said->n - i);

		n = end ? (size_t)(end - said->p) + 1 - i : said->n - i;
		if (n > 4 && memcmp(said->p + i, "ask ", 4) == 0) {
			memcpy(out.p + out.n, said->p + i, n);
			out.n += n;
		}
	}
	return out;
}

/* ---- backup ---- */

static void check_restored(const char *dir, const struct said *said)
{
	char lock[40], mark[40];

	snprintf(lock, sizeof lock, "%s/lock", dir);
	snprintf(mark, sizeof mark, "%s/restoring", dir);
	if (!is_there(lock) || is_there(mark))
		promises_broken("backup.md 6: %s was restored and is no data directory", dir);
	check_in(dir, said);
}

/* What the backup holds; false: there is none, and none is due. */
static bool restore(const struct said *said, const char *option, const char *dir)
{
	int code = run(WORDS("restore", option, "backup"));

	if (code == EX_NOINPUT && !has_said(said, "ok backup\n") && told[0])
		return false;
	if (code != EX_OK)
		promises_broken("backup.md 2: what was backed up is not there: %d: %s", code, told);
	check_restored(dir, said);
	return true;
}

/* The backup that the crash found, and the store that it was made of. */
uint64_t files_check_backup(void *ctx, const char *p, size_t n, bool whole)
{
	struct said all = {(char *)(uintptr_t)p, n}, said;

	if (!whole)
		return 0;
	said = said_by_backup(&all);
	(void)restore(&said, "--data=restored", "restored");
	mem_free(said.p);
	check_in("data", &all);
	return 0;
}

/* The next one is whole, whatever the one that was broken off has left. */
uint64_t files_check_backup_again(void *ctx, const char *p, size_t n, bool whole)
{
	struct said all = {(char *)(uintptr_t)p, n};

	if (!whole)
		return 0;
	check_in("data", &all); /* its server started in between */
	must_run("backup.md 2", WORDS("backup", "--data=data", "backup"));
	must_run("backup.md 1", WORDS("restore", "--data=restored", "backup"));
	check_restored("restored", &all);
	return 0;
}

/* ---- restore ---- */

static void must_be_refused(const char *dir, const char *what)
{
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	enum datadir_code code;
	struct err e = {""};

	if (store_open(dir, &cfg, &code, &e) || !e.text[0])
		promises_broken("%s", what);
}

/* From the lock on it is what the backup held. */
static void check_locked(const struct said *all)
{
	struct said said = said_by_backup(all);

	if (run(WORDS("restore", "--data=restored", "backup")) != EX_CANTCREAT)
		promises_broken("backup.md 6: a restore goes into a data directory");
	check_in("restored", &said);
	must_run("backup.md 6", WORDS("audit", "--data=restored"));
	if (is_there("restored/restoring"))
		promises_broken("backup.md 6: a data directory keeps the mark");
	mem_free(said.p);
}

/* What is half restored gives way to another backup, whose database is larger. */
uint64_t files_check_restore(void *ctx, const char *p, size_t n, bool whole)
{
	struct said said = {(char *)(uintptr_t)p, n};

	if (!whole)
		return 0;
	if (is_there("restored/lock")) {
		check_locked(&said);
		return 0;
	}
	if (has_said(&said, "ok restore\n"))
		promises_broken("backup.md 6: what was restored is no data directory");
	must_be_refused("restored", "backup.md 6: what is half restored is taken for whole");
	must_run("backup.md 6", WORDS("restore", "--data=restored", "larger"));
	check_restored("restored", &said);
	return 0;
}

/* ---- repair ---- */

/* Calls fn for each entry. */
static void each(const char *dir, void (*fn)(void *ctx, const char *name), void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)) != NULL)
		fn(ctx, entry->d_name);
	if (d)
		closedir(d);
}

struct kept {
	const char *dir, *end, *what;
	int64_t least; /* octets */
	int n;
};

static void count_kept(void *ctx, const char *name)
{
	struct kept *k = ctx;
	size_t n = strlen(name), end = strlen(k->end);
	char path[512];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", k->dir, name);
	if (n >= end && strcmp(name + n - end, k->end) == 0 && stat(path, &st) == 0 &&
	    st.st_size >= k->least)
		k->n++;
}

static void must_be_kept(const char *end, int64_t least, const char *what)
{
	struct kept k = {"data/quarantine", end, what, least, 0};

	each(k.dir, count_kept, &k);
	if (k.n == 0)
		promises_broken("%s", what);
}

/* The message that was damaged is given up. */
static struct said said_by_repair(const struct said *said)
{
	struct said out = {mem_alloc(said->n + 64), said->n};
	long long id = 0;
	size_t at = behind(said, "spoiled ");

	memcpy(out.p, said->p, said->n);
	MUST(at && sscanf(said->p + at, "%lld", &id) == 1);
	out.n += (size_t)snprintf(out.p + out.n, 64, "ok expunge 1 %lld\n", id);
	return out;
}

uint64_t files_check_repair(void *ctx, const char *p, size_t n, bool whole)
{
	struct said all = {(char *)(uintptr_t)p, n}, said;

	if (!whole)
		return 0;
	if (!has_said(&all, "ok repair\n"))
		must_run("pack.md", WORDS("store", "repair", "--data=data"));
	must_run("pack.md", WORDS("store", "verify", "--rate=0", "--data=data"));
	must_be_kept(".eml", 100, "salvage.md 1: what is left of a message is not in quarantine/");
	must_be_kept(".pack", 100, "salvage.md 1: a damaged pack is not in quarantine/");
	said = said_by_repair(&all);
	check_in("data", &said);
	mem_free(said.p);
	return 0;
}

/* ---- salvage ---- */

uint64_t files_check_salvage(void *ctx, const char *p, size_t n, bool whole)
{
	struct said said = {(char *)(uintptr_t)p, n};

	if (!whole)
		return 0;
	if (!has_said(&said, "ok salvage\n")) {
		(void)run(
		    WORDS("audit", "--data=data")); /* a start changes nothing for the worse */
		must_run("salvage.md 2", WORDS("store", "salvage", "--data=data", "ann@a.test"));
	}
	must_run("salvage.md", WORDS("store", "verify", "--rate=0", "--data=data"));
	if (has_said(&said, "spoiled store.db\n"))
		must_be_kept("", 4096, "salvage.md 1: the old database is not in quarantine/");
	check_in("data", &said);
	return 0;
}
