"""export_left.py FORM COUNT: checks what a power cut has left of an export of two mailboxes to out/ (docs/crash-testing.md).
Files that have their names are whole, their letters are in the list, and all are there once it was said."""

import glob
import os
import sys

form, count = sys.argv[1], int(sys.argv[2])
names, files_of_all = {
    "--mbox": (["out/x", "out/x.Work"], 2),
    "--maildir": (["out/x/cur/*", "out/x/.Work/cur/*"], 2 * count)}[form]
files = [path for name in names for path in glob.glob(name)]
for path in files:
    with open(path, "rb") as file:
        data = file.read()
    if not data.endswith((b"\nend\n", b"\nend\n\n")) or data.count(b"\nSubject: ") * files_of_all != 2 * count:
        sys.exit(f"{path} is not whole")
for path in files if form == "--maildir" else ():
    with open(os.path.dirname(path)[:-3] + "dovecot-keywords", encoding="ascii") as file:
        if {"a": "alpha", "b": "beta"}[path[-1]] not in [line.split()[1] for line in file]:
            sys.exit(f"{path} has a letter that the list does not have")
with open(os.environ["CRASH_SAID"], encoding="ascii") as file:
    if "exported" in file.read() and len(files) != files_of_all:
        sys.exit(f"not all are there: {files}")
