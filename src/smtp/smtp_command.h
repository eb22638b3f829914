/* A command line of SMTP or LMTP, bytes to tagged union [RFC 5321 4.1.1]. Knows no state. */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "smtp/smtp_param.h"
#include "smtp/smtp_path.h"

enum smtp_verb {
	SMTP_VERB_NONE, /* no verb we know */
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_LHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_VERBS, /* how many */
};

enum smtp_syntax {
	SMTP_SYNTAX_OK,
	SMTP_SYNTAX_VERB,          /* no such command */
	SMTP_SYNTAX_OCTETS,        /* NUL or another control character, or no UTF-8 */
	SMTP_SYNTAX_ARGUMENTS,     /* an argument is missing, malformed or too much */
	SMTP_SYNTAX_PATH,          /* malformed path */
	SMTP_SYNTAX_PATH_LONG,     /* path above the limits */
	SMTP_SYNTAX_PARAM_UNKNOWN, /* parameter not implemented */
	SMTP_SYNTAX_PARAM,         /* parameter with a wrong value, or given twice */
	SMTP_SYNTAXES,             /* how many */
};

struct smtp_command {
	enum smtp_verb verb;
	bool has_8bit; /* in MAIL and RCPT only: needs SMTPUTF8 */
	union {
		struct str helo;
		struct {
			struct smtp_path path;
			struct smtp_mail_params params;
		} mail;
		struct {
			struct smtp_path path;
			struct smtp_rcpt_params params;
		} rcpt;
		struct {
			uint64_t size;
			bool last;
		} bdat;
		struct {
			struct str mechanism;
			bool has_initial;
			struct str initial;
		} auth; /* views into the line */
	};
};

/*
 * Parses a line without its CRLF. Strings of paths and parameters are allocated in a. The verb is
 * set whatever is returned; the rest only with OK.
 */
enum smtp_syntax smtp_command_parse(struct str line, struct arena *a, struct smtp_command *cmd_r);

/* The name of a verb, upper case, static; "?" for SMTP_VERB_NONE. */
struct str smtp_verb_name(enum smtp_verb verb);

#endif
