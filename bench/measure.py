"""What the kernel says about a server's processes: CPU, memory, system calls, syncs."""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile

TICK = os.sysconf("SC_CLK_TCK")
PERF_EVENTS = {"calls": ["raw_syscalls:sys_enter"],
               "syncs": ["syscalls:sys_enter_" + name for name in
                         ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")]}
SYNC_CALLS = {"fsync", "fdatasync", "sync_file_range", "syncfs", "sync"}
STRACE_ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)


def cpu_seconds(pids):
    """User and system time of processes and of the children that they have waited for."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


def pss_kib(pids):
    """Memory: what is private, and a fair share of what is shared."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
    return total


def machine_busy_seconds():
    """Processor time that this machine has used, of all its processors."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + softirq) / TICK


def stolen_seconds():
    """Of the processors' time since boot, what the host of a virtual machine gave to others."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) / TICK


def file_system(path):
    """Type of the file system that holds a path."""
    done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], text=True,
                          capture_output=True)
    return done.stdout.strip()


# ---- system calls ----

def parse_perf(text):
    """{"calls": n, "syncs": n} of the output of perf stat -x, -- None when an event is missing."""
    values = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            values[fields[2]] = int(fields[0])
    if any(event not in values for events in PERF_EVENTS.values() for event in events):
        return None
    return {name: sum(values[event] for event in events)
            for name, events in PERF_EVENTS.items()}


def parse_strace(text):
    """The same of the table of strace -c."""
    rows = [(int(calls), name) for calls, name in STRACE_ROW.findall(text) if name != "total"]
    return {"calls": sum(calls for calls, _ in rows),
            "syncs": sum(calls for calls, name in rows if name in SYNC_CALLS)}


def perf_works():
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "stat", "-x,", *perf_options(), "true"], text=True,
                          capture_output=True)
    return done.returncode == 0 and parse_perf(done.stderr) is not None


def perf_options():
    return [word for events in PERF_EVENTS.values() for event in events for word in ("-e", event)]


class Perf:
    """perf stat that is told when to count. It attaches before the work begins and follows new
    processes."""

    def __init__(self, folder, pids):
        paths = [os.path.join(folder, name) for name in ("control", "ack", "out")]
        self.out = paths[2]
        for path in paths[:2]:
            os.mkfifo(path)
        # Both ways, so that opening waits for nobody.
        self.control, self.ack = (os.open(path, os.O_RDWR) for path in paths[:2])
        self.process = subprocess.Popen(
            ["perf", "stat", "-x,", "-o", self.out, *perf_options(), "--delay=-1",
             f"--control=fifo:{paths[0]},{paths[1]}", "-p", ",".join(map(str, pids))],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def order(self, word):
        """False when perf has ended instead: one of the processes was gone, for example."""
        os.write(self.control, word + b"\n")
        while not select.select([self.ack], [], [], 0.2)[0]:
            if self.process.poll() is not None:
                return False
        os.read(self.ack, 16)
        return True

    def end(self):
        """The counts, or None."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        os.close(self.control)
        os.close(self.ack)
        with contextlib.suppress(FileNotFoundError):
            with open(self.out, encoding="utf-8") as file:
                return parse_perf(file.read())
        return None


def count_perf(pids, work):
    with tempfile.TemporaryDirectory() as folder:
        perf = Perf(folder, pids)
        result = work() if perf.order(b"enable") else None
        if result is not None:
            perf.order(b"disable")
        return perf.end(), result


def count_strace(pids, work):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        words = [word for pid in pids for word in ("-p", str(pid))]
        process = subprocess.Popen(["strace", "-f", "-c", "-o", out, *words], text=True,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in pids:
            process.stderr.readline()  # "Process N attached"
        result = work()
        process.send_signal(signal.SIGINT)
        process.communicate()
        with open(out, encoding="utf-8") as file:
            return parse_strace(file.read()), result


def counter():
    """(name, function) of the best way to count that works here: function(pids, work) gives the counts
    and what work() gave. strace slows the server down a lot, so that groups grow. (None, None): none."""
    if perf_works():
        return "perf", count_perf
    if shutil.which("strace"):
        return "strace", count_strace
    return None, None
