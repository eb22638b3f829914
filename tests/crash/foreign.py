#!/usr/bin/env python3
"""foreign.py EXPLORER SAMPLE HOW [OPTION...]: records a program, HOW being its arguments, and explores it.
With --refused WORDS it is to be one that cannot be recorded: the recorder says so and stops it."""

import os
import subprocess
import sys
import tempfile

explorer, sample = (os.path.abspath(path) for path in sys.argv[1:3])
how, *options = sys.argv[3:]
with tempfile.TemporaryDirectory() as scratch:
    recording = os.path.join(scratch, "recording")
    work = os.path.join(scratch, "work")
    os.mkdir(work)
    record = [explorer, "record", recording, work, "--", sample, *how.split()]
    if options[:1] == ["--refused"]:
        done = subprocess.run(record, stderr=subprocess.PIPE, text=True)
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode == 0 or options[1] not in done.stderr)
    subprocess.run(record, check=True)
    sys.exit(subprocess.run([explorer, "check", recording, *options, "--", sample, "check"]).returncode)
