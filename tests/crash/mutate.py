#!/usr/bin/env python3
"""mutate.py IN OUT OLD NEW: a source file with one place changed, for the tests of the tests.

The place must be there exactly once: code that has changed wants its mutation looked at again.
"""

import sys

source, target, old, new = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    text = file.read()
if text.count(old) != 1:
    sys.exit(f"mutate.py: {source} has this {text.count(old)} times, not once: {old}")
with open(target, "w", encoding="utf-8") as file:
    file.write(text.replace(old, new))
