"""bench/: what is counted, and how runs become medians, ratios and tables."""

import os
import re
import subprocess
import sys

import pytest
from loader import ROOT, load

sys.path.insert(0, os.path.join(ROOT, "bench"))
measure = load("bench/measure.py")
report = load("bench/report.py")

PERF = """# started on Mon
1200,,raw_syscalls:sys_enter,1,100.00,,
3,,syscalls:sys_enter_fsync,1,100.00,,
4,,syscalls:sys_enter_fdatasync,1,100.00,,
0,,syscalls:sys_enter_sync_file_range,1,100.00,,
0,,syscalls:sys_enter_syncfs,1,100.00,,
1,,syscalls:sys_enter_sync,1,100.00,,
"""
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.000123          12        10         2 read
 10.00    0.000010          10         3           fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.000133          10        13         2 total
"""


def test_perf():
    assert measure.parse_perf(PERF) == {"calls": 1200, "syncs": 8}
    assert measure.parse_perf(PERF.replace("3,,", "<not counted>,,")) is None
    assert measure.parse_perf("") is None


def test_strace():
    assert measure.parse_strace(STRACE) == {"calls": 13, "syncs": 3}


@pytest.mark.skipif(not measure.perf_works(), reason="perf cannot count here")
def test_counting_follows_new_processes(tmp_path):
    script = f"read go; for i in 1 2 3; do sync -d {ROOT}/packages; done; echo done; read end"
    with subprocess.Popen(["bash", "-c", script], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as shell:
        def work():
            shell.stdin.write("go\n")
            shell.stdin.flush()
            return shell.stdout.readline()

        counts, result = measure.count_perf([shell.pid], work)
        shell.stdin.close()
    assert result == "done\n" and counts["syncs"] == 3 and counts["calls"] > 20


@pytest.mark.skipif(not measure.perf_works(), reason="perf cannot count here")
def test_counting_without_the_process():
    with subprocess.Popen(["true"]) as gone:
        pass
    assert measure.count_perf([gone.pid], lambda: 1) == (None, None)


def test_cpu_counts_children_that_ended():
    busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
    with subprocess.Popen(["bash", "-c", f"({busy}); echo done; read end"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout.readline() == "done\n"
        assert measure.cpu_seconds([shell.pid]) > 0.05
        assert measure.pss_kib([shell.pid]) > 100
        shell.stdin.close()
    assert measure.cpu_seconds([shell.pid]) == 0


def run(peer, repetition, rate, **more):
    return {"load": "A", "connections": 20, "peer": peer, "repetition": repetition,
            "per_second": rate, "p50_ms": 1, "p99_ms": 2, "cpu_us": 3, "others_share": 0.5,
            "generator_share": 0.25, **more}


RESULTS = {
    "date": "2026-01-02T03:04:05+00:00", "command": "bench/run", "source": "abc",
    "machine": {"processors": 2, "model": "m", "memory_mib": 1, "kernel": "k", "file_system": "f"},
    "versions": {"godwit": "9"}, "missing": {"postfix": "it is not there"}, "notes": ["a note"],
    "load_average": [[1, 1, 1], [2, 2, 2]], "commands": {"A": "load smtp", "E": "load"},
    "counted_by": "perf", "repeat": 3, "seconds": 4, "size": 1024, "messages": 1, "accounts": 5,
    "read_each": 50, "titles": {"floor-log": "floor", "godwit": "Godwit"},
    "runs": [run("floor-log", 0, 1000), run("godwit", 0, 500),
             run("floor-log", 1, 100), run("godwit", 1, 90),
             run("floor-log", 2, 2000), run("godwit", 2, 1200),
             {"load": "A", "connections": 20, "peer": "godwit", "counted": True, "calls": 55.25,
              "syncs": 0.2},
             {"load": "E", "peer": "godwit", "kind": "smtp", "held": 100, "idle_kib": 10240,
              "held_kib": 20480, "each_kib": 102.4}],
}


def test_median():
    assert report.median([3, 1, 2]) == 2
    assert report.median([4, 1, 2, 3]) == 2.5
    assert report.median([]) is None


def test_ratios_are_of_neighbours():
    data = report.Results(RESULTS)
    want = {"load": "A", "connections": 20}
    assert data.median("per_second", peer="godwit", **want) == 500
    # 0.5, 0.9, 0.6: not 500 / 1000
    assert data.ratio("per_second", "godwit", "floor-log", **want) == 0.6


def test_tables():
    text = report.render(RESULTS)
    assert re.search(r"^\| Godwit \| 20 \| 500 \| 0.60 \| 1.00 \| 2.00 \| 3 \| 55.2 \| 0.200 \|$",
                     text, re.M), text
    assert "| Godwit | smtp | 100 | 10.0 | 102.4 |" in text
    assert "a note" in text and "Without postfix: it is not there" in text
    assert "50 % of the processors" in text and "## B" not in text


def with_shares(**shares):
    """The timed runs with {field: {peer: one value a repetition}}."""
    return [{**one, **{field: peers[one["peer"]][one["repetition"]] for field, peers in shares.items()}}
            for one in RESULTS["runs"] if "repetition" in one]


@pytest.mark.parametrize("field", ["busiest_share", "generator_share"])
def test_what_the_generator_limited_is_marked(field):
    """Its row and the ratios to it, by the median run; nothing else. An older file has one thread only."""
    runs = with_shares(**{field: {"floor-log": (0.97, 0.85, 0.3), "godwit": (0.79, 0.2, 0.9)}})
    text = report.render({**RESULTS, "runs": runs})
    assert re.search(r"^\| floor \| 20 \| 1,000† \|", text, re.M), text
    assert re.search(r"^\| Godwit \| 20 \| 500 \| 0.60† \|", text, re.M), text
    assert "† limited by the generator" in text and "97 %" in text and "‡" not in text
    assert "†" not in report.render(RESULTS)


def test_what_the_machine_limited_is_told_apart():
    """All threads together may use more than one processor: the busiest counts, and whether any were left."""
    runs = with_shares(generator_share={"floor-log": (1.2, 1.1, 1.3), "godwit": (1, 1, 1)},
                       busiest_share={"floor-log": (0.6, 0.7, 0.5), "godwit": (0.6, 0.6, 0.6)},
                       server_share={"floor-log": (0.7, 0.9, 0.8), "godwit": (0.25, 0.25, 0.25)},
                       machine_share={"floor-log": (0.95, 0.99, 0.5), "godwit": (0.99, 0.89, 0.2)})
    text = report.render({**RESULTS, "runs": runs})
    assert re.search(r"^\| floor \| 20 \| 1,000‡ \|.* 0.80 \+ 1.20 \|$", text, re.M), text
    assert re.search(r"^\| Godwit \| 20 \| 500 \| 0.60 \|.* 0.25 \+ 1.00 \|$", text, re.M), text
    assert "‡ limited by the machine" in text and "†" not in text
    assert "at most 130 % of one processor, the busiest of its threads 70 %" in text
    busy = with_shares(busiest_share={"floor-log": (0.9, 0.9, 0.9), "godwit": (0, 0, 0)},
                       machine_share={"floor-log": (1, 1, 1), "godwit": (0, 0, 0)})
    text = report.render({**RESULTS, "runs": busy})
    assert "1,000†" in text and "‡" not in text
