/* The files of a Maildir, and where one is that another program moves while they are imported. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_below.h"
#include "cli/cli_import.h"
#include "mime/mime_maildir.h"

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static char *join(const char *sub, const char *name)
{
	size_t nsub = strlen(sub), n = strlen(name);
	char *p = mem_alloc(nsub + n + 2);

	memcpy(p, sub, nsub);
	p[nsub] = '/';
	memcpy(p + nsub + 1, name, n);
	return p;
}

/* Entries in order, to be freed with free(). None where there is no such directory. -1: errno. */
static int entries(int maildir, const char *sub, struct dirent ***v_r)
{
	int dir = cli_below_open(maildir, str_of_c(sub)), n;

	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	n = scandirat(dir, ".", v_r, not_hidden, alphasort);
	close(dir);
	return n;
}

/* A list of what one of its directories holds. */
static char **list_one(int maildir, const char *sub, struct err *e)
{
	struct dirent **v = NULL;
	int n = entries(maildir, sub, &v);
	char **list;

	if (n < 0) {
		err_set(e, "%s in it cannot be read: %s", sub, cli_below_reason(errno));
		return NULL;
	}
	list = mem_alloc(((size_t)n + 1) * sizeof *list);
	for (int i = 0; i < n; i++) {
		list[i] = join(sub, v[i]->d_name);
		free(v[i]);
	}
	list[n] = NULL;
	free(v);
	return list;
}

static size_t length(char **list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

/* new is looked at first: what goes on to cur meanwhile is found in one of them at least. */
char **cli_import_list(int maildir, struct err *e)
{
	char **later = list_one(maildir, "new", e), **list;
	size_t n, nlater;

	if (!later)
		return NULL;
	list = list_one(maildir, "cur", e);
	if (!list) {
		cli_import_list_free(later);
		return NULL;
	}
	n = length(list);
	nlater = length(later);
	list = mem_resize(list, (n + nlater + 1) * sizeof *list);
	memcpy(list + n, later, (nlater + 1) * sizeof *list);
	mem_free(later);
	return list;
}

void cli_import_list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		mem_free(list[i]);
	mem_free(list);
}

char *cli_import_list_moved(int maildir, const char *file)
{
	struct dirent **v = NULL;
	struct str base = mime_maildir_base(str_from(str_of_c(file), 4)); /* behind "new/" */
	int n = entries(maildir, "cur", &v);
	char *found = NULL;

	for (int i = 0; i < n; i++) {
		if (!found && str_eq(mime_maildir_base(str_of_c(v[i]->d_name)), base))
			found = join("cur", v[i]->d_name);
		free(v[i]);
	}
	free(v);
	return found;
}
