/*
 * Command lines of POP3 [RFC 1939 3, 9]: a keyword, then arguments. Pure: each shape of arguments has
 * one parser, which the session's table of commands names.
 */
#ifndef POP3_COMMAND_H
#define POP3_COMMAND_H

#include "base/str.h"

/* The arguments; which fields are set depends on the parser. Views into the line. */
struct pop3_args {
	struct str text; /* a name, a password, a mechanism */
	bool has_number;
	uint64_t number; /* of a message; 1 is the first */
	uint64_t lines;  /* of TOP */
	bool has_initial;
	struct str initial; /* initial response of AUTH, as sent */
};

enum pop3_args_status {
	POP3_ARGS_OK,
	POP3_ARGS_BAD, /* *args_r untouched */
};

/* Reads everything behind the keyword and the one space that follows it. */
typedef enum pop3_args_status pop3_args_parser(struct str rest, struct pop3_args *args_r);

/* Splits a line without its CRLF into keyword and the rest behind one space (empty if none). */
struct str pop3_command_split(struct str line, struct str *rest_r);

pop3_args_parser pop3_args_none;         /* nothing */
pop3_args_parser pop3_args_maybe_number; /* [msg] */
pop3_args_parser pop3_args_number;       /* msg */
pop3_args_parser pop3_args_top;          /* msg n */
pop3_args_parser pop3_args_name; /* 1 to LIMIT_USER_NAME octets of UTF-8, no control characters */
pop3_args_parser
    pop3_args_password;          /* all of it, spaces too: 1 to LIMIT_PASSWORD octets of UTF-8 */
pop3_args_parser pop3_args_auth; /* mechanism [initial-response] [RFC 5034 4] */

#endif
