"""Tests of the generator, the floors and the limits: what they count is what really happened.

usage: test_tools.py LOAD FLOOR      prints "N passed, N failed"
"""

import contextlib
import copy
import functools
import itertools
import json
import operator
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

import limits  # noqa: E402
from server import free_port  # noqa: E402 (tools/server.py)

LOAD, FLOOR = sys.argv[1:]
NOBODY = "127.0.0.1:1"  # no outgoing connection has that port either, which could meet itself


def run_load(*words, status=0, stdin=subprocess.DEVNULL):
    done = subprocess.run([LOAD, *words], text=True, capture_output=True, stdin=stdin)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if status in (0, 1) else done.stderr


@contextlib.contextmanager
def floor(*options):
    """A running floor: (address, its counters as a function)."""
    with tempfile.TemporaryDirectory() as folder:
        address, counters = f"127.0.0.1:{free_port()}", os.path.join(folder, "counters")
        process = subprocess.Popen([FLOOR, "--listen", address, "--counters", counters, *options])
        try:
            while not answers(address):
                assert process.poll() is None
                time.sleep(0.01)
            start = read_counters(counters)
            yield address, lambda: [now - then for now, then in zip(read_counters(counters), start)]
        finally:
            process.terminate()
            process.wait()


def answers(address):
    host, port = address.split(":")
    try:
        with socket.create_connection((host, int(port))) as client:
            return client.recv(3) == b"220"
    except OSError:
        return False


def read_counters(path):
    with open(path, "rb") as file:
        return struct.unpack("=4Q", file.read(32))


