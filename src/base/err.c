#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

int err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return -1;
}

const char *err_reason(int code)
{
	static const struct {
		int code;
		const char *reason;
	} known[] = {
	    {EACCES, "Permission denied (let this user do it, or run this as root)"},
	    {EPERM, "Operation not permitted (let this user do it, or run this as root)"},
	    {ENOENT, "No such file or directory (look at how the path is written)"},
	    {ENOTDIR, "Not a directory (a part of the path is a file; name another path)"},
	    {EISDIR, "Is a directory (name a file)"},
	    {ENAMETOOLONG, "File name too long (use a shorter path)"},
	    {ENOSPC, "No space left on device (make room on the disk)"},
	    {EDQUOT, "Disk quota exceeded (make room, or raise the quota of this user)"},
	    {EROFS, "Read-only file system (name another place, or mount it for writing)"},
	    {EIO, "Input/output error (the disk may be failing; the kernel's log says more)"},
	    {EMFILE, "Too many open files (raise the limit: ulimit -n, LimitNOFILE=)"},
	    {ENFILE, "Too many open files in system (raise fs.file-max: sysctl)"},
	    {ENOMEM, "Cannot allocate memory (give the machine more)"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].code == code)
			return known[i].reason;
	return strerror(code);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", err_reason(code));
	return -1;
}
