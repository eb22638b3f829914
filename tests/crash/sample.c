/*
 * A program for the explorer's own test: saves a number over and over, as a new file in the old one's
 * place, and says each one that is safe. "right" syncs what it must, "no-file" not the octets, "no-name" not
 * the directory. "others" does so by calls that are used more seldom, "by-flag" into a file that is opened to be
 * synced by each write, "no-flag" into one that is not; "moves" renames a directory. "check" is the other half: run in a state, it compares with what
 * was said.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROUNDS 4

static int save(int number, int sync_file, int sync_name)
{
	char text[64];
	int n = snprintf(text, sizeof text, "the number is %d\n", number);
	int fd = open("new", O_WRONLY | O_CREAT | O_EXCL, 0600);
	int dir = open(".", O_RDONLY | O_DIRECTORY);

	if (fd < 0 || dir < 0 || write(fd, text, (size_t)n) != n)
		return 1;
	if ((sync_file && fsync(fd) != 0) || rename("new", "data") != 0)
		return 1;
	if (sync_name && fsync(dir) != 0)
		return 1;
	close(fd);
	close(dir);
	n = snprintf(text, sizeof text, "saved %d\n", number);
	return write(STDOUT_FILENO, text, (size_t)n) != n;
}

/* Into a file with a name that was free, partly by the kernel alone; `sync` cuts it to what it should be, durably. */
static int save_otherwise(int number, int flag, int sync)
{
	char text[64], name[] = "new.XXXXXX";
	int n = snprintf(text, sizeof text, "the number is %d\nthe number is 0\n", number);
	int much = sync ? n : n - 16;
	struct iovec iov = {text, 4};
	int from = memfd_create("text", 0), fd = mkostemp(name, flag);
	int dir = open(".", O_RDONLY | O_DIRECTORY);

	if (from < 0 || fd < 0 || dir < 0 || write(from, text, (size_t)n) != n)
		return 1;
	if (pwritev2(fd, &iov, 1, -1, 0) != 4 || lseek(from, 4, SEEK_SET) != 4)
		return 1;
	if (sendfile(fd, from, NULL, (size_t)much - 4) != much - 4)
		return 1;
	if (sync && (truncate(name, n - 16) != 0 || fsync(fd) != 0))
		return 1;
	if (renameat2(AT_FDCWD, name, AT_FDCWD, "data", 0) != 0 || fsync(dir) != 0)
		return 1;
	close(from);
	close(fd);
	close(dir);
	n = snprintf(text, sizeof text, "saved %d\n", number);
	return write(STDOUT_FILENO, text, (size_t)n) != n;
}

static int move_directory(void)
{
	int fd;

	if (mkdir("old", 0700) != 0 || (fd = open("old/file", O_WRONLY | O_CREAT, 0600)) < 0)
		return 1;
	close(fd);
	return rename("old", "new") != 0;
}

/* The number behind the last of these words in the file. */
static int last_number(const char *file, const char *words)
{
	int fd = file ? open(file, O_RDONLY) : -1, number = 0, found;
	char text[256], *at = text;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	if (n > 0)
		close(fd);
	while ((at = strstr(at, words))) {
		at += strlen(words);
		if (sscanf(at, "%d", &found) == 1)
			number = found;
	}
	return number;
}

static int check(void)
{
	struct stat st;

	if (stat("data", &st) == 0 && last_number("data", "the number is ") == 0)
		return 1; /* it is never half there */
	return last_number("data", "the number is ") < last_number(getenv("CRASH_SAID"), "saved ");
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "check") == 0)
		return check();
	if (strcmp(argv[1], "moves") == 0)
		return move_directory();
	for (int i = 1; i <= ROUNDS && !failed; i++)
		if (strcmp(argv[1], "others") == 0)
			failed = save_otherwise(i, 0, 1);
		else if (strcmp(argv[1], "by-flag") == 0)
			failed = save_otherwise(i, O_SYNC, 0);
		else if (strcmp(argv[1], "no-flag") == 0)
			failed = save_otherwise(i, 0, 0);
		else
			failed = save(
			    i, strcmp(argv[1], "no-file") != 0, strcmp(argv[1], "no-name") != 0);
	return failed;
}
