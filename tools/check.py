"""./check: runs the suites, compares each with its budget, counts real test cases.

A suite is a function that returns a Result. Suites of Meson are found in the build itself, so that
a test registered there is run without a word here; one without a budget is a failure.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"  # Debian's: another one first in PATH has no pytest
JOBS = "2"
# The end-to-end tests mostly wait for others. The tests of a file stay together: they share a server.
SPREAD = ["-n", "8", "--dist", "loadfile"]
SPREAD_ASAN = ["-n", "4", "--dist", "loadfile"]  # it computes more than it waits, and a test's times are for one that goes on
CRASH_SECONDS = "350"  # for each of the explorer's runs in --long
SIM_SEEDS = "10000"  # weeks of the simulation in --long: all of them
TAIL = 60  # lines shown of a failed command
LOG = os.path.join(ROOT, "build", "check.log")  # what was too long to be shown

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# One compiler builds what is released, the other what the sanitizers look at: each gives its warnings once. They find
# the same behind -O1, in two thirds of the time. What a mutation shows does not depend on them.
BUILDS = {
    "build": ("gcc", []),
    "build-asan": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1", "-Ddebug=false",
                             "-Dc_args=-g1", "-Dmutations=false"]),
}


class Result:
    """Test cases of one suite. text is shown when something failed."""

    def __init__(self, passed=0, failed=0, skipped=0, text="", again=False):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.text = text
        self.notes = []  # lines that tests want shown
        self.again = again  # cases already counted by another suite: only failures count


def run(command, env=None):
    """Exit status and output of a command, standard error included."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace")
    return done.returncode, done.stdout


def tail(text):
    """Its last lines; the log has all of them."""
    lines = text.rstrip().split("\n")
    if len(lines) <= TAIL:
        return "\n".join(lines)
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    with open(LOG, "a", encoding="utf-8") as file:
        file.write(text)
    return "\n".join([f"... ({len(lines) - TAIL} lines before: {os.path.relpath(LOG, ROOT)})", *lines[-TAIL:]])


# ---- budgets ----

def read_budgets(path):
    """{suite: (seconds in check, seconds in --long)}; None where it does not run."""
    budgets = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            try:
                name, short, long = words[:3]
                budgets[name] = tuple(None if s == "-" else float(s) for s in (short, long))
            except ValueError:
                sys.exit(f"{path}:{number}: expected: suite seconds seconds-in-long")
    return budgets


# ---- counting ----

CMOCKA_RUNNING = re.compile(r"^\[=+\] (?:.*: )?Running (\d+) test\(s\)", re.M)
CMOCKA_COUNT = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (?:.*: )?(\d+) test\(s\)", re.M)
STATES_LINE = re.compile(r"^(\d+) crash states explored, (all|drawn)", re.M)
WEEKS_LINE = re.compile(r"^(?:\d+ weeks simulated|in these weeks: |not explained in these weeks: ).*$", re.M)
OTHERS = re.compile(r"crash/(foreign|example|replay)-")  # explored programs that are no mutations of ours
# What a changed program printed when the change was noticed.
CAUGHT_LINE = re.compile(r"^found: ", re.M)
SUM_LINE = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def count_cases(output, succeeded):
    """(passed, failed, skipped) of one test program, from what it printed and how it ended.

    A program that prints no counts is one case. One that ended badly has at least one failure,
    whatever it printed before, and what it did not come to is not counted as passed.
    """
    passed = failed = skipped = 0
    sums = SUM_LINE.findall(output)
    if CMOCKA_RUNNING.search(output):
        for word, number in CMOCKA_COUNT.findall(output):
            passed += int(number) if word == "PASSED" else 0
            failed += int(number) if word == "FAILED" else 0
            skipped += int(number) if word == "SKIPPED" else 0
    elif sums:
        passed = sum(int(p) for p, _ in sums)
        failed = sum(int(f) for _, f in sums)
    elif succeeded:
        passed = 1
    if not succeeded and failed == 0:
        failed = 1
    return passed, failed, skipped


