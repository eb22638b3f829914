"""A Godwit server as a child process: made, started, watched, killed and stopped.

Used by tools/demo.py and by the end-to-end tests. Waits for what the server does, never for a time
to pass; ends only processes that it started, by their number.
"""

import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOST = "127.0.0.1"
STANDARD_PORTS = {"smtp": 25, "smtps": 465, "submission": 587, "pop3": 110, "pop3s": 995}
ROLES = ("store", "mx", "user", "resolver", "relay")
PATIENCE = 60  # seconds until a wait is given up as a failure; reached only by a broken server


class ServerError(Exception):
    """The server, or a command, did not do what it should. The text says what it did."""


def binary_path():
    return os.environ.get("GODWIT") or os.path.join(ROOT, "build", "godwit")


def is_free(port, host=HOST, kind=socket.SOCK_STREAM):
    with socket.socket(type=kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return True
        except OSError:
            return False


def claim(port, claims={}):
    """Whether no other process on this machine claimed the port before and still runs: a server that is
    stopped to be started again keeps its ports."""
    folder = f"/tmp/godwit-ports-{os.getuid()}"  # the same for all, whatever their TMPDIR is
    os.makedirs(folder, exist_ok=True)
    if port in claims:
        return False
    lock = open(os.path.join(folder, str(port)), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    claims[port] = lock
    return True


def free_port(host=HOST):
    """One port, free for TCP and UDP, below the range that the kernel gives to outgoing connections: nobody comes
    to have it before it is bound. It is this process's own until it ends."""
    for port in (random.randrange(11000, 32000) for _ in range(200)):
        if is_free(port, host) and is_free(port, host, socket.SOCK_DGRAM) and claim(port):
            return port
    raise ServerError("there are no free ports on this machine")


def free_offset(wanted=None, more=(), hosts=(HOST,)):
    """A number that gives free ports when added to the standard ones: wanted and then further ones
    in steps of 1000, or any below the range that the kernel gives to outgoing connections. They are
    this process's own until it ends."""
    candidates = [random.randrange(11000, 31000) for _ in range(200)]
    if wanted is not None:
        candidates = range(wanted, 65536 - 995, 1000)
    for offset in candidates:
        ports = [port + offset for port in [*STANDARD_PORTS.values(), *more]]
        if all(is_free(port, host) for host in hosts for port in ports) and all(map(claim, ports)):
            return offset
    raise ServerError("there are no free ports on this machine")


def wait_for(what, condition):
    """Polls until condition() is true and gives its value; ServerError after a long time."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise ServerError(f"waited {PATIENCE} seconds for {what}")
        time.sleep(0.01)


def read_of(pid, name):
    """A small file of a process; None when it has ended meanwhile. Asked for hundreds of times in a test, thus bare."""
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(fd, 65536)
    except OSError:
        return None
    finally:
        os.close(fd)


def parents():
    """{pid: parent pid} of this machine's processes, without those that have ended and are not waited for."""
    found = {}
    for name in os.listdir("/proc"):
        stat = read_of(name, "stat") if name.isdigit() else None
        if stat:
            state, parent = stat.rpartition(b")")[2].split(None, 2)[:2]
            if state != b"Z":
                found[int(name)] = int(parent)
    return found


def words_of(pid):
    """Of a process's command line, or of the title that it gave itself."""
    return re.split(r"[\0 :]+", (read_of(pid, "cmdline") or b"").decode(errors="replace"))


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended meanwhile


def open_files(pid):
    """{descriptor: what it leads to} of a process; what is closed meanwhile is not among them."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
    return found


class Server:
    """One data directory and, between start() and stop(), the processes that serve it."""

    def __init__(self, folder, offset=None, hostname="mail.example.test", log=None, host=HOST):
        self.binary = binary_path()
        self.data = os.path.join(folder, "data")
        self.hostname = hostname
        self.host = host  # the address it listens on
        self.offset = offset
        self.ports = {}
        self.log_path = log or os.path.join(folder, "server.log")
        self.process = None

    # ---- commands ----

    def command(self, *words, stdin="", status=0, env=None, data=True, patience=PATIENCE):
        """Runs `godwit WORDS --data DIR`. status: the exit status it must have, None for any. patience: seconds."""
        line = [self.binary, *words] + (["--data", self.data] if data else [])
        done = subprocess.run(line, input=stdin, text=True, capture_output=True,
                              env={**os.environ, **(env or {})}, timeout=patience)
        if status is not None and done.returncode != status:
            raise ServerError(f"godwit {' '.join(words)}: exit {done.returncode}, not {status}\n"
                              f"{done.stdout}{done.stderr}")
        return done

    def json(self, *words):
        return json.loads(self.command(*words, "--json").stdout)

    def create(self, domains=(), accounts=None, options=""):
        """A new data directory. accounts: {address: password}; options: text added to the
        configuration."""
        self.offset = self.offset or free_offset(hosts=(self.host,))
        self.ports = {name: port + self.offset for name, port in STANDARD_PORTS.items()}
        self.command("init", "--hostname", self.hostname, "--listen", self.host,
                     "--port-offset", str(self.offset))
        if options:
            self.configure(options)
        for domain in domains:
            self.command("domain", "add", domain)
        for address, password in (accounts or {}).items():
            self.add_account(address, password)

    def add_account(self, address, password, *more):
        self.command("account", "add", address, "--password-stdin", *more, stdin=password + "\n")

    @property
    def config_path(self):
        return os.path.join(self.data, "godwit.conf")

    def configure(self, options):
        """Adds options to the configuration, each beginning a line; one given again, also a whole
        group, replaces the one before."""
        with open(self.config_path, encoding="utf-8") as file:
            text = file.read()
        for line in options.strip().split("\n"):
            name = re.escape(line.split("=")[0].strip())
            text = re.sub(rf"^{name}\s*=\s*(\{{[^{{}}]*\}}|\([^()]*\)|[^;{{(]*);[ \t]*$", "", text,
                          flags=re.M)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n{options.strip()}\n")

    # ---- life ----

    def serve_words(self):
        return [self.binary, "serve", "--data", self.data]

    def start(self, wait=True):
        before = len(self.log_octets())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.serve_words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_ready()
            # One of several fronts may greet while another is still on its way: who kills it then ends the server.
            wait_for("all fronts", lambda: " event=ready " in self.log(before))

    def wait_ready(self, names=("smtp", "submission", "pop3")):
        """Every listener greets."""
        for name in names:
            wait_for(f"a greeting on port {self.ports[name]}", lambda name=name: self.greets(name))

    def connect(self, port, source=None):
        """A connection to a port by its name, from this address of the machine."""
        return socket.create_connection((self.host, self.ports[port]), PATIENCE, (source, 0) if source else None)

    def greets(self, name):
        if self.process.poll() is not None:
            raise ServerError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        try:
            with self.connect(name) as client:
                return client.recv(512)[:3] in (b"220", b"+OK")
        except OSError:
            return False

    def processes(self):
        """{pid: role} of all processes of this server; the supervisor's role is "supervisor"."""
        table = parents()
        top = self.process.pid
        found = {top: "supervisor"} if top in table else {}
        found.update({pid: next((word for word in words_of(pid) if word in ROLES), "?")
                      for pid, parent in table.items() if parent == top})
        return found

    def pids(self, role):
        return [pid for pid, its in self.processes().items() if its == role]

    def kill(self, role):
        """kill -9 of every process of a role; gives their numbers, after they are gone."""
        pids = self.pids(role)
        for pid in pids:
            kill_if_there(pid)
        wait_for(f"the end of {role}", lambda: not set(pids) & set(self.processes()))
        return pids

    def kill_all(self):
        """kill -9 of all of them, as a power cut of the processes would be."""
        pids = list(self.processes())
        for pid in pids:
            kill_if_there(pid)  # a child goes with the supervisor
        self.process.wait()
        wait_for("the end of all processes", lambda: not set(pids) & set(parents()))
        self.process = None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Asks it to end; gives the exit status, after every process is gone."""
        if not self.process:
            return None
        pids = list(self.processes())
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise ServerError("the server did not stop when asked to") from None
        wait_for("the end of all processes", lambda: not set(pids) & set(parents()))
        self.process = None
        return status

    def log_octets(self, start=0):
        """Its whole lines behind so many octets: one that is being written may be read in part."""
        try:
            with open(self.log_path, "rb") as file:
                file.seek(start)
                text = file.read()
                return text[:text.rfind(b"\n") + 1]
        except FileNotFoundError:
            return b""

    def log(self, start=0):
        return self.log_octets(start).decode(errors="replace")

    def message_count(self):
        return self.json("status")["mailbox_messages"]
