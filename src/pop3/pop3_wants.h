/* What both engines tell their drivers about the connection; the bits are those of the SMTP engines. */
#ifndef POP3_WANTS_H
#define POP3_WANTS_H

#include <stdint.h>

/* Bits of wants(). */
enum pop3_wants {
	POP3_WANTS_READ = 1,
	POP3_WANTS_WRITE = 2,
	POP3_WANTS_CLOSE =
	    4, /* out() is empty, nothing is pending: close the connection and free */
};

/* A deadline that never comes. */
#define POP3_NEVER INT64_MAX

#endif