def count_meson(log_path):
    """Counts of a Meson JSON log (one object a line) and the output of what failed."""
    result = Result()
    failures = []
    states = {"all": 0, "drawn": 0}
    caught = 0
    with open(log_path, encoding="utf-8", errors="replace") as file:
        for line in file:
            test = json.loads(line)
            if test["result"] == "SKIP":
                result.skipped += 1
                continue
            output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
            for number, how in STATES_LINE.findall(output):
                states[how] += int(number)
            if test["name"].endswith("sim/weeks"):
                result.notes += WEEKS_LINE.findall(output)
            caught += bool(CAUGHT_LINE.search(output)) and not OTHERS.search(test["name"])
            succeeded = test["result"] in ("OK", "EXPECTEDFAIL")
            passed, failed, skipped = count_cases(output, succeeded)
            result.passed += passed
            result.failed += failed
            result.skipped += skipped
            if failed:
                failures.append(f"--- {test['name']}: {test['result']}\n{tail(output)}")
    result.text = "\n".join(failures)
    if any(states.values()):
        result.notes.append(f"{sum(states.values())} crash states explored: {states['all']} of small "
                            f"runs, which are all there are, and {states['drawn']} drawn")
    if caught:
        result.notes.append(f"{caught} mutations caught")
    return result


def count_pytest(xml_path):
    result = Result()
    for suite in ElementTree.parse(xml_path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        result.skipped += int(suite.get("skipped", 0))
        result.failed += bad
        result.passed += max(0, int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0)))
        result.notes += [f"{case.get('name')}: {note.get('value')}" for case in suite.iter("testcase")
                         for note in case.iter("property") if note.get("name") == "note"]
    return result


# ---- suites ----

def suite_tool(name):
    """A check that is one command: one case."""
    status, output = run([PYTHON, f"tools/{name}"])
    if status != 0:
        return Result(failed=1, text=tail(output))
    print(tail(output))
    return Result(passed=1)


def builds_tests(build):
    """Whether a build directory was configured with tests: where cmocka was missing it was not."""
    status, output = run(["meson", "introspect", "--buildoptions", build])
    return status == 0 and any(o["name"] == "tests" and o["value"] == "enabled"
                               for o in json.loads(output))


def build(name):
    """Configures what is not, and builds. (status, output)"""
    compiler, options = BUILDS[name]
    env = {"CC": compiler, "CC_LD": "lld"}
    configure = []
    if not os.path.exists(os.path.join(ROOT, name, "build.ninja")):
        configure = ["meson", "setup", name, "-Dtests=enabled", *options]
    elif not builds_tests(name):
        configure = ["meson", "setup", "--reconfigure", name, "-Dtests=enabled"]
    status, output = run(configure, env) if configure else (0, "")
    return run(["ninja", "--quiet", "-C", name, "-j", JOBS], env) if status == 0 else (status, output)


def suite_builds():
    """All of BUILDS, one case each."""
    result = Result()
    failures = []
    for name in BUILDS:
        started = time.monotonic()
        status, output = build(name)
        result.notes.append(f"{name}: {time.monotonic() - started:.1f} s")
        result.passed += status == 0
        result.failed += status != 0
        if status != 0:
            failures.append(f"--- {name}\n{tail(output)}")
    result.text = "\n".join(failures)
    return result


def by_suite(tests):
    """{suite: names of its tests} of Meson's list. A test in several suites belongs to the first, so
    that it is run and counted once."""
    found = {}
    for test in tests:
        found.setdefault(test["suite"][0].split(":")[-1], []).append(test["name"])
    return dict(sorted(found.items()))


def meson_suites(build):
    status, output = run(["meson", "introspect", "--tests", build])
    return by_suite(json.loads(output)) if status == 0 else {}


def meson_tests(build, names, log, multiplier, env=None):
    """multiplier: of the times after which a test counts as hung; how long it may take is the budget's matter."""
    command = ["meson", "test", "-C", build, "--no-rebuild", "--logbase", log,
               "--num-processes", JOBS, "--timeout-multiplier", str(multiplier), *names]
    path = os.path.join(ROOT, build, "meson-logs", f"{log}.json")
    if os.path.exists(path):
        os.remove(path)
    status, output = run(command, env)
    if not os.path.exists(path):
        return Result(failed=1, text=tail(output))
    result = count_meson(path)
    if status != 0 and result.failed == 0:
        result.failed, result.text = 1, tail(output)
    return result


def suite_meson(name, long):
    env = {"CRASH_SECONDS": CRASH_SECONDS, "SIM_SEEDS": SIM_SEEDS,
           "EVERY_FAULT": "1"} if long else None
    return meson_tests("build", meson_suites("build").get(name, []), f"check-{name}", 4, env)


def suite_asan():
    result = meson_tests("build-asan", [], "check-asan", 12, SANITIZER_ENV)
    result.again = True
    return result


