/* What both engines tell their drivers about the connection. */
#ifndef SMTP_WANTS_H
#define SMTP_WANTS_H

#include <stdint.h>

/* Bits of wants(). */
enum smtp_wants {
	SMTP_WANTS_READ = 1,
	SMTP_WANTS_WRITE = 2,
	SMTP_WANTS_CLOSE =
	    4, /* out() is empty, nothing is pending: close the connection and free */
};

/* A deadline that never comes. */
#define SMTP_NEVER INT64_MAX

#endif
