"""What all servers have in common, and small helpers for their adapters.

An adapter starts its server in the foreground as a child of the benchmark, so that the process tree
below that child is the server and can be ended by number. Nothing of the system's own services is
used, stopped or configured.
"""

import os
import signal
import socket
import subprocess
import sys

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)
sys.path.insert(0, os.path.join(ROOT, "tools"))

from server import ServerError, parents, wait_for  # noqa: E402 (tools/server.py)

HOST = "127.0.0.1"
DOMAIN = "bench.test"
SINK_DOMAIN = "sink.test"
PASSWORD = "benchmark"


class Settings:
    """What the adapters of one run share. Mail of loads A goes to the accounts; readers have the
    mailboxes that load C reads."""

    def __init__(self, folder, floor, godwit, accounts, readers):
        self.folder, self.floor, self.godwit = folder, floor, godwit
        self.accounts, self.readers = accounts, readers

    def names(self):
        return [f"user{n}" for n in range(self.accounts)] + \
               [f"reader{n}" for n in range(self.readers)]


class Peer:
    """One server. After start(), `ports` has those of "smtp", "relay" and "pop3" that it offers."""

    name = None  # as in results
    title = None  # as in tables
    loads = ""  # of "A" SMTP to mailbox, "B" relay, "C" POP3, "E" idle connections
    idle_kinds = ("pop3", "smtp")  # protocols of load E
    idle_limit = {}  # by protocol: idle connections that its defaults allow

    def __init__(self, settings):
        self.settings = settings
        self.folder = os.path.join(settings.folder, self.name)
        os.mkdir(self.folder, 0o755)
        self.ports = {}
        self.processes = []  # of subprocess.Popen: roots of process trees
        self.sink = None  # (host, port) to which SINK_DOMAIN is relayed

    def missing(self):
        """A sentence on why it cannot run here, or None."""
        return None

    def version(self):
        return ""

    def start(self):
        raise NotImplementedError

    def settle(self):
        """Returns when everything that was accepted has reached its mailbox or next hop."""

    def stored(self):
        """Messages that have arrived in mailboxes since the beginning, None when it cannot tell."""
        return None

    # ---- processes ----

    def run(self, *words, log="output.log"):
        """Starts a process of this server. Should the benchmark be killed, it ends too."""
        with open(self.path(log), "ab") as file:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *words],
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       start_new_session=True)
        self.processes.append(process)
        return process

    def pids(self):
        """Numbers of all its processes, by tree."""
        children = {}
        for pid, parent in parents().items():
            children.setdefault(parent, []).append(pid)
        found = []
        for process in self.processes:
            waiting = [process.pid]
            while waiting:
                pid = waiting.pop()
                found.append(pid)
                waiting += children.get(pid, [])
        return found

    def stop(self):
        pids = self.pids()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        end_processes(pids)

    def wait_greeting(self, port, greeting=b"220"):
        wait_for(f"{self.name} on port {port}", lambda: self.greets(port, greeting))

    def greets(self, port, greeting):
        dead = [process for process in self.processes if process.poll() is not None]
        if dead:
            raise RuntimeError(f"{self.name} ended with {dead[0].returncode}: see {self.folder}")
        try:
            with socket.create_connection((HOST, port), timeout=5) as client:
                return client.recv(100).startswith(greeting)
        except OSError:
            return False

    # ---- files ----

    def path(self, *words):
        return os.path.join(self.folder, *words)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)


def end_processes(pids):
    """Ends what is left of a tree whose root has gone."""
    for pid in pids:
        if pid in parents():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    wait_for("the end of processes", lambda: not set(pids) & set(parents()))


def free_port():
    """A port below those that the kernel gives to outgoing connections."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        top = int(file.read().split()[0])
    for port in range(20000, top):
        if port in given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        given.add(port)
        return port
    raise RuntimeError("there are no free ports")


given = set()


def package_version(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], text=True,
                          capture_output=True)
    return done.stdout