def pytest_run(folder, env=None, options=()):
    with tempfile.TemporaryDirectory() as scratch:
        xml = os.path.join(scratch, "result.xml")
        env = {"COLUMNS": "400", **(env or {})}  # the summary has what was wrong, not the name alone
        status, output = run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                              "--tb=short", "-rsfE", f"--junitxml={xml}", "-o", "junit_family=xunit1", *options, folder], env)
        if not os.path.exists(xml):
            return Result(failed=1, text=tail(output))
        result = count_pytest(xml)
    # 5: nothing was collected, which is no success either
    if status != 0 and result.failed == 0:
        result.failed = 1
    result.text = tail(output)
    return result


def suite_e2e(long):
    return pytest_run("tests/e2e", options=[*SPREAD, *(["--long"] if long else ["-m", "not rare"])])


def suite_e2e_asan():
    binary = os.path.join(ROOT, "build-asan", "godwit")
    result = pytest_run("tests/e2e", {**SANITIZER_ENV, "GODWIT": binary}, SPREAD_ASAN)
    result.again = True
    return result


def fuzz_targets():
    folder = os.path.join(ROOT, "tests", "fuzz")
    return sorted(name.removeprefix("fuzz_")[:-2] for name in os.listdir(folder)
                  if name.startswith("fuzz_") and name.endswith(".c") and name != "fuzz_main.c")


def fuzz(target, seconds):
    """Looks for new inputs; keeps what it finds in the build directory. (status, output)"""
    program = f"tests/fuzz/fuzz_{target}_live"
    status, output = run(["ninja", "--quiet", "-C", "build-fuzz", "-j", JOBS, program])
    if status != 0:
        return status, output
    found = f"build-fuzz/found/{target}"
    os.makedirs(os.path.join(ROOT, found), exist_ok=True)
    words = f"tests/fuzz/{target}.dict"
    options = [f"-dict={words}"] if os.path.exists(os.path.join(ROOT, words)) else []
    return run([f"build-fuzz/{program}", f"-max_total_time={seconds}", "-rss_limit_mb=2048",
                f"-artifact_prefix={found}/", *options, found, f"tests/fuzz/corpus/{target}"],
               SANITIZER_ENV)


def suite_fuzzing(seconds=45):
    if not os.path.exists(os.path.join(ROOT, "build-fuzz", "build.ninja")):
        status, output = run(["meson", "setup", "build-fuzz", "-Db_sanitize=address,undefined",
                              "-Db_lundef=false"],
                             {"CC": "clang", "CFLAGS": "-fsanitize=fuzzer-no-link"})
        if status != 0:
            return Result(failed=1, text=tail(output))
    result = Result()
    failures = []
    for target in fuzz_targets():
        status, output = fuzz(target, seconds)
        result.passed += status == 0
        result.failed += status != 0
        if status != 0:
            failures.append(f"--- {target}\n{tail(output)}")
    result.text = "\n".join(failures)
    return result


NEED_NO_BUILD = {"packages", "layers", "sizes", "tools", "builds", "fuzzing"}
NEED_ASAN = {"asan", "e2e-asan"}


def prepare(suites):
    """Brings up to date what suites need that are run without `builds` before them."""
    suites = set(suites) - NEED_NO_BUILD
    for name, needed in (("build", suites - NEED_ASAN), ("build-asan", suites & NEED_ASAN)):
        if needed:
            print(f"{name} is brought up to date for {', '.join(sorted(needed))}", flush=True)
        status, output = build(name) if needed else (0, "")
        if status != 0:
            sys.exit(f"{tail(output)}\n./check: {name} cannot be built")


# Suites that are no Meson suites, in the order of their running. Meson's own come where None stands.
def plan(long):
    suites = [("layers", lambda: suite_tool("layers")), ("sizes", lambda: suite_tool("sizes")),
              ("tools", lambda: pytest_run("tests/tools")), ("builds", suite_builds),
              (None, None), ("asan", suite_asan), ("fuzzing", suite_fuzzing),
              ("e2e", lambda: suite_e2e(long)), ("e2e-asan", suite_e2e_asan)]
    return suites


