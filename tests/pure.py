#!/usr/bin/env python3
"""Are the engines pure? Usage: pure.py BASE.a ENGINE.a...

An engine has no input or output of its own: what its archive leaves undefined must be memory and
string functions, the assertion's end, or ours: another engine, or base without those of its functions
that read clocks or print. Exit 0 if so, else 1 with a line for each offender.
"""

import re
import subprocess
import sys

# What the compiler and the C library may be asked for.
ALLOWED = re.compile(r"""^(
    mem(cpy|move|set|cmp|chr|rchr|mem) | strlen |
    __mem(cpy|move|set)_chk | __stack_chk_fail | _GLOBAL_OFFSET_TABLE_ |
    _?_(asan|ubsan|sanitizer|sancov|llvm)_\w+ |                # builds with sanitizers
    __start___sancov\w* | __stop___sancov\w*
)$""", re.X)

# Functions of base that are not pure.
IMPURE = {"clock_now", "clock_mono", "buf_printf", "err_set", "err_sys"}


def symbols(archive):
    """(defined, undefined) names of an archive."""
    output = subprocess.run(["nm", "-P", archive], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    defined, undefined = set(), set()
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[1]) == 1:
            (undefined if words[1] in "Uw" else defined).add(words[0])
    return defined, undefined


def offenders(base, engines):
    """Lines about what the engines must not use. Nothing defined at all is an offence, too."""
    ours = symbols(base)[0] - IMPURE
    parsed = {engine: symbols(engine) for engine in engines}
    for defined, _ in parsed.values():
        ours |= defined
    for engine, (defined, undefined) in parsed.items():
        if not defined:
            yield f"{engine}: defines nothing"
        for name in sorted(undefined - ours):
            if not ALLOWED.match(name):
                yield f"{engine}: uses {name}"


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    found = list(offenders(arguments[0], arguments[1:]))
    print("\n".join(found) or f"{len(arguments) - 1} engines are pure")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
