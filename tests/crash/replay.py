#!/usr/bin/env python3
"""replay.py PROGRAM ARGUMENT...: an exploration that fails. What it prints makes the same state again, and that
is wrong in the same words; without what made it wrong the state is good."""

import os
import re
import subprocess
import sys


def run(command, want):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != want:
        sys.exit(f"{command} ended with {done.returncode}, not {want}:\n{done.stdout}")
    return done.stdout


def words_and_replay(output):
    found = re.search(r"a crash leaves a wrong state: (.*)replay: crash_explore ([^\n]*)\n", output, re.S)
    if not found:
        sys.exit(f"no replay in:\n{output}")
    return found.group(1), found.group(2).split()


program = os.path.abspath(sys.argv[1])
words, again = words_and_replay(run([program, *sys.argv[2:]], 1))
if ("--second-swallow" in again) != ("/" in again[again.index("--state") + 1]):
    sys.exit(f"a second crash is named as one, and only such a one: {again}")
same, _ = words_and_replay(run([program, *again], 1))
if same != words:
    sys.exit(f"first:\n{words}\nagain:\n{same}")
for option in ("--swallow", "--second-swallow"):
    if option in again and ":" not in " ".join(again):  # decisions are about what that sync left open
        at = again.index(option)
        run([program, *again[:at], *again[at + 2:]], 0)
print(f"{' '.join(again)}: {words}")
