/*
 * What is done with whole data directories: backup and restore, damage and its cures. The store of the run
 * lies in data/ then, and is closed while a command has it.
 */
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "program.h"
#include "store/pack_format.h"

#define CONFIG                                                                                     \
	"hostname = \"mail.a.test\";\nuser_store = \"root\";\nmin_free = 0;\npack_size = \"1M\";\n"

static void put_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = (ssize_t)strlen(text);

	MUST(fd >= 0 && write(fd, text, (size_t)n) == n);
	close(fd);
}

/* The reserve is empty: its size would only cost time. */
void work_enter(void)
{
	bool made = mkdir("data", 0711) == 0;

	MUST(chdir("data") == 0);
	if (!made)
		return;
	MUST(mkdir("run", 0755) == 0);
	put_file("godwit.conf", CONFIG);
	put_file("reserve", "");
	put_file("lock", "");
}

/* A command beside data/, in a process of its own, which must succeed. */
static void command(const char *what, const char *const *words)
{
	int status = 0;
	pid_t pid;

	rig_pause(&work.rig);
	work_say("ask %s\n", what);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		MUST(chdir("..") == 0);
		_exit(program_run(words));
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	work_say("ok %s\n", what);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

void work_backup_all(void)
{
	command("backup", WORDS("backup", "--data=data", "backup"));
	rig_resume(&work.rig);
}

/* Another one, into another directory. */
void work_backup_larger(void)
{
	command("another", WORDS("backup", "--data=data", "larger"));
	rig_resume(&work.rig);
}

void work_restore_all(void)
{
	command("restore", WORDS("restore", "--data=restored", "backup"));
}

/* ---- damage: the last thing that is done before the run ---- */

static void spoil(const char *file, int64_t off, size_t n)
{
	uint8_t bytes[8192];
	int fd = open(file, O_RDWR | O_CLOEXEC);

	MUST(n <= sizeof bytes && fd >= 0 && pread(fd, bytes, n, off) == (ssize_t)n);
	for (size_t i = 0; i < n; i++)
		bytes[i] ^= 0xff;
	MUST(pwrite(fd, bytes, n, off) == (ssize_t)n);
	close(fd);
}

/* An octet of the oldest message, which only ann has. */
void work_spoil_message(void)
{
	char file[PACK_NAME_MAX];
	int64_t id = rig_number(&work.rig, "SELECT min(email) FROM membership WHERE account = 1");
	int64_t pack = rig_number(&work.rig, "SELECT pack FROM blob ORDER BY id LIMIT 1");
	int64_t pos = rig_number(&work.rig, "SELECT pos FROM blob ORDER BY id LIMIT 1");

	rig_pause(&work.rig);
	pack_name_put(file, "packs", pack);
	spoil(file, pos + (int64_t)PACK_RECORD + 100, 1);
	work_say("spoiled %lld\n", (long long)id);
	_exit(0);
}

void work_repair(void)
{
	command("repair", WORDS("store", "repair", "--data=data"));
}

/* The table of blobs, which the packs can give again. */
void work_spoil_database(void)
{
	int64_t page = rig_number(
	    &work.rig, "SELECT rootpage FROM sqlite_schema WHERE name = 'blob'");

	rig_pause(&work.rig);
	spoil("store.db", (page - 1) * 4096, 4096);
	work_say("spoiled store.db\n");
	_exit(0);
}

void work_lose_database(void)
{
	rig_pause(&work.rig);
	MUST(unlink("store.db") == 0);
	_exit(0);
}

void work_salvage(void)
{
	command("salvage", WORDS("store", "salvage", "--data=data", "ann@a.test"));
}