def seconds_of_others():
    """How long the processors were busy with what was not started here, or were taken away: on average of all of
    them, since whenever. What was started here counts once it has ended."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return (busy - sum(usage.ru_utime + usage.ru_stime for usage in own)) / os.cpu_count()


class Slowness(threading.Thread):
    """How much slower the processors are than those that the budgets are meant for: two small fixed pieces of work are
    done twice in a second, and the slower one counts. A machine may be old, or two of its processors one that is
    shared; and where virtual machines are nested, they may compute as fast as any and take ten times as long for each
    page fault, of which the start of a process, and so most of what the tests do, is made."""

    MEANT = 0.001  # seconds to compute where the budgets hold as they stand
    START = 0.002  # and to start a process, twice as long: with nothing in the caches
    MOST = 4.0

    def __init__(self):
        super().__init__(daemon=True)
        self.samples = []

    def run(self):
        while True:
            self.samples.append(max(self.compute(), self.start_process() * self.MEANT / self.START))
            time.sleep(0.5)

    @staticmethod
    def compute():
        started = time.thread_time()
        sum(n * n for n in range(20000))
        return time.thread_time() - started

    @staticmethod
    def start_process():
        started = time.thread_time()
        try:
            pid = os.posix_spawn("/bin/true", ["true"], {})
        except OSError:  # too much is under way
            return 0
        usage = os.wait4(pid, 0)[2]
        return time.thread_time() - started + usage.ru_utime + usage.ru_stime

    def since(self, n):
        """Behind so many samples; from 1, for who is faster has room to spare, to MOST: what is slower is no place
        for this."""
        taken = self.samples[n:] or self.samples[-1:] or [self.MEANT]
        return min(self.MOST, max(1.0, sum(taken) / len(taken) / self.MEANT))


class Check:
    """Runs suites one after the other and keeps the sum."""

    def __init__(self, budgets, long, slowness):
        self.budgets, self.long, self.slowness = budgets, long, slowness
        self.passed = self.failed = self.skipped = 0

    def budget(self, name):
        return self.budgets.get(name, (None, None))[1 if self.long else 0]

    def run(self, name, function):
        budget = self.budget(name)
        if name not in self.budgets:
            print(f"{name}: has no budget in tests/budgets: failed", flush=True)
            self.failed += 1
            return
        if budget is None:
            return
        started, before, samples = time.monotonic(), seconds_of_others(), len(self.slowness.samples)
        result = function()
        others = max(0, seconds_of_others() - before)
        slow = self.slowness.since(samples)
        self.count(name, result, (time.monotonic() - started - others) / slow, budget, others, slow)

    def count(self, name, result, seconds, budget, others=0, slow=1):
        over = seconds > budget
        self.passed += 0 if result.again else result.passed
        self.failed += result.failed + over
        self.skipped += 0 if result.again else result.skipped
        for note in result.notes:
            print(f"    {note}")
        if result.failed or result.skipped:
            print(result.text)
        self.report(name, result, seconds, budget, others, slow)

    def report(self, name, result, seconds, budget, others, slow):
        counts = f"{result.passed} passed, {result.failed} failed"
        if result.skipped:
            counts += f", {result.skipped} skipped"
        if result.again:
            counts += " (again; counted above)"
        if others >= budget / 10:
            counts += f" (and {others:.0f} s that others had the processors)"
        if slow > 1:
            counts += f" (took {seconds * slow:.0f} s: the processors are {slow:.1f} times slower than meant)"
        late = " OVER ITS BUDGET: failed" if seconds > budget else ""
        print(f"{name:12} {seconds:6.1f} s of {budget:4.0f} s  {counts}{late}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./check", description="All tests, within their budgets.")
    parser.add_argument("--long", action="store_true", help="also what does not fit into a check")
    parser.add_argument("--list", action="store_true", help="name the suites and stop")
    parser.add_argument("suite", nargs="*", help="only these suites")
    args = parser.parse_args()
    budgets = read_budgets(os.path.join(ROOT, "tests", "budgets"))
    if args.list:
        print("\n".join(budgets))
        return 0
    unknown = [name for name in args.suite if name not in budgets]
    if unknown:
        sys.exit(f"./check: there is no suite {unknown[0]}; ./check --list names them")

    if "builds" not in args.suite:
        prepare(name for name in args.suite if budgets[name][args.long] is not None)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(LOG)
    slowness = Slowness()
    slowness.start()
    check = Check(budgets, args.long, slowness)
    started = time.monotonic()
    if "PACKAGES_SECONDS" in os.environ and (not args.suite or "packages" in args.suite):
        check.count("packages", Result(passed=1), float(os.environ["PACKAGES_SECONDS"]),
                    check.budget("packages"))
    for name, function in plan(args.long):
        found = [(name, function)]
        if name is None:
            found = [(suite, lambda suite=suite: suite_meson(suite, args.long))
                     for suite in meson_suites("build")]
        for one, call in found:
            if not args.suite or one in args.suite:
                check.run(one, call)
    print(f"{time.monotonic() - started:.0f} s in all"
          + (f", {check.skipped} skipped" if check.skipped else ""))
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
