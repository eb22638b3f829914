"""A process that was taken over: its own link to store is used to send what it never would."""

import contextlib
import ctypes
import os
import random
import socket
import struct

import pytest
from conftest import DOMAIN
from server import wait_for
from wire import Wire, count_of, deliver

ALICE = f"alice@{DOMAIN}"
PIDFD_OPEN, PIDFD_GETFD = 434, 438
SUPERVISOR = 3  # descriptor of the link to the supervisor
REQUEST, REPLY, CHUNK, CREDIT, CANCEL, EVENT = range(6)
ADMIT, LEAVE, AUTH, RCPT, UPLOAD, DROP, DELIVER, OPEN = range(8)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may take a process over"),
    pytest.mark.violates,
    pytest.mark.kills,
]
libc = ctypes.CDLL(None, use_errno=True)


def is_link(entry):
    return os.path.basename(entry) != str(SUPERVISOR) and os.readlink(entry).startswith("socket:")


def unix_inodes():
    with open("/proc/net/unix", encoding="ascii") as table:
        next(table)
        return {row.split()[6] for row in table if len(row.split()) == 7}  # those without a path


@contextlib.contextmanager
def taken_over(server, role):
    """The socket that joins the process of this role with store."""
    pid = server.pids(role)[0]
    unnamed = unix_inodes()
    entries = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    links = [e for e in entries if is_link(e) and os.readlink(e)[8:-1] in unnamed]
    assert len(links) == 1, links
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    assert pidfd >= 0
    fd = libc.syscall(PIDFD_GETFD, pidfd, int(os.path.basename(links[0])), 0)
    os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=fd) as link:
        link.setblocking(True)
        yield link


def frame(kind, kind_type, payload=b"", number=77, flags=0, length=None):
    size = len(payload) if length is None else length
    return struct.pack(">IBBHI", size, kind, flags, kind_type, number) + payload


def text(value):
    return struct.pack(">I", len(value)) + value


VIOLATIONS = {
    "garbage": random.Random(1).randbytes(4096),
    "zeros": bytes(64),
    "huge frame": frame(REQUEST, DELIVER, length=0xFFFFFFF0),
    "unknown kind": frame(9, ADMIT),
    "unknown type": frame(REQUEST, 99),
    "reply to nobody": frame(REPLY, ADMIT),
    "event as request": frame(REQUEST, LEAVE, bytes(4)),
    "id 0": frame(REQUEST, ADMIT, bytes(21), number=0),
    "descriptor that did not come": frame(REQUEST, ADMIT, bytes(21), flags=2),
    "chunk too long": frame(CHUNK, UPLOAD, length=1 << 20),
    "id in use": frame(REQUEST, UPLOAD, struct.pack(">q", 1 << 40)) * 2,
    "authenticating from mx": frame(
        REQUEST, AUTH, bytes(4) + text(b"PLAIN") + text(b"") + text(ALICE.encode()) + text(b"x")),
    "opening a mailbox from mx": frame(REQUEST, OPEN, bytes(16)),
}


def test_violation_costs_the_front_only(make_server):
    server = make_server(accounts=["alice"])
    before = server.processes()
    for count, name in enumerate(VIOLATIONS, 1):
        old = server.pids("mx")
        with taken_over(server, "mx") as link:
            link.sendall(VIOLATIONS[name])
        wait_for(f"another mx after {name}", lambda: server.pids("mx") not in ([], old))
        wait_for("a greeting", lambda: server.greets("smtp"))
        deliver(server, ALICE)
        assert server.new_log().count("event=ipc-violation") == count, name
    assert count_of(server, ALICE) == len(VIOLATIONS)
    unharmed = {pid for pid, role in before.items() if role != "mx"}
    assert unharmed <= set(server.processes())


# Well-formed frames that ask for what the process may not have: refused, and nothing else.
ASKED = {
    "malformed admit": (ADMIT, b"\xff" * 20),
    "recipient with a forged handle": (RCPT, bytes(4) + b"\x01" * 16 + text(b"bob") + text(b"elsewhere.test")),
    "malformed recipient": (RCPT, b"\xff" * 100),
    "delivery for no session": (DELIVER, b"\xff" * 300),
    "empty delivery": (DELIVER, b""),
}


def test_what_it_may_not_have_is_refused(make_server):
    server = make_server(accounts=["alice"])
    before = server.processes()
    for kind_type, payload in ASKED.values():
        with taken_over(server, "mx") as link:
            link.sendall(frame(REQUEST, kind_type, payload, number=0x7FFFFFFF))
            deliver(server, ALICE)  # on the same link, behind it
    assert count_of(server, ALICE) == len(ASKED)
    assert server.processes() == before


def test_random_frames_never_harm_the_store(make_server):
    server = make_server(accounts=["alice"])
    store = server.pids("store")
    rng = random.Random(7)
    for _ in range(8):
        wait_for("an mx", lambda: server.pids("mx") and server.greets("smtp"))
        with taken_over(server, "mx") as link, contextlib.suppress(OSError):
            for number in range(1, 200):
                payload = rng.randbytes(rng.choice([0, 1, 4, 8, 16, 21, 60, 300]))
                link.sendall(frame(rng.choice([REQUEST, REQUEST, CHUNK, CREDIT, CANCEL, EVENT]),
                                   rng.randrange(12), payload, number + (1 << 24)))
    assert server.pids("store") == store
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


def test_nonsense_on_the_admin_socket(make_server):
    server = make_server(accounts=["alice"])
    for name, bytes_sent in VIOLATIONS.items():
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(os.path.join(server.data, "run", "admin.sock"))
            admin.sendall(bytes_sent)
            admin.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while admin.recv(4096):
                    pass
    server.command("status")
    with Wire(server) as wire:
        assert wire.greeting.startswith("220 ")
