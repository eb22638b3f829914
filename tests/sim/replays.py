#!/usr/bin/env python3
"""replays.py SIM SEED...: weeks that are told twice, step by step, are the same to the last octet. Some of them must
have killed processes and a clock that leaps."""

import itertools
import os
import subprocess
import sys

SPENT = b" weeks simulated, "  # how long it took to live through them
ALONE = {name: value for name, value in os.environ.items() if name != "SIM_SEEDS"}  # which makes thousands of one


def told(sim, seed):
    done = subprocess.run([sim, "--seed", seed, "-v"], env=ALONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = [line for line in done.stdout.splitlines(keepends=True) if SPENT not in line]
    if done.returncode:
        sys.exit(f"seed {seed} ended with {done.returncode}: {lines[-1:]}")
    return lines


def compare(seed, first, again):
    for number, (one, other) in enumerate(itertools.zip_longest(first, again), 1):
        if one != other:
            sys.exit(f"seed {seed} does not replay; line {number} is first:\n{one}\nand again:\n{other}")


program, *seeds = sys.argv[1:]
everything = []
for each in seeds:
    week = told(program, each)
    compare(each, week, told(program, each))
    everything += week
for event in (b" is killed", b" the clock leaps by ", b" admin  verb "):
    if not any(event in line for line in everything):
        sys.exit(f"no{event.decode()} in the weeks of {', '.join(seeds)}: choose other seeds")
print(f"{len(everything)} lines of {len(seeds)} weeks, twice the same")