# Of a server without PIPELINING, by the beginning of a line.
REPLIES = {b"EHLO": b"250-hi\r\n250 SIZE\r\n", b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n",
           b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n", b".\r\n": b"250 ok\r\n"}


class Crowd:
    """A server for many connections at a time, which are numbered from 0."""

    def __init__(self, greeting, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.greeting, self.answer = greeting, answer
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for number in itertools.count():
            threading.Thread(target=self.serve, args=(self.listener.accept()[0], number), daemon=True).start()

    def serve(self, client, number):
        with client, client.makefile("rwb", 0) as file, contextlib.suppress(OSError):
            file.write(self.greeting)
            for line in file:
                file.write(self.answer(line, number))


class Script:
    """A server that answers each line by a function of it, on one connection after the other."""

    def __init__(self, greeting, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.greeting, self.answer, self.lines = greeting, answer, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client = self.listener.accept()[0]
            with client, client.makefile("rwb", 0) as file, contextlib.suppress(OSError):
                file.write(self.greeting)
                for line in file:
                    self.lines.append(line)
                    file.write(self.answer(line))


def check_counts(threads):
    with floor() as (address, counters):
        got = run_load("smtp", "--to", address, "--connections", "7", "--messages", "5",
                       "--total", "101", "--size", "3000", "--threads", threads)
        connections, messages, octets, syncs = counters()
    assert (got["units"], got["messages"], got["errors"], messages) == (101, 101, 0, 101)
    assert 101 / 5 <= connections <= 27 and syncs == 0
    assert 101 * 2998 <= octets <= 101 * 3000, octets
    assert 0 < got["message_ms"]["p50"] <= got["message_ms"]["p99"] <= got["message_ms"]["max"]
    assert len(got["thread_shares"]) == min(7, int(threads))


def test_counts():
    """However many threads share the work, and however unevenly."""
    for threads in ("1", "2", "3", "50"):
        check_counts(threads)


def test_a_thread_for_each_processor():
    with floor() as (address, _):
        for connections in (1, 100):
            got = run_load("smtp", "--to", address, "--connections", str(connections), "--total", "3")
            assert len(got["thread_shares"]) == min(connections, len(os.sched_getaffinity(0)))


def test_threads_work_at_the_same_time():
    """A server that lets nobody go on before all are there, as many as there are threads; and one is slow."""
    everyone = threading.Barrier(3)

    def answer(line, number):
        if line[:4] == b"MAIL":
            everyone.wait(20)
        if line == b".\r\n" and number == 1:
            time.sleep(0.5)
        return REPLIES.get(line[:4], b"")

    server = Crowd(b"220 hi\r\n", answer)
    got = run_load("smtp", "--to", server.address, "--total", "3", "--connections", "3", "--threads", "3")
    assert (got["messages"], got["errors"], len(got["thread_shares"])) == (3, 0, 3)
    assert got["commit_ms"]["p50"] < 500 <= got["commit_ms"]["max"], got  # of all of them


def test_threads_are_threads():
    """One for each that was asked for, besides the one that waits for them."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        process = subprocess.Popen([LOAD, "smtp", "--to", f"127.0.0.1:{silent.getsockname()[1]}",
                                    "--connections", "9", "--threads", "4"], stdout=subprocess.DEVNULL)
        try:
            clients = [silent.accept()[0] for _ in range(9)]
            assert len(os.listdir(f"/proc/{process.pid}/task")) == 5
        finally:
            process.terminate()
            process.wait()
        for client in clients:
            client.close()


def test_processor_time():
    """What the kernel counts for the process, but for its beginning and end; no thread took more than one."""
    with floor() as (address, _):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        got = run_load("smtp", "--to", address, "--connections", "20", "--total", "6000", "--threads", "2")
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    shares = got["thread_shares"]
    assert 0.3 * used <= got["cpu_seconds"] <= used + 0.001, (used, got)
    assert len(shares) == 2 and 0 < min(shares) <= max(shares) <= 1.05, shares
    assert (sum(shares) + 0.002) * wall >= got["cpu_seconds"], (wall, got)  # each of a shorter time


def test_one_by_one_is_the_same():
    with floor() as (address, counters):
        got = run_load("smtp", "--to", address, "--total", "9", "--no-pipelining",
                       "--recipients", "4", "--accounts", "3")
        assert (got["messages"], counters()[1]) == (9, 9)


def test_time_ends_a_run():
    with floor() as (address, _):
        got = run_load("smtp", "--to", address, "--seconds", "1", "--connections", "3")
        assert got["messages"] > 0 and got["errors"] == 0 and got["seconds"] >= 0.9


def test_log_holds_what_was_answered():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        with floor("--log", log) as (address, counters):
            run_load("smtp", "--to", address, "--total", "200", "--connections", "20", "--threads", "4",
                     "--rcpt", "someone%@bench.test", "--accounts", "200")
            _, messages, octets, syncs = counters()
        with open(log, "rb") as file:
            text = file.read()
    assert messages == 200 and 1 <= syncs <= 200 and len(text) == octets
    for number in range(200):
        assert text.count(b"To: <someone%d@bench.test>\r\n" % number) == 1, number


def test_dialogue():
    """What a server sees, and large content with its dots."""
    server = Script(b"220 hi\r\n", lambda line: REPLIES.get(line[:4], b""))
    assert run_load("smtp", "--to", server.address, "--total", "2", "--messages", "2",
                    "--size", "70000")["messages"] == 2
    text = b"".join(server.lines)
    verbs = [line[:4] for line in server.lines if line[:4].isupper() and line[4:5] in b" \r"]
    assert verbs == [b"EHLO"] + 2 * [b"MAIL", b"RCPT", b"DATA"] + [b"QUIT"], verbs
    message = text.split(b"DATA\r\n")[1].split(b".\r\nMAIL")[0]
    assert 69998 <= len(message) <= 70000 and message.endswith(b"\r\n")
    assert max(len(line) for line in server.lines) <= 100


def test_refusals_are_errors():
    server = Script(b"220 hi\r\n", lambda line: b"550 5.7.1 no\r\n")
    got = run_load("smtp", "--to", server.address, "--total", "3")
    assert (got["messages"], got["errors"]) == (0, 3) and "550 5.7.1 no" in got["first_error"]
    got = run_load("smtp", "--to", NOBODY, "--seconds", "60", "--connections", "5",
                   "--threads", "5", status=1)
    assert got["messages"] == 0 and got["errors"] > 1000 and "refused" in got["first_error"]


def pop3(line):
    word = line.split()[0]
    return {b"STAT": b"+OK 3 60\r\n", b"UIDL": b"+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
            b"RETR": b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"}.get(word, b"+OK\r\n")


def test_pop3():
    server = Script(b"+OK hi\r\n", pop3)
    got = run_load("pop3", "--to", server.address, "--total", "2", "--accounts", "2", "--delete")
    assert (got["units"], got["messages"], got["errors"]) == (2, 6, 0)
    session = [b"PASS bench", b"STAT", b"UIDL", b"RETR 1", b"DELE 1", b"RETR 2", b"DELE 2",
               b"RETR 3", b"DELE 3", b"QUIT"]
    want = [line + b"\r\n" for user in (b"USER user0@bench.test", b"USER user1@bench.test")
            for line in [user, *session]]
    assert server.lines == want, server.lines


def test_pop3_mailboxes_are_not_shared():
    """Those of connections at the same time, whichever thread has them."""
    everyone, users = threading.Barrier(4), []

    def answer(line, number):
        if line.startswith(b"USER"):
            users.append(line)
            everyone.wait(20)
        return pop3(line)

    server = Crowd(b"+OK hi\r\n", answer)
    got = run_load("pop3", "--to", server.address, "--total", "4", "--connections", "4", "--threads", "2",
                   "--accounts", "4")
    assert (got["units"], got["messages"], got["errors"]) == (4, 12, 0)
    assert sorted(users) == [b"USER user%d@bench.test\r\n" % n for n in range(4)]


def test_pop3_refused():
    server = Script(b"+OK hi\r\n", lambda line: b"-ERR no\r\n" if b"PASS" in line else b"+OK\r\n")
    got = run_load("pop3", "--to", server.address, "--total", "1")
    assert (got["units"], got["errors"]) == (0, 1) and "-ERR no" in got["first_error"]


def test_hold():
    with floor() as (address, counters):
        process = subprocess.Popen([LOAD, "smtp", "--to", address, "--connections", "120",
                                    "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert json.loads(process.stdout.readline())["held"] == 120
        assert counters()[0] == 120 and process.poll() is None
        assert json.loads(process.communicate()[0]) == {"lost": 0}


def test_wrong_options():
    assert "no option --nonsense" in run_load("smtp", "--nonsense", status=64)
    assert "--to is missing" in run_load("smtp", status=64)
    assert "needs an address" in run_load("smtp", "--to", "localhost:25", status=64)
    assert "needs a number" in run_load("smtp", "--total", "many", status=64)
    assert "needs a value" in run_load("pop3", "--to", status=64)
    assert subprocess.run([FLOOR], capture_output=True).returncode == 64


SCALE = {
    "mailbox": {"first_login_ms": 900, "login_to_stat": {"max": 400}, "memory": {"all": 90}, "memory_after": {"all": 400}},
    "accounts": {"100": {"memory": {"all": 20}}, "200": {"memory": {"all": 30}}},
    "queue": {"new_mail": {"known": {"max": 99}, "new": {"max": None}}, "first_delivery_seconds": 4.9,
              "memory": {"all": 100}},
    "wake": {"others": {"before": {"n": 9, "p50": 2, "max": 90}, "while it wakes": {"n": 9, "p50": 3, "max": 51}}},
}
RUN = {"accounts": 50, "runs": [
    {"load": "A", "connections": 100, "peer": "godwit", "counted": True, "syncs": 0.09},
    {"load": "A", "connections": 100, "peer": "postfix", "counted": True, "syncs": 2},
    {"load": "A", "connections": 100, "peer": "godwit"}]}


def test_limits():
    """Each number that is beyond its limit is told, and no other."""
    assert limits.beyond(SCALE, "scale") == limits.beyond(RUN, "run") == []
    assert limits.beyond({"accounts": SCALE["accounts"]}, "scale") == []
    assert len(limits.rows(SCALE, "scale")) + len(limits.rows(RUN, "run")) == len(limits.LIMITS)
    for results, by, path, number, says in (
            (SCALE, "scale", ("mailbox", "memory_after", "all"), 480, "memory of all processes: 503.3 MB, at most 500 MB"),
            (SCALE, "scale", ("accounts", "200", "memory", "all"), 480, "503.3 MB, at most 500 MB"),
            (SCALE, "scale", ("mailbox", "login_to_stat", "max"), 1001, "1,001 ms, at most 1,000 ms"),
            (SCALE, "scale", ("queue", "new_mail", "new", "max"), 101, "101 ms, at most 100 ms"),
            (SCALE, "scale", ("queue", "first_delivery_seconds"), 5.5, "5.5 s, at most 5 s"),
            (SCALE, "scale", ("wake", "others", "while it wakes", "max"), 53, "51 ms, at most 50 ms"),
            (RUN, "run", ("runs", 0, "syncs"), 0.11, "0.11, at most 0.1")):
        wrong = copy.deepcopy(results)
        *way, last = path
        functools.reduce(operator.getitem, way, wrong)[last] = number
        told = limits.beyond(wrong, by)
        assert len(told) == 1 and told[0].endswith(says), (path, told)


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                passed += 1
            except Exception:  # noqa: BLE001 (whatever it is, the test has failed)
                failed += 1
                print(f"--- {name}")
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
