"""Servers for the end-to-end tests.

`server` is one server that most tests share; `make_server` makes others with their own options.
After each test every server must be sound: no sanitizer report and no bug in its log, the same
processes as before (a test that kills some says so with @pytest.mark.kills), and it ends cleanly.
"""

import itertools
import os
import pathlib
import re
import shutil
import ssl
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))

import server as godwit  # noqa: E402 (tools/server.py)

DOMAIN = "example.test"
PASSWORD = "correct horse battery staple"
# 9 is what tests kill with; a process that ended by any other signal had a bug.
TROUBLE = re.compile(r"Sanitizer|runtime error:|godwit: bug at|[Aa]ssertion|event=violation|"
                     r"event=exited .*signal=(?!0\b|9\b)\d|event=front-mistrusted")
numbers = itertools.count(1)
LIBRARIES = os.path.join(os.path.dirname(os.path.abspath(godwit.binary_path())), "tests", "e2e")


def preload(*names):
    """Values of the environment that load these libraries (NAME_preload.c) into servers and commands. Passwords are
    always cheap, and an ordinary user's processes open to him."""
    names = [*names, "cheap", *(["open"] if os.getuid() else [])]
    return {"LD_PRELOAD": ":".join(os.path.join(LIBRARIES, f"lib{name}.so") for name in names),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


os.environ.update(preload())


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the large forms of the tests")


def pytest_configure(config):
    config.addinivalue_line("markers", "rare: ./check leaves the test to ./check --long")
    config.addinivalue_line("markers", "kills: the test ends processes of the server")
    config.addinivalue_line("markers", "violates: the test makes the server log a violation")
    config.addinivalue_line("markers", "out_of_memory: the test takes a process's memory away")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)


class TestServer(godwit.Server):
    """A server with what tests ask of it."""

    __test__ = False

    def __init__(self, folder, **more):
        super().__init__(folder, **more)
        self.folder = folder
        self.log_seen = 0
        self.seen_processes = None

    @property
    def certificate(self):
        return os.path.join(self.data, "tls", "certificate.pem")

    @property
    def key(self):
        return os.path.join(self.data, "tls", "key.pem")

    def trust(self):
        """A client's context that believes this server's certificate and no other."""
        return ssl.create_default_context(cafile=self.certificate)

    def mailbox(self, *more):
        """A new account; gives its address. Its password is PASSWORD."""
        address = f"user{next(numbers)}@{DOMAIN}"
        self.add_account(address, PASSWORD, *more)
        return address

    def mark(self):
        """What is sound from here on is compared with now."""
        self.log_seen += len(self.log_octets(self.log_seen))
        self.seen_processes = godwit.wait_for("all processes", self.whole) if self.process else None

    def whole(self):
        """Its processes, once there is one of each role: one that is being started is not known by its role yet."""
        found = self.processes()
        return found if set(found.values()) == {"supervisor", *godwit.ROLES} else None

    def are_at_rest(self, *roles):
        """Nothing is on its way between the processes of these roles, nor done by them: every thread slept each
        time that somebody looked."""
        try:
            stats = [task / "stat" for role in roles for pid in self.pids(role)
                     for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
            return all(stat.read_text().rpartition(")")[2].split()[0] in "ST" for _ in range(20) for stat in stats)
        except OSError:  # one has ended
            return False

    def has_asked(self, command):
        """A command waits for its answer, and the store process, whose disk may hang, has done with it what it can."""
        try:
            sockets = [fd for fd in pathlib.Path(f"/proc/{command.pid}/fd").iterdir()
                       if os.readlink(fd).startswith("socket:")]
            stat = pathlib.Path(f"/proc/{command.pid}/stat").read_text()
            return bool(sockets) and stat.rpartition(")")[2].split()[0] == "S" and self.are_at_rest("store")
        except OSError:  # a descriptor is closed meanwhile
            return False

    def new_log(self):
        return self.log(self.log_seen)

    def trouble(self, kills=False, expected=None):
        """Sentences about what is not sound, since mark(). expected: a regex of lines that may be there."""
        found = [line for line in self.new_log().split("\n") if TROUBLE.search(line)
                 and not (expected and re.search(expected, line))]
        if self.process and self.process.poll() is not None:
            found.append(f"the supervisor ended with {self.process.returncode}")
        elif self.process and not kills and self.seen_processes != self.processes():
            found.append(f"processes were {self.seen_processes}, are {self.processes()}")
        return found


def expected_trouble(request):
    """Lines that are what the test is about."""
    words = {"violates": "violation|front-mistrusted", "out_of_memory": r"event=exited .*signal=6\b"}
    return "|".join(regex for name, regex in words.items() if request.node.get_closest_marker(name)) or None


def check_soundness(request, server):
    kills = request.node.get_closest_marker("kills")
    trouble = server.trouble(bool(kills), expected_trouble(request))
    report = getattr(request.node, "report_call", None)
    if trouble or (report and report.failed):
        print(f"---- log of the server in {server.data}\n{server.new_log()[-4000:]}")
    assert not trouble, "\n".join(trouble)


def new_folder():
    # Not below pytest's own directory: a server run as an ordinary user must be able to walk there.
    folder = tempfile.mkdtemp(prefix="godwit-test-")
    os.chmod(folder, 0o755)
    return folder


@pytest.fixture(scope="session")
def shared_server():
    folder = new_folder()
    server = TestServer(folder)
    server.create([DOMAIN])
    server.add_account(f"first@{DOMAIN}", PASSWORD)  # it gets the postmaster's mail
    yield server
    status = server.stop()
    log = server.log()
    shutil.rmtree(folder, ignore_errors=True)
    assert status == 0, log[-5000:]
    assert not TROUBLE.search(log), [line for line in log.split("\n") if TROUBLE.search(line)]


@pytest.fixture
def server(request, shared_server):
    """The shared server, running; started again when an earlier test broke it."""
    if shared_server.process and shared_server.process.poll() is not None:
        shared_server.process = None
    if not shared_server.process:
        shared_server.start()
    shared_server.mark()
    yield shared_server
    check_soundness(request, shared_server)


@pytest.fixture
def make_server(request):
    """make_server(options="...", accounts=(...), start=True): a server of the test's own."""
    made = []

    def make(options="", accounts=(), start=True, folder=None):
        folder = folder or new_folder()
        server = TestServer(folder)
        made.append(server)
        server.create([DOMAIN], {f"{name}@{DOMAIN}": PASSWORD for name in accounts}, options)
        if start:
            server.start()
            server.mark()
        return server

    yield make
    try:
        for server in made:
            check_soundness(request, server)
        for server in made:
            status = server.stop()
            assert status in (0, None), f"it ended with {status}:\n{server.log()[-5000:]}"
            trouble = [line for line in server.log().split("\n") if TROUBLE.search(line)]
            assert not trouble or expected_trouble(request), trouble
    finally:
        for server in made:
            if server.process:
                server.kill_all()
            shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def mailbox(server):
    """A new account of the shared server."""
    return server.mailbox()


@pytest.fixture
def long(request):
    return request.config.getoption("--long")
