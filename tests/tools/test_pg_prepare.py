"""The statements' test on PostgreSQL: a package that is missing is a failure, not a test left out."""

import os
import subprocess

from loader import ROOT

SCRIPT = os.path.join(ROOT, "tests/unit/store/pg_prepare")
PROGRAMS = "bin=/usr/lib/postgresql/15/bin\n"


def test_missing_package(tmp_path):
    with open(SCRIPT, encoding="utf-8") as file:
        text = file.read()
    assert PROGRAMS in text
    elsewhere = text.replace(PROGRAMS, f"bin={tmp_path}\n")
    done = subprocess.run(["sh", "-c", elsewhere, "pg_prepare", "true"], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 1
    assert done.stdout == "not ok 1 - PostgreSQL 15 is not installed (package postgresql-15)\n1..1\n"
