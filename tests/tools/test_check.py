"""./check counts honestly: what failed, crashed, was skipped or came late never looks passed."""

import json
import subprocess
import sys
import time

import pytest
from loader import ROOT, load

check = load("tools/check.py")

CMOCKA_GOOD = """[==========] tests: Running 3 test(s).
[ RUN      ] a
[       OK ] a
[==========] tests: 3 test(s) run.
[  PASSED  ] 3 test(s).
"""
CMOCKA_BAD = """[==========] tests: Running 3 test(s).
[  FAILED  ] b
[==========] tests: 3 test(s) run.
[  PASSED  ] 2 test(s).
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] b
"""


@pytest.mark.parametrize("output, succeeded, want", [
    (CMOCKA_GOOD, True, (3, 0, 0)),
    (CMOCKA_GOOD + CMOCKA_GOOD, True, (6, 0, 0)),
    (CMOCKA_BAD, False, (2, 1, 0)),
    (CMOCKA_GOOD, False, (3, 1, 0)),  # a leak found at the end
    ("[==========] tests: Running 9 test(s).\n[ RUN      ] a\n", False, (0, 1, 0)),  # a crash
    ("[==========] t: Running 2 test(s).\n[  PASSED  ] 1 test(s).\n"
     "[  SKIPPED ] t: 1 test(s), listed below:\n", True, (1, 0, 1)),
    ("40 passed, 2 failed\n", False, (40, 2, 0)),
    ("40 passed, 0 failed\n", True, (40, 0, 0)),
    ("", True, (1, 0, 0)),
    ("", False, (0, 1, 0)),
])
def test_count_cases(output, succeeded, want):
    assert check.count_cases(output, succeeded) == want


def test_count_meson(tmp_path):
    log = tmp_path / "log.json"
    tests = [("a", "OK", CMOCKA_GOOD), ("b", "FAIL", CMOCKA_BAD), ("c", "SKIP", ""),
             ("d", "TIMEOUT", CMOCKA_GOOD[:40]), ("e", "OK", "")]
    log.write_text("\n".join(
        json.dumps({"name": name, "result": result, "stdout": "", "stderr": output})
        for name, result, output in tests))
    result = check.count_meson(str(log))
    assert (result.passed, result.failed, result.skipped) == (6, 2, 1)
    assert "--- b: FAIL" in result.text and "--- d: TIMEOUT" in result.text


def test_crash_states_are_summed(tmp_path):
    log = tmp_path / "log.json"
    log.write_text("\n".join(
        json.dumps({"name": name, "result": "OK", "stdout": output, "stderr": ""})
        for name, output in [("a", "7 crash states explored, all of 1 small runs\n"),
                             ("b", "5 crash states explored, all of 2 small runs\n"),
                             ("c", "3 crash states explored, drawn: 1 recordings\n")]))
    assert check.count_meson(str(log)).notes == [
        "15 crash states explored: 12 of small runs, which are all there are, and 3 drawn"]


def test_mutations_that_were_noticed_are_counted(tmp_path):
    log = tmp_path / "log.json"
    log.write_text("\n".join(
        json.dumps({"name": name, "result": result, "stdout": output, "stderr": ""})
        for name, result, output in [("a", "OK", "found: lane.md 1: gone\nas expected\n"),
                                     ("b", "OK", "9 weeks simulated\nfound: a week that fails\n"),
                                     ("crash/foreign-no-file", "OK", "found: as expected\n"),
                                     ("c", "FAIL", "the mutation was not found\n")]))
    assert check.count_meson(str(log)).notes == ["2 mutations caught"]


def test_a_test_in_two_suites_is_run_once():
    tests = [{"name": "a", "suite": ["godwit:unit"]}, {"name": "b", "suite": ["godwit:store"]},
             {"name": "c", "suite": ["godwit:unit", "godwit:store"]}]
    assert check.by_suite(tests) == {"store": ["b"], "unit": ["a", "c"]}


def test_count_pytest(tmp_path):
    xml = tmp_path / "r.xml"
    xml.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/>'
                   '</testsuites>')
    result = check.count_pytest(str(xml))
    assert (result.passed, result.failed, result.skipped) == (3, 3, 3)


def test_notes_of_pytest(tmp_path):
    xml = tmp_path / "r.xml"
    xml.write_text('<testsuites><testsuite tests="1"><testcase name="test_a"><properties><property name="note" '
                   'value="7 kills"/><property name="other" value="x"/></properties></testcase></testsuite></testsuites>')
    assert check.count_pytest(str(xml)).notes == ["test_a: 7 kills"]


