#!/usr/bin/env python3
"""Are the banned functions banned? Usage: banned.py COMPILE_COMMANDS HEADER

Every source file of src is compiled with HEADER before everything else, and with the flags of one of
them a call of each banned function is an error that names it, while what may be used compiles. Exit
0 if so, else 1 with a line for each offender.
"""

import json
import os
import shlex
import subprocess
import sys

# Each in one line of C, with what it needs; the header includes theirs itself.
CALLS = {
    "strcpy": "strcpy(d, s)", "strcat": "strcat(d, s)", "strncpy": "strncpy(d, s, 1)",
    "strncat": "strncat(d, s, 1)", "stpcpy": "stpcpy(d, s)", "strtok": "strtok(d, s)",
    "strtok_r": "strtok_r(d, s, &e)", "sprintf": 'sprintf(d, "%d", 1)',
    "vsprintf": 'vsprintf(d, "%d", v)', "atoi": "atoi(s)", "atol": "atol(s)", "atoll": "atoll(s)",
    "strtol": "strtol(s, &e, 10)", "strtoul": "strtoul(s, &e, 10)", "strtoll": "strtoll(s, &e, 10)",
    "strtoull": "strtoull(s, &e, 10)", "strcasecmp": "strcasecmp(s, d)",
    "strncasecmp": "strncasecmp(s, d, 1)", "toupper": "toupper(1)", "tolower": "tolower(1)",
    "isalpha": "isalpha(1)", "isdigit": "isdigit(1)", "isalnum": "isalnum(1)",
    "isspace": "isspace(1)", "isprint": "isprint(1)",
}
# A use of some that may be used, so that it is not the frame which does not compile.
ALLOWED = "strlen(s) + (size_t)memcmp(d, s, 1)"
FRAME = """#include <stdarg.h>
void f(char *d, const char *s, char *e, va_list v);
void f(char *d, const char *s, char *e, va_list v)
{{
	(void)e;
	(void)({});
}}
"""


def flags(command):
    """The words of a command without its source and what it writes."""
    words = shlex.split(command)
    for word in ("-o", "-c", "-MQ", "-MF"):
        at = words.index(word)
        del words[at:at + 2]
    words.remove("-MD")
    return words


def compile_call(entry, call):
    """(exit status, messages) of a file with this call, compiled with the flags of an entry."""
    done = subprocess.run(flags(entry["command"]) + ["-fsyntax-only", "-x", "c", "-"],
                          cwd=entry["directory"], input=FRAME.format(call), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def has_header(entry, header):
    words = shlex.split(entry["command"])
    return any(word == "-include" and os.path.realpath(os.path.join(entry["directory"], name)) == header
               for word, name in zip(words, words[1:]))


def offenders(commands, header):
    source = os.path.join(os.path.dirname(os.path.dirname(header)), "")
    ours = [entry for entry in commands
            if os.path.realpath(os.path.join(entry["directory"], entry["file"])).startswith(source)]
    if not ours:
        yield f"no file of {source} is compiled"
        return
    for entry in ours:
        if not has_header(entry, header):
            yield f"{entry['file']}: is compiled without {header}"
    status, text = compile_call(ours[0], ALLOWED)
    if status:
        yield f"what is allowed does not compile:\n{text}"
    for name, call in CALLS.items():
        status, text = compile_call(ours[0], call)
        if status == 0 or f"sorry_{name}_is_a_banned_function" not in text:
            yield f"{name}: is not banned"


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        found = list(offenders(json.load(file), os.path.realpath(arguments[1])))
    print("\n".join(found) or f"{len(CALLS)} functions are banned")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
