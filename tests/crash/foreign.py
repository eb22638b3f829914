#!/usr/bin/env python3
"""foreign.py EXPLORER SAMPLE HOW [OPTION...]: records a program, HOW being its arguments, and explores it."""

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
    subprocess.run([explorer, "record", recording, work, "--", sample, *how.split()], check=True)
    sys.exit(subprocess.run([explorer, "check", recording, *options, "--", sample, "check"]).returncode)