def slowness_of(*milliseconds):
    slowness = check.Slowness()  # never started
    slowness.samples = [one / 1000 for one in milliseconds]
    return slowness


def sum_of(result, budget=10.0, again=False, clock=None, monkeypatch=None, slow=1):
    one = check.Check({"x": (budget, None)}, False, slowness_of(slow))
    if clock:
        monkeypatch.setattr(check.time, "monotonic", lambda: clock.pop(0))
    result.again = again
    one.run("x", lambda: result)
    return one.passed, one.failed, one.skipped


def test_sum():
    assert sum_of(check.Result(5, 1, 2)) == (5, 1, 2)
    assert sum_of(check.Result(5, 1, 2), again=True) == (0, 1, 0)


def test_over_budget_is_a_failure(monkeypatch, capsys):
    assert sum_of(check.Result(5), 10.0, clock=[0, 11], monkeypatch=monkeypatch) == (5, 1, 0)
    assert "OVER ITS BUDGET" in capsys.readouterr().out
    assert sum_of(check.Result(5), 10.0, clock=[0, 10], monkeypatch=monkeypatch) == (5, 0, 0)


def test_what_others_take_of_the_processors_is_not_counted(monkeypatch, capsys):
    for others, failed in ((5, 0), (1, 1), (-3, 1)):
        times = [100, 100 + others]
        monkeypatch.setattr(check, "seconds_of_others", lambda times=times: times.pop(0))
        assert sum_of(check.Result(5), 10.0, clock=[0, 14], monkeypatch=monkeypatch) == (5, failed, 0)
        assert ("and 5 s that others had the processors" in capsys.readouterr().out) == (others == 5)


def test_slower_processors_have_more_time(monkeypatch, capsys):
    for slow, failed in ((2, 0), (1.5, 1), (1, 1), (0.1, 1)):
        assert sum_of(check.Result(5), 10.0, clock=[0, 18], monkeypatch=monkeypatch, slow=slow) == (5, failed, 0)
        assert ("took 18 s: the processors are 2.0 times slower" in capsys.readouterr().out) == (slow == 2)


def test_slowness_is_of_the_time_since():
    slowness = slowness_of(9, 9, 2, 4)
    assert slowness.since(2) == pytest.approx(3)
    assert slowness.since(4) == pytest.approx(4)  # none since: the last one
    assert slowness_of(9).since(0) == 4  # and no more than that, however slow
    assert slowness_of().since(0) == slowness_of(0.2).since(0) == 1


def test_slowness_is_measured():
    slowness = check.Slowness()
    slowness.start()
    end = time.monotonic() + 60
    while not slowness.samples:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert 0 < slowness.samples[0] < 1
    assert 0 < slowness.compute() < 1 and 0 < slowness.start_process() < 1


def test_what_runs_and_is_not_ours_is_of_others():
    """What was started here is seen as ours when it has ended: this one never ends by itself."""
    before, end = check.seconds_of_others(), time.monotonic() + 60
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        while check.seconds_of_others() < before + 0.1:
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        burner.kill()
        burner.wait()


def test_no_budget_is_a_failure():
    one = check.Check({}, False, slowness_of())
    one.run("x", lambda: check.Result(5))
    assert (one.passed, one.failed) == (0, 1)


def test_only_in_long():
    ran = []
    for long, want in ((False, []), (True, ["x"])):
        one = check.Check({"x": (None, 9.0)}, long, slowness_of())
        one.run("x", lambda: ran.append("x") or check.Result(1))
        assert ran == want


def test_budgets_name_every_suite():
    budgets = check.read_budgets(f"{ROOT}/tests/budgets")
    for name, _ in check.plan(True):
        assert name is None or name in budgets


def test_bad_budget(tmp_path):
    (tmp_path / "budgets").write_text("# fine\nunit many 5\n")
    with pytest.raises(SystemExit, match="budgets:2"):
        check.read_budgets(str(tmp_path / "budgets"))


@pytest.mark.parametrize("suites, want", [
    ([], []), (["layers", "tools"], []), (["unit"], ["build"]), (["sizes", "e2e", "asan"], ["build", "build-asan"]),
])
def test_what_a_suite_needs_is_built(monkeypatch, suites, want):
    built = []
    monkeypatch.setattr(check, "build", lambda name: built.append(name) or (0, ""))
    check.prepare(suites)
    assert built == want


def test_a_build_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(check, "build", lambda name: (1, "unit.c:7: error: no\n"))
    with pytest.raises(SystemExit, match="(?s)error: no.*build cannot be built"):
        check.prepare(["unit"])
